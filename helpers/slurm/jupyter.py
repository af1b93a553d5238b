"""JupyterLab as a job: on a compute node, with its memory and GPU. Used by `./course cluster jupyter`."""

import json
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers.slurm import client
from helpers.slurm.sites import (
    ROOT,
    ClusterError,
    Request,
    Site,
    check_environment,
    environment,
    log_option,
    resources,
    script,
    write_script,
)
from helpers.slurm.status import last_lines, why

NAME = "jupyter"
FOLDER = ROOT / "jobs" / NAME
NEAR_PORT = 8899  # on the laptop
PATIENCE = 3600  # seconds in the queue
EACH = 5  # seconds between two looks: whoever asks more often slows the cluster down for all

_LAB = """\
# JupyterLab makes a file with its port and token in the folder of the job, for no other eyes. The token is set here, by
# a variable: so it stands neither in the log nor among the arguments, which everybody on the node can read.
umask 077
export JUPYTER_RUNTIME_DIR={folder}/$SLURM_JOB_ID
export JUPYTER_TOKEN=$(head -c 24 /dev/urandom | base64 | tr +/ -_)
exec {course} lab --no-browser --ServerApp.ip={address} --ServerApp.port_retries=200
"""


@dataclass(frozen=True)
class Server:
    """A JupyterLab that runs as a job.

    Attributes:
        port: on its node.
        token: that opens it.
    """

    port: int
    token: str


def jupyter_script(request: Request, site: Site) -> str:
    """Write the script of the job."""
    options = {
        f"--job-name={NAME}": "",
        log_option(FOLDER, "%j.log"): "%j is the job",
        **resources(request, site),
        "--signal=B:TERM@60": "JupyterLab closes its kernels in time",
    }
    address = "127.0.0.1" if site.ssh_to_nodes else '"$(hostname)"'
    lab = _LAB.format(folder=shlex.quote(str(FOLDER)), course=site.course, address=address)
    return script("Written by `./course cluster jupyter`.", options, [environment(site), lab])


def submit(request: Request, site: Site, text: str) -> tuple[int, bool]:
    """Submit the job, unless one is there.

    Returns:
        The number of the job, and whether it was there already.

    Raises:
        ClusterError: no Slurm, an environment without GPUs, or Slurm refuses.
    """
    there = [each for each in client.queue(NAME) if each.state != "COMPLETING"]
    if there:
        return there[0].job, True
    check_environment(request, site)
    return client.submit(write_script(FOLDER / "jupyter.sbatch", text)), False


def wait(job: int, report: Callable[[str], None] = print) -> tuple[str, Server]:
    """Wait until the server of a job is up.

    Args:
        job: its number.
        report: gets a line whenever the job waits for another reason.

    Returns:
        The node, and the server.

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
            report(f"in the queue: {why(told)}")
        time.sleep(EACH)
    raise ClusterError(f"job {job} still waits. Call this again later, or ask for less: --time 01:00:00 --gpus 0.")


def _last_words(job: int) -> str:
    log = FOLDER / f"{job}.log"
    return " / ".join(last_lines(log, 3)) if log.exists() else "it wrote nothing"


def server_of(job: int) -> Server | None:
    """Read what the server of a job says of itself; None until it is up."""
    for path in (FOLDER / str(job)).glob("jpserver-*.json"):
        about = _read(path)
        if about.get("port") and about.get("token"):
            return Server(about["port"], about["token"])
    return None


def way_to(server: Server, node: str, site: Site, *, user: str) -> str:
    """Return the `ssh` line for a laptop, and the address for its browser."""
    login = f"{user}@{site.login or 'LOGIN-NODE-OF-YOUR-CLUSTER'}"
    forward = f"ssh -N -L {NEAR_PORT}:{{}}:{server.port}"
    if site.ssh_to_nodes:
        line = forward.format("127.0.0.1") + f" -J {login} {user}@{node}"
    else:
        line = forward.format(node) + f" {login}"
    return f"on your laptop:  {line}\nin its browser:  http://127.0.0.1:{NEAR_PORT}/lab?token={server.token}"


def _read(path: Path) -> Mapping:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # it is being written
        return {}
