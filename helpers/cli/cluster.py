"""The group `./course cluster`: its verbs, their arguments, and what they print of what `helpers.slurm` does."""

import argparse
import glob
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import fields
from functools import partial
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.cli.doctor import BAD, cluster_findings
from helpers.cli.experiments import LAND_COVER, RUN_FILE, add_run, read_known, tell_code
from helpers.cli.verbs import Group, Parser, Verb, at_least
from helpers.slurm.client import Queued
from helpers.slurm.sites import Request
from helpers.tables import Table

if TYPE_CHECKING:  # they need more than the standard library
    from helpers.experiments.run_file import Run
    from helpers.slurm.status import Usage
    from helpers.slurm.submissions import Submission

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


def _submitted(text: str) -> Path:
    """Read the path of a run file that is there, or was when it was submitted."""
    path = Path(text)
    return path if any(path.parent.glob(f"jobs/*/*/{glob.escape(path.name)}")) else RUN_FILE(text)


def _indices(text: str) -> list[range]:
    """Read indices as `sbatch --array` takes them.

    >>> _indices("3,7-9")
    [range(3, 4), range(7, 10)]
    """
    parts = [re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip()) for part in text.split(",")]
    found = [range(int(part[1]), int(part[2] or part[1]) + 1) for part in parts if part]
    if None in parts or not all(found):
        raise argparse.ArgumentTypeError(f"must be indices, such as 3,7-9; received {text}.")
    return found


def _run_and_indices(parser: Parser) -> None:
    parser.add_argument("file", type=_submitted, metavar="RUN.toml", help="run file that was submitted")
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
    some = parser.add_mutually_exclusive_group()
    some.add_argument("--missing", action="store_true", help="only experiments that have not finished")
    some.add_argument("--failed", action="store_true", help="only experiments that have stopped")
    some.add_argument("--index", type=_indices, metavar="N", help="only these experiments, such as 3,7-9")
    _dry_run(parser)


def _status(parser: Parser) -> None:
    parser.add_argument("file", type=_submitted, metavar="RUN.toml", nargs="?", help="default: everything in the queue")
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


def _doctor(parser: Parser) -> None:
    _request(parser)
    parser.add_argument("--no-job", dest="job", action="store_false", help="submit nothing")


def _practice(parser: Parser) -> None:
    parser.add_argument("--nodes", type=at_least(1), default=2, metavar="N", help="pretend nodes (2)")
    parser.add_argument("--cores", type=at_least(1), default=2, metavar="N", help="of each node (2)")
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
    from helpers.experiments import rehearsal
    from helpers.slurm.jobs import jobs_of, label_of
    from helpers.slurm.sites import load_site
    from helpers.slurm.submissions import job_folder, overrides_of, submitting

    options.overrides = overrides_of(options.file, options.overrides)
    run = read_known(options.file, options.overrides)
    folder = job_folder(options.file, label_of(run, options.overrides))
    with nullcontext() if options.dry_run else submitting(folder):  # two at once would find the same experiments free
        wanted, queued = _wanted(options, run)
        jobs = jobs_of(options.file, run, options.overrides, _requested(options), load_site(options.site))
        indices = jobs.to_submit(queued, wanted)
        if not indices:
            state = "has stopped" if options.failed else "is missing"
            print(f"Nothing to submit: of all {len(run.experiments)} experiments of {jobs.label} none {state}.")
        elif options.dry_run:
            script = jobs.training(indices)
            rehearsal.rehearse(run)
            print(script, end="")
        else:
            jobs.submit(indices, report=partial(print, flush=True))
            tell_code(run)
    return 0


