"""Contents of embedding tables, filled by a seeded rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from archsim.errors import InputError
from archsim.nmp.operators import ROWWISE

#: Significant bits and step of the elements of each type; every value is exact in that type and in FP32.
_PRECISION = {
    "float32": (24, 2.0**-23),
    "float16": (11, 2.0**-10),
    "bfloat16": (8, 2.0**-7),
    "int8": (8, 1.0),
    ROWWISE: (8, 1.0),
}
_ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1, ROWWISE: 1}
#: Numbers behind the elements of an 8-bit row, FP32 each: scale and bias.
_SCALE_AND_BIAS = 2
#: Elements of an 8-bit row in each of its 64-byte pieces, where a row is split: beside them, its scale and bias.
PIECE_ELEMENTS = 64 - 4 * _SCALE_AND_BIAS

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TableContents:
    """What the embedding tables hold: a pseudo-random value in [-1, 1) (int8: [-128, 128)) for every element.

    Nothing is stored; element ``e`` of row ``r`` of table ``t`` is a hash of (seed, t, r, e). The hash is integer
    arithmetic, so every machine fills the tables alike. Rows of ``uint8-rowwise`` have elements 0 to 255, and behind
    them a scale in (0, 2^-7] and a bias in [-1, 1).

    Parameters
    ----------
    seed : int
        Seed of the rule.
    vector_bytes : sequence of int
        Bytes of a vector, per table.
    dtypes : sequence of str
        Element type, per table: float32, float16, bfloat16, int8 or uint8-rowwise.
    """

    seed: int
    vector_bytes: Sequence[int]
    dtypes: Sequence[str]

    @cached_property
    def elements(self) -> npt.NDArray[np.int64]:
        """Elements of a vector, per table."""
        items = np.array([_ITEM_BYTES[dtype] for dtype in self.dtypes], np.int64)
        elements = np.array(self.vector_bytes, np.int64) - 4 * _SCALE_AND_BIAS * self.rowwise
        return elements // items

    @cached_property
    def rowwise(self) -> npt.NDArray[np.bool_]:
        """Whether a table has 8-bit rows, which end with their scale and bias."""
        return np.array([dtype == ROWWISE for dtype in self.dtypes], np.bool_)

    @cached_property
    def bits(self) -> npt.NDArray[np.int64]:
        """Significant bits of an element, per table."""
        return np.array([_PRECISION[dtype][0] for dtype in self.dtypes], np.int64)

    @cached_property
    def scales(self) -> Floats:
        """Step between neighbouring values, per table."""
        return np.array([_PRECISION[dtype][1] for dtype in self.dtypes], np.float32)

    @cached_property
    def keys(self) -> npt.NDArray[np.uint32]:
        """Key of each table's contents."""
        numbers = np.arange(len(self.dtypes), dtype=np.uint32)
        low, high = np.uint32(self.seed & 0xFFFFFFFF), np.uint32(self.seed >> 32 & 0xFFFFFFFF)
        return _mix32(_mix32(_mix32(numbers + np.uint32(1)) ^ low) + high)

    def stored(self, table: int, rows: npt.ArrayLike) -> Floats:
        """Return the numbers that rows of one table hold, as FP32: the NumPy statement of the rule.

        Parameters
        ----------
        table : int
            The table.
        rows : int array [rows]
            Its rows.

        Returns
        -------
        float32 array [rows, elements], or [rows, elements + 2] with the scale and the bias of 8-bit rows
        """
        row = np.asarray(rows, dtype=np.int64)
        low = (row & 0xFFFFFFFF).astype(np.uint32)
        high = (row >> 32).astype(np.uint32)
        key = _mix32(_mix32(low ^ self.keys[table]) + high)
        elements, bits = int(self.elements[table]), int(self.bits[table])
        numbers = elements + _SCALE_AND_BIAS * int(self.rowwise[table])
        index = np.arange(numbers, dtype=np.uint32) * np.uint32(0x9E3779B9)
        word = _mix32(key[:, None] + index)
        values: Floats = (word >> np.uint32(32 - bits)).astype(np.float32)
        if self.rowwise[table]:
            fraction = (word[:, elements:] >> np.uint32(8)).astype(np.float32)
            values[:, elements] = (fraction[:, 0] + np.float32(1)) * np.float32(2.0**-31)
            values[:, elements + 1] = (fraction[:, 1] - np.float32(2.0**23)) * np.float32(2.0**-23)
        else:
            values -= np.float32(1 << (bits - 1))
            values *= self.scales[table]
        return values

    def vectors(self, table: int, rows: npt.ArrayLike) -> Floats:
        """Return rows of one table as the values they stand for, rounded to FP32, shape [rows, elements]."""
        stored = self.stored(table, rows)
        return self.terms(table, stored, np.ones(len(stored), np.float32))

    def terms(self, table: int, stored: Floats, weights: Floats) -> Floats:
        """Return what the rank units add, operation by operation in FP32.

        Parameters
        ----------
        table : int
            The table.
        stored : float32 array [rows, elements (+ 2)]
            Rows as `stored` returns them.
        weights : float32 array [rows]
            Factors; 1 for plain sums.

        Returns
        -------
        float32 array [rows, elements]
        """
        if not self.rowwise[table]:
            return stored * weights[:, None]
        scale, bias = stored[:, -2] * weights, stored[:, -1] * weights
        values: Floats = stored[:, :-2] * scale[:, None]
        values += bias[:, None]
        return values


class RowLayout(NamedTuple):
    """How the rows of each table are stored, by which a burst holds which of their elements.

    Attributes
    ----------
    offset : int64 array [tables]
        Where in its first burst row 0 begins, in bytes.
    stride : int64 array [tables]
        Bytes from one row to the next.
    piece : int64 array [tables]
        Elements in each piece of an 8-bit row that is split; 0: it is whole, its scale and bias at its end.
    """

    offset: npt.NDArray[np.int64]
    stride: npt.NDArray[np.int64]
    piece: npt.NDArray[np.int64]

    @classmethod
    def packed(cls, contents: TableContents) -> RowLayout:
        """Return the layout of whole rows one after another."""
        stride = np.array(contents.vector_bytes, np.int64)
        return cls(np.zeros_like(stride), stride, np.zeros_like(stride))


def _mix32(x: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return the integer hash ``mix32`` of ``kernels/sums.h``, on arrays."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def result_bursts(contents: TableContents) -> npt.NDArray[np.int32]:
    """Return the 64-byte bursts of one pooled result, per table; results are FP32 whatever the table holds."""
    return (-(-contents.elements * 4 // 64)).astype(np.int32)


def check_types(dtypes: Sequence[str], names: Sequence[str]) -> None:
    """Refuse element types whose sums the units cannot form."""
    for dtype, name in zip(dtypes, names, strict=True):
        if dtype not in _PRECISION:
            raise InputError(f"table {name!r}: element type {dtype!r} (valid: {', '.join(_PRECISION)})")
