# %% [markdown]
# # 06 · Variational autoencoders
#
# *What must an autoencoder learn so that a point picked at random decodes to a digit?*
#
# **You will**
# - build an encoder that gives a mean and a log-variance, and draw codes from them so that gradients pass
# - derive the KL divergence and the evidence lower bound, check both by numbers, and add up over the right axes
# - train with and without it, and measure what it holds in place
# - generate digits, walk from one to another, and judge networks by a bound that can be compared with published ones
#
# **What to know before.** Lectures [01](01_simple.ipynb) (code, BCE), [02](02_sparse.ipynb) (KL divergence) and
# [04](04_convolutional.ipynb) (transposed convolutions). What a normal distribution is.
#
# | | CPU (2 cores) | GPU |
# |---|---|---|
# | this notebook | a minute and a half | not needed: the networks are too small to keep one busy |

# %% tags=["setup"]
from helpers import figures
from helpers.training import Progress, seed_everything
from helpers.data import digits
from helpers.diagrams import draw_model
from helpers.latent.plots import maps_by_class
from helpers.models.variational import VAE, build_convolutional_vae, build_dense_vae, importance_weighted_bound
from helpers.tables import Table

import keras
import numpy as np
from keras import layers, ops
from scipy.stats import norm
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

seed_everything(0)
data = digits.load()

# %% [markdown]
# ## A cloud instead of a point
#
# So far a digit became a point in [[latent space]], the space of all codes, and nothing was asked of the places between
# the points. The encoder of a [[variational autoencoder]] (VAE) gives a small cloud instead, a normal distribution on
# every latent axis: its mean `z_mean`, and the logarithm of its variance, `z_log_var`. Why the logarithm: a layer gives
# any number, but a variance must be positive, and $e^v$ is for every $v$. Two axes for now, since a plane can be drawn.

# %% tags=["vae-by-hand"]
images = keras.Input((28, 28, 1))  # (28, 28, 1)
x = layers.Flatten()(images)  # (batch, 28, 28, 1) -> (batch, 784)
x = layers.Dense(256, activation="relu")(x)  # (batch, 784) -> (batch, 256)
x = layers.Dense(64, activation="relu")(x)  # (batch, 256) -> (batch, 64)
z_mean = layers.Dense(2, name="z_mean")(x)  # (batch, 64) -> (batch, 2)
z_log_var = layers.Dense(2, name="z_log_var")(x)  # (batch, 64) -> (batch, 2)

# %% [markdown]
# The code `z` is drawn from the cloud, and gradients cannot flow through a random draw. In
# [[reparameterisation]] ([Kingma & Welling, 2014](https://arxiv.org/abs/1312.6114)) the draw is $\varepsilon$ from
# $N(0, 1)$, which has nothing to learn, and is scaled and shifted afterwards.
#
# $$z = \mu + \sigma \varepsilon, \qquad \sigma = e^{v / 2}.$$
#
# Now $z$ depends on $\mu$ and on $v$ = `z_log_var` by plain arithmetic.


# %% tags=["vae-by-hand"]
@keras.saving.register_keras_serializable("lecture")  # by this name a saved model finds its layer again
class Sampling(layers.Layer):
    def __init__(self, seed=0, **options):
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        epsilon = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(z_log_var / 2) * epsilon


# %% [markdown]
# **Fails on purpose.** NumPy can draw from any normal distribution. Why not let it?


# %% tags=["draw-by-numpy"]
class DrawByNumPy(layers.Layer):
    def call(self, inputs):
        z_mean, z_log_var = inputs
        return np.random.normal(z_mean, np.exp(z_log_var / 2))


try:
    DrawByNumPy()([z_mean, z_log_var])
except Exception as error:  # each backend refuses in words of its own; these are TensorFlow's
    reasons = [line for line in str(error).splitlines() if "to a NumPy call" in line]
    print(*reasons or [f"{type(error).__name__} on {keras.backend.backend()}"])

