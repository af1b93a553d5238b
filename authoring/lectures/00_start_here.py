# %% [markdown]
# # 00 · Start here
#
# *What does a network keep when it must squeeze an image through a narrow middle, and what can you do with it?*
#
# This course answers that question, from a code of 32 numbers for a digit to a class for every square metre of a
# landscape. This first notebook gets you and your machine ready.
#
# **You will**
# - run cells, and read what they answer
# - check your machine and the data that were found on it
# - compare two ways to squeeze a digit, before any network is trained
# - read an error message of this course and mend what it names
#
# **What to know before.** Some Python, and what a NumPy array is. No neural networks yet.
#
# | | CPU (2 cores) | GPU |
# |---|---|---|
# | this notebook | under half a minute, most of it loading Keras | not used |

# %% [markdown]
# ## Run a cell
#
# A notebook is text and code in turn. Click the grey cell below and press **Shift + Enter**: it runs, answers under
# itself, and hands you the next one. The first cell of every lecture imports tools and sets the seed of all random
# numbers, so that you get the numbers that the text states; on another processor the last digit may differ. Where
# chance matters, the text also says what five different seeds gave.

# %% tags=["setup"]
from helpers import figures
from helpers.backend import machine
from helpers.data import digits, fetch
from helpers.diagrams import draw_model
from helpers.models import dense
from helpers.tables import Table
from helpers.training import seed_everything

import numpy as np

seed_everything(0)

# %% [markdown]
# It takes some seconds, because Keras is large. The next two cells load the handwritten digits that half of this course
# is about, and draw twenty of them, each under its label.

# %% tags=["setup"]
data = digits.load()

# %%
figures.image_grid(data.test.images[:20], columns=10, titles=data.test.labels[:20]).describe(
    "Twenty handwritten digits in two rows of ten, dark ink on white paper, each under its label."
)

# %% [markdown]
# **What you should see.** One line that says *70,000 real digits* and where they lie, and your first picture. If the
# line says **stand-in data**, it also says why, and what to do about it; all lectures run, with numbers of their own.
# Either way, everything works.
#
# **Predict.** The next cell draws three random numbers. Restart the notebook (menu *Kernel*, *Restart Kernel and Run
# All Cells*): will it draw the same three again?

# %%
np.random.rand(3).round(3)

# %% [markdown]
# **What you should see.** The same three after every restart: the seed decides. Run only this cell a second time and
# the numbers change, because the generator has moved on. When your numbers differ from the text, run the notebook from
# the top.

# %% [markdown]
# ## Your machine
#
# Keras is the library that trains our networks; a *backend* such as TensorFlow does its arithmetic. The first lectures
# are made for a laptop without a graphics card.

# %%
Table([machine()], caption="This machine")

# %% [markdown]
# ## The data on it
#
# Each lecture looks for its data in the data folder: `datasets/` of this course, or the folders that you name in the
# environment variable `COURSE_DATA`, and uses the best that is there: real data that were brought along, else what
# `./course data fetch` fetched, else a small sample of it. What is missing is downloaded where that is allowed.
# Otherwise a *stand-in* takes its place, and the lecture says so. The table says what is here and, where there is
# something better, the one command that gets it.

# %%
Table(fetch.sources(), caption="Data sets of this course")

# %% [markdown]
# Only the first row matters for now: the digits from above. The cards in `datasets/README.md` say more of the others
# when their lectures come.
#
# The digits come in three parts that share no image: one to learn from, one to decide with, one to report on.

# %%
Table(
    [
        {"split": "train", "images": len(data.train), "used to": "learn"},
        {"split": "validation", "images": len(data.validation), "used to": "decide when to stop and what to keep"},
        {"split": "test", "images": len(data.test), "used to": "report, once, at the end"},
    ]
)

# %% [markdown]
# An image is an array of 28 rows, 28 columns and one band, with ink from 0 (paper) to 1. Many images make a [[batch]],
# which has one axis more, in front.

