# %% [markdown]
# # 03 · Deep autoencoders
#
# *What do more layers around the same 32 numbers bring, and must they all be trained at once?*
#
# **You will**
# - build a deep autoencoder and compare it with a shallow one of the same code size
# - grow one stage by stage, and compare that with training it end to end
# - give codes to classifiers that have few labels, and say when that pays
# - save trained models and find them again by their parameters
#
# **What to know before.** Lectures [01](01_simple.ipynb) (encoder, decoder, code, BCE) and [02](02_sparse.ipynb) (what
# a code number does).
#
# | | CPU (2 cores) | GPU |
# |---|---|---|
# | this notebook | a minute and a half | not needed: the networks are too small to keep one busy |

# %% tags=["setup"]
from helpers import figures
from helpers.training import Progress, seed_everything
from helpers.data import digits
from helpers.diagrams import draw_model
from helpers.experiments import Experiment, load_experiments
from helpers.models import dense, join
from helpers.models.dense import add_stage
from helpers.tables import Table

import keras
import numpy as np
from keras import layers
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

seed_everything(0)
data = digits.load()

# %% [markdown]
# ## More layers, the same code
#
# In lecture 01 one layer led from 784 pixels to 32 numbers. Now two *hidden layers* stand between: 784 to 128 to 64 to
# 32. They have ReLU, so that each can bend what the one before gave it. The code has no activation: its numbers may be
# negative. Why, a measurement below will show.

# %% tags=["deep-by-hand"]
images = keras.Input((28, 28, 1))  # (28, 28, 1)
x = layers.Flatten()(images)  # (batch, 28, 28, 1) -> (batch, 784)
x = layers.Dense(128, activation="relu")(x)  # (batch, 784) -> (batch, 128)
x = layers.Dense(64, activation="relu")(x)  # (batch, 128) -> (batch, 64)
codes = layers.Dense(32)(x)  # (batch, 64) -> (batch, 32)
encoder = keras.Model(images, codes, name="encoder")

# %% [markdown]
# The decoder walks the same way back.

# %% tags=["deep-by-hand"]
codes = keras.Input((32,))  # (32,)
x = layers.Dense(64, activation="relu")(codes)  # (batch, 32) -> (batch, 64)
x = layers.Dense(128, activation="relu")(x)  # (batch, 64) -> (batch, 128)
x = layers.Dense(784, activation="sigmoid")(x)  # (batch, 128) -> (batch, 784)
images = layers.Reshape((28, 28, 1))(x)  # (batch, 784) -> (batch, 28, 28, 1)
decoder = keras.Model(codes, images, name="decoder")

# %% [markdown]
# `dense.build_autoencoder(32, hidden=(128, 64), code_activation="linear")` builds the same network from now on. Without
# `hidden` it builds the shallow one to compare with.

# %% tags=["deep-by-hand"]
deep = join(encoder, decoder)
shallow = dense.build_autoencoder(32, code_activation="linear")
start_deep, start_shallow = deep.get_weights(), shallow.get_weights()
Table(
    [
        {"network": "784-32-784", "layers": 2, "parameters": shallow.count_params()},
        {"network": "784-128-64-32-64-128-784", "layers": 6, "parameters": deep.count_params()},
    ]
)

# %%
draw_model(encoder, decoder)

# %% [markdown]
# Both squeeze a digit through 32 numbers; the deep network has four times the parameters to do it with. One function
# trains them all, at twice the learning rate of lecture 01, so that nine epochs are enough.

# %% tags=["training"]
MORE = 10 if data.is_stand_in else 1  # the stand-in has forty times fewer images


def train(model, label, epochs, *, images=data.train.images, optimizer=None):
    optimizer = optimizer or keras.optimizers.Adam(0.002)
    model.compile(optimizer, loss="binary_crossentropy", steps_per_execution=20)  # 20 batches at a time: less waiting
    validation = (data.validation.images, data.validation.images)
    options = {"batch_size": 128, "validation_data": validation, "callbacks": [Progress(label)], "verbose": 0}
    return model.fit(images, images, epochs=epochs, **options).history


# %% [markdown]
# **Predict.** Which network is ahead after three epochs, and which after nine?

