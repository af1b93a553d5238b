"""The group `./course homework`: its verbs, their arguments, and what they print of what `helpers.grading` does."""

import argparse
import re
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.cli.verbs import TEACHER, Group, OneOf, Parser, Verb, at_least, existing
from helpers.cores import usable_cores
from helpers.errors import UsageError, nearest

if TYPE_CHECKING:  # they need more than the standard library
    from helpers.grading.checking import Row
    from helpers.grading.mutants.selftest import Report
    from helpers.grading.pipeline import Course
    from helpers.grading.pipeline.records import Record, Score
    from helpers.grading.pipeline.roster import Student
    from helpers.grading.pipeline.status import Status

ROOT = Path(__file__).resolve().parents[2]
UNSAFE = (
    "course homework grade: WARNING: no sandbox. What students wrote runs with all of your rights: it can read hidden "
    "tests and change grades and files."
)
_ANONYMOUS = re.compile(r"(LATE_)?anon_[A-Za-z0-9]+_")
NAMES = sorted(folder.name for folder in (ROOT / "homework").glob("hw*/"))


def _homework(parser: Parser) -> None:
    parser.add_argument("homework", metavar="HW", help="such as hw1_dense")
    parser.add_argument(
        "--course", type=existing("folder"), default=ROOT, metavar="DIR", help="another course than this one"
    )


def _roster(parser: Parser) -> None:
    parser.add_argument("--roster", type=Path, metavar="CSV", help="default: homework/_instructor/grading/roster.csv")


class _Notebook(OneOf):
    """Reads the name of a homework, or the path of a notebook."""

    def __call__(self, text: str) -> Path:
        """Return the path of the notebook."""
        if text.endswith(".ipynb"):
            return existing("notebook")(text)
        return ROOT / "homework" / super().__call__(text) / f"{text}.ipynb"


def _check(parser: Parser) -> None:
    parser.add_argument(
        "notebook", type=_Notebook(NAMES), metavar="HW", help="such as hw1_dense, or the path of a notebook"
    )


def _selftest(parser: Parser) -> None:
    parser.add_argument("homework", metavar="HW", help="such as hw1_dense")
    parser.add_argument("--seeds", type=at_least(1), default=8, metavar="N", help="how many for the solution (8)")
    parser.add_argument(
        "--sample",
        action="store_true",
        help="try a mutant on the tests that it should lose and a quick other one, as CI does: much faster",
    )
    parser.add_argument("--write", action="store_true", help="store the table of margins beside the mutants")


def _release(parser: Parser) -> None:
    _homework(parser)
    parser.add_argument(
        "--due", default="", metavar="TIME", help='such as "2026-11-30 23:59 UTC"; for Moodle: later is late'
    )
    parser.add_argument(
        "--variants", action="store_true", help="give each student on the roster numbers and names of their own"
    )
    _roster(parser)
    parser.add_argument(
        "--autograder", type=Path, metavar="ZIP", help="also write what Gradescope makes its container of"
    )


def _collect(parser: Parser) -> None:
    _homework(parser)
    parser.add_argument(
        "zip", type=existing("file"), metavar="ZIP", help="all submissions, as Canvas or Moodle give them"
    )
    _roster(parser)


def _jobs(parser: Parser) -> None:
    parser.add_argument(
        "--jobs", type=at_least(1), default=usable_cores(), metavar="N", help="at a time; default: one a core"
    )


def _grade(parser: Parser) -> None:
    _homework(parser)
    _jobs(parser)
    parser.add_argument("--student", metavar="ID", help="this one only, even if it is graded")
    parser.add_argument(
        "--version", type=at_least(1), metavar="N", help="with --student: this version of what they handed in"
    )
    parser.add_argument("--again", action="store_true", help="grade those again that are graded, as after a correction")
    parser.add_argument("--unsafe", action="store_true", help="without a sandbox, where there is no bubblewrap")


