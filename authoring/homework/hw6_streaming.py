# %% [markdown]
# # Homework 6 · From disk to the network
#
# *How do you train on more images than fit into memory, and be sure that the order is random and nothing leaks?*
#
# **You will** read land-cover patches as they lie on disk, split them so that no tile is on two sides, cut windows at
# random places, stream batches through `tf.data`, and count classes on the way
# ([lecture 12](../../lectures/12_segmentation.ipynb)).
#
# | points | run all, 2 cores | hand in |
# |---|---|---|
# | 40 | under a minute | this notebook |
#
# A patch is an `.npz` file with one array, `arr_0`: float32, (1, 29, rows, columns). Its channels: 0-7 aerial images of
# two years, 0 to 255; **8 the label**, 1 to 6, or 15 where nobody knows; 9 codes of another map; 10-27 Landsat, summer
# and winter, 0 to about 4,000; 28 a mask of buildings, made from the label. The file name says the tile:
# `pa_1m_2013-m_3907506_sw_18_1-499.npz` is patch 499 of tile `m_3907506_sw_18_1`, and patches of one tile overlap.
#
# Write where it says `YOUR CODE HERE`, and delete the line that raises. Below each question, one test says what is
# expected; another one, which you cannot read, tries other sizes, seeds and files. The cells that start with *See it*
# give no points. Before you hand in: *Kernel*, *Restart kernel and run all cells*, or
# `./course homework check hw6_streaming`.

# %% locked="setup"
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

from helpers import figures
from helpers.data import chesapeake, synthetic
from helpers.grading import checks, samples
from helpers.tables import Table
from helpers.training import seed_everything

import numpy as np
import tensorflow as tf

seed_everything(0)

# %% [markdown]
# ## 1 · Read a patch
#
# A network may see 26 of the 29 channels: not the label, not the codes made from other labels, and not the mask.


# %% solution="read"
def read_patch(path):
    """Read one patch.

    Args:
        path: of an `.npz` file, a text.

    Returns:
        image: float32, (rows, columns, 26): channels 0-7 divided by 255, then channels 10-27 divided by 4000.
        labels: int32, (rows, columns): 1 to 6; 0 where the file says 15, no data.
    """
    ### BEGIN SOLUTION
    with np.load(path) as archive:
        patch = archive["arr_0"][0]
    image = np.concatenate([patch[:8] / 255, patch[10:28] / 4000])
    labels = np.where(patch[8] == 15, 0, patch[8])
    return image.transpose(1, 2, 0).astype("float32"), labels.astype("int32")
    ### END SOLUTION


# %% test="read_shapes" points=2
read = "lecture 12, 29 channels of one place"
with tempfile.TemporaryDirectory() as folder:
    path = samples.patches(folder, tiles=1, per_tile=1, seed=1, size=24)[0]
    image, labels = read_patch(path)
checks.shape("the image of a patch of 24 x 24", image, (24, 24, 26), read=read)
checks.shape("its labels", labels, (24, 24), read=read)
checks.same("their dtypes", [str(image.dtype), str(labels.dtype)], ["float32", "int32"], read=read)

# %% hidden="read_values" points=4
# Which channel is where, how it is scaled, in a patch that is wider than high; Landsat values have halves, as real ones
# do, and some are above 4,000.
read = "lecture 12, 29 channels of one place"
patch = np.random.default_rng(checks.seed(11)).integers(1, 250, size=(29, 6, 9)).astype("float32")
patch[8], patch[10:28] = 2, 20.5 * patch[10:28]
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "pa_1m_2013-m_3900000_sw_18_1-1.npz")
    np.savez_compressed(path, arr_0=patch[np.newaxis])
    image, _ = read_patch(path)
checks.shape("the image of a patch of 6 x 9", image, (6, 9, 26), read=read)
for channel in range(26):
    wanted = patch[channel] / 255 if channel < 8 else patch[channel + 2] / 4000
    checks.close(f"channel {channel} of the image", image[..., channel], wanted, read=read)

