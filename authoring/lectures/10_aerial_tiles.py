# %% [markdown]
# # 10 · Aerial tiles
#
# *What does a network keep of a town seen from above, and does it know what stands there?*
#
# **You will**
# - cut tiles into windows, with classes and heights pixel over pixel, and stream them into a network
# - hold out whole places, and measure how much a score gains by views of one place on both sides
# - compare seven members of a family of VAEs: bottleneck, kernel, pooling, latent size
# - say what codes know of class, height, colour and direction, and test it against chance
#
# **What to know before.** [Lecture 06](06_variational.ipynb): VAE, KL. [Lecture 08](08_latent_spaces.ipynb): maps of
# codes, probes.
#
# | | CPU (2 cores) | GPU |
# |---|---|---|
# | this notebook | two minutes | not needed for the small setting |

# %% tags=["imports"]
import json
from pathlib import Path

from helpers import figures
from helpers.training import Progress, seed_everything
from helpers.data import DataError, grss, synthetic
from helpers.data.streaming import as_dataset
from helpers.diagrams import draw_model
from helpers.latent import attribution, plots
from helpers.latent.codes import codes_per_layer
from helpers.latent.projections import project
from helpers.latent.attribution import edge_direction, mean_colour, probe_facts, shift_test
from helpers.models.variational import VAE, Sampling, aerial_vae
from helpers.tables import Table

import keras
import numpy as np
import tifffile
from keras import layers
from matplotlib.patches import Patch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

seed_everything(0)
data = synthetic.ensure("grss")

# %% [markdown]
# The tiles are those of the [Data Fusion Contest 2019](https://doi.org/10.21227/c6tm-vw12): Jacksonville and Omaha from
# a satellite, 1,024 x 1,024 pixels of 0.3 m. You get them with a free account. Without them this notebook makes a
# **stand-in**, towns that nobody ever built; every number in the text was measured on it, and real ones will differ.
#
# | setting | tiles | PLACES, VIEWS | EPOCHS, MORE, BATCH, LATENT | time | what to expect |
# |---|---|---|---|---|---|
# | small | 16 | 8, 2 | 3, 9, 8, 64 | 2 minutes, CPU | the numbers in this text, on the stand-in |
# | full | 2,783 | 108, 43 | 20, 40, 64, 1024 | 90 minutes, GPU (estimated) | below the thesis' MAE of 0.0659 |
#
# For the full setting set `TRAINED = list(GRID)` too, which takes longer still: the recorded rows further down are of
# the small setting on the stand-in.
#
# H. Staerk's thesis on the latent spaces of these tiles is what this lecture follows. Its best reconstruction errs by
# 0.0659 on the side that it was trained on: 3,000 windows, 50 epochs, 1,024 numbers in a code.

# %% tags=["settings"]
PLACES, VIEWS = 8, 2
EPOCHS, MORE, BATCH, LATENT = 3, 9, 8, 64

# %% [markdown]
# ## What a tile holds
#
# A tile is one **view** of one **place**: a picture (RGB), a class for every pixel (CLS) and a height above the ground
# (AGL), in three files whose names differ in the last part. `find_tiles` pairs them.

# %% tags=["data"]
KINDS = ("RGB", "CLS", "AGL")
views_of = {}  # place: its tiles
for tile in grss.find_tiles(data.path, KINDS, drop_incomplete=True):
    views_of.setdefault(tile.place, []).append(tile)
places = sorted(views_of, key=lambda place: (len(views_of[place]) < VIEWS, place))[:PLACES]
tiles = [tile for place in places for tile in views_of[place][:VIEWS]]
print(f"{len(tiles)} tiles of {len(places)} places: {', '.join(tile.name for tile in tiles[:4])}, …")

# %%
whole = {}
for number in range(min(VIEWS, 2)):
    some = [views_of[place][number] for place in places if len(views_of[place]) > number]
    whole[f"view {number + 1}"] = grss.Windows(some, resize=True).read(range(len(some)))["RGB"]