# %%
shallow.set_weights(start_shallow)  # so that the cell can run again
history_shallow = train(shallow, "shallow", 9 * MORE)
deep.set_weights(start_deep)
history_deep = train(deep, "deep", 9 * MORE)
figures.curves(
    {"shallow": history_shallow["val_loss"], "deep": history_deep["val_loss"]}, ylabel="validation BCE per pixel"
).describe(
    "Validation loss over nine epochs. From the second to the fifth the shallow network is ahead; then it lies "
    "flat, and the deep one goes on falling below it."
)

# %%
bce_shallow = shallow.evaluate(data.test.images, data.test.images, batch_size=1000, verbose=0)
bce_deep = deep.evaluate(data.test.images, data.test.images, batch_size=1000, verbose=0)
print(f"Test BCE: shallow {bce_shallow:.4f}, deep {bce_deep:.4f}")

# %% [markdown]
# **What you should see.** For some epochs the shallow network is ahead: six layers in a row take longer to agree. Then
# it lies flat, for 32 pictures added up can draw no better, while the deep one goes on falling:
# <<bce_deep:.4f>> against <<bce_shallow:.4f>> on the test images. For this shape, with a ReLU code, the
# [Keras blog](https://blog.keras.io/building-autoencoders-in-keras.html) reports about 0.08 after 100 epochs.

# %% [markdown]
# Averages hide much. Sort the test digits by what depth gains them, and look at ten, evenly spaced from the one that it
# harms most to the one that it helps most. The number is the fall of that digit's BCE.


# %%
def bce_per_image(x, y):
    y = y.clip(1e-7, 1 - 1e-7)
    return -(x * np.log(y) + (1 - x) * np.log(1 - y)).mean(axis=(1, 2, 3))


by_shallow, by_deep = (model.predict(data.test.images, batch_size=100, verbose=0) for model in (shallow, deep))
gain = bce_per_image(data.test.images, by_shallow) - bce_per_image(data.test.images, by_deep)
share_gaining = float((gain > 0).mean())
print(f"Depth helps {share_gaining:.0%} of the test digits.")

# %%
ten = np.argsort(gain)[np.linspace(0, len(gain) - 1, 10).astype(int)]
rows = {"original": data.test.images[ten], "shallow": by_shallow[ten], "deep": by_deep[ten]}
figures.image_rows(rows, titles=[f"{value:+.3f}" for value in gain[ten]]).describe(
    "Ten test digits over their shallow and deep reconstructions, from the one that depth harms most to the "
    "one that it helps most; the gain in BCE stands above each."
)

# %% [markdown]
# **What you should see.** Depth helps <<share_gaining:.0%>> of the digits (five seeds: <<share_gaining seeds:.0%>>).
# Most gain a little: an end is darker, an edge cleaner, and the grey dust is gone that a sum of 32 pictures leaves on
# the paper. At both ends stand rare shapes. There the deep network decides for something that it knows, right or wrong,
# where the shallow one only blurs.

# %% [markdown]
# ## Why the code is linear
#
# In lecture 01 the code had a ReLU. Two epochs on 20,000 images show what that does in a deep network. As in lecture
# 02, a code number is *silent* if it says nothing about any image.
#
# **Predict.** How many of the 32 will be silent?


# %%
def count_silent(codes):
    return int((codes == 0).all(axis=0).sum())  # (n, latent_dim) -> one number


relu_code = dense.build_autoencoder(32, hidden=(128, 64))
train(relu_code, "deep, ReLU code", 2 * MORE, images=data.train.images[:20_000])
silent = count_silent(relu_code.get_layer("encoder").predict(data.test.images, batch_size=100, verbose=0))
print(f"{silent} of 32 code numbers are silent")

# %% [markdown]
# **What you should see.** <<silent>> of 32 (five seeds: <<silent seeds>>). Where a ReLU gives zero for every image, no
# gradient passes: its own weights stay as they are, and only a change in the layers before it can bring it back.
# [Lu et al. (2019)](https://arxiv.org/abs/1903.06733) prove that this gets likelier with depth. A code of 32 numbers
# has become a smaller one. A linear unit cannot die, so the code is linear.

# %% [markdown]
# ## The average digit
#
# Six layers at once were out of reach in 2006. Hidden units were sigmoids, and training was plain gradient descent with
# momentum. Here are both networks with these ingredients, on 20,000 images for two epochs.
#
# **Predict.** What will the deep one draw?