# %% hidden="read_labels" points=2
# The labels, those without data included.
read = "lecture 12, Pixels that nobody knows"
with tempfile.TemporaryDirectory() as folder:
    path = samples.patches(folder, tiles=1, per_tile=1, seed=checks.seed(12))[0]
    with np.load(path) as archive:
        codes = archive["arr_0"][0, 8]
    _, labels = read_patch(path)
checks.close("labels", labels, codes * (codes < 15), read=read)

# %% [markdown]
# ## 2 · Split without leaks
#
# Patches of one tile overlap. Whoever splits patches at random tests on pixels that were trained on.


# %% solution="split"
def split_by_tile(paths, folds, fold):
    """Split patches so that no tile is on two sides.

    The tiles, sorted, are dealt out to `folds` piles one after the other: tile i goes to pile i % folds.

    Args:
        paths: of patches, texts, in any order, of any folders.
        folds: number of piles, at least 3.
        fold: which pile tests, from 0; the next one, after the last the first, validates; the others train.

    Returns:
        train, validation, test: lists of paths, each sorted.
    """
    ### BEGIN SOLUTION
    tile_of = {path: os.path.basename(path).split("-")[1] for path in paths}
    pile = {tile: i % folds for i, tile in enumerate(sorted(set(tile_of.values())))}
    sides = {"train": [], "validation": [], "test": []}
    for path in sorted(paths):
        mine = pile[tile_of[path]]
        side = "test" if mine == fold else "validation" if mine == (fold + 1) % folds else "train"
        sides[side].append(path)
    return sides["train"], sides["validation"], sides["test"]
    ### END SOLUTION


# %% test="split_by_hand" points=3
read = "lecture 12, Folds of whole tiles"
paths = [f"data/pa_1m_2013-m_0000{tile}_sw_18_1-{part}.npz" for tile in range(5) for part in (1, 2)]
train, validation, test = split_by_tile(paths, 5, 1)
checks.same("patches that test", test, paths[2:4], read=read)
checks.same("patches that validate", validation, paths[4:6], read=read)
checks.same("patches that train", train, paths[:2] + paths[6:], read=read)

# %% hidden="split_leaks" points=4
# Several folders, which share tiles, another order, the last fold, and that no tile is on two sides.
read = "lecture 12, Folds of whole tiles: patches of one tile overlap"
tiles = [f"m_39{tile // 2:02d}_{('ne', 'se')[tile % 2]}_17_1" for tile in range(11)]
parts = [(i, tile, part) for i, tile in enumerate(tiles) for part in range(3 + i)]
paths = [f"{'ab'[i % 2 or part % 2]}/train-patches/pa_1m_2013-{tile}-{part}.npz" for i, tile, part in parts]
for fold in (0, 3):
    sides = split_by_tile(paths[::-1], 4, fold)
    checks.same("all patches, once", sorted(sum(sides, [])), sorted(paths), read=read)
    checks.same("each side, sorted", list(map(sorted, sides)), list(sides), read=read)
    found = [{path.split("-")[-2] for path in side} for side in sides]
    shared = (found[0] & found[1]) | (found[0] & found[2]) | (found[1] & found[2])
    checks.same("tiles on two sides", sorted(shared), [], read=read)
    wanted = [{tile for i, tile in enumerate(tiles) if i % 4 == (fold + k) % 4} for k in (1, 0)]
    checks.same(f"tiles that validate and test in fold {fold}", found[1:], wanted, read=read)

# %% [markdown]
# ## 3 · A window at a random place
#
# Image and labels must be cut at the same place. Every place at which the window fits is equally likely, the last one
# included.


# %% solution="window"
def random_window(image, labels, size, random):
    """Cut the same random window out of image and labels.

    Args:
        image: (rows, columns, channels).
        labels: (rows, columns).
        size: rows and columns of the window, at most those of the image.
        random: a `np.random.Generator`; draw the row first, then the column.

    Returns:
        image, labels: (size, size, channels) and (size, size).
    """
    ### BEGIN SOLUTION
    row = random.integers(image.shape[0] - size + 1)
    column = random.integers(image.shape[1] - size + 1)
    place = slice(row, row + size), slice(column, column + size)
    return image[place], labels[place]
    ### END SOLUTION


