"""Tables say the same as text and as HTML."""

import pytest

from helpers.tables import Table

ROWS = [{"model": "PCA", "MSE": 0.0168267}, {"model": "<b>", "MSE": 1}]


def test_text_is_aligned_under_its_heading():
    assert repr(Table(ROWS, "Errors")).splitlines() == ["Errors", "model  MSE", "PCA    0.01683", "<b>    1"]


def test_html_has_every_cell_and_escapes_what_it_is_given():
    html = Table(ROWS, "a & b")._repr_html_()
    assert html.count("<tr>") == 3 and html.count("<td") == 4 and html.count("<th ") == 2
    assert "&lt;b&gt;" in html and "a &amp; b" in html and "0.01683" in html


@pytest.mark.parametrize("rows", [[], [{"a": 1}, {"b": 2}], [{"a": 1, "b": 2}, {"b": 2, "a": 1}]])
def test_rows_must_have_the_same_keys(rows):
    with pytest.raises(ValueError, match="at least one row, and the same keys"):
        Table(rows)
