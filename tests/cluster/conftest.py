"""A Slurm for the tests: three pretend nodes of two cores and two GPUs each, on this machine."""

from collections.abc import Iterator, Mapping

import pytest

from helpers.cluster.practice import INSTALL, missing_programs, practice_cluster


@pytest.fixture(scope="session")
def slurm(require) -> Iterator[Mapping[str, str]]:
    """Start a Slurm that the commands of this process find as well; give its environment."""
    require(not missing_programs(), f"no Slurm on this machine: {INSTALL}")
    with practice_cluster(nodes=3, cores=2, gpus=2) as environment, pytest.MonkeyPatch.context() as patch:
        for name in ("SLURM_CONF", "PATH"):
            patch.setenv(name, environment[name])
        yield environment