# %% [markdown]
# A layer is built before there are numbers, as a chain of operations along which gradients flow back. NumPy needs
# numbers at once, and leaves no chain. Write what happens in a layer with `keras.ops` and `keras.random`.
#
# A second way to a gradient uses the density: multiply the value at each draw by
# $\partial \log q(z) / \partial \mu = (z - \mu) / \sigma^2$. Take $f(z) = z^2$ with $\mu = 1$, $\sigma = 0.5$. The mean
# of $f$ is $\mu^2 + \sigma^2$, so its slope in $\mu$ is 2.
#
# **Predict.** Both ways are right on average. How far off is a single draw?

# %% tags=["slopes-of-a-draw"]
mu, sigma = 1.0, 0.5
draws = mu + sigma * np.random.default_rng(0).standard_normal(100_000)
through = 2 * draws  # the chain rule: df/dz * dz/dmu, and dz/dmu is 1
weighed = draws**2 * (draws - mu) / sigma**2
spread_through, spread_weighed = float(through.std()), float(weighed.std())
print(f"through the draw:   {through.mean():.2f} ± {spread_through:.2f}")
print(f"weighed by density: {weighed.mean():.2f} ± {spread_weighed:.2f}")

# %%
slopes = {"through the draw": through, "weighed by density": weighed}
figures.histograms(
    {name: found.clip(-15, 25) for name, found in slopes.items()}, xlabel="slope found by one draw, cut at -15 and 25"
).describe(
    "Two histograms: a narrow hill around 2 for the slopes found through the draw; for those weighed by the "
    "density a peak at 0, with much of it below, and a long tail to the right."
)

# %% [markdown]
# **What you should see.** Both have the mean 2. A single slope is off by <<spread_through:.1f>> through the draw, and
# by <<spread_weighed:.1f>> weighed by the density, often with the wrong sign: the second way needs twenty times the
# draws to be as sure. With the first, one draw for each image is enough to train on.
#
# So the encoder is done, and the decoder is an ordinary one.

# %% tags=["vae-by-hand"]
z = Sampling(name="z")([z_mean, z_log_var])
encoder = keras.Model(images, [z_mean, z_log_var, z], name="encoder")

# %% tags=["vae-by-hand"]
codes = keras.Input((2,))  # (2,)
x = layers.Dense(64, activation="relu")(codes)  # (batch, 2) -> (batch, 64)
x = layers.Dense(256, activation="relu")(x)  # (batch, 64) -> (batch, 256)
x = layers.Dense(784, activation="sigmoid")(x)  # (batch, 256) -> (batch, 784)
decoded = layers.Reshape((28, 28, 1))(x)  # (batch, 784) -> (batch, 28, 28, 1)
decoder = keras.Model(codes, decoded, name="decoder")

# %% [markdown]
# The whole network, with the two losses that the next sections derive. Dashed arrows show where their gradients go:
# those of the reconstruction pass `z` on their way to mean and variance, thanks to the trick; those of the KL start
# there.

# %%
draw_model(encoder, decoder, losses={"reconstruction": [decoded], "KL": [z_mean, z_log_var]})

# %% [markdown]
# ## How far from N(0, 1)?
#
# We want to pick codes later without an image, from $p(z) = N(0, 1)$ on each axis. This is the [[prior]], the
# distribution of codes before any image is seen. Each cloud $q(z)$ pays for its distance from it, the KL divergence
# of lecture 02: $\mathrm{KL} = E_q[\log q(z) - \log p(z)]$. For normal distributions
#
# $$\log q(z) = -\tfrac12\left(\log 2\pi + v + \frac{(z-\mu)^2}{\sigma^2}\right), \quad
# \log p(z) = -\tfrac12\left(\log 2\pi + z^2\right).$$
#
# Under $q$ the mean of $(z-\mu)^2 / \sigma^2$ is 1, and the mean of $z^2$ is $\mu^2 + \sigma^2$. What is left:
#
# $$\mathrm{KL} = \tfrac12\left(\mu^2 + e^v - 1 - v\right).$$


# %% tags=["kl-by-hand"]
def kl(z_mean, z_log_var):
    return (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var) / 2


kl_closed = float(kl(mu, 2 * np.log(sigma)))
print(f"KL(N(1, 0.25) || N(0, 1)) = {kl_closed:.4f} nats")

# %% [markdown]
# Was anything lost on the way? *Monte Carlo* needs no derivation: average $\log q(z) - \log p(z)$ over draws.

