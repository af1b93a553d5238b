# %% [markdown]
# # Homework 3 · A variational autoencoder from its parts
#
# *Which sums, which means and which logarithms make an autoencoder variational?*
#
# **You will** write the sample, the KL divergence and the reconstruction of
# [lecture 06](../../lectures/06_variational.ipynb), put them together to a `keras.Model` that `fit` trains, and walk
# from one digit to another.
#
# | points | run all, 2 cores | hand in |
# |---|---|---|
# | 50 | about a minute | this notebook |
#
# Write where it says `YOUR CODE HERE`, and delete the line that raises. Below each question, one test says what is
# expected; another one, which you cannot read, tries other sizes, seeds and images. The cells that start with *See it*
# give no points. Before you hand in: *Kernel*, *Restart kernel and run all cells*, or
# `./course homework check hw3_variational`.

# %% locked="setup"
from helpers import figures
from helpers.data import digits
from helpers.grading import checks, samples
from helpers.models import variational
from helpers.tables import Table
from helpers.training import seed_everything

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

seed_everything(0)

# %% [markdown]
# ## 1 · A sample through which gradients pass
#
# The encoder gives a mean and a *logarithm of the variance* $\log \sigma^2$ for every number of the code. Draw
#
# $$z = \mu + \sigma \, \varepsilon, \qquad \varepsilon \sim N(0, 1),$$
#
# with new noise for every number of every code in every call.


# %% solution="sampling"
class Sampling(layers.Layer):
    """Draw z from N(z_mean, exp(z_log_var)).

    Args:
        seed: of the noise, for `keras.random.SeedGenerator`.

    Call it with `(z_mean, z_log_var)`, float tensors, (batch, latent_dim); it returns z of the same shape.
    """

    def __init__(self, seed=0):
        super().__init__()
        self.noise_seed = keras.random.SeedGenerator(seed)  # hand it to keras.random.normal

    def call(self, inputs):
        z_mean, z_log_var = inputs
        ### BEGIN SOLUTION
        epsilon = keras.random.normal(ops.shape(z_mean), seed=self.noise_seed)
        return z_mean + ops.exp(z_log_var / 2) * epsilon
        ### END SOLUTION


# %% test="sampling_statistics" points=3
read = "lecture 06, A cloud instead of a point"
z_mean = np.full((20_000, 2), 3.0, "float32")
z_log_var = np.full((20_000, 2), 2 * np.log(0.5), "float32")  # a standard deviation of 0.5
z = Sampling(seed=1)((z_mean, z_log_var))
checks.shape("20,000 samples", z, (20_000, 2), read=read)
checks.close("their mean", np.mean(z), 3.0, rtol=0.01, read=read)
checks.close("their standard deviation", np.std(z), 0.5, rtol=0.03, read=read)

# %% hidden="sampling_noise" points=3
# That each number has noise and spread of its own, new in every call, and of the normal distribution.
read = "lecture 06, A cloud instead of a point"
layer = Sampling(seed=checks.seed(11))
zeros = np.zeros((500, 3), "float32")
first, second = np.asarray(layer((zeros, zeros))), np.asarray(layer((zeros, zeros)))
checks.differ("two calls", first, second, read=read)
checks.differ("the noise of two codes", first[0], first[1], read=read)
correlation = abs(np.corrcoef(first[:, 0], first[:, 1])[0, 1])
checks.at_most("correlation of two numbers of a code", correlation, 0.25, read=read)
spreads = np.array([[0.1, 1.0, 4.0]], "float32").repeat(20_000, axis=0)
drawn = np.asarray(layer((0 * spreads, 2 * np.log(spreads))))
checks.close("standard deviations of 0.1, 1 and 4", np.std(drawn, axis=0), [0.1, 1, 4], rtol=0.04, read=read)
far = np.mean(np.abs(drawn) > 2 * spreads)
checks.within("share of normal noise beyond two standard deviations", far, 0.035, 0.056, read=read)

# %% hidden="sampling_gradient" points=3
# That gradients reach both the mean and the log-variance.
read = "lecture 06, A cloud instead of a point: dz/dmean is 1, dz/dlog_var is (z - mean) / 2"
z_mean, z_log_var = tf.constant([[0.5, -1.0]]), tf.constant([[0.2, -0.4]])
with tf.GradientTape() as tape:
    tape.watch([z_mean, z_log_var])
    z = Sampling(seed=checks.seed(12))((z_mean, z_log_var))
