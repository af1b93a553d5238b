"""What was submitted is what runs, and what `status`, `logs` and `cancel` are about, whatever becomes of the file."""

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers import cli
from helpers.experiments import load_results
from helpers.experiments.run_file import home_of, read_run
from helpers.slurm import submissions
from helpers.slurm.jobs import label_of
from helpers.slurm.sites import ClusterError

SUBMIT = """
import sys, types
tasks = types.ModuleType("helpers.experiments.tasks")  # no Keras: this is about two processes
tasks.rehearse = lambda *_: ""
sys.modules["helpers.experiments.tasks"] = tasks
from helpers import cli
sys.exit(cli.main(["cluster", "submit", *sys.argv[1:]]))
"""


def edit(path: Path, *pair: str) -> None:
    assert pair[0] in path.read_text()
    path.write_text(path.read_text().replace(*pair))


def states(said: str) -> dict[str, str]:
    """Return the state of each experiment, by its name, and its number before it."""
    rows = [line.split() for line in said.splitlines() if line[:1].isdigit() and "=" in line.split()[1]]
    return {f"{index} {name}": state for index, name, state, *_ in rows}


def save(experiment) -> None:
    experiment.folder.mkdir(parents=True)
    record = {"parameters": experiment.parameters, "defaults": experiment.defaults}
    (experiment.folder / "parameters.json").write_text(json.dumps(record))


def test_all_that_was_submitted_is_kept(pretend, course, run_file):
    status, said, _ = course("submit", run_file, "epochs=3", "--memory", "3G", "--index", "0,2-3")
    assert status == 0 and "job 41: experiments 0,2-3 of folds+epochs=3\njob 42: the results" in said
    folder = run_file.parent / "jobs/folds+epochs=3/1"
    assert (folder / "folds.toml").read_text() == run_file.read_text()
    record = json.loads((folder / "submission.json").read_text())
    assert record["jobs"] == {"training": 41, "results": 42} and record["indices"] == [0, 2, 3]
    assert record["asked"]["memory"] == "3G" and record["overrides"] == ["epochs=3"]
    assert "numpy" in record["code"] and "course" in record["code"]
    experiments = read_run(run_file, ["epochs=3"]).experiments
    assert [(each["index"], each["name"]) for each in record["experiments"]] == [
        (index, each.name) for index, each in enumerate(experiments)
    ]
    loaded = submissions.load(folder)
    assert loaded.run.experiments == experiments and loaded.file == run_file and loaded.number == 1
    assert f"train {folder}/folds.toml epochs=3 --index" in (folder / "train.sbatch").read_text()
    assert home_of(folder / "folds.toml") == run_file.parent == home_of(run_file)


@pytest.mark.parametrize(
    ("edited", "told"),
    [
        (("[0, 1, 2, 3, 4]", "[9, 0, 1, 2, 3, 4]"), "sweep.fold = [9, 0, 1, 2, 3, 4] now; submitted: [0, 1, 2, 3, 4]"),
        (("[0, 1, 2, 3, 4]", "[7, 8]"), "sweep.fold = [7, 8] now; submitted: [0, 1, 2, 3, 4]"),
        (("[model]", "[training]\nepochs = 9\n[model]"), "training.epochs = 9 now; submitted: not set"),
        (('split = "folds"\n', ""), 'data.split is not set now; submitted: "folds"'),
        (("[data]", 'run = "other"\n[data]'), 'run = "other" now; submitted: not set'),
        (("[data]", "[data"), "it cannot be read now"),
        (("[0, 1, 2, 3, 4]", "[4, 3, 2, 1, 0]"), "sweep.fold = [4, 3, 2, 1, 0] now; submitted: [0, 1, 2, 3, 4]"),
        (("[sweep]", "[cluster]\ncores = 3\n[sweep]"), "cluster.cores = 3 now; submitted: not set"),
    ],
)
def test_a_file_that_is_edited_changes_nothing_and_is_told(pretend, course, run_file, edited, told):
    course("submit", run_file)
    before = states(course("status", run_file)[1])
    edit(run_file, *edited)
    status, said, _ = course("status", run_file)
    assert status == 0 and states(said) == before == {f"{fold} fold={fold}": "waiting" for fold in range(5)}
    assert "folds.toml is not what was submitted" in said and told in said
    frozen = run_file.parent / "jobs/folds/1/folds.toml"
    status, said, _ = course("status", frozen)
    assert states(said) == before and "is not what" not in said
    assert course("cancel", run_file, 1)[1] == "cancelled: experiments 1 of folds\n"
    assert (pretend / "cancelled").read_text() == "41_1\n"


