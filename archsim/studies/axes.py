"""Axes of a sweep: which parameters are varied together, through which values."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

from archsim.errors import InputError
from archsim.spec_errors import short
from archsim.units import parse_quantity

#: Most values of one axis.
MOST_VALUES = 100_000
LABEL = "--vary"
#: Most characters of a number of a range.
_LONGEST_NUMBER = 100
_EXACT_BITS, _KEPT_BITS = 2048, 512

_NUMBER = r"[+-]?\d+(?:_\d+)*(?:\.\d+)?(?:[eE][+-]?\d{1,2})?"
_QUANTITY = rf"({_NUMBER})\s*([^\W\d_][^\W\d_/]*(?:/[^\W\d_]+)?)?"
_RANGE = re.compile(rf"\s*{_QUANTITY}\s*\.\.\s*{_QUANTITY}\s*(?:([:*])\s*{_QUANTITY})?\s*")
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)


@dataclass(frozen=True)
class Axis:
    """Parameters that vary together.

    Attributes
    ----------
    paths : tuple of str
        Paths of parameters as ``--set`` takes them; several paths are linked.
    values : tuple of tuple of str
        For each step of the axis one value per path, as text.

    Examples
    --------
    >>> Axis.parse("dram.timing.tRCD=14..20:2").values
    (('14',), ('16',), ('18',), ('20',))
    >>> Axis.parse("nmp.cache.size=64KiB..256KiB*2").values
    (('64KiB',), ('128KiB',), ('256KiB',))
    >>> Axis.parse("dram.timing.CL+dram.timing.tRCD=16:16,17:17").paths
    ('dram.timing.CL', 'dram.timing.tRCD')
    """

    paths: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        name = "+".join(self.paths)
        for path in self.paths:
            if not _PATH.fullmatch(path):
                raise InputError(
                    f"{LABEL} {short(name)}: must be PATH=VALUES, such as dram.timing.tRCD=14,16,18"
                )
        if len(set(self.paths)) != len(self.paths):
            raise InputError(f"{LABEL} {name}: names a parameter twice")
        if not self.values:
            raise InputError(f"{LABEL} {name}: has no values")
        if len(self.values) > MOST_VALUES:
            raise _too_many(f"{LABEL} {name}", len(self.values))
        seen: set[tuple[str, ...]] = set()
        for step in self.values:
            if len(step) != len(self.paths):
                raise InputError(
                    f"{LABEL} {name}: {short(':'.join(step))}: {len(self.paths)} linked parameters need "
                    f"{len(self.paths)} values, such as {':'.join('1' * len(self.paths))}"
                )
            if step in seen:
                raise InputError(f"{LABEL} {name}: the value {short(':'.join(step))} stands there twice")
            seen.add(step)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an axis as ``--vary`` takes it.

        Parameters
        ----------
        text : str
            ``PATH=V1,V2,...``, a range ``PATH=1..8`` or ``PATH=2..16:2`` (with a step), a logarithmic one
            ``PATH=1KiB..1MiB*2`` (with a factor), or linked parameters ``A+B=1:2,3:4``.
        """
        name, equals, values = text.partition("=")
        paths = tuple(path.strip() for path in name.split("+"))
        if not equals or not all(paths):
            raise InputError(f"{LABEL} {short(text)}: must be PATH=VALUES, such as dram.timing.tRCD=14,16,18")
        return cls(paths, tuple(_steps(f"{LABEL} {name.strip()}", values, len(paths))))

    @classmethod
    def of(cls, name: str, values: Any) -> Self:
        """Make an axis of Python values: numbers, texts, booleans, lists; for ``"a+b"`` a tuple per step.

        A text instead of a collection is read as `parse` reads it.
        """
        if isinstance(values, str):
            return cls.parse(f"{name}={values}")
        if not isinstance(values, Iterable):
            values = [values]
        paths = tuple(path.strip() for path in name.split("+"))
        steps: list[tuple[str, ...]] = []
        for value in values:
            if len(steps) >= MOST_VALUES:
                raise _too_many(f"{LABEL} {name}", len(steps) + 1)
            parts = value if len(paths) > 1 and isinstance(value, list | tuple) else (value,)
            steps.append(tuple(text_of(part, name) for part in parts))
        return cls(paths, tuple(steps))


def parse_axes(axes: Mapping[str, Any] | Iterable[str | Axis] | str | Axis) -> tuple[Axis, ...]:
    """Read axes in any of their forms, and refuse a parameter that two of them vary.

    Raises
    ------
    InputError
        For what is not an axis, an axis without values, or one with too many.
    """
    if isinstance(axes, str | Axis):
        axes = [axes]
    if isinstance(axes, Mapping):
        found = [Axis.of(name, values) for name, values in axes.items()]
    else:
        found = [axis if isinstance(axis, Axis) else Axis.parse(axis) for axis in axes]
    seen: set[str] = set()
    for path in (path for axis in found for path in axis.paths):
        if path in seen:
            raise InputError(f"{LABEL} {path}: is varied twice; give all its values in one {LABEL}")
        seen.add(path)
    return tuple(found)


