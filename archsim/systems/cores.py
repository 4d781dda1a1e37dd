"""Bags handed out to the cores of a host, and the order in which the cores' lookups reach the caches they share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from archsim.systems.lowering import Lowering
from archsim.systems.outcome import CHUNK_LOOKUPS
from archsim.systems.requests import Requests, request_windows
from archsim.systems.spec import SystemSpec
from archsim.traces import AddressTrace, EmbeddingTrace

Ints = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]


def core_windows(
    system: SystemSpec, trace: EmbeddingTrace | AddressTrace
) -> Iterator[tuple[Requests, Int32s]]:
    """Yield line requests in the order in which the cores make them, with the core of each.

    Bags (samples, tables) go to the cores in turn. ``hierarchy.window_bags`` bags are handed out together: each core
    works through its own in order, one lookup per core and turn; cores with nothing left are passed over. Requests of
    a trace of addresses go to the cores in turn.
    """
    assert system.hierarchy is not None  # its caller's business
    cores = system.hierarchy.cores
    if isinstance(trace, AddressTrace):
        first = 0
        for window in request_windows(system, trace):
            yield window, (np.arange(first, first + len(window.lines)) % cores).astype(np.int32)
            first += len(window.lines)
        return
    lowering, bag_core = Lowering(system, trace.tables), _bag_core(system, trace)
    step = system.hierarchy.window_bags
    begin = 0
    while begin < trace.bags:
        end = min(begin + step, trace.bags)
        most = trace.bag_offsets[begin] + CHUNK_LOOKUPS
        while end < trace.bags and trace.bag_offsets[min(end + step, trace.bags)] <= most:
            end = min(end + step, trace.bags)
        yield _turns(lowering, trace, begin, end, step, bag_core[begin:end], cores)
        begin = end


def _bag_core(system: SystemSpec, trace: EmbeddingTrace) -> Int32s:
    assert system.hierarchy is not None
    what = system.hierarchy.distribute
    if what == "table":
        numbers: Ints = trace.bag_tables.astype(np.int64)
    elif what == "bag":
        numbers = np.arange(trace.bags)
    elif trace.sample is not None:
        numbers = trace.sample
    else:  # without numbers, the k-th bag of each table is of sample k
        order = np.argsort(trace.bag_tables, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(trace.bag_tables, minlength=len(trace.tables)))])
        numbers = np.empty(trace.bags, np.int64)
        numbers[order] = np.arange(trace.bags) - starts[trace.bag_tables[order]]
    return (numbers % system.hierarchy.cores).astype(np.int32)


def _turns(
    lowering: Lowering, trace: EmbeddingTrace, begin: int, end: int, step: int, bag_core: Int32s, cores: int
) -> tuple[Requests, Int32s]:
    """Sort the lookups of bags [begin, end) by window, turn and core."""
    offsets = trace.bag_offsets[begin : end + 1]
    sizes = np.diff(offsets)
    stream = (np.arange(end - begin) // step) * cores + bag_core  # bags of one core in one window
    order = np.argsort(stream, kind="stable")
    before = np.cumsum(sizes[order]) - sizes[order]
    opens = np.concatenate([[True], stream[order][1:] != stream[order][:-1]])
    base = np.maximum.accumulate(np.where(opens, before, 0))
    turn_of_bag = np.empty(end - begin, np.int64)
    turn_of_bag[order] = before - base  # turns that the core has taken before the bag
    bag = np.repeat(np.arange(end - begin), sizes)
    first = int(offsets[0])
    turn = turn_of_bag[bag] + np.arange(len(bag)) - (offsets[:-1] - first)[bag]
    window = bag // step
    take = np.lexsort((bag_core[bag], turn, window))
    rows = np.ascontiguousarray(np.asarray(trace.rows[first : first + len(bag)], dtype=np.int64)[take])
    bag = bag[take]
    tables = np.ascontiguousarray(trace.bag_tables[begin:end][bag])
    lines, lookup = lowering.lines(rows, tables)
    kinds = None
    if trace.operation is not None:
        kinds = trace.operation[first : first + len(bag)][take][lookup]
    time = None if trace.time_ps is None else trace.time_ps[begin:end][bag][lookup]
    requests = Requests(lines, kinds, time, len(bag), lookup, rows, tables)
    return requests, np.ascontiguousarray(bag_core[bag][lookup])
