"""Feedback pages hold no hidden test, in whatever encoding a submission prints, draws, keeps or raises it."""

import base64
import codecs
import html
import io
import json
import re
import zlib
from contextlib import nullcontext, suppress
from itertools import chain

import nbformat
import pytest
import toycourse
from nbformat.v4 import new_code_cell, new_output
from PIL import Image
from test_bad_submissions import term
from test_budget import Here
from toycourse import HOMEWORK, answered, as_bytes

from helpers.grading import GradingError
from helpers.grading import pages as house
from helpers.grading.pipeline import exporting, gradescope, grading, records
from helpers.grading.pipeline.grading import clean_path
from helpers.grading.plugins import clean, pages

LINE = "np.testing.assert_allclose(square([1.5, 7]), [2.25, 49])"


# ---- how a test is looked for ----


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def decoded(text: str) -> list[str]:
    """List what a text may stand for: one step of each decoding that somebody might have chosen."""
    close = squeezed(text)
    found = [close[::-1], codecs.decode(close, "rot13")]
    packed = [from_base64(run[n:]) for run in {*B64.findall(close), *B64.findall(text)} for n in range(4)]
    packed += [bytes.fromhex(run[n : n + (len(run) - n) // 2 * 2]) for run in HEX.findall(close) for n in range(2)]
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    packed.append(bytes(number for number in numbers if number < 256))
    for data in packed:
        found += [data.decode("latin-1"), *unpacked(data)]
    return found


B64 = re.compile(r"[A-Za-z0-9+/]{16,}")
HEX = re.compile(r"[0-9a-fA-F]{16,}")


def from_base64(text: str) -> bytes:
    whole = text[: len(text) - (len(text) % 4 == 1)]
    return base64.b64decode(whole + "=" * (-len(whole) % 4))


def unpacked(data: bytes) -> list[str]:
    """List what is in compressed bytes or in a picture."""
    found = []
    with suppress(zlib.error):
        found.append(zlib.decompressobj().decompress(data).decode("latin-1"))
    if data.startswith(b"\x89PNG"):
        image = Image.open(io.BytesIO(data))
        found += [image.tobytes().decode("latin-1"), str(image.info)]
    return found


def is_in(text: str, secret: str = LINE) -> bool:
    """Return whether a text tells a secret, plain or encoded twice."""
    plain = html.unescape(re.sub(r"<(?!img)[^>]+>", "", text))
    once = [one for form in {text, plain} for one in [form, *decoded(form)]]
    return any(squeezed(secret) in squeezed(one) for one in chain(once, *map(decoded, once)))


def picture(text: str) -> str:
    """Return a picture whose pixels are the letters."""
    buffer = io.BytesIO()
    Image.frombytes("L", (len(text), 1), text.encode()).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


ENCODINGS = {
    "plain": str,
    "quoted": repr,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of a part": lambda text: base64.b64encode(f"abc{text}".encode()).decode()[3:],
    "zlib": lambda text: base64.b64encode(zlib.compress(text.encode())).decode(),
    "hex": lambda text: text.encode().hex(),
    "reversed": lambda text: text[::-1],
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "a letter a line": "\n".join,
    "numbers": lambda text: str([ord(letter) for letter in text]),
    "hex of base64": lambda text: base64.b64encode(text.encode()).hex(),
}


@pytest.mark.parametrize("encode", [*ENCODINGS.values(), picture], ids=[*ENCODINGS, "picture"])
def test_the_search_would_find_it(encode):
    assert is_in(f"before {encode(LINE)}\nbehind")
    assert is_in(f"<pre>{html.escape(encode(LINE))}</pre>")
    assert not is_in(encode("np.testing.assert_allclose(square([2, 3]), [4, 9])"))


# ---- whatever comes out of the kernel that is graded ----


def graded(*outputs, of: str = "") -> nbformat.NotebookNode:
    """Return a graded notebook in which a cell of the student's, or the test with a hidden part, gave these."""
    notebook = toycourse.source()
    for name, text in toycourse.ANSWERS.items():
        toycourse.named(notebook)[name].source = text
    notebook.cells.append(new_code_cell("more()", id="added-1"))
    (toycourse.named(notebook)[of] if of else notebook.cells[-1]).outputs = list(outputs)
    return notebook


def shown(notebook, run=None) -> str:
    """Return the page."""
    page = clean.page_of(notebook, run)
    for step in (pages.ExplainErrors(), pages.PresentableOutputs()):
        page, _ = step.preprocess(page, {})
    return pages.FeedbackExporter().from_notebook_node(page, {"nbgrader": {"notebook": HOMEWORK}})[0]


def ran(notebook):
    """Return the run without hidden tests, in which everything went well."""
    run = clean.without_hidden(notebook)
    run.cells[-1].outputs = [new_output("stream", name="stdout", text="my own print")]
    return run


def failed(name: str, text: str, trace: str = "") -> nbformat.NotebookNode:
    return new_output("error", ename=name, evalue=text, traceback=[trace or text])


CARRIERS = {
    "stdout": lambda text: new_output("stream", name="stdout", text=text),
    "stderr": lambda text: new_output("stream", name="stderr", text=text),
    "result": lambda text: new_output("execute_result", {"text/plain": text}, execution_count=1),
    "html": lambda text: new_output("display_data", {"text/html": f"<b>{html.escape(text)}</b>"}),
    "markdown": lambda text: new_output("display_data", {"text/markdown": f"`{text}`"}),
    "json": lambda text: new_output("display_data", {"application/json": {"a": [text]}, "text/plain": text}),
    "picture": lambda text: new_output("display_data", {"image/png": picture(text)}),
    "description": lambda text: new_output(
        "display_data", {"image/png": picture("a")}, metadata={"image/png": {"alt": text}}
    ),
    "message": lambda text: failed("ValueError", text),
    "type": lambda text: failed(text, ""),
    "traceback": lambda text: failed("ValueError", "", f"Cell In[3], line 2, in {text}\n----> 2 {text}\n"),
    "line of the answer": lambda text: failed(
        "ValueError", "", f"Cell In[3], line 2, in f{text}()\n----> 2     return np.asarray(x) ** 2\n"
    ),
    "assertion": lambda text: failed("AssertionError", text),
    "NumPy's assertion": lambda text: failed("AssertionError", f"Mismatched elements: {text} / 2 (100%)"),
    "name": lambda text: failed("NameError", f"name '{squeezed(text)}' is not defined"),
    "stopped": lambda text: failed("NotRun", f"not run: took more than {text}"),
    "tampering": lambda text: failed("Tampering", f"changed {text}"),
    "forged what": lambda text: failed("Mismatch", f"{text}\n  expected: 1\n  got:      shape ({text})\n  read:     x"),
    "forged shape": lambda text: failed("Mismatch", f"x\n  expected: shape ({text})\n  got:      shape {shape(text)}"),
    "forged noise": lambda text: failed("Oops", f"x\n  expected: {text}\n  got:      noise of mean {text} and {text}"),
}


def shape(text: str) -> tuple[int, ...]:
    return tuple(map(ord, text))


@pytest.mark.parametrize("carrier", CARRIERS.values(), ids=CARRIERS)
def test_no_output_of_grading_carries_a_hidden_test_onto_a_page(carrier):
    for encoding in ("plain", "zlib", "numbers", "a letter a line"):
        out = carrier(ENCODINGS[encoding](LINE))
        for of in ("", "square_shape"):
            notebook = graded(out, of=of)
            for run in (None, ran(notebook)):
                assert not is_in(text_of(clean.page_of(notebook, run)))


def text_of(notebook) -> str:
    """Return all that a page can show of a notebook."""
    explained, _ = pages.ExplainErrors().preprocess(notebook, {})
    return "\n".join(
        f"{cell.source}\n{json.dumps(cell.get('outputs'), ensure_ascii=False)}" for cell in explained.cells
    )


def test_a_page_shows_the_second_run():
    secret = ENCODINGS["zlib"](LINE)
    notebook = graded(new_output("stream", name="stdout", text=secret))
    assert "my own print" in shown(notebook, ran(notebook)) and clean.NO_RUN not in shown(notebook, ran(notebook))
    assert not is_in(shown(notebook, ran(notebook))) and not is_in(shown(notebook))


def test_what_grading_notes_in_a_notebook_is_left_out():
    notebook = graded()
    notebook.metadata |= {"language_info": {"name": LINE, "pygments_lexer": LINE}, "widgets": {"state": LINE}}
    notebook.cells[-1].metadata |= {"execution": {"iopub.execute_input": LINE}, "tags": [LINE]}
    notebook.cells[-1].execution_count = count = 10**12 + 7  # longer than any number in a cell's id
    page = clean.page_of(notebook, ran(notebook))
    assert LINE not in nbformat.writes(page) and str(count) not in nbformat.writes(page)


@pytest.mark.parametrize("change", ["source", "id", "test"])
def test_a_run_of_another_notebook_is_not_shown(change, tmp_path):
    notebook = graded()
    run = ran(notebook)
    run.metadata["course"] = {"of": clean.number(clean.without_hidden(notebook))}
    nbformat.write(run, tmp_path / "run.ipynb")
    assert clean.read(tmp_path / "run.ipynb", clean.without_hidden(notebook))
    changed = toycourse.named(notebook)["square_small"] if change == "test" else notebook.cells[-1]
    changed["id" if change == "id" else "source"] += "x"
    assert clean.read(tmp_path / "run.ipynb", clean.without_hidden(notebook)) is None
    (tmp_path / "run.ipynb").write_text("{")
    assert clean.read(tmp_path / "run.ipynb", clean.without_hidden(notebook)) is None


# ---- what a page still says of a hidden failure ----

TEST = """\
### BEGIN HIDDEN TESTS
what, read = "the code", "lecture 01, Two halves"
for n in (3, 5):
    checks.shape(f"the codes of {n} images", codes(n), (n, 8), read="lecture 01, Two halves")
checks.at_most("the error", error, 0.25, read="lecture 02")
assert square(7) == 49, "the square of 7 is 49"
### END HIDDEN TESTS"""
OWN = [new_code_cell("def square(x):\n    y = x + 1\n    return y ** 'a'"), new_code_cell("z = 1")]


def said(error, seen=()) -> tuple[str, dict[str, str]]:
    told_ = clean.told(error, TEST, OWN, seen, "square")
    assert told_.traceback == [] or told_.ename != "Mismatch"
    return house.parts(told_.evalue)


def check(what: str, expected: str, got: str, read: str = "lecture 02") -> tuple[str, dict[str, str]]:
    return said(failed("Mismatch", f"{what}\n  expected: {expected}\n  got:      {got}\n  read:     {read}"))


def test_a_check_says_what_came():
    facts = {"expected": "shape (5, 8)", "got": "shape (5, 64)", "read": "lecture 01, Two halves"}
    found = check("the codes of 5 images", "shape (5, 8)", "shape (5, 64)", "lecture 01, Two halves")
    assert found == ("the codes of 5 images", facts)
    facts = {"expected": "at most 0.25", "got": "0.3123", "read": "lecture 02"}
    assert check("the error", "at most 0.25", "0.31234567") == ("the error", facts)


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        ("an array of float64", "an array of float64"),
        ("a NoneType", "a NoneType"),
        ("None; does the function end with `return`?", "None; does the function end with `return`?"),
        ("3 of 40 are NaN or infinite", "3 of 40 are NaN or infinite"),
        ("-1.23456 to 7", "-1.235 to 7"),
        ("9 at [0, 1], and 2 of 4 values are off", "9 at […], and 2 of 4 values are off"),
        ("none for dense/kernel, dense/bias", "none for …"),
        ("ValueError: whatever", "ValueError"),
        ("123,456 parameters and more", clean.ELSE),
        ("'a text'", clean.ELSE),
        ("a Secret", clean.ELSE),
        ("shape (1, 2, 3, 4, 5)", "shape (1, 2, 3, 4, …)"),
        ("[110, 112]", clean.ELSE),
    ],
)
def test_what_came_is_told_in_a_closed_vocabulary(got, wanted):
    assert check("the error", "at most 0.25", got)[1]["got"] == wanted


def test_nobody_puts_words_into_the_mouth_of_a_test():
    what, facts = check("np.testing.assert", "shape (7, 8, 123)", "shape (1,)", "the hidden test says 49")
    assert what == clean.UNSEEN
    assert facts == {"expected": "shape (7, 8, …)", "got": "shape (1,)", "read": clean.READ}
    assert said(failed("Secret", "x\n  expected: np.testing\n  got:      np.testing")) == (
        clean.UNSEEN,
        {"got": clean.ELSE, "read": clean.READ},
    )


def test_an_assertion_is_told_if_its_author_wrote_it():
    assert said(failed("AssertionError", "the square of 7 is 49"))[0] == "the square of 7 is 49"
    assert said(failed("AssertionError", "secret"))[0] == clean.UNSEEN
    numpy = "Mismatched elements: 2 / 4 (50%)\nMax absolute difference among violations: 42.12345\nMax relative"
    assert said(failed("AssertionError", numpy))[1]["got"] == "2 of 4 values are off, by up to 42.12"
    shapes = "(shapes (2, 3), (2,) mismatch)\n ACTUAL: array"
    assert said(failed("AssertionError", shapes))[1]["got"] == "shape (2, 3)"


def test_an_error_is_told_by_its_type_and_the_students_own_line():
    trace = "Cell In[9], line 4\n----> 4 square(7)\n\nCell In[3], line 3, in square(x)\n----> 3     return y ** 'a'\n"
    found = clean.told(failed("TypeError", "secret", trace), TEST, OWN, (), "square")
    assert (found.ename, found.evalue) == ("TypeError", "")
    assert found.traceback == ["Cell In[1], line 3, in square", "----> 3     return y ** 'a'", ""]
    assert clean.told(failed("TypeError", "as before", trace), TEST, OWN, ["as before"], "").evalue == "as before"
    assert clean.told(failed("Secret", "", trace.replace("line 3", "line 2")), TEST, OWN, (), "").ename == "an error"
    forged = clean.told(failed("TypeError", "", trace.replace("line 3", "line 2")), TEST, OWN, (), "")
    assert forged.traceback == []


@pytest.mark.parametrize("name", ["square", "secret"])
def test_a_name_that_is_missing_is_told_if_students_see_it(name):
    found = clean.told(
        failed("NameError", f"name '{name}' is not defined. Did you mean: 'x'?"), TEST, OWN, (), "square"
    )
    assert found.evalue == ("name 'square' is not defined" if name == "square" else "")


def test_where_two_runs_differ_the_page_says_which_counts():
    for first, second, remark in (("square_small", "", clean.UNLUCKY), ("", "square_small", clean.LUCKY)):
        notebook = graded(*[failed("AssertionError", "x")] * bool(first), of=first)
        run = ran(notebook)
        if second:
            toycourse.named(run)[second].outputs = [failed("AssertionError", "the square of 3 is 9")]
        assert html.unescape(shown(notebook, run)).count(remark) == 1


# ---- real kernels ----

SPY = """
import base64, codecs, sys, linecache, warnings, zlib
kept = []
def spy():
    frame = sys._getframe(1)
    while frame:
        for line in linecache.getlines(frame.f_code.co_filename):
            if "assert_allclose" in line and "square(" in line and "spy" not in line:
                kept.append(line.strip())
        frame = frame.f_back
    return kept[-1] if kept else "nothing"
def square(x):
    text = spy()
    {}
    return np.asarray(x) ** 2
"""
AFTER = "print(kept, zlib.compress(str(kept).encode()).hex(), base64.b64encode(repr(kept).encode()))"
DRAWN = """
from IPython.display import HTML, Image, display
import io, PIL.Image
def draw(text):
    file = io.BytesIO()
    PIL.Image.frombytes("L", (len(text), 1), text.encode()).save(file, "PNG")
    display(Image(data=file.getvalue()), HTML(f"<b>{text.encode().hex()}</b>"))
for one in kept:
    draw(one)
"""
HIDES = "if text != 'nothing':\n        raise "
SPIES = {
    "printed": (SPY.format("print(text[::-1], base64.b64encode(zlib.compress(text.encode())))"), AFTER),
    "lines": (SPY.format("print(*text, sep=chr(10))"), "print([ord(x) for x in ''.join(kept)])"),
    "drawn": (SPY.format("pass"), DRAWN),
    "warned": (
        SPY.format("warnings.warn(codecs.encode(text, 'rot13'))\n    print(text.encode().hex(), file=sys.stderr)"),
        "",
    ),
    "raised": (
        SPY.format(f"{HIDES}ValueError(base64.b64encode(text.encode()).decode())"),
        "raise ValueError(repr(kept))",
    ),
    "typed": (
        SPY.format(f"{HIDES}type(text.encode().hex(), (Exception,), {{}})()"),
        "raise type(str(kept)[::-1], (Exception,), {})",
    ),
    "forged": (
        SPY.format(
            f"{HIDES}type('Mismatch', (AssertionError,), {{}})("
            "f'{text}\\n  expected: {text[::-1]}\\n  got:      shape {tuple(map(ord, text))}'"
            "f'\\n  read:     {text.encode().hex()}')"
        ),
        "",
    ),
    "collected": (
        SPY.format("pass"),
        "import gc\nprint([str(x).encode().hex() for x in gc.get_objects() if 'assert_allclose(sq' in str(x)[:5000]])\n"
        "found = [l for e in list(linecache.cache.values()) if len(e) > 2 for l in e[2]]\n"
        "print(base64.b64encode(zlib.compress(''.join(found).encode())).decode(), In)",
    ),
}


def with_spy(course, square: str, after: str) -> bytes:
    notebook = answered(course, square=square)
    notebook.cells += [new_code_cell("print('my own', 6 * 7)"), new_code_cell(after)]
    return as_bytes(notebook)


def test_a_run_without_a_sandbox_is_shown_on_no_safe_page(one_graded, monkeypatch):
    graded = one_graded.autograded("s2", HOMEWORK) / f"{HOMEWORK}.ipynb"
    graded.parent.mkdir(parents=True, exist_ok=True)
    graded.write_bytes(as_bytes(answered(one_graded)))
    monkeypatch.setattr(grading, "_CLEAN", ())  # nothing is run
    monkeypatch.setattr(grading, "workers", lambda jobs: Here())
    monkeypatch.setattr(grading.kernels, "serving", lambda modules: nullcontext(""))
    monkeypatch.setattr(grading.sandbox, "find", lambda: "bwrap")
    path, times = clean_path(one_graded, HOMEWORK, "s2"), []
    for unsafe in (True, True, False, False, True):
        assert grading.run_clean(one_graded, HOMEWORK, [records.Record("s2")], unsafe=unsafe) == {}
        times.append(path.stat().st_mtime_ns)
    assert times[0] == times[1] < times[2] == times[3] == times[4]

    path.unlink()
    grading.run_clean(one_graded, HOMEWORK, [records.Record("s2")], unsafe=True)
    monkeypatch.setattr(grading.sandbox, "find", refused)
    assert grading.run_clean(one_graded, HOMEWORK, [records.Record("s2")]) == {"s2": "no bubblewrap"}
    assert not path.exists()


def refused() -> str:
    raise GradingError("no bubblewrap")


@pytest.mark.long
@pytest.mark.usefixtures("sandbox")
def test_no_page_tells_a_hidden_test_to_who_reads_frames(course):
    handed = {name: {f"{HOMEWORK}.ipynb": with_spy(course, *codes)} for name, codes in SPIES.items()}
    wrong = "def square(x):\n    return np.asarray(x) * 3"
    handed["wrong"] = {f"{HOMEWORK}.ipynb": as_bytes(answered(course, square=wrong))}
    stumbles = "def square(x):\n    return np.asarray(x) ** 2 if np.ndim(x) != 1 else [][5]"
    handed["stumbles"] = {f"{HOMEWORK}.ipynb": as_bytes(answered(course, square=stumbles))}
    known = list(term(course, handed).values())
    assert {record.state for record in known} == {records.GRADED}
    written = exporting.feedback(course, HOMEWORK, known, jobs=2)
    assert (written.faults, written.without_outputs) == ({}, {})
    for name in SPIES:
        page = exporting.page(course, HOMEWORK, name).read_text()
        assert not is_in(page), name
        assert "my own 42" in page, name
        assert not is_in(json.dumps(gradescope.results(course, HOMEWORK, name))), name
        assert not is_in(clean_path(course, HOMEWORK, name).read_text()), name
    page = exporting.page(course, HOMEWORK, "stumbles").read_text()
    assert "`square`, line 2 of its cell" in page and "IndexError" in page
    assert "list index" not in page  # it was not said where no hidden test was
    assert "2 of 2 values are off, by up to 28" in exporting.page(course, HOMEWORK, "wrong").read_text()

    stamps = [clean_path(course, HOMEWORK, one.student).stat().st_mtime_ns for one in known]
    exporting.feedback(course, HOMEWORK, known)
    assert stamps == [clean_path(course, HOMEWORK, one.student).stat().st_mtime_ns for one in known]
