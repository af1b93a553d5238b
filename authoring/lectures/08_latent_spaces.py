# %% [markdown]
# # 08 · Latent spaces
#
# *What order do codes have that nobody asked for?*
#
# **You will**
# - keep trained models on disk, and find them by their parameters
# - look at codes from all sides, and decode any point by a click or a slider
# - draw maps with PCA, Isomap and t-SNE, and measure what each of them preserves
# - ask whether clusters are classes, in numbers and in a tree that everybody can read
#
# **What to know before.** Lectures [03](03_deep.ipynb) (experiments, probes), [06](06_variational.ipynb) (VAE) and
# [07](07_structured.ipynb) (beta).
#
# | | CPU (2 cores) | GPU |
# |---|---|---|
# | this notebook | a minute | not needed |

# %% tags=["imports"]
from helpers import figures
from helpers.training import Progress, seed_everything
from helpers.data import digits
from helpers.diagrams import draw_model
from helpers.experiments import Experiment, load_experiments
from helpers.latent import attribution, plots
from helpers.latent.codes import codes_per_layer
from helpers.latent.explorer import explore_run
from helpers.latent.codes import cluster_tree
from helpers.latent.projections import preservation, project
from helpers.models.catalogue import from_experiment
from helpers.tables import Table

import keras
import numpy as np
from sklearn.datasets import make_swiss_roll
from sklearn.neighbors import NearestNeighbors

seed_everything(0)
data = digits.load()
images, labels = data.test.images[:2000], data.test.labels[:2000]

# %% [markdown]
# ## A few experiments
#
# One model shows one latent space. Which of its traits are the data's, and which are those of our choices? That takes
# several models that differ in what we chose: here the length of the code and beta. An experiment is its parameters;
# `from_experiment` builds the model that they describe.

# %% tags=["experiments"]
RUN = "08_spaces_stand_in" if data.is_stand_in else "08_spaces"
EPOCHS = 60 if data.is_stand_in else 5  # the stand-in has fifteen times fewer images than we take of MNIST
DEFAULTS = {
    "model": "dense_vae",
    "hidden": [256, 64],
    "latent_dim": 10,
    "beta": 1.0,
    "images": 20_000,
    "epochs": EPOCHS,
}
CHOICES = [{"latent_dim": latent_dim, "beta": beta} for latent_dim in (2, 10) for beta in (1.0, 4.0)]
experiments = [Experiment(RUN, choice, defaults=DEFAULTS) for choice in CHOICES]
[experiment.name for experiment in experiments]

# %% [markdown]
# Train each one and keep it, with the codes of 2,000 test digits. The code of a digit is the mean of its cloud.


# %% tags=["train-and-save"]
def train_and_save(experiment):
    vae = from_experiment(experiment.parameters)
    vae.compile(keras.optimizers.Adam(0.001), steps_per_execution=20)
    chosen = data.train.images[: experiment.parameters["images"]]
    options = {"batch_size": 128, "epochs": EPOCHS, "callbacks": [Progress(experiment.name)], "verbose": 0}
    history = vae.fit(chosen, **options).history
    z_mean, _, _ = vae.encoder.predict(images, batch_size=500, verbose=0)  # (n, 28, 28, 1) -> (n, latent_dim)
    experiment.save(vae, history, codes=(z_mean, labels))


for experiment in experiments:
    train_and_save(experiment)

# %% [markdown]
# From here on everything is read from the disk, as it would be tomorrow. An axis is *in use* if the codes differ along
# it: on an axis that tells all it can their standard deviation is about 1, on an idle one it is 0. The line is drawn at
# 0.5.


# %% tags=["describe-experiment"]
def describe(experiment):
    codes, _ = experiment.codes()
    losses = {key: experiment.history()[key][-1] for key in ("reconstruction", "kl")}
    parameters = {key: experiment.parameters[key] for key in ("latent_dim", "beta")}
    return parameters | losses | {"axes in use": int((codes.std(axis=0) > 0.5).sum())}


Table([describe(experiment) for experiment in load_experiments(RUN)], f"all of run {RUN}")

# %%
Table([describe(experiment) for experiment in load_experiments(RUN, {"latent_dim": 10})], "latent_dim = 10")

# %% tags=["sharp-and-strict"]
(sharp,) = load_experiments(RUN, {"latent_dim": 10, "beta": 1.0})
(strict,) = load_experiments(RUN, {"latent_dim": 10, "beta": 4.0})
codes, strict_codes = sharp.codes()[0], strict.codes()[0]
decoder = sharp.load("decoder")
axes_sharp, axes_strict = (int((found.std(axis=0) > 0.5).sum()) for found in (codes, strict_codes))

# %%
draw_model(sharp.load("encoder"), decoder)

