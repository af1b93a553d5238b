"""Tell of several runs of pytest together: the slowest tests, CPU minutes by part, and what failed once but not twice.

    python .ci/summary.py RUN.xml [RUN.xml ...] [--again AGAIN.xml ...]

Each file is what `pytest --junitxml` wrote; those after --again are of what failed and ran once more, alone.
"""

import argparse
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SLOWEST = 20
PARTS = {  # the first whose words stand in the name of a test
    "lectures": ("tests.test_lectures", "tests.lectures."),
    "self-tests": ("tests.test_homework",),
    "browser": ("tests.test_browser", "tests.test_explorer_", "test_nbgrader_pages"),
    "Slurm and training": ("tests.experiments.", "tests.slurm."),
    "grading": ("tests.grading.",),
    "others": ("",),
}


@dataclass(frozen=True)
class Test:
    """A test of one run; seconds on the clock, and of CPU time with that of child processes."""

    name: str
    seconds: float
    cpu: float
    failed: bool


def tests(path: Path) -> Iterator[Test]:
    """Yield the tests of a run. A run that was ended before it wrote its file has none."""
    if not path.exists():
        return
    for case in ElementTree.parse(path).iter("testcase"):
        cpu = sum(float(one.get("value", 0)) for one in case.iter("property") if one.get("name") == "cpu")
        failed = case.find("failure") is not None or case.find("error") is not None
        yield Test(f"{case.get('classname')}::{case.get('name')}", float(case.get("time", 0)), cpu, failed)


def flaky(first: list[Test], again: list[Test]) -> Counter[str]:
    """Count how often each test failed that passed when it had the machine to itself."""
    passed = {test.name for test in again} - {test.name for test in again if test.failed}
    return Counter(test.name for test in first if test.failed and test.name in passed)


def main(arguments: list[str]) -> None:
    """Print the three lists."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--again", nargs="*", default=[], type=Path)
    options = parser.parse_args(arguments)
    first, again = ([test for path in paths for test in tests(path)] for paths in (options.runs, options.again))
    print(f"\n==== the {SLOWEST} slowest tests ====")
    for test in sorted(first, key=lambda test: -test.seconds)[:SLOWEST]:
        print(f"{test.seconds:7.1f} s {test.cpu:7.1f} CPU-s  {test.name}")
    print("\n==== CPU minutes by part ====")
    minutes: Counter[str] = Counter()
    for test in first:
        part = next(part for part, words in PARTS.items() if any(word in test.name for word in words))
        minutes[part] += test.cpu / 60
    for part, number in minutes.most_common():
        print(f"{number:7.1f}  {part}")
    print(f"{sum(minutes.values()):7.1f}  together")
    found = flaky(first, again)
    print(f"\n==== flaky: {len(found)} ====")
    for name, times in found.items():
        print(f"failed {times} time(s), passed alone: {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