to_mean, to_log_var = tape.gradient(z, [z_mean, z_log_var])
checks.close("the gradient of z by z_mean", to_mean, np.ones((1, 2)), read=read)
checks.close("the gradient of z by z_log_var", to_log_var, np.asarray(z - z_mean) / 2, read=read)

# %% [markdown]
# ## 2 · How far from N(0, 1)?
#
# $$\text{KL} = \frac{1}{2} \sum_j \left( \mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2 \right)$$
#
# is a sum over the numbers of a code: one result for each image, in nats.


# %% solution="kl"
def kl_divergence(z_mean, z_log_var):
    """Return the KL divergence of each code's cloud from N(0, I).

    Args:
        z_mean, z_log_var: float tensors, (batch, latent_dim).

    Returns:
        A float tensor, (batch,), in nats. Use `keras.ops`, so that gradients pass.
    """
    ### BEGIN SOLUTION
    return ops.sum(ops.square(z_mean) + ops.exp(z_log_var) - 1 - z_log_var, axis=-1) / 2
    ### END SOLUTION


# %% test="kl_by_hand" points=3
read = "lecture 06, How far from N(0, 1)?"
zeros = np.zeros((4, 2), "float32")
checks.close("KL of N(0, 1)", kl_divergence(zeros, zeros), np.zeros(4), read=read)
checks.close("KL of N(1, 1), one axis", kl_divergence(zeros[:, :1] + 1, zeros[:, :1]), np.full(4, 0.5), read=read)

# %% hidden="kl_closed_form" points=4
# Other means and variances, codes of two lengths, and the gradients.
read = "lecture 06, What is added up, what is averaged"
for latent_dim in (3, 8):
    random = np.random.default_rng(latent_dim)
    z_mean, z_log_var = random.normal(size=(2, 5, latent_dim)).astype("float32")
    wanted = 0.5 * (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var).sum(axis=1)
    checks.close(f"KL of 5 codes of {latent_dim} numbers", kl_divergence(z_mean, z_log_var), wanted, read=read)
    by_mean = checks.gradient("KL", lambda mean: kl_divergence(mean, z_log_var), z_mean, read=read)
    checks.close("the gradient of KL by z_mean", by_mean, z_mean, read=read)
    by_log_var = checks.gradient("KL", lambda log_var: kl_divergence(z_mean, log_var), z_log_var, read=read)
    checks.close("the gradient of KL by z_log_var", by_log_var, (np.exp(z_log_var) - 1) / 2, read=read)

# %% [markdown]
# ## 3 · The reconstruction, in nats
#
# A pixel is a coin: its cross-entropy is $-x \log y - (1 - x) \log (1 - y)$. An image is as many coins as it has
# pixels: sum them. Mind that `keras.losses.binary_crossentropy` takes a mean over the last axis, and that `y` may be 0
# or 1.


# %% solution="reconstruction"
def reconstruction_loss(images, decoded):
    """Return the cross-entropy of each image.

    Args:
        images: float tensor, (batch, rows, columns, bands), values in [0, 1].
        decoded: the same, from the decoder. Keep it 1e-7 away from 0 and 1, as `ops.binary_crossentropy` does.

    Returns:
        A float tensor, (batch,), in nats. Use `keras.ops`, so that gradients pass.
    """
    ### BEGIN SOLUTION
    return ops.sum(ops.binary_crossentropy(images, decoded), axis=(1, 2, 3))
    ### END SOLUTION


# %% test="reconstruction_by_hand" points=3
read = "lecture 06, What is added up, what is averaged"
images = np.zeros((2, 2, 2, 1), "float32")
grey = np.full((2, 2, 2, 1), 0.5, "float32")
found = reconstruction_loss(images, grey)
checks.close("the loss of 2 images of 4 pixels, decoded to 0.5", found, np.full(2, 4 * np.log(2)), read=read)

# %% hidden="reconstruction_other_images" points=3
# Other sizes, more bands, pixels that are sure of themselves, and the gradient.
read = "lecture 06, What is added up, what is averaged"
images, decoded = np.random.default_rng(31).uniform(0.05, 0.95, size=(2, 3, 4, 5, 2)).astype("float32")
wanted = -(images * np.log(decoded) + (1 - images) * np.log(1 - decoded)).sum(axis=(1, 2, 3))
checks.close("the loss of 3 images of 4 x 5 x 2", reconstruction_loss(images, decoded), wanted, read=read)
slope = checks.gradient("the loss", lambda pixels: reconstruction_loss(images, pixels), decoded, read=read)
by_hand = (decoded - images) / (decoded * (1 - decoded))
checks.close("the gradient of the loss by the decoded pixels", slope, by_hand, rtol=1e-3, atol=1e-4, read=read)
sure = np.array([0.0, 1.0], "float32").reshape(1, 2, 1, 1)
checks.close("the loss of a perfect copy of 0 and 1", reconstruction_loss(sure, sure), [0.0], atol=1e-4, read=read)

