# %% [markdown]
# # 04 · Convolutional autoencoders
#
# *What does a network gain when it knows which pixels are neighbours?*
#
# **You will**
# - build an encoder whose maps lose resolution and gain channels, down to 1 x 1, and its mirror image
# - choose kernels and strides that divide the image, and read what happens if they do not
# - compare codes of the same size laid out as maps, on digits where they belong and on digits moved aside
# - make the checkerboard of transposed convolutions visible, and measure it in the spectrum
#
# **What to know before.** Lectures [01](01_simple.ipynb) (encoder, code, decoder, BCE) and [03](03_deep.ipynb) (depth,
# a linear code).
#
# | | CPU (2 cores) | GPU |
# |---|---|---|
# | this notebook | about a minute | not needed: the images are too small to keep one busy |

# %% tags=["setup"]
from helpers import figures
from helpers.training import Progress, seed_everything
from helpers.data import digits
from helpers.diagrams import draw_model
from helpers.models import convolutional, dense, join
from helpers.tables import Table

import keras
import numpy as np
from keras import layers

seed_everything(0)
data = digits.load()

# %% [markdown]
# ## One kernel for every place
#
# A dense layer does not know that pixels have neighbours: shuffle all pixels in the same way, and it learns as well as
# before. A [[convolution]] has a small *kernel*, here 3 x 3 weights, and lays it on every place of the image in turn.
# What it finds at each place makes up a *map*. Several kernels give several maps, the [[channels]]. Two kernels by
# hand:

# %% tags=["kernels-by-hand"]
ink_above = np.array([[1, 1, 1], [0, 0, 0], [-1, -1, -1]]) / 3
kernels = np.stack([ink_above, ink_above.T], axis=-1)[:, :, np.newaxis, :]  # (3, 3, 1, 2)
by_hand = layers.Conv2D(2, 3, padding="same", use_bias=False)  # (batch, 28, 28, 1) -> (batch, 28, 28, 2)
by_hand.build((None, 28, 28, 1))
by_hand.set_weights([kernels])

# %%
digit = data.test.images[:10]
maps = np.asarray(by_hand(digit))  # (10, 28, 28, 1) -> (10, 28, 28, 2)
grey_is_zero = 0.5 + maps / 2
figures.image_rows(
    {"digit": digit, "ink above": grey_is_zero[..., :1], "ink on the left": grey_is_zero[..., 1:]}
).describe(
    "Ten digits over two maps each, grey where a kernel finds nothing. The first map is black under strokes "
    "that lie flat and white above them; the second likewise to the right and left of upright strokes."
)

# %% [markdown]
# **What you should see.** Grey is zero. The first kernel answers in black under every stroke that lies flat, the second
# on the right side of every upright one, wherever it is. Each has 9 weights. A dense layer from 784 pixels to 784 would
# have 614,656, and would have to learn the same edge for each place anew. That kernels can be learned was shown on
# digits ([LeCun et al., 1989](https://doi.org/10.1162/neco.1989.1.4.541)).

# %% [markdown]
# ## Resolution down, channels up
#
# A kernel may move by more than one pixel at a time: its [[stride]]. With a stride of 2 a map has half the rows and
# half the columns. If the kernel is as wide as its stride, and the stride divides the image, every pixel is seen once:
# none twice, none left out. 28 is 2 x 2 x 7, so three levels lead to a map of 1 x 1. Its 32 channels are the code. The
# pixels that can influence one number of a map are its [[receptive field]]: 2 x 2 on the first level, 4 x 4 on the
# second, and in the code all 28 x 28.

# %% tags=["autoencoder-by-hand"]
images = keras.Input((28, 28, 1))  # (28, 28, 1)
x = layers.Conv2D(16, 2, strides=2, activation="relu")(images)  # (batch, 28, 28, 1) -> (batch, 14, 14, 16)
x = layers.Conv2D(32, 2, strides=2, activation="relu")(x)  # (batch, 14, 14, 16) -> (batch, 7, 7, 32)
codes = layers.Conv2D(32, 7, strides=7)(x)  # (batch, 7, 7, 32) -> (batch, 1, 1, 32)
encoder = keras.Model(images, codes, name="encoder")

