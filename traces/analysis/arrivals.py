"""When requests or bags arrive: rate and burstiness."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 20
WINDOWS = 100
"""Parts of equal duration in which arrivals are counted."""


def arrival_figures(times: NDArray[np.int64], unit: str) -> dict[str, Any]:
    """Describe arrival times, in bounded memory.

    Parameters
    ----------
    times : int64 array, shape (n,)
        Arrival of each request or bag, n of at least 1.
    unit : {"clk", "ps"}
        What they count.

    Returns
    -------
    dict
        ``time_unit``; ``first``, ``last`` and ``duration`` in it; ``in_order`` (whether no arrival is before its
        predecessor); ``peak_to_mean``, the fullest of 100 windows of equal duration over their mean, and
        ``dispersion``, variance over mean of their counts (1: Poisson, 0: paced), both None without a duration; and, of
        arrivals in order, ``mean_gap`` and ``longest_gap`` in the unit, ``gap_cv`` (standard deviation over mean of the
        gaps, 1: Poisson, 0: paced) and ``together_share`` (arrivals at the same time as their predecessor), else None.
    """
    first = min(int(times[i : i + CHUNK].min()) for i in range(0, len(times), CHUNK))
    last = max(int(times[i : i + CHUNK].max()) for i in range(0, len(times), CHUNK))
    duration = last - first
    found: dict[str, Any] = {
        "time_unit": unit,
        "first": first,
        "last": last,
        "duration": duration,
        **_gaps(times),
        "peak_to_mean": None,
        "dispersion": None,
    }
    if duration:
        counts = np.zeros(WINDOWS, np.int64)
        # Edges and not quotients: the product of a time and 100 may need more than 64 bits.
        edges = np.array([first + duration * i // WINDOWS for i in range(1, WINDOWS)])
        for i in range(0, len(times), CHUNK):
            inside = np.searchsorted(edges, times[i : i + CHUNK], side="right")
            counts += np.bincount(inside, minlength=WINDOWS)
        found["peak_to_mean"] = int(counts.max()) * WINDOWS / len(times)
        found["dispersion"] = float(counts.var() / counts.mean())
    return found


def _gaps(times: NDArray[np.int64]) -> dict[str, Any]:
    longest, together, squares = 0, 0, 0.0
    nothing = {"mean_gap": None, "longest_gap": None, "gap_cv": None, "together_share": None}
    count = len(times) - 1
    mean = (int(times[-1]) - int(times[0])) / count if count else 0.0
    for i in range(0, count, CHUNK):
        gaps = np.diff(times[i : i + CHUNK + 1])
        if gaps.min() < 0:
            return {"in_order": False, **nothing}
        longest = max(longest, int(gaps.max()))
        together += int((gaps == 0).sum())
        squares += float(((gaps - mean) ** 2).sum())
    if not mean:
        return {"in_order": True, **nothing}
    return {
        "in_order": True,
        "mean_gap": mean,
        "longest_gap": longest,
        "gap_cv": sqrt(squares / count) / mean,
        "together_share": together / count,
    }
