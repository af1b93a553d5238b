"""The group `./course cluster`: its verbs, their arguments, and what they print of what `helpers.slurm` does."""

import argparse
import os
import subprocess
import sys
from collections import Counter
from dataclasses import fields
from functools import partial
from getpass import getuser

from helpers.cli.experiments import LAND_COVER, RUN_FILE, add_run, read_known
from helpers.cli.verbs import Group, Parser, Verb, at_least
from helpers.slurm.client import Queued
from helpers.slurm.sites import Request
from helpers.tables import Table

ASKED = {
    "time": "at most so long: hours:minutes:seconds",
    "memory": "of each node, such as 16G",
    "cores": "of each node",
    "gpus": "of each node; they take the environment that ./course setup --gpu makes",
    "gpu_type": "kind of GPU, such as a100",
    "nodes": "that train one experiment together",
    "at_once": "how many jobs may run at the same time",
    "partition": "queue",
    "account": "that is charged",
    "qos": "quality of service",
    "constraint": "features that nodes must have",
    "exclude": "nodes to keep away from",
    "reservation": "made for a class, say",
    "dependency": "on other jobs: afterok:1234",
    "mail": "address to which Slurm writes when a job has ended or failed",
    "stage": "folder of patches to copy to the disk of the node first",
}


def _run_and_indices(parser: Parser) -> None:
    parser.add_argument("file", type=RUN_FILE, metavar="RUN.toml", help="run file that was submitted")
    told = "only these experiments; and the overrides with which the run was submitted"
    parser.add_argument("words", nargs="*", metavar="INDEX|NAME=VALUE", help=told)


def _request(parser: Parser) -> None:
    """Add the site and what can be asked for; what is not said stands in [cluster] or in the site file."""
    parser.add_argument("--site", help="plain, oscer or a file; default: ~/.config/course/site.toml, if it is there")
    for each in fields(Request):
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=each.type, help=ASKED[each.name])


