"""Faults of stored words and errors as noise: the same bits for a key, closed forms, voltages, refusals."""

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from archsim.approx import (
    Probit,
    StorageFaults,
    VoltageTable,
    from_function,
    multiplier,
    relative_error,
    sign_magnitude,
)
from archsim.approx.noise import normal
from archsim.errors import InputError
from archsim.traces.counter import stream_key

_M64 = (1 << 64) - 1


def _word(key, counter):
    """Say a word of SplitMix64 in plain integers."""
    z = (counter * 0x9E3779B97F4A7C15 + key) & _M64
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & _M64
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _M64
    return z ^ z >> 31


def _read_slowly(faults, words, key):
    """Hit bit after bit, on strings of bits."""
    out = []
    for place, word in enumerate(words):
        text = list(f"{word % 2**faults.bits:0{faults.bits}b}"[::-1])
        for bit, stored in enumerate(text):
            chance = Fraction(_word(key, place * faults.bits + bit) >> 11, 2**53)
            up, down = Fraction(faults.zero_to_one[bit]), Fraction(faults.one_to_zero[bit])
            if faults.stuck:
                text[bit] = "1" if chance < up else "0" if chance < up + down else stored
            elif chance < (up if stored == "0" else down):
                text[bit] = "10"[int(stored)]
        value = int("".join(text[::-1]), 2)
        out.append(value - 2**faults.bits if text[-1] == "1" else value)
    return out


def _mean_and_variance_slowly(faults, word):
    """Add up over all patterns of hit bits, in exact fractions."""
    stored = f"{word % 2**faults.bits:0{faults.bits}b}"[::-1]
    mean = square = Fraction(0)
    for pattern in range(2**faults.bits):
        chance, value = Fraction(1), 0
        for bit, held in enumerate(stored):
            hit = pattern >> bit & 1
            rate = Fraction(faults.one_to_zero[bit] if held == "1" else faults.zero_to_one[bit])
            chance *= rate if hit else 1 - rate
            weight = -(2**bit) if bit == faults.bits - 1 else 2**bit
            value += hit * (-weight if held == "1" else weight)
        mean += chance * value
        square += chance * value**2
    return mean, square - mean**2