# %% [markdown]
# ## 4 · The two parts
#
# One hidden layer with ReLU on each side. The encoder has two heads, dense layers *without* activation: a log-variance
# may well be negative.


# %% solution="parts"
def build_parts(latent_dim, input_shape, hidden):
    """Build the encoder and the decoder of a variational autoencoder.

    Args:
        latent_dim: numbers in a code.
        input_shape: (rows, columns, bands).
        hidden: width of the hidden layer of each part.

    Returns:
        encoder: a `keras.Model`, (batch, *input_shape) -> [z_mean, z_log_var, z], each (batch, latent_dim).
        decoder: a `keras.Model`, (batch, latent_dim) -> (batch, *input_shape), values in [0, 1].
    """
    ### BEGIN SOLUTION
    images = keras.Input(input_shape)
    x = layers.Dense(hidden, activation="relu")(layers.Flatten()(images))
    z_mean, z_log_var = layers.Dense(latent_dim)(x), layers.Dense(latent_dim)(x)
    encoder = keras.Model(images, [z_mean, z_log_var, Sampling()((z_mean, z_log_var))])
    codes = keras.Input((latent_dim,))
    x = layers.Dense(hidden, activation="relu")(codes)
    pixels = layers.Dense(int(np.prod(input_shape)), activation="sigmoid")(x)
    return encoder, keras.Model(codes, layers.Reshape(input_shape)(pixels))
    ### END SOLUTION


# %% test="parts_shapes" points=3
read = "lecture 06, A cloud instead of a point"
encoder, decoder = build_parts(2, (28, 28, 1), 64)
outputs = encoder(np.zeros((3, 28, 28, 1), "float32"))
checks.same("outputs of the encoder", len(outputs), 3, read=read)
for name, output in zip(("z_mean", "z_log_var", "z"), outputs):
    checks.shape(f"{name} of 3 images", output, (3, 2), read=read)
checks.shape("3 decoded codes", decoder(np.zeros((3, 2), "float32")), (3, 28, 28, 1), read=read)

# %% hidden="parts_heads" points=2
# Other sizes, the number of weights, what the hidden layer takes in, heads of their own without activation, and the range
# of the pixels.
read = "lecture 06, A cloud instead of a point: two heads, without activation"
for latent_dim, shape, hidden in ((3, (8, 8, 1), 20), (5, (4, 6, 2), 30)):
    checks.seed(41)
    encoder, decoder = build_parts(latent_dim, shape, hidden)
    pixels = int(np.prod(shape))
    images = np.random.default_rng(41).normal(size=(64, *shape)).astype("float32") * 5
    z_mean, z_log_var, _ = (np.asarray(output) for output in encoder(images))
    flat = images.reshape(64, -1)
    checks.close("what the hidden layer takes in: the pixels", checks.taken_in(encoder, images), flat, read=read)
    checks.holds("z_mean", z_mean.min() < 0, expected="some below 0", got="none", read=read)
    checks.holds("z_log_var", z_log_var.min() < 0, expected="some below 0", got="none", read=read)
    checks.differ("z_mean and z_log_var", z_mean, z_log_var, read=read)
    brighter = encoder(2 * images)  # biases begin at 0
    checks.close("z_mean of images that are twice as bright", brighter[0], 2 * z_mean, rtol=1e-3, atol=1e-3, read=read)
    what = "z_log_var of images that are twice as bright"
    checks.close(what, brighter[1], 2 * z_log_var, rtol=1e-3, atol=1e-3, read=read)
    checks.sigmoid("pixels, which pass a sigmoid", decoder, 5 * z_mean, read=read)
    checks.close("pixels while it is trained", decoder(z_mean, training=True), decoder(z_mean), read=read)
    checks.parameters("the encoder", encoder, (pixels + 1) * hidden + 2 * (hidden + 1) * latent_dim, read=read)
    checks.parameters("the decoder", decoder, (latent_dim + 1) * hidden + (hidden + 1) * pixels, read=read)

# %% hidden="parts_sample" points=2
# That z is drawn around z_mean with the variance of z_log_var, that the hidden layers have a ReLU, and that all learns.
read = "lecture 06, A cloud instead of a point: z is a sample, and z_mean is its mean"
theirs, Sampling = Sampling, variational.Sampling  # our sampling, so that a slip in question 1 costs nothing here
random = np.random.default_rng(checks.seed(42))
try:
    encoder, decoder = build_parts(4, (6, 6, 1), 24)
