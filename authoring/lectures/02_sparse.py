# %% [markdown]
# # 02 · Sparse autoencoders
#
# *What does a code look like when every number in it has a price?*
#
# **You will**
# - put a price on activity with L1, and measure what it buys and what it costs
# - derive the KL divergence of two coins, and train with it as a target for activity
# - compare codes by their zeros, by their angles and by what each unit draws
# - recognise four ways in which a penalty or an optimiser does nothing and says nothing
#
# **What to know before.** [Lecture 01](01_simple.ipynb): encoder, code, decoder, BCE. What a logarithm is.
#
# | | CPU (2 cores) | GPU |
# |---|---|---|
# | this notebook | a minute and a half | not needed: the networks are too small to keep one busy |

# %% tags=["setup"]
from helpers import figures
from helpers.training import Progress, seed_everything
from helpers.data import digits
from helpers.diagrams import draw_model
from helpers.models import dense
from helpers.tables import Table

import keras
import numpy as np
from keras import layers, ops
from sklearn.preprocessing import normalize

seed_everything(0)
data = digits.load()

# %% [markdown]
# ## A price on every number
#
# The network of lecture 01 uses nearly all of its 32 numbers for every digit. A [[sparse code]] uses few: for any one
# image most of its numbers are zero. Let each use have a price $\lambda$:
#
# $$\text{loss} = \text{BCE}(x, y) + \lambda \sum_{j=1}^{32} |c_j|.$$
#
# [[Regularisation]] adds a term to the loss that asks something of the network itself, such as small numbers; this one
# is called **L1**. Keras has a layer for it: it hands the codes on unchanged and adds their price to the loss, as a
# mean over the batch.

# %% tags=["l1-by-hand"]
codes = np.array([[0, 3, 0], [2, 0, 1]], dtype="float32")  # two codes of three numbers
l1 = layers.ActivityRegularization(l1=0.1)
l1(codes)
by_hand = 0.1 * np.abs(codes).sum(axis=1).mean()
print(f"Keras adds {float(l1.losses[0]):.2f}; by hand it is {by_hand:.2f}.")

# %% [markdown]
# `dense.build_autoencoder` is the network of lecture 01. It takes such a layer as `penalty=` and puts it behind the
# code. All networks start from the same weights, so that nothing but the penalty differs.

# %% tags=["training"]
first = dense.build_autoencoder(32)
start = first.get_weights()


def build(**options):
    model = dense.build_autoencoder(32, **options)
    model.set_weights(start)
    return model


# %% [markdown]
# Both losses pull at the network, but not at the same layers. Dashed arrows show where their gradients go: those of the
# BCE to both layers with weights, those of the price to the encoder only.

# %%
encoder, decoder = first.get_layer("encoder"), first.get_layer("decoder")
draw_model(encoder, decoder, losses={"BCE": [decoder.output], "price of the code": [encoder.output]})

# %% [markdown]
# The training is that of lecture 01, cut to five epochs, which is enough to compare.


# %% tags=["training"]
def train(label, model, optimizer="adam", epochs=5):
    model.compile(optimizer, loss="binary_crossentropy", steps_per_execution=20)  # 20 batches at a time: less waiting
    return model.fit(
        data.train.images,
        data.train.images,
        batch_size=128,
        epochs=10 * epochs if data.is_stand_in else epochs,  # the stand-in has forty times fewer images
        validation_data=(data.validation.images, data.validation.images),
        callbacks=[Progress(label)],
        verbose=0,
    ).history


# %% [markdown]
# The weight 1e-4 is that of the [Keras blog](https://blog.keras.io/building-autoencoders-in-keras.html), which writes
# it as `10e-5`.
#
# **Predict.** With it, will the mean of the codes fall by a tenth, to a half, or to nearly zero?

# %%
networks = {"no penalty": build(), "L1 of 1e-4": build(penalty=layers.ActivityRegularization(l1=1e-4))}
for name, model in networks.items():
    train(name, model)

# %% [markdown]
# The losses that Keras reports have the price in them. What a penalty *costs* is told by the BCE alone, on the test
# images. A unit is called *silent* here if it never reaches a hundredth of the largest number in the codes.

# %% tags=["examine"]
codes_of, rows = {}, {}