# %% [markdown]
# **What you should see.** Of the ten axes offered, <<axes_sharp>> are in use with beta 1, <<axes_strict>> with beta 4
# (five seeds: <<axes_strict seeds>>): where KL costs more, fewer axes are worth their price.
#
# **Fails on purpose.** A year later, who remembers how a parameter was called?

# %% tags=["unknown-parameter"]
try:
    load_experiments(RUN, {"latent_size": 10})
except LookupError as error:
    print(error)

# %% [markdown]
# ## Look from all sides
#
# Ten axes cannot be drawn at once, but any two can: a *scatter-plot matrix* has a panel for each pair. The explorer
# draws it, and decodes. Choose an experiment above it. Draw a box in one panel: the same digits light up in all others.
# Click a point: it is decoded, and its nearest neighbours stand below. Move a slider: the image changes under your
# hand. The corner tells how far each two axes are correlated. As a page without code, tomorrow too:
# `./course run voila lectures/explorer.ipynb`.

# %% tags=["explorer"]
explorer = explore_run(RUN, images=images, class_names=digits.CLASS_NAMES)
explorer

# %% [markdown]
# What is chosen by hand can be chosen by code as well. Here are the ten axes with beta 4.

# %% tags=["explorer-by-code"]
explorer.parameter_choices["latent_dim"].value = "10"
explorer.parameter_choices["beta"].value = "4.0"
print(explorer.experiment.name)

# %% [markdown]
# On paper nothing moves, so here is the same as a figure: the six axes with the largest spread, and what a slider does
# on each, from one end to the other.
#
# **Predict.** Will an axis be a digit, a trait of all digits, or neither?

# %%
explorer.explorer.figure().describe(
    "On the left a matrix of scatter plots, one for each pair of six axes, coloured by digit, none of which "
    "shows all digits apart; in the corner the correlations of the axes. On the right a walk along each axis, "
    "decoded: one digit turns into another."
)

# %% [markdown]
# **What you should see.** Hardly one axis names a digit. Along most of them one digit turns into another, and slant or
# width change with it: nothing in the loss asks an axis to mean one thing. No panel shows all classes apart; each shows
# some of them.

# %% [markdown]
# ## Click a point
#
# The notebook knows which point you clicked last: `picked`. If you clicked none, it is the first. Here it stands before
# its nearest neighbours among the codes, each above its decoded code.

# %% tags=["nearest-to-click"]
picked = explorer.explorer.picked or 0
nearest = NearestNeighbors(n_neighbors=10).fit(codes).kneighbors(codes[[picked]], return_distance=False)[0]
decoded = decoder.predict(codes[nearest], verbose=0)  # (10, latent_dim) -> (10, 28, 28, 1)
figures.image_rows({"digit": images[nearest], "decoded": decoded}, titles=labels[nearest].tolist()).describe(
    "A digit and its nine nearest neighbours, with their labels, each above its decoded code: nearly all are "
    "the same digit, written alike."
)

# %% [markdown]
# ## Three maps of a strip
#
# Panels of two axes leave eight out. A *map* draws all axes on two, and must give something up. What, is best seen on a
# surface that we know: a paper strip, rolled up. The colour tells the place on the strip.

# %%
METHODS = {"PCA": "pca", "Isomap": "isomap", "t-SNE": "tsne"}
roll, along = make_swiss_roll(800, random_state=0)  # (800, 3), and the angle of each point, (800,)
maps = {title: project(roll, method) for title, method in METHODS.items()}
plots.maps_by_value({"from the side": roll[:, [0, 2]]} | maps, along, label="along the strip").describe(
    "A rolled-up strip, coloured along its length, in four panels: from the side a spiral; PCA looks through "
    "the roll; Isomap lays it flat, in the order of its colours; t-SNE tears it into pieces."
)

# %% [markdown]
# **What you should see.** *PCA* takes the best flat view and looks through the roll. [[Isomap]] ([Tenenbaum et al.,
# 2000](https://doi.org/10.1126/science.290.5500.2319)) measures distances on foot, from neighbour to neighbour, and
# unrolls it. [[t-SNE]] ([van der Maaten & Hinton, 2008](https://jmlr.org/papers/v9/vandermaaten08a.html)) keeps
# neighbours together and everything else as it comes: it may tear the strip.
#
# Three numbers say so. *Trustworthiness*: are neighbours on the map real? *Continuity*: did real ones stay
# ([Venna & Kaski, 2001](https://doi.org/10.1007/3-540-44668-0_68))? *Rank correlation*: are far points far?


# %%
def measured(originals, maps):
    return [{"map": title} | preservation(originals, drawn)._asdict() for title, drawn in maps.items()]


Table(measured(roll, maps), "compared with the roll, in a straight line")

