"""The environment: pyproject.toml, the locks, environment.yml, what is installed, and what is committed agree."""

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import locks
import pytest
import yaml
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CPU, GPU = ROOT / "requirements.txt", ROOT / "requirements-gpu.txt"
TENSORFLOWS = {"tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tf-nightly"}
# In pieces, so that this file does not hold what it looks for.
HOSTS = [".".join(host) for host in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("anaconda", "org"))]
FOR = ("teacher", "dev")  # beside students, whose requirements all have
MEGABYTE = 2**20
UNCOMPILED = {"PIP_NO_COMPILE": "1"}  # half a minute less, and what is compiled here is used once
LIST_INSTALLED = """
import importlib.metadata, json
print(json.dumps({d.name: d.version for d in importlib.metadata.distributions()}))
"""


def requirements(flavour: str) -> list[str]:
    project = PROJECT["project"]
    return [
        *project["dependencies"],
        *(one for name in (flavour, *FOR) for one in project["optional-dependencies"][name]),
    ]


def installed(python: Path) -> dict[str, str]:
    """Return name -> version, asked of a fresh Python: setuptools, once imported, adds packages of its own."""
    done = subprocess.run([python, "-I", "-c", LIST_INSTALLED], text=True, capture_output=True, check=True)
    return {canonicalize_name(name): version for name, version in json.loads(done.stdout).items()}


def differences(found: dict[str, str], pins: dict[str, str]) -> dict[str, tuple[str | None, str]]:
    return {name: (found.get(name), pin) for name, pin in pins.items() if found.get(name) != pin}


# ---- the locks ----


@pytest.mark.parametrize("machine", list(locks.machines("linux", "darwin")), ids=str)
def test_the_cpu_lock_meets_every_requirement(machine):
    assert locks.unmet(requirements("cpu"), locks.pins_for(locks.read_lock(CPU), machine), machine) == []


@pytest.mark.parametrize("machine", list(locks.machines("linux")), ids=str)
def test_the_gpu_lock_meets_every_requirement_and_brings_cuda(machine):
    pins = locks.pins_for(locks.read_lock(GPU), machine)
    assert locks.unmet(requirements("gpu"), pins, machine) == []
    assert {"nvidia-cudnn-cu12", "nvidia-cublas-cu12"} <= set(pins)


@pytest.mark.parametrize("machine", list(locks.machines("linux")), ids=str)
def test_with_or_without_a_gpu_the_versions_are_the_same(machine):
    cpu, gpu = (locks.pins_for(locks.read_lock(path), machine) for path in (CPU, GPU))
    assert {name for name in cpu.keys() & gpu.keys() if cpu[name] != gpu[name]} == set()
    assert cpu.keys() - gpu.keys() <= {"tensorflow-cpu"}