# %%
old_fashioned = {"hidden_activation": "sigmoid", "code_activation": "linear"}
old_shallow = dense.build_autoencoder(32, **old_fashioned)
old_deep = dense.build_autoencoder(32, hidden=(128, 64), **old_fashioned)
for name, model in {"shallow, 2006": old_shallow, "deep, 2006": old_deep}.items():
    momentum = keras.optimizers.SGD(1.0, momentum=0.9)
    history = train(model, name, 2 * MORE, images=data.train.images[:20_000], optimizer=momentum)
bce_stuck = history["val_loss"][-1]

# %%
average = data.train.images.mean(axis=0, keepdims=True)  # (n, 28, 28, 1) -> (1, 28, 28, 1)
bce_average = float(bce_per_image(data.validation.images, average).mean())
print(f"validation BCE: deep {bce_stuck:.4f}, the average digit for every image {bce_average:.4f}")
shown = data.test.images[:10]
old = {"shallow, 2006": old_shallow, "deep, 2006": old_deep}
figures.image_rows({"original": shown} | {name: np.asarray(model(shown)) for name, model in old.items()}).describe(
    "Ten test digits. The shallow network of 2006 returns blurred digits; the deep one returns ten times the "
    "same grey blot."
)

# %% [markdown]
# **What you should see.** One grey blot for everything: the deep network's loss of <<bce_stuck:.3f>> is that of the
# average training digit, <<bce_average:.3f>>. Each sigmoid passes back at most a quarter of the gradient, so that next
# to nothing reaches the layers far from the loss: the [[vanishing gradient]]. [Hinton & Salakhutdinov
# (2006)](https://doi.org/10.1126/science.1127647) saw the same: "Without pretraining, the very deep autoencoder always
# reconstructs the average of the training data". The shallow network learns. So build the deep one from shallow steps.

# %% [markdown]
# ## Grow it
#
# The recipe: train shallow; keep the encoder; put one more layer on it and a *whole* new decoder behind it; train;
# repeat ([Bengio et al., 2007](https://doi.org/10.7551/mitpress/7503.003.0024)). Training stage by stage, each as well
# as it can be done for itself, is called [[greedy]]. The code narrows from 128 over 64 to 32. Together the stages get
# the nine epochs that the deep network had. A code that will be a hidden layer needs its ReLU.

# %% tags=["stages"]
STAGE_EPOCHS = {128: 2 * MORE, 64: 2 * MORE, 32: 5 * MORE}
stage_1 = dense.build_autoencoder(128)
history_1 = train(stage_1, "stage 1: code of 128", STAGE_EPOCHS[128])

# %% [markdown]
# The deeper encoder first: what was the code is now a hidden layer, and a code of 64 comes after it.

# %% tags=["growing-by-hand"]
images = keras.Input((28, 28, 1))  # (28, 28, 1)
x = layers.Flatten()(images)  # (batch, 28, 28, 1) -> (batch, 784)
old_code = layers.Dense(128, activation="relu")  # (batch, 784) -> (batch, 128)
new_code = layers.Dense(64, activation="relu")  # (batch, 128) -> (batch, 64)
deeper = keras.Model(images, new_code(old_code(x)), name="encoder")

# %% [markdown]
# Both layers hold random numbers. Copying the weights puts back what stage 1 learned.

# %% tags=["growing-by-hand"]
old_code.set_weights(stage_1.get_layer("encoder").get_layer("code").get_weights())
kept = keras.Model(images, old_code(x))(data.test.images[:100])
before = stage_1.get_layer("encoder")(data.test.images[:100])
print("same as the code of stage 1:", np.allclose(kept, before, atol=1e-5))

# %% [markdown]
# The decoder is new from end to end. The old one cannot be used: it wants 128 numbers, and there are 64.

# %% tags=["growing-by-hand"]
codes = keras.Input((64,))  # (64,)
x = layers.Dense(128, activation="relu")(codes)  # (batch, 64) -> (batch, 128)
x = layers.Dense(784, activation="sigmoid")(x)  # (batch, 128) -> (batch, 784)
images = layers.Reshape((28, 28, 1))(x)  # (batch, 784) -> (batch, 28, 28, 1)
stage_2 = join(deeper, keras.Model(codes, images, name="decoder"))
start_2 = stage_2.get_weights()