# %% [markdown]
# The decoder is the mirror image. A [[transposed convolution]] goes the other way, from a small map to a large one:
# each number of the small map paints a kernel, weighted by that number, into the large one.

# %% tags=["autoencoder-by-hand"]
codes = keras.Input((1, 1, 32))  # (1, 1, 32)
x = layers.Conv2DTranspose(32, 7, strides=7, activation="relu")(codes)  # (batch, 1, 1, 32) -> (batch, 7, 7, 32)
x = layers.Conv2DTranspose(16, 2, strides=2, activation="relu")(x)  # (batch, 7, 7, 32) -> (batch, 14, 14, 16)
x = layers.Conv2DTranspose(1, 2, strides=2, activation="sigmoid")(x)  # (batch, 14, 14, 16) -> (batch, 28, 28, 1)
decoder = keras.Model(codes, x, name="decoder")

# %% [markdown]
# In the drawing a box is as high as its maps have rows, and as wide as there are channels, both on a logarithmic scale.

# %%
draw_model(encoder, decoder)

# %% [markdown]
# **Predict.** Which of the six layers has the most weights, and which gives the most numbers?


# %%
def describe(layer):
    rows, columns, channels = layer.output.shape[1:]
    shape, numbers = f"({rows} x {columns}) / {channels}", rows * columns * channels
    return {"layer": type(layer).__name__, "map": shape, "numbers": numbers, "parameters": layer.count_params()}


Table([describe(layer) for layer in [*encoder.layers, *decoder.layers[1:]]], "(rows x columns) / channels")

# %% [markdown]
# **What you should see.** Rows and columns fall, channels rise: *where* is traded for *what*. At first the numbers
# grow, from 784 to 3,136; nothing is squeezed before the last level. Almost all weights sit there too, in kernels of 7
# x 7 between 32 and 32 channels. The levels near the image, which see the most places, have next to none.

# %% [markdown]
# **Fails on purpose.** Three levels with a stride of 2 look more regular. But 28, 14, 7 are followed by 3.5. Keras
# alone says nothing: by default it leaves out the last row and column, by `padding="same"` it adds one, and the decoder
# comes out at 24 or 32 pixels. (The [Keras blog](https://blog.keras.io/building-autoencoders-in-keras.html) goes up to
# 16 and then takes two away.) The builder in `helpers` refuses.

# %% tags=["three-levels-refused"]
try:
    convolutional.build_autoencoder(filters=(16, 32, 32), strides=2)
except ValueError as error:
    print(error)

# %% [markdown]
# The message names the divisors of the image. Either the strides are made of those, or the image gets other sizes:
# one reason why aerial images are cut into tiles of 128 or 256 pixels.

# %% [markdown]
# ## Train it
#
# 20,000 images and five epochs are enough to compare. The rival is the network of lecture 01, also with 32 linear
# numbers.

# %% tags=["training"]
MORE = 10 if data.is_stand_in else 1  # the stand-in has fewer images
some = data.train.images[:20_000]


def train(label, model, epochs=5):
    model.compile(keras.optimizers.Adam(0.002), loss="binary_crossentropy", steps_per_execution=20)
    model.fit(some, some, batch_size=128, epochs=epochs * MORE, callbacks=[Progress(label)], verbose=0)
    return model


def bce(model, images=data.test.images):
    return model.evaluate(images, images, batch_size=1000, verbose=0)


one_by_one = join(encoder, decoder)
start = one_by_one.get_weights()

# %% [markdown]
# **Predict.** Both codes have 32 numbers. Which network wins?