def _wanted(options: argparse.Namespace, run: "Run") -> "tuple[Sequence[int] | None, dict[int, Queued]]":
    """Return the experiments that the options choose, None for all, and those that are queued.

    Raises:
        UnknownRunError: an index that there is not.
    """
    from helpers.experiments.run_file import UnknownRunError
    from helpers.slurm import submissions
    from helpers.slurm.jobs import label_of
    from helpers.slurm.status import progress

    label = label_of(run, options.overrides)
    found = [submissions.unrecorded(options.file, label, run), *submissions.submissions_in(options.file, label)]
    queue = [] if options.dry_run else _queue()
    if not options.dry_run:
        submissions.remove_unqueued(found, queue)
    queued = submissions.queued_of(run, found, queue)
    if options.missing:
        return [index for index in run.missing() if index not in queued], queued
    if options.failed:
        states = progress(run, queued, submissions.logs_of(run, found), submissions.taken_of(run, found))
        return [each.index for each in states if each.state == "stopped"], queued
    if options.index is None:
        return None, queued
    if (last := max(each[-1] for each in options.index)) >= len(run.experiments):
        raise UnknownRunError(f"run {run.name} has the indices 0 to {len(run.experiments) - 1}; there is no {last}.")
    return sorted(set().union(*options.index)), queued


def _queue() -> list[Queued]:
    """Return our jobs that wait or run; none where there is no Slurm."""
    from helpers.slurm import client

    return client.queue() if client.is_here() else []


def _look_up(options: argparse.Namespace) -> "list[Submission]":
    """Return what was submitted of a run, the oldest first; without any record of it, what the run file says."""
    from helpers.slurm import submissions
    from helpers.slurm.jobs import label_of

    if found := submissions.submissions_of(options.file, options.overrides):
        return found
    run = read_known(options.file, options.overrides)
    label = label_of(run, options.overrides)
    renamed = [each for each in submissions.submissions_in(options.file, label) if not each.file.exists()]
    return renamed or [submissions.unrecorded(options.file, label, run)]


