"""Each pipeline in a process of its own, which lives as long as the benchmark and works when it is its turn.

CPU time is that of the process and of all that it started. Memory is what belongs to them and is no file: pages shared
by several count in parts (Linux; elsewhere the resident size), above what there was when all modules were imported.
It is looked up from outside, and only in the first round, which is not timed.
"""

import contextlib
import gc
import importlib
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import psutil

from streaming_peers import Case, Work
from streaming_peers.digests import digest_batch

GLANCE = 0.03  # seconds between two looks at the memory
SPAWN = multiprocessing.get_context("spawn")  # nothing of this process is in the others


class Round(NamedTuple):
    """One epoch: CPU and wall milliseconds a sample, seconds to the first batch, and the digests of the first round."""

    cpu: float
    wall: float
    first: float
    samples: int
    digests: list[int] | None = None


class CaseError(RuntimeError):
    """A pipeline failed. The message says why."""


class Worker:
    """The process of one case."""

    def __init__(self, case: Case, work: Work) -> None:
        self.case, self.peak = case, 0.0
        self._connection, other = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_serve, args=(other, case, work))
        self._process.start()
        other.close()
        self._start = 0.0

    def ready(self) -> None:
        """Wait until all modules are imported."""
        self._receive()
        self._start = held(self._process.pid)

    def first(self) -> Round:
        """Make the pipeline and run it once, looking at the memory meanwhile."""
        self._connection.send("first")
        pause = GLANCE
        while not self._connection.poll(pause):
            begin = time.perf_counter()
            self.peak = max(self.peak, held(self._process.pid) - self._start)
            pause = max(GLANCE, 10 * (time.perf_counter() - begin))  # looking takes time from those who work
        return self._receive()

    def again(self) -> Round:
        """Run the pipeline for one more epoch."""
        self._connection.send("again")
        return self._receive()

    def end(self) -> None:
        """Tell the process to end; at the end of the benchmark, Python waits for all."""
        with contextlib.suppress(OSError):
            self._connection.send(None)

    def _receive(self) -> Round:
        try:
            answer = self._connection.recv()
        except EOFError:
            answer = "its process ended"
        if isinstance(answer, str):
            raise CaseError(f"{self.case.name}: {answer}")
        return answer


def held(pid: int | None) -> float:
    """Add up the memory of a process and of those it started, in MB."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += _own(one)
    return total / 1e6


def _own(process: psutil.Process) -> float:
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return process.memory_info().rss
    parts = [line.split() for line in lines if line.startswith(("Pss_Anon", "Pss_Shmem"))]
    return sum(int(part[1]) for part in parts) * 1024


def _serve(connection: Connection, case: Case, work: Work) -> None:
    """Work on request, in the process of the case."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
    usual = multiprocessing.get_all_start_methods()[0]  # a process that was spawned would spawn its own as well
    multiprocessing.set_start_method(usual, force=True)
    try:
        for module in case.imports:
            importlib.import_module(module)
        connection.send(None)
        if not connection.recv():
            return
        begin = time.perf_counter()
        pipeline = case.make(work)
        connection.send(_epoch(pipeline, begin, check=not case.limit))
        while connection.recv():
            gc.collect()
            connection.send(_epoch(pipeline, time.perf_counter()))
    except (EOFError, BrokenPipeError):  # the benchmark has ended
        pass
    except Exception as error:
        connection.send(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")


def _epoch(pipeline: Iterator, begin: float, *, check: bool = False) -> Round:
    """Take all batches; look into them if `check`."""
    cpu, first, samples, digests = cpu_seconds(), 0.0, 0, []
    for batch in pipeline:
        first = first or time.perf_counter() - begin
        samples += batch if isinstance(batch, int) else len(batch[1])
        if check:
            digests += digest_batch(*batch)
    wall = time.perf_counter() - begin
    scale = 1e3 / max(samples, 1)
    return Round((cpu_seconds() - cpu) * scale, wall * scale, first, samples, digests if check else None)


def cpu_seconds() -> float:
    """Add up the CPU time of this process and of all that it started, ended or not."""
    ended = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    total = sum(usage.ru_utime + usage.ru_stime for usage in ended)
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += times.user + times.system
    return total


def prepare(case: Case, work: Work) -> None:
    """Write the converted copy that a case reads, in a process of its own."""
    if not case.prepare:
        return
    process = SPAWN.Process(target=_prepare, args=(case.prepare, work))
    process.start()
    process.join()
    if process.exitcode:
        raise CaseError(f"{case.name}: the converted copy could not be written.")


def _prepare(write: Callable[[Work], None], work: Work) -> None:
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    write(work)
