"""What every multiplier of integers has: a frozen description, a bit-true product, a table, and its cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.approx.checks import as_array, whole_number
from archsim.approx.costs import Cost, cost_of
from archsim.errors import InputError

Ints = NDArray[np.int64]
#: A product as a sum of terms ``coefficient * left(a) * right(b)``, each map from operands to integers.
Terms = tuple[tuple[int, Callable[[Ints], Ints], Callable[[Ints], Ints]], ...]

MOST_BITS = 16
#: Widest operands whose table of products is held.
TABLE_BITS = 10
SIGN_MAGNITUDE, TWOS_COMPLEMENT = "sign-magnitude", "two's complement"

#: Place of the leading one of 0 to 2**16; of 0 it is 0.
_LEADING = np.frexp(np.arange((1 << MOST_BITS) + 1, dtype=np.float64))[1].astype(np.int64) - 1
_LEADING[0] = 0


def leading_one(values: Ints) -> Ints:
    """Return the place of the highest one bit of values from 0 to 2**16; of 0 it is 0."""
    return _LEADING[values]


@dataclass(frozen=True)
class Multiplier:
    """A multiplier of two operands of ``bits`` bits.

    Parameters
    ----------
    bits : int
        Width of both operands.
    signed : bool
        Two's complement operands, from -2**(bits-1) on; else from 0 on. Products are whole numbers with a sign.

    Notes
    -----
    A signed multiplier in ``sign-magnitude`` form multiplies magnitudes, which fit in ``bits`` bits even for
    -2**(bits-1), and gives the product the sign of the exact one. In ``two's complement`` form the circuit works on the
    bits of the operands as they are.
    """

    bits: int = 8
    signed: bool = False

    family: ClassVar[str] = ""
    signed_form: ClassVar[str] = SIGN_MAGNITUDE
    least_bits: ClassVar[int] = 4

    def __post_init__(self) -> None:
        bits = whole_number(f"{self.family}: bits", self.bits, self.least_bits, MOST_BITS)
        if not isinstance(self.signed, bool | np.bool_):
            raise InputError(f"{self.family}: signed = {self.signed!r}: must be True or False")
        object.__setattr__(self, "bits", bits)
        object.__setattr__(self, "signed", bool(self.signed))
        self._check()

    def _check(self) -> None:
        """Refuse impossible parameters."""

    def _refuse(self, name: str, value: int, low: int, high: int, why: str = "") -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            rule = f"must be a whole number from {low} to {high} for {self.bits} bits{why}"
            raise InputError(f"{self.family}: {name} = {value}: {rule}")

    @property
    def name(self) -> str:
        """The name that `archsim.approx.multiplier` takes."""
        return self.family

    @property
    def low(self) -> int:
        """The least operand."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The greatest operand."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @property
    def label(self) -> str:
        """The name, width and signedness, for messages."""
        return f"{self.name}, {self.bits} bits, {'signed' if self.signed else 'unsigned'}"

    def operands(self) -> Ints:
        """Return all operands in ascending order, shape (2**bits,)."""
        return np.arange(self.low, self.high + 1, dtype=np.int64)

    def check_operands(self, values: ArrayLike, what: str = "operand") -> NDArray[Any]:
        """Return an array of whole numbers that are operands of this multiplier.

        Raises
        ------
        InputError
            For anything that is no whole number (NaN among them), and values outside the range.
        """
        array = as_array(values, what)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            place = np.argwhere(~np.isfinite(np.atleast_1d(array)))[0].tolist()
            raise InputError(
                f"{what} {place}: {array.flat[0] if array.ndim == 0 else array[tuple(place)]} is no number"
            )
        if array.dtype.kind not in "iu":
            raise InputError(f"{what}: of type {array.dtype}; must be whole numbers (quantise them first)")
        info = np.iinfo(array.dtype)
        if array.size and (info.min < self.low or info.max > self.high):
            least, greatest = int(array.min()), int(array.max())
            if least < self.low or greatest > self.high:
                wrong = least if least < self.low else greatest
                place = np.argwhere(np.atleast_1d(array == wrong))[0].tolist()
                hint = "; the multiplier is unsigned" if wrong < 0 and not self.signed else ""
                raise InputError(
                    f"{what} {place}: {wrong}: {self.label} takes {self.low} to {self.high}{hint}"
                )
        return array

    def multiply(self, a: ArrayLike, b: ArrayLike) -> Ints:
        """Multiply bit for bit as the circuit does.

        Parameters
        ----------
        a, b : array_like of int
            Operands; shapes broadcast.

        Returns
        -------
        ndarray of int64

        Raises
        ------
        InputError
            For operands that are no whole numbers or do not fit.
        """
        a = self.check_operands(a, "first operand").astype(np.int64)
        b = self.check_operands(b, "second operand").astype(np.int64)
        try:
            np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            raise InputError(
                f"operands of shapes {a.shape} and {b.shape}: must be of one shape or broadcast"
            ) from None
        return np.asarray(self._multiply(a, b), np.int64)

    def _multiply(self, a: Ints, b: Ints) -> Ints:
        """Multiply operands already checked."""
        if not self.signed:
            return self._product(a, b)
        product = self._product(np.abs(a), np.abs(b))
        return np.where((a < 0) != (b < 0), -product, product)

    def _product(self, a: Ints, b: Ints) -> Ints:
        """Multiply magnitudes, from 0 to 2**bits - 1."""
        raise NotImplementedError

    @cached_property
    def _table(self) -> NDArray[np.int32]:
        operands = self.operands()
        table = self._multiply(operands[:, None], operands[None, :])
        if table.size and max(-int(table.min()), int(table.max())) > np.iinfo(np.int32).max:
            raise InputError(f"{self.label}: a product does not fit in 32 bits")
        out = np.ascontiguousarray(table, np.int32)
        out.setflags(write=False)
        return out

    def table(self) -> NDArray[np.int32]:
        """Return all products, shape (2**bits, 2**bits), by operands in ascending order; made once, read-only.

        Raises
        ------
        InputError
            Above 10 bits.
        """
        if self.bits > TABLE_BITS:
            raise InputError(f"{self.label}: a table is held for at most {TABLE_BITS} bits")
        return self._table

    def terms(self) -> Terms | None:
        """Return the product as a short sum of products of maps of one operand, or None where there is none.

        The maps take operands, negative ones among them, to integers.
        """
        return None

    @property
    def cost(self) -> Cost | None:
        """Energy, delay and area of the circuit from a cited source, or None where none was found.

        A design whose products are those of a plainer one, such as DRUM of all bits, has the cost of that one.
        """
        own = cost_of(self.name, self.bits, self.signed)
        if own is not None or self.plainer == (self.name, self.bits):
            return own
        name, bits = self.plainer
        cost = cost_of(name, bits, self.signed)
        return cost and replace(cost, source=f"{cost.source}; {self.label}, is {name} of {bits} bits")

    @property
    def plainer(self) -> tuple[str, int]:
        """Name and bits of the plainest design with the same circuit, operands that are cut off left out."""
        return self.name, self.bits


class Remap(Multiplier):
    """A multiplier that changes each operand on its own and multiplies what comes out exactly."""

    def _map(self, values: Ints) -> Ints:
        raise NotImplementedError

    def _product(self, a: Ints, b: Ints) -> Ints:
        return self._map(a) * self._map(b)

    def terms(self) -> Terms:
        """Return the one term."""
        each = odd(self._map) if self.signed else self._map
        return ((1, each, each),)


def odd(function: Callable[[Ints], Ints]) -> Callable[[Ints], Ints]:
    """Extend a map of magnitudes to negative operands: f(-x) = -f(x)."""

    def extended(values: Ints) -> Ints:
        return np.sign(values) * function(np.abs(values))

    return extended
