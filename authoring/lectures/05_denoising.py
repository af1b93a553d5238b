# %% [markdown]
# # 05 · Denoising autoencoders
#
# *How can a network remove noise that is never twice the same?*
#
# **You will**
# - add noise to pixels, and measure it in decibels
# - train on noisy input and clean target, with new noise in every epoch
# - judge on noisy images, and see how judging on clean ones picks the wrong network
# - make a hundred images go further, by new noise and by augmentation of both sides
#
# **What to know before.** Lectures [01](01_simple.ipynb) (BCE, mean squared error) and [04](04_convolutional.ipynb)
# (convolutional autoencoders, codes that are maps).
#
# | | CPU (2 cores) | GPU |
# |---|---|---|
# | this notebook | about a minute | not needed: the images are too small to keep one busy |

# %% tags=["setup"]
from helpers import figures
from helpers.training import Progress, seed_everything
from helpers.data import digits
from helpers.data.digits import add_noise, denoising_batches
from helpers.diagrams import draw_model
from helpers.models import convolutional, dense
from helpers.models.convolutional import build_augmentation
from helpers.tables import Table

import keras
import numpy as np
from keras import layers, ops
from scipy.ndimage import median_filter

seed_everything(0)
data = digits.load()

# %% [markdown]
# ## Noise, and how much of it
#
# A sensor in the dark measures a little more here, a little less there. We draw a number for every pixel from a normal
# distribution and add it. What falls below paper or above full ink is set to 0 or 1, for no camera returns more: this
# cut is called [[clipping]].


# %% tags=["noise-by-hand"]
def noisy_copy(images, stddev, seed):
    noise = np.random.default_rng(seed).standard_normal(images.shape, np.float32)
    return np.clip(images + stddev * noise, 0, 1)


shown = data.test.images[:10]
figures.image_rows({f"stddev {stddev}": noisy_copy(shown, stddev, seed=0) for stddev in (0, 0.25, 0.5, 1.0)}).describe(
    "Ten digits in four rows, with noise of 0, 0.25, 0.5 and 1. At 0.5 they can still be made out, at 1 hardly."
)

# %% [markdown]
# How bad is that? The [[peak signal-to-noise ratio]] (PSNR) puts the mean squared error on a scale of decibels, with
# full ink as the peak: 10 dB more for every factor of 10 less in the error.
#
# $$\text{PSNR} = 10 \log_{10} \frac{1}{\text{MSE}}.$$


# %% tags=["psnr-by-hand"]
def psnr(images, clean):
    return float(-10 * np.log10(np.mean((images - clean) ** 2)))


Table(
    [
        {"stddev": stddev, "PSNR, dB": round(psnr(noisy_copy(data.test.images, stddev, seed=0), data.test.images), 2)}
        for stddev in (0.25, 0.5, 1.0)
    ]
)

# %% [markdown]
# **What you should see.** Without the cut, twice the noise would be four times the error, 6 dB. It costs 5.5 and then
# 3.4, because so much is cut. From here on, noise is `add_noise` from `helpers.data.digits`: the same function, with a
# guard.
#
# **Fails on purpose.** Pixels often come as bytes, 0 to 255. What would a stddev of 0.5 do to those?

# %%
STDDEV = 0.5
try:
    add_noise(255 * data.test.images, STDDEV, seed=0)
except ValueError as error:
    print(error)

# %% [markdown]
# Half a byte is nothing, and the cut would turn all grey to full ink: nothing would crash, and a network would learn
# from the ruins. The guard asks for what the function was made for.

# %% [markdown]
# ## Noisy in, clean out
#
# The recipe ([Vincent et al., 2008](https://doi.org/10.1145/1390156.1390294)): the input gets noise, the target stays
# clean. Keras has a layer that adds noise in training and does nothing otherwise. Ours also cuts.


# %% tags=["noise-layer-by-hand"]
class PixelNoise(layers.GaussianNoise):
    def call(self, inputs, training=False):
        noisy = super().call(inputs, training=training)
        return ops.clip(noisy, 0, 1) if training else noisy


# %% [markdown]
# **Predict.** The same image goes in three times, twice in training. What comes out?

# %%
noise = PixelNoise(STDDEV, seed=0)
three = {"training": noise(shown, training=True), "once more": noise(shown, training=True), "in use": noise(shown)}
figures.image_rows({name: np.asarray(images) for name, images in three.items()}).describe(
    "Ten digits through the noise layer three times: twice in training, with two different kinds of snow, and "
    "once in use, without any."
)

# %% [markdown]
# Every call draws new noise. So every epoch shows the network images that it never saw, and nothing of the noise can be
# learned by heart. Put before an autoencoder of lecture 04, the layer makes it a denoiser.

