"""How much a kernel may use: limits that its processes inherit, and a watch over all of them together.

The system bounds a process; what several processes of one sandbox hold together, how many they are and what they
write beside their sockets is looked at four times a second.
"""

import os
import resource
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FILE_MB = 512
MOST_PROCESSES = 100
MOST_SOCKETS = 6  # the connection file and a socket for each of its five channels
SECONDS = 0.25
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


def limit(memory_mb: int) -> None:
    """Bound this process and those that it starts: writable memory, size of a file; no core dumps."""
    for what, most in (
        (resource.RLIMIT_DATA, memory_mb << 20),  # not RLIMIT_AS: TensorFlow maps much that it never touches
        (resource.RLIMIT_FSIZE, FILE_MB << 20),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


class Watch:
    """Ends a sandbox that uses too much.

    Args:
        process: bubblewrap; when it ends, so does all that it shut in.
        inside: the process id, seen from here, of one that is inside.
        run: the folder of the kernel's sockets.
        memory_mb: what all processes inside may hold together.

    Attributes:
        verdict: what was too much; empty if nothing was.
    """

    def __init__(self, process: subprocess.Popen, inside: int, run: Path, memory_mb: int) -> None:
        self.process, self.run, self.memory_mb = process, run, memory_mb
        self.namespace = Path(f"/proc/{inside}/ns/pid").readlink()
        self.verdict = ""
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> None:
        """Stop looking."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(SECONDS) and self.process.poll() is None:
            self.verdict = self._too_much()
            if self.verdict:
                self.process.kill()
                return

    def _too_much(self) -> str:
        inside = list(self._inside())
        if len(inside) > MOST_PROCESSES:
            return f"more than {MOST_PROCESSES} processes"
        if sum(map(_resident_mb, inside)) > self.memory_mb and sum(map(_own_mb, inside)) > self.memory_mb:
            return f"more than {self.memory_mb / 1024:g} GB of memory"
        with suppress(OSError):
            if len(list(self.run.iterdir())) > MOST_SOCKETS:
                return "files beside the kernel's sockets"
        return ""

    def _inside(self) -> Iterator[Path]:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "ns/pid").readlink() == self.namespace:
                    yield process


def _resident_mb(process: Path) -> float:
    """Tell what a process has in memory, what it shares with others included; quick to ask."""
    with suppress(OSError):
        return int((process / "statm").read_text().split()[1]) * _PAGE_MB
    return 0


def _own_mb(process: Path) -> float:
    """Tell what a process has in memory, with its part of what it shares."""
    with suppress(OSError):
        rollup = (process / "smaps_rollup").read_text()
        return int(rollup.split("\nPss:")[1].split()[0]) / 1024
    return 0
