"""Error rates of stored bits by supply voltage: a table of the user, or a probit.

Rates decide which random bits are hit, so they must be the same on every machine. They are computed with
`decimal`, whose exp and ln are correctly rounded, and not with those of a system's library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import pairwise
from math import isfinite
from pathlib import Path

from archsim.approx.checks import real_number
from archsim.errors import InputError, printable
from archsim.files import read_text

_DIGITS = 50
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582")
#: From so many standard deviations on, the tail is the continued fraction, which so many of its terms give.
_TAIL_FROM, _TERMS = 2, 300
#: Beyond, the tail is below the least positive float.
_FARTHEST = 39
_LONGEST_FILE_BYTES = 1 << 20


@dataclass(frozen=True)
class Probit:
    """Cells that fail below a voltage of their own, which is normal: ``rate(V) = Phi(-(V - mu) / sigma)``.

    The default parameters are a choice of this project, not those of any process or paper.

    Parameters
    ----------
    mu_v, sigma_v : float
        Mean and standard deviation of the voltage below which a cell fails.
    """

    mu_v: float = 0.40
    sigma_v: float = 0.05

    def __post_init__(self) -> None:
        for name in ("mu_v", "sigma_v"):
            object.__setattr__(self, name, real_number(f"probit: {name}", getattr(self, name)))
        if not isfinite(self.mu_v) or self.mu_v <= 0:
            raise InputError(f"probit: mu_v = {self.mu_v}: must be a number above 0")
        if not isfinite(self.sigma_v) or self.sigma_v <= 0:
            raise InputError(f"probit: sigma_v = {self.sigma_v}: must be a number above 0")

    def rate(self, voltage_v: float) -> float:
        """Return the probability that a stored bit is read wrongly at a supply voltage."""
        voltage_v = _check_voltage(voltage_v)
        with localcontext() as context:
            context.prec = _DIGITS
            z = (Decimal(voltage_v) - Decimal(self.mu_v)) / Decimal(self.sigma_v)
            return float(_tail(z) if z >= 0 else 1 - _tail(-z))


def _tail(z: Decimal) -> Decimal:
    """Return the probability that a standard normal number is above ``z``, which is at least 0."""
    if z > _FARTHEST:
        return Decimal(0)
    density = (-z * z / 2).exp() / (2 * _PI).sqrt()
    if z >= _TAIL_FROM:
        below = z
        for term in range(_TERMS, 0, -1):
            below = z + term / below
        return density / below
    power = total = z
    for odd in range(3, 3 + 2 * _TERMS, 2):
        power = power * z * z / odd
        total += power
    return Decimal("0.5") - density * total


@dataclass(frozen=True)
class VoltageTable:
    """Error rates at some voltages; between them the logarithm of the rate is a straight line.

    Where one of two neighbours is 0, the rate itself is a straight line. Outside the table nothing is known, and
    nothing is made up.

    Parameters
    ----------
    voltages_v : sequence of float
        At least two, ascending.
    rates : sequence of float
        Of each voltage, from 0 to 1; no higher voltage may have a greater rate.
    title : str
        For messages.
    """

    voltages_v: tuple[float, ...]
    rates: tuple[float, ...]
    title: str = "voltage table"

    def __init__(
        self, voltages_v: Sequence[float], rates: Sequence[float], title: str = "voltage table"
    ) -> None:
        object.__setattr__(
            self, "voltages_v", tuple(real_number(f"{title}: voltage", each) for each in voltages_v)
        )
        object.__setattr__(self, "rates", tuple(real_number(f"{title}: rate", each) for each in rates))
        object.__setattr__(self, "title", title)
        if len(self.voltages_v) != len(self.rates) or len(self.rates) < 2:
            raise InputError(
                f"{title}: {len(self.voltages_v)} voltages and {len(self.rates)} rates: must be as many, at least 2"
            )
        for row, (volts, rate) in enumerate(zip(self.voltages_v, self.rates, strict=True), 1):
            if not isfinite(volts) or volts <= 0:
                raise InputError(f"{title}: row {row}: voltage {volts}: must be a number above 0")
            if not 0.0 <= rate <= 1.0:
                raise InputError(f"{title}: row {row}: rate {rate}: must be from 0 to 1")
        for row, (before, after) in enumerate(pairwise(self.voltages_v), 2):
            if after <= before:
                raise InputError(f"{title}: row {row}: voltage {after} after {before}: must ascend")
        for row, (before, after) in enumerate(pairwise(self.rates), 2):
            if after > before:
                raise InputError(
                    f"{title}: row {row}: rate {after} after {before}: must not rise with the voltage"
                )

    @classmethod
    def load(cls, path: str | Path) -> VoltageTable:
        """Read a CSV file with the header ``voltage_v,rate``.

        Raises
        ------
        InputError
            For anything else, with the line.
        """
        path = Path(path)
        lines = read_text(path, _LONGEST_FILE_BYTES, "table of voltages").splitlines()
        return cls(*_columns(path, lines), title=str(path))

    def rate(self, voltage_v: float) -> float:
        """Return the probability that a stored bit is read wrongly at a supply voltage.

        Raises
        ------
        InputError
            For a voltage outside the table.
        """
        voltage_v = _check_voltage(voltage_v)
        first, last = self.voltages_v[0], self.voltages_v[-1]
        if not first <= voltage_v <= last:
            raise InputError(f"{self.title}: {voltage_v} V: the table is from {first} to {last} V")
        if voltage_v in self.voltages_v:
            return self.rates[self.voltages_v.index(voltage_v)]
        above = next(place for place, volts in enumerate(self.voltages_v) if volts > voltage_v)
        with localcontext() as context:
            context.prec = _DIGITS
            low, high = Decimal(self.voltages_v[above - 1]), Decimal(self.voltages_v[above])
            share = (Decimal(voltage_v) - low) / (high - low)
            left, right = Decimal(self.rates[above - 1]), Decimal(self.rates[above])
            if not left or not right:
                return float(left + share * (right - left))
            return float((left.ln() + share * (right.ln() - left.ln())).exp())


def _check_voltage(voltage_v: float) -> float:
    found = real_number("voltage_v", voltage_v)
    if not isfinite(found) or found <= 0:
        raise InputError(f"voltage_v = {voltage_v}: must be a number above 0")
    return found


def _columns(path: Path, lines: list[str]) -> tuple[list[float], list[float]]:
    if not lines or [part.strip() for part in lines[0].split(",")] != ["voltage_v", "rate"]:
        found = printable(lines[0][:80]) if lines else ""
        raise InputError(f"{path}: line 1: {found!r}: must be the header voltage_v,rate")
    volts, rates = [], []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        parts = line.split(",")
        try:
            one, other = (float(part) for part in parts)
        except ValueError:
            raise InputError(
                f"{path}: line {number}: {printable(line[:80])!r}: must be two numbers, voltage_v,rate"
            ) from None
        volts.append(one)
        rates.append(other)
    return volts, rates
