"""How a homework stands: how many are graded, what they have, and what each test tells about its answer."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import StatisticsError, correlation, median

import nbformat

from helpers.grading import canonical
from helpers.grading.pages import parts
from helpers.grading.pipeline import Course, exporting, issuing, records
from helpers.grading.pipeline.roster import Student

WAITING = "not graded yet"
LONGEST = 160  # characters of a failure
_NUMBER = re.compile(r"-?\d[\d_,]*(?:\.\d+)?(?:e[+-]?\d+)?")
_SHAPE = re.compile(r"(\bshape \([^()]*\))")
_ADDRESS = re.compile(r"0x[0-9a-f]+|_\d+\b")


@dataclass
class Item:
    """What became of one test.

    Attributes:
        name: of its cell.
        points: that it can give.
        tried: how many submissions have a score by it.
        lost: how many of them have less than its points.
        discrimination: the correlation of its score with the score by all other tests; None where one of the two is
            the same for everybody.
        seconds: the median of what it computed; None where nobody measured.
        failures: how often each failure, numbers left out, and one of its students; the most frequent first.
    """

    name: str
    points: float
    tried: int = 0
    lost: int = 0
    discrimination: float | None = None
    seconds: float | None = None
    failures: list[tuple[str, int, str]] = field(default_factory=list)

    @property
    def remark(self) -> str:
        """What an instructor should look at."""
        if self.tried > 1 and self.lost in (0, self.tried):
            return "everybody loses it" if self.lost else "nobody loses it"
        return "those who are better otherwise lose it" if (self.discrimination or 0) < 0 else ""

    @property
    def shared(self) -> list[tuple[str, int, str]]:
        """The failures that several students have, at most five."""
        return [failure for failure in self.failures if failure[1] > 1][:5]


@dataclass
class Status:
    """How a homework stands.

    Attributes:
        counts: submissions by status, how many are late or stale, and how many students have a variant of their own.
        scores: of all that are graded, from the lowest.
        most: that can be had.
        tests: in the order of the notebook.
        table: a row for each student; see `exporting.rows`.
        changes: of grades that had been given, by student; see `records.change`.
        flags: what a person should look at, by student; see `Record`.
    """

    counts: dict[str, int]
    scores: list[float]
    most: float
    tests: list[Item]
    table: list[dict[str, str]] = field(default_factory=list)
    changes: dict[str, list[records.Change]] = field(default_factory=dict)
    flags: dict[str, list[str]] = field(default_factory=dict)

    @property
    def regrades(self) -> list[tuple[str, records.Change]]:
        """The requests among the changes, with their students; points by hand are too many to be listed."""
        return [(student, one) for student, own in self.changes.items() for one in own if one.what == records.REGRADE]

    @property
    def handed_in(self) -> int:
        """How many handed in, whatever became of it."""
        return sum(row["status"] != exporting.MISSING for row in self.table)

    @property
    def median(self) -> float:
        """What the one in the middle has."""
        return median(self.scores)

    @property
    def tenths(self) -> list[int]:
        """How many have less than a tenth of the points, less than two tenths, and so on; ten numbers."""
        counts = Counter(min(9, int(10 * max(0.0, score) / self.most)) if self.most else 0 for score in self.scores)
        return [counts[tenth] for tenth in range(10)]

    @property
    def unsettled(self) -> list[dict[str, str]]:
        """The rows of those who handed in and whose grade somebody should look at."""
        noted = ("late", "stale", "problems")
        handed = [row for row in self.table if row["status"] != exporting.MISSING]
        return [row for row in handed if row["status"] != exporting.GRADED or any(row[one] for one in noted)]


def status(course: Course, homework: str, students: Mapping[str, Student]) -> Status:
    """Look at all submissions of a homework.

    Args:
        course: where.
        homework: which.
        students: by their number; see `roster.read`.
    """
    table = exporting.rows(course, homework, students)
    counts = Counter(row["status"] for row in table)
    known = records.load(course, homework)
    states = [known[row["student_id"]].state for row in table if row["student_id"] in known]
    if waiting := sum(state in (records.COLLECTED, records.GRADING) for state in states):
        counts[WAITING], counts[exporting.FAILED] = waiting, counts[exporting.FAILED] - waiting
    counts["late"] = sum(bool(row["late"]) for row in table)
    counts[exporting.STALE] = sum(bool(row["stale"]) for row in table)
    if issued := issuing.load(course, homework):
        counts["with a variant"] = sum(row["student_id"] in issued for row in table)
    graded = [row for row in table if row["score"]]
    scores = sorted(float(row["score"]) for row in graded)
    names = [row["student_id"] for row in graded]
    most = max((float(row["max_score"]) for row in graded), default=0.0)
    tests = _tests(course, homework, names)
    flags = {student: record.flags for student, record in known.items() if record.flags}
    return Status(dict(counts), scores, most, tests, table, records.changes(course, homework), flags)


def _tests(course: Course, homework: str, students: list[str]) -> list[Item]:
    cells = course.read_source(homework).cells
    flags = [cell.metadata.nbgrader for cell in cells if "nbgrader" in cell.metadata]
    found = {one.grade_id: Item(one.grade_id, one.points) for one in flags if one.grade and not one.solution}
    points: dict[str, dict[str, float]] = {name: {} for name in found}
    with course.gradebook() as gradebook:
        for submission in gradebook.assignment_submissions(homework):
            for grade in [one for notebook in submission.notebooks for one in notebook.grades]:
                if submission.student_id in students and grade.name in points and grade.auto_score is not None:
                    points[grade.name][submission.student_id] = grade.auto_score
    seconds, failures = _from_notebooks(course, homework, students)
    for name, test in found.items():
        own = points[name]
        others = {one: sum(points[other].get(one, 0) for other in found if other != name) for one in own}
        test.tried, test.lost = len(own), sum(value < test.points for value in own.values())
        test.discrimination = _correlation([own[one] for one in own], [others[one] for one in own])
        test.seconds = median(seconds[name]) if seconds[name] else None
        test.failures = [(text, len(who), who[0]) for text, who in failures[name].items()]
        test.failures.sort(key=lambda failure: -failure[1])
    return list(found.values())


def _correlation(some: list[float], others: list[float]) -> float | None:
    try:
        return correlation(some, others)
    except StatisticsError:  # fewer than two, or all the same
        return None


def _from_notebooks(course: Course, homework: str, students: list[str]) -> tuple[dict, dict]:
    """Return for each test what it took, and the students of each failure."""
    seconds: dict[str, list[float]] = defaultdict(list)
    failures: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for student in students:
        try:
            path = course.autograded(student, homework) / f"{homework}.ipynb"
            cells = nbformat.read(path, as_version=4).cells
        except (OSError, ValueError):
            continue
        for cell in cells:
            name = canonical.label_of(cell)
            if name and "seconds" in cell.metadata:
                seconds[name].append(float(cell.metadata["seconds"]))
            for error in [out for out in cell.get("outputs", []) if out.output_type == "error"][:1]:
                failures[str(name)][kind_of_failure(error.ename, error.evalue)].append(student)
    return seconds, failures


def kind_of_failure(name: str, text: str) -> str:
    r"""Return a failure without what differs from student to student; shapes are what a misconception shows in.

    >>> kind_of_failure("Mismatch", "the loss\n  expected: 0.25\n  got:      1.75e-3\n  read:     lecture 01")
    'Mismatch: the loss: expected #, got #'
    >>> kind_of_failure("Mismatch", "the code\n  expected: shape (4, 8)\n  got:      shape (4, 32)")
    'Mismatch: the code: expected shape (4, 8), got shape (4, 32)'
    >>> kind_of_failure("ValueError", "matmul: size 2 is different from 3\nmore")
    'ValueError: matmul: size # is different from #'
    """
    what, facts = parts(text)
    line = next((line.strip() for line in what.splitlines() if line.strip()), "")
    told = ", ".join(f"{fact} {' '.join(facts[fact].split())}" for fact in ("expected", "got") if fact in facts)
    shapes = _SHAPE.split(": ".join(filter(None, (line, told))))
    plain = "".join(text if n % 2 else _NUMBER.sub("#", _ADDRESS.sub("", text)) for n, text in enumerate(shapes))
    return (f"{name}: {plain}" if plain else name)[:LONGEST]
