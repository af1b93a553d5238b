# %% [markdown]
# # 07 · Structured latent spaces
#
# *How do you make a code hold what you want, where you want it?*
#
# **You will**
# - build a conditional VAE, ask it for a class, and change the class while the style stays
# - add a classifier as a third loss, pre-train the encoder with it, and measure what codes then know of classes
# - draw the rate-distortion curve over beta, and see latent axes collapse one after another
# - measure on drawn shapes how far each axis stands for one factor
#
# **What to know before.** [Lecture 06](06_variational.ipynb): mean, log-variance, KL, ELBO, generating from $N(0, I)$.
#
# | | CPU (2 cores) | GPU |
# |---|---|---|
# | this notebook | a minute and a half | not needed: the networks are too small to keep one busy |

# %% tags=["imports"]
from helpers import figures
from helpers.training import Progress, seed_everything
from helpers.data import digits
from helpers.data.synthetic import shapes
from helpers.diagrams import draw_model
from helpers.latent import attribution
from helpers.latent.codes import mig
from helpers.latent.plots import maps_by_class
from helpers.models.variational import (
    BetaWarmUp,
    BranchedVAE,
    ConditionalVAE,
    PosteriorCollapseWarning,
    Sampling,
    build_dense_parts,
    build_dense_vae,
)
from helpers.tables import Table

import keras
import numpy as np
from keras import layers
from sklearn.neighbors import NearestNeighbors

seed_everything(0)
data = digits.load()

# %% [markdown]
# ## Tell it the label
#
# The VAE of lecture 06 draws a digit, but you cannot say which. A [[conditional VAE]] is told the class: encoder *and*
# decoder get the label ([Kingma et al., 2014](https://arxiv.org/abs/1406.5298)), as ten numbers of which one is 1.

# %% tags=["conditional-by-hand"]
images = keras.Input((28, 28, 1))  # (28, 28, 1)
label = keras.Input((), dtype="int32")  # (batch,)
one_hot = layers.CategoryEncoding(10, output_mode="one_hot")(label)  # (batch,) -> (batch, 10)
x = layers.Flatten()(images)  # (batch, 28, 28, 1) -> (batch, 784)
x = layers.Dense(256, activation="relu")(x)  # (batch, 784) -> (batch, 256)
x = layers.Concatenate()([x, one_hot])  # (batch, 256) -> (batch, 266)

# %% tags=["conditional-by-hand"]
z_mean = layers.Dense(4)(x)  # (batch, 266) -> (batch, 4)
z_log_var = layers.Dense(4)(x)  # (batch, 266) -> (batch, 4)
z = Sampling(seed=0)([z_mean, z_log_var])
encoder = keras.Model([images, label], [z_mean, z_log_var, z], name="encoder")

# %% [markdown]
# Four axes will do, for they need not tell the class. In the decoder the label stands beside the code.

# %% tags=["conditional-by-hand"]
codes = keras.Input((4,))  # (4,)
label = keras.Input((), dtype="int32")  # (batch,)
one_hot = layers.CategoryEncoding(10, output_mode="one_hot")(label)  # (batch,) -> (batch, 10)
x = layers.Concatenate()([codes, one_hot])  # (batch, 4) -> (batch, 14)
x = layers.Dense(256, activation="relu")(x)  # (batch, 14) -> (batch, 256)
x = layers.Dense(784, activation="sigmoid")(x)  # (batch, 256) -> (batch, 784)
decoded = layers.Reshape((28, 28, 1))(x)  # (batch, 784) -> (batch, 28, 28, 1)
decoder = keras.Model([codes, label], decoded, name="decoder")

# %%
draw_model(encoder, decoder)

# %% [markdown]
# **Fails on purpose.** What if the label goes into the encoder only? `ConditionalVAE` asks for both. Here is what it
# says to the decoder of a plain VAE.

# %% tags=["decoder-refused"]
_, plain_decoder = build_dense_parts(4)
try:
    ConditionalVAE(encoder, plain_decoder)
except ValueError as error:
    print(error)

# %% [markdown]
# The message is right to insist: when you generate, there is no image and no encoder, and only the decoder can obey. To
# see this, we get around the check with a decoder that takes the label and ignores it.

# %% tags=["blind-decoder"]
blind_encoder, _ = build_dense_parts(4, num_classes=10)
blind_decoder = keras.Model([codes, label], plain_decoder(codes), name="decoder")
conditional = {
    "label in both": ConditionalVAE(encoder, decoder),
    "label in the encoder only": ConditionalVAE(blind_encoder, blind_decoder),
}

