"""``archsim validate thermal``: energy of pixels and policies of whole systems."""

import pytest

from archsim.sensor.system import VisionSystem
from archsim.validate import thermal_energy, thermal_sensor


@pytest.fixture(scope="module")
def rows():
    return [*thermal_energy.rows(), *thermal_sensor.rows()]


def test_what_is_judged_holds_and_each_row_says_what_it_is(rows):
    assert len(rows) == 22
    assert [(row.figure, row.quantity) for row in rows if row.holds is False] == []
    kinds = ("input", "calibration", "prediction", "not reproduced")
    assert all(row.note.startswith(kinds) for row in rows)
    for row in rows:
        assert (row.holds is None) == row.note.startswith("not reproduced"), row.quantity


def test_powers_of_the_paper_are_calibration_and_what_it_leaves_free_is_not(rows):
    kinds = {row.quantity: row.note.partition(":")[0].partition(";")[0] for row in rows}
    assert (
        kinds["far from the sensor, W"] == kinds["near the sensor, W"] == kinds["saving, %"] == "calibration"
    )
    assert kinds["traffic of DDR, frames per frame"] == kinds["a multiply-accumulate, pJ"] == "prediction"
    assert kinds["saved, DDR carrying the frame once, W"] == "not reproduced"


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (
            {"ddr_traffic_factor": 6.0},
            {"far from the sensor, W", "saving, %"},
        ),
        ({"fps": 30.0}, {"far from the sensor, W", "near the sensor, W"}),
        ({"columns": 1280, "rows": 720}, {"traffic of DDR, frames per frame"}),
        ({"dram_traffic_factor": 2.0}, {"DRAM, written and read, pJ"}),
    ],
)
def test_another_system_would_be_found_out(monkeypatch, change, broken):
    load = VisionSystem.load

    def other(name, overrides=()):
        found = load(name, overrides)
        own = {key: value for key, value in change.items() if f"{key}=1" not in overrides}
        return VisionSystem.from_dict({**found.to_dict(), **own}, "other")

    monkeypatch.setattr(VisionSystem, "load", other)
    assert broken <= {row.quantity for row in thermal_energy.rows() if row.holds is False}


def test_orders_would_be_found_out_if_seasons_were_free(monkeypatch):
    found = thermal_sensor.demands(
        thermal_sensor.load_sensor("vgg16-dim"), ("stop-capture-go", "seasonal", "full-far")
    )
    found["seasonal"] = found["stop-capture-go"]
    monkeypatch.setattr(thermal_sensor, "demands", lambda *_: found)
    failed = {row.quantity for row in thermal_sensor.rows() if row.holds is False}
    assert failed == {
        "stop-capture-go takes less than seasons, seasons less than full-far",
        "power of seasons rises with the demand",
    }
