"""`./course doctor`: what this machine has of what the course uses, and what to do about what is missing.

`./course cluster doctor` looks at a cluster in the same way, before the first job waits in vain. Needs nothing but the
standard library; before the set-up it tells what it can know. Here is also what is done about a home that cannot be
written, as on some clusters and in some containers, before any verb.
"""

import argparse
import atexit
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from helpers.cli.verbs import Verb
from helpers.cores import usable_cores
from helpers.data import fetch
from helpers.errors import nearest
from helpers.slurm import client
from helpers.slurm.sites import (
    ROOT,
    STAMP,
    ClusterError,
    Request,
    Site,
    check_environment,
    environment,
    log_option,
    partition_of,
    resources,
    script,
    write_script,
)

JOB_PATIENCE, JOB_LOOK = 180, 2.0  # seconds for a job of one minute, and between two looks
GB = 1e9
DISK, MEMORY, CORES = 2.5, 4, 2  # gigabytes of an environment, gigabytes and cores that the lectures were measured on
PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "numpy", "jupyterlab", "nbgrader")
OK, NOTE, BAD = "ok", "-", "!!"
PLACES = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        what: the thing.
        found: what there is.
        state: OK; NOTE if it is missing and the lectures run without; BAD if they do not.
        advice: what to do about it.
    """

    what: str
    found: str
    state: str = OK
    advice: str = ""

    def __str__(self) -> str:
        line = f"{self.state:2}  {self.what:12} {self.found}"
        return line + (f"\n{'':17}{self.advice}" if self.advice else "")


def run_doctor(options: argparse.Namespace) -> int:
    """Print what was found; return 1 if the lectures cannot run, else 0."""
    findings = [*_machine(), *_environment(), *_around(), *_data()]
    print("\n".join(map(str, findings)))
    bad = [finding.what for finding in findings if finding.state == BAD]
    print(f"\nTo be mended first: {', '.join(bad)}." if bad else "\nThe lectures can run here.")
    return 1 if bad else 0


def _machine() -> Iterator[Finding]:
    version = sys.version_info
    fits = (3, 11) <= version[:2] < (3, 14)
    advice = "" if fits else "Install Python 3.11, 3.12 or 3.13, and name it: PYTHON=/path/to/python3.12 ./course lab"
    yield Finding("Python", f"{platform.python_version()}, {sys.executable}", OK if fits else BAD, advice)
    cores = usable_cores()
    yield Finding(
        "cores", str(cores), OK if cores >= CORES else NOTE, "" if cores >= CORES else "Lectures take longer."
    )
    yield _memory()
    yield _disk(shutil.disk_usage(ROOT).free / GB, is_set_up=STAMP.exists())
    if not home_can_be_written():
        yield Finding("home", "cannot be written", NOTE, "JupyterLab keeps your settings only until it ends.")


def _memory() -> Finding:
    try:
        gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GB
    except (ValueError, OSError):
        return Finding("memory", "not known", NOTE)
    if gigabytes >= MEMORY:
        return Finding("memory", f"{gigabytes:.1f} GB")
    advice = "Close other programs, and one notebook before you open the next."
    return Finding("memory", f"{gigabytes:.1f} GB; {MEMORY} are better", NOTE, advice)


def _disk(free: float, *, is_set_up: bool) -> Finding:
    needed = 0.5 if is_set_up else DISK
    advice = f"Make room: the environment takes {DISK} GB, and a lecture some hundred MB."
    return Finding("disk", f"{free:.1f} GB free", *((OK, "") if free >= needed else (BAD, advice)))


def _environment() -> Iterator[Finding]:
    found = {name: version for name in PACKAGES if (version := _version(name))}
    if not {"keras", "jupyterlab"} <= found.keys():
        yield Finding("environment", "not made, or not up to date", NOTE, "./course lab makes it, or ./course setup.")
    else:
        versions = ", ".join(f"{name} {version}" for name, version in found.items())
        all_is_here = "nbgrader" in found or not (ROOT / "homework/_instructor").is_dir()  # students' edition
        more = "For students; what teachers and tests need is added when it is first used."
        yield Finding("environment", versions, OK, "" if all_is_here else more)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


# ---- a cluster ----


def cluster_findings(request: Request, site: Site, *, job: bool) -> Iterator[Finding]:
    """Yield what a cluster has of what jobs will ask for.

    Args:
        request, site: what they ask for, and of whom.
        job: whether to submit one for a minute, which looks around where it runs.
    """
    if not client.is_here() or not client.answers():
        yield Finding("Slurm", "no cluster answers here", BAD, "Use a login node, or ./course cluster practice.")
        return
    yield _partition(request, site)
    yield _account(request)
    yield from _places()
    yield _modules(site)
    yield _flavour(request, site)
    if job:
        yield _minute(request, site)


def _partition(request: Request, site: Site) -> Finding:
    known, wanted = client.partitions(), partition_of(request, site)
    names = dict.fromkeys(each.name for each in known)
    if not known:
        return Finding("partition", "sinfo lists none", NOTE, "Ask the centre for the name of one.")
    if wanted and not set(wanted.split(",")) <= names.keys():
        near = nearest(wanted, names)
        return Finding("partition", f"there is no {wanted}", BAD, f"There are: {', '.join(names)}.{near}")
    try:
        client.check_fits(request, site)
    except ClusterError as error:
        return Finding("partition", wanted or "the default one", BAD, str(error))
    return Finding("partition", wanted or "the default one")


def _account(request: Request) -> Finding:
    try:
        known = client.accounts()
    except ClusterError:
        return Finding("account", "not known: Slurm keeps no accounts here, or does not tell", NOTE)
    if request.account and request.account not in known:
        return Finding("account", f"{request.account} is none of yours", BAD, f"Yours: {', '.join(known) or 'none'}.")
    return Finding("account", request.account or f"your usual one, of {', '.join(known) or 'none'}")


def _places() -> Iterator[Finding]:
    """Write a little into the home and where experiments are kept: a quota shows when one writes, not before."""
    from helpers.experiments import experiments_folder

    kept = experiments_folder()
    for what, folder, needed in (("home", Path.home(), 1.0), ("experiments", kept, 5.0)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(10**6))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            yield Finding(what, f"{folder} cannot be written: {error.strerror}", BAD, "Make room, or ask: quota -s")
            continue
        free = shutil.disk_usage(folder).free / GB
        state = OK if free >= needed else BAD
        yield Finding(what, f"{folder}, {free:.1f} GB free", state, "" if state == OK else "Make room there.")
    if kept.resolve().is_relative_to(Path.home().resolve()):
        advice = "Where there is a scratch disk: export COURSE_EXPERIMENTS=/scratch/$USER/experiments"
        yield Finding("scratch", "experiments are kept in your home", NOTE, advice)
    else:
        yield Finding("scratch", str(kept))


def _modules(site: Site) -> Finding:
    if not site.setup:
        return Finding("set-up", "the site file has none", OK)
    command = ["bash", "-lc", "\n".join(["set -e", *site.setup])]
    done = subprocess.run(command, text=True, errors="replace", capture_output=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        return Finding("set-up", f"fails: {said}", BAD, "Correct `setup` in the site file: module avail")
    return Finding("set-up", "; ".join(site.setup))


def _flavour(request: Request, site: Site) -> Finding:
    try:
        check_environment(request, site)
    except ClusterError as error:
        return Finding("CUDA", "the environment is one for the CPU", BAD, str(error))
    return Finding("CUDA", "the job looks for it" if request.gpus else "not asked for: no GPUs")


def _minute(request: Request, site: Site) -> Finding:
    """Submit a job that looks around where it runs; cancel it if it does not begin soon."""
    folder = ROOT / "jobs/doctor"
    asked = replace(request, time="00:01:00", at_once=1, stage="", dependency="", mail="")
    options = {"--job-name=doctor": "", log_option(folder, "%j.log"): "", **resources(asked, site)}
    text = script("Written by `./course cluster doctor`.", options, [environment(site), f"{site.course} doctor\n"])
    try:
        number = client.submit(write_script(folder / "doctor.sbatch", text))
    except ClusterError as error:
        return Finding("job", "Slurm refuses it", BAD, str(error))
    print(f"job {number} is to look around where it runs; waiting up to {JOB_PATIENCE} s", flush=True)
    end = time.monotonic() + JOB_PATIENCE
    while (there := [each for each in client.queue("doctor") if each.job == number]) and time.monotonic() < end:
        time.sleep(JOB_LOOK)
    if there:
        client.cancel([str(number)])
        told = f"did not end within {JOB_PATIENCE} s: {there[0].state.lower()}, {there[0].reason}"
        return Finding("job", told, NOTE, "It is cancelled. Busy clusters take longer: try later, or a test partition.")
    log = folder / f"{number}.log"
    said = log.read_text(encoding="utf-8", errors="replace").strip() if log.exists() else ""
    if said.endswith("The lectures can run here."):
        gpu = next((line for line in said.splitlines() if line[4:].startswith("GPU ")), "")
        return Finding("job", f"ran, and has what it needs{'; ' * bool(gpu)}{' '.join(gpu[4:].split())}")
    last = " / ".join(said.splitlines()[-3:]) or "it wrote nothing"
    return Finding("job", "ran, and something is missing", BAD, f"{last}. See {log}")


# ---- this machine ----


def _around() -> Iterator[Finding]:
    yield _gpu(_gpus(), STAMP.read_text(encoding="utf-8").partition(" ")[0] if STAMP.exists() else "cpu")
    advice = "Only lecture 13 and homework 7 use it. To try it here: ./course cluster practice --help"
    if client.is_here() and not client.answers():
        yield Finding("Slurm", "installed, but no cluster answers", NOTE, f"Use a login node. {advice}")
    else:
        yield Finding("Slurm", *(("here",) if client.is_here() else ("not here", NOTE, advice)))
    advice = "COURSE_NO_BROWSER=1 ./course lab prints an address; open it where there is a browser."
    yield Finding("browser", *((browser,) if (browser := _browser()) else ("not here", NOTE, advice)))


def _gpus() -> list[str]:
    """List the NVIDIA GPUs that the driver knows."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], text=True, capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.partition(" (UUID")[0] for line in done.stdout.splitlines() if line.startswith("GPU ")]


def _cuda_of_driver() -> str:
    """Return the newest CUDA that the driver knows, such as "12.4"; "" where it does not tell."""
    try:
        done = subprocess.run(["nvidia-smi"], text=True, capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"CUDA Version: *([\d.]+)", done.stdout)
    return found[1] if found else ""


def _gpu(gpus: list[str], flavour: str) -> Finding:
    if not gpus:
        return Finding("GPU", "none", NOTE, "Not needed: every lecture says how long it takes without.")
    if flavour == "gpu":
        driver, wanted = _cuda_of_driver(), _version("nvidia-cuda-runtime-cu12").partition(".")[0]
        if driver and wanted and int(driver.partition(".")[0]) < int(wanted):
            advice = f"The environment wants CUDA {wanted}: another node or partition, or a newer driver."
            return Finding("GPU", f"{'; '.join(gpus)}, whose driver knows CUDA up to {driver}", BAD, advice)
        return Finding("GPU", "; ".join(gpus))
    return Finding("GPU", "; ".join(gpus), NOTE, "The environment does not use it; ./course setup --gpu makes one.")


def _browser() -> str:
    if os.environ.get("COURSE_NO_BROWSER") == "1":
        return "kept shut by COURSE_NO_BROWSER=1"
    try:
        return getattr(webbrowser.get(), "name", "here")
    except webbrowser.Error:
        return ""


def _data() -> Iterator[Finding]:
    for folder in fetch.data_folders():
        if not folder.is_dir():
            advice = f"Correct COURSE_DATA, or make the folder: mkdir -p {folder}"
            yield Finding("data folder", f"{folder} is not there", BAD, advice)
    for name, card in fetch.registry().items():
        if found := fetch.find(name):
            yield Finding(name, str(found))
        else:
            made = fetch.find_stand_in(name)
            advice = f"{card.get} See ./course data fetch {name}"
            yield Finding(name, f"stand-in, {made}" if made else "not here; lectures use a stand-in", NOTE, advice)


def home_can_be_written() -> bool:
    """Return whether there is a home, and we may write there."""
    try:
        return Path.home().is_dir() and os.access(Path.home(), os.W_OK | os.X_OK)
    except RuntimeError:  # a user without a name
        return False


def make_do(environment: MutableMapping[str, str]) -> None:
    """Let Jupyter and Matplotlib write into a temporary folder where the home cannot be written, and say so.

    The folder goes with this process, unless that becomes another program, which needs it.
    """
    missing = [place for place in PLACES if place not in environment]
    if home_can_be_written() or not missing:
        return
    folder = Path(tempfile.mkdtemp(prefix="course-home-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environment.update({place: str(folder / place.lower()) for place in missing})
    print(f"course: the home folder cannot be written; settings are kept in {folder} for now.", file=sys.stderr)


DOCTOR = Verb(
    "Check what this machine has, and print what to do about what is missing.",
    run_doctor,
    (
        ("./course doctor", "works before the set-up as well"),
        ("COURSE_DATA=/path/to/data ./course doctor", "also looks for data there"),
    ),
    more="Exit status 1 if the lectures cannot run without what is missing.",
    needs_set_up=False,
)
