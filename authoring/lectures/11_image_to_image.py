# %% [markdown]
# # 11 · Image to image
#
# *What else can a network that turns an image into an image be asked to draw?*
#
# **You will**
# - tell four forms of segmentation apart on one patch: classification, semantic, detection, instance
# - ask one network shape for three targets: the same image without noise, another season, a class for each pixel
# - judge each by a score of its own, beside an answer that costs nothing
#
# **What to know before.** Lectures [04](04_convolutional.ipynb) (encoder, decoder, upsampling) and
# [05](05_denoising.ipynb) (noise, decibels).
#
# | setting | data | training | CPU (2 cores) | GPU |
# |---|---|---|---|---|
# | this notebook | 80 patches of land, 64 x 64 m of each | 10 epochs a target | a minute | |
# | full: `SIZE, EPOCHS = 256, 20`, real data | 1,000 patches or more | 20 epochs a target | hours | minutes, not run |

# %% tags=["imports"]
from helpers import figures
from helpers.training import Progress, seed_everything
from helpers.data import chesapeake
from helpers.data.streaming import KerasBatches, Loader
from helpers.data.synthetic import ensure
from helpers.diagrams import draw_model
from helpers.models.unet import build_unet
from helpers.segmentation import MaskedCrossentropy, confusion_matrix, plots, scores
from helpers.tables import Table

import keras
import numpy as np
from keras import ops
from matplotlib.patches import Patch, Rectangle
from scipy import ndimage

seed_everything(0)
folder = ensure("chesapeake")

# %% [markdown]
# ## Four forms of segmentation
#
# A patch of land, photographed from the air, and a class for each square metre. (Lecture
# [12](12_segmentation.ipynb) tells where both come from.) What can one ask about its roofs and car parks?
#
# The line above says which patches these are. Without real ones they are a **stand-in**, land that nobody ever saw;
# every number in the text was measured on it, and real land gives others.

# %% tags=["data"]
patches = chesapeake.find_patches(folder.path)
files = chesapeake.some_patches(patches, tiles=10, per_tile=10)
names, IMPERVIOUS = chesapeake.CLASS_NAMES, 5


# %% tags=["data"]
def read(some, **options):
    """Read some patches at once: the parts of a batch."""
    return next(iter(Loader(chesapeake.Patches(some, **options), batch_size=len(some))))


# %%
photos, labels = read(files, bands=["naip_new"], image_size=128)
photos.shape, labels.shape

# %%
shown = int(np.argmax([ndimage.label(each == IMPERVIOUS)[1] for each in labels]))  # where most pieces are
photo, classes = photos[shown, ..., :3], labels[shown]
pieces, count = ndimage.label(classes == IMPERVIOUS)  # (128, 128): 1, 2, … for each connected piece
boxes = [box for box in ndimage.find_objects(pieces) if (box[0].stop - box[0].start) * (box[1].stop - box[1].start) > 9]
present = {names[number]: chesapeake.PALETTE[number] for number in np.unique(classes[classes > 0])}
print(f"classification: {', '.join(present)}\n{names[IMPERVIOUS]}, in pieces: {count}")

# %%
colours = np.random.default_rng(0).uniform(0.2, 0.9, (count + 1, 3))  # any colour will do
colours[0] = 1
answers = {"semantic": plots.coloured(classes, chesapeake.PALETTE), "detection": photo, "instance": colours[pieces]}
figure = figures.image_grid(np.stack([photo, *answers.values()]), columns=4, titles=["classification", *answers])
figure.set_size_inches(11, 3.5)
for rows, columns in boxes:
    corner, size = (columns.start, rows.start), (columns.stop - columns.start, rows.stop - rows.start)
    figure.axes[2].add_patch(Rectangle(corner, *size, fill=False, edgecolor="yellow"))
