"""A training under way belongs to one process, and what killed ones had begun to write goes."""

import pytest

from helpers.experiments.attempt import checkpoint_dir, lock
from helpers.experiments.run_file import RunError
from helpers.experiments.train import train


@pytest.mark.long
def test_two_jobs_of_one_name_do_not_train_at_once(experiment, patches):
    chosen = experiment("epochs=1")
    with lock(chosen), pytest.raises(RunError, match=r"Process \d+ on .* trains epochs=1,fold=0 already"):
        train(chosen, folder=patches)
    train(chosen, folder=patches)
    assert chosen.is_saved()


def test_what_killed_processes_left_half_written_is_removed(experiment):
    chosen = experiment()
    half, other = chosen.folder.with_name(".unfinished-1-fold=0"), chosen.folder.with_name(".unfinished-1-fold=1")
    for folder in (half, other, checkpoint_dir(chosen)):
        folder.mkdir(parents=True)
    (checkpoint_dir(chosen) / ".1-state.npz").touch()
    with lock(chosen) as folder:
        assert [path.name for path in folder.iterdir()] == ["lock"]
    assert not half.exists() and other.exists()