# %%
MORE = 10 if data.is_stand_in else 1  # the stand-in has forty times fewer images
train_images, train_labels = data.train.images, data.train.labels
some, some_labels = train_images[:15_000], train_labels[:15_000]  # a quarter of the digits, for the time's sake
test_images, test_labels = data.test.images, data.test.labels


def train(label, model, *inputs, epochs, batch_size=256, callbacks=()):
    if not model.compiled:
        model.compile(keras.optimizers.Adam(0.002), steps_per_execution=20)  # 20 batches at a time: less waiting
    options = {"epochs": epochs * MORE, "batch_size": batch_size, "verbose": 0}
    return model.fit(*inputs, callbacks=[Progress(label), *callbacks], **options).history


for name, model in conditional.items():
    train(name, model, [some, some_labels], epochs=7)

# %% [markdown]
# **Predict.** Ask both for the digits 0 to 9, twice, with the same random codes. What will the second one draw?

# %%
wanted = np.arange(10)
rows = {}
for name, model in conditional.items():
    for draw in (1, 2):
        rows[f"{name}, draw {draw}"] = model.generate(wanted, seed=draw)
figures.image_rows(rows, titles=wanted).describe(
    "Two draws of each network for the classes 0 to 9. With the label in both parts most images are the digit above "
    "them, some of them muddy; with the label in the encoder only they are of any class, or of none."
)

# %% [markdown]
# Are the obedient ones copies? Below each, the training image that is nearest to it, pixel by pixel.

# %%
known = NearestNeighbors(n_neighbors=1).fit(some.reshape(len(some), -1))  # (n, 28, 28, 1) -> (n, 784)
drawn = rows["label in both, draw 2"]  # (10, 28, 28, 1)
nearest = known.kneighbors(drawn.reshape(10, -1), return_distance=False)[:, 0]  # (10,)
figures.image_rows({"drawn": drawn, "nearest of the training digits": some[nearest]}, titles=wanted).describe(
    "Ten images drawn for the classes 0 to 9, and the training digits nearest to them: mostly of the same class, and "
    "different in stroke and shape."
)

# %% [markdown]
# They differ in stroke: no copies among these ten. And do they obey on average? We need a judge: a classifier that was
# trained on real digits. It reads 1,000 pictures of each network.

# %%
judge = keras.Sequential(
    [
        layers.Flatten(),  # (batch, 28, 28, 1) -> (batch, 784)
        layers.Dense(256, activation="relu"),  # (batch, 784) -> (batch, 256)
        layers.Dense(10, activation="softmax"),  # (batch, 256) -> (batch, 10)
    ]
)
naming = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], "steps_per_execution": 20}
judge.compile("adam", **naming)
judge.fit(train_images, train_labels, batch_size=256, epochs=2 * MORE, callbacks=[Progress("judge")], verbose=0)
_, judge_accuracy = judge.evaluate(test_images, test_labels, batch_size=1000, verbose=0)
print(f"The judge reads {judge_accuracy:.1%} of the test digits right.")

# %%
asked = np.tile(wanted, 100)  # (1000,)


def share_obeyed(model):
    read = judge.predict(model.generate(asked, seed=0), batch_size=1000, verbose=0).argmax(axis=1)
    return float((read == asked).mean())


obeyed_both, obeyed_blind = (share_obeyed(model) for model in conditional.values())
print(f"Drawn as asked: label in both {obeyed_both:.1%}, label in the encoder only {obeyed_blind:.1%}")

# %% [markdown]
# **What you should see.** With the label in both, <<obeyed_both:.0%>> of the pictures are read as the digit that was
# asked for. With a blind decoder <<obeyed_blind:.0%>>: chance. Nothing in its training went wrong, and its loss fell as
# it should. It is an ordinary VAE with a label that nobody needed.

# %% [markdown]
# ### Style stays, class changes
#
# The decoder knows the class from the label, so the code need not spend nats on it. What is left for the code is
# everything else. Encode a digit with its own label, and decode its code with all ten.
#
# **Predict.** A slanted, thick 2 becomes a 7. What will the 7 look like?

# %%
cvae = conditional["label in both"]
chosen = [38, 2, 3, 15, 61, 30]  # of the test digits: different hands
styles, _, _ = cvae.encoder.predict([test_images[chosen], test_labels[chosen]], verbose=0)  # (6, 4)
rewritten = cvae.decoder.predict([styles.repeat(10, axis=0), np.tile(wanted, 6)], verbose=0)  # (60, 28, 28, 1)

