"""What an architect wants to know about a trace before replaying it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.traces.trace import EmbeddingTrace

CHUNK_LOOKUPS = 1 << 20
COUNTED_ROWS = 1 << 29
"""Up to this many rows have a counter each; the lookups of larger (sparse, hashed) row spaces are sorted."""

HOT_SHARES = (0.001, 0.01, 0.1)


def trace_info(trace: EmbeddingTrace) -> dict[str, Any]:
    """Describe a trace, reading it once.

    Memory grows with the rows that are touched, 8 bytes each, and not with the length of the trace, where the
    tables have at most `COUNTED_ROWS` rows together.

    Parameters
    ----------
    trace : EmbeddingTrace
        A validated trace.

    Returns
    -------
    dict
        Plain values, ready for JSON: ``name``, ``sha256``, ``order``, ``lookups``, ``bags``, ``generator``,
        ``seed``, ``notes``, ``columns`` (those present); ``pooling`` (``min``, ``mean``, ``max`` lookups per
        bag); ``footprint_bytes`` of all tables, ``traffic_bytes`` of all lookups, ``touched_bytes`` of the
        rows that occur; the reuse figures of all tables together; and ``tables``, a list with name, rows,
        ``vector_bytes``, ``dtype``, ``footprint_bytes``, ``bags`` and the reuse figures of each.

        Reuse figures are ``lookups``, ``unique_rows``, ``repeat_share`` (share of lookups whose row occurred
        before in the trace: the hit ratio of an unbounded cache), ``lookups_per_row`` (mean over rows that
        occur), ``top_row_share`` (share of lookups to the hottest row) and ``hot_shares`` (share of lookups
        to the hottest 0.1 %, 1 % and 10 % of the rows that occur, at least one row).
    """
    used = _lookups_per_row(trace)
    bags = np.bincount(trace.bag_tables, minlength=len(trace.tables))
    lengths = np.diff(trace.bag_offsets)
    tables = [
        {
            "name": table.name,
            "rows": table.rows,
            "vector_bytes": table.vector_bytes,
            "dtype": table.dtype,
            "footprint_bytes": table.footprint_bytes,
            "bags": int(bags[number]),
            **_reuse(used[number]),
        }
        for number, table in enumerate(trace.tables)
    ]
    return {
        "name": trace.name,
        "sha256": trace.sha256,
        "order": trace.order,
        "bags": trace.bags,
        "pooling": {"min": int(lengths.min()), "mean": trace.lookups / trace.bags, "max": int(lengths.max())},
        "footprint_bytes": sum(table["footprint_bytes"] for table in tables),
        "traffic_bytes": sum(table["lookups"] * table["vector_bytes"] for table in tables),
        "touched_bytes": sum(table["unique_rows"] * table["vector_bytes"] for table in tables),
        **_reuse(np.concatenate(used)),
        "columns": list(trace.columns),
        "generator": trace.generator,
        "seed": trace.seed,
        "notes": list(trace.notes),
        "tables": tables,
    }


def _lookups_per_row(trace: EmbeddingTrace) -> list[NDArray[np.int64]]:
    """Return, for every table, how often each row occurs that occurs at all."""
    if sum(table.rows for table in trace.tables) > COUNTED_ROWS:
        of_lookup = trace.table
        by_table = trace.rows[np.argsort(of_lookup, kind="stable")]
        ends = np.cumsum(np.bincount(of_lookup, minlength=len(trace.tables)))
        return [np.unique(rows, return_counts=True)[1] for rows in np.split(by_table, ends[:-1])]
    bases = np.concatenate(([0], np.cumsum([table.rows for table in trace.tables])))
    # Zeroed pages that no lookup touches are never given memory by the operating system.
    counts = np.zeros(int(bases[-1]), np.int64)
    for first, last in trace.chunks(CHUNK_LOOKUPS):
        part = trace.window(first, last)
        np.add.at(counts, bases[part.table] + part.rows, 1)
    tables = (counts[first:last] for first, last in pairwise(bases))
    return [column[column > 0] for column in tables]


def _reuse(counts: NDArray[np.int64]) -> dict[str, Any]:
    """Return the reuse figures of rows that occur ``counts`` times each; ratios are None without lookups."""
    lookups, unique = int(counts.sum()), len(counts)
    if not unique:
        return {
            "lookups": 0,
            "unique_rows": 0,
            "repeat_share": None,
            "lookups_per_row": None,
            "top_row_share": None,
            "hot_shares": None,
        }
    hottest = np.cumsum(np.sort(counts)[::-1])
    return {
        "lookups": lookups,
        "unique_rows": unique,
        "repeat_share": 1 - unique / lookups,
        "lookups_per_row": lookups / unique,
        "top_row_share": int(hottest[0]) / lookups,
        "hot_shares": {f"{s:.1%}": int(hottest[max(1, round(unique * s)) - 1]) / lookups for s in HOT_SHARES},
    }