def examine(name):
    model, images = networks[name], data.test.images
    codes = model.get_layer("encoder").predict(images, batch_size=1000, verbose=0)  # (n, 28, 28, 1) -> (n, 32)
    decoded = model.predict(images, batch_size=1000, verbose=0)
    codes_of[name] = codes
    rows[name] = {
        "network": name,
        "test BCE": float(ops.mean(keras.losses.binary_crossentropy(images, decoded))),
        "mean of the codes": float(codes.mean()),
        "exact zeros": f"{(codes == 0).mean():.0%}",
        "silent units": int((codes.max(axis=0) < 0.01 * codes.max()).sum()),
    }


def compare(*names):
    return Table([rows[name] for name in names])


# %%
for name in ("no penalty", "L1 of 1e-4"):
    examine(name)
compare("no penalty", "L1 of 1e-4")

# %%
bce_none, bce_l1 = (rows[name]["test BCE"] for name in ("no penalty", "L1 of 1e-4"))
mean_none, mean_l1 = (rows[name]["mean of the codes"] for name in ("no penalty", "L1 of 1e-4"))
zeros_none, zeros_l1 = (float((codes_of[name] == 0).mean()) for name in ("no penalty", "L1 of 1e-4"))

# %% [markdown]
# **What you should see.** The mean falls from <<mean_none>> to <<mean_l1>> (five seeds: <<mean_l1 seeds:.2f>>). The
# blog found 7.30 and 3.33, with another optimiser and ten and twenty times as many epochs, and calls its codes "twice
# sparser". But look at the zeros: <<zeros_none:.0%>> before, <<zeros_l1:.0%>> after. Most numbers became smaller; few
# became zero.

# %% [markdown]
# How can all numbers shrink so much when the BCE hardly rises, from <<bce_none>> to <<bce_l1>>? See what the decoder
# did meanwhile.


# %%
def loudness(model):
    kernel, _ = model.get_layer("decoder").get_layer("pixels").get_weights()  # (32, 784), (784,)
    return float(np.linalg.norm(kernel, axis=1).mean())


louder = loudness(networks["L1 of 1e-4"]) / loudness(networks["no penalty"])
print(f"The weights behind a number are {louder:.2f} times as long as without a penalty.")

# %% [markdown]
# **What you should see.** About <<louder:.1f>>. Part of the fall is a change of scale: half the number times twice
# the weight is the same picture at half the price. So the mean of the codes does not measure sparsity. Zeros and
# angles do, because they do not depend on the scale.

# %% [markdown]
# ## A price too low, a price that bites
#
# A known [collection of scripts](https://github.com/snatch59/keras-autoencoders) uses a weight of 1e-7, written
# `10e-8`.
#
# **Predict.** How many euros of price would that put on a loss of a thousand euros?

# %%
price = 1e-7 * float(np.abs(codes_of["no penalty"]).sum(axis=1).mean())
per_thousand = 1000 * price / bce_none
print(f"price {price:.1e} on a BCE of {bce_none:.3f}: {per_thousand:.2f} in a thousand")

# %%
for name, weight in {"L1 of 1e-7": 1e-7, "L1 of 1e-3": 1e-3}.items():
    networks[name] = build(penalty=layers.ActivityRegularization(l1=weight))
    train(name, networks[name])
    examine(name)

# %%
bce_high = rows["L1 of 1e-3"]["test BCE"]
zeros_high = float((codes_of["L1 of 1e-3"] == 0).mean())
silent_high = rows["L1 of 1e-3"]["silent units"]
compare("no penalty", "L1 of 1e-4", "L1 of 1e-7", "L1 of 1e-3")

# %% [markdown]
# **What you should see.** Trap 1: with 1e-7 the price is <<per_thousand:.2f>> in a thousand, and the network is as if
# there were none. With 1e-3 codes are sparse: <<zeros_high:.0%>> zeros. That costs BCE, <<bce_high>>, and some of the
# 32 units fell silent for good, <<silent_high>> here (five seeds: <<silent_high seeds>>): where a ReLU is zero for
# every image, no gradient wakes it.