# %%
rows = {}
for row, tens in zip(chosen, rewritten.reshape(6, 10, 28, 28, 1), strict=True):
    rows[f"the hand of a {test_labels[row]}"] = np.concatenate([test_images[[row]], tens])  # (11, 28, 28, 1)
figures.image_rows(rows, columns=11, titles=["test digit", *wanted]).describe(
    "Six test digits, each followed by the digits 0 to 9 drawn in its hand: slanted where it is slanted, thick "
    "where it is thick."
)

# %% [markdown]
# **What you should see.** Each row is in one hand: the slant, width and weight of its strokes are those of the digit on
# the left. Nobody named these properties. They are what helps to draw a digit once its class is known.

# %% [markdown]
# ## A classifier as a third loss
#
# The opposite wish: a code that *shows* its class. Put a classifier on the codes, and let its cross-entropy join the
# loss:
#
# $$\text{loss} = \text{reconstruction} + \beta\,\text{KL} + w\,\text{classification}.$$
#
# It reads `z_mean`, and its gradients move the encoder. Two axes, for a map; and a hidden layer, since on a plane ten
# classes do not fit behind straight borders.


# %% tags=["branched-by-hand"]
def build_branched(weight):
    codes = keras.Input((2,), name="z_mean")  # (2,)
    x = layers.Dense(64, activation="relu")(codes)  # (batch, 2) -> (batch, 64)
    x = layers.Dense(10, activation="softmax")(x)  # (batch, 64) -> (batch, 10)
    classifier = keras.Model(codes, x, name="classifier")
    return BranchedVAE(*build_dense_parts(2), classifier, classification_weight=weight)


# %% [markdown]
# How large should $w$ be? A reconstruction is a sum over 784 pixels, some 160 nats, and a wild guess among ten classes
# costs log 10 = 2.3 nats. With $w = 1$ the third loss would hardly be noticed.
#
# A branch also allows for another order. [[Pre-training]] trains a part of a network on a task of its own first: here
# encoder and classifier alone, then everything. `as_classifier` joins those two; the weights are shared.

# %%
WEIGHT = 30
branched, pretrained = build_branched(WEIGHT), build_branched(WEIGHT)

# %%
first = pretrained.as_classifier()
first.compile(keras.optimizers.Adam(0.002), **naming)
first.fit(some, some_labels, batch_size=256, epochs=2 * MORE, callbacks=[Progress("pre-training")], verbose=0)
first.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)

# %% [markdown]
# **Predict.** Will the encoder forget its classes when it learns to reconstruct?

# %%
plain = build_dense_vae(2)
train("plain", plain, some, epochs=5)
history_branched = train("branched", branched, some, some_labels, epochs=5)
history_pretrained = train("pre-trained", pretrained, some, some_labels, epochs=5)

# %%
figures.curves(
    {"from the start": history_branched["accuracy"], "after pre-training": history_pretrained["accuracy"]},
    ylabel="accuracy of the branch",
).describe(
    "Accuracy of the branch over epochs. After pre-training it starts high and stays there; from the start it "
    "begins low and is still behind at the end."
)

# %%
accuracy_branched, accuracy_pretrained = history_branched["accuracy"][-1], history_pretrained["accuracy"][-1]
maps = {"no branch": plain, "branch": branched, "branch, pre-trained": pretrained}
codes_of = {name: model.encoder.predict(test_images[:3000], verbose=0)[0] for name, model in maps.items()}
maps_by_class(codes_of, test_labels[:3000]).describe(
    "Three scatter plots of codes, coloured by digit. Without a branch the classes overlap in the middle; with "
    "it they draw apart like petals, after pre-training most of all."
)

# %% [markdown]
# **What you should see.** With the branch the classes draw apart like petals. From the start the branch takes several
# epochs to be heard, since the reconstruction has so many more nats to win. After pre-training the codes are sorted
# already, and the decoder learns from sorted codes: <<accuracy_pretrained:.2f>> of the training digits are named in
# the end, against <<accuracy_branched:.2f>>. The two epochs beforehand are cheap, since they have no decoder to train.

# %% [markdown]
# ### What do codes know of classes?
#
# As in lecture 03: train a linear classifier on 100 labelled codes, and draw these ten times.
#
# **Predict.** Three codes, none of them trained with a loss on classes, and the pixels: in which order?

