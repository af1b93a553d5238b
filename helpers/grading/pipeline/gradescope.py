"""Gradescope: results in its format, and a zip by which its container grades as `./course homework grade` does.

The container has the zip in `/autograder/source`, what a student handed in in `/autograder/submission`, and wants
`/autograder/results/results.json`. Run there as `python -m helpers.grading.pipeline.gradescope HW /autograder`.
"""

import json
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import SubmittedAssignment

from helpers.data.fetch import COURSE_ROOT
from helpers.errors import CourseError
from helpers.files import atomic_write
from helpers.grading import GradingError, canonical, sandbox
from helpers.grading.pipeline import CONFIG, Course, issuing, records
from helpers.grading.pipeline.collecting import collect
from helpers.grading.pipeline.exporting import SCORED
from helpers.grading.pipeline.grading import clean_path, grade, run_clean, waiting
from helpers.grading.pipeline.releasing import release
from helpers.grading.pipeline.roster import Student
from helpers.grading.plugins import clean
from helpers.grading.plugins.pages import ExplainErrors

KIT = (
    *("course", "pyproject.toml", "README.md", "LICENSE*", "requirements*.txt", "datasets/*.md", "datasets/*.toml"),
    *(f"helpers/**/*.{ending}" for ending in ("py", "json", "toml", "conf", "css", "js", "mplstyle")),
)
SETUP = """#!/usr/bin/env bash
# Run once by Gradescope, as root, when it builds the container.
set -eu
cd "$(dirname "$0")"
apt-get update
apt-get install -y bubblewrap
apt-get install -y python3.12 python3.12-venv || apt-get install -y python3.11 python3.11-venv
sh ./course setup --teacher
"""
RUN = """#!/usr/bin/env bash
# Run by Gradescope for each submission, in /autograder.
set -eu
base=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="$base/source"
cd "$base/source" && exec .venv/bin/python -P -m helpers.grading.pipeline.gradescope {homework} "$base"
"""
_NAME = "student_1_assignsubmission_file_/"  # as Moodle would call the folder of the only student


def results(course: Course, homework: str, student: str) -> dict[str, Any]:
    """Return a graded submission in the format of Gradescope's `results.json`.

    A test that has a hidden part is shown when grades are published, for its message tells what it tries. Answers that
    only a person can grade are in it once somebody has done so.
    """
    graded = nbformat.read(course.autograded(student, homework) / f"{homework}.ipynb", as_version=4)
    run = clean.read(clean_path(course, homework, student), clean.without_hidden(graded))
    page, _ = ExplainErrors().preprocess(clean.page_of(graded, run), {})
    hidden = {canonical.label_of(cell) for cell in page.cells if clean.HERE in cell.source.splitlines()}
    outputs = {canonical.label_of(cell): cell.get("outputs", []) for cell in page.cells}
    with course.gradebook() as gradebook:
        submission = gradebook.find_submission(homework, student)
        points = {one.name: (one.score, one.max_score, _waits(one)) for one in _grades(submission)}
    order = [name for cell in graded.cells if (name := canonical.label_of(cell)) in points]
    waits = [name for name in order if points[name][2]]
    record = records.load(course, homework)[student]
    lines = [*record.notes, *record.repairs]  # its problems quote what a kernel with hidden tests in it said
    return {
        "output": "\n".join([*lines, *(f"{name}: is graded by a person" for name in waits)]),
        "execution_time": round(sum(float(cell.metadata.get("seconds", 0)) for cell in graded.cells)),
        "tests": [
            {
                "name": name,
                "score": points[name][0],
                "max_score": points[name][1],
                "status": "passed" if points[name][0] >= points[name][1] else "failed",
                "output": "\n".join(_messages(outputs[name])),
                "visibility": "after_published" if name in hidden else "visible",
            }
            for name in order
            if name not in waits
        ],
    }


def _grades(submission: SubmittedAssignment) -> list:
    return [grade for notebook in submission.notebooks for grade in notebook.grades]


def _waits(grade: Any) -> bool:
    return grade.needs_manual_grade and grade.manual_score is None and grade.auto_score is None


def _messages(outputs: list) -> Iterator[str]:
    for out in outputs:
        if out.output_type == "error":
            yield f"{out.ename}: {out.evalue}"


