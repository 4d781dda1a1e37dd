"""How two traces differ: their figures side by side, and distances between their distributions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.traces.addresses import AddressTrace
from archsim.traces.analysis.counting import MAX_BYTES, Counted, Progress, count
from archsim.traces.analysis.figures import Distances, Pooling
from archsim.traces.analysis.info import describe, pooling, whole_distances
from archsim.traces.trace import EmbeddingTrace

HOT_ROWS = 100
"""Rows of a table whose overlap is looked at."""

Trace = EmbeddingTrace | AddressTrace


def compare_traces(
    first: Trace, second: Trace, *, max_bytes: int = MAX_BYTES, progress: Progress | None = None
) -> dict[str, Any]:
    """Compare two traces of the same kind.

    Parameters
    ----------
    first, second : EmbeddingTrace or AddressTrace
        Validated traces.
    max_bytes : int
        Memory for the counters of each, see `trace_info`.
    progress : callable, optional
        Told how many more lookups are done.

    Returns
    -------
    dict
        ``traces``: the two results of `trace_info`. ``distances``: ``reuse_rows_tv`` and ``reuse_lookups_tv``, total
        variation of the reuse histograms by rows and by lookups; ``stack_distance_ks``, the largest difference of the
        LRU hit ratios at equal size (Kolmogorov-Smirnov, first uses counting as infinitely far); ``pooling_ks``,
        Kolmogorov-Smirnov of the lookups per bag; ``hot_rows_overlap``, mean over ``hot_rows`` or None. ``hot_rows``:
        of each table with equal name, number and rows, the share of the hottest rows (at most 100, at most as many as
        occur in both) that both have in common.

    Raises
    ------
    InputError
        One holds lookups, the other raw addresses.
    """
    if isinstance(first, AddressTrace) != isinstance(second, AddressTrace):
        kinds = ["addresses" if isinstance(t, AddressTrace) else "lookups" for t in (first, second)]
        raise InputError(
            f"{first.name} holds {kinds[0]} and {second.name} {kinds[1]}; only traces of one kind can be compared"
        )
    counted = [count(trace, max_bytes, progress) for trace in (first, second)]
    infos = [describe(trace, one) for trace, one in zip((first, second), counted, strict=True)]
    reuse = [info["reuse"] for info in infos]
    overlaps: list[dict[str, Any]] = []
    pooling_ks = None
    if isinstance(first, EmbeddingTrace) and isinstance(second, EmbeddingTrace):
        overlaps = list(_overlaps(first, counted[0], second, counted[1]))
        pooling_ks = pooling_distance(pooling(first), pooling(second))
    shares = [entry["overlap"] for entry in overlaps]
    return {
        "traces": infos,
        "distances": {
            "reuse_rows_tv": total_variation(reuse[0]["rows"], reuse[1]["rows"]),
            "reuse_lookups_tv": total_variation(reuse[0]["lookups"], reuse[1]["lookups"]),
            "stack_distance_ks": hit_ratio_distance(whole_distances(counted[0]), whole_distances(counted[1])),
            "pooling_ks": pooling_ks,
            "hot_rows_overlap": sum(shares) / len(shares) if shares else None,
        },
        "hot_rows": overlaps,
    }


def total_variation(first: list[int], second: list[int]) -> float:
    """Half the sum of the differences of two histograms with the same bins, each scaled to 1."""
    a, b = np.array(first, float), np.array(second, float)
    return float(np.abs(a / a.sum() - b / b.sum()).sum() / 2)


def hit_ratio_distance(first: Distances, second: Distances) -> float:
    """Return the largest difference of two hit ratios over all sizes of the cache."""
    sizes = [np.arange(len(one.counts) + 1) << one.shift for one in (first, second)]
    return max(float(np.abs(first.hit_ratio(at) - second.hit_ratio(at)).max()) for at in sizes)


def pooling_distance(first: Pooling, second: Pooling) -> float:
    """Return the largest difference of the shares of bags that are at most so long."""
    lengths = np.union1d(first.lengths, second.lengths)
    a, b = (_share_up_to(one, lengths) for one in (first, second))
    return float(np.abs(a - b).max())


def _share_up_to(one: Pooling, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    below = np.append(0, np.cumsum(one.bags))
    shares: NDArray[np.float64] = below[np.searchsorted(one.lengths, lengths, side="right")] / below[-1]
    return shares


def _overlaps(
    first: EmbeddingTrace, a: Counted, second: EmbeddingTrace, b: Counted
) -> Iterator[dict[str, Any]]:
    """Compare the hottest rows of tables that are the same in both; samples of unequal rates have no common rows."""
    if a.shift != b.shift:
        return
    for number, (one, other) in enumerate(zip(first.tables, second.tables, strict=False)):
        most = min(HOT_ROWS, len(a.rows[number]), len(b.rows[number]))
        if (one.name, one.rows) != (other.name, other.rows) or not most:
            continue
        common = np.intersect1d(hottest(a, number, most), hottest(b, number, most))
        yield {"table": one.name, "rows": most, "overlap": len(common) / most}


def hottest(counted: Counted, table: int, most: int) -> NDArray[np.int64]:
    """Return the ``most`` rows of a table with the most uses; of equals, the rows of lower number."""
    order = np.lexsort((counted.rows[table], -counted.uses[table]))
    return counted.rows[table][order[:most]]
