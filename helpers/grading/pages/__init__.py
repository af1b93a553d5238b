"""Pages of HTML that need no network and that everybody can read: feedback, how a homework stands, similar work.

Templates say what is on a page. What students wrote goes through `clean`, and a page with it through `accessible`.
"""

import re
from html import escape
from itertools import accumulate
from pathlib import Path
from typing import Any

import nh3
from bs4 import BeautifulSoup, Tag
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from latex2mathml.converter import convert

from helpers.files import atomic_write

FOLDER = Path(__file__).parent
_NOBODY = "No description has been provided for this image"  # says nbconvert, and not where the picture is
_HEADINGS = [f"h{level}" for level in range(1, 7)]
_FACT = re.compile(r"(?:^|\n)  (expected|got|read): +")
_TAG = re.compile(r"<(/?)([a-z]\w*)")
_OUTWARD = re.compile(r"#|https?:|mailto:")
_ENDLESS = {"br", "hr", "img", "input", "li", "p", "td", "th", "tr", "tbody", "thead", "col", "link", "meta"}
_DEEPEST = 100  # more is no page, and would take minutes
_TAGS = {
    *_HEADINGS,
    *("a", "b", "blockquote", "br", "caption", "code", "del", "div", "em", "hr", "i", "img", "ins", "kbd", "li", "ol"),
    *("p", "pre", "s", "samp", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr"),
    *("u", "ul"),
}
_ATTRIBUTES = {
    "*": {"class"},  # of highlighted code and of formulas
    "a": {"href"},
    "img": {"src", "alt"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}


# Of formulas; elsewhere a tag may run something, and an address may fetch something.
_MATH = {
    *("math", "mrow", "mi", "mn", "mo", "mtext", "ms", "mspace", "msub", "msup", "msubsup", "munder", "mover", "none"),
    *("munderover", "mfrac", "msqrt", "mroot", "mstyle", "mtable", "mtr", "mtd", "mpadded", "mphantom", "menclose"),
    *("mmultiscripts", "mprescripts", "mfenced", "merror"),
}
_OF_MATH = {
    *("xmlns", "display", "displaystyle", "scriptlevel", "mathvariant", "stretchy", "symmetric", "largeop", "fence"),
    *("form", "separator", "lspace", "rspace", "width", "height", "depth", "voffset", "minsize", "maxsize", "accent"),
    *("accentunder", "movablelimits", "linethickness", "notation", "columnalign", "columnlines", "columnspacing"),
    *("rowalign", "rowlines", "rowspacing", "columnspan", "rowspan", "open", "close", "separators", "mathcolor"),
}


def write(path: Path, template: str, **values: Any) -> None:
    """Write a page that one of the templates in this folder describes.

    Args:
        path: of the page.
        template: the name of its file.
        values: what it names.
    """
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    page = accessible(environment.get_template(template).render(values))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8")


def parts(message: str) -> tuple[str, dict[str, str]]:
    r"""Return what a failure is about, and what else its message says, by name; see `helpers.grading.checks.mismatch`.

    >>> parts("the code\n  expected: shape (4, 8)\n  got:      shape (4, 32)\n  read:     lecture 01")
    ('the code', {'expected': 'shape (4, 8)', 'got': 'shape (4, 32)', 'read': 'lecture 01'})
    >>> parts("  expected: no error\n  got:      ValueError")
    ('', {'expected': 'no error', 'got': 'ValueError'})
    """
    what, *rest = _FACT.split(message)
    return what, dict(zip(rest[::2], rest[1::2], strict=True))


def clean(html: str) -> str:
    """Return what a student wrote in HTML without scripts, styles, forms and frames, and with every tag closed.

    >>> clean("<h1 style='color: silver'>Loss<script>alert(1)</script>")
    '<h1>Loss</h1>'
    """
    if _depth(html) > _DEEPEST:
        return f"<pre>{escape(html)}</pre>"
    return nh3.clean(html, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes={"data", "http", "https", "mailto"})


def _depth(html: str) -> int:
    """Return how deep elements are in each other, about; some need no end."""
    return max(accumulate(1 - 2 * bool(slash) for slash, name in _TAG.findall(html) if name not in _ENDLESS), default=0)


def accessible(page: str) -> str:
    """Return a page whose headings step down one by one, whose figures and tables say what they are, and so on.

    What students wrote is in `.notebook`, in cells with the ids `cell-1`, `cell-2`, …: its headings are below those of
    the page. Pictures that are not in the page are named, not fetched.
    """
    soup = BeautifulSoup(page, "html.parser")
    _step_down(soup)
    for image in soup.find_all("img"):
        _describe(soup, image)
    for link in soup.find_all("a"):
        if not _OUTWARD.match(str(link.get("href") or "")):
            link.unwrap()  # a file that only the course has
        elif not link.get_text(strip=True) and not link.img:
            link.string = str(link["href"])
    for table in soup.find_all("table"):
        _head(table)
        table.wrap(soup.new_tag("div", attrs={"class": "table", "tabindex": "0"}))
    for block in soup.find_all("pre"):
        block["tabindex"] = "0"  # what is too wide is scrolled with the arrow keys
    for formula in soup.select("code.math"):
        _set(formula)
    _listed(soup)
    return str(soup)


def _step_down(soup: BeautifulSoup) -> None:
    level = 0
    for heading in soup.find_all(_HEADINGS):
        if not heading.get_text(strip=True) and not heading.img:
            heading.unwrap()
            continue
        wanted = int(heading.name[1]) + bool(heading.find_parent(class_="notebook"))
        level = min(wanted, level + 1, 6)
        heading.name = f"h{level}"


def _describe(soup: BeautifulSoup, image: Tag) -> None:
    """Give a picture a description, or put its address in its place where it is not in the page."""
    address = str(image.get("src") or "")
    if not address.startswith("data:image/"):
        remark = soup.new_tag("em", string=f"(the picture {address[:80]} is not in the file that was handed in)")
        image.replace_with(remark)
    elif str(image.get("alt") or "").strip() in ("", _NOBODY):
        cell = image.find_parent(id=True)  # `clean` leaves students none
        where = str(cell["id"]).replace("-", " ") if cell else "this page"
        is_output = "figure" in (image.get("class") or [])
        image["alt"] = f"{'Figure drawn by' if is_output else 'Picture in'} {where}; nobody described it"


def _head(table: Tag) -> None:
    """Make a table's headers known as such: those that stand above or beside nothing are none."""
    is_empty = not table.find("td")
    for header in table.find_all("th"):
        if is_empty or not (header.get_text(strip=True) or header.img):
            header.name = "td"
        else:
            header["scope"] = "col" if header.find_parent("thead") else "row"
    rows = table.find_all("tr")
    if len(rows) > 1 and not table.find("th"):
        for cell in rows[0].find_all("td"):
            if cell.get_text(strip=True):
                cell.name, cell["scope"] = "th", "col"


def _set(formula: Tag) -> None:
    """Set a formula; where it cannot be read, or has more in it than a formula, it stays as it was written."""
    text = re.sub(r"^\$+|\$+$", "", formula.get_text().strip())
    display = "block" if "block" in (formula.get("class") or []) else "inline"
    try:
        made = BeautifulSoup(convert(text, display=display), "html.parser")
    except Exception:  # a parser may raise anything for what nobody would write
        made = None
    if made and all(tag.name in _MATH and tag.attrs.keys() <= _OF_MATH for tag in made.find_all(True)):
        formula.replace_with(made)
    else:
        del formula["class"]


def _listed(soup: BeautifulSoup) -> None:
    for item in soup.find_all("li"):
        if item.parent is None or item.parent.name not in ("ul", "ol"):
            item.name = "div"
    for one in soup.find_all(["ul", "ol"]):
        for child in list(one.children):
            if getattr(child, "name", None) != "li" and child.get_text(strip=True):
                child.wrap(soup.new_tag("li"))