# %%
print(data.test.images.shape, data.test.images.dtype)

# %% [markdown]
# ## Squeeze a digit without a network
#
# An image has 784 numbers. What is the least that could be kept of it? Keep *nothing*, and the best that you can give
# back for any digit is the mean of all. An answer that takes no work is a [[baseline]]: a model that does no better has
# learned nothing. Keep *one* number, the label, and you can give back the mean of its class.

# %% tags=["means"]
mean_image = data.train.images.mean(axis=0)  # (n, 28, 28, 1) -> (28, 28, 1)
class_means = np.stack([data.train.images[data.train.labels == k].mean(axis=0) for k in range(10)])
from_nothing = np.broadcast_to(mean_image, data.test.images.shape)
from_label = class_means[data.test.labels]  # (n,) -> (n, 28, 28, 1)

# %% [markdown]
# **Predict.** Which digits will suffer most when only their label is kept?

# %%
figures.image_rows(
    {"original": data.test.images, "label kept": from_label, "nothing kept": from_nothing}, columns=10
).describe(
    "Ten test digits; below each the mean of its class, a soft digit without slant; below that the mean of all "
    "digits, ten times the same grey blot."
)

# %% [markdown]
# How much is lost can be told in one number: the [[mean squared error]] (MSE), the squared difference of two pixels,
# averaged over all pixels and images. Zero is perfect.

# %% tags=["means"]
mse_nothing = float(np.mean((data.test.images - from_nothing) ** 2))
mse_label = float(np.mean((data.test.images - from_label) ** 2))
Table([{"kept": "nothing", "numbers": 0, "MSE": mse_nothing}, {"kept": "the label", "numbers": 1, "MSE": mse_label}])

# %% [markdown]
# **What you should see.** The label alone brings the error from <<mse_nothing>> to <<mse_label>>: it says *which*
# digit, and nothing of slant, width or stroke. An [[autoencoder]] is a network that squeezes an image into a handful of
# numbers and gives it back; it finds by itself, without labels, which numbers say most ([Hinton & Salakhutdinov,
# 2006](https://doi.org/10.1126/science.1127647)). In lecture 01 you train this one and beat both rows by far. It is
# drawn from left to right, each layer with the shape of what it puts out: the higher a box, the more numbers. In the
# narrow middle are 32.

# %%
draw_model(dense.build_autoencoder(32))

# %% [markdown]
# ## Read an error message
#
# **Fails on purpose.** Things will go wrong; that is what messages are for. Here one image is handed to a function that
# wants a batch. `try` catches the error so that the notebook goes on; without it, a red box would end with the same
# words.

# %%
try:
    figures.image_grid(data.test.images[0])
except ValueError as error:
    print(error)

# %% [markdown]
# Every message of this course says three things: what was wanted, what came, and what to do. Do what it says.

# %%
figures.image_grid(data.test.images[0][np.newaxis], columns=4).describe("The first test digit, by itself.")

# %% [markdown]
# ## Exercises
#
# ### Recall
# 1. Which keys run a cell?
# 2. What does the seed decide, and why does a second run of one cell change its numbers?
# 3. Which of the three splits may you look at while you still change your model?
# 4. What are the four axes of a batch of images?
# 5. Why is the mean of a class the best guess, in MSE, when only the label is known?
#
# ### Change one line
# 1. Draw the ten class means themselves, with their labels above.
# 2. Report the MSE of `from_label` for each digit alone. Which digit does its mean describe worst?
#
# ### Open end
# 1. Invent a way to keep *two* numbers of a digit (the label and one more) that brings the MSE down further. How far do
#    you get?
#
# ## Recap
#
# - You ran cells, and read what they answered.
# - You checked your machine and the data that were found on it.
# - You compared two ways to squeeze a digit: a mean for all, and a mean for each class.
# - You read an error message and mended what it named.
#
# Next: [01 · Simple autoencoder](01_simple.ipynb).
