"""`./course cluster` against a real Slurm: arrays, failures, time limits, what follows an array, staging, cancelling.

What the jobs call in place of `./course` is pretend_course.py; test_lecture and the lecture itself call the real one.
"""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
from cluster_desk import Desk

from helpers import cli
from helpers.slurm import client

pytestmark = pytest.mark.slow
RUN = """
[data]
name = "chesapeake"
split = "folds"
folds = 9
[model]
name = "unet"
[training]
epochs = {steps}
[sweep]
fold = [0, 1, 2, 3, 4, 5]
[cluster]
memory = "200M"
cores = 1
"""


@pytest.fixture
def desk(slurm, tmp_path, capsys, monkeypatch):
    """Give a desk with a run of six experiments; what is still in the queue at the end is cancelled."""
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "experiments"))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))  # none here: the course of the jobs pretends
    folder = tmp_path / "my 50% rüns"
    folder.mkdir()
    (tmp_path / "experiments").mkdir()
    desk = Desk(folder, capsys)
    yield desk
    subprocess.run(["scancel", "--me"], check=True)
    desk.wait()


def write_run(desk: Desk, *, steps: int = 2) -> None:
    desk.run.write_text('run = "a_sweep"\n' + RUN.format(steps=steps))


def states(desk: Desk) -> list[str]:
    """Return the state of each experiment, as the table of `status` has it."""
    rows = desk.course("status")[1].splitlines()[1:7]
    return [re.search(r"finished|running|waiting|stopped|not submitted", row)[0] for row in rows]


def test_one_of_six_fails_is_found_and_trained_once_more(desk, tmp_path):
    write_run(desk)
    (tmp_path / "experiments/fails").write_text("3")
    assert states(desk) == ["not submitted"] * 6
    job = desk.submit()
    desk.wait()
    assert states(desk) == ["finished"] * 3 + ["stopped"] + ["finished"] * 2
    status, table, _ = desk.course("status")
    assert status == 1 and "ValueError: this one fails" in table and "--missing" in table
    assert desk.log(job, 5).read_text().endswith("counted from 0 to 2\n")
    (tmp_path / "experiments/fails").unlink()
    again = desk.submit("--failed")
    desk.wait()
    assert [path.name for path in desk.log(again, 0).parent.glob(f"{again}_?.log")] == [f"{again}_3.log"]
    assert states(desk) == ["finished"] * 6
    assert desk.course("submit", "--missing")[1].startswith("Nothing to submit: of all 6")


def test_the_results_are_gathered_behind_the_array_whatever_failed(desk, tmp_path):
    write_run(desk)
    (tmp_path / "experiments/fails").write_text("3")
    job = desk.submit()
    behind = [each for each in client.queue() if each.name == "a_sweep_results"]
    assert [(each.state, each.reason) for each in behind] == [("PENDING", "Dependency")]
    desk.wait()
    log = desk.log(job, 0).with_name(f"{behind[0].job}_results.log")
    assert log.read_text() == "results: 5 of 6\nmissing: 3\n"


def test_a_signal_sends_one_experiment_back_into_the_queue_and_no_other(desk):
    write_run(desk, steps=40)
    job = desk.submit("sweep.fold=[0, 1]")
    for index in (0, 1):
        desk.wait_for(desk.log(job, index), f"{index} on node")
    subprocess.run(["scancel", "--batch", "--signal=USR1", f"{job}_1"], check=True)
    desk.wait_for(desk.log(job, 1), "left at")
    assert "not in the queue again" not in desk.log(job, 1).read_text()
    desk.wait()
    first, second = (desk.log(job, index).read_text() for index in (0, 1))
    left = int(re.search(r"left at (\d+)", second)[1])
    assert f"counted from {left} to 40" in second and second.count("1 on node") == 2
    assert "counted from 0 to 40" in first and "CANCELLED" not in first


