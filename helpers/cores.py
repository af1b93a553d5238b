"""How many processor cores there are to use. Used by whatever reads or draws in several threads, and by lecture 00."""

import os


def usable_cores() -> int:
    """Count the cores that this process may use, which a batch system can make fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
