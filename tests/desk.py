"""Small projects of percent scripts, and the desk's programs run on them. Used by the tests of authoring/."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
SAMPLES = PROJECT / "tests" / "samples"
LECTURE = (SAMPLES / "lecture.txt").read_text(encoding="utf-8")
HOMEWORK = (SAMPLES / "homework.txt").read_text(encoding="utf-8")
NUMBERS = '["{0}".square]\nvalue = 9\n\n["{0}".loss]\nvalue = 0.84\n'


def run(*command: object) -> subprocess.CompletedProcess:
    """Run a program; git does not take a hook's variables for an order to look at the project."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environment)


def script(name: str, *arguments: object) -> tuple[int, list[str]]:
    """Run one of the desk's scripts; return its exit status and its lines. A traceback of it fails the test.

    A kernel that it started may print one of its own while it ends; ipykernel 7 does so once in a few hundred times.
    """
    path = PROJECT / "authoring" / name
    result = run(sys.executable, path, *arguments)
    assert f'File "{path}"' not in result.stderr, result.stderr
    return result.returncode, result.stdout.splitlines()


def notebooks(verb: str, root: Path, *options: str) -> tuple[int, list[str]]:
    """Run the builder below a root."""
    return script("notebooks.py", verb, "--root", root, *options)


def plant(root: Path, scripts: dict[str, str]) -> Path:
    """Write percent scripts, by name such as `lectures/01_good`, and the two numbers that each lecture tells."""
    for name, text in scripts.items():
        path = root / "authoring" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    stems = [name.removeprefix("lectures/") for name in scripts if name.startswith("lectures/")]
    (root / "lectures").mkdir(exist_ok=True)
    (root / "lectures/expected.toml").write_text("\n".join(map(NUMBERS.format, stems)), encoding="utf-8")
    return root
