"""A small table that a notebook shows as such and that prints as text elsewhere; sizes and counts as text.

Used by every lecture.
"""

import html
from collections.abc import Mapping, Sequence


class Table:
    """Rows with a common heading.

    Args:
        rows: one mapping per row, all with the same keys in the same order; the keys become the heading.
        caption: one line above the table.

    Raises:
        ValueError: no rows, or rows with different keys.

    >>> Table([{"model": "PCA", "MSE": 0.01683}, {"model": "autoencoder", "MSE": 0.0098}])
    model        MSE
    PCA          0.01683
    autoencoder  0.0098
    """

    def __init__(self, rows: Sequence[Mapping[str, object]], caption: str = "") -> None:
        if not rows or any(list(row) != list(rows[0]) for row in rows):
            raise ValueError("A table wants at least one row, and the same keys in the same order in every row.")
        self.caption = caption
        self.heading = list(rows[0])
        self.cells = [[_text(value) for value in row.values()] for row in rows]

    def __repr__(self) -> str:
        lines = [self.heading, *self.cells]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([self.caption] * bool(self.caption) + text)

    def _repr_html_(self) -> str:
        heading = _html_row("th", self.heading)
        body = "".join(_html_row("td", line) for line in self.cells)
        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        return f"<table>{caption}<thead>{heading}</thead><tbody>{body}</tbody></table>"


def size(count: float) -> str:
    """Write a number of bytes for people.

    >>> size(0), size(999), size(11_594_722), size(32e9)
    ('0 B', '999 B', '11.6 MB', '32.0 GB')
    """
    units = ["B", "kB", "MB", "GB", "TB"]
    while count >= 1000 and len(units) > 1:
        count, units = count / 1000, units[1:]
    return f"{count:.0f} B" if units[0] == "B" else f"{count:.1f} {units[0]}"


def plural(count: int, noun: str) -> str:
    """Write a number and a noun.

    >>> plural(1, "patch"), plural(2000, "patch"), plural(0, "file")
    ('1 patch', '2,000 patches', '0 files')
    """
    return f"{count:,} {noun if count == 1 else many(noun)}"


def many(noun: str) -> str:
    """Return the plural of a noun.

    >>> many("patch"), many("tile file")
    ('patches', 'tile files')
    """
    return f"{noun}es" if noun.endswith("ch") else f"{noun}s"


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _html_row(tag: str, cells: Sequence[str]) -> str:
    inner = "".join(f'<{tag} style="text-align: left">{html.escape(cell)}</{tag}>' for cell in cells)
    return f"<tr>{inner}</tr>"
