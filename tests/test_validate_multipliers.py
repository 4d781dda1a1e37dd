"""``archsim validate multipliers``: what holds, and what judges it."""

import pytest
from multiplier_twins import product
from program import run, strict_json

from archsim.approx import multiplier
from archsim.validate import multipliers


@pytest.fixture(scope="module")
def rows():
    return list(multipliers.rows())


def test_every_figure_but_one_holds(rows):
    assert len(rows) > 180
    assert [(row.figure, row.quantity) for row in rows if not row.holds] == [("lot4, 8 bits", "EP, %")]


def test_the_figure_that_does_not_hold_is_a_slip_of_rounding(rows):
    wrong = sum(product("lot", a, b, 8, False, 4) != a * b for a in range(256) for b in range(256))
    row = next(row for row in rows if row.holds is False)
    assert row.measured == 100 * wrong / 65536
    assert row.measured == pytest.approx(95.8496, abs=5e-5)
    assert "rounded twice" in row.note


def test_tolerances_are_those_of_printed_digits(rows):
    for row in rows:
        if row.figure.endswith(" 8 bits"):
            assert row.tolerance * abs(row.expected) <= 0.5 * (1e4 if "NMED" in row.quantity else 1) + 1e-6
    drum = next(row for row in rows if (row.figure, row.quantity) == ("drum3, 8 bits", "MRED, %"))
    assert drum.tolerance * drum.expected == pytest.approx(0.0005)
    assert all(row.tolerance < 0.01 for row in rows if "16 bits" in row.figure and "bias" not in row.quantity)


def test_another_design_would_be_found_out(rows, monkeypatch):
    monkeypatch.setattr(multipliers, "multiplier", lambda name, bits: multiplier("drum5", max(bits, 5)))
    wrong = [row for row in multipliers.rows() if row.holds is False]
    assert len(wrong) > 0.8 * len(rows)


def test_the_command_says_what_does_not_hold():
    ended = run("validate", "multipliers", "--json")
    assert ended.status == 1
    document = strict_json(ended.out)
    assert sum(row["holds"] is False for row in document["rows"]) == 1
    assert document["assumptions"]
