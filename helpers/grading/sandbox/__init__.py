"""Where submissions run: kernels that see no other student, no hidden test, no network and no more memory than given.

Here is what a kernel sees (the command of bubblewrap that shuts it in, and its environment) and how much it may use.
Python, the package `helpers` and the data can be read; nothing else of this machine is there: no course, no gradebook,
no other student, no home, no network. /tmp and the working folder are in memory, bounded, and gone afterwards. The
system bounds a process, and how many there are; what several processes of one sandbox hold together and what they
write beside their sockets is looked at four times a second.

`kernels` is what nbgrader starts them with: anew, or forked from a process that keeps TensorFlow in memory.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import helpers
from helpers.data.fetch import COURSE_ROOT, data_folders
from helpers.grading import GradingError

HOME = "/home/student"
WORK = f"{HOME}/homework"
OLDEST = (0, 7)  # the first that bounds its memory file systems
TMP_MB = 1024
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
_LINKED = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
_KEPT = ("KERAS_BACKEND", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
FILE_MB = 512
MOST_PROCESSES = 100
MOST_TASKS = 512 + 8 * (os.cpu_count() or 1)  # processes and their threads, of which TensorFlow has some for each core
MOST_SOCKETS = 6  # the connection file and a socket for each of its five channels
SECONDS = 0.25
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


def find() -> str:
    """Return the path of bubblewrap.

    Raises:
        GradingError: it is not here, is too old, or this system does not let it work.
    """
    program = shutil.which("bwrap")
    remedy = "On Debian and Ubuntu: sudo apt install bubblewrap. Or grade without a sandbox: --unsafe"
    if program is None:
        raise GradingError(f"submissions run in a sandbox, and bubblewrap is not installed. {remedy}")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    numbers = tuple(map(int, re.findall(r"\d+", version)))
    if numbers < OLDEST:
        raise GradingError(f"{program} is version {version.strip()}; wanted 0.7 or newer. {remedy}")
    trial = [program, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    done = subprocess.run(trial, capture_output=True, text=True, check=False)
    if done.returncode:
        raise GradingError(f"bubblewrap does not work here: {done.stderr.strip()}. {remedy}")
    return program


def command(program: str, run: Path, files: Mapping[str, Path]) -> list[str]:
    """Return the command that a program to be shut in is appended to.

    Args:
        program: bubblewrap.
        run: the folder of this kernel with its connection file, seen under the same name; sockets go there.
        files: what lies in the working folder, by name; can be read, not changed.
    """
    options = ["--unshare-all", "--die-with-parent", "--new-session", "--uid", "1000", "--gid", "1000"]
    options += ["--cap-drop", "ALL", "--hostname", "sandbox", "--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", HOME, WORK):
        options += ["--size", str(TMP_MB << 20), "--tmpfs", folder]
    options += [*_system(), *_course(), "--bind", str(run), str(run)]
    for name, path in files.items():
        options += ["--ro-bind", str(path), f"{WORK}/{name}"]
    options += ["--remount-ro", "/", "--remount-ro", "/dev", "--chdir", WORK, "--clearenv"]
    for name, value in environment().items():
        options += ["--setenv", name, value]
    return [program, *options]


def environment() -> dict[str, str]:
    """Return all environment variables of a kernel: nothing of ours that it does not need."""
    given = {name: os.environ[name] for name in _KEPT if name in os.environ}
    if folders := [str(folder.absolute()) for folder in data_folders() if folder.is_dir()]:
        given["COURSE_DATA"] = os.pathsep.join(folders)  # ours, as they are called inside
    return {
        "HOME": HOME,
        "USER": "student",
        "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",  # a numpy.py beside the notebook is not NumPy
        "NBGRADER_EXECUTION": "autograde",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "COURSE_OFFLINE": "1",
        **given,
    }


def _system() -> Iterator[str]:
    """Yield the options that show programs and libraries; where /bin is a link to /usr/bin, it is one inside too."""
    yield from ("--ro-bind", "/usr", "/usr")
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.exists():
            yield from ("--ro-bind", str(path), str(path))
    for name in _LINKED:
        yield from ("--ro-bind-try", name, name)


def _course() -> Iterator[str]:
    """Yield the options that show Python, `helpers`, the registry of data and the data: no notebook, no test."""
    seen = [Path(sys.base_prefix), Path(sys.prefix), Path(helpers.__file__).parent]
    for path in [*seen, COURSE_ROOT / "datasets" / "registry.toml", *data_folders()]:
        yield from ("--ro-bind-try", str(path.absolute()), str(path.absolute()))


def limit(memory_mb: int) -> None:
    """Bound this process and those that it starts: writable memory, size of a file; no core dumps."""
    for what, most in (
        (resource.RLIMIT_DATA, memory_mb << 20),  # not RLIMIT_AS: TensorFlow maps much that it never touches
        (resource.RLIMIT_FSIZE, FILE_MB << 20),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def bound_tasks(process: int) -> Path | None:
    """Bound how many processes and threads a process can have below it, before it starts any.

    The system stops a fork bomb at once, where looking at it would come too late. For root it takes a control group,
    since root's processes are not counted.

    Returns:
        The control group that other processes of the same sandbox have to join; None where there is none.
    """
    resource.prlimit(process, resource.RLIMIT_NPROC, (MOST_TASKS, MOST_TASKS))
    for parent in _groups():
        group = parent / f"course-{process}"
        with suppress(OSError):
            group.mkdir(exist_ok=True)
            try:
                (group / "pids.max").write_text(str(MOST_TASKS))
                (group / "cgroup.procs").write_text(str(process))
            except OSError:
                group.rmdir()
                raise
            return group
    return None


def _groups() -> Iterator[Path]:
    """Yield the control groups of this process that may bound one below them, of both versions of the system."""
    mounts = [line.split()[1:4] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds, path = line.split(":", 2)
        for folder, kind, options in mounts:
            is_first = kind == "cgroup" and "pids" in kinds.split(",") and "pids" in options.split(",")
            if is_first or (kind == "cgroup2" and not kinds):
                yield Path(folder, path.lstrip("/"))


class Watch:
    """Ends a sandbox that uses too much.

    Args:
        process: bubblewrap; when it ends, so does all that it shut in.
        inside: the process id, seen from here, of one that is inside.
        run: the folder of the kernel's sockets.
        memory_mb: what all processes inside may hold together.
        group: the control group of the sandbox, which is removed when it is over.

    Attributes:
        verdict: what was too much; empty if nothing was.
    """

    def __init__(
        self, process: subprocess.Popen, inside: int, run: Path, memory_mb: int, group: Path | None = None
    ) -> None:
        self.process, self.run, self.memory_mb, self.group = process, run, memory_mb, group
        self.namespace = str(Path(f"/proc/{inside}/ns/pid").readlink())
        self.verdict = ""
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> None:
        """Stop looking; the sandbox has been ended. Jupyter says so twice."""
        self._over.set()
        group, self.group = self.group, None
        if not group:
            return
        for _ in range(100):
            with suppress(OSError):  # its last processes are still ending
                group.rmdir()
                return
            time.sleep(0.01)

    def _watch(self) -> None:
        while not self._over.wait(SECONDS) and self.process.poll() is None:
            self.verdict = self._too_much()
            if self.verdict:
                self.process.kill()
                return

    def _too_much(self) -> str:
        inside = list(processes(self.namespace))
        if len(inside) > MOST_PROCESSES:
            return f"more than {MOST_PROCESSES} processes"
        if sum(map(_resident_mb, inside)) > self.memory_mb and sum(map(_own_mb, inside)) > self.memory_mb:
            return f"more than {self.memory_mb / 1024:g} GB of memory"
        with suppress(OSError):
            if len(list(self.run.iterdir())) > MOST_SOCKETS:
                return "files beside the kernel's sockets"
        return ""


def processes(namespace: str) -> Iterator[Path]:
    """Yield the folders in `/proc` of the processes of a sandbox, by the name of its namespace.

    All processes of the machine are asked, twice for each cell that runs.
    """
    with os.scandir("/proc") as entries:
        names = [entry.name for entry in entries if entry.name.isdigit()]
    for name in names:
        with suppress(OSError):
            if os.readlink(f"/proc/{name}/ns/pid") == namespace:  # noqa: PTH115 - a Path takes several times as long
                yield Path("/proc", name)


def _resident_mb(process: Path) -> float:
    """Return what a process has in memory, what it shares with others included; quick to ask."""
    with suppress(OSError):
        return int((process / "statm").read_text().split()[1]) * _PAGE_MB
    return 0


def _own_mb(process: Path) -> float:
    """Return what a process has in memory, with its part of what it shares."""
    with suppress(OSError):
        rollup = (process / "smaps_rollup").read_text()
        return int(rollup.split("\nPss:")[1].split()[0]) / 1024
    return 0