# %% tags=["strip-by-formula"]
walked = (along * np.sqrt(1 + along**2) + np.arcsinh(along)) / 2  # length of the spiral up to each point
strip = np.stack([walked, roll[:, 1]], axis=1)  # (800, 2): the strip, unrolled by formula
on_strip = measured(strip, maps)
rank_pca, rank_isomap, rank_tsne = (row["rank_correlation"] for row in on_strip)
Table(on_strip, "compared with the strip, unrolled")

# %% [markdown]
# **What you should see.** Isomap drew the strip: distances on its map have a rank correlation of <<rank_isomap:.2f>>
# with those on the strip. PCA has <<rank_pca:.2f>>, t-SNE <<rank_tsne:.2f>>.

# %% [markdown]
# ## Three maps of codes
#
# Now the codes of the VAE with ten axes and beta 1. No label has had a part in training or in drawing; they only
# give the colours.
#
# **Predict.** Which map has islands, and which keeps far digits far?

# %%
maps = {title: project(codes, method) for title, method in METHODS.items()}
kept = measured(codes, maps)
titles = {row["map"]: f"{row['map']}, trustworthiness {row['trustworthiness']:.2f}" for row in kept}
plots.maps_by_class({titles[name]: drawn for name, drawn in maps.items()}, labels).describe(
    "Three maps of codes, coloured by digit, each under its trustworthiness, that of t-SNE the highest. PCA is one "
    "cloud in which the classes overlap, Isomap a looser one, t-SNE islands of mostly one digit each."
)

# %%
(trust_pca, trust_isomap, trust_tsne), (far_pca, far_isomap, far_tsne) = (
    [row[key] for row in kept] for key in ("trustworthiness", "rank_correlation")
)
Table(kept)

# %% [markdown]
# **What you should see.** t-SNE has islands, and its neighbours are the truest: <<trust_tsne:.2f>>, against
# <<trust_isomap:.2f>> for Isomap and <<trust_pca:.2f>> for PCA. Far things are kept far best by PCA: its rank
# correlation is <<far_pca:.2f>>, that of Isomap <<far_isomap:.2f>> and of t-SNE <<far_tsne:.2f>>. How large an island
# is, or how far it lies from another, tells little ([Wattenberg et al., 2016](https://doi.org/10.23915/distill.00002)).
# And this is no strip: ten axes in use do not unroll to two, and Isomap cannot shine. PCA's map says at its axes how
# much of the variance they show; the rest lies along directions that it does not draw.

# %% [markdown]
# An island is a suspicion, not a finding. The digits themselves tell what lies where.

# %%
plots.thumbnails(maps["t-SNE"], images, labels=labels).describe(
    "The map of t-SNE with small digits at their places, framed in the colour of their class. Digits of one "
    "class lie together, and slant and thickness change across each island."
)

# %% [markdown]
# **What you should see.** Within an island slant and thickness change from one shore to the other. At the borders lie
# the digits that you would have to look at twice.

# %% [markdown]
# ## Are clusters classes?
#
# Four scores, each with another question. *Silhouette*: is a digit nearer to its own class than to the next one?
# *NMI*: do ten clusters, found by k-means, match the classes? *Purity*: how many of ten neighbours are of the same
# class? *Probe*: how many digits does a linear classifier get right that saw 100 labels?
#
# **Predict.** Which score will be near its best, and which near chance?


# %%
def scores(found):
    return {
        "silhouette": attribution.silhouette(found, labels),
        "NMI": attribution.nmi(found, labels),
        "purity": attribution.neighbour_purity(found, labels),
        "probe": attribution.linear_probe(found, labels).mean,
    }


spaces = {"784 pixels": images.reshape(-1, 784)}  # (n, 28, 28, 1) -> (n, 784)
spaces |= {
    f"{e.parameters['latent_dim']} axes, beta {e.parameters['beta']}": e.codes()[0] for e in load_experiments(RUN)
}
rows = {name: scores(found) for name, found in spaces.items()}
Table([{"space": name} | row for name, row in rows.items()])

# %%
silhouette_codes, nmi_codes, purity_codes, _ = rows["10 axes, beta 1.0"].values()
purity_pixels, probe_pixels, nmi_pixels = (rows["784 pixels"][key] for key in ("purity", "probe", "NMI"))
shuffled = attribution.permutation_test(attribution.neighbour_purity, codes, labels, permutations=19)
purity_chance = shuffled.chance
print(f"purity {shuffled.score:.2f}; with shuffled labels {purity_chance:.2f} (p = {shuffled.p:.2f})")

# %% [markdown]
# **What you should see.** On ten axes with beta 1, purity is <<purity_codes:.2f>>, far from the <<purity_chance:.2f>>
# of shuffled labels; the silhouette is <<silhouette_codes:.2f>> and the NMI <<nmi_codes:.2f>>. So digits have their own
# kind around them, and yet there are no ten heaps: classes touch, and k-means cuts where it likes. The same codes,
# three answers: say which score you mean. Pixels do about as well: purity <<purity_pixels:.2f>>, NMI
# <<nmi_pixels:.2f>>.