def _status(parser: Parser) -> None:
    _homework(parser)
    _roster(parser)
    parser.add_argument("--student", metavar="ID", help="what the grade of this one is by, and what changed about it")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write it as a page, which needs no network")


def _change(parser: Parser, without: str) -> None:
    parser.add_argument("--why", default="", metavar="TEXT", help=f"the reason, which is kept; {without}")
    parser.add_argument("--by", metavar="NAME", help="who changes the grade; default: your user name")


def _regrade(parser: Parser) -> None:
    _homework(parser)
    parser.add_argument("student", metavar="STUDENT", help="such as ada")
    _change(parser, "must be given")
    parser.add_argument("--version", type=at_least(1), metavar="N", help="this version of what they handed in")
    parser.add_argument("--unsafe", action="store_true", help="without a sandbox, where there is no bubblewrap")


def _feedback(parser: Parser) -> None:
    _homework(parser)
    _roster(parser)
    _jobs(parser)
    parser.add_argument("--unsafe", action="store_true", help="without a sandbox: pages can then show hidden tests")


def _export(parser: Parser) -> None:
    _homework(parser)
    _roster(parser)
    parser.add_argument("--to", type=Path, metavar="CSV", help="default: homework/_instructor/grading/HW.csv")
    parser.add_argument(
        "--canvas", type=existing("file"), metavar="CSV", help="what Canvas exported; HW-canvas.csv is for its import"
    )
    parser.add_argument(
        "--moodle", type=existing("file"), metavar="CSV", help="Moodle's grading worksheet; HW-moodle.csv is to upload"
    )
    parser.add_argument("--gradescope", action="store_true", help="also write a results.json for each submission")
    parser.add_argument(
        "--by-hand", type=Path, metavar="CSV", help="also write a table to give points by hand in, for `import`"
    )


def _import(parser: Parser) -> None:
    _homework(parser)
    parser.add_argument(
        "table", type=existing("file"), metavar="CSV", help="student_id, and a column for each cell with points"
    )
    _change(parser, "default: the name of the table")


def _similar(parser: Parser) -> None:
    _homework(parser)
    parser.add_argument(
        "--earlier", type=existing("folder"), metavar="DIR", help="also compare with notebooks of earlier terms in here"
    )
    parser.add_argument(
        "--above",
        type=at_least(1, most=100),
        default=75,
        metavar="PERCENT",
        help="in common; default: 75",
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="default: homework/_instructor/grading/similar/HW.html"
    )


def _course(options: argparse.Namespace) -> "Course":
    """Return the course that is meant.

    Raises:
        GradingError: it has no homework of this name.
    """
    from helpers.grading.pipeline import Course

    found = Course(options.course.resolve())
    found.read_source(options.homework)
    return found


def _students(course: "Course", options: argparse.Namespace) -> dict[str, "Student"]:
    """Read the roster that is meant."""
    from helpers.grading.pipeline import roster

    return roster.read(options.roster or course.grading / roster.NAME)


def _students_if_known(course: "Course", options: argparse.Namespace) -> dict[str, "Student"]:
    """Read the roster that is meant; without one, nobody said who has more time."""
    from helpers.grading.pipeline import roster

    return _students(course, options) if options.roster or (course.grading / roster.NAME).exists() else {}


def run_check(options: argparse.Namespace) -> int:
    """Run the notebook and show its tests; return 0 if all open ones pass, 1 if some do not."""
    from helpers.grading.checking import BLANK, FAILED, HIDDEN, PASSED, check

    def show(row: "Row") -> None:
        _show("")
        print(_line(row), flush=True)

    def running(name: str) -> None:
        _show(f"running {name}")

    rows = check(options.notebook, _handed_out(options.notebook), running=running, done=show, note=print)
    _show("")
    passed, hidden = (sum(row.outcome == one for row in rows) for one in (PASSED, HIDDEN))
    others = [row for row in rows if row.outcome in (FAILED, BLANK)]
    print(f"\n{passed} of {passed + len(others)} open tests passed. ", end="")
    print(f"Hidden tests that grading adds: {hidden}, and hidden parts of open ones.")
    print(_next(options.notebook, rows, others))
    return 1 if others else 0


