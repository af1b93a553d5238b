"""`./course cluster logs RUN.toml`: the end of what each experiment has written, or all of one."""

import argparse
import sys
from pathlib import Path

from helpers.cluster.jobs import job_folder
from helpers.cluster.progress import last_lines, latest_logs
from helpers.cluster.runs import read_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("file", type=Path, metavar="RUN.toml", help="run file that was submitted")
    parser.add_argument("index", type=int, nargs="?", help="only this experiment, but all that it wrote")
    parser.add_argument("--lines", type=int, default=5, help="how many of each log; default: 5")


def run(options: argparse.Namespace) -> int:
    """Print the latest log of each experiment; return 1 if there is none."""
    folder = job_folder(options.file, read_run(options.file))
    logs = latest_logs(folder)
    if options.index is not None:
        logs = {index: path for index, path in logs.items() if index == options.index}
    for path in logs.values():
        print(f"==> {path} <==")
        print(
            path.read_text(errors="replace")
            if options.index is not None
            else "\n".join(last_lines(path, options.lines))
        )
    if not logs:
        print(f"course cluster: no log in {folder}. A job writes one as soon as it runs.", file=sys.stderr)
    return 0 if logs else 1