# %% tags=["denoiser-by-hand"]
autoencoder = convolutional.build_autoencoder(filters=(16, 32), upsampling="transpose")
images = keras.Input((28, 28, 1))  # (28, 28, 1)
noisy = PixelNoise(STDDEV, seed=0)(images)
denoiser = keras.Model(images, autoencoder(noisy), name="denoiser")

# %%
draw_model(denoiser)

# %% [markdown]
# `build_denoiser(autoencoder, stddev=STDDEV)` does the same, and keeps encoder and decoder in reach.
#
# The code is a map of (7 x 7) / 32: 1,568 numbers, twice as many as pixels. A plain autoencoder of this size could copy
# its input. A denoiser cannot: a copy would keep the noise. So it needs no narrow middle. We train both.

# %% tags=["training"]
MORE = 10 if data.is_stand_in else 1  # the stand-in has fewer images
some = data.train.images[:20_000]
plain = convolutional.build_autoencoder(filters=(16, 32), upsampling="transpose")
start_denoiser, start_plain = denoiser.get_weights(), plain.get_weights()


def train(label, model, epochs=3):
    model.compile(keras.optimizers.Adam(0.002), loss="binary_crossentropy", steps_per_execution=20)
    model.fit(some, some, batch_size=128, epochs=epochs * MORE, callbacks=[Progress(label)], verbose=0)


# %%
denoiser.set_weights(start_denoiser)  # so that the cell can run again
plain.set_weights(start_plain)
train("denoiser", denoiser)
train("plain", plain)

# %% [markdown]
# Now the test. Its images get noise of their own, with a seed that training never had.
#
# **Predict.** The noisy images have <<psnr_noisy:.1f>> dB. By how much will the denoiser raise that?

# %% tags=["noisy-test"]
clean = data.test.images
noisy_test = add_noise(clean, STDDEV, seed=1)
denoised = denoiser.predict(noisy_test, batch_size=1000, verbose=0)
figures.image_rows({"noisy": noisy_test, "denoised": denoised, "clean": clean}).describe(
    "Ten noisy digits, below them what the denoiser makes of them, and the clean originals. The denoised ones "
    "are readable, with soft edges."
)

# %%
by_hand = median_filter(noisy_test, size=(1, 3, 3, 1))  # each pixel becomes the median of its 3 x 3 neighbours
copied = plain.predict(noisy_test, batch_size=1000, verbose=0)
found = {"nothing": noisy_test, "plain autoencoder": copied, "median of 3 x 3": by_hand, "denoiser": denoised}
psnr_noisy, psnr_plain, psnr_median, psnr_denoised = (psnr(images, clean) for images in found.values())
psnr_gain = psnr_denoised - psnr_noisy
Table([{"done to the noisy images": name, "PSNR, dB": round(psnr(images, clean), 2)} for name, images in found.items()])

# %%
figures.image_rows({"clean": clean} | found).describe(
    "Ten clean digits over four versions: noisy, copied with its noise by the plain autoencoder, speckled "
    "after the median, and clean but soft from the denoiser."
)

# %% [markdown]
# **What you should see.** From <<psnr_noisy:.1f>> to <<psnr_denoised:.1f>> dB, a gain of <<psnr_gain:.1f>> dB: a
# seventh of the error is left. The median, which knows nothing of digits, reaches <<psnr_median:.1f>>. The plain
# autoencoder, with the same layers, stays at <<psnr_plain:.1f>> (five seeds: <<psnr_plain seeds:.1f>>): it learned to
# copy.
#
# Why do edges come out soft? Many clean digits could lie under the same noise. The loss is lowest for their mean, so
# the network draws a mean, and where the candidates differ that is grey. But the step from the noisy image to that mean
# has a meaning. The [[score function]] is the gradient of the log-density of noisy images, which leads to where images
# are more probable. If nothing is clipped, the step points along it ([Vincent,
# 2011](https://doi.org/10.1162/NECO_a_00142)). Diffusion models generate images by many such steps.

# %% [markdown]
# ## The trap: clean images in the test
#
# In training, input and target are the same array, `fit(some, some)`, and the layer adds the noise. It is tempting to
# go on like that: `predict(clean)`, `evaluate(clean, clean)`.
#
# **Predict.** Which of the two networks will look better then?

# %%
from_clean = {"plain": plain.predict(clean, batch_size=1000, verbose=0)}
from_clean["denoiser"] = denoiser.predict(clean, batch_size=1000, verbose=0)
figures.image_rows({"clean": clean} | {f"{name}, from clean": images for name, images in from_clean.items()}).describe(
    "Ten clean digits over what the plain network and the denoiser return for them. All three rows look the same."
)