def _handed_out(notebook: Path) -> Path | None:
    """Return the notebook that was handed out, if a student's is another file of its name, such as a download."""
    name = re.sub(r"(-\d+|\s*\(\d+\)|-Copy\d+)+$", "", notebook.stem)
    ours = ROOT / "homework" / name / f"{name}.ipynb"
    return ours if ours.exists() and not ours.samefile(notebook) else None


def _next(notebook: Path, rows: list["Row"], others: list["Row"]) -> str:
    """Return what a student does next."""
    from helpers.grading.checking import FAILED

    blank = list(dict.fromkeys(row.message for row in rows if "still to be written" in row.message))
    failed = [row.test for row in others if row.outcome == FAILED]
    if failed:
        return f"Next: the test {failed[0]}. Read its message, mend the answer above it, and run this again."
    if blank:
        return f"Next: {blank[0]}" + f" (and {len(blank) - 1} more)" * (len(blank) > 1) + "."
    return f"Next: read what the comments of hidden tests announce, save, and hand in {notebook}."


def _line(row: "Row") -> str:
    line = f"{row.outcome:8} {row.points:4g} points  {row.test}" + f"  {row.seconds:.1f} s" * (row.seconds >= 0.05)
    return line + "".join(f"\n           {part}" for part in row.message.splitlines())


def run_release(options: argparse.Namespace) -> int:
    """Release, and say where.

    Raises:
        UsageError: students are to have variants, and Gradescope is to grade them.
    """
    from helpers.grading.pipeline import issuing
    from helpers.grading.pipeline.releasing import release

    if options.variants and options.autograder:
        raise UsageError("--autograder cannot grade --variants: Gradescope's container does not know whose it grades")
    course = _course(options)
    students = [student.id for student in _students(course, options).values()] if options.variants else None
    folder = release(course, options.homework, due=options.due, students=students)
    print(f"{options.homework} is in {folder}: no solution, hidden test or mark scheme in it.")
    if table := issuing.load(course, options.homework):
        archive = issuing.folder(course) / f"{options.homework}.zip"
        print(f"{len(table)} students have a variant of their own: {archive} has a folder for each.")
    if options.autograder:
        from helpers.grading.pipeline.gradescope import write_autograder

        write_autograder(course, options.homework, options.autograder)
        print(f"{options.autograder} is for Gradescope and nobody else: it has solutions and hidden tests.")
    return 0


def run_selftest(options: argparse.Namespace) -> int:
    """Test a homework; return 0 if it is good, 1 if not.

    Raises:
        UsageError: there is none of this name.
    """
    from helpers.grading.mutants import read_alternatives, read_mutants, read_source
    from helpers.grading.mutants.selftest import margins_are_current, paths, selftest, write_margins
    from helpers.grading.pipeline.issuing import choices_path
    from helpers.grading.variants import corners, read

    source, mutants, table, alternatives = paths(ROOT, options.homework)
    if not source.exists() or not mutants.exists():
        known = sorted(path.stem for path in mutants.parent.glob("*.toml"))
        near, names = nearest(options.homework, known), ", ".join(known)
        raise UsageError(f"there is no homework {options.homework!r}.{near} There are: {names}.")
    report = selftest(
        read_source(source),
        read_mutants(mutants),
        read_alternatives(alternatives),
        variants=corners(read(choices_path(ROOT, options.homework))),
        seeds=options.seeds,
        every_test=not options.sample,
        progress=_show,
    )
    _show("")
    if options.write:
        write_margins(table, report.margins)
    elif not margins_are_current(table, report.margins):
        report.problems.append(f"{table.name} has other limits; run ./course homework selftest {table.stem} --write")
    print(_said(options.homework, report))
    return 1 if report.problems else 0


def _show(doing: str) -> None:
    """Print on one line of a terminal what runs; in a log file, nothing."""
    if sys.stderr.isatty():
        print(f"\r{doing}\033[K", end="", file=sys.stderr, flush=True)