# %%
one_by_one.set_weights(start)  # so that the cell can run again
train("down to 1 x 1", one_by_one)
rival = train("dense", dense.build_autoencoder(32, code_activation="linear"))
bce_one, bce_dense = bce(one_by_one), bce(rival)
compared = {"dense": (rival, bce_dense), "down to 1 x 1": (one_by_one, bce_one)}
Table([{"network": name, "parameters": m.count_params(), "test BCE": found} for name, (m, found) in compared.items()])

# %%
shown = data.test.images[:10]
rows = {"original": shown} | {name: np.asarray(model(shown)) for name, (model, _) in compared.items()}
figures.image_rows(rows).describe(
    "Ten test digits over the reconstructions of the dense network and of the one that goes down to 1 x 1; the "
    "latter are cleaner, with small steps at their edges."
)

# %% [markdown]
# **What you should see.** <<bce_one:.3f>> against <<bce_dense:.3f>>. Strokes are cleaner. But look at their edges:
# there are steps, two pixels wide. No kernel sees across the border of its square. `convolutional.build_autoencoder`
# builds this network from now on, and its `kernel_size` lets kernels reach over.

# %%
down_to_one = {"filters": (16, 32, 32), "strides": (2, 2, 7), "code_activation": "linear", "upsampling": "transpose"}
wider = train("kernels of 3", convolutional.build_autoencoder(kernel_size=(3, 3, 7), **down_to_one))
bce_wider = bce(wider)
print(f"Test BCE: kernels of 2 {bce_one:.4f}, kernels of 3 {bce_wider:.4f}")

# %% [markdown]
# **What you should see.** <<bce_wider:.3f>>, for five thousand more weights. Kernels of 3 with strides of 2 are a
# common choice: neighbours overlap, so that an edge is not cut where the squares meet. What that costs in the decoder
# is the subject of the last section.

# %% [markdown]
# ## The same 32 numbers, laid out in three ways
#
# How far down should the map go? 28 has more divisors: a stride of 7 alone leaves 4 x 4 places, strides of 2 and 7
# leave 2 x 2. With 2 and 8 channels these are 32 numbers as well.
#
# **Predict.** Is it better to spend them on places or on channels?

# %%
tiles = {"code_activation": "linear", "upsampling": "transpose"}
four = convolutional.build_autoencoder(filters=(2,), strides=(7,), kernel_size=(7,), **tiles)
two = convolutional.build_autoencoder(filters=(16, 8), strides=(2, 7), kernel_size=(2, 7), **tiles)
layouts = {"(4 x 4) / 2": train("(4 x 4) / 2", four), "(2 x 2) / 8": train("(2 x 2) / 8", two)}
layouts["(1 x 1) / 32"] = one_by_one

# %%
scores = {name: bce(model) for name, model in layouts.items()}
bce_four, bce_two, _ = scores.values()
Table([{"code": name, "parameters": layouts[name].count_params(), "test BCE": scores[name]} for name in layouts])

# %%
figures.image_rows({"original": shown} | {name: np.asarray(model(shown)) for name, model in layouts.items()}).describe(
    "Ten test digits over three reconstructions from 32 numbers: coarse and blotchy from 4 x 4 places, soft "
    "from 2 x 2, clean from 1 x 1."
)

# %% [markdown]
# **What you should see.** <<bce_four:.2f>>, <<bce_two:.3f>>, <<bce_one:.3f>>. A map gives each place the same share:
# the corners, where there is never ink, get 2 numbers, and so does the middle. At 1 x 1 every number may say something
# about the whole digit. Yet look at the parameters: (2 x 2) / 8 comes close to the dense network, <<bce_dense:.3f>>,
# with a quarter of its weights.

# %% [markdown]
# ## Codes that are maps
#
# If the code may be larger, maps show what they are good for. Two levels, kernels of 3, and a code of (7 x 7) / 4: 196
# numbers.


