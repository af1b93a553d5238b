"""JupyterLab as a job answers to its token alone, and nobody else can read the token."""

import re
import stat
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from helpers import cli
from helpers.slurm import client, jupyter, sites
from helpers.slurm.jupyter import Server, way_to
from helpers.slurm.sites import Request, Site

SERVER = Server(8890, "t0ken")


def test_the_way_leads_to_a_node_that_listens_to_itself_alone():
    site = Site("mine", Request(), login="login.ou.edu")
    assert way_to(SERVER, "c301", site, user="me") == (
        "on your laptop:  ssh -N -L 8899:127.0.0.1:8890 -J me@login.ou.edu me@c301\n"
        "in its browser:  http://127.0.0.1:8899/lab?token=t0ken"
    )
    assert "--ServerApp.ip=127.0.0.1 " in jupyter.jupyter_script(Request(), site)


def test_where_nobody_gets_to_the_nodes_the_login_node_passes_on():
    site = Site("mine", Request(), login="login.ou.edu", ssh_to_nodes=False)
    assert "ssh -N -L 8899:c301:8890 me@login.ou.edu\n" in way_to(SERVER, "c301", site, user="me")
    assert '--ServerApp.ip="$(hostname)" ' in jupyter.jupyter_script(Request(), site)


def test_a_lab_with_a_gpu_wants_an_environment_that_can_use_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sites, "STAMP", tmp_path / "course-stamp")
    monkeypatch.setattr(client, "queue", lambda name: [])
    monkeypatch.setattr(client, "submit", lambda script: pytest.fail("submitted"))
    assert cli.main(["cluster", "jupyter", "--site", "oscer"]) == 1
    assert "./course setup --gpu" in capsys.readouterr().err


def answer(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as page:
            return page.status
    except urllib.error.HTTPError as error:
        return error.code


def arguments_of_all() -> str:
    """Join the arguments of every process, which everybody on a node can read."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(process.read_text(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


@pytest.fixture
def folder(slurm, tmp_path, monkeypatch):
    """Give the folder of the job; what is still in the queue at the end is cancelled."""
    monkeypatch.setattr(jupyter, "FOLDER", tmp_path)
    monkeypatch.setattr(jupyter, "EACH", 0.2)
    monkeypatch.setattr(jupyter, "PATIENCE", 120)
    yield tmp_path
    subprocess.run(["scancel", "--me"], check=True)


@pytest.mark.slow
def test_a_lab_on_a_node_answers_to_its_token_alone(folder, capsys):
    asked = ["jupyter", "--site", "plain", "--memory", "2G", "--cores", "1", "--time", "00:10:00"]
    assert cli.main(["cluster", *asked]) == 0
    said = capsys.readouterr().out
    port, token = int(re.search(r"8899:127.0.0.1:(\d+)", said)[1]), re.search(r"token=(\S+)", said)[1]
    (job,) = client.queue(jupyter.NAME)
    assert re.search(rf" \S+@{job.node}\n", said)
    assert answer(port, "/api/kernels") == 403
    assert answer(port, f"/api/kernels?token={token}") == 200
    assert token not in (folder / f"{job.job}.log").read_text() + arguments_of_all()
    kept = [path for path in (folder / str(job.job)).iterdir() if token in path.read_text(errors="replace")]
    assert kept and all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in kept)
    assert cli.main(["cluster", *asked]) == 0
    assert f"job {job.job} is there already" in capsys.readouterr().out
    assert len(client.queue(jupyter.NAME)) == 1
    client.cancel([job.label])
    end = time.monotonic() + 30
    while "--ServerApp.port_retries" in arguments_of_all() and time.monotonic() < end:
        time.sleep(0.2)
    with pytest.raises(OSError):
        answer(port, "/api")


@pytest.mark.slow
def test_a_lab_that_does_not_start_is_told_with_its_last_words(folder, tmp_path, capsys):
    site = tmp_path / "site.toml"
    site.write_text('course = "no-such-course"\nmemory = "200M"\ncores = 1\n')
    assert cli.main(["cluster", "jupyter", "--site", str(site)]) == 1
    assert re.search(r"job \d+ has ended: .*no-such-course", capsys.readouterr().err)