def _said(homework: str, report: "Report") -> str:
    rows = [f"{'margin':>8} {'miss':>6}  limit"]
    for one in report.margins:
        miss = "" if one.miss is None else f"{min(one.miss, 999):.1f}"
        rows.append(f"{one.margin:8.2f} {miss:>6}  {one.test}: {one.what}, {one.worst:.3g} against {one.limit:.3g}")
    slowest, seconds = report.slowest
    summary = (
        f"{homework}: {report.points:g} points by tests, {report.mutants} mutants, {report.alternatives} alternatives, "
        f"{report.seconds:.0f} s of CPU time for the solution ({slowest}: {seconds:.0f} s)."
    )
    return "\n".join([*rows, "", *report.problems, "", summary + (" All good." if not report.problems else "")])


def run_collect(options: argparse.Namespace) -> int:
    """Collect, and tell what was wrong; return 1 if somebody's work cannot be graded or belongs to nobody."""
    from helpers.grading.pipeline import exporting
    from helpers.grading.pipeline.collecting import collect

    course = _course(options)
    found = collect(course, options.homework, options.zip, _students(course, options))
    lines = [{"student_id": one.student, "problem": line} for one in found.records for line in one.lines]
    lines += [{"student_id": "", "problem": f"{name}: {_stranger(name)}"} for name in found.strangers]
    lines += [{"student_id": student.id, "problem": "handed in nothing"} for student in found.missing]
    table = course.grading / "problems" / f"{options.homework}.csv"
    for line in lines:
        print(f"{line['student_id']:16} {line['problem']}")
    if lines:
        exporting.write(table, lines)
    _show_versions(course.grading / "versions" / f"{options.homework}.csv", found.records)
    failed = [record for record in found.records if record.failure]
    print(f"{len(found.records)} handed in, {len(failed)} of them no notebook to grade; {len(found.missing)} missing.")
    return 1 if failed or found.strangers else 0


def _show_versions(path: Path, found: list["Record"]) -> None:
    """Print and write a table of those who handed in more than once: which version is graded, and why."""
    from helpers.grading.pipeline import exporting

    rows = [{"student_id": one.student, **row} for one in found if len(one.versions) > 1 for row in one.versions]
    if not rows:
        return
    exporting.write(path, rows)
    print(f"\n{'student':16} version  graded  why")
    for row in rows:
        print(f"{row['student_id']:16} {row['version']:>7}  {row['graded']:6}  {row['why']} ({row['file']})")
    print("Another one: ./course homework grade HW --student ID --version N\n")


def _stranger(name: str) -> str:
    if _ANONYMOUS.match(name):
        return "Canvas gave no names; switch anonymous grading of the assignment off and download the zip again"
    return "nobody on the roster"


def run_grade(options: argparse.Namespace) -> int:
    """Grade, with a bar in a terminal; return 1 if a submission has no score.

    Raises:
        UsageError: a version of nobody.
    """
    from tqdm import tqdm

    from helpers.grading.pipeline import records
    from helpers.grading.pipeline.collecting import take_version
    from helpers.grading.pipeline.grading import grade, require_ready, waiting

    if options.version and not options.student:
        raise UsageError("--version N needs --student ID, whose version it is")
    course = _course(options)
    if options.version:
        require_ready(course, options.homework, unsafe=options.unsafe)  # for then the earlier score is gone
        take_version(course, options.homework, options.student, options.version)
    if options.unsafe:
        print(UNSAFE, file=sys.stderr)
    again = options.again or bool(options.student)
    todo = waiting(course, options.homework, again=again, student=options.student)
    with tqdm(total=len(todo), desc="graded", unit="", disable=None, leave=False) as bar:
        graded = grade(
            course,
            options.homework,
            todo,
            jobs=options.jobs,
            unsafe=options.unsafe,
            done=lambda record: bar.update(),
        )
    return _report(graded, records.scores(course, options.homework))