# %% tags=["kl-by-sampling"]
surprise = norm.logpdf(draws, mu, sigma) - norm.logpdf(draws)  # (100000,)
counts = np.unique(np.geomspace(10, 100_000, 200).astype(int))
running = np.cumsum(surprise)[counts - 1] / counts
kl_sampled = float(running[-1])

# %%
figure = figures.curves(
    {"Monte Carlo": running, "closed form": [kl_closed] * len(counts)}, x=counts, xlabel="draws", ylabel="KL, nats"
)
figure.axes[0].set_xscale("log")
figure.describe(
    "The Monte Carlo average of the KL over 10 to 100,000 draws. It swings widely at first and settles on the "
    "level line of the closed form."
)

# %% [markdown]
# **What you should see.** The average settles on the closed form: <<kl_sampled:.3f>> after 100,000 draws against
# <<kl_closed:.3f>>. With ten draws it was far off. In training the closed form is free of this noise.

# %% [markdown]
# ## A bound that can be computed
#
# The decoder gives the [[likelihood]] $p(x \mid z)$, the probability of an image if its code is known. Its mean over
# the prior, $p(x)$, is the probability that the model draws this image, and training should raise it. The
# [[posterior]] $p(z \mid x) = p(x \mid z)\, p(z) / p(x)$ is the distribution of codes after the image is seen: those
# from which it may have come.
#
# With many axes neither can be computed. With one axis and one pixel both can.

# %% tags=["elbo-on-a-line"]
line = np.linspace(-6, 6, 2401)  # all codes, in steps of 0.005
prior = norm.pdf(line)
likelihood = 1 / (1 + np.exp(3 - 4 * line))  # of a black pixel: a decoder of one weight and one bias
evidence = float((likelihood * prior).sum() * 0.005)  # p(x)
posterior = likelihood * prior / evidence
q = norm.pdf(line, 1.1, 0.7)  # what an encoder might give

# %%
densities = {"prior": prior, "likelihood": likelihood, "posterior": posterior, "q": q}
figures.curves(densities, x=line, xlabel="z", ylabel="density; for the likelihood, probability").describe(
    "Four curves over z: the prior, a bell around 0; the likelihood, which rises from 0 to 1 near 0.75; the posterior, "
    "their product scaled up, a lopsided hill with its top near 1; and q, a bell a little wider than it."
)

# %% [markdown]
# The posterior is lopsided, since it is nearly zero where the likelihood is; $q$, a normal distribution, can only come
# near, and this one is a little too wide besides. What does that cost? For every $z$, $p(x) = p(x \mid z)\, p(z) /
# p(z \mid x)$. Take logarithms, add and subtract $\log q(z)$, and average over $q$. The left side has no $z$ and stays
# as it is:
#
# $$\log p(x) = \underbrace{E_q[\log p(x \mid z)] - \mathrm{KL}(q(z) \,\|\, p(z))}_{\text{ELBO}} +
# \underbrace{\mathrm{KL}(q(z) \,\|\, p(z \mid x))}_{\text{gap}}.$$

# %% tags=["elbo-on-a-line"]
log_evidence = float(np.log(evidence))
expected = float((q * np.log(likelihood)).sum() * 0.005)  # E_q[log p(x|z)]
to_prior = float((q * np.log(q / prior)).sum() * 0.005)
gap = float((q * np.log(q / posterior)).sum() * 0.005)
print(f"ELBO {expected - to_prior:.4f} + gap {gap:.4f} = {expected - to_prior + gap:.4f}; log p(x) {log_evidence:.4f}")

# %% [markdown]
# **What you should see.** They add up: <<log_evidence:.3f>>. No KL divergence is negative, so the first part is a
# bound. The [[evidence lower bound]] (ELBO) is the mean log-likelihood of an image minus the KL divergence from the
# prior, and is never above $\log p(x)$. Unlike $p(x)$ it can be computed: it needs no posterior. Where $q$ is the
# posterior, the gap is zero. Raising the ELBO raises $\log p(x)$, or narrows the gap, or both.
#
# ## What is added up, what is averaged
#
# For an image of black and white pixels, minus $\log p(x \mid z)$ is the BCE of lecture 01 (grey ones come below).
# Given $z$, pixels are independent, and so are the latent axes: probabilities multiply, so logarithms **add up**, over
# pixels and over latent axes. Over the images of a batch we **average**. By hand, with the untrained network:

# %% tags=["elbo-by-hand"]
batch = data.test.images[:1000]
means, log_vars, drawn = (np.asarray(part) for part in encoder(batch))  # (1000, 2) each
per_axis = kl(means, log_vars)  # (1000, 2)
found = np.asarray(decoder(drawn)).clip(1e-7, 1 - 1e-7)
per_pixel = -batch * np.log(found) - (1 - batch) * np.log(1 - found)  # (1000, 28, 28, 1)

# %% tags=["elbo-by-hand"]
summed_kl, averaged_kl = per_axis.sum(axis=1).mean(), per_axis.mean()
summed_bce = per_pixel.sum(axis=(1, 2, 3)).mean()
print(f"reconstruction {summed_bce:.2f}, KL {summed_kl:.4f}; KL averaged over its axis {averaged_kl:.4f}")

# %% [markdown]
# `VAE` joins the two parts and computes this loss; `fit(images)` trains it. Its numbers should be ours.

# %% tags=["elbo-of-helper"]
vae = VAE(encoder, decoder)
vae.compile()
vae.evaluate(batch, batch_size=1000, verbose=0, return_dict=True)

# %% [markdown]
# The KL agrees in every digit; the reconstruction almost, since `z` is drawn anew.
#
# **Trap.** Look at the last number of our line again. `mean` over the latent axis, as some books have it, is half the
# KL here, and a sixteenth of it with 16 axes. The loss is then $\text{BCE} + \beta\,\text{KL}$ with $\beta = 1/16$,
# and bounds nothing. Keras' own BCE makes the opposite mistake: it averages over 784 pixels, so that $\beta = 784$.
# Below we train with the first; an exercise has the second.

# %% [markdown]
# ## With and without the KL term
#
# Train twice, once with `beta=0`, where the encoder may choose any cloud. `build_dense_vae(2, hidden=(256, 64))` builds
# the network that we have.
#
# **Predict.** Nothing in the loss rewards noise now. What will happen to $\sigma$?

# %% tags=["training"]
MORE = 10 if data.is_stand_in else 1  # the stand-in has forty times fewer images


def train(label, model, images=data.train.images, epochs=6, batch_size=256, learning_rate=0.002):
    model.compile(keras.optimizers.Adam(learning_rate), steps_per_execution=20)  # 20 batches at a time: less waiting
    options = {"epochs": epochs * MORE, "batch_size": batch_size, "callbacks": [Progress(label)], "verbose": 0}
    model.fit(images, **options)
    return model


# %%
free = train("without KL", build_dense_vae(2, hidden=(256, 64), beta=0))
vae = train("with KL", vae)

# %%
encoded = {"without KL": free.encoder.predict(data.test.images, batch_size=1000, verbose=0)}
encoded["with KL"] = vae.encoder.predict(data.test.images, batch_size=1000, verbose=0)
sigmas = {name: np.exp(log_var / 2) for name, (_, log_var, _) in encoded.items()}  # (10000, 2) each
figures.histograms({name: np.log10(found) for name, found in sigmas.items()}, xlabel="log10 of sigma").describe(
    "Two histograms of sigma on a logarithmic scale. Without the KL term sigma is far smaller, by a factor of "
    "ten and more, than with it."
)

# %%
spreads = {name: float(found[0].std(axis=0).mean()) for name, found in encoded.items()}
sigma_free, sigma_held = (float(np.median(found)) for found in sigmas.values())
spread_free, spread_held = spreads.values()
clouds = {"without KL": (sigma_free, spread_free), "with KL": (sigma_held, spread_held)}
Table([{"training": name, "median sigma": one, "spread of means": other} for name, (one, other) in clouds.items()])

# %% [markdown]
# **What you should see.** Without the KL term $\sigma$ collapses to <<sigma_free:.4f>> (five seeds:
# <<sigma_free seeds:.4f>>), in a space that has grown to a spread of <<spread_free:.0f>>. Noise can only harm a
# reconstruction, so the encoder has turned it off: points again, an ordinary autoencoder. With the term the clouds are
# <<sigma_held:.2f>> wide and touch their neighbours.
#
# **Predict.** Pick ten codes from $N(0, I)$ and decode them. Which network draws digits?

