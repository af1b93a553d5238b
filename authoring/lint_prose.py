"""The style's rules about markdown. Each rule yields (index of the cell or None, what was found; what is wanted)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sources import Source

Findings = Iterator[tuple[int | None, str]]

WHY = 80  # words
EXERCISES = {"Recall": 5, "Change one line": 2, "Open end": 1}

FENCE = re.compile(r"^(```|~~~).*?^\1.*?$", re.MULTILINE | re.DOTALL)
FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
NOT_PROSE = re.compile(r"^(?:#+ |\|).*$|<[^>\n]+>|\]\([^)]*\)", re.MULTILINE)  # headings, tables, tags, link targets
HEADING = re.compile(r"^(#{1,6}) +(.+?) *$")
ITEM = re.compile(r"^(?:[-*+]|\d+[.)]) +\S")
FAILS = re.compile(r"^(?:#+ |\*\*)Fails on purpose", re.MULTILINE)
BANNED = re.compile(
    r"\b(?:simply|just|easily)\b"
    r"|\b(?:first|second|third|last|batch|channel|spatial|array|tensor|image)(?:'s)? dimensions?\b"
    r"|\bdimensions? of (?:the|an|a|each|every) (?:array|tensor|image|batch)\b",
    re.IGNORECASE,
)


INLINE_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, up to the next heading of its level or above."""

    level: int
    title: str
    index: int
    text: str


def cells(source: Source, kind: str) -> list[tuple[int, str]]:
    """List the cells of one kind, each with its index."""
    return [(index, cell.source) for index, cell in enumerate(source.notebook.cells) if cell.cell_type == kind]


def plain(text: str) -> str:
    """Leave out code fences and formulas."""
    return FORMULA.sub(" ", FENCE.sub("", text))


def prose(text: str) -> str:
    """Leave out everything that is not read as sentences."""
    return NOT_PROSE.sub(" ", plain(text))


def items(text: str) -> int:
    """Count the items of the lists in a text, without those inside of others."""
    return sum(bool(ITEM.match(line)) for line in text.splitlines())


def sections(source: Source) -> list[Section]:
    """List the sections of a notebook."""
    lines = [(i, line) for i, text in cells(source, "markdown") for line in FENCE.sub("", text).splitlines()]
    heads = [(n, HEADING.match(line)) for n, (_, line) in enumerate(lines) if HEADING.match(line)]
    found = []
    for start, head in heads:
        level = len(head[1])
        end = next((n for n, other in heads if n > start and len(other[1]) <= level), len(lines))
        text = "\n".join(line for _, line in lines[start + 1 : end])
        found.append(Section(level, head[2], lines[start][0], text))
    return found


def promise(source: Source) -> str:
    """Return the text of the first cell; nothing if that is code."""
    first = source.notebook.cells[0]
    return first.source if first.cell_type == "markdown" else ""


def promised(source: Source) -> int:
    """Count the items of the first list after "You will"."""
    _, _, rest = promise(source).partition("You will")
    paragraphs = [text for text in rest.split("\n\n") if items(text)]
    return items(paragraphs[0]) if paragraphs else 0


def title(source: Source) -> Findings:
    """Cell 1 opens with the number in the file's name and a title."""
    first, stem = promise(source).partition("\n")[0], source.name.stem
    number = stem[:2] if re.fullmatch(r"\d\d_[a-z0-9_]+", stem) else None
    if not number:
        yield None, f"is named {stem!r}; wanted: a name such as 01_simple"
    elif not re.match(rf"# {number} · \S", first):
        yield 0, f"opens with {first!r}; wanted: `# {number} · Title`, with the number of the file's name"


def question(source: Source) -> Findings:
    """Cell 1 asks a question."""
    if "?" not in prose(promise(source)):
        yield 0, "asks no question; wanted: the one that the notebook answers"


def questions(source: Source) -> Findings:
    """Cell 1 asks one question only, at the end of a line."""
    ends = re.findall(r"\?[*_]*$", prose(promise(source)), re.MULTILINE)
    asked = prose(promise(source)).count("?")
    if asked and not len(ends) == asked == 1:
        yield 0, f"asks {asked} questions, {len(ends)} of them at the end of a line; wanted: one, ending in `?`"


def you_will(source: Source) -> Findings:
    """Cell 1 promises something."""
    if not promised(source):
        yield 0, "promises nothing; wanted: `You will`, then a list of 3 or 4 items without blank lines"


def promises(source: Source) -> Findings:
    """Cell 1 promises three or four things."""
    if promised(source) not in (0, 3, 4):
        yield 0, f"promises {promised(source)} things; wanted: 3 or 4"