# %% test="window_fits" points=2
read = "lecture 11, Train: patches are cut at random"
labels = np.arange(48).reshape(6, 8)
image = labels[..., np.newaxis] * np.ones(3)
cut, cut_labels = random_window(image, labels, 4, np.random.default_rng(0))
checks.shape("the image of a window of 4", cut, (4, 4, 3), read=read)
checks.close("labels and image of a window", cut[..., 0], cut_labels, read=read)

# %% hidden="window_places" points=3
# That every place is as likely as another, in images that are wider than high, and that image and labels agree.
read = "lecture 11, Train: patches are cut at random; a window of 3 has 4 places in 6 rows"
labels = np.arange(54).reshape(6, 9)
image = labels[..., np.newaxis] * np.ones(2)
random = np.random.default_rng(checks.seed(31))
drawn = [random_window(image, labels, 3, random) for _ in range(2000)]
sizes = {np.shape(part) for pair in drawn for part in pair}
checks.same("shapes of windows of 3", sizes, {(3, 3, 2), (3, 3)}, read=read)
cut, found = map(np.array, zip(*drawn))
first = found[:, 0, 0].astype(int)
wanted = first[:, np.newaxis, np.newaxis] + labels[:3, :3]
checks.close("the labels of windows, as far as their first one tells them", found, wanted, read=read)
checks.close("the images of windows", cut[..., 1], found, read=read)
checks.same("places of 2000 windows of 3 in 6 x 9", len(set(first.tolist())), 28, read=read)
for what, start, count in (("row", first // 9, 4), ("column", first % 9, 7)):
    often = np.bincount(start) * count / 2000
    checks.within(f"how often each {what} is the first, in multiples of the average", often, 0.72, 1.3, read=read)
for seed in range(5):
    one, other = (random_window(image, labels, 3, np.random.default_rng(seed))[1] for _ in range(2))
    checks.close("two windows, drawn by two generators of one seed", one, other, read=read)
whole, _ = random_window(image[:, :6], labels[:, :6], 6, random)
checks.shape("a window as large as the image", whole, (6, 6, 2), read=read)

# %% [markdown]
# ## 4 · A stream of batches
#
# Shuffle *paths*, which cost nothing, and not patches: a buffer of 1,000 patches is 7 GB. Every pass has another order
# and other windows; the same seed gives the same first pass. Read ahead, but not far: at most a few batches.
#
# `tf.data.Dataset.from_generator` makes a stream of any function that yields. Every pass calls the function anew and
# takes one item after the other; `output_signature` says the shape and dtype of *one* item. `.batch` puts items
# together, `.prefetch` makes some batches ahead while the network computes. Here, pairs of a number and its square, in
# batches of 3, 3 and 1:

# %%
one_pair = (tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.int32))
pairs = tf.data.Dataset.from_generator(lambda: ((n, n * n) for n in range(7)), output_signature=one_pair)
for numbers, squares in pairs.batch(3).prefetch(1).as_numpy_iterator():
    print(numbers, squares)


# %% solution="stream"
def make_dataset(paths, size, batch_size, shuffle, seed):
    """Stream windows of patches.

    Args:
        paths: of patches.
        size: rows and columns of a window; one random window of each patch in a pass.
        batch_size: windows in a batch; the last one is smaller if need be.
        shuffle: whether every pass has another order; otherwise that of `paths`.
        seed: of the order and of the windows.

    Returns:
        A `tf.data.Dataset` of (images, labels): float32, (batch, size, size, 26), and int32, (batch, size, size).
        While it is read, no more than 4 batches of patches are in memory.
    """
    ### BEGIN SOLUTION
    random = np.random.default_rng(seed)

    def windows():
        order = random.permutation(len(paths)) if shuffle else range(len(paths))
        for i in order:
            yield random_window(*read_patch(paths[i]), size, random)

    signature = (tf.TensorSpec((size, size, 26), tf.float32), tf.TensorSpec((size, size), tf.int32))
    return tf.data.Dataset.from_generator(windows, output_signature=signature).batch(batch_size).prefetch(1)
    ### END SOLUTION


# %% test="stream_shapes" points=3
read = "lecture 10, Stream and train"
with tempfile.TemporaryDirectory() as folder:
    paths = samples.patches(folder, tiles=2, per_tile=5, seed=1)
    dataset = make_dataset(paths, 16, 4, shuffle=False, seed=0)
    got = type(dataset).__name__
    checks.holds("a stream", isinstance(dataset, tf.data.Dataset), expected="a tf.data.Dataset", got=got, read=read)
    parts = len(dataset.element_spec) if type(dataset.element_spec) is tuple else 1
    checks.same("parts of a batch: images and labels", parts, 2, read=read)
    batches = list(dataset.take(4))  # one more than a pass has
checks.same("windows in each batch of 10 patches", [len(images) for images, _ in batches], [4, 4, 2], read=read)
checks.shape("the images of a batch", batches[0][0], (4, 16, 16, 26), read=read)
checks.shape("its labels", batches[0][1], (4, 16, 16), read=read)
numbers = np.concatenate([images[:, 0, 0, 0] for images, _ in batches]) * 255
checks.close("the order without shuffling", numbers, np.arange(10), atol=1e-3, read=read)

# %% hidden="stream_specification" points=2
# That Keras can know shapes and dtypes before anything is read.
read = "homework 6, question 4: output_signature says shapes and dtypes"
with tempfile.TemporaryDirectory() as folder:
    paths = samples.patches(folder, tiles=1, per_tile=2, seed=2)
    images, labels = make_dataset(paths, 8, 2, shuffle=True, seed=0).element_spec
checks.same("axes of images, but for the batch", images.shape.as_list()[1:], [8, 8, 26], read=read)
checks.same("axes of labels, but for the batch", labels.shape.as_list()[1:], [8, 8], read=read)
checks.same("dtypes", [images.dtype.name, labels.dtype.name], ["float32", "int32"], read=read)

# %% hidden="stream_order" points=2
# That every patch comes once in a pass, well mixed, in another order each time; what a seed does; and that the stream
# without shuffling keeps the order of its paths.
read = "lecture 10, Stream and train: every pass has another order and other windows"


def one_pass(stream):
    images = [images for images, _ in stream.take(6).as_numpy_iterator()]  # one batch more than a pass has
    checks.same("windows in each batch of a pass", list(map(len, images)), [8] * 5, read=read)
    return np.rint(np.concatenate(images)[:, 0, 0, 0] * 255)


with tempfile.TemporaryDirectory() as folder:
    seed = checks.seed(43)
    paths = samples.patches(folder, tiles=5, per_tile=9, seed=seed, size=8)[:40]  # the rest is not ours
    dataset, again, other = (make_dataset(paths, 8, 8, shuffle=True, seed=s) for s in (seed, seed, seed + 1))
    orders = [one_pass(stream) for stream in (dataset, dataset, other, again)]
    plain = one_pass(make_dataset(paths[::-1], 8, 8, shuffle=False, seed=seed))
for order in orders:
    checks.close("patches of a pass, sorted", np.sort(order), np.arange(40), read=read)
checks.differ("the order of two passes", orders[0], orders[1], read=read)
checks.differ("the order of streams of two seeds", orders[0], orders[2], read=read)
checks.close("the order of another stream of the same seed", orders[3], orders[0], read=read)
kept = np.mean([np.corrcoef(order, np.arange(40))[0, 1] for order in orders[:3]])
checks.within("correlation of places in the list and in a pass", kept, -0.42, 0.42, read=read)  # 0.09 is usual
pairs = np.mean([np.sum(np.abs(np.diff(order)) == 1) for order in orders[:3]])
checks.within("neighbours among 40 paths that are still neighbours in a pass", pairs, 0, 8, read=read)
checks.close("the order without shuffling", plain, np.arange(40)[::-1], read=read)

# %% hidden="stream_windows" points=2
# That image and labels are of the same place of the same patch, and that each pass and each seed has other places.
read = "homework 6, question 4: every pass has other windows"


def one_pass(stream):
    """Return the patch, the row and the column of each window, sorted."""
    found = []
    for images, labels in stream.take(3).as_numpy_iterator():  # one batch more than a pass has
        for image, window in zip(images, labels):
            fits = np.argwhere((every_window == window).all(axis=(3, 4))).tolist()
            checks.holds("labels of a window", len(fits) == 1, expected="cut out of a patch", got="others", read=read)
            patch, row, column = fits[0]
            wanted = wholes[patch][row : row + 8, column : column + 8]
            checks.close("the image of a window, cut where its labels were", image, wanted, read=read)
            found += fits
    return np.array(sorted(found))


with tempfile.TemporaryDirectory() as folder:
    seed = checks.seed(44)
    paths = samples.patches(folder, tiles=2, per_tile=8, seed=seed, size=12)
    wholes, labels = zip(*map(read_patch, paths))
    every_window = np.lib.stride_tricks.sliding_window_view(labels, (8, 8), axis=(1, 2))
    dataset, again = (make_dataset(paths, 8, 8, shuffle=True, seed=seed) for _ in range(2))
    plain, other = (make_dataset(paths, 8, 8, shuffle=False, seed=s) for s in (seed, seed + 1))
    passes = [one_pass(stream) for stream in (dataset, dataset, again, plain, plain, other)]
for one in passes:
    checks.close("patches of a pass, sorted", one[:, 0], np.arange(16), read=read)
    places = len(np.unique(one[:, 1:], axis=0))
    checks.holds("places of 16 windows", places > 5, expected="one for each patch", got=f"{places} places", read=read)
checks.differ("the windows of two passes", passes[0], passes[1], read=read)
checks.close("the windows of another stream of the same seed", passes[2], passes[0], read=read)
checks.differ("the windows of two passes without shuffling", passes[3], passes[4], read=read)
checks.differ("the windows of streams of two seeds, without shuffling", passes[3], passes[5], read=read)
for axis, what in ((1, "rows"), (2, "columns")):
    first = np.unique(np.concatenate(passes)[:, axis]).tolist()
    checks.same(f"{what} at which windows of 8 in 12 x 12 begin", first, [0, 1, 2, 3, 4], read=read)

# %% hidden="stream_memory" points=3
# How far ahead it reads, and that each pass reads anew: files are exchanged on the way, which tells when each was read.
read = "homework 6, question 4: shuffle paths, not patches"


def numbers_of(batches):
    return np.rint(np.concatenate([images[:, 0, 0, 0] for images, _ in batches]) * 255)


with tempfile.TemporaryDirectory() as folder:
    files = samples.patches(folder, tiles=32, per_tile=8, seed=4, size=8)
    paths, others = files[:128], files[128:]
    plain, shuffled = (make_dataset(paths, 4, 8, shuffle=shuffle, seed=0).take(17) for shuffle in (False, True))
    checks.same("patches of a pass", len(numbers_of(plain.as_numpy_iterator())), 128, read=read)
    stream = shuffled.as_numpy_iterator()
    batches = [next(stream)]
    time.sleep(1)  # what is read ahead: with AUTOTUNE some batches, on a busy machine many; all is too much
    for path, other in zip(paths, others):
        os.replace(other, path)
    read_ahead = int(np.sum(numbers_of([*batches, *stream]) < 128))
    kept = int(np.sum(numbers_of(plain.as_numpy_iterator()) < 128))
checks.within("files of 128 that were read for the first batch of 8", read_ahead, 8, 112, read=read)
checks.within("patches of 128 that were kept from one pass to the next", kept, 0, 16, read=read)

# %% [markdown]
# ## 5 · Count on the way
#
# Class shares decide on weights and on what an accuracy is worth. Count them in one pass, batch by batch.


# %% solution="shares"
def class_shares(dataset):
    """Measure how frequent each class is, without holding more than a batch.

    Args:
        dataset: of (images, labels); labels int32, (batch, rows, columns), 0 for no data, 1 to 6.

    Returns:
        float array of NumPy, (6,): the share of the classes 1 to 6 among the pixels with data; their sum is 1.
    """
    ### BEGIN SOLUTION
    counts = np.zeros(7)
    for _, labels in dataset:
        counts += np.bincount(labels.numpy().ravel(), minlength=7)
    return counts[1:] / counts[1:].sum()
    ### END SOLUTION


# %% test="shares_by_hand" points=3
read = "lecture 12, Six classes, and most of it trees"
labels = np.array([[[1, 1], [2, 0]], [[1, 6], [2, 0]]], "int32")
dataset = tf.data.Dataset.from_tensor_slices((np.zeros((2, 2, 2, 1), "float32"), labels)).batch(1)
checks.close("class shares", class_shares(dataset), [3 / 6, 2 / 6, 0, 0, 0, 1 / 6], read=read)

# %% hidden="shares_of_batches" points=5
# Batches of different sizes with different classes, and a stream that is read once and does not fit into memory.
read = "lecture 12, Six classes, and most of it trees: sum counts, not shares of batches"
drawn = np.random.default_rng(checks.seed(51)).integers(0, 7, size=(9, 4, 4)).astype("int32")
drawn[8] = 5
dataset = tf.data.Dataset.from_tensor_slices((np.zeros((9, 1, 1, 1), "float32"), drawn)).batch(4)
counts = np.bincount(drawn.ravel(), minlength=7)[1:]
checks.close("class shares of batches of 4, 4 and 1", class_shares(dataset), counts / counts.sum(), read=read)
passes = []
counted = dataset.map(lambda i, l: (i, tf.py_function(lambda x: passes.append(1) or x, [l], tf.int32)))
class_shares(counted)
checks.same("batches read for 3 batches", len(passes), 3, read=read)
memory = []


def large_batches():
    for _ in range(40):
        memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20)
        yield np.zeros((1, 1, 1, 1), "float32"), np.full((1, 512, 512), 3, "int32")  # 1 MiB


