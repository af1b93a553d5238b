r"""What cell markers may say: tags in lectures; in homework a shorthand for nbgrader's metadata (schema 3).

# %% tags=["encoder-by-hand"]              a lecture's code that tests and answers use by this name; cells may share it
# %% lecture=["encoder-by-hand"]           in answers, an empty cell: the lecture's cells with these tags (exercises.py)

# %% solution="encoder"                     students write what stands between the two SOLUTION lines
# %% test="encoder_shape" points=2          graded by running it; students read it
# %% hidden="encoder_values" points=3       graded by running it; students read its first comment and nothing else
# %% [markdown] written="why" points=4      graded by hand; wiped whole, so the question has its own locked cell
# %% [markdown] task="figures" points=50    a question graded by hand, with the mark scheme between its two lines
# %% locked="question"                      given, and not to be changed
"""

import re
from collections.abc import Iterator

from nbformat import NotebookNode

ROLES = {
    "solution": {"grade": False, "solution": True, "locked": False, "task": False},
    "test": {"grade": True, "solution": False, "locked": True, "task": False},
    "written": {"grade": True, "solution": True, "locked": False, "task": False},
    "task": {"grade": False, "solution": False, "locked": True, "task": True},
    "locked": {"grade": False, "solution": False, "locked": True, "task": False},
}
ROLES["hidden"] = ROLES["test"]
KINDS = {"solution": "code", "test": "code", "hidden": "code", "written": "markdown", "task": "markdown"}
REGIONS = {"SOLUTION": "solution", "HIDDEN TESTS": "test", "MARK SCHEME": "task"}
KEYS = {"lectures": ["tags"], "answers": ["lecture"], "pages": [], "homework": [*ROLES, "points"]}  # by room
GRADED = ("test", "hidden", "written", "task")
FROM_JUPYTEXT = {"lines_to_next_cell", "cell_marker"}  # its notes on the script's layout; they say nothing to nbgrader
FIRST_COMMENT = re.compile(r"(?:#.*(?:\n|$))+")
GRADE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
TAG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class SourceError(Exception):
    """A percent script that cannot become a notebook; the text says where, why and what to do, one line per fault."""


def label(cell: NotebookNode, number: int, *, room: str) -> None:
    """Give a cell its stable id and its tags, and replace its marker's shorthand by nbgrader's metadata.

    Args:
        number: which cell of the notebook, from 1; the id of a cell without a role.
        room: the folder of the script; what it allows stands in `KEYS`.

    Raises:
        SourceError: the marker is not valid shorthand.
    """
    marker = {key: value for key, value in cell.metadata.items() if key not in FROM_JUPYTEXT}
    fault = next(_faults(cell, marker, room=room), None)
    if fault:
        raise SourceError(fault)
    role = next(iter(marker.keys() & ROLES), None)
    if role == "hidden":
        cell.source = hide(cell.source)
    cell.id = marker[role] if role else f"cell-{number:03d}"
    cell.metadata = NotebookNode({"nbgrader": _nbgrader(cell, marker, role)} if role else marker)


def hide(source: str) -> str:
    """Put everything below the first comment between the lines that nbgrader takes out of a release."""
    head = FIRST_COMMENT.match(source)
    return f"{head[0].rstrip()}\n### BEGIN HIDDEN TESTS\n{source[head.end() :].strip()}\n### END HIDDEN TESTS"


def _nbgrader(cell: NotebookNode, marker: dict, role: str) -> NotebookNode:
    points = {"points": marker["points"]} if "points" in marker else {}
    common = {"schema_version": 3, "grade_id": marker[role], "cell_type": cell.cell_type}
    return NotebookNode({**common, **ROLES[role], **points})


def _faults(cell: NotebookNode, marker: dict, *, room: str) -> Iterator[str]:
    """Yield what is wrong with a marker, the fault that explains the others first."""
    yield from _key_faults(marker, room=room)
    if "tags" in marker and room == "lectures":
        yield from _tag_faults(cell, "tags", marker["tags"])
    if "lecture" in marker and room == "answers":
        yield from _tag_faults(cell, "lecture", marker["lecture"])
        if cell.source.strip():
            yield "has code beside lecture=, which the lecture's cells would replace; give it a cell of its own"
    roles = [key for key in marker if key in ROLES]
    if len(roles) > 1:
        yield f"has {len(roles)} roles, {' and '.join(roles)}; split it into one cell for each role"
    role = roles[0] if roles else None
    if role:
        yield from _id_faults(marker[role], role)
        yield from _kind_faults(cell.cell_type, role)
    yield from _points_faults(marker, role)
    yield from _region_faults(cell.source, role)


def _key_faults(marker: dict, *, room: str) -> Iterator[str]:
    wanted = {
        "lectures": 'a lecture\'s may have tags=["a-name"]',
        "answers": 'those of answers may have lecture=["a-tag-of-it"]',
        "pages": "a page's have none",
        "homework": f'use {", ".join(KEYS["homework"])}, each as key="value"',
    }[room]
    for key in (key for key in marker if key not in KEYS[room]):
        yield f"has the unknown key {key!r} ({marker[key]!r}) in its marker; {wanted}"


def _tag_faults(cell: NotebookNode, key: str, tags: object) -> Iterator[str]:
    if cell.cell_type != "code":
        yield f"is a {cell.cell_type} cell with {key}; tests run tagged cells, so tag the code"
    if not tags or not isinstance(tags, list) or not all(TAG.fullmatch(str(tag)) for tag in tags):
        yield f'has {key}={tags!r}; write {key}=["a-name"] with lower-case letters, digits and -'


def _id_faults(grade_id: object, role: str) -> Iterator[str]:
    if not isinstance(grade_id, str) or not GRADE_ID.fullmatch(grade_id):
        yield f'has the id {grade_id!r}; write {role}="name" with letters, digits, - and _, at most 64'


def _kind_faults(kind: str, role: str) -> Iterator[str]:
    wanted = KINDS.get(role, kind)
    if kind != wanted:
        marker = "# %% [markdown]" if wanted == "markdown" else "# %%"
        yield f"is a {kind} cell with the role {role}; that role wants a {wanted} cell: start it with `{marker}`"


def _points_faults(marker: dict, role: str | None) -> Iterator[str]:
    graded = role in GRADED
    points = marker.get("points")
    if graded and points is None:
        yield f"is graded ({role}) but has no points; add points=1 to its marker"
    elif not graded and points is not None:
        yield f"has points={points} but nothing grades it; only {', '.join(GRADED)} cells take points"
    elif graded and (type(points) not in (int, float) or points < 0):
        yield f"has points={points!r}; write a number of at least 0, without quotes"


def _region_faults(source: str, role: str | None) -> Iterator[str]:
    for name, owner in REGIONS.items():
        marks = re.findall(rf"### (BEGIN|END) {name}", source)
        if marks and role != owner:
            yield f"has ### {marks[0]} {name} but is no {owner} cell; move it, or students would read it"
        if marks != ["BEGIN", "END"] * (len(marks) // 2):
            yield f"has ### {', '.join(marks)} {name}; each ### BEGIN {name} wants one ### END {name} after it"
    if role == "solution" and "### BEGIN SOLUTION" not in source:
        yield "is a solution without ### BEGIN SOLUTION, so all of it would be wiped; mark what students write"
    if role == "task" and "### BEGIN MARK SCHEME" not in source:
        yield "is a task without ### BEGIN MARK SCHEME; say for what a grader gives how many points"
    if role == "hidden" and not FIRST_COMMENT.match(source):
        yield "is a hidden test without a first comment, so students would find an empty cell; say what is checked"
