# %% [markdown]
# # Homework 2 · Convolutional autoencoders and noise
#
# *How much noise can a network take out of a picture, and how do you measure that without fooling yourself?*
#
# **You will** plan the shapes of a convolutional autoencoder, build it with both kinds of upsampling
# ([lecture 04](../../lectures/04_convolutional.ipynb)), make noise and augmentation, train on noisy images, and say by
# how many decibels the result is better ([lecture 05](../../lectures/05_denoising.ipynb)).
#
# | points | run all, 2 cores | hand in |
# |---|---|---|
# | 50 | about a minute | this notebook |
#
# Write where it says `YOUR CODE HERE`, and delete the line that raises. Below each question, one test says what is
# expected; another one, which you cannot read, tries other sizes, seeds and images. The cells that start with *See it*
# give no points. Before you hand in: *Kernel*, *Restart kernel and run all cells*, or
# `./course homework check hw2_convolutional`.

# %% locked="setup"
from helpers import figures
from helpers.data import digits
from helpers.grading import checks, samples
from helpers.models import convolutional
from helpers.tables import Table
from helpers.training import seed_everything

import keras
import numpy as np
from keras import layers, ops

seed_everything(0)

# %% [markdown]
# ## 1 · Plan the shapes
#
# Each level of an encoder divides rows and columns by its stride and gives the number of channels that you ask for.
# Plan before you build: a stride that does not divide what is left of the image has no place.


# %% solution="plan"
def level_shapes(input_shape, filters, strides):
    """List the shape of the map after each level.

    Args:
        input_shape: (rows, columns, bands).
        filters: channels after each level, from the image on.
        strides: by how much each level divides rows and columns; as many as there are filters.

    Returns:
        A list of tuples (rows, columns, channels), one for each level.

    Raises:
        ValueError: a stride does not divide the rows or the columns that are left; with a message that gives their numbers.
    """
    ### BEGIN SOLUTION
    rows, columns, _ = input_shape
    shapes = []
    for channels, stride in zip(filters, strides):
        if rows % stride or columns % stride:
            raise ValueError(f"a stride of {stride} does not divide {rows} x {columns}")
        rows, columns = rows // stride, columns // stride
        shapes.append((rows, columns, channels))
    return shapes
    ### END SOLUTION


# %% test="plan_by_hand" points=2
read = "lecture 04, Resolution down, channels up"
shapes = level_shapes((28, 28, 1), (16, 32), (2, 2))
checks.same("shapes after two levels of stride 2", shapes, [(14, 14, 16), (7, 7, 32)], read=read)

# %% hidden="plan_other_images" points=3
# Images that are not square, other strides, some that do not fit, and what is said of them.
read = "lecture 04, Resolution down, channels up"
shapes = level_shapes((12, 18, 3), (4, 8, 5), (3, 2, 1))
checks.same("shapes after strides of 3, 2 and 1", shapes, [(4, 6, 4), (2, 3, 8), (2, 3, 5)], read=read)
checks.refuses("strides of 2, 2 and 2 on 28 x 28", lambda: level_shapes((28, 28, 1), (8, 8, 8), (2, 2, 2)), read=read)
checks.refuses("a stride of 2 on 4 x 6, then 2 x 3", lambda: level_shapes((4, 6, 1), (8, 8), (2, 2)), read=read)
checks.refuses("a stride of 2 on 6 x 4, then 3 x 2", lambda: level_shapes((6, 4, 1), (8, 8), (2, 2)), read=read)
try:
    level_shapes((9, 9, 1), (8,), (2,))
except ValueError as error:
    named = any(sign.isdigit() for sign in str(error))
    checks.holds("the message about a stride of 2 on 9 x 9", named, expected="one with numbers", got=error, read=read)

# %% [markdown]
# ## 2 · Down
#
# One convolution for each level, with a kernel of 3 x 3, `padding="same"` and ReLU. The code is the last map.


