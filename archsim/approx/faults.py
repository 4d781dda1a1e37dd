"""Faults of stored words: bits that are read as something else than what was written, by place and by rate.

A word of ``n`` bits in two's complement is the sum of ``v_b`` over its one bits, with ``v_b = 2**b`` but ``-2**(n-1)``
for the highest. Every stored bit is hit or not apart from all others. Which bits are hit follows from a key and the
place of the word alone (SplitMix64 by counter): the same key gives the same faults on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.approx.base import MOST_BITS, Ints
from archsim.approx.checks import as_array, real_number, whole_number
from archsim.errors import InputError
from archsim.traces.counter import draw

Floats = NDArray[np.float64]
Rates = float | Sequence[float] | Floats
#: Steps of a probability: random words are compared as multiples of 2**-53.
_STEPS = 2.0**53


class VoltageModel(Protocol):
    """Whatever gives the error rate of a bit at a supply voltage."""

    def rate(self, voltage_v: float) -> float:
        """Return the probability that a stored bit is read wrongly."""
        ...


@dataclass(frozen=True)
class StorageFaults:
    """How often a stored bit is read as the other value, by what was stored and by its place in the word.

    Use `flips`, `asymmetric`, `stuck_at` or `at_voltage` to make one.

    Parameters
    ----------
    bits : int
        Width of the words, two's complement; 2 to 16.
    zero_to_one, one_to_zero : tuple of float, one for each bit, bit 0 first
        Probability that a stored 0 is read as 1, and a stored 1 as 0.
    stuck : bool
        Cells are stuck: one draw decides for a cell whether it holds 1, holds 0 or works, whatever is stored. Else a
        draw decides whether what is stored is inverted. Both have the same probabilities for a given word; they
        differ once other words are stored in the same cells.
    """

    bits: int
    zero_to_one: tuple[float, ...]
    one_to_zero: tuple[float, ...]
    stuck: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", _width(self.bits))
        for name in ("zero_to_one", "one_to_zero"):
            object.__setattr__(self, name, _rates(name, getattr(self, name), self.bits))
        if self.stuck:
            for bit, (one, zero) in enumerate(zip(self.zero_to_one, self.one_to_zero, strict=True)):
                if one + zero > 1:
                    raise InputError(
                        f"storage faults: bit {bit}: stuck at 1 with {one} and at 0 with {zero}: more than 1 together"
                    )

    @classmethod
    def flips(cls, bits: int, rate: Rates) -> StorageFaults:
        """Return faults that invert a bit with probability ``rate``: one for all, or one for each bit from bit 0 on."""
        each = _rates("rate", rate, bits)
        return cls(bits, each, each)

    @classmethod
    def asymmetric(cls, bits: int, *, zero_to_one: Rates = 0.0, one_to_zero: Rates = 0.0) -> StorageFaults:
        """Return faults whose rate depends on what is stored."""
        return cls(bits, _rates("zero_to_one", zero_to_one, bits), _rates("one_to_zero", one_to_zero, bits))

    @classmethod
    def stuck_at(cls, bits: int, *, zero: Rates = 0.0, one: Rates = 0.0) -> StorageFaults:
        """Return faults of cells that always hold 0, or always 1, with these probabilities."""
        return cls(bits, _rates("one", one, bits), _rates("zero", zero, bits), stuck=True)

    @classmethod
    def at_voltage(cls, bits: int, voltage_v: float, model: VoltageModel) -> StorageFaults:
        """Return symmetric flips at the rate that a model gives for a supply voltage."""
        return cls.flips(bits, model.rate(voltage_v))

    @property
    def none(self) -> bool:
        """Whether nothing can go wrong."""
        return not any(self.zero_to_one) and not any(self.one_to_zero)

    @property
    def bit_values(self) -> Floats:
        """What a one at each place counts, shape (bits,)."""
        values = np.array([2.0**bit for bit in range(self.bits)])
        values[-1] = -values[-1]
        return values

    def apply(self, words: ArrayLike, key: int) -> Ints:
        """Return the words as they are read.

        Parameters
        ----------
        words : array_like of int, any shape
            From -2**(bits-1) to 2**(bits-1) - 1.
        key : int
            A stream of random numbers (`archsim.traces.counter.stream_key`). Bit ``b`` of word ``i``, in C order, takes
            the number ``i * bits + b`` of it.

        Returns
        -------
        ndarray of int64, the same shape

        Raises
        ------
        InputError
            For words that do not fit.
        """
        stored = np.atleast_1d(self._words(words))
        key = whole_number("key", key, 0, (1 << 64) - 1)
        read = stored.copy()
        places = np.arange(stored.size, dtype=np.uint64).reshape(stored.shape) * np.uint64(self.bits)
        for bit in range(self.bits):
            to_one, to_zero = self.zero_to_one[bit], self.one_to_zero[bit]
            if not to_one and not to_zero:
                continue
            chance = (draw(np.uint64(key), places + np.uint64(bit)) >> np.uint64(11)).astype(np.int64)
            up, down = int(to_one * _STEPS), int(to_zero * _STEPS)
            one = (stored >> bit & 1).astype(bool)
            hit = np.where(one, (up <= chance) & (chance < up + down), chance < up) if self.stuck else (
                chance < np.where(one, down, up)
            )  # fmt: skip
            read ^= hit.astype(np.int64) << bit
        half = np.int64(1) << (self.bits - 1)
        return np.asarray(((read & (2 * half - 1)) ^ half) - half, np.int64).reshape(np.shape(words))

    def moments(self, words: ArrayLike) -> tuple[Floats, Floats]:
        """Return the mean and the variance of what faults add to each word, exactly.

        Bit ``b`` adds ``v_b`` with probability ``zero_to_one[b]`` if it is 0, and ``-v_b`` with ``one_to_zero[b]`` if
        it is 1. With ``m_b`` its mean and ``q_b`` its probability, bits being independent::

            mean     = sum of m_b
            variance = sum of v_b**2 (q_b - q_b**2)
            mean square = variance + mean**2

        The square of the mean holds the products of different bits, which therefore do not vanish for a given word.
        """
        stored = self._words(words)
        mean, variance = np.zeros(stored.shape), np.zeros(stored.shape)
        for bit, value in enumerate(self.bit_values):
            one = (stored >> bit & 1).astype(bool)
            chance = np.where(one, self.one_to_zero[bit], self.zero_to_one[bit])
            mean += np.where(one, -value, value) * chance
            variance += value * value * (chance - chance * chance)
        return mean, variance

    def uniform_moments(self) -> tuple[float, float]:
        """Return mean and variance of what faults add to a word whose bits are 0 or 1 evenly and independently.

        Bit ``b`` then adds ``v_b`` with probability ``zero_to_one[b] / 2`` and ``-v_b`` with ``one_to_zero[b] / 2``. Of
        symmetric flips the mean is 0 and the variance ``sum of 4**b rate_b``: there the products of different bits do
        vanish.
        """
        up, down = np.array(self.zero_to_one) / 2, np.array(self.one_to_zero) / 2
        values = self.bit_values
        mean = values * (up - down)
        return float(mean.sum()), float((values**2 * (up + down) - mean**2).sum())

    def _words(self, words: ArrayLike) -> Ints:
        array = as_array(words, "stored words")
        if array.dtype.kind not in "iu":
            raise InputError(
                f"stored words: of type {array.dtype}; must be whole numbers (quantise them first)"
            )
        limit = 1 << (self.bits - 1)
        wrong = (array < -limit) | (array >= limit)
        if wrong.any():
            place = np.argwhere(np.atleast_1d(wrong))[0].tolist()
            value = int(np.atleast_1d(array)[tuple(place)])
            raise InputError(f"stored word {place}: {value}: {self.bits} bits hold {-limit} to {limit - 1}")
        return array.astype(np.int64)


def _width(bits: int) -> int:
    return whole_number("storage faults: bits", bits, 2, MOST_BITS)


def _rates(name: str, rates: Rates, bits: int) -> tuple[float, ...]:
    bits = _width(bits)
    if isinstance(rates, list | tuple) or (isinstance(rates, np.ndarray) and rates.ndim == 1):
        each = [real_number(f"storage faults: {name} of bit {bit}", rate) for bit, rate in enumerate(rates)]
    else:
        each = [real_number(f"storage faults: {name}", rates)] * bits
    if len(each) != bits:
        raise InputError(f"storage faults: {name}: {len(each)} rates for words of {bits} bits")
    for bit, rate in enumerate(each):
        if not 0.0 <= rate <= 1.0:  # NaN fails as well
            raise InputError(f"storage faults: {name} of bit {bit}: {rate}: must be from 0 to 1")
    return tuple(each)
