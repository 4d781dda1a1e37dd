"""Pieces of the HTML of reports."""

import pytest
from report_pages import Parsed
from report_studies import HOSTILE

from archsim.report.html_parts import bar, number, table


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (1234567, "1,234,567"), (0.5, "0.5"), (2.0, "2"), (1234.5678, "1,234.57"), (1.5e-7, "1.5e-07"),
     (2.5e12, "2.5e+12"), (None, "–"), (True, "True"), (float("inf"), "inf"), (float("nan"), "nan")],
)  # fmt: skip
def test_figures_are_written_with_six_digits(value, shown):
    assert number(value) == shown


def test_cells_are_escaped_and_bars_stay_in_their_box():
    page = Parsed(table(["a", HOSTILE], [["  part", HOSTILE], ["group"]], HOSTILE))
    assert [cell["text"] for cell in page.all("th")] == ["a", HOSTILE, "part", "group"]
    assert page.all("td")[0]["text"] == page.all("caption")[0]["text"] == HOSTILE
    assert "width:100.0%" in bar(1.7)
    assert "170.0 %" in bar(1.7)