@pytest.mark.parametrize(
    ("replace", "told"),
    [
        (lambda path: path.mkdir(), "it cannot be read now: "),
        (lambda path: path.write_bytes(b"# \xfc\n"), "it cannot be read now: "),
        (lambda path: path.symlink_to("nowhere.toml"), "it is not there any more"),
        (lambda path: path.touch(), "sweep.fold is not set now; submitted: [0, 1, 2, 3, 4]"),
    ],
    ids=["folder", "latin-1", "dangling link", "empty"],
)
def test_what_stands_in_the_place_of_the_file_changes_nothing(pretend, course, run_file, replace, told):
    course("submit", run_file)
    run_file.unlink()
    replace(run_file)
    status, said, _ = course("status", run_file)
    assert status == 0 and "5 waiting" in said and told in said
    assert course("cancel", run_file, 2)[1] == "cancelled: experiments 2 of folds\n"
    status, _, complaint = course("submit", run_file)
    assert status > 0 and "folds.toml" in complaint


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("100% sure", "my folds.toml"),
        ("ümläut [a]", "[x]*.toml"),
        ('it\'s "$HOME" `x`;&#', "-50%.toml"),
        ("jobs/folds/1", "ümlaut.toml"),
    ],
)
def test_whatever_a_file_and_its_folder_are_called_what_was_submitted_is_found(
    pretend, course, run_file, tmp_path, folder, name
):
    path = tmp_path / folder / name
    path.parent.mkdir(parents=True)
    path.write_text('run = "mine"\n' + run_file.read_text())
    assert course("submit", path)[0] == 0
    frozen = path.parent / "jobs/mine/1" / name
    script = frozen.with_name("train.sbatch").read_text()
    called = script.replace("./course train", "printf '%s\\n'")
    done = subprocess.run(
        ["bash", "-c", called], env={**os.environ, "SLURM_ARRAY_TASK_ID": "3"}, text=True, capture_output=True
    )
    assert done.stdout == f"{frozen}\n--index\n3\n", done.stderr
    assert "5 waiting" in course("status", path)[1]
    path.rename(path.with_name("other.toml"))
    said = course("status", path)[1]
    assert "5 waiting" in said and "it is not there any more" in said
    assert course("cancel", path, 1)[1] == "cancelled: experiments 1 of mine\n"


def test_a_file_that_has_gone_or_goes_by_another_name_is_found_by_what_was_submitted(pretend, course, run_file):
    edit(run_file, "[data]", 'run = "mine"\n[data]')
    course("submit", run_file)
    run_file.rename(run_file.with_name("renamed.toml"))
    for name, told in {"folds.toml": "it is not there any more", "renamed.toml": "mine: 5 waiting\n"}.items():
        status, said, _ = course("status", run_file.with_name(name))
        assert status == 0 and "5 waiting" in said and told in said
    log = run_file.parent / "jobs/mine/1/41_3.log"
    log.write_text("epoch 1\n")
    assert str(log) in course("logs", run_file, 3)[1]
    assert course("cancel", run_file)[1] == "cancelled: experiments 0-4 of mine\n"
    assert course("status", run_file.with_name("never.toml"))[0] == 2


