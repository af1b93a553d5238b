# %% [markdown]
# # 12 · Land cover, pixel by pixel
#
# *What grows, flows or is built on every square metre of a photograph from the air?*
#
# **You will**
# - look through 29 channels of the same place, and find that most of the land is one class
# - climb a ladder of baselines, from "always trees" to a U-Net, and catch a high accuracy that never names a road
# - build the U-Net from its parts, see how far it looks, and keep unknown pixels out of its loss
# - judge by whole tiles, and measure what a careless split would have promised
# - ask a map how sure it is, how large an area is, and where its windows met
#
# **What to know before.** Lectures [04](04_convolutional.ipynb) (convolution, pooling, upsampling) and
# [11](11_image_to_image.ipynb) (images in, images out).
#
# | setting | data | network | CPU (2 cores) | GPU |
# |---|---|---|---|---|
# | this notebook | 100 patches, 128 x 128 m of each, 26 bands | 8 to 32 filters, 6 epochs | 3 minutes | |
# | full, see the end | 50,000 patches, 26 bands | 32 to 256 filters, 20 epochs | weeks | an hour a fold |

# %%
from functools import cache
from itertools import pairwise
from pathlib import Path

from helpers import figures
from helpers.training import Progress, seed_everything
from helpers.data import chesapeake
from helpers.data.chesapeake.bands import CHANNELS
from helpers.data.streaming import KerasBatches, Loader
from helpers.data.synthetic import draw_place, ensure
from helpers.diagrams import draw_model
from helpers.models.compact import CompactInput, CompactToFloat
from helpers.models.receptive_field import receptive_field
from helpers.models.unet import build_unet
from helpers.segmentation import MaskedCrossentropy, MaskedFocal, confusion_matrix, plots, scores
from helpers.segmentation import conformal_sets, conformal_threshold, find_temperature, reliability, soften
from helpers.segmentation import estimate_areas, predict_tile, seam_ratio, windows
from helpers.tables import Table, plural

import keras
import numpy as np
from keras import layers, ops
from scipy.ndimage import distance_transform_edt, maximum_filter, minimum_filter
from scipy.stats import ttest_rel
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

folder = ensure("chesapeake")

# %% [markdown]
# The line above says which patches these are. Without real ones they are a **stand-in**, made-up land; every number and
# finding in the text was measured on it, and real land gives others. The sample of real patches, eight of one tile with
# three classes, does for everything but what takes rare classes or several tiles.
#
# ## Folds of whole tiles
#
# Patches are cut from tiles of about 6 x 7 kilometres, and those of one tile overlap: they have the same sun, the same
# soil and the same farmers. If some train and others test, the test is no test. This is **data leakage**, and the
# reason why a tile belongs on one side of a split with all its patches. We take ten patches of each of ten tiles, and
# deal the tiles into five **folds**; each is held out once.

# %%
SIZE, BANDS, FILTERS, EPOCHS, WINDOW = 128, list(chesapeake.COURSE_BANDS), (8, 16, 32), 6, 32
files = chesapeake.some_patches(chesapeake.find_patches(folder.path), tiles=10, per_tile=10)
tiles = [chesapeake.tile_of(Path(file).name) for file in files]
print(f"{plural(len(files), 'patch')} of {plural(len(set(tiles)), 'tile')}, such as {Path(files[0]).name}")


# %%
@cache  # each choice of bands is read once
def read(*bands):
    """Read the middle of each patch: images (n, SIZE, SIZE, bands) and labels (n, SIZE, SIZE)."""
    patches = chesapeake.Patches(files, bands=bands, image_size=SIZE)
    return [np.concatenate(part) for part in zip(*Loader(patches, batch_size=20), strict=True)]


images, labels = read(*BANDS)
pictures = read("naip_new_rgb")[0]  # (n, SIZE, SIZE, 3)
names = chesapeake.CLASS_NAMES
print(images.shape, images.dtype, labels.shape, labels.dtype)

# %% tags=["folds"]
groups = tiles if len(set(tiles)) >= 5 else files
if groups is files:
    print(f"Only {len(set(tiles))} tile(s): folds are of patches, neighbours are on both sides, scores flatter.")
folds = list(GroupKFold(5).split(files, groups=groups))
print([len(outside) for _, outside in folds], "patches are held out, fold by fold")

# %% [markdown]
# Those who published the patches held out some tiles as well, in the folder `…-val_patches`. We begin with that split,
# and come back to the folds.

# %% tags=["held-out-tiles"]
held_out = np.array([Path(file).parent.name.endswith("val_patches") for file in files])
split = (np.flatnonzero(~held_out), np.flatnonzero(held_out)) if held_out.any() else folds[0]
train_rows, test_rows = split
truth = labels[test_rows]
print(f"{len(train_rows)} patches train, {len(test_rows)} test")

# %% [markdown]
# ## The summit first
#
# Here is where we are going. The next cells train a U-Net and let it map a square of land that no patch shows;
# each of their lines is explained further down.


# %% tags=["train"]
def build(skips=True):
    """Build a U-Net whose last layer sees the image beside the maps, or an encoder and decoder without any skip."""
    model = build_unet(input_shape=(None, None, len(images[0, 0, 0])), filters=FILTERS, skips=skips)
    if not skips:
        return model
    both = [model.get_layer("up_1b").output, model.input]
    maps = layers.Concatenate()(both)  # (batch, rows, columns, 8) -> (batch, rows, columns, 8 + bands)
    last = layers.Conv2D(7, 1, activation="softmax")  # (batch, rows, columns, 8 + bands) -> (batch, rows, columns, 7)
    return keras.Model(model.input, last(maps))


def standardise(bands):
    """Let each band have mean 0 and standard deviation 1, as it has in the patches that train."""
    return (bands - images[fit_rows].mean(axis=(0, 1, 2))) / np.maximum(images[fit_rows].std(axis=(0, 1, 2)), 1e-6)