figures.image_rows(whole, columns=8, titles=places).describe(
    "Eight places from above in two rows, a first and a second view of each: the same roofs and roads in another light."
)

# %% [markdown]
# Two views of each place, each tile shrunk to 128 x 128 pixels: another sun, another slant, the same houses. And one
# tile as it is, with its three files:

# %%
grss.DATA_SET.plot(tiles[len(tiles) // 4].files["RGB"]).describe(
    "One tile of 1,024 x 1,024 pixels in three panels: a picture of houses and roads, a map of its classes "
    "with a legend, and a map of heights above the ground."
)

# %% [markdown]
# ### Codes are not labels
#
# The classes are written as codes of the LAS format.
#
# **Predict.** A network that takes the codes for labels, from 0 on: how many outputs does it need for five classes?

# %% tags=["class-counts"]
counts = sum(np.bincount(tifffile.imread(tile.files["CLS"]).ravel(), minlength=66) for tile in tiles)
shares = counts / counts.sum()
names = dict(zip(grss.CLASS_CODES, grss.CLASS_NAMES, strict=True)) | {grss.UNLABELED: "unlabeled"}
Table([{"code": code, "class": names[code], "pixels": f"{shares[code]:.1%}"} for code in np.flatnonzero(counts)])

# %% tags=["bridges"]
bridge_share = shares[17]
sizes = [np.mean(tifffile.imread(tile.files["CLS"]) == 17) for tile in tiles]
with_bridge = sum(size > 0 for size in sizes)
print(f"{with_bridge} of {len(tiles)} tiles show a bridge")

# %% [markdown]
# **What you should see.** 66 outputs, for five classes. The usual LAS table of ten entries ends before **17**, the
# bridges: whoever uses it loses <<bridge_share:.1%>> of the pixels, and no overall accuracy would tell. They lie in
# <<with_bridge>> of 16 tiles. And 65 is no class: nobody looked there. `grss` reads labels 0 to 4, and 255 for pixels
# that no loss and no score may count.

# %% [markdown]
# ### Holes in the heights
#
# Where the height is not known, the file holds NaN.
#
# **Predict.** About one pixel in forty is unknown. Of how many windows of 128 x 128 pixels is the mean lost?

# %% tags=["lost-windows"]
unknown, lost = [], []
for tile in tiles:
    heights = tifffile.imread(tile.files["AGL"])  # (1024, 1024)
    means = heights.reshape(8, 128, 8, 128).mean(axis=(1, 3))  # (8, 8), one for each window
    unknown.append(np.isnan(heights).mean())
    lost.append(np.isnan(means).mean())
share_unknown, share_lost = np.mean(unknown), np.mean(lost)
print(f"unknown pixels {share_unknown:.1%}, lost windows {share_lost:.0%}")

# %% [markdown]
# **What you should see.** <<share_unknown:.1%>> of the pixels take <<share_lost:.0%>> of the windows with them. Zeros
# in their place would be worse, since nobody would notice: a hole in a roof is not ground. `grss.Windows` gives zeros
# *and* a mask, `AGL_valid`, and `grss.mean_height` averages what is known.

# %% [markdown]
# ## Hold out places, not windows
#
# If tiles or windows are dealt out by chance, nearly every window that tests the network has a twin that trained it.
# Whatever lets training know of the test set is called [[data leakage]]. So whole places are held out.
#
# **Fails on purpose.** Asked for three sides of one place, `split_by_place` refuses. A slice such as
# `tiles[int(0.9 * len(tiles)) + 1 :]` does not: it gives an empty test side, and the mean over nothing is NaN, or
# whatever the framework makes of it.

# %% tags=["one-place-refused"]
try:
    grss.split_by_place(views_of[places[0]], (0.8, 0.1, 0.1))
except DataError as error:
    print(error)

# %% tags=["data"]
train_tiles, test_tiles = grss.split_by_place(tiles, (5, 3), seed=6)  # this seed leaves every class on both sides
sides = {"training": train_tiles, "held out": test_tiles}
few = {side: some[:: -(-len(some) // 40)] for side, some in sides.items()}  # at most 40 tiles to look at
facts = {side: grss.Windows(some, ("CLS", "AGL")).facts(progress=False) for side, some in few.items()}

# %% tags=["data"]
classes = {side: fact["predominant_class"] for side, fact in facts.items()}  # (windows,)
rows = []
for side, labels in classes.items():
    found = {name: int((labels == label).sum()) for label, name in enumerate(grss.CLASS_NAMES)}
    rows.append({"side": side, "places": len({tile.place for tile in sides[side]})} | found)
Table(rows, "Windows by their predominant class")

# %% [markdown]
# Each tile has 64 windows of 128 x 128 pixels, 38 m wide. Two sights to compare a network with: the mean of all
# training windows, which knows nothing of the one at hand, and PCA with as many numbers as the code will have.

# %% tags=["data"]
images = {side: grss.Windows(some).read(range(64 * len(some)))["RGB"] for side, some in few.items()}
flat = {side: some.reshape(len(some), -1) for side, some in images.items()}  # (windows, 49152)
pca = PCA(LATENT, random_state=0).fit(flat["training"])
linear = pca.inverse_transform(pca.transform(flat["held out"])).reshape(images["held out"].shape)

# %% tags=["data"]
mae_nothing = np.abs(images["held out"] - images["training"].mean(axis=0)).mean()
mae_pca = np.abs(images["held out"] - linear).mean()
print(f"Mean absolute error on held-out places: mean window {mae_nothing:.3f}, PCA {mae_pca:.3f}")

# %% [markdown]
# ## A family of networks
#
# The thesis compared VAEs that differ in the **bottleneck**: each level halves the pixels and doubles the channels,
# down to 2 x 2 x 256 or only to 32 x 32 x 32. SELU
# ([Klambauer et al., 2017](https://arxiv.org/abs/1706.02515)), absolute error, KL. Here is the one in the middle.

# %% tags=["vae-by-hand"]
image = keras.Input((128, 128, 3))  # (128, 128, 3)
options = {"strides": 2, "padding": "same", "activation": "selu"}
x = layers.Conv2D(8, 3, **options)(image)  # (batch, 128, 128, 3) -> (batch, 64, 64, 8)
x = layers.Conv2D(16, 3, **options)(x)  # (batch, 64, 64, 8) -> (batch, 32, 32, 16)
x = layers.Conv2D(32, 3, **options)(x)  # (batch, 32, 32, 16) -> (batch, 16, 16, 32)
x = layers.Flatten()(x)  # (batch, 16, 16, 32) -> (batch, 8192)
z_mean = layers.Dense(LATENT)(x)  # (batch, 8192) -> (batch, 64)
z_log_var = layers.Dense(LATENT)(x)  # (batch, 8192) -> (batch, 64)
z = Sampling(seed=0)([z_mean, z_log_var])
encoder = keras.Model(image, [z_mean, z_log_var, z], name="encoder")

# %% tags=["vae-by-hand"]
code = keras.Input((LATENT,))  # (64,)
x = layers.Dense(8192, activation="selu")(code)  # (batch, 64) -> (batch, 8192)
x = layers.Reshape((16, 16, 32))(x)  # (batch, 8192) -> (batch, 16, 16, 32)
x = layers.Conv2DTranspose(16, 3, **options)(x)  # (batch, 16, 16, 32) -> (batch, 32, 32, 16)
x = layers.Conv2DTranspose(8, 3, **options)(x)  # (batch, 32, 32, 16) -> (batch, 64, 64, 8)
x = layers.Conv2DTranspose(3, 3, **options | {"activation": "sigmoid"})(x)  # (batch, 64, 64, 8) -> (batch, 128, 128, 3)
decoder = keras.Model(code, x, name="decoder")
shown = VAE(encoder, decoder, reconstruction="mae")

# %%
draw_model(encoder, decoder)

# %% [markdown]
# **Predict.** Six layers of convolutions, three dense ones. Where are the parameters?

# %%
every = [*encoder.layers, *decoder.layers]
dense = sum(layer.count_params() for layer in every if isinstance(layer, layers.Dense))
total = encoder.count_params() + decoder.count_params()
dense_share = dense / total
print(f"{total:,} parameters, {dense:,} of them in dense layers")

# %% [markdown]
# **What you should see.** <<dense_share:.1%>> are dense. The convolutions see everything and weigh nothing; what a
# network weighs is the map that it is flattened from, times the code. With the thesis' 1,024 numbers in a code:
#
# | bottleneck | levels | parameters |
# |---|---|---|
# | 2 x 2 x 256 | 6 | 3,935,651 |
# | 4 x 4 x 128 | 5 | 6,492,195 |
# | 8 x 8 x 64 | 4 | 12,638,051 |
# | 16 x 16 x 32 | 3 | 25,188,099 |
# | 32 x 32 x 32 | 2 | 100,708,259 |
#
# `aerial_vae` builds them all, and their relatives. Here are seven, of which this notebook trains two. The other five
# were trained on the stand-in by the same cells with `TRAINED = list(GRID)`, which takes a minute or two more, and what
# they gave is kept in `recorded/10_aerial_tiles.json`. The command that wrote the file, in a clone of the course:
#
# ```
# COURSE_RECORD=$PWD/lectures/recorded/10_aerial_tiles.json ./course test --deep tests/lectures/test_10_aerial_tiles.py
# ```

# %% tags=["grid"]
GRID = {
    "2x2x256": {"bottleneck": "2x2x256"},
    "8x8x64": {"bottleneck": "8x8x64"},
    "16x16x32": {},
    "32x32x32": {"bottleneck": "32x32x32"},
    "kernel 5": {"kernel": 5},
    "max-pool": {"pooling": "max"},
    "latent 16": {"latent_dim": 16},
}
TRAINED = ["2x2x256", "16x16x32"]
vaes = {name: aerial_vae(**({"latent_dim": LATENT} | choice)) for name, choice in GRID.items()}

# %% [markdown]
# ## Stream and train
#
# The windows need not fit into memory: threads read them from the tiles in shuffled order while the network computes.
# A town has no top and no left, so each window may be flipped on the way. Two layers for it, since one that does both
# tosses a single coin (a test of this lecture found that out): with two, a window comes in four versions.


# %% tags=["stream"]
def stream():
    source = grss.Windows(train_tiles, finish=lambda arrays: arrays["RGB"])
    right, down = layers.RandomFlip("horizontal", seed=1), layers.RandomFlip("vertical", seed=2)
    return as_dataset(source.loader(BATCH, seed=0)).map(lambda batch: down(right(batch)))


for batch in stream().take(2):
    print(batch.shape, batch.dtype)


# %% tags=["training"]
def state(vae):
    """Return what a training goes on from: weights, where its samples are, and the optimizer's moments."""
    return [np.array(variable) for variable in (*vae.variables, *vae.optimizer.variables)]


def train(name, start, epochs):
    vae = vaes[name]
    for variable, value in zip((*vae.variables, *vae.optimizer.variables), start, strict=True):
        variable.assign(value)
    vae.fit(stream(), epochs=epochs, shuffle=False, verbose=0, callbacks=[Progress(name)])


def encode_and_decode(vae):
    codes = {side: vae.encoder.predict(some, verbose=0)[0] for side, some in images.items()}
    return codes, {side: vae.decoder.predict(some, verbose=0) for side, some in codes.items()}


# %%
starts = {}  # so that the cells below can run again
for name in TRAINED:
    gently = keras.optimizers.schedules.PolynomialDecay(0.0001, 80, 0.001)  # or the widest one runs away
    vaes[name].compile(keras.optimizers.Adam(gently), steps_per_execution=8)  # 8 batches at a time: less waiting
    vaes[name].optimizer.build(vaes[name].trainable_variables)
    starts[name] = state(vaes[name])


# %% [markdown]
# What can be read off the codes? Four facts of a window: its predominant **class**, its mean **height**, its mean
# **colour**, and the **direction** of its edges. No file says where the streets run, but most edges of a town are along
# or across a street. Linear probes learn each fact on the training places, and are tested on the places held out.

# %% tags=["facts"]
attributes = {
    side: {
        "class": classes[side],  # (windows,)
        "height": facts[side]["mean_height"],  # (windows,), metres
        "colour": mean_colour(images[side]),  # (windows, 3)
        "direction": edge_direction(images[side]).components,  # (windows, 2)
    }
    for side in sides
}


def attribute(codes):
    known, test = ((codes[side], attributes[side]) for side in sides)
    return probe_facts(known, test, ignore_class=grss.IGNORE)


# %%
rows = []
for number, tile in enumerate(few["held out"][:6]):
    along, across = attributes["held out"]["direction"][64 * number : 64 * number + 64].mean(axis=0)
    rows.append({"tile": tile.name, "direction, degrees": round(np.rad2deg(np.arctan2(across, along)) / 4)})
Table(rows)

# %% [markdown]
# Views of one place agree within a few degrees, though sun and slant differ: it is the streets that are measured. (-44
# and 46 would be the same, as a street runs along and its side streets across.)

# %% [markdown]
# **Predict.** All get three epochs. Which bottleneck draws unseen places best: 2 x 2, 8 x 8, 16 x 16 or 32 x 32? And
# will sixteen numbers do where others have 64?

# %%
grid = json.loads(Path("recorded/10_aerial_tiles.json").read_text())  # the rows of all seven, by name
for name in TRAINED:
    vae = vaes[name]
    row = {"network": name, "parameters": vae.encoder.count_params() + vae.decoder.count_params()}
    train(name, starts[name], EPOCHS)
    codes, drawn = encode_and_decode(vae)
    row |= {f"MAE, {side}": float(np.abs(images[side] - drawn[side]).mean()) for side in sides}
    grid[name] = row | attribute(codes)
short = state(vaes["16x16x32"])

# %% [markdown]
# A score says something beside what costs nothing. The last row draws the mean window and always says "ground"; an R2
# of 0 is what the mean of the training windows gets, and less is possible.

# %%
majority = float((classes["held out"] == np.bincount(classes["training"]).argmax()).mean())
nothing = {"class": majority, "height": 0.0, "colour": 0.0, "direction": 0.0}
row = {"network": "nothing", "parameters": 0}
row |= {f"MAE, {side}": float(np.abs(images[side] - images["training"].mean(axis=0)).mean()) for side in sides}
marked = [grid[name] | {"network": name if name in TRAINED else f"{name} (recorded)"} for name in GRID]
Table([*marked, row | nothing])

# %%
errors = {name: grid[name]["MAE, held out"] for name in GRID}
mae_2, mae_8, mae_16, mae_32, mae_kernel, mae_pool, mae_small = errors.values()
bars = {side: [grid[name][f"MAE, {side}"] for name in GRID] for side in sides}
labels = [name if name in TRAINED else f"{name}\n(recorded)" for name in GRID]
figure = figures.bars(bars, labels, ylabel="mean absolute error", numbers=False)
ax = figure.axes[0]
for height, label in ((mae_pca, "PCA,\nheld out"), (mae_nothing, "mean window,\nheld out")):
    ax.axhline(height, color="black", linestyle=":")
    ax.text(6.5, height, label, va="bottom", fontsize=8)
ax.set(xlim=(-0.6, 7.8), ylim=(0, 0.21))
ax.tick_params(axis="x", labelsize=7)
figure.describe(
    "Pairs of bars, the mean absolute error of seven networks on training and held-out windows. All but the "
    "one with a bottleneck of 2 x 2, which is the worst, are about equal, between the dotted lines of PCA, below, and "
    "of the mean window, far above."
)

# %% [markdown]
# **What you should see.** Six levels learn slowest: <<mae_2:.3f>> through 2 x 2. The other bottlenecks, 0.8 to 6.3
# million parameters, are alike: <<mae_8:.3f>>, <<mae_16:.3f>>, <<mae_32:.3f>>. A wider kernel (<<mae_kernel:.3f>>) or
# max-pooling (<<mae_pool:.3f>>) costs more arithmetic and changes the error little, and a quarter of the code costs
# little yet (<<mae_small:.3f>>): after three epochs nobody has filled 64 numbers. All are far from the
# <<mae_nothing:.3f>> of the mean window, and from PCA's <<mae_pca:.3f>>. The codes of all tell the same: colour, and
# little else.
#
# The thesis' whole grid, five bottlenecks by two kernels by four ways to halve, all with 1,024 numbers in a code, is
# one command for a machine with a GPU:
#
# ```
# ./course train lectures/runs/aerial_grid.toml
# ```

# %% [markdown]
# ## Longer
#
# The 16 x 16 x 32 of the thesis goes on for nine epochs.
#
# **Predict.** What will it draw of a house? And what will it *generate*, from codes drawn from $N(0, I)$?

# %%
vae = vaes["16x16x32"]
train("16x16x32", short, MORE)
codes, drawn = encode_and_decode(vae)
mae_long = np.abs(images["held out"] - drawn["held out"]).mean()
mae_long_known = np.abs(images["training"] - drawn["training"]).mean()
print(f"training {mae_long_known:.3f}, held out {mae_long:.3f}")

# %%
chosen = np.linspace(0, len(images["held out"]) - 1, 10).astype(int)
strips = {"held out": images["held out"][chosen], "decoded": drawn["held out"][chosen]}
strips |= {"PCA": linear[chosen].clip(0, 1), "generated": vae.generate(10, seed=0)}
figures.image_rows(strips).describe(
    "Ten windows over three rows: decoded, bright roofs where they were, without edges; PCA, much the same; "
    "generated, blurred patches in the colours of a town."
)

# %% [markdown]
# **What you should see.** Bright roofs stand where they were, without edges; trees and streets are a blur. It errs by
# <<mae_long:.3f>> on held-out places (five seeds: <<mae_long seeds:.3f>>) and by <<mae_long_known:.3f>> on its own:
# little is learnt by heart yet. From 640 windows in a minute, PCA's <<mae_pca:.3f>> is hard to beat. What is
# *generated* has the colours of a town and no house. A loss that counts pixels pays for large bright shapes first.

# %% [markdown]
# ## Are clusters classes?
#
# The codes of the held-out windows, by PCA and by t-SNE.

# %%
seen = classes["held out"] != grss.IGNORE
z = codes["held out"][seen]  # (windows, latent_dim)
maps = {"PCA": project(z), "t-SNE": project(z, "tsne")}
plots.maps_by_class(maps, classes["held out"][seen], names=grss.CLASS_NAMES).describe(
    "Two maps of codes, by PCA and by t-SNE, coloured by class. Water lies by itself; ground, trees and "
    "buildings share one cloud."
)

# %%
plots.maps_by_value(maps, facts["held out"]["mean_height"][seen], label="mean height, metres").describe(
    "The same two maps, coloured by mean height: tall and low windows lie side by side nearly everywhere."
)

# %%
figure = plots.thumbnails(maps["t-SNE"], images["held out"][seen], labels=classes["held out"][seen])
present = np.unique(classes["held out"][seen])
frames = [Patch(facecolor="none", edgecolor=plots.colour(one), label=grss.CLASS_NAMES[one]) for one in present]
figure.legend(handles=frames, loc="outside upper center", ncols=len(frames))
figure.describe(
    "The map of t-SNE with small windows at their places, framed in the colour of their class: bright roofs on "
    "one side, dark ground on the other."
)

# %% [markdown]
# **What you should see.** Water lies by itself; it is the one class with a colour of its own. The others share the
# cloud, tall and low alike, and the thumbnails tell what it is sorted by: bright roofs here, dark ground there. On the
# map of t-SNE many points come in pairs. These are twins, the two views of a window.

# %% [markdown]
# ### Layer by layer
#
# Perhaps the network knew classes on the way, and its last layer forgot them. One probe for each layer, beside two that
# need no network.
#
# **Predict.** Where is the class plainest: in the picture's mean colour, in the first layer, or in the code?

# %%
options = {"layers": ["down_1", "down_2", "down_3"], "batch_size": 64}
inside = {side: codes_per_layer(vae.encoder, some, **options) for side, some in images.items()}
layer_rows = {"mean colour, 3 numbers": {side: attributes[side]["colour"] for side in sides}}
layer_rows |= {name: {side: inside[side][name] for side in sides} for name in inside["training"]}
layer_rows["code"] = codes

# %%
by_layer = {name: attribute(found) for name, found in layer_rows.items()}
Table([{"probe of": name} | found for name, found in ({"nothing": nothing} | by_layer).items()])

# %%
accuracy_colour, accuracy_first, accuracy_code = (
    by_layer[name]["class"] for name in ("mean colour, 3 numbers", "down_1", "code")
)
colour_r2, height_r2, direction_r2 = (by_layer["code"][name] for name in ("colour", "height", "direction"))

# %% [markdown]
# **What you should see.** The code keeps the mean colour (R2 <<colour_r2:.2f>>), and that is what the loss paid for.
# Its accuracy of <<accuracy_code:.2f>> is hardly more than always saying "ground" gives, <<majority:.2f>>; three
# numbers of mean colour give <<accuracy_colour:.2f>>, and the first layer, which sees edges and grain,
# <<accuracy_first:.2f>>. Height (R2 <<height_r2:.2f>>) is not to be read off. Nor is direction: <<direction_r2:.2f>> is
# worse than guessing, as the probe learnt the streets of five other towns.

# %% [markdown]
# ### Against chance
#
# So the code knows nothing of classes? An accuracy tells only beside chance, and "ground" everywhere is not what this
# probe says. `permutation_test` of lecture 08 shuffles the labels; but windows are no shuffled cards: a lake covers
# neighbours. `shift_test` pushes the map of labels of each place along and down, as a whole
# ([Harms et al., 2001](https://doi.org/10.1111/j.1365-2745.2001.00615.x)). Chance is then a code that knows the place,
# but not what stands where.

# %% tags=["shift-test"]
classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
predicted = classifier.fit(codes["training"], classes["training"]).predict(codes["held out"])
probe_test = shift_test(accuracy_score, predicted, classes["held out"], [tile.place for tile in few["held out"]])

# %% tags=["one-view"]
first = np.unique([tile.place for tile in few["held out"]], return_index=True)[1]  # one view of each place
one_view = (64 * first[:, np.newaxis] + np.arange(64)).ravel()  # (windows,)
z, labels = codes["held out"][one_view], classes["held out"][one_view]
tests = {"accuracy of the probe": probe_test}
scores = {
    "neighbour purity": attribution.neighbour_purity,
    "NMI": attribution.nmi,
    "silhouette": attribution.silhouette,
}
for name, score in scores.items():
    tests[name] = shift_test(score, z, labels, list(first))
Table([{"score": name, "found": one.score, "chance": one.chance, "p": one.p} for name, one in tests.items()])

# %%
chance_code = probe_test.chance
purity, purity_chance = tests["neighbour purity"].score, tests["neighbour purity"].chance
nmi, nmi_chance = tests["NMI"].score, tests["NMI"].chance
silhouette = tests["silhouette"].score

# %% [markdown]
# **What you should see.** By chance this probe gets <<chance_code:.2f>>: its <<accuracy_code:.2f>> is no accident,
# though hardly better than "ground". A window's nearest neighbours are of its class in <<purity:.2f>> of cases, by
# chance in <<purity_chance:.2f>>; NMI is <<nmi:.2f>> against <<nmi_chance:.2f>>. The code knows of classes. But the
# silhouette is <<silhouette:.2f>>, where 1 would be clusters apart: clusters they are not. **Significant** and
# **large** are two questions.
#
# The thesis clustered the codes of all 178,112 windows of the contest, and found 50 clusters best. Water and vegetation
# had clusters of their own; buildings and ground shared theirs. (Ward's method, of lecture 08, makes such clusters: it
# merges the two whose union *increases* the variance within clusters least,
# [Ward, 1963](https://doi.org/10.1080/01621459.1963.10500845).) Here it is much the same: what has a colour of its own
# separates, what differs by height and shape does not.

# %% [markdown]
# ### What a twin is worth
#
# Now the wrong way, to see what it gives. The class of each window in the *second* views of the held-out places is
# guessed from the nearest code with a known class: once among the training places, once with the *first* views of the
# same places added.
#
# **Predict.** The network has seen none of these places. How much can labels of the other view change?

# %% tags=["other-places"]
others = np.setdiff1d(np.arange(len(classes["held out"])), one_view)  # the windows of the other views
asked, truth = codes["held out"][others], classes["held out"][others]
nearest = KNeighborsClassifier(1).fit(codes["training"], classes["training"])
accuracy_places = nearest.score(asked, truth)

# %% tags=["twins"]
with_twins = np.concatenate([codes["training"], z])  # (windows, latent_dim)
nearest.fit(with_twins, np.concatenate([classes["training"], labels]))
accuracy_twins = nearest.score(asked, truth)
ground = float((truth == np.bincount(truth).argmax()).mean())
print(f"always ground {ground:.2f}, other places {accuracy_places:.2f}, with the other view {accuracy_twins:.2f}")

# %% [markdown]
# **What you should see.** <<accuracy_places:.2f>> becomes <<accuracy_twins:.2f>>. Nothing was understood: each window
# found its twin, and copied its label. With views on both sides of a split you would have published the second number.

# %% [markdown]
# ## Exercises
#
# ### Recall
# 1. A data set has 2,783 tiles of 108 places. Why is a tenth of its tiles, drawn by chance, no test side?
# 2. Why do a few unknown heights spoil nearly every window, and why is zero no remedy?
# 3. Where are the parameters of these networks, and which choice moves them most?
# 4. Why does a code that reconstructs well need to know nothing of classes?
# 5. What do shuffled labels take for granted that windows of one tile do not fulfil?
#
# ### Change one line
# 1. Set `LATENT = 256`, and `TRAINED = list(GRID)` too: the recorded rows are of the small setting on the stand-in.
#    Which probe gains, and what does PCA of that size do?
# 2. In `GRID`, give `"16x16x32"` the pooling `"replace"`, `{"pooling": "replace"}`. How much longer does it take?
#
# ### Open end
# 1. Would a code know more of classes if it were told heights? Let the network reconstruct RGB and AGL side by side (a
#    fourth band, with holes that the loss must leave out), and probe again on held-out places.
#
# ## Recap
#
# - You cut tiles into windows with classes and heights, met the codes 17 and 65 and the holes, and streamed them.
# - You held out whole places, and saw what a twin on the other side is worth.
# - You compared seven members of a family, two of them trained here, and saw that they weigh what is flattened, and
#   differ little so early.
# - You read colours off the codes, hardly classes, no heights and no directions, and told significant from large.
#
# Next: image to image.
