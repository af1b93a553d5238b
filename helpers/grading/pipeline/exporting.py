"""What goes back: grades as tables, and a page of feedback for each student.

Our own table tells a crash from a true zero; the learning platform's is filled in. A page has scores, comments and
errors, and no hidden tests; all pages come in a zip to hand back.
"""

import csv
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from traitlets.config import Config

from helpers.files import atomic_write
from helpers.grading import GradingError
from helpers.grading.pipeline import CONFIG, Course, policy, reason, records, roster
from helpers.grading.pipeline.grading import clean_folder, run_clean
from helpers.grading.pipeline.policy import Policy
from helpers.grading.pipeline.records import Record, Score
from helpers.grading.pipeline.roster import Student
from helpers.grading.plugins.clean import CleanOutputs

GRADED, MANUAL, FAILED, MISSING = "graded", "needs manual", "failed", "missing"
SCORED = (GRADED, MANUAL)  # those that have points
COLUMNS = (
    *("student_id", "name", "email", "homework", "status", "raw", "days_late", "taken_off", "score", "max_score"),
    *("late", "submitted", "due", "extension", "by_hand", "stale", "problems"),
)
STALE = "stale"
MOODLE = ("Identifier", "Grade", "Last modified (grade)")  # without which Moodle refuses a worksheet
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rows(course: Course, homework: str, students: Mapping[str, Student]) -> list[dict[str, str]]:
    """List one row for each student of the roster, and for those who handed in without being on it.

    Args:
        course: where.
        homework: which.
        students: by their number; see `roster.read`.

    Returns:
        Rows with the columns `COLUMNS`: `raw` is by tests and by hand, and `score` what is left of it when what late
        work costs is taken off.

    Raises:
        GradingError: an extension or a rule about late work is not understood.
    """
    known, have = records.load(course, homework), records.scores(course, homework)
    holds = policy.read(course, homework, students)
    tests = records.tests_of(course, homework)
    people = {student.id: student for student in students.values()}
    handed = {folder.parent.name for folder in course.grading.glob(f"submitted/*/{homework}")} | known.keys()
    everyone = [*people, *sorted(handed - people.keys())]
    return [
        _row(homework, people.get(one, Student(one, "", "", "")), known.get(one), have.get(one), holds, one in handed)
        | {"stale": STALE * is_stale(known.get(one), tests)}
        for one in everyone
    ]


def is_stale(record: Record | None, tests: str) -> bool:
    """Return whether a grade is by other tests than those in force; of earlier code's grades nobody knows."""
    return bool(record and record.state == records.GRADED and record.tests and record.tests != tests)


def _row(
    homework: str, student: Student, record: Record | None, score: Score | None, holds: Policy, handed: bool
) -> dict[str, str]:
    status = _status(record, score, handed)
    counted = score if status in SCORED else None
    standing = holds.standing(student.id, record, score)
    lines = [*(record.lines if record else []), *map(_outdated, score.outdated if score and status == MANUAL else ())]
    if status == FAILED and not (record and record.failure):
        lines = [*lines, "not graded yet, or its grading was interrupted; run ./course homework grade again"]
    facts = [student.id, student.name, student.email, homework, status]
    facts += [f"{counted.points:g}" if counted else "", str(standing.days_late or "")]
    facts += [f"{standing.taken_off:g}" if counted and standing.taken_off else ""]
    facts += [f"{standing.final:g}" if counted else "", f"{score.most:g}" if score else ""]
    facts += ["late" if standing.days_late else "", record.submitted if record else ""]
    facts += [f"{standing.due:%Y-%m-%d %H:%M:%S} UTC" if standing.due else "", standing.extension]
    return dict(
        zip(
            COLUMNS,
            [*facts, " ".join(score.by_hand) if score else "", "", "; ".join([*lines, *standing.notes])],
            strict=True,
        )
    )


def _outdated(cell: str) -> str:
    return f"{cell}: its points by hand were given before the regrade, for another answer"


