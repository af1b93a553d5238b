# %% [markdown]
# # 05 · Denoising autoencoders: answers
#
# Try the [exercises](../05_denoising.ipynb) first. Cells that begin with `# from lecture 05` are the lecture's own; the
# others are new. All together run in about a minute.
#
# ## Recall
#
# ### Recall 1
#
# 10 dB: the PSNR is $10 \log_{10} (1 / \text{MSE})$, and a tenth of the error is ten times its inverse. A hundredth
# would be 20 dB, and half the error about 3 dB.
#
# ### Recall 2
#
# A plain autoencoder with a large code copies its input, and its loss rewards that. A denoiser's target is not its
# input: a copy keeps the noise, and the loss punishes it. What keeps a denoiser from copying is the noise, not a narrow
# middle.
#
# ### Recall 3
#
# In training only, when it is called with `training=True`, as `fit` does. `predict` and `evaluate` call the network
# without, and then the layer hands its input on as it is. So `evaluate(clean, clean)` measures copying. To measure
# denoising, add the noise yourself: `evaluate(add_noise(clean, STDDEV, seed=1), clean)`.
#
# ### Recall 4
#
# If only the input moved, the network would be asked to move it back by a distance that it cannot know. And a move
# takes means of neighbouring pixels, which smooths noise. Noise that is added before the move is weaker and softer in
# training than in any test image.
#
# ### Recall 5
#
# With 100 images and one noisy copy of each, the network sees the same 100 pairs in every epoch, and can learn them by
# heart, noise included. New noise makes every pass a new task with the same answer. With 10,000 images and the same
# number of steps, few pairs come up more than a few times, so there is nothing to learn by heart.
#
# ## Change one line
#
# ### Change one line 1
#
# The lecture's denoiser, for a stddev of 0.5, and one that is built and trained in the same way for 0.2.

# %% lecture=["setup", "noise-by-hand", "psnr-by-hand"]

# %%
STDDEV = 0.5

# %% lecture=["noise-layer-by-hand", "denoiser-by-hand", "training"]

# %%
from helpers.models.convolutional import build_denoiser


def build_maps():
    return convolutional.build_autoencoder(filters=(16, 32), upsampling="transpose")


denoisers = {"made for 0.2": build_denoiser(build_maps(), stddev=0.2), "made for 0.5": denoiser}
for name, model in denoisers.items():
    train(name, model)

# %%
strengths = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
few = data.test.images[:1000]
copies = [add_noise(few, stddev, seed=2) for stddev in strengths]


def psnr_of(model):
    return [psnr(model.predict(images, batch_size=1000, verbose=0), few) for images in copies]


heights = {
    "nothing": [np.nan, *(psnr(images, few) for images in copies[1:])],  # without noise it is infinite
    "median of 3 x 3": [psnr(median_filter(images, size=(1, 3, 3, 1)), few) for images in copies],
}
heights |= {name: psnr_of(model) for name, model in denoisers.items()}

# %%
words = {"x": strengths, "xlabel": "stddev of the noise", "ylabel": "PSNR, dB"}
figures.curves(heights, **words, marks={0.2: "0.2", 0.5: "0.5"}).describe(
    "PSNR over the strength of the noise. The denoiser made for 0.2 lies above the median everywhere, and is highest "
    "up to about 0.4; from there on the one made for 0.5 is highest."
)


# %%
def at(*chosen):
    rows = [(stddev, {name: found[strengths.index(stddev)] for name, found in heights.items()}) for stddev in chosen]
    return Table([{"stddev": stddev} | {name: f"{dB:.1f}" for name, dB in row.items()} for stddev, row in rows])


at(0.1, 0.2, 0.5, 1.0)

# %% [markdown]
# The denoiser made for 0.2 beats the median at every strength, by nearly 5 dB where it was trained and by half a
# decibel at 1. Its curve is the old one moved up and to the left: higher for weak noise, lower for strong. Even at 0.1
# it is better than leaving the image alone, which the one made for 0.5 is not: less noise in training means less
# softening. Where the two cross, near 0.4, neither was trained.
#
# ### Change one line 2
#
# The dense network with 100 images: new noise alone, with the lecture's moves, and with large ones.

# %% lecture=["noisy-test", "small-networks"]

# %%
moves = {
    "none": {},
    "the lecture's": {"augmentation": build_augmentation(shift=0.05, rotation=10, zoom=0.1)},
    "large": {"augmentation": build_augmentation(shift=0.2, rotation=45, zoom=0.3)},
}
by_moves = {name: score(build_dense(), batches_of(100, **options)) for name, options in moves.items()}
Table([{"moves": name, "test BCE": found} for name, found in by_moves.items()])

# %%
same = data.test.images[[0] * 10]
pictures = {name: options["augmentation"](same, training=True) for name, options in moves.items() if options}
figures.image_rows({name: np.asarray(images) for name, images in pictures.items()}).describe(
    "The same 7 moved in ten ways. By the lecture's moves it stays a 7 in the middle; by large ones it is half and one "
    "and a half times as large, leans to all sides, and is cut off at the border."
)

# %% [markdown]
# It helps next to nothing: about as much as no moves at all, where the lecture's bring the BCE from about 0.22 to 0.17.
# Look at the moved digits. Sevens on their side and cut off at the border are no digits that the test has, and the
# network spends its 400 steps on them. Augmentation must make images that *could* have been in the data.
#
# ## Open end
#
# ### Open end 1
#
# One way: a layer like the lecture's, which draws a stddev for each image. The network behind it and its training stay
# the same.


# %%
class AnyNoise(layers.Layer):
    """Add noise of a strength that is drawn for each image, in training only."""

    def __init__(self, seed=0):
        super().__init__()
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        if not training:
            return images
        shape = ops.shape(images)
        stddev = keras.random.uniform((shape[0], 1, 1, 1), seed=self.generator)
        return ops.clip(images + stddev * keras.random.normal(shape, seed=self.generator), 0, 1)


maps = build_maps()
images = keras.Input((28, 28, 1))  # (28, 28, 1)
generalist = keras.Model(images, maps(AnyNoise()(images)))
train("made for all", generalist)
heights["made for all"] = psnr_of(generalist)

# %%
denoising = {name: found for name, found in heights.items() if name.startswith("made")}
figures.curves(denoising, **words).describe(
    "PSNR over the strength of the noise for three denoisers. The one made for all lies on the one made for 0.5 in the "
    "middle, and above it at both ends; the one made for 0.2 is highest for weak noise and lowest for strong."
)

# %%
at(0, 0.2, 0.5, 1.0)

# %% [markdown]
# At 0.5 it loses about a tenth of a decibel against the specialist. It gains one at 0.2 and one at 1.0, and two where
# there is no noise. That is cheap: the network can see how noisy an image is, and do what that noise wants. It was
# never told the strength. The specialist for 0.2 stays ahead below 0.3; nobody is best everywhere.
#
# A denoiser for all strengths, which may also be told which, is what diffusion models are made of.
