"""What tests of submissions share: a pretend Slurm, and the command that is typed there."""

import os

import pytest
from pretend_slurm import SBATCH, write_programs

from helpers import cli


@pytest.fixture
def pretend(run_file, tmp_path, monkeypatch):
    """Give the folder of a pretend Slurm, for a run that nobody rehearses; experiments are kept in `experiments`."""
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "experiments"))
    monkeypatch.setattr("helpers.experiments.tasks.rehearse", lambda *_: "")
    folder = tmp_path / "slurm"
    (folder / "bin").mkdir(parents=True)
    scancel = 'echo "$*" >>cancelled\n'
    write_programs(folder, {"sbatch": SBATCH, "squeue": "cat queue 2>/dev/null || true", "scancel": scancel})
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)
    return folder


@pytest.fixture
def course(capsys):
    """Give the function that types `./course cluster …`, and returns status, output and complaints."""

    def type_in(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        return cli.main(["cluster", *map(str, words)]), *capsys.readouterr()

    return type_in
