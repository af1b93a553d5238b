"""The way of a homework through a term: release, collect, grade, feedback, export.

nbgrader does the grading and keeps the gradebook. Here is what it leaves to the instructor: which student a file is
from, what went wrong with it, and that every student ends with a score that is right or with a line that says why not.

Here is also where a course keeps what, its nbgrader settings and its gradebook.
"""

import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import SQLAlchemyError
from traitlets.config import Config, PyFileConfigLoader

from helpers.errors import nearest
from helpers.grading import GradingError, UnknownError

CONFIG = "nbgrader_config.py"
_ERROR = re.compile(r"(?m)^\s*(?:[\w.]+\.)?(\w*(?:Error|Exception|Fault)): (.+)$")
_RAISED = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)+(?:\w+\.)*(\w+)(?:: (.*))?")


@dataclass(frozen=True)
class Course:
    """A folder with `nbgrader_config.py` and `homework/`."""

    root: Path

    @property
    def grading(self) -> Path:
        """What a term brings: the gradebook, submissions, grades, feedback."""
        return self.root / "homework" / "_instructor" / "grading"

    def released(self, homework: str) -> Path:
        """Return the folder that students open."""
        return self.root / "homework" / homework

    def source(self, homework: str) -> Path:
        """Return the folder with the solutions."""
        return self.root / "homework" / "_instructor" / "source" / homework

    def submitted(self, student: str, homework: str) -> Path:
        """Return the folder of what a student handed in, as nbgrader reads it."""
        return self.grading / "submitted" / student / homework

    def autograded(self, student: str, homework: str) -> Path:
        """Return the folder of the graded notebook."""
        return self.grading / "autograded" / student / homework

    def read_source(self, homework: str) -> NotebookNode:
        """Read the notebook with solutions.

        Raises:
            GradingError: there is none of this name.
        """
        path = self.source(homework) / f"{homework}.ipynb"
        if not path.exists():
            known = sorted(folder.name for folder in path.parents[1].glob("*/"))
            near, names = nearest(homework, known), ", ".join(known) or "none yet"
            raise UnknownError(f"there is no homework {homework!r}.{near} There are: {names}.")
        return nbformat.read(path, as_version=4)

    @cached_property
    def config(self) -> Config:
        """What nbgrader_config.py says.

        Raises:
            GradingError: it imports what is not there, or not there any more.
        """
        try:
            return PyFileConfigLoader(CONFIG, path=str(self.root)).load_config()
        except (ImportError, AttributeError) as error:
            raise GradingError(
                f"{self.root / CONFIG}: {error}. Compare it with the {CONFIG} of the course: names of modules may have "
                "changed."
            ) from error

    def api(self, **changes: Config) -> NbGraderAPI:
        """Return nbgrader, with changes to its settings by the name of a class."""
        config = Config(self.config)
        config.merge(Config(changes))
        log = logging.getLogger("traitlets")
        log.propagate = False  # what nbgrader says goes into the records, not onto the screen
        log.handlers = [logging.NullHandler()]
        return NbGraderAPI(CourseDirectory(config=config), config=config)

    @contextmanager
    def gradebook(self) -> Iterator[Gradebook]:
        """Open the gradebook, and make it where there is none.

        Raises:
            GradingError: it is locked, damaged, or on a disk that is full.
        """
        self.grading.mkdir(parents=True, exist_ok=True)
        if not shutil.which("alembic"):  # which nbgrader starts by its name
            os.environ["PATH"] = f"{sys.prefix}/bin{os.pathsep}{os.environ.get('PATH', '')}"
        try:
            with Gradebook(self.config.CourseDirectory.db_url, self.config.CourseDirectory.course_id) as gradebook:
                yield gradebook
        except SQLAlchemyError as error:
            remedy = "Close what else uses it, then do it again"
            raise GradingError(f"the gradebook cannot be used: {error}. {remedy}") from error


def reason(result: dict) -> str:
    """Return the error in what nbgrader's programming interface answered."""
    text = result.get("log", "") + result.get("error", "")
    errors = [*_RAISED.findall(text), *_ERROR.findall(text)]  # not every exception is called an error
    told = [(kind, text) for kind, text in errors if kind != "NbGraderException"]
    ours = [text for kind, text in told if kind == "GradingError"]
    return ours[0] if ours else ": ".join(filter(None, told[-1])) if told else _logged(text)


def _logged(text: str) -> str:
    """Return the last error that a log tells of, where no exception does."""
    lines = [line.rpartition("ERROR] ")[2].strip() for line in text.splitlines() if "ERROR] " in line]
    return lines[-1] if lines else "no reason given"
