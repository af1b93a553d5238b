"""The state of a run is read from what is saved, from the queue and from the logs."""

from types import SimpleNamespace

import pytest

from helpers import cli
from helpers.slurm.client import Queued
from helpers.slurm.status import last_lines, latest_logs, progress, shorten, why


def job(index: int, state: str, reason: str = "None") -> Queued:
    return Queued(7, index, state, "node4" if state == "RUNNING" else "", "1:59:00", reason, "sweep")


def test_every_state_is_told_apart(tmp_path):
    folder = tmp_path / "jobs/sweep"
    folder.mkdir(parents=True)
    (folder / "6_2.log").write_text("epoch 1\nslurmstepd: error: exceeded memory limit\n\n")
    experiments = [SimpleNamespace(name=f"fold={fold}", folder=tmp_path / f"{fold}") for fold in range(7)]
    run = SimpleNamespace(name="sweep", experiments=experiments, missing=lambda: [1, 2, 3, 4, 5, 6])
    queue = [job(1, "RUNNING"), job(3, "PENDING", "Priority"), job(4, "PENDING", "SomethingNew")]
    queued = {job.index: job for job in queue}
    found = progress(run, queued, latest_logs(folder), taken={6})
    assert [(each.state, each.told) for each in found] == [
        ("finished", ""),
        ("running", "on node4, 1:59:00 left"),
        ("stopped", "slurmstepd: error: exceeded memory limit"),
        ("waiting", "others come first"),
        ("waiting", "SomethingNew"),
        ("not submitted", ""),
        ("stopped", "left the queue before it began: was it cancelled?"),
    ]
    assert [each.experiment for each in found] == [f"fold={fold}" for fold in range(7)]


def test_without_the_queue_what_is_on_the_disk_is_told(tmp_path):
    (tmp_path / "6_1.log").write_text("epoch 3\n")
    experiments = [SimpleNamespace(name=f"fold={fold}", folder=tmp_path / f"{fold}") for fold in range(4)]
    (tmp_path / "3").mkdir()
    run = SimpleNamespace(name="sweep", experiments=experiments, missing=lambda: [1, 2, 3])
    found = [(each.state, each.told) for each in progress(run, None, latest_logs(tmp_path))]
    assert found[:3] == [("finished", ""), ("not finished", "epoch 3"), ("not submitted", "")]
    assert found[3][0] == "stopped" and f"remove {tmp_path / '3'}" in found[3][1]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("JobHeldUser", "is held by you: scontrol release JOB"),
        ("PartitionConfig", "asks for what this partition does not give: another partition, or less"),
        ("PartitionTimeLimit", "asks for more time than this partition gives: cancel it and submit with less"),
        ("(DependencyNeverSatisfied)", "waits for a job that failed, and will never start: cancel it"),
        ("ReqNodeNotAvail, UnavailableNodes:node3", "the nodes are reserved or down (UnavailableNodes:node3)"),
        ("AssocGrpCPUMinutesLimit", "at a limit of your account: AssocGrpCPUMinutesLimit"),
        ("QOSMaxNodePerUserLimit", "at a limit of your account: QOSMaxNodePerUserLimit"),
        ("MaxCpuPerAccount", "at a limit of your account: MaxCpuPerAccount"),
        ("QOSNotAllowed", "this partition takes no jobs of that qos: cancel it and submit with another"),
        (
            "(Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions)",
            "the nodes are reserved or down (DRAINED or reserved for jobs in higher priority partitions)",
        ),
        ("FedJobLock", "FedJobLock"),
    ],
)
def test_slurm_s_reasons_are_told_in_words(reason, told):
    assert why(reason) == told


@pytest.mark.parametrize(
    ("state", "node", "reason", "told"),
    [
        (
            "REQUEUE_HOLD",
            "",
            "job requeued in held state",
            ("waiting", "came back into the queue and is held"),
        ),
        ("SPECIAL_EXIT", "", "JobHeldAdmin", ("waiting", "is held by an administrator")),
        ("SUSPENDED", "node2", "None", ("running", "on node2, 0:10 left")),
        ("COMPLETING", "node2", "None", ("running", "on node2, 0:10 left")),
    ],
)
def test_what_is_held_waits_whatever_slurm_calls_it(tmp_path, state, node, reason, told):
    experiment = SimpleNamespace(name="fold=0", folder=tmp_path / "0")
    run = SimpleNamespace(name="sweep", experiments=[experiment], missing=lambda: [0])
    (found,) = progress(run, {0: Queued(7, 0, state, node, "0:10", reason, "sweep")}, {})
    assert found.state == told[0] and found.told.startswith(told[1])


def test_the_end_of_a_long_line_is_told():
    line = f"OSError: cannot write {'x' * 300}: No space left on device"
    assert shorten(line).endswith("No space left on device") and shorten(line).startswith("OSError: cannot write")
    assert len(shorten(line)) < 250 and shorten("short") == "short"


@pytest.mark.parametrize("point", ["No space left on device", "Read-only file system", "Disk quota exceeded"])
@pytest.mark.parametrize(
    "told",
    [
        "epoch 3 could not be kept in {}: {}. What was kept before is still there: make room (or name another folder "
        "in COURSE_EXPERIMENTS) and run this again.",
        "fold=3 is trained, but could not be saved in {}: {}. Make room and run this again: nothing is trained a "
        "second time.",
        "{} cannot be written: {}. Free the disk, or name another folder: "
        "export COURSE_EXPERIMENTS=/scratch/$USER/experiments",
    ],
    ids=["epoch", "result", "lock"],
)
def test_the_point_is_told_of_what_the_course_says_of_a_disk(point, told):
    assert point in shorten(f"course train: {told.format('/scratch' + '/deep' * 40, point)}")


def test_the_latest_log_is_that_of_the_highest_job(tmp_path):
    for name in ("9_0.log", "10_0.log", "10_11.log", "11_results.log", "train.sbatch"):
        (tmp_path / name).touch()
    assert {index: path.name for index, path in latest_logs(tmp_path).items()} == {0: "10_0.log", 11: "10_11.log"}


@pytest.mark.parametrize(
    ("text", "count", "lines"),
    [
        ("", 3, []),
        ("a\n\nb\n", 3, ["a", "b"]),
        ("a\nb\nc", 2, ["b", "c"]),
        ("10%\r20%\r30%\ndone\r\n", 2, ["30%", "done"]),
        ("x" * 50_000 + "\nend\n", 1, ["end"]),
    ],
)
def test_the_end_of_a_log(tmp_path, text, count, lines):
    (tmp_path / "log").write_bytes(text.encode())
    assert last_lines(tmp_path / "log", count) == lines


def test_less_than_a_line_of_each_log_is_refused(tmp_path, capsys):
    (tmp_path / "sweep.toml").touch()
    assert cli.main(["cluster", "logs", str(tmp_path / "sweep.toml"), "--lines", "0"]) == 2
    assert "--lines: must be a whole number, 1 or more; received 0." in capsys.readouterr().err


def test_a_job_is_called_what_slurm_calls_it():
    assert (job(3, "RUNNING").label, job(-1, "RUNNING").label) == ("7_3", "7")
