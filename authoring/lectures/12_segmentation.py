# %% [markdown]
# # 12 · Land cover, pixel by pixel
#
# *What grows, flows or is built on every square metre of a photograph from the air?*
#
# **You will**
# - look through 29 channels of the same place, and find that half of all the land is one class
# - build an encoder and decoder that gives every pixel a class, add skips, and call it U-Net
# - train it beside a guesser and a linear classifier, and catch a high accuracy that never names a road
# - judge by folds of whole tiles, and measure what a careless split would have promised
#
# **What to know before.** Lectures [04](04_convolutional.ipynb) (convolution, pooling, upsampling) and
# [11](11_image_to_image.ipynb) (images in, images out).
#
# | setting | data | network | CPU (2 cores) | GPU |
# |---|---|---|---|---|
# | this notebook | 100 patches, 128 x 128 m of each, 4 bands | 8 to 32 filters, 1 to 5 epochs | 1.5 minutes | |
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
from helpers.models.unet import build_unet
from helpers.segmentation import MaskedCrossentropy, confusion_matrix, plots, predict_tile, scores, windows
from helpers.tables import Table, plural

import keras
import numpy as np
from keras import layers, ops
from scipy.ndimage import distance_transform_edt, maximum_filter, minimum_filter
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

seed_everything(0)
folder = ensure("chesapeake")

# %% [markdown]
# ## 29 channels of one place
#
# Nobody drew the map of land cover around the Chesapeake Bay, one metre a pixel: rules sorted what a laser and cameras
# saw from the air into classes, and people mended what they saw to be wrong. Robinson et al. (CVPR 2019) put it beside
# the pictures: patches of 256 x 256 metres, 29 channels each, cut at random from tiles of about 6 x 7 kilometres.
#
# The line above says which patches these are. Without real ones they are a **stand-in**, made-up land; every number and
# finding in the text was measured on it, and real land gives others. The sample of real patches, eight of one tile with
# three classes, does for everything but what takes rare classes or several tiles: the trap, weights, folds, leaks.
#
# We take ten patches of each of ten tiles.

# %%
files = chesapeake.some_patches(chesapeake.find_patches(folder.path), tiles=10, per_tile=10)
tiles = [chesapeake.tile_of(Path(file).name) for file in files]
print(f"{plural(len(files), 'patch')} of {plural(len(set(tiles)), 'tile')}, such as {Path(files[0]).name}")

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
# That leaves 26 inputs. We begin with the four of the newer flight.

# %%
SIZE, BANDS, FILTERS, EPOCHS = 128, ["naip_new"], (8, 16, 32), 3


@cache  # each choice of bands is read once
def read(*bands):
    """Read the middle of each patch: images (n, SIZE, SIZE, bands) and labels (n, SIZE, SIZE)."""
    patches = chesapeake.Patches(files, bands=bands, image_size=SIZE)
    return [np.concatenate(part) for part in zip(*Loader(patches, batch_size=20), strict=True)]


images, labels = read(*BANDS)
print(images.shape, images.dtype, labels.shape, labels.dtype)

# %% [markdown]
# ## Six classes, and most of it trees
#
# **Predict.** You answer "trees" for every pixel. How often are you right?