# %% [markdown]
# That is one step of growing. `add_stage` does the same for an encoder of any depth, so the third stage takes one line.
# Its code is the last, so it may be linear. `freeze=True` would keep the copied layers as they are.
#
# **Predict.** At each new stage the decoder starts from nothing. Will the loss fall below the end-to-end network's?

# %% tags=["stages"]
stage_2.set_weights(start_2)
history_2 = train(stage_2, "stage 2: code of 64", STAGE_EPOCHS[64])

# %%
FREEZE = False
stage_3 = add_stage(stage_2.get_layer("encoder"), 32, code_activation="linear", freeze=FREEZE)
history_3 = train(stage_3, "stage 3: code of 32", STAGE_EPOCHS[32])

# %%
histories = {"shallow": history_shallow, "deep, end to end": history_deep}
losses = {name: history["val_loss"] for name, history in histories.items()}
losses["deep, grown"] = [loss for history in (history_1, history_2, history_3) for loss in history["val_loss"]]
starts = 0.5 + np.cumsum([0, *STAGE_EPOCHS.values()])
marks = dict(zip(starts, [f"code of {width}" for width in STAGE_EPOCHS], strict=False))
figures.curves(losses, marks=marks, ylabel="validation BCE per pixel").describe(
    "Validation loss over epochs of a shallow, a deep and a grown network. The grown one is a saw: it jumps up "
    "at the start of each of its three stages and falls again."
)

# %%
bce_grown = stage_3.evaluate(data.test.images, data.test.images, batch_size=1000, verbose=0)
five_from_random, five_from_grown = history_deep["val_loss"][STAGE_EPOCHS[32] - 1], history_3["val_loss"][-1]
print(f"Test BCE: end to end {bce_deep:.4f}, grown {bce_grown:.4f}, shallow {bce_shallow:.4f}")
print(f"Validation BCE after as many epochs as stage 3: {five_from_random:.4f} from random numbers,")
print(f"    {five_from_grown:.4f} from a grown encoder")

# %% [markdown]
# **What you should see.** A saw: low where the code is wide, up where a new decoder starts, and down again. In the end
# growing comes second, <<bce_grown:.4f>> against <<bce_deep:.4f>>. But compare equal numbers of epochs at full depth:
# five of them lead from random numbers to a validation BCE of <<five_from_random:.4f>>, and from the grown encoder to
# <<five_from_grown:.4f>>. What was kept is a head start. It took four epochs to get, and is worth a little less.
#
# ReLU, Adam and well-scaled first weights have made end-to-end training the better buy here. Growing remains of use
# where a trained encoder is there already, where each stage is wanted for itself, and where depth will not train.

# %% [markdown]
# ### What each depth keeps
#
# Every stage is a whole autoencoder, so each can be asked for its reconstruction.

# %%
stages = {"code of 128": stage_1, "code of 64": stage_2, "code of 32": stage_3}
shown = data.test.images[10:20]
figures.image_rows({"original": shown} | {name: np.asarray(stage(shown)) for name, stage in stages.items()}).describe(
    "Ten test digits over the reconstructions of the three stages. With 128 numbers they are all but copies; "
    "with 64 and 32 thin and unusual strokes grow paler."
)

# %% [markdown]
# **What you should see.** With 128 numbers a digit is all but copied. Each further layer has to say it in half as many,
# and thin or unusual strokes are the first to pale: look at the 6, the 5 and the hooks of the 3. Slant, size and
# thickness are there to the last. So is the digit itself. Can a classifier make use of it?

# %% [markdown]
# ## Codes as input to another network
#
# The autoencoder saw 55,000 images and not one label. Suppose that somebody labels a few: 100, or 1,000, as many of
# each digit.


