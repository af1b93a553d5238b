"""Patches from a disk that takes its time: how near the default comes to the number of threads that is best there.

    ./course run python benchmarks/slow_disk.py [--latency 0.1] [--patches 192] [--json]

Every read waits for `--latency` seconds first, as for a network's disk or a server. Of each number of threads, and of
the default, three passes are timed in turns, each by a loader of its own, which begins with a thread a core; a rate is
that of the quickest pass, in patches a second on the wall's clock. `default_vs_best` is the default's rate as a share
of the best.
"""

import argparse
import json
import time
from typing import Any

from streaming_peers import BATCH
from streaming_peers.patches import stand_in_patches

from helpers.data import chesapeake
from helpers.data.streaming import Arrays, Loader, SampleRng
from helpers.tables import Table

THREADS = (1, 2, 4, 8, 16, None)
PASSES = 3
FILES = 32  # different ones, which are read again and again


class SlowPatches(chesapeake.Patches):
    """Patches of which each read waits first."""

    latency = 0.1

    def fill(self, index: int, rng: SampleRng, out: Arrays) -> None:
        """Wait, then read."""
        time.sleep(self.latency)
        super().fill(index, rng, out)


def rate(source: chesapeake.Patches, threads: int | None) -> float:
    """Return patches a second of one pass."""
    loader = Loader(source, batch_size=BATCH, threads=threads)
    begin = time.monotonic()
    for _ in loader:
        pass
    return len(source) / (time.monotonic() - begin)


def run(patches: int, latency: float) -> dict[str, Any]:
    """Measure, and sum up as `--json` prints it."""
    files = stand_in_patches(FILES) * -(-patches // FILES)
    source = SlowPatches(files[:patches], compact=True)
    source.latency = latency
    rates: dict[str, float] = {}
    for _ in range(PASSES):
        for threads in THREADS:
            name = str(threads or "default")
            rates[name] = max(rates.get(name, 0), round(rate(source, threads), 1))
    share = round(rates["default"] / max(rates.values()), 3)
    return {"default_vs_best": share, "latency": latency, "patches": patches, "patches_per_s": rates}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds before each read")
    parser.add_argument("--patches", type=int, default=192, help="of a pass")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    result = run(options.patches, options.latency)
    if options.json:
        print(json.dumps(result))
        return
    print(Table([{"threads": name, "patches/s": value} for name, value in result["patches_per_s"].items()]))
    print(f"default_vs_best {result['default_vs_best']}, {options.latency} s before each of {options.patches} reads")


if __name__ == "__main__":
    main()
