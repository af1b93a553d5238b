# %% [markdown]
# # 03 · Deep autoencoders: answers
#
# Try the [exercises](../03_deep.ipynb) first. Cells that begin with `# from lecture 03` are the lecture's own; the
# others are new. All together run in about a minute.
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
# Both change how stages 1 and 2 go on, so these are trained first, as in the lecture.

# %% lecture=["setup", "training", "stages", "growing-by-hand"]

# %% [markdown]
# ### Change one line 1

# %%
def test_bce(model):
    return model.evaluate(data.test.images, data.test.images, batch_size=1000, verbose=0)


grown = {}
for FREEZE in (False, True):
    stage_3 = add_stage(stage_2.get_layer("encoder"), 32, code_activation="linear", freeze=FREEZE)
    train(stage_3, f"stage 3, freeze={FREEZE}", STAGE_EPOCHS[32])
    learn = sum(int(np.prod(weight.shape)) for weight in stage_3.trainable_weights)
    grown[FREEZE] = {"FREEZE": FREEZE, "parameters that learn": learn, "test BCE": test_bce(stage_3)}
Table([*grown.values()])

# %% [markdown]
# ### Change one line 2

# %%
even = {128: 3 * MORE, 64: 3 * MORE, 32: 3 * MORE}
first = dense.build_autoencoder(128)
train(first, "stage 1, 3 epochs", even[128])
second = add_stage(first.get_layer("encoder"), 64)
train(second, "stage 2, 3 epochs", even[64])
third = add_stage(second.get_layer("encoder"), 32, code_activation="linear")
train(third, "stage 3, 3 epochs", even[32])

# %%
lecture = {"stage 1": test_bce(stage_1), "stage 2": test_bce(stage_2), "stage 3": grown[False]["test BCE"]}
shared = {"stage 1": test_bce(first), "stage 2": test_bce(second), "stage 3": test_bce(third)}
Table([{"stage": s, "2, 2 and 5 epochs": lecture[s], "3, 3 and 3": shared[s]} for s in lecture])

# %% [markdown]
# ## Open end
#
# ### Open end 1

# %%
def grow_as_in_2006(images, epochs, label):
    stage, losses = dense.build_autoencoder(128, hidden_activation="sigmoid", code_activation="sigmoid"), {}
    for width, activation in {128: None, 64: "sigmoid", 32: "linear"}.items():
        if activation:
            stage = add_stage(stage.get_layer("encoder"), width, code_activation=activation)
        momentum = keras.optimizers.SGD(1.0, momentum=0.9)
        losses[width] = train(stage, f"{label}, code of {width}", epochs, images=images, optimizer=momentum)["val_loss"]
    return stage, losses


few, losses_few = grow_as_in_2006(data.train.images[:20_000], 2 * MORE, "20,000 images")
many, losses_many = grow_as_in_2006(data.train.images, 5 * MORE, "all images")
print(losses_few, losses_many)

# %%
average = data.train.images.mean(axis=0, keepdims=True)
y = average.clip(1e-7, 1 - 1e-7)
x = data.validation.images
bce_average = float(-(x * np.log(y) + (1 - x) * np.log(1 - y)).mean())
print("average", bce_average)
shown = data.test.images[:10]
figures.image_rows({"original": shown, "20,000 images": np.asarray(few(shown)), "all": np.asarray(many(shown))}).describe("x")
