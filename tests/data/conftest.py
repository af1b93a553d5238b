"""What tests of data find: patches in the real format, written once."""

import pooch  # noqa: F401 - its log goes to what is stderr when it is imported, which must not be a test's
import pytest
from chesapeake_patches import make_patch, names, write, write_folds
from mirror_site import Site

from helpers import cli
from helpers.data.streaming import shards


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """Return a folder of 16 patches in OU's layout."""
    return write_folds(tmp_path_factory.mktemp("original"))


@pytest.fixture(scope="session")
def patches():
    """Return three different patches."""
    return [make_patch(seed) for seed in range(3)]


@pytest.fixture(scope="session")
def files(patches, tmp_path_factory):
    """Return the paths of the three patches."""
    folder = tmp_path_factory.mktemp("patches")
    return [write(folder, names(3907506, [number]), patch)[0] for number, patch in enumerate(patches)]


@pytest.fixture
def run(capsys):
    """Run a verb: `run("list", "--json")` returns the exit status, what was printed, and what was said beside it."""

    def call(*arguments):
        capsys.readouterr()
        return cli.main(["data", *map(str, arguments)]), *capsys.readouterr()

    return call


@pytest.fixture
def replaced_shards():
    """Let a test replace shards under their names, which a program that reads them is told."""
    yield
    shards.open_shard.cache_clear()
    shards._descriptor.cache_clear()


@pytest.fixture
def sites():
    """Give a function that opens a `Site` for a folder; all close at the end of the test."""
    opened = []

    def open_site(folder):
        opened.append(Site(folder))
        return opened[-1]

    yield open_site
    for site in opened:
        site.shutdown()
        site.server_close()
