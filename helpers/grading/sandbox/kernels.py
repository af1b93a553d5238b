"""Kernels in sandboxes, as Jupyter starts and ends them: a kernel manager and its provisioner. Used by `plugins`."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import zmq
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Bool, Integer, Unicode

from helpers.grading import GradingError, sandbox
from helpers.grading.sandbox import preloaded

LONGEST_MESSAGE = 64 << 20  # bytes; a kernel that sends more at once is cut off
_WAITS = ("sh", "-c", "echo; exec cat 2>/dev/null")  # says that the sandbox stands, and ends when its input does
_RUNS = ("sh", "-c", 'exec "$@" 2>/dev/null', "sh")  # what follows, without the file that bubblewrap complains to
_NOT_FOR_STUDENTS = {".ipynb"}
Sandbox = tuple[subprocess.Popen, int, Path | None]  # bubblewrap; the id, seen from here, of one inside; control group


class SandboxProvisioner(LocalProvisioner):
    """Starts a kernel in a sandbox; to Jupyter its process is bubblewrap, with which the kernel ends."""

    watch: sandbox.Watch | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Build the sandbox around the files of the folder `cwd`, and start the kernel in it."""
        settings = cast(SandboxKernelManager, self.parent)
        run = Path(settings.connection_file).parent
        files = dict(_files(Path(kwargs["cwd"]).absolute())) if kwargs.get("cwd") else {}
        shut_in = sandbox.command(sandbox.find(), run, files)
        if settings.preloaded:
            self.process, inside, group = _forked(shut_in, settings)
        else:
            self.process, inside, group = _started(shut_in, cmd, settings.memory_mb)
        self.pid = self.process.pid
        self.watch = sandbox.Watch(self.process, inside, run, settings.memory_mb, group)
        return self.connection_info

    async def cleanup(self, restart: bool = False) -> None:
        """Stop watching."""
        if self.watch:
            self.watch.stop()
        await super().cleanup(restart)


class SandboxKernelManager(AsyncKernelManager):
    """Manages one kernel in a sandbox.

    Attributes:
        verdict: why the sandbox was ended, if it used too much.
    """

    memory_mb = Integer(4096, help="megabytes of memory for a kernel and all that it starts").tag(config=True)
    preloaded = Unicode("", help="socket of the process to fork kernels from; without, Python starts anew").tag(
        config=True
    )
    unsafe = Bool(False, help="run submissions with all the rights of the person who grades").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._folder = Path(tempfile.mkdtemp(prefix="kernel-"))
        self.transport, self.ip = "ipc", str(self._folder / "socket")
        self.connection_file = str(self._folder / "kernel.json")
        self.context.setsockopt(zmq.MAXMSGSIZE, LONGEST_MESSAGE)

    @property
    def kernel_spec(self) -> KernelSpec:
        """Our Python, whatever kernels are installed and whatever the notebook asks for."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=ERROR"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python", interrupt_mode="message")

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart=restart)
        if not restart:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def verdict(self) -> str:
        """Return what the sandbox was ended for; empty if it was not."""
        watch = getattr(self.provisioner, "watch", None)
        return watch.verdict if watch else ""

    async def _async_pre_start_kernel(self, **kwargs: Any) -> tuple[list[str], dict[str, Any]]:
        kind = LocalProvisioner if self.unsafe else SandboxProvisioner
        self.provisioner = kind(kernel_id="", kernel_spec=self.kernel_spec, parent=self)
        return await super()._async_pre_start_kernel(**kwargs)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files that came with a submission and with its homework; notebooks hold hidden tests by then."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix not in _NOT_FOR_STUDENTS:
            yield path.relative_to(folder).as_posix(), path


def _started(shut_in: list[str], cmd: list[str], memory_mb: int) -> Sandbox:
    """Start Python anew in a sandbox."""
    return _sandbox([*shut_in, *_RUNS, *cmd], stdin=subprocess.DEVNULL, memory_mb=memory_mb)


def _forked(shut_in: list[str], settings: SandboxKernelManager) -> Sandbox:
    """Build an empty sandbox and have the process that has loaded everything send a kernel into it."""
    process, inside, group = _sandbox([*shut_in, *_WAITS], stdin=subprocess.PIPE, memory_mb=settings.memory_mb)
    assert process.stdin and process.stdout
    process.stdout.readline()
    order = {"inside": inside, "connection_file": settings.connection_file, "folder": sandbox.WORK}
    order |= {"environment": sandbox.environment(), "memory_mb": settings.memory_mb}
    order |= {"group": str(group or "")}
    preloaded.request(settings.preloaded, order, process.stdin.fileno())
    process.stdin.close()
    return process, inside, group


def _sandbox(command: list[str], *, stdin: int, memory_mb: int) -> Sandbox:
    """Start bubblewrap, whose own environment is empty, for what is shut in can read it."""
    reader, writer = os.pipe()
    waits, go = os.pipe()  # until it is bounded
    with tempfile.TemporaryFile() as complaints, os.fdopen(reader) as information:
        stdout = subprocess.PIPE if stdin == subprocess.PIPE else subprocess.DEVNULL
        process = subprocess.Popen(
            [command[0], "--info-fd", str(writer), "--block-fd", str(waits), *command[1:]],
            stdin=stdin,
            stdout=stdout,
            stderr=complaints,
            env={},
            pass_fds=[writer, waits],
            preexec_fn=lambda: sandbox.limit(memory_mb),
        )
        os.close(writer)
        os.close(waits)
        told = information.read()
        inside = json.loads(told)["child-pid"] if told else 0
        group = sandbox.bound_tasks(inside) if told else None
        os.close(go)
        if not told:
            process.wait()
            complaints.seek(0)
            raise GradingError(f"bubblewrap could not build the sandbox: {complaints.read().decode().strip()}")
    return process, inside, group
