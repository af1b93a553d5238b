"""Where a student sits who submits to the Slurm of the tests: Desk. Used by test_slurm."""

import re
import sys
import time
from pathlib import Path

import pytest

from helpers import cli
from helpers.slurm import client

PRETEND = Path(__file__).with_name("pretend_course.py")


class Desk:
    """A student's folder, with a space in its name, and the commands typed there."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture) -> None:
        self.capsys, self.run, self.site = capsys, folder / "a sweep.toml", folder / "site.toml"
        self.folders: dict[int, Path] = {}  # of submissions, by the number of the array
        self.site.write_text(f'course = "{sys.executable} {PRETEND}"\ntime = "00:10:00"\n')

    def course(self, verb: str, *arguments: object) -> tuple[int, str, str]:
        """Type `./course cluster VERB RUN.toml …`; return status, output and complaints."""
        self.capsys.readouterr()
        site = ["--site", self.site] if verb == "submit" else []
        status = cli.main(["cluster", *map(str, [verb, self.run, *arguments, *site])])
        return status, *self.capsys.readouterr()

    def submit(self, *arguments: object) -> int:
        """Submit; return the number of the array."""
        status, said, complaints = self.course("submit", *arguments)
        assert status == 0, complaints
        job, folder = re.search(r"job (\d+): experiments .*scripts and logs: ([^\n]*)", said, re.DOTALL).groups()
        self.folders[int(job)] = Path(folder)
        return int(job)

    def wait(self, *, seconds: float = 60) -> None:
        """Wait until nothing of ours is in the queue."""
        end = time.monotonic() + seconds
        while client.queue():
            assert time.monotonic() < end, client.queue()
            time.sleep(0.2)

    def wait_for(self, log: Path, text: str, *, seconds: float = 30) -> None:
        """Wait until a log holds a text."""
        end = time.monotonic() + seconds
        while not (log.exists() and text in log.read_text()):
            assert time.monotonic() < end, log.read_text() if log.exists() else f"no {log}"
            time.sleep(0.05)

    def log(self, job: int, index: int) -> Path:
        """Return where an experiment writes."""
        return self.folders[job] / f"{job}_{index}.log"
