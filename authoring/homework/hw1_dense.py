# %% [markdown]
# # Homework 1 · Dense autoencoders
#
# *Can you make a code small, sparse and deep, and prove that each of the three did something?*
#
# **You will** build the autoencoders of lectures [01](../../lectures/01_simple.ipynb),
# [02](../../lectures/02_sparse.ipynb) and [03](../../lectures/03_deep.ipynb) for images of any size, write both
# sparsity penalties, and grow a deep network by one layer.
#
# | points | run all, 2 cores | hand in |
# |---|---|---|
# | 40 | under a minute | this notebook |
#
# Write where it says `YOUR CODE HERE`, and delete the line that raises. Below each question, one test says what is
# expected; another one, which you cannot read, tries other sizes, seeds and images. The cells that start with *See it*
# give no points. Before you hand in: *Kernel*, *Restart kernel and run all cells*, or
# `./course homework check hw1_dense`.

# The first cell holds numbers that differ from student to student, where your course hands them out so. Use their
# names: tests are run with your numbers, and an answer with anybody else's fails.

# %% locked="variant"
CODE = 32  # numbers in the code of "See it"
BATCH = 64  # images in a batch of a training
RATE = 0.003  # learning rate of Adam
SILENT = 0.01  # below which share of the largest number a number is silent
SEED = 0  # with which the notebook begins

# %% locked="setup"
from helpers import figures
from helpers.data import digits
from helpers.grading import checks, samples
from helpers.models import dense
from helpers.tables import Table
from helpers.training import seed_everything

import keras
import numpy as np
from keras import layers, ops

seed_everything(SEED)

# %% [markdown]
# ## 1 · Two halves and a narrow middle
#
# Build an encoder, a decoder, and an autoencoder that joins them and shares their weights. One dense layer each: ReLU
# for the code, a sigmoid for the pixels.


# %% solution="simple"
def build_simple(latent_dim, input_shape):
    """Build an autoencoder of two dense layers.

    Args:
        latent_dim: numbers in a code.
        input_shape: (rows, columns, bands).

    Returns:
        Three `keras.Model`s:
        encoder: (batch, rows, columns, bands) -> (batch, latent_dim), values of at least 0 (ReLU).
        decoder: (batch, latent_dim) -> (batch, rows, columns, bands), values in [0, 1] (sigmoid).
        autoencoder: (batch, rows, columns, bands) -> the same shape; decoder after encoder, with their weights.
    """
    ### BEGIN SOLUTION
    images = keras.Input(input_shape)
    codes = layers.Dense(latent_dim, activation="relu")(layers.Flatten()(images))
    encoder = keras.Model(images, codes)
    numbers = keras.Input((latent_dim,))
    pixels = layers.Dense(int(np.prod(input_shape)), activation="sigmoid")(numbers)
    decoder = keras.Model(numbers, layers.Reshape(input_shape)(pixels))
    return encoder, decoder, keras.Model(images, decoder(encoder(images)))
    ### END SOLUTION


# %% test="simple_shapes" points=2
read = "lecture 01, Two halves and a narrow middle"
encoder, decoder, autoencoder = build_simple(CODE, (28, 28, 1))
for model in (encoder, decoder, autoencoder):
    checks.model("what build_simple returns", model, read=read)
images = np.zeros((4, 28, 28, 1), "float32")
checks.shape("the codes of 4 images", encoder(images), (4, CODE), read=read)
checks.shape("4 decoded codes", decoder(np.zeros((4, CODE), "float32")), (4, 28, 28, 1), read=read)
checks.shape("4 reconstructions", autoencoder(images), (4, 28, 28, 1), read=read)

