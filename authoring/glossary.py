"""The glossary: each term with the sentence of the lecture that introduces it, marked [[term]] in its script."""

import re

from shorthand import SourceError
from sources import Source

PAGE = "docs/glossary.md"
INTRODUCED = re.compile(r"\*\*\[([^\]]+)\]\(\.\./docs/glossary\.md#[^)]*\)\*\*")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)")
HEADING = """\
# Glossary

Each term with the sentence that introduces it, and a link to the lecture where you find it. This page is written by
`./course build` from the lectures; to change an entry, change its sentence there.
"""


def terms(sources: list[Source]) -> dict[str, tuple[str, str]]:
    """Return the sentence that introduces each term, and the name of its lecture.

    Raises:
        SourceError: two places introduce the same term, or its sentence has no end.
    """
    found: dict[str, tuple[str, str]] = {}
    for source in sources:
        for cell in source.notebook.cells:
            paragraphs = cell.source.split("\n\n") if cell.cell_type == "markdown" else []
            for sentence in (part for text in paragraphs for part in SENTENCE_END.split(text.replace("\n", " "))):
                for term in INTRODUCED.findall(sentence):
                    if not sentence.rstrip().endswith((".", "!", "?")):
                        raise SourceError(
                            f"{source.name}: the sentence that introduces {term!r} does not end in its paragraph, and "
                            "would be cut off in the glossary; end it by a full stop"
                        )
                    if term in found:
                        raise SourceError(f"{source.name}: introduces {term!r} again; {found[term][1]} does so before")
                    found[term] = INTRODUCED.sub(r"**\1**", sentence), source.name.stem
    return found


def page(sources: list[Source]) -> str | None:
    """Return the glossary in Markdown, in the order of the alphabet; None if no lecture introduces a term."""
    entries = sorted(terms(sources).items(), key=lambda entry: entry[0].lower())
    texts = (
        f"\n## {term}\n\n{sentence} (Lecture [{stem[:2]}](../lectures/{stem}.ipynb))\n"
        for term, (sentence, stem) in entries
    )
    return "".join([HEADING, *texts]) if entries else None
