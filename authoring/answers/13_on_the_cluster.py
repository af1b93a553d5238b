# %% [markdown]
# # 13 · On the cluster: answers
#
# Try the [exercises](../13_on_the_cluster.ipynb) first. Cells that begin with `# from lecture 13` are the lecture's
# own; the others are new. All together run in about a minute. No cluster is needed.
#
# ## Recall
#
# ### Recall 1
#
# All nodes see `$HOME` and `/scratch/$USER`. `$LSCRATCH` is the disk of one node, and is emptied when the job ends:
# what a job writes there and does not copy is gone. So data are copied *to* it, and results are written to `/scratch`.
#
# ### Recall 2
#
# The optimizer's moments, the best weights so far, the epoch with the history, and the counters of early stopping.
# Without the moments Adam begins to estimate anew, and its steps change. Without the best weights a training that got
# worse before it was killed could only save what it has at the end. Without the counters patience starts over, and the
# training stops too late. In each case the weights are no longer those of a training that nobody killed.
#
# ### Recall 3
#
# For six jobs of one script, with the numbers 0 to 5 in `$SLURM_ARRAY_TASK_ID`, of which two may run at a time. The
# others wait even where nodes are free, which leaves room for other people.
#
# ### Recall 4
#
# Slurm sends it USR1, here 120 seconds before the end. The script hands the signal on to the training, which saves its
# state and leaves with status 75, "not finished"; then the script asks Slurm to put the job back into the queue, under
# the same number. The next attempt goes on from the last whole epoch.
#
# ### Recall 5
#
# The whole batch is twice as large, so there are half as many steps in an epoch, and each step follows a mean over
# twice as many images; a learning rate that was chosen for the old batch need not suit it. It is another training, not
# the same one in half the time. (And with batch normalisation on one node, each half still normalises by itself.)
#
# ## Change one line
#
# Both take the lecture's run file, its patches, and its way to kill a training.

# %%
import os
from pathlib import Path

import helpers

os.chdir(Path(helpers.__file__).parents[1] / "lectures")  # where the lecture runs

# %% lecture=["setup", "run-file", "patches", "killing"]

# %% [markdown]
# ### Change one line 1

# %%
SWEPT = SCRATCH / "swept.toml"
SWEPT.write_text(RUN.read_text().replace("fold = [0, 1]", "fold = [0, 1]\nlearning_rate = [1e-3, 1e-4]"))
swept = read_run(SWEPT).experiments
of_fold_1 = [index for index, each in enumerate(swept) if each.parameters["fold"] == 1]
print(f"{len(swept)} experiments; of fold 1: {','.join(map(str, of_fold_1))}")
Table([{"index": index, "experiment": each.name} for index, each in enumerate(swept)])

# %% [markdown]
# Twelve: three networks, two folds, two learning rates. What stands last in `[sweep]` changes fastest, so the learning
# rate alternates, and the fold changes every second index. Their numbers are not those of the sweep before, so a job
# script of the old sweep would train something else under the same index. That is why the jobs have a frozen copy.
#
# ### Change one line 2

# %%
train("killed", "--index=0", at="Epoch 2/")
train("killed", "--index=0")
train("in_peace", "--index=0")

# %% lecture=["difference"]

# %% [markdown]
# None again, 0.0. It began at epoch 2 this time, for it had finished only one. Which epoch is interrupted, and how
# often, makes no difference: the order of the patches is computed from the seed and the epoch, and all else is in the
# file.
#
# ## Open end
#
# ### Open end 1
#
# One way. The trial: `./course cluster submit lectures/runs/land_cover.toml epochs=1 fold=0 'filters=[32, 64]'`. Its
# log says how long the epoch took. That was the shallow network; try the deep one as well, for `--time` must do for
# all. Take the longest epoch, times the epochs, and twice that, since nodes differ; and the memory that was used, and
# half of it more. Then see how the ten experiments will lie side by side: with 40 seconds an epoch for the shallow
# network, 60 for the deep one, and four at a time.

# %%
experiments = read_run("runs/land_cover.toml").experiments
SECONDS = {2: 40, 4: 60}  # an epoch of your trials, by the number of levels
minutes = [each.parameters["epochs"] * SECONDS[len(each.parameters["filters"])] / 60 for each in experiments]
AT_ONCE, free, plan = 4, [0.0] * 4, []
for length in minutes:  # in the order of their index, each where a place is free first
    begin = min(free)
    free[free.index(begin)] = begin + length
    plan.append((begin, length))
last = max(range(len(plan)), key=lambda index: sum(plan[index]))
print(f"{sum(minutes) / 60:.1f} hours of a GPU in {max(free) / 60:.1f} hours; the last to finish is {last}")

# %%
figure, axes = figures.subplots(1, 1, (7, 3))
ax = axes[0, 0]
ax.barh(range(len(plan)), [length for _, length in plan], left=[begin for begin, _ in plan], height=0.7)
ax.set(xlabel="minutes since the first one began", ylabel="experiment", ylim=(len(plan) - 0.4, -0.6))
figure.describe(
    "Ten bars over 53 minutes, at most four at a moment: each begins where one has ended. Every second is longer, a "
    "deep network; the last of them is alone from minute 40 on."
)

# %% [markdown]
# The last to finish is the last deep one: it began last, and is the longer kind. It runs alone for 13 of 53 minutes;
# five at a time would be done in 40. On a real cluster the order is another: a job may wait for hours, land on an older
# GPU, or come back after a time limit. `squeue --start` tells what Slurm expects, the logs what
# has happened.
