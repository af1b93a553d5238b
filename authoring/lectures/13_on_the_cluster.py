# %% [markdown]
# # 13 · On the cluster
#
# *How does a week of training get done over night, and come back whole when it is interrupted?*
#
# **You will**
# - describe trainings in a run file, and train one of them from the command line
# - kill a training, let it go on, and compare its weights with those of one that nobody killed
# - send a sweep to Slurm as an array, watch it, find what is missing, and gather the results
# - reckon what a sweep costs, in hours of a GPU, money and electricity
# - say what several workers share, and open JupyterLab on a compute node
#
# **What to know before.** Lecture [12](12_segmentation.ipynb) (land cover, U-Net, folds). A little of the shell.
#
# | | CPU (2 cores) | GPU |
# |---|---|---|
# | this notebook | 3 minutes | not needed |

# %% tags=["setup"]
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from helpers import figures
from helpers.backend import keras
from helpers.experiments.run_file import read_run
from helpers.slurm.practice import Terminal
from helpers.data.stand_in import announce
from helpers.data.synthetic import DataFolder, make_patches
from helpers.models import unet
from helpers.tables import Table
from helpers.training import seed_everything

import numpy as np
from matplotlib.patches import Patch

seed_everything(0)

# %% [markdown]
# ## A run file
#
# A notebook wants you to sit before it. A cluster trains while you sleep, so everything that a training needs to know
# stands in one file that you can read, keep and hand on.

# %% tags=["run-file"]
SCRATCH = Path(tempfile.mkdtemp(prefix="scratch-"))  # on a cluster: /scratch/$USER
RUN = Path(shutil.copy("runs/practice.toml", SCRATCH))
print(RUN.read_text())

# %% [markdown]
# Each value in `[sweep]` is a list. Every combination is one *experiment*, and has a number.

# %% tags=["run-file"]
run = read_run(RUN)
Table([{"index": index, "experiment": each.name} for index, each in enumerate(run.experiments)])

# %% [markdown]
# This lecture is about jobs, not about maps. It trains on a few small made-up patches, wherever you are, so that all
# six trainings take a minute.

# %% tags=["patches"]
make_patches(SCRATCH / "patches", 36, per_tile=6, progress=False)
patches = DataFolder(SCRATCH / "patches", "36 made-up patches", is_stand_in=True)
announce(patches.path)

# %% [markdown]
# ## Killed, and none the worse
#
# A job ends when its time is up, when a node fails, when somebody else needs the machine. So `course train` writes all
# that decides what comes next to the disk after each epoch. Let us be the failing node: this function starts a training
# and kills it as `kill -9` does, without a warning, as soon as a line appears that begins with `at`.


# %% tags=["killing"]
def train(experiments, *choice, at=None):
    command = ["../course", "train", str(RUN), "--data", str(patches.path), *choice]
    environment = {**os.environ, "COURSE_EXPERIMENTS": str(SCRATCH / experiments)}
    options = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "start_new_session": True}
    process = subprocess.Popen(command, env=environment, **options)
    for line in process.stdout:
        print(line, end="")
        if at and line.startswith(at):
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


# %%
train("killed", "--index=0", at="Epoch 3/")

# %% [markdown]
# It died in its third epoch; -9 is the signal. What lies on the disk?

# %%
(state,) = (SCRATCH / "killed/practice").glob(".training-*/state.npz")
with np.load(state) as kept:
    groups = [name.rpartition("_")[0] or name for name in kept.files]
    sizes = {name: int(kept[name].size) for name in kept.files}
rows = {group: {"what": group, "arrays": groups.count(group)} for group in groups}
for name, group in zip(sizes, groups, strict=True):
    rows[group]["numbers"] = rows[group].get("numbers", 0) + sizes[name]
Table(list(rows.values()), f"{state.name}, {state.stat().st_size / 1e3:.0f} kB")

# %% [markdown]
# *model* are the weights, *optimizer* Adam's moments, *best* the weights of the best epoch so far. *about* holds the
# epoch, the history and the counters of early stopping. The order of the patches is computed from seed and epoch.
#
# **Predict.** The same command once more: at which epoch does it begin? And how far will its weights be from those of a
# training that was left in peace?

# %%
train("killed", "--index=0")

# %%
train("in_peace", "--index=0")


# %% tags=["difference"]
def weights(experiments):
    os.environ["COURSE_EXPERIMENTS"] = str(SCRATCH / experiments)
    return run.experiments[0].load().get_weights()


pairs = list(zip(weights("killed"), weights("in_peace"), strict=True))
difference = max(float(np.abs(one - other).max()) for one, other in pairs)
print(f"{sum(one.size for one, _ in pairs):,} weights, largest difference {difference}")

