# %% [markdown]
# # 01 · Simple autoencoder: answers
#
# Try the [exercises](../01_simple.ipynb) first. Cells that begin with `# from lecture 01` are the lecture's own; the
# others are new. All together run in about a minute.
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
# Both need the lecture's network, trained as it was there, to compare with.

# %% lecture=["autoencoder-by-hand", "training"]

# %% [markdown]
# ### Change one line 1
#
# The next cell trains the same network from the same start; `loss` is the line that changes.


# %%
def train(label, loss="binary_crossentropy", code_activation="relu"):
    model = dense.build_autoencoder(32, code_activation=code_activation)
    model.set_weights(start)
    model.compile(optimizer="adam", loss=loss)
    images = data.train.images
    model.fit(images, images, batch_size=128, epochs=EPOCHS, callbacks=[Progress(label)], verbose=0)
    return model


def row(name, decoded):
    return {"network": name, "MSE": float(np.mean((data.test.images - decoded) ** 2)), "BCE": bce(data.test.images, decoded)}


# %%
from helpers.models import dense

by_mse = train("trained on MSE", loss="mse").predict(data.test.images, batch_size=1000, verbose=0)
on_bce, on_mse = row("trained on BCE", reconstructions), row("trained on MSE", by_mse)
Table([on_bce, on_mse])

# %%
figures.image_rows({"original": data.test.images, "on BCE": reconstructions, "on MSE": by_mse}).describe(
    "Ten test digits over their reconstructions by two networks."
)

# %% [markdown]
# ### Change one line 2
#

# %%
linear = train("linear code", code_activation="linear")
by_linear = linear.predict(data.test.images, batch_size=1000, verbose=0)
with_linear = row("linear code", by_linear)
Table([on_bce, with_linear])

# %%
kernel = linear.get_layer("decoder").get_layer("pixels").get_weights()[0]  # (32, 784)
figures.image_grid(kernel.reshape(32, 28, 28, 1), signed=True).describe("32 pictures")

# %% [markdown]
# ## Open end
#
# ### Open end 1
#

# %% lecture=["strangers"]

# %%
def error_per_image(x, y):
    return np.mean((x - y) ** 2, axis=(1, 2, 3))  # (n, 28, 28, 1) -> (n,)


of_validation = error_per_image(
    data.validation.images, autoencoder.predict(data.validation.images, batch_size=1000, verbose=0)
)
threshold = float(np.percentile(of_validation, 99))
of_test = error_per_image(data.test.images, reconstructions)
of_strangers = {name: error_per_image(x, decoded[name]) for name, x in strangers.items()}
turned_away = float(np.mean(of_test > threshold))
errors = {"test digits": of_test} | of_strangers
Table(
    [
        {"images": name, "smallest error": float(e.min()), "largest": float(e.max()), "turned away": f"{np.mean(e > threshold):.0%}"}
        for name, e in errors.items()
    ]
)

# %%
print(threshold)
worst = np.argsort(-of_test)[:10]
figures.image_rows({"o": data.test.images[worst], "d": reconstructions[worst]})
