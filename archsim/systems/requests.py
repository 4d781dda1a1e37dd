"""The one pipeline: windows of line requests from either kind of trace; ``docs/lowering.md`` is its contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from archsim.dram.spec import LINE_BYTES
from archsim.errors import InputError
from archsim.systems.lowering import Lowering
from archsim.systems.outcome import CHUNK_LOOKUPS
from archsim.systems.spec import SystemSpec
from archsim.traces import AddressTrace, EmbeddingTrace
from archsim.units import format_bytes

Ints = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.uint8]
_LINE_BITS = LINE_BYTES.bit_length() - 1


class Requests(NamedTuple):
    """Line requests in the order in which they are offered; valid until the next window is asked for.

    Attributes
    ----------
    lines : int64 array [n]
        Physical line numbers.
    kinds : uint8 array [n] or None
        0 read, 1 write; None: all reads.
    time : int64 array [n] or None
        Earliest arrival; None: as fast as they are taken.
    taken : int
        Entries of the trace that became these requests: lookups, or requests of a trace of addresses.
    lookup : int32 array [n] or None
        Entry that each line belongs to, counted from the first of the window; None: each its own.
    rows, tables : int64 and int32 arrays [taken] or None
        Row and table of each lookup; None: a trace of addresses.
    """

    lines: Ints
    kinds: Kinds | None
    time: Ints | None
    taken: int
    lookup: npt.NDArray[np.int32] | None = None
    rows: Ints | None = None
    tables: npt.NDArray[np.int32] | None = None

    def arrivals_clk(self, unit: str, tCK_ps: int) -> Ints | None:
        """Return the first clock edges at or after the arrivals, which are in ``unit`` ("clk" or "ps")."""
        if self.time is None or unit == "clk":
            return self.time
        return -(-self.time // tCK_ps)


def request_windows(system: SystemSpec, trace: EmbeddingTrace | AddressTrace) -> Iterator[Requests]:
    """Turn a sound trace into line requests, window by window; where the cuts are changes nothing.

    Raises
    ------
    InputError
        When the tables do not fit into the memory, or an address lies outside it.
    """
    if isinstance(trace, AddressTrace):
        yield from _of_addresses(system, trace)
    else:
        yield from _of_lookups(Lowering(system, trace.tables), trace)


def time_unit(trace: EmbeddingTrace | AddressTrace) -> str:
    """Return what the arrival times of a trace count: "clk" or "ps"."""
    return trace.time_unit if isinstance(trace, AddressTrace) else "ps"


def _of_lookups(lowering: Lowering, trace: EmbeddingTrace) -> Iterator[Requests]:
    for first in range(0, trace.lookups, CHUNK_LOOKUPS):
        last = min(first + CHUNK_LOOKUPS, trace.lookups)
        # The bags that these lookups are of; the first and the last may be cut.
        begin = int(np.searchsorted(trace.bag_offsets, first, side="right")) - 1
        end = int(np.searchsorted(trace.bag_offsets, last, side="left"))
        edges: Ints = np.clip(trace.bag_offsets[begin : end + 1], first, last)
        lengths = edges[1:] - edges[:-1]
        rows = np.ascontiguousarray(trace.rows[first:last], dtype=np.int64)
        tables = np.repeat(trace.bag_tables[begin:end], lengths)
        lines, lookup = lowering.lines(rows, tables)
        kinds = None if trace.operation is None else trace.operation[first:last][lookup]
        time = None
        if trace.time_ps is not None:
            time = np.repeat(trace.time_ps[begin:end], lengths)[lookup]
        yield Requests(lines, kinds, time, last - first, lookup, rows, tables)


def _of_addresses(system: SystemSpec, trace: AddressTrace) -> Iterator[Requests]:
    capacity = system.dram.organization.capacity_bytes
    for first, last in trace.chunks(CHUNK_LOOKUPS):
        address = trace.address[first:last]
        if int(address.max()) >= capacity:
            at = int(np.argmax(address >= capacity))
            raise InputError(
                f"{trace.name}: request {first + at}: address {address[at]} ({address[at]:#x}) is outside the memory "
                f"of system {system.name!r}, {format_bytes(capacity)} ({capacity} bytes)"
            )
        kinds = None if trace.operation is None else trace.operation[first:last]
        time = None if trace.time is None else trace.time[first:last]
        yield Requests(address >> _LINE_BITS, kinds, time, last - first)


def lower_windows(system: SystemSpec, trace: EmbeddingTrace) -> Iterator[AddressTrace]:
    """Turn lookups into memory requests, window by window, in bounded memory.

    Parameters
    ----------
    system : SystemSpec
        Memory and placement; of near-memory units matters only that their rows may be padded.
    trace : EmbeddingTrace
        The lookups.

    Yields
    ------
    AddressTrace
        The byte addresses of all lines, vector by vector in the order of the trace, with operations and arrival times
        in picoseconds where the trace has them. The windows one after another are the trace of `lower_trace`.

    Raises
    ------
    InputError
        When the trace is unsound, its bags are not in order of their arrival times, or its tables do not fit into the
        memory.
    """
    trace.validate()
    _check_times(trace)
    for window in request_windows(system, trace):
        yield AddressTrace(
            address=window.lines << _LINE_BITS,
            operation=window.kinds,
            time=window.time,
            **_identity(system, trace),
        )


def lower_trace(system: SystemSpec, trace: EmbeddingTrace) -> AddressTrace:
    """Turn lookups into memory requests: the second kind of trace from the first.

    Replayed through the same host, it gives the same figures as the lookups. It takes 8 bytes of memory per line, 1
    more with operations and 8 more with arrival times; `lower_windows` does without.

    Parameters
    ----------
    system : SystemSpec
        Memory and placement; of near-memory units matters only that their rows may be padded.
    trace : EmbeddingTrace
        The lookups.

    Returns
    -------
    AddressTrace
        See `lower_windows`.

    Raises
    ------
    InputError
        See `lower_windows`.
    """
    trace.validate()  # before the tables and offsets are relied on
    room = Lowering(system, trace.tables).most_lines(trace.bag_tables, np.diff(trace.bag_offsets))
    columns: dict[str, Any] = {}
    used = 0
    for window in lower_windows(system, trace):
        for name, part in window.columns.items():
            column = columns.setdefault(name, np.empty(room, dtype=part.dtype))
            column[used : used + len(part)] = part
        used += window.requests
    columns = {name: column[:used] for name, column in columns.items()}
    return AddressTrace(**columns, **_identity(system, trace))


def _identity(system: SystemSpec, trace: EmbeddingTrace) -> dict[str, Any]:
    made = f"lookups of {trace.name} (sha256 {trace.sha256[:12]}) placed in the memory of {system.name}"
    return {
        "name": trace.name,
        "time_unit": "ps",
        "generator": made,
        "seed": trace.seed,
        "notes": trace.notes,
    }


def _check_times(trace: EmbeddingTrace) -> None:
    """Refuse arrival times that a trace of addresses cannot hold."""
    if trace.time_ps is None:
        return
    before = 0
    for first in range(0, trace.bags, CHUNK_LOOKUPS):
        times = np.concatenate([[before], trace.time_ps[first : first + CHUNK_LOOKUPS]])
        falls = np.flatnonzero(np.diff(times) < 0)
        if falls.size:
            at = int(falls[0])
            than = f"before the {times[at]} of bag {first + at - 1}" if first + at else "negative"
            raise InputError(
                f"{trace.name}: bag {first + at}: time_ps = {times[at + 1]} is {than}; a trace of addresses is in "
                "order of arrival, as archsim.traces.interleave sorts bags"
            )
        before = int(times[-1])
