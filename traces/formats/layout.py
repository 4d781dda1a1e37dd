"""What files of bare row numbers leave open about their tables, and the stated defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.traces.columns import Table

DEFAULT_VECTOR_BYTES = 128

ESTIMATED_ROWS = "rows per table estimated from the largest index"


@dataclass(frozen=True)
class Layout:
    """Properties of the tables that a file of row numbers does not record.

    Parameters
    ----------
    rows : int or sequence of int, optional
        Rows per table, one number for all or one per table; by default the largest row of each table plus
        one.
    vector_bytes : int, optional
        Bytes per vector. Stated default 128, 32 elements of float32: the RecNMP paper does not print its
        vector size.
    dtype : str
        Element type, see `archsim.traces.columns.ELEMENT_BYTES`.
    tables : int, optional
        Number of tables, for formats that do not tell it.

    Attributes
    ----------
    vectors_declared : bool
        Whether ``vector_bytes`` was given, and is not the default.
    """

    rows: int | Sequence[int] | None = None
    vector_bytes: int = None  # type: ignore[assignment]  # never None from __post_init__ on
    dtype: str = "float32"
    tables: int | None = None
    vectors_declared: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectors_declared", self.vector_bytes is not None)
        if self.vector_bytes is None:
            object.__setattr__(self, "vector_bytes", DEFAULT_VECTOR_BYTES)
        Table("of the file", 1, self.vector_bytes, self.dtype)

    @property
    def largest_rows(self) -> int:
        """Most rows of a table whose bytes can still be addressed with 63 bits."""
        return (2**63 - 1) // self.vector_bytes

    def declared_rows(self, file: Path, tables: int) -> list[int] | None:
        """Return the declared rows of every table, or None where they are to be estimated."""
        if self.tables is not None and self.tables != tables:
            raise InputError(f"{file}: tables = {self.tables}, but the file holds {tables} tables")
        if self.rows is None:
            return None
        declared = [self.rows] * tables if isinstance(self.rows, int) else list(self.rows)
        if len(declared) != tables:
            raise InputError(
                f"{file}: rows gives {len(declared)} table sizes, but the file holds {tables} tables"
            )
        for size in declared:
            if not 1 <= size <= self.largest_rows:
                raise InputError(f"{file}: rows = {size} must be from 1 to {self.largest_rows}")
        return declared

    def table_rows(
        self, declared: list[int] | None, rows: list[NDArray[Any]]
    ) -> tuple[list[int], tuple[str, ...]]:
        """Return the rows of every table, and a note where they are estimated."""
        if declared is not None:
            return declared, ()
        return [int(column.max(initial=0)) + 1 for column in rows], (ESTIMATED_ROWS,)


def narrow_rows(rows: NDArray[np.int64]) -> NDArray[Any]:
    """Store row numbers in 32 bits where they fit."""
    return rows.astype(np.int32) if rows.max(initial=0) < 2**31 else rows
