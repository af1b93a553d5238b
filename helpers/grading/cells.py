"""Cells as they come back, of whatever shape: their label, kind and text. Used by `canonical`."""


def flags(cell: dict) -> dict:
    """Return nbgrader's metadata of a cell; empty where they are anything else than a mapping."""
    metadata = cell.get("metadata")
    found = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def label(cell: dict) -> str | None:
    """Return the name that nbgrader knows a cell by."""
    name = flags(cell).get("grade_id")
    return _text(name) if isinstance(name, str) else None


def kind(cell: dict) -> str:
    """Return the type of a cell, such as "code"."""
    return _text(cell.get("cell_type"))


def source(cell: dict) -> str:
    """Return what was written into a cell."""
    text = cell.get("source", cell.get("input", ""))  # `input` in notebooks of version 3
    return _text("".join(map(str, text)) if isinstance(text, list) else text)


def _text(value: object) -> str:
    r"""Write as text what can be stored: JSON may hold halves of characters, which no file takes.

    >>> _text("a\ud800b")
    'a?b'
    """
    return str(value).encode("utf-8", errors="replace").decode()