def test_no_log_of_another_experiment_is_a_reason(pretend, course, run_file):
    """A value in front gives every experiment another index, and another default another experiment of that name."""
    course("submit", run_file, "--index", "1")
    folder = run_file.parent / "jobs/folds"
    (folder / "1/41_1.log").write_text("this was fold 1\n")
    (pretend / "queue").unlink()
    edit(run_file, "[0, 1, 2, 3, 4]", "[9, 0, 1, 2, 3, 4]")
    course("submit", run_file, "--index", "0")
    said = course("status", run_file)[1]
    assert states(said)["2 fold=1"] == "stopped" and said.count("this was fold 1") == 1
    assert states(said)["0 fold=9"] == "waiting" and states(said)["1 fold=0"] == "not"
    (pretend / "queue").unlink()
    edit(run_file, "[model]", "[training]\nepochs = 9\n[model]")
    course("submit", run_file, "--index", "0")
    said = course("status", run_file)[1]
    assert states(said)["2 fold=1"] == "not" and "this was fold 1" not in said


def test_what_an_earlier_submission_still_trains_is_told_and_cancelled(pretend, course, run_file):
    course("submit", run_file)
    edit(run_file, "[0, 1, 2, 3, 4]", "[4, 7]")
    status, _, complaint = course("submit", run_file)
    assert status == 1 and "experiments 0 of folds are in the queue (job 41)" in complaint
    assert "experiments 1 of folds" in course("submit", run_file, "--missing")[1]
    said = course("status", run_file)[1]
    assert states(said) == {"0 fold=4": "waiting", "1 fold=7": "waiting"} and "is not what was submitted" not in said
    assert f"Submission 1 has 4 more in the queue: ./course cluster status {run_file.parent}/jobs/folds/1/" in said
    assert course("cancel", run_file, 0)[1] == "cancelled: experiments 0 of folds\n"
    assert (pretend / "cancelled").read_text() == "41_4\n"
    assert "cancelled: experiments 0-3 of submission 1 of folds" in course("cancel", run_file)[1]


def test_runs_of_one_name_in_two_folders_never_cross(pretend, course, run_file, tmp_path):
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files.append(tmp_path / name / "folds.toml")
        files[-1].write_text(run_file.read_text())
    one, other = files
    course("submit", one, "--index", "0-2")
    assert states(course("status", other)[1]) == {f"{fold} fold={fold}": "not" for fold in range(5)}
    assert course("cancel", other)[1] == "Nothing to cancel: no such job of folds is in the queue.\n"
    course("submit", other, "--index", "4")
    assert [state for state in states(course("status", one)[1]).values()] == ["waiting"] * 3 + ["not"] * 2
    assert course("cancel", other)[1] == "cancelled: experiments 4 of folds\n"
    assert (pretend / "cancelled").read_text() == "44 43_4\n", "with the job that gathers the results"
    edit(pretend / "queue", str(one.parent / "jobs/folds/1/train.sbatch"), "/var/spool/slurm_script")
    assert "3 waiting" in course("status", one)[1], "then by the number"


def test_a_job_of_another_cluster_that_had_the_number_is_not_ours(pretend, course, run_file):
    """Numbers begin anew where Slurm is set up anew, as on every practice cluster."""
    course("submit", run_file)
    edit(pretend / "queue", str(run_file.parent / "jobs/folds/1"), "/home/me/elsewhere/jobs/folds/1")
    assert "5 stopped" in course("status", run_file)[1]


def test_what_was_submitted_before_there_were_records_is_told_by_its_name_and_logs(pretend, course, run_file):
    folder = run_file.parent / "jobs/folds"
    folder.mkdir(parents=True)
    (folder / "7_2.log").write_text("as it was\n")
    line = "7|{}|RUNNING|node1|1:00:00|None|folds|{}\n"
    (pretend / "queue").write_text(
        line.format(3, folder / "train.sbatch") + line.format(1, "/b/jobs/folds/train.sbatch")
    )
    said = course("status", run_file)[1]
    assert states(said)["3 fold=3"] == "running" and states(said)["2 fold=2"] == "stopped" and "as it was" in said
    assert states(said)["1 fold=1"] == "not", "it is of a run in another folder"
    assert str(folder / "7_2.log") in course("logs", run_file)[1]
    assert "experiments 3 of folds are in the queue (job 7)" in course("submit", run_file)[2]


def test_what_slurm_refuses_leaves_nothing(pretend, course, run_file):
    (pretend / "refuse").touch()
    assert course("submit", run_file)[0] == 1
    assert [path.name for path in (run_file.parent / "jobs/folds").iterdir()] == ["lock"]
    (pretend / "refuse").unlink()
    assert "job 41" in course("submit", run_file)[1] and (run_file.parent / "jobs/folds/1").is_dir()