# %% [markdown]
# **What you should see.** It began at epoch 3, and lost what it had done of it, no more. The largest difference of all
# weights is 0.0: not small, none. With less than the whole state it would be another training; Keras' own
# `BackupAndRestore` leaves out the counters of callbacks, the states of dropout and the position in the data.

# %% [markdown]
# ## A cluster
#
# You log in to a *login node*, which is for editing and submitting; everybody shares it. *Compute nodes* have the
# cores and GPUs. *Slurm* keeps the queue and hands out nodes ([Yoo et al., 2003](https://doi.org/10.1007/10968987_3)).
#
# | folder | seen by | good for | mind |
# |---|---|---|---|
# | `$HOME` | all nodes | code, run files | small (20 GB on OSCER) |
# | `/scratch/$USER` | all nodes | data, experiments | old files are deleted; no backup |
# | `$LSCRATCH` | one node | a copy of the data during a job | gone when the job ends |
#
# If `slurm-wlm` and `munge` are installed here, the next cell starts a Slurm of two pretend nodes, for this notebook.

# %%
os.environ["COURSE_EXPERIMENTS"] = str(SCRATCH / "experiments")
environment = {"COURSE_SITE": "plain", "COURSE_DATA": str(SCRATCH / "data")}
terminal = Terminal(
    Path("recorded/13_on_the_cluster.json"), environment=environment, shown={str(SCRATCH): "/scratch/me"}
)
terminal("sinfo")

# %% [markdown]
# ## From a run file to a job
#
# `course cluster submit` writes a script for Slurm. `--dry-run` prints it. Read it: it is short, and one day you will
# have to change it.

# %%
submit = f"./course cluster submit {RUN} --stage {patches.path}"
terminal(f"{submit} --dry-run")

# %% [markdown]
# Lines with `#SBATCH` ask for things. `--array=0-5` makes six jobs of one script, and in each of them
# `$SLURM_ARRAY_TASK_ID` is another number: the index of an experiment. Who asks for little waits less; who forgets
# `--mem` gets 1 GB a core on OSCER, and is ended when that is not enough.
#
# What is submitted is frozen: the jobs train from a copy of the run file, in `jobs/practice/1`. Edit the run file while
# they wait, and nothing changes for them. `status` goes by the copy, and tells how the file differs from it.
#
# **Predict.** Two nodes, six experiments: what will the queue look like?

# %%
terminal(submit)
QUEUE = "squeue --me --array --noheader --sort=i --format='%i %t' | xargs"  # on one line: PD waits, R runs
queue = terminal.watch(QUEUE, f"cat {SCRATCH}/jobs/practice/1/1_1.log", "Epoch 3/")
terminal("squeue --me")

# %% [markdown]
# The nodes are busy, the others wait, and so does a seventh job, which gathers the results when the array has ended.
#
# Do they learn? What a job prints goes into its log, epoch by epoch, so the curves can be read while it runs. (For
# TensorBoard, `./course train … --tensorboard` writes the same numbers.)

# %%
terminal(f"./course cluster logs {RUN} 0 | grep -o 'val_loss.*'")

# %% [markdown]
# Now let experiment 1 have an accident, and watch the rest.

# %%
terminal("scancel 1_1")
queue += terminal.watch(QUEUE, "squeue --me --noheader", r"\A\s*\Z")
terminal(f"./course cluster status {RUN}")

# %% [markdown]
# ## What is missing?
#
# **Fails on purpose.** Who goes on without looking at the status finds out here.

# %%
try:
    run.experiments[1].history()
except FileNotFoundError as error:
    print(str(error).replace(str(SCRATCH), "/scratch/me")[:130], "…")

# %% [markdown]
# One command tells what has not finished, in the words of `sbatch --array`. The log tells how it ended: here
# *CANCELLED*, by us; on a real cluster often *out of memory*. Submit what is missing, and only that. It goes on from
# its last epoch.

# %%
terminal(f"./course train {RUN} --missing")
terminal(f"./course cluster logs {RUN} 1 | tail -n 3")

# %%
terminal(f"{submit} --missing")
queue += terminal.watch(QUEUE, "squeue --me --noheader", r"\A\s*\Z")
terminal(f"./course cluster status {RUN}")

# %% [markdown]
# ### The night, on one page
#
# `queue` holds what the queue looked like, and when. Each experiment of the array becomes a row of bars.


# %% tags=["timeline"]
def timeline(queue):
    """Return for each experiment its bars: (beginning in seconds, length, state)."""
    bars = {}
    for (begin, words), (end, _) in itertools.pairwise(queue):
        for job, state in zip(words.split()[::2], words.split()[1::2], strict=True):
            if "_" in job:  # the jobs that gather results are no element of an array
                row = bars.setdefault(int(job.partition("_")[2]), [])
                if row and row[-1][0] + row[-1][1] < begin:
                    row.append((row[-1][0] + row[-1][1], begin - row[-1][0] - row[-1][1], "interrupted"))
                row.append((begin, end - begin, "waiting" if state == "PD" else "running"))
    return bars


