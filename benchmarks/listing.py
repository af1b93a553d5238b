"""From a folder of very many patches to the first batch: listing, dividing by tile, shuffling, reading 32.

    ./course run python benchmarks/listing.py [--quick] [--json]

Folders of 10,000, 100,000 and (without `--quick`) 1,000,000 patches, which are names for a few files. They take turns;
figures are medians over three rounds. `growth_listing` and `growth_shuffling` tell how many times more CPU time one
patch takes in the largest folder than in the next one: 1 is linear. `first_batch_100k_s` is everything together by the
clock on the wall, beginning with the path of the folder.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median

from tqdm import tqdm

from helpers.data import chesapeake
from helpers.data.streaming import Loader, order
from helpers.data.synthetic import make_patches

SIZES, QUICK = (10_000, 100_000, 1_000_000), (10_000, 100_000)
ROUNDS, BATCH = 3, 32
PER_TILE = 500  # as in the real data
MOST_LINKS = 30_000  # names of one file; file systems end at 65,000
Times = dict[str, float]


def fill(folder: Path, count: int, original: bytes) -> Path:
    """Make `count` patches in LILA's layout, each a name for one of a few files."""
    inside = folder / "pa_1m_2013_extended-train_patches"
    inside.mkdir(parents=True)
    for number in tqdm(range(count), desc=f"{count:,} names", leave=False):
        path = inside / f"pa_1m_2013-m_{3_900_000 + number // PER_TILE}_sw_18_1-{number % PER_TILE}.npz"
        if number % MOST_LINKS == 0:
            first = path
            first.write_bytes(original)
        else:
            os.link(first, path)
    return folder


def measure(folder: Path, seed: int) -> Times:
    """Go from the folder to a batch; return the CPU seconds of two steps, and the seconds of all."""
    start, begun = time.perf_counter(), time.process_time()
    splits = chesapeake.split_files(folder)
    listed = time.process_time()
    order.permutation(len(splits.train), seed=seed, epoch=0)  # the loader finds it in the cache
    shuffled = time.process_time()
    next(iter(Loader(chesapeake.Patches(splits.train), batch_size=BATCH, shuffle=True, seed=seed)))
    done = time.perf_counter()
    return {"listing": listed - begun, "shuffling": shuffled - listed, "first batch": done - start}


def summary(times: dict[int, list[Times]]) -> dict[str, object]:
    """Sum up: medians by number of patches, and how they grow."""
    medians = {
        count: {step: round(median(one[step] for one in rounds), 4) for step in rounds[0]}
        for count, rounds in times.items()
    }
    *_, before, largest = medians
    growth = {
        f"growth_{step}": round(medians[largest][step] / medians[before][step] * before / largest, 2)
        for step in ("listing", "shuffling")
    }
    return {"first_batch_100k_s": medians[100_000]["first batch"], **growth, "seconds": medians}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="without the million")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        original = make_patches(Path(scratch, "one"), 1, progress=False)[0].read_bytes()
        sizes = QUICK if options.quick else SIZES
        folders = {count: fill(Path(scratch, str(count)), count, original) for count in sizes}
        times: dict[int, list[Times]] = {count: [] for count in sizes}
        for seed in range(ROUNDS):
            for count, folder in folders.items():
                times[count].append(measure(folder, seed))
        found = summary(times)
    print(json.dumps(found, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
