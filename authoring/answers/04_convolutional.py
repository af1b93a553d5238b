# %% [markdown]
# # 04 · Convolutional autoencoders: answers
#
# Try the [exercises](../04_convolutional.ipynb) first. Cells that begin with `# from lecture 04` are the lecture's own;
# the others are new. All together run in a minute or two.
#
# ## Recall
#
# ### Recall 1
#
# Each of the 32 kernels has 3 x 3 x 16 = 144 weights, one for each place *and* channel that it sees, and one bias:
# 32 x 144 = 4,608 weights and 32 biases. The size of the image does not matter; the same kernels are laid on more
# places. To forget the 16 channels, and answer 288, is the common mistake.
#
# ### Recall 2
#
# The product of the strides must be 28, so 2, 2 and 7 in any order, or 4 and 7, or 28 at once. From 128 to 4 it must
# be 32: five strides of 2, or 4 and 8. Many small steps see less at a time and bend more often on the way.
#
# ### Recall 3
#
# A map gives every place the same share. With (4 x 4) / 2 each square of 7 x 7 pixels has two numbers, in the corners,
# where there is never ink, as in the middle. In (1 x 1) / 32 each number may say something about the whole digit, and
# none must be spent on paper.
#
# ### Recall 4
#
# The code moves by one place, and apart from the border its numbers stay the same. Each place stands for 4 x 4 pixels,
# since two strides of 2 lead to it. A move by one, two or three pixels is no whole number of places: then kernels see
# other parts of a stroke, and the numbers change.
#
# ### Recall 5
#
# A transposed convolution paints a kernel for each number of the small map, a stride apart. Where the kernel's width is
# no multiple of the stride, some pixels are painted more often than others. Where it is, each pixel within a stride
# still has weights of its own, and nothing makes their sums equal. If pixels are repeated first and then convolved with
# a stride of 1, every place is painted by the same, whole kernel: a flat map stays flat.
#
# ## Change one line
#
# ### Change one line 1
#
# The lecture's `wider` once more, and the same with repeated pixels:

# %% lecture=["setup", "autoencoder-by-hand", "training"]

# %%
down_to_one = {"filters": (16, 32, 32), "strides": (2, 2, 7), "kernel_size": (3, 3, 7), "code_activation": "linear"}
wider = {
    upsampling: train(upsampling, convolutional.build_autoencoder(upsampling=upsampling, **down_to_one))
    for upsampling in ("transpose", "nearest")
}

# %% [markdown]
# Time depends on the machine. What it is spent on does not: the products of a weight and a number that the decoder
# forms for one image.


# %%
def products(model):
    found = 0
    for layer in model.get_layer("decoder").layers:
        if hasattr(layer, "kernel"):  # laid on each place of the small map, or of the large one
            places = layer.input if isinstance(layer, layers.Conv2DTranspose) else layer.output
            found += places.shape[1] * places.shape[2] * int(np.prod(layer.kernel.shape))
    return found


decoders = {name: {"products": products(model), "test BCE": bce(model)} for name, model in wider.items()}
Table([{"upsampling": name} | found for name, found in decoders.items()])

# %%
shown = data.test.images[:10]
figures.image_rows({"original": shown} | {name: np.asarray(model(shown)) for name, model in wider.items()}).describe(
    "Ten test digits over the reconstructions of both decoders. With repeated pixels the 2, the 4 and the 5 are paler "
    "and lose parts of their strokes."
)

# %% [markdown]
# Both get worse. The decoder forms eleven times as many products, since its kernels are laid on each place of the map
# *after* it was enlarged. And the BCE rises from about 0.085 to 0.095. The last paragraph of the lecture says why: the
# first step leads from 1 x 1 to 7 x 7, and repeated, the code is the same at all 49 places. A convolution over it gives
# the same everywhere, but for the frame, where its kernels reach over the border. From that frame alone the network has
# to tell places apart. A transposed convolution has weights of its own for each of the 49.
#
# ### Change one line 2
#
# Kernels of 2, 3 and 4, on grey as in the lecture:

# %% lecture=["build-map", "spectrum-by-hand"]