# %% hidden="simple_other_sizes" points=2
# Other sizes of images and codes, one image and two, and the exact number of weights.
for latent_dim, shape in ((3, (8, 8, 1)), (8, (6, 10, 4))):
    encoder, decoder, autoencoder = build_simple(latent_dim, shape)
    pixels = int(np.prod(shape))
    read = f"lecture 01, Two halves and a narrow middle, for latent_dim={latent_dim} and input_shape={shape}"
    for batch in (1, 2):
        codes = encoder(np.zeros((batch, *shape), "float32"))
        checks.shape("codes", codes, (batch, latent_dim), read=read)
        checks.shape("decoded codes", decoder(codes), (batch, *shape), read=read)
        checks.shape("reconstructions", autoencoder(np.zeros((batch, *shape), "float32")), (batch, *shape), read=read)
    checks.parameters("the encoder", encoder, pixels * latent_dim + latent_dim, read=read)
    checks.parameters("the decoder", decoder, latent_dim * pixels + pixels, read=read)
    weights = 2 * pixels * latent_dim + latent_dim + pixels
    checks.parameters("the autoencoder, which shares their weights", autoencoder, weights, read=read)

# %% hidden="simple_values" points=3
# What the code is made of, the range of codes and pixels, and that the autoencoder is the decoder after the encoder, and
# trains both.
read = "lecture 01, Two halves and a narrow middle"
images = samples.digits(16, seed=checks.seed(11)) * 20 - 10  # far from zero, so that a missing activation shows
encoder, decoder, autoencoder = build_simple(8, (8, 8, 1))
codes = encoder(images)
checks.within("codes, which pass a ReLU", codes, 0, np.inf, read=read)
checks.holds("codes", np.asarray(codes).max() > 0, expected="some above 0", got="none", read=read)
pixels = images.reshape(16, -1)
checks.close("what the code layer takes in: the pixels", checks.taken_in(encoder, images), pixels, read=read)
what = "codes of numbers that are twice as large, which are twice as large behind a ReLU"
checks.close(what, encoder(2 * images), 2 * np.asarray(codes), rtol=1e-3, atol=1e-3, read=read)
for scale in (1, -50, 50):
    pixels = decoder(scale * np.ones((2, 8), "float32") + np.asarray(codes)[:2])
    checks.within("pixels, which pass a sigmoid", pixels, 0, 1, read=read)
codes = np.asarray(codes)
checks.sigmoid("pixels, which pass a sigmoid", decoder, 3 * codes, read=read)
checks.close("the autoencoder's output", autoencoder(images), decoder(codes), read=read)
checks.close("the same while it is trained", autoencoder(images, training=True), decoder(codes), read=read)
error = lambda: ops.mean((autoencoder(images) - 0.3) ** 2)
checks.trains_everywhere("the autoencoder", autoencoder, error, read=read)
for half in (encoder, decoder):
    half.set_weights([weight / 2 for weight in half.get_weights()])
    what = "the autoencoder's output, next to the decoder after the encoder, when their weights have changed"
    checks.close(what, autoencoder(images), decoder(encoder(images)), read=read)

# %% [markdown]
# ## 2 · Train it
#
# An autoencoder is its own teacher: what goes in is what should come out.


# %% solution="train"
def train(autoencoder, images, epochs):
    """Train an autoencoder with binary cross-entropy and Adam, in batches of BATCH.

    Use a learning rate of RATE and `verbose=0`.

    Args:
        autoencoder: a `keras.Model`, not compiled.
        images: float32, (n, rows, columns, bands), values in [0, 1].
        epochs: how often all images are seen.

    Returns:
        The training loss of each epoch, the mean over its batches as `fit` reports it: a list of `epochs` numbers.
    """
    ### BEGIN SOLUTION
    autoencoder.compile(keras.optimizers.Adam(RATE), loss="binary_crossentropy")
    return autoencoder.fit(images, images, batch_size=BATCH, epochs=epochs, verbose=0).history["loss"]
    ### END SOLUTION


# %% test="train_learns" points=2
read = "lecture 01, Train it"
images = samples.digits(512, seed=checks.seed(21))
# our network, so that a slip in question 1 costs nothing here
autoencoder = dense.build_autoencoder(16, hidden=(48,), input_shape=(8, 8, 1), code_activation="linear")
losses = train(autoencoder, images, 12)
checks.shape("the losses of 12 epochs", np.array(losses), (12,), read=read)
error = np.mean((np.asarray(autoencoder(images)) - images) ** 2)
mean_image = np.mean((images.mean(axis=0) - images) ** 2)
checks.at_most("the squared error, as a share of the mean image's", error / mean_image, 0.8, read=read)