# %% solution="encoder"
def build_encoder(input_shape, filters, strides):
    """Build an encoder of strided convolutions.

    Args:
        input_shape: (rows, columns, bands).
        filters: channels after each level, from the image on.
        strides: of each level, 1 to 3.

    Returns:
        A `keras.Model`: (batch, *input_shape) -> (batch, rows, columns, filters[-1]), the last of `level_shapes`.
    """
    ### BEGIN SOLUTION
    images = keras.Input(input_shape)
    x = images
    for channels, stride in zip(filters, strides):
        x = layers.Conv2D(channels, 3, strides=stride, padding="same", activation="relu")(x)
    return keras.Model(images, x)
    ### END SOLUTION


# %% test="encoder_shapes" points=2
read = "lecture 04, Resolution down, channels up"
encoder = build_encoder((28, 28, 1), (16, 32), (2, 2))
checks.model("what build_encoder returns", encoder, read=read)
checks.shape("the codes of 2 images", encoder(np.zeros((2, 28, 28, 1), "float32")), (2, 7, 7, 32), read=read)

# %% hidden="encoder_other_sizes" points=3
# Other images, strides and channels, the number of weights, the activations, what each level takes in, and that all of
# it can learn.
read = "lecture 04, Resolution down, channels up"
encoder = build_encoder((12, 18, 3), (4, 8), (3, 2))
images = np.random.default_rng(21).normal(size=(1, 12, 18, 3)).astype("float32") * 10
checks.shape("the code of 1 image of 12 x 18", encoder(images), (1, 2, 3, 8), read=read)
checks.parameters("two levels, 3 -> 4 -> 8 channels", encoder, (9 * 3 * 4 + 4) + (9 * 4 * 8 + 8), read=read)
checks.within("codes, which pass a ReLU", encoder(images), 0, np.inf, read=read)
what = "codes of numbers that are twice as large, which are twice as large behind a ReLU"
checks.close(what, encoder(2 * images), 2 * np.asarray(encoder(images)), rtol=1e-3, atol=1e-3, read=read)
checks.rectified("the encoder", encoder, images, read=read)
kernels = [tuple(weight.shape) for one in checks.called(encoder, images) for weight in one.weights]
wanted = [(3, 3, 3, 4), (3, 3, 4, 8)]
checks.same("shapes of the kernels", [shape for shape in kernels if len(shape) > 1], wanted, read=read)
levels = checks.called(encoder, images)
taken = checks.taken_in(encoder, images)
taken = np.sort(taken[taken != 0])  # without what is padded
checks.close("what the first level takes in: the pixels, sorted", taken, np.sort(images.ravel()), read=read)
found = [tuple(one.given.shape[1:3]) for one in levels]
checks.same("rows and columns after each convolution", found, [(4, 6), (2, 3)], read=read)
checks.close("codes while it is trained", encoder(images, training=True), encoder(images), read=read)
checks.trains_everywhere("the encoder", encoder, lambda: ops.mean(encoder(images)), read=read)

# %% [markdown]
# ## 3 · And up again
#
# The decoder is the mirror image. It enlarges in one of two ways: `"nearest"` repeats pixels (`UpSampling2D`) and then
# convolves; `"transpose"` is a `Conv2DTranspose` with a stride. Kernels are 3 x 3 again. All levels have ReLU, but for
# the last, which gives the image through a sigmoid.


# %% solution="decoder"
def build_decoder(output_shape, filters, strides, upsampling):
    """Build the mirror image of `build_encoder`.

    Args:
        output_shape: (rows, columns, bands), the encoder's `input_shape`.
        filters, strides: the encoder's, in the encoder's order.
        upsampling: "nearest" or "transpose".

    Returns:
        A `keras.Model`: (batch, rows, columns, filters[-1]) -> (batch, *output_shape), values in [0, 1]. Channels run
        through `filters` in reverse and end with the image's bands: 32 -> 16 -> 1 for filters (16, 32).
    """
    ### BEGIN SOLUTION
    codes = keras.Input(level_shapes(output_shape, filters, strides)[-1])
    x = codes
    wanted = [*reversed(filters[:-1]), output_shape[-1]]
    for level, (channels, stride) in enumerate(zip(wanted, reversed(strides)), start=1):
        activation = "sigmoid" if level == len(strides) else "relu"
        options = {"padding": "same", "activation": activation}
        if upsampling == "nearest":
            x = layers.UpSampling2D(stride)(x)
            x = layers.Conv2D(channels, 3, **options)(x)
        else:
            x = layers.Conv2DTranspose(channels, 3, strides=stride, **options)(x)
    return keras.Model(codes, x)
    ### END SOLUTION