# %%
vaes = {axes: build_dense_vae(axes) for axes in (16, 4)}
for axes, vae in vaes.items():
    train(f"VAE, {axes} axes", vae, some, epochs=5)

# %%
codes = {"784 pixels": test_images.reshape(-1, 784)}  # (n, 28, 28, 1) -> (n, 784)
codes |= {f"VAE, {axes} axes": vae.encoder.predict(test_images, verbose=0)[0] for axes, vae in vaes.items()}
codes["conditional VAE, 4 axes"], _, _ = cvae.encoder.predict([test_images, test_labels], verbose=0)

# %%
probes = {name: attribution.linear_probe(found, test_labels, count=100, draws=10) for name, found in codes.items()}
probe_pixels, probe_vae, probe_four, probe_conditional = (probe.mean for probe in probes.values())
Table([{"input": name, "accuracy": probe.mean, "spread over draws": probe.sd} for name, probe in probes.items()])

# %% [markdown]
# **What you should see.** <<probe_vae:.2f>> from 16 axes and <<probe_pixels:.2f>> from 784 pixels: in so few numbers
# nothing of the class was lost, and little was gained. Four axes keep <<probe_four:.2f>>. The conditional code of four
# has forgotten most, <<probe_conditional:.2f>>: it was told the class, so it had no need to keep it.

# %% [markdown]
# ## What a nat buys: beta
#
# The KL is the *rate*, the nats that codes may spend on an image; the reconstruction is the *distortion* that is left.
# beta sets the price ([Alemi et al., 2018](https://arxiv.org/abs/1711.00464)). Train one network, and let beta climb:
# six epochs at the lowest price, then two at each, so that each level starts from the one before.
# `PosteriorCollapseWarning` keeps the KL of every axis, and warns of those that say nothing.

# %%
BETAS = (0.5, 1, 2, 4, 8, 16)
climbing = build_dense_vae(16)
watch = PosteriorCollapseWarning(test_images[:1000])
levels = {}
for beta in BETAS:
    climbing.beta = beta
    epochs = 6 if beta == BETAS[0] else 2
    train(f"beta {beta}", climbing, some, epochs=epochs, batch_size=128, callbacks=[watch])
    terms = climbing.evaluate(test_images, batch_size=1000, verbose=0, return_dict=True)
    levels[beta] = terms | {"axes": np.sort(watch.kl_per_axis)[::-1]}  # the busiest axis first

# %% [markdown]
# The warnings say which axes are silent, and what to do. **Predict.** At twice the price, do all axes spend less, or do
# some stop?

# %%
rates, distortions = ([levels[beta][name] for beta in BETAS] for name in ("kl", "reconstruction"))
figure = figures.curves(
    {"test digits": distortions}, x=rates, xlabel="rate: KL, nats per image", ylabel="distortion, nats per image"
)
for beta, rate, distortion in zip(BETAS, rates, distortions, strict=True):
    figure.axes[0].annotate(f"{beta}", (rate, distortion), (5, 5), textcoords="offset points")
figure.axes[0].lines[0].set_marker("o")
figure.describe(
    "Distortion over rate, a falling curve through six points from beta 16 at the left to beta 0.5 at the "
    "right, steep at the left and ever flatter."
)

# %%
used_16 = int((levels[16]["axes"] > 0.1).sum())
figure = figures.curves(
    {f"beta = {beta}": levels[beta]["axes"] for beta in BETAS if beta >= 1},
    xlabel="latent axis, the busiest first",
    ylabel="KL of the axis, nats",
)
figure.axes[0].set_ylim(0, 2.5)
figure.describe(
    "KL of each of 16 axes, the busiest first, for betas from 1 to 16. Up to 4 the curves sink as a whole; at "
    "8 and 16 they drop to zero after some axes."
)

# %% [markdown]
# **What you should see.** The curve is steep where the rate is low: its slope is minus beta, the nats of distortion
# that one more nat in the code must save to be worth its price. Up to a price of 4 every axis spends less. Then they
# stop, one after another, first those that gain least ([Lucas et al., 2019](https://arxiv.org/abs/1911.02469) show
# why, for linear decoders): at 16, <<used_16>> of 16 still carry a tenth of a nat (five seeds: <<used_16 seeds>>). In
# [[posterior collapse]] an axis stops: the encoder gives $N(0, 1)$ for every image, and the decoder does not listen.

