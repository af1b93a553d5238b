"""Pages of each kind, with everything that makes pages hard to read. Used by the tests of pages."""

import base64
import io
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from toycourse import ROLES

from helpers.grading import pages as house
from helpers.grading.pipeline import records
from helpers.grading.pipeline.status import Item, Status
from helpers.grading.plugins import clean, pages
from helpers.grading.similarity import Pair, Work, features, write_page

OF = {"notebook": "hw0_squares", "score": 7, "max_score": 15, "late_penalty": 1.5, "remarks": ["add: lost its <label>"]}
MARKDOWN = r"""# Title
### Jumped
Text with $\beta$ <span style="color:silver">pale</span>, [](https://example.com), <a>nowhere</a>

$$\mathcal{L} = \sum_i x_i^2$$

\begin{align} a &= b \\ c &= d \end{align}

| a | |
|---|---|
| 1 | 2 |

```python
def f(x): return x # c
```
![](attachment:x.png) ![](https://example.com/x.png) ![](figure.png)

<div class="cell notebook"><img src="data:image/gif;base64,R0lGODdhAQABAAAAACwAAAAAAQABAAAA"></div>

- [ ] one
1. two
"""
PANDAS = (
    "<style>td {color: red}</style><table border=1><thead><tr><th></th><th>a</th></tr><tr><th>index</th><th></th></tr>"
    "</thead><tbody><tr><th>0</th><td>1</td></tr><tr><th>1</th><td></td></tr></tbody></table>"
)
EMPTY = "<table><thead><tr><th></th><th>a</th></tr></thead><tbody></tbody></table>"
NO_HEADER = "<table>" + ("<tr>" + "<td>1</td>" * 4 + "</tr>") * 5 + "</table>"
ODD = (
    "<h4 style='color:#ddd'>deep<h1></h1><li>lonely<ul>text<p>para</p></ul><dt>x</dt><marquee>hey</marquee>"
    "<font color=silver>pale</font><iframe src=https://example.com></iframe><script>alert(1)</script><input>"
    "<select><option>1</select><button></button><details><summary></summary></details><p id=cell-1>"
    "<link rel=stylesheet href=https://example.com/x.css><video src=https://example.com/x.mp4></video><table><th>only"
)
FRAMES = """\
TypeError  Traceback (most recent call last)
Cell In[9], line 2
      1 read = 'lecture 01, Two halves'
----> 2 {call}

Cell In[3], line 2, in add(a, b)
      1 def add(a, b):
----> 2     \x1b[31mreturn\x1b[39m a + b

TypeError: unsupported operand"""
MISMATCH = "the code\n  expected: shape (4, 8)\n  got:      shape (4, 32)\n  read:     lecture 01, Two halves"


def picture() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (400, 30), "navy").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def shows(**data: object) -> NotebookNode:
    names = {"svg": "image/svg+xml", "png": "image/png"}
    return new_output("display_data", {names.get(kind, f"text/{kind}"): value for kind, value in data.items()})


def failed(name: str, text: str, trace: str = "") -> NotebookNode:
    return new_output("error", ename=name, evalue=text, traceback=trace.splitlines())


def graded(cell: NotebookNode, role: str, name: str, **more: object) -> NotebookNode:
    cell.metadata["nbgrader"] = {
        "schema_version": 3,
        "grade_id": name,
        "cell_type": cell.cell_type,
        **ROLES[role],
        **more,
    }
    return cell