def text_of(value: Any, name: str) -> str:
    """Write a Python value as ``--set`` reads it."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # of NumPy
        value = value.item()
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{LABEL} {name}: {value!r}: must be a finite number")
    if isinstance(value, bool | int | float | list | tuple):
        try:
            return json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            pass
    raise InputError(
        f"{LABEL} {name}: {short(value)}: must be a number, a text, true or false, or a list of them"
    )


def _steps(place: str, text: str, paths: int) -> Iterator[tuple[str, ...]]:
    for count, part in enumerate(_split(text, ",")):
        if count >= MOST_VALUES:
            raise _too_many(place, count + 1)
        if not part:
            raise InputError(f"{place}={short(text)}: a value is missing")
        found = _RANGE.fullmatch(part) if paths == 1 else None
        if found:
            yield from ((value,) for value in _range(f"{place}={part}", found))
        else:
            yield tuple(_split(part, ":")) if paths > 1 else (part,)


def _split(text: str, separator: str) -> list[str]:
    """Cut a text at separators outside of brackets and quotes."""
    parts, start, depth, quote = [], 0, 0, ""
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
        elif char == separator and depth <= 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]


def _range(place: str, found: re.Match[str]) -> Iterator[str]:
    start, unit, end, end_unit, kind, step, step_unit = found.groups()
    for number in (start, end, step):
        if number and len(number) > _LONGEST_NUMBER:
            rule = f"a number of a range has at most {_LONGEST_NUMBER} characters"
            raise InputError(f"{place.partition('=')[0]}: {short(number)}: {rule}")
    if kind == "*" and step_unit:
        raise InputError(f"{place}: the factor {step}{step_unit} must be a plain number")
    units = [unit, end_unit, *([step_unit] if kind == ":" else [])]
    if any(units) and not all(units):
        raise InputError(f"{place}: every number of the range needs its unit")
    base, scales = _base(place, [each for each in units if each])
    first, last = Fraction(start) * scales[0], Fraction(end) * scales[1]
    if kind is None and (base or first.denominator != 1 or last.denominator != 1):
        raise InputError(
            f"{place}: needs a step or a factor, such as {start}{unit or ''}..{end}{end_unit or ''}*2"
        )
    by = Fraction(step or 1) * (scales[2] if kind == ":" else 1)
    if first > last:
        raise InputError(f"{place}: is empty; the first value must not be above the last")
    if kind == "*":
        if by <= 1 or first <= 0:
            raise InputError(f"{place}: needs a factor above 1 and a first value above 0")
    else:
        if by <= 0:
            raise InputError(f"{place}: the step must be above 0")
        if (count := (last - first) // by + 1) > MOST_VALUES:
            raise _too_many(place, count)
    for number in range(MOST_VALUES + 1):
        if first > last:
            return
        if number == MOST_VALUES:  # not foreseen by logarithms, which cannot tell a factor close to 1 from 1
            raise _too_many(place, number + 1)
        yield _decimal(first) + base
        first = _shortened(first * by) if kind == "*" else first + by


def _shortened(number: Fraction) -> Fraction:
    """Return a number that is exact while it is short, and right to 512 bits when its fraction grows long.

    No end of a range is that long, nor is any number on the way to one that the range meets exactly.
    """
    if number.denominator.bit_length() <= _EXACT_BITS:
        return number
    excess = min(number.numerator.bit_length(), number.denominator.bit_length()) - _KEPT_BITS
    return Fraction(number.numerator >> excess, number.denominator >> excess)


def _base(place: str, units: list[str]) -> tuple[str, list[int]]:
    """Return the smallest of the units of a range, and how many of it each of them is."""
    if not units:
        return "", [1, 1, 1]
    try:
        for base in units:
            scales = [parse_quantity(f"1 {unit}", base) for unit in units]
            if all(isinstance(scale, int) for scale in scales):
                return base, [int(scale) for scale in scales]
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    raise InputError(f"{place}: write the range with one unit")


def _decimal(number: Fraction) -> str:
    """Write a number exactly where 25 decimals can, else as the nearest float."""
    for digits in range(26 if 10**25 % number.denominator == 0 else 0):
        scaled: Fraction = number * 10**digits
        if scaled.denominator == 1:
            sign, text = "-" * (scaled < 0), f"{abs(int(scaled)):0{digits + 1}d}"
            return sign + (f"{text[:-digits]}.{text[-digits:]}" if digits else text)
    return repr(float(number))


def _too_many(place: str, count: int) -> InputError:
    return InputError(f"{place}: has {count:,} values or more; an axis may have {MOST_VALUES:,}")