# %% [markdown]
# ## Layer by layer
#
# Where in the encoder do classes come apart? A probe for each layer, from the pixels to the code.
#
# **Predict.** Does the probe get better or worse towards the code?

# %%
TITLES = {"hidden_1": "hidden 1", "code": "hidden 2", "z_mean": "mean", "z_log_var": "log-variance"}
activations = codes_per_layer(sharp.load("encoder"), images, layers=list(TITLES))
layers = {"pixels": spaces["784 pixels"]} | {title: activations[name] for name, title in TITLES.items()}
probes = {name: attribution.linear_probe(found, labels) for name, found in layers.items()}
figures.bars(
    {"100 labels": [probe.mean for probe in probes.values()]},
    [f"{name}\n{layers[name].shape[1]} numbers" for name in probes],
    spread={"100 labels": [probe.sd for probe in probes.values()]},
    ylabel="test accuracy",
).describe(
    "Five bars with error bars: the test accuracy of a linear classifier on pixels, two hidden layers, mean "
    "and log-variance. The first four are about equal, the last is lower."
)

# %%
_, probe_hidden, _, probe_mean, probe_log_var = (probe.mean for probe in probes.values())

# %% [markdown]
# **What you should see.** Hardly a step: <<probe_pixels:.2f>> from pixels, <<probe_hidden:.2f>> from the first layer,
# <<probe_mean:.2f>> from the mean. Nobody asked the encoder to sort classes, and it does not; it packs what 784 numbers
# said of them into ten. Even the log-variances know something, <<probe_log_var:.2f>>: how sure the encoder is differs
# from digit to digit.

# %% [markdown]
# ## A tree that everybody can read
#
# Whoever does not know what a latent axis is can still read a family tree. Ward's method joins, again and again, the
# two clusters whose union is least spread out ([Ward, 1963](https://doi.org/10.1080/01621459.1963.10500845)). Cut its
# tree at 3 and at 10 clusters, and let the decoder draw the centre of each.
#
# **Predict.** Three clusters of ten digits: which digits go together?

# %%
root = cluster_tree(codes, labels, levels=(3, 10))
plots.cluster_tree(root, lambda centres: decoder.predict(centres, verbose=0)).describe(
    "A tree of clusters: a soft blot at the root, three kinds of strokes below it, and ten leaves, most of "
    "which are a clear digit; under each the number of digits and the share of its main class."
)

# %% tags=["purity-of-leaves"]
leaves = [node for node in root.walk() if node.level == 2]
tree_purity = float(sum(len(node) * node.shares.max() for node in leaves) / len(root))
leading = sorted({node.main_class for node in leaves})
print(f"{tree_purity:.0%} belong to the main class of their cluster; {len(leading)} digits lead one: {leading}")

# %% [markdown]
# **What you should see.** The root draws what all digits have in common; its children are already kinds of strokes; at
# the leaves most are digits. <<tree_purity:.0%>> of the digits belong to the main class of their leaf. Some digit has
# two leaves, for two ways to write it, and some has none, because it is written like another. That is the answer to
# the question: clusters are ways of writing. Often such a way is a class; nothing asked for that.

# %% [markdown]
# ## Exercises
#
# ### Recall
# 1. What is written beside a model, so that it can be found without opening it?
# 2. Why does an axis of a VAE hardly ever mean one thing?
# 3. What does PCA preserve, what Isomap, what t-SNE, and on which figure did you see it?
# 4. Purity is high and the silhouette is low. What do such codes look like?
# 5. What does a node of the tree draw, and why is it soft near the root?
#
# ### Change one line
# 1. Draw t-SNE with `project(codes, "tsne", perplexity=5)`. How many islands are there now, and what has become of the
#    three numbers?
# 2. Cut the tree at other places: `levels=(2, 5, 20)`. Which digit is by itself first, and has every digit a leaf now?
#
# ### Open end
# 1. Train with other parameters: a convolutional VAE (`"model": "convolutional_vae"`, `"filters": [16, 32]` in place of
#    `hidden`), more axes, a conditional VAE from lecture 07. Save them into the same run. Which choice changes NMI
#    most, and does the space that scores best look best in the explorer?
#
# ## Recap
#
# - You kept trained models on disk, found them by their parameters, and saw which axes they use.
# - You looked at codes from all sides, and decoded points by click and by slider.
# - You drew three maps and measured them: PCA keeps far things far, t-SNE neighbours near, Isomap the way between.
# - You asked whether clusters are classes: neighbours are, heaps are not, and a tree shows why.
#
# Next: [09 · Sequences and tables](09_sequences.ipynb).
