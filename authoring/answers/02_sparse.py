# %% [markdown]
# # 02 · Sparse autoencoders: answers
#
# Try the [exercises](../02_sparse.ipynb) first. Cells that begin with `# from lecture 02` are the lecture's own; the
# others are new. All together run in a minute or two.
#
# ## Recall
#
# ### Recall 1
#
# Keras reports the sum of everything that is minimised: BCE *and* price. A network with a price of 1e-3 pays more than
# one with 1e-4 for the same code, and one without pays nothing, so the sums are in three different currencies. The BCE
# on test images means the same for all of them.
#
# ### Recall 2
#
# The decoder can undo a change of scale: halve every number of the code, double the weights behind it, and every
# reconstruction stays the same. As many units speak as before, only more quietly. A code is sparser if more of its
# numbers are *zero*, which no change of scale brings about. Angles between codes do not depend on the scale either.
#
# ### Recall 3
#
# The mean is over the batch, axis 0: it turns activities, (batch, 32), into the share of the time that each unit
# speaks, (32,). The sum is over the units. "A mean over everything" is the common mistake. Units at 0 and units at 0.1
# would then make up for each other, and no single unit would have to meet the target.
#
# ### Recall 4
#
# $\hat\rho$ stands in $\log \hat\rho$ and $\log (1 - \hat\rho)$, so it must lie between 0 and 1, where a sigmoid keeps
# it. And the slope of KL with respect to what goes *into* the sigmoid is $\hat\rho - \rho$: the flat slope of the
# sigmoid, $\hat\rho (1 - \hat\rho)$, cancels against the steep one of KL. A unit stuck at 1 is pulled with 0.95.
#
# ### Recall 5
#
# - The weight is too low to matter: compare price and BCE in numbers.
# - The penalty is divided by something, here by the batch size, because it went in as a regulariser.
# - Units are stuck where their slope is zero: look at the mean activity, and at how many codes differ at all.
# - The optimiser hardly moves: print its learning rate, and look at the loss of the first epochs.
#
# ## Change one line
#
# ### Change one line 1
#
# Two networks that differ in the target only; all else is the lecture's.

# %% lecture=["setup", "training", "examine", "kl-penalty-by-hand", "similarity"]

# %%
networks = {}
for target in (0.05, 0.2):
    name = f"target {target}"
    networks[name] = build(code_activation="sigmoid", penalty=dense.KLSparsity(target, WEIGHT))
    train(name, networks[name], keras.optimizers.Adam(1e-2))
    examine(name)

# %%
other = ~np.eye(10, dtype=bool)
for name in networks:
    rows[name]["cosine of other digits"] = float(similarity(codes_of[name])[other].mean())
low, high = (rows[name] for name in networks)
compare(*networks)

# %% [markdown]
# The mean activity follows the target, from about 0.12 to 0.25. Both lie above their targets, because reconstruction
# pulls up. The BCE falls by more than a tenth, to about 0.107: with more units speaking, there is more to draw with.
# And the cosine between different digits rises from a third to a half, since units that speak for a fifth of the images
# cannot all keep to one digit. A sparser code is a clearer one, and costs BCE.
#
# ### Change one line 2
#
# The stuck network is made as in the lecture; then each penalty gets one epoch with Adam.

# %% lecture=["penalty-layer-by-hand", "stuck"]

# %%
freed = {}
for name, penalty in {"KL": kl_penalty, "squared error": squared_penalty}.items():
    patient = build(code_activation="sigmoid", penalty=Penalty(penalty))
    patient.set_weights(networks["sigmoid"].get_weights())
    train(f"stuck, then {name}", patient, keras.optimizers.Adam(1e-2), epochs=1)
    freed[name] = float(patient.get_layer("encoder").predict(data.test.images, batch_size=1000, verbose=0).mean())
before = rows["sigmoid"]["mean of the codes"]
Table([{"penalty": name, "mean activity before": before, "after": after} for name, after in freed.items()])

# %% [markdown]
# Now both free the units. Adam divides a slope by the square root of its own mean square, and a slope that is always
# tiny is divided by something as tiny: what is left is its *sign*, and the step is about the learning rate whatever the
# size of the slope. Gradient descent multiplies by the slope itself, so a millionth of a slope is a millionth of a
# step. That does not make the squared error a good penalty. It shows that an optimiser can hide what is wrong with a
# loss, and only down to a point: below Adam's `epsilon` of 1e-7 a slope counts as none.
#
# ## Open end
#
# ### Open end 1
#
# One way: try a few weights at 128 units, and read off where the BCE is that of 32 numbers without a penalty.

# %%
wide = {"32 units, no penalty": build()}
train("32 units, no penalty", wide["32 units, no penalty"])
for weight in (0.01, 0.03):
    name = f"128 units, weight {weight}"
    penalty = dense.KLSparsity(0.05, weight)
    wide[name] = dense.build_autoencoder(128, code_activation="sigmoid", penalty=penalty)
    train(name, wide[name], keras.optimizers.Adam(1e-2))

# %% [markdown]
# How many units speak? A sigmoid is never zero, so we have to say from where on it counts. Two thresholds, a tenth and
# a half of full activity:

# %%
networks |= wide
for name in wide:
    examine(name)
    for level in (0.1, 0.5):
        rows[name][f"units above {level}"] = float((codes_of[name] > level).sum(axis=1).mean())
narrow, sparse, sparser = (rows[name] for name in wide)
compare(*wide)

# %%
active = {name: (codes_of[name] > 0.1).sum(axis=1) for name in wide}
words = {"xlabel": "units above 0.1 in the code of an image", "ylabel": "share of images"}
figures.histograms(active, **words, bins=23).describe(
    "Share of the test images over the number of their units above 0.1. With 32 units and no penalty nearly all images "
    "have 30 or more; with 128 units and a target most have 10 to 25."
)

# %% [markdown]
# At a weight of 0.03 the 128 units have the BCE of 32 numbers without a penalty, about 0.098; at 0.01 they already do
# better. Where the 32 speak nearly all the time, of the 128 about 17 are above a tenth for an image, and two or three
# above a half.
#
# So what is the size of such a code? There is no single answer, and a good one says for what. To *store* it you need to
# know which units speak and how loudly: fewer numbers than 32, and each has to name one of 128 units besides. To *read*
# it, it has 128 places, few of them taken. What cannot be said is "128 numbers, so four times as much room": the
# penalty allows to use few at a time, and the choice of which is where the room went. Makhzani and Frey's codes settle
# the question by construction: $k$ numbers, and the rest are zeros.
