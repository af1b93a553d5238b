# %% [markdown]
# # 04 · Convolutional autoencoders: answers
#
# Try the [exercises](../04_convolutional.ipynb) first. Cells that begin with `# from lecture 04` are the lecture's own;
# the others are new. All together run in about a minute.
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
# The network with transposed convolutions is trained as in the lecture, then the one with repeated pixels.

# %% lecture=["setup", "autoencoder-by-hand", "training", "wider"]

# %%
nearest = down_to_one | {"upsampling": "nearest"}
repeated = train("repeated", convolutional.build_autoencoder(kernel_size=(3, 3, 7), **nearest))

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


decoders = {"transposed": {"products": products(wider), "test BCE": bce_wider}}
decoders["repeated"] = {"products": products(repeated), "test BCE": bce(repeated)}
Table([{"decoder": name} | found for name, found in decoders.items()])

# %%
shown = data.test.images[:10]
drawn = {"transposed": np.asarray(wider(shown)), "repeated": np.asarray(repeated(shown))}
figures.image_rows({"original": shown} | drawn).describe("x")

# %% [markdown]
# TODO
#
# ### Change one line 2

# %% lecture=["build-map", "spectrum-by-hand"]

# %%
ways = {f"kernel {size}": train(f"kernel {size}", build_map(kernel_size=size), epochs=3) for size in (2, 4)}
ways = {"kernel 2": ways["kernel 2"], "kernel 3": by_map, "kernel 4": ways["kernel 4"]}
shades = np.linspace(0.1, 1, 10, dtype="float32")
grey = np.broadcast_to(shades.reshape(10, 1, 1, 1), (10, 28, 28, 1))
from_grey = {name: model.predict(grey, verbose=0) for name, model in ways.items()}
figures.image_rows({"grey": grey} | from_grey).describe("x")

# %%
peaks = {name: spectrum(images) for name, images in from_grey.items()}
Table([{"decoder": n, "1/4": float(p[3]), "1/2": float(p[6])} for n, p in peaks.items()])

# %% [markdown]
# ## Open end
#
# ### Open end 1

# %%
import tensorflow as tf


def gradient(model, images, row=3, column=3):
    x = tf.convert_to_tensor(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        codes = model.get_layer("encoder")(x)  # (n, 28, 28, 1) -> (n, 7, 7, 4)
        chosen = tf.reduce_sum(codes[:, row, column, 0])
    return tape.gradient(chosen, x).numpy()  # (n, 28, 28, 1)


one = {name: gradient(model, data.test.images[:1])[0] for name, model in ways.items()}
figures.image_grid(np.stack([*one.values()]), columns=3, titles=[*one], signed=True).describe("x")

# %%
def all_codes_gradient(model, images):
    x = tf.convert_to_tensor(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(model.get_layer("encoder")(x))
    return tape.gradient(total, x).numpy()

g = {n: all_codes_gradient(m, data.test.images[:100]) for n, m in ways.items()}
figures.image_grid(np.stack([np.abs(x).mean(axis=0) for x in g.values()]), columns=3, titles=[*g], signed=True).describe("x")
Table([{"n": n, **{f"{k}/12": float(spectrum(np.abs(x).mean(axis=0)[np.newaxis] )[k]/np.abs(x).mean()) for k in range(1,7)}} for n, x in g.items()])
