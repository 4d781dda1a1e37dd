"""``archsim validate thermal``, its policies: what holds, and what judges it."""

import csv
from pathlib import Path

import pytest

from archsim.validate import thermal_policies
from archsim.validate.row import Row

SHARED = Path(__file__).parents[2] / "shared" / "reference" / "thermal"
CASES = ("87/60", "87/70", "75/55", "100/80")
SHOWN = [
    "T_jump_latency as printed, K", "power up to which duty is 100 %, W", "duty of seasons, %",
]  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    return list(thermal_policies.rows())


def test_every_figure_that_is_judged_holds(rows):
    assert [(row.figure, row.quantity) for row in rows if row.holds is False] == []
    assert [row.quantity for row in rows if row.holds is None] == SHOWN


def test_four_cases_are_judged_within_a_percent_three_ways_and_against_each_other(rows):
    for case in CASES:
        found = [row for row in rows if row.figure.startswith(f"seasons {case} degC")]
        assert {row.tolerance for row in found} == {0.01}
        assert [row.figure.rpartition(", ")[2] for row in found] == (
            ["simulation"] * 3 + ["formula"] * 3 + ["printed"] * 2 + ["formula and simulation"] * 4
        )


def test_each_row_of_the_paper_says_what_it_is(rows):
    judged = [row for row in rows if row.holds is not None and "formula and simulation" not in row.figure]
    assert all(
        row.note.startswith(("calibration", "prediction", "neither: the definition")) for row in judged
    )


def test_another_stack_would_be_found_out(rows, monkeypatch):
    ladder = thermal_policies.TwoPole(6.5, 0.909e-3, 28.5, 0.35, 26.3 + 273.15)
    monkeypatch.setattr(thermal_policies, "_LADDER", ladder)
    wrong = [row for row in thermal_policies.rows() if row.holds is False]
    assert len(wrong) > 25
    assert any("after 87 degC" in row.quantity for row in wrong)


def test_the_printed_form_differs_from_the_simulation_by_far_more_than_is_allowed(rows):
    def of(kind):
        return [row.measured for row in rows if row.figure.endswith(f", {kind}") and row.quantity == "duty"]

    assert len(of("printed")) == len(of("simulation")) == 4
    for printed, simulated in zip(of("printed"), of("simulation"), strict=True):
        assert Row("", "", simulated, printed, 0.3).holds is False


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the reference files beside the repository")
def test_the_figures_are_those_of_the_reference():
    with (SHARED / "reference.csv").open(newline="") as file:
        lines = [line for line in file if line.startswith("POLICY_seasonal")]
    wanted = {}
    for name, value in ((line[3], float(line[5])) for line in csv.reader(lines)):
        bounds, _, quantity = name.partition(":")
        high, low = (part.partition("=")[2] for part in bounds.split(","))
        wanted[high, low, quantity] = value
    notes = (SHARED / "NOTES.md").read_text(encoding="utf-8")
    checked = 0
    with thermal_policies._DATA.open(newline="") as file:
        for line in csv.DictReader(text for text in file if not text.startswith("#")):
            if line["kind"] == "simulation":
                name = line["quantity"].removesuffix("_s")
                assert wanted[line["high_c"], line["low_c"], name] == float(line["expected"])
                checked += 1
            else:
                row = next(
                    text for text in notes.splitlines() if f"| {line['high_c']}/{line['low_c']} |" in text
                )
                assert line["expected"] in row.replace("9.470,", "9.47,")
    assert checked == 12