finally:
    Sampling = theirs
images, codes = (random.normal(size=size).astype("float32") for size in ((500, 6, 6, 1), (500, 4)))
z_mean, z_log_var, z = encoder(images)
checks.sampled("z", z, z_mean, z_log_var, read=read)
checks.differ("z of two calls", encoder(images)[2], z, read=read)
read = "lecture 06, A cloud instead of a point; question 4: a hidden layer with ReLU on each side"
checks.rectified("the encoder", encoder, images, read=read)
checks.rectified("the decoder", decoder, codes, read=read)
for name, half in (("the encoder", encoder), ("the decoder", decoder)):
    error = lambda: ops.mean((decoder(encoder(images)[2]) - 0.3) ** 2)
    checks.trains_everywhere(name, half, error, read=read)

# %% [markdown]
# ## 5 · A model that `fit` trains
#
# The loss of a batch is the *mean over the images* of reconstruction + $\beta$ KL, which for $\beta = 1$ is the
# negative evidence lower bound (ELBO). Keras calls `compute_loss` with the images as `x` and with what `call` returned
# as `y_pred`.


# %% solution="vae"
class VAE(keras.Model):
    """A variational autoencoder: `fit(images)`.

    Args:
        encoder: images -> [z_mean, z_log_var, z].
        decoder: z -> images.
        beta: weight of the KL.
    """

    def __init__(self, encoder, decoder, beta=1.0):
        super().__init__()
        self.encoder, self.decoder, self.beta = encoder, decoder, beta

    def call(self, images):
        """Return (decoded, z_mean, z_log_var), with `decoded` made of z, the sample."""
        ### BEGIN SOLUTION
        z_mean, z_log_var, z = self.encoder(images)
        return self.decoder(z), z_mean, z_log_var
        ### END SOLUTION

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of a batch, a scalar tensor."""
        ### BEGIN SOLUTION
        decoded, z_mean, z_log_var = y_pred
        return ops.mean(reconstruction_loss(x, decoded) + self.beta * kl_divergence(z_mean, z_log_var))
        ### END SOLUTION


# %% test="vae_loss" points=4
read = "lecture 06, What is added up, what is averaged"
vae = VAE(*variational.build_dense_parts(2, hidden=(16,), input_shape=(8, 8, 1)))  # our parts
images = samples.digits(6, seed=checks.seed(51))
decoded = np.full((6, 8, 8, 1), 0.5, "float32")
z_mean, z_log_var = np.full((6, 2), 2.0, "float32"), np.zeros((6, 2), "float32")
loss = vae.compute_loss(x=images, y_pred=(decoded, z_mean, z_log_var))
checks.close("the loss of grey images and codes around (2, 2)", loss, 64 * np.log(2) + 4, read=read)

# %% hidden="vae_beta_and_sample" points=4
# Other values of beta, images that differ, and that what is decoded is the sample.
read = "lecture 06, A cloud instead of a point; What is added up, what is averaged"
images = samples.digits(5, seed=checks.seed(52))
encoder, decoder = variational.build_dense_parts(3, hidden=(16,), input_shape=(8, 8, 1))
random = np.random.default_rng(52)
decoded = random.uniform(0.1, 0.9, size=images.shape).astype("float32")
z_mean, z_log_var = random.normal(size=(2, 5, 3)).astype("float32")
nats = -(images * np.log(decoded) + (1 - images) * np.log(1 - decoded)).sum(axis=(1, 2, 3)).mean()
kl = 0.5 * (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var).sum(axis=1).mean()
for beta in (0.0, 0.3, 4.0):
    loss = VAE(encoder, decoder, beta=beta).compute_loss(x=images, y_pred=(decoded, z_mean, z_log_var))
    checks.close(f"the loss with beta={beta}", loss, nats + beta * kl, rtol=1e-3, read=read)
vae = VAE(encoder, decoder)
checks.differ("decoded images of two calls, whose samples differ", vae(images)[0], vae(images)[0], read=read)

# %% hidden="vae_trains" points=4
# That `fit` lowers the loss on new images below what a code without information gives.
read = "lecture 06, With and without the KL term"
images = samples.digits(768, seed=checks.seed(53))
vae = VAE(*variational.build_dense_parts(4, hidden=(48,), input_shape=(8, 8, 1)))
vae.compile(keras.optimizers.Adam(0.005))
vae.fit(images[:640], batch_size=32, epochs=25, verbose=0)
unseen = images[640:]
decoded, z_mean, z_log_var = (np.asarray(part) for part in vae(unseen))
kl = 0.5 * (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var).sum(axis=1).mean()
floor = samples.nats(unseen, unseen)  # of a perfect copy
blind = samples.nats(unseen, images[:640].mean(axis=0))
share = (samples.nats(unseen, decoded) + kl - floor) / (blind - floor)
checks.at_most("negative ELBO above the floor, as a share of the mean image's", share, 1.3, read=read)

# %% [markdown]
# ## 6 · From one digit to another
#
# A walk in latent space: the code moves on a straight line from one image's mean to another's, and every point of it is
# decoded.


# %% solution="walk"
def walk(encoder, decoder, first, second, steps):
    """Decode a straight line between the codes of two images.

    Args:
        encoder: images -> [z_mean, z_log_var, z].
        decoder: z -> images.
        first, second: float32, (rows, columns, bands).
        steps: how many images, both ends included, at least 2.

    Returns:
        float array, (steps, rows, columns, bands): from the decoded mean of `first` to that of `second`.
    """
    ### BEGIN SOLUTION
    z_mean, _, _ = encoder(np.stack([first, second]))
    start, end = np.asarray(z_mean)
    way = np.linspace(0, 1, steps, dtype="float32")[:, np.newaxis]
    return ops.convert_to_numpy(decoder((1 - way) * start + way * end))
    ### END SOLUTION


# %% test="walk_ends" points=2
read = "lecture 06, From one digit to another"
encoder, decoder = variational.build_dense_parts(2, hidden=(16,), input_shape=(8, 8, 1))
first, second = samples.digits(2, seed=checks.seed(61))
pictures = walk(encoder, decoder, first, second, 5)
checks.shape("a walk of 5 steps", pictures, (5, 8, 8, 1), read=read)
z_mean, _, _ = encoder(np.stack([first, second]))
checks.close("its two ends", np.asarray(pictures)[[0, -1]], np.asarray(decoder(z_mean)), read=read)

# %% hidden="walk_between" points=4
# Other numbers of steps, and that the line is straight in the code and not in the picture.
read = "lecture 06, From one digit to another"
encoder, decoder = variational.build_dense_parts(3, hidden=(16,), input_shape=(8, 8, 1))
for layer in decoder.layers:
    layer.set_weights([6 * weight for weight in layer.get_weights()])  # so that the decoder is far from a plane
first, second = samples.digits(2, seed=checks.seed(62))
z_mean = np.asarray(encoder(np.stack([first, second]))[0])
for steps in (2, 7):
    line = np.linspace(z_mean[0], z_mean[1], steps)
    found = walk(encoder, decoder, first, second, steps)
    checks.close(f"a walk of {steps} steps", found, np.asarray(decoder(line)), atol=1e-4, read=read)

# %% hidden="walk_means" points=3
# That a walk starts and ends at the means: the same walk twice.
read = "lecture 06, From one digit to another"
encoder, decoder = variational.build_dense_parts(2, hidden=(16,), input_shape=(8, 8, 1))
first, second = samples.digits(2, seed=checks.seed(63))
again = [np.asarray(walk(encoder, decoder, first, second, 3)) for _ in range(2)]
checks.close("the same walk once more", again[1], again[0], read=read)

# %% [markdown]
# *See it.* A VAE of your parts on real digits: reconstructions, and a walk.

# %%
data = digits.load()
encoder, decoder = build_parts(8, (28, 28, 1), 128)
vae = VAE(encoder, decoder)
vae.compile(keras.optimizers.Adam(0.002))
history = vae.fit(data.train.images[:8_000], batch_size=64, epochs=5, verbose=0)
figures.image_rows({"original": data.test.images[:10], "decoded": vae.predict(data.test.images[:10], verbose=0)[0]})

# %%
few, names = data.test.images[:8], data.test.labels[:8]
walks = [walk(encoder, decoder, few[i], few[i + 1], 8) for i in range(0, 8, 2)]
figures.image_rows({f"{i + 1}: {names[2 * i]} to {names[2 * i + 1]}": walks[i] for i in range(4)})

# %%
decoded, z_mean, z_log_var = vae.predict(data.test.images[:1000], verbose=0)
nats = float(ops.mean(reconstruction_loss(data.test.images[:1000], decoded)))
kl = float(ops.mean(kl_divergence(z_mean, z_log_var)))
Table([{"reconstruction": nats, "KL": kl, "negative ELBO, nats per image": nats + kl}])

# %% [markdown]
# Done? Restart the kernel, run all cells, save, and hand in this file under the name that it has.
