"""Quantities as people write them, and numbers as people read them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.units import format_bytes, format_count, format_energy, format_time, parse_quantity


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("14 ns", "ps", 14_000),
        ("0.833 ns", "ps", 833),
        ("7.8 us", "ns", 7_800),
        ("7.8 µs", "ns", 7_800),
        ("350ns", "s", 3.5e-7),
        ("32 KiB", "B", 32_768),
        ("4 KiB", "bytes", 4_096),
        ("1 kB", "B", 1_000),
        ("64 bytes", "B", 64),
        ("8 Gbit", "bit", 8_000_000_000),
        ("2.1 nJ", "pJ", 2_100),
        ("22 pJ", "pJ", 22),
        ("7.89 pJ", "pj", 7.89),
        ("14 pJ/bit", "pJ/bit", 14),
        ("2.4 GT/s", "MT/s", 2_400),
        ("250 MHz", "hz", 250_000_000),
        ("17 clk", "clk", 17),
        (" -1.5e3 ps ", "ns", -1.5),
        (".5 ns", "ps", 500),
        ("5min", "s", 300),
        ("1.5 h", "min", 90),
        ("70degC", "K", 343.15),
        ("70 C", "K", 343.15),
        ("-273.15 °C", "K", 0),
        ("70 K", "K", 70),
        ("6 K", "kelvin", 6),
    ],
)
def test_a_quantity_becomes_the_number_of_the_unit_asked_for(text, unit, value):
    parsed = parse_quantity(text, unit)
    assert parsed == value
    assert type(parsed) is type(value)


@given(st.decimals(min_value=0, max_value=10**9, places=3))
def test_nanoseconds_with_three_decimals_are_exact_picoseconds(time_ns: Decimal):
    assert parse_quantity(f"{time_ns:f} ns", "ps") == int(time_ns * 1000)


@given(st.integers(0, 2**40))
def test_whole_numbers_stay_whole(count):
    assert parse_quantity(f"{count} KiB", "B") == count * 1024


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("14 KiB", "ps", "'14 KiB': is a size in bytes; a time is needed, such as '14 ps'"),
        ("14 ns", "B", "'14 ns': is a time; a size in bytes is needed, such as '14 B'"),
        (
            "14 pJ",
            "pJ/bit",
            "'14 pJ': is an energy; an energy per a size in bits is needed, such as '14 pJ/bit'",
        ),
        ("14 kib", "B", "'14 kib': unknown unit 'kib' (did you mean 'KiB'?)"),
        ("14 pJ/bt", "pJ/bit", "'14 pJ/bt': unknown unit 'bt' (did you mean 'bit'?)"),
        ("14", "ps", "'14': must be a number and a unit, such as '14 ps'"),
        ("ns", "ps", "'ns': must be a number and a unit, such as '14 ps'"),
        ("1_000 ns", "ps", "'1_000 ns': unknown unit '_000 ns'"),
        ("nan ns", "ps", "'nan ns': must be a number and a unit, such as '14 ps'"),
        ("1e999 ns", "ps", "'1e999 ns': unknown unit 'e999 ns' (valid: fs, h, min, ms, ns, ps, s, us)"),
        ("6degC", "kelvin", "'6degC': is a temperature; a difference is needed, such as '14 K'"),
        ("6 C", "ps", "'6 C': unknown unit 'C'"),
        ("6 degC", "W/K", "'6 degC': unknown unit 'degC'"),
        ("", "ps", "'': must be a number and a unit, such as '14 ps'"),
    ],
)
def test_what_is_not_a_quantity_of_the_unit_is_refused(text, unit, message):
    with pytest.raises(InputError) as refused:
        parse_quantity(text, unit)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_a_number_beyond_floating_point_is_refused():
    with pytest.raises(InputError, match="too large"):
        parse_quantity("1" * 400 + ".5 pJ", "pJ")


@pytest.mark.parametrize(
    ("formatted", "text"),
    [
        (format_bytes(0), "0 B"),
        (format_bytes(1023), "1023 B"),
        (format_bytes(131_072), "128 KiB"),
        (format_bytes(1_500_000), "1.431 MiB"),
        (format_bytes(64 << 30), "64 GiB"),
        (format_count(999), "999"),
        (format_count(999_999), "1 M"),
        (format_count(1_638_396), "1.638 M"),
        (format_time(833), "833 ps"),
        (format_time(999.99), "1 ns"),
        (format_time(7_800_000), "7.8 us"),
        (format_time(-1_500), "-1.5 ns"),
        (format_time(12_345_600_000_000_000), "12346 s"),
        (format_energy(0.0153), "0.0153 pJ"),
        (format_energy(2_100), "2.1 nJ"),
        (format_energy(45_800_000_000_000), "45.8 J"),
    ],
)
def test_numbers_are_written_with_a_prefix_and_four_digits(formatted, text):
    assert formatted == text