# %% test="decoder_shapes" points=2
read = "lecture 04, The checkerboard"
for upsampling in ("nearest", "transpose"):
    decoder = build_decoder((28, 28, 1), (16, 32), (2, 2), upsampling)
    decoded = decoder(np.zeros((2, 7, 7, 32), "float32"))
    checks.shape(f"2 decoded codes, {upsampling}", decoded, (2, 28, 28, 1), read=read)
    checks.parameters(f"32 -> 16 -> 1 channels, {upsampling}", decoder, (9 * 32 * 16 + 16) + (9 * 16 + 1), read=read)

# %% hidden="decoder_kinds" points=3
# What enlarges with each kind of upsampling: repeated pixels before a convolution, or the convolution itself.
read = "lecture 04, The checkerboard"
codes = np.random.default_rng(32).normal(size=(2, 2, 2, 6)).astype("float32")
for upsampling, factor in (("nearest", 1), ("transpose", 2)):
    levels = checks.called(build_decoder((8, 8, 1), (4, 6), (2, 2), upsampling), codes)
    factors = [one.given.shape[1] // one.taken.shape[1] for one in levels]
    what = f"by how much the layers with weights enlarge, with upsampling={upsampling!r}"
    checks.same(what, factors, [factor, factor], read=read)
    for one in levels if upsampling == "nearest" else ():
        taken = np.asarray(one.taken)
        checks.close("neighbours in an enlarged map", taken[:, 1::2, 1::2], taken[:, ::2, ::2], read=read)

# %% hidden="decoder_other_sizes" points=3
# Other images, strides of different sizes, the activations, and that all of it can learn.
read = "lecture 04, The checkerboard: the decoder undoes the strides in reverse"
for upsampling in ("nearest", "transpose"):
    decoder = build_decoder((12, 18, 3), (4, 8, 5), (3, 2, 1), upsampling)
    codes = np.random.default_rng(31).normal(size=(2, 2, 3, 5)).astype("float32") * 100
    decoded = decoder(codes)
    checks.shape(f"2 decoded codes of 2 x 3, {upsampling}", decoded, (2, 12, 18, 3), read=read)
    checks.within("pixels, which pass a sigmoid", decoded, 0, 1, read=read)
    checks.rectified(f"the decoder, {upsampling}", decoder, codes, read=read)
    checks.sigmoid(f"pixels, which pass a sigmoid, {upsampling}", decoder, codes / 10, read=read)
    checks.trains_everywhere(f"the decoder, {upsampling}", decoder, lambda: ops.mean(decoder(codes / 100)), read=read)
    sizes = [tuple(one.given.shape[1:3]) for one in checks.called(decoder, codes)]
    checks.same(f"rows and columns after each level, {upsampling}", sizes, [(2, 3), (4, 6), (12, 18)], read=read)
    what = f"pixels while it is trained, {upsampling}"
    checks.close(what, decoder(codes / 10, training=True), decoder(codes / 10), read=read)

# %% [markdown]
# ## 4 · Noise
#
# Gaussian noise for every pixel. What leaves [0, 1] is cut off, because no pixel is darker than black.


# %% solution="noise"
def add_noise(images, stddev, seed):
    """Add Gaussian noise to every pixel, and cut the sum to [0, 1].

    Args:
        images: float32, any shape, values in [0, 1]; left as they are.
        stddev: standard deviation of the noise.
        seed: of the noise; the same seed gives the same noise.

    Returns:
        float32, of the same shape, values in [0, 1].
    """
    ### BEGIN SOLUTION
    noise = np.random.default_rng(seed).normal(scale=stddev, size=images.shape)
    return np.clip(images + noise, 0, 1).astype("float32")
    ### END SOLUTION


# %% test="noise_statistics" points=2
read = "lecture 05, Noise, and how much of it"
grey = np.full((20, 32, 32, 1), 0.5, "float32")
noisy = add_noise(grey, 0.1, seed=3)
checks.shape("noisy images", noisy, grey.shape, read=read)
checks.close("standard deviation of the noise", np.std(noisy - grey), 0.1, rtol=0.03, read=read)
checks.close("mean of the noise", np.mean(noisy - grey), 0.0, atol=0.005, read=read)

# %% hidden="noise_range_and_seed" points=3
# The range and how it is kept, the dtype, the kind of noise, what a seed does, arrays of another shape, and that the
# clean images stay clean.
read = "lecture 05, Noise, and how much of it"
clean = samples.digits(10, seed=checks.seed(41))
before = clean.copy()
noisy = add_noise(clean, 0.5, seed=7)
checks.within("noisy images", noisy, 0, 1, read=read)
checks.same("their dtype", str(np.asarray(noisy).dtype), "float32", read=read)
checks.close("the clean images, after the call", clean, before, read=read)
checks.close("the same seed once more", add_noise(clean, 0.5, seed=7), noisy, read=read)
checks.differ("another seed", add_noise(clean, 0.5, seed=8), noisy, read=read)
flat = np.full((1, 16, 16, 1), 0.5, "float32")
for what, ends in (("black", np.zeros((1, 64, 64, 1), "float32")), ("white", np.ones((1, 64, 64, 1), "float32"))):
    cut = np.mean(np.asarray(add_noise(ends, 0.1, seed=9)) == ends)
    checks.within(f"share of {what} pixels that stay so, since half of the noise is cut off", cut, 0.45, 0.55, read=read)
grey = np.full((1, 64, 64, 1), 0.5, "float32")
far = np.mean(np.abs(add_noise(grey, 0.1, seed=9) - grey) > 0.2)
checks.within("share of Gaussian noise beyond two standard deviations", far, 0.03, 0.06, read=read)
checks.differ("two pixels of grey paper", add_noise(flat, 0.2, 1)[0, :8], add_noise(flat, 0.2, 1)[0, 8:], read=read)
first, second = np.asarray(add_noise(flat.repeat(2, axis=0), 0.2, 1))
checks.differ("two sheets of grey paper", first, second, read=read)
checks.shape("a noisy picture without bands", add_noise(flat[0, :, :, 0], 0.2, 1), (16, 16), read=read)

# %% [markdown]
# ## 5 · Augmentation
#
# A hundred images go further if every epoch sees them a little shifted, turned and enlarged. Use the layers
# `RandomTranslation`, `RandomRotation` and `RandomZoom`. Two traps: Keras counts angles in full turns, and fills what
# comes in from outside with a mirror image, where these images have paper.


# %% solution="augmentation"
def build_augmentation(shift, rotation, zoom, seed):
    """Build random shifts, rotations and zooms.

    Args:
        shift: largest shift, as a share of rows and of columns, to either side.
        rotation: largest angle in degrees, to either side.
        zoom: largest change of the size, as a share of it, to either side.
        seed: of all three.

    Returns:
        A `keras.Sequential`: (batch, rows, columns, bands) -> the same shape, drawn anew in every call with
        `training=True`. What comes in from outside of the image is paper: 0.
    """
    ### BEGIN SOLUTION
    paper = {"fill_mode": "constant", "fill_value": 0.0}
    return keras.Sequential(
        [
            layers.RandomTranslation(shift, shift, seed=seed, **paper),
            layers.RandomRotation(rotation / 360, seed=seed + 1, **paper),
            layers.RandomZoom((-zoom, zoom), seed=seed + 2, **paper),
        ]
    )
    ### END SOLUTION


# %% test="augmentation_draws" points=2
read = "lecture 05, A hundred images"
images = samples.digits(6, seed=checks.seed(51), size=32)
augmentation = build_augmentation(0.1, 15, 0.1, seed=0)
first, second = (augmentation(images, training=True) for _ in range(2))
checks.shape("augmented images", first, images.shape, read=read)
checks.differ("an augmented image and the image", first, images, read=read)
checks.differ("two draws", first, second, read=read)

# %% hidden="augmentation_paper" points=3
# What comes in from outside of the image.
read = "lecture 05, A hundred images: what is outside is paper"
ink = np.ones((30, 32, 32, 1), "float32")
shifted = np.asarray(build_augmentation(0.25, 0, 0, seed=checks.seed(52))(ink, training=True))
edges = np.concatenate([shifted[:, [0, -1]].ravel(), shifted[:, :, [0, -1]].ravel()])
share = np.mean(edges < 0.01)
checks.at_least("share of edge pixels that are paper, shifted by up to a quarter", share, 0.3, read=read)
for what, ranges in (("turned by up to 15 degrees", (0, 15, 0)), ("zoomed by up to 0.4", (0, 0, 0.4))):
    drawn = np.asarray(build_augmentation(*ranges, seed=checks.seed(56))(ink, training=True))
    share = float(np.mean(drawn[:, [0, 0, -1, -1], [0, -1, 0, -1]] < 0.01))
    expected = "a tenth or more"
    checks.holds(f"share of corners that are paper, {what}", share > 0.1, expected=expected, got=share, read=read)

# %% hidden="augmentation_sizes" points=3
# How far a shift, a rotation and a zoom go, to either side, for each image anew; that nothing else happens; and what the
# seed does.
read = "lecture 05, A hundred images: Keras counts angles in full turns"
bar = np.zeros((40, 33, 33, 1), "float32")
bar[:, 16, 4:29] = 1  # a level line
rows, columns = np.mgrid[:33, :33] - 16.0
turned = np.asarray(build_augmentation(0.0, 15, 0.0, seed=checks.seed(53))(bar, training=True))[..., 0]
slopes = (turned * rows * columns).sum((1, 2)) / (turned * columns**2).sum((1, 2))
angles = np.degrees(np.arctan(slopes))
checks.within("the largest of 40 angles of a line, turned by at most 15 degrees", angles.max(), 8, 16, read=read)
checks.within("the largest angle to the other side", -angles.min(), 8, 16, read=read)
dot = np.zeros((40, 33, 33, 1), "float32")
dot[:, 15:18, 15:18] = 1
moved = np.asarray(build_augmentation(0.2, 0, 0.0, seed=checks.seed(54))(dot, training=True))[..., 0]
for name, axis in (("rows", rows), ("columns", columns)):
    shifts = (moved * axis).sum((1, 2)) / moved.sum((1, 2))
    what = f"the largest of 40 shifts of a dot by at most 0.2 of 33 {name}"
    checks.within(what, shifts.max(), 3, 7.1, read=read)  # 6.6, in whole rows if the nearest pixel is taken
    checks.within(f"{what}, to the other side", -shifts.min(), 3, 7.1, read=read)
still = samples.digits(20, seed=checks.seed(57), size=32)
found = build_augmentation(1e-4, 0.01, 1e-4, seed=3)(still, training=True)
checks.close("digits that are hardly shifted, turned or zoomed", found, still, atol=0.02, read=read)
large = np.zeros((40, 33, 33, 1), "float32")
large[:, 9:24, 9:24] = 1
sizes = np.asarray(build_augmentation(0, 0, 0.3, seed=checks.seed(55))(large, training=True)).sum((1, 2, 3)) / 225
checks.within("the smallest of 40 dots, zoomed by up to 0.3, as a share of the dot", sizes.min(), 0.5, 0.85, read=read)
checks.within("the largest of 40 dots, as a share of the dot", sizes.max(), 1.2, 2.3, read=read)
first, again, other = (np.asarray(build_augmentation(0.2, 15, 0.1, seed)(dot, training=True)) for seed in (7, 7, 8))
checks.close("the first draw with the same seed", again, first, read=read)
checks.differ("the first draw with another seed", other, first, read=read)

# %% [markdown]
# ## 6 · Noisy in, clean out
#
# A denoiser gets the noisy image and is asked for the clean one. With augmentation, both must come from the *same*
# draw: otherwise the network is asked for an image that it was not shown.


# %% solution="pairs"
def make_pairs(images, stddev, augmentation, seed):
    """Make what a denoiser is trained on.

    Args:
        images: float32, (n, rows, columns, bands), values in [0, 1].
        stddev: standard deviation of the noise.
        augmentation: made by `build_augmentation`, or None for the images as they are.
        seed: of the noise.

    Returns:
        noisy, clean: float32 arrays of NumPy, of the shape of `images`, from one draw of the augmentation.
    """
    ### BEGIN SOLUTION
    clean = images if augmentation is None else ops.convert_to_numpy(augmentation(images, training=True))
    return add_noise(clean, stddev, seed), clean
    ### END SOLUTION


# %% test="pairs_without_augmentation" points=3
read = "lecture 05, Noisy in, clean out"
images = samples.digits(8, seed=checks.seed(61))
noisy, clean = make_pairs(images, 0.3, None, seed=1)
checks.close("the target", clean, images, read=read)
checks.differ("the input and the target", noisy, clean, read=read)

# %% hidden="pairs_with_augmentation" points=3
# That input and target come from one draw, are arrays, and differ by noise of the right size, from the seed.
read = "lecture 05, Noisy in, clean out: augment once, then add noise to the input"
grey = 0.5 * np.ones((40, 16, 16, 1), "float32")
grey[:, 4:8, 4:8] = 0.7
shifting = keras.Sequential([layers.RandomTranslation(0.3, 0.3, fill_mode="reflect", seed=checks.seed(62))])
noisy, clean = make_pairs(grey, 0.05, shifting, seed=2)
checks.same("the type of the target", type(clean).__name__, "ndarray", read=read)
checks.differ("an augmented target and the image", clean, grey, read=read)
checks.close("standard deviation of input - target", np.std(noisy - clean), 0.05, rtol=0.1, read=read)
again, other = (make_pairs(grey, 0.05, None, seed)[0] for seed in (2, 3))
checks.differ("the input with another seed", other, again, read=read)

# %% [markdown]
# ## 7 · Decibels
#
# The *peak signal-to-noise ratio* of images in [0, 1] is
#
# $$\text{PSNR} = 10 \, \log_{10} \frac{1}{\text{MSE}} \;\text{dB},$$
#
# with the mean squared error over all pixels of all images. What a denoiser is worth is its gain: the PSNR of what it
# makes of *noisy* images, minus the PSNR of these noisy images.


# %% solution="gain"
def psnr(clean, found):
    """Return the peak signal-to-noise ratio in decibels.

    Args:
        clean, found: float arrays of one shape, values in [0, 1].

    Returns:
        A float.
    """
    ### BEGIN SOLUTION
    return float(10 * np.log10(1 / np.mean((clean - found) ** 2)))
    ### END SOLUTION


def psnr_gain(denoise, clean, stddev, seed):
    """Say how many decibels a denoiser gains.

    Args:
        denoise: a function from noisy images to images, NumPy to NumPy.
        clean: float32, (n, rows, columns, bands), values in [0, 1].
        stddev, seed: of the noise; use `add_noise`.

    Returns:
        A float: PSNR of the denoised images minus PSNR of the noisy ones.
    """
    ### BEGIN SOLUTION
    noisy = add_noise(clean, stddev, seed)
    return psnr(clean, denoise(noisy)) - psnr(clean, noisy)
    ### END SOLUTION


# %% test="gain_by_hand" points=2
read = "lecture 05, Noise, and how much of it"
clean = np.zeros((2, 4, 4, 1), "float32")
checks.close("PSNR of an error of 0.1 everywhere", psnr(clean, clean + 0.1), 20.0, rtol=1e-3, read=read)
nothing = psnr_gain(lambda noisy: noisy, clean, 0.2, 1)
checks.close("gain of a denoiser that does nothing", nothing, 0.0, atol=1e-3, read=read)

# %% hidden="gain_on_noisy_images" points=3
# Errors that differ from image to image, and what the denoiser is given: noise of the size and the seed that are asked for.
read = "lecture 05, The trap: clean images in the test"
errors = np.zeros((2, 5, 5, 1), "float32")
errors[1] = 0.2
checks.close("PSNR of errors of 0 and 0.2", psnr(0 * errors, errors), 10 * np.log10(1 / 0.02), rtol=1e-3, read=read)
clean = samples.digits(20, seed=checks.seed(71))
half = psnr_gain(lambda noisy: noisy / 2 + clean / 2, clean, 0.4, seed=5)
given = []
for stddev, seed in ((0.4, 5), (0.1, 6), (0.4, 6)):
    calls = []
    psnr_gain(lambda noisy: calls.append(np.asarray(noisy)) or noisy, clean, stddev, seed)
    given.append(calls[-1])
checks.differ("what the denoiser is given with seeds 5 and 6", given[0], given[2], read=read)
louder = np.std(given[2] - clean) / np.std(given[1] - clean)
checks.within("noise of stddev 0.4, as a multiple of that of 0.1", louder, 1.3, 6, read=read)
checks.close("gain of a denoiser that halves every error", half, 10 * np.log10(4), rtol=1e-3, read=read)

# %% [markdown]
# ## 8 · Train a denoiser
#
# New noise, and a new draw of the augmentation, for every epoch. The loss is binary cross-entropy, as in lecture 05:
# with the squared error a small network may find that blank paper is nearly right, and stay there.


# %% solution="train"
def train_denoiser(autoencoder, images, stddev, augmentation, epochs, seed):
    """Train an autoencoder to denoise: Adam at 0.003, binary cross-entropy, batches of 32, one call of `fit` a pass.

    Args:
        autoencoder: a `keras.Model`, not compiled, from images to images; compile it once, before the first pass.
        images: float32, (n, rows, columns, bands), clean, values in [0, 1].
        stddev: standard deviation of the noise.
        augmentation: made by `build_augmentation`, or None.
        epochs: passes over the images, each with new noise: seed, seed + 1, …
        seed: of the first pass.

    Returns:
        The loss of each pass, a list of `epochs` floats.
    """
    ### BEGIN SOLUTION
    autoencoder.compile(keras.optimizers.Adam(0.003), loss="binary_crossentropy")
    losses = []
    for epoch in range(epochs):
        noisy, clean = make_pairs(images, stddev, augmentation, seed + epoch)
        losses += autoencoder.fit(noisy, clean, batch_size=32, verbose=0).history["loss"]
    return losses
    ### END SOLUTION


# %% test="train_gains" points=4
read = "lecture 05, Noisy in, clean out"
images = samples.digits(320, seed=checks.seed(81), size=16)
autoencoder = convolutional.build_autoencoder(filters=(8, 16), input_shape=(16, 16, 1))  # ours
losses = train_denoiser(autoencoder, images[:256], 0.5, None, 12, seed=1)
checks.shape("the losses of 12 epochs", np.array(losses), (12,), read=read)
noisy = (images[256:] + 0.5 * np.random.default_rng(0).normal(size=(64, 16, 16, 1))).clip(0, 1)
found = np.asarray(autoencoder(noisy))
errors = [np.mean((pictures - images[256:]) ** 2) for pictures in (noisy, found)]
checks.at_least("decibels gained on new images", 10 * np.log10(errors[0] / errors[1]), 2.0, read=read)

# %% hidden="train_sees" points=4
# What the network is shown, pass by pass, from which seeds, with and without augmentation; one optimizer for all passes,
# the loss and the batches.
read = "lecture 05, Noisy in, clean out: noisy images go in, clean ones are asked for, with new noise in every pass"


class Spy(keras.Model):
    """Learns one picture, whatever it is shown, and notes what it is fitted to."""

    def __init__(self):
        super().__init__()
        self.seen, self.reported = [], []
        self.ink = self.add_weight(shape=(8, 8, 1), initializer="zeros", name="ink")

    def call(self, images):
        return ops.sigmoid(self.ink + 0 * images)

    def fit(self, x=None, y=None, *arguments, **options):
        pairs = (x, y) if y is not None else (np.concatenate(parts) for parts in zip(*x))
        self.seen.append([np.asarray(part) for part in pairs])
        record = super().fit(x, y, *arguments, **options)
        self.reported += record.history["loss"]
        return record


class Mirror(layers.Layer):
    def call(self, images, training=False):
        return ops.flip(images, axis=2) if training else images


image = (samples.digits(1, seed=checks.seed(82)) > 0.5).astype("float32")
images = image.repeat(33, axis=0)  # all the same, so that Adam moves a weight by its learning rate in every step
for augmentation, wanted in ((None, image), (keras.Sequential([Mirror()]), image[:, :, ::-1])):
    spy = Spy()
    losses = train_denoiser(spy, images, 0.1, augmentation, 3, seed=10)
    checks.same("calls of fit for 3 epochs", len(spy.seen), 3, read=read)
    for noisy, target in spy.seen:
        checks.close("the target", target, wanted.repeat(33, axis=0), read=read)
        checks.within("size of the noise", np.std(noisy - target), 0.04, 0.12, read=read)
    checks.differ("the noise of two passes", spy.seen[0][0], spy.seen[1][0], read=read)
    for n, (noisy, _) in enumerate(spy.seen):
        pixels = np.asarray(add_noise(wanted.repeat(33, axis=0), 0.1, 10 + n))
        what = f"the noisy pixels of pass {n + 1}, sorted, with seed {10 + n}"
        checks.close(what, np.sort(noisy, axis=0), np.sort(pixels, axis=0), read=read)
    read = "homework 2, question 8: Adam at 0.003, binary cross-entropy, batches of 32"
    checks.close("the loss of the first pass, a BCE of a half for each pixel", losses[0], np.log(2), rtol=0.01, read=read)
    ink = np.asarray(spy.ink)
    towards = np.where(wanted[0] > 0, ink, -ink)
    what = "how far Adam moves each weight in 3 passes of 2 batches"
    checks.close(what, towards, np.full((8, 8, 1), 6 * 0.003), rtol=0.06, read=read)
    checks.close("the losses, next to those that fit reported", np.array(losses), spy.reported, read=read)
    name, kinds = type(spy.optimizer).__name__, keras.optimizers
    is_adam = isinstance(spy.optimizer, kinds.Adam) and not isinstance(spy.optimizer, kinds.AdamW)
    checks.holds("the optimizer", is_adam, expected="Adam", got=name, read=read)
    checks.same("steps of one optimizer in 3 passes of 2 batches", int(spy.optimizer.iterations), 6, read=read)
    read = "lecture 05, A hundred images"

# %% [markdown]
# *See it.* Digits, noisy, denoised and clean, and the gain. All with your functions.

# %%
data = digits.load()
filters, strides = (16, 16), (2, 2)
encoder = build_encoder((28, 28, 1), filters, strides)
decoder = build_decoder((28, 28, 1), filters, strides, "nearest")
denoiser = keras.Sequential([encoder, decoder])
losses = train_denoiser(denoiser, data.train.images[:2_000], 0.5, None, 4, seed=0)
print(*(f"{loss:.3f}" for loss in losses))

# %%
clean = data.test.images[:500]
noisy = add_noise(clean, 0.5, seed=1000)
denoised = denoiser.predict(noisy, verbose=0)
figures.image_rows({"noisy": noisy, "denoised": denoised, "clean": clean})

# %%
gain = psnr_gain(lambda images: denoiser.predict(images, verbose=0), clean, 0.5, seed=1000)
Table([{"images": "noisy", "PSNR": psnr(clean, noisy)}, {"images": "denoised", "PSNR": psnr(clean, noisy) + gain}])

# %% [markdown]
# Done? Restart the kernel, run all cells, save, and hand in this file under the name that it has.
