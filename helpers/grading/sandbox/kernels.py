"""Kernels in sandboxes, as Jupyter starts and ends them: a kernel manager and its provisioner. Used by `plugins`.

A kernel is started anew, or forked from a process that has imported TensorFlow once. That one runs nothing of a
student's. For each kernel bubblewrap first builds a sandbox around a program that only waits; a fork of the process
then enters the namespaces of that sandbox with setns(2), gives up every right as bubblewrap does, and becomes the
kernel. So both ways of starting a kernel are shut in by the same command.

    python -P -m helpers.grading.sandbox.kernels SOCKET MODULE ...

is that process, and ends when its standard input does.
"""

import contextlib
import ctypes
import gc
import importlib
import inspect
import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, cast

import zmq
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Bool, Integer, Unicode

from helpers.grading import GradingError, sandbox

LONGEST_MESSAGE = 64 << 20  # bytes; a kernel that sends more at once is cut off
_WAITS = ("sh", "-c", "echo; exec cat 2>/dev/null")  # says that the sandbox stands, and ends when its input does
_RUNS = ("sh", "-c", 'exec "$@" 2>/dev/null', "sh")  # what follows, without the file that bubblewrap complains to
_NOT_FOR_STUDENTS = {".ipynb"}
Sandbox = tuple[subprocess.Popen, int, Path | None]  # bubblewrap; the id, seen from here, of one inside; control group
ALWAYS = ("numpy", "matplotlib.pyplot", "IPython", "ipykernel.ipkernel", "ipykernel.kernelapp", "stack_data")
_NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000 | 0x02000000
_DROP_FROM_BOUNDING_SET, _NO_NEW_PRIVILEGES, _DIE_WITH_PARENT = 24, 38, 1
_CAPABILITIES_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


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
    request(settings.preloaded, order, process.stdin.fileno())
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


# ---- the process that kernels are forked from ----


def main(address: str, modules: list[str]) -> None:
    """Import the modules, then fork a kernel for each request that comes to the socket."""
    load(modules)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel's parent needs no burial
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for those who grade; they will close our input
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            _answer(listener)


def load(modules: list[str]) -> None:
    """Import what kernels will need; what cannot be imported will fail in the notebook, where it belongs."""
    for name in (*ALWAYS, *modules):
        with suppress(Exception):
            importlib.import_module(name)
    with suppress(Exception):  # of a module that is loaded on demand
        inspect.getmodule(load.__code__)  # looks up where each module lies, as the first traceback of each kernel would
    gc.collect()
    gc.freeze()  # the children's garbage collectors leave these pages shared


@contextlib.contextmanager
def serving(modules: list[str]) -> Iterator[str]:
    """Return the address of such a process, which ends with the block.

    Raises:
        GradingError: it did not come up.
    """
    with tempfile.TemporaryDirectory(prefix="preloaded-") as home:
        address, pipe = f"{home}/socket", subprocess.PIPE
        environment = {**sandbox.environment(), "HOME": home, "MPLCONFIGDIR": home}
        command = [sys.executable, "-P", "-m", __name__, address, *modules]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, cwd="/", text=True) as process:
            assert process.stdout
            if "ready\n" not in process.stdout:
                raise GradingError(f"the process that loads {', '.join(modules)} ended; the lines above say why")
            yield address
            process.communicate()


def die_with_parent() -> None:
    """Let the system kill this process as soon as the one that began it ends, however it ends."""
    _check(_libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0))


def request(address: str, order: dict, keep_open: int) -> None:
    """Ask for a kernel.

    Args:
        address: of the process that has loaded everything.
        order: `inside`, a process id in the sandbox; `connection_file`; `folder`, `environment` and `memory_mb`;
            `group`, the control group of the sandbox, empty where there is none.
        keep_open: a file descriptor that is closed when the kernel has ended.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(address)
        socket.send_fds(connection, [json.dumps(order).encode()], [keep_open])


def _answer(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        data, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 1)
    if os.fork() == 0:
        listener.close()
        try:
            _start(json.loads(data), descriptors[0])
        finally:
            os._exit(1)
    for descriptor in descriptors:
        os.close(descriptor)


def _start(order: dict, keep_open: int) -> NoReturn:
    """Enter the sandbox, and wait there for the kernel; then `keep_open` closes, and the sandbox ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if order["group"]:
        Path(order["group"], "cgroup.procs").write_text("0")  # this process
    _enter(order["inside"])
    kernel = os.fork()
    if kernel == 0:
        os.close(keep_open)
        try:
            _become_kernel(order)
        finally:
            os._exit(1)
    os.waitpid(kernel, 0)
    os._exit(0)


def _enter(inside: int) -> None:
    process = os.pidfd_open(inside)
    _check(_libc.setns(process, _NAMESPACES))
    os.close(process)


def _become_kernel(order: dict) -> None:
    os.setsid()
    die_with_parent()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.closerange(3, 4096)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sandbox.limit(order["memory_mb"])
    resource.setrlimit(resource.RLIMIT_NPROC, (sandbox.MOST_TASKS, sandbox.MOST_TASKS))
    _give_up_rights()
    _run_kernel(order["connection_file"])


def _give_up_rights() -> None:
    """Drop every capability for good, as bubblewrap does for what it starts."""
    for capability in range(int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1):
        _check(_libc.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0))
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION_3, 0)
    _check(_libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())))
    _check(_libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _run_kernel(connection_file: str) -> None:
    from ipykernel.kernelapp import launch_new_instance

    options = ("--HistoryManager.hist_file=:memory:", "--log-level=ERROR")
    sys.argv = ["ipykernel", "-f", connection_file, *options]
    launch_new_instance()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