# %% [markdown]
# A weight also means little without the version: until
# [a fix of January 2026](https://github.com/keras-team/keras/pull/22021), Keras 3 summed the price over the batch, so
# that the same weight was 128 times as high for batches of 128.
#
# Where do the numbers go as the price rises?

# %%
figures.histograms(
    {name: codes_of[name] for name in ("no penalty", "L1 of 1e-4", "L1 of 1e-3")},
    xlabel="number in a code",
    ylabel="share of all numbers",
    bins=60,
    log=True,
).describe(
    "Share of the numbers in a code over their size, on a logarithmic axis, for three networks. The higher the "
    "price, the taller the spike at zero and the farther to the left the rest lies."
)

# %% [markdown]
# **What you should see.** The hill moves left, and the spike at its left edge, which holds the zeros, grows with the
# price. Note the logarithmic axis: large numbers do not go away, they become rare.

# %% [markdown]
# ## A target instead of a price
#
# L1 asks for *less*, and cannot say how much. Another idea is to name a target
# ([Ng, 2011](https://web.stanford.edu/class/cs294a/sparseAutoencoder.pdf)): each unit speaks for a share $\rho$ of the
# images, say 0.05. Let a sigmoid keep its activity between 0, silent, and 1, speaking. Its mean over the images,
# $\hat\rho$, is then the share of the time that it speaks: like a coin that shows heads with probability $\hat\rho$.
# (In training the mean is that of a batch, 128 images.) How far is that coin from the one we want?

# %% [markdown]
# **Step 1: surprise.** An event of probability $p$ surprises by $-\log p$: not at all if it was certain, much if it
# was rare.


# %%
def surprise(p):
    return np.log(1 / p)


print("surprise at p = 1, 0.5, 0.05:", surprise(np.array([1, 0.5, 0.05])).round(2))

# %% [markdown]
# **Step 2: mean surprise.** Heads comes with probability $\rho$. Someone who believes in $\hat\rho$ is surprised by
#
# $$H(\rho, \hat\rho) = -\rho \log \hat\rho - (1 - \rho) \log (1 - \hat\rho)$$
#
# on average, the *cross-entropy*. It is the BCE of lecture 01, and has a floor: even someone who knows the coin does
# not know the next toss.


# %%
def cross_entropy(rho, rho_hat):
    return rho * surprise(rho_hat) + (1 - rho) * surprise(1 - rho_hat)


print(f"believing 0.5: {cross_entropy(0.05, 0.5):.3f}, knowing better: {cross_entropy(0.05, 0.05):.3f}")

# %% [markdown]
# **Step 3: what the wrong belief costs.** Take off the floor, and collect the logarithms of $\rho$ and of $1 - \rho$:
#
# $$\text{KL}(\rho \,\|\, \hat\rho) = H(\rho, \hat\rho) - H(\rho, \rho)
# = \rho \log \frac{\rho}{\hat\rho} + (1 - \rho) \log \frac{1 - \rho}{1 - \hat\rho}.$$
#
# This is the [[Kullback-Leibler divergence]] (KL), what it costs to believe in one distribution where another is true
# ([Kullback & Leibler, 1951](https://doi.org/10.1214/aoms/1177729694)): zero if the two agree, positive otherwise.


# %% tags=["kl-by-hand"]
def kl(rho, rho_hat):
    return rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat))


# %% [markdown]
# Check it by tossing a coin that shows heads with probability 0.05. Someone who believes in 0.5 is surprised by this
# much more, per toss.

# %%
heads = np.random.default_rng(0).random(1_000_000) < 0.05
believing = surprise(np.where(heads, 0.5, 1 - 0.5)).mean()
knowing = surprise(np.where(heads, 0.05, 1 - 0.05)).mean()
print(f"tossed {believing - knowing:.3f}, formula {kl(0.05, 0.5):.3f}, nothing to pay {kl(0.05, 0.05):.3f}")

# %% [markdown]
# ## Why not the squared error?
#
# $(\rho - \hat\rho)^2$ is zero at the target as well, and shorter to write.

# %%
rho_hat = np.linspace(0.0005, 0.9995, 2000)
both = {"KL": kl(0.05, rho_hat), "squared error": (0.05 - rho_hat) ** 2}
figures.curves(both, x=rho_hat, xlabel="mean activity of a unit (wanted: 0.05)", ylabel="penalty").describe(
    "Penalty over the mean activity from 0 to 1. Both are zero at 0.05; KL then climbs ever more steeply and "
    "without end near 1, the squared error slowly to below 1."
)