def submit_elsewhere(pretend: Path, *words: object) -> subprocess.Popen:
    """Start another process that submits, and wait until its sbatch is asked, which waits for `block` to go."""
    (pretend / "block").touch()
    process = subprocess.Popen([sys.executable, "-c", SUBMIT, *map(str, words)], cwd=Path(cli.__file__).parents[2])
    wait_for(pretend / "asked")
    return process


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.02)


def test_of_two_that_submit_at_once_one_wins(pretend, course, run_file):
    process = submit_elsewhere(pretend, run_file)
    for words in ([], ["--missing"]):
        status, said, complaint = course("submit", run_file, *words)
        assert status == 1 and not said
        assert f"Process {process.pid} on " in complaint and "submits folds at this moment" in complaint
    (pretend / "block").unlink()
    assert process.wait(60) == 0
    assert "are in the queue (job 41)" in course("submit", run_file)[2]
    assert len((pretend / "queue").read_text().splitlines()) == 6


def test_threads_of_one_process_win_one_at_a_time_and_other_runs_do_not_wait(tmp_path):
    def submit(folder):
        with submissions.submitting(folder):
            return folder.name

    with submissions.submitting(tmp_path / "folds"), ThreadPoolExecutor() as threads:
        one, *others = (threads.submit(submit, tmp_path / name) for name in ("folds", "folds+epochs=3", "seeds"))
        with pytest.raises(ClusterError, match=f"Process {os.getpid()} on .* submits folds at this moment, and won"):
            one.result()
        assert [each.result() for each in others] == ["folds+epochs=3", "seeds"]
    assert submit(tmp_path / "folds") == "folds"


@pytest.mark.parametrize("banner", ["2027", "12;cluster"])
def test_a_number_that_may_be_another_is_not_taken_and_the_jobs_are_found(pretend, course, run_file, banner):
    sbatch = pretend / "bin/sbatch"
    sbatch.write_text(sbatch.read_text().replace("#!/bin/sh", f"#!/bin/sh\necho '{banner}'"))
    status, said, complaint = course("submit", run_file)
    assert status == 1 and not said and f"which number it gave is not told by: '{banner}\\n41'" in complaint
    assert "5 waiting" in course("status", run_file)[1]
    assert "experiments 0-4 of folds are in the queue (job 41)" in course("submit", run_file)[2]
    assert course("cancel", run_file)[1] == "cancelled: experiments 0-4 of folds\n"


def test_what_was_written_and_never_queued_is_told_and_replaced(pretend, course, run_file):
    process = submit_elsewhere(pretend, run_file, "--index", "0-1")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (pretend / "blocked").touch()  # so the sbatch that it has left behind refuses
    (pretend / "block").unlink()
    wait_for(pretend / "refused")
    said = course("status", run_file)[1]
    assert "5 not submitted" in said and "Submission 1 was written, and never queued" in said
    (pretend / "blocked").unlink()
    assert "job 41: experiments 3 of folds" in course("submit", run_file, "--index", "3")[1]
    assert [each.indices for each in submissions.submissions_of(run_file, [])] == [[3]]
    assert "never queued" not in course("status", run_file)[1]


def test_what_was_queued_and_not_numbered_is_found_by_its_script(pretend, course, run_file):
    course("submit", run_file, "--index", "0-1")
    record = run_file.parent / "jobs/folds/1/submission.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "jobs": {}}))
    said = course("status", run_file)[1]
    assert "2 waiting, 3 not submitted" in said and "never queued" not in said
    assert "experiments 0-1 of folds are in the queue" in course("submit", run_file)[2]


