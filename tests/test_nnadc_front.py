"""Gain-ranging fronts: paths, noise, choice, calibration, what they take, and the bits that they bring."""

from math import log, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nnadc_twin import path_output, path_taken, value_behind_front
from program import run

from archsim.analog.metrology import ideal_codes
from archsim.analog.nnadc import calibrated, costs, load_adc, measure
from archsim.analog.nnadc.bound import noise_rms
from archsim.analog.nnadc.cost import CONVERSIONS, column_current_a
from archsim.analog.nnadc.fabricate import Made, fabricate, fabricate_network, levels_of
from archsim.analog.nnadc.front import Path, chosen, gains_at, paths_of, ranges
from archsim.analog.nnadc.measure import dynamic, static
from archsim.analog.nnadc.scheme import compand
from archsim.errors import InputError
from archsim.ledger import total_j

LOG, SQRT = "nnadc-14b-3bit-log", "nnadc-12b-3bit-sqrt"
KT = 1.380649e-23 * 300.0
#: Nothing varies and nothing is lost.
PERFECT = [
    "cell.program_sigma=0.0",
    "cell.read_sigma=0.0",
    "circuit.inverter_offset_v=0.0",
    "circuit.comparator_offset_v=0.0",
    "circuit.comparator_noise_v=0.0",
    "amplifier.gain_db=200.0",
    "amplifier.offset_v=0.0",
    "amplifier.noise_factor=0.0",
    "front.gain_db=200.0",
    "front.offset_v=0.0",
    "front.gain_sigma=0.0",
]


def cut(bits, kind, *changes):
    """Return the converter behind a front with another width and scheme; its stages stay."""
    return load_adc(LOG, [f"bits={bits}", f"guard_bits={16 - bits}", f"scheme.kind={kind}", *changes])


@pytest.fixture(scope="module")
def fourteen():
    return load_adc(LOG)


# ---- one path ------------------------------------------------------------------------------------

paths = st.builds(
    Path,
    gain=st.floats(1.5, 600.0),
    offset=st.floats(-0.01, 0.01),
    bottom=st.floats(-1.0, -0.5),
    loop=st.floats(2.0, 1e6),
    fall=st.floats(0.0, 0.59),
    swing=st.floats(0.5, 1.25),
    noise=st.floats(0.0, 0.01),
    below=st.floats(-1.2, 1.2),
)


@settings(max_examples=200, deadline=None)
@given(
    front=st.lists(paths, min_size=1, max_size=4), v=st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=20)
)
def test_paths_and_the_choice_among_them_equal_their_slow_twins(front, v):
    inputs = np.array(v)
    for path in front:
        wanted = [path_output(path, each) for each in v]
        np.testing.assert_allclose(path.output(inputs, None), wanted, rtol=1e-12, atol=1e-12)
    out, number = chosen(front, inputs, inputs, None, None)
    for at, each in enumerate(v):
        # Where an output is at the threshold to the last place, either is right.
        if all(abs(path_output(path, each) - path.below) > 1e-9 for path in front):
            wanted = path_taken(front, each)
            assert number[at] == wanted[0]
            assert out[at] == pytest.approx(wanted[1], abs=1e-12)


@pytest.mark.parametrize("forced", [0, 1, 2])
def test_a_forced_path_is_taken_whatever_comparators_see(fourteen, forced):
    front, v = paths_of(fourteen, 0), np.linspace(-1.0, 1.0, 101)
    out, number = chosen(front, v, v, None, forced)
    assert (number == forced).all()
    np.testing.assert_array_equal(out, v if forced == 0 else front[forced - 1].output(v, None))


def test_an_ideal_path_puts_the_bottom_of_the_range_on_its_pedestal():
    for path, gain in zip(paths_of(load_adc(LOG, PERFECT), 0), (8, 64, 512), strict=True):
        x = np.array([0.0, 0.5 / gain, 0.9 / gain])
        y = path.output(2.0 * x - 1.0, None)
        np.testing.assert_allclose((y + 1.0) / 2.0, 0.03125 + gain * x, atol=1e-7)


def test_noise_at_a_path_is_that_of_its_sampler_and_of_its_amplifier(fourteen):
    z = np.random.default_rng(0).standard_normal(1 << 16)
    for path, gain in zip(paths_of(fourteen, 0), (8, 64, 512), strict=True):
        v = np.full(z.size, -1.0 + 1.0 / gain)
        spread = (path.output(v, z) - path.output(v, None)).std()
        wanted = sqrt(2 * KT / 18e-12 + gain**2 * 2.0 * 2 * KT / (gain * 18e-12))
        assert spread == pytest.approx(wanted, rel=0.01)