# %% hidden="train_unseen" points=2
# Images that were not trained on, and the loss that is minimised.
read = "lecture 01, Train it"
images = samples.digits(768, seed=checks.seed(22))
autoencoder = dense.build_autoencoder(24, hidden=(48,), input_shape=(8, 8, 1), code_activation="linear")
losses = train(autoencoder, images[:512], 15)
unseen = images[512:]
error = np.mean((np.asarray(autoencoder(unseen)) - unseen) ** 2)
mean_image = np.mean((images[:512].mean(axis=0) - unseen) ** 2)
checks.at_most("the squared error on new images, as a share of the mean image's", error / mean_image, 0.7, read=read)
bce = ops.mean(keras.losses.binary_crossentropy(images[:512], autoencoder(images[:512])))
checks.close("the last loss, next to the BCE", float(losses[-1]), float(bce), rtol=0.1, read=read)

# %% hidden="train_settings" points=1
# The optimizer, its learning rate, the loss, and the size of the batches: 2 of BATCH, and 2 of BATCH and 1 of 2 in each of
# 2 epochs; what is returned of each epoch; and grey images, on which each optimizer goes a way of its own.
read = f"homework 1, question 2: Adam, a learning rate of {RATE}, batches of {BATCH}"
image = (samples.digits(1, seed=checks.seed(23)) > 0.5).astype("float32")
for count, epochs, steps in ((40, 1, 1), (2 * BATCH, 1, 2), (2 * BATCH + 2, 2, 6)):
    images = image.repeat(count, axis=0)  # all the same, so that Adam moves a bias by its learning rate in every step
    autoencoder = dense.build_autoencoder(4, input_shape=(8, 8, 1))
    bce = ops.mean(keras.losses.binary_crossentropy(image, autoencoder(image)))
    losses = train(autoencoder, images, epochs)
    bias = autoencoder.get_layer("decoder").get_weights()[-1]
    towards = np.where(image.ravel() > 0, bias, -bias)  # each bias begins at 0, and goes to its pixel's ink or paper
    what = f"how far Adam moves each pixel's bias in {epochs} x {count} images, {steps} batches"
    checks.close(what, towards, np.full(64, RATE * steps), rtol=0.06, read=read)
    if steps == 1:
        checks.close("the loss of the first batch, a BCE", float(losses[0]), float(bce), rtol=1e-3, read=read)
    falls = all(one > other for one, other in zip(losses, losses[1:]))
    checks.holds("the losses of the epochs", falls, expected="one after the other smaller", got=f"{losses}", read=read)
grey = np.full((40, 8, 8, 1), 0.502, "float32")  # nearly as bright as what comes out, so that a few steps go too far
found, ours = (dense.build_autoencoder(4, input_shape=(8, 8, 1)) for _ in range(2))
ours.set_weights(found.get_weights())
ours.compile(keras.optimizers.Adam(RATE), loss="binary_crossentropy")
ours.fit(grey, grey, batch_size=BATCH, epochs=8, verbose=0)
train(found, grey, 8)
biases = [network.get_layer("decoder").get_weights()[-1] for network in (found, ours)]
checks.close("biases after 8 steps, next to those of Adam", *biases, rtol=0.02, atol=1e-4, read=read)

# %% [markdown]
# *See it.* Digits, real ones where there is a network, and what `CODE` numbers keep of them after four epochs.

# %%
data = digits.load()
few = data.train.images[:5_000]
_, _, autoencoder = build_simple(CODE, (28, 28, 1))
train(autoencoder, few, 4)
originals = data.test.images[:10]
figures.image_rows({"original": originals, "decoded": autoencoder.predict(originals, verbose=0)})

