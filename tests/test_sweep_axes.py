"""Axes and conditions: what they mean, and what they refuse."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.studies.axes import MOST_VALUES, Axis, parse_axes
from archsim.studies.conditions import Condition

UNITS = {"nmp.cache.size": "B", "dram.timing.tRCD": "clk", "nmp.scheduling": "", "on": ""}
POINT = {"nmp.cache.size": 131072, "dram.timing.tRCD": 16, "nmp.scheduling": "fifo", "on": True}
NAMES = {"system": "host-8rank", "trace": "zipf"}


def values(text):
    """Return the values of an axis of one parameter."""
    return [step[0] for step in Axis.parse(f"a={text}").values]


def holds(text, **changed):
    """Evaluate a condition at one point."""
    return Condition(text, UNITS).holds({**POINT, **NAMES, **changed})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2,4", ["1", "2", "4"]),
        ("64KiB, 1 MiB", ["64KiB", "1 MiB"]),
        ("open,closed", ["open", "closed"]),
        ("[1, 2],[3]", ["[1, 2]", "[3]"]),
        ('"a,b",c', ['"a,b"', "c"]),
        ("1..4", ["1", "2", "3", "4"]),
        ("-1..1", ["-1", "0", "1"]),
        ("2..16:5", ["2", "7", "12"]),
        ("0.5..2:0.5", ["0.5", "1", "1.5", "2"]),
        ("1..2,8", ["1", "2", "8"]),
        ("1KiB..8KiB*2", ["1KiB", "2KiB", "4KiB", "8KiB"]),
        ("512B..2KiB*2", ["512B", "1024B", "2048B"]),
        ("1us..2us:250ns", ["1000ns", "1250ns", "1500ns", "1750ns", "2000ns"]),
        ("1..10*1.5", ["1", "1.5", "2.25", "3.375", "5.0625", "7.59375"]),
        ("3", ["3"]),
    ],
)
def test_lists_and_ranges_have_these_values(text, expected):
    assert values(text) == expected


@given(st.integers(-50, 50), st.integers(0, 400), st.integers(1, 60), st.integers(0, 2))
def test_a_range_counts_like_its_slow_twin(first, length, step, digits):
    scale = Decimal(1).scaleb(-digits)
    start, stop, by = first * scale, (first + length) * scale, step * scale
    expected, at = [], start
    while at <= stop:
        expected.append(at)
        at += by
    assert [Decimal(value) for value in values(f"{start}..{stop}:{by}")] == expected


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(105, 300), st.integers(0, 8))
def test_a_logarithmic_range_counts_like_its_slow_twin(first, length, percent, digits):
    scale = Fraction(1, 10**digits)
    start, stop, by = first * scale, (first + length) * scale, Fraction(percent, 100)
    expected, at = [], start
    while at <= stop:
        expected.append(at)
        at *= by
    ends = [f"{Decimal(each).scaleb(-digits):f}" for each in (first, first + length)]
    found = values(f"{ends[0]}..{ends[1]}*{percent / 100}")
    assert len(found) == len(expected)
    for text, exact in zip(found, expected, strict=True):
        assert Fraction(text) == exact if 10**25 % exact.denominator == 0 else text == repr(float(exact))


def test_a_range_that_ends_on_a_power_has_it_however_long_it_is():
    assert values(f"1..{2**330}*2") == [str(2**power) for power in range(331)]
    assert values(f"{2**200}..{3**150 * 2**50}*1.5")[-1] == str(3**150 * 2**50)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"1..1{'0' * 400}*2", "--vary a: '10+[.]{3}: a number of a range has at most 100 characters"),
        (f"1..1{'0' * 5000}*2", "--vary a: '10+[.]{3}: a number of a range has at most 100 characters"),
        ("1..9e99*1.0000000000000001", "has 100,001 values or more"),
        ("1..2*1.000001", "has 100,001 values or more"),
        (f"1..9e99:0.{'0' * 90}1", r"has [\d,]+ values or more"),
    ],
)
def test_numbers_that_no_float_tells_apart_or_holds_are_refused_in_one_line(text, message):
    with pytest.raises(InputError, match=message):
        values(text)


def test_linked_parameters_vary_together():
    axis = Axis.parse("dram.timing.CL+dram.timing.tRCD=16:17,18:19")
    assert axis.paths == ("dram.timing.CL", "dram.timing.tRCD")
    assert axis.values == (("16", "17"), ("18", "19"))


def test_python_values_become_texts():
    assert parse_axes({"a": [1, 2.5, True, "64KiB", [1, 2]], "b+c": [(1, 2)], "d": range(2), "e": 7}) == (
        Axis(("a",), (("1",), ("2.5",), ("true",), ("64KiB",), ("[1, 2]",))),
        Axis(("b", "c"), (("1", "2"),)),
        Axis(("d",), (("0",), ("1",))),
        Axis(("e",), (("7",),)),
    )


def test_numpy_values_become_texts():
    import numpy as np

    assert Axis.of("a", np.arange(2) * 0.5).values == (("0.0",), ("0.5",))


def test_a_text_of_python_is_read_like_the_command_line():
    assert Axis.of("a", "1..3") == Axis.parse("a=1..3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "must be PATH=VALUES"),
        ("=1", "must be PATH=VALUES"),
        ("a b=1", "must be PATH=VALUES"),
        ("a=", "a value is missing"),
        ("a=1,,2", "a value is missing"),
        ("a=1,2,1", "the value '1' stands there twice"),
        ("a=4..1", "is empty"),
        ("a=1..4:0", "the step must be above 0"),
        ("a=1..4*1", "needs a factor above 1"),
        ("a=0..4*2", "a first value above 0"),
        ("a=0.5..2", "needs a step"),
        ("a=1KiB..4KiB", "needs a step"),
        ("a=1KiB..4*2", "every number of the range needs its unit"),
        ("a=1KiB..4KiB*2KiB", "must be a plain number"),
        ("a=1KiB..4ns*2", "is a time"),
        ("a=1KiX..4KiB*2", "unknown unit 'KiX'"),
        (f"a=1..{MOST_VALUES + 1}", "an axis may have 100,000"),
        ("a=1..99999999999999999999", "an axis may have 100,000"),
        ("a+b=1,2", "2 linked parameters need 2 values"),
        ("a+b=1:2:3", "2 linked parameters need 2 values"),
        ("a+a=1:2", "names a parameter twice"),
    ],
)
def test_what_is_no_axis_is_refused(text, message):
    with pytest.raises(InputError, match="--vary") as error:
        Axis.parse(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, object(), {"a": 1}])
def test_what_is_no_value_is_refused(value):
    with pytest.raises(InputError, match="must be"):
        Axis.of("a", [value])


def test_an_endless_iterable_is_refused():
    import itertools

    with pytest.raises(InputError, match="an axis may have 100,000"):
        Axis.of("a", itertools.count())


def test_a_parameter_varies_once():
    with pytest.raises(InputError, match="--vary b: is varied twice"):
        parse_axes(["a=1,2", "b=1", "b+c=1:2"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nmp.cache.size > 64KiB", True),
        ("nmp.cache.size>64KiB", True),
        ("nmp.cache.size >= 128 KiB and dram.timing.tRCD == 16", True),
        ("64KiB < nmp.cache.size < 128KiB", False),
        ("64KiB < nmp.cache.size <= 128KiB", True),
        ("not (dram.timing.tRCD in (14, 15))", True),
        ("dram.timing.tRCD not in [16]", False),
        ("nmp.cache.size in (128KiB, 1MiB)", True),
        ("nmp.scheduling == 'fifo' or dram.timing.tRCD > 100", True),
        ("nmp.scheduling != 'fifo'", False),
        ("dram.timing.tRCD * 2 - 1 == 31", True),
        ("dram.timing.tRCD % 5 == 1 and dram.timing.tRCD // 5 == 3", True),
        ("-dram.timing.tRCD < 0", True),
        ("on == true", True),
        ("not on", False),
        ("system == 'host-8rank' and trace == 'zipf'", True),
        ("dram.timing.tRCD > 1e1", True),
        ("dram.timing.tRCD > 14clk", True),
    ],
)
def test_conditions_mean_what_they_say(text, expected):
    assert holds(text) is expected


@given(st.integers(0, 40), st.integers(0, 40), st.sampled_from(["<", "<=", "==", "!=", ">", ">="]))
def test_a_comparison_is_that_of_python(value, limit, sign):
    assert holds(f"dram.timing.tRCD {sign} {limit}", **{"dram.timing.tRCD": value}) is eval(
        f"{value} {sign} {limit}"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("nmp.cache.size >", "cannot be read"),
        ("(" * 300 + "1 == 1" + ")" * 300, "cannot be read"),
        ("a == 1" * 1000, "at most 2,000 characters"),
        ("nmp.cache.sise > 1", "not an axis (did you mean 'nmp.cache.size'?)"),
        ("nmp.cache.size", "must be true or false"),
        ("nmp.cache.size and on", "must be a comparison"),
        ("nmp.scheduling > 3", "cannot be compared"),
        ("nmp.cache.size > 'many'", "must be a number and a unit"),
        ("nmp.cache.size > 3ns", "a size in bytes is needed"),
        ("dram.timing.tRCD / 0 == 1", "division by zero"),
        ("nmp.scheduling + 1 == 1", "must be a number"),
        ("dram.timing.tRCD in 16", "`in` needs a list"),
        ("dram.timing.tRCD is 16", "use =="),
        ("dram.timing.tRCD ** 9 == 1", "only comparisons"),
        ("__import__('os').getcwd() == 1", "only comparisons"),
        ("nmp.cache.size.__class__ == 1", "not an axis"),
        ("[x for x in (1,)] == 1", "only comparisons"),
        ("(lambda: 1) == 1", "only comparisons"),
        ("f'{on}' == 1", "only comparisons"),
        ("on if on else on", "only comparisons"),
        ("(on := 1) == 1", "only comparisons"),
    ],
)
def test_what_is_no_condition_is_refused(text, message):
    with pytest.raises(InputError, match="--where") as error:
        holds(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
