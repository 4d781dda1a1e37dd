"""Multipliers: bit for bit as defined, their errors as counted, refusals, and tables of the user."""

import doctest
import re
import time
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multiplier_twins import bam, product

import archsim.approx
from archsim.approx import (
    FAMILIES,
    examples,
    exhaustive,
    from_function,
    from_table,
    load_table,
    metrics,
    multiplier,
    sampled,
)
from archsim.errors import InputError

DESIGNS = [
    "exact", "drum3", "drum6", "ssm5", "lot4", "mitchell", "mitchell_w4", "mitchell_c", "mitchell_r2", "ilm1", "udm",
    "roba", "tosam_0_2", "tosam_2_6", "truncate_3", "bam_7", "bam_2_5",
]  # fmt: skip


def _parts(name):
    """Family and parameters, in the order of the twin."""
    match = re.fullmatch(r"(.*?)_?(\d+(?:_\d+)*)?", name)
    numbers = [int(text) for text in match[2].split("_")] if match[2] else []
    return match[1], numbers[::-1] if match[1] == "bam" else numbers


# Twins.


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", DESIGNS)
def test_all_pairs_of_8_bits_are_as_defined(name, signed):
    family, parameters = _parts(name)
    each = multiplier(name, 8, signed)
    operands = each.operands().tolist()
    assert operands[0] == (-128 if signed else 0)
    expected = [[product(family, a, b, 8, signed, *parameters) for b in operands] for a in operands]
    np.testing.assert_array_equal(each.table(), expected)


@pytest.mark.parametrize("signed", [False, True])
def test_the_constant_of_truncated_partial_products_is_their_mean(signed):
    each = multiplier("ppt_7", 8, signed)
    operands = each.operands().tolist()
    kept = np.array([[bam(a, b, 8, 7, signed=signed) for b in operands] for a in operands])
    left_out = int((np.multiply.outer(operands, operands) - kept).sum())
    np.testing.assert_array_equal(each.table(), kept + floor(Fraction(left_out, 65536) + Fraction(1, 2)))