# %%
clean_plain, clean_denoiser = (psnr(images, clean) for images in from_clean.values())
Table(
    [
        {"network": "plain", "from clean images, dB": clean_plain, "from noisy images, dB": psnr_plain},
        {"network": "denoiser", "from clean images, dB": clean_denoiser, "from noisy images, dB": psnr_denoised},
    ]
)

# %% [markdown]
# **What you should see.** From clean images both rows look splendid, and the plain network wins by <<clean_plain:.1f>>
# to <<clean_denoiser:.1f>> dB. From noisy ones it loses by <<psnr_plain:.1f>> to <<psnr_denoised:.1f>>. In use the
# noise layer is silent, so a test on clean images tests no denoising at all. Look at the first row of any figure of
# this kind: is it noisy?

# %% [markdown]
# How does it fare with noise of other strengths than the one it was trained for?
#
# **Predict.** Are there images that it makes worse?

# %%
strengths = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
few = clean[:1000]
tools = {
    "nothing": lambda images: images,
    "median of 3 x 3": lambda images: median_filter(images, size=(1, 3, 3, 1)),
    "denoiser": lambda images: denoiser.predict(images, batch_size=1000, verbose=0),
}
copies = [add_noise(few, stddev, seed=2) for stddev in strengths]
heights = {name: [psnr(tool(images), few) for images in copies] for name, tool in tools.items()}
figures.curves(
    heights, x=strengths, marks={STDDEV: "trained here"}, xlabel="stddev of the noise", ylabel="PSNR, dB"
).describe(
    "PSNR over the strength of the noise. Doing nothing starts highest and falls fastest; from about 0.2 on "
    "the denoiser is highest, and by most near 0.5, where it was trained. The median lies between."
)

# %% [markdown]
# **What you should see.** With little noise, leave the image alone: the denoiser softens what was sharp. From about 0.2
# on it wins, and by most near the strength that it knows. A denoiser is made for a noise; an exercise trains one for
# many.

# %% [markdown]
# ## A hundred images
#
# So far there were 20,000. What if there are 100? `denoising_batches` gives batches of noisy and clean images, with new
# noise at every pass. With `.cache()` it keeps the first pass and repeats it: one noisy copy of each image, for ever.
#
# A third way makes more of few images: move them. [[Augmentation]] changes each training image a little, at random and
# anew in every epoch. Keras' preprocessing layers draw a small shift, a rotation and a zoom.

# %% tags=["augmentation-by-hand"]
paper = {"fill_mode": "constant", "fill_value": 0.0}  # what comes in from outside
by_keras = layers.Pipeline(
    [
        layers.RandomTranslation(0.05, 0.05, seed=0, **paper),  # share of rows, of columns
        layers.RandomRotation(10 / 360, seed=1, **paper),  # in full turns
        layers.RandomZoom((-0.1, 0.1), seed=2, **paper),  # share of the size
    ]
)

# %% tags=["augmentation-by-helper"]
MOVES = {"shift": 0.05, "rotation": 10, "zoom": 0.1}
augment = build_augmentation(**MOVES)  # the same, from helpers
rows = {"original": shown[[0] * 10], "moved": augment(shown[[0] * 10], training=True)}
figures.image_rows({name: np.asarray(images) for name, images in rows.items()}).describe(
    "The same 7 ten times over ten moved copies of it: shifted, turned and resized a little, and paler."
)

# %% [markdown]
# Look closely: moved digits are paler. Each of the three layers reads between pixels and takes a mean.
#
# For a denoiser the target must move with its input, or the network would be asked to undo the move as well. So images
# are moved first, and noise comes last: noisy in, and the *moved* clean one out.
#
# **Predict.** Would the other order do? Take grey with a noise of 0.1, and move that.

# %%
grey = np.full((500, 28, 28, 1), 0.5, np.float32)
grey_moved = np.asarray(augment(add_noise(grey, 0.1, seed=0), training=True))
noise_left = float(grey_moved[:, 8:20, 8:20].std())
print(f"stddev before the move 0.100, after it {noise_left:.3f}")

# %% [markdown]
# **What you should see.** About <<noise_left:.3f>>: the same means smooth the noise. The network would be trained for a
# noise that no test image has. Moved first, noise last:

# %%
batch = denoising_batches(data.train.images[:100], stddev=STDDEV, augmentation=augment, batch_size=10)
pair = next(iter(batch))
figures.image_rows({"noisy": pair[0].numpy(), "clean": pair[1].numpy()}).describe(
    "Ten noisy digits over their clean targets, which stand askew in the same way."
)