# %% [markdown]
# ## 3 · Measure sparsity
#
# A number in a code is *silent* if it is below `SILENT` times the largest number in all
# codes.


# %% solution="silent"
def share_silent(codes):
    """Return which share of the numbers in some codes is silent.

    Args:
        codes: float, (n, latent_dim), a NumPy array of values of at least 0.

    Returns:
        A float in [0, 1]: numbers below SILENT times the largest, divided by all numbers.
    """
    ### BEGIN SOLUTION
    return float(np.mean(codes < SILENT * codes.max()))
    ### END SOLUTION


# %% test="silent_by_hand" points=1
read = "lecture 02, A price on every number"
codes = np.array([[0.0, 2.0], [1.99 * SILENT, 2.01 * SILENT]], "float32")  # just below SILENT times 2, and above
what = f"the silent share of [[0, 2], [{1.99 * SILENT:.5f}, {2.01 * SILENT:.5f}]]"
checks.close(what, share_silent(codes), 0.5, read=read)

# %% hidden="silent_other_codes" points=1
# Codes of another size, and of another scale.
read = "lecture 02, A price on every number"
codes = np.random.default_rng(31).exponential(size=(50, 7)).astype("float32")
codes[:, :3] = 0
codes[0, 6] = 40
codes[1:3, 6] = 40 * SILENT - 1e-3, 40 * SILENT + 1e-3
silent = np.mean(codes < 40 * SILENT)
checks.close("the silent share of (50, 7) codes", share_silent(codes), silent, read=read)
checks.close("the same, codes a hundred times as large", share_silent(100 * codes), silent, read=read)

# %% [markdown]
# ## 4 · A price on every number: L1
#
# $$\text{L1} = \lambda \; \frac{1}{n} \sum_{i=1}^{n} \sum_{j} |c_{ij}|$$
#
# is a sum over the numbers of a code and a mean over the batch of $n$ codes.


# %% solution="l1"
def l1_penalty(codes, weight):
    """Return the L1 penalty of a batch of codes.

    Args:
        codes: float tensor, (batch, latent_dim), of any sign.
        weight: the price of one unit of activity, lambda.

    Returns:
        A scalar tensor. Use `keras.ops`, so that gradients pass.
    """
    ### BEGIN SOLUTION
    return weight * ops.mean(ops.sum(ops.abs(codes), axis=-1))
    ### END SOLUTION


# %% test="l1_by_hand" points=1
read = "lecture 02, A price on every number"
codes = np.array([[0, 3, 0], [2, 0, 1]], "float32")
checks.close("L1 of [[0, 3, 0], [2, 0, 1]] with weight 0.1", l1_penalty(codes, 0.1), 0.3, read=read)

# %% hidden="l1_other_codes" points=2
# Codes of both signs, batches of other sizes, and the gradient.
read = "lecture 02, A price on every number"
codes = np.random.default_rng(41).normal(size=(5, 6)).astype("float32")
checks.close("L1 of codes of both signs", l1_penalty(codes, 0.01), 0.01 * np.abs(codes).sum() / 5, read=read)
slope = checks.gradient("L1", lambda codes: l1_penalty(codes, 0.01), codes, read=read)
checks.close("the gradient of L1 by the codes", slope, 0.01 * np.sign(codes) / 5, read=read)
twice = np.concatenate([codes, codes])
checks.close("L1 of the same codes twice", l1_penalty(twice, 0.01), 0.01 * np.abs(codes).sum() / 5, read=read)

# %% [markdown]
# ## 5 · A target instead of a price: KL
#
# Let $\hat\rho_j$ be the mean of number $j$ over the batch. Two coins, one wanted and one found, differ by
#
# $$\text{KL}(\rho \,\|\, \hat\rho_j)
# = \rho \log \frac{\rho}{\hat\rho_j} + (1 - \rho) \log \frac{1 - \rho}{1 - \hat\rho_j},$$
#
# and the penalty is $\lambda$ times the sum over $j$. Mind the ends: a unit that is silent for a whole batch has
# $\hat\rho_j = 0$.