# %% [markdown]
# ## Collapse is greedy
#
# The network climbed to 8 from below. What if beta is 8 from the first step? The decoder knows nothing yet, so no code
# is worth its price, and the quickest way down is to pay nothing: $\mu = 0$, $\sigma = 1$. It is hard to get away from
# there later. To change a weight of the loss slowly while training goes on is called [[annealing]]; `BetaWarmUp` lets
# beta rise over the first epochs ([Bowman et al., 2016](https://arxiv.org/abs/1511.06349)).
#
# **Predict.** Both end with the same beta and the same number of epochs. Will they end at the same loss?

# %%
starts = {"beta = 8 at once": [], "warm-up over 4 epochs": [BetaWarmUp(4 * MORE)]}
rows = []
for name, callbacks in starts.items():
    expensive = build_dense_vae(16, beta=8)
    train(name, expensive, some, epochs=6, callbacks=[watch, *callbacks])
    terms = expensive.evaluate(test_images, batch_size=1000, verbose=0, return_dict=True)
    rows.append({"training": name, "test loss": terms["loss"], "KL": terms["kl"]})

# %%
(loss_cold, kl_cold), (loss_warm, kl_warm) = ([row["test loss"], row["KL"]] for row in rows)
Table(rows, "beta = 8, six epochs")

# %% [markdown]
# **What you should see.** The *same* loss is lower where the KL came in slowly, <<loss_warm:.0f>> against
# <<loss_cold:.0f>>: the codes carry <<kl_warm:.1f>> nats instead of <<kl_cold:.1f>>. The cold start went downhill at
# every step; that is what greedy means. In lecture 03 greedy growing was the cure, here greed is the disease.

# %% [markdown]
# ## One axis, one factor?
#
# The [[beta-VAE]] ([Higgins et al., 2017](https://openreview.net/forum?id=Sy2fzU9gl)) weighs KL by a beta above 1:
# where rate is scarce, each axis might take one *factor* of what varies ([Burgess et al.,
# 2018](https://arxiv.org/abs/1804.03599)). Nobody knows the factors of digits, so draw images from known ones: squares
# of six sizes in 16 columns and 8 rows. With equal ranges any two directions would do as well as along and across
# ([Rolinek et al., 2019](https://arxiv.org/abs/1812.06775)).

# %%
every = shapes.sample(1536, sizes={"shape": 1, "rotation": 1, "x": 16, "y": 16}, image_size=32)
middle = (every.factors[:, 4] >= 4) & (every.factors[:, 4] < 12)  # the middle half of y
squares, factors = every.images[middle], every.factors[middle]  # (768, 32, 32, 1), (768, 5)
figures.image_rows({"drawn": squares}).describe(
    "Ten drawn images, each with one filled square, in several sizes and places."
)

# %% [markdown]
# The score is the [[mutual information gap]], MIG ([Chen et al., 2018](https://arxiv.org/abs/1802.04942)): how much
# more the best axis tells about a factor than the second best, as a share of all there is to tell. If each factor has
# an axis of its own, it is near 1.
#
# **Predict.** Four axes for three factors, with beta 1 and beta 4. How near?


# %%
def train_on_squares(beta):
    one = build_dense_vae(4, hidden=(256, 128), beta=beta, input_shape=(32, 32, 1))
    one.compile(keras.optimizers.Adam(0.002), steps_per_execution=20)
    often = np.tile(squares, (40, 1, 1, 1))  # (768, 32, 32, 1) -> (30720, 32, 32, 1)
    one.fit(often, batch_size=128, epochs=3, callbacks=[Progress(f"squares, beta {beta}")], verbose=0)
    return one


on_squares = {beta: train_on_squares(beta) for beta in (1, 4)}

# %%
gaps = {}
for beta, one in on_squares.items():
    means, _, _ = one.encoder.predict(squares, verbose=0)  # (768, 4)
    gaps[beta] = mig(means, factors)
mig_vae, mig_beta_vae = (gap.score for gap in gaps.values())

# %%
varied = [(1, "scale"), (3, "x"), (4, "y")]  # columns of the factors
of_factor = {beta: {name: float(gap.per_factor[column]) for column, name in varied} for beta, gap in gaps.items()}
Table([{"beta": beta, "MIG": gap.score} | of_factor[beta] for beta, gap in gaps.items()])

# %% [markdown]
# What does an axis stand for? *Traverse* it: start from the code of one square, change only this number, and decode.
# Beside each row stands the factor that the axis tells most about, and how much of it.

