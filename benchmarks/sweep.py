"""A sweep of 10,000 experiments: how long `./course train --list` and `./course cluster status` take.

    ./course run python benchmarks/sweep.py [--quick] [--json]

Each command is a process of its own, as when it is typed: the start of Python is in the figures. They are seconds by
the clock on the wall, and (`…_cpu_s`) of CPU time, which others at work on the machine lengthen less; medians of three
rounds, or with `--quick` one. `list_10k_s` lists 10,000 experiments of which 1,000 have finished. `status_1k_s` is the
status of a run of 1,000 that have all finished, `status_10k_s` that of the first run; both were submitted. There is no
Slurm in it, whose answer takes as long as the cluster likes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from helpers.experiments import write_history, write_json
from helpers.experiments.run_file import read_run
from helpers.slurm import submissions
from helpers.slurm.jobs import label_of

ROOT = Path(__file__).resolve().parents[1]
RUN = """
[data]
name = "chesapeake"
split = "folds"
[model]
name = "unet"
dropout = 0.2
[training]
epochs = 20
[sweep]
seed = {seeds}
learning_rate = [1e-2, 3e-3, 1e-3, 3e-4, 1e-4]
fold = [0, 1, 2, 3, 4]
"""
PER_SEED = 25  # experiments


def make(folder: Path, name: str, count: int, finished: int) -> Path:
    """Write a run of so many experiments, as if it had been submitted and some had finished; return its file."""
    path = folder / f"{name}.toml"
    path.write_text(RUN.format(seeds=list(range(count // PER_SEED))))
    run = read_run(path)
    for index, each in enumerate(run.experiments[:finished]):
        each.folder.mkdir(parents=True)
        write_json(each.folder / "parameters.json", {"parameters": each.parameters, "defaults": each.defaults})
        write_json(each.folder / "results.json", {"mean_iou": 0.5, "provenance": {"job": f"7_{index}"}})
        write_history(each.folder / "history.csv", {"val_loss": [1.0, 0.5]})
    label = label_of(run, [])
    place = submissions.job_folder(path, label) / "1"
    place.parent.mkdir(parents=True)
    submissions.write(submissions.Submission(place, path, label, (), run, range(count), jobs={"training": 7}), {})
    for index in range(finished):
        (place / f"7_{index}.log").write_text("Epoch 20/20\n")
    return path


def seconds(folder: Path, *words: str) -> tuple[float, float]:
    """Type a command; return how long it took, and its CPU time."""
    paths = [path for path in os.environ["PATH"].split(os.pathsep) if not Path(path, "sbatch").exists()]
    environment = {**os.environ, "COURSE_EXPERIMENTS": str(folder / "experiments"), "PATH": os.pathsep.join(paths)}
    began, before = time.perf_counter(), os.times()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "helpers.cli", *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if done.returncode > 1 or done.stderr:  # 1: some experiments have stopped
        raise RuntimeError(done.stderr)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, cpu


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["COURSE_EXPERIMENTS"] = str(folder / "experiments")
        large, small = make(folder, "large", 10_000, 1_000), make(folder, "small", 1_000, 1_000)
        commands = {
            "list_10k_s": ["train", str(large), "--list"],
            "status_1k_s": ["cluster", "status", str(small)],
            "status_10k_s": ["cluster", "status", str(large)],
        }
        count = 1 if options.quick else 3
        rounds = [{what: seconds(folder, *words) for what, words in commands.items()} for _ in range(count)]
    found = {}
    for what in commands:
        wall, cpu = (round(median(values), 2) for values in zip(*(one[what] for one in rounds), strict=True))
        found |= {what: wall, f"{what.removesuffix('_s')}_cpu_s": cpu}
    print(json.dumps(found, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