# %% solution="kl"
def kl_penalty(codes, rho, weight):
    """Return the KL penalty of a batch of codes.

    Args:
        codes: float tensor, (batch, latent_dim), values in [0, 1].
        rho: wanted mean activity of every number, strictly between 0 and 1.
        weight: factor before the sum.

    Returns:
        A scalar tensor, also where a mean activity is exactly 0 or 1: keep it 1e-7 away from both ends. Use
        `keras.ops`, so that gradients pass.
    """
    ### BEGIN SOLUTION
    found = ops.clip(ops.mean(codes, axis=0), 1e-7, 1 - 1e-7)
    kl = rho * ops.log(rho / found) + (1 - rho) * ops.log((1 - rho) / (1 - found))
    return weight * ops.sum(kl)
    ### END SOLUTION


# %% test="kl_by_hand" points=2
read = "lecture 02, A target instead of a price"
agreeing = np.full((4, 3), 0.05, "float32")
checks.close("KL where all numbers have the wanted mean", kl_penalty(agreeing, 0.05, 1.0), 0.0, atol=1e-5, read=read)
believing = np.array([[0.4], [0.6]], "float32")  # a mean of 0.5
checks.close("KL of one unit, found 0.5, wanted 0.05", kl_penalty(believing, 0.05, 1.0), 0.494632, read=read)

# %% hidden="kl_many_units" points=3
# Several units, another target and weight, codes that vary within the batch, and the gradient.
read = "lecture 02, A target instead of a price"
codes = np.random.default_rng(51).random((6, 5)).astype("float32")
found = codes.mean(axis=0)
wanted = 0.3 * np.sum(0.1 * np.log(0.1 / found) + 0.9 * np.log(0.9 / (1 - found)))
checks.close("KL of five units", kl_penalty(codes, 0.1, 0.3), wanted, read=read)
slope = checks.gradient("KL", lambda codes: kl_penalty(codes, 0.1, 0.3), codes, read=read)
by_hand = np.tile(0.3 * (0.9 / (1 - found) - 0.1 / found) / 6, (6, 1))
checks.close("the gradient of KL by the codes", slope, by_hand, rtol=1e-3, read=read)

# %% hidden="kl_at_the_ends" points=1
# Units that are silent, or loud, in the whole batch.
read = "lecture 02, A target instead of a price; what is log(0)?"
codes = np.array([[0, 1, 0.05], [0, 1, 0.05]], "float32")
checks.at_least("KL where a unit is always 1", kl_penalty(codes, 0.05, 1.0), 8, read=read)
checks.close("KL where a unit is always 0", kl_penalty(codes[:, :1], 0.05, 1.0), 0.607389, rtol=1e-3, read=read)

# %% [markdown]
# ## 6 · Sparse codes
#
# This layer hands codes on and adds a penalty to the loss.


# %% locked="penalty_layer"
class Penalty(layers.Layer):
    """Pass codes through unchanged, and add `penalty(codes)` to the loss."""

    def __init__(self, penalty):
        super().__init__()
        self.penalty = penalty

    def call(self, codes):
        self.add_loss(self.penalty(codes))
        return codes


# %% [markdown]
# Put it where the codes are. The code layer is a sigmoid this time, so that its numbers are shares of time.


# %% solution="sparse"
def build_sparse(latent_dim, input_shape, penalty):
    """Build an autoencoder whose codes have a price.

    Args:
        latent_dim: numbers in a code.
        input_shape: (rows, columns, bands).
        penalty: a function from codes, (batch, latent_dim), to a scalar; what the `Penalty` layer takes.

    Returns:
        encoder, autoencoder: as in question 1, but with a sigmoid for the code; the encoder's output has passed the
        `Penalty` layer, so that training the autoencoder pays the price.
    """
    ### BEGIN SOLUTION
    images = keras.Input(input_shape)
    codes = layers.Dense(latent_dim, activation="sigmoid")(layers.Flatten()(images))
    codes = Penalty(penalty)(codes)
    pixels = layers.Dense(int(np.prod(input_shape)), activation="sigmoid")(codes)
    return keras.Model(images, codes), keras.Model(images, layers.Reshape(input_shape)(pixels))
    ### END SOLUTION


