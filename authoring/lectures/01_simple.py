# %% [markdown]
# # 01 · Simple autoencoder
#
# *What do 32 numbers keep of a digit that has 784?*
#
# **You will**
# - build an encoder and a decoder, and join them to an autoencoder
# - train it to give back what it was given, and say how good that can get
# - compare it with the best linear code of the same size, PCA, and see what longer codes buy
# - show it images that it never saw, and explain what comes back
#
# **What to know before.** [Lecture 00](00_start_here.ipynb); what a dense layer and a gradient step are.
#
# | | CPU (2 cores) | GPU |
# |---|---|---|
# | this notebook | about a minute | not needed: the network is too small to keep one busy |
# | with `EPOCHS = 50` | about two minutes | |

# %% tags=["setup"]
from helpers import figures
from helpers.training import Progress, seed_everything
from helpers.data import digits, out_of_distribution
from helpers.diagrams import draw_model
from helpers.models import join
from helpers.tables import Table

import keras
import numpy as np
from keras import layers
from sklearn.decomposition import PCA

seed_everything(0)
data = digits.load()

# %% [markdown]
# ## Two halves and a narrow middle
#
# An [[encoder]] turns an image into a [[code]]; a [[decoder]] turns the code back into an image. The narrowest layer of
# an autoencoder, whose outputs are the code, is its [[bottleneck]]; here it has 32 numbers. ReLU keeps each of them at
# zero or above, so a number says how much of something there is.

# %% tags=["autoencoder-by-hand"]
images = keras.Input((28, 28, 1))  # (28, 28, 1)
pixels = layers.Flatten()(images)  # (batch, 28, 28, 1) -> (batch, 784)
codes = layers.Dense(32, activation="relu")(pixels)  # (batch, 784) -> (batch, 32)
encoder = keras.Model(images, codes, name="encoder")

# %% [markdown]
# The decoder goes the other way. A sigmoid at its end keeps every pixel between 0 and 1, like ink.

# %% tags=["autoencoder-by-hand"]
codes = keras.Input((32,))  # (32,)
pixels = layers.Dense(784, activation="sigmoid")(codes)  # (batch, 32) -> (batch, 784)
images = layers.Reshape((28, 28, 1))(pixels)  # (batch, 784) -> (batch, 28, 28, 1)
decoder = keras.Model(codes, images, name="decoder")

# %% [markdown]
# Joined, they are one network from images to images. `join(encoder, decoder)` is short for
# `keras.Model(images, decoder(encoder(images)))`, and its `fit` refuses what would spoil a training, such as labels.
#
# **Predict.** How many numbers will training have to find?

# %% tags=["autoencoder-by-hand"]
autoencoder = join(encoder, decoder)
start = autoencoder.get_weights()  # to begin anew wherever it is trained again
Table(
    [
        {"part": model.name, "in": model.input_shape, "out": model.output_shape, "parameters": model.count_params()}
        for model in (encoder, decoder, autoencoder)
    ]
)

# %% [markdown]
# **What you should see.** 784 x 32 weights and 32 biases in the encoder, 32 x 784 weights and 784 biases in the
# decoder. From left to right, each layer stands above the shape of what it puts out; the higher a box, the more rows or
# numbers:

# %%
draw_model(encoder, decoder)

# %% [markdown]
# The network takes batches of images and nothing else.
#
# **Fails on purpose.** What if the images are flattened beforehand, as some tutorials do?

# %%
try:
    autoencoder(data.test.images[:5].reshape(5, 784))
except ValueError as error:
    print(str(error).splitlines()[-1])

# %% [markdown]
# Read it from the end: `found shape=(5, 784)` came, `expected shape=(None, 28, 28, 1)` was wanted, where `None` stands
# for any batch size. Shapes are the first thing to check when a network refuses.

