"""The campaign of faults: whatever ends a job, what is trained in the end has the weights of an undisturbed training.

One array on a real Slurm has an experiment for each fault; they differ in nothing that is trained. What a disk does is
what the system would say of it, in the midst of a job; test_resume has it say so elsewhere too.
"""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from cluster_desk import Desk

from helpers import cli
from helpers.experiments.run_file import read_run
from helpers.slurm import client
from helpers.slurm.practice import INSTALL, missing_programs, practice_cluster

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.needs("Slurm"), pytest.mark.long]
DISK = {"full disk": "No space left on device", "read-only": "Read-only file system"}
FAULTS = [*DISK, "scancel", "kill", "term", "requeue", "warning", "time limit", "node down", "controller"]
DATA = """
import errno
import os
import time
from pathlib import Path

import numpy as np

from helpers.data.sources import ArraySource, split


class Slow(ArraySource):
    fault = ""
    filled = 0

    def fill(self, index, rng, out):
        times = 6 if self.fault == "time limit" else 1  # a limit is a minute or more
        time.sleep(times * float(os.environ.get("PAUSE", 0)))
        self.filled += 1
        gate = Path(os.environ["GATE"])
        if self.fault in DISK and self.filled >= 150 and not gate.exists():  # in the third epoch
            np.savez = self.break_down
        while self.filled > int(os.environ.get("HELD", 10**9)) and not gate.exists() and self.fault not in DISK:
            time.sleep(0.1)
        super().fill(index, rng, out)

    def break_down(self, file, **arrays):
        file.write(b"half")
        raise OSError(DISK[self.fault], os.strerror(DISK[self.fault]))


def open(seed: int, fault: str = ""):
    chance = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = chance.normal(size=(60, 8, 8, 1)) + y[:, None, None, None]
    source = Slow(x, y)
    source.fault = fault
    return split(source, seed=seed)


DISK = {"full disk": errno.ENOSPC, "read-only": errno.EROFS}
"""


@pytest.fixture
def cluster(require, monkeypatch):
    """Start a Slurm of this test alone, whose controller may be killed; give its environment."""
    require(not missing_programs(), f"no Slurm on this machine: {INSTALL}")
    with practice_cluster(nodes=3, cores=3, gpus=0) as environment:
        for name in ("SLURM_CONF", "PATH"):
            monkeypatch.setenv(name, environment[name])
        yield environment


@pytest.fixture
def controllers():
    """Give a list of controllers that are to end with the test; made before `cluster`, they outlive its last words."""
    started: list[subprocess.Popen] = []
    yield started
    for each in started:
        each.terminate()
        each.wait(20)


def slurm(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=60)


def process_of(folder: Path, index: int) -> int:
    """Find the process that trains an experiment of a submission; before a kill Slurm would ask it to end."""
    words = [str(folder), f"\0--index\0{index}\0"]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # one that has ended since
            if all(word in path.read_text(errors="replace") for word in words):
                return int(path.parent.name)
    raise LookupError(f"nothing trains experiment {index} from {folder}")


def restart_controller(environment, controllers) -> None:
    """Kill the controller as a crash of its machine would, and start it again from what is on its disk."""
    folder = Path(environment["SLURM_CONF"]).parents[1]
    os.kill(int((folder / "run/slurmctld.pid").read_text()), signal.SIGKILL)
    time.sleep(1)
    command = ["setpriv", "--pdeathsig", "TERM", "slurmctld", "-D"]
    with (folder / "log/again.log").open("ab") as log:
        controllers.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True))
    end = time.monotonic() + 30
    while not client.answers():
        assert time.monotonic() < end, (folder / "log/again.log").read_text()
        time.sleep(0.1)


@pytest.mark.parametrize("epoch", [3, pytest.param(8, marks=pytest.mark.deep)])
def test_whatever_ends_a_job_the_weights_are_those_of_an_undisturbed_training(
    controllers, cluster, strangers_run, tmp_path, capsys, monkeypatch, epoch
):
    desk = Desk(tmp_path, capsys)
    desk.run = strangers_run
    (strangers_run.parent / "my_data.py").write_text(DATA)
    text = strangers_run.read_text().replace("width = [4, 8]", f"fault = {FAULTS}")
    desk.run.write_text(text.replace("epochs = 3", "epochs = 14\npatience = 14"))
    course = f"env PYTHONPATH={ROOT} {sys.executable} -m helpers.cli"
    desk.site.write_text(f'course = "{course}"\ntime = "00:30:00"\nmemory = "2G"\ncores = 1\n')
    monkeypatch.setenv("PAUSE", "0.03")  # an epoch takes a second, and no processor
    gate = tmp_path / "gate"  # on a busy machine the first would have ended before the last has begun
    monkeypatch.setenv("GATE", str(gate))
    monkeypatch.setenv("HELD", str(60 * epoch))  # samples of 60, so some epochs later
    job = desk.submit()
    for index, fault in enumerate(FAULTS):
        desk.wait_for(desk.log(job, index), DISK.get(fault, f"Epoch {epoch}/14"), seconds=400)
    restart_controller(cluster, controllers)
    element = {fault: f"{job}_{index}" for index, fault in enumerate(FAULTS)}
    slurm("scancel", element["scancel"])
    for fault, number in {"kill": signal.SIGKILL, "term": signal.SIGTERM}.items():
        os.kill(process_of(desk.folders[job], FAULTS.index(fault)), number)
    slurm("scontrol", "requeue", element["requeue"])
    slurm("scancel", "--batch", "--signal=USR1", element["warning"])
    slurm("scontrol", "update", f"JobId={element['time limit']}", "TimeLimit=1")
    node = {each.label: each.node for each in client.queue()}[element["node down"]]
    slurm("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=fault")
    end = time.monotonic() + 60
    while any(each.node == node and each.state == "RUNNING" for each in client.queue()):
        assert time.monotonic() < end, client.queue()
        time.sleep(0.2)
    gate.touch()
    resume = ["scontrol", "update", f"NodeName={node}", "State=RESUME"]
    subprocess.run(resume, check=False, capture_output=True)  # refused where the node has come back by itself
    desk.wait_for(desk.log(job, FAULTS.index("time limit")), "stands at epoch", seconds=200)
    slurm("scontrol", "update", f"JobId={element['time limit']}", "TimeLimit=30")  # a busy machine starts in minutes
    desk.wait(seconds=600)
    ended = [index for index in range(len(FAULTS)) if not read_run(desk.run).experiments[index].is_saved()]
    assert {FAULTS[index] for index in ended} >= {*DISK, "scancel", "kill"}, "these do not come back by themselves"
    said = desk.course("status")[1]
    assert all(re.search(f"stopped .*{told}", said) for told in DISK.values()), said
    assert not {"requeue", "warning", "term"} & {FAULTS[index] for index in ended}
    again = desk.submit("--missing")
    desk.wait(seconds=600)
    for index in ended:
        assert not re.search("Epoch 1/14", desk.log(again, index).read_text()), f"{FAULTS[index]} began anew"
    monkeypatch.delenv("PAUSE")
    monkeypatch.delenv("HELD")
    assert cli.main(["train", str(desk.run), "fault=nothing"]) == 0
    wanted = read_run(desk.run, ["fault=nothing"]).experiments[0].load().get_weights()
    for experiment in read_run(desk.run).experiments:
        found = experiment.load().get_weights()
        difference = max(np.abs(one - other).max() for one, other in zip(found, wanted, strict=True))
        assert difference == 0.0, f"{experiment.name}: {difference}"