# %% [markdown]
# **What you should see.** KL climbs without end at the right edge. And at the left one? Look closer.

# %%
near = rho_hat < 0.2
figures.curves(
    {name: values[near] for name, values in both.items()},
    x=rho_hat[near],
    xlabel="mean activity of a unit (wanted: 0.05)",
    ylabel="penalty",
).describe(
    "The same curves between 0 and 0.2. KL is zero at 0.05 and rises on both sides, steeply towards 0; the "
    "squared error stays close to zero throughout."
)

# %% [markdown]
# **What you should see.** There as well, while the squared error ends at $\rho^2$. A unit that always speaks tells
# nothing about an image, nor does one that never does. KL makes both expensive.

# %% [markdown]
# Training follows slopes. A unit computes $\hat\rho = \sigma(z)$, whose own slope is $\hat\rho(1 - \hat\rho)$: almost
# zero when the unit is stuck. By the chain rule
#
# $$\frac{d\,\text{KL}}{dz} = \Big(\frac{1 - \rho}{1 - \hat\rho} - \frac{\rho}{\hat\rho}\Big)\,\hat\rho(1 - \hat\rho)
# = \hat\rho - \rho, \qquad
# \frac{d(\rho - \hat\rho)^2}{dz} = 2(\hat\rho - \rho)\,\hat\rho(1 - \hat\rho).$$
#
# **Predict.** What is left of each slope where the unit is stuck at 1?

# %% tags=["slopes-of-penalties"]
z = np.linspace(-10, 10, 401)
active = 1 / (1 + np.exp(-z))
slopes = {"KL": active - 0.05, "squared error": 2 * (active - 0.05) * active * (1 - active)}
figures.curves(slopes, x=z, xlabel="z, what goes into the sigmoid", ylabel="slope of the penalty").describe(
    "Slope of the penalty over z from -10 to 10. That of KL rises from -0.05 to 0.95 and stays there; that of "
    "the squared error is a small hump in the middle and zero at both ends."
)

# %% [markdown]
# **What you should see.** In KL the slope of the sigmoid cancels: it pulls with all its strength at a unit stuck at
# 1, and by $-\rho$ at a dead one. The squared error lets go of both, and no factor before it changes that: it would
# lift the middle, not the ends. That is the case for KL, and further down it is put to the test.

# %% [markdown]
# **Fails on purpose.** Put the mean activities of the ReLU units of the first network into the formula.

# %%
try:
    with np.errstate(invalid="raise", divide="ignore"):
        kl(0.05, codes_of["no penalty"].mean(axis=0))
except FloatingPointError as error:
    print(error)

# %% [markdown]
# The *invalid value* is the logarithm of a negative number: with a mean activity of about <<mean_none:.0f>>,
# $1 - \hat\rho$ is negative. Such a mean is no share of the time. NumPy complains because we asked it to; a tensor
# would turn to `nan` and say nothing. KL needs codes between 0 and 1, hence `sigmoid`.

# %% [markdown]
# ## Make it a layer
#
# The mean is taken over the batch, since a training step sees no other images, and the penalties of the units are
# summed.

# %% tags=["kl-penalty-by-hand"]
RHO, WEIGHT = 0.05, 0.01


def kl_penalty(codes):
    rho_hat = ops.mean(codes, axis=0)  # (batch, 32) -> (32,)
    return WEIGHT * ops.sum(RHO * ops.log(RHO / rho_hat) + (1 - RHO) * ops.log((1 - RHO) / (1 - rho_hat)))


def squared_penalty(codes):
    rho_hat = ops.mean(codes, axis=0)  # (batch, 32) -> (32,)
    return WEIGHT * ops.sum((RHO - rho_hat) ** 2)


# %% [markdown]
# A layer can add to the loss of the network that it is in. This one adds any penalty that you give it.


# %% tags=["penalty-layer-by-hand"]
class Penalty(layers.Layer):
    def __init__(self, penalty):
        super().__init__()
        self.penalty = penalty

    def call(self, codes):
        self.add_loss(self.penalty(codes))
        return codes


