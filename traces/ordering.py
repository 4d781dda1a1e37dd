"""Sorting bags by sample and table, and cutting them into chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest
from archsim.traces.columns import COLUMNS, ORDERS

if TYPE_CHECKING:
    from archsim.traces.trace import EmbeddingTrace

MOVED_LOOKUPS = 1 << 22
"""Lookups moved at a time while reordering; bounds the scratch memory."""


def bag_chunks(offsets: NDArray[np.int64], max_lookups: int) -> Iterator[tuple[int, int]]:
    """Cut bags given by their offsets into ranges, see `EmbeddingTrace.chunks`."""
    if max_lookups < 1:
        raise InputError(f"chunks of {max_lookups} lookups are too small; at least 1 is needed")
    first, bags = 0, len(offsets) - 1
    while first < bags:
        limit = int(offsets[first]) + max_lookups
        last = max(first + 1, int(np.searchsorted(offsets, limit, side="right")) - 1)
        yield first, last
        first = last


def reordered(trace: EmbeddingTrace, order: str) -> EmbeddingTrace:
    """Sort the bags of a trace, see `EmbeddingTrace.reorder`."""
    if order not in ORDERS:
        raise InputError(f"{trace.name}: unknown order {order!r}{nearest(order, ORDERS)}")
    if order == trace.order:
        return trace
    if order == "as-recorded":
        raise InputError(f"{trace.name}: order 'as-recorded' is lost, the trace is sorted {trace.order}")
    samples = sample_numbers(trace)
    keys = (trace.bag_tables, samples)
    permutation = np.lexsort(keys if order == "sample-major" else keys[::-1])
    if (permutation[1:] > permutation[:-1]).all():
        return replace(trace, order=order)
    return replace(trace, **_permuted(trace, permutation), order=order)


def _permuted(trace: EmbeddingTrace, permutation: NDArray[np.intp]) -> dict[str, Any]:
    """Return copies of all columns with the bags in another order."""
    lengths = np.diff(trace.bag_offsets)[permutation]
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
    columns: dict[str, Any] = {"bag_offsets": offsets}
    per_lookup = {}
    for name, column in trace.columns.items():
        if COLUMNS[name].per == "bag":
            columns[name] = column[permutation]
        elif COLUMNS[name].per == "lookup":
            columns[name] = np.empty_like(column)
            per_lookup[name] = column
    moves = trace.bag_offsets[:-1][permutation] - offsets[:-1]
    for first, last in bag_chunks(offsets, MOVED_LOOKUPS):
        here = slice(int(offsets[first]), int(offsets[last]))
        source = np.arange(here.start, here.stop) + np.repeat(moves[first:last], lengths[first:last])
        for name, column in per_lookup.items():
            columns[name][here] = column[source]
    return columns


def sample_numbers(trace: EmbeddingTrace) -> NDArray[np.int64]:
    """Return the sample of every bag; in a trace that does not say, bag ``k`` of a table is sample ``k``."""
    return trace.sample if trace.sample is not None else _ranks_inside_tables(trace)


def _ranks_inside_tables(trace: EmbeddingTrace) -> NDArray[np.int64]:
    """Sample of every bag of a trace that does not say: bag ``k`` of a table is sample ``k``."""
    counts = np.bincount(trace.bag_tables, minlength=len(trace.tables))
    used = np.flatnonzero(counts)
    odd = used[counts[used] != counts[used[:1]]]
    if odd.size:
        a, b = trace.tables[used[0]].name, trace.tables[odd[0]].name
        raise InputError(
            f"{trace.name}: table {a!r} has {counts[used[0]]} bags and table {b!r} {counts[odd[0]]}, "
            f"and there is no 'sample' column to tell which belong together"
        )
    samples = np.empty(trace.bags, np.int64)
    samples[np.argsort(trace.bag_tables, kind="stable")] = np.tile(
        np.arange(counts.max(initial=0)), len(used)
    )
    return samples
