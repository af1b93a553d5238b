"""Which variant of a homework each student has: drawn once, kept in a table, and put in its place by every verb.

The table is `grading/variants/HW.json`, values by student. While it is there, the homework has variants; who is in it
keeps the values that were handed out, whatever is drawn for others later.
"""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.files import atomic_write, swap
from helpers.grading import GradingError, UnknownError, variants
from helpers.grading.canonical import read_release
from helpers.grading.pipeline import CONFIG, Course, records
from helpers.grading.variants import Table, Values

STEP = "PutVariant"  # in nbgrader_config.py; see `plugins.steps`


def choices_path(root: Path, homework: str) -> Path:
    """Return where a course keeps what the names of a homework's variants may be."""
    return root / "homework" / "_instructor" / "variants" / f"{homework}.toml"


def folder(course: Course) -> Path:
    """Return where tables and students' notebooks are."""
    return course.grading / "variants"


def load(course: Course, homework: str) -> Table:
    """Read the table of a homework; see `variants.read_table`."""
    return variants.read_table(folder(course), homework)


def table_path(course: Course, homework: str) -> Path:
    """Return where the table of a homework is."""
    return folder(course) / f"{homework}.json"


def save(course: Course, homework: str, table: Table) -> None:
    """Write the table of a homework."""
    folder(course).mkdir(parents=True, exist_ok=True)
    with atomic_write(table_path(course, homework)) as unfinished:
        unfinished.write_text(json.dumps(table, indent=1), encoding="utf-8")


def drawn(course: Course, homework: str, source: NotebookNode, students: Iterable[str]) -> Table:
    """Return the table of a homework with values for more students, who keep those that they have.

    Args:
        course: where.
        homework: which.
        source: the notebook with solutions.
        students: their ids.

    Raises:
        GradingError: the homework has no variants, or its notebook, nbgrader_config.py, or what was handed out or in
            does not go with them.
    """
    path, had = choices_path(course.root, homework), load(course, homework)
    choices = variants.read(path)
    if had and not choices:
        raise GradingError(
            f"students have variants of {homework} ({table_path(course, homework)}), but {path} is gone; bring it back"
        )
    if not choices:
        others = sorted(path.stem for path in path.parent.glob("*.toml"))
        raise UnknownError(f"{homework} has no variants; there are some of: {', '.join(others) or 'no homework'}")
    variants.put(source, {name: options[0] for name, options in choices.items()})  # refuses other names
    if STEP not in map(_name_of, course.config.Autograde.sanitize_preprocessors):
        raise GradingError(
            f"{course.root / CONFIG} has no step {STEP}, which puts a student's values in their place before grading. "
            f"Compare it with the {CONFIG} of the course"
        )
    if records.load(course, homework) and not had:
        raise GradingError(
            f"{homework} has been handed in without variants, which would spoil its grades. Give the homework another "
            "name, or release it without --variants"
        )
    if spoilt := sorted(student for student, values in had.items() if not _is_allowed(values, choices)):
        raise GradingError(
            f"{path} does not allow any more what was handed out to {', '.join(spoilt)}. Take the change back; or, "
            f"where nobody has opened it yet, remove {table_path(course, homework)} and the folder {homework} beside "
            "it, and release again"
        )
    key = f"{course.config.CourseDirectory.course_id}/{homework}"
    wanted = sorted({*had, *students})
    return {one: had[one] if one in had else variants.draw(choices, f"{key}/{one}") for one in wanted}


def _name_of(step: object) -> str:
    return str(getattr(step, "__name__", step)).rpartition(".")[2]


def _is_allowed(values: Values, choices: variants.Choices) -> bool:
    return values.keys() == choices.keys() and all(values[name] in of for name, of in choices.items())


def write_copies(course: Course, homework: str, table: Table) -> Path:
    """Write what students open, for each with values of their own: a folder for each, and a zip with all.

    Returns:
        The zip: `STUDENT/HW.ipynb`, and what else was released.
    """
    released, target = course.released(homework), folder(course) / homework
    notebook = read_release(released / f"{homework}.ipynb")
    with tempfile.TemporaryDirectory(prefix=".variants-", dir=folder(course)) as aside:
        for student, values in table.items():
            shutil.copytree(released, Path(aside) / homework / student)
            nbformat.write(variants.put(notebook, values), Path(aside) / homework / student / f"{homework}.ipynb")
        swap(Path(aside) / homework, target)
    archive = folder(course) / f"{homework}.zip"
    with atomic_write(archive) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted(target.rglob("*")):
            if path.is_file():
                zipped.write(path, path.relative_to(target).as_posix())
    return archive


def whose(table: Table, values: Values, student: str) -> str:
    """Return another student who has these values; "" where nobody has, or they are the student's own."""
    own = table.get(student)
    return next((other for other, theirs in table.items() if theirs == values and values != own), "")
