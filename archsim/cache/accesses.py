"""What a trace asks of a cache: numbers of vectors or of lines, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.cache.replay import as_ids
from archsim.errors import InputError
from archsim.kernels.cache import span
from archsim.traces.addresses import AddressTrace
from archsim.traces.columns import ELEMENT_BYTES
from archsim.traces.trace import EmbeddingTrace

PIECE = 1 << 18
"""Lookups (or requests) taken at a time; bounds the scratch memory."""
HELD_BYTES = 1 << 30
"""Accesses that take up to this much memory are kept between passes; more are made anew for each."""
LINE_BYTES = 64
"""Line of a trace of addresses where none is given."""
LARGEST_LINE = 1 << 30
ANY_IDS = 1 << 64
"""Objects of ids that may be negative."""

Ints = NDArray[np.int64]


class Piece(NamedTuple):
    """Consecutive accesses.

    Attributes
    ----------
    ids : int64 array [n]
        Objects.
    ends : int64 array [m]
        Where each run of accesses to one table ends in it.
    tables : int32 array [m]
        Table of each run.
    """

    ids: Ints
    ends: Ints
    tables: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Accesses:
    """Accesses to objects of one size, which can be gone through more than once.

    Attributes
    ----------
    count : int
        Accesses, or a bound of their number where a lookup takes a number of lines that depends on its row.
    objects : int
        Ids are from 0 to below it; `ANY_IDS`: they may be any.
    unit : str
        What an object is: ``vector``, ``line`` or ``object``.
    unit_bytes : int
        Bytes of an entry that holds one; 0: not known.
    tables : tuple of str
        Their names; empty for accesses that have none.
    make : callable
        Returns an iterator over the pieces.
    array : int64 array [count] or None
        All ids, where they are in memory.
    """

    count: int
    objects: int
    unit: str
    unit_bytes: int
    tables: tuple[str, ...]
    make: Callable[[], Iterator[Piece]]
    array: Ints | None = None

    def __iter__(self) -> Iterator[Piece]:
        return self.make()

    def held(self) -> Accesses:
        """Return the same accesses, kept in memory unless there are very many."""
        if self.array is not None or 8 * self.count > HELD_BYTES:
            return self
        array, pieces, count = np.empty(self.count, np.int64), [], 0
        for ids, ends, tables in self:
            kept = array[count : count + len(ids)]
            kept[:] = ids
            pieces.append(Piece(kept, ends, tables))
            count += len(ids)
        return replace(self, count=count, make=partial(iter, pieces), array=array[:count])

    def ids(self) -> Ints:
        """Return all ids, shape (accesses,)."""
        if self.array is not None:
            return self.array
        return np.concatenate([piece.ids for piece in self] or [np.empty(0, np.int64)])

    def check_lines(self) -> None:
        """Refuse ids that cannot be lines of sets."""
        if self.objects == ANY_IDS:
            raise InputError("ids must not be negative: their sets are remainders")

    @classmethod
    def from_ids(
        cls, ids: ArrayLike, *, tables: ArrayLike | None = None, names: tuple[str, ...] = ()
    ) -> Accesses:
        """Take ids as they are.

        Parameters
        ----------
        ids : int array [accesses]
            Objects. A cache of sets needs them not negative.
        tables : int array [accesses], optional
            Table of each.
        names : tuple of str
            Of the tables; their numbers by default.
        """
        array = as_ids(ids)
        least, most = span(array)
        of_table = None if tables is None else np.ascontiguousarray(tables, np.int32)
        if of_table is not None and (of_table.shape != array.shape or (array.size and of_table.min() < 0)):
            raise InputError(f"{of_table.shape} tables for {array.shape} ids; one each, not negative")
        if of_table is not None and not names:
            names = tuple(str(number) for number in range(int(of_table.max(initial=-1)) + 1))
        objects = int(most) + 1 if least >= 0 else ANY_IDS
        return cls(array.size, objects, "object", 0, names, partial(_array_pieces, array, of_table), array)

    @classmethod
    def of(cls, trace: EmbeddingTrace | AddressTrace, line_bytes: int | None = None) -> Accesses:
        """Take the lookups of a trace as vectors or as lines; addresses are always taken as lines.

        Parameters
        ----------
        trace : EmbeddingTrace or AddressTrace
            A validated trace. Reads and writes count alike: a cache allocates for both.
        line_bytes : int, optional
            Bytes of a line. Each table begins at a line of its own, its vectors follow one another, and a lookup
            accesses every line that its vector touches, in order. By default an access is to a whole vector; for
            addresses a line has 64 bytes.

        Raises
        ------
        InputError
            For a line that is smaller than an element of a vector, or not positive.
        """
        if line_bytes is not None and not 1 <= line_bytes <= LARGEST_LINE:
            raise InputError(f"line of {line_bytes} bytes: must have 1 to {LARGEST_LINE}")
        if isinstance(trace, AddressTrace):
            size = line_bytes or LINE_BYTES
            parts = range(0, trace.requests, PIECE)
            last = max((int(trace.address[i : i + PIECE].max()) for i in parts), default=-1) // size
            return cls(trace.requests, last + 1, "line", size, (), partial(_address_pieces, trace, size))
        names = tuple(table.name for table in trace.tables)
        if line_bytes is None:
            bases = np.concatenate(([0], np.cumsum([table.rows for table in trace.tables]))).astype(np.int64)
            entry = max(table.vector_bytes for table in trace.tables)
            make = partial(_vector_pieces, trace, bases)
            return cls(trace.lookups, int(bases[-1]), "vector", entry, names, make)
        for table in trace.tables:
            element = ELEMENT_BYTES[table.dtype]
            if line_bytes < element:
                raise InputError(
                    f"line of {line_bytes} bytes: table {table.name} has elements of {element}, which must fit"
                )
        lines = [-(-table.footprint_bytes // line_bytes) for table in trace.tables]
        bases = np.concatenate(([0], np.cumsum(lines))).astype(np.int64)
        most = max(-(-table.vector_bytes // line_bytes) for table in trace.tables)
        most += any(
            table.vector_bytes % line_bytes and line_bytes % table.vector_bytes for table in trace.tables
        )
        make = partial(_line_pieces, trace, bases, line_bytes)
        return cls(most * trace.lookups, int(bases[-1]), "line", line_bytes, names, make)


def _array_pieces(ids: Ints, tables: NDArray[np.int32] | None) -> Iterator[Piece]:
    for start in range(0, ids.size, PIECE):
        part = ids[start : start + PIECE]
        if tables is None:
            yield Piece(part, np.array([part.size]), np.zeros(1, np.int32))
        else:
            of_table = tables[start : start + PIECE]
            ends = np.append(np.flatnonzero(np.diff(of_table)) + 1, part.size)
            yield Piece(part, ends, np.ascontiguousarray(of_table[ends - 1]))


def _address_pieces(trace: AddressTrace, line_bytes: int) -> Iterator[Piece]:
    for start in range(0, trace.requests, PIECE):
        lines = trace.address[start : start + PIECE] // line_bytes
        yield Piece(lines, np.array([lines.size]), np.zeros(1, np.int32))


def _vector_pieces(trace: EmbeddingTrace, bases: Ints) -> Iterator[Piece]:
    for rows, ends, tables in _bag_pieces(trace):
        ids = np.repeat(bases[tables], np.diff(ends, prepend=0))
        ids += rows
        yield Piece(ids, ends, tables)


def _line_pieces(trace: EmbeddingTrace, bases: Ints, line_bytes: int) -> Iterator[Piece]:
    vectors = np.array([table.vector_bytes for table in trace.tables], np.int64)
    for rows, ends, tables in _bag_pieces(trace):
        lengths = np.diff(ends, prepend=0)
        size = np.repeat(vectors[tables], lengths)
        begin = rows * size
        first = begin // line_bytes
        lines = (begin + size - 1) // line_bytes - first + 1
        until = np.cumsum(lines)
        ids = np.repeat(first + np.repeat(bases[tables], lengths) - (until - lines), lines)
        ids += np.arange(ids.size)
        yield Piece(ids, np.concatenate(([0], until))[ends], tables)


def _bag_pieces(trace: EmbeddingTrace) -> Iterator[tuple[NDArray[np.int32], Ints, NDArray[np.int32]]]:
    """Rows, where each bag ends in them, and its table; cut wherever in a bag that falls."""
    offsets = trace.bag_offsets
    for start in range(0, trace.lookups, PIECE):
        stop = min(start + PIECE, trace.lookups)
        first = int(np.searchsorted(offsets, start, side="right")) - 1
        last = int(np.searchsorted(offsets, stop, side="left"))
        ends = np.minimum(offsets[first + 1 : last + 1], stop) - start
        yield trace.rows[start:stop], ends, np.ascontiguousarray(trace.bag_tables[first:last])