def _report(graded: list["Record"], points: dict[str, "Score"]) -> int:
    failed = [record for record in graded if record.failure]
    for record in graded:
        score = points.get(record.student)
        shown = "-" if record.failure or score is None else f"{score.points:g} of {score.most:g}"
        lines = [*record.problems, record.failure]
        lines += [
            f"{cell}: its points by hand were given before the regrade" for cell in (score.outdated if score else ())
        ]
        print(f"{record.student:16} {shown:>12}  {'; '.join(filter(None, lines))}".rstrip())
    print(f"{len(graded) - len(failed)} graded, {len(failed)} without a score.")
    return 1 if failed else 0


def run_status(options: argparse.Namespace) -> int:
    """Print how a homework stands, and write it as a page."""
    from helpers.grading import pages
    from helpers.grading.pipeline.status import status

    course = _course(options)
    if options.student:
        return _show_grade(course, options)
    found = status(course, options.homework, _students(course, options))
    print(f"{options.homework}: " + ", ".join(f"{count} {what}" for what, count in found.counts.items() if count))
    if found.scores:
        print(_distribution(found))
    lines = [line for row in found.table if (line := _by_policy(row))]
    lines += [f"{student:16} {change}" for student, change in found.regrades]
    print("".join(f"\n{line}" for line in lines))
    print(f"\n{'test':24} points  lost by  discrimination  seconds")
    for test in found.tests:
        told = "" if test.discrimination is None else f"{test.discrimination:.2f}"
        took = "" if test.seconds is None else f"{test.seconds:.1f}"
        lost = f"{test.lost}/{test.tried}"
        print(f"{test.name:24} {test.points:6g}  {lost:>7}  {told:>14}  {took:>7}  {test.remark}".rstrip())
    for test in found.tests:
        lines = [f"  {count:3} x {text} (such as {student})" for text, count, student in test.shared]
        if lines:
            print("\n".join(["", test.name, *lines]))
    lines = [f"to look at: {student}, {flag}" for student, flags in found.flags.items() for flag in flags]
    print("".join(f"\n{line}" for line in lines))
    if options.html:
        pages.write(options.html, "status.html.j2", homework=options.homework, found=found)
        print(f"\n{options.html}: the same as a page")
    return 0


def _show_grade(course: "Course", options: argparse.Namespace) -> int:
    """Print what the grade of a student is by, what is left of it, and what changed about it.

    Raises:
        UnknownError: nothing of this student was collected.
    """
    from helpers.grading import UnknownError
    from helpers.grading.pipeline import exporting, records

    homework, student = options.homework, options.student
    known = records.load(course, homework)
    if student not in known:
        there = ", ".join(known) or "nobody"
        raise UnknownError(f"there is nothing of {student!r}.{nearest(student, known)} There is of: {there}")
    for fact, value in records.grade_of(course, homework, student).items():
        print(f"{fact:10} {value}")
    table = exporting.rows(course, homework, _students_if_known(course, options))
    row = next(row for row in table if row["student_id"] == student)
    if row["score"]:
        late = _about_late(row)
        print(f"{'final':10} {row['score']}" + f" ({late})" * bool(late))
    print("".join(f"{line}\n" for line in known[student].lines + records.changes(course, homework).get(student, [])))
    return 0


def _by_policy(row: dict[str, str]) -> str:
    """Return a line about a student who is late or has more time; "" for others."""
    late = _about_late(row)
    return f"{row['student_id']:16} {late}" if late else ""


def _about_late(row: dict[str, str]) -> str:
    """Return how late a student is, what it costs, and who has how much more time; "" for others."""
    parts = [f"{row['days_late']} days late".replace("1 days", "1 day")] if row["days_late"] else []
    parts += [f"{row['taken_off']} of {row['raw']} points taken off"] if row["taken_off"] else []
    parts += [f"extension {row['extension']}"] if row["extension"] else []
    due = f" (due {row['due']})" if row["due"] else ""
    return f"{', '.join(parts)}{due}" if parts else ""


