"""The group `./course homework`: its verbs and their arguments."""

from pathlib import Path

from helpers.cli.verbs import TEACHER, Group, OneOf, Parser, Verb, at_least, existing
from helpers.cores import usable_cores

ROOT = Path(__file__).resolve().parents[2]
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
        help="try a mutant on the tests that it should lose and one other, as CI does: a third of the time",
    )
    parser.add_argument("--write", action="store_true", help="store the table of margins beside the mutants")


def _release(parser: Parser) -> None:
    _homework(parser)
    parser.add_argument(
        "--due", default="", metavar="TIME", help='such as "2026-11-30 23:59 UTC"; for Moodle: later is late'
    )


def _collect(parser: Parser) -> None:
    _homework(parser)
    parser.add_argument(
        "zip", type=existing("file"), metavar="ZIP", help="all submissions, as Canvas or Moodle give them"
    )
    _roster(parser)


def _grade(parser: Parser) -> None:
    _homework(parser)
    parser.add_argument(
        "--jobs", type=at_least(1), default=usable_cores(), metavar="N", help="at a time; default: one a core"
    )
    parser.add_argument("--student", metavar="ID", help="this one only, even if it is graded")
    parser.add_argument("--again", action="store_true", help="grade those again that are graded, as after a correction")
    parser.add_argument("--unsafe", action="store_true", help="without a sandbox, where there is no bubblewrap")


def _export(parser: Parser) -> None:
    _homework(parser)
    _roster(parser)
    parser.add_argument("--to", type=Path, metavar="CSV", help="default: homework/_instructor/grading/HW.csv")
    parser.add_argument(
        "--canvas", type=existing("file"), metavar="CSV", help="what Canvas exported; HW-canvas.csv is for its import"
    )


HOMEWORK = Group(
    "Check homework before it is handed in; hand it out and grade it.",
    {
        "check": Verb(
            "Run a homework as it is graded, open tests only.",
            "helpers.commands.homework.check:run",
            (
                ("./course homework check hw1_dense", "what you wrote in homework/hw1_dense"),
                ("./course homework check ~/Downloads/hw1_dense.ipynb", "a notebook elsewhere"),
            ),
            _check,
            "The exit status is 0 if all pass, 1 if some fail.",
        ),
        "release": Verb(
            "Make what students open from the notebook with solutions.",
            "helpers.commands.homework.release:run",
            (
                ("./course homework release hw1_dense", "write homework/hw1_dense"),
                ('./course homework release hw1_dense --due "2026-11-30 23:59 UTC"', "what comes later is late"),
            ),
            _release,
            environment=TEACHER,
        ),
        "selftest": Verb(
            "Prove that a homework's tests are good: solutions pass, and every known mistake loses its points.",
            "helpers.commands.homework.selftest:run",
            (
                ("./course homework selftest hw1_dense --sample", "as CI does"),
                ("./course homework selftest hw1_dense --write", "store the margins of the limits"),
            ),
            _selftest,
            environment=TEACHER,
        ),
        "collect": Verb(
            "Take what students handed in out of the zip of Canvas or Moodle.",
            "helpers.commands.homework.collect:run",
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
            "helpers.commands.homework.grade:run",
            (
                ("./course homework grade hw1_dense", "grade what is not graded"),
                ("./course homework grade hw1_dense --student ada", "one student, once more"),
            ),
            _grade,
            "The exit status is 1 if something has no score.",
            environment=TEACHER,
        ),
        "feedback": Verb(
            "Write a page for each student, and a zip to hand back.",
            "helpers.commands.homework.feedback:run",
            (
                ("./course homework feedback hw1_dense", "pages of all that are graded"),
                ("./course homework feedback hw1_dense --course ~/course-2026", "of another course"),
            ),
            _homework,
            environment=TEACHER,
        ),
        "export": Verb(
            "Write a table of grades, and fill in that of Canvas.",
            "helpers.commands.homework.export:run",
            (
                ("./course homework export hw1_dense", "write homework/_instructor/grading/hw1_dense.csv"),
                ("./course homework export hw1_dense --canvas grades.csv", "also fill in what Canvas exported"),
            ),
            _export,
            "The exit status is 1 if somebody who handed in has no final score.",
            environment=TEACHER,
        ),
    },
    (
        ("./course homework check hw1_dense", "try your work before you hand it in"),
        ("./course homework grade hw1_dense", "grade what was collected"),
    ),
)