# %% tags=["build-map"]
def build_map(kernel_size=3, upsampling="transpose", **options):
    options |= {"filters": (16, 4), "kernel_size": kernel_size, "upsampling": upsampling}
    return convolutional.build_autoencoder(code_activation="linear", **options)


by_map = train("(7 x 7) / 4", build_map(), epochs=3)
bce_map = bce(by_map)
print(f"{by_map.count_params():,} parameters, test BCE {bce_map:.4f}")

# %% [markdown]
# <<bce_map:.3f>> with 1,477 parameters. Each channel of the code is a picture of 7 x 7, and can be looked at. White is
# the smallest number in a channel, black the largest.


# %%
def as_pictures(codes):
    low, high = codes.min(axis=(0, 1, 2)), codes.max(axis=(0, 1, 2))
    scaled = (codes - low) / (high - low)  # (n, 7, 7, 4), each channel from 0 to 1
    return {f"channel {k + 1}": scaled[..., k : k + 1] for k in range(codes.shape[-1])}


encode = by_map.get_layer("encoder").predict
figures.image_rows({"digit": shown} | as_pictures(encode(shown, verbose=0))).describe(
    "Ten digits over the four channels of their codes, each a picture of 7 x 7 squares in which the digit can "
    "still be read, in some channels dark on light, in others light on dark."
)

# %% [markdown]
# **What you should see.** You can still read the digits. Some channels are like small photographs or their negatives,
# others answer to one side of a stroke, as our kernels did. The code keeps *where* because nothing made it let go.
#
# **Predict.** Move a digit by four pixels to the right. What happens to its code?

# %%
margin = ((0, 0), (0, 0), (4, 0), (0, 0))  # four columns of paper come in on the left, four go out on the right
moved = np.pad(data.test.images, margin)[:, :, :28]  # (n, 28, 32, 1) -> (n, 28, 28, 1)
pair = np.stack([data.test.images[0], moved[0]])
figures.image_rows({"digit": pair} | as_pictures(encode(pair, verbose=0)), titles=["as it was", "moved by 4"]).describe(
    "A 7 and the same 7 moved four pixels to the right, above the four channels of their codes: in each the "
    "pattern has moved by one square."
)

# %% [markdown]
# It moves by one: the two strides of 2 make four pixels of the image one place in the code. Apart from the border, the
# numbers are the same. A network whose maps move along with its input is called [[equivariant]] to shifts. What is that
# worth for digits that stand where training never had one?

# %%
networks = {"dense, 32": rival, "(1 x 1) / 32": wider, "(7 x 7) / 4": by_map}
aside = {name: bce(model, moved) for name, model in networks.items()}
moved_dense, moved_one, moved_map = aside.values()
Table([{"code": name, "in place": bce(networks[name]), "moved by 4": aside[name]} for name in networks])

# %%
figures.image_rows(
    {"moved by 4": moved[:10]} | {name: np.asarray(m(moved[:10])) for name, m in networks.items()}
).describe(
    "Ten digits moved to the right, over what three networks return: the dense one smears them, the one with a "
    "code of 1 x 1 bends them and leaves stray marks, the one with maps copies them."
)

# %% [markdown]
# **What you should see.** The map does not mind: <<moved_map:.3f>>. The dense network has never seen ink there, and its
# loss rises to <<moved_dense:.2f>>. The way to 1 x 1 leads through kernels that know each place again, and ends at
# <<moved_one:.2f>> (five seeds: <<moved_one seeds:.2f>>). It is a trade: a small code from far down, or freedom of
# place from staying up.

# %% [markdown]
# Since its kernels do not care where they are, a network of maps does not care how large the image is. Build the same
# network for a wide image, and give it the weights that it has.

# %%
wide = build_map(input_shape=(28, 140, 1))
wide.set_weights(by_map.get_weights())
line = np.concatenate(list(data.test.images[:5]), axis=1)[np.newaxis]  # (5, 28, 28, 1) -> (1, 28, 140, 1)
bce_line = float(np.mean(keras.losses.binary_crossentropy(line, wide(line))))
print(f"code {wide.get_layer('encoder').output_shape[1:]}, BCE of a line of five digits {bce_line:.3f}")