def _distribution(found: "Status") -> str:
    """Draw how many have each tenth of the points."""
    bars = [
        f"{10 * n:3} to {10 * n + 10:3} %  {'#' * count} {count or ''}".rstrip() for n, count in enumerate(found.tenths)
    ]
    low, high = found.scores[0], found.scores[-1]
    return "\n".join([f"points: {low:g} to {high:g} of {found.most:g}, the median {found.median:g}", *bars])


def run_regrade(options: argparse.Namespace) -> int:
    """Grade one student once more, and keep who wanted it and why; return 1 if there is no score."""
    from helpers.grading.pipeline import records
    from helpers.grading.pipeline.collecting import take_version
    from helpers.grading.pipeline.grading import grade, require_ready, waiting

    course, homework, student = _course(options), options.homework, options.student
    waiting(course, homework, again=True, student=student)  # refuses a name that nobody has
    if options.unsafe:
        print(UNSAFE, file=sys.stderr)
    with records.change(course, homework, student, records.REGRADE, who=_who(options), why=options.why):
        if options.version:
            require_ready(course, homework, unsafe=options.unsafe)  # for then the earlier score is gone
            take_version(course, homework, student, options.version)
        todo = waiting(course, homework, again=True, student=student)
        [record] = grade(course, homework, todo, unsafe=options.unsafe)
    print(f"{student:16} {records.changes(course, homework)[student][-1]}")
    for line in record.lines:
        print(f"{student:16} {line}")
    return 1 if record.failure else 0


def _who(options: argparse.Namespace) -> str:
    """Return who changes a grade.

    Raises:
        UsageError: this machine does not know.
    """
    import getpass

    try:
        return options.by or getpass.getuser()
    except (KeyError, OSError, ImportError) as error:
        raise UsageError("this machine does not know who you are; say --by NAME") from error


def run_feedback(options: argparse.Namespace) -> int:
    """Write the pages, and say where they are; return 1 if somebody has none."""
    from tqdm import tqdm

    from helpers.grading import GradingError
    from helpers.grading.pipeline.exporting import feedback, graded, late_lines, rows

    course = _course(options)
    submissions = graded(course, options.homework)
    if not submissions:
        raise GradingError(
            f"nothing of {options.homework} is graded yet. Do: ./course homework grade {options.homework}"
        )
    if options.unsafe:
        print(UNSAFE, file=sys.stderr)
    late = late_lines(rows(course, options.homework, _students_if_known(course, options)))
    bar = partial(tqdm, total=len(submissions), unit="", disable=None, leave=False)
    with bar(desc="runs without hidden tests") as runs, bar(desc="pages") as pages:
        written = feedback(
            course,
            options.homework,
            submissions,
            late=late,
            jobs=options.jobs,
            unsafe=options.unsafe,
            ran=runs.update,
            done=lambda record: pages.update(),
        )
    for student, fault in written.faults.items():
        print(f"{student:16} no page: {fault}")
    for student, fault in written.without_outputs.items():
        print(f"{student:16} a page without what the notebook prints and draws: {fault}")
    count = len(submissions) - len(written.faults)
    print(f"{count} pages. To hand them back, upload {written.archive}: each has the name of what was handed in.")
    return 1 if written.faults or written.without_outputs else 0


