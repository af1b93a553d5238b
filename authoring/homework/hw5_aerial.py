# %% [markdown]
# # Homework 5 · Windows of aerial tiles
#
# *What does a code say about a place that the network has never seen, and how do you make sure that it has not?*
#
# **You will** cut tiles into windows, pair pictures with classes and heights, deal with their odd codes, split by
# place, build a VAE for windows, and test what its codes say on unseen places
# ([lecture 10](../../lectures/10_aerial_tiles.ipynb)).
#
# | points | run all, 2 cores | hand in |
# |---|---|---|
# | 50 | under a minute | this notebook |
#
# The tiles of DFC2019 have 1,024 x 1,024 pixels, and files such as `JAX_004_006_RGB.tif`: city, place, view, kind. Of
# each view there are a picture (`RGB`), classes (`CLS`) and heights above ground (`AGL`).
#
# Write where it says `YOUR CODE HERE`, and delete the line that raises. Below each question, one test says what is
# expected; another one, which you cannot read, tries other sizes, seeds and tiles. The cells that start with *See it*
# give no points. Before you hand in: *Kernel*, *Restart kernel and run all cells*, or
# `./course homework check hw5_aerial`.

# The first cell holds names and numbers that differ from student to student, where your course hands them out so. Use
# their names: tests are run with yours, and an answer with anybody else's fails.

# %% locked="variant"
CLASSES = ("ground", "trees", "buildings", "water", "bridge")  # a label is the place of a class in here
CODE = 16  # numbers in a code
WINDOW = 64  # rows and columns of a window
SEED = 0  # with which the notebook begins

# %% locked="setup"
import re
from collections import Counter

from helpers import figures
from helpers.grading import checks, samples
from helpers.models.variational import VAE, Sampling
from helpers.tables import Table
from helpers.training import seed_everything

import keras
import numpy as np
from keras import layers, ops
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

seed_everything(SEED)

# %% [markdown]
# ## 1 · Cut windows
#
# Windows lie side by side without gap or overlap, row by row: the second window is to the right of the first.


