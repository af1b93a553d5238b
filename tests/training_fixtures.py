"""What tests of experiments and of Slurm find: a Slurm of three pretend nodes, small data, experiments to train."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from helpers.experiments.run_file import read_run
from helpers.slurm.practice import INSTALL, missing_programs, practice_cluster

LAND = """
[data]
name = "chesapeake"
split = "folds"
image_size = 32
augment = true
[model]
name = "unet"
filters = [3, 4]
dropout = 0.2
[training]
epochs = 4
batch_size = 2
steps_per_epoch = 5
patience = 2
[sweep]
fold = [0, 1]
"""
AERIAL = """
[data]
name = "grss"
tile_size = 128
[model]
name = "aerial_vae"
bottleneck = "2x2x256"
latent_dim = 3
[training]
epochs = 1
batch_size = 2
"""
FOLDS = """
[data]
name = "chesapeake"
split = "folds"
[model]
name = "unet"
[sweep]
fold = [0, 1, 2, 3, 4]
"""


@pytest.fixture(scope="session")
def slurm(require) -> Iterator[Mapping[str, str]]:
    """Start a Slurm that the commands of this process find as well; give its environment."""
    require(not missing_programs(), f"no Slurm on this machine: {INSTALL}")
    with practice_cluster(nodes=3, cores=2, gpus=2) as environment, pytest.MonkeyPatch.context() as patch:
        for name in ("SLURM_CONF", "PATH"):
            patch.setenv(name, environment[name])
        yield environment


@pytest.fixture(scope="session")
def patches(tmp_path_factory):
    """Write 20 patches of five tiles."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).with_name("data"))
        from chesapeake_patches import make_patch, names, write
    folder = tmp_path_factory.mktemp("patches")
    for tile in range(5):
        for half in (0, 1):
            write(folder, names(3907501 + tile, (2 * half, 2 * half + 1)), make_patch(2 * tile + half))
    return folder


@pytest.fixture(scope="session")
def tiles(tmp_path_factory):
    """Write tiles of three places."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).with_name("data"))
        from grss_tiles import pixels, write
    folder = tmp_path_factory.mktemp("tiles")
    for place in range(3):
        for view in range(3):
            kinds = {kind: array for kind, array in pixels(place, 128).items() if kind in ("RGB", "CLS")}
            write(folder, f"JAX_00{place}_00{view}", kinds)
    return folder


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """Return a function that reads the first experiment of a run, kept in a folder of its own."""
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "experiments"))

    def experiment(*overrides, text=LAND, name="land", change=("\n", "\n")):
        (tmp_path / f"{name}.toml").write_text(text.replace(*change))
        return read_run(tmp_path / f"{name}.toml", overrides).experiments[0]

    return experiment


@pytest.fixture
def strangers_run(tmp_path, monkeypatch):
    """Write the example of docs/own_model.md into a folder elsewhere; give its run file."""
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "experiments"))
    page = Path(__file__).resolve().parents[1] / "docs/own_model.md"
    folder = tmp_path / "a stranger"
    folder.mkdir()
    for name, text in re.findall(r"`(\w+\.\w+)`:\n\n```\w+\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        (folder / name).write_text(text)
    return folder / "own.toml"


@pytest.fixture
def aerial(experiment):
    """Return a function that reads a run of one aerial VAE."""
    return lambda *overrides: experiment(*overrides, text=AERIAL, name="aerial")


@pytest.fixture
def run_file(tmp_path, monkeypatch):
    """Give the file of a run over five folds, where no variable and no site file says anything else."""
    for name in ("COURSE_SITE", "COURSE_DATA", "COURSE_EXPERIMENTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "folds.toml"
    path.write_text(FOLDS)
    return path