# %%
LOOKS = {"waiting": ("0.85", ""), "running": ("C0", ""), "interrupted": ("white", "////")}
first = queue[0][0]
figure, axes = figures.subplots(1, 1, (7, 2.8))
ax = axes[0, 0]
for experiment, row in timeline(queue).items():
    for begin, length, state in row:
        colour, hatch = LOOKS[state]
        ax.barh(experiment, length, left=begin - first, color=colour, hatch=hatch, height=0.7)
ax.set(xlabel="seconds since the first look at the queue", ylabel="experiment", ylim=(5.6, -0.6))
key = [Patch(facecolor=colour, hatch=hatch, label=state) for state, (colour, hatch) in LOOKS.items()]
figure.legend(handles=key, loc="outside upper right", ncols=3)
figure.describe(
    "Six rows of bars over time. Two experiments run from the start, the others wait, and at most two run at a time. "
    "The row of experiment 1 is interrupted early; it runs once more when all others have ended."
)

# %% [markdown]
# **What you should see.** At most two bars at a time, one for each node, and hatching where experiment 1 was gone:
# nobody missed it until we asked. (The machine that recorded this was busy, so the second part of experiment 1 took
# longest.) A job that Slurm itself stops goes back into the queue without us, for a failed node by `--requeue`, at its
# time limit by the script itself; then this gap is only as long as the queue.

# %% [markdown]
# Where there is no Slurm, the same command without an index does one after the other what the array did on two nodes.

# %%
if not terminal.is_live:
    train("experiments")

# %% [markdown]
# ## Results
#
# Each experiment lies in a folder of its own, named by its parameters, wherever it was trained. First: does it matter
# where? Experiment 0 was trained in this notebook, and by the array.

# %%
here, there = weights("in_peace"), weights("experiments")
by_array = max(float(np.abs(one - other).max()) for one, other in zip(here, there, strict=True))
print(f"largest difference between here and the array: {by_array}")

# %%
scores = {}
for experiment in run.experiments:
    name = "-".join(map(str, experiment.parameters["filters"]))
    scores.setdefault(name, []).append(experiment.results()["mean_iou"])
means, spreads = ([float(part(folds)) for folds in scores.values()] for part in (np.mean, np.std))
words = {
    "xlabel": "filters of each level; the black line reaches from one fold to the other",
    "ylabel": "mean IoU, test side",
}
figures.bars({"mean IoU": means}, list(scores), spread={"mean IoU": spreads}, **words).describe(
    "Three low bars, the mean IoU of three networks, with black lines from one fold to the other."
)

# %% [markdown]
# **What you should see.** Difference 0.0: a script and an array give the same weights. And three low bars: 48 steps
# on a few patches teach a U-Net next to nothing. If one of them leads, two folds are too few to believe it.
# `./course results` writes all of it as a table, a CSV file and figures.
#
# The curves of all six, from the CSV file that each experiment keeps:

# %%
curves = {each.name: each.history()["val_loss"] for each in run.experiments}
figures.curves(curves, ylabel="validation loss").describe(
    "Validation loss of the experiments over eight epochs: ragged lines, most of which fall. None is level at the end."
)

# %% [markdown]
# ## What it costs
#
# A cluster of your university sends no bill; somebody pays all the same. Reckon before you submit: experiments, times
# epochs, times seconds an epoch. The numbers below are assumptions for you to replace: clouds rent a GPU of the size of
# an A100 for one to four dollars an hour (2025), such a node draws about half a kilowatt for each, and a kilowatt hour
# of the American grid stands for about 0.4 kg of CO2
# ([Lacoste et al., 2019](https://arxiv.org/abs/1910.09700)).

# %% tags=["cost"]
DOLLARS, KILOWATTS, KILOGRAMS = 2.0, 0.5, 0.4  # an hour, while it computes, a kilowatt hour


def cost(experiments, epochs, seconds):
    hours = experiments * epochs * seconds / 3600
    power = hours * KILOWATTS
    return {"GPU hours": hours, "dollars": hours * DOLLARS, "kWh": power, "kg CO2": power * KILOGRAMS}


# %%
land_cover = read_run("runs/land_cover.toml").experiments
epochs = land_cover[0].parameters["epochs"]
runs = {"one epoch to try, 60 s": (1, 1, 60), "land_cover.toml": (len(land_cover), epochs, 60)}
runs |= {"the same, waiting for its data": (len(land_cover), epochs, 240)}
Table([{"run": name} | cost(*numbers) for name, numbers in runs.items()])

# %% [markdown]
# **What you should see.** The trial is nearly free, and tells the seconds that everything else is multiplied by. And a
# GPU that waits for its data costs as much as one that computes: look at `data_wait` in the results before you ask for
# a second one.