# %% [markdown]
# ## What is a good reconstruction?
#
# Two losses are common. The *squared error* is the squared difference of two pixels. The [[binary cross-entropy]] (BCE)
# reads ink as a probability: it is $-x \log y - (1 - x) \log (1 - y)$ for a pixel $x$ and its reconstruction $y$. How
# do they judge every possible answer $y$ to a black pixel, and to a grey one?

# %%
y = np.linspace(0.01, 0.99, 99)


def bce(x, y):
    return -x * np.log(y) - (1 - x) * np.log(1 - y)


answers = {"BCE, x = 1": bce(1, y), "squared, x = 1": (1 - y) ** 2}
answers |= {"BCE, x = 0.4": bce(0.4, y), "squared, x = 0.4": (0.4 - y) ** 2}
figures.curves(answers, x=y, xlabel="reconstruction y of a pixel x", ylabel="loss").describe(
    "Loss over the reconstruction y, between 0 and 1. For a black pixel both losses fall to 0 at y = 1, BCE "
    "from far higher up. For a grey one both are lowest at y = 0.4, where BCE is still well above 0."
)

# %% [markdown]
# **What you should see.** Both are lowest where $y = x$. BCE climbs without end when a pixel is confidently wrong, so
# it corrects such pixels first. And at a grey pixel BCE does not reach zero: even a perfect copy has a loss. How much
# is that on the test images?

# %%
copy = data.test.images.clip(1e-7, 1 - 1e-7)
bce_of_perfect_copy = float(bce(copy, copy).mean())
print(f"BCE of a perfect copy: {bce_of_perfect_copy:.4f}")

# %% [markdown]
# So <<bce_of_perfect_copy>> is the floor: no autoencoder gets below it on these digits. Keep that number in mind when
# you read the losses of others.

# %% [markdown]
# ## Train it
#
# The target is the input itself, so no labels are needed. Learning without labels is called [[unsupervised]]; where the
# target is made from the input, as here, also [[self-supervised]]. One *epoch* shows the network every training image
# once.
#
# **Predict.** Will the loss on the validation images end above, below or at the loss on the training images?

# %%
EPOCHS = 15
autoencoder.set_weights(start)
autoencoder.compile(optimizer="adam", loss="binary_crossentropy", steps_per_execution=20)  # 20 at once: faster
history = autoencoder.fit(
    data.train.images,
    data.train.images,
    batch_size=128,
    epochs=EPOCHS,
    validation_data=(data.validation.images, data.validation.images),
    callbacks=[Progress("simple autoencoder")],
    verbose=0,
).history

# %%
figures.curves(
    {
        "training": history["loss"],
        "validation": history["val_loss"],
        "perfect copy of the test images": [bce_of_perfect_copy] * EPOCHS,
    },
    ylabel="BCE per pixel",
).describe(
    "Loss over epochs. Training and validation fall steeply at first, then slowly, one on top of the other, and "
    "stay above the level line of a perfect copy."
)

# %% [markdown]
# A [[learning curve]] shows the loss over the epochs. Our two lie on top of each other: 51 thousand parameters cannot
# learn 55,000 images by heart. Doing as well on images that were not trained on is called [[generalisation]]. The
# opposite is [[overfitting]]: the training loss goes on falling while the validation loss rises. Then
# [[early stopping]] helps, which ends a training once the validation loss has stopped falling. So far the test
# images decided nothing. Now they are used, once, to report.

# %%
test_bce = autoencoder.evaluate(data.test.images, data.test.images, batch_size=1000, verbose=0)
print(f"Test BCE: {test_bce:.4f}")

# %% [markdown]
# **What you should see.** <<test_bce>> (five seeds: <<test_bce seeds:.4f>>). The
# [Keras blog](https://blog.keras.io/building-autoencoders-in-keras.html), from which this network comes, reports about
# 0.09 after 50 epochs. With `EPOCHS = 50` this notebook gives 0.0917: most of what can be had with 32 ReLU numbers is
# had after a dozen epochs. Lecture 03 gets lower with depth.