def _rates(data, bits):
    return data.draw(st.lists(st.sampled_from([0.0, 0.03, 0.25, 0.5]), min_size=bits, max_size=bits))


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_words_are_read_as_the_slow_definition_says(data):
    bits = data.draw(st.integers(2, 16))
    up, down = _rates(data, bits), _rates(data, bits)
    faults = StorageFaults(bits, tuple(up), tuple(down), stuck=data.draw(st.booleans()))
    words = data.draw(st.lists(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1), max_size=20))
    key = data.draw(st.integers(0, _M64))
    assert faults.apply(np.array(words, np.int64), key).tolist() == _read_slowly(faults, words, key)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_mean_and_variance_are_those_of_all_patterns(data):
    bits = data.draw(st.integers(2, 7))
    faults = StorageFaults(bits, tuple(_rates(data, bits)), tuple(_rates(data, bits)))
    words = list(range(-(2 ** (bits - 1)), 2 ** (bits - 1)))
    mean, variance = faults.moments(words)
    slow = [_mean_and_variance_slowly(faults, word) for word in words]
    np.testing.assert_allclose(mean, [float(each) for each, _ in slow], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(variance, [float(each) for _, each in slow], rtol=1e-12, atol=1e-12)
    # Over evenly distributed words: mean of the means, and mean of the squares less its square.
    over_all = sum(each for each, _ in slow) / len(words)
    squares = sum(var + each**2 for each, var in slow) / len(words)
    assert faults.uniform_moments() == pytest.approx(
        (float(over_all), float(squares - over_all**2)), rel=1e-12
    )


def test_symmetric_flips_of_even_words_have_the_sum_of_4_to_the_b():
    assert StorageFaults.flips(8, 0.01).uniform_moments() == pytest.approx((0.0, 0.01 * (4**8 - 1) / 3))


@pytest.mark.parametrize(
    "faults",
    [
        StorageFaults.flips(8, 0.02),
        StorageFaults.flips(8, [0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001]),
        StorageFaults.asymmetric(8, zero_to_one=0.03, one_to_zero=0.007),
        StorageFaults.stuck_at(8, zero=0.04, one=0.01),
    ],
)
@pytest.mark.parametrize("word", [0, 85, -1, -128, 127])
def test_drawn_faults_have_the_mean_and_variance_of_the_closed_form(faults, word):
    count = 200_000
    words = np.full(count, word)
    change = (faults.apply(words, int(stream_key(5, word % 256))) - word).astype(float)
    mean, variance = (float(each) for each in faults.moments(word))
    assert variance > 0
    # 4.5 standard errors: one in 150,000 samples would be farther off; the samples are always the same ones.
    assert abs(change.mean() - mean) < 4.5 * np.sqrt(variance / count)
    centred = (change - mean) ** 2
    assert abs(centred.mean() - variance) < 4.5 * centred.std() / np.sqrt(count)


def test_stuck_cells_hold_whatever_is_stored():
    stuck = StorageFaults.stuck_at(8, zero=0.2, one=0.1)
    zeros, ones = stuck.apply(np.zeros(5000, int), 3), stuck.apply(np.full(5000, -1), 3)
    rng = np.random.default_rng(1)
    words = rng.integers(-128, 128, 5000)
    # A cell at 1 in both is stuck at 1, one at 0 in both stuck at 0; any other word is read through these.
    at_one, works = zeros & ones, zeros ^ ones
    np.testing.assert_array_equal(stuck.apply(words, 3), at_one | (works & words))
    assert at_one.any()
    assert (ones != -1).any()
    flips = StorageFaults.asymmetric(8, zero_to_one=0.1, one_to_zero=0.2)
    assert (flips.apply(words, 3) != stuck.apply(words, 3)).any()


def test_certain_faults_and_none():
    words = np.arange(-128, 128)
    np.testing.assert_array_equal(StorageFaults.flips(8, 1.0).apply(words, 1), ~words)
    np.testing.assert_array_equal(StorageFaults.flips(8, 0.0).apply(words, 1), words)
    assert StorageFaults.flips(8, 0.0).none
    assert not StorageFaults.stuck_at(8, one=0.1).none


def test_a_key_decides_and_shapes_do_not():
    faults = StorageFaults.flips(8, 0.1)
    words = np.arange(-60, 60)
    first = faults.apply(words, 7)
    np.testing.assert_array_equal(faults.apply(words.reshape(4, 30), 7).reshape(-1), first)
    np.testing.assert_array_equal(faults.apply(words[:50], 7), first[:50])
    assert (faults.apply(words, 8) != first).any()


# Voltages.


def test_a_probit_is_the_normal_tail():
    model = Probit(mu_v=0.5, sigma_v=0.0625)
    for volts in np.arange(1, 64) / 32.0:
        expected = special.ndtr(-(volts - 0.5) / 0.0625)
        assert model.rate(volts) == pytest.approx(expected, rel=3e-13)
    assert model.rate(0.5) == 0.5
    assert model.rate(9.0) == 0.0
    assert StorageFaults.at_voltage(8, 0.5625, model).zero_to_one == (model.rate(0.5625),) * 8


def test_a_table_is_straight_in_the_logarithm():
    table = VoltageTable([0.4, 0.5, 0.7, 0.8], [1e-1, 1e-3, 1e-7, 0.0])
    assert table.rate(0.5) == 1e-3
    assert table.rate(0.45) == pytest.approx(1e-2, rel=1e-12)
    assert table.rate(0.6) == pytest.approx(1e-5, rel=1e-12)
    assert table.rate(0.75) == pytest.approx(0.5e-7, rel=1e-12)


def test_a_table_is_read_from_a_file(tmp_path):
    path = tmp_path / "ber.csv"
    path.write_text("voltage_v,rate\n0.4,0.1\n\n0.5, 1e-3\n", encoding="utf-8")
    assert VoltageTable.load(path).rates == (0.1, 1e-3)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "line 1: '': must be the header voltage_v,rate"),
        ("v,ber\n", "line 1: 'v,ber': must be the header"),
        ("voltage_v,rate\n0.4\n", "line 2: '0.4': must be two numbers"),
        ("voltage_v,rate\n0.4,x\n", "line 2: '0.4,x': must be two numbers"),
        ("voltage_v,rate\n0.4,0.1\n", "1 voltages and 1 rates"),
        ("voltage_v,rate\n0.5,0.1\n0.4,0.2\n", "row 2: voltage 0.4 after 0.5: must ascend"),
        ("voltage_v,rate\n0.4,0.1\n0.5,0.2\n", "row 2: rate 0.2 after 0.1: must not rise with the voltage"),
        ("voltage_v,rate\n0.4,nan\n0.5,0.2\n", "row 1: rate nan: must be from 0 to 1"),
        ("voltage_v,rate\n-1,0.3\n0.5,0.2\n", "row 1: voltage -1.0: must be a number above 0"),
        ("voltage_v,rate\n\xff", "not UTF-8"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path, text, rule):
    path = tmp_path / "ber.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=re.escape(rule)) as caught:
        VoltageTable.load(path)
    assert str(path) in str(caught.value)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        VoltageTable.load(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: VoltageTable([0.4, 0.5], [0.1, 0.0]).rate(0.6), "0.6 V: the table is from 0.4 to 0.5 V"),
        (lambda: VoltageTable([0.4, 0.5], [0.1, 0.0]).rate(float("nan")), "voltage_v = nan: must be a number above 0"),
        (lambda: Probit().rate(-1.0), "voltage_v = -1.0: must be a number above 0"),
        (lambda: Probit(sigma_v=0.0), "sigma_v = 0.0: must be a number above 0"),
        (lambda: Probit(mu_v=float("inf")), "mu_v = inf"),
        (lambda: StorageFaults.flips(1, 0.1), "bits = 1: must be from 2 to 16"),
        (lambda: StorageFaults.flips(8, 1.5), "rate of bit 0: 1.5: must be from 0 to 1"),
        (lambda: StorageFaults.flips(8, float("nan")), "rate of bit 0: nan: must be from 0 to 1"),
        (lambda: StorageFaults.flips(8, [0.1] * 7), "7 rates for words of 8 bits"),
        (lambda: StorageFaults.stuck_at(8, zero=0.7, one=0.6), "stuck at 1 with 0.6 and at 0 with 0.7: more than 1"),
        (lambda: StorageFaults.flips(8, 0.1).apply([3, 128], 0), "stored word [1]: 128: 8 bits hold -128 to 127"),
        (lambda: StorageFaults.flips(8, 0.1).apply([3.0], 0), "must be whole numbers (quantise them first)"),
    ],
)  # fmt: skip
def test_impossible_faults_are_refused(make, rule):
    with pytest.raises(InputError, match=re.escape(rule)):
        make()