# %%
names = chesapeake.CLASS_NAMES
known = labels > 0  # 0: nobody said what it is
shares = np.bincount(labels[known], minlength=7) / known.sum()
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
eight = slice(None, None, max(1, len(files) // 8))
pictures = {"picture": images[eight][:8, ..., :3], "truth": labels[eight][:8]}
plots.class_rows(pictures, chesapeake.PALETTE, names, titles=tiles[eight]).describe(
    "Eight patches as pictures over their maps of classes: woods, fields, roofs and, on the stand-in, roads and water."
)

# %% [markdown]
# ## Folds of whole tiles
#
# Patches of one tile overlap, and have the same sun, the same soil and the same farmers. So a tile belongs on one side
# of a split with all its patches. Deal the tiles into five **folds**; each is held out once.

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
# ## Two that cannot see shapes
#
# In a [[confusion matrix]] $M$, $M_{ij}$ counts pixels of class $i$ that were called $j$. Two scores come from it:
#
# $$\text{accuracy} = \frac{\sum_i M_{ii}}{\sum_{ij} M_{ij}},\qquad
# \text{IoU}_i = \frac{M_{ii}}{\sum_j M_{ij} + \sum_j M_{ji} - M_{ii}}.$$
#
# IoU, intersection over union, is near 1 only if you find the class *and* claim nothing else. Its mean over classes,
# **mIoU**, lets a road count as much as a forest.

# %% tags=["judge"]
results = {}


def judge(name, predicted):
    results[name] = confusion_matrix(truth, predicted)
    found = scores(results[name])
    named = results[name].sum(axis=0)[1:] > 0.001 * results[name].sum()
    return {"": name, "accuracy": found.accuracy, "mIoU": found.mean_iou, "classes named": int(named.sum())}


majority = np.bincount(labels[train_rows][known[train_rows]]).argmax()
row = judge("majority", np.full_like(truth, majority))
majority_accuracy = row["accuracy"]
Table([row])

# %% [markdown]
# The second looks at one pixel at a time: a logistic regression from bands to classes. What does each camera bring?


# %%
def classify_pixels(classifier, bands, sides, count=10_000):
    """Train on pixels of some patches, and return the classes of all pixels of the others."""
    seen, _ = read(*bands)
    pixels, classes = seen[sides[0]].reshape(-1, seen.shape[-1]), labels[sides[0]].ravel()
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(classes))[:count]
    classifier.fit(pixels[chosen], classes[chosen])
    return classifier.predict(seen[sides[1]].reshape(-1, seen.shape[-1])).reshape(-1, SIZE, SIZE)


def linear():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


# %%
cameras = {"RGB": ["naip_new_rgb"], "RGB + near infrared": ["naip_new"], "all 26": chesapeake.COURSE_BANDS}
rows = [judge(f"linear, {name}", classify_pixels(linear(), bands, split)) for name, bands in cameras.items()]
linear_rgb, linear_accuracy, linear_26 = (row["accuracy"] for row in rows)
linear_miou, linear_26_miou = rows[1]["mIoU"], rows[2]["mIoU"]
Table(rows)

# %% [markdown]
# **What you should see.** On the stand-in the majority has <<majority_accuracy:.2f>>. Colour alone gives
# <<linear_rgb:.2f>>, near infrared makes that <<linear_accuracy:.2f>> (mIoU <<linear_miou:.2f>>): leaves. All 26 have
# <<linear_26:.2f>> and the mIoU <<linear_26_miou:.2f>>, as water is dark and cold for the satellite. But the colour of
# a roof is the colour of a road. To tell them apart, look at shapes.

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
photo = keras.Input((None, None, 4))  # (rows, columns, 4): any size
fine = two_convolutions(photo, 8)
half = layers.MaxPooling2D()(fine)  # (batch, rows, columns, 8) -> (batch, rows/2, columns/2, 8)
middle = two_convolutions(half, 16)
quarter = layers.MaxPooling2D()(middle)  # (batch, rows/2, columns/2, 16) -> (batch, rows/4, columns/4, 16)
bottom = two_convolutions(quarter, 32)

# %% [markdown]
# At the bottom a number knows of some 40 metres around it, and no longer where in its 4 x 4 metres an edge was. The
# [[U-Net]] ([Ronneberger et al., 2015](https://arxiv.org/abs/1505.04597)) hands the finer maps across: a **skip** sets
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
print(sizes, "as the helper:", build_unet(input_shape=(None, None, 4), filters=FILTERS).count_params())

# %%
draw_model(with_skips)

# %% [markdown]
# `build_unet` builds both from now on, of any depth.
#
# **Fails on purpose.** It takes any size. Does it?

# %%
try:
    build_unet(input_shape=(None, None, 4), filters=FILTERS)(np.zeros((1, 250, 250, 4), "float32"))
except ValueError as error:
    print(str(error).split("\n\n")[1])

# %% [markdown]
# 250 halved is 125, and half of that is 62.5: the map that comes up would not fit the one beside it.
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

# %% [markdown]
# ## Train
#
# Neighbouring pixels tell nearly the same, so a batch of 32 windows of 16 x 16 from 32 places teaches more than one of
# 90 x 90. The network does not mind: it will predict 128 x 128.


# %%
def train(name, rows, *, epochs, filters=FILTERS, skips=True, weights=None):
    x, y = windows(images[rows], 16), windows(labels[rows], 16)  # (n, 128, 128, …) -> (64 n, 16, 16, …)
    epochs *= max(1, 80 // len(rows))  # few patches are looked at more often
    model = build_unet(input_shape=(None, None, images.shape[-1]), filters=filters, skips=skips)
    rate = keras.optimizers.schedules.CosineDecay(0.004, epochs * -(-len(x) // 32))
    how = {"jit_compile": False, "steps_per_execution": 10}  # on a CPU, compiling takes longer than it saves
    model.compile(keras.optimizers.Adam(rate), MaskedCrossentropy(class_weights=weights), **how)
    model.fit(x, y, batch_size=32, epochs=epochs, callbacks=[Progress(name)], verbose=0)
    return model


def classes_of(model, rows):
    return ops.convert_to_numpy(model(images[rows])).argmax(axis=-1)


# %% [markdown]
# **Predict.** Encoder and decoder, U-Net, and the linear classifier on the same four bands: in which order, and how far
# apart?

# %%
predicted = {"linear": classify_pixels(linear(), BANDS, split)}
for name, skips in {"encoder, decoder": False, "U-Net": True}.items():
    predicted[name] = classes_of(train(name, train_rows, epochs=EPOCHS, skips=skips), test_rows)
rows = [judge(name, found) for name, found in predicted.items()]
_, plain_accuracy, unet_accuracy = (row["accuracy"] for row in rows)
plain_miou, unet_miou = (row["mIoU"] for row in rows[1:])
plain_gain, skip_gain = plain_accuracy - linear_accuracy, unet_accuracy - plain_accuracy
Table(rows)

# %%
some = slice(None, None, max(1, len(truth) // 6))
pictures = {"picture": images[test_rows][some, ..., :3], "truth": truth[some]}
plots.class_rows(pictures | {n: found[some] for n, found in predicted.items()}, chesapeake.PALETTE, names).describe(
    "Patches, their true classes and three predictions: the linear one is salt and pepper, encoder and decoder "
    "give soft round areas, the U-Net, on the stand-in, sharper ones."
)

# %% [markdown]
# **What you should see.** On the stand-in, from <<linear_accuracy:.2f>>, seeing neighbours brings <<plain_gain:.2f>>,
# and skips another <<skip_gain:.2f>>: the U-Net is right in <<unet_accuracy:.2f>> of all pixels of tiles that it never
# saw. The linear map is salt and pepper; without skips edges are soft and round.

# %% [markdown]
# ## The trap
#
# **Predict.** <<unet_accuracy:.0%>>: a map to be proud of. How many of six classes does it need for that?

# %%
plots.confusion({"linear": results["linear"], "U-Net": results["U-Net"]}, names).describe(
    "Two confusion matrices, in per cent of each true class. Both are dark for trees and low vegetation; in "
    "that of the U-Net the columns of some rare classes are empty."
)

# %% tags=["classes-missed"]
counts = results["U-Net"][1:, 1:]
missed = counts.diagonal() < 0.02 * counts.sum(axis=1)
unnamed = int(missed.sum())
print("found in less than 1 pixel of 50:", ", ".join(np.array(names[1:])[missed]) or "no class")

# %% [markdown]
# **What you should see.** On the stand-in <<unnamed>> of six classes are as good as never found, and the *less*
# accurate linear classifier has more columns with something in them. Nothing is broken: cross-entropy is a sum over
# pixels, and who gets trees and fields right has earned over 90 % of it. Read mIoU, or the matrix; never accuracy
# alone.

# %% [markdown]
# ## Weights
#
# Let a pixel of a rare class weigh more. Weights of one over the share would make six equal classes, and 50 road
# pixels would outvote a wood; the square root goes half the way.

# %%
weights = chesapeake.class_weights(shares, power=0.5)
Table([{name: float(weight) for name, weight in zip(names[1:], weights[1:], strict=True)}])

# %%
weighted = train("weighted U-Net", train_rows, epochs=5, weights=weights)
predicted["weighted U-Net"] = classes_of(weighted, test_rows)
row = judge("weighted U-Net", predicted["weighted U-Net"])
weighted_accuracy, weighted_miou = row["accuracy"], row["mIoU"]
Table([*rows, row])

# %%
weighted_gain = weighted_miou - unet_miou
print(f"mIoU by weights and two epochs: {weighted_gain:+.2f}")
shown = ("linear", "U-Net", "weighted U-Net")
iou = {name: np.nan_to_num(scores(results[name]).iou[1:]) for name in shown}
figures.bars(iou, names[1:], ylabel="IoU", numbers=False).describe(
    "IoU of six classes for three classifiers. On the stand-in trees and low vegetation are high for all; the "
    "weighted U-Net leads on most of the rare ones."
)

# %% [markdown]
# **What you should see.** On the stand-in, with weights and two epochs more, the mIoU rises from <<unet_miou:.2f>> to
# <<weighted_miou:.2f>> (five seeds: by <<weighted_gain seeds:.2f>>), at an accuracy
# of <<weighted_accuracy:.2f>>. What has next to no pixels in the training tiles stays unfound: weights repeat what is
# there, and make no new examples.

# %% [markdown]
# ## Five folds, shallow against deep
#
# One split is one opinion, for tiles differ. Train two networks on each of five folds: a shallow one that halves once,
# and the deep one that halves twice. One epoch each, or we would sit here till tomorrow.

# %%
accuracies, pooled = {"shallow": [], "deep": []}, np.zeros((7, 7), int)
for number, (inside, outside) in enumerate(folds):
    for depth, filters in {"shallow": FILTERS[:2], "deep": FILTERS}.items():
        found = classes_of(train(f"fold {number}, {depth}", inside, epochs=1, filters=filters), outside)
        counts = confusion_matrix(labels[outside], found)
        accuracies[depth].append(scores(counts).accuracy)
        pooled += counts if depth == "deep" else 0

# %%
plots.against(accuracies["shallow"], accuracies["deep"], xlabel="accuracy, shallow", ylabel="accuracy, deep").describe(
    "Five numbered points, one a fold, accuracy of the deep network over that of the shallow one. On the "
    "stand-in they lie along the line y = x, far apart on it."
)

# %%
between_folds = float(np.std(accuracies["deep"], ddof=1))
pooled_counts = pooled[1:, 1:]
pooled_unnamed = int((pooled_counts.diagonal() < 0.02 * pooled_counts.sum(axis=1)).sum())
deep_gain = float(np.mean(np.subtract(accuracies["deep"], accuracies["shallow"])))
pooled_accuracy = scores(pooled).accuracy
print(f"deep minus shallow {deep_gain:+.3f}, spread of the folds {between_folds:.3f}")
print(f"pooled: accuracy {pooled_accuracy:.2f}, classes as good as never found: {pooled_unnamed}")
plots.confusion({"deep, five folds pooled": pooled}, names).describe(
    "A confusion matrix, in per cent of each true class: dark for trees and low vegetation; the columns of the "
    "rare classes are nearly empty."
)

# %% [markdown]
# **What you should see.** On the stand-in, after one epoch, depth changes the accuracy by <<deep_gain:+.3f>> (five
# seeds: <<deep_gain seeds:+.3f>>): next to nothing, and another seed may turn the sign. A point below the line is a
# fold on which the deep network had more to learn than one epoch teaches; the run file at the end gives it twenty.
# Along the line the points spread by <<between_folds:.2f>>, since some tiles are hard for everybody: with one fold that
# would swallow the difference.
#
# **Pooled**, every pixel is judged once, by a network that never saw its tile: right in <<pooled_accuracy:.2f>>, with
# <<pooled_unnamed>> of six classes as good as never found (five seeds: <<pooled_unnamed seeds>>). Add the matrices and
# compute scores of the sum: a fold without roads has no IoU of roads that could be averaged.

# %% [markdown]
# ## What a careless split promises
#
# The course that this one descends from split by the last digit of the file's name. Then a tile's patches stand on both
# sides. Let both kinds of folds judge all the same pixels.
#
# **Predict.** Who gains more from neighbours: four bands or 26, a linear classifier or a forest of decision trees?

# %%
digits = [Path(file).stem[-1] for file in files]
splits = {"by digit": list(GroupKFold(5).split(files, groups=digits)), "by tile": folds}


def pooled_accuracy_of(build, bands, five):
    parts = [confusion_matrix(labels[fold[1]], classify_pixels(build(), bands, fold, 5000)) for fold in five]
    return scores(np.sum(parts, axis=0)).accuracy


def forest():
    return RandomForestClassifier(10, n_jobs=2, random_state=0)


# %%
rows = []
for name, build, bands in [
    ("linear, 4 bands", linear, ["naip_new"]),
    ("forest, 4 bands", forest, ["naip_new"]),
    ("forest, 26 bands", forest, chesapeake.COURSE_BANDS),
]:
    found = {kind: pooled_accuracy_of(build, bands, five) for kind, five in splits.items()}
    rows.append({"": name, **found, "leak": found["by digit"] - found["by tile"]})
leak_least, _, leak_most = (row["leak"] for row in rows)
digit_forest, tile_forest = rows[2]["by digit"], rows[2]["by tile"]
Table(rows)

# %% [markdown]
# **What you should see.** On the stand-in the forest promises <<digit_forest:.2f>> and keeps <<tile_forest:.2f>>. The
# satellite's cells of 30 m are a fingerprint of the place, and a forest remembers fingerprints: the leak is worth
# <<leak_most:.3f>> to it, and <<leak_least:.3f>> to a line in four bands. It flatters those most who remember best, so
# it may pick the wrong winner. What is it worth to a U-Net with millions of weights, and many epochs to remember? The
# last exercise asks.

# %% [markdown]
# ## A whole tile without seams
#
# Maps are not made of patches. The weighted network gets a picture of 1024 x 1024 m (drawn for this, whatever your
# data are), window by window. At the border of a window it guesses half blind; so let windows overlap, and fade one
# into the next.

# %%
tile, tile_truth = draw_place(0)  # (1024, 1024, 4), (1024, 1024)
maps = {f"overlap {overlap}": predict_tile(weighted, tile, window=128, overlap=overlap) for overlap in (0, 32)}
found = maps["overlap 32"].argmax(axis=-1)
whole = {"picture": tile[None, ..., :3], "truth": tile_truth[None], "prediction": found[None]}
plots.class_rows(whole, chesapeake.PALETTE, names).describe(
    "A whole tile of 1,024 x 1,024 metres as a picture, its true classes and the prediction. No border between "
    "windows is to be seen."
)


# %% tags=["seam"]
def seam(probabilities, borders):
    """How much more a map changes where windows begin than elsewhere."""
    step = np.abs(np.diff(probabilities, axis=1)).mean(axis=(0, 2))  # (1023,)
    return float(step[borders - 1].mean() / np.delete(step, borders - 1).mean())


seam_cut = seam(maps["overlap 0"], np.arange(128, 1024, 128))
seam_blended = seam(maps["overlap 32"], np.arange(80, 1024, 96))  # windows begin at -16, 80, 176, …
print(f"change at borders over change elsewhere: side by side {seam_cut:.2f}, overlapping {seam_blended:.2f}")

# %% [markdown]
# **What you should see.** Side by side, the map of the stand-in's network changes <<seam_cut:.1f>> times as much where
# windows meet. Blended, <<seam_blended:.2f>>: the border is as quiet as the interior. `write_geotiff` saves such a map
# with its place.

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
found = [float(right[slot].mean()) if slot.any() else np.nan for slot in slots]
figure = figures.curves({"accuracy": found}, xlabel="metres to the next class", ylabel="accuracy")
figure.axes[0].set_xticks(range(1, 8), [*(f"{near} to {far}" for near, far in pairwise(bins[:-1])), "32 or more"])
figure.describe(
    "Accuracy over the distance to the next class; on the stand-in lowest in the first metre, rising, and about "
    "level from eight metres on."
)

# %%
at_borders, inland = found[0], float(right[(truth > 0) & (distance >= 8)].mean())
print(f"right at borders {at_borders:.2f}, eight metres away and more {inland:.2f}")
worst = np.argsort([right[n][truth[n] > 0].mean() if (truth[n] > 0).any() else 1 for n in range(len(truth))])[:6]
wrong = np.where(right | (truth == 0), 0, predicted["weighted U-Net"])
pictures = {"picture": images[test_rows][worst, ..., :3], "truth": truth[worst]}
pictures |= {"prediction": predicted["weighted U-Net"][worst], "wrong as": wrong[worst]}
plots.class_rows(pictures, chesapeake.PALETTE, names).describe(
    "Patches with the most mistakes, at most six: picture, truth, prediction, and the mistakes alone in the colour "
    "of the wrong class. They lie along borders, and in whole roofs, roads or banks."
)

# %% [markdown]
# **What you should see.** On the stand-in it is right in <<at_borders:.2f>> at borders, eight metres away in
# <<inland:.2f>>. A metre is at the limit of the picture, and of what made the truth. The other mistakes are whole
# things: a road taken for roofs (*impervious*) and a roof for a road, bare ground for a roof, the side of a river for
# trees. The wrong class looks like the right one, or lies beside it.

# %% [markdown]
# ## The full setting
#
# The same calls with more of everything: set `FULL = True`, or train all folds, shallow and deep, by
# `./course train lectures/runs/land_cover.toml`. Patches are streamed, cut and turned at random.
# (`./course train lectures/runs/lecture_12.toml` trains this notebook's first two networks; a minute.)
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
# | training | 20 epochs: 60 million billion operations a fold |
# | time | half an hour to an hour a fold on a GPU that does 20 to 40 Tflop/s; weeks on two cores. Counted, not run |
# | expect | more than the majority's 0.65; roads and water found; barren, half a percent of the land, worst |
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
# 4. What does y = x show that two mean accuracies would hide?
# 5. Why are confusion matrices added, and not the scores averaged?
#
# ### Change one line
# 1. Give the networks all 26 bands: `BANDS = list(chesapeake.COURSE_BANDS)`, and stop before *A whole tile*, whose
#    picture has four. Does the U-Net gain what the linear classifier gained? If not, where else could it have got what
#    the other bands say?
# 2. Set `power=1` for the weights. What happens to accuracy, and to the roads?
#
# ### Open end
# 1. Is a leak worth anything to a U-Net? Train it on folds by digit, for 1 epoch and for 30, and draw what it promises
#    above what it keeps.
#
# ## Recap
#
# - You looked through 29 channels, and found what each of them sees and how rare most classes are.
# - You built an encoder and decoder for pixels, added skips, and kept unknown pixels out of the loss.
# - You trained it beside a guesser and a linear classifier, and caught an accuracy that left classes out.
# - You judged by folds of whole tiles, and measured what a split by digit would have promised.