key = [Patch(facecolor=colour, edgecolor="0.4", label=name) for name, colour in present.items()]
figure.legend(handles=key, title="semantic", loc="outside lower center", ncols=len(key))
figure.describe(
    "One patch four times: as a picture; with each pixel in the colour of its class; as a picture with yellow "
    "boxes around roofs and roads; and with each connected piece of them in a colour of its own."
)

# %% [markdown]
# **What you should see.**
#
# | form | question | answer |
# |---|---|---|
# | classification | what is in the picture? | one or more classes |
# | semantic | what is each pixel? | an image of classes |
# | detection | where are things? | a list of boxes and classes |
# | instance | which pixels are which thing? | an image of numbers, one for each thing |
#
# The right answers, which predictions are compared with, are called [[ground truth]]; here programs made them, and
# people mended what they saw to be wrong.
#
# Two of these pictures promise more than they hold. The instances are [[connected components]], pixels of one class
# that touch each other. Two houses wall to wall are one piece, and a tree that hangs over a road makes two of it. And
# the boxes are not detection: they were drawn around pieces of a class that was known. A detector finds a box, names
# its class among several, and says how sure it is; it is scored by how far boxes overlap, class by class. A box without
# a class only says that something is there.
#
# Two of the four answers are images. An image is what a decoder draws, so an autoencoder needs only another target.

# %% [markdown]
# ## One shape, three targets
#
# The network is an encoder and a decoder; skips, of which lecture 12 has more to say, hand fine detail across
# ([Ronneberger et al., 2015](https://arxiv.org/abs/1505.04597)). Only its first and last layer know the task: how many
# bands come in, and how many go out.

# %% tags=["tasks"]
SIZE, EPOCHS, FILTERS = 64, 10, (8, 16, 32)
LANDSAT = ["naip_new", "landsat_leaf_on"]
tasks = {
    "remove noise": {"bands": ["naip_new"], "target": "clean", "noise": 0.15},
    "leaves off": {"bands": LANDSAT, "target": "season"},
    "label pixels": {"bands": ["naip_new"], "target": "labels"},
}

# %% [markdown]
# **Predict.** The three networks differ in two layers. By how many of some 33,000 parameters?


# %% tags=["three-networks"]
def build(task):
    image, target = read(files[:1], **tasks[task])
    kind = {"outputs": "values"} if target.ndim == 4 else {}
    count = target.shape[-1] if target.ndim == 4 else chesapeake.CLASSES
    return build_unet(count, input_shape=(None, None, image.shape[-1]), filters=FILTERS, **kind)


models = {task: build(task) for task in tasks}
starts = {task: model.get_weights() for task, model in models.items()}  # to begin anew wherever they are trained again
rows = [
    {"task": task, "in": model.input_shape[-1], "out": model.output_shape[-1], "parameters": model.count_params()}
    for task, model in models.items()
]
Table(rows)

# %%
draw_model(models["label pixels"])

# %% [markdown]
# The season needs a word. For each pixel the satellite Landsat saw nine bands in summer and nine in winter, in cells of
# 30 m. The input is the summer, with a photograph beside it; the target is the winter.
#
# **Fails on purpose.** Would all 26 bands not help?

# %% tags=["season-refused"]
try:
    chesapeake.Patches(files, bands=chesapeake.COURSE_BANDS, target="season")
except ValueError as error:
    print(error)

# %% [markdown]
# The answer was among the inputs. A network would find it in an instant, and its score would look like a triumph. That
# is a *leak*; lecture 12 meets one that no program notices.
#
# ## Train
#
# Some tiles of land are held out with all their patches; of fewer than five tiles, single patches, which flatters. The
# others are streamed: cut and turned at random, with other noise in every epoch.

# %% tags=["held-out-tiles"]
tiles = [chesapeake.tile_of(file.rpartition("/")[2]) for file in files]
groups = tiles if len(set(tiles)) >= 5 else files  # too few tiles: hold out patches
held_out = set(sorted(set(groups))[::5])
train_files = [file for file, group in zip(files, groups, strict=True) if group not in held_out]
test_files = [file for file, group in zip(files, groups, strict=True) if group in held_out]
print(f"{len(train_files)} patches train, {len(test_files)} test; held out by {'tile' if groups is tiles else 'patch'}")