def _status(record: Record | None, score: Score | None, handed: bool) -> str:
    if not handed:
        return MISSING
    if record is None or record.state != records.GRADED or score is None:
        return FAILED
    return MANUAL if score.needs_manual else GRADED


def write(path: Path, table: Sequence[Mapping[str, str]]) -> None:
    """Write a table with every value in quotes, none of which a spreadsheet would take for a formula.

    Raises:
        ValueError: the table is empty.
    """
    if not table:
        raise ValueError("the table has no rows; is the roster empty?")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows({column: safe(value) for column, value in row.items()} for row in table)


def safe(text: str) -> str:
    """Keep a spreadsheet from computing a text.

    >>> safe("=1+1"), safe("Ada"), safe("-3.5")
    ("'=1+1", 'Ada', '-3.5')
    """
    try:
        float(text)
    except ValueError:
        return "'" + text if text.startswith(_FORMULA) else text
    return text


def fill_canvas(template: Path, destination: Path, homework: str, students: Mapping[str, Student], table: list) -> int:
    """Fill the homework's column of Canvas' gradebook with final scores; other cells stay as they are.

    Args:
        template: what Canvas exported; its column is named like the homework, with a number in brackets behind.
        destination: what Canvas imports.
        homework: which.
        students: by Canvas' number.
        table: see `rows`.

    Returns:
        How many scores were filled in.

    Raises:
        GradingError: there is no such column, or the file is no table.
    """
    lines = roster.table(template)
    column = next((name for name in lines[0] if name.split(" (")[0] == homework), None) if lines else None
    if column is None:
        raise GradingError(f"{template} has no column {homework} (1234); make the assignment in Canvas, export again")
    final, filled = _final(table), 0
    for line in lines:
        student = students.get((line.get("ID") or "").strip())
        if student and student.id in final:
            line[column], filled = final[student.id], filled + 1
    write_as_it_was(destination, lines)
    return filled


def fill_moodle(worksheet: Path, destination: Path, students: Mapping[str, Student], table: list) -> tuple[int, int]:
    """Fill in the grades of Moodle's offline grading worksheet; other cells stay as they are.

    Args:
        worksheet: what Moodle gave (*Download grading worksheet*).
        destination: what Moodle takes (*Upload grading worksheet*).
        students: by Moodle's number.
        table: see `rows`.

    Returns:
        How many grades were filled in, and how many Moodle does not let anybody change.

    Raises:
        GradingError: the file is no such worksheet, or of an assignment with other points.
    """
    lines = roster.numbered(worksheet)
    missing = [column for column in MOODLE if not lines or column not in lines[0][1]]
    if missing:
        raise GradingError(
            f"{worksheet} has no rows or no column {', '.join(missing)}. Set Moodle to English, switch 'Offline "
            "grading worksheet' on in the assignment's settings, and download the worksheet again"
        )
    most = {row["score"] and row["max_score"] for row in table} - {""}
    final, filled, locked = _final(table), 0, 0
    for number, line in lines:
        student = students.get(line["Identifier"].split()[-1] if line["Identifier"].split() else "")
        if not student or student.id not in final:
            continue
        if line.get("Grade can be changed") == "No":
            locked += 1
            continue
        if not all(_is_same(line.get("Maximum Grade"), points) for points in most):
            raise GradingError(
                f"{worksheet}, line {number}: Maximum Grade is {line['Maximum Grade']}, and the homework has "
                f"{', '.join(most)} points. Set the assignment's maximum grade in Moodle, and download it again"
            )
        line["Grade"], filled = final[student.id], filled + 1
    write_as_it_was(destination, [line for _, line in lines])
    return filled, locked


def _final(table: list[dict[str, str]]) -> dict[str, str]:
    return {row["student_id"]: row["score"] for row in table if row["status"] == GRADED}


