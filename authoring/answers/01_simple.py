# %% [markdown]
# # 01 · Simple autoencoder: answers
#
# Try the [exercises](../01_simple.ipynb) first. Cells that begin with `# from lecture 01` are the lecture's own; the
# others are new. All together run in a minute or two.
#
# ## Recall
#
# ### Recall 1
#
# The *encoder* is a function from images to codes, `(batch, 28, 28, 1) -> (batch, 32)`. The *code* is what it returns:
# 32 numbers for each image. The *decoder* is a function from codes back to images, `(batch, 32) -> (batch, 28, 28, 1)`.
# An answer that calls the code "a layer of the network" is not wrong, but misses that codes can be stored, compared and
# decoded without the image that they came from.
#
# ### Recall 2
#
# The target of each image is the image itself, so the data bring their own answers. That makes it self-supervised. A
# good answer adds what follows: the code holds what is needed to *draw* a digit, and nothing tells the network that
# some of the images show the same one.
#
# ### Recall 3
#
# A perfect copy has $y = x$, and its BCE at a pixel is $-x \log x - (1 - x) \log (1 - x)$. That is zero only where
# $x$ is 0 or 1, and largest, $\log 2$, where $x = 0.5$. The digits have grey pixels along the edges of their strokes.
# If every pixel were black or white, the floor would be zero:

# %% lecture=["setup"]

# %%
def bce(x, y):
    y = y.clip(1e-7, 1 - 1e-7)
    return float(np.mean(-x * np.log(y) - (1 - x) * np.log(1 - y)))


black_and_white = data.test.images.round()
print(f"perfect copy of the digits: {bce(data.test.images, data.test.images):.4f}")
print(f"of the same digits in black and white: {bce(black_and_white, black_and_white):.4f}")

# %% [markdown]
# ### Recall 4
#
# Both squeeze an image into a few numbers and back, both are fitted to unlabelled images by making an error small, and
# both can draw any code. PCA's encoder and decoder are linear: an image is a weighted sum of fixed pictures. So it
# cannot stop at "no ink" or at "all ink", and it cannot let one number decide what another one means. In return it
# needs no training, has one solution, and sorts its axes by how much they explain.
#
# ### Recall 5
#
# - *Learned*: the 32 pictures of decoder weights. Nobody drew them; with other training images they would be others.
# - *Lossy*: the digits above their reconstructions. They are readable, and softer.
# - *Data-specific*: the clothes, the photo and the noise, which come back as pen strokes or not at all.
#
# ## Change one line
#
# Both exercises compare with the network of the lecture, so that is trained first. All begin with the same weights, and
# `loss` and `code_activation` are the lines that change. (`steps_per_execution` hands TensorFlow 20 batches at a time:
# the same steps with less waiting.)

# %% lecture=["autoencoder-by-hand"]

# %%
from helpers.models import dense


def train(label, loss="binary_crossentropy", code_activation="relu"):
    model = dense.build_autoencoder(32, code_activation=code_activation)
    model.set_weights(start)
    model.compile(optimizer="adam", loss=loss, steps_per_execution=20)
    images = data.train.images
    model.fit(images, images, batch_size=128, epochs=15, callbacks=[Progress(label)], verbose=0)
    return model


def row(name, decoded):
    images = data.test.images
    return {"network": name, "MSE": float(np.mean((images - decoded) ** 2)), "BCE": bce(images, decoded)}


# %%
autoencoder = train("trained on BCE")
reconstructions = autoencoder.predict(data.test.images, batch_size=1000, verbose=0)

# %% [markdown]
# ### Change one line 1

# %%
by_mse = train("trained on MSE", loss="mse").predict(data.test.images, batch_size=1000, verbose=0)
on_bce, on_mse = row("trained on BCE", reconstructions), row("trained on MSE", by_mse)
Table([on_bce, on_mse])

# %%
figures.image_rows({"original": data.test.images, "on BCE": reconstructions, "on MSE": by_mse}).describe(
    "Ten test digits over what the two networks return. The two rows are hard to tell apart; trained on MSE, thin "
    "strokes are a little paler."
)