def test_chosen_experiments_are_submitted(pretend, course, run_file):
    save(read_run(run_file).experiments[0])
    course("submit", run_file, "--index", "1,3")
    (pretend / "queue").unlink()
    (run_file.parent / "jobs/folds/1/41_3.log").write_text("out of memory\n")
    assert "experiments 1,3 of folds" in course("submit", run_file, "--failed")[1]
    assert "none has stopped" in course("submit", run_file, "--failed")[1]
    assert "experiments 2,4 of folds" in course("submit", run_file, "--missing")[1]
    assert "none is missing" in course("submit", run_file, "--missing")[1]
    assert "there is no 5" in course("submit", run_file, "--index", "0,5")[2]
    assert "there is no 99999999999" in course("submit", run_file, "--index", "0-99999999999")[2]
    (pretend / "queue").unlink()
    assert "experiments 2-4 of folds" in course("submit", run_file, "--index", "3, 2-4,3")[1], "each of them once"
    for slip in ("a", "3-", "4-2", "", "1.5", "4,", "0x3"):
        status, _, complaint = course("submit", run_file, "--index", slip)
        assert status == 2 and "must be indices, such as 3,7-9" in complaint


def test_a_frozen_run_is_submitted_once_more_as_it_was(pretend, course, run_file):
    course("submit", run_file, "--index", "0")
    (pretend / "queue").unlink()
    edit(run_file, "[0, 1, 2, 3, 4]", "[7]")
    assert "experiments 0-4 of folds" in course("submit", run_file.parent / "jobs/folds/1/folds.toml")[1]
    second = submissions.load(run_file.parent / "jobs/folds/2")
    assert second.file == run_file and [each.parameters["fold"] for each in second.run.experiments] == [0, 1, 2, 3, 4]


def test_a_damaged_record_is_named(pretend, course, run_file):
    course("submit", run_file)
    record = run_file.parent / "jobs/folds/1/submission.json"
    record.write_text(record.read_text()[:90])
    status, _, complaint = course("status", run_file)
    assert status == 1 and f"{record} cannot be read" in complaint and f"remove {record.parent}" in complaint


def test_code_that_has_changed_is_told_in_one_line():
    then = {"course": "0.2", "commit": "a" * 40, "changes": "b" * 12, "keras": "3.15"}
    assert submissions.code_changes(then, dict(then)) == ""
    now = {"course": "0.2", "commit": "c" * 40, "keras": "3.16"}
    assert submissions.code_changes(then, now) == (
        f"The code has changed since this was submitted: commit {'c' * 12} (submitted: {'a' * 12}), "
        f"changes none (submitted: {'b' * 12}), keras 3.16 (submitted: 3.15)."
    )


def test_a_label_is_found_again_however_its_overrides_are_spaced(pretend, course, run_file):
    course("submit", run_file, "filters = [8, 16]")
    assert "5 waiting" in course("status", run_file, "filters=[8,16]")[1]
    assert "5 not submitted" in course("status", run_file)[1]
    assert label_of(read_run(run_file), ["a = 1"]) == label_of(read_run(run_file), ["a=1"])


@pytest.mark.slow
def test_jobs_train_on_with_other_code_and_say_so(pretend, course, run_file, monkeypatch, capsys):
    course("submit", run_file, "--index", "3")
    frozen = run_file.parent / "jobs/folds/1/folds.toml"
    trained = []

    def train(experiment, *, submitted, **options):
        save(experiment)
        trained.append((experiment.name, submitted))

    monkeypatch.setattr("helpers.experiments.train.train", train)
    assert cli.main(["train", str(frozen), "--index", "3"]) == 0
    assert "has changed" not in capsys.readouterr().out
    record = json.loads(frozen.with_name("submission.json").read_text())
    record["code"]["commit"] = "0" * 40
    frozen.with_name("submission.json").write_text(json.dumps(record))
    assert cli.main(["train", str(frozen), "--index", "2"]) == 0
    assert capsys.readouterr().out.count("The code has changed since this was submitted: commit ") == 1
    assert cli.main(["train", str(run_file), "--index", "1"]) == 0
    code = submissions.submitted_code(frozen)
    assert [name for name, _ in trained] == ["fold=3", "fold=2", "fold=1"]
    assert [submitted for _, submitted in trained][1:] == [code, None]