# %% [markdown]
# ## More than one worker
#
# Several GPUs train one model when each computes the gradient on its part of a batch, and all take the mean. Here are
# the gradients of one batch of 8, and the mean of those of its halves.
#
# **Predict.** Are they equal? And if the network normalises over the batch?


# %% tags=["gradients-of-halves"]
def gradient(model, images, labels):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = keras.losses.CategoricalCrossentropy()(labels, model(images, training=True))
    return np.concatenate([np.ravel(part) for part in tape.gradient(loss, model.trainable_variables)])


def gap(batch_norm):
    random = np.random.default_rng(0)
    images = random.random((8, 32, 32, 4), dtype=np.float32)
    labels = np.eye(7, dtype=np.float32)[random.integers(0, 7, (8, 32, 32))]  # (8, 32, 32, 7)
    model = unet.build_unet(input_shape=(32, 32, 4), filters=(8, 16), batch_norm=batch_norm)
    whole = gradient(model, images, labels)
    halves = [gradient(model, images[part], labels[part]) for part in (slice(0, 4), slice(4, 8))]
    return float(np.abs(np.mean(halves, axis=0) - whole).max() / np.abs(whole).max())


gap_plain, gap_norm = gap(batch_norm=False), gap(batch_norm=True)
print(f"without batch normalisation {gap_plain:.1e}, with it {gap_norm:.1e}")

# %% [markdown]
# **What you should see.** Without batch normalisation the two agree to rounding. With it they differ by a share that no
# rounding explains: each half normalises by its own mean. So keep the *whole* batch the same when you add workers (32
# on one GPU is 16 on each of two), and know which engine does what:
#
# | | engine | batch normalisation |
# |---|---|---|
# | several GPUs of a node: `--gpus 2` | TensorFlow's `MirroredStrategy` | of each part |
# | several nodes, with all their GPUs: `--nodes 2` | Keras on JAX, `DataParallel` | of the whole batch |
#
# For five folds you need neither: five jobs of one GPU are simpler, and none waits for another.

# %% [markdown]
# ## On OSCER, and JupyterLab on a node
#
# For the impatient, `docs/oscer.md` begins with two lines to copy. What one cluster wants to read
# stands in one small file, a *site*. This is the worked example; copy it to
# `~/.config/course/site.toml` and correct it with `sinfo`: names of partitions move every year.

# %%
terminal("cat helpers/slurm/sites/oscer.toml")

# %% [markdown]
# Jobs use the environment that you made on the login node, and `./course lab` makes one for the CPU. So the first thing
# to do there is `module load Python/…` and then `./course setup --gpu` (8 GB): it brings CUDA and opens nothing. A job
# that has a GPU and cannot use it says so and ends.

# %%
terminal("./course cluster submit lectures/runs/land_cover.toml --site oscer --mail me@ou.edu --dry-run | grep SBATCH")

# %% [markdown]
# A notebook on a GPU: `./course cluster jupyter --gpus 1` submits a job that runs JupyterLab, waits, and prints an
# `ssh` line for your laptop and an address for its browser. Where the cluster has Open OnDemand, as OSCER does, that is
# easier still. Never run JupyterLab or a training on the login node: others work there.

# %%
terminal("./course cluster jupyter --dry-run | tail -n 9")

# %%
terminal.close()

# %% [markdown]
# ## Exercises
#
# ### Recall
# 1. Which of `$HOME`, `/scratch` and `$LSCRATCH` do all nodes see, and which is empty after the job?
# 2. What is written after each epoch besides the weights, and what would go wrong without it?
# 3. What does `--array=0-5%2` ask for?
# 4. What does the job script do when Slurm says that the time is nearly up?
# 5. You double the GPUs and keep the batch of each. Which two things have changed?
#
# ### Change one line
# 1. Sweep the learning rate too: `learning_rate = [1e-3, 1e-4]` below `[sweep]`. How many experiments are there now,
#    and which indices have those of fold 1?
# 2. Kill the training in another epoch, `at="Epoch 2/"`. What is the difference now?
#
# ### Open end
# 1. Send `lectures/runs/land_cover.toml` to a real cluster. First one experiment of one epoch, to see that it runs and
#    how long an epoch takes: add `epochs=1 fold=0 'filters=[32, 64]'` to `./course cluster submit …`.
#    Then choose `--time` and `--memory`, and submit all. Which experiment was the last to finish, and why?
#
# ## Recap
#
# - You described six trainings in a run file, and trained one of them from the command line.
# - You killed a training and let it go on: its weights are those of one that nobody killed.
# - You sent a sweep to Slurm as an array, watched it, found what was missing, and gathered the results.
# - You reckoned what a sweep costs, in hours of a GPU, money and electricity.
# - You saw what several workers share, and how JupyterLab comes to a compute node.
