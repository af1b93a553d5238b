"""A real Slurm on one machine, to practise on: pretend nodes and GPUs, everything else as on a cluster. Lecture 13.

It takes Debian's or Ubuntu's packages slurm-wlm and munge, no root and no settings, and is up within a second.
`./course cluster practice` opens a shell in which `sbatch`, `squeue` and `./course cluster` talk to it; `Terminal`
shows it in a notebook, and without Slurm what was recorded.
"""

import atexit
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from getpass import getuser
from pathlib import Path
from string import Template

from helpers.files import atomic_write
from helpers.slurm.sites import ROOT, ClusterError

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "setpriv")
INSTALL = "sudo apt-get install slurm-wlm munge"
# Slurm counts GPUs by their device files and never opens them.
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random")
MEGABYTES = 65536  # pretend memory of each node, so that scripts for a real one are admitted
RECORD = "COURSE_RECORD"  # names the file to record into
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
_SECONDS = 20  # for what takes one


class _Settings(Template):
    delimiter = "@"  # Slurm's own settings hold % and $


def missing_programs() -> list[str]:
    """List what of Slurm this machine lacks; empty if a practice cluster can be started."""
    return [program for program in PROGRAMS if not shutil.which(program, path=_PATH)]


@contextmanager
def practice_cluster(*, nodes: int = 2, cores: int = 2, gpus: int = 1) -> Iterator[Mapping[str, str]]:
    """Start a Slurm, and stop it and its jobs at the end of the block.

    Should this process be killed, its Slurm goes with it; jobs that run come to their own end.

    Args:
        nodes: pretend nodes, `node1` and so on, at most 32.
        cores: of each node, whatever the machine has; by default as many as a job on the site "plain" asks for.
        gpus: pretend GPUs of each node, at most 4: Slurm hands them out, but nothing can compute on them.

    Yields:
        The environment in which Slurm's commands find this Slurm: ours, with `SLURM_CONF` and a longer `PATH`.

    Raises:
        ClusterError: Slurm is not installed, or one of its programs did not start.
    """
    if missing := missing_programs():
        raise ClusterError(f"a practice cluster takes {', '.join(missing)}. On Debian, Ubuntu or WSL: {INSTALL}")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)  # munge wants a way to its socket that is open to all
    environment = {**os.environ, "PATH": _PATH, "SLURM_CONF": str(folder / "etc/slurm.conf")}
    daemons: dict[str, subprocess.Popen] = {}
    try:
        _write_settings(folder, nodes=nodes, cores=cores, gpus=gpus)
        _start(daemons, folder, environment, nodes)
        yield environment
    finally:
        _stop(daemons, environment)
        shutil.rmtree(folder, ignore_errors=True)


def _write_settings(folder: Path, *, nodes: int, cores: int, gpus: int) -> None:
    for name in ("etc", "run", "log", "state", *(f"spool/node{number}" for number in range(1, nodes + 1))):
        (folder / name).mkdir(parents=True)
    key = folder / "etc/munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    controller_port, *ports = _free_ports(1 + nodes)
    template = _Settings(Path(__file__).with_name("practice.conf").read_text(encoding="utf-8"))
    filled = {"folder": folder, "host": _host(), "user": getuser(), "controller_port": controller_port}
    settings = template.substitute(filled, nodes=_describe_nodes(ports, cores, gpus))
    (folder / "etc/slurm.conf").write_text(settings, encoding="utf-8")
    devices = [f"Name=gpu Type=a100 File={device} Flags=nvidia_gpu_env\n" for device in DEVICES[:gpus]]
    (folder / "etc/gres.conf").write_text("".join(devices))
    (folder / "etc/cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")  # never used, yet slurmd wants to know
    _write_prologs(folder)


def _describe_nodes(ports: list[int], cores: int, gpus: int) -> str:
    shape = f"CPUs={cores} Boards=1 SocketsPerBoard=1 CoresPerSocket={cores} ThreadsPerCore=1 RealMemory={MEGABYTES}"
    gres = f" Gres=gpu:a100:{gpus}" if gpus else ""
    address = f"NodeHostname={_host()} NodeAddr=127.0.0.1"
    lines = [f"NodeName=node{n} {address} Port={port} {shape}{gres}" for n, port in enumerate(ports, start=1)]
    return "\n".join(["GresTypes=gpu", *lines])