# %% tags=["train"]
def train(name, rows, *, skips=True, loss=None):
    seed_everything(0)  # here: in whatever order cells run, and however often, they train the same network
    x, y = windows(standardise(images[rows]), WINDOW), windows(labels[rows], WINDOW)  # -> (16 n, 32, 32, …)
    epochs = EPOCHS * max(1, 70 // len(rows))  # few patches are looked at more often
    model = build(skips)
    rate = keras.optimizers.schedules.CosineDecay(0.008, epochs * -(-len(x) // 8))
    how = {"jit_compile": False, "steps_per_execution": 10}  # on a CPU, compiling takes longer than it saves
    model.compile(keras.optimizers.Adam(rate), loss or MaskedCrossentropy(), **how)
    watched = standardise(images[watch_rows]), labels[watch_rows]
    history = model.fit(
        x, y, batch_size=8, epochs=epochs, callbacks=[Progress(name)], verbose=0,
        validation_data=watched, validation_batch_size=5,
    )  # fmt: skip
    return model, history.history


def probabilities_of(model, rows):
    return ops.convert_to_numpy(model(standardise(images[rows])))  # (n, SIZE, SIZE, bands) -> (n, SIZE, SIZE, 7)


def classes_of(probabilities):
    return probabilities[..., 1:].argmax(axis=-1) + 1  # nobody is to find "no class"


# %%
watch_rows = train_rows[np.array(groups)[train_rows] == groups[train_rows[0]]]  # one tile only watches
fit_rows = np.setdiff1d(train_rows, watch_rows)
shares = np.bincount(labels[fit_rows].ravel(), minlength=7) / (labels[fit_rows] > 0).sum()
weights = chesapeake.class_weights(shares, power=0.5)
weighted, _ = train("weighted U-Net", fit_rows, loss=MaskedCrossentropy(class_weights=weights))

# %%
place, place_truth = draw_place(0, size=1024, bands=BANDS)  # (1024, 1024, 26), (1024, 1024)
place_maps = {f"overlap {o}": predict_tile(weighted, standardise(place), window=128, overlap=o) for o in (0, 32)}
place_map = np.where(place_truth > 0, classes_of(place_maps["overlap 32"]), 0)
here = scores(confusion_matrix(place_truth, place_map))
iou = {name: float(each) for name, each in zip(names, here.iou, strict=True) if np.isfinite(each)}
plots.comparison(
    place[..., :3], place_map, chesapeake.PALETTE, names, metres=1, truth=place_truth, iou=iou, title="STAND-IN"
).describe(
    "A kilometre of made-up land four times: as a picture from the air, its true classes, the U-Net's map of it, and "
    "its mistakes in red, which lie along borders and in whole fields."
)

# %% [markdown]
# **What you should see.** Woods, fields, roofs and roads, found by a network that never saw this place, and red where
# it is wrong: along borders, where a metre decides, and in fields that look like thin woods, and thin woods like
# fields. Who made the truth? Nobody drew it. For the land around the Chesapeake Bay, rules sorted what a laser and
# cameras saw into classes, and people mended what they saw to be wrong ([Robinson et al.,
# 2019](https://doi.org/10.1109/CVPR.2019.01301)). The ground truth is itself the output of a program.

# %% [markdown]
# ## 29 channels of one place
#
# **Predict.** Which of 29 channels would tell water from a shadow?

# %%
inputs = [name for name in CHANNELS if name != "labels"]
[(inside, answer)] = Loader(chesapeake.Patches([files[21 % len(files)]], bands=inputs))  # a batch of one
channels = np.insert(inside[0], [CHANNELS.index("labels")], answer[0, ..., None], axis=-1)  # (256, 256, 29)
channels = channels.transpose(2, 0, 1)  # -> (29, 256, 256)
low, high = np.percentile(channels, (1, 99), axis=(1, 2))[..., None, None]  # (29, 1, 1) each
stretched = ((channels - low) / np.maximum(high - low, 1e-6)).clip(0, 1)
short = [name.replace("landsat_leaf", "L8").replace("_", " ") for name in CHANNELS]
figures.image_grid(stretched[..., None], columns=10, titles=short).describe(
    "The 29 channels of one patch as small grey images: those of the aeroplane sharp, those of the satellite "
    "in coarse squares, the old maps and the labels in flat areas."
)

# %% [markdown]
# **What you should see.** Darker is more. Three ways to look:
#
# | channels | who sees | one pixel | what it is good for |
# |---|---|---|---|
# | `naip new`, `naip old` (4 + 4) | a camera in an aeroplane | 1 m | shapes; leaves shine in near infrared |
# | `L8 on`, `L8 off` (9 + 9) | a satellite, with and without leaves | 30 m | heat, water, evergreens; no shapes |
# | `nlcd`, `buildings` | older maps | 30 m, 1 m | not for us: half of the answer is in them |
# | `labels` | a laser, cameras and rules | 1 m | the answer |
#
# That leaves 26 inputs.

# %% [markdown]
# ## Six classes, and most of it trees
#
# **Predict.** You answer "trees" for every pixel. How often are you right?

# %%
figure = figures.bars({"share of pixels, %": 100 * shares[1:]}, names[1:], ylabel="%, logarithmic")
figure.axes[0].set(yscale="log", ylim=(0.05, 150))
figure.describe(
    "Bars on a logarithmic axis, the share of six classes among the pixels: trees and low vegetation most of "
    "them, each of the other four a few per cent or less."
)

# %% [markdown]
# In Pennsylvania it is 65 % trees, 29 % fields, and 6 % for all the rest: water, bare ground, roofs, roads. What people
# want to know is often in the 6 %. Where some classes are far rarer than others, which is called [[class imbalance]], a
# loss averaged over pixels hardly notices them.

# %%
eight = np.arange(len(files))[:: max(1, len(files) // 8)][:8]
plots.class_rows(
    {"picture": pictures[eight], "truth": labels[eight]}, chesapeake.PALETTE, names, titles=[tiles[n] for n in eight]
).describe(
    "Eight patches as pictures over their maps of classes: woods, fields, roofs and, on the stand-in, roads and water."
)

# %% [markdown]
# ## Baselines that see one pixel
#
# In a [[confusion matrix]] $M$, $M_{ij}$ counts pixels of class $i$ that were called $j$. Two scores come from it:
#
# $$\text{accuracy} = \frac{\sum_i M_{ii}}{\sum_{ij} M_{ij}},\qquad
# \text{IoU}_i = \frac{M_{ii}}{\sum_j M_{ij} + \sum_j M_{ji} - M_{ii}}.$$
#
# IoU, intersection over union, is near 1 only if you find the class *and* claim nothing else. Its mean over classes,
# **mIoU**, lets a road count as much as a forest.

# %% tags=["judge"]
results, ladder = {}, {}


def judge(name, predicted):
    results[name] = confusion_matrix(truth, predicted)
    found = scores(results[name])
    named = results[name].sum(axis=0)[1:] > 0.001 * results[name].sum()
    return {"": name, "accuracy": found.accuracy, "mIoU": found.mean_iou, "classes named": int(named.sum())}


majority = np.bincount(labels[train_rows][labels[train_rows] > 0]).argmax()
ladder["always the same"] = judge("always the same", np.full_like(truth, majority))
majority_accuracy = ladder["always the same"]["accuracy"]
Table(list(ladder.values()))

# %% [markdown]
# That is the **baseline**: a model below it has learned nothing. The next ones look at one pixel at a time. Long before
# there were networks, foresters computed the **NDVI** from two bands, red and near infrared: (N - R) / (N + R). Healthy
# leaves absorb red light and reflect near infrared, so a wood is near 1, bare ground near 0, and water below. Like
# every such **band index** it is a ratio, which sun and shadow leave alone. We take four: of leaves and of water by the
# newer flight, of built-up ground and of water by the satellite.


# %%
def indices(bands):
    """Compute NDVI and water index of the flight, and built-up and water index of the satellite, with leaves."""
    pairs = {"leaves": (3, 0), "water": (1, 3), "built-up": (13, 12), "wet": (10, 13)}  # of the 26 bands
    return np.stack(
        [(bands[..., a] - bands[..., b]) / (bands[..., a] + bands[..., b] + 0.01) for a, b in pairs.values()], -1
    )


def classify_pixels(classifier, bands, sides, count=20_000, prepare=lambda bands: bands):
    """Train on pixels of some patches, and return the classes of all pixels of the others."""
    seen, _ = read(*bands)
    pixels, classes = seen[sides[0]].reshape(-1, seen.shape[-1]), labels[sides[0]].ravel()
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(classes))[:count]
    classifier.fit(prepare(pixels[chosen]), classes[chosen])
    return classifier.predict(prepare(seen[sides[1]].reshape(-1, seen.shape[-1]))).reshape(-1, SIZE, SIZE)


def linear():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))


def forest():
    return RandomForestClassifier(10, random_state=0)


# %%
sides = (fit_rows, test_rows)
all_bands, four = chesapeake.COURSE_BANDS, {"prepare": indices}
predicted = {
    "linear, 4 indices": classify_pixels(linear(), all_bands, sides, **four),
    "linear, 26 bands": classify_pixels(linear(), all_bands, sides),
    "forest, 26 bands": classify_pixels(forest(), all_bands, sides),
}
ladder |= {name: judge(name, found) for name, found in predicted.items()}
linear_accuracy, linear_miou = (ladder["linear, 26 bands"][key] for key in ("accuracy", "mIoU"))
indices_accuracy, indices_miou = (ladder["linear, 4 indices"][key] for key in ("accuracy", "mIoU"))
forest_accuracy, forest_miou = (ladder["forest, 26 bands"][key] for key in ("accuracy", "mIoU"))
Table(list(ladder.values()))

# %% [markdown]
# **What you should see.** On the stand-in "always trees" has <<majority_accuracy:.2f>>. Four indices alone reach
# <<indices_accuracy:.2f>>, at an mIoU of <<indices_miou:.2f>>; a logistic regression on all 26 bands
# <<linear_accuracy:.2f>> and <<linear_miou:.2f>>, mostly thanks to water, which is dark and cold for the satellite. A
# **random forest**, many decision trees that vote, is right more often, <<forest_accuracy:.2f>>, and has the lower
# mIoU, <<forest_miou:.2f>>: it remembers the places that it saw. But none of them can tell a roof from a road: both are
# grey. They differ in shape, and seeing shapes is what convolutions are for.

# %% [markdown]
# ## An encoder and decoder for pixels
#
# The autoencoder of lecture 04, with two changes: the last layer has a number for each class, and softmax makes them
# probabilities. Two convolutions a level; halve, twice.


# %% tags=["unet-by-hand"]
def two_convolutions(x, channels):
    for _ in range(2):
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)  # (batch, h, w, b) -> (batch, h, w, channels)
        x = layers.BatchNormalization(momentum=0.9)(x)  # the usual 0.99 is too slow for some hundred steps
        x = layers.Activation("relu")(x)
    return x


# %% tags=["unet-by-hand"]
photo = keras.Input((None, None, 26))  # (rows, columns, 26): any size
fine = two_convolutions(photo, 8)
half = layers.MaxPooling2D()(fine)  # (batch, rows, columns, 8) -> (batch, rows/2, columns/2, 8)
middle = two_convolutions(half, 16)
quarter = layers.MaxPooling2D()(middle)  # (batch, rows/2, columns/2, 16) -> (batch, rows/4, columns/4, 16)
bottom = two_convolutions(quarter, 32)

# %% [markdown]
# At the bottom a number no longer knows where in its 4 x 4 metres an edge was. The [[U-Net]]
# ([Ronneberger et al., 2015](https://arxiv.org/abs/1505.04597)) hands the finer maps across: a **skip** sets
# them beside the map that comes up.


# %% tags=["unet-by-hand"]
def up(x, beside, channels, skips):
    x = layers.UpSampling2D()(x)  # (batch, h, w, c) -> (batch, 2*h, 2*w, c)
    x = layers.Conv2D(channels, 3, padding="same", activation="relu")(x)  # (batch, h, w, c) -> (batch, h, w, channels)
    if skips:
        x = layers.Concatenate()([beside, x])  # (batch, h, w, channels) -> (batch, h, w, 2*channels)
    return two_convolutions(x, channels)


def decode(skips):
    x = up(bottom, middle, 16, skips)
    x = up(x, fine, 8, skips)
    x = layers.Conv2D(7, 1)(x)  # (batch, rows, columns, 8) -> (batch, rows, columns, 7)
    return keras.Model(photo, layers.Softmax()(x))


# %%
plain, with_skips = decode(skips=False), decode(skips=True)
sizes = {"encoder and decoder": plain.count_params(), "U-Net": with_skips.count_params()}
print(sizes, "as the helper:", build_unet(input_shape=(None, None, 26), filters=FILTERS).count_params())
draw_model(with_skips)

# %% [markdown]
# `build_unet` builds both, of any depth. Folded up, its drawing looks like what it is called. Rows and
# columns halve on the way down, channels double; what is lost in place is gained in meaning.

# %%
unet = build_unet(input_shape=(128, 128, 26), filters=FILTERS)
plots.u_shape(unet).describe(
    "The U-Net as a U: on the left 128 x 128 pixels and 8 channels, 64 x 64 and 16, at the bottom 32 x 32 and 32, then "
    "the same sizes up again on the right, with a dashed arrow, the skip, across each level."
)

# %%
shown = [layer for layer in unet.layers if layer.weights or "pool" in layer.name or "skip" in layer.name]
Table(
    [
        {"layer": layer.name, "output": " x ".join(map(str, layer.output.shape[1:])), "weights": layer.count_params()}
        for layer in shown
        if "norm" not in layer.name
    ]
)

# %% [markdown]
# Our networks get one skip more. A logistic regression on bands is a good start, but a network of a few hundred steps
# does not find it by itself. So `build`, above, sets the image itself beside the last maps: what a single pixel tells
# is learnt in a minute, and the U has time for shapes.
#
# **Fails on purpose.** It takes any size. Does it?

# %%
try:
    build_unet(input_shape=(None, None, 26), filters=FILTERS)(np.zeros((1, 250, 250, 26), "float32"))
except ValueError as error:
    print(str(error).split("\n\n")[1])

# %% [markdown]
# 250 halved is 125, and half of that is 62.5: the map that comes up would not fit the one beside it.
#
# ## How far it sees
#
# The receptive field (lecture 04) of a pixel of the output is the part of the image that can change it. We measure it:
# light one row, then one column after the other, and note which reach the middle.
#
# **Predict.** How many metres across is it at the bottom of this network? And what does one more level do to it?


# %%
def fields(filters):
    model = build_unet(input_shape=(None, None, 1), filters=filters)
    ends = {"bottom": "bottomb", "output": "scores"}
    size = 16 * 2 ** (len(filters) - 1)
    return {
        end: receptive_field(keras.Model(model.input, model.get_layer(layer).output), size)[0]
        for end, layer in ends.items()
    }


across = {depth: fields((2,) * (depth + 1)) for depth in (1, 2, 3)}
field_bottom, field_output, field_deeper = across[2]["bottom"], across[2]["output"], across[3]["output"]
Table(
    [{"halvings": depth, "bottom, m": field["bottom"], "output, m": field["output"]} for depth, field in across.items()]
)

# %%
sample = test_rows[len(test_rows) // 2]
figure = plots.class_rows({"picture": pictures[[sample]], "truth": labels[[sample]]}, chesapeake.PALETTE, names)
for axes in figure.axes:
    for depth, field in across.items():
        corner = SIZE / 2 - field["output"] / 2
        axes.add_patch(plots.Rectangle((corner, corner), *2 * (field["output"],), fill=False, lw=1.5, ec=f"C{depth}"))
figure.describe(
    "A patch of 128 x 128 metres and its classes; three squares around its middle show how much of it a U-Net that "
    "halves once (the smallest), twice and three times can use to decide on the pixel in the middle."
)

# %% [markdown]
# **What you should see.** At the bottom a number has seen <<field_bottom>> metres, the middle pixel of the output,
# after the way up, <<field_output>> (its neighbours a few more or less); with one more level <<field_deeper>>. That is
# what depth buys: a network that sees a few metres knows that a pixel is grey, one that sees fifty that it lies on a
# line from border to border.
#
# ## Pixels that nobody knows
#
# 15 means *no data*, 0 *no class*; the reader makes 0 of both. A loss must not see them, or the network learns to
# paint "no class" where maps end.


# %% tags=["loss-by-hand"]
def masked_crossentropy(labels, probabilities):
    known = ops.cast(labels > 0, "float32")  # (batch, rows, columns)
    each = ops.sparse_categorical_crossentropy(labels, probabilities)  # (batch, rows, columns)
    return ops.sum(each * known) / ops.sum(known)


# %% tags=["loss-without-mask"]
some = labels[::7].copy()
some[:, :, :9] = 0  # let the first nine columns be unknown
guess = np.random.default_rng(0).dirichlet(np.ones(7), some.shape).astype("float32")
other = guess.copy()
other[some == 0] = np.eye(7)[6]  # where nobody knows, it is sure of a road
unmasked = MaskedCrossentropy(ignore_class=None)
losses = {"masked": masked_crossentropy, "helper": MaskedCrossentropy(), "not masked": unmasked}
Table([{"loss": n, "guess": float(f(some, guess)), "other guess": float(f(some, other))} for n, f in losses.items()])

# %% [markdown]
# **What you should see.** The two guesses differ only where nobody knows. Neither the masked loss nor the helper's
# notices; without the mask the loss jumps, as if "no class" were an answer that the network should have given.
#
# The score has the same question, and a second one: what is the IoU of a class that a patch does not have? Papers
# answer differently, and seldom say how.


# %% tags=["conventions"]
def mean_iou(matrix, absent):
    """Return the mean IoU of classes 1 to 6; one that neither truth nor map has is left out, or counts as `absent`."""
    each = scores(matrix).iou[1:]
    return float(np.nanmean(each)) if absent is None else float(np.nan_to_num(each, nan=absent).mean())


predicted["weighted U-Net"] = classes_of(probabilities_of(weighted, test_rows))
each_patch = [confusion_matrix(a, b) for a, b in zip(truth, predicted["weighted U-Net"], strict=True)]
rules = {"left out": None, "counts as 0": 0.0, "counts as 1": 1.0}
of_patches = {rule: float(np.mean([mean_iou(m, absent) for m in each_patch])) for rule, absent in rules.items()}
pooled = mean_iou(np.sum(each_patch, axis=0), None)
Table([{"an absent class": rule, "mean of patches": of_patches[rule], "all pixels pooled": pooled} for rule in rules])

# %% [markdown]
# **What you should see.** The same map, and four numbers. Where patches have two or three of six classes, a class that
# neither truth nor map has may be left out, spoil the mean or sweeten it. We pool: add the confusion matrices, then
# compute the score once; a class that is predicted where it never is counts as 0, as it should. Class 0 is no class.
# GEO-Bench counts it as a seventh. A number without its convention is no number.

# %% [markdown]
# ## The ladder
#
# Neighbouring pixels tell nearly the same, so a batch of 8 windows of 32 x 32 from 8 places teaches more than one of
# 128 x 128. The network does not mind: it will predict 128 x 128. All three networks have the same patches, bands and
# epochs. One tile of the training side does not train: its loss, the validation loss, tells when to stop.
#
# **Predict.** Logistic regression and forest on 26 bands, encoder and decoder, U-Net, and the weighted U-Net from the
# beginning: in which order, by accuracy, and by mIoU?

# %%
plain, plain_history = train("encoder, decoder", fit_rows, skips=False)
unet, unet_history = train("U-Net", fit_rows)

# %%
lines = {"U-Net, training": unet_history["loss"], "U-Net, validation": unet_history["val_loss"]}
lines |= {"without skips, training": plain_history["loss"], "without skips, validation": plain_history["val_loss"]}
best_epoch = int(np.argmin(unet_history["val_loss"])) + 1
figures.curves(lines, ylabel="cross-entropy", marks={best_epoch: "U-Net: stop here"}).describe(
    "Four losses over the epochs, of training and validation with and without skips. Those of training fall in every "
    "epoch, those of validation not always; a thin line marks the epoch of the U-Net's lowest validation loss."
)

# %%
models = {"encoder, decoder": plain, "U-Net": unet, "weighted U-Net": weighted}
found = {name: probabilities_of(model, test_rows) for name, model in models.items()}
predicted |= {name: classes_of(each) for name, each in found.items()}
ladder |= {name: judge(name, predicted[name]) for name in models}
plain_accuracy, unet_accuracy, weighted_accuracy = (ladder[name]["accuracy"] for name in models)
plain_miou, unet_miou, weighted_miou = (ladder[name]["mIoU"] for name in models)
ahead = weighted_miou - max(row["mIoU"] for name, row in ladder.items() if name not in models)
Table(list(ladder.values()))

# %%
heights = {score: [row[score] for row in ladder.values()] for score in ("accuracy", "mIoU")}
rungs = [name.replace(" ", "\n", 1) for name in ladder]
figure = figures.bars(heights, rungs, ylabel="on held-out tiles", numbers=False)
figure.axes[0].tick_params(axis="x", labelsize=7)
figure.describe(
    "Accuracy and mean IoU of seven classifiers, from always the same class to the weighted U-Net. Accuracy climbs to "
    "the networks; mean IoU goes up and down on the way, and on the stand-in is highest for the last."
)

# %%
some = np.arange(len(truth))[:: max(1, len(truth) // 6)][:6]
rows = {"picture": pictures[test_rows][some], "truth": truth[some]}
shown = ("linear, 26 bands", "encoder, decoder", "U-Net", "weighted U-Net")
plots.class_rows(rows | {name: predicted[name][some] for name in shown}, chesapeake.PALETTE, names).describe(
    "Patches, their true classes and four predictions: the linear one is salt and pepper, encoder and decoder "
    "give soft round areas, the U-Nets, on the stand-in, sharper ones, and the weighted one roads."
)

# %% [markdown]
# **What you should see.** The U-Net's losses still fall in the last epoch: more epochs would help. On the stand-in it
# is right in <<unet_accuracy:.2f>> (five seeds: <<unet_accuracy seeds:.2f>>) of all pixels of tiles that it never saw,
# without skips in <<plain_accuracy:.2f>> (<<plain_accuracy seeds:.2f>>). The linear map is salt and pepper; without
# skips edges are soft and round. Now read the other column. The network that is right most often has an mIoU of
# <<unet_miou:.2f>>, but with some seeds (<<unet_miou seeds:.2f>>) less than the logistic regression,
# <<linear_miou:.2f>>, whose map nobody would call better. With weights it is <<weighted_miou:.2f>>, and with each of
# five seeds (<<weighted_miou seeds:.2f>>) above all baselines. Why do the columns disagree?

# %% [markdown]
# ## The trap
#
# **Predict.** <<unet_accuracy:.0%>>: a map to be proud of. How much of bare ground did it have to find for that?

# %%
plots.confusion(
    {name: results[name] for name in ("linear, 26 bands", "U-Net", "weighted U-Net")}, names, columns=3
).describe(
    "Three confusion matrices, in per cent of each true class. All are dark for trees and low vegetation; in "
    "that of the unweighted U-Net, on the stand-in, most of barren and of road is called something else."
)

# %% tags=["classes-missed"]
counts = results["U-Net"][1:, 1:]
missed = counts.diagonal() < 0.02 * counts.sum(axis=1)
unnamed = int(missed.sum())
print("found in less than 1 pixel of 50:", ", ".join(np.array(names[1:])[missed]) or "no class")

# %%
both = {name: scores(results[name]) for name in ("U-Net", "weighted U-Net")}
worst_recall = float(np.nanmin(both["U-Net"].recall[1:]))
Table(
    [
        {"class": name}
        | {
            f"{kind}, {what}": value
            for what, score in both.items()
            for kind, value in {"precision": score.precision[n], "recall": score.recall[n]}.items()
        }
        for n, name in enumerate(names)
        if n
    ]
)

# %% [markdown]
# **What you should see.** **Recall** is the share of a class that is found, **precision** the share of what is called
# so that is so. On the stand-in the unweighted network finds <<worst_recall:.0%>> of its worst class, bare ground (five
# seeds: <<worst_recall seeds:.2f>>). Nothing is broken: cross-entropy is a sum over pixels, and who gets trees and
# fields right has earned most of it. Weights buy recall of rare classes,
# and pay with common ones: woods taken for fields, and fields for woods. Read mIoU, or the matrix; never accuracy
# alone.

# %% [markdown]
# ## Weights, focal loss, Dice
#
# Let a pixel of a rare class weigh more. Weights of one over the share would make six equal classes, and 50 road
# pixels would outvote a wood; a power of it goes part of the way. Two other losses are often named for the same
# trouble. The **focal loss** multiplies the cross-entropy of a pixel by $(1 - p)^2$, p the probability of its true
# class: what is learnt already is left alone ([Lin et al., 2017](https://arxiv.org/abs/1708.02002)). **Dice** counts
# overlap class by class, so that each class counts the same ([Milletari et al.,
# 2016](https://arxiv.org/abs/1606.04797)).

# %%
Table([{name: float(weight) for name, weight in zip(names[1:], weights[1:], strict=True)}])


# %%
def paid_by_class(loss):
    """Compute what share of a loss over all test pixels comes from each true class: (6,)."""
    each = np.asarray(loss.call(truth, found["U-Net"])) * np.asarray(loss.class_weights or np.ones(7))[truth]
    sums = np.bincount(truth.ravel(), each.ravel(), minlength=7)[1:]
    return sums / sums.sum()


payers = {
    "cross-entropy": MaskedCrossentropy(),
    "focal": MaskedFocal(),
    "weighted": MaskedCrossentropy(class_weights=weights),
}
paid = {name: 100 * paid_by_class(loss) for name, loss in payers.items()}
figures.bars(paid, names[1:], ylabel="% of the loss", numbers=False).describe(
    "Share of three losses of the U-Net that comes from the pixels of each class. Of cross-entropy and focal loss most "
    "comes from trees and low vegetation, of the weighted one most from the four rare classes."
)

# %%
weighted_gain = weighted_miou - unet_miou
iou = {name: np.nan_to_num(scores(results[name]).iou[1:]) for name in ("linear, 26 bands", "U-Net", "weighted U-Net")}
figures.bars(iou, names[1:], ylabel="IoU", numbers=False).describe(
    "IoU of six classes for three classifiers. On the stand-in trees and low vegetation are high for both networks; "
    "the weighted U-Net leads the other one on most of the rare classes."
)

# %%
rarest = np.argsort([-np.isin(each, (1, 4, 6)).sum() for each in truth])[:4]
rows = {"picture": pictures[test_rows][rarest], "truth": truth[rarest]}
rows |= {name: predicted[name][rarest] for name in ("U-Net", "weighted U-Net")}
plots.class_rows(rows, chesapeake.PALETTE, names).describe(
    "The four test patches with most water, bare ground and road: pictures, true classes, and the maps of the U-Net "
    "without and with weights."
)

# %% [markdown]
# **What you should see.** Same patches, same epochs, one change: on the stand-in weights raise the mIoU from
# <<unet_miou:.2f>> to <<weighted_miou:.2f>> (five seeds: by <<weighted_gain seeds:.2f>>), and most with seeds whose
# unweighted network found least of its worst class. The first bars say why. Trees
# and fields make most of the cross-entropy, and far less of it with weights. The focal loss, made for thousands of easy
# pixels beside each hard one, moves a part of the way by itself. What has next to no pixels in the training tiles stays
# hard: weights repeat what is there, and make no new examples. The exercises train with focal loss and Dice.

# %% [markdown]
# ## What a careless split promises
#
# One split is one opinion, for tiles differ. And the course that this one descends from split by the last digit of the
# file's name, so that a tile's patches stood on both sides. Let both kinds of folds judge all the same pixels. Pixels
# are quick: we fold the logistic regression and the forest. (Homework 7 folds networks, shallow and deep.)
#
# **Predict.** Who gains more from neighbours, a line through 26 bands or a forest of decision trees?

# %%
digits = [Path(file).stem[-1] for file in files]
splits = {"by digit": list(GroupKFold(5).split(files, groups=digits)), "by tile": folds}


def folded(build, five):
    """Compute a confusion matrix for each fold."""
    found = [classify_pixels(build(), chesapeake.COURSE_BANDS, fold, 5000) for fold in five]
    return [confusion_matrix(labels[fold[1]], each) for fold, each in zip(five, found, strict=True)]


# %%
matrices = {
    name: {kind: folded(build, five) for kind, five in splits.items()}
    for name, build in {"linear": linear, "forest": forest}.items()
}
rows = []
for name, kinds in matrices.items():
    whole = {kind: scores(np.sum(five, axis=0)).accuracy for kind, five in kinds.items()}  # pooled: each pixel once
    rows.append({"": name, **whole, "flattery": whole["by digit"] - whole["by tile"]})
linear_leak, forest_leak = (row["flattery"] for row in rows)
digit_forest, tile_forest = rows[1]["by digit"], rows[1]["by tile"]
Table(rows)

# %%
per_fold = {name: [scores(matrix).accuracy for matrix in kinds["by tile"]] for name, kinds in matrices.items()}
gain = np.subtract(per_fold["forest"], per_fold["linear"])
interval = ttest_rel(per_fold["forest"], per_fold["linear"]).confidence_interval(0.95)
fold_gain, between_folds = float(gain.mean()), float(np.std(per_fold["forest"], ddof=1))
gain_low, gain_high = float(interval.low), float(interval.high)
print(
    f"forest minus linear: {fold_gain:+.3f}, 95 % from {gain_low:+.3f} to {gain_high:+.3f}; "
    f"spread of the folds: {between_folds:.3f}"
)
plots.against(per_fold["linear"], per_fold["forest"], xlabel="accuracy, linear", ylabel="accuracy, forest").describe(
    "Five numbered points, one a fold of whole tiles, accuracy of the forest over that of the linear classifier, with "
    "the line on which both are equal. The points lie far apart along the line."
)

# %% [markdown]
# **What you should see.** On the stand-in the forest promises <<digit_forest:.2f>> and keeps <<tile_forest:.2f>>. The
# satellite's cells of 30 m are a fingerprint of the place, and a forest remembers fingerprints: the leak is worth
# <<forest_leak:.3f>> to it, and <<linear_leak:.3f>> to the line. Whoever remembers more is flattered more.
#
# Fold by fold, accuracies spread by <<between_folds:.2f>>, since some tiles are hard for everybody. Both classifiers
# had the same folds, so take differences before you average: <<fold_gain:+.3f>>, with a 95 % interval from
# <<gain_low:+.3f>> to <<gain_high:+.3f>>. Five folds are few, and such an interval is wide. Add confusion matrices, and
# compute scores of the sum: a fold without roads has no IoU of roads that could be averaged.

# %% [markdown]
# ## How sure, and how rightly
#
# Softmax gives every pixel a probability. Is 0.9 right nine times in ten? A **reliability diagram** sorts pixels by
# confidence, and compares it with accuracy. Their mean distance is the **expected calibration error**, ECE
# ([Guo et al., 2017](https://arxiv.org/abs/1706.04599)). Their cure is one number: divide what goes into the softmax by
# a **temperature**. It is fitted on one half of the held-out pixels, drawn at random, and judged on the other.

# %%
half = np.random.default_rng(0).random(truth.shape) < 0.5
fit_truth, test_truth = np.where(half, truth, 0), np.where(half, 0, truth)  # 0 does not count
sure = found["U-Net"]
temperature = find_temperature(sure, fit_truth)
before = reliability(sure, test_truth)
after = reliability(soften(sure, temperature), test_truth)
plots.reliability_diagram({"as trained": before, f"at temperature {temperature:.2f}": after}).describe(
    "Two reliability diagrams of the U-Net, as trained and after temperature scaling: accuracy in ten bins of "
    "confidence against the line on which both are equal, and below the share of pixels in each bin."
)

# %%
rows = {"picture": pictures[test_rows][some], "confidence": np.repeat(found["U-Net"][some].max(-1)[..., None], 3, -1)}
wrong = np.where((predicted["U-Net"] == truth) | (truth == 0), 0, predicted["U-Net"])
plots.class_rows(rows | {"mistakes": wrong[some]}, chesapeake.PALETTE, names).describe(
    "Patches, the U-Net's confidence in each pixel from black, a guess, to white, sure, and its mistakes in the "
    "colour of the wrong class: where it is dark, mistakes are."
)

# %% [markdown]
# **What you should see.** After scaling, the dots lie nearer to the line, and the ECE falls to less than half. A
# temperature above 1 says that the network was too sure, one below that it was not sure enough, as after a few epochs.
# The order of classes stays, so the map is the same map. It was fitted on other pixels of the same tiles: one number
# cannot remember them, but for another place fit it there. Dark lines in the confidence run along borders, and there
# the mistakes are.
#
# A number of another kind: instead of one class, give each pixel a **set** of classes that holds the true one nine
# times in ten. **Conformal prediction** needs no faith in the network, only pixels like those that come: find the
# probability that 90 % of true classes reach, and let in all classes above it
# ([Angelopoulos & Bates, 2021](https://arxiv.org/abs/2107.07511)).


# %%
def coverage(threshold):
    sets, classes = (
        conformal_sets(sure, threshold)[test_truth > 0],
        test_truth[test_truth > 0],
    )  # (pixels, 7), (pixels,)
    holds = np.take_along_axis(sets, classes[:, None], axis=-1)
    return {"cover": float(holds.mean()), "classes in a set": float(sets.sum(axis=-1).mean())}


watched = probabilities_of(unet, watch_rows)
thresholds = {
    "other pixels of these tiles": conformal_threshold(sure, fit_truth),
    "another tile": conformal_threshold(watched, labels[watch_rows]),
}
rows = [{"threshold from": name, "threshold": each} | coverage(each) for name, each in thresholds.items()]
cover_same = rows[0]["cover"]
Table(rows)

# %% [markdown]
# **What you should see.** With a threshold from pixels of the same tiles, sets hold the truth for nine in ten pixels,
# as promised, whatever the network is worth; one that is right more often may leave some sets empty. With one from
# another tile they hold more, or less: the promise is for pixels like those that were asked, and says nothing of other
# places.

# %% [markdown]
# ## A kilometre without seams
#
# Maps are not made of patches. The weighted network got the kilometre of the beginning window by window. At the border
# of a window it guesses half blind; so let windows overlap, and fade one into the next.


# %%
def change_across(probabilities):
    """Compute how much a map changes from each column to the next: (1023,)."""
    return np.abs(np.diff(probabilities, axis=1)).mean(axis=(0, 2))


near = slice(3 * 128 - 21, 3 * 128 + 20)  # twenty columns on each side of the fourth window's border
profile = {name: change_across(each)[near] for name, each in place_maps.items()}
seam_cut = seam_ratio(place_maps["overlap 0"], window=128, overlap=0)
seam_blended = seam_ratio(place_maps["overlap 32"], window=128, overlap=32)
print(f"change at borders over change elsewhere: side by side {seam_cut:.2f}, overlapping {seam_blended:.2f}")
figures.curves(
    profile, x=range(-20, 21), xlabel="metres from the border", ylabel="change", marks={0: "border"}
).describe(
    "Change of the map's probabilities from one column to the next, over forty metres around a border of windows: side "
    "by side there is a peak at the border, with overlapping windows none."
)

# %% [markdown]
# **What you should see.** Side by side, the map of the stand-in's network changes about twice as much where windows
# meet. Blended, the border is as quiet as the interior.
#
# How large is the wood? Counting the map's pixels repeats its mistakes. The confusion matrix knows them: if a part of
# what is called barren is road on test tiles, so is it here. The **stratified estimator**
# ([Olofsson et al., 2014](https://doi.org/10.1016/j.rse.2014.02.015)) moves the areas accordingly, and gives an error.

# %%
pixels = np.bincount(place_map.ravel(), minlength=7)
areas = estimate_areas(results["weighted U-Net"], pixels / 10_000)  # hectares
true_areas = np.bincount(place_truth.ravel(), minlength=7) / 10_000
Table(
    [
        {
            "class": name,
            "mapped, ha": areas.mapped[n],
            "estimated, ha": areas.estimated[n],
            "± 95 %": 1.96 * areas.standard_error[n],
            "true, ha": true_areas[n],
        }
        for n, name in enumerate(names)
        if n
    ]
)

# %% [markdown]
# **What you should see.** The picture at the beginning, in numbers. Some estimates are nearer to the truth than what
# was counted, some are not, and the errors are too small: they suppose test pixels drawn one by one all over the
# place, and ours lie in patches of two other tiles. `./course map` makes such a map of any tile of yours, as large as
# you like, with palette, place on earth, areas, errors and a picture with a scale.

# %% [markdown]
# ## Where it fails
#
# **Predict.** Take the pixels by their distance to the next other class. Where are the mistakes?


# %% tags=["distance-to-border"]
def distance_to_border(classes):
    """Metres from each pixel of a map to the nearest border between classes."""
    inside = maximum_filter(classes, 3) == minimum_filter(classes, 3)
    return distance_transform_edt(inside)


distance = np.stack([distance_to_border(each) for each in truth])
right = predicted["weighted U-Net"] == truth
bins = [0, 1, 2, 4, 8, 16, 32, np.inf]
slots = [(truth > 0) & (distance >= near) & (distance < far) for near, far in pairwise(bins)]
by_distance = [float(right[slot].mean()) if slot.any() else np.nan for slot in slots]
figure = figures.curves({"accuracy": by_distance}, xlabel="metres to the next class", ylabel="accuracy")
figure.axes[0].set_xticks(range(1, 8), [*(f"{near} to {far}" for near, far in pairwise(bins[:-1])), "32 or more"])
figure.describe(
    "Accuracy over the distance to the next class; on the stand-in lowest in the first metre, rising, and about "
    "level from eight metres on."
)

# %%
at_borders, inland = by_distance[0], float(right[(truth > 0) & (distance >= 8)].mean())
print(f"right at borders {at_borders:.2f}, eight metres away and more {inland:.2f}")
worst = np.argsort([right[n][truth[n] > 0].mean() if (truth[n] > 0).any() else 1 for n in range(len(truth))])[:6]
wrong = np.where(right | (truth == 0), 0, predicted["weighted U-Net"])
rows = {"picture": pictures[test_rows][worst], "truth": truth[worst]}
rows |= {"prediction": predicted["weighted U-Net"][worst], "wrong as": wrong[worst]}
plots.class_rows(rows, chesapeake.PALETTE, names).describe(
    "Patches with the most mistakes, at most six: picture, truth, prediction, and the mistakes alone in the colour "
    "of the wrong class. They lie along borders, and in whole fields, roads or banks."
)

# %% [markdown]
# **What you should see.** On the stand-in a quarter and more of the pixels at borders are wrong, and eight metres away
# few. A metre is at the limit of the picture, and of what made the truth. The other mistakes are whole
# things: an overgrown field taken for a wood, bare ground for a roof. The wrong class looks like the right one, or lies
# beside it.
#
# One thing no camera sees: a road under trees. The labels have it, since a laser looks through gaps between leaves, and
# rules join what belongs together. On real land it is the known hole of networks: they find roads in the open far
# better than under crowns ([Robinson et al., 2024](https://arxiv.org/abs/2401.06762)). Ours?

# %% tags=["under-trees"]
woods = np.stack([distance_transform_edt(each != 2) <= 3 for each in truth])  # three metres from trees, or less
roads = {"in the open": (truth == 6) & ~woods, "beside or under trees": (truth == 6) & woods}
recall = {
    where: float((predicted["weighted U-Net"][mask] == 6).mean()) if mask.any() else 0.0
    for where, mask in roads.items()
}
road_open, road_trees = recall.values()
Table([{"roads": where, "pixels": int(mask.sum()), "recall": recall[where]} for where, mask in roads.items()])

# %% [markdown]
# **What you should see.** On the stand-in there is no such hole: roads beside trees are found at least as often.
# Made-up crowns do not hang over the lane, and beside a dark wood a grey strip is plain to see. Here the stand-in is
# too kind. Count again on real land before you trust a map of its roads.

# %% [markdown]
# ## The full setting
#
# The same calls with more of everything: set `FULL = True`, or train all of a state by a run file. Patches are
# streamed, cut and turned at random; what is interrupted goes on where it was.
#
# ```
# ./course train lectures/runs/chesapeake.toml
# ./course map lectures/runs/chesapeake.toml --tile m_3907833_nw_17_1
# ```
#
# (`./course train lectures/runs/land_cover.toml` trains shallow and deep over five folds, ten networks.)
#
# A fast network waits for its data. The camera counts in whole numbers and the satellite in halves: as bytes and
# doubled halves a patch takes less than half the room, and its reader need not scale it. The first layer of the network
# does that, where it costs nothing. Run files do so unless they say `compact = false`.

# %%
few, finish = files[:8], CompactToFloat()
[(wide, _)], [(small, _)] = (Loader(chesapeake.Patches(few, compact=compact)) for compact in (False, True))
wide_mb, small_mb = wide.nbytes / 1e6, sum(part.nbytes for part in small.values()) / 1e6
same = np.array_equal(finish(small), wide)  # (8, 256, 256, 26)
print(f"{len(few)} patches: {wide_mb:.0f} MB of floats, compact {small_mb:.0f} MB; bit by bit the same: {same}")

# %% [markdown]
# | | |
# |---|---|
# | data | Pennsylvania, 50,000 patches (32 GB), 26 bands, 256 x 256, split by tile |
# | network | 32, 64, 128, 256 filters, 2.2 million weights |
# | training | 20 epochs: 60 million billion operations |
# | time | half an hour to an hour on a GPU that does 20 to 40 Tflop/s; weeks on two cores. Counted, not run |
# | expect | the OU homework's students reach an accuracy of 0.92 to 0.93; barren, half a percent, is worst |
#
# How does it compare with what others publish? GEO-Bench ([Lacoste et al., 2023](https://arxiv.org/abs/2306.03831)) has
# the same land as *m-chesapeake*: a U-Net that had seen ImageNet reaches 0.711. Before you put your number beside it:
#
# | | GEO-Bench | this course |
# |---|---|---|
# | land, split | six states, the publishers' tiles | your patches; `split="tile"` is the publishers' |
# | bands, patch | red, green, blue of 256 x 256 m | 26, or `["naip_new_rgb"]`; the same |
# | score | IoU over all test pixels, mean of seven classes, *no data* is one | mIoU, mean of six: *no data* is none |

# %%
FULL = False
if FULL:
    options = {"split": "tile", "augment": True, "batch_size": 32, "patches": {"compact": True}}
    training, validation, _ = chesapeake.create_loaders(folder.path, **options)
    unet = build_unet(filters=(32, 64, 128, 256), spatial_dropout=0.1)  # takes images, as before
    model = CompactInput(unet, finish)  # takes compact patches; the weights are those of unet
    model.compile(keras.optimizers.Adam(0.001), MaskedCrossentropy(class_weights=weights))
    model.fit(KerasBatches(training), validation_data=KerasBatches(validation), epochs=20, shuffle=False)

# %% [markdown]
# ## Exercises
#
# ### Recall
# 1. What does a skip carry that the bottom cannot?
# 2. Why may a mean IoU fall while the accuracy rises?
# 3. Why does the masked loss divide by the number of known pixels, and not by all?
# 4. Why is the interval that compares two classifiers made of the differences of each fold?
# 5. What does a conformal set promise, and for which pixels?
#
# ### Change one line
# 1. Take only the newer flight, `BANDS = ["naip_new"]`. Which classes does the U-Net lose, and which not?
# 2. Set `power=1` for the weights. What happens to accuracy, and to the precision of roads?
#
# ### Open end
# 1. Train with `MaskedFocal()` and with `Dice()`, at equal epochs. Which of them names rare classes, and what does it
#    pay?
#
# ## Recap
#
# - You looked through 29 channels, and found what each of them sees and how rare most classes are.
# - You climbed a ladder of baselines, and caught an accuracy that left classes out.
# - You built the U-Net from its parts, measured how far it sees, and kept unknown pixels out of the loss.
# - You judged by whole tiles, and measured what a split by digit would have promised.
# - You asked a map how sure it is, how large an area is, and where its windows met.