# %% [markdown]
# The BCE rises, by about 5 %. That was to be expected: it is no longer what training makes small. But the MSE hardly
# changes, by less than 1 %, and five seeds of the lecture's network differ by as much. Both losses are lowest
# where the reconstruction equals the image, and with 32 numbers both lead to nearly the same place. They differ where a
# pixel is confidently wrong: BCE punishes that without limit, MSE by at most 1.
#
# ### Change one line 2

# %%
linear = train("linear code", code_activation="linear")
with_linear = row("linear code", linear.predict(data.test.images, batch_size=1000, verbose=0))
Table([on_bce | {"network": "ReLU code"}, with_linear])

# %%
kernels = [model.get_layer("decoder").get_layer("pixels").get_weights()[0] for model in (autoencoder, linear)]
pictures = np.concatenate([kernel[:16].reshape(16, 28, 28, 1) for kernel in kernels])  # (32, 784) -> (16, 28, 28, 1)
figures.image_grid(pictures, columns=16, signed=True).describe(
    "16 pictures of decoder weights with a ReLU code above 16 with a linear code. In both, dark and pale patches "
    "alternate; with the linear code whole pictures are darker or paler than grey."
)

# %% [markdown]
# The error *falls*, a little: by some 2 % in MSE and less in BCE. A ReLU throws away the sign of each number, and a
# code that may be negative can use every picture in two ways, to add ink and to take the same ink away. So here the
# ReLU of the code does not help, and what beats PCA is the sigmoid at the end alone.
#
# The pictures (above with ReLU, below with a linear code) remain mazes of dark and pale patches, and none is a stroke
# of a pen. Their sign no longer means anything: turn a picture and its number around, and the sum is the same.
#
# ## Open end
#
# ### Open end 1
#
# One way: the threshold should not depend on strangers, since one does not know which will come. So take it from digits
# that were not trained on: turn away what has a larger error than 99 % of the validation digits.

# %% lecture=["strangers"]


# %%
def error_per_image(x, y):
    return np.mean((x - y) ** 2, axis=(1, 2, 3))  # (n, 28, 28, 1) -> (n,)


by_validation = autoencoder.predict(data.validation.images, batch_size=1000, verbose=0)
threshold = float(np.percentile(error_per_image(data.validation.images, by_validation), 99))
errors = {"test digits": error_per_image(data.test.images, reconstructions)}
errors |= {name: error_per_image(x, decoded[name]) for name, x in strangers.items()}
print(f"threshold: an MSE of {threshold:.4f}")

# %%
turned_away = {name: float(np.mean(found > threshold)) for name, found in errors.items()}
Table(
    [
        {"images": name, "smallest MSE": float(e.min()), "largest": float(e.max()), "turned away": f"{share:.0%}"}
        for (name, e), share in zip(errors.items(), turned_away.values(), strict=True)
    ]
)

# %% [markdown]
# Who passes that should not, and who is turned away that should pass?

# %%
slips = errors["clothes"].argmin()
worst = np.argsort(-errors["test digits"])[:7]
mistakes = np.concatenate([strangers["clothes"][[slips]], data.test.images[worst]])
returned = np.concatenate([decoded["clothes"][[slips]], reconstructions[worst]])
figures.image_rows({"mistaken": mistakes, "decoded": returned}, titles=["passes", *["too far off"] * 7]).describe(
    "A boot and seven digits over what the network returns. The boot comes back as a dark column with a foot. The "
    "digits are large, thin or looped in unusual ways, and come back in pieces."
)

# %%
to_catch_all = float(np.mean(errors["test digits"] >= errors["clothes"].min()))
print(f"To catch all clothes, {to_catch_all:.1%} of the test digits would have to be turned away.")

# %% [markdown]
# Noise and photos are all caught. The boot gets through: it is small, dark and upright, and the network has a way to
# draw that. The price is 1 % of the digits, by construction, and it is paid by the unusual ones: a large 5, a 0 with
# ink inside. To catch the boot too, nearly 5 % would have to go.
#
# So a reconstruction error does not ask "is this a digit?" but "can I draw this?". Whoever reports that this detector
# finds all strangers has chosen strangers that are hard to draw. Six of a kind are few to tell a rate from, too.