@st.composite
def _cases(draw):
    family = draw(st.sampled_from([name for name in FAMILIES if name != "ppt"]))
    bits = draw(st.integers(4, 16).filter(lambda n: family != "udm" or n % 2 == 0))
    if family == "tosam":
        t = draw(st.integers(1, bits - 1))
        parameters = [draw(st.integers(0, t)), t]
    elif family == "bam":
        parameters = [draw(st.integers(0, 2 * bits - 1)), draw(st.integers(0, bits))]
    elif FAMILIES[family][1]:
        low = {"drum": 2, "ssm": (bits + 1) // 2, "lot": 1}.get(family, 0)
        high = bits if family in ("drum", "ssm", "lot") else bits - 1
        parameters = [draw(st.integers(low, high))]
    else:
        parameters = []
    signed = draw(st.booleans())
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    operand = st.one_of(st.sampled_from([low, high, 0, 1]), st.integers(low, high))
    return (
        family,
        bits,
        signed,
        parameters,
        draw(st.lists(st.tuples(operand, operand), min_size=1, max_size=30)),
    )


@settings(max_examples=300, deadline=None)
@given(_cases())
def test_every_width_and_parameter_is_as_defined(case):
    family, bits, signed, parameters, pairs = case
    named = parameters[::-1] if family == "bam" else parameters
    each = multiplier(family + "".join(f"_{value}" for value in named), bits, signed)
    a, b = np.array(pairs).T
    expected = [product(family, x, y, bits, signed, *parameters) for x, y in pairs]
    assert each.multiply(a, b).tolist() == expected


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", ["exact", "drum3", "mitchell", "udm", "truncate_2", "bam_3"])
def test_errors_of_4_bits_are_those_counted_in_fractions(name, signed):
    each = multiplier(name, 4, signed)
    pairs = [(int(a), int(b)) for a in each.operands() for b in each.operands()]
    errors = [(int(each.multiply(a, b)) - a * b, a * b) for a, b in pairs]
    ratios = [Fraction(e, abs(p)) for e, p in errors if p]
    found = exhaustive(each)
    total = len(pairs)
    assert found.ep == sum(e != 0 for e, _ in errors) / total
    assert found.med == sum(abs(e) for e, _ in errors) / total
    assert found.nmed == pytest.approx(found.med / (64 if signed else 225), rel=1e-15)
    assert found.mred == pytest.approx(float(sum(map(abs, ratios)) / len(ratios)), rel=1e-13)
    assert found.bias == pytest.approx(float(sum(ratios) / len(ratios)), rel=1e-13, abs=1e-16)
    assert found.wce == max(abs(e) for e, _ in errors)
    assert found.wcre == float(max(Fraction(abs(e), max(1, abs(p))) for e, p in errors))
    assert found.mse == sum(e * e for e, _ in errors) / total
    assert found.mean_error == sum(e for e, _ in errors) / total
    assert found.pairs == total


# Properties and formulas.


@pytest.mark.parametrize("bits", [4, 8, 10])
def test_the_least_operand_has_a_product_with_itself(bits):
    least = -(1 << (bits - 1))
    for each in examples(bits, signed=True):
        assert each.multiply(least, least).shape == ()
        if each.signed_form == "sign-magnitude":
            assert each.multiply(least, -1) == -each.multiply(least, 1)
    assert multiplier("drum4", bits, True).multiply(least, least) > 0


@pytest.mark.parametrize("v", range(1, 9))
def test_the_worst_error_of_a_broken_array_is_the_sum_of_its_cells(v):
    found = exhaustive(multiplier(f"bam_{v}"))
    assert found.wce == sum((k + 1) << k for k in range(v))
    assert found.med == found.wce / 4


@pytest.mark.parametrize("t", range(1, 8))
def test_the_worst_error_of_truncated_operands_is_that_of_the_largest(t):
    assert exhaustive(multiplier(f"truncate_{t}")).wce == 255**2 - (256 - 2**t) ** 2


@pytest.mark.parametrize("signed", [False, True])
def test_terms_add_up_to_the_product(signed):
    for each in examples(8, signed):
        operands = each.operands()
        if each.terms() is not None:
            total = sum(c * np.multiply.outer(f(operands), g(operands)) for c, f, g in each.terms())
            np.testing.assert_array_equal(total, each.table())


@pytest.mark.parametrize("name", ["drum4", "mitchell", "tosam_1_5", "truncate_3"])
def test_a_sample_holds_the_exhaustive_errors_within_its_interval(name):
    each = multiplier(name, 12)
    exact = exhaustive(each)
    # Twice the half width: one in 16,000 would be outside by chance.
    for seed in range(3):
        found = sampled(each, strata=32, pairs=64, seed=seed)
        for quantity, half in found.ci95.items():
            assert abs(getattr(found, quantity) - getattr(exact, quantity)) <= 2 * half + 1e-12, quantity
        assert found.wce <= exact.wce
        assert not found.exhaustive


def test_a_sample_depends_on_its_seed_only():
    each = multiplier("drum6", 16)
    small = {"strata": 16, "pairs": 8}
    assert sampled(each, **small) == sampled(each, **small)
    assert sampled(each, **small) != sampled(each, **small, seed=1)


def test_intervals_cover_as_often_as_they_say():
    each = multiplier("drum3", 10)
    exact = exhaustive(each).mred
    runs = [sampled(each, strata=8, pairs=32, seed=seed) for seed in range(200)]
    covered = sum(abs(run.mred - exact) <= run.ci95["mred"] for run in runs)
    assert 180 <= covered <= 199  # 190 expected, standard deviation 3


# Tables of the user.


def test_a_function_and_its_table_are_the_same_multiplier():
    signed = from_function(lambda a, b: a * b + (a == -128), signed=True)
    assert signed.multiply(-128, 3) == -383
    assert from_table(signed.table(), signed=True).sha256 == signed.sha256


def test_a_table_comes_back_from_every_kind_of_file(tmp_path):
    table = multiplier("drum4", 8, True).table()
    code = np.roll(table, (128, 128), (0, 1))
    np.save(tmp_path / "a.npy", code)
    np.savetxt(tmp_path / "a.csv", code, fmt="%d", delimiter=",")
    np.savetxt(tmp_path / "a.txt", code.reshape(-1), fmt="%d", header="a comment")
    rows = ",\n".join("{" + ",".join(hex(value & 0xFFFF) for value in row) + "}" for row in code.tolist())
    (tmp_path / "a.h").write_text(
        f"// lut = 1\n#include <stdint.h>\nconst int16_t lut[256][256] = {{{rows}}};\n"
    )
    for kind in ("npy", "csv", "txt", "h"):
        loaded = load_table(tmp_path / f"a.{kind}", signed=True)
        np.testing.assert_array_equal(loaded.multiplier.table(), table)
        assert bool(loaded.findings) == (kind == "h")
    np.save(tmp_path / "b.npy", table)
    by_value = load_table(tmp_path / "b.npy", signed=True, order="value")
    np.testing.assert_array_equal(by_value.multiplier.table(), table)


CLAIMS = """// MAE% = {0:.4f} %
// MAE = {1:.0f}
// WCE = {2}
// WCRE% = {3:.2f} %
// EP% = {4:.2f} %
// MRE% = {5:.2f} %
// MSE = {6:.0f}
// PDK45_PWR = 0.301 mW
// PDK45_AREA = 558.9 um2
// PDK45_DELAY = 1.36 ns
"""


def _claims(found):
    return CLAIMS.format(
        100 * found.med / 65536,
        found.med,
        found.wce,
        100 * found.wcre,
        100 * found.ep,
        100 * found.mred,
        found.mse,
    )


@pytest.mark.parametrize("name", ["drum6", "mitchell", "roba", "truncate_2"])
def test_claims_that_hold_are_no_mismatch(name, tmp_path):
    each = multiplier(name)
    np.savetxt(tmp_path / "x.csv", each.table(), fmt="%d", delimiter=",", header=_claims(exhaustive(each)))
    loaded = load_table(tmp_path / "x.csv")
    assert loaded.claims["WCE"] == exhaustive(each).wce
    assert not loaded.mismatches
    assert not loaded.findings
    assert loaded.multiplier.cost.energy_pj == pytest.approx(0.301 * 1.36)


def test_one_wrong_product_is_a_mismatch(tmp_path):
    each = multiplier("drum6")
    table = each.table().copy()
    table[255, 255] += 5000
    np.save(tmp_path / "x.npy", table)
    (tmp_path / "x.c").write_text(_claims(exhaustive(each)))
    loaded = load_table(tmp_path / "x.npy", claims=tmp_path / "x.c")
    assert "WCE" in {each.quantity for each in loaded.mismatches}
    assert "claimed 2000, measured" in "".join(map(str, loaded.mismatches))


def _signed_code(name="mitchell"):
    return np.roll(multiplier(name, 8, True).table(), (128, 128), (0, 1)).astype(np.int64)


def test_unsigned_words_of_signed_products_are_named_and_read(tmp_path):
    np.save(tmp_path / "x.npy", _signed_code() & 0xFFFF)
    loaded = load_table(tmp_path / "x.npy", signed=True)
    np.testing.assert_array_equal(loaded.multiplier.table(), multiplier("mitchell", 8, True).table())
    assert "two's complement" in loaded.findings[0]


def test_signs_converted_by_hand_are_named(tmp_path):
    # The circuit truncates in two's complement; somebody took magnitudes where both operands are negative.
    table = multiplier("truncate_2", 8, True).table().copy()
    table[1:128, 1:128] = table[129:, 129:][::-1, ::-1]
    np.save(tmp_path / "x.npy", table)
    loaded = load_table(tmp_path / "x.npy", signed=True, order="value")
    assert any("by hand" in text for text in loaded.findings)
    np.save(tmp_path / "y.npy", multiplier("truncate_2", 8, True).table())
    assert not load_table(tmp_path / "y.npy", signed=True, order="value").findings


@pytest.mark.parametrize(
    ("signed", "read_as", "order", "words"),
    [
        (True, True, "value", "other order"),
        (False, True, "code", "unsigned operands"),
        (True, False, "code", "signed operands"),
    ],
)
def test_a_table_of_another_kind_than_said_is_named(signed, read_as, order, words, tmp_path):
    np.save(tmp_path / "x.npy", _signed_code() if signed else multiplier("mitchell").table())
    assert any(words in text for text in load_table(tmp_path / "x.npy", signed=read_as, order=order).findings)


# Refusals.


@pytest.mark.parametrize(
    ("name", "bits", "rule"),
    [
        ("drum1", 8, "k = 1: must be a whole number from 2 to 8"),
        ("drum9", 8, "from 2 to 8 for 8 bits"),
        ("truncate_8", 8, "t = 8: must be a whole number from 0 to 7"),
        ("tosam_3_2", 8, "h = 3: must be a whole number from 0 to 2 for 8 bits and t = 2"),
        ("tosam_1_8", 8, "t = 8"),
        ("ssm3", 8, "two segments must cover"),
        ("bam_16", 8, "v = 16"),
        ("bam_9_3", 8, "h = 9"),
        ("udm", 7, "must be even"),
        ("exact", 17, "from 2 to 16"),
        ("drum4", 3, "from 4 to 16"),
        ("tosam_1", 8, "must be tosam_H_T, with 2 numbers"),
        ("mitchell_3", 8, "with 0 numbers"),
        ("drumm6", 8, "did you mean 'drum'"),
        ("", 8, "unknown multiplier"),
    ],
)
def test_impossible_designs_are_refused_with_the_rule(name, bits, rule):
    with pytest.raises(InputError, match=re.escape(rule)):
        multiplier(name, bits)


@pytest.mark.parametrize(
    ("a", "signed", "rule"),
    [
        ([1.0, float("nan")], False, "first operand [1]: nan is no number"),
        ([1.0, 2.0], False, "must be whole numbers"),
        (256, False, "takes 0 to 255"),
        (
            [[3, -4]],
            False,
            "first operand [0, 1]: -4: drum6, 8 bits, unsigned takes 0 to 255; the multiplier is unsigned",
        ),
        (200, True, "200: drum6, 8 bits, signed takes -128 to 127"),
        ([True], False, "of type bool"),
    ],
)
def test_operands_that_do_not_fit_are_refused(a, signed, rule):
    with pytest.raises(InputError, match=re.escape(rule)):
        multiplier("drum6", 8, signed).multiply(a, 1)


def test_wide_tables_are_refused():
    with pytest.raises(InputError, match="at most 10 bits"):
        multiplier("exact", 12).table()
    with pytest.raises(InputError, match="all pairs are tried up to 12"):
        exhaustive(multiplier("exact", 14))


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        (np.zeros((256, 255), int), "must be 2**bits squared"),
        (np.full((256, 256), 0.5), "entry [0, 0]: 0.5: products must be whole numbers"),
        (np.where(np.eye(256) > 0, np.nan, 1.0), "entry [0, 0]: nan"),
        (np.full((256, 256), 1 << 31), "does not fit in 32 bits"),
        (np.array([["1"] * 16] * 16), "must be whole numbers"),
    ],
)
def test_malformed_tables_are_refused(table, rule):
    with pytest.raises(InputError, match=re.escape(rule)):
        from_table(table)


