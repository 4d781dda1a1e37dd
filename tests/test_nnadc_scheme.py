"""Companding: curves, their inverses, thresholds, and conversion along them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.analog.nnadc import Scheme, calibrated, load_adc, load_table
from archsim.analog.nnadc.measure import dynamic
from archsim.analog.nnadc.scheme import compand, expand, thresholds
from archsim.errors import InputError

KINDS = {
    "linear": {},
    "log": {"mu": 255.0},
    "sqrt": {},
    "table": {"x": (0.0, 0.1, 0.7, 1.0), "y": (0.0, 0.5, 0.6, 1.0)},
}
CLOSED = {
    "linear": lambda x: x,
    "log": lambda x: np.log1p(255 * x) / np.log(256),
    "sqrt": np.sqrt,
    "table": lambda x: np.interp(x, (0.0, 0.1, 0.7, 1.0), (0.0, 0.5, 0.6, 1.0)),
}


def scheme(kind):
    return Scheme(kind=kind, **KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@given(x=st.floats(0, 1))
def test_curves_are_their_formulas_and_are_undone(kind, x):
    y = compand(scheme(kind), np.array([x]))
    assert y[0] == pytest.approx(CLOSED[kind](x), abs=1e-12)
    assert expand(scheme(kind), y)[0] == pytest.approx(x, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_thresholds_are_where_the_curve_reaches_a_code(kind):
    found = thresholds(scheme(kind), 6)
    assert len(found) == 63
    np.testing.assert_allclose(CLOSED[kind](found) * 64, np.arange(1, 64), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_codes_follow_the_curve(kind):
    points = [f"scheme.{key}={list(values)}" for key, values in KINDS[kind].items() if kind == "table"]
    adc = load_adc("nnadc-10b-3bit", ["bits=5", "guard_bits=7", f"scheme.kind={kind}", *points])
    converter = calibrated(adc)
    x = np.random.default_rng(0).uniform(0, 1, 4000)
    wanted = np.floor(32 * CLOSED[kind](x))
    assert np.mean(converter.convert(x) == wanted) > 0.9
    assert np.abs(converter.convert(x) - wanted).max() <= 2


@pytest.mark.parametrize("bits", [8, 9])
@pytest.mark.parametrize("kind", ["log", "sqrt"])
def test_without_a_front_log_and_square_root_are_within_a_bit_of_the_linear_converter(kind, bits):
    short = {}
    for each in ("linear", kind):
        changes = [f"bits={bits}", f"guard_bits={16 - bits}", f"scheme.kind={each}"]
        adc = load_adc("nnadc-14b-3bit", changes)
        short[each] = bits - dynamic(calibrated(adc), adc, 1e6).enob
    assert short[kind] - short["linear"] < 1.0
    assert short[kind] < 1.0


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("0,0\n0.5,0.6\n0.4,0.8\n1,1\n", "line 3, column 1: 0.4: must be above 0.5 of the line before"),
        ("0,0\n0.5,0.6\n0.7,0.6\n1,1\n", "line 3, column 2: 0.6: must be above 0.6"),
        ("0,0\n0.5,x\n1,1\n", "line 2, column 2: 'x': must be a number"),
        ("0,0\n0.5\n1,1\n", "line 2: has 1 columns"),
        ("0,0\n0.5,nan\n1,1\n", "line 2, column 2: nan: must be from 0 to 1"),
        ("0.1,0\n1,1\n", "line 1, column 1: 0.1: the first point must be 0,0"),
        ("x,y\n0,0\n0.5,0.5\n", "the last x must be 1"),
        ("", "the last x must be 1"),
        ("0,0\n\xff", "byte 4: not UTF-8 text"),
    ],
)
def test_a_damaged_table_is_refused_with_its_place(tmp_path, text, rule):
    path = tmp_path / "curve.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        load_table(path)
    assert rule in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_table_is_read(tmp_path):
    path = tmp_path / "curve.csv"
    path.write_text("x,y\n0,0\n0.25,0.5\n\n1,1\n")
    assert load_table(path) == ([0.0, 0.25, 1.0], [0.0, 0.5, 1.0])
    assert load_adc("nnadc-8b-3bit", table=path).scheme.y == (0.0, 0.5, 1.0)


@pytest.mark.parametrize(
    ("points", "rule"),
    [
        (
            ["scheme.x=[0, 0.5, 1]", "scheme.y=[0, 0.6, 0.5]"],
            "scheme.y: is from 0 to 0.5; must be from 0 to 1",
        ),
        (["scheme.x=[0, 0.5, 0.2, 1]", "scheme.y=[0, 0.2, 0.6, 1]"], "x[2] = 0.2: must be above x[1] = 0.5"),
        (["scheme.x=[0, 1]"], "a table has both"),
        (["scheme.x=[0, 1]", "scheme.y=[0, 0.5, 1]"], "have 2 and 3 values"),
    ],
)
def test_a_table_that_does_not_rise_is_refused(points, rule):
    with pytest.raises(InputError) as caught:
        load_adc("nnadc-8b-3bit", ["scheme.kind=table", *points])
    assert rule in str(caught.value)


def test_points_without_a_table_are_refused():
    with pytest.raises(InputError, match='only kind = "table" has points'):
        load_adc("nnadc-8b-3bit", ["scheme.x=[0, 1]"])
