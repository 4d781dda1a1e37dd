"""Functional sums: tables filled by a seeded rule, pooled by the rank units and compared with NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from archsim.errors import InputError

#: Significant bits and step of the elements of each type; every value is exact in that type and in FP32.
_PRECISION = {
    "float32": (24, 2.0**-23),
    "float16": (11, 2.0**-10),
    "bfloat16": (8, 2.0**-7),
    "int8": (8, 1.0),
}
_ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
_FP32_EPSILON = 2.0**-23
_FP32_TINY = 2.0**-126
_FP32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class TableContents:
    """What the embedding tables hold: a pseudo-random value in [-1, 1) (int8: [-128, 128)) for every element.

    Nothing is stored; element ``e`` of row ``r`` of table ``t`` is a hash of (seed, t, r, e). The hash is integer
    arithmetic, so every machine fills the tables alike.

    Parameters
    ----------
    seed : int
        Seed of the rule.
    vector_bytes : sequence of int
        Bytes of a vector, per table.
    dtypes : sequence of str
        Element type, per table: float32, float16, bfloat16 or int8.
    """

    seed: int
    vector_bytes: Sequence[int]
    dtypes: Sequence[str]

    @cached_property
    def elements(self) -> npt.NDArray[np.int64]:
        """Elements of a vector, per table."""
        items = [_ITEM_BYTES[dtype] for dtype in self.dtypes]
        return np.array([size // item for size, item in zip(self.vector_bytes, items, strict=True)], np.int64)

    @cached_property
    def bits(self) -> npt.NDArray[np.int64]:
        """Significant bits of an element, per table."""
        return np.array([_PRECISION[dtype][0] for dtype in self.dtypes], np.int64)

    @cached_property
    def scales(self) -> npt.NDArray[np.float32]:
        """Step between neighbouring values, per table."""
        return np.array([_PRECISION[dtype][1] for dtype in self.dtypes], np.float32)

    @cached_property
    def keys(self) -> npt.NDArray[np.uint32]:
        """Key of each table's contents."""
        numbers = np.arange(len(self.dtypes), dtype=np.uint32)
        low, high = np.uint32(self.seed & 0xFFFFFFFF), np.uint32(self.seed >> 32 & 0xFFFFFFFF)
        return _mix32(_mix32(_mix32(numbers + np.uint32(1)) ^ low) + high)

    def vectors(self, table: int, rows: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return rows of one table as FP32, shape [rows, elements]: the NumPy statement of the rule."""
        row = np.asarray(rows, dtype=np.int64)
        low = (row & 0xFFFFFFFF).astype(np.uint32)
        high = (row >> 32).astype(np.uint32)
        key = _mix32(_mix32(low ^ self.keys[table]) + high)
        index = np.arange(self.elements[table], dtype=np.uint32) * np.uint32(0x9E3779B9)
        bits = int(self.bits[table])
        word = _mix32(key[:, None] + index) >> np.uint32(32 - bits)
        values: npt.NDArray[np.float32] = (word.astype(np.int32) - (1 << (bits - 1))).astype(np.float32)
        values *= self.scales[table]
        return values


def _mix32(x: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return the integer hash of ``archsim.kernels.sums.mix32``, on arrays."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def check_sums(
    contents: TableContents,
    rows: npt.NDArray[np.int64],
    table: int,
    weights: npt.NDArray[np.float32] | None,
    pooled: npt.NDArray[np.float32],
) -> float:
    """Compare one pooling with NumPy in float64.

    Parameters
    ----------
    contents : TableContents
        The tables.
    rows : int64 array [lookups]
        Rows pooled.
    table : int
        Their table.
    weights : float32 array [lookups] or None
        Factors, for a weighted sum.
    pooled : float32 array [elements]
        What the rank units returned.

    Returns
    -------
    float
        Largest absolute difference over the elements.

    Raises
    ------
    ArithmeticError
        When the difference exceeds what FP32 rounding explains: one unit in the last place of the sum of
        magnitudes per operation (Higham, Accuracy and Stability of Numerical Algorithms, section 4.2).
    """
    terms = contents.vectors(table, rows).astype(np.float64)
    if weights is not None:
        terms *= weights[:, None].astype(np.float64)
    exact = terms.sum(axis=0)
    magnitude = np.abs(terms).sum(axis=0)
    # Below the smallest normal number rounding is absolute; near the largest a sum may rightly overflow.
    bound = (len(rows) + 8) * (_FP32_EPSILON * magnitude + _FP32_TINY)
    finite = magnitude < _FP32_MAX
    error = np.where(finite, np.abs(pooled[: len(exact)].astype(np.float64) - exact), 0.0)
    if not np.all(error <= bound):
        worst = int(np.argmax(~(error <= bound)))
        raise ArithmeticError(
            f"pooled sum of {len(rows)} rows of table {table}: element {worst} is {pooled[worst]!r}, "
            f"NumPy says {exact[worst]!r}"
        )
    return float(error.max(initial=0.0))


def result_bursts(contents: TableContents) -> npt.NDArray[np.int32]:
    """Return the 64-byte bursts of one pooled result, per table; results are FP32 whatever the table holds."""
    return (-(-contents.elements * 4 // 64)).astype(np.int32)


def check_types(dtypes: Sequence[str], names: Sequence[str]) -> None:
    """Refuse element types whose sums the units cannot form."""
    for dtype, name in zip(dtypes, names, strict=True):
        if dtype not in _PRECISION:
            raise InputError(f"table {name!r}: element type {dtype!r} (valid: {', '.join(_PRECISION)})")
