"""What turns fractions of full scale into codes: the least that users of a converter need of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.analog.arrays import numbers, whole
from archsim.analog.metrology import ideal_codes
from archsim.analog.nnadc.scheme import compand, expand
from archsim.analog.nnadc.spec import Scheme
from archsim.errors import InputError

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

MOST_BITS = 24


class Quantiser(Protocol):
    """An `archsim.analog.nnadc.Converter`, an `IdealQuantiser`, or anything alike."""

    bits: int
    scheme: Scheme
    clipped: int

    def convert(self, inputs: ArrayLike, first: int = 0) -> I64:
        """Return the codes of samples ``first`` and following, shape (samples,)."""


@dataclass
class IdealQuantiser:
    """Even steps of ``f(x)`` (see `Scheme`), no noise; inputs beyond full scale are clipped and counted."""

    bits: int
    scheme: Scheme = field(default_factory=Scheme)
    clipped: int = 0

    def __post_init__(self) -> None:
        self.bits = whole("bits", self.bits, 1, MOST_BITS)

    def convert(self, inputs: ArrayLike, first: int = 0) -> I64:
        """Return the codes of inputs, shape (samples,); ``first`` changes nothing."""
        x = np.atleast_1d(numbers(inputs, "inputs"))
        if not np.isfinite(x).all():
            raise InputError("inputs: must be finite")
        self.clipped += int(np.count_nonzero((x < 0.0) | (x > 1.0)))
        return ideal_codes(compand(self.scheme, np.clip(x, 0.0, 1.0)), self.bits)


def checked_quantiser(converter: Any) -> Quantiser:
    """Return what can convert.

    Raises
    ------
    InputError
        For anything else.
    """
    if not all(hasattr(converter, name) for name in ("bits", "scheme", "convert")):
        kind = type(converter).__name__
        raise InputError(f"converter of type {kind}: must be calibrated(adc), IdealQuantiser(bits), or alike")
    found: Quantiser = converter
    return found


def reconstructed(quantiser: Quantiser, codes: I64) -> F64:
    """Return the input that a code stands for, in full scales: the middle of its step, in the scheme's domain."""
    return expand(quantiser.scheme, (codes + 0.5) / (1 << quantiser.bits))
