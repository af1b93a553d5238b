"""Stands for `./course` in jobs: it counts where the course trains, within a second. Used by test_slurm.

A training counts up to `epochs`, one each tenth of a second, and keeps its count on disk; on SIGUSR1 and SIGTERM it
ends with status 75. The experiment whose `fold` stands in the file `fails` beside the experiments fails.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from helpers import cli
from helpers.experiments import Experiment, experiments_folder
from helpers.experiments.run_file import array_string, read_run


def train(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--index", type=int)
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--data", type=Path)
    options = parser.parse_intermixed_args(arguments)
    run = read_run(options.run, options.overrides)
    if options.missing:
        print(array_string(run.missing()))
        return 0
    print(f"{options.index} on {os.environ['SLURMD_NODENAME']}", flush=True)
    if options.data:
        print(f"{count_patches(options.data)} patches in {options.data}")
        here = Path(os.environ["LSCRATCH"], options.data.name)
        print(f"{count_patches(here)} patches on {os.environ['SLURMD_NODENAME']} itself", flush=True)
    return count(run.experiments[options.index])


def count_patches(folder: Path) -> int:
    return len(list(folder.rglob("*.npz")))


def count(experiment: Experiment) -> int:
    """Count, as the parameters of an experiment say; return the exit status."""
    told = []
    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, lambda *_: told.append(True))
    parameters, kept = experiment.parameters, experiments_folder() / f"count-{experiment.name}"
    fails = experiments_folder() / "fails"
    if fails.exists() and fails.read_text() == str(parameters["fold"]):
        print("ValueError: this one fails")
        return 1
    begin = int(kept.read_text()) if kept.exists() else 0
    for step in range(begin, parameters["epochs"]):
        time.sleep(0.1)
        kept.write_text(str(step + 1))
        if told:
            print(f"left at {step + 1}", flush=True)
            return 75
    print(f"counted from {begin} to {parameters['epochs']}")
    if os.environ.get("SLURM_PROCID", "0") == "0":  # one of several workers saves
        save(experiment)
    return 0


def save(experiment: Experiment) -> None:
    experiment.folder.mkdir(parents=True)
    record = {"parameters": experiment.parameters, "defaults": experiment.defaults}
    (experiment.folder / "parameters.json").write_text(json.dumps(record))


def data(arguments: list[str]) -> int:
    """Copy the data; where there is a file `stage-slowly` beside them, not before it has gone."""
    while Path(arguments[-1]).with_name("stage-slowly").exists():
        print("copies slowly", file=sys.stderr, flush=True)
        time.sleep(0.1)
    return cli.main(["data", *arguments])


def results(arguments: list[str]) -> int:
    run = read_run(arguments[0], arguments[1:])
    print(f"results: {len(run.experiments) - len(run.missing())} of {len(run.experiments)}")
    return 0


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    sys.exit({"train": train, "results": results, "data": data}[verb](rest))