# %%
reconstructions = autoencoder.predict(data.test.images, batch_size=1000, verbose=0)
figures.image_rows({"original": data.test.images, "reconstruction": reconstructions}).describe(
    "Ten test digits over their reconstructions, which are a little softer and all readable."
)

# %% [markdown]
# Every digit is itself again, a little softer: the code is **lossy**. Thin ends and unusual hooks go first, because
# few images have them and the loss is an average.

# %% [markdown]
# ## The best linear code
#
# [[Principal component analysis]] (PCA) also squeezes an image into 32 numbers, by projecting it on the 32 directions
# of largest variance. No linear encoder and decoder have a smaller squared error ([Baldi & Hornik,
# 1989](https://doi.org/10.1016/0893-6080(89)90014-2)).
#
# **Predict.** Ours was trained on BCE, PCA minimises the squared error. Who wins in squared error?

# %%
latent_dim = encoder.output_shape[-1]  # 32, unless you change it above
pca = PCA(latent_dim, random_state=0).fit(data.train.images.reshape(-1, 784))  # (n, 28, 28, 1) -> (n, 784)
projected = pca.transform(data.test.images.reshape(-1, 784))  # (n, 784) -> (n, 32)
from_pca = pca.inverse_transform(projected).reshape(-1, 28, 28, 1)  # (n, 32) -> (n, 28, 28, 1)

# %%
clipped = from_pca.clip(0, 1)
mse_pca, mse_clipped, mse_autoencoder = (
    float(np.mean((data.test.images - x) ** 2)) for x in (from_pca, clipped, reconstructions)
)
found = {"PCA": mse_pca, "PCA, clipped to 0 ... 1": mse_clipped, "autoencoder": mse_autoencoder}
Table([{f"code of {latent_dim} numbers": name, "MSE": mse} for name, mse in found.items()])

# %%
figures.image_rows({"original": data.test.images, "autoencoder": reconstructions, "PCA": clipped}).describe(
    "Ten test digits, below them what the autoencoder and what PCA make of them. PCA's digits are paler and "
    "stand on grey smears; the autoencoder's paper is clean."
)

# %% [markdown]
# **What you should see.** <<mse_autoencoder>> against <<mse_pca>> for PCA. PCA leaves grey ghosts where there should be
# paper: a sum of directions cannot stop at "no ink". The figure already cuts off what is below 0 or above 1, which
# gains a little: <<mse_clipped>>. The autoencoder's sigmoid bends all values, not only those at the ends, and is
# trained with the rest. (Does the ReLU of the code help as well? An exercise below asks.)
#
# Is it better for every digit?

# %%
errors = {"PCA": from_pca, "autoencoder": reconstructions}
per_digit = {
    name: [float(np.mean((data.test.images - x)[data.test.labels == k] ** 2)) for k in range(10)]
    for name, x in errors.items()
}
figures.bars(per_digit, digits.CLASS_NAMES, xlabel="digit", ylabel="MSE", numbers=False).describe(
    "Two bars for each digit, the MSE of PCA and of the autoencoder. The autoencoder's is the lower one for "
    "every digit; 1 has by far the lowest bars."
)

# %% [markdown]
# ## How many numbers?
#
# Why 32? Train five autoencoders, with codes of 2 to 256 numbers, and see what each length buys. They share the images
# and nothing else, so one model can hold them all: five codes, five outputs. The codes are linear: a ReLU can fall
# silent, and in a code of two numbers that would be half of it.

# %%
sizes = [2, 8, 32, 128, 256]
images = keras.Input((28, 28, 1))  # (28, 28, 1)
pixels = layers.Flatten()(images)  # (batch, 28, 28, 1) -> (batch, 784)
outputs = []
for size in sizes:
    codes = layers.Dense(size)(pixels)  # (batch, 784) -> (batch, size)
    ink = layers.Dense(784, activation="sigmoid")(codes)  # (batch, size) -> (batch, 784)
    outputs.append(layers.Reshape((28, 28, 1), name=f"numbers_{size}")(ink))  # (batch, 784) -> (batch, 28, 28, 1)
