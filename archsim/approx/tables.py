"""Multipliers of the user: a table of all products, or a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.approx.base import TABLE_BITS, TWOS_COMPLEMENT, Ints, Multiplier
from archsim.approx.checks import as_array, whole_number
from archsim.approx.costs import Cost
from archsim.errors import InputError


@dataclass(frozen=True, eq=False)
class TableMultiplier(Multiplier):
    """A multiplier given by all its products.

    Parameters
    ----------
    bits, signed
        Of the operands; at most 10 bits.
    products : ndarray of int32, shape (2**bits, 2**bits)
        By operands in ascending order, which begins with -2**(bits-1) if signed.
    title : str
        Its name.
    published : Cost, optional
        What the circuit takes.
    """

    products: NDArray[np.int32] = field(default_factory=lambda: np.zeros((256, 256), np.int32), repr=False)
    title: str = "table"
    published: Cost | None = None

    family: ClassVar[str] = "table"
    signed_form: ClassVar[str] = TWOS_COMPLEMENT

    def _check(self) -> None:
        if self.bits > TABLE_BITS:
            raise InputError(
                f"{self.title}: bits = {self.bits}: a table is held for at most {TABLE_BITS} bits"
            )
        size, found = 1 << self.bits, self.products
        if found.shape != (size, size):
            raise InputError(f"{self.title}: shape {found.shape}: {self.bits} bits need {(size, size)}")
        if found.dtype.kind not in "iu":
            raise InputError(f"{self.title}: of type {found.dtype}: products must be whole numbers")
        if max(-int(found.min()), int(found.max())) > np.iinfo(np.int32).max:
            raise InputError(f"{self.title}: a product does not fit in 32 bits")
        own = np.array(found, np.int32)
        own.setflags(write=False)
        object.__setattr__(self, "products", own)

    def __eq__(self, other: object) -> bool:
        # Not that of all multipliers, which compares bits and sign alone: what is known of one table (factors, moments
        # of errors) is kept by the table.
        if not isinstance(other, TableMultiplier):
            return NotImplemented
        mine, theirs = ((each.bits, each.signed, each.title, each.published) for each in (self, other))
        return mine == theirs and np.array_equal(self.products, other.products)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.bits, self.signed, self.title, self.sha256))

    @property
    def name(self) -> str:
        """The title."""
        return self.title

    def _multiply(self, a: Ints, b: Ints) -> Ints:
        return self.products[a - self.low, b - self.low].astype(np.int64)

    def table(self) -> NDArray[np.int32]:
        """Return the products."""
        return self.products

    @property
    def cost(self) -> Cost | None:
        """What was published with the table."""
        return self.published

    @property
    def sha256(self) -> str:
        """The SHA-256 of the products as little-endian 32-bit words, row by row."""
        return sha256(self.products.astype("<i4").tobytes()).hexdigest()


def from_table(
    products: ArrayLike, *, signed: bool = False, title: str = "table", cost: Cost | None = None
) -> TableMultiplier:
    """Return the multiplier of a table of products.

    Parameters
    ----------
    products : array_like of int, shape (2**bits, 2**bits)
        By operands in ascending order: of 8 bits from 0 to 255, or from -128 to 127 if signed.
    signed : bool
    title : str
    cost : Cost, optional

    Raises
    ------
    InputError
        For another shape, numbers that are not whole, or a product beyond 32 bits.
    """
    array = as_array(products, title)
    if array.dtype.kind == "f":
        array = whole(array, title)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.shape[0] not in _SIZES:
        raise InputError(
            f"{title}: shape {array.shape}: must be 2**bits squared, with 4 to {TABLE_BITS} bits"
        )
    return TableMultiplier(_SIZES[array.shape[0]], signed, array, title, cost)


_SIZES = {1 << bits: bits for bits in range(4, TABLE_BITS + 1)}


def whole(array: NDArray[np.floating], title: str) -> Ints:
    """Return floats that are whole numbers as such; refuse others, NaN among them."""
    sound = np.isfinite(array) & (np.abs(array) < 2.0**53)
    sound[sound] = array[sound] == np.floor(array[sound])
    if not sound.all():
        place = np.argwhere(~sound)[0].tolist()
        raise InputError(f"{title}: entry {place}: {array[tuple(place)]}: products must be whole numbers")
    return array.astype(np.int64)


def from_function(
    function: Callable[[int, int], int], *, bits: int = 8, signed: bool = False, title: str = "function"
) -> TableMultiplier:
    """Return the multiplier of a function of two Python integers, which is called for every pair of operands.

    Parameters
    ----------
    function : callable
    bits : int
        At most 10.
    signed : bool
    title : str

    Raises
    ------
    InputError
        If the function returns anything but a whole number.
    """
    bits = whole_number(f"{title}: bits", bits, 4, TABLE_BITS)
    low = -(1 << (bits - 1)) if signed else 0
    operands = range(low, low + (1 << bits))
    table = np.empty((1 << bits, 1 << bits), np.int64)
    for row, a in enumerate(operands):
        for column, b in enumerate(operands):
            value = function(a, b)
            if (
                isinstance(value, bool)
                or not isinstance(value, int | np.integer)
                or abs(int(value)) > 1 << 31
            ):
                raise InputError(f"{title}({a}, {b}) = {value!r}: must be a whole number of at most 32 bits")
            table[row, column] = int(value)
    return from_table(table, signed=signed, title=title)


def sign_magnitude(multiplier: Multiplier) -> TableMultiplier:
    """Return the signed multiplier that an unsigned one of magnitudes gives, with the sign of the exact product.

    Of as many bits, two's complement: magnitudes up to 2**(bits-1) are multiplied. Its cost is that of the unsigned
    one, and its source says so: the negations of operands and product take more, which nothing cited says.

    Parameters
    ----------
    multiplier : Multiplier
        Unsigned, of at most 10 bits.

    Raises
    ------
    InputError
        For a signed multiplier, or a wider one.
    """
    if multiplier.signed:
        raise InputError(f"{multiplier.label}: is signed already")
    half = 1 << (multiplier.bits - 1)
    operands = np.arange(-half, half)
    sizes = np.abs(operands)
    products = multiplier.table()[np.ix_(sizes, sizes)].astype(np.int64)
    negative = operands < 0
    signed = np.where(negative[:, None] != negative[None, :], -products, products)
    cost = multiplier.cost
    if cost is not None:
        cost = replace(cost, source=f"{cost.source}; unsigned, without the negations of operands and product")
    return from_table(signed, signed=True, title=multiplier.name, cost=cost)