# %% [markdown]
# So lectures 10 to 13 can train on small patches and label whole tiles.

# %% [markdown]
# ## The checkerboard
#
# Back to the way up. A transposed convolution paints kernels side by side. With kernels of 3 and steps of 2 they
# overlap, but not evenly. Let every weight and every number of the small map be 1, and count.

# %% tags=["overlapping-kernels"]
count = layers.Conv2DTranspose(
    1, 3, strides=2, padding="same", kernel_initializer="ones"
)  # (batch, 4, 4, 1) -> (batch, 8, 8, 1)
painted = np.asarray(count(np.ones((1, 4, 4, 1))))[0, :, :, 0]
print(painted.astype(int))

# %% [markdown]
# **What you should see.** Ones, twos and fours: a checkerboard with a period of 2, the stride. The weights *can* learn
# to even it out, but nothing makes them ([Odena et al., 2016](https://doi.org/10.23915/distill.00003)). The remedy from
# the same article: first enlarge by repeating every pixel (`UpSampling2D`), then convolve with a stride of 1, so that
# every place is painted by a full kernel.
#
# Three networks with the same maps; the last two have the same number of weights.

# %%
ways = {
    "transposed, kernel 2": train("transposed, kernel 2", build_map(kernel_size=2), epochs=3),
    "transposed, kernel 3": by_map,
    "repeated, kernel 3": train("repeated, kernel 3", build_map(upsampling="nearest"), epochs=3),
}
figures.image_rows({"original": shown} | {name: np.asarray(model(shown)) for name, model in ways.items()}).describe(
    "Ten test digits over the reconstructions of three decoders, transposed with kernels of 2 and of 3, and "
    "repeated. They are nearly alike, but with kernels of 2 edges are jagged."
)

# %% [markdown]
# On digits there is little to see but the jagged edges of kernels of 2: paper and ink saturate the sigmoid. To see what
# a decoder does by itself, give it nothing to do.
#
# **Predict.** What comes back for images that are grey all over?

# %%
shades = np.linspace(0.1, 1, 10, dtype="float32")
grey = np.broadcast_to(shades.reshape(10, 1, 1, 1), (10, 28, 28, 1))
from_grey = {name: model.predict(grey, verbose=0) for name, model in ways.items()}
figures.image_rows({"grey": grey} | from_grey).describe(
    "Ten flat squares from light to dark grey, over what three decoders return. Both transposed ones weave a "
    "fine pattern into each square; the third leaves it flat but for a frame."
)

# %% [markdown]
# **What you should see.** Both transposed decoders weave a pattern into a flat area, whether kernels lie side by side
# (2) or overlap (3). After repeating there is none, only a frame, where the kernels reach over the edge of the image.

# %% [markdown]
# How strong is it? A pattern with a period of $p$ pixels is a peak at $1 / p$ in the *spectrum*. We take the middle,
# away from the frame. First a known answer: a chessboard of 0.5 plus and minus 0.1.


# %% tags=["spectrum-by-hand"]
def spectrum(images):
    middle = images[:, 8:20, 8:20, 0]  # (n, 28, 28, 1) -> (n, 12, 12): three periods of 4
    down, across = (np.abs(np.fft.rfft(middle, axis=axis)) / 12 for axis in (1, 2))
    mean = (down.mean(axis=(0, 2)) + across.mean(axis=(0, 1))) / 2  # (7,): frequencies 0, 1/12, ..., 1/2
    return mean * [1, 2, 2, 2, 2, 2, 1]  # all but the ends stand for two: plus and minus


sign = (-1) ** np.add.outer(np.arange(28), np.arange(28))  # (28, 28)
print(spectrum(0.5 + 0.1 * sign[np.newaxis, ..., np.newaxis]).round(3))