def notebook() -> NotebookNode:
    """Make it: cells 1 to 3 are free, then come an answer, tests, a text and errors of other kinds."""
    svg = "<svg xmlns='http://www.w3.org/2000/svg' width='40' height='40'><rect width='9' height='9'/></svg>"
    outputs = [
        new_output("stream", name="stdout", text="\x1b[33mepoch\x1b[0m 1 \x1b[38;5;28mloss\x1b[0m <b>" + "x" * 300),
        *(shows(png=picture(), plain="<Figure>"), shows(svg=svg), shows(html=PANDAS), shows(html=EMPTY)),
        *(shows(html=NO_HEADER), shows(html=ODD), shows(latex=r"$\alpha$"), shows(markdown="## Inner\n$x$")),
    ]
    code = (
        "import numpy as np\n@decorated\nclass A:\n    x: int = 5\ndef f(x): return 'a' + f'{x:.2f}'  # long "
        + "long " * 60
    )
    hidden = "### BEGIN HIDDEN TESTS\nadd('one', len(SECRETS))\n### END HIDDEN TESTS"
    shape = 'checks.shape("the code", SECRETS, (4, 8), read="lecture 01, Two halves")'
    shape = f"### BEGIN HIDDEN TESTS\n{shape}\n### END HIDDEN TESTS"
    test = "read = 'lecture 01, Two halves'\nadd(1, 'a')"
    return new_notebook(
        cells=[
            new_markdown_cell(MARKDOWN, attachments={"x.png": {"image/png": picture()}}),
            new_code_cell(code, outputs=outputs),
            new_markdown_cell(ODD + "\n\n$\\frac{$"),
            graded(new_code_cell("def add(a, b):\n    return a + b"), "solution", "add", comment="Well **done**."),
            graded(
                new_code_cell(test, outputs=[failed("TypeError", "unsupported", FRAMES.format(call="add(1, 'a')"))]),
                *("test", "add_small"),
                **{"points": 3, "score": 0},
            ),
            graded(
                new_code_cell(
                    f"{test}\n{hidden}",
                    outputs=[failed("TypeError", "unsupported", FRAMES.format(call="add('one', len(SECRETS))"))],
                ),
                *("test", "add_large"),
                **{"points": 2, "score": 1},
            ),
            graded(new_code_cell(shape, outputs=[failed("Mismatch", MISMATCH, "SECRETS")]), "test", "shape", points=2),
            graded(new_markdown_cell("Because."), "written", "why", points=5, score=0, needs_hand=True),
            new_code_cell(
                "1 / 0", outputs=[failed("ZeroDivisionError", "by zero", "Cell In[5], line 1\n----> 1 1 / 0\n")]
            ),
            new_code_cell(
                "def g(:", outputs=[failed("SyntaxError", "invalid", "  Cell In[2], line 1\n    def g(:\n       ^\n")]
            ),
            new_code_cell("late()", outputs=[failed("NotRun", "not run: took more than 540 s")]),
        ]
    )


def ran(graded: NotebookNode) -> NotebookNode:
    """Make the run without hidden tests: what cells give is the same, but that tests with a hidden part pass."""
    run = clean.without_hidden(graded)
    for before, cell in zip(graded.cells, run.cells, strict=True):
        if cell.cell_type == "code" and clean.HERE not in cell.source:
            cell.outputs = before.outputs
    return run


def page() -> str:
    """Return it as a student gets it."""
    graded = notebook()
    shown = clean.page_of(graded, ran(graded))
    for step in (pages.ExplainErrors(), pages.PresentableOutputs()):
        shown, _ = step.preprocess(shown, {})
    return pages.FeedbackExporter().from_notebook_node(shown, {"nbgrader": OF})[0]


def write(folder: Path) -> dict[str, Path]:
    """Write a page of each kind; of those for instructors, one with much and one with nothing on it."""
    written = {name: folder / f"{name}.html" for name in ("feedback", "status", "no_status", "similar", "none_similar")}
    written["feedback"].write_text(page(), encoding="utf-8")
    lost = [(f"Mismatch: <the code>: expected {'x' * 200}", 3, "ada"), ("ValueError", 1, "bob")]
    tests = [
        Item("code_shape", 4.5, 9, 9, None, 1.25, lost),
        Item("a_name_that_is_long_" * 4, 2, 9, 4, -0.25, None),
        Item("nobody_loses", 1, 9, 0),
    ]
    row = {
        "student_id": "ada",
        "status": "failed",
        "late": "late",
        "stale": "",
        "days_late": "1",
        "taken_off": "",
        "score": "",
        "problems": "no notebook; " * 20,
    }
    grades = ({"points": points, "most": 7.5, "state": "graded"} for points in (5, 6))
    changes = {"bob": [records.Change("2026-11-01 12:00:00 UTC", "ada", records.REGRADE, "why not " * 30, *grades)]}
    counts = {"graded": 9, "failed": 1, "late": 1, "stale": 0}
    some = Status(counts, [0, 1, 5, 5, 6, 6, 6, 7, 7.5], 7.5, tests, [row], changes)
    for name, found in {"status": some, "no_status": Status({"missing": 6}, [], 0, [])}.items():
        house.write(written[name], "status.html.j2", homework="hw0_squares", found=found)
    code = "def f(x):\n    return x + 1  # <b>" + " long" * 60
    common = features(code, {})
    works = [
        Work("ada", [(code, True), ("Text " * 60, False)], {}, common),
        Work("bob/é.ipynb", [(code, True)], {}, common, True),
    ]
    write_page(written["similar"], "hw0_squares", [Pair(*works, 0.9, common)], 2)
    write_page(written["none_similar"], "hw0_squares", [], 2)
    return written