# %%
figures.image_rows(
    {name: model.generate(10, seed=0) for name, model in {"without KL": free, "with KL": vae}.items()}
).describe(
    "Ten generated images of each network. Without KL nearly all are the same blurred 3 or 8; with KL there "
    "are digits of several classes, some half-way between two."
)

# %%
means_of = {name: found[0][:3000] for name, found in encoded.items()}
figure = maps_by_class(means_of, data.test.labels[:3000], axes=("first axis of z_mean", "second axis of z_mean"))
for ax in figure.axes:
    angle = np.linspace(0, 2 * np.pi, 100)
    ax.plot(2 * np.cos(angle), 2 * np.sin(angle), "w-", linewidth=4)
    ax.plot(2 * np.cos(angle), 2 * np.sin(angle), "k-", linewidth=1.5)
    ax.set_aspect("equal", "datalim")
figure.describe(
    "Two scatter plots of codes, coloured by digit, with a black circle of radius 2. Without KL the codes lie in "
    "arms far longer than the circle is wide; with KL they fill it and reach a little beyond."
)

# %% [markdown]
# **What you should see.** The black circle has a radius of 2 and holds 86 % of $N(0, I)$. Without KL most codes lie far
# outside it, and what is picked inside belongs to a few classes. With KL the codes fill the circle: between the digits
# lie their clouds.

# %% [markdown]
# ## A map of digits
#
# If the codes follow $N(0, I)$, their *quantiles* fill a square evenly: `norm.cdf` gives the share of $N(0, 1)$ that
# lies below a code. Its inverse, `norm.ppf`, turns every place in the square into a code to decode.

# %%
drawn = encoded["with KL"][2]  # z, not its mean: (10000, 2)
quantiles = ("quantile of the first axis", "quantile of the second axis")
figure = maps_by_class({"test digits": norm.cdf(drawn[:3000])}, data.test.labels[:3000], legend=False, axes=quantiles)
figure.set_size_inches(5.5, 5.5)
figure.describe(
    "A square of codes, coloured by digit: 1 along the left edge and 0 along the right, 7, 9 and 4 at the top, "
    "3, 5 and 8 at the bottom, 6 and 2 in the middle. It is crowded at its edges."
)

# %%
SIDE = 15
share = (np.arange(SIDE) + 0.5) / SIDE
across, up = np.meshgrid(norm.ppf(share), norm.ppf(share[::-1]))  # (15, 15) each; up grows upwards
grid = np.stack([across.ravel(), up.ravel()], axis=1)  # (225, 2)
tiles = vae.decoder.predict(grid, verbose=0).reshape(SIDE, SIDE, 28, 28)  # (225, 28, 28, 1) -> (15, 15, 28, 28)
manifold = tiles.transpose(0, 2, 1, 3).reshape(1, SIDE * 28, SIDE * 28, 1)  # -> (1, 420, 420, 1)

# %%
figure = figures.image_grid(manifold, columns=1)
figure.set_size_inches(5.5, 5.5)
figure.describe(
    "15 x 15 decoded digits in a square without gaps. Neighbours are alike; slant and width change slowly, and "
    "each digit turns into the next by way of something between."
)

# %% [markdown]
# **What you should see.** Both squares show the same map: lay one over the other. Slant and width change slowly, and
# one digit turns into its neighbour by way of something that could be either. The first square is crowded at its edges:
# the codes spread wider than $N(0, I)$, <<spread_held:.1f>> instead of 1, for two axes are few. That also blurs all
# pictures, and lays digits of several classes on top of each other.

# %% [markdown]
# ## More axes, dense and convolutional
#
# A grey pixel is no coin flip, so its BCE is not the likelihood of anything ([Loaiza-Ganem & Cunningham,
# 2019](https://arxiv.org/abs/1907.06845)). From here on, pixels are black or white: each is drawn, black with the
# probability that its grey says. Published results on *binarised MNIST* are made so.


# %% tags=["drawn-pixels"]
def draw_pixels(images, seed):
    return (np.random.default_rng(seed).random(images.shape, np.float32) < images).astype("float32")


