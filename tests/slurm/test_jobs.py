"""What `./course cluster` writes for Slurm can be read, is what was asked for, and holds no secret."""

import json
import subprocess
from pathlib import Path

import pytest

from helpers import cli
from helpers.experiments.run_file import read_run
from helpers.slurm import sites
from helpers.slurm.jobs import Jobs
from helpers.slurm.sites import ClusterError, Request, Site, load_site, merge

SAMPLE = Path(__file__).parents[1] / "samples/oscer.sbatch"
CLUSTER = """
[cluster]
time = "04:00:00"
stage = "/scratch/me/my patches"
"""


@pytest.fixture
def run_file(run_file, monkeypatch):
    monkeypatch.setattr("helpers.experiments.tasks.rehearse", lambda *_: "")  # this is about scripts
    run_file.write_text(run_file.read_text() + CLUSTER)
    return run_file


@pytest.fixture
def rendered(run_file, capsys):
    """Give the function that prints the script: `rendered("--gpus", "2")`."""

    def call(*arguments: str) -> str:
        capsys.readouterr()
        assert cli.main(["cluster", "submit", str(run_file), "--dry-run", *arguments]) == 0
        return capsys.readouterr().out

    return call


def options_of(script: str) -> list[str]:
    """Return the options of `sbatch` in a script, without what they mean."""
    lines = [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH ")]
    return [line.partition("  # ")[0].rstrip() for line in lines]


def test_the_worked_example_is_the_script_that_the_tests_know(rendered, run_file):
    """Change tests/samples/oscer.sbatch on purpose only: students read it."""
    found = rendered("--site", "oscer", "--mail", "me@ou.edu", "epochs=3")
    places = {str(run_file.parent): "/home/me/runs", str(sites.ROOT): "/home/me/course"}
    for here, there in places.items():
        found = found.replace(here, there)
    assert in_one_column(found) == in_one_column(SAMPLE.read_text())


def in_one_column(script: str) -> list[str]:
    """Return the lines of a script; where their remarks begin depends on how long the path of the log is."""
    return [" ".join(line.split()) for line in script.splitlines()]


@pytest.mark.parametrize("arguments", [[], ["--site", "oscer"], ["--gpus", "2", "--mail", "a@b"], ["--stage", ""]])
def test_scripts_are_bash(rendered, arguments):
    subprocess.run(["bash", "-n"], input=rendered(*arguments), text=True, check=True)


def test_the_command_line_has_the_last_word_then_the_run_then_the_site(rendered, run_file):
    found = options_of(rendered("--site", "oscer", "--memory", "64G"))
    assert {"--mem=64G", "--time=04:00:00", "--cpus-per-task=8", "--array=0-4%10"} <= set(found)
    assert "--partition=sooner_gpu_test" in found and "--gres=gpu:1" in found
    without = options_of(rendered("--site", "oscer", "--gpus", "0"))
    assert "--partition=sooner_test" in without and not [each for each in without if "gres" in each]
    assert "--partition=mine" in options_of(rendered("--site", "oscer", "--partition", "mine"))


def test_only_what_is_missing_is_asked_for(rendered, run_file, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "kept"))
    for index in (0, 3):
        folder = read_run(run_file).experiments[index].folder
        folder.mkdir(parents=True)
        parameters = {"data": "chesapeake", "split": "folds", "model": "unet", "fold": index}
        (folder / "parameters.json").write_text(json.dumps({"parameters": parameters, "defaults": {}}))
    assert "--array=1-2,4%20" in options_of(rendered("--missing"))