def test_noise_of_amplifiers_at_the_input_falls_with_the_root_of_the_gain_alone(fourteen):
    rms = noise_rms(fourteen, np.array([0.001, 0.01, 0.1, 0.9]))
    gain = np.array([512.0, 64.0, 8.0, 1.0])
    sampler = np.sqrt(2 * KT / 18e-12) / 2.0
    np.testing.assert_allclose(rms[:3] / sampler, np.sqrt(1.0 / gain[:3] ** 2 + 2.0 / gain[:3]))
    assert rms[3] == pytest.approx(sampler)
    without = noise_rms(fourteen, np.array([0.001]), amplifiers=False)
    assert without[0] == pytest.approx(sampler / 512)


def test_each_path_serves_up_to_its_threshold_and_the_highest_goes_first(fourteen):
    tops = [(0.9375 - 0.03125) / gain for gain in (8, 64, 512)]
    assert ranges(fourteen) == [(tops[1], tops[0]), (tops[2], tops[1]), (0.0, tops[2])]
    x = np.array([0.0, tops[2] * 0.99, tops[2] * 1.01, tops[1] * 1.01, tops[0] * 1.01, 1.0])
    np.testing.assert_array_equal(gains_at(fourteen, x), [512, 512, 64, 8, 1, 1])
    ideal = load_adc(LOG, PERFECT)
    _, number = chosen(paths_of(ideal, 0), 2 * x - 1, 2 * x - 1, None, None)
    np.testing.assert_array_equal(number, [3, 3, 2, 1, 0, 0])


# ---- whole converters -----------------------------------------------------------------------------


def test_a_converter_behind_a_front_equals_its_slow_twin(fourteen):
    converter = calibrated(fourteen, 4)
    converter.quiet = True
    networks = [fabricate_network(fourteen, levels_of(fourteen), Made(4, number)) for number in range(15)]
    x = np.concatenate([np.random.default_rng(0).uniform(0, top, 60) for top in (1.0, 0.1, 0.01, 0.002)])
    slow = [value_behind_front(networks, converter, float(each)) for each in x]
    np.testing.assert_allclose(converter.values(x), slow, atol=1e-12)


def test_without_amplified_paths_every_bit_is_as_without_a_front():
    x = np.random.default_rng(1).uniform(0, 1, 5000)
    plain, empty = load_adc("nnadc-10b-3bit"), load_adc("nnadc-10b-3bit", ["front.gains=[]"])
    np.testing.assert_array_equal(calibrated(plain, 3).values(x), calibrated(empty, 3).values(x))
    assert costs(plain) == costs(empty)
    assert "front" not in plain.to_dict()
    assert plain.sha256() != empty.sha256()


@pytest.mark.parametrize("kind", ["linear", "log", "sqrt"])
def test_without_any_error_the_drawn_weights_make_an_ideal_converter(kind):
    adc = cut(10, kind, *PERFECT)
    converter = fabricate(adc)
    converter.quiet = True
    y = (np.arange(1 << 13) + 0.5) / (1 << 13)
    x = {"linear": y, "log": (256.0**y - 1.0) / 255.0, "sqrt": y * y}[kind]
    wanted = ideal_codes(y, 10)
    found = converter.convert(x)
    # Stages round, and a step of theirs is a part of that of the code: only at its edges may codes be others.
    assert np.abs(found - wanted).max() <= 1
    assert np.mean(found != wanted) < 0.02


