"""`./course cluster logs RUN.toml [INDEX …] [NAME=VALUE …]`: the end of what each experiment wrote, or all of some."""

import argparse
import sys

from helpers.commands.cluster.runs import run_of, take_indices
from helpers.slurm.jobs import job_folder, label_of
from helpers.slurm.status import last_lines, latest_logs


def run(options: argparse.Namespace) -> int:
    """Print the latest log of each experiment; return 1 if there is none."""
    indices = take_indices(options)
    folder = job_folder(options.file, label_of(run_of(options), options.overrides))
    logs = [path for index, path in latest_logs(folder).items() if index in indices or not indices]
    for path in logs:
        print(f"==> {path} <==")
        print(path.read_text(errors="replace") if indices else "\n".join(last_lines(path, options.lines)))
    if not logs:
        print(f"course cluster logs: no log in {folder}. A job writes one as soon as it runs.", file=sys.stderr)
    return 0 if logs else 1