signature = (tf.TensorSpec((1, 1, 1, 1), tf.float32), tf.TensorSpec((1, 512, 512), tf.int32))
shares = class_shares(tf.data.Dataset.from_generator(large_batches, output_signature=signature))
checks.close("class shares where all is low vegetation", shares, [0, 0, 1, 0, 0, 0], read=read)
checks.within("MiB that are held after 40 batches of 1", memory[-1] - memory[4], -2000, 20, read=read)

# %% [markdown]
# *See it.* Your stream and your counts on the best patches that are on this machine: real ones if there are any,
# otherwise made-up ones, whose numbers are not those of any place.

# %%
data = synthetic.available("chesapeake", pattern="*.npz")  # not packed: yours reads the originals
if not data:
    made = Path(tempfile.mkdtemp(prefix="hw6-"))
    synthetic.make_patches(made, 12, per_tile=4, progress=False)
    data = synthetic.in_folder("chesapeake", made)
paths = chesapeake.some_patches(chesapeake.find_patches(data.path), tiles=4, per_tile=5)
train, validation, test = split_by_tile(paths, 3, 0)
print(f"{len(train)} patches train, {len(validation)} validate, {len(test)} test.")
train = train or paths  # all patches here may be of one tile, which cannot be split

# %%
dataset = make_dataset(train, 128, 4, shuffle=True, seed=0)
start = time.perf_counter()
shares = class_shares(dataset)
seconds = time.perf_counter() - start
Table([{"class": name, "share": f"{share:.1%}"} for name, share in zip(chesapeake.CLASS_NAMES[1:], shares)])

# %%
images, labels = next(iter(dataset))
print(f"{len(train) / seconds:.0f} patches a second")
figures.image_grid(images.numpy()[..., :3], columns=4)

# %% [markdown]
# Done? Restart the kernel, run all cells, save, and hand in this file under the name that it has.