# %% tags=["training"]
def train(task):
    source = chesapeake.Patches(train_files, image_size=SIZE, augment=True, **tasks[task])
    loader = Loader(source, batch_size=4, shuffle=True)
    epochs = EPOCHS * max(1, 80 // len(train_files))  # few patches are looked at more often
    rate = keras.optimizers.schedules.CosineDecay(0.004, epochs * len(loader))
    loss = MaskedCrossentropy() if task == "label pixels" else "mean_squared_error"
    models[task].set_weights(starts[task])
    models[task].compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    batches = KerasBatches(loader)
    return models[task].fit(batches, epochs=epochs, shuffle=False, callbacks=[Progress(task)], verbose=0).history


# %%
histories = {task: train(task) for task in tasks}

# %%
test = {task: read(test_files, image_size=128, **options) for task, options in tasks.items()}
drawn = {task: ops.convert_to_numpy(models[task](test[task][0])) for task in tasks}

# %% [markdown]
# **Predict.** Which of the three tasks can *not* be done, at least not well, however long you train?

# %%
some = np.linspace(0, len(test_files) - 1, min(6, len(test_files))).astype(int)
noisy, clean = test["remove noise"]
pictures = {"noisy": noisy, "cleaned": drawn["remove noise"], "clean": clean}
figures.image_rows({name: images[some, ..., :3].clip(0, 1) for name, images in pictures.items()}).describe(
    "Patches with noise, as the network cleaned them, and as they were. The cleaned ones are close to the "
    "originals, and softer."
)

# %%
NEAR_INFRARED = 4  # among Landsat's bands; leaves shine in it
summer, winter = test["leaves off"]
summer = summer[..., 4:]  # without the photograph: (n, 128, 128, 9)
seasons = {"leaves on": summer, "drawn": drawn["leaves off"], "leaves off": winter}
low, high = np.percentile(np.stack([summer, winter])[..., NEAR_INFRARED], (1, 99))
bands = {name: images[some][..., [NEAR_INFRARED] * 3] for name, images in seasons.items()}  # grey: more is lighter
figures.image_rows({name: ((images - low) / (high - low)).clip(0, 1) for name, images in bands.items()}).describe(
    "Patches in near infrared: in summer, in coarse light and dark cells; as drawn, with hardly any cells; in "
    "winter, in cells of other shades."
)

# %%
truth, found = test["label pixels"][1], drawn["label pixels"].argmax(axis=-1)
rows = {"picture": clean[some, ..., :3], "truth": truth[some], "labelled": found[some]}
plots.class_rows(rows, chesapeake.PALETTE, names).describe(
    "Patches, their true classes and the predicted ones. Woods and fields agree; small and thin things are "
    "missing or ragged."
)

# %% [markdown]
# ## Three scores, each beside an answer that costs nothing
#
# Decibels for noise, as in lecture 05; the mean absolute error of the reflectance for seasons; the share of pixels for
# labels. None of them says anything alone: leave the noise in, answer the summer for the winter, call everything by the
# commonest class.


# %% tags=["decibels-by-hand"]
def decibels(images):
    return float(-10 * np.log10(np.mean((images - clean) ** 2)))


# %% tags=["error-by-hand"]
def off(images):
    return float(np.abs(images - winter).mean())


# %%
def accuracy(classes):
    return scores(confusion_matrix(truth, classes)).accuracy


# %%
commonest = np.full_like(truth, np.bincount(truth[truth > 0]).argmax())
psnr_noisy, psnr_cleaned = decibels(noisy), decibels(drawn["remove noise"])
off_summer, off_drawn = off(summer), off(drawn["leaves off"])
right_commonest, right_labelled = accuracy(commonest), accuracy(found)
Table(
    [
        {"task": "remove noise, dB", "for nothing": psnr_noisy, "network": psnr_cleaned},
        {"task": "leaves off, error", "for nothing": off_summer, "network": off_drawn},
        {"task": "label pixels, accuracy", "for nothing": right_commonest, "network": right_labelled},
    ]
)

# %% [markdown]
# **What you should see.** All three beat what costs nothing, with the same layers and the same training:
# <<psnr_noisy:.1f>> dB become <<psnr_cleaned:.1f>> (five seeds: <<psnr_cleaned seeds:.1f>>), an error of
# <<off_summer:.3f>> becomes <<off_drawn:.3f>>, and <<right_labelled:.0%>> of the pixels have their class, not
# <<right_commonest:.0%>>. The clean image is there under the noise, and labels are there to be read in shapes and
# colours. The winter is *not* in the summer: whether a field was ploughed, nobody can see in July. A network that is
# asked for what cannot be known draws the mean of what is possible: in the row *drawn* most cells are gone, on the
# stand-in in a nearly flat grey.
#
# Is <<right_labelled:.0%>> good? In the homework of the University of Oklahoma that this one follows, students' U-Nets
# had 91.8 to 93.3 % on real land. They train for hours, on thousands of patches with 26 bands, two seasons among them;
# this network had 80 patches, four bands and a minute. Here summer alone must tell a field from a wood, and the
# commonest class is <<right_commonest:.0%>> of all pixels. Lecture 12 takes the way from here to there apart.

# %% [markdown]
# ### Where is the season wrong?
#
# **Predict.** Where will the error that is left be largest: in woods, in fields, on roofs?

# %%
change, left = (np.abs(winter - each).mean(axis=-1) for each in (summer, drawn["leaves off"]))  # (n, 128, 128)
most = np.percentile(change, 99)
maps = {"changed": change[some] / most, "left wrong": left[some] / most}
figures.image_rows({name: images[..., np.newaxis].clip(0, 1) for name, images in maps.items()}).describe(
    "Two rows of maps in grey, darker where more is off. Above, how far winter is from summer; below, how far the "
    "drawn winter is from the true one: lighter on the whole, with the cells of the satellite still in it."
)

# %%
here = {number: truth == number for number in np.unique(truth[truth > 0])}
Table(
    [
        {
            "class": names[number],
            "pixels": f"{mask.mean():.0%}",
            "changed": float(change[mask].mean()),
            "left": float(left[mask].mean()),
        }
        for number, mask in here.items()
    ]
)

# %% [markdown]
# **What you should see.** Darker is more off. The table says where the mean winter gains: compare *changed* with
# *left*. What is left follows the cells of the satellite: what each did by itself, nobody could know. And a rare class
# can even come out worse than for nothing (look at water): a mean over all pixels hardly minds two in a hundred.

# %% [markdown]
# ## Exercises
#
# ### Recall
# 1. Which forms of segmentation have an image as their answer?
# 2. Two red roofs touch. Which form can, in principle, tell them apart?
# 3. Why does the loss differ between labels and seasons?
# 4. A *perceptual* loss compares what a trained network sees in two images instead of their pixels
#    ([Johnson et al., 2016](https://arxiv.org/abs/1603.08155)). What would it change in the drawn winter, and what not?
# 5. Why must a score stand beside an answer that costs nothing?
#
# ### Change one line
# 1. Set the noise to 0.3. What does the network draw where it can no longer know?
# 2. Give the season only the satellite: `LANDSAT = ["landsat_leaf_on"]` (and `summer[..., 0:]` below). What was the
#    photograph worth?
#
# ### Open end
# 1. Can one network do two of the tasks? Give it two last layers and two losses, and see whether each task gains from
#    the other.
#
# ## Recap
#
# - You told classification, semantic, detection and instance segmentation apart on one patch.
# - You asked one network shape for three targets, and changed nothing but its first and last layer.
# - You judged each target by a score of its own, beside an answer that cost nothing.
#
# Next: [12 · Land cover, pixel by pixel](12_segmentation.ipynb).