def _is_same(text: str | None, points: str) -> bool:
    """Return whether a platform's number is that of ours; true where it has none, as with scales."""
    try:
        return not text or float(text.replace(",", ".")) == float(points)
    except ValueError:
        return True


def write_as_it_was(path: Path, lines: list[dict[str, str]]) -> None:
    """Write a platform's own table back; what it wrote itself is not ours to change."""
    with atomic_write(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(lines)


def graded(course: Course, homework: str) -> list[Record]:
    """List the submissions that have a score."""
    return [record for record in records.load(course, homework).values() if record.state == records.GRADED]


def late_lines(table: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return by student what late work costs, for those whom it costs something; `table` is of `rows`."""
    return {
        row["student_id"]: f"{row['taken_off']} points are taken off for {_late(row['days_late'])}: "
        f"{row['score']} are left."
        for row in table
        if row["taken_off"]
    }


def _late(days: str) -> str:
    return f"{days} day{'' if days == '1' else 's'} late" if days else "late work"  # by nbgrader's own rule


class Feedback(NamedTuple):
    """The pages that were written.

    Attributes:
        archive: a zip file with a page for each student under the name of what they handed in, as platforms take it
            back.
        faults: for each student without a page the reason.
        without_outputs: for each student whose page shows nothing that the submission prints or draws, the reason.
    """

    archive: Path
    faults: dict[str, str]
    without_outputs: dict[str, str]


def feedback(
    course: Course,
    homework: str,
    submissions: list[Record],
    *,
    late: Mapping[str, str] | None = None,
    jobs: int = 1,
    unsafe: bool = False,
    ran: Callable[[], None] = lambda: None,
    done: Callable[[Record], None] = lambda record: None,
) -> Feedback:
    """Write the pages; one that cannot be written keeps nobody else's from being written.

    What submissions print and draw comes from a run without hidden tests, which is made first where there is none yet.

    Args:
        course: where.
        homework: which.
        submissions: see `graded`.
        late: what a page says of late work, by student; see `late_lines`.
        jobs, unsafe: of these runs; see `grading.run_clean`.
        ran: is called for each run that is there.
        done: is told each record when its page is done.

    Raises:
        GradingError: nbgrader_config.py would put on pages what came out of the run that had hidden tests.
    """
    _check_steps(course)
    without_outputs = run_clean(course, homework, submissions, jobs=jobs, unsafe=unsafe, done=ran)
    archive = course.grading / "feedback" / f"{homework}.zip"
    archive.parent.mkdir(parents=True, exist_ok=True)
    runs = Config(runs=str(clean_folder(course)))
    api, faults = course.api(Remarks=Config(late=dict(late or {})), CleanOutputs=runs), {}
    with atomic_write(archive) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as zipped:
        for record in submissions:
            try:
                result = api.generate_feedback(homework, record.student)
                if result["success"]:
                    zipped.write(page(course, homework, record.student), _name(homework, record))
                else:
                    faults[record.student] = reason(result)
            except Exception as error:  # such as a graded notebook that somebody removed
                faults[record.student] = f"{type(error).__name__}: {error}"
            done(record)
    return Feedback(archive, faults, {who: why for who, why in without_outputs.items() if who not in faults})


def _check_steps(course: Course) -> None:
    steps = course.config.GenerateFeedback.get("preprocessors", [])
    if not steps or steps[0] is not CleanOutputs:
        raise GradingError(
            f"{course.root / CONFIG}: the first of c.GenerateFeedback.preprocessors must be clean.CleanOutputs, or "
            f"pages could show hidden tests. Take these lines from the {CONFIG} of the course."
        )


def page(course: Course, homework: str, student: str) -> Path:
    """Return where a student's page is."""
    return course.grading / "feedback" / student / homework / f"{homework}.html"


def _name(homework: str, record: Record) -> str:
    original = PurePosixPath(record.original or f"{record.student}/{homework}.ipynb")
    return str(original.with_suffix(".html"))
