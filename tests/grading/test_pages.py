"""Pages are read by everybody: by what is in their HTML, and by axe-core in a browser, light, dark and on a phone.

COURSE_SCREENSHOTS names a folder to keep the pictures in.
"""

import re
from html import escape
from itertools import pairwise

import oddpages
import pytest
from bs4 import BeautifulSoup, Tag
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from helpers.grading.pages import accessible, clean
from helpers.grading.plugins import pages

VIEWS = {"light": ("light", 1200), "dark": ("dark", 1200), "phone": ("dark", 390)}


@pytest.fixture(scope="module")
def feedback() -> BeautifulSoup:
    return BeautifulSoup(oddpages.page(), "html.parser")


def cell(page: BeautifulSoup, number: int) -> Tag:
    return page.find(id=f"cell-{number}")


def facts(part: Tag) -> dict[str, str]:
    return dict(zip((one.text for one in part("dt")), (one.text for one in part("dd")), strict=True))


# ---- what is on a page of feedback ----


def test_points_and_what_was_mended_come_first(feedback):
    assert feedback.h1.text == "hw0_squares: 7 of 15 points"
    assert "1.5 points were taken off" in feedback.text
    assert [item.text for item in feedback.ul("li")] == ["add: lost its <label>"]
    rows = [[one.text for one in row("td")] for row in feedback.table.tbody("tr")]
    assert rows[1] == ["add_large", "1 of 2 points"]
    assert rows[-1] == ["why", "0 of 5 points, still to be graded by hand"]
    assert all(feedback.find(id=link["href"][1:]) for link in feedback.table("a"))
    assert cell(feedback, 4).strong.text == "Comment"


@pytest.mark.parametrize("number", [5, 6])
def test_an_error_shows_the_students_own_line(feedback, number):
    error = cell(feedback, number).find(class_="error")
    assert error.p.text == "`add`, line 2 of its cell: `return a + b`"
    got = {"expected": "no error", "got": "TypeError: unsupported", "read": "lecture 01, Two halves"}
    assert facts(error) == got
    assert "SECRETS" not in feedback.text and "Traceback" not in error.text


def test_a_mismatch_is_shown_in_parts(feedback):
    error = cell(feedback, 7).find(class_="error")
    assert error.p.text == "the code"
    assert facts(error) == {"expected": "shape (4, 8)", "got": "shape (4, 32)", "read": "lecture 01, Two halves"}


def test_errors_of_cells_without_points_keep_what_python_said(feedback):
    zero, syntax, late = (cell(feedback, number).find(class_="error") for number in (9, 10, 11))
    assert zero.p.text == "the answer, line 1 of its cell: `1 / 0`"
    assert facts(zero) == {"expected": "no error", "got": "ZeroDivisionError: by zero"}
    assert "----> 1 1 / 0" in zero.details.text
    assert syntax.p.text == "the answer, line 1 of its cell: `def g(:`"
    assert late.text.strip() == "not run: took more than 540 s"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ("NotImplementedError", "", "Cell In[1], line 2, in f(x)\n----> 2     raise NotImplementedError\n"),
            "`f` is still to",
        ),
        (("NameError", "name 'g' is not defined", "Cell In[1], line 1\n----> 1 g()\n"), "`g`"),
        (("ValueError", "too many values", "Cell In[1], line 1\n----> 1 g()\n"), "what your code gives"),
        (
            ("AssertionError", "the square of 3 is 9", "Cell In[1], line 1\n----> 1 assert 0\n"),
            "AssertionError: the sq",
        ),
    ],
)
def test_a_test_says_what_is_missing(error, said):
    answer, test = new_code_cell("def f(x):\n    raise NotImplementedError"), new_code_cell("g()")
    test.outputs = [oddpages.failed(*error)]
    oddpages.graded(test, "test", "one")
    shown, _ = pages.ExplainErrors().preprocess(oddpages.new_notebook(cells=[answer, test]), {})
    assert pages.explained(shown.cells[1].outputs[0])["what"].startswith(said)


def test_formulas_are_set_without_a_script(feedback):
    assert len(cell(feedback, 1)("math")) == 3
    assert cell(feedback, 3).code.text == r"\frac{"  # as it was written
    assert not feedback("script")


# ---- what makes a page accessible ----


def test_headings_step_down_one_by_one(feedback):
    levels = [int(heading.name[1]) for heading in feedback.find_all(re.compile("^h[1-6]$"))]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert feedback.html["lang"] == "en"


def test_every_picture_is_described_or_named(feedback):
    described = [image["alt"] for image in feedback("img")]
    assert set(described[:2]) == {"Picture in cell 1; nobody described it"}
    assert set(described[2:]) == {"Figure drawn by cell 2; nobody described it"}
    assert "(the picture https://example.com/x.png is not in the file" in feedback.text
    kept = accessible('<img src="data:image/png;base64,aA==" alt="Loss by epoch">')
    assert 'alt="Loss by epoch"' in kept


