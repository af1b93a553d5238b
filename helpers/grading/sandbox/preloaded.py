"""A process that has imported TensorFlow once, and from which kernels are forked into sandboxes of their own.

It runs nothing of a student's. For each kernel bubblewrap first builds a sandbox around a program that only waits; a
fork of this process then enters the namespaces of that sandbox with setns(2), gives up every right as bubblewrap
does, and becomes the kernel. So both ways of starting a kernel are shut in by the same command.

    python -P -m helpers.grading.sandbox.preloaded SOCKET MODULE ...

ends when its standard input does.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from helpers.grading import GradingError, sandbox

ALWAYS = ("numpy", "matplotlib.pyplot", "IPython", "ipykernel.ipkernel", "ipykernel.kernelapp")
_NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000 | 0x02000000
_DROP_FROM_BOUNDING_SET, _NO_NEW_PRIVILEGES, _DIE_WITH_PARENT = 24, 38, 1
_CAPABILITIES_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


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