@pytest.mark.parametrize("pin", ["keras==4.0.0", "torch==2.0.0", "keras==3.15.1 ; sys_platform == 'win32'"])
def test_a_lock_that_has_fallen_behind_would_be_seen(pin, tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text(f"# a comment\n{pin}\n")
    machine = next(locks.machines("linux"))
    assert locks.unmet(["keras>=3.15,<4"], locks.pins_for(locks.read_lock(lock), machine), machine) == [
        "keras<4,>=3.15"
    ]


def test_a_missing_package_is_seen_even_where_any_version_would_do():
    assert locks.unmet(["keras"], {}, None) == ["keras"]


def test_two_versions_of_one_package_would_be_seen(tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text("numpy==2.4.6\nNumPy==2.5.5 ; python_full_version >= '3.12'\n")
    with pytest.raises(ValueError, match="two versions of NumPy"):
        [locks.pins_for(locks.read_lock(lock), machine) for machine in locks.machines("linux")]


@pytest.mark.parametrize(
    "line", ["keras>=3", "--index-url https://x", "keras @ file:///x", "-e .", "keras==3.* --hash"]
)
def test_a_lock_with_more_than_pins_would_be_seen(line, tmp_path):
    (tmp_path / "lock.txt").write_text(line)
    with pytest.raises(ValueError, match="wanted name==version"):
        locks.read_lock(tmp_path / "lock.txt")


# ---- what is installed here ----


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    return installed(Path(sys.executable))


def test_every_installed_version_is_the_locked_one(here):
    lock = GPU if "nvidia-cudnn-cu12" in here else CPU
    assert differences(here, locks.pins_for(locks.read_lock(lock), None)) == {}


def test_another_version_and_a_missing_package_would_be_seen():
    found = differences({"keras": "3.14", "numpy": "2.5"}, {"keras": "3.15", "numpy": "2.5", "scipy": "1.17"})
    assert found == {"keras": ("3.14", "3.15"), "scipy": (None, "1.17")}


def test_exactly_one_tensorflow_is_installed(here):
    assert len(TENSORFLOWS & here.keys()) == 1  # two fill the same folder, and the last one wins


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nbformat", "jupyter_events"])
def test_nothing_compiles_grammars_while_it_is_imported(name):
    """JupyterLab, and each command that reads a notebook, would start two seconds later."""
    code = f"import sys, {name}; sys.exit('lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# ---- conda ----


def conda_environment() -> tuple[list[str], list[str]]:
    """Return what environment.yml asks of conda, and what of pip."""
    *conda, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    return conda, pip["pip"]


def test_conda_brings_the_same_python_and_pip_the_same_versions():
    conda, pip = conda_environment()
    assert conda == [f"python{PROJECT['project']['requires-python']}", "pip"]
    assert pip == [f"-c {CPU.name}", "-e .[cpu]"]


# ---- what is committed ----


@pytest.fixture(scope="module")
def committed(require) -> dict[str, bytes]:
    """Give the committed files: one who has run and saved a lecture in a checkout has committed nothing."""
    require((ROOT / ".git").exists(), "not a git checkout, so nothing is committed here")
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


def leaks(text: str, places: list[str]) -> list[str]:
    """Return the names of package registries and of this machine's folders in a text."""
    hosts = [host for host in HOSTS if host in text]
    # "./course" is not the folder "/course", nor is "/course-work" in it
    return hosts + [place for place in places if re.search(rf"(?<![\w.~-]){re.escape(place)}(?![\w-])", text)]


def own_places() -> list[str]:
    return [str(place) for place in (ROOT, Path.home()) if len(place.parts) > 1]


def test_no_registry_and_no_folder_of_this_machine_is_committed(committed):
    texts = {name: content.decode(errors="replace") for name, content in committed.items()}
    assert {name: found for name, text in texts.items() if (found := leaks(text, own_places()))} == {}


@pytest.mark.parametrize("text", [f"https://files.{HOSTS[1]}/x.whl", '"/srv/ann/lectures"', "cd /srv/ann\n"])
def test_a_leak_would_be_seen(text):
    assert leaks(text, ["/srv/ann"])


@pytest.mark.parametrize("text", ["./srv/ann", "/srv/anna", "a/srv/ann", "~/srv/ann"])
def test_a_name_that_is_like_a_folder_is_no_leak(text):
    assert leaks(text, ["/srv/ann"]) == []


def has_run(notebook: bytes) -> bool:
    return any(cell.get("outputs") or cell.get("execution_count") for cell in json.loads(notebook)["cells"])


def test_no_notebook_is_committed_with_outputs(committed):
    notebooks = {name: content for name, content in committed.items() if name.endswith(".ipynb")}
    assert [name for name, content in notebooks.items() if has_run(content)] == []


@pytest.mark.parametrize("trace", [{"outputs": [{"output_type": "stream"}]}, {"execution_count": 1}])
def test_a_notebook_that_has_run_would_be_seen(trace):
    assert has_run(json.dumps({"cells": [{"source": "# text"}, {"outputs": [], **trace}]}).encode())


def test_no_large_file_is_committed(committed):
    assert [name for name, content in committed.items() if len(content) > MEGABYTE] == []


# ---- for real, from nothing ----


@pytest.fixture
def clone(tmp_path, committed) -> Path:
    subprocess.run(["git", "clone", "--quiet", ROOT, tmp_path / "clone"], check=True)
    return tmp_path / "clone"


@pytest.mark.deep
def test_what_conda_hands_to_pip_makes_the_environment(clone, tmp_path):
    """As conda does it: the lines in a file beside environment.yml, pip run from there."""
    (clone / "condaenv.requirements.txt").write_text("\n".join(conda_environment()[1]))
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env/bin/python"
    install = [python, "-m", "pip", "install", "--quiet", "-U", "-r", "condaenv.requirements.txt"]
    subprocess.run(install, cwd=clone, env=os.environ | UNCOMPILED, check=True)
    found, pins = installed(python), locks.pins_for(locks.read_lock(CPU), None)
    assert differences(found, {name: pin for name, pin in pins.items() if name in found}) == {}
    assert {"nbgrader", "playwright", "mypy", "ruff", "pytest-xdist"} & found.keys() == set()
    imports = [python, "-c", "import helpers, keras, tensorflow; print(helpers.__file__)"]
    done = subprocess.run(imports, cwd=tmp_path, text=True, capture_output=True)
    assert done.stdout == f"{clone}/helpers/__init__.py\n", done.stderr


@pytest.mark.deep  # six minutes in CI, which sets up two clones of its own, but with uv
@pytest.mark.needs("a network")
def test_a_clean_clone_sets_itself_up_once(clone, tmp_path):
    """With pip; CI sets up its own clone with uv."""

    def run(code: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | UNCOMPILED | {"COURSE_INSTALLER": "pip"}
        command = [clone / "course", "run", "python", "-c", code]
        return subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True)

    first = run("import helpers, keras; print(helpers.__file__)")
    assert first.stdout == f"{clone}/helpers/__init__.py\n", first.stderr
    assert "installing with pip" in first.stderr
    second = run("print('at once')")
    assert (second.stdout, second.stderr) == ("at once\n", "")