def test_what_was_submitted_is_trained_whatever_is_written_into_the_file_since(desk):
    """It also hears the signal in its set-up, and while data are copied, and then comes back into the queue."""
    write_run(desk, steps=2)
    folder = desk.run.parent
    (folder / "patches/train").mkdir(parents=True)
    (folder / "patches/train/pa-3900000-0.npz").write_text("never read here")
    setup = [f"echo set-up; while [ -e '{folder}/hold' ]; do sleep 0.1; done"]
    desk.site.write_text(f"{desk.site.read_text()}setup = {json.dumps(setup)}\n")
    (folder / "hold").touch()
    job = desk.submit("sweep.fold=[0, 1]", "--stage", folder / "patches")
    desk.run.write_text(desk.run.read_text().replace("epochs = 2", "epochs = 900").replace("[0, 1, 2", "[8, 0, 1, 2"))
    (folder / "stage-slowly").touch()
    desk.wait_for(desk.log(job, 1), "set-up")
    subprocess.run(["scancel", "--batch", "--signal=USR1", f"{job}_1"], check=True)  # in its set-up
    (folder / "hold").unlink()
    desk.wait_for(desk.log(job, 0), "copies slowly")
    subprocess.run(["scancel", "--batch", "--signal=USR1", f"{job}_0"], check=True)  # while it copies
    (folder / "stage-slowly").unlink()
    desk.wait()
    for index in (0, 1):
        log = desk.log(job, index).read_text()
        assert log.count("set-up") == 2, "two attempts"
        assert log.count(f"{index} on node") == 1 and "counted from 0 to 2" in log, "as it was submitted"
        assert "not in the queue again" not in log
    said = desk.course("status", "sweep.fold=[0, 1]")[1]
    assert "2 finished" in said and "training.epochs = 900 now; submitted: 2" in said
    assert "sweep.fold = [8, 0, 1, 2, 3, 4, 5] now" in said


def test_the_time_limit_is_survived(desk):
    """The signal comes 15 seconds or more before the minute is over, and 50 seconds are to be counted."""
    write_run(desk, steps=500)
    job = desk.submit("sweep.fold=[4]", "--time", "00:01:00")
    desk.wait(seconds=400)
    log = desk.log(job, 0).read_text()
    left = [int(step) for step in re.findall(r"left at (\d+)", log)]
    assert left and left == sorted(left)
    assert f"counted from {left[-1]} to 500" in log and "TIME LIMIT" not in log


def test_a_killed_node_process_goes_on_when_submitted_again(desk):
    write_run(desk, steps=30)
    job = desk.submit("sweep.fold=[0]")
    desk.wait_for(desk.log(job, 0), "0 on node")
    time.sleep(0.5)
    subprocess.run(["scancel", "--full", "--signal=KILL", f"{job}_0"], check=True)
    desk.wait()
    again = desk.submit("sweep.fold=[0]", "--missing")
    desk.wait()
    begin = int(re.search(r"counted from (\d+) to 30", desk.log(again, 0).read_text())[1])
    assert begin > 0


def test_cancelled_is_cancelled(desk):
    """What was cancelled does not come back, though training leaves with the status that asks for it."""
    write_run(desk, steps=600)
    job = desk.submit("--at-once", 2)
    desk.wait_for(desk.log(job, 1), "1 on node")
    waiting = [each for each in client.queue("a_sweep") if each.state == "PENDING"]
    assert len(waiting) == 4
    assert desk.course("cancel", 4, 5)[1] == "cancelled: experiments 4-5 of a_sweep\n"
    assert {each.name for each in client.queue()} == {"a_sweep", "a_sweep_results"}
    assert desk.course("cancel")[1] == "cancelled: experiments 0-3 of a_sweep\n"
    desk.wait()
    time.sleep(12)  # a requeued job is held for ten seconds
    assert client.queue() == []
    assert desk.course("cancel")[1].startswith("Nothing to cancel")


def test_workers_on_two_nodes_hear_the_signal_and_come_back(desk):
    write_run(desk, steps=40)
    job = desk.submit("sweep.fold=[0]", "--nodes", 2)
    desk.wait_for(desk.log(job, 0), "0 on node2")
    desk.wait_for(desk.log(job, 0), "0 on node1")
    subprocess.run(["scancel", "--batch", "--signal=USR1", f"{job}_0"], check=True)
    desk.wait()
    log = desk.log(job, 0).read_text()
    assert log.count("0 on node1") == log.count("0 on node2") == 2, "two workers, two attempts"
    assert re.search(r"counted from [1-9]\d* to 40", log)


