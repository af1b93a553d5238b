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

# %% lecture=["setup", "psnr-by-hand"]

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
figures.curves(heights, **words, marks={0.2: "0.2", 0.5: "0.5"}).describe("x")

# %%
Table([{"stddev": stddev} | {name: round(found[k], 2) for name, found in heights.items()} for k, stddev in enumerate(strengths)])

# %% [markdown]
# TODO
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
large = moves["large"]["augmentation"]
figures.image_rows({"large": np.asarray(large(data.test.images[[0] * 10], training=True))}).describe("x")

# %% [markdown]
# TODO
#
# ## Open end
#
# ### Open end 1


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
figures.curves({name: heights[name] for name in heights if name != "median of 3 x 3"}, **words).describe("x")

# %%
Table([{"stddev": stddev} | {name: round(found[k], 2) for name, found in heights.items()} for k, stddev in enumerate(strengths)])
