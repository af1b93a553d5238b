"""Batches of Chesapeake patches from disk: our loader against what a student could pick instead, and the limits.

    ./course run python benchmarks/streaming.py [--quick] [--json] [--real]

All deliver the same: each round is an epoch in shuffled order, batches of 32, float32 (32, 256, 256, 26) and labels
(32, 256, 256), from files in the page cache, with two threads or processes that read. (The compact cases deliver
the same pixels as whole numbers.) In a first round, which is not timed, all labels and every sixteenth
row of pixels are compared with ours: float32 to the last bit, but that some multiply by 1/255 and some divide by 255.

Each case has a process of its own, and they take turns; a ratio is the median over rounds of the quotient within one
round. CPU time (children included) is what other users of the machine disturb least. `npz_vs_inflate_limit` is the
share of our time that libdeflate alone needs for the same bytes, in two threads and in memory: its CPU milliseconds a
patch through ours; `..._rate` is the same in patches a second. A peer that is not installed is left out, its keys are
null. Memory is above what the process holds after its imports. The first batch counts from the
beginning of an epoch; the cold one, in the first round, from the list of files, while other cases still import.

Data: patches of the stand-in, kept in the system's folder for temporary files, or with `--real` the eight real ones,
each under several names.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from streaming_peers import Case, Work
from streaming_peers.cases import CASES
from streaming_peers.measure import CaseError, Round, Worker, prepare
from streaming_peers.patches import bytes_ratio, pack_copies, real_patches, stand_in_patches
from tqdm import tqdm

from helpers.tables import Table

FULL = {"patches": 96, "rounds": 7, "seconds": 900}
QUICK = {"patches": 32, "rounds": 5, "seconds": 38}
ALWAYS, AHEAD = 4, 3  # cases that are measured in any case; processes that import at a time
PASSES = 2  # a round reads each patch so often
RATIOS = {  # key: (the slower, the faster, clock)
    "npz_vs_ou_cpu": ("ou", "npz", "cpu"),
    "npz_vs_ou_rate": ("ou", "npz", "wall"),
    "npz_compact_vs_ou_cpu": ("ou", "npz_compact", "cpu"),
    "npz_vs_torch_cpu": ("torch", "npz", "cpu"),
    "npz_vs_pydataset_cpu": ("pydataset", "npz", "cpu"),
    "npz_vs_inflate_limit": ("inflate", "npz", "cpu"),
    "npz_vs_inflate_limit_rate": ("inflate", "npz", "wall"),
    "npz_compact_vs_inflate_limit": ("inflate", "npz_compact", "cpu"),
    "npz_compact_vs_inflate_limit_rate": ("inflate", "npz_compact", "wall"),
    "npz_vs_tf_libdeflate_cpu": ("tf_libdeflate", "npz", "cpu"),
    "npz_vs_torch_libdeflate_cpu": ("torch_libdeflate", "npz", "cpu"),
    "npz_vs_spdl_cpu": ("spdl", "npz", "cpu"),
    "packed_vs_ou_cpu": ("ou", "packed", "cpu"),
    "packed_compact_vs_ou_cpu": ("ou", "packed_compact", "cpu"),
    "packed_zstd_compact_vs_ou_cpu": ("ou", "packed_zstd_compact", "cpu"),
    "packed_compact_vs_memmap_cpu": ("memmap_compact", "packed_compact", "cpu"),
    "packed_compact_vs_tfrecord_cpu": ("tfrecord_compact", "packed_compact", "cpu"),
}


@dataclass
class Result:
    """What was measured of one case."""

    peak: float = 0.0
    cold: float = 0.0
    rounds: list[Round] = field(default_factory=list)

    def row(self) -> dict[str, float]:
        """Sum up: medians over the rounds; memory and the cold first batch are those of the first round."""
        cpu, wall, first = (median(values) for values in zip(*(one[:3] for one in self.rounds), strict=True))
        return {
            "cpu_ms": round(cpu, 3),
            "samples_per_s": round(1e3 / wall, 1),
            "peak_mb": round(self.peak, 1),
            "first_batch_s": round(first, 3),
            "cold_first_s": round(self.cold, 3),
        }


def ratio(results: dict[str, Result], slow: str, fast: str, clock: str) -> float | None:
    """Median over rounds of how many times longer `slow` takes than `fast`; None where one was not measured."""
    if slow not in results or fast not in results:
        return None
    pairs = zip(results[slow].rounds, results[fast].rounds, strict=True)
    return round(median(getattr(one, clock) / getattr(other, clock) for one, other in pairs), 3)


def chosen(cases: list[Case], scratch: Path) -> tuple[list[Case], list[str]]:
    """Sort out what cannot be measured here, and say what to install."""
    kept, notes = [], []
    for case in cases:
        if missing := case.missing():
            notes.append(f"{case.name} left out: {', '.join(missing)} not installed (pip install --group peers).")
        elif case.packed and not (scratch / "packed").exists():
            continue
        else:
            kept.append(case)
    return kept, notes


def attempt(action: Callable[[], None], notes: list[str]) -> bool:
    """Do something with a case; if it fails, note why and go on without it."""
    try:
        action()
    except CaseError as error:
        notes.append(f"left out: {error}")
        return False
    return True


def check(works: dict[Case, Work], end: float, notes: list[str]) -> dict[Worker, Result]:
    """Run every case once, as long as there is time, and see that all deliver what the first one, ours, delivers."""
    results: dict[Worker, Result] = {}
    wanted: dict[int, float] = {}
    workers: dict[Case, Worker] = {}

    def first(worker: Worker) -> None:
        worker.ready()
        done = worker.first()
        got = {digest: count / done.samples for digest, count in Counter(done.digests).items()}
        wanted.update(got if not wanted else {})
        if got not in ({}, wanted):
            raise SystemExit(f"{worker.case.name} does not deliver the patches that npz does: no ratio would hold.")
        results[worker] = Result(worker.peak, done.first)

    for at, case in enumerate(tqdm(works, desc="checking", leave=False, disable=None)):
        if len(results) >= ALWAYS and time.monotonic() > end:
            notes.append(f"{case.name} left out: the machine is too busy to measure it in the time there is.")
            continue
        for coming in list(works)[at : at + AHEAD]:  # they import while this one runs
            workers[coming] = workers.get(coming) or Worker(coming, works[coming])
        attempt(lambda case=case: first(workers[case]), notes)
    for case in workers:
        if workers[case] not in results:
            workers[case].end()
    return results


def take_turns(results: dict[Worker, Result], rounds: int, end: float) -> None:
    """Time all cases in turns, for some rounds or as long as one more can be expected to fit."""
    longest = 0.0
    for number in tqdm(range(rounds), desc="rounds", leave=False, disable=None):
        begin = time.monotonic()
        if number and begin + longest > end:
            break
        for worker, result in results.items():
            result.rounds.append(worker.again())
        longest = max(longest, time.monotonic() - begin)


def run(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Make the data, measure, and sum up as `--json` prints it."""
    end = time.monotonic() + options.seconds
    files = real_patches(scratch / "real", options.patches) if options.real else stand_in_patches(options.patches)
    notes = pack_copies(files[0].parent if options.real else files[0].parents[1], scratch)
    cases, absent = chosen([case for case in CASES if case.quick or not options.quick], scratch)
    notes += absent
    once = [str(file) for file in files]
    works = {case: Work(once * (case.quick if options.quick else PASSES), scratch) for case in cases}
    works = {case: work for case, work in works.items() if attempt(lambda case=case: prepare(case, works[case]), notes)}
    measured = check(works, end - options.seconds / 3, notes)
    take_turns(measured, options.rounds, end)
    for worker in measured:
        worker.end()
    results = {worker.case.name: result for worker, result in measured.items()}
    if not results:
        raise SystemExit(f"no case was measured: wait until the machine is less busy. {'; '.join(notes)}")
    return report(results, Work(once, scratch), "real" if options.real else "stand-in", notes)