def test_a_link_leads_somewhere():
    links = '<a href="../x.ipynb">lecture</a> <a>none</a> <a href="https://a.b"></a> <a href="#cell-1">up</a>'
    assert accessible(links) == ('lecture none <a href="https://a.b">https://a.b</a> <a href="#cell-1">up</a>')


def test_a_table_has_headers_that_stand_above_something():
    index = BeautifulSoup(accessible(clean(oddpages.PANDAS)), "html.parser")
    assert [(one.text, one["scope"]) for one in index("th")] == [
        ("a", "col"),
        ("index", "col"),
        ("0", "row"),
        ("1", "row"),
    ]
    assert BeautifulSoup(accessible(clean(oddpages.EMPTY)), "html.parser")("th") == []
    plain = BeautifulSoup(accessible(clean(oddpages.NO_HEADER)), "html.parser")
    assert len(plain("th")) == 4 and plain.find(class_="table")["tabindex"] == "0"


@pytest.mark.parametrize(
    "tag", ["script", "style", "iframe", "form", "input", "object", "video", "link", "svg", "meta"]
)
def test_what_runs_or_fetches_is_left_out(tag):
    html = f'<p onclick="x()" style="color:red">a<{tag} src="https://example.com">b</{tag}>'
    assert re.fullmatch(r"<p>a(</p>)?b?(</p>)?", clean(html))


@pytest.mark.parametrize(
    "formula",
    [
        r"\text{<script>document.title=1</script>}",
        r"\href{javascript:alert(1)}{x}",
        r"\style{background:url(http://example.com)}{x}",
        r"\text{<img src=x onerror=alert(1)>}",
    ],
)
def test_a_formula_runs_and_fetches_nothing(formula):
    page = BeautifulSoup(accessible(f'<code class="math">{escape(formula)}</code>'), "html.parser")
    assert page.code and page.code.text == formula and not page.find(["script", "img", "a", "math"])
    assert BeautifulSoup(accessible('<code class="math">x^2</code>'), "html.parser").find("msup")


def test_formgrader_shows_an_instructor_nothing_that_runs():
    """Its pages come from where the instructor's own session is."""
    cell = new_markdown_cell("a <script>alert(1)</script> <img src=x onerror=alert(1)> $x^2$ b")
    shown = pages.markdown2html({"cell": cell}, cell.source)
    assert "a " in shown and "$x^2$" in shown and not re.search("script|onerror", shown)
    data = {"text/html": "<b onclick=x()>c</b><script>1</script>", "application/javascript": "alert(1)"}
    code = new_code_cell("", outputs=[new_output("display_data", data)])
    pages.PresentableOutputs().preprocess_cell(code, {}, 0)
    assert code.outputs[0].data == {"text/html": "<b>c</b>"}


@pytest.mark.parametrize(
    ("html", "kinds"),
    [
        ("<div><svg><rect width='3' height='4'/><text>784</text></svg></div>", {"text/plain"}),
        ("<style>b {color: red}</style> <script>1</script>", {"text/plain"}),
        ('<div><img src="data:image/png;base64,aA==" alt=""></div>', {"text/plain", "text/html"}),
        ("<table><tr><td>1</td></tr></table>", {"text/plain", "text/html"}),
    ],
)
def test_where_nothing_is_left_of_html_the_words_beside_it_are_shown(html, kinds):
    code = new_code_cell("", outputs=[new_output("display_data", {"text/html": html, "text/plain": "Diagram of"})])
    pages.PresentableOutputs().preprocess_cell(code, {}, 0)
    assert {*code.outputs[0].data} == kinds


@pytest.mark.parametrize("html", ["<div>", "<ul><li>", "<table><tr><td>", "<b><i>"])
def test_what_is_nested_without_end_is_shown_as_it_was_written(html):
    assert clean(50 * html).count("<pre>") == 0
    assert clean(5000 * html) == f"<pre>{escape(5000 * html)}</pre>"


# ---- in a browser ----


def violations(page, name: str, keep) -> list[str]:
    """Return what axe-core finds wrong with a page, in each view; what is folded is unfolded first."""
    from axe_playwright_python.sync_playwright import Axe

    found = []
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    for view, (scheme, width) in VIEWS.items():
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        for rule in Axe().run(page).response["violations"]:
            found += [f"{view}: {rule['id']}\n{node['html']}" for node in rule["nodes"]]
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [f"{view}: {too_wide} pixels wider than the window"] if too_wide else []
        keep(f"{name}_{view}", page.screenshot(full_page=True))
    return found


@pytest.mark.needs("a browser")
def test_axe_finds_nothing_and_nothing_is_fetched(browser, keep, tmp_path):
    asked = []
    browser.page.on("request", lambda request: asked.append(request.url))
    for name, written in oddpages.write(tmp_path).items():
        browser.page.goto(written.as_uri())
        assert violations(browser.page, name, keep) == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.mark.needs("a browser")
def test_axe_would_find_something(browser, keep):
    browser.page.set_content("<p style='color: silver'>pale</p>")
    assert {"light: color-contrast", "phone: html-has-lang"} <= {
        line.partition("\n")[0] for line in violations(browser.page, "bad", keep)
    }