# %% test="sparse_pays" points=2
read = "lecture 02, Make it a layer"
encoder, autoencoder = build_sparse(12, (8, 8, 1), lambda codes: 0.25 * ops.mean(codes))
images = samples.digits(8, seed=checks.seed(61))
codes = encoder(images)
checks.shape("the codes of 8 images", codes, (8, 12), read=read)
checks.sigmoid("codes, which pass a sigmoid", encoder, 10 * images, read=read)
checks.same("widths from image to image", checks.widths(autoencoder, images), [12, 64], read=read)
encoder(images)
checks.same("losses that the encoder has after a call", len(encoder.losses), 1, read=read)
autoencoder(images)
checks.same("losses that the autoencoder has after a call", len(autoencoder.losses), 1, read=read)
checks.close("what the penalty adds", autoencoder.losses[0], 0.25 * np.mean(codes), read=read)
large = [50 * weight for weight in autoencoder.get_weights()]  # so that a missing activation shows
autoencoder.set_weights(large)
checks.sigmoid("pixels, which pass a sigmoid", autoencoder, images, read=read)

# %% hidden="sparse_trains" points=3
# What the code is made of, that training lowers the activity of the codes on new images, and reaches every weight.
read = "lecture 02, Train towards the target"
images = samples.digits(640, seed=checks.seed(62))
encoder, autoencoder = build_sparse(16, (8, 8, 1), lambda codes: 0.2 * ops.sum(ops.mean(codes, axis=0) ** 2))
before = np.mean(encoder(images[512:]))
pixels = images[:8].reshape(8, -1)
checks.close("what the code layer takes in: the pixels", checks.taken_in(encoder, images[:8]), pixels, read=read)
error = lambda: ops.mean((autoencoder(images[:64]) - images[:64]) ** 2)
checks.trains_everywhere("the autoencoder", autoencoder, error, read=read)
autoencoder.compile(keras.optimizers.Adam(0.01), loss="binary_crossentropy")
autoencoder.fit(images[:512], images[:512], batch_size=64, epochs=8, verbose=0)
after = np.mean(encoder(images[512:]))
checks.at_most("mean activity after training, as a share of that before", after / before, 0.6, read=read)

# %% [markdown]
# *See it.* The same network without a price, with L1 and with a target. Without a price all numbers stay near 1, for
# every digit: such a code says nothing. L1 silences two thirds of them. The target pulls all means down, and the code
# stays in use: what comes out has the smallest error of the three.

# %%
prices = {
    "none": lambda codes: 0 * ops.sum(codes),
    "L1": lambda codes: l1_penalty(codes, 1e-2),
    "KL": lambda codes: kl_penalty(codes, 0.05, 0.01),
}
rows = []
for name, price in prices.items():
    encoder, autoencoder = build_sparse(CODE, (28, 28, 1), price)
    train(autoencoder, few, 8)
    unseen = data.test.images[:1000]
    codes = encoder.predict(unseen, verbose=0)
    error = np.mean((autoencoder.predict(unseen, verbose=0) - unseen) ** 2)
    facts = {"mean of the codes": round(float(codes.mean()), 3), "silent": f"{share_silent(codes):.0%}"}
    rows.append({"penalty": name, **facts, "squared error": round(float(error), 3)})
Table(rows)

# %% [markdown]
# ## 7 · Deeper
#
# Hidden layers with ReLU on both sides, the decoder's in reverse, and a code without activation, as lecture 03 argues.


