"""The terminal of lecture 13 answers for real where there is Slurm, and from its recording where there is none."""

import json
from pathlib import Path

import pytest

from helpers.slurm import practice as module
from helpers.slurm.practice import INSTALL, RECORD, Terminal, missing_programs
from helpers.slurm.sites import ClusterError


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "recording.json"
    entries = [{"command": "sinfo", "answer": "two nodes"}, {"command": "ls /scratch/me", "answer": "patches"}]
    path.write_text(json.dumps(entries))
    return path


def test_without_slurm_the_recording_answers_in_its_order(recording, monkeypatch, capsys):
    monkeypatch.setattr(module, "missing_programs", lambda: ["slurmctld"])
    terminal = Terminal(recording, environment={}, shown={"/tmp/here": "/scratch/me"})
    assert not terminal.is_live and "recorded" in capsys.readouterr().out
    terminal("sinfo")
    terminal.wait_for("squeue", "never asked")
    terminal("ls /tmp/here")
    assert capsys.readouterr().out == "$ sinfo\ntwo nodes\n$ ls /scratch/me\npatches\n"
    with pytest.raises(ClusterError, match="in their order"):
        terminal("sinfo")
    terminal.close()


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        ("   0.1 s: 1_0 PD\n  12.0 s: 1_0 R\n  40.5 s: ", [(0.1, "1_0 PD"), (12, "1_0 R"), (40.5, "")]),
        ("3.0 s: ", [(3, "")]),
    ],
)
def test_without_slurm_what_was_watched_comes_back_with_its_times(recording, monkeypatch, capsys, seen, wanted):
    monkeypatch.setenv("COURSE_PRACTICE", "0")
    recording.write_text(json.dumps([{"command": "squeue in /scratch/me", "answer": seen}]))
    terminal = Terminal(recording, environment={}, shown={"/tmp/here": "/scratch/me"})
    assert terminal.watch("squeue in /tmp/here", "never asked", "never") == wanted
    assert capsys.readouterr().out.endswith(f"$ squeue in /scratch/me\n{seen}\n")


@pytest.mark.needs("Slurm")
def test_what_slurm_answers_is_recorded_without_this_machine_s_paths(require, recording, monkeypatch, tmp_path, capsys):
    require(not missing_programs(), f"no Slurm on this machine: {INSTALL}")
    monkeypatch.setenv(RECORD, str(tmp_path / "new.json"))
    terminal = Terminal(recording, environment={"GREETING": "hello"}, shown={str(tmp_path): "/scratch/me"})
    terminal(f"echo $GREETING from {tmp_path}; pwd; sinfo --noheader --format=%D")
    terminal.wait_for("echo 12", r"\d\d")
    with pytest.raises(ClusterError, match="has not answered"):
        terminal.wait_for("echo no", "yes", seconds=0)
    count = f"echo x >> {tmp_path}/times; wc -l < {tmp_path}/times"
    watched = terminal.watch(f"cat {tmp_path}/times | wc -l", count, "3")
    assert [answer for _, answer in watched] == ["1", "2", "3"] and watched == sorted(watched)
    with pytest.raises(ClusterError, match="has not answered 'yes' in time"):
        terminal.watch("echo 1", "echo no", "yes", seconds=0)
    terminal.close()
    said = capsys.readouterr().out
    assert f"$ echo $GREETING from {tmp_path};" in said, "on the screen stands what was asked"
    assert f"hello from {tmp_path}\n" in said, "and what there is"
    entry, changes = json.loads((tmp_path / "new.json").read_text())
    assert changes["command"] == "cat /scratch/me/times | wc -l"
    assert [line.partition(" s: ")[2] for line in changes["answer"].splitlines()] == ["1", "2", "3"]
    assert entry["answer"] == "hello from /scratch/me\n/home/me/course\n2"
    assert entry["command"].startswith("echo $GREETING from /scratch/me;")


def test_a_recording_can_be_asked_for_where_there_is_slurm(recording, monkeypatch):
    monkeypatch.setenv("COURSE_PRACTICE", "0")
    assert not Terminal(recording, environment={}, shown={}).is_live
    assert Path(recording).exists()
