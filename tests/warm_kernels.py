"""Kernels for the notebooks that tests run: forks of a process that has imported what every lecture imports.

To import TensorFlow takes each kernel ten seconds of CPU time, and the tests start dozens. Nothing of ours is imported
before the fork: a kernel reads the environment and the helpers as one that starts anew.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

IMPORTED = [
    "tensorflow",
    "keras",
    "numpy",
    "scipy.ndimage",
    "scipy.stats",
    "sklearn.cluster",
    "sklearn.decomposition",
    "sklearn.linear_model",
    "sklearn.manifold",
    "sklearn.metrics",
    "matplotlib.pyplot",
    "pandas",
    "PIL.Image",
    "tifffile",
    "imagecodecs",
    "pooch",
    "tqdm.auto",
    "ipywidgets",
    "anywidget",
    "IPython",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
]


class Forked:
    """A kernel, as `subprocess.Popen` would show it: it is our grandchild, whom nobody but its parent may wait for."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid, self.returncode = pid, None

    def poll(self) -> int | None:
        """Return None while it lives."""
        if self.returncode is None:
            try:
                state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:  # its parent has waited for it
                state = "Z"
            self.returncode = 0 if state == "Z" else None
        return self.returncode

    def wait(self) -> int:
        """Wait until it has ended."""
        while self.poll() is None:
            time.sleep(0.01)
        return 0

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still lives."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class Provisioner(LocalProvisioner):
    """Has a kernel forked, where Jupyter's starts Python."""

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        """Return how the kernel can be reached."""
        folder = str(Path(options["cwd"]).absolute())
        order = {"file": self.parent.connection_file, "env": dict(options["env"]), "folder": folder}
        if not (answer := _ask(order)):
            raise RuntimeError("the process that kernels are forked from has ended")
        self.process = Forked(int(answer))
        self.pid = self.pgid = self.process.pid  # the fork begins a session of its own
        return self.connection_info


class WarmKernelManager(AsyncKernelManager):
    """Manages one kernel that is a fork."""

    async def _async_pre_start_kernel(self, **options: Any) -> tuple[list[str], dict[str, Any]]:
        self.provisioner = Provisioner(kernel_id="", kernel_spec=self.kernel_spec, parent=self)
        return await super()._async_pre_start_kernel(**options)


def cpu_seconds() -> float:
    """Return the CPU time of the process that is forked from, and of its kernels that have ended."""
    return float(_ask({}) or 0) if _server.cache_info().currsize else 0.0


def _ask(order: dict) -> str:
    server = _server()
    with suppress(BrokenPipeError):
        server.stdin.write(json.dumps(order) + "\n")
        server.stdin.flush()
    return server.stdout.readline()  # empty where the server has ended


@cache
def _server() -> subprocess.Popen:
    """Start the process to fork from, once for each process of the tests; it ends when its input does."""
    environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    command = [sys.executable, "-P", __file__]
    pipe = subprocess.PIPE
    server = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True, cwd="/")
    atexit.register(server.communicate)
    return server


def _serve() -> None:
    import gc
    import importlib

    for name in IMPORTED:
        with suppress(ImportError):  # it will fail in the notebook, where it belongs
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests; they close our input when they end
    for line in sys.stdin:
        with suppress(ChildProcessError):  # none has ended
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        if not (order := json.loads(line)):
            answer = sum(os.times()[:4])
        elif (answer := os.fork()) == 0:
            _become_kernel(**order)
        print(answer, flush=True)


def _become_kernel(file: str, env: dict[str, str], folder: str) -> None:
    from ipykernel.kernelapp import launch_new_instance

    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.environ.clear()
    os.environ.update(env | {"JPY_PARENT_PID": str(os.getppid())})  # a kernel ends when its parent has
    os.chdir(folder)
    sys.path[:0] = ["", *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = ["ipykernel", "-f", file, "--log-level=ERROR"]
    try:
        launch_new_instance()
    finally:
        os._exit(0)


if __name__ == "__main__":
    _serve()