# %% solution="deep"
def build_deep(widths, input_shape):
    """Build a deep autoencoder.

    Args:
        widths: of the encoder's layers, from the image to the code, such as (128, 64, 16): two hidden layers and a
            code of 16 numbers.
        input_shape: (rows, columns, bands).

    Returns:
        encoder, decoder, autoencoder: as in question 1. Hidden layers have ReLU, the code has no activation, the
        pixels a sigmoid. The decoder has the encoder's hidden layers in reverse: 64, then 128.
    """
    ### BEGIN SOLUTION
    *hidden, latent_dim = widths
    images = keras.Input(input_shape)
    x = layers.Flatten()(images)
    for width in hidden:
        x = layers.Dense(width, activation="relu")(x)
    encoder = keras.Model(images, layers.Dense(latent_dim)(x))
    codes = keras.Input((latent_dim,))
    x = codes
    for width in reversed(hidden):
        x = layers.Dense(width, activation="relu")(x)
    pixels = layers.Dense(int(np.prod(input_shape)), activation="sigmoid")(x)
    decoder = keras.Model(codes, layers.Reshape(input_shape)(pixels))
    return encoder, decoder, keras.Model(images, decoder(encoder(images)))
    ### END SOLUTION


# %% test="deep_shapes" points=2
read = "lecture 03, More layers, the same code"
encoder, decoder, autoencoder = build_deep((128, 64, 16), (28, 28, 1))
checks.shape("the codes of 3 images", encoder(np.zeros((3, 28, 28, 1), "float32")), (3, 16), read=read)
checks.shape("3 decoded codes", decoder(np.zeros((3, 16), "float32")), (3, 28, 28, 1), read=read)
widths = checks.widths(autoencoder, np.zeros((3, 28, 28, 1), "float32"))
checks.same("widths from image to image", widths, [128, 64, 16, 64, 128, 784], read=read)

# %% hidden="deep_activations" points=3
# Other widths, one hidden layer and three, what the first layer takes in, and every activation.
for widths in ((20, 5), (24, 18, 12, 3)):
    read = f"lecture 03, More layers, the same code, for widths={widths}"
    encoder, decoder, autoencoder = build_deep(widths, (8, 8, 1))
    random = np.random.default_rng(checks.seed(71))
    around_zero = 10 * random.normal(size=(64, 8, 8, 1)).astype("float32")
    found = checks.widths(autoencoder, around_zero)
    checks.same("widths", found, [*widths, *widths[-2::-1], 64], read=read)
    pixels = around_zero.reshape(64, -1)
    checks.close("what the first layer takes in: the pixels", checks.taken_in(encoder, around_zero), pixels, read=read)
    checks.rectified("the encoder", encoder, around_zero, read=read)
    codes = random.normal(size=(64, widths[-1])).astype("float32")
    checks.rectified("the decoder", decoder, codes, read=read)
    checks.sigmoid("pixels, which pass a sigmoid", decoder, 10 * codes, read=read)
    images = samples.digits(4, seed=checks.seed(72))
    checks.close("the autoencoder's output", autoencoder(images), decoder(encoder(images)), read=read)
    error = lambda: ops.mean((autoencoder(images) - images) ** 2)
    checks.trains_everywhere("the autoencoder", autoencoder, error, read=read)
    codes = np.asarray(encoder(around_zero))
    for weight in checks.called(encoder, around_zero)[-1].weights:
        weight.assign(-20 * weight)
    what = "codes without activation, after the weights of the last layer were taken times -20"
    checks.close(what, encoder(around_zero), -20 * codes, atol=1e-2, read=read)

# %% [markdown]
# ## 8 · Grow by one layer
#
# Greedy growing keeps what was learned: the layers of a trained encoder are copied, a deeper code is put on top, and a
# new decoder grows behind it.


