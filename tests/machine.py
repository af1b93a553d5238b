"""A machine on which `course` can be tried without installing anything: Machine. Used by test_course.

A stub stands for Python, pip, uv and venv. It writes down what it is asked, does it in name only, and fails where told
to.
"""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ["sh", "awk", "cat", "cksum", "cp", "cut", "df", "dirname", "mkdir", "rm", "uname"]
STUB = """#!/bin/sh
echo "$*" >>"$STUB_LOG"
while read -r fault; do
    case "$*" in *"$fault"*) echo "stub: no $fault" >&2; exit 1 ;; esac
done <"$STUB_FAULTS"
case "$*" in
    *"helpers.cli --before-set-up"*) exit 99 ;; # every word is good, and none can be answered without a set-up
    *helpers.cli*) pwd ;;
    "-m uv "*) pwd >"$STUB_LOG.uv" ;;
    "-m pip install"*) [ "${PIP_USER:-0}" = 0 ] || exit 1 ;;
esac
case "$*" in
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    *"$STUB_KILLS_AT"*) kill -9 "$PPID" ;;
esac
"""


class Machine:
    """A machine with one Python, the stub, and a checkout in a folder whose name has a space.

    Attributes:
        root: the checkout.
        faults: what the stub refuses: parts of its command line.
    """

    def __init__(self, folder: Path, shell: str) -> None:
        self.folder, self.shell, self.faults = folder, shutil.which(shell), []
        self.root, self.bin, self.log = folder / "a course", folder / "bin", folder / "log"
        self.root.mkdir()
        self.bin.mkdir()
        for name in ("course", "pyproject.toml", "requirements.txt", "requirements-gpu.txt"):
            shutil.copy(ROOT / name, self.root)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.give("python3.12", STUB)

    def give(self, name: str, script: str) -> None:
        """Put a program on the PATH."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(script)
        path.chmod(0o755)

    def course(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `./course`; `environment` may set what the stub reads, STUB_KILLS_AT above all."""
        return self.start([self.shell, f"{self.root}/course", *arguments], environment)

    def start(self, command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command on this machine with a log that begins empty."""
        self.log.write_text("")
        (self.folder / "faults").write_text("".join(f"{fault}\n" for fault in self.faults))
        stub = {"STUB_LOG": str(self.log), "STUB_FAULTS": str(self.folder / "faults"), "STUB_KILLS_AT": "never"}
        everything = {"PATH": str(self.bin), **stub, **environment}
        return subprocess.run(command, cwd=self.folder, env=everything, text=True, capture_output=True)

    def asked(self, part: str) -> list[str]:
        """Return what the stub was asked in the last run, as far as it holds `part`."""
        return [line for line in self.log.read_text().splitlines() if part in line]

    @property
    def is_set_up(self) -> bool:
        """Tell whether the set-up came to its end."""
        return (self.root / ".venv/course-stamp").exists()
