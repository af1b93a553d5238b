"""What a training does when its time is up: it leaves at once; what it needs to go on is on the disk already."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

AGAIN = 75  # the status that asks a job script to queue the job again (EX_TEMPFAIL of sysexits.h)
STUCK = 1
SIGNALS = (signal.SIGUSR1, signal.SIGTERM)  # Slurm: the time is nearly up; the job is to go


@contextmanager
def on_preemption(message: Callable[[], str], has_progressed: Callable[[], bool]) -> Iterator[None]:
    """Within the block, end this process when Slurm says so: status 75, or 1 if another attempt would not help.

    A thread waits for the signal: the main thread may be inside a long computation, or wait for a worker that has left.

    Args:
        message: what to tell then.
        has_progressed: whether this process has completed an epoch. One that has used its whole time without it would
            do so again and again.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    earlier_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    earlier = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    threading.Thread(
        target=_watch, args=(reader, message, has_progressed), daemon=True, name="course-preemption"
    ).start()
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(earlier_fd)
        writer.close()  # the thread ends


def _watch(reader: socket.socket, message: Callable[[], str], has_progressed: Callable[[], bool]) -> None:
    """Wait for the numbers of signals; the end of the stream is the end of the block."""
    with reader:
        while heard := reader.recv(1):
            if heard[0] in SIGNALS:
                stuck = heard[0] == signal.SIGUSR1 and not has_progressed()
                print(message() + (_ADVICE if stuck else ""), file=sys.stderr, flush=True)
                sys.stdout.flush()
                os._exit(STUCK if stuck else AGAIN)


_ADVICE = (
    "\nNot one epoch was completed in the time of this job, so another would not get further: ask for more time, or "
    "let an epoch be shorter (steps_per_epoch=100)."
)