def write_results(course: Course, homework: str, table: Sequence[Mapping[str, str]]) -> int:
    """Write `grading/gradescope/HW/STUDENT/results.json` for all who have a score.

    Args:
        course: where.
        homework: which.
        table: see `exporting.rows`; where late work costs points, the score is what is left.

    Returns:
        How many there are.
    """
    rows = [row for row in table if row["status"] in SCORED]
    for row in rows:
        found = results(course, homework, row["student_id"])
        if row["taken_off"]:
            found["score"] = float(row["score"])
            days = f"{row['days_late']} day(s) late" if row["days_late"] else "late work"
            late = f"{days}: {row['taken_off']} of {row['raw']} points taken off"
            found["output"] = "\n".join(filter(None, [late, found["output"]]))
        _write(course.grading / "gradescope" / homework / row["student_id"] / "results.json", found)
    return len(rows)


def _write(path: Path, found: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps(found, indent=1), encoding="utf-8")


def write_autograder(course: Course, homework: str, target: Path) -> None:
    """Write the zip that Gradescope makes its container of: the course, one homework with its tests, two scripts.

    Raises:
        GradingError: the homework is not released, or students have variants of it.
    """
    if issuing.load(course, homework):
        raise GradingError(
            f"students have variants of {homework}, and Gradescope's container does not know whose it grades. Download "
            "the submissions there, grade them here, and hand in the results: export --gradescope"
        )
    if not (course.released(homework) / f"{homework}.ipynb").exists():
        raise GradingError(f"{homework} is not released. Do: ./course homework release {homework}")
    kit = {path.relative_to(COURSE_ROOT): path for pattern in KIT for path in COURSE_ROOT.glob(pattern)}
    own = [course.root / CONFIG, *course.released(homework).rglob("*"), *course.source(homework).rglob("*")]
    files = kit | {path.relative_to(course.root): path for path in own}
    with atomic_write(target) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, path in sorted(files.items()):
            if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in name.parts):
                zipped.write(path, name.as_posix())
        for script, text in (("setup.sh", SETUP), ("run_autograder", RUN.format(homework=homework))):
            entry = zipfile.ZipInfo(script)
            entry.external_attr = 0o755 << 16
            zipped.writestr(entry, text)


def grade_one(homework: str, base: Path) -> dict[str, Any]:
    """Grade what lies in `submission`, by the course in `source`.

    Args:
        homework: which.
        base: the folder that is `/autograder` on Gradescope.

    Returns:
        What `results.json` is to have: no points and the reason where there is no notebook that can be read.

    Raises:
        GradingError: the submission could not be graded, through no fault of the student.
    """
    with tempfile.TemporaryDirectory() as folder:
        course = Course(Path(folder) / "course")
        course.root.mkdir()
        shutil.copy(base / "source" / CONFIG, course.root)
        shutil.copytree(base / "source" / "homework", course.root / "homework")
        release(course, homework)
        archive, handed_in = Path(folder) / "submission.zip", (base / "submission").resolve()
        with zipfile.ZipFile(archive, "w", strict_timestamps=False) as zipped:
            for path in sorted(handed_in.rglob("*")):
                if path.is_file() and path.resolve().is_relative_to(handed_in):  # a link could lead to hidden tests
                    zipped.write(path, _NAME + path.relative_to(handed_in).as_posix())
        found = collect(course, homework, archive, {"1": Student("student", "", "", "1")}).records
        if not found or found[0].failure:
            return {"score": 0, "output": found[0].failure if found else "nothing was handed in", "tests": []}
        [record] = grade(course, homework, waiting(course, homework), unsafe=not _is_sandbox_here())
        if record.failure:
            raise GradingError(record.failure)
        run_clean(course, homework, [record], unsafe=not _is_sandbox_here())
        return results(course, homework, "student")


def _is_sandbox_here() -> bool:
    """Return whether submissions can be shut in; what is printed is shown to instructors only."""
    try:
        sandbox.find()
    except GradingError as error:
        print(f"WARNING: graded without a sandbox: the submission could read hidden tests. {error}")
        return False
    return True


def main() -> int:
    """Grade one submission in Gradescope's container; without `results.json` it says that the autograder failed."""
    homework, base = sys.argv[1], Path(sys.argv[2])
    try:
        _write(base / "results" / "results.json", grade_one(homework, base))
    except CourseError as error:
        print(f"not graded: {error}", file=sys.stderr)
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