some, test_drawn = draw_pixels(data.train.images[:20_000], seed=0), draw_pixels(data.test.images, seed=1)
figures.image_rows({"grey": data.test.images[:10], "drawn": test_drawn[:10]}).describe(
    "Ten test digits in grey, and below them the same in black and white, with ragged edges."
)

# %% [markdown]
# Sixteen axes: dense layers; convolutions, with transposed ones in the decoder (a "deconv" network in some books) and
# kernels of 4, which overlap evenly at strides of 2; and the dense network again with the **trap**, the KL averaged
# over its axis. The learning rate falls to zero along a cosine: large steps first, small ones to finish.
#
# **Predict.** Which has the crispest reconstructions?


# %% tags=["sixteen-axes"]
def train_on_drawn(name, model):
    falling = keras.optimizers.schedules.CosineDecay(0.003, 7 * MORE * -(-len(some) // 128))  # to 0 in 7 epochs
    return train(name, model, some, epochs=7, batch_size=128, learning_rate=falling)


# %%
models = {
    "dense": build_dense_vae(16),
    "convolutional": build_convolutional_vae(16, kernel_size=4, upsampling="transpose"),
    "dense, KL averaged": build_dense_vae(16, beta=1 / 16),
}
for name, model in models.items():
    train_on_drawn(name, model)

# %% [markdown]
# Judged by the test ELBO: with one draw for each of 10,000 images, and with $\beta = 1$ for all.


# %% tags=["sixteen-axes"]
def elbo(model):
    terms = model.evaluate(test_drawn, batch_size=1000, verbose=0, return_dict=True)
    found = {name: float(terms[name]) for name in ("reconstruction", "kl")}
    return {"parameters": model.count_params(), **found, "test ELBO": -sum(found.values())}


# %%
scores = {name: elbo(model) for name, model in models.items()}
elbo_dense, elbo_conv, elbo_averaged = (score["test ELBO"] for score in scores.values())
kl_dense, kl_averaged = scores["dense"]["kl"], scores["dense, KL averaged"]["kl"]
Table([{"network": name, **score} for name, score in scores.items()], "nats per image")

# %%
shown = test_drawn[:10]
figures.image_rows({"drawn": shown} | {name: model.reconstruct(shown) for name, model in models.items()}).describe(
    "Ten test digits in black and white over the reconstructions of three VAEs, which are smooth again; those of the "
    "network with the averaged KL are the crispest."
)

# %%
figures.image_rows({name: model.generate(10, seed=1) for name, model in models.items()}).describe(
    "Ten generated images of each of three VAEs: a few digits among many that are none, muddy in all three rows."
)

# %% [markdown]
# **What you should see.** The dense network reaches an ELBO of <<elbo_dense:.0f>>, convolutions <<elbo_conv:.0f>> with
# a quarter of the weights. Where it is averaged, the KL is so cheap that codes spend <<kl_averaged:.0f>> nats instead
# of <<kl_dense:.0f>>: crisp reconstructions, bought dearly. An ELBO of <<elbo_averaged:.0f>>
# gives it away.
#
# ## Are the codes to blame, or the decoder?
#
# Random digits are muddier than reconstructions, though one decoder draws both. So look at the codes. Each axis may be
# spread like $N(0, 1)$, and yet all codes together may leave holes. To draw where the digits are, fit a *mixture* of
# 30 normal distributions to their codes ([Ghosh et al., 2020](https://arxiv.org/abs/1903.12436)).
#
# **Predict.** Same decoder, other codes. Does it help?

# %%
best = models["convolutional"]
_, _, codes = best.encoder.predict(some[:5000], batch_size=1000, verbose=0)  # (5000, 16)
mixture = GaussianMixture(30, reg_covar=1e-3, tol=0.01, random_state=0).fit(codes.astype("float64"))
found, _ = mixture.sample(1000)  # (1000, 16), sorted by component
picked = np.random.default_rng(0).permutation(found).astype("float32")
generated = {"from N(0, I)": best.generate(1000, seed=1), "from the mixture": best.decoder.predict(picked, verbose=0)}

# %% [markdown]
# Are those from the mixture copies of training images? Below each stands its nearest one, by the mean squared error.

# %%
known = data.train.images[:20_000].reshape(-1, 784)  # (20000, 28, 28, 1) -> (20000, 784)
neighbours = NearestNeighbors(n_neighbors=1).fit(known)


def nearest(pictures):
    distances, rows = neighbours.kneighbors(pictures.reshape(-1, 784))  # (n, 1) each
    return known[rows[:, 0]].reshape(-1, 28, 28, 1), float((distances**2).mean() / 784)


# %%
rows = {name: images[:10] for name, images in generated.items()}
rows["nearest to the latter"], _ = nearest(rows["from the mixture"])
figures.image_rows(rows).describe(
    "Ten images decoded from N(0, I), half of them muddy; ten from the mixture, nearly all crisp digits; and the "
    "training images nearest to these, which are of the same class and differ in slant and shape."
)

# %% [markdown]
# And how crisp? A classifier, trained on real digits, reads a thousand of each kind. Of how many is it sure?

# %% tags=["reader"]
reader = keras.Sequential(
    [
        layers.Flatten(),  # (batch, 28, 28, 1) -> (batch, 784)
        layers.Dense(256, activation="relu"),  # (batch, 784) -> (batch, 256)
        layers.Dense(10, activation="softmax"),  # (batch, 256) -> (batch, 10)
    ]
)
reader.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], steps_per_execution=20)
options = {"epochs": 4 * MORE, "callbacks": [Progress("reader")], "verbose": 0}
reader.fit(data.train.images[:20_000], data.train.labels[:20_000], **options)
_, accuracy = reader.evaluate(data.test.images, data.test.labels, batch_size=1000, verbose=0)
print(f"The reader names {accuracy:.1%} of the test digits right.")

