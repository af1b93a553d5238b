"""What `./course VERB` does: each verb is one call into a floor below, or one program. Used by the script `course`.

Imports nothing but the standard library, so that `./course help` works before there is an environment.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from helpers.files import whole

ROOT = Path(__file__).resolve().parents[1]
FIRST_LECTURE = "lectures/00_start_here.ipynb"
LAB_SETTINGS = ROOT / "helpers" / "lab_settings"  # what JupyterLab does unless a student's own settings say otherwise
CPU_LOCK, GPU_LOCK = "requirements.txt", "requirements-gpu.txt"
LOCK_HEADER = (
    "# Exact versions of everything in the environment; written by `./course lock`, read by uv, pip and conda alike.\n"
)


def lab(arguments: list[str]) -> NoReturn:
    """Open the lectures in JupyterLab.  [--gpu|--cpu] [options of `jupyter lab`]."""
    from helpers.data import digits

    with suppress(OSError):  # a data folder that cannot be written: the lectures make the digits in memory
        digits.make_stand_in()
    become(lab_command(arguments, environment=os.environ, is_root=os.geteuid() == 0))


def setup(arguments: list[str]) -> int:
    """Make the environment, for a cluster's jobs above all, and open nothing.  [--gpu|--cpu]."""
    print(f"The environment is ready: {sys.prefix}")  # the script `course` has made it
    return 0


def test(arguments: list[str]) -> NoReturn:
    """Run the tests.  [--fast: two minutes | --full: an hour] [-n 0: in one process] [options of `pytest`]."""
    processes = min(4, os.cpu_count() or 1)  # each may take 3 GB
    become(["-m", "pytest", "-n", str(processes), *arguments])


def build(arguments: list[str]) -> NoReturn:
    """Make the notebooks from their sources in authoring/."""
    become(["authoring/notebooks.py", "build", *arguments])


def check(arguments: list[str]) -> NoReturn:
    """Tell which notebooks are not what their sources say."""
    become(["authoring/notebooks.py", "check", *arguments])


def data(arguments: list[str]) -> int:
    """Find, get, check and look at the data.  VERB [options]; without a verb it lists them."""
    from helpers.commands import data

    return data.main(arguments)


def cluster(arguments: list[str]) -> int:
    """Train on a cluster: submit, look, cancel.  VERB [options]; without a verb it lists them."""
    from helpers.commands import cluster

    return cluster.main(arguments)


def train(arguments: list[str]) -> int:
    """Train what a run file describes, or go on with it.  RUN.toml [NAME=VALUE …] [--list] [--index N] [--missing]."""
    from helpers.commands import train

    return train.main(arguments)


def results(arguments: list[str]) -> int:
    """Merge what a run has brought into a table, a CSV file and figures.  RUN.toml [NAME=VALUE …]."""
    from helpers.commands import results

    return results.main(arguments)


def homework(arguments: list[str]) -> int:
    """Hand out, check and grade homework.  VERB HW [options]; without a verb it lists them."""
    from helpers.commands import homework

    return homework.main(arguments)


def lock(arguments: list[str]) -> int:
    """Write the lock files from pyproject.toml.  [--upgrade] [options of `uv pip compile`]."""
    if find_spec("uv") is None:
        print("course: only uv can write the lock. Do: ./course run python -m pip install uv", file=sys.stderr)
        return 1
    try:
        write_lock(ROOT / CPU_LOCK, ["--extra", "cpu", *arguments])
        # the one binds the other: with or without a GPU, the same versions
        write_lock(ROOT / GPU_LOCK, ["--extra", "gpu", "--constraints", str(ROOT / CPU_LOCK), *arguments])
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def show_help(arguments: list[str]) -> int:
    """List the verbs."""
    print("usage: ./course VERB [options]\n\n" + verb_table())
    return 0


VERBS: dict[str, Callable[[list[str]], int]] = {
    "lab": lab,
    "setup": setup,
    "test": test,
    "build": build,
    "check": check,
    "data": data,
    "train": train,
    "results": results,
    "cluster": cluster,
    "homework": homework,
    "lock": lock,
    "help": show_help,
}


def verb_table() -> str:
    """Return one line for each verb, `run` included, which the script `course` does by itself."""
    lines = {verb: (function.__doc__ or "").splitlines()[0] for verb, function in VERBS.items()}
    lines["run"] = "Run a command inside the environment, where you are.  CMD [arguments]."
    return "\n".join(f"  {verb:8} {line}" for verb, line in lines.items())


def lab_command(arguments: list[str], *, environment: Mapping[str, str], is_root: bool) -> list[str]:
    """Return Python's arguments that start JupyterLab on the first lecture, without news or update pop-ups.

    Args:
        arguments: options of `jupyter lab`; one that sets what we set replaces ours. `--gpu` and `--cpu` are left
            out: the script `course` has seen to them.
        environment: COURSE_NO_BROWSER=1 keeps the browser shut.
        is_root: Jupyter refuses to run as root unless told otherwise, and in containers everybody is root.
    """
    ours = {
        "--ServerApp.root_dir": str(ROOT),
        "--LabApp.default_url": f"/lab/tree/{FIRST_LECTURE}",
        # JupyterLab asks about news even where --LabApp.news_url=None says that there are none; a setting it heeds
        "--LabApp.app_settings_dir": str(LAB_SETTINGS),
    }
    given = {argument.split("=")[0] for argument in arguments}
    options = [f"{name}={value}" for name, value in ours.items() if name not in given]
    options += ["--no-browser"] if environment.get("COURSE_NO_BROWSER") == "1" else []
    options += ["--allow-root"] if is_root else []
    return ["-m", "jupyterlab", *options, *(a for a in arguments if a not in ("--gpu", "--cpu"))]


def become(arguments: list[str]) -> NoReturn:
    """Replace this process by Python with `arguments`, in the root of the project.

    A child would leave two processes to hear Ctrl-C, and one of them to answer it with a traceback.
    """
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *arguments])


def write_lock(path: Path, arguments: list[str]) -> None:
    """Resolve pyproject.toml into the lock file `path`.

    What is locked already stays as it is wherever it still fits, unless `arguments` say `--upgrade`.

    Raises:
        CalledProcessError: uv found no versions that fit; it has said why, and `path` is as it was.
    """
    with whole(path) as draft:
        draft.write_text(path.read_text() if path.exists() else "")
        subprocess.run([*compile_command(), *arguments, "--output-file", str(draft)], cwd=ROOT, check=True)
        draft.write_text(LOCK_HEADER + draft.read_text())


def compile_command() -> list[str]:
    """Return the command that resolves pyproject.toml for every platform and every Python that it admits."""
    options = ["--group", "dev", "--universal", "--python-version", "3.11", "--no-annotate", "--no-header", "--quiet"]
    return [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *options]


def main(arguments: list[str]) -> int:
    """Do the verb that `arguments` begin with; return the exit status."""
    verb, *rest = arguments or ["help"]
    if verb not in VERBS:
        print(f"course: there is no verb {verb!r}. Choose one of:\n\n{verb_table()}", file=sys.stderr)
        return 2
    return VERBS[verb](rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
