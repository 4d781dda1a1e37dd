"""What caches are asked: accesses in order, of which cache, of which block; ``docs/memory-caches.md``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archsim.cache.spec import MemoryCache
from archsim.dram.address import BANK_SHIFT, CHANNEL_SHIFT, ROW_SHIFT, decode_table
from archsim.dram.spec import LINE_BYTES
from archsim.errors import InputError
from archsim.systems.cores import core_windows
from archsim.systems.requests import Requests, request_windows, time_unit
from archsim.systems.spec import SystemSpec
from archsim.traces import AddressTrace, EmbeddingTrace

Ints = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Accesses:
    """Accesses in the order in which they are offered.

    Attributes
    ----------
    blocks : int64 array [n]
        What is looked up: numbers of lines of a cache, or of vectors.
    keys : int64 array [n]
        What is in flight while a miss is; the blocks.
    caches : int32 array [n] or None
        Which cache, of all there are; None: the only one.
    units : int32 array [n] or None
        Which cache (core) of its channel; None: the only one.
    channels : int32 array [n] or None
        Channel of each access; None: the only one.
    index : int64 array [n] or None
        What decides the set; None: the block.
    kinds : uint8 array [n] or None
        0 read, 1 write; None: all reads.
    keep_out : uint8 array [n] or None
        1: not brought in.
    written : int64 array [n] or None
        Line that a write writes.
    lines, first : int64 arrays or None
        Lines that a miss reads, where they are not those of the block.
    arrivals : int64 array [n] or None
        Earliest clock.
    requests : int
        Accesses of the DRAM that would serve them without caches.
    taken : int
        Entries of the trace that became these accesses.
    """

    blocks: Ints
    keys: Ints
    caches: Int32s | None
    units: Int32s | None
    channels: Int32s | None
    index: Ints | None
    kinds: Bytes | None
    keep_out: Bytes | None
    written: Ints | None
    lines: Ints | None
    first: Ints | None
    arrivals: Ints | None
    requests: int
    taken: int


class Frontend:
    """Turns a trace into accesses, window by window; where the cuts are changes nothing.

    Parameters
    ----------
    system : SystemSpec
        With ``cache`` or ``hierarchy``.
    trace : EmbeddingTrace or AddressTrace
        A sound trace.

    Attributes
    ----------
    caches : int
        Memory-side caches of the system, or cores.
    units : int
        Those of one channel.
    block_lines : int
        Lines of the memory in a line of the caches.

    Raises
    ------
    InputError
        When a vector does not fit into the line that shall hold it, or such vectors are written.
    """

    def __init__(self, system: SystemSpec, trace: EmbeddingTrace | AddressTrace) -> None:
        self.system, self.trace = system, trace
        self._organization = system.dram.organization
        self._decode = decode_table(system.dram)
        self.cache: MemoryCache | None = system.cache
        if system.hierarchy is not None:
            self.cache = None
            self.units = self.caches = system.hierarchy.cores
            self.block_lines = system.hierarchy.l1.line_bytes // LINE_BYTES
            return
        assert self.cache is not None  # held by `archsim.simulate`
        self.units = {
            "rank": self._organization.all_ranks,
            "dimm": self._organization.all_ranks // self.cache.ranks_per_dimm,
        }.get(self.cache.per, 1)
        self.caches = self.units * (1 if self.cache.per == "memory" else self._organization.channels)
        self.by_vector = self.cache.granularity == "vector"
        self.block_lines = 1 if self.by_vector else self.cache.line_bytes // LINE_BYTES
        if self.by_vector:
            self._check_vectors(self.cache)

    def _check_vectors(self, cache: MemoryCache) -> None:
        trace = self.trace
        if isinstance(trace, AddressTrace):
            raise InputError(
                f"{trace.name}: cache.granularity = 'vector' needs lookups, and a trace of addresses has none"
            )
        if trace.operation is not None and np.any(trace.operation):
            raise InputError(
                f"{trace.name}: cache.granularity = 'vector' is for reading, but the trace updates rows"
            )
        for table in trace.tables:
            if table.vector_bytes > cache.line_bytes:
                raise InputError(
                    f"system {self.system.name!r}: cache.line_bytes = {cache.line_bytes}: must hold a vector with "
                    f"granularity = 'vector', and those of table {table.name!r} have {table.vector_bytes} bytes"
                )

    def windows(self) -> Iterator[Accesses]:
        """Yield the accesses."""
        if self.system.hierarchy is not None:
            for window, cores in core_windows(self.system, self.trace):
                yield self._by_line(window, cores)
            return
        for window in request_windows(self.system, self.trace):
            yield self._by_vector(window) if self.by_vector else self._by_line(window, None)

    # ---------------------------------------------------------------------------------------------- one window

    def _by_line(self, window: Requests, cores: Int32s | None) -> Accesses:
        lines = window.lines.copy()  # the window's own memory is written again
        blocks = lines if self.block_lines == 1 else lines // self.block_lines
        written = None if window.kinds is None else lines
        return self._accesses(window, blocks, blocks * self.block_lines, cores, written, None, None)

    def _by_vector(self, window: Requests) -> Accesses:
        assert isinstance(self.trace, EmbeddingTrace)
        assert window.lookup is not None
        lines, first = window.lines.copy(), np.searchsorted(window.lookup, np.arange(window.taken + 1))
        return self._accesses(
            window, self._vectors(window), lines[first[:-1]], None, None, lines, first.astype(np.int64)
        )

    def _accesses(
        self,
        window: Requests,
        blocks: Ints,
        places: Ints,
        cores: Int32s | None,
        written: Ints | None,
        lines: Ints | None,
        first: Ints | None,
    ) -> Accesses:
        """Put accesses together; `places` are lines that tell the cache of each."""
        channels, units, caches, index = self._homes(places, cores)
        arrivals = window.arrivals_clk(time_unit(self.trace), self.system.dram.timing.tCK_ps)
        if arrivals is not None and first is not None:
            arrivals = arrivals[first[:-1]]
        return Accesses(
            blocks=blocks,
            keys=blocks,
            caches=caches,
            units=units,
            channels=channels,
            index=index if lines is None else None,
            kinds=None
            if window.kinds is None or lines is not None
            else np.ascontiguousarray(window.kinds, np.uint8),
            keep_out=self._keep_out(window, lines is not None),
            written=written,
            lines=lines,
            first=first,
            arrivals=None if arrivals is None else np.ascontiguousarray(arrivals, np.int64),
            requests=len(window.lines) * self._organization.accesses_per_line,
            taken=window.taken,
        )

    def _homes(
        self, places: Ints, cores: Int32s | None
    ) -> tuple[Int32s | None, Int32s | None, Int32s | None, Ints | None]:
        """Return channel, cache of the channel, cache of the system, and what decides the set, for lines."""
        if self.units * self._organization.channels == 1 or (
            cores is not None and self._organization.channels == 1
        ):
            return None, cores, cores, None
        coordinates = self._coordinates(places)
        channels = (coordinates >> CHANNEL_SHIFT).astype(np.int32)
        if cores is not None:
            return channels, cores, cores, None
        units = self._units(coordinates)
        if self.caches == 1:
            return channels, units, None, None
        return channels, units, channels * np.int32(self.units) + units, self._local(coordinates)

    def _coordinates(self, lines: Ints) -> Ints:
        """Return the coordinates of the first access of each line."""
        from archsim.kernels.lowering import decode_lines

        per_line = self._organization.accesses_per_line
        coordinates = np.empty(len(lines) * per_line, dtype=np.int64)
        decode_lines(np.ascontiguousarray(lines), self._decode, coordinates, per_line)
        return coordinates[::per_line]

    def _units(self, coordinates: Ints) -> Int32s:
        """Return the cache of each coordinate, counted within its channel."""
        banks = self._banks_per_unit()
        units: Int32s = ((coordinates >> BANK_SHIFT & 0xFFFF) // banks).astype(np.int32)
        return units

    def _banks_per_unit(self) -> int:
        return self._organization.banks // self.units

    def _local(self, coordinates: Ints) -> Ints:
        """Number the lines of each cache without gaps: by row, then bank, then column."""
        row, bank, column = (
            coordinates >> ROW_SHIFT & 0xFFFFFF,
            coordinates >> BANK_SHIFT & 0xFFFF,
            coordinates & 0xFFFF,
        )
        banks = self._banks_per_unit()
        bursts = self._organization.bursts_per_row
        local: Ints = (row * banks + bank % banks) * bursts + column
        return local // (self._organization.accesses_per_line * self.block_lines)

    def check_one_cache(self, accesses: Accesses, first: Ints, coordinates: Ints, kinds: Bytes) -> None:
        """Check that what a miss reads lies behind the cache that misses.

        Raises
        ------
        InputError
            When a line of a cache, or a vector, lies over several ranks, DIMMs or channels with caches of their own.
        """
        if (
            self.cache is None
            or (self.block_lines == 1 and accesses.lines is None)
            or accesses.channels is None
        ):
            return
        owner = np.repeat(np.arange(len(accesses.blocks)), np.diff(first))
        reads = kinds == 0
        same = coordinates[reads] >> CHANNEL_SHIFT == accesses.channels[owner[reads]]
        if accesses.units is not None:
            same &= self._units(coordinates[reads]) == accesses.units[owner[reads]]
        if not np.all(same):
            what = "a vector" if accesses.lines is not None else f"a line of {self.cache.line_bytes} bytes"
            raise InputError(
                f"system {self.system.name!r}: {what} lies over several caches with cache.per = {self.cache.per!r}; "
                "dram.address_map must have the bits of ranks and channels above it, as 'skylake' does"
            )

    # -------------------------------------------------------------------------------------------------- bypass

    def _vectors(self, window: Requests) -> Ints:
        """Return the number of each lookup's vector, counted over all tables."""
        assert isinstance(self.trace, EmbeddingTrace)
        assert window.rows is not None
        assert window.tables is not None
        rows = np.array([0, *(table.rows for table in self.trace.tables)], dtype=np.int64)
        vectors: Ints = np.cumsum(rows)[:-1][window.tables] + window.rows
        return vectors

    def _keep_out(self, window: Requests, by_lookup: bool) -> Bytes | None:
        """Return 1 where the batch of a lookup needs its vector (or line) too seldom to bring it in."""
        if self.cache is None or self.cache.bypass == "none":
            return None
        entries = window.lines if window.rows is None else self._vectors(window)
        keep_out = np.empty(len(entries), np.uint8)
        for begin in range(0, len(entries), self.cache.batch_lookups):
            part = slice(begin, begin + self.cache.batch_lookups)
            _, place, count = np.unique(entries[part], return_inverse=True, return_counts=True)
            keep_out[part] = count[place] <= self.cache.bypass_up_to
        if by_lookup or window.lookup is None:
            return keep_out
        lines: Bytes = keep_out[window.lookup]
        return lines