def test_what_is_missing_and_results_say_that_the_file_has_changed(pretend, course, run_file, capsys):
    course("submit", run_file)
    for words in (["train", str(run_file), "--missing"], ["results", str(run_file)]):
        cli.main(words)
        assert "is not what was submitted" not in capsys.readouterr().err
    edit(run_file, "[0, 1, 2, 3, 4]", "[3]")
    for words in (["train", str(run_file), "--missing"], ["results", str(run_file)]):
        cli.main(words)
        told = capsys.readouterr().err
        assert f"({run_file.parent}/jobs/folds/1/folds.toml)" in told and "sweep.fold = [3] now" in told


@pytest.mark.parametrize("override", ["epochs=3", "sweep.filters=[[8, 16], [4, 8]]"])
def test_a_frozen_file_keeps_the_overrides_it_was_submitted_with(pretend, course, run_file, capsys, override):
    course("submit", run_file, override, "--index", "0-1")
    (pretend / "queue").unlink()
    run = read_run(run_file, [override])
    frozen = submissions.submissions_of(run_file, [override])[0].frozen
    said = course("status", frozen)[1]
    assert f"submit {shlex.join([str(frozen), override])} --missing" in said
    assert cli.main(["train", str(frozen), "--list"]) == 0
    assert (
        f"{len(run.experiments)} experiments" in (said := capsys.readouterr().out) and run.experiments[1].name in said
    )
    assert f"experiments 1 of {label_of(run, [override])}" in course("submit", frozen, "--index", "1")[1]
    save(run.experiments[0])
    assert cli.main(["train", str(frozen), "--missing"]) == 0
    assert capsys.readouterr().out == f"1-{len(run.experiments) - 1}\n"


@pytest.mark.parametrize(("option", "value", "gpu_hours"), [("--memory", "3G", "0.0"), ("--gpus", "2", "2.0")])
def test_the_report_compares_with_what_was_asked_for(pretend, course, run_file, monkeypatch, option, value, gpu_hours):
    monkeypatch.setattr("helpers.slurm.jobs.check_environment", lambda request, site: None)
    course("submit", run_file, option, value)
    asked = submissions.submissions_of(run_file, [])[0].asked
    run_file.write_text(run_file.read_text() + '[cluster]\nmemory = "64G"\n')
    experiment = read_run(run_file).experiments[0]
    save(experiment)
    (experiment.folder / "results.json").write_text(json.dumps({"seconds": 3600.0}))
    said = course("report", run_file)[1]
    assert f"Each job asks for 02:00:00 and {asked['memory']}." in said and f"{gpu_hours} GPU hours" in said
    assert "Each job asks for 02:00:00 and 64G." in course("report", run_file, "--site", "plain")[1]


def test_code_of_your_own_that_has_changed_is_told(pretend, course, run_file):
    edit(run_file, 'name = "unet"', 'build = "my_models.py:build"')
    for name, code in {"my_models.py": "import blocks\n", "blocks.py": "a = 1\n"}.items():
        run_file.with_name(name).write_text(code)
    course("submit", run_file)
    assert ".py" not in course("status", run_file)[1]
    edit(run_file.with_name("blocks.py"), "1", "2")
    said = course("status", run_file)[1]
    assert "\nblocks.py is another file than was submitted.\n" in said and "my_models" not in said
    run_file.with_name("my_models.py").unlink()
    assert "\nmy_models.py was submitted, and is not there any more.\n" in course("status", run_file)[1]
    assert ".py" not in course("status", run_file.parent / "jobs/folds/1/folds.toml")[1]


@pytest.mark.parametrize("name", ["old", "with space"])
def test_jobs_of_a_folder_that_has_moved_are_found_and_told(pretend, course, run_file, tmp_path, name):
    (tmp_path / name).mkdir()
    run_file = run_file.rename(tmp_path / name / "folds.toml")
    course("submit", run_file)
    assert "has been moved" not in course("status", run_file)[1]
    run_file.parent.rename(tmp_path / "new")
    status, said, _ = course("status", tmp_path / "new/folds.toml")
    assert status == 0 and "5 waiting" in said
    assert f"The jobs look for {tmp_path}/{name}/jobs/folds/1, which has been moved" in said
    assert "(job 41)" in course("submit", tmp_path / "new/folds.toml")[2]
    assert course("cancel", tmp_path / "new/folds.toml")[1] == "cancelled: experiments 0-4 of folds\n"
    assert (pretend / "cancelled").read_text() == "42 41_0 41_1 41_2 41_3 41_4\n"


