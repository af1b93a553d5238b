"""Which tests a run takes, how several processes share them, and what is told of those left out.

    ./course test           what a newcomer runs: needs no git, network, Slurm or browser
    ./course test --fast    without the tests marked `slow`
    ./course test --full    also those marked `long` or `needs`
    ./course test --deep    everything, for a night
    ./course test --rest    what --full has and `./course test` has not; CI runs the two one after the other
    ./course test --turn N  of the tests that take turns, every third one; N, N + 1 and N + 2 take all

Each phase of a test carries its CPU time, that of ended child processes included, as the property `cpu`.
"""

import os
import re
import sys
from collections import Counter

import pytest

try:
    from xdist.scheduler import LoadScopeScheduling
except ModuleNotFoundError:  # the student edition runs its few tests in one process
    LoadScopeScheduling = object

FAST, USUAL, FULL, DEEP, LATER = range(5)
TURNS = 3
SHARED_OUT = ("test_lectures.py", "test_answers.py", "test_homework.py")
OPTIONS = {
    "fast": "leave out what takes more than a few seconds",
    "full": "also run what takes minutes, or needs git, a network, Slurm or a browser",
    "deep": "run everything; takes a night",
    "rest": "run what --full has and a run without options has not",
}
NEEDED_BY = {"slurm": "Slurm", "browser": "a browser", "committed": "git"}  # fixtures that want more than Python
LEFT_OUT = pytest.StashKey[Counter]()
_cpu_before = sum(os.times()[:4])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose among the tests; without one a newcomer's are run."""
    group = parser.getgroup("course", "which tests to run")
    for name, meaning in OPTIONS.items():
        group.addoption(f"--{name}", action="store_true", help=meaning)
    group.addoption("--turn", type=int, metavar="N", help="of the tests marked `turns`, run every third one")


def tier(item: pytest.Item) -> tuple[int, str]:
    """Return the smallest run that takes a test, and why smaller ones do not."""
    if item.get_closest_marker("deep"):
        return DEEP, "take a night: ./course test --deep"
    needs = [marker.args[0] for marker in item.iter_markers("needs")]
    needs += [NEEDED_BY[name] for name in getattr(item, "fixturenames", ()) if name in NEEDED_BY]
    if needs:
        return FULL, f"need {needs[0]}: ./course test --full"
    if item.get_closest_marker("long"):
        return FULL, "take minutes: ./course test --full"
    if item.get_closest_marker("slow"):
        return USUAL, "take seconds: ./course test"
    return FAST, ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this run does not want, and put first what takes longest, so that no process waits at the end."""
    wanted = {name for name in OPTIONS if config.getoption(name)}
    most = DEEP if "deep" in wanted else FULL if wanted & {"full", "rest"} else FAST if "fast" in wanted else USUAL
    least = FULL if "rest" in wanted else FAST
    kept, left, reasons = [], [], Counter()
    turn = config.getoption("turn")
    taking_turns = [item for item in items if item.get_closest_marker("turns")]
    waiting = set() if turn is None else {*taking_turns} - {*taking_turns[turn % TURNS :: TURNS]}
    for item in items:
        of, reason = (LATER, "take turns: ./course test --full") if item in waiting else tier(item)
        (kept if least <= of <= most else left).append(item)
        reasons.update([reason] if of > most else [])
    config.stash[LEFT_OUT] = reasons
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = dict(reasons)
    config.hook.pytest_deselected(items=left)
    longest: dict[str, tuple[int, bool]] = {}
    for item in kept:
        of, reason = tier(item)
        longest[shared(item.nodeid)] = max(longest.get(shared(item.nodeid), (FAST, False)), (of, "Slurm" in reason))
    # of equal tiers, Slurm's come first: they wait while others compute; then single lectures and homework
    items[:] = sorted(kept, key=lambda item: shared(item.nodeid).endswith(".py"))
    items.sort(key=lambda item: longest[shared(item.nodeid)], reverse=True)


# ---- several processes ----


def shared(nodeid: str) -> str:
    """Name what a test has in common with others, which then run in the same process.

    That is its file; of those that run notebooks for an hour, `SHARED_OUT`, one lecture or homework.
    """
    path, _, test = nodeid.partition("::")
    return path + "".join(re.findall(r"\[(\w+)", test) if path.endswith(SHARED_OUT) else [])


class ByFile(LoadScopeScheduling):
    """Hands the tests of a file to one process, which makes once what they share."""

    def _split_scope(self, nodeid: str) -> str:
        return shared(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    """Let the tests of a file stay together, in the order in which they were collected."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object, error: object) -> None:
    """Take over from a process what it left out; all leave out the same."""
    output = getattr(node, "workeroutput", {})  # one that crashed has none
    if "left_out" in output:
        node.config.stash[LEFT_OUT] = Counter(output["left_out"])


# ---- what is told ----


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended, kernels that were forked included."""
    kernels = sys.modules.get("warm_kernels")
    return sum(os.times()[:4]) + (kernels.cpu_seconds() if kernels else 0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> None:
    """Add the CPU time since the last phase, of this test or the one before, to what the report will tell."""
    global _cpu_before
    before, _cpu_before = _cpu_before, cpu_seconds()
    item.user_properties.append(("cpu", round(_cpu_before - before, 2)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell what was left out, and how to run it."""
    reasons = config.stash.get(LEFT_OUT, Counter())
    if reasons:
        terminalreporter.section("left out")
        for reason, number in reasons.most_common():
            terminalreporter.write_line(f"{number:5} that {reason}")