# %% [markdown]
# Shorter would be `activity_regularizer=kl_penalty`, without a class. Trap 2 waits there: Keras divides what an
# activity regulariser returns by the batch size. That makes a mean of L1's sum over the batch. Our penalty has its
# mean already.
#
# **Predict.** Same activities, batches of 64, 256 and 1024: which of these layers adds the same each time?

# %%
kinds = {
    "L1": lambda: layers.ActivityRegularization(l1=WEIGHT),
    "KL as a regulariser": lambda: layers.Identity(activity_regularizer=kl_penalty),
    "KL as a layer": lambda: Penalty(kl_penalty),
}


def added(layer, codes):
    layer(codes)
    return float(layer.losses[0])


# %%
batches = {n: np.full((n, 32), 0.5, dtype="float32") for n in (64, 256, 1024)}
Table([{"batch": n} | {kind: added(make(), codes) for kind, make in kinds.items()} for n, codes in batches.items()])

# %% [markdown]
# **What you should see.** The regulariser fades as the batch grows; the other two stay.

# %% [markdown]
# From here on the KL layer lives in `helpers.models.dense` as `KLSparsity`, with a guard for activities of exactly 0
# or 1. Same number?

# %%
some_codes = np.random.default_rng(0).random((256, 32), dtype="float32")
for layer in (Penalty(kl_penalty), dense.KLSparsity(RHO, WEIGHT)):
    print(f"{type(layer).__name__:10} adds {added(layer, some_codes):.6f}")

# %% [markdown]
# ## Stuck, and freed
#
# First the same network with sigmoid units and no penalty. Sigmoids have gentle slopes and want a learning rate ten
# times that of lecture 01.
#
# **Predict.** What will the mean activity be when nobody asks for any?

# %% tags=["stuck"]
networks["sigmoid"] = build(code_activation="sigmoid")
train("sigmoid", networks["sigmoid"], keras.optimizers.Adam(1e-2), epochs=3)
examine("sigmoid")

# %%
mean_sigmoid, bce_sigmoid = (rows["sigmoid"][key] for key in ("mean of the codes", "test BCE"))
mean_digit = np.broadcast_to(data.train.images.mean(axis=0), data.test.images.shape)
bce_mean_digit = float(ops.mean(keras.losses.binary_crossentropy(data.test.images, mean_digit)))
print(f"mean activity {mean_sigmoid:.4f}, BCE {bce_sigmoid:.3f}; the mean of all digits has {bce_mean_digit:.3f}")

# %% [markdown]
# **What you should see.** Trap 3: all units went to <<mean_sigmoid:.2f>> and stay there. All codes are the same, so
# the network draws one image for everything, and its BCE, <<bce_sigmoid:.3f>>, is no better than that of the mean of
# all digits, <<bce_mean_digit:.3f>>. The slopes are dead: more epochs change nothing.

# %% [markdown]
# A perfect patient. Let plain gradient descent go on from there for one epoch, once with each penalty.
#
# **Predict.** Which of the two frees the units?

# %%
freed = {}
for name, penalty in {"KL": kl_penalty, "squared error": squared_penalty}.items():
    patient = build(code_activation="sigmoid", penalty=Penalty(penalty))
    patient.set_weights(networks["sigmoid"].get_weights())
    train(f"stuck, then {name}", patient, keras.optimizers.SGD(1.0), epochs=1)
    freed[name] = float(patient.get_layer("encoder").predict(data.test.images, batch_size=1000, verbose=0).mean())

# %%
freed_kl, freed_squared = freed.values()
Table([{"penalty": name, "mean activity before": mean_sigmoid, "after": mean} for name, mean in freed.items()])

# %% [markdown]
# **What you should see.** KL brings the mean activity down to <<freed_kl:.2f>>; the squared error leaves it at
# <<freed_squared:.2f>>, as the slopes foretold. (Adam hides the difference, because it divides each step by the size
# of the slopes: an exercise.)
#
# ## Train towards the target
#
# Now from the common start, with Adam.

# %%
networks["KL"] = build(code_activation="sigmoid", penalty=dense.KLSparsity(RHO, WEIGHT))
train("KL", networks["KL"], keras.optimizers.Adam(1e-2))
examine("KL")

