"""Both ways to start a kernel in a sandbox: they are shut in alike, and from all that is outside."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import nbformat
import psutil
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

from helpers.grading import GradingError, sandbox
from helpers.grading.sandbox import kernels
from helpers.grading.sandbox.kernels import SandboxKernelManager

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sandbox")]
KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
TOKEN = "hush-4711"
LOOK = """
import json, os, resource
from resource import RLIMIT_CORE, RLIMIT_DATA, RLIMIT_FSIZE
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
names = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Uid", "Gid"]
rights = {name: status[name].split() for name in names}
mounts = sorted(" ".join(line.split()[1:4]) for line in open("/proc/self/mounts") if "kernel-" not in line)
def tasks():
    import threading
    threading.stack_size(1 << 16)
    over, begun = threading.Event(), 0
    try:
        while begun < 5000:
            threading.Thread(target=over.wait, daemon=True).start()
            begun += 1
    except RuntimeError:
        pass
    over.set()
    return begun
print(json.dumps({
    "tasks": tasks(),
    "rights": rights,
    "mounts": mounts,
    "namespaces": {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in KINDS},
    "limits": [resource.getrlimit(which) for which in (RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_CORE)],
    "roots": sorted(os.listdir("/")),
    "here": [os.getcwd(), *sorted(os.listdir("."))],
    "processes": len([p for p in os.listdir("/proc") if p.isdecimal()]),
    "interfaces": sorted(os.listdir("/sys/class/net")) if os.path.exists("/sys") else [],
    "variables": sorted(set(os.environ) - {"PWD"}),
    "open": sorted({target for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")
                    for target in [os.readlink(f"/proc/self/fd/{fd}")] if target.startswith("/")} - {"/dev/null"}),
    "told": [open(f"/proc/{p}/environ").read() for p in os.listdir("/proc") if p.isdecimal()],
}))
"""


@contextmanager
def looking(address: str, folder) -> Iterator[dict]:
    """Let a kernel tell what it sees; it lives on meanwhile, for the numbers of what has ended are given again."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"KINDS = {KINDS}\n{LOOK}")])
    config = Config(SandboxKernelManager=Config(preloaded=address, memory_mb=1024))
    client = NotebookClient(
        notebook,
        kernel_manager_class=SandboxKernelManager,
        config=config,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(folder)}},
    )
    with client.setup_kernel():
        client.execute_cell(notebook.cells[0], 0)
        yield json.loads("".join(out.text for out in notebook.cells[0].outputs if out.get("name") == "stdout"))


@pytest.fixture(scope="module")
def seen(tmp_path_factory, sandbox) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "data.csv").write_text("1,2\n")
    (folder / "with_hidden_tests.ipynb").write_text("{}")
    with (
        mock.patch.dict(os.environ, CANVAS_TOKEN=TOKEN),
        kernels.serving(["numpy"]) as address,
        looking(address, folder) as forked,
        looking("", folder) as started,
    ):
        return {"forked": forked, "started": started}


@pytest.mark.parametrize("what", ["rights", "mounts", "limits", "roots", "here", "interfaces", "variables", "open"])
def test_a_forked_kernel_is_shut_in_as_one_that_was_started(seen, what):
    assert seen["forked"][what] == seen["started"][what]


@pytest.mark.parametrize("way", ["forked", "started"])
def test_nothing_of_this_machine_is_left(seen, way):
    found = seen[way]
    ours = {kind: str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in KINDS}
    assert [kind for kind in KINDS if found["namespaces"][kind] == ours[kind]] == []
    assert {
        name: value for name, value in found["rights"].items() if name.startswith("Cap") and int(value[0], 16)
    } == {}
    assert found["rights"]["NoNewPrivs"] == ["1"]
    assert found["limits"][0] == [1024 << 20] * 2
    assert found["here"] == [sandbox.WORK, "data.csv"]
    assert found["processes"] <= 3
    assert found["open"] == []
    assert 100 < found["tasks"] < sandbox.MOST_TASKS  # beyond, the system itself stops a fork bomb
    assert found["told"]
    assert [variable for variable in found["told"] if TOKEN in variable] == []


def test_two_kernels_share_no_namespace(seen):
    forked, started = seen["forked"]["namespaces"], seen["started"]["namespaces"]
    assert [kind for kind in KINDS if forked[kind] == started[kind]] == []


def test_a_sandbox_that_is_over_is_not_waited_for_again(tmp_path, monkeypatch):
    ended, group, waits = mock.Mock(poll=lambda: 0), tmp_path / "group", []
    group.mkdir()
    (group / "a process").touch()

    def wait(seconds: float) -> None:
        waits.append(seconds)
        (group / "a process").unlink()  # it has ended meanwhile

    monkeypatch.setattr(sandbox.time, "sleep", wait)
    watch = sandbox.Watch(ended, os.getpid(), tmp_path, 1024, group)
    watch.stop()
    assert not group.exists() and len(waits) == 1
    watch.stop()
    assert len(waits) == 1


def test_the_process_that_has_loaded_everything_ends_with_the_block():
    with kernels.serving(["numpy"]) as address:
        [mine] = [p for p in psutil.Process().children() if address in p.cmdline()]
    assert not mine.is_running()


def test_no_module_that_cannot_be_imported_stops_it():
    with kernels.serving(["no_such_module"]) as address:
        assert os.path.exists(address)  # noqa: PTH110 - a socket's address is text


def test_an_old_bubblewrap_is_refused(tmp_path, monkeypatch):
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho bubblewrap 0.6.2\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GradingError, match=r"0\.6\.2; wanted 0\.7"):
        sandbox.find()


def test_a_bubblewrap_that_may_not_work_is_told_about(tmp_path, monkeypatch):
    forbidden = tmp_path / "bwrap"
    forbidden.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo bubblewrap 0.8.0 && exit\necho "no permissions" >&2; exit 1\n'
    )
    forbidden.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GradingError, match="does not work here: no permissions"):
        sandbox.find()


@pytest.mark.parametrize("where", ["here", "~/data", "gone"])
def test_the_data_are_found_inside_as_outside(monkeypatch, tmp_path, where):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("here", "data"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("COURSE_DATA", where)
    found = {"here": str(tmp_path / "here"), "~/data": str(tmp_path / "data")}
    assert sandbox.environment().get("COURSE_DATA") == found.get(where)
