# %% [markdown]
# # 11 · Image to image: answers
#
# Try the [exercises](../11_image_to_image.ipynb) first. Cells that begin with `# from lecture 11` are the lecture's
# own; the others are new. All together run in about a minute. The numbers are those of the stand-in, as in the lecture.
#
# ## Recall
#
# ### Recall 1
#
# Semantic and instance segmentation: a class, or the number of a thing, for each pixel. Classification gives a list of
# classes for the whole picture, detection a list of boxes with a class each.
#
# ### Recall 2
#
# Instance segmentation, if it is a network that has learnt what *one* roof looks like; detection can too, by two boxes.
# Semantic segmentation gives one red area, and connected components, which are made from it, one piece.
#
# ### Recall 3
#
# A label is one of seven choices: the network gives a share for each, and cross-entropy punishes a small share of the
# right one. Class 4 is not "between" 3 and 5, so a squared difference of class numbers would mean nothing. Reflectance
# is a quantity: 0.31 for 0.30 is nearly right, and the squared error says so.
#
# ### Recall 4
#
# It would draw fields and cells with sharp borders in place of the grey mean, since a trained network sees borders and
# grain, and misses them in a blur. It would look like a winter. Which field was ploughed is still not in the summer:
# the sharp picture has to guess, and where it guesses wrong it is further off, pixel by pixel, than the grey was. A
# loss chooses among the possible answers; it does not know more than the input.
#
# ### Recall 5
#
# Because a score of its own has no scale. Always saying the commonest class is right for nearly two thirds of the
# pixels of this land; 65 % by a network would be nothing, on land with seven classes of one size it would be much.
#
# ## Change one line
#
# Both begin with the lecture's patches, its held-out tiles and its way to train. What is changed has a name of its own
# here, so that both can be trained beside each other.

# %% lecture=["imports", "data", "tasks", "three-networks", "held-out-tiles", "training"]

# %% [markdown]
# ### Change one line 1

# %%
tasks["more noise"] = tasks["remove noise"] | {"noise": 0.3}
tasks["satellite only"] = {"bands": ["landsat_leaf_on"], "target": "season"}
for task in ("more noise", "satellite only"):
    models[task] = build(task)
    starts[task] = models[task].get_weights()
    train(task)

# %%
noisy, clean = read(test_files, image_size=128, **tasks["more noise"])
cleaned = ops.convert_to_numpy(models["more noise"](noisy))

# %% lecture=["decibels-by-hand"]

# %%
gained = decibels(cleaned) - decibels(noisy)
print(f"noise {decibels(noisy):.1f} dB, cleaned {decibels(cleaned):.1f} dB")
some = np.linspace(0, len(test_files) - 1, min(6, len(test_files))).astype(int)
pictures = {"noisy": noisy, "cleaned": cleaned, "clean": clean}
figures.image_rows({name: images[some, ..., :3].clip(0, 1) for name, images in pictures.items()}).describe(
    "Patches under strong noise, as the network cleaned them, and as they were. Light and dark "
    "areas are back, all in one grey green; a red field, a meadow and the edges of a road are gone."
)

# %% [markdown]
# Where it cannot know it draws the mean of what could be there: light and dark areas are right, but the colour of
# nearly everything is the same grey green, and a field of its own colour is lost. From 10.5 dB it comes to 20.9: it
# gains 10, twice what it gains with half the noise, since there is more to gain. The lecture's network ends at 21.5.
#
# ### Change one line 2

# %%
summer, winter = read(test_files, image_size=128, **tasks["satellite only"])

# %% lecture=["error-by-hand"]

# %%
off_summer, off_satellite = off(summer), off(ops.convert_to_numpy(models["satellite only"](summer)))
print(f"error: the summer itself {off_summer:.4f}, drawn from the satellite alone {off_satellite:.4f}")

# %% [markdown]
# About 0.073, where the lecture had 0.065 with the photograph. That is less than seeds differ there (0.062 to 0.080),
# so from one training each nobody can say that the photograph was worth anything. It was taken in summer: it may show
# where borders are, but not what the winter does within them.
#
# ## Open end
#
# ### Open end 1
#
# One way: the network gives eleven numbers for each pixel. Four are the clean picture, seven become the class. That is
# two last layers side by side, over one encoder and one decoder. The two losses are added with weights, and a weight of
# zero gives the networks to compare with, which see the same noisy pictures.

# %%
clean, labels = read(train_files, bands=["naip_new"], image_size=64)
test_clean, test_labels = read(test_files, bands=["naip_new"], image_size=64)
random = np.random.default_rng(0)
noisy, test_noisy = (some + 0.15 * random.standard_normal(some.shape, np.float32) for some in (clean, test_clean))
target = np.concatenate([clean, labels[..., np.newaxis]], axis=-1)  # (n, 64, 64, 5)


def two_losses(of_picture, of_labels):
    def loss(target, drawn):
        error = ops.mean((target[..., :4] - drawn[..., :4]) ** 2)
        return of_picture * error + of_labels * MaskedCrossentropy()(target[..., 4], ops.softmax(drawn[..., 4:]))

    return loss


# %%
WEIGHTS = {"picture only": (20, 0), "labels only": (0, 1), "both": (20, 1)}  # 20: errors are of one size then
both_tasks = {}
for name, weights in WEIGHTS.items():
    keras.utils.set_random_seed(0)
    joint = build_unet(11, input_shape=(None, None, 4), filters=FILTERS, outputs="values")
    joint.compile(keras.optimizers.Adam(0.004), two_losses(*weights), jit_compile=False)
    joint.fit(noisy, target, batch_size=4, epochs=8, verbose=0, callbacks=[Progress(name)])
    drawn = ops.convert_to_numpy(joint(test_noisy))
    error = float(np.mean((drawn[..., :4] - test_clean) ** 2))
    matrix = confusion_matrix(test_labels, drawn[..., 4:].argmax(axis=-1))
    both_tasks[name] = {"PSNR, dB": -10 * np.log10(error), "accuracy": scores(matrix).accuracy}
Table([{"trained for": name} | found for name, found in both_tasks.items()])

# %%
figures.bars(
    {"PSNR, in tens of dB": [found["PSNR, dB"] / 10 for found in both_tasks.values()]}
    | {"accuracy": [found["accuracy"] for found in both_tasks.values()]},
    list(both_tasks),
    ylabel="score on held-out tiles",
    xlabel="what the network was trained for",
).describe(
    "Bars of decibels and of accuracy for three networks: each of the two that learnt one task is best in that one and "
    "bad in the other; the one that learnt both is nearly as good in decibels, and worse in accuracy."
)

# %% [markdown]
# It can do two, and here neither gains: half a decibel is lost, and ten of a hundred pixels lose their class. The two
# tasks share 33,000 parameters and eight epochs, and the weight of 20 decides which of them gets more. Scores of single
# seeds differ too, so a good answer tries other weights and more seeds before it says that tasks hurt each other.