def report(results: dict[str, Result], work: Work, data: str, notes: list[str]) -> dict[str, Any]:
    """Sum up what was measured."""
    rows = {name: result.row() for name, result in results.items()}
    found: dict[str, Any] = {key: ratio(results, *of) for key, of in RATIOS.items()}
    found["packed_zstd_bytes_vs_npz"] = bytes_ratio(work.folder / "packed_zstd", work.files)
    of_cases = {"peak_mb": "npz", "peak_compact_mb": "npz_compact", "first_batch_s": "npz"}
    for key, case in of_cases.items():
        found[key] = rows[case][key.replace("_compact", "")] if case in rows else None
    facts = {"data": data, "patches": len(work.files)}
    rounds = max((len(result.rounds) for result in results.values()), default=0)
    return {**found, **facts, "rounds": rounds, "notes": notes, "cases": rows}


def show(result: dict[str, Any]) -> None:
    """Print the tables."""
    print(Table([{"case": name, **row} for name, row in result["cases"].items()]), end="\n\n")
    print(Table([{"key": key, "ratio": "-" if result[key] is None else result[key]} for key in RATIOS]))
    print(f"\n{result['data']}, {result['patches']} patches, {result['rounds']} rounds after the first")
    print("\n".join(result["notes"]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="end within 50 s: fewer peers, patches and rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--real", action="store_true", help="the real patches of COURSE_DATA instead of the stand-in")
    for name in ("patches", "rounds", "seconds"):  # the tests make them few
        parser.add_argument(f"--{name}", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name, value in (QUICK if options.quick else FULL).items():
        setattr(options, name, getattr(options, name, None) or value)
    with tempfile.TemporaryDirectory() as scratch:
        result = run(options, Path(scratch))
    if options.json:
        print(json.dumps(result, allow_nan=False))
    else:
        show(result)


if __name__ == "__main__":
    main()
