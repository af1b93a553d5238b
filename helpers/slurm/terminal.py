"""A terminal in a notebook, beside a practice cluster; without Slurm it shows what was recorded. Used by lecture 13."""

import atexit
import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from helpers.files import atomic_write
from helpers.slurm.practice import missing_programs, practice_cluster
from helpers.slurm.scripts import ROOT
from helpers.slurm.sites import ClusterError

RECORD = "COURSE_RECORD"  # names the file to record into


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
