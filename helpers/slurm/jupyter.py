"""JupyterLab as a job: on a compute node, with its memory and GPU. Used by `./course cluster jupyter`."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers.slurm.scripts import ROOT, environment, resources, script
from helpers.slurm.sites import Request, Site

NAME = "jupyter"
FOLDER = ROOT / "jobs" / NAME
NEAR_PORT = 8899  # on the laptop

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
        "--output=" + shlex.quote(f"{FOLDER}/%j.log"): "%j is the job",
        **resources(request, site),
        "--signal=B:TERM@60": "JupyterLab closes its kernels in time",
    }
    address = "127.0.0.1" if site.ssh_to_nodes else '"$(hostname)"'
    lab = _LAB.format(folder=shlex.quote(str(FOLDER)), course=site.course, address=address)
    return script("Written by `./course cluster jupyter`.", options, [environment(site), lab])


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