def test_another_folder_of_experiments_is_told(pretend, course, run_file, tmp_path, monkeypatch):
    course("submit", run_file)
    assert "COURSE_EXPERIMENTS" not in course("status", run_file)[1]
    save(read_run(run_file).experiments[0])
    for other in (tmp_path / "scratch", tmp_path / "slurm"):
        monkeypatch.setenv("COURSE_EXPERIMENTS", str(other))
        said = course("status", run_file)[1]
        assert f"in {tmp_path}/experiments/folds, not in {other}/folds." in said
        assert f"COURSE_EXPERIMENTS={tmp_path}/experiments\n" in said and "finished" not in said
    assert submissions.load(run_file.parent / "jobs/folds/1").experiments_folder == f"{tmp_path}/experiments/folds"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("results.json", b'{"accuracy": 0.'),
        ("results.json", b"[0.5]"),
        ("results.json", b"\xff\xfe"),
        ("history.csv", b""),
        ("history.csv", b"epoch,loss\n1\n"),
        ("parameters.json", b""),
        ("parameters.json", b"null"),
    ],
)
def test_what_is_cut_is_named_and_the_rest_goes_on(pretend, run_file, capsys, name, content):
    edit(run_file, 'name = "unet"', 'build = "my_models.py:build"')
    run_file.with_name("my_models.py").write_text("a = 1\n")
    experiments = read_run(run_file).experiments
    for each in experiments[:3]:
        save(each)
        (each.folder / "results.json").write_text(json.dumps({"accuracy": 0.5, "seconds": 60}))
        (each.folder / "history.csv").write_text("epoch,loss\n1,0.5\n")
    damaged = experiments[1].folder / name
    damaged.write_bytes(content)
    for words in (["results", run_file, "--no-figures"], ["cluster", "report", run_file]):
        assert cli.main(list(map(str, words))) == 0
        said, complaint = capsys.readouterr()
        assert f"An experiment is left out. {damaged} cannot be read: " in complaint
        assert f"Remove {damaged.parent}, and train it again." in complaint
        assert ("2 of 5 experiments in" in said) == (words[0] == "results") and "fold=1" not in said
    for words in (["cluster", "status"], ["train", "--list"], ["cluster", "submit", "--missing"]):
        assert cli.main([*words, str(run_file)]) == (words[-1] == "status" and name == "parameters.json")
        assert "Error" not in capsys.readouterr().err
    with pytest.warns(UserWarning, match=f"An experiment is left out. .*{name} cannot be read"):
        assert load_results("folds")["fold"].tolist() == [0, 2]


@pytest.mark.parametrize(
    "words", [["train", "--list"], ["results", "--no-figures"], ["cluster", "status"], ["cluster", "submit"]]
)
def test_results_of_other_code_are_told_in_one_line(pretend, run_file, tmp_path, capsys, words):
    """Two run files of one name keep their experiments in one place, whatever models lie beside them."""
    edit(run_file, 'name = "unet"', 'build = "my_models.py:build"')
    mine = tmp_path / "mine"
    mine.mkdir()
    for folder, code in {tmp_path: b"a = 1\n", mine: b"a = 2\n"}.items():
        (folder / "folds.toml").write_text(run_file.read_text())
        (folder / "my_models.py").write_bytes(code)
    for each in read_run(run_file).experiments[:2]:
        save(each)
        made = {"SHA-256 of my_models.py": hashlib.sha256(b"a = 1\n").hexdigest()}
        (each.folder / "results.json").write_text(json.dumps({"accuracy": 0.5, "provenance": made}))
        (each.folder / "history.csv").write_text("epoch,loss\n1,0.5\n")
    command, options = (words[:1], words[1:]) if words[0] != "cluster" else (words, [])
    for file, count in {run_file: 0, mine / "folds.toml": 1}.items():
        assert cli.main([*command, str(file), *options]) == 0
        told = "2 of the finished experiments of run folds were trained with another my_models.py."
        assert capsys.readouterr().err.count(told) == count
