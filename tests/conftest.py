"""What every test finds: where data may lie, figures without a screen, a quiet TensorFlow, `require`, and a browser."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA_FOLDERS = (ROOT / "datasets", ROOT.parent / "shared" / "datasets")
# They hold no doctests, and pytest would take the first folder's for all the others, which have the same name.
collect_ignore_glob = ["*conftest.py"]

# Before any test module is imported: helpers and TensorFlow read these when they are.
os.environ.setdefault("COURSE_DATA", os.pathsep.join(map(str, DATA_FOLDERS)))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:  # beside as many processes as processors, second threads spin while they wait
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# Not MPLBACKEND: the kernels that tests start would inherit it, and draw no figure into their notebooks.
matplotlib.use("Agg")

# What tests/experiments and tests/slurm share; helpers may be imported now.
from training_fixtures import aerial, experiment, patches, run_file, slurm, strangers_run, tiles  # noqa: E402, F401


@pytest.fixture(scope="session")
def require() -> Callable[[object, str], None]:
    """Give the function `require(found, message)`, which ends a test whose tools this machine lacks.

    On a student's machine the test is skipped, with `message` as the reason. Where CI is set it fails: a check that
    CI leaves out is no check.
    """

    def check(found: object, message: str) -> None:
        if found:
            return
        if os.environ.get("CI"):
            pytest.fail(f"{message} (CI is set, so nothing may be left out)")
        pytest.skip(message)

    return check


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory) -> Path:
    """Give a folder for notebooks that find no data: what the first one makes, the others of all processes use.

    COURSE_STAND_INS names one that outlives this run of the tests.
    """
    if "COURSE_STAND_INS" in os.environ:
        return Path(os.environ["COURSE_STAND_INS"])
    mine = tmp_path_factory.getbasetemp()
    folder = (mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine) / "stand_ins"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def kernels() -> dict[str, Any]:
    """Give options of `execute`: kernels start quickly where a process that has imported TensorFlow may be forked."""
    from warm_kernels import WarmKernelManager

    return {"kernel_manager_class": WarmKernelManager} if sys.platform == "linux" else {}


@pytest.fixture
def browser(require) -> Iterator[Any]:
    """Give a headless Chromium with one fresh page, a `labdriver.Browser`."""
    import labdriver

    require(labdriver.find_chromium(), "no Chromium here; on Debian and Ubuntu: sudo apt install chromium")
    with labdriver.Browser() as browser:
        yield browser


@pytest.fixture
def keep(tmp_path) -> Callable[[str, bytes], bytes]:
    """Give a function that saves a screenshot where COURSE_SCREENSHOTS says, and returns it."""
    folder = Path(os.environ.get("COURSE_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def save(name: str, picture: bytes) -> bytes:
        (folder / f"{name}.png").write_bytes(picture)
        return picture

    return save