def test_nothing_is_trained_twice_at_the_same_time(desk):
    write_run(desk, steps=600)
    desk.submit()
    status, _, complaint = desk.course("submit")
    assert status == 1 and "experiments 0-5 of a_sweep are in the queue" in complaint
    assert desk.course("submit", "--missing")[1].startswith("Nothing to submit")
    assert len(client.queue("a_sweep")) == 6


def test_the_same_run_with_other_overrides_is_another(desk):
    write_run(desk, steps=600)
    job = desk.submit("--at-once", 1)
    desk.wait_for(desk.log(job, 0), "0 on node")
    others = ["seed=3", "sweep.fold=[7, 8]"]
    assert "2 not submitted" in desk.course("status", *others)[1]
    another = desk.submit(*others)
    desk.wait_for(desk.log(another, 1), "1 on node")
    assert re.search("a_sweep.seed=3.*: 2 running", desk.course("status", *others)[1])
    assert "1 running, 5 waiting" in desk.course("status")[1]
    assert desk.course("logs", *others)[1].count(f"/{another}_") == 2
    assert desk.course("logs", 1, *others)[1].count("==>") == 1
    assert f"/{job}_0.log" in desk.course("logs")[1]
    assert "cancelled: experiments 0 of a_sweep+seed=3" in desk.course("cancel", 0, *others)[1]
    assert "1 of a_sweep+seed=3" in desk.course("cancel", *others)[1]
    assert {each.name for each in client.queue() if each.state != "COMPLETING"} == {"a_sweep", "a_sweep_results"}


def test_data_are_staged_to_the_disk_of_the_node(desk, tmp_path):
    (tmp_path / "the patches/train").mkdir(parents=True)
    for number in range(3):
        (tmp_path / f"the patches/train/pa-3900000-{number}.npz").write_text("never read here")
    write_run(desk)
    job = desk.submit("sweep.fold=[0]", "--stage", tmp_path / "the patches")
    desk.wait()
    found = re.search(r"3 patches in (.*/lscratch/node\d/\d+/the patches)\n", desk.log(job, 0).read_text())
    assert found and not Path(found[1]).exists(), "local scratch goes with the job"
    (tmp_path / "no patches").mkdir()
    broken = desk.submit("sweep.fold=[1]", "--stage", tmp_path / "no patches")
    desk.wait()
    assert "on node" not in desk.log(broken, 0).read_text(), "without data there is no training"
    status, _, complaint = desk.course("submit", "--stage", tmp_path / "gone")
    assert status == 1 and f"there is no folder {tmp_path / 'gone'}" in complaint and client.queue() == []


def test_data_are_staged_to_the_disks_of_all_nodes(desk, tmp_path):
    (tmp_path / "patches/train").mkdir(parents=True)
    (tmp_path / "patches/train/pa-3900000-0.npz").write_text("never read here")
    write_run(desk)
    job = desk.submit("sweep.fold=[0]", "--nodes", 2, "--stage", tmp_path / "patches")
    desk.wait()
    log = desk.log(job, 0).read_text()
    assert "1 patches on node1 itself" in log and "1 patches on node2 itself" in log


def test_logs_show_the_latest_of_each_experiment(desk):
    write_run(desk)
    assert desk.course("logs")[0] == 1
    desk.submit()
    desk.wait()
    status, text, _ = desk.course("logs", "--lines", 1)
    assert status == 0 and text.count("counted from 0 to 2") == 6
    assert desk.course("logs", 2)[1].count("==>") == 1


def test_slurm_says_why_it_refuses(desk):
    write_run(desk)
    status, _, complaint = desk.course("submit", "--partition", "no_such")
    assert status == 1 and "invalid partition specified: no_such" in complaint


def test_the_queue_is_listed_without_a_run(desk, capsys):
    assert cli.main(["cluster", "status"]) == 0 and "Nothing of yours" in capsys.readouterr().out
    write_run(desk, steps=600)
    desk.submit("sweep.fold=[0]")
    cli.main(["cluster", "status"])
    assert "a_sweep+sweep.fold=_0__results" in capsys.readouterr().out