def know_before(source: Source) -> Findings:
    """Cell 1 says what to know before."""
    if "know before" not in promise(source).lower():
        yield 0, "does not say what to know before; wanted: a line such as `**What to know before.** Lecture 01.`"


def time_table(source: Source) -> Findings:
    """Cell 1 says how long the notebook runs."""
    rows = [line for line in promise(source).splitlines() if line.startswith("|")]
    head = next((n for n, row in enumerate(rows) if "CPU" in row and "GPU" in row), len(rows))
    if len(rows) - head < 3:
        yield 0, "has no time table; wanted: a table with columns CPU and GPU and at least one row"


def recap(source: Source) -> Findings:
    """The last section repeats the promises."""
    last = [one for one in sections(source) if one.level == 2][-1:]
    if [one.title for one in last] != ["Recap"]:
        yield None, f"ends with the section {last[0].title if last else 'none'!r}; wanted: `## Recap`"
    elif items(last[0].text) != promised(source):
        wanted = f"wanted: {promised(source)}, one for each promise of cell 1"
        yield last[0].index, f"recalls {items(last[0].text)} things; {wanted}"


def short_why(source: Source) -> Findings:
    """What stands before a code cell is read in half a minute."""
    kinds = [cell.cell_type for cell in source.notebook.cells]
    for index, text in cells(source, "markdown"):
        words = len(re.findall(r"\S*\w\S*", prose(text)))
        if index and kinds[index + 1 : index + 2] == ["code"] and words > WHY:
            yield index, f"has {words} words before a code cell; at most {WHY}: shorten it or show something sooner"


def links_a_source(source: Source) -> Findings:
    """At least one source is linked."""
    if not any(re.search(r"arxiv\.org/abs/|doi\.org/", text) for _, text in cells(source, "markdown")):
        yield None, "links no source; wanted: a link to arxiv.org/abs/… or doi.org/… where it is used"


def predict(source: Source) -> Findings:
    """The reader is asked to predict something."""
    if not any(re.search(r"\*\*Predict\.\*\*[^?]+\?", text) for _, text in cells(source, "markdown")):
        yield None, "asks for no prediction; wanted: `**Predict.** …?` before a code cell"


def should_see(source: Source) -> Findings:
    """The reader is told what should be seen."""
    if not any("**What you should see.**" in text for _, text in cells(source, "markdown")):
        yield None, "never says **What you should see.**; wanted: after a result, a number or shape and one reason"


def exercises(source: Source) -> Findings:
    """There are exercises of three kinds."""
    chapter, found = _exercises(source)
    if not chapter:
        yield None, "has no section `## Exercises`; wanted: one before the recap"
        return
    for name, wanted in EXERCISES.items():
        if not found.get(name):
            yield chapter.index, f"has no exercises under `### {name}`; wanted: {wanted}, as a list"


def numbers_of_exercises(source: Source) -> Findings:
    """There are as many exercises of each kind as in the other lectures."""
    chapter, found = _exercises(source)
    for name, wanted in EXERCISES.items():
        if chapter and found.get(name, wanted) not in (0, wanted):
            yield chapter.index, f"has {found[name]} exercises under `### {name}`; wanted: {wanted}"


def _exercises(source: Source) -> tuple[Section | None, dict[str, int]]:
    """Return the section of exercises, and how many there are of each kind."""
    chapter = next((one for one in sections(source) if (one.level, one.title) == (2, "Exercises")), None)
    _, *parts = re.split(r"^### +(.+?) *$", chapter.text if chapter else "", flags=re.MULTILINE)
    return chapter, {name: items(text) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def words(source: Source) -> Findings:
    """No word tells the reader how hard something is, and arrays have axes."""
    said = [(index, INLINE_CODE.sub(" ", plain(text))) for index, text in cells(source, "markdown")]
    said += [(index, " ".join(re.findall("#.*", code))) for index, code in cells(source, "code")]
    for index, text in said:
        for word in BANNED.findall(text):
            yield index, f"says {word!r}; {'say axis' if 'imension' in word else 'leave it out'}"


def sentence_case(source: Source) -> Findings:
    """Headings are in sentence case. A word counts as a common noun if the prose has it in small letters."""
    common = {word for _, text in cells(source, "markdown") for word in re.findall(r"\b[a-z]+\b", prose(text))}
    for one in sections(source):
        text = INLINE_CODE.sub("", one.title)
        for word in re.findall(r"(?<=[A-Za-z,)] )[A-Z][a-z]+\b(?![-'’])", text):
            if word.lower() in common:
                yield one.index, f"has {word!r} in the heading {one.title!r}; use sentence case"