# %% solution="cut"
def cut_windows(tile, size):
    """Cut a tile into windows.

    Args:
        tile: an array, (rows, columns) or (rows, columns, bands).
        size: rows and columns of a window.

    Returns:
        An array of the same dtype, (windows, size, size) or (windows, size, size, bands), row by row.

    Raises:
        ValueError: `size` does not divide the rows or the columns; with a message that says which sizes came.
    """
    ### BEGIN SOLUTION
    rows, columns, *bands = tile.shape
    if rows % size or columns % size:
        raise ValueError(f"windows of {size} do not tile {rows} x {columns}")
    grid = tile.reshape(rows // size, size, columns // size, size, *bands)
    return grid.swapaxes(1, 2).reshape(-1, size, size, *bands)
    ### END SOLUTION


# %% test="cut_by_hand" points=3
read = "lecture 10, What a tile holds"
tile = np.arange(16).reshape(4, 4)
found = cut_windows(tile, 2)
checks.shape("four windows of a tile of 4 x 4", found, (4, 2, 2), read=read)
checks.close("the second window", np.asarray(found)[1], [[2, 3], [6, 7]], read=read)

# %% hidden="cut_other_tiles" points=3
# Bands, tiles that are wider than high, the dtype, sizes that do not fit, and what is said of them.
read = "lecture 10, What a tile holds"
tile = np.random.default_rng(11).integers(0, 255, size=(6, 12, 3)).astype("uint8")
found = cut_windows(tile, 3)
checks.shape("windows of a tile of 6 x 12 x 3", found, (8, 3, 3, 3), read=read)
checks.same("their dtype", str(found.dtype), "uint8", read=read)
for k in range(8):
    row, column = 3 * (k // 4), 3 * (k % 4)
    checks.close(f"window {k + 1}", found[k], tile[row : row + 3, column : column + 3], read=read)
checks.refuses("windows of 5 in 6 x 12", lambda: cut_windows(tile, 5), read=read)
checks.refuses("windows of 4 in 4 x 6", lambda: cut_windows(tile[:4, :6], 4), read=read)
checks.refuses("windows of 4 in 6 x 4", lambda: cut_windows(tile[:6, :4], 4), read=read)
try:
    cut_windows(tile, 5)
except ValueError as error:
    said = str(error)
    named = "5" in said and ("6" in said or "12" in said)
    checks.holds("the message about windows of 5 in 6 x 12", named, expected="one with 5 and 6 or 12", got=said, read=read)

# %% [markdown]
# ## 2 · Pair the files
#
# A picture is of use only with its classes and heights. Files come in any order, and some are missing.


# %% solution="pair"
def pair_files(names):
    """Pair the files of each view.

    Args:
        names: file names such as "JAX_004_006_RGB.tif", in any order; others among them are passed over.

    Returns:
        A dict from (place, view), such as ("JAX_004", "006"), to a dict with the names of "RGB", "CLS" and "AGL".
        Views that lack one of the three are left out. The keys are sorted.
    """
    ### BEGIN SOLUTION
    views = {}
    for name in names:
        match = re.fullmatch(r"([A-Z]+_\d+)_(\d+)_(RGB|CLS|AGL)\.tif", name)
        if match:
            views.setdefault((match[1], match[2]), {})[match[3]] = name
    return {view: views[view] for view in sorted(views) if len(views[view]) == 3}
    ### END SOLUTION


# %% test="pair_by_hand" points=3
read = "lecture 10, What a tile holds"
names = ["JAX_004_006_CLS.tif", "JAX_004_006_AGL.tif", "notes.txt", "JAX_004_006_RGB.tif", "JAX_004_007_RGB.tif"]
found = pair_files(names)
wanted = {kind: f"JAX_004_006_{kind}.tif" for kind in ("RGB", "CLS", "AGL")}
checks.same("complete views", found, {("JAX_004", "006"): wanted}, read=read)

# %% hidden="pair_other_names" points=3
# Two cities, other kinds, the order, and names that only look like tiles.
read = "lecture 10, What a tile holds"
views = [("OMA_211", "038"), ("JAX_068", "004"), ("JAX_068", "012"), ("JAX_004", "012"), ("JAX_068", "003")]
names = [f"{place}_{view}_{kind}.tif" for kind in ("AGL", "MSI", "RGB", "CLS", "DSM") for place, view in views]
names = [name for name in names if name != "JAX_068_012_AGL.tif"] + ["JAX_068_012_AGL.tif.part"]
found = pair_files(names)
checks.same("complete views, sorted", list(found), [views[3], views[4], views[1], views[0]], read=read)
checks.same("the heights of OMA_211, view 038", found[views[0]]["AGL"], "OMA_211_038_AGL.tif", read=read)
checks.same("kinds of a view", sorted(found[views[1]]), ["AGL", "CLS", "RGB"], read=read)

# %% [markdown]
# ## 3 · Codes to labels
#
# The files have the codes 2 ground, 5 trees, 6 buildings, 9 water, 17 bridge or elevated road, and 65 unlabeled. A
# network wants labels from 0 to 4, here the place of the class in `CLASSES`, and 255 for pixels that no loss may count. A
# code that is none of these is a broken file.


# %% solution="labels"
def to_labels(codes):
    """Turn the codes of a CLS file into labels.

    Args:
        codes: uint8 array of any shape.

    Returns:
        uint8 array of the same shape: the place of the class in CLASSES, from 0; 255 unlabeled.

    Raises:
        ValueError: a code that is not in the list; with a message that names it.
    """
    ### BEGIN SOLUTION
    table = np.full(256, 254, "uint8")
    for code, name in {2: "ground", 5: "trees", 6: "buildings", 9: "water", 17: "bridge"}.items():
        table[code] = CLASSES.index(name)
    table[65] = 255
    labels = table[codes]
    if (labels == 254).any():
        raise ValueError(f"unknown class codes: {np.unique(codes[labels == 254])}")
    return labels
    ### END SOLUTION


# %% test="labels_by_hand" points=3
read = "lecture 10, What a tile holds"
found = to_labels(np.array([[2, 5, 6], [9, 65, 2]], "uint8"))
ground, trees, buildings, water = map(CLASSES.index, ("ground", "trees", "buildings", "water"))
wanted = [[ground, trees, buildings], [water, 255, ground]]
checks.close("labels of the codes 2, 5, 6, 9, 65, 2", found, wanted, read=read)

# %% hidden="labels_odd_codes" points=3
# The bridge, the dtype, that the codes stay as they are, and codes that are in no list.
read = "lecture 10, What a tile holds: the trap of class 17"
codes = np.array([17, 65, 6, 17], "uint8")
found = to_labels(codes)
bridge, buildings = CLASSES.index("bridge"), CLASSES.index("buildings")
checks.close("labels of the codes 17, 65, 6, 17", found, [bridge, 255, buildings, bridge], read=read)
checks.same("their dtype", str(found.dtype), "uint8", read=read)
checks.close("the codes, after the call", codes, [17, 65, 6, 17], read=read)
for code in (0, 3, 255):
    checks.refuses(f"the code {code}", lambda: to_labels(np.array([2, code], "uint8")), read=read)
try:
    to_labels(np.array([2, 77], "uint8"))
except ValueError as error:
    checks.holds("the message about the code 77", "77" in str(error), expected="one with 77", got=error, read=read)

# %% [markdown]
# ## 4 · What a window is like
#
# Two facts of each window, to colour the map of codes by: the class that most labeled pixels have, and the mean height
# where the height is known. Heights are NaN where the laser saw nothing.


# %% solution="facts"
def predominant_class(labels):
    """Find the most frequent class of each window.

    Args:
        labels: uint8, (windows, rows, columns), 0 to 4, or 255 for unlabeled.

    Returns:
        Integer array, (windows,): the class that most labeled pixels have, of equal ones the smallest; 255 where no
        pixel is labeled.
    """
    ### BEGIN SOLUTION
    counts = np.stack([(labels == k).sum(axis=(1, 2)) for k in range(5)], axis=1)
    return np.where(counts.any(axis=1), counts.argmax(axis=1), 255)
    ### END SOLUTION


def mean_height(heights):
    """Average the known heights of each window.

    Args:
        heights: float32, (windows, rows, columns), metres, NaN where unknown.

    Returns:
        means: float array, (windows,), 0 where no height is known.
        known: bool array, (windows,), whether any is.
    """
    ### BEGIN SOLUTION
    valid = np.isfinite(heights)
    counts = valid.sum(axis=(1, 2))
    sums = np.where(valid, heights, 0).sum(axis=(1, 2))
    return sums / np.maximum(counts, 1), counts > 0
    ### END SOLUTION


# %% test="facts_by_hand" points=3
read = "lecture 10, What a tile holds"
labels = np.array([[[1, 1], [2, 0]], [[3, 3], [3, 4]]], "uint8")
checks.close("the predominant classes", predominant_class(labels), [1, 3], read=read)
means, known = mean_height(np.array([[[1, 3], [np.nan, np.nan]]], "float32"))
checks.close("the mean of 1, 3 and two unknown heights", means, [2.0], read=read)
checks.close("whether any is known", known, [True], read=read)

# %% hidden="facts_of_odd_windows" points=4
# Windows without labels or heights, ties, and windows that are mostly unlabeled.
read = "lecture 10, What a tile holds: what is unknown does not count"
labels = np.full((4, 3, 3), 255, "uint8")
labels[1, 0] = [4, 2, 2]
labels[2, 1] = [3, 1, 255]
labels[3] = 0
checks.close("the predominant classes", predominant_class(labels), [255, 2, 1, 0], read=read)
heights = np.full((3, 3, 3), np.nan, "float32")
heights[1] = 3 * np.arange(9).reshape(3, 3) ** 2
heights[2, 0, 0] = -0.5
means, known = mean_height(heights)
checks.close("mean heights, 0 where unknown", means, [0, 68, -0.5], read=read)
checks.close("whether any is known", known, [False, True, True], read=read)

# %% [markdown]
# ## 5 · Split by place
#
# Two views of a place are nearly the same picture: with one in training and one in the test, the network is asked for
# what it has seen.


# %% solution="split"
def split_by_place(views, shares, seed):
    """Split views so that no place is on two sides.

    Args:
        views: list of (place, view).
        shares: which share of the *places* each side gets, such as (0.6, 0.2, 0.2); at least as many places as sides.
        seed: which places; the same seed gives the same split.

    Returns:
        A list of lists of views, one for each share, none of them empty.
    """
    ### BEGIN SOLUTION
    places = sorted({place for place, _ in views})
    order = np.random.default_rng(seed).permutation(len(places))
    cuts = np.round(np.cumsum(shares)[:-1] * len(places)).astype(int)
    for side in range(len(cuts)):  # no side without a place
        cuts[side] = min(max(cuts[side], side + 1), len(places) - len(cuts) + side)
    sides = [{places[i] for i in part} for part in np.split(order, cuts)]
    return [[view for view in views if view[0] in side] for side in sides]
    ### END SOLUTION


# %% test="split_places" points=3
read = "lecture 10, Hold out places, not windows"
views = [(f"JAX_{place:03d}", f"{view:03d}") for place in range(10) for view in range(4)]
sides = split_by_place(views, (0.6, 0.2, 0.2), seed=1)
checks.same("views on each side", [len(side) for side in sides], [24, 8, 8], read=read)
places = [{place for place, _ in side} for side in sides]
shared = (places[0] & places[1]) | (places[0] & places[2]) | (places[1] & places[2])
checks.same("places on two sides", sorted(shared), [], read=read)

# %% hidden="split_few_places" points=4
# Few places, with different numbers of views; what a seed does, and that no view is lost.
read = "lecture 10, Hold out places, not windows: views of one place on both sides, or an empty test side, are traps"
views = [(f"OMA_{place:03d}", f"{view:03d}") for place in range(4) for view in range(1 + 5 * place)]
for seed in range(6):
    sides = split_by_place(views, (0.8, 0.1, 0.1), seed)
    checks.same("all views, once", sorted(sum(sides, [])), sorted(views), read=read)
    checks.holds("sides", min(map(len, sides)) > 0, expected="no empty one", got=f"{[*map(len, sides)]}", read=read)
    checks.same("the same seed once more", split_by_place(views, (0.8, 0.1, 0.1), seed), sides, read=read)
    checks.same("places, summed over sides", sum(len({place for place, _ in side}) for side in sides), 4, read=read)
sides = split_by_place([(f"OMA_{place:03d}", "001") for place in range(8)], (0.25, 0.5, 0.125, 0.125), seed=3)
checks.same("places on each of four sides of 8 places", [len(side) for side in sides], [2, 4, 1, 1], read=read)
many = [(f"OMA_{place:03d}", f"{view:03d}") for place in range(10) for view in range(1 + 9 * (place % 2))]
for seed in range(3):
    sides = split_by_place(many, (0.5, 0.3, 0.2), seed)
    what = "places on each of three sides of 10 places, of which every other one has ten times as many views"
    checks.same(what, [len({place for place, _ in side}) for side in sides], [5, 3, 2], read=read)
different = {str(sorted({place for place, _ in split_by_place(views, (0.5, 0.5), seed)[0]})) for seed in range(12)}
checks.holds("splits of 12 seeds", len(different) > 2, expected="more than 2", got=len(different), read=read)

# %% [markdown]
# ## 6 · A VAE for windows
#
# Levels of strided convolutions down (3 x 3, `padding="same"`, ReLU), two heads without activation, and the mirror
# image up with `Conv2DTranspose`; the last level has a sigmoid. Beware of dense layers on large maps: the weights hide
# there.


# %% solution="parts"
def build_window_parts(latent_dim, size, filters):
    """Build encoder and decoder of a VAE for RGB windows.

    Args:
        latent_dim: numbers in a code.
        size: rows and columns of a window, a multiple of 2 ** len(filters).
        filters: channels after each level; each level halves rows and columns.

    Returns:
        encoder: a `keras.Model` with `name="encoder"`: (batch, size, size, 3) -> [z_mean, z_log_var, z]; heads on the
            flattened last map, z is `Sampling()` of the two.
        decoder: a `keras.Model` with `name="decoder"`: (batch, latent_dim) -> (batch, size, size, 3), values in [0, 1].
            A dense ReLU layer as large as the encoder's last map, then the levels in reverse.
    """
    ### BEGIN SOLUTION
    images = keras.Input((size, size, 3))
    x = images
    for channels in filters:
        x = layers.Conv2D(channels, 3, strides=2, padding="same", activation="relu")(x)
    shape = x.shape[1:]
    x = layers.Flatten()(x)
    z_mean, z_log_var = layers.Dense(latent_dim)(x), layers.Dense(latent_dim)(x)
    outputs = [z_mean, z_log_var, Sampling()((z_mean, z_log_var))]
    encoder = keras.Model(images, outputs, name="encoder")
    codes = keras.Input((latent_dim,))
    x = layers.Dense(int(np.prod(shape)), activation="relu")(codes)
    x = layers.Reshape(shape)(x)
    for channels in filters[-2::-1]:
        x = layers.Conv2DTranspose(channels, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="sigmoid")(x)
    return encoder, keras.Model(codes, x, name="decoder")
    ### END SOLUTION


# %% test="parts_shapes" points=3
read = "lecture 10, A family of networks"
encoder, decoder = build_window_parts(CODE, WINDOW, (8, 16, 16))
outputs = encoder(np.zeros((2, WINDOW, WINDOW, 3), "float32"))
for name, output in zip(("z_mean", "z_log_var", "z"), outputs):
    checks.shape(f"{name} of 2 windows", output, (2, CODE), read=read)
checks.shape("2 decoded codes", decoder(np.zeros((2, CODE), "float32")), (2, WINDOW, WINDOW, 3), read=read)

# %% hidden="parts_weights" points=4
# Other sizes, the number of weights, what each level takes in, the activations, the heads and the range.
read = "lecture 10, A family of networks"
encoder, decoder = build_window_parts(5, 16, (4, 6))
flat = 4 * 4 * 6
images = 10 * np.random.default_rng(61).normal(size=(64, 16, 16, 3)).astype("float32")
codes = np.random.default_rng(63).normal(size=(64, 5)).astype("float32")
found, decoded = encoder(images), decoder(codes)
weights = (27 * 4 + 4) + (36 * 6 + 6) + 2 * (flat * 5 + 5)
checks.parameters("the encoder", encoder, weights, read=read)
weights = (5 * flat + flat) + (9 * 6 * 4 + 4) + (9 * 4 * 3 + 3)
checks.parameters("the decoder", decoder, weights, read=read)
checks.within("pixels, which pass a sigmoid", decoder(100 * np.eye(5, dtype="float32")), 0, 1, read=read)
for name, head, larger in zip(("z_mean", "z_log_var"), found, encoder(1000 * images)):
    checks.holds(name, np.asarray(head).min() < 0, expected="some below 0", got="none", read=read)
    far = np.abs(larger).max()
    expected = "no activation, so far from 0"
    checks.holds(f"{name} of huge pixels", far > 20, expected=expected, got=f"{far:.3g}", read=read)
taken = checks.taken_in(encoder, images)
taken = np.sort(taken[taken != 0])  # without what is padded
checks.close("what the first level takes in: the pixels, sorted", taken, np.sort(images.ravel()), read=read)
maps = [[one for one in checks.called(half, some) if one.taken.ndim == 4] for half, some in ((encoder, images), (decoder, codes))]
checks.same("rows after each convolution", [one.given.shape[1] for one in maps[0]], [8, 4], read=read)
found = [one.given.shape[1] // one.taken.shape[1] for one in maps[1]]
checks.same("by how much each Conv2DTranspose multiplies the rows", found, [2, 2], read=read)
checks.close("pixels while it is trained", decoder(codes, training=True), decoded, read=read)
checks.rectified("the encoder", encoder, images, read=read)
checks.rectified("the decoder", decoder, codes, read=read)
logits = np.log(decoded / (1 - np.asarray(decoded)))
times = 2.5 / np.abs(logits).max()
for weight in checks.called(decoder, codes)[-1].weights:
    weight.assign(times * weight)
what = "pixels, where the last weights are larger"
checks.close(what, decoder(codes), 1 / (1 + np.exp(-times * logits)), atol=1e-3, read=read)

# %% hidden="parts_learn" points=4
# That the error of the decoded pictures reaches every weight of both parts, and that z is a sample.
read = "lecture 10, A family of networks: from the pictures to the code, and back"
pictures = samples.fields(32, seed=checks.seed(62), size=16)
encoder, decoder = build_window_parts(8, 16, (12, 16))
loss = lambda: ops.sum(ops.binary_crossentropy(pictures, decoder(encoder(pictures)[2])))
checks.trains_everywhere("the encoder", encoder, loss, read=read)
checks.trains_everywhere("the decoder", decoder, loss, read=read)
z_mean, z_log_var, z = encoder(10 * np.tile(pictures, (8, 1, 1, 1)))  # many, and far apart
checks.sampled("z", z, z_mean, z_log_var, read=read)
one, other = np.asarray(z_mean)[:2]
checks.differ("the codes of two pictures", one, other, read=read)

# %% [markdown]
# *See it.* Made-up fields of two crops, and what eight numbers keep of them.

# %%
pictures = samples.fields(1000, seed=1, size=32)
vae = VAE(*build_window_parts(8, 32, (16, 32)), beta=0.2)
vae.compile(keras.optimizers.Adam(0.003))
history = vae.fit(pictures[:900], batch_size=32, epochs=6, verbose=0)
decoded = vae.reconstruct(pictures[900:908])
figures.image_rows({"original": pictures[900:908], "decoded": decoded})

# %% [markdown]
# ## 7 · What do codes say of new places?
#
# A probe that is tested on windows of places that it was trained on learns the places: this lawn, that roof. Give it
# some places, and test it on the others.


# %% solution="attribution"
def probe_new_places(codes, classes, places, test_places):
    """Return how well a linear probe tells the class of windows of unseen places.

    Args:
        codes: float, (windows, latent_dim).
        classes: integer, (windows,), 0 to 4; 255 for windows without a class, which count nowhere.
        places: array of texts, (windows,), the place of each window.
        test_places: the places to test on.

    Returns:
        accuracy: a float, on the windows of `test_places` that have a class; the probe is
            `make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))`, fitted to the others.
        majority: a float, the accuracy of always answering the class that is most frequent in *training*.
    """
    ### BEGIN SOLUTION
    test, known = np.isin(places, list(test_places)), classes != 255
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(codes[~test & known], classes[~test & known])
    answer, _ = Counter(classes[~test & known].tolist()).most_common(1)[0]
    truth = classes[test & known]
    return float(probe.score(codes[test & known], truth)), float(np.mean(truth == answer))
    ### END SOLUTION


# %% test="attribution_by_hand" points=3
read = "lecture 10, Are clusters classes?"
random = np.random.default_rng(checks.seed(71))
classes = np.arange(120) % 2
places = np.repeat(["JAX_001", "JAX_002", "JAX_003"], 40)
codes = random.normal(size=(120, 4)) + 9 * classes[:, np.newaxis]
accuracy, majority = probe_new_places(codes, classes, places, {"JAX_003"})
checks.close("accuracy where codes say all", accuracy, 1.0, read=read)
checks.close("accuracy of the majority where classes are equal", majority, 0.5, read=read)

# %% hidden="attribution_traps" points=4
# Codes that know the places, windows without a class, classes that differ from place to place, and the classifier.
read = "lecture 10, Are clusters classes?: train on some places, test on others"
random = np.random.default_rng(checks.seed(72))
names = np.array([f"OMA_{place:03d}" for place in range(24)])
places = names.repeat(15)
classes = random.permutation(np.arange(24) % 2).repeat(15)  # one class a place
codes = np.eye(24).repeat(15, axis=0)  # that know the place, not the class
accuracy, _ = probe_new_places(codes, classes, places, names[:12])
checks.at_most("accuracy on new places of codes that know places only", accuracy, 0.8, read=read)
classes = np.r_[np.zeros(30, int), np.ones(20, int), np.ones(8, int), np.zeros(2, int), np.full(40, 255)]
places = np.r_[np.repeat("A", 50), np.repeat("B", 10), np.repeat("A", 20), np.repeat("B", 20)]
codes = classes[:, np.newaxis] + 0.1 * random.normal(size=(100, 2))
accuracy, majority = probe_new_places(codes, classes, places, ["B"])
checks.close("accuracy, windows without a class left out", accuracy, 1.0, read=read)
checks.close("accuracy of the class that is most frequent in training", majority, 0.2, read=read)
classes, places = np.repeat([0, 1, 0, 1], [36, 24, 6, 6]), np.repeat(["A", "B"], [60, 12])
codes = classes[:, np.newaxis] + 0.05 * random.normal(size=(72, 1))
codes[-1] = 1e4
accuracy, _ = probe_new_places(codes, classes, places, ["B"])
checks.close("accuracy where one code of the test places is far off", accuracy, 1.0, read=read)
classes, places = random.choice(3, size=1100, p=[0.6, 0.25, 0.15]), np.repeat(["A", "B"], [100, 1000])
codes = random.normal(size=(1100, 40)) + 0.35 * random.normal(size=(3, 40))[classes]
pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
wanted = pipeline.fit(codes[:100], classes[:100]).score(codes[100:], classes[100:])
codes = codes * np.logspace(-2, 2, 40)
accuracy, _ = probe_new_places(codes, classes, places, ["B"])
what = "accuracy on codes that say something, next to that of the pipeline of the docstring"
checks.close(what, accuracy, wanted, rtol=0, atol=0.008, read=read)

# %% [markdown]
# *See it.* Tiles, where there are any on this machine: colours of windows as codes. How much better than the majority
# are three mean colours?

# %%
from helpers.data import grss, synthetic

rows = []
if data := synthetic.available("grss"):
    tiles = grss.find_tiles(data.path, ("RGB", "CLS"), drop_incomplete=True)
    windows = grss.Windows(tiles[:8], ("RGB", "CLS"), size=128)
    arrays = windows.buffers(len(windows))
    windows.read_into(range(len(windows)), arrays)
    places = np.array([windows.locate(i)[0].place for i in range(len(windows))])
    colours, classes = arrays["RGB"].mean(axis=(1, 2)), predominant_class(arrays["CLS"])
    found = probe_new_places(colours, classes, places, sorted(set(places))[-2:])
    rows.append(dict(zip(("mean colour", "majority"), found)))
Table(rows or [{"tiles": "none here; lecture 10 says how to get them"}])

# %% [markdown]
# Done? Restart the kernel, run all cells, save, and hand in this file under the name that it has.
