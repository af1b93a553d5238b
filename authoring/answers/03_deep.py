# %% [markdown]
# # 03 · Deep autoencoders: answers
#
# Try the [exercises](../03_deep.ipynb) first. Cells that begin with `# from lecture 03` are the lecture's own; the
# others are new. All together run in about two minutes.
#
# ## Recall
#
# ### Recall 1
#
# It has more layers, six instead of two, and four times the parameters: 222,384 against 50,992. The code is the same,
# 32 numbers, so nothing more is *kept* of an image. The cost is time, more for each epoch and more epochs until it
# pays, and another risk: what passes through many layers can get lost, as the units of the ReLU code did.
#
# ### Recall 2
#
# After three epochs the shallow network is nearly as good as it will ever be: it adds up 32 pictures, and the best 32
# are soon found. The six layers of the deep one each learn from what the others do at the time, which takes longer.
# After nine they agree, and can draw what no sum of 32 pictures draws. An answer such as "deep networks are better"
# says neither why nor when.
#
# ### Recall 3
#
# It is zero for every image, so it says nothing about any. Where a ReLU is zero no gradient passes, so its own weights
# do not change any more. What can change are the layers before it: if they move so far that its input becomes positive
# for some image, it speaks again. In lecture 02 there were no layers before it, and silent was silent for good.
#
# ### Recall 4
#
# Kept are the layers of the encoder with their weights. New are one layer on top of them, whose output is the new code,
# and the decoder. The old decoder begins with a layer that takes as many numbers as the old code had, and the new code
# has fewer. One could keep the decoder's later layers; the recipe starts anew, so that all of it learns to read the new
# code.
#
# ### Recall 5
#
# The code was trained to let a decoder draw the digit. That takes slant, width and thickness as much as the class, so
# the class is only a part of what the 32 numbers say, and nothing puts it on an axis of its own. Pixels hold the class
# as well, spread out. A classifier that can bend its boundary gains from 32 numbers in place of 784, above all with few
# labels; one that can only weigh and add gains nothing.
#
# ## Change one line
#
# Both change how the network grows from its first stages, so these are trained as in the lecture.

# %% lecture=["setup", "training", "stages", "growing-by-hand"]

# %% [markdown]
# ### Change one line 1
#
# Stage 3 once as in the lecture, and once with the copied layers frozen:


# %%
def test_bce(model):
    return model.evaluate(data.test.images, data.test.images, batch_size=1000, verbose=0)


grown = {}
for FREEZE in (False, True):
    stage_3 = add_stage(stage_2.get_layer("encoder"), 32, code_activation="linear", freeze=FREEZE)
    train(stage_3, f"stage 3, FREEZE = {FREEZE}", STAGE_EPOCHS[32])
    learn = sum(int(np.prod(weight.shape)) for weight in stage_3.trainable_weights)
    grown[FREEZE] = {"FREEZE": FREEZE, "parameters that learn": learn, "test BCE": test_bce(stage_3)}
cost_of_freezing = grown[True]["test BCE"] - grown[False]["test BCE"]
Table([*grown.values()])

# %% [markdown]
# About 0.0015, or 2 % of the BCE, though only half of the parameters may learn. The kept layers were trained for codes
# of 128 and 64 numbers, and serve one of 32 nearly as well. In the lecture, the run then has both experiments: `freeze`
# stands in the name of the folder of the new one, because it differs from the default.
#
# ### Change one line 2
#
# The same three stages, with three epochs each:

# %%
first = dense.build_autoencoder(128)
train(first, "stage 1, 3 epochs", 3 * MORE)
second = add_stage(first.get_layer("encoder"), 64)
train(second, "stage 2, 3 epochs", 3 * MORE)
third = add_stage(second.get_layer("encoder"), 32, code_activation="linear")
history = train(third, "stage 3, 3 epochs", 3 * MORE)

# %%
uneven = {"stage 1": test_bce(stage_1), "stage 2": test_bce(stage_2), "stage 3": grown[False]["test BCE"]}
even = {"stage 1": test_bce(first), "stage 2": test_bce(second), "stage 3": test_bce(third)}
Table([{"stage": name, "2, 2 and 5 epochs": uneven[name], "3, 3 and 3": even[name]} for name in even])

# %% [markdown]
# Stage 1 gains, stage 2 hardly, and stage 3 pays more than both have gained: nearly 0.006 of BCE. A better start does
# not make up for two epochs at full depth. That is the weakness of greedy training: each stage is made as good as it
# can be for itself, and only the last one is used in the end.
#
# ## Open end
#
# ### Open end 1
#
# One way: grow it once on the 20,000 images and with the two epochs that the lecture gave the network of 2006, now for
# each stage, and once on all images with three.


# %%
def grow_as_in_2006(label, images, epochs):
    stage = dense.build_autoencoder(128, hidden_activation="sigmoid", code_activation="sigmoid")
    losses = []
    for width, activation in {128: "sigmoid", 64: "sigmoid", 32: "linear"}.items():
        if width < 128:
            stage = add_stage(stage.get_layer("encoder"), width, code_activation=activation)
        momentum = keras.optimizers.SGD(1.0, momentum=0.9)
        options = {"images": images, "optimizer": momentum}
        losses += train(stage, f"{label}, code of {width}", epochs, **options)["val_loss"]
    return stage, losses


few, losses_few = grow_as_in_2006("20,000 images", data.train.images[:20_000], 2 * MORE)
many, losses_many = grow_as_in_2006("all images", data.train.images, 3 * MORE)

# %%
average = data.train.images.mean(axis=0, keepdims=True)  # (n, 28, 28, 1) -> (1, 28, 28, 1)
from_average = np.broadcast_to(average, data.validation.images.shape)
bce_average = float(np.mean(keras.losses.binary_crossentropy(data.validation.images, from_average)))
marks = dict(zip((0.5, 0.5 + 3 * MORE, 0.5 + 6 * MORE), ("code of 128", "code of 64", "code of 32"), strict=True))
lines = {"grown on all images": losses_many, "the average digit": [bce_average] * len(losses_many)}
figures.curves(lines, marks=marks, ylabel="validation BCE per pixel").describe(
    "Validation loss of the network grown on all images: three times it falls below the level line of the average "
    "digit, with a code of 128 far, with 64 and 32 less, for each new stage starts near it again."
)

# %%
shown = data.test.images[:10]
drawn = {"20,000 images": np.asarray(few(shown)), "all images": np.asarray(many(shown))}
print(f"validation BCE: 20,000 images {losses_few[-1]:.4f}, all {losses_many[-1]:.4f}, average {bce_average:.4f}")
figures.image_rows({"original": shown} | drawn).describe(
    "Ten test digits. The network grown on 20,000 images returns ten times the same grey blot; the one grown on all "
    "images returns blurred digits, of which 1, 0 and 9 can be told apart."
)

# %% [markdown]
# With 20,000 images, no: its first stage learns, but the second and the third draw the average digit. With all images
# each stage gets away from the average, the first far and the others a little. So growing gets depth to train, if it is
# given the steps. Whether the deep network, trained end to end with as many steps, would get away too is the fair
# comparison, and a good thing to try next.
#
# How many epochs each stage wants cannot be read off this run, and saying so is part of a good answer: all three curves
# are still falling where they end. Let a stage run until its validation loss has not fallen for some epochs (lecture 01
# calls that early stopping), and compare what that costs with the nine epochs of ReLU and Adam.