# Errors as noise.


@pytest.mark.parametrize("name", ["drum3", "mitchell", "ppt_5", "roba"])
@pytest.mark.parametrize("signed", [False, True])
def test_relative_errors_have_the_moments_of_all_pairs(name, signed):
    each = multiplier(name, 6 if name != "udm" else 8, signed)
    pairs = [(int(a), int(b)) for a in each.operands() for b in each.operands() if a * b]
    ratios = np.array([(int(each.multiply(a, b)) - a * b) / (a * b) for a, b in pairs])
    found = relative_error(each)
    assert found.mean == pytest.approx(ratios.mean(), rel=1e-9, abs=1e-12)
    assert found.variance == pytest.approx(ratios.var(), rel=1e-9)


def test_relative_errors_follow_the_operands_that_occur():
    each = multiplier("drum3", 8, True)
    a, b = [3, 100, 100, 0], [[77, -5]]
    ratios = [(int(each.multiply(x, y)) - x * y) / (x * y) for x in (3, 100, 100) for y in (77, -5)]
    found = relative_error(each, a, b)
    assert (found.mean, found.variance) == pytest.approx((np.mean(ratios), np.var(ratios)))
    with pytest.raises(InputError, match="all products of these operands are 0"):
        relative_error(each, [0], b)


def test_relative_errors_of_wide_operands_are_sampled():
    found = relative_error(multiplier("drum6", 16))
    assert np.sqrt(found.variance) == pytest.approx(0.018046, rel=5e-3)  # as published for 16 bits: 1.803 %


def test_noise_is_normal_enough_and_always_the_same():
    draws = normal(9, (400, 500))
    count = draws.size
    assert abs(draws.mean()) < 4.5 / np.sqrt(count)
    assert abs(draws.var() - 1) < 4.5 * np.sqrt(1.9 / count)  # a kurtosis of 2.9
    assert (draws**4).mean() == pytest.approx(2.9, abs=0.1)
    np.testing.assert_array_equal(normal(9, (3,)), draws.reshape(-1)[:3])
    lanes = [_word(9, number) >> 16 * lane & 0xFFFF for number in range(3) for lane in range(4)]
    assert draws[0, 0] == (sum(lanes) - 6 * 65535) / np.sqrt(2.0**32 - 1)


# Unsigned circuits for signed operands.


@pytest.mark.parametrize("name", ["exact", "drum4", "mitchell"])
def test_magnitudes_get_the_sign_of_the_exact_product(name):
    np.testing.assert_array_equal(sign_magnitude(multiplier(name)).table(), multiplier(name, 8, True).table())
    with pytest.raises(InputError, match="is signed already"):
        sign_magnitude(multiplier(name, 8, True))


def test_an_unsigned_table_becomes_signed():
    each = sign_magnitude(from_function(lambda a, b: a * b + (a > 3), bits=4, title="odd"))
    assert each.multiply([-8, 7, -1], [3, -8, -1]).tolist() == [-25, -57, 1]
    assert each.name == "odd"