# %%
peaks = {name: spectrum(images) for name, images in from_grey.items()}
labels = ["1/12", "1/6", "1/4", "1/3", "5/12", "1/2"]
heights = {name: found[1:] for name, found in peaks.items()}  # the first number is the mean grey
words = {"xlabel": "frequency, periods per pixel", "ylabel": "amplitude on grey, ink"}
figures.bars(heights, labels, **words, numbers=False).describe(
    "Bars over six frequencies for three decoders. The two transposed ones have peaks at 1/4 and 1/2 and next "
    "to nothing elsewhere; the repeated one has none."
)

# %%
at_quarter, at_half = ({name: float(found[k]) for name, found in peaks.items()} for k in (3, 6))
tiles_quarter, overlap_quarter, repeated_quarter = at_quarter.values()
Table([{"decoder": name, "amplitude at 1/4": at_quarter[name], "at 1/2": at_half[name]} for name in ways])

# %% [markdown]
# **What you should see.** Peaks at the stride frequencies and nowhere else: 1/2 from the last level, 1/4 and 1/2 from
# the one before it. Tiles reach <<tiles_quarter:.3f>> of full ink at 1/4 (five seeds: <<tiles_quarter seeds:.3f>>),
# overlapping kernels <<overlap_quarter:.3f>> (<<overlap_quarter seeds:.3f>>). Repeating has none, and not by training:
# a flat map convolved is flat, whatever the weights.

# %%
scores = {name: bce(model) for name, model in ways.items()}
bce_tiles, _, bce_repeated = scores.values()
Table([{"decoder": name, "parameters": ways[name].count_params(), "test BCE": scores[name]} for name in ways])

# %% [markdown]
# **What you should see.** On digits it makes no difference: <<bce_map:.3f>> and <<bce_repeated:.3f>>. The transposed
# network is quicker, since it convolves the small map and not the large one. Where flat areas matter, as in aerial
# images, repeat. From 1 x 1 up, do not: there a repeated number is the same everywhere, and only the frame would tell
# the places apart.

# %% [markdown]
# ## Exercises
#
# ### Recall
# 1. A kernel of 3 x 3 leads from 16 to 32 channels. How many weights and biases has the layer, and does the size of the
#    image matter?
# 2. Which strides take 28 x 28 pixels down to 1 x 1, and which take 128 x 128 down to 4 x 4?
# 3. Why is a code of (1 x 1) / 32 better than one of (4 x 4) / 2 on digits?
# 4. A digit moves by four pixels. What happens to the code of (7 x 7) / 4, and why must it be four?
# 5. Where does the checkerboard come from, and why can repeated pixels not have one?
#
# ### Change one line
# 1. Build `wider` with `"upsampling": "nearest"` in `down_to_one`. What happens to the time and to the BCE? The last
#    paragraph says why.
# 2. Let kernels of 4 paint with steps of 2: `build_map(kernel_size=4)` in place of kernel 2. They overlap evenly. Is
#    the pattern gone?
#
# ### Open end
# 1. Odena et al. find that the gradient of a strided convolution has a checkerboard too: pixels under more kernels get
#    more of it. Draw the gradient of one code number with respect to the image, for kernels of 2, 3 and 4. Which
#    frequency has it, and does it matter for what is learned?
#
# ## Recap
#
# - You built an encoder from 28 x 28 / 1 over 14 x 14 / 16 and 7 x 7 / 32 down to 1 x 1 / 32, and its mirror image.
# - You chose strides that divide 28 = 2 x 2 x 7, and read what 3.5 rows lead to.
# - You compared layouts of the same 32 numbers, and saw maps follow a digit that moved where other codes lost it.
# - You made the checkerboard visible on grey, measured it at 1/4 and 1/2, and know the remedy and its price.
#
# Next: [05 · Denoising autoencoders](05_denoising.ipynb).
