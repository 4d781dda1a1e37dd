"""Exact factors of a table of products: a table of rank r is a sum of r products of maps of one operand.

Rank reduction: a pivot, its column and its row give one term, and the rest has exactly one rank less. All in whole
numbers, with one common denominator, so a rest of 0 proves the rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, lcm
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from archsim.approx.base import TABLE_BITS, Ints, Multiplier
from archsim.approx.tables import TableMultiplier
from archsim.errors import InputError

#: Largest rank that is looked for.
MOST_RANK = 10
#: Whole numbers beyond are not computed with; a table that would need them has no factors here.
_LIMIT = 1 << 62
_PRIME = (1 << 31) - 1


@dataclass(frozen=True, eq=False)
class Factors:
    """A product as ``sum over r of left[r, a] * right[r, b] / denominator``, exactly.

    Attributes
    ----------
    left, right : ndarray of int64, shape (rank, 2**bits)
        By operands in ascending order.
    denominator : int
        At least 1; divides every sum.
    """

    left: Ints
    right: Ints
    denominator: int = 1

    @property
    def rank(self) -> int:
        """Terms."""
        return len(self.left)

    @property
    def bound(self) -> int:
        """A bound of the sum of the magnitudes of all terms, before the division."""
        return sum(_most(a) * _most(b) for a, b in zip(self.left, self.right, strict=True))

    def table(self) -> Ints:
        """Return all products."""
        return np.asarray(np.einsum("ra,rb->ab", self.left, self.right) // self.denominator, np.int64)


def _most(values: Ints) -> int:
    return max(int(values.max()), -int(values.min())) if values.size else 0


def factorise(table: NDArray[np.integer], limit: int = MOST_RANK) -> Factors | None:
    """Return the factors of a table of rank at most ``limit``, or None for a higher rank or too large numbers.

    The factors are multiplied out again and compared with the whole table.

    Parameters
    ----------
    table : ndarray of int, shape (rows, columns)
    limit : int

    Raises
    ------
    InputError
        For another shape, or numbers that are not whole.
    """
    given = np.asarray(table)
    if given.ndim != 2 or given.dtype.kind not in "iu":
        raise InputError(
            f"table: shape {given.shape}, of type {given.dtype}: must be whole numbers, (rows, columns)"
        )
    rest = np.array(given, np.int64)
    below = 1  # the denominator of the rest
    terms: list[tuple[int, int, Ints, Ints]] = []
    while rest.any():  # one rank less each time
        if len(terms) == limit:
            return None
        size = np.abs(rest)
        size[size == 0] = np.iinfo(np.int64).max
        i, j = np.unravel_index(int(size.argmin()), size.shape)
        pivot, column, row = int(rest[i, j]), rest[:, j].copy(), rest[i].copy()
        if abs(pivot) * _most(rest) + _most(column) * _most(row) >= _LIMIT:
            return None
        over_column, over_row = int(np.gcd.reduce(column)), int(np.gcd.reduce(row))
        terms.append((over_column * over_row, below * pivot, column // over_column, row // over_row))
        rest = pivot * rest - np.multiply.outer(column, row)
        common = gcd(int(np.gcd.reduce(rest, axis=None)), below * pivot)
        rest, below = rest // common, below * pivot // common
    return _checked(terms, table)


def _checked(terms: list[tuple[int, int, Ints, Ints]], table: NDArray[np.integer]) -> Factors | None:
    whole = lcm(*(below // gcd(over, below) for over, below, _, _ in terms)) if terms else 1
    scaled = [(over * whole // below, left, right) for over, below, left, right in terms]
    if whole * _most(np.asarray(table, np.int64)) >= _LIMIT:
        return None
    if sum(abs(over) * _most(left) * _most(right) for over, left, right in scaled) >= _LIMIT:
        return None
    rows, columns = table.shape
    left = np.array([over * left for over, left, _ in scaled], np.int64).reshape(-1, rows)
    factors = Factors(left, np.array([right for _, _, right in scaled], np.int64).reshape(-1, columns), whole)
    products = np.einsum("ra,rb->ab", factors.left, factors.right)
    assert (products == whole * np.asarray(table, np.int64)).all()
    return factors


_FOUND: WeakKeyDictionary[Multiplier, Factors | None] = WeakKeyDictionary()
_NAMED: dict[Multiplier, Factors | None] = {}


def factors_of(multiplier: Multiplier) -> Factors | None:
    """Return the factors of a multiplier, or None where there are none of small rank; found once.

    Up to 10 bits they come from the table of products. Above, they are the terms by which the design is defined.
    """
    known = _FOUND if isinstance(multiplier, TableMultiplier) else _NAMED
    if multiplier not in known:
        if multiplier.bits <= TABLE_BITS:
            known[multiplier] = factorise(multiplier.table())
        else:
            known[multiplier] = _from_terms(multiplier)
    return known[multiplier]


def _from_terms(multiplier: Multiplier) -> Factors | None:
    terms = multiplier.terms()
    if terms is None:
        return None
    operands = multiplier.operands()
    left = np.array([number * function(operands) for number, function, _ in terms])
    return Factors(left, np.array([function(operands) for _, _, function in terms]))


def rank_modulo(table: NDArray[np.integer]) -> int:
    """Return the rank of a table modulo 2**31 - 1, which is at most its rank over the rational numbers."""
    rest = np.asarray(table, np.int64) % _PRIME
    rank = 0
    for column in range(rest.shape[1]):
        below = np.flatnonzero(rest[rank:, column])
        if not below.size:
            continue
        rest[[rank, rank + below[0]]] = rest[[rank + below[0], rank]]
        rest[rank] = rest[rank] * pow(int(rest[rank, column]), -1, _PRIME) % _PRIME
        others = rest[rank + 1 :, column].copy()
        rest[rank + 1 :] = (rest[rank + 1 :] - np.multiply.outer(others, rest[rank]) % _PRIME) % _PRIME
        rank += 1
        if rank == rest.shape[0]:
            break
    return rank