# %%
def draw_labels(count, draw):
    rng = np.random.default_rng(draw)
    of_digit = [np.flatnonzero(data.train.labels == k) for k in range(10)]
    return np.concatenate([rng.choice(found, count // 10, replace=False) for found in of_digit])


few = draw_labels(100, draw=0)
np.bincount(data.train.labels[few])

# %% [markdown]
# Three inputs compete: pixels, the shallow code, the deep code. Pixels share one scale, 0 to 1. Code numbers do not, so
# each is brought to mean 0 and standard deviation 1, which takes no labels.


# %%
def codes_of(model):
    encode = model.get_layer("encoder").predict  # (n, 28, 28, 1) -> (n, 32)
    of_train, of_test = (encode(part.images, batch_size=100, verbose=0) for part in (data.train, data.test))
    scaler = StandardScaler().fit(of_train)
    return scaler.transform(of_train), scaler.transform(of_test)


pixels = [part.images.reshape(-1, 784) for part in (data.train, data.test)]  # (n, 28, 28, 1) -> (n, 784)
inputs = {"784 pixels": pixels, "shallow code": codes_of(shallow), "deep code": codes_of(deep)}

# %% [markdown]
# Two classifiers judge them: a linear one, and a small network with 64 hidden units. A linear classifier that is
# trained on codes is called a [[linear probe]]; it tells what can be read off them by weighing and adding. Both come
# from scikit-learn, which is quick on few examples. Which 100 digits were labelled is chance, so each case is drawn
# five times, with the same draws for all.

# %%
threadpool_limits(1)  # one thread: on matrices this small, several get in each other's way
network = MLPClassifier(64, alpha=1.0, learning_rate_init=0.005, tol=1e-3, random_state=0)
classifiers = {"linear": LogisticRegression(max_iter=1000), "network": network}


def errors(classifier, x_train, x_test, count):
    draws = [draw_labels(count, draw) for draw in range(5)]
    fitted = [clone(classifier).fit(x_train[few], data.train.labels[few]) for few in draws]
    return [100 * (1 - one.score(x_test, data.test.labels)) for one in fitted]  # in %


errors(classifiers["linear"], *inputs["784 pixels"], 100)

# %% [markdown]
# **Predict.** Where will codes beat pixels: with 100 or 1,000 labels, for the linear classifier or for the network?

# %%
cases = [(kind, count) for kind in classifiers for count in (100, 1000)]
misread = {
    name: np.array([errors(classifiers[kind], *arrays, count) for kind, count in cases])  # (4, 5)
    for name, arrays in inputs.items()
}
figures.bars(
    {name: found.mean(axis=1) for name, found in misread.items()},
    [f"{kind},\n{count:,} labels" for kind, count in cases],
    spread={name: found.std(axis=1) for name, found in misread.items()},
    ylabel="test digits misread, %",
).describe(
    "Bars with error bars: the share of test digits misread from pixels, the shallow and the deep code, for "
    "two classifiers with 100 and with 1,000 labels. With 1,000 labels all bars are about half as high."
)

# %%
gains = misread["784 pixels"] - misread["deep code"]  # (4, 5): percentage points, draw by draw
linear_gain_1000, network_gain_100, network_gain_1000 = gains.mean(axis=1)[1:].tolist()
error_pixels_1000, error_code_1000 = (float(misread[name][3].mean()) for name in ("784 pixels", "deep code"))
rows = zip(cases, gains, strict=True)
Table([{"case": f"{kind}, {count:,}", "gain": f"{g.mean():+.1f} ± {g.std():.1f}"} for (kind, count), g in rows])

# %% [markdown]
# **What you should see.** No landslide. With 1,000 labels the network misreads <<error_code_1000:.1f>> % from the deep
# code and <<error_pixels_1000:.1f>> % from pixels: 32 numbers are enough. The linear classifier gains nothing from the
# code (<<linear_gain_1000:+.1f>> points): an autoencoder keeps what *reconstruction* needs, slant and thickness as well
# as the digit, and nothing asks it to lay classes on two sides of a plane. It takes a network to sort them out again.
#
# With 100 labels the luck of the draw (the error bars) is as large as any difference between inputs. The network gains
# <<network_gain_100:.1f>> points on average, which is what 55,000 unlabelled images were worth here. They must be many:
# on the stand-in, with hardly more images than labels, pixels win. Later lectures find codes that know more of classes.

# %% [markdown]
# ## Keep what was trained
#
# A model without its parameters is a riddle a week later. An `Experiment` keeps both: model, encoder, decoder, history,
# codes with their labels. Its folder is named after the parameters that differ from the defaults.

# %%
RUN = "03_growing_stand_in" if data.is_stand_in else "03_growing"
defaults = {"hidden": [], "code_activation": "relu", "freeze": False}
parameters = [
    {"latent_dim": 128, "epochs": STAGE_EPOCHS[128]},
    {"latent_dim": 64, "epochs": STAGE_EPOCHS[64], "hidden": [128]},
    {"latent_dim": 32, "epochs": STAGE_EPOCHS[32], "hidden": [128, 64], "code_activation": "linear", "freeze": FREEZE},
]
experiments = [Experiment(RUN, one, defaults=defaults) for one in parameters]
[experiment.name for experiment in experiments]

# %%
trained = zip(experiments, stages.values(), [history_1, history_2, history_3], strict=True)
for experiment, stage, history in trained:
    codes = stage.get_layer("encoder").predict(data.test.images, batch_size=100, verbose=0)
    folder = experiment.save(stage, history, codes=(codes, data.test.labels))
sorted(file.name for file in folder.iterdir())

# %% [markdown]
# Tomorrow, or in lecture 08, they are found again by what they are. No layer is built and nothing is trained: the stage
# with 32 numbers is read from the disk, and gives the loss that it gave.

# %%
where = {"latent_dim": 32, "epochs": STAGE_EPOCHS[32], "freeze": FREEZE}
again = load_experiments(RUN, where)[0].load()
again.compile(loss="binary_crossentropy")
bce_again = again.evaluate(data.test.images, data.test.images, batch_size=1000, verbose=0)
print(f"Test BCE: {bce_again:.4f} now, {bce_grown:.4f} before")

# %% [markdown]
# Everything in this table is read from the disk as well. Look at the last column.

# %%
keys = ["latent_dim", "hidden", "code_activation", "epochs", "freeze"]
found = load_experiments(RUN)
rows = [{key: experiment.parameters[key] for key in keys} for experiment in found]
for row, experiment in zip(rows, found, strict=True):
    row["validation BCE"] = experiment.history()["val_loss"][-1]
    row["silent"] = count_silent(experiment.codes()[0])
silent_64 = count_silent(experiments[1].codes()[0])
Table(rows, f"The run {RUN}")

# %% [markdown]
# **What you should see.** Of the 64 ReLU numbers of stage 2, <<silent_64>> are silent (five seeds:
# <<silent_64 seeds>>). Stage 3 was grown on what the others said: one more reason why it came out behind.

# %% [markdown]
# **Fails on purpose.** The loaded model is as good as new. So add one more stage to it, with 16 numbers.

# %%
try:
    add_stage(again.get_layer("encoder"), 16)
except ValueError as error:
    print(error)

# %% [markdown]
# Two matrices in a row multiply to one: without an activation between them the fourth layer would add depth on paper
# only. The message says what came, and what to do: a code that is to become a hidden layer needs a ReLU.

# %% [markdown]
# ## Exercises
#
# ### Recall
# 1. The two networks have the same code size. What does the deep one have more of, and what does it cost?
# 2. Why was the shallow network ahead after three epochs and behind after nine?
# 3. What is a silent code number, and what alone can bring it back?
# 4. In one step of growing, what is kept, what is new, and why must the whole decoder be new?
# 5. Why can a code be good for drawing a digit and no better than pixels for naming it?
#
# ### Change one line
# 1. Set `FREEZE = True`, so that stage 3 trains nothing but its new layers. What does it cost in test BCE? The table of
#    experiments then shows both runs.
# 2. Share the epochs evenly: `STAGE_EPOCHS = {128: 3, 64: 3, 32: 3}`. Which stages gain, and who pays?
#
# ### Open end
# 1. Grow the network of 2006, sigmoids and gradient descent at every stage, with `code_activation="sigmoid"` for all
#    codes but the last. Does it get away from the average digit? On all the training images, how many epochs does each
#    stage want?
#
# ## Recap
#
# - You built a deep autoencoder and compared it with a shallow one: same code size, fewer errors, after a slower start.
# - You grew one stage by stage, and saw when that helps and why end-to-end training wins today.
# - You gave codes to classifiers with few labels: a network gained from them, a linear classifier did not.
# - You saved trained models and found them again by their parameters.
#
# Next: [04 · Convolutional autoencoders](04_convolutional.ipynb).