def _write_prologs(folder: Path) -> None:
    """Write what makes and removes `$LSCRATCH`: like OSCER, one folder for each job on each node."""
    scratch = f"{folder}/lscratch/$SLURMD_NODENAME/$SLURM_JOB_ID"
    for name, command in {
        "prolog": f"mkdir -p {scratch}",
        "taskprolog": f"echo export LSCRATCH={scratch}",
        "epilog": f"rm -rf {scratch}",
    }.items():
        script = folder / f"etc/{name}.sh"
        script.write_text(f"#!/bin/sh\n{command}\n")
        script.chmod(0o755)


def _start(daemons: dict[str, subprocess.Popen], folder: Path, environment: Mapping[str, str], nodes: int) -> None:
    """Start the programs one after the other, each when the one before it answers."""
    run, log = folder / "run", folder / "log"
    munge = ["munged", "--foreground", f"--key-file={folder}/etc/munge.key", f"--socket={run}/munge.sock"]
    munge += [f"--pid-file={run}/munged.pid", f"--log-file={log}/munged.log", f"--seed-file={run}/munged.seed"]
    daemons["munged"] = _daemon(munge, folder, environment)
    _wait_for((run / "munge.sock").exists, daemons, folder)
    daemons["slurmctld"] = _daemon(["slurmctld", "-D", "-c"], folder, environment)
    for number in range(1, nodes + 1):
        daemons[f"slurmd {number}"] = _daemon(["slurmd", "-D", "-N", f"node{number}"], folder, environment)
    _wait_for(lambda: _idle_nodes(environment) == nodes, daemons, folder)


def _daemon(command: list[str], folder: Path, environment: Mapping[str, str]) -> subprocess.Popen:
    """Start a program that ends when this process does, even by kill -9."""
    with (folder / "log/started.log").open("ab") as log:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is meant for us
        )


def _idle_nodes(environment: Mapping[str, str]) -> int:
    command = ["sinfo", "--noheader", "--Node", "--states=idle"]
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=5)
        return len(done.stdout.splitlines())
    return 0


def _wait_for(ready: Callable[[], bool], daemons: Mapping[str, subprocess.Popen], folder: Path) -> None:
    end = time.monotonic() + _SECONDS
    while not ready():
        ended = [name for name, daemon in daemons.items() if daemon.poll() is not None]
        if ended or time.monotonic() > end:
            who = f"{ended[0]} ended" if ended else "Slurm did not start in time"
            said = (folder / "log/started.log").read_text(errors="replace").strip().splitlines()[-3:]
            raise ClusterError(f"{who}: {' / '.join(said) or 'it said nothing'}")
        time.sleep(0.02)