def test_where_things_are_is_written_into_the_script(rendered, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_DATA", "/scratch/me/data:here")
    monkeypatch.setenv("COURSE_EXPERIMENTS", "/scratch/my runs")
    script = rendered()
    assert f"export COURSE_DATA=/scratch/me/data:{tmp_path}/here\n" in script
    assert "export COURSE_EXPERIMENTS='/scratch/my runs'\n" in script


@pytest.mark.parametrize("place", ["patches", "$WORK/patches", "~/patches"])
def test_data_are_named_in_full_for_the_job_begins_elsewhere(rendered, monkeypatch, tmp_path, place):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORK", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert f"data stage {tmp_path}/patches >" in rendered("--stage", place)


@pytest.mark.parametrize("where", ["run file", "site", "run file, for some"])
def test_a_folder_in_a_file_is_seen_from_that_file_wherever_one_stands(
    rendered, run_file, monkeypatch, tmp_path, where
):
    run_file.write_text(run_file.read_text().partition("[cluster]")[0])
    (tmp_path / "sites").mkdir()
    site, home = tmp_path / "sites/mine.toml", tmp_path
    if where == "site":
        site.write_text('stage = "data/patches"\n')
        home = site.parent
    else:
        site.touch()
        table = "[cluster]" if where == "run file" else "[cluster.when.fold.3]"
        run_file.write_text(f'{run_file.read_text()}{table}\nstage = "data/patches"\n')
    for folder in (tmp_path / "a", tmp_path / "a/b"):
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert rendered("--site", str(site)).count(f" data stage {home}/data/patches >") == 1


def test_nothing_else_of_the_environment_gets_into_a_script(rendered, monkeypatch):
    for name in ("WANDB_API_KEY", "JUPYTER_TOKEN", "COURSE_SECRET"):
        monkeypatch.setenv(name, "s3cr3t")
    assert "s3cr3t" not in rendered("--site", "oscer")


@pytest.mark.parametrize(
    ("time", "warning"), [("2-00:00:00", 120), ("00:10:00", 120), ("00:04:00", 60), ("00:01:00", 15)]
)
def test_training_hears_of_the_limit_in_time_but_not_at_once(rendered, time, warning):
    assert f"--signal=B:USR1@{warning}" in options_of(rendered("--time", time))


def test_what_centres_want_first_can_be_asked_for_anywhere(rendered, run_file):
    run_file.write_text(run_file.read_text() + '\nqos = "long"\nexclude = "node[1-3]"\n')
    found = options_of(rendered("--account", "deep", "--gpus", "2", "--gpu-type", "a100", "--dependency", "afterok:7"))
    assert {"--account=deep", "--qos=long", "--exclude='node[1-3]'", "--dependency=afterok:7"} <= set(found)
    other = options_of(rendered("--constraint", "a100 & nvlink", "--reservation", "the class"))
    assert {"--constraint='a100 & nvlink'", "--reservation='the class'"} <= set(other)
    assert "--gres=gpu:a100:2" in found and not [each for each in found if "constraint" in each or "reserv" in each]


@pytest.mark.parametrize("name", ["account", "qos", "reservation"])
def test_what_is_asked_for_comes_behind_what_a_site_always_adds(rendered, tmp_path, name):
    """Of two options alike Slurm takes the last."""
    site = tmp_path / "mine.toml"
    site.write_text(f'sbatch = ["--{name}=usual"]\n')
    both = [f"--{name}=usual", f"--{name}=deep"]
    found = options_of(rendered("--site", str(site), f"--{name}", "deep"))
    assert [each for each in found if each.startswith(f"--{name}")] == both


def test_a_log_lies_in_its_folder_whatever_that_is_called():
    """Slurm's patterns begin with %, and behind a backslash it knows none."""
    assert sites.log_option(Path("/a 100%/%j"), "%A_%a.log") == "--output='/a 100%%/%%j/%A_%a.log'"
    with pytest.raises(ClusterError, match="backslash in its name"):
        sites.log_option(Path("/a\\b"), "%j.log")


def test_no_limit_is_no_time(run_file, capsys):
    for time in ("00:00:00", "0-00:00:00"):
        assert cli.main(["cluster", "submit", str(run_file), "--dry-run", "--time", time]) == 1
        assert f"the time {time} would be no limit" in capsys.readouterr().err


@pytest.mark.parametrize("time", ["90", "4h", "1-12", "00:5:00"])
def test_a_time_that_is_none_is_told(run_file, time, capsys):
    assert cli.main(["cluster", "submit", str(run_file), "--dry-run", "--time", time]) == 1
    assert f"the time {time!r} is not hours:minutes:seconds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--cores", "option --cores: cores must be greater than 0; received 0"),
        ("--at-once", "option --at-once: at_once must be greater than 0"),
        ("--nodes", "nodes must be greater than 0"),
    ],
)
def test_nothing_is_not_asked_for(run_file, option, told, capsys):
    assert cli.main(["cluster", "submit", str(run_file), "--dry-run", option, "0"]) == 1
    assert told in capsys.readouterr().err
    assert cli.main(["cluster", "submit", str(run_file), "--dry-run", "--gpus", "-1"]) == 1
    assert "option --gpus: gpus must be greater than or equal to 0; received -1" in capsys.readouterr().err


