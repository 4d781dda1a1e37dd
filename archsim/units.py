"""Quantities as people write them ("14 ns", "32 KiB") to plain numbers, and numbers back to readable text.

Used only where text enters or leaves; inside archsim a number's unit is the suffix of its name.
"""

from __future__ import annotations

import re
from fractions import Fraction

from archsim.errors import InputError, nearest

_SI = {
    p: Fraction(10) ** (3 * e)
    for p, e in zip(("f", "p", "n", "u", "m", "", "k", "M", "G", "T"), range(-5, 5), strict=True)
}
_BINARY = {p: Fraction(1024) ** e for e, p in enumerate(("Ki", "Mi", "Gi", "Ti"), start=1)}

# unit -> (what it measures, size in the first unit of its kind)
_UNITS: dict[str, tuple[str, Fraction]] = {
    **{f"{p}s": ("a time", _SI[p]) for p in ("f", "p", "n", "u", "m", "")},
    "min": ("a time", Fraction(60)),
    "h": ("a time", Fraction(3600)),
    **{f"{p}J": ("an energy", _SI[p]) for p in ("f", "p", "n", "u", "m", "")},
    **{f"{p}Hz": ("a frequency", _SI[p]) for p in ("", "k", "M", "G")},
    **{f"{p}T": ("a number of transfers", _SI[p]) for p in ("", "M", "G")},
    **{f"{p}B": ("a size in bytes", scale) for p, scale in (_SI | _BINARY).items() if scale >= 1},
    **{f"{p}bit": ("a size in bits", scale) for p, scale in (_SI | _BINARY).items() if scale >= 1},
    **{f"{p}V": ("a voltage", _SI[p]) for p in ("m", "")},
    **{f"{p}A": ("a current", _SI[p]) for p in ("u", "m", "")},
    **{f"{p}S": ("a conductance", _SI[p]) for p in ("n", "u", "m", "")},
    **{f"{p}F": ("a capacitance", _SI[p]) for p in ("f", "p", "n", "u")},
    **{f"{p}W": ("a power", _SI[p]) for p in ("u", "m", "")},
    **{f"{p}m": ("a length", _SI[p]) for p in ("n", "u", "m", "")},
    "K": ("a temperature", Fraction(1)),
    "ohm": ("a resistance", Fraction(1)),
    "clk": ("a number of clocks", Fraction(1)),
}
# Name suffixes and plain words that mean one of the units above.
_SAME = {"byte": "B", "bytes": "B", "bits": "bit", "µs": "us", "μs": "us", "pj": "pJ", "nj": "nJ", "hz": "Hz"}
# Differences of temperature are declared as "kelvin", temperatures as "K": only of these has degC a meaning.
_SAME["kelvin"] = "K"
_CELSIUS = {"degC", "degc", "C", "°C", "℃"}
#: 0 degrees Celsius.
ZERO_C_K = 273.15
#: Colder than this, kelvin were most likely meant as degC.
_COLD_K = 200

# Two exponent digits cover every quantity and keep the exact arithmetic small.
_QUANTITY = re.compile(
    r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?)\s*([^\d\s].*?)?\s*", re.ASCII | re.DOTALL
)


def _unit(text: str, wanted: str = "") -> tuple[str, Fraction]:
    """Return what ``text`` measures and its scale; "GB/s" is a size in bytes per a time.

    An unknown unit is answered with the nearest of what is ``wanted``.
    """
    kinds, scale = [], Fraction(1)
    for power, name in zip((1, -1), text.split("/", 1), strict=False):
        known = _UNITS.get(_SAME.get(name, name))
        if known is None:
            suited = [unit for unit, (kind, _) in _UNITS.items() if kind in wanted or not wanted]
            raise InputError(f"unknown unit {name!r}{nearest(name, suited)}")
        kinds.append(known[0])
        scale *= known[1] ** power
    return " per ".join(kinds), scale


def parse_quantity(text: str, unit: str) -> int | float:
    """Convert a quantity written by a person to a number of ``unit``.

    Parameters
    ----------
    text : str
        A decimal number and a unit, such as ``"0.833 ns"``, ``"32 KiB"``, ``"14 pJ/bit"``, ``"2.4 GT/s"`` or
        ``"70degC"``.
    unit : str
        The unit of the result, such as ``"ps"``, ``"B"`` (or ``"bytes"``), ``"pJ/bit"``, ``"clk"``. ``"K"`` is that of
        a temperature, which may be given in degC; ``"kelvin"`` that of a difference, which may not.

    Returns
    -------
    int or float
        An int whenever the exact result is whole (``"0.833 ns"`` is 833 ps), else the nearest float.

    Raises
    ------
    InputError
        When the text is not a number with a unit, the unit is unknown, or it measures something else.
    """
    wanted, wanted_scale = _unit(unit)
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] is None:
        raise InputError(f"{text!r}: must be a number and a unit, such as '14 {unit}'")
    if match[2] in _CELSIUS and wanted == "a temperature":
        if unit != "K":
            raise InputError(f"{text!r}: is a temperature; a difference is needed, such as '14 K'")
        value = Fraction(match[1]) + Fraction(str(ZERO_C_K))
        return int(value) if value.denominator == 1 else float(value)
    try:
        kind, scale = _unit(match[2], wanted)
    except InputError as error:
        raise InputError(f"{text!r}: {error}") from None
    if kind != wanted:
        raise InputError(f"{text!r}: is {kind}; {wanted} is needed, such as '14 {unit}'")
    value = Fraction(match[1]) * scale / wanted_scale
    try:
        return int(value) if value.denominator == 1 else float(value)
    except OverflowError:
        raise InputError(f"{text[:20] + '...'!r}: too large") from None


def cold_note(name: str, value_k: float) -> str:
    """Return what to say of a temperature so low that degC were likely meant; empty for others.

    A note and no refusal, because memories are studied at the temperature of liquid nitrogen too.
    """
    if value_k >= _COLD_K:
        return ""
    return (
        f"{name} = {value_k:g} K is {value_k - ZERO_C_K:.6g} degC; {value_k:g} degC is {value_k + ZERO_C_K:.6g} K, "
        f"or write {value_k:g}degC"
    )


def _scaled(value: float, base: float, prefixes: list[str], unit: str) -> str:
    """Write ``value`` to four significant digits with the prefix that leaves 1 to ``base`` of it."""
    step, size = 0, float(value)
    while step < len(prefixes) - 1 and abs(float(f"{size:.4g}")) >= base:
        size /= base
        step += 1
    digits = f"{size:.4g}" if abs(size) < 1e4 else f"{size:.0f}"
    return f"{digits} {prefixes[step]}{unit}".rstrip()


def format_bytes(size_bytes: int) -> str:
    """Write a size with binary prefixes: 131072 is ``"128 KiB"``."""
    return _scaled(size_bytes, 1024, ["", "Ki", "Mi", "Gi", "Ti"], "B")


def format_count(count: int) -> str:
    """Write a count with SI prefixes: 1638396 is ``"1.638 M"``."""
    return _scaled(count, 1000, ["", "k", "M", "G", "T"], "")


def format_time(time_ps: float) -> str:
    """Write a time given in picoseconds: 833 is ``"833 ps"``, 7800000 is ``"7.8 us"``."""
    return _scaled(time_ps, 1000, ["p", "n", "u", "m", ""], "s")


def format_energy(energy_pj: float) -> str:
    """Write an energy given in picojoules: 2100 is ``"2.1 nJ"``."""
    return _scaled(energy_pj, 1000, ["p", "n", "u", "m", ""], "J")