# %% [markdown]
# Three ways, four sizes of the training set, and two networks: a dense one with 435,536 parameters, and the
# convolutional one, which has 9,569. Each gets 400 steps of up to 64 images, so that none is trained longer
# because it has more of them.

# %% tags=["small-networks"]
SIZES = [size for size in (100, 300, 1000, 10_000) if size <= len(data.train)]
few_noisy, few_clean = noisy_test[:2000], clean[:2000]


def score(model, batches):
    model.compile(keras.optimizers.Adam(0.002), loss="binary_crossentropy", steps_per_execution=20)
    model.fit(batches.repeat(), steps_per_epoch=400, shuffle=False, verbose=0)  # the batches are shuffled
    return model.evaluate(few_noisy, few_clean, batch_size=1000, verbose=0)


def build_dense():
    return dense.build_autoencoder(64, hidden=(256,))


def build_maps():
    return convolutional.build_autoencoder(filters=(16, 32), upsampling="transpose")


# %% tags=["small-networks"]
def batches_of(size, **options):
    return denoising_batches(data.train.images[:size], stddev=STDDEV, batch_size=64, **options)


ways = {
    "dense, one noisy copy": lambda size: score(build_dense(), batches_of(size).cache()),
    "dense, new noise": lambda size: score(build_dense(), batches_of(size)),
    "dense, new noise, moved": lambda size: score(
        build_dense(), batches_of(size, augmentation=build_augmentation(**MOVES))
    ),
    "convolutional, new noise": lambda size: score(build_maps(), batches_of(size)),
}

# %% [markdown]
# **Predict.** Where do the three dense curves start, and where do they meet?

# %%
losses = {}
for name, run in ways.items():
    losses[name] = [run(size) for size in SIZES]
    print(f"{name}: {', '.join(f'{loss:.3f}' for loss in losses[name])}", flush=True)

# %%
figure = figures.curves(losses, x=SIZES, xlabel="images to train on", ylabel="test BCE on noisy images")
figure.axes[0].set_xscale("log")
figure.axes[0].set_xticks(SIZES, [f"{size:,}" for size in SIZES])
figure.describe(
    "Test loss over the number of training images, from 100 to 10,000. The three dense curves start far apart, "
    "one noisy copy highest, and nearly meet at 10,000; the convolutional curve is flat and lies below them "
    "all."
)

# %%
copy_100, fresh_100, moved_100, maps_100 = (found[0] for found in losses.values())
copy_all, fresh_all, moved_all, maps_all = (found[-1] for found in losses.values())

# %% [markdown]
# **What you should see.** With 100 images and one noisy copy of each, the dense network learns them by heart, noise
# included: <<copy_100:.2f>>. New noise brings that to <<fresh_100:.2f>>, moves to <<moved_100:.2f>>. With 10,000 images
# new noise gains next to nothing (<<copy_all:.3f>> and <<fresh_all:.3f>>), and moves cost: <<moved_all:.3f>>. Digits
# that stand askew are one more thing to learn in the same 400 steps, and the test has none. Augmentation stands in for
# images that you do not have.

# %% [markdown]
# And the convolutional network stands at <<maps_100:.3f>> with 100 images, below all that the dense one reaches with
# 10,000. Its kernels see 49 or 196 places in each image, and learn from every one. The right structure was worth more
# than a hundred times as many images.

# %% [markdown]
# ## Exercises
#
# ### Recall
# 1. A denoiser lowers the mean squared error to a tenth. How many decibels is that?
# 2. Why can a denoiser have a code that is larger than the image?
# 3. When does the noise layer add noise, and what follows for `evaluate`?
# 4. Why must input and target be moved together, and why before the noise?
# 5. Why does new noise help with 100 images and not with 10,000?
#
# ### Change one line
# 1. Set `STDDEV = 0.2` and run all cells. Where does the denoiser beat the median now, and what does the figure over
#    strengths look like?
# 2. Move more: `MOVES = {"shift": 0.2, "rotation": 45, "zoom": 0.3}`. Does it still help with 100 images?
#
# ### Open end
# 1. Train one denoiser for all strengths: a layer that draws a stddev between 0 and 1 for each image, then noise with
#    that stddev. How much does it lose at 0.5 against the specialist, and what does it gain elsewhere?
#
# ## Recap
#
# - You added noise to pixels, and measured it in decibels.
# - You trained on noisy input and clean target, with noise that is new in every epoch, and gained more than a median.
# - You judged on noisy images, and saw that on clean ones the network that only copies wins.
# - You made a hundred images go further: new noise, moves of both sides, and best of all kernels that see every place.
#
# Next: [06 · Variational autoencoders](06_variational.ipynb).
