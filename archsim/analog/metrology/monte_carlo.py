"""How many of many devices are good: the same tests on each, and the share that meets given limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.analog.arrays import whole
from archsim.analog.metrology.static import Convert, ramp_test
from archsim.analog.metrology.sweeps import sine_test

MOST_DEVICES = 1_000_000
#: Half the width of a 95 % interval, in standard errors.
_SCORE_95 = 1.959963984540054


@dataclass(frozen=True)
class Limits:
    """What a good device keeps to; None is no limit."""

    least_enob: float | None = None
    most_dnl_lsb: float | None = None
    most_inl_lsb: float | None = None
    most_missing: int | None = None


@dataclass(frozen=True)
class Yield:
    """Figures of every device, and how many are good.

    Attributes
    ----------
    enob, dnl_max_lsb, inl_max_lsb : ndarray of float64, shape (devices,)
    missing : ndarray of int64, shape (devices,)
        Codes that never came on a ramp.
    good : ndarray of bool, shape (devices,)
        Which keep to all limits.
    """

    enob: NDArray[np.float64]
    dnl_max_lsb: NDArray[np.float64]
    inl_max_lsb: NDArray[np.float64]
    missing: NDArray[np.int64]
    good: NDArray[np.bool_]

    @property
    def share(self) -> float:
        """Share of good devices."""
        return float(self.good.mean())

    @property
    def ci95(self) -> tuple[float, float]:
        """Interval of 95 % of that share, after Wilson."""
        count, square = len(self.good), _SCORE_95**2
        middle = (self.share + square / (2 * count)) / (1 + square / count)
        spread = self.share * (1 - self.share) / count + square / (4 * count * count)
        half = _SCORE_95 * sqrt(spread) / (1 + square / count)
        # Rounding must not take the share out of its interval.
        return max(0.0, min(self.share, middle - half)), min(1.0, max(self.share, middle + half))


def monte_carlo(
    build: Callable[[int], Convert],
    bits: int,
    devices: int,
    limits: Limits | None = None,
    *,
    per_code: int = 4,
    **options: Any,
) -> Yield:
    """Test many devices.

    Parameters
    ----------
    build : callable
        From the number of a device, 0 and up, to its converter.
    bits : int
    devices : int
    limits : Limits, optional
        Default: none, and every device is good.
    per_code : int
        Of `ramp_test`: DNL and INL are then known to 1 / per_code LSB.
    **options
        Of `sine_test`.

    Returns
    -------
    Yield
    """
    whole("devices", devices, 1, MOST_DEVICES)
    rows = []
    for device in range(devices):
        convert = build(device)
        ramp = ramp_test(convert, bits, per_code)
        line = ramp.linearity
        enob = sine_test(convert, bits, **options).enob
        rows.append((enob, line.dnl_max_lsb, line.inl_max_lsb, len(ramp.missing)))
    enobs, dnls, inls, missing = (np.array(column) for column in zip(*rows, strict=True))
    limits = limits or Limits()
    good = np.ones(devices, np.bool_)
    if limits.least_enob is not None:
        good &= enobs >= limits.least_enob
    for values, most in (
        (dnls, limits.most_dnl_lsb),
        (inls, limits.most_inl_lsb),
        (missing, limits.most_missing),
    ):
        if most is not None:
            good &= values <= most
    return Yield(enobs, dnls, inls, missing, good)
