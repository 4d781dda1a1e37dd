"""From embedding lookups to physical lines: table layout, page placement; and on to DRAM coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from archsim.dram.address import decode_table
from archsim.dram.spec import LINE_BYTES
from archsim.errors import InputError
from archsim.systems.frames import Frames, table_colors
from archsim.systems.rows import RowRule, StoredTable
from archsim.systems.spec import SystemSpec
from archsim.traces import Table
from archsim.units import format_bytes


class Lowering:
    """Where every vector of a set of tables lies in the memory of a system; ``docs/lowering.md`` is its contract.

    Tables follow one another in a virtual address space, each from a multiple of ``placement.align_bytes`` on (a page
    by default), rows packed or padded as `archsim.systems.rows.RowRule` says. Each page goes to a page frame by
    ``placement.policy``. What is left of a memory that is no whole number of pages stays unused.

    Parameters
    ----------
    system : SystemSpec
        Memory and placement.
    tables : sequence of Table
        The embedding tables.

    Attributes
    ----------
    table_bytes : int64 array [tables]
        Bytes of a row that are read: the vector, or the pieces of an 8-bit row that is split.
    table_stride : int64 array [tables]
        Bytes from one row to the next.
    table_split : bool array [tables]
        Whether 8-bit rows are stored in pieces of 64 bytes, each with the scale and bias.
    table_base : int64 array [tables]
        Virtual byte address of each table; with colours, each colour has an address space of its own.
    table_color : int32 array [tables]
        Colour of each table; 0 without colours.
    vector_lines : int64 array [tables]
        Most lines that a vector can touch.

    Raises
    ------
    InputError
        When the tables do not fit into the memory, or those of a colour into its part.
    """

    def __init__(self, system: SystemSpec, tables: Sequence[Table]) -> None:
        placement, organization = system.placement, system.dram.organization
        self._frames = Frames(system.dram, placement)
        self._page_bytes = placement.page_bytes
        self._line_units = organization.accesses_per_line
        self._decode = decode_table(system.dram)
        self.table_color = table_colors(placement, self._frames.colors, len(tables))
        stored = self._lay_out(system, tables)
        self.table_base = np.array([each.base for each in stored], dtype=np.int64)
        self.table_stride = np.array([each.stride for each in stored], dtype=np.int64)
        self.table_bytes = np.array([each.read for each in stored], dtype=np.int64)
        self.table_split = np.array([each.split for each in stored], dtype=np.bool_)
        self._rows = sum(table.footprint_bytes for table in tables)
        self._stored = sum(each.stride * table.rows for each, table in zip(stored, tables, strict=True))
        self._buffer = np.empty(0, dtype=np.int64)
        # Most lines a vector can touch; one more than its size when it need not begin on a line.
        aligned = (self.table_stride % LINE_BYTES == 0) & (self.table_base % LINE_BYTES == 0)
        self.vector_lines = np.where(
            aligned, -(-self.table_bytes // LINE_BYTES), (self.table_bytes - 2) // LINE_BYTES + 2
        )

    def _lay_out(self, system: SystemSpec, tables: Sequence[Table]) -> list[StoredTable]:
        """Return where each table lies, one after another within its colour."""
        page, rule = self._page_bytes, RowRule(system)
        ends = [0] * self._frames.colors  # Python integers: sizes may add up to more than 64 bits
        stored = []
        for table, color in zip(tables, self.table_color.tolist(), strict=True):
            stored.append(rule.store(table, ends[color]))
            ends[color] = stored[-1].base + stored[-1].stride * table.rows
        for color, end in enumerate(ends):
            needed, held = -(-end // page) * page, int(self._frames.counts[color]) * page
            if needed > held:
                part = system.placement.color_part
                whose = (
                    "the tables need"
                    if part is None
                    else f"the tables on {part.replace('_', ' ')} {color} need"
                )
                where = "the memory" if part is None else f"that {part.replace('_', ' ')}"
                raise InputError(
                    f"system {system.name!r}: {whose} {format_bytes(needed)} but {where} holds {format_bytes(held)}"
                )
        return stored

    def figures(self) -> dict[str, Any]:
        """Return the bytes that the rows of all tables take in memory, and those of them that are padding."""
        return {"table_bytes": self._stored, "padding_bytes": self._stored - self._rows}

    def most_lines(self, tables: npt.NDArray[np.int32], lookups: npt.NDArray[np.int64]) -> int:
        """Return how many lines numbers of lookups [n] of tables [n] need at most."""
        return int((self.vector_lines[tables] * lookups).sum())

    def lines(
        self, rows: npt.NDArray[np.int64], tables: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Translate lookups to the lines they need.

        Parameters
        ----------
        rows : int64 array [lookups]
            Row of each lookup; below the rows of its table.
        tables : int32 array [lookups]
            Table of each lookup.

        Returns
        -------
        lines : int64 array [lines]
            Physical line numbers (byte address / 64), vector by vector in address order; valid until the next call,
            which writes into the same memory.
        lookup : int32 array [lines]
            Number of the lookup each line belongs to.
        """
        from archsim.kernels.lowering import place_lookups

        frames = self._frames
        room = int(self.vector_lines[tables].sum())
        if room > len(self._buffer):  # kept, because fresh memory costs more than the work done in it
            self._buffer = np.empty(room, dtype=np.int64)
        lines, lookup = self._buffer, np.empty(room, dtype=np.int32)
        used = place_lookups(
            rows, tables, self.table_base, self.table_stride, self.table_bytes, self.table_color,
            LINE_BYTES.bit_length() - 1, self._page_bytes.bit_length() - 1, frames.bits, frames.counts, frames.keys,
            frames.expand, frames.offsets, lines, lookup,
        )  # fmt: skip
        return lines[:used], lookup[:used]

    def lower(
        self, rows: npt.NDArray[np.int64], tables: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Translate lookups to the accesses they need, whole lines each.

        Parameters
        ----------
        rows, tables : arrays [lookups]
            As `lines` takes them.

        Returns
        -------
        coordinates : int64 array [accesses]
            Packed DRAM coordinates (see `archsim.dram.address`), line by line.
        lookup : int32 array [accesses]
            Number of the lookup each access belongs to.
        """
        from archsim.kernels.lowering import decode_lines

        lines, lookup = self.lines(rows, tables)
        coordinates = np.empty(len(lines) * self._line_units, dtype=np.int64)
        decode_lines(lines, self._decode, coordinates, self._line_units)
        return coordinates, lookup if self._line_units == 1 else np.repeat(lookup, self._line_units)