def _stop(daemons: dict[str, subprocess.Popen], environment: Mapping[str, str]) -> None:
    """End all jobs, then the programs, in the reverse order of their start."""
    if len(daemons) > 1:
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(["scancel", "--user", getuser()], env=environment, capture_output=True, timeout=_SECONDS)
            _wait_until_empty(environment)
    for daemon in reversed(daemons.values()):
        daemon.terminate()
    for daemon in reversed(daemons.values()):
        try:
            daemon.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _wait_until_empty(environment: Mapping[str, str]) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        done = subprocess.run(["squeue", "--noheader"], env=environment, text=True, capture_output=True, timeout=5)
        if not done.stdout.strip():
            return
        time.sleep(0.1)


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _free_ports(count: int) -> list[int]:
    """Ask the system for ports that nobody uses; all at once, so that no two are the same."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


# ---- in a notebook ----


class Terminal:
    """Runs commands from the folder of the course, and prints them and their answers as a terminal would.

    Where Slurm is installed, a practice cluster is up from now on until `close()` or the end of the process. Elsewhere
    the same commands, in the same order, give what they gave when the recording was made.

    Args:
        recording: file of `{"command": …, "answer": …}`, JSON.
        environment: variables for the commands, on top of ours.
        shown: texts, such as paths of this machine, and what a recording has in their place.

    Attributes:
        is_live: whether there is a Slurm.
    """

    def __init__(self, recording: Path, *, environment: Mapping[str, str], shown: Mapping[str, str]) -> None:
        self.is_live = not missing_programs() and os.environ.get("COURSE_PRACTICE") != "0"
        self._entries: list[dict[str, str]] = []
        self._recorded = [] if self.is_live else json.loads(recording.read_text(encoding="utf-8"))
        self._shown = {**shown, str(ROOT): "/home/me/course"}
        self._stack = ExitStack()
        self._environment = {**os.environ, **environment}
        self._opened = time.monotonic()
        if self.is_live:
            cluster = self._stack.enter_context(practice_cluster(nodes=2, cores=1, gpus=1))
            self._environment |= {name: cluster[name] for name in ("SLURM_CONF", "PATH")}
            atexit.register(self.close)
        else:
            print(f"No Slurm on this machine: what follows was recorded where there is one ({recording.name}).")

    def __call__(self, command: str) -> None:
        """Print a command and its answer.

        Raises:
            ClusterError: without Slurm, and the recording has another command at this place.
        """
        command = command if self.is_live else self._tidy(command)
        print(f"$ {command}")
        print(self._run(command) if self.is_live else self._recall(command))

    def wait_for(self, command: str, pattern: str, *, seconds: float = 600) -> None:
        """Wait until the answer of a command matches a regular expression; what was recorded has been waited for."""
        end = time.monotonic() + seconds
        while self.is_live and not re.search(pattern, self._ask(command)):
            if time.monotonic() > end:
                raise ClusterError(f"{command!r} has not answered {pattern!r} for {seconds:.0f} s.")
            time.sleep(0.2)

    def watch(self, command: str, asked: str, pattern: str, *, seconds: float = 600) -> list[tuple[float, str]]:
        """Print the answer of a command each time that it has changed, until that of another matches an expression.

        Args:
            command: whose answer is one line.
            asked, pattern, seconds: as for `wait_for`.

        Returns:
            The seconds since the terminal was opened, and the answer, for each that was printed.

        Raises:
            ClusterError: as for `wait_for`; or, without Slurm, the recording has another command at this place.
        """
        command = command if self.is_live else self._tidy(command)
        print(f"$ {command}")
        if self.is_live:
            seen = self._changes(command, asked, pattern, time.monotonic() + seconds)
            self._entries.append({"command": self._tidy(command), "answer": seen})
        else:
            seen = self._recall(command)
            print(seen)
        times_and_answers = (line.partition(" s: ") for line in seen.splitlines())
        return [(float(at), answer) for at, _, answer in times_and_answers]

    def _changes(self, command: str, asked: str, pattern: str, end: float) -> str:
        """Print and return a line for each answer that is not that of the moment before."""
        lines: list[str] = []
        last = None
        while True:
            is_over = re.search(pattern, self._ask(asked))
            if (answer := self._ask(command)) != last:
                lines.append(f"{time.monotonic() - self._opened:6.1f} s: {answer}")
                print(lines[-1])
                last = answer
            if is_over:
                return "\n".join(lines)
            if time.monotonic() > end:
                raise ClusterError(f"{asked!r} has not answered {pattern!r} in time.")
            time.sleep(0.5)

    def close(self) -> None:
        """Stop the practice cluster, and write the recording if that is asked for."""
        self._stack.close()
        if self.is_live and RECORD in os.environ:
            with atomic_write(Path(os.environ[RECORD])) as unfinished:
                unfinished.write_text(json.dumps(self._entries, indent=1) + "\n", encoding="utf-8")

    def _run(self, command: str) -> str:
        answer = self._ask(command)
        self._entries.append({"command": self._tidy(command), "answer": self._tidy(answer)})
        return answer

    def _ask(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env=self._environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.stdout.rstrip("\n")

    def _recall(self, command: str) -> str:
        if not self._recorded or self._recorded[0]["command"] != command:
            raise ClusterError(f"{command!r} has not been recorded here. Run the cells once each, in their order.")
        return self._recorded.pop(0)["answer"]

    def _tidy(self, text: str) -> str:
        for here, there in self._shown.items():
            text = text.replace(here, there)
        return text