# %%
mean_kl, bce_kl = (rows["KL"][key] for key in ("mean of the codes", "test BCE"))
nearly_off = float((codes_of["KL"] < 0.1).mean())
print(f"{nearly_off:.0%} of the numbers are below 0.1")
compare("no penalty", "L1 of 1e-4", "L1 of 1e-7", "L1 of 1e-3", "sigmoid", "KL")

# %% [markdown]
# **What you should see.** The mean activity is <<mean_kl:.2f>>, above the target: reconstruction pulls up, KL pulls
# down. A sigmoid is never exactly zero, but <<nearly_off:.0%>> of the numbers are below 0.1. And no unit is silent: a
# target holds from both sides, where a price pushes down only.

# %%
shown = {name: codes_of[name] for name in ("sigmoid", "KL")}
figures.histograms(shown, xlabel="number in a code", ylabel="share of all numbers", log=True).describe(
    "Share of the numbers in a code between 0 and 1, on a logarithmic axis. Without a penalty all stand in one "
    "spike at 1; with KL most are near 0 and the rest spreads up to 1."
)

# %% [markdown]
# **What you should see.** All numbers in one spike at 1 without a penalty; most near 0 with KL, and some all the way
# up: few units speak, and those speak up.

# %% [markdown]
# ## Do different digits share units?
#
# The *cosine* between two codes is 1 if they use the same units in the same proportions, and 0 if they have none in
# common: they are *orthogonal*. It does not see the scale. For two classes, take the mean over all pairs of their
# images: that is the product of the means of the codes, each brought to length 1 before.


# %% tags=["similarity"]
def similarity(codes):
    unit = normalize(codes)  # length 1, or 0 for a code of zeros
    means = np.stack([unit[data.test.labels == digit].mean(axis=0) for digit in range(10)])  # (n, 32) -> (10, 32)
    return means @ means.T  # (10, 32) -> (10, 10)


# %%
compared = ["no penalty", "L1 of 1e-3", "KL"]
alike = {name: similarity(codes_of[name]) for name in compared}
figures.matrices(alike, digits.CLASS_NAMES, label="mean cosine").describe(
    "Three matrices of mean cosines between the codes of ten digits, darker for more alike. Without a penalty "
    "all squares are dark; with L1 and with KL the diagonal stands out from paler squares."
)

# %%
off_diagonal = ~np.eye(10, dtype=bool)
cosine_none, cosine_l1, cosine_kl = (float(alike[name][off_diagonal].mean()) for name in compared)
Table(
    [
        {"network": name, "same digit": float(np.diag(m).mean()), "other digit": float(m[off_diagonal].mean())}
        for name, m in alike.items()
    ],
    caption="mean cosine between codes",
)

# %% [markdown]
# **What you should see.** Between different digits the cosine falls from <<cosine_none:.2f>> to <<cosine_l1:.2f>>
# with L1 and <<cosine_kl:.2f>> with KL, toward orthogonal. It also falls within a digit, for there are many ways to
# write one, but less, so that classes stand out. The dark squares off the diagonal are digits that share strokes,
# such as 4 and 9; 0 and 1 share least.

# %% [markdown]
# ## What does one unit draw?
#
# Let one unit speak alone, as loud as it gets on the test images (99th percentile), and decode that. Here are the 12
# most active units of each network.
#
# **Predict.** In which network will a unit draw a stroke that you can name?


# %%
def speak_alone(name, units=12):
    codes = codes_of[name]
    chosen = np.argsort(-codes.mean(axis=0))[:units]
    alone = np.zeros((units, 32), dtype="float32")
    alone[np.arange(units), chosen] = np.percentile(codes[:, chosen], 99, axis=0)
    return networks[name].get_layer("decoder").predict(alone, verbose=0)  # (12, 32) -> (12, 28, 28, 1)


# %%
figures.image_rows({name: speak_alone(name) for name in compared}, columns=12).describe(
    "What twelve single units draw, for each of three networks: without a penalty mazes of light and dark, "
    "with L1 strokes and digits, with KL soft whole digits."
)