of_all_sizes = keras.Model(images, outputs)
start_of_all_sizes = of_all_sizes.get_weights()

# %% [markdown]
# A short training must do: 10,000 images, four times.
#
# **Predict.** The error of PCA falls with every direction that it may keep. Where is the autoencoder ahead, and where
# not?

# %%
few, shown = data.train.images[:10_000], data.test.images[:2000]
of_all_sizes.set_weights(start_of_all_sizes)
of_all_sizes.compile(keras.optimizers.Adam(0.005), loss=["binary_crossentropy"] * len(sizes), steps_per_execution=20)
of_all_sizes.fit(few, [few] * len(sizes), epochs=4, batch_size=64, callbacks=[Progress("five codes")], verbose=0)
by_size = of_all_sizes.predict(shown, batch_size=1000, verbose=0)  # five arrays, (n, 28, 28, 1)

# %%
directions = PCA(max(sizes), random_state=0).fit(few.reshape(-1, 784))  # those of 2 numbers are the first two of 256
weights = directions.transform(shown.reshape(-1, 784))  # (n, 784) -> (n, 256)
by_pca = [
    (weights[:, :size] @ directions.components_[:size] + directions.mean_).reshape(shown.shape).clip(0, 1)
    for size in sizes
]
mse_by_size = {
    name: [float(np.mean((shown - x) ** 2)) for x in found]
    for name, found in {"PCA": by_pca, "autoencoder": by_size}.items()
}

# %%
figure = figures.curves(mse_by_size, x=sizes, xlabel="numbers in the code", ylabel="test MSE")
figure.axes[0].set_xscale("log", base=2)
figure.axes[0].set_yscale("log")
figure.axes[0].set_xticks(sizes, sizes)
figure.describe(
    "Test MSE over the length of the code, from 2 to 256 numbers, both axes logarithmic. Both curves fall all the way. "
    "At 2 and 8 numbers they lie close together, at 32 the autoencoder's is the lower one, at 256 that of PCA by far."
)

# %%
of_few = {f"{size} numbers": images for size, images in zip(sizes, by_size, strict=True) if size in (2, 8, 32, 256)}
figures.image_rows({"original": shown} | of_few).describe(
    "Ten test digits over what is decoded from 2, 8, 32 and 256 numbers: from 2 grey blots, upright or round; from 8 "
    "blurred digits, some of them another one; from 32 the digits themselves; from 256 hardly any difference."
)

# %% [markdown]
# **What you should see.** What does a narrow middle keep? What lowers the error most, over all digits: with 2 numbers
# whether there is a stroke or a ring, with 8 mostly the class, with 32 the way it was written, with 256 nearly every
# pixel. At 32 the network is ahead, at 2 and 8 both are alike. With 128 and 256 PCA is ahead, which finds its best at
# once, while four rounds are short for 400,000 weights. And the more a code may hold, the less it has to choose: the
# next lectures ask for more than a narrow middle.

# %% [markdown]
# ## Look at the codes
#
# A code has no meaning of its own, but it can be drawn: 32 numbers as 4 rows of 8, black where a number is large. Here
# are four twos and four sevens above their codes.

# %%
chosen = np.concatenate([np.flatnonzero(data.test.labels == k)[:4] for k in (2, 7)])
test_codes = encoder.predict(data.test.images, batch_size=1000, verbose=0)  # (n, 28, 28, 1) -> (n, 32)
in_eights = np.pad(test_codes[chosen], ((0, 0), (0, -latent_dim % 8)))  # a last row that is short is filled with 0
as_pictures = in_eights.reshape(8, -1, 8, 1) / in_eights.max()  # (8, 32) -> (8, 4, 8, 1)
figures.image_rows({"digit": data.test.images[chosen], "code": as_pictures}, columns=8).describe(
    "Four twos and four sevens above their codes, 32 squares from white to black each. The codes of one digit "
    "have dark squares in common, those of the other digit other ones."
)

