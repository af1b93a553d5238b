# %% [markdown]
# # 00 · Start here: answers
#
# Try the [exercises](../00_start_here.ipynb) first. Cells that begin with `# from lecture 00` are the lecture's own;
# the others are new.
#
# ## Recall
#
# ### Recall 1
#
# Shift + Enter. It also moves on to the next cell; Ctrl + Enter runs a cell and stays.
#
# ### Recall 2
#
# The seed decides where the generator of random numbers starts, and thereby the whole sequence that follows. A second
# run of one cell draws the *next* numbers of that sequence, since nothing has set the generator back. Restart the
# notebook and run it from the top: then the first numbers come first again.
#
# ### Recall 3
#
# Train, which the model learns from, and validation, which you decide with. Whoever looks at the test images while the
# model still changes will choose, knowingly or not, what happens to suit these images, and the number reported is too
# good for any others.
#
# ### Recall 4
#
# Images, rows, columns, bands: `(batch, 28, 28, 1)` for digits. A colour image has three bands. "Width and height" in
# place of rows and columns is a common slip: in an array the rows, that is the height, come first.
#
# ### Recall 5
#
# For each pixel we must name one number $m$ that makes the mean of $(x - m)^2$ over the images of the class as small as
# possible. Its slope in $m$, $-2$ times the mean of $(x - m)$, is zero where $m$ is the mean of $x$. With another error
# another answer is best: for the absolute difference $|x - m|$ it is the median.
#
# ## Change one line
#
# ### Change one line 1
#
# The class means are a batch of ten images, so the function that drew twenty digits draws them too.

# %% lecture=["setup", "means"]

# %%
figures.image_grid(class_means, columns=10, titles=range(10)).describe(
    "The means of the ten classes, each under its label: soft, upright digits. The 1 is a slim spindle, and the 4 "
    "and the 9 look alike."
)

# %% [markdown]
# Each is what all digits of its class have in common. Where they agree, the mean is dark; where they differ, it is grey
# and wide.
#
# ### Change one line 2

# %%
mse_of_digit = [float(np.mean((data.test.images - from_label)[data.test.labels == k] ** 2)) for k in range(10)]
figures.bars({"label kept": mse_of_digit}, [str(k) for k in range(10)], xlabel="digit", ylabel="MSE").describe(
    "A bar for each digit: the MSE of its class mean. The 1 has by far the lowest bar, the 2 and the 0 the highest."
)

# %% [markdown]
# The 2, with an MSE of about 0.064; the 0 comes next. The 1 is described best, with less than half of that. A digit
# with much ink has much to get wrong, and a slanted loop over an upright one misses on both sides. The 1 has little ink
# and little choice but its slant.
#
# ## Open end
#
# ### Open end 1
#
# One way: within each class, find the one direction in which its images differ most, and keep where along it an image
# lies. That direction is the first principal component, from lecture 01, of the images of this class alone. Another
# way is to measure something that you can name, such as the amount of ink or the slant.

# %%
from sklearn.decomposition import PCA

flat = data.train.images.reshape(-1, 784)  # (n, 28, 28, 1) -> (n, 784)
axes = [PCA(1, random_state=0).fit(flat[data.train.labels == k]) for k in range(10)]
two_numbers = np.empty((len(data.test), 784), dtype="float32")
for k, axis in enumerate(axes):
    own = data.test.labels == k
    number = axis.transform(data.test.images[own].reshape(-1, 784))  # (n, 784) -> (n, 1)
    two_numbers[own] = axis.inverse_transform(number)  # (n, 1) -> (n, 784)
from_two = two_numbers.reshape(-1, 28, 28, 1).clip(0, 1)  # (n, 784) -> (n, 28, 28, 1)

# %%
mse_two = float(np.mean((data.test.images - from_two) ** 2))
kept = {"nothing": mse_nothing, "the label": mse_label, "the label and one more": mse_two}
Table([{"kept": name, "numbers": count, "MSE": mse} for count, (name, mse) in enumerate(kept.items())])

# %%
figures.image_rows({"original": data.test.images, "label kept": from_label, "one more": from_two}).describe(
    "Ten test digits; below each the mean of its class; below that the same with one more number: now the 1 leans as "
    "its original does, and the 4 and the 9 are a little sharper."
)

# %% [markdown]
# The MSE falls from 0.0529 to about 0.0445: one number is worth about as much as a sixth of what was left. Does your
# number get there? A number that you can name, such as the slant, may come close, and has the advantage that you know
# what it says. What does this one say? Let it run from two standard deviations below the mean to two above:

# %%
steps = np.linspace(-2, 2, 7)
walks = {}
for k in (1, 4, 7):
    spread = np.sqrt(axes[k].explained_variance_[0])
    walks[f"a {k}"] = axes[k].inverse_transform((steps * spread)[:, np.newaxis]).reshape(-1, 28, 28, 1).clip(0, 1)
figures.image_rows(walks, columns=7, titles=[f"{step:+.1f}" for step in steps]).describe(
    "A 1, a 4 and a 7 in seven steps each. From left to right the 1 leans over from upright to far right, the 4 "
    "straightens up, and the 7 grows slimmer and steeper."
)

# %% [markdown]
# Mostly slant. Nobody asked for it: slant is what moves the most ink, and so what brings the error down most. Lecture
# 01 asks what 32 numbers can do if a network chooses them.