# %% [markdown]
# **What you should see.** Without a penalty, mazes: such a unit means nothing without the others that correct it.
# With a high price, digits and strokes. With KL, soft but whole digits: few units speak at a time, so each must bring
# much of the picture. That is why sparse codes are used to look *into* networks, up to language models
# ([Cunningham et al., 2023](https://arxiv.org/abs/2309.08600)).
#
# And what does it cost?

# %%
pictures = {"original": data.test.images[:10]}
pictures |= {name: networks[name].predict(data.test.images[:10], verbose=0) for name in compared}
figures.image_rows(pictures).describe(
    "Ten test digits over the reconstructions of three networks. With a penalty strokes are softer, and the "
    "unusual 5 is the least like itself."
)

# %% [markdown]
# **What you should see.** Softer strokes, and rare shapes suffer most: look at the 5. BCE <<bce_none>> without a
# penalty, <<bce_high>> with L1, <<bce_kl>> with KL. With 32 units sparsity is dear; the open exercise gives it more
# units, of which few speak.

# %% [markdown]
# ## An optimiser that does nothing
#
# Trap 4 is old code. The blog's first version trains with *Adadelta*
# ([Zeiler, 2012](https://arxiv.org/abs/1212.5701)), which has no learning rate in its paper. Keras 2 gave it one of
# 1.0, which changes nothing. Keras 3 took over the default of
# [TensorFlow 1.14](https://github.com/tensorflow/tensorflow/pull/30941): 0.001.
#
# **Predict.** Three epochs with each: how far will the default get from $\log 2$, the BCE of an image that is grey
# all over?

# %%
adadelta = {}
for rate in (keras.optimizers.Adadelta().learning_rate, 1.0):
    rate = float(rate)
    adadelta[rate] = train(f"rate {rate:.3f}", build(), keras.optimizers.Adadelta(rate), epochs=3)["val_loss"]

# %%
slow, fast = (losses[-1] for losses in adadelta.values())
Table(
    [
        {"learning rate": f"{rate:.3f}", "loss after the first epoch": losses[0], "after the last": losses[-1]}
        for rate, losses in adadelta.items()
    ]
)

# %% [markdown]
# **What you should see.** <<slow:.2f>> with the default, <<fast:.2f>> with 1.0, and no warning. The docstring of
# Keras knows: to match the paper, use 1.0. Old code that runs is not old code that works; look at the first losses.

# %% [markdown]
# ## Exercises
#
# ### Recall
# 1. Why must networks with different penalties be compared by their BCE, and not by the loss that Keras reports?
# 2. The mean of a code fell to a half. Why does that not make it sparser, and what does?
# 3. Over which axis does the KL penalty take a mean, and over which a sum?
# 4. Why does KL want sigmoid units, and why does it free units that are stuck?
# 5. A penalty has no effect, or a loss does not fall. Which four causes from this lecture do you look for?
#
# ### Change one line
# 1. Set `RHO, WEIGHT = 0.2, 0.01`. What happens to the mean activity, the BCE and the cosine between digits?
# 2. Free the stuck network with `keras.optimizers.Adam(1e-2)` in place of `SGD(1.0)`. Does the squared error free the
#    units now? Adam divides a slope by its own usual size: what is left of a slope that is tiny, but always tiny?
#
# ### Open end
# 1. Wide and sparse: build the network "KL" with 128 units (`dense.build_autoencoder(128, …)`) and find a weight at
#    which its BCE is that of 32 numbers without a penalty. How many units speak per image then, and what would you
#    call the size of such a code: 128, or what it uses? ([Makhzani & Frey, 2013](https://arxiv.org/abs/1312.5663)
#    keep the $k$ largest numbers of each code, and need no penalty at all.)
#
# ## Recap
#
# - You put a price on activity with L1: a low one buys nothing, a middling one smaller numbers, a high one zeros and
#   silent units.
# - You derived the KL divergence of two coins from their surprise, and trained with it as a target that holds from
#   both sides.
# - You compared codes by zeros, angles and single units: sparse codes of different digits share less, and a unit
#   draws something by itself.
# - You recognised four ways to do nothing: a weight too low, a regulariser divided by the batch size, a unit stuck
#   where slopes die, a learning rate a thousand times too small.
#
# Next: [03 · Deep autoencoders](03_deep.ipynb).
