"""The practice cluster is a Slurm with nodes, GPUs, local scratch and limits, and leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from helpers import cli
from helpers.slurm import client, practice
from helpers.slurm.sites import ClusterError, load_site

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

KILLED = """
import os, signal, sys
from helpers.slurm.practice import practice_cluster
with practice_cluster(nodes=1) as environment:
    print(environment["SLURM_CONF"], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def srun(environment, *command: str, **options: str) -> subprocess.CompletedProcess[str]:
    asked = [f"--{name}={value}" for name, value in options.items()]
    return subprocess.run(
        ["srun", "--quiet", *asked, *command], env=environment, text=True, capture_output=True, timeout=60
    )


def daemons(folder: Path) -> list[int]:
    """Find the processes whose Slurm has its settings in a folder, or whose arguments name it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            about = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in about and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


def test_nodes_and_gpus_are_handed_out(slurm):
    assert "node1\nnode2\nnode3" in "\n".join(
        sorted(srun(slurm, "sh", "-c", "echo $SLURMD_NODENAME", nodes="3").stdout.split())
    )
    seen = srun(slurm, "sh", "-c", "echo $CUDA_VISIBLE_DEVICES", gres="gpu:2")
    assert seen.stdout == "0,1\n"
    refused = srun(slurm, "true", gres="gpu:3")
    assert refused.returncode != 0 and "not available" in refused.stderr


def test_local_scratch_is_there_during_the_job_and_gone_after_it(slurm):
    done = srun(slurm, "sh", "-c", "touch $LSCRATCH/file && echo $LSCRATCH/file")
    scratch = Path(done.stdout.strip())
    end = time.monotonic() + 20
    while scratch.parent.exists() and time.monotonic() < end:  # the epilog comes after the answer
        time.sleep(0.05)
    assert scratch.name == "file" and not scratch.parent.exists()


def test_who_takes_more_memory_than_asked_for_is_ended(slurm):
    greedy = "import time; block = bytearray(500_000_000); time.sleep(60)"
    done = srun(slurm, sys.executable, "-c", greedy, mem="100M")
    assert done.returncode != 0 and "exceeded memory limit" in done.stderr


@pytest.mark.needs("Slurm")
def test_it_ends_with_its_jobs_and_leaves_nothing(require):
    require(not practice.missing_programs(), f"no Slurm on this machine: {practice.INSTALL}")
    with practice.practice_cluster(nodes=1) as environment:
        folder = Path(environment["SLURM_CONF"]).parents[1]
        subprocess.run(["sbatch", "--output=/dev/null", "--wrap=sleep 600"], env=environment, check=True)
        assert len(daemons(folder)) >= 3
    assert daemons(folder) == [] and not folder.exists()


@pytest.mark.needs("Slurm")
def test_it_goes_with_the_process_that_started_it(require):
    require(not practice.missing_programs(), f"no Slurm on this machine: {practice.INSTALL}")
    done = subprocess.run([sys.executable, "-c", KILLED], text=True, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    folder = Path(done.stdout.strip()).parents[1]
    end = time.monotonic() + 20
    while daemons(folder) and time.monotonic() < end:
        time.sleep(0.05)
    assert daemons(folder) == []
    shutil.rmtree(folder)  # the files stay: nobody was left to remove them


def test_without_slurm_it_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr(practice, "PROGRAMS", ("munged", "no-such-slurm"))
    assert practice.missing_programs()[-1] == "no-such-slurm"
    assert cli.main(["cluster", "practice", "-c", "true"]) == 1
    assert practice.INSTALL in capsys.readouterr().err


@pytest.mark.needs("Slurm")
def test_what_the_plain_site_asks_for_fits_as_it_comes(require, monkeypatch):
    require(not practice.missing_programs(), f"no Slurm on this machine: {practice.INSTALL}")
    plain = load_site("plain")
    with practice.practice_cluster() as environment:
        for name in ("SLURM_CONF", "PATH"):
            monkeypatch.setenv(name, environment[name])
        client.check_fits(plain.request, plain)
        with pytest.raises(ClusterError, match="3 cores; at most 2"):
            client.check_fits(replace(plain.request, cores=3), plain)


@pytest.mark.needs("Slurm")
def test_a_program_that_does_not_start_is_named_with_what_it_said(require, monkeypatch, tmp_path):
    require(not practice.missing_programs(), f"no Slurm on this machine: {practice.INSTALL}")
    monkeypatch.setattr(practice, "_describe_nodes", lambda *arguments: "NoSuchSetting=1")
    with pytest.raises(ClusterError, match="NoSuchSetting"), practice.practice_cluster():
        pass


@pytest.mark.needs("Slurm")
def test_practice_runs_a_command_beside_its_slurm(require, capfd):
    require(not practice.missing_programs(), f"no Slurm on this machine: {practice.INSTALL}")
    assert cli.main(["cluster", "practice", "--nodes", "4", "-c", "sinfo --noheader --format=%D"]) == 0
    assert capfd.readouterr().out == "4\n"
    assert cli.main(["cluster", "practice", "-c", "sinfo --noheader --format=%c"]) == 0
    assert capfd.readouterr().out == "2\n"
    assert cli.main(["cluster", "practice", "-c", "exit 3"]) == 3
