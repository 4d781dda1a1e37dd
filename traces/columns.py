"""The facts about a trace's columns and tables, stated once.

Everything that walks over columns (structure check, content hash, native files, ``limit``, ``reorder``,
``trace_info``) reads `COLUMNS`; adding a column means adding one row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archsim.errors import InputError, nearest

ORDERS = ("sample-major", "table-major", "as-recorded")

ELEMENT_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1, "uint8-rowwise": 1}
"""Bytes per element of the data types an embedding table may hold."""

ROW_EXTRA_BYTES = {"uint8-rowwise": 8}
"""Bytes of a row behind its elements: an FP32 scale and an FP32 bias, as in Caffe2's fused 8-bit rows."""


def vector_bytes_rule(vector_bytes: int, dtype: str) -> str | None:
    """Return the rule that the size of a vector of this type breaks, or None."""
    element, extra = ELEMENT_BYTES[dtype], ROW_EXTRA_BYTES.get(dtype, 0)
    if extra and vector_bytes <= extra:
        return f"must be more than {extra}, the bytes of scale and bias at the end of a {dtype} vector"
    if vector_bytes % element:
        return f"must be a multiple of the {element} bytes of a {dtype} element"
    return None


@dataclass(frozen=True)
class Column:
    """One column of an `EmbeddingTrace`.

    Parameters
    ----------
    per : {"lookup", "bag", "boundary"}
        What one entry belongs to; there is one more boundary than there are bags.
    dtypes : tuple of str
        Accepted NumPy types. The first one is what the content hash is taken over.
    meaning : str
        One phrase for users.
    required : bool
        Whether every trace has it.
    """

    per: Literal["lookup", "bag", "boundary"]
    dtypes: tuple[str, ...]
    meaning: str
    required: bool = False

    def length(self, lookups: int, bags: int) -> int:
        """Return the number of entries in a trace of this many lookups and bags."""
        return {"lookup": lookups, "bag": bags, "boundary": bags + 1}[self.per]


COLUMNS = {
    "rows": Column("lookup", ("int64", "int32"), "row number inside the table", required=True),
    "bag_offsets": Column(
        "boundary", ("int64",), "first lookup of every bag, then the number of lookups", required=True
    ),
    "bag_tables": Column("bag", ("int32",), "table number", required=True),
    "time_ps": Column("bag", ("int64",), "arrival time in picoseconds"),
    "sample": Column("bag", ("int64",), "sample (query) the bag belongs to"),
    "user": Column("bag", ("int64",), "user the bag belongs to"),
    "weight": Column("lookup", ("float32",), "factor of a weighted sum"),
    "operation": Column("lookup", ("uint8",), "0 = read, 1 = update"),
}


@dataclass(frozen=True)
class Table:
    """An embedding table: what a row number counts and how many bytes a row holds.

    Parameters
    ----------
    name : str
        Label; not part of a trace's content hash.
    rows : int
        Number of vectors.
    vector_bytes : int
        Bytes per vector, a multiple of the element size; 8-bit rows include their scale and bias.
    dtype : {"float32", "float16", "bfloat16", "int8", "uint8-rowwise"}
        Element type.

    Raises
    ------
    InputError
        A value is out of range.
    """

    name: str
    rows: int
    vector_bytes: int
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.dtype not in ELEMENT_BYTES:
            raise InputError(
                f"table {self.name!r}: unknown dtype {self.dtype!r}{nearest(self.dtype, ELEMENT_BYTES)}"
            )
        for field, value in (("rows", self.rows), ("vector_bytes", self.vector_bytes)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"table {self.name!r}: {field} = {value!r} must be an integer of at least 1")
        if rule := vector_bytes_rule(self.vector_bytes, self.dtype):
            raise InputError(f"table {self.name!r}: vector_bytes = {self.vector_bytes} {rule}")
        if self.footprint_bytes >= 2**63:
            raise InputError(
                f"table {self.name!r}: {self.footprint_bytes} bytes do not fit a 64-bit address space"
            )

    @property
    def elements(self) -> int:
        """Elements per vector."""
        return (self.vector_bytes - ROW_EXTRA_BYTES.get(self.dtype, 0)) // ELEMENT_BYTES[self.dtype]

    @property
    def footprint_bytes(self) -> int:
        """Bytes of the whole table."""
        return self.rows * self.vector_bytes