def test_blocks_change_nothing(fourteen):
    converter = calibrated(fourteen)
    x = np.random.default_rng(1).uniform(0, 1, 20_000) ** 4
    whole = converter.convert(x)
    parts = [converter.convert(x[at : at + 777], at) for at in range(0, x.size, 777)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_calibration_takes_errors_of_gains_and_offsets():
    adc = load_adc(LOG, ["front.gain_sigma=0.02", "front.offset_v=1e-4"])
    raw, fixed = fabricate(adc, 1), calibrated(adc, 1)
    assert np.abs(static(raw, adc).linearity.inl).max() > 20.0
    found = static(fixed, adc)
    assert np.abs(found.linearity.inl).max() < 1.0
    assert not found.missing.size


def test_a_path_whose_offset_takes_it_below_its_range_loses_the_bottom_of_the_inputs():
    far = load_adc(LOG, ["front.offset_v=2e-3"])
    tops = [paths_of(far, device)[-1] for device in range(20)]
    low = next(device for device, path in enumerate(tops) if path.offset * path.gain < -0.5)
    assert static(calibrated(far, low), far).missing.size > 10
    # One above its range is seen by its comparator: the path of the next lower gain takes its inputs.
    high = next(device for device, path in enumerate(tops) if path.offset * path.gain > 2.0)
    assert not static(calibrated(far, high), far).missing.size


def test_a_bent_ramp_bends_every_path():
    adc = load_adc(LOG, [*PERFECT, f"calibration.ramp_bow={4.0 / 1024}"])
    converter = calibrated(adc)
    converter.quiet = True
    for number, gain in enumerate((1, 8, 64, 512)):
        converter.forced = number
        x = np.linspace(0.0, 0.9 / gain, 1000)
        assert 1.0 / 1024 < np.abs(converter.values(x) - x).max() * gain < 5.0 / 1024


@pytest.mark.parametrize("samples", [1, 2, 100])
def test_a_ramp_too_short_to_determine_a_line_ends_in_numbers(samples):
    converter = calibrated(load_adc(LOG, [f"calibration.samples={samples}"]))
    assert np.isfinite(converter.scales).all()
    assert np.isfinite(converter.shifts).all()


def test_paths_stay_calibrated_when_all_cells_drift_alike():
    aged = load_adc(LOG, ["calibration.age_s=1e6", "cell.drift_nu=0.05"])
    assert np.abs(static(calibrated(aged), aged).linearity.inl).max() < 1.0


@pytest.mark.parametrize("name", [LOG, SQRT])
@pytest.mark.parametrize("device", range(4))
def test_no_code_is_missing_and_paths_meet_within_a_code(name, device):
    adc = load_adc(name)
    converter = calibrated(adc, device)
    found = static(converter, adc)
    assert not found.missing.size
    assert np.abs(found.linearity.dnl).max() < 0.75
    assert found.falls < 500
    converter.quiet = True
    for _, top in ranges(adc):
        x = top * np.linspace(0.97, 1.03, 20_001)
        off = (compand(adc.scheme, converter.values(x)) - compand(adc.scheme, x)) * (1 << adc.bits)
        assert np.abs(off).max() < 0.75
        assert np.diff(converter.convert(x)).min() >= -1


@pytest.mark.slow
@pytest.mark.parametrize("name", [LOG, SQRT])
def test_none_of_200_devices_misses_a_code(name):
    adc = load_adc(name)
    assert not any(static(calibrated(adc, device), adc).missing.size for device in range(200))


# ---- bits in their own domain -----------------------------------------------------------------------


def own_enob(bits, kind, *changes, device=0):
    adc = cut(bits, kind, *changes)
    return dynamic(calibrated(adc, device), adc, costs(adc).rate_hz).enob


@pytest.mark.parametrize("bits", [6, 8, 9, 10, 11, 12, 13, 14])
def test_log_and_square_root_reach_their_ideal_within_a_bit_of_the_linear_converter(bits):
    # The linear code through the same front, and past it by the direct path: the better of both counts.
    linear = max(own_enob(bits, "linear"), own_enob(bits, "linear", "front.gains=[]"))
    for kind in ("log", "sqrt"):
        assert own_enob(bits, kind) > linear - 1.0


@pytest.mark.parametrize("device", [100, 101, 102, 103, 104, 105])
def test_so_do_other_devices_at_all_fourteen_bits(device):
    linear = own_enob(14, "linear", device=device)
    assert linear > 12.5
    assert own_enob(14, "log", device=device) > linear - 0.2
    assert own_enob(14, "sqrt", device=device) > linear - 1.0


@pytest.mark.parametrize(("kind", "short"), [("log", 3.0), ("sqrt", 4.0)])
def test_without_a_front_fourteen_bits_fall_short_by_more(kind, short):
    none = "front.gains=[]"
    assert own_enob(14, kind, none) < own_enob(14, "linear", none) - short


@pytest.mark.parametrize(("name", "least"), [(LOG, 12.9), (SQRT, 11.5)])
def test_the_shipped_converters_hold_what_the_page_says(name, least):
    found = measure(load_adc(name))
    assert found.sine.enob > least
    assert found.ramp.missing.size == 0
    assert found.placement.flags == ()


def test_their_hardware_is_that_of_the_linear_converter_behind_a_front():
    plain = load_adc("nnadc-14b-3bit").to_dict()
    for name in (LOG, SQRT):
        data = load_adc(name).to_dict()
        assert data.pop("front")["gains"] == [8.0, 64.0, 512.0]
        differing = {key for key, value in data.items() if value != plain[key]}
        assert differing <= {"scheme", "bits", "guard_bits", "calibration"}


# ---- what it costs ---------------------------------------------------------------------------------------


def test_paths_settle_to_half_an_lsb_of_what_the_stages_resolve(fourteen):
    period = 2 * (16 + 1) * log(2) / (2 * pi * 4e6)
    assert costs(fourteen).rate_hz == pytest.approx(1.0 / period)
    assert costs(fourteen).latency_s == pytest.approx(8 * period)


def test_a_fast_front_leaves_the_rate_to_the_stages():
    fast = load_adc(LOG, ["front.bandwidth_hz=1e9"])
    plain = costs(load_adc("nnadc-14b-3bit"))
    assert costs(fast).rate_hz == pytest.approx(plain.rate_hz)
    assert costs(fast).decide_s == pytest.approx(plain.decide_s + 1e-9)


def test_amplifiers_take_the_current_of_their_noise(fourteen):
    found, plain = costs(fourteen), costs(load_adc("nnadc-14b-3bit"))
    rows = {(row.component, row.event): row for row in found.rows}
    each = {key: row.count / CONVERSIONS * row.pj_per_event * 1e-12 for key, row in rows.items()}
    period = 1.0 / found.rate_hz
    siemens = 2 * pi * 4e6 * 18e-12 * (8 + 64 + 512)
    assert each["front", "amplifier"] == pytest.approx(siemens / 15 * 4 * 1.2 * period)
    # Noise over that bandwidth, 4 k T factor / gm of each of two devices, is the 2 k T factor / (gain C) of the paths.
    for gain in (8, 64, 512):
        density = 2 * 4 * KT * 2.0 / (2 * pi * 4e6 * 18e-12 * gain)
        assert density * pi / 2 * 4e6 == pytest.approx(2.0 * 2 * KT / (gain * 18e-12))
    assert each["front", "column_drive"] == pytest.approx(2 * column_current_a(fourteen, 0) * 1.2 * period)
    assert each["front", "capacitors"] == pytest.approx(3 * 2 * 18e-12 * 0.5 * 1.2)
    assert each["front", "comparison"] == pytest.approx(3 * 0.2e-12)
    assert each["digital", "path_scale"] == pytest.approx(16 * 0.5e-12)
    assert found.power_w == pytest.approx(total_j(found.rows) / CONVERSIONS * found.rate_hz)
    assert found.power_w > plain.power_w
    area = 3 * (20_000 + 2 * 18e-12 / 2e-15 + 300)
    assert found.area_um2["front"] == pytest.approx(area)
    assert found.area_um2["digital"] == pytest.approx(plain.area_um2["digital"] + 16 * 500)


# ---- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("front.gains=[8, 8]", "front.gains[1] = 8: must be above gains[0] = 8: gains rise"),
        ("front.gains=[64, 8]", "front.gains[1] = 8: must be above gains[0] = 64"),
        ("front.gains=[1, 8]", "front.gains[0]"),
        ("front.gains=[2, 3, 4, 5, 6, 7, 8, 9, 10]", "front.gains"),
        ("front.most=0.02", "front.most = 0.02: must be above pedestal = 0.03125"),
        ("front.most=1.5", "front.most"),
        ("front.bandwidth_hz=0", "front.bandwidth_hz"),
        ("front.gain=8", "did you mean 'gains'?"),
    ],
)
def test_a_front_that_cannot_be_is_refused_in_one_line(change, rule, tmp_path, monkeypatch):
    with pytest.raises(InputError) as caught:
        load_adc("nnadc-8b-3bit", [change])
    assert rule in str(caught.value)
    monkeypatch.chdir(tmp_path)
    ended = run("adc", "nnadc-8b-3bit", "--set", change)
    assert ended.status == 2
    assert rule in ended.err
    assert len(ended.err.splitlines()) == 1
