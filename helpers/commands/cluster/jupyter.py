"""`./course cluster jupyter`: JupyterLab on a compute node, and the way to it."""

import argparse
import time
from getpass import getuser

from helpers.commands.cluster.submit import requested
from helpers.slurm import client
from helpers.slurm.jupyter import FOLDER, NAME, Server, jupyter_script, server_of, way_to
from helpers.slurm.scripts import check_environment, write_script
from helpers.slurm.sites import ClusterError, load_site, merge
from helpers.slurm.status import REASONS, last_lines

PATIENCE = 3600  # seconds in the queue
EACH = 5  # seconds between two looks: whoever asks more often slows the cluster down for all


def run(options: argparse.Namespace) -> int:
    """Submit a job, unless one is there, wait until it runs, and tell how to reach it."""
    site = load_site(options.site)
    request = merge(site.request, requested(options), where="an option")
    text = jupyter_script(request, site)
    if options.dry_run:
        print(text, end="")
        return 0
    there = [each for each in client.queue(NAME) if each.state != "COMPLETING"]
    if not there:
        check_environment(request, site)
    job = there[0].job if there else client.submit(write_script(FOLDER / "jupyter.sbatch", text))
    print(f"job {job} {'is there already' if there else 'submitted'}; waiting (Ctrl-C leaves it in the queue, and the")
    print("same command looks for it again)")
    node, server = _wait(job)
    print(way_to(server, node, site, user=getuser()))
    print(f"at the end:      scancel {job}")
    return 0


def _wait(job: int) -> tuple[str, Server]:
    """Wait until the server of a job is up.

    Raises:
        ClusterError: the job has ended, or the queue is too long.
    """
    end, told = time.monotonic() + PATIENCE, ""
    while time.monotonic() < end:
        queued = next((each for each in client.queue(NAME) if each.job == job), None)
        if queued is None:
            raise ClusterError(f"job {job} has ended: {_last_words(job)}")
        if queued.state == "RUNNING" and (server := server_of(job)):
            return queued.node, server
        if queued.state == "PENDING" and queued.reason != told:
            told = queued.reason
            print(f"in the queue: {REASONS.get(told, told)}")
        time.sleep(EACH)
    raise ClusterError(f"job {job} still waits. Call this again later, or ask for less: --time 01:00:00 --gpus 0.")


def _last_words(job: int) -> str:
    log = FOLDER / f"{job}.log"
    return " / ".join(last_lines(log, 3)) if log.exists() else "it wrote nothing"
