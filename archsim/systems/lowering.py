"""From embedding lookups to DRAM coordinates: table layout, page placement, address map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from archsim.dram.address import decode_table
from archsim.dram.spec import LINE_BYTES
from archsim.errors import InputError
from archsim.systems.spec import SystemSpec
from archsim.traces import Table
from archsim.units import format_bytes


class Lowering:
    """Where every vector of a set of tables lies in the memory of a system.

    Tables follow one another in a virtual address space, each from a page boundary on, vectors packed without gaps. A
    page goes to the page frame that a keyed permutation of all frames gives it (``placement.policy = "random"``: a
    random free frame, as under Linux after some uptime) or to the frame of the same number (``"contiguous"``). What is
    left of a memory that is no whole number of pages stays unused.

    Parameters
    ----------
    system : SystemSpec
        Memory and placement.
    tables : sequence of Table
        The embedding tables.

    Raises
    ------
    InputError
        When the tables do not fit into the memory.
    """

    def __init__(self, system: SystemSpec, tables: Sequence[Table]) -> None:
        page = system.placement.page_bytes
        sizes = np.array([-(-t.rows * t.vector_bytes // page) * page for t in tables], dtype=np.int64)
        organization = system.dram.organization
        self._frames = organization.capacity_bytes // page
        if int(sizes.sum()) > self._frames * page:
            raise InputError(
                f"system {system.name!r}: the tables need {format_bytes(int(sizes.sum()))} "
                f"but the memory holds {format_bytes(self._frames * page)}"
            )
        self.table_base = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        self.table_bytes = np.array([t.vector_bytes for t in tables], dtype=np.int64)
        self._page_lines = page // LINE_BYTES
        self._line_units = organization.accesses_per_line
        self._decode = decode_table(system.dram)
        random = system.placement.policy == "random"
        self._keys = _page_keys(system.placement.seed) if random else np.empty(0, np.uint64)
        # Most lines a vector can touch; one more than its size when it need not begin on a line.
        aligned = self.table_bytes % LINE_BYTES == 0
        self._most_lines = np.where(
            aligned, self.table_bytes // LINE_BYTES, (self.table_bytes - 2) // LINE_BYTES + 2
        )

    def lower(
        self, rows: npt.NDArray[np.int64], tables: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Translate lookups to the accesses they need, whole lines each.

        Parameters
        ----------
        rows : int64 array [lookups]
            Row of each lookup.
        tables : int32 array [lookups]
            Table of each lookup.

        Returns
        -------
        coordinates : int64 array [accesses]
            Packed DRAM coordinates (see `archsim.dram.address`), vector by vector in address order.
        lookup : int32 array [accesses]
            Number of the lookup each access belongs to.
        """
        from archsim.kernels.lowering import lower_lookups

        room = int(self._most_lines[tables].sum()) * self._line_units
        coordinates = np.empty(room, dtype=np.int64)
        lookup = np.empty(room, dtype=np.int32)
        used = lower_lookups(
            rows, tables, self.table_base, self.table_bytes, LINE_BYTES, self._line_units, self._page_lines,
            self._frames, self._keys, self._decode, coordinates, lookup,
        )  # fmt: skip
        return coordinates[:used], lookup[:used]


def _page_keys(seed: int) -> npt.NDArray[np.uint64]:
    """Six 64-bit keys from a seed (SplitMix64: counter times golden ratio, then mixed)."""
    keys = []
    state = seed
    for _ in range(6):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        keys.append(z ^ (z >> 31))
    return np.array(keys, dtype=np.uint64)