# %%
generated |= {"reconstructions": best.reconstruct(test_drawn[:1000]), "test digits": data.test.images[:1000]}
sure = {name: float((reader.predict(x, verbose=0).max(axis=1) > 0.9).mean()) for name, x in generated.items()}
sure_prior, sure_mixture, sure_reconstructed, sure_digits = sure.values()
Table([{"images": name, "share read with more than 90 % certainty": value} for name, value in sure.items()])

# %% [markdown]
# **What you should see.** From $N(0, I)$ the reader is sure of <<sure_prior:.0%>>, from the mixture of
# <<sure_mixture:.0%>> (five seeds: <<sure_prior seeds:.0%>> and <<sure_mixture seeds:.0%>>), close to the
# <<sure_reconstructed:.0%>> of reconstructions. So the decoder draws well, and the codes are to blame: with 16 axes,
# the crowd of codes has holes, and a random code often lands in one. The nearest training images are relatives of the
# digits drawn, and differ in slant, weight and shape: of these ten, none is a copy.
#
# Is a larger network the cure? We tried, beside this notebook, dense layers of 512 on all 60,000 images, convolutions
# of 32 and 64 channels, and ten axes: a reader was sure of 36 to 49 % of what $N(0, I)$ gave.
#
# ## How loose is the bound?
#
# The gap can be narrowed without another training. Draw $K$ codes for one image, and average probabilities *before*
# the logarithm ([Burda et al., 2016](https://arxiv.org/abs/1509.00519)):
#
# $$\log p(x) \ge E\Big[\log \frac1K \sum_{k=1}^{K} \frac{p(x \mid z_k)\, p(z_k)}{q(z_k \mid x)}\Big].$$
#
# With $K = 1$ this is the ELBO. With more draws, a lucky one among them counts most, and the bound rises towards
# $\log p(x)$.

# %%
bounds = {k: float(importance_weighted_bound(best, test_drawn[:500], k, seed=0).mean()) for k in (1, 10, 50)}
bound_50 = bounds[50]
narrowed = bound_50 - bounds[1]
Table([{"draws": k, "bound of log p(x), nats per image": value} for k, value in bounds.items()])

# %% [markdown]
# **What you should see.** Fifty draws raise the bound by <<narrowed:.1f>> nats, to <<bound_50:.0f>>: at least so much
# of the ELBO was gap. Beside our <<bound_50:.0f>>, Burda et al. report -86.76 for a VAE, and -84.78 for one trained on
# the bound with 50 draws. They had all 60,000 images, their pixels drawn anew in each of more than 3,000 epochs, 50
# axes, and 5,000 draws to evaluate on all test images. We took 7 epochs, a third of the images and 500 of the test:
# their number is where the road leads.
#
# ## From one digit to another
#
# [[Interpolation]] walks from one image to another in small steps. There are two ways: mix their pixels, or mix their
# codes and decode.
#
# **Predict.** What is half-way between a 7 and a 2, either way?