def run_status(options: argparse.Namespace) -> int:
    """Print a row for each experiment, or for each job; return 1 if experiments have stopped."""
    from helpers.slurm import client, submissions
    from helpers.slurm.jobs import words_of
    from helpers.slurm.sites import ClusterError
    from helpers.slurm.status import progress, shorten

    if options.file is None:
        jobs = client.queue()
        print(Table(list(map(_job_row, jobs))) if jobs else "Nothing of yours is in the queue.")
        return 0
    found, queue = _look_up(options), None
    try:
        queue = _queue()
    except ClusterError as error:  # what is on the disk is known still
        print(f"course cluster status: what runs and what waits is not known. {error}", file=sys.stderr)
    latest = submissions.latest(found, queue or ())
    queued = None if queue is None else submissions.queued_of(latest.run, found, queue)
    logs, taken = submissions.logs_of(latest.run, found), submissions.taken_of(latest.run, found)
    states = progress(latest.run, queued, logs, taken)
    print(
        Table(
            [
                {"": each.index, "experiment": each.experiment, "state": each.state, "told": shorten(each.told)}
                for each in states
            ]
        )
    )
    counts = Counter(each.state for each in states)
    print(f"\n{latest.label}: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    if counts["stopped"]:
        words = words_of(options.file, latest.overrides or options.overrides)
        print(f"What they wrote: ./course cluster logs {words}")
        print(f"Once more:       ./course cluster submit {words} --missing")
    for line in submissions.remarks(options.file, found, latest, queue):
        print(line)
    tell_code(latest.run)
    return 1 if counts["stopped"] or queue is None else 0


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
    from helpers.slurm.status import last_lines
    from helpers.slurm.submissions import latest, logs_of

    indices = _take_indices(options)
    found = _look_up(options)
    there = logs_of(latest(found).run, found)
    logs = [path for index, path in there.items() if index in indices or not indices]
    for path in logs:
        print(f"==> {path} <==")
        print(path.read_text(errors="replace") if indices else "\n".join(last_lines(path, options.lines)))
    if not logs:
        folder = latest(found).folder
        print(f"course cluster logs: no log in {folder}. A job writes one as soon as it runs.", file=sys.stderr)
    return 0 if logs else 1


def run_report(options: argparse.Namespace) -> int:
    """Print what the experiments that have finished used of what the run's jobs ask for.

    Raises:
        RunError: none has finished.
    """
    from helpers.experiments.results import finished
    from helpers.slurm.jobs import jobs_of
    from helpers.slurm.sites import load_site
    from helpers.slurm.status import advice, gpu_hours, usages
    from helpers.slurm.submissions import latest, overrides_of, submissions_of

    options.overrides = overrides_of(options.file, options.overrides)
    run = read_known(options.file, options.overrides)
    found = usages(finished(run))
    submitted = [] if options.site else submissions_of(options.file, options.overrides)
    if submitted and (last := latest(submitted)).asked:  # not what the file would ask for now
        request, names = Request(**last.asked), [each.name for each in last.run.experiments]
        special = {names[int(index)]: Request(**asked) for index, asked in last.special.items()}
    else:
        jobs = jobs_of(options.file, run, options.overrides, {}, load_site(options.site))
        request, special = jobs.request, {run.experiments[index].name: asked for index, asked in jobs.special.items()}
    groups: dict[Request, list[Usage]] = {}
    for each in found:
        groups.setdefault(special.get(each.experiment, request), []).append(each)
    for asked, theirs in groups.items():
        print(Table(_used(theirs), f"Each job asks for {asked.time} and {asked.memory}."))
        print(advice(theirs, asked))
        print()
    hours = sum(each.seconds for each in found) / 3600
    gpus = sum(gpu_hours(theirs, asked) for asked, theirs in groups.items())
    print(f"{hours:.1f} hours in all, {gpus:.1f} GPU hours")
    return 0


def _used(found: "Sequence[Usage]") -> list[dict[str, object]]:
    """Return a row for each experiment; what was not measured of any of them has no column."""
    from helpers.slurm.status import clock

    columns: dict[str, Callable[[Usage], object]] = {
        "experiment": lambda each: each.experiment,
        "job": lambda each: each.job,
        "time": lambda each: clock(each.seconds),
        "memory": lambda each: "not known" if each.megabytes is None else f"{each.megabytes / 1024:.1f} GB",
        "GPU busy": lambda each: "" if each.gpu_share is None else f"{each.gpu_share:.0%}",
        "waits for data": lambda each: "" if each.data_wait is None else f"{each.data_wait:.0%}",
        "told by": lambda each: each.measured_by,
    }
    rows = [{name: text(each) for name, text in columns.items()} for each in found]
    kept = [name for name in columns if name in ("experiment", "job") or any(row[name] for row in rows)]
    return [{name: row[name] for name in kept} for row in rows]


def run_cancel(options: argparse.Namespace) -> int:
    """Cancel jobs, and print what was cancelled."""
    from helpers.experiments.run_file import array_string
    from helpers.slurm.jobs import cancel

    indices = _take_indices(options)
    found = _look_up(options)
    cancelled = cancel(found, indices)
    for number, theirs in cancelled.items():
        of = f"submission {number} of {found[-1].label}" if number else found[-1].label
        print(f"cancelled: experiments {array_string(theirs)} of {of}")
    if not cancelled:
        print(f"Nothing to cancel: no such job of {found[-1].label} is in the queue.")
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


def run_doctor(options: argparse.Namespace) -> int:
    """Print what the cluster has of what jobs will ask for; return 1 if they would wait or fail."""
    from helpers.slurm.sites import load_site, merge

    site = load_site(options.site)
    request = merge(site.request, _requested(options))
    bad = []
    for finding in cluster_findings(request, site, job=options.job):
        print(finding, flush=True)
        bad += [finding.what] if finding.state == BAD else []
    print(f"\nTo be mended first: {', '.join(bad)}." if bad else "\nJobs can run here.")
    return 1 if bad else 0


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
        "doctor": Verb(
            "Check a cluster before the first job: partition, account, disks, modules, and a job of one minute.",
            run_doctor,
            (
                ("./course cluster doctor", "on a login node; waits for a job of one minute"),
                ("./course cluster doctor --site oscer --gpus 1 --no-job", "what jobs with a GPU would find"),
            ),
            _doctor,
            "Exit status 1 if jobs would wait in vain or fail.",
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
