"""Single bits flipped in stored vectors: seen by the rank units, unknown to the checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from archsim.errors import InputError
from archsim.nmp.functional import TableContents

#: Unsigned integer as wide as an element of each type.
_WORDS = {
    "float32": np.uint32,
    "float16": np.uint16,
    "bfloat16": np.uint16,
    "int8": np.uint8,
    "uint8-rowwise": np.uint8,
}


class Fault(NamedTuple):
    """One flipped bit; bit 0 is the lowest of the element as it is stored.

    Elements count from 0; in an 8-bit row the scale and the bias follow as two more of 32 bits each.
    """

    table: int
    row: int
    element: int
    bit: int


def flip(contents: TableContents, stored: npt.NDArray[np.float32], fault: Fault) -> None:
    """Flip one bit of ``stored`` (float32 [elements (+ 2)]), a row of `TableContents.stored`, in place."""
    dtype, elements = contents.dtypes[fault.table], int(contents.elements[fault.table])
    if not 0 <= fault.element < len(stored):
        raise InputError(f"{fault}: element must be 0 to {len(stored) - 1}")
    if fault.element >= elements:  # scale or bias
        dtype = "float32"
    width = 8 * np.dtype(_WORDS[dtype]).itemsize
    if not 0 <= fault.bit < width:
        raise InputError(f"{fault}: bit must be 0 to {width - 1} in {dtype}")
    at = slice(fault.element, fault.element + 1)
    if dtype == "bfloat16":  # the upper half of FP32
        stored[at] = (stored[at].view(np.uint32) ^ np.uint32(1 << (16 + fault.bit))).view(np.float32)
        return
    held = stored[at].astype({"uint8-rowwise": "uint8"}.get(dtype, dtype))
    stored[at] = (held.view(_WORDS[dtype]) ^ _WORDS[dtype](1 << fault.bit)).view(held.dtype)


class FaultyRows:
    """The rows that hold flipped bits, as the kernel takes them.

    Parameters
    ----------
    contents : TableContents
        Tables without faults.
    faults : sequence of Fault
        Bits to flip; the same bit twice is none.
    """

    def __init__(self, contents: TableContents, faults: Sequence[Fault]) -> None:
        self._places = sorted({(fault.table, fault.row) for fault in faults})
        width = int(contents.elements.max()) + 2
        #: float32 [rows, elements + 2]: what each of the rows holds.
        self.values = np.zeros((len(self._places), width), dtype=np.float32)
        for line, (table, row) in enumerate(self._places):
            stored = contents.stored(table, [row])[0]
            for fault in faults:
                if (fault.table, fault.row) == (table, row):
                    flip(contents, stored, fault)
            self.values[line, : len(stored)] = stored

    def lines(self, tables: npt.NDArray[np.int32], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Return the line of ``values`` of each lookup, or -1; empty when there are no faults (int32)."""
        if not self._places:
            return np.empty(0, dtype=np.int32)
        lines = np.full(len(rows), -1, dtype=np.int32)
        for line, (table, row) in enumerate(self._places):
            lines[(tables == table) & (rows == row)] = line
        return lines
