"""What tests of data find: patches in the real format, written once."""

import pytest
from chesapeake_patches import write_folds

from helpers.data.streaming import shards


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """Return a folder of 16 patches in OU's layout."""
    return write_folds(tmp_path_factory.mktemp("original"))


@pytest.fixture
def replaced_shards():
    """Let a test replace shards under their names, which a program that reads them is told."""
    yield
    shards.open_shard.cache_clear()
    shards._descriptor.cache_clear()