# %% tags=["traversal-by-hand"]
start = squares[(factors[:, [1, 3, 4]] == [3, 8, 8]).all(axis=1)]  # (1, 32, 32, 1): the square in the middle


def traverse(model, gap):
    rows = {}
    for axis in range(model.latent_dim):
        codes = model.encoder.predict(start, verbose=0)[0].repeat(9, axis=0)  # (9, latent_dim)
        codes[:, axis] = np.linspace(-2.5, 2.5, 9)
        told = {name: gap.information[axis, column] for column, name in varied}
        best = max(told, key=told.get)
        rows[f"z {axis}: {best} {told[best]:.0%}"] = model.decoder.predict(codes, verbose=0)
    return rows


# %%
figures.image_rows(traverse(on_squares[1], gaps[1]), columns=9).describe(
    "Four rows of nine squares with beta 1, one row for each axis, named after the factor of which it tells "
    "most: along a row a square moves, grows or does both."
)

# %%
figures.image_rows(traverse(on_squares[4], gaps[4]), columns=9).describe("The same four rows with beta 4.")

# %% [markdown]
# **What you should see.** Both are far from 1: <<mig_vae:.2f>> for the VAE, <<mig_beta_vae:.2f>> for beta = 4. Is beta
# = 4 better, then? Over five seeds the VAE scored <<mig_vae seeds:.2f>>, beta = 4 <<mig_beta_vae seeds:.2f>>: another
# seed, another winner. The higher price spread the scores farther, in both directions.
# [Locatello et al. (2019)](https://arxiv.org/abs/1811.12359) trained 12,000 models and found that seeds matter more
# than methods, and that without labels nobody can tell which run went well. Use the score; one run proves nothing.
#
# ### What does a random encoder get?
#
# A score also needs a baseline to be compared with. Here are both scores of this lecture, the accuracy of the linear
# probe and the MIG, for encoders that have never been trained.
#
# **Predict.** Zero, or some way up?

# %%
untrained = {"digits": build_dense_vae(16), "squares": build_dense_vae(4, hidden=(256, 128), input_shape=(32, 32, 1))}
random_codes, _, _ = untrained["digits"].encoder.predict(test_images, verbose=0)  # (10000, 16)
random_means, _, _ = untrained["squares"].encoder.predict(squares, verbose=0)  # (768, 4)

# %%
probe_random = attribution.linear_probe(random_codes, test_labels, count=100, draws=10).mean
mig_random = mig(random_means, factors).score
baselines = {"linear probe, 16 axes": (probe_random, probe_vae), "MIG, 4 axes": (mig_random, mig_vae)}
Table([{"score": name, "random encoder": one, "VAE": other} for name, (one, other) in baselines.items()])

# %% [markdown]
# **What you should see.** Sixteen random mixtures of pixels let the probe name <<probe_random:.0%>> of the digits, with
# chance at 10 %: what training has added is the rest of the way to <<probe_vae:.0%>>. The MIG of random axes is
# <<mig_random:.2f>>, so that the scores above are more than nothing, if far from 1. Never read a score from 0
# (five seeds of the random MIG: <<mig_random seeds:.2f>>).

# %% [markdown]
# ## Exercises
#
# ### Recall
# 1. Why must the decoder see the label, and not the encoder alone?
# 2. The code of a conditional VAE says little about the class. Why is that what we want?
# 3. Why does a classification weight of 1 do next to nothing here?
# 4. What are rate and distortion, and what is the slope of the curve between them?
# 5. What does a collapsed axis look like from the encoder's side, and what from the decoder's?
#
# ### Change one line
# 1. Set `WEIGHT = 1`. How do the maps differ now?
# 2. Build the conditional VAE with 16 axes instead of 4 (five lines have the number). Is it still obeyed?
#
# ### Open end
# 1. Which of the digits do you need labels for? Train `BranchedVAE` with the labels of 100 images and sample weights of
#    zero for the classification of all others (you will have to override `compute_loss`), and compare with the linear
#    probe.
#
# ## Recap
#
# - You built a conditional VAE, asked it for classes, and changed the class of a digit while its style stayed.
# - You added a classifier as a third loss, pre-trained the encoder with it, and measured what codes know of classes.
# - You drew the rate-distortion curve over beta, and saw latent axes collapse, one after another and greedily.
# - You measured on drawn shapes how far each axis stands for one factor, and what a random encoder gets.
#
# Next: [08 · Latent spaces](08_latent_spaces.ipynb).