# %% solution="grow"
def grow(encoder, latent_dim):
    """Build the next stage on a copy of a trained encoder.

    Args:
        encoder: a trained `keras.Model`: one `Flatten`, then `Dense` layers, (batch, *input_shape) -> (batch, width).
            It must stay as it is, also when the new stage is trained.
        latent_dim: numbers in the new code, which has no activation.

    Returns:
        deeper: the old layers with copies of their weights and with their activations, then the new code layer.
        autoencoder: `deeper`, then a new decoder: one hidden ReLU layer as wide as the old code, and the pixels
            with a sigmoid.
    """
    ### BEGIN SOLUTION
    copy = keras.models.clone_model(encoder)
    copy.set_weights(encoder.get_weights())
    images = keras.Input(encoder.input_shape[1:])
    codes = layers.Dense(latent_dim)(copy(images))
    x = layers.Dense(encoder.output_shape[-1], activation="relu")(codes)
    pixels = layers.Dense(int(np.prod(encoder.input_shape[1:])), activation="sigmoid")(x)
    decoded = layers.Reshape(encoder.input_shape[1:])(pixels)
    return keras.Model(images, codes), keras.Model(images, decoded)
    ### END SOLUTION


# %% test="grow_shapes" points=2
read = "lecture 03, Grow it"
old = dense.build_encoder(20, input_shape=(8, 8, 1))
deeper, autoencoder = grow(old, 6)
images = np.zeros((2, 8, 8, 1), "float32")
checks.shape("the codes of 2 images", deeper(images), (2, 6), read=read)
checks.shape("2 reconstructions", autoencoder(images), (2, 8, 8, 1), read=read)
checks.same("widths from image to image", checks.widths(autoencoder, images), [20, 6, 20, 64], read=read)

# %% hidden="grow_keeps" points=3
# That the old layers start from the old weights, and that training the new stage leaves the old encoder alone.
read = "lecture 03, Grow it: the old weights are copied"
images = samples.digits(64, seed=checks.seed(81))
old = dense.build_encoder(12, hidden=(30,), input_shape=(8, 8, 1))
before = [weight.copy() for weight in old.get_weights()]
deeper, autoencoder = grow(old, 4)
code_layer = checks.called(deeper, images)[-1]
kernel, bias = sorted(map(np.asarray, code_layer.weights), key=np.ndim, reverse=True)
checks.close("the new codes", deeper(images), np.asarray(old(images)) @ kernel + bias, atol=1e-4, read=read)
autoencoder.compile("adam", loss="mse", run_eagerly=True)
autoencoder.fit(images, images, epochs=1, verbose=0)
for now, then in zip(old.get_weights(), before):
    checks.close("a weight of the old encoder after training the new stage", now, then, read=read)

# %% hidden="grow_trains" points=2
# That the whole grown network learns, the copied layers included, and its activations.
read = "lecture 03, Grow it: the copied layers go on learning"
images = samples.digits(32, seed=checks.seed(82))
deeper, autoencoder = grow(dense.build_encoder(40, input_shape=(8, 8, 1)), 10)
error = lambda: ops.mean((autoencoder(images) - images) ** 2)
checks.trains_everywhere("the grown network", autoencoder, error, read=read)
lowest = np.min(deeper(images))
got = f"{lowest:.3g} and more"
checks.holds("the new codes, without activation", lowest < 0, expected="some below 0", got=got, read=read)
last = slice(-1, None)  # what the pixels are made of
checks.rectified("the hidden layer of the new decoder", autoencoder, images, which=last, read=read)
checks.sigmoid("pixels, which pass a sigmoid", autoencoder, 10 * images, read=read)

# %% [markdown]
# *See it.* A code of 16 numbers, from a shallow network, a deep one, and one that was grown from the shallow one's
# encoder. All have seen every image three times.

# %%
errors = []
for name in ("deep from the start", "grown"):
    if name == "grown":
        shallow = dense.build_autoencoder(128)
        train(shallow, few, 1)
        _, autoencoder = grow(shallow.get_layer("encoder"), 16)
        train(autoencoder, few, 2)
    else:
        _, _, autoencoder = build_deep((128, 16), (28, 28, 1))
        train(autoencoder, few, 3)
    decoded = autoencoder.predict(data.test.images[:1000], verbose=0)
    errors.append({"network": name, "squared error": float(np.mean((decoded - data.test.images[:1000]) ** 2))})
Table(errors)

# %% [markdown]
# Done? Restart the kernel, run all cells, save, and hand in this file under the name that it has.