# %%
steps = np.linspace(0, 1, 10, dtype="float32").reshape(10, 1, 1, 1)


def walk(start, end):
    pixels = (1 - steps) * start + steps * end  # (10, 28, 28, 1)
    first, last = best.encoder.predict(np.stack([start, end]), verbose=0)[0]  # (16,) each
    t = steps[:, :, 0, 0]  # (10, 1)
    return pixels, best.decoder.predict((1 - t) * first + t * last, verbose=0)


# %%
rows = {}
for start, end in [(0, 1), (2, 3), (4, 7)]:
    pixels, codes = walk(data.test.images[start], data.test.images[end])
    name = f"{data.test.labels[start]} to {data.test.labels[end]}"
    rows |= {f"{name}, pixels": pixels, f"{name}, codes": codes}
figures.image_rows(rows).describe(
    "Three pairs of digits, each walked from one to the other in two ways. Mixed pixels show two ghosts on top "
    "of each other; mixed codes bend one digit into the "
    "other, from 7 to 2 and from 1 to 0 by way of a grey blot."
)

# %% [markdown]
# To measure it: how far is the half-way picture from the nearest training image? For 100 pairs of test digits, beside
# the digits themselves and their reconstructions.

# %%
starts, ends = data.test.images[:100], data.test.images[100:200]
firsts, lasts = (best.encoder.predict(part, verbose=0)[0] for part in (starts, ends))
half_way = best.decoder.predict((firsts + lasts) / 2, verbose=0)

# %%
pictures = {"test digits": starts, "reconstructions": best.reconstruct(starts)}
pictures |= {"half-way in pixels": (starts + ends) / 2, "half-way in codes": half_way}
distances = {name: nearest(found)[1] for name, found in pictures.items()}
mse_digits, mse_reconstructed, mse_pixels, mse_codes = distances.values()
Table([{"pictures": name, "MSE to the nearest training image": value} for name, value in distances.items()])

# %% [markdown]
# **What you should see.** Mixed pixels show two ghosts; mixed codes bend one digit into the other, 4 to 9 by digits all
# the way, 7 to 2 and 1 to 0 by way of a grey blot: a hole again. The half-way mix of pixels is <<mse_pixels:.3f>> from
# the nearest training image, that of codes <<mse_codes:.3f>>, which is about as near as real digits and their softer
# reconstructions (<<mse_digits:.3f>> and <<mse_reconstructed:.3f>>). But this error flatters blur, so look as well.

# %% [markdown]
# ## Exercises
#
# ### Recall
# 1. Why does the encoder give the logarithm of the variance, and not the variance?
# 2. What does reparameterisation change, and what does it leave as it was?
# 3. At which `z_mean` and `z_log_var` is the KL zero, and what does the code then say of the image?
# 4. Over which axes is the loss summed, over which averaged, and why?
# 5. Why does $\sigma$ collapse without the KL term?
#
# ### Change one line
# 1. Train the convolutional network with `upsampling="nearest"`. What happens to the ELBO, what to the time?
# 2. Train the third network with `beta=784`, the mistake of averaging over pixels. What comes out, and what is its KL?
#
# ### Open end
# 1. The mixture has 30 normal distributions. Try 1, 3, 10 and 100, and let the reader judge 1,000 digits of each. Is
#    one enough, if its mean and covariance are those of the codes? What would a mixture draw that has one narrow
#    normal for each code?
#
# ## Recap
#
# - You built an encoder with mean and log-variance, and drew codes as $\mu + \sigma\varepsilon$: gradients pass.
# - You derived the KL divergence and the ELBO, checked both by numbers, and know what is summed and what is averaged.
# - You trained without it and saw $\sigma$ collapse, and what the KL term holds in place.
# - You generated digits, walked between them in codes and in pixels, and judged networks by bounds of their likelihood,
#   beside published ones.
#
# Next: [07 · Structured latent spaces](07_structured.ipynb).