def run_export(options: argparse.Namespace) -> int:
    """Write the tables, and count; return 1 if somebody who handed in has no final score.

    Raises:
        UsageError: the table for points by hand is there already, perhaps filled in.
    """
    from helpers.grading.pipeline import by_hand, exporting

    if options.by_hand and options.by_hand.exists():
        raise UsageError(f"{options.by_hand} is there already; name another file, or remove it")
    course = _course(options)
    students = _students(course, options)
    table = exporting.rows(course, options.homework, students)
    destination = options.to or course.grading / f"{options.homework}.csv"
    exporting.write(destination, table)
    counts = Counter(row["status"] for row in table)
    print(f"{destination}: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    if stale := sum(row["stale"] == exporting.STALE for row in table):
        again = f"./course homework grade {options.homework} --again"
        print(f"{stale} of them stale: graded by earlier tests than those that are released. Grade them again: {again}")
    if options.canvas:
        canvas = destination.with_name(f"{options.homework}-canvas.csv")
        filled = exporting.fill_canvas(options.canvas, canvas, options.homework, students, table)
        print(f"{canvas}: {filled} final scores filled in; the others are as Canvas had them.")
    if options.moodle:
        moodle = destination.with_name(f"{options.homework}-moodle.csv")
        count, locked = exporting.fill_moodle(options.moodle, moodle, students, table)
        print(f"{moodle}: {count} final scores filled in; the others are as Moodle had them.")
        if locked:
            print(f"{locked} were left out: Moodle does not let them be changed ('Grade can be changed' is No).")
    if options.gradescope:
        from helpers.grading.pipeline.gradescope import write_results

        count = write_results(course, options.homework, table)
        print(f"{course.grading / 'gradescope' / options.homework}: results.json of {count}.")
    if options.by_hand:
        exporting.write(options.by_hand, by_hand.sheet(course, options.homework, students))
        print(f"{options.by_hand}: fill it in, then ./course homework import {options.homework} {options.by_hand}")
    return 1 if counts[exporting.FAILED] or counts[exporting.MANUAL] else 0


def run_import(options: argparse.Namespace) -> int:
    """Enter points that were given in a table, and say whose changed."""
    from helpers.grading.pipeline import by_hand

    course = _course(options)
    points = by_hand.read(course, options.homework, options.table)
    why = options.why or f"from {options.table.name}"
    changed = by_hand.enter(course, options.homework, points, who=_who(options), why=why)
    print(f"points by hand changed for: {', '.join(changed) or 'nobody'}.")
    return 0


def run_similar(options: argparse.Namespace) -> int:
    """Print the pairs, and write the page that shows them side by side."""
    from helpers.grading import GradingError
    from helpers.grading.canonical import read_release
    from helpers.grading.similarity import read_works, similar, write_page

    course, homework = _course(options), options.homework
    given = [read_release(course.released(homework) / f"{homework}.ipynb"), course.read_source(homework)]
    handed = sorted(course.grading.glob(f"submitted/*/{homework}/{homework}.ipynb"))
    if not handed:
        raise GradingError(f"nothing of {homework} is collected yet. Do: ./course homework collect {homework} ZIP")
    earlier = sorted(options.earlier.rglob("*.ipynb")) if options.earlier else []
    works, problems = read_works({path.parents[1].name: path for path in handed}, earlier, given)
    pairs = similar(works, above=options.above / 100)
    for line in problems:
        print(line)
    for pair in pairs:
        print(f"{pair.share:4.0%}  {pair.first.name}  {pair.second.name}")
    page = options.html or course.grading / "similar" / f"{homework}.html"
    write_page(page, homework, pairs, len(works))
    print(f"{len(works)} compared, {len(pairs)} pairs to look at: {page}")
    return 0


HOMEWORK = Group(
    "Check homework before it is handed in; hand it out and grade it.",
    {
        "check": Verb(
            "Run a homework as it is graded, open tests only.",
            run_check,
            (
                ("./course homework check hw1_dense", "what you wrote in homework/hw1_dense"),
                ("./course homework check ~/Downloads/hw1_dense.ipynb", "a notebook elsewhere"),
            ),
            _check,
            "The exit status is 0 if all pass, 1 if some fail.",
        ),
        "release": Verb(
            "Make what students open from the notebook with solutions.",
            run_release,
            (
                (
                    "./course homework release hw1_dense --variants",
                    "a notebook for each student, with numbers of their own",
                ),
                ('./course homework release hw1_dense --due "2026-11-30 23:59 UTC"', "what comes later is late"),
            ),
            _release,
            environment=TEACHER,
        ),
        "selftest": Verb(
            "Prove that a homework's tests are good: solutions pass, and every known mistake loses its points.",
            run_selftest,
            (
                ("./course homework selftest hw1_dense --sample", "as CI does"),
                ("./course homework selftest hw1_dense --write", "store the margins of the limits"),
            ),
            _selftest,
            environment=TEACHER,
        ),
        "collect": Verb(
            "Take what students handed in out of the zip of Canvas or Moodle.",
            run_collect,
            (
                ("./course homework collect hw1_dense submissions.zip", "put each in its place"),
                ("./course homework collect hw1_dense submissions.zip --roster students.csv", "of another roster"),
            ),
            _collect,
            "The exit status is 1 if somebody's work cannot be graded or belongs to nobody.",
            environment=TEACHER,
        ),
        "grade": Verb(
            "Grade what was collected, in sandboxes.",
            run_grade,
            (
                ("./course homework grade hw1_dense", "grade what is not graded"),
                ("./course homework grade hw1_dense --student ada", "one student, once more"),
            ),
            _grade,
            "The exit status is 1 if something has no score.",
            environment=TEACHER,
        ),
        "regrade": Verb(
            "Grade a student once more on request, and keep who asked for it, why, and both grades.",
            run_regrade,
            (
                ('./course homework regrade hw1_dense ada --why "question 2 can be read both ways"', "grade once more"),
                ('./course homework regrade hw1_dense ada --version 1 --why "wrong file"', "another version of theirs"),
            ),
            _regrade,
            "`status` shows all requests. The exit status is 1 if there is no score.",
            environment=TEACHER,
        ),
        "status": Verb(
            "Show how many are graded, what they have, and which test who loses.",
            run_status,
            (
                ("./course homework status hw1_dense", "counts, points, tests, common failures"),
                ("./course homework status hw1_dense --html status.html", "also as a page to read in a browser"),
            ),
            _status,
            environment=TEACHER,
        ),
        "feedback": Verb(
            "Write a page for each student, and a zip to hand back.",
            run_feedback,
            (
                ("./course homework feedback hw1_dense", "pages of all that are graded"),
                ("./course homework feedback hw1_dense --course ~/course-2026", "of another course"),
            ),
            _feedback,
            "Each notebook is run once more, without hidden tests, unless it has not changed since its last page.\n"
            "The exit status is 1 if a page could not be written, or a notebook could not be run.",
            environment=TEACHER,
        ),
        "similar": Verb(
            "Show which submissions have much in common, side by side.",
            run_similar,
            (
                ("./course homework similar hw1_dense", "print the pairs, and write a page to read them"),
                ("./course homework similar hw1_dense --earlier ~/2025/submitted", "also against another term"),
            ),
            _similar,
            "What was handed out, the solution, and what many wrote is no evidence. Names, order, layout and comments\n"
            "do not matter. A pair is no verdict: read both.",
            environment=TEACHER,
        ),
        "export": Verb(
            "Write a table of grades, and fill in that of Canvas or Moodle.",
            run_export,
            (
                ("./course homework export hw1_dense", "write homework/_instructor/grading/hw1_dense.csv"),
                ("./course homework export hw1_dense --canvas grades.csv", "also fill in what Canvas exported"),
            ),
            _export,
            "What late work costs is taken off. The exit status is 1 if somebody who handed in has no final score.",
            environment=TEACHER,
        ),
        "import": Verb(
            "Enter points that people gave in a table; all of it, or nothing if a line is wrong.",
            run_import,
            (
                ("./course homework import hw1_dense by_hand.csv", "what `export --by-hand by_hand.csv` wrote"),
                ('./course homework import hw1_dense why.csv --by Ada --why "second reading"', "with who and why"),
            ),
            _import,
            "An empty field changes nothing. A column with the name of a test overrules the test.",
            environment=TEACHER,
        ),
    },
    (
        ("./course homework check hw1_dense", "try your work before you hand it in"),
        ("./course homework grade hw1_dense", "grade what was collected"),
    ),
)