def _dry_run(parser: Parser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print the script and submit nothing")


def _submit(parser: Parser) -> None:
    add_run(parser, "parameters in place of those of the file")
    _request(parser)
    parser.add_argument("--missing", action="store_true", help="only experiments that have not finished")
    _dry_run(parser)


def _status(parser: Parser) -> None:
    parser.add_argument("file", type=RUN_FILE, metavar="RUN.toml", nargs="?", help="default: everything in the queue")
    parser.add_argument("overrides", nargs="*", metavar="NAME=VALUE", help="as they were submitted")


def _logs(parser: Parser) -> None:
    _run_and_indices(parser)
    parser.add_argument(
        "--lines",
        type=at_least(1),
        default=5,
        metavar="N",
        help="show the last N lines of each log (5)",
    )


def _report(parser: Parser) -> None:
    add_run(parser, "as they were submitted")
    parser.add_argument("--site", help="plain, oscer or a file; default: ~/.config/course/site.toml, if it is there")


def _jupyter(parser: Parser) -> None:
    _request(parser)
    _dry_run(parser)


def _practice(parser: Parser) -> None:
    parser.add_argument("--nodes", type=at_least(1), default=2, metavar="N", help="pretend nodes (2)")
    parser.add_argument("--cores", type=at_least(1), default=1, metavar="N", help="of each node (1)")
    parser.add_argument(
        "--gpus", type=at_least(0, most=4), default=1, metavar="N", help="pretend GPUs of each node, at most 4 (1)"
    )
    parser.add_argument("-c", dest="command", metavar="COMMAND", help="run this, and stop; default: open your shell")


def _requested(options: argparse.Namespace) -> dict[str, object]:
    """Return what the options ask for."""
    names = [each.name for each in fields(Request)]
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _take_indices(options: argparse.Namespace) -> list[int]:
    """Return the indices among the words; the others are the overrides."""
    options.overrides = [word for word in options.words if not word.isdecimal()]
    return [int(word) for word in options.words if word.isdecimal()]


def run_submit(options: argparse.Namespace) -> int:
    """Write the script and submit it, and behind it the job that gathers the results."""
    from helpers.slurm import client
    from helpers.slurm.jobs import jobs_of
    from helpers.slurm.sites import load_site

    run = read_known(options.file, options.overrides)
    jobs = jobs_of(options.file, run, options.overrides, _requested(options), load_site(options.site))
    queue = [] if options.dry_run else client.experiments_in_queue(jobs.label)
    indices = jobs.to_submit(queue, only_missing=options.missing)
    if not indices:
        print(f"Nothing to submit: all {len(run.experiments)} experiments of {jobs.label} have finished or are queued.")
    elif options.dry_run:
        print(jobs.training(indices), end="")
    else:
        jobs.submit(indices, report=partial(print, flush=True))
    return 0


def run_status(options: argparse.Namespace) -> int:
    """Print a row for each experiment, or for each job; return 1 if experiments have stopped."""
    from helpers.slurm import client
    from helpers.slurm.jobs import job_folder, label_of, words_of
    from helpers.slurm.status import progress, shorten

    if options.file is None:
        queue = client.queue()
        print(Table(list(map(_job_row, queue))) if queue else "Nothing of yours is in the queue.")
        return 0
    run = read_known(options.file, options.overrides)
    label = label_of(run, options.overrides)
    jobs = _jobs_of(label)
    found = progress(run, jobs, job_folder(options.file, label))
    print(
        Table(
            [
                {"": each.index, "experiment": each.experiment, "state": each.state, "told": shorten(each.told)}
                for each in found
            ]
        )
    )
    counts = Counter(each.state for each in found)
    print(f"\n{label}: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    if counts["stopped"]:
        words = words_of(options.file, options.overrides)
        print(f"What they wrote: ./course cluster logs {words}")
        print(f"Once more:       ./course cluster submit {words} --missing")
    return 1 if counts["stopped"] or jobs is None else 0


def _jobs_of(label: str) -> "list[Queued] | None":
    """Return the jobs of a label; None, and say so, where Slurm does not answer: what is on the disk is known still."""
    from helpers.slurm import client
    from helpers.slurm.sites import ClusterError

    try:
        return client.experiments_in_queue(label)
    except ClusterError as error:
        print(f"course cluster status: what runs and what waits is not known. {error}", file=sys.stderr)
        return None


def _job_row(job: Queued) -> dict[str, object]:
    return {
        "job": job.label,
        "name": job.name,
        "state": job.state.lower(),
        "node": job.node,
        "time left": job.time_left,
        "reason": job.reason,
    }


def run_logs(options: argparse.Namespace) -> int:
    """Print the latest log of each experiment; return 1 if there is none."""
    from helpers.slurm.jobs import job_folder, label_of
    from helpers.slurm.status import last_lines, latest_logs

    indices = _take_indices(options)
    run = read_known(options.file, options.overrides)
    folder = job_folder(options.file, label_of(run, options.overrides))
    logs = [path for index, path in latest_logs(folder).items() if index in indices or not indices]
    for path in logs:
        print(f"==> {path} <==")
        print(path.read_text(errors="replace") if indices else "\n".join(last_lines(path, options.lines)))
    if not logs:
        print(f"course cluster logs: no log in {folder}. A job writes one as soon as it runs.", file=sys.stderr)
    return 0 if logs else 1


def run_report(options: argparse.Namespace) -> int:
    """Print what the experiments that have finished used of what the run's jobs ask for.

    Raises:
        RunError: none has finished.
    """
    from helpers.experiments.results import finished
    from helpers.slurm import report
    from helpers.slurm.jobs import jobs_of
    from helpers.slurm.sites import load_site

    run = read_known(options.file, options.overrides)
    found = report.usages(finished(run))
    request = jobs_of(options.file, run, options.overrides, {}, load_site(options.site)).request
    rows = [
        {
            "experiment": each.experiment,
            "job": each.job,
            "time": report.clock(each.seconds),
            "memory": "not known" if each.megabytes is None else f"{each.megabytes / 1024:.1f} GB",
            "told by": each.measured_by,
        }
        for each in found
    ]
    print(Table(rows, f"Each job asks for {request.time} and {request.memory}."))
    hours = sum(each.seconds for each in found) / 3600
    print(f"\n{hours:.1f} hours in all, {report.gpu_hours(found, request):.1f} GPU hours")
    print(report.advice(found, request))
    return 0


def run_cancel(options: argparse.Namespace) -> int:
    """Cancel jobs, and print what was cancelled."""
    from helpers.experiments.run_file import array_string
    from helpers.slurm.jobs import cancel, label_of

    indices = _take_indices(options)
    label = label_of(read_known(options.file, options.overrides), options.overrides)
    if cancelled := cancel(label, indices):
        print(f"cancelled: experiments {array_string(cancelled)} of {label}")
    else:
        print(f"Nothing to cancel: no such job of {label} is in the queue.")
    return 0


def run_jupyter(options: argparse.Namespace) -> int:
    """Submit a job, unless one is there, wait until it runs, and print how to reach it."""
    from helpers.slurm import jupyter
    from helpers.slurm.sites import load_site, merge

    site = load_site(options.site)
    request = merge(site.request, _requested(options))
    text = jupyter.jupyter_script(request, site)
    if options.dry_run:
        print(text, end="")
        return 0
    job, was_there = jupyter.submit(request, site, text)
    state = "is there already" if was_there else "submitted"
    print(f"job {job} {state}; waiting (Ctrl-C leaves it in the queue, and the\nsame command looks for it again)")
    node, server = jupyter.wait(job)
    print(jupyter.way_to(server, node, site, user=getuser()))
    print(f"at the end:      scancel {job}")
    return 0


def run_practice(options: argparse.Namespace) -> int:
    """Run a command, or a shell, beside a Slurm on this machine; return its exit status."""
    from helpers.slurm.practice import practice_cluster

    shell = os.environ.get("SHELL", "/bin/sh")
    command = [shell, "-c", options.command] if options.command else [shell]
    with practice_cluster(nodes=options.nodes, cores=options.cores, gpus=options.gpus) as environment:
        if not options.command:
            print(
                f"A Slurm of {options.nodes} pretend nodes is up: try sinfo, squeue, sbatch, ./course cluster. "
                "`exit` ends it."
            )
        return subprocess.run(command, env=environment).returncode


CLUSTER = Group(
    "Train on a cluster: the same runs, started by Slurm.",
    {
        "submit": Verb(
            "Write a script that trains RUN.toml as an array of jobs, and hand it to Slurm.",
            run_submit,
            (
                (f"./course cluster submit {LAND_COVER} --dry-run", "see the script"),
                (f"./course cluster submit {LAND_COVER} --gpus 1 --missing", "train with GPUs what is missing"),
            ),
            _submit,
        ),
        "status": Verb(
            "List which experiments of a run have finished, are running, are waiting or have stopped.",
            run_status,
            (
                ("./course cluster status", "everything of yours in the queue"),
                (f"./course cluster status {LAND_COVER}", "each experiment of a run"),
            ),
            _status,
            "The exit status is 1 if experiments have stopped.",
        ),
        "logs": Verb(
            "Show what the experiments of a run have written.",
            run_logs,
            (
                (f"./course cluster logs {LAND_COVER}", "the last lines of each"),
                (f"./course cluster logs {LAND_COVER} 3", "all that experiment 3 wrote"),
            ),
            _logs,
        ),
        "report": Verb(
            "Show what the experiments of a run used of what their jobs ask for, and what to ask for next time.",
            run_report,
            (
                (f"./course cluster report {LAND_COVER}", "time, memory and GPU hours of what has finished"),
                (f"./course cluster report {LAND_COVER} --site oscer", "against what another site asks for"),
            ),
            _report,
            "Told by sacct where the centre keeps accounts; else by the course: training alone, and its process.",
        ),
        "cancel": Verb(
            "End jobs of a run; what they have saved stays.",
            run_cancel,
            (
                (f"./course cluster cancel {LAND_COVER}", "all of them"),
                (f"./course cluster cancel {LAND_COVER} 3 4", "two experiments"),
            ),
            _run_and_indices,
        ),
        "jupyter": Verb(
            "Start JupyterLab on a compute node, and print how to reach it.",
            run_jupyter,
            (
                ("./course cluster jupyter --gpus 1", "with a GPU"),
                ("./course cluster jupyter --dry-run", "see the script"),
            ),
            _jupyter,
        ),
        "practice": Verb(
            "Start a Slurm on this machine, with a shell to try it in.",
            run_practice,
            (
                ("./course cluster practice", "open a shell beside it; `exit` ends both"),
                ("./course cluster practice --nodes 3 -c sinfo", "run one command"),
            ),
            _practice,
        ),
    },
    (
        (f"./course cluster submit {LAND_COVER} --dry-run", "see the script that would go to Slurm"),
        (f"./course cluster status {LAND_COVER}", "how far each experiment is"),
    ),
)