# %% [markdown]
# Codes of the same digit look alike, but not the same: they also hold slant and width. What does each of the 32 numbers
# draw? The decoder is one layer, so row $k$ of its weights is the picture that number $k$ adds before the sigmoid.

# %%
kernel = decoder.layers[1].get_weights()[0]  # (32, 784)
figures.image_grid(kernel.reshape(-1, 28, 28, 1), signed=True).describe(
    "32 pictures of decoder weights on grey, dark red where a number adds ink and pale blue where it takes ink "
    "away. Dark and pale patches alternate all over; none is a digit."
)

# %% [markdown]
# **What you should see.** Dark red adds ink, pale blue takes it away, grey does neither. No picture is a digit, and
# hardly one is a clean stroke: every number has a say all over the image, and an image takes many of them. Lecture 02
# asks for codes in which few numbers speak at a time.

# %% [markdown]
# ## Images it never saw
#
# The network has seen digits only. Give it drawn clothes, pieces of a photo, and noise. Images unlike all that a
# network was trained on are called [[out of distribution]].
#
# **Predict.** Will a T-shirt come back as a T-shirt, as a digit, or as neither?

# %% tags=["strangers"]
strangers = {
    "clothes": out_of_distribution.clothes(),
    "photo": out_of_distribution.photo_patches(),
    "noise": out_of_distribution.noise(),
}
decoded = {name: autoencoder.predict(x, verbose=0) for name, x in strangers.items()}

# %%
rows = {}
for name, x in strangers.items():
    rows |= {name: x, f"{name}, decoded": decoded[name]}
figures.image_rows(rows).describe(
    "Clothes, pieces of a photo and noise, each row over what the autoencoder returns: clothes become blots of "
    "pen strokes; of photo and noise a few faint strokes are left."
)

# %%
mse = {name: float(np.mean((x - decoded[name]) ** 2)) for name, x in strangers.items()}
worse_on_clothes = mse["clothes"] / mse_autoencoder
Table([{"images": "digits", "MSE": mse_autoencoder}] + [{"images": name, "MSE": value} for name, value in mse.items()])

# %% [markdown]
# **What you should see.** Clothes come back as blots of pen strokes, with <<worse_on_clothes:.1f>> times the error of
# digits (five seeds: <<worse_on_clothes seeds:.1f>>); of photo and noise next to nothing is left. The code is
# **data-specific**: it has words for strokes, none for filled surfaces, and least of all for noise, where no pixel says
# anything about its neighbour. That is a limit, and also a tool: a large error marks an [[anomaly]], an image that does
# not belong to the others.

# %% [markdown]
# ## Exercises
#
# ### Recall
# 1. What are encoder, code and decoder, and what are their shapes here?
# 2. Why does an autoencoder need no labels?
# 3. Why is the BCE of a perfect copy not zero on these images, and when would it be?
# 4. What does PCA share with an autoencoder, and what can it not do?
# 5. "Learned, lossy, data-specific": which figure of this notebook shows which word?
#
# ### Change one line
# 1. Train with `loss="mse"`. What happens to the MSE, and what to the BCE?
# 2. Take away the ReLU (`activation="linear"`) of the code. Does the error rise or fall, and what do the strokes look
#    like?
#
# ### Open end
# 1. Use the reconstruction error to tell digits from strangers. Which threshold would you take, which stranger
#    fools it, and what does it cost in digits turned away?
#
# ## Recap
#
# - You built an encoder and a decoder, and joined them to an autoencoder.
# - You trained it to give back what it was given, and know the floor below which no loss can fall.
# - You compared it with PCA at the same code size and at others: a narrow middle keeps what lowers the error most.
# - You showed it clothes, a photo and noise, and explained why they come back as strokes.
#
# Next: [02 · Sparse autoencoders](02_sparse.ipynb).