@pytest.mark.parametrize(
    ("text", "suffix", "rule"),
    [
        ("1,2,3\n", "csv", "3 numbers: must be 4**bits"),
        ("1,2\n3,x4\n", "csv", "line 2, column 3: 'x4': must be a whole number"),
        ("1,2\n3,4.5\n", "csv", "line 2, column 3: '4.5': must be a whole number"),
        ("1 nan", "txt", "'nan': must be a whole number"),
        ("99999999999999999999", "txt", "does not fit in 32 bits"),
        ("int mul(int a, int b) { return a * b; }", "c", "C code is not compiled"),
        ("int t[2] = {1, 2", "h", "no closing brace"),
        ("not numpy", "npy", "cannot be read"),
        ("", "csv", "0 numbers"),
    ],
)
def test_malformed_files_are_refused_with_their_place(text, suffix, rule, tmp_path):
    path = tmp_path / f"x.{suffix}"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(rule)) as refused:
        load_table(path)
    assert str(path) in str(refused.value)


def test_a_table_of_another_width_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", multiplier("exact", 4).table())
    with pytest.raises(InputError, match="a table of 4 bits, where 8 bits are asked for"):
        multiplier(str(tmp_path / "x.npy"), 8)


def test_a_function_must_return_whole_numbers():
    with pytest.raises(InputError, match=r"f\(0, 0\) = 0.0: must be a whole number"):
        from_function(lambda a, b: a * b * 1.0, bits=4, title="f")


def test_a_comment_without_end_does_not_hang(tmp_path):
    (tmp_path / "x.csv").write_text("1\n" + "/* " * 1_000_000)
    with pytest.raises(InputError, match="1 numbers"):
        load_table(tmp_path / "x.csv")


def test_the_example_of_the_package_runs():
    tried = doctest.testmod(archsim.approx)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_errors_of_8_bits_take_less_than_50_ms():
    seconds = []
    for _ in range(5):
        start = time.process_time()
        exhaustive(multiplier("mitchell"))
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.05


def test_costs_have_a_source_or_are_none():
    assert multiplier("exact").cost.energy_pj == pytest.approx(0.55913)
    assert multiplier("exact").cost.source.startswith("EvoApproxLib")
    assert multiplier("drum6").cost is None
    assert metrics(multiplier("exact", 8, True)).wce == 0