# %%
ways = {2: train("kernel 2", build_map(kernel_size=2), epochs=3), 3: by_map}
ways[4] = train("kernel 4", build_map(kernel_size=4), epochs=3)
shades = np.linspace(0.1, 1, 10, dtype="float32")
grey = np.broadcast_to(shades.reshape(10, 1, 1, 1), (10, 28, 28, 1))
from_grey = {f"kernel {size}": model.predict(grey, verbose=0) for size, model in ways.items()}
figures.image_rows({"grey": grey} | from_grey).describe(
    "Ten flat squares from light to dark grey, over what three decoders return. Kernels of 2 weave the strongest "
    "pattern, of 3 a weaker one, of 4 faint stripes and a frame."
)

# %%
on_grey = {name: spectrum(images)[[3, 6]] for name, images in from_grey.items()}
Table([{"decoder": name, "amplitude at 1/4": float(a), "at 1/2": float(b)} for name, (a, b) in on_grey.items()])

# %% [markdown]
# It is weaker than with kernels of 3, much weaker than with kernels of 2, and not gone. Even overlap says that each
# pixel is painted by as many kernels as any other, not that their weights add up to the same. Four pixels within a
# stride of 2 are painted by four different sets of weights, and only training could make these equal.
#
# ## Open end
#
# ### Open end 1
#
# One way: let TensorFlow differentiate. First one code number, in the middle of the map, for one digit:

# %%
import tensorflow as tf


def gradient(model, images, places=np.s_[...]):
    images = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        codes = model.get_layer("encoder")(images)  # (n, 28, 28, 1) -> (n, 7, 7, 4)
        chosen = tf.reduce_sum(codes[places])
    return tape.gradient(chosen, images).numpy()  # (n, 28, 28, 1)


one_number = np.s_[:, 3, 3, 0]
of_one = np.concatenate([gradient(model, data.test.images[:1], one_number) for model in ways.values()])
titles = [f"kernel {size}" for size in ways]
figures.image_grid(of_one, columns=3, titles=titles, signed=True).describe(
    "Three squares, grey but for a few pixels in the middle, dark red and pale blue: 4 x 4 of them with kernels of 2, "
    "and larger patches with kernels of 3 and 4."
)

# %% [markdown]
# That is the receptive field, with signs. A checkerboard shows when all code numbers have their say. So take the
# gradient of their sum, and of it the mean size at each pixel over 100 digits. Beside it, what counting alone would
# give: the same networks with every weight 1.

# %%
counting = {size: build_map(kernel_size=size) for size in ways}
for model in counting.values():
    model.set_weights([np.ones_like(weight) for weight in model.get_weights()])


def sizes(models):
    found = [np.abs(gradient(model, data.test.images[:100])).mean(axis=0) for model in models.values()]
    return np.stack([one / one.max() for one in found])  # (3, 28, 28, 1)


counted, learned = sizes(counting), sizes(ways)
figures.image_rows({"every weight 1": counted, "trained": learned}, columns=3, titles=titles).describe(
    "Two rows of three squares. Counted, kernels of 2 and 4 give one flat black, and kernels of 3 a checkerboard. "
    "Trained, all three have a pattern that repeats every four pixels, strongest with kernels of 2."
)


# %%
def pattern(image):
    found = spectrum(image[np.newaxis])
    return found[[3, 6]] / found[0]  # at 1/4 and at 1/2, relative to the mean


patterns = {size: (pattern(counted[k]), pattern(learned[k])) for k, size in enumerate(ways)}
scores = {size: bce(model) for size, model in ways.items()}
heads = ("1/4 counted", "1/2 counted", "1/4 trained", "1/2 trained")
rows = {size: dict(zip(heads, map(float, np.concatenate(found)), strict=True)) for size, found in patterns.items()}
Table([{"kernel": size} | row | {"test BCE": scores[size]} for size, row in rows.items()])

# %% [markdown]
# By counting, only kernels of 3 have a checkerboard, at 1/2 from the first level and at 1/4 from the second: where
# kernels overlap, a pixel has two or four ways into the code. Kernels of 2 and 4 give every pixel as many. After
# training all three have a pattern at the stride frequencies, and kernels of 3 the weakest: weights differ within a
# stride, and training had no reason to make their sums equal.
#
# Does it matter? Hardly for what is learned here: kernels of 4 have a strong pattern and the lowest BCE. A pixel with a
# small gradient is seen less, not lost, since its neighbours show the same stroke. It would matter where the gradient
# itself is the result, as in pictures of what a network looks at.
