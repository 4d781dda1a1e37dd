"""How the rows of a table are stored: packed, padded so that near-memory units have them whole, or in pieces."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import NamedTuple

from archsim.dram.spec import LINE_BYTES, DramSpec
from archsim.errors import InputError
from archsim.nmp.designs import Design, make_design
from archsim.nmp.functional import PIECE_ELEMENTS
from archsim.nmp.operators import ROWWISE
from archsim.systems.spec import SystemSpec
from archsim.traces import Table


class StoredTable(NamedTuple):
    """Where the rows of one table lie.

    Attributes
    ----------
    base : int
        Virtual byte address of row 0.
    stride : int
        Bytes from one row to the next.
    read : int
        Bytes of a row that a lookup reads, from the first on.
    split : bool
        8-bit rows lie in pieces of 64 bytes, each with the scale and bias of its row.
    """

    base: int
    stride: int
    read: int
    split: bool


class RowRule:
    """The rule of ``docs/lowering.md``, section 3, by which rows are stored.

    Parameters
    ----------
    system : SystemSpec
        Its memory, placement and near-memory design.
    """

    def __init__(self, system: SystemSpec) -> None:
        self._name, placement = system.name, system.placement
        self._table_align, self._row_align = placement.table_align_bytes, placement.row_align_bytes
        self._design: Design | None = None
        if system.nmp is None:
            return
        self._design = design = make_design(system.nmp, system.dram)
        # Neighbouring pages are neighbours in memory only where they follow one another.
        whole = placement.policy == "contiguous"
        most = system.dram.organization.capacity_bytes if whole else placement.page_bytes
        self._unit_block = min(most, block_bytes(system.dram, design.unit_bank_bits))
        self._adder_block = min(most, block_bytes(system.dram, design.adder_bank_bits))
        # Where bursts do not stay where the address map puts them, the map does not tell which adder has them.
        moved = type(design).place is not Design.place
        self._can_split = not moved and (design.striped or design.adder_bank_bits != design.unit_bank_bits)

    def store(self, table: Table, end: int) -> StoredTable:
        """Return where a table lies that follows ``end``, the first free virtual byte.

        Raises
        ------
        InputError
            When ``placement.row_align_bytes`` is too small for a design that stripes rows.
        """
        split = self._splits(table)
        read = LINE_BYTES * -(-table.elements // PIECE_ELEMENTS) if split else table.vector_bytes
        align = self._row_align or self._default_align(table, read, end, split=split)
        stride = _up(read, align)
        if self._design is not None and self._design.striped and stride % LINE_BYTES:
            raise InputError(
                f"system {self._name!r}: placement.row_align_bytes = {align}: rows of table {table.name!r} would lie "
                f"{stride} bytes apart; design {self._design.name!r} needs multiples of {LINE_BYTES}, its stripe"
            )
        begin = max(self._table_align, align, LINE_BYTES if split else 1)
        return StoredTable(_up(end, begin), stride, read, split)

    def _splits(self, table: Table) -> bool:
        """Whether no alignment brings a whole 8-bit row to one adder."""
        if self._design is None or table.dtype != ROWWISE or not self._can_split:
            return False
        return _power_of_two(table.vector_bytes) > self._adder_block

    def _default_align(self, table: Table, read: int, end: int, *, split: bool) -> int:
        """Return the multiple at which rows are stored when nothing else is said."""
        if self._design is None:
            return 1
        if self._design.striped:
            return LINE_BYTES
        whole = table.dtype == ROWWISE and self._can_split and not split
        block = self._adder_block if whole else self._unit_block
        align = _power_of_two(read)
        if align > block or not _crosses(_up(end, self._table_align), read, table.rows, block):
            return 1
        return align


def block_bytes(dram: DramSpec, bank_bits: int) -> int:
    """Return the bytes of the largest aligned block of which every one lies in one part of a memory.

    Parameters
    ----------
    dram : DramSpec
        The memory.
    bank_bits : int
        Low bits of a bank number, counted over a channel, that differ within the part.
    """
    masks = dram.address_map.masks(dram.organization)
    numbers = [*masks["bank"], *masks["bank_group"], *masks["rank"], *masks["pseudo_channel"]]
    deciding = reduce(or_, [*numbers[bank_bits:], *masks["channel"]], 0)
    organization = dram.organization
    if not deciding:
        return organization.capacity_bytes
    return organization.access_bytes * (deciding & -deciding)


def _crosses(base: int, size: int, rows: int, block: int) -> bool:
    """Whether a border between blocks lies inside a row, of those packed from ``base`` on."""
    first = _up(base + 1, block)  # the first border behind the first byte
    if first >= base + size * rows:
        return False
    return (first - base) % size != 0 or (first + block < base + size * rows and block % size != 0)


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _power_of_two(number: int) -> int:
    """Return the least power of two that is no smaller."""
    return 1 << (number - 1).bit_length()
