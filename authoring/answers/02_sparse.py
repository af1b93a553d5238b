# %% [markdown]
# # 02 · Sparse autoencoders: answers
#
# Try the [exercises](../02_sparse.ipynb) first. Cells that begin with `# from lecture 02` are the lecture's own; the
# others are new. All together run in about a minute.
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

# %% lecture=["setup", "training", "examine", "kl-penalty-by-hand", "similarity"]

# %%
networks = {}
for RHO in (0.05, 0.2):
    name = f"KL, target {RHO}"
    networks[name] = build(code_activation="sigmoid", penalty=dense.KLSparsity(RHO, WEIGHT))
    train(name, networks[name], keras.optimizers.Adam(1e-2))
    examine(name)

# %%
other = ~np.eye(10, dtype=bool)
for name in networks:
    rows[name]["cosine of other digits"] = float(similarity(codes_of[name])[other].mean())
compare(*networks)

# %% [markdown]
# ### Change one line 2

# %% lecture=["penalty-layer-by-hand", "stuck"]

# %%
freed = []
for name, penalty in {"KL": kl_penalty, "squared error": squared_penalty}.items():
    RHO = 0.05
    patient = build(code_activation="sigmoid", penalty=Penalty(penalty))
    patient.set_weights(networks["sigmoid"].get_weights())
    losses = train(f"stuck, then {name}, Adam", patient, keras.optimizers.Adam(1e-2), epochs=1)
    codes = patient.get_layer("encoder").predict(data.test.images, batch_size=1000, verbose=0)
    freed.append({"penalty": name, "mean activity before": rows["sigmoid"]["mean of the codes"], "after": float(codes.mean()), "val": losses["val_loss"][-1]})
Table(freed)

# %% [markdown]
# ## Open end
#
# ### Open end 1

# %%
networks["32 units, no penalty"] = build()
train("32 units, no penalty", networks["32 units, no penalty"])
examine("32 units, no penalty")
for weight in (0.01, 0.003, 0.001):
    name = f"128 units, weight {weight}"
    penalty = dense.KLSparsity(0.05, weight)
    networks[name] = dense.build_autoencoder(128, code_activation="sigmoid", penalty=penalty)
    train(name, networks[name], keras.optimizers.Adam(1e-2))
    examine(name)

# %%
def speaking(codes):
    return (codes > 0.1).sum(axis=1)


wide = [name for name in networks if "units" in name]
for name in wide:
    rows[name]["speak"] = float((codes_of[name] > 0.1).sum(axis=1).mean())
    rows[name]["speak50"] = float((codes_of[name] > 0.5).sum(axis=1).mean())
compare(*wide)
