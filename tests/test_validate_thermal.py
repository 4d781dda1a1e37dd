"""``archsim validate thermal``: what holds, and what judges it."""

import csv
from pathlib import Path

import pytest
from program import run, strict_json

from archsim.thermal import Stack
from archsim.validate import thermal, thermal_energy, thermal_policies, thermal_sensor

SHARED = Path(__file__).parents[2] / "shared" / "reference" / "thermal"


@pytest.fixture(scope="module")
def all_rows():
    return list(thermal.rows())


@pytest.fixture(scope="module")
def rows(all_rows):
    # test_validate_policies.py and test_validate_sensor.py look at these
    parts = (thermal_policies, thermal_energy, thermal_sensor)
    others = {row.figure for part in parts for row in part.rows()}
    return [row for row in all_rows if row.figure not in others]


@pytest.mark.parametrize("part", [thermal_policies, thermal_energy, thermal_sensor])
def test_parts_of_modules_of_their_own_are_in_it(all_rows, part):
    assert set(part.rows()) <= set(all_rows)


def test_every_figure_that_is_judged_holds(rows):
    assert len(rows) > 290
    assert [(row.figure, row.quantity) for row in rows if row.holds is False] == []
    assert [row.quantity for row in rows if row.holds is None] == [
        "processor at 1 W, degC",
        "processor less sensor at 1 W, K",
        "memory less sensor at 1 W, K",
    ]


def test_rooms_are_those_that_were_asked_for(rows):
    rooms = {
        "3D-ICE 4.0, case A": 2e-3,
        "3D-ICE 4.0, case B,": 2e-3,
        "3D-ICE 4.0, case B-heat,": 3e-3,
        "HotSpot 7, case B,": 1e-3,
        "HotSpot 7, case C": 1e-3,
    }
    for start, room in rooms.items():
        found = [row for row in rows if row.figure.startswith(start)]
        assert len(found) >= 11
        assert max(row.tolerance * row.expected for row in found) <= room * (1 + 1e-9)
    assert {row.figure for row in rows if row.figure.startswith("3D-ICE 4.0, case B,")} == {
        f"3D-ICE 4.0, case B, {n}x{n}" for n in (32, 64, 128)
    }
    assert {row.tolerance for row in rows if row.figure.startswith("AN")} == {5e-3}
    assert {row.figure[:3] for row in rows if row.figure.startswith("AN")} == {f"AN{i}" for i in range(1, 6)}


def test_each_row_of_the_paper_says_whether_it_is_fitted(rows):
    paper = [row for row in rows if row.figure.startswith("Kodukula")]
    assert len(paper) == 9
    assert all(row.note.startswith(("calibration", "prediction", "not reproduced")) for row in paper)


@pytest.mark.parametrize(
    ("change", "figures"),
    [("layers.0.thickness_um", 100), ("bottom", 80), ("materials.1.conductivity_w_mk", 100)],
)
def test_another_stack_would_be_found_out(rows, monkeypatch, change, figures):
    load = Stack.load

    def other(name):
        table = load(name).to_dict()
        if name != "cis3":
            return load(name)
        if change == "bottom":
            table["bottom"]["resistance_k_w"] *= 1.001
        else:
            kind, index, key = change.split(".")
            part = table[kind][int(index)]
            part[key] *= 1.5
        return Stack.from_dict(table, "other")

    monkeypatch.setattr(thermal.Stack, "load", other)
    thermal._run.cache_clear()
    try:
        wrong = [row for row in thermal.rows() if row.holds is False]
    finally:
        thermal._run.cache_clear()
    assert len(wrong) > figures


def test_the_command_holds():
    ended = run("validate", "thermal", "--json")
    assert ended.status == 0
    document = strict_json(ended.out)
    assert len(document["rows"]) > 290
    assert any("fitted" in line for line in document["assumptions"])


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the reference files beside the repository")
def test_the_figures_are_those_of_the_reference():
    with (SHARED / "reference.csv").open(newline="") as file:
        wanted = {float(row["value"]) for row in csv.DictReader(file)}
    notes = (SHARED / "NOTES.md").read_text()
    with thermal._DATA.open(newline="") as file:
        lines = list(csv.DictReader(text for text in file if not text.startswith("#")))
    for line in lines:
        assert float(line["expected"]) in wanted or line["expected"] in notes, line
