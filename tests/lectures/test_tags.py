"""Cells are run by their tags, in the notebook's order and as far as wanted; every tag has a test or an answer."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

ROOM = Path(__file__).resolve().parents[2] / "lectures"
STEM = "02_sparse"


def test_a_tagged_cell_is_run_with_the_names_that_it_is_given(run_cells):
    found = run_cells(STEM, "kl-by-hand", np=np)
    assert found["kl"](0.05, 0.05) == 0
    assert found["np"] is np


def test_what_follows_a_name_is_left_out(run_cells):
    found = run_cells(STEM, "slopes-of-penalties", until="figures", np=np)
    assert list(found["slopes"]) == ["KL", "squared error"]
    with pytest.raises(NameError, match="figures") as error:
        run_cells(STEM, "slopes-of-penalties", np=np)
    assert re.fullmatch(r"02_sparse\.ipynb, cell-\d+", str(error.traceback[-1].path)), "a traceback names the cell"


def test_the_notebooks_order_counts(run_cells):
    """The encoder of lecture 01 comes first, whatever comes first in the test."""
    found = run_cells(STEM, "slopes-of-penalties", "kl-by-hand", until="figures", np=np)
    assert [name for name in found if name in ("kl", "slopes")] == ["kl", "slopes"]


def test_an_unknown_tag_is_an_error_that_names_the_known_ones(run_cells):
    with pytest.raises(
        LookupError, match=r"02_sparse has no code cell tagged kl-by-mouth; it has .*kl-by-hand, "
    ) as error:
        run_cells(STEM, "kl-by-hand", "kl-by-mouth", np=np)
    assert "authoring/lectures/02_sparse.py" in str(error.value) and "./course build" in str(error.value)


def test_a_name_that_no_cell_mentions_is_an_error(run_cells):
    with pytest.raises(LookupError, match="kl-by-hand mentions 'figure'"):
        run_cells(STEM, "kl-by-hand", until="figure", np=np)


@pytest.mark.parametrize("lecture", sorted(ROOM.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_tag_is_run_by_a_test_or_taken_by_an_answer(lecture):
    users = [*Path(__file__).parent.glob(f"test_{lecture.stem[:2]}_*.py")]
    users += ROOM.parent.glob(f"authoring/answers/{lecture.stem}.py")
    tests = "\n".join(path.read_text() for path in users)
    tags = {tag for cell in nbformat.read(lecture, as_version=4).cells for tag in cell.metadata.get("tags", [])}
    assert tags - {*re.findall(r'"([a-z0-9-]+)"', tests)} == set()