def test_data_are_copied_to_every_node_before_the_first_tells_where(rendered):
    command = "./course data stage '/scratch/me/my patches'"
    script = rendered("--nodes", "2", "--cores", "4")
    everywhere = f"\nstep srun --kill-on-bad-exit=1 --cpus-per-task=4 {command} >/dev/null || leave $?\n"
    assert f'{everywhere}step {command} >"$where" || leave $?\n' in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    assert rendered().count("data stage") == 1


def test_several_nodes_get_a_worker_each(rendered):
    script = rendered("--nodes", "2", "--cores", "4")
    assert {"--nodes=2", "--ntasks-per-node=1"} <= set(options_of(script))
    assert "\nstep srun --kill-on-bad-exit=1 --cpus-per-task=4 ./course train" in script
    assert "srun" not in rendered()


def test_conda_takes_the_place_of_the_front_door(run_file):
    conda = Site("mine", Request(), setup=["source activate autoencoders"], course="python -m helpers.cli")
    script = Jobs(run_file, read_run(run_file), Request(), conda).training([0])
    assert "source activate autoencoders\n" in script and "./course" not in script.partition("cd ")[2]
    assert f"python -m helpers.cli train {run_file.parent}/jobs/folds/1/folds.toml --index" in script


def test_a_run_with_overrides_has_jobs_logs_and_results_of_its_own(run_file):
    overrides = ["fold=1", "filters = [8, 16]"]
    jobs = Jobs(run_file, read_run(run_file, overrides), Request(), load_site("plain"), overrides)
    label = "folds+fold=1+filters=_8_16_"
    for script, name in [(jobs.training([0]), label), (jobs.results(), f"{label}_results")]:
        assert f"--job-name={name}" in options_of(script)
        assert f"{run_file.parent}/jobs/{label}/1/%" in script
    frozen = run_file.parent / f"jobs/{label}/1/folds.toml"
    assert f"./course results {frozen} fold=1 'filters = [8, 16]'\n" in jobs.results()


def test_the_results_take_no_gpu(run_file):
    site = load_site("oscer")
    script = Jobs(run_file, read_run(run_file), merge(site.request, {"gpus": 2}), site).results()
    assert not [each for each in options_of(script) if "gres" in each or "array" in each]
    request = merge(site.request, {"gpus": 2, "qos": "gpus", "constraint": "a100", "account": "deep"})
    lean = options_of(Jobs(run_file, read_run(run_file), request, site).results())
    assert "--account=deep" in lean and not [each for each in lean if "qos" in each or "constraint" in each]
    assert f"./course results {run_file.parent}/jobs/folds/1/folds.toml\n" in script


def test_what_a_run_asks_for_must_be_known(run_file, capsys):
    run_file.write_text(run_file.read_text().replace("stage", "gpu") + "gpus = 'one'\n")
    assert cli.main(["cluster", "submit", str(run_file), "--dry-run"]) == 1
    complaint = capsys.readouterr().err
    assert f"{run_file}, line " in complaint and "'gpu' is not known. Did you mean 'gpus'?" in complaint


@pytest.mark.parametrize("where", ["a run file", "an option", "a folder"])
def test_a_line_break_gets_into_no_line_of_a_script(run_file, capsys, where):
    text, words = run_file.read_text(), [str(run_file), "--dry-run"]
    if where == "a run file":
        run_file.write_text(text.replace("/scratch/me/my patches", r"/scratch/me\nrm -r x"))
    elif where == "an option":
        words += ["--mail", "me@ou.edu\nrm -r x"]
    else:
        folder = run_file.parent / "a\nrm -r x"
        folder.mkdir()
        (folder / "land.toml").write_text(text)
        words[0] = str(folder / "land.toml")
    assert cli.main(["cluster", "submit", *words]) == 1
    said, complaint = capsys.readouterr()
    assert said == "" and r"\nrm -r x" in complaint and "control characters" in complaint
