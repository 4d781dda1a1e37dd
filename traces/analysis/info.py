"""What an architect wants to know about a trace before replaying it, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.traces.addresses import AddressTrace
from archsim.traces.analysis.arrivals import arrival_figures
from archsim.traces.analysis.counting import LINE_SHIFT, MAX_BYTES, Counted, Progress, count
from archsim.traces.analysis.figures import Distances, Pooling, Popularity
from archsim.traces.trace import EmbeddingTrace

CHUNK = 1 << 20
PAGE_SHIFT = 12 - LINE_SHIFT

SAMPLED = (
    "unique_rows", "touched_bytes", "repeat_share", "compulsory_share", "intra_bag_share", "inter_bag_share",
    "lookups_per_row", "top_row_share", "hot_shares", "reuse", "stack_distance", "lru", "rank_frequency",
    "working_set", "pages_touched",
)  # fmt: skip
"""Figures of `trace_info`, of the trace and of each table, that are estimates where the rows are sampled."""


def trace_info(
    trace: EmbeddingTrace | AddressTrace, *, max_bytes: int = MAX_BYTES, progress: Progress | None = None
) -> dict[str, Any]:
    """Describe a trace in one pass and bounded memory.

    Parameters
    ----------
    trace : EmbeddingTrace or AddressTrace
        A validated trace.
    max_bytes : int
        Memory for counters. Where the rows that occur need more, a sample of them is counted.
    progress : callable, optional
        Told how many more lookups are done.

    Returns
    -------
    dict
        Plain values, ready for JSON; docs/trace-analysis.md lists the keys.
    """
    counted = count(trace, max_bytes, progress)
    return describe(trace, counted)


def describe(trace: EmbeddingTrace | AddressTrace, counted: Counted) -> dict[str, Any]:
    """Return the figures of a trace that has been counted."""
    common = {"name": trace.name, "sha256": trace.sha256}
    origin = {
        "columns": list(trace.columns),
        "generator": trace.generator,
        "seed": trace.seed,
        "notes": list(trace.notes),
        "counting": {
            "label": counted.label,
            "sample_rate": 1 / (1 << counted.shift),
            "sampled": [name for name in SAMPLED if counted.shift],
        },
    }
    if isinstance(trace, AddressTrace):
        return {"kind": "addresses", **common, **_addresses(trace, counted), **origin}
    return {"kind": "lookups", **common, "order": trace.order, **_lookups(trace, counted), **origin}


def _lookups(trace: EmbeddingTrace, counted: Counted) -> dict[str, Any]:
    bags, lookups = lookups_by_table(trace)
    tables = [
        _table(trace, counted, number, int(bags[number]), int(lookups[number])) for number in range(len(bags))
    ]
    fresh = sum(counted.by_table.fresh(number) for number in range(len(tables))) if counted.by_table else 0
    touched_bytes = sum(table["touched_bytes"] for table in tables)
    whole = whole_popularity(counted)
    row_bytes = touched_bytes / whole.distinct if whole.distinct else 0.0
    return {
        "lookups": trace.lookups,
        "bags": trace.bags,
        "pooling": pooling(trace).figures(),
        "footprint_bytes": sum(table["footprint_bytes"] for table in tables),
        "traffic_bytes": sum(table["lookups"] * table["vector_bytes"] for table in tables),
        "touched_bytes": touched_bytes,
        **_reuse(whole, fresh),
        **_curves(counted, whole, row_bytes),
        "arrivals": None if trace.time_ps is None else arrival_figures(trace.time_ps, "ps"),
        "tables": tables,
    }


def _table(trace: EmbeddingTrace, counted: Counted, number: int, bags: int, lookups: int) -> dict[str, Any]:
    table = trace.tables[number]
    rows = Popularity.of([counted.uses[number]], lookups, counted.shift)
    streams = counted.by_table
    assert streams is not None
    distances = Distances(streams.counts(number), lookups, counted.shift)
    return {
        "name": table.name,
        "rows": table.rows,
        "vector_bytes": table.vector_bytes,
        "dtype": table.dtype,
        "footprint_bytes": table.footprint_bytes,
        "touched_bytes": rows.distinct * table.vector_bytes,
        "bags": bags,
        "lookups_per_bag": lookups / bags if bags else None,
        "lookups": lookups,
        **_reuse(rows, streams.fresh(number)),
        "reuse": rows.histogram(),
        "stack_distance": distances.figures(),
        "lru": distances.curve(table.vector_bytes, steps=1),
    }


def _addresses(trace: AddressTrace, counted: Counted) -> dict[str, Any]:
    lines = whole_popularity(counted)
    pages = len(np.unique(counted.rows[0] >> PAGE_SHIFT))
    reuse = _reuse(lines, None)
    writes = 0 if trace.operation is None else int(np.count_nonzero(trace.operation))
    parts = [trace.address[i : i + CHUNK + 1] for i in range(0, trace.requests, CHUNK)]
    next_line = sum(int((np.diff(part >> LINE_SHIFT) == 1).sum()) for part in parts)
    return {
        "requests": trace.requests,
        "reads": trace.requests - writes,
        "writes": writes,
        "write_share": writes / trace.requests,
        "line_bytes": 1 << LINE_SHIFT,
        "traffic_bytes": trace.requests << LINE_SHIFT,
        "touched_bytes": lines.distinct << LINE_SHIFT,
        "lowest_address": min(int(part.min()) for part in parts),
        "highest_address": max(int(part.max()) for part in parts),
        "pages_touched": pages if not counted.shift else None,
        "next_line_share": next_line / max(1, trace.requests - 1),
        **reuse,
        **_curves(counted, lines, 1 << LINE_SHIFT),
        "arrivals": None if trace.time is None else arrival_figures(trace.time, trace.time_unit),
    }


def _curves(counted: Counted, rows: Popularity, row_bytes: float) -> dict[str, Any]:
    """Return what has many values and is of all tables together."""
    distances = whole_distances(counted)
    return {
        "reuse": rows.histogram(),
        "stack_distance": distances.figures(),
        "lru": distances.curve(row_bytes),
        "rank_frequency": rows.rank_frequency(),
        "working_set": {
            "until_lookup": counted.until.tolist(),
            "distinct_rows": (counted.in_window << counted.shift).tolist(),
            "cumulative_rows": (counted.so_far << counted.shift).tolist(),
        },
    }


def _reuse(rows: Popularity, fresh: int | None) -> dict[str, Any]:
    """Return the reuse figures; ``fresh`` lookups were the first of their row in their bag. None without lookups."""
    names = ("repeat_share", "compulsory_share", "intra_bag_share", "inter_bag_share")
    if not rows.distinct or not rows.lookups:
        rest = ("lookups_per_row", "top_row_share", "hot_shares")
        return {"unique_rows": 0, **dict.fromkeys((*names, *rest))}
    lookups = rows.lookups
    first = min(lookups, rows.distinct)
    inside = None if fresh is None else max(0, lookups - (fresh << rows.shift))
    between = None if inside is None else max(0, lookups - first - inside)
    shares = (None if n is None else n / lookups for n in (lookups - first, first, inside, between))
    return {
        "unique_rows": rows.distinct,
        **dict(zip(names, shares, strict=True)),
        "lookups_per_row": lookups / rows.distinct,
        "top_row_share": rows.top_share(1),
        "hot_shares": rows.hot_shares(),
    }


def whole_popularity(counted: Counted) -> Popularity:
    """Return the uses of the rows of all tables together."""
    return Popularity.of(counted.uses, counted.lookups, counted.shift)


def whole_distances(counted: Counted) -> Distances:
    """Return the stack distances over all tables together."""
    return Distances(counted.whole.counts(), counted.lookups, counted.shift)


def pooling(trace: EmbeddingTrace) -> Pooling:
    """Count the bags of a trace by their number of lookups."""
    return Pooling.of(np.diff(offsets) for _, offsets in _bag_chunks(trace))


def lookups_by_table(trace: EmbeddingTrace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return bags and lookups of every table."""
    bags, lookups = np.zeros(len(trace.tables), np.int64), np.zeros(len(trace.tables), np.int64)
    for first, offsets in _bag_chunks(trace):
        part = trace.bag_tables[first : first + len(offsets) - 1]
        bags += np.bincount(part, minlength=len(bags))
        # Weights are added as float64, which is exact for the lookups of a chunk.
        lookups += np.bincount(part, weights=np.diff(offsets), minlength=len(bags)).astype(np.int64)
    return bags, lookups


def _bag_chunks(trace: EmbeddingTrace) -> Iterator[tuple[int, NDArray[np.int64]]]:
    for first in range(0, trace.bags, CHUNK):
        yield first, trace.bag_offsets[first : first + CHUNK + 1]
