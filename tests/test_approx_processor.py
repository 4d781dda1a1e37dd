"""The near-sensor processor, and the energy of stored words by voltage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.approx import Choice, Storage, convolution, dense, load_processor, multiplier
from archsim.approx.processor import Work
from archsim.errors import InputError

EXACT = Choice(multiplier("exact"))


def storage(**values):
    return Storage.from_dict({"read_pj_per_bit": 0.05, "nominal_v": 1.0, "lowest_v": 0.4} | values, "storage")


def test_a_read_takes_c_v_squared():
    assert storage().read_pj(8) == pytest.approx(0.4)
    assert storage().read_pj(8, 0.5) == pytest.approx(0.1)
    row = storage().ledger_row("weights", 1000, 8, 0.5)
    assert (row.component, row.event, row.count, row.pj_per_event) == (
        "storage",
        "weights at 0.5 V",
        1000,
        0.1,
    )


@pytest.mark.parametrize("voltage", [0.39, 1.01, 0.0, -1.0, float("nan")])
def test_a_voltage_beyond_what_is_known_is_refused(voltage):
    with pytest.raises(InputError, match=r"must be from 0.4 to 1.0 V"):
        storage().relative(voltage)


def test_rows_of_ones_own_are_joined_in_proportion():
    own = storage(rows=[{"voltage_v": 0.4, "relative": 0.3}, {"voltage_v": 0.6, "relative": 0.4},
                        {"voltage_v": 1.0, "relative": 1.0}])  # fmt: skip
    assert own.relative(0.4) == 0.3
    assert own.relative(0.5) == pytest.approx(0.35)
    assert own.relative(0.9) == pytest.approx(0.85)
    assert own.relative(1.0) == 1.0


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"lowest_v": 1.2}, "must be at most nominal_v"),
        (
            {"rows": [{"voltage_v": 0.5, "relative": 0.3}, {"voltage_v": 1.0, "relative": 1.0}]},
            "must go from lowest_v = 0.4 to nominal_v = 1.0",
        ),
        (
            {"rows": [{"voltage_v": 0.4, "relative": 0.3}, {"voltage_v": 1.0, "relative": 0.9}]},
            "must be 1 at nominal",
        ),
        (
            {"rows": [{"voltage_v": 0.4, "relative": 0.3}, {"voltage_v": 0.4, "relative": 1.0}]},
            "must be above 0.4",
        ),
        ({"read_pj_per_bit": -1.0}, "read_pj_per_bit"),
    ],
)
def test_an_impossible_memory_is_refused(values, rule):
    with pytest.raises(InputError, match=rule):
        storage(**values)


@given(st.floats(0.4, 1.0))
def test_less_voltage_never_takes_more_energy(voltage):
    assert storage().relative(voltage) <= 1
    assert storage().relative(0.4) <= storage().relative(voltage)


def test_layers_by_hand():
    assert convolution("c", 3, 16, 3, 112, 112) == Work("c", 112 * 112 * 16 * 27, 112 * 112 * 16, 16 * 27)
    assert dense("d", 64, 10, images=4) == Work("d", 2560, 40, 640)


def test_a_run_by_hand():
    run = load_processor().run([dense("a", 100, 10), dense("b", 10, 3)], EXACT, pixels=50)
    # 1,000 and 30 products of 256 multipliers: 4 rounds and 1, of a clock of 4 ns.
    assert run.layer_clocks == {"a": 4, "b": 1}
    assert run.time_ns == 20
    rows = {(row.component, row.event): row for row in run.ledger}
    assert rows["multiplier", "a exact"].count == 1000
    assert rows["adder", "a add32"].count == 990
    assert rows["adder", "b add32"].count == 27
    assert rows["storage", "b weights at 1 V"].count == 30
    assert rows["storage", "b weights at 1 V"].pj_per_event == pytest.approx(8 * 0.0486)
    assert rows["sensor", "pixel"].energy_nj == pytest.approx(50 * 0.595, abs=2**-12)
    assert rows["frame_memory", "read"].pj_per_event == 283
    assert run.area_um2 == pytest.approx(256 * (709.6 + 2 * 141.7))
    pj = 1030 * 0.55913 + 1017 * 0.144 * 2.56 + 1030 * 8 * 0.0486 + 50 * (595 + 394 + 283)
    assert run.energy_nj == pytest.approx(pj / 1000, abs=9 * 2**-13)
    assert run.to_dict()["costs"]["exact"]["kind"] == "cited"


def test_a_slow_product_takes_more_clocks_or_is_refused():
    fast = load_processor(overrides=["clock_mhz=800"])
    # 1.43 ns of a product are two clocks of 1.25 ns, but 2.56 ns of an addition are three.
    assert fast.run([dense("a", 256, 1)], EXACT).clocks == 3
    assert (
        load_processor(overrides=["clock_mhz=800", "accumulator_bits=16"])
        .run([dense("a", 256, 1)], EXACT)
        .clocks
        == 2
    )
    strict = load_processor(overrides=["clock_mhz=800", "slow=refuse"])
    with pytest.raises(
        InputError, match=r"layer 'a': exact: a delay of 1.43 ns does not fit .* lower clock_mhz to 699"
    ):
        strict.run([dense("a", 256, 1)], EXACT)


@pytest.mark.parametrize(("delay", "clocks"), [(0.1, 1), (4.0, 1), (4.001, 2), (8.0, 2), (8.1, 3)])
def test_a_delay_of_whole_clocks_is_so_many(delay, clocks):
    assert load_processor().clocks(delay, "x") == clocks


def test_each_layer_has_its_multiplier_and_each_design_its_array():
    choice = Choice(multiplier("exact"), {"b": multiplier("truncate_1")})
    run = load_processor().run([dense("a", 100, 10), dense("b", 10, 3)], choice)
    assert run.area_um2 == pytest.approx(256 * (709.6 + 536.4 + 2 * 141.7))
    assert "b truncate_1" in [row.event for row in run.ledger]


def test_the_weights_take_less_at_a_lower_voltage():
    low = load_processor(overrides=["voltage_v=0.5"]).run([dense("a", 100, 10)], EXACT)
    row = next(row for row in low.ledger if row.component == "storage")
    assert row.event == "a weights at 0.5 V"
    assert row.pj_per_event == pytest.approx(8 * 0.0486 / 4)


@pytest.mark.parametrize(
    ("layers", "choice", "rule"),
    [
        (
            [dense("a", 2, 2)],
            Choice(multiplier("drum6")),
            "layer 'a': drum6, .* no energy from a cited source",
        ),
        (
            [dense("a", 2, 2)],
            Choice(multiplier("exact", 8, True)),
            "signed: stacked-256 has 8 bits, unsigned",
        ),
        ([dense("a", 2, 2)], Choice(multiplier("exact", 7)), "7 bits, unsigned: stacked-256 has 8 bits"),
        ([dense("a", 2, 2), dense("a", 2, 2)], EXACT, "layer 'a': is there twice"),
    ],
)
def test_what_does_not_suit_is_refused(layers, choice, rule):
    with pytest.raises(InputError, match=rule):
        load_processor().run(layers, choice)


def test_impossible_layers_and_settings_are_refused():
    with pytest.raises(InputError, match=r"layer 'a': products = 0: must be a whole number of at least 1"):
        dense("a", 0, 1)
    with pytest.raises(InputError, match="pixels = -1"):
        load_processor().run([dense("a", 2, 2)], EXACT, pixels=-1)
    with pytest.raises(InputError, match=r"voltage_v: voltage_v = 0.2: must be from 0.4 to 1.0 V"):
        load_processor(overrides=["voltage_v=0.2"])
    with pytest.raises(InputError, match="unknown near_sensor preset"):
        load_processor("nothing")
