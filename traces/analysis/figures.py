"""Figures of counted distributions: percentiles, bins, shares, curves. Samples are scaled here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

REUSE_BINS = tuple(1 << i for i in range(16))
"""Most uses of a row in each bin of a reuse histogram: (0, 1], (1, 2], (2, 4] to (16384, 32768]; one more is open."""

HOT_ROWS = (1, 10, 100)
HOT_SHARES = (0.001, 0.01, 0.1)
PERCENTILES = (50, 90, 99)
CURVE_STEPS = 8
"""Points of a curve per doubling."""
EXACT_LENGTHS = 1 << 16
"""Bags up to this long are counted by length in an array."""

Ints = NDArray[np.int64]


def nearest_rank(values: Ints, counts: Ints, percent: int) -> int:
    """Return the smallest value that at least ``percent`` of a non-empty, ascending distribution do not exceed."""
    below = np.cumsum(counts)
    return int(values[np.searchsorted(below, -(-int(below[-1]) * percent // 100), side="left")])


def doublings(last: int, steps: int = CURVE_STEPS) -> Ints:
    """Return whole numbers from 1 to ``last``, at most ``steps`` (a power of two) per doubling, and ``last``."""
    ratio = 2.0
    for _ in range(steps.bit_length() - 1):
        ratio = sqrt(ratio)
    inside = np.cumprod([1.0] + [ratio] * (steps - 1))
    points = np.unique(np.rint(np.outer(2.0 ** np.arange(int(last).bit_length()), inside)).astype(np.int64))
    return np.append(points[points < last], last)


@dataclass(frozen=True, eq=False)
class Popularity:
    """How often the rows that occur are used.

    Parameters
    ----------
    uses, rows : int64 arrays
        Ascending numbers of uses, and how many rows have each.
    lookups : int
        Lookups of the trace, also where the rows are a sample.
    shift : int
        One row in ``2**shift`` is counted.
    """

    uses: Ints
    rows: Ints
    lookups: int
    shift: int = 0

    @classmethod
    def of(cls, uses: Iterable[Ints], lookups: int, shift: int = 0) -> Popularity:
        """Count rows by their uses, given in parts."""
        few = np.zeros(EXACT_LENGTHS, np.int64)
        many: list[Ints] = []
        for part in uses:
            few += np.bincount(part[part < EXACT_LENGTHS], minlength=EXACT_LENGTHS)
            many.append(part[part >= EXACT_LENGTHS])
        values, counts = np.unique(np.concatenate(many or [few[:0]]), return_counts=True)
        small = np.flatnonzero(few)
        return cls(np.append(small, values), np.append(few[small], counts), lookups, shift)

    @property
    def distinct(self) -> int:
        """Rows that occur."""
        return int(self.rows.sum()) << self.shift

    @cached_property
    def _from_top(self) -> tuple[Ints, Ints, Ints]:
        """Uses in falling order; rows, and their lookups, up to and including each."""
        uses, rows = self.uses[::-1], self.rows[::-1]
        return uses, np.cumsum(rows), np.cumsum(uses * rows)

    def top_share(self, rows: int) -> float | None:
        """Share of lookups to the ``rows`` most used rows; None where the sample is too coarse to tell.

        Of a sample the lookups to all other rows are scaled: whether one of the few hottest rows fell into it changes
        those to the hottest, not those.
        """
        counted = rows >> self.shift
        if not counted:
            return None
        uses, up_to, lookups = self._from_top
        if counted >= up_to[-1]:
            return 1.0
        at = int(np.searchsorted(up_to, counted, side="left"))
        top = int(lookups[at]) - int(uses[at]) * (int(up_to[at]) - counted)
        if not self.shift:
            return top / self.lookups
        return max(0.0, 1 - ((int(lookups[-1]) - top) << self.shift) / self.lookups)

    def hot_shares(self) -> dict[str, float | None]:
        """Share of lookups to the hottest rows, by their number or share of the rows that occur, at least one."""
        shares = {str(rows): self.top_share(rows) for rows in HOT_ROWS}
        for share in HOT_SHARES:
            rows = max(1 << self.shift, round(self.distinct * share))
            shares[f"{share:.1%}"] = self.top_share(rows)
        return shares

    def histogram(self) -> dict[str, list[Any]]:
        """Rows, and lookups to them, by uses per row in the bins of `REUSE_BINS`."""
        which = np.searchsorted(REUSE_BINS, self.uses, side="left")
        rows, lookups = (np.zeros(len(REUSE_BINS) + 1, np.int64) for _ in range(2))
        np.add.at(rows, which, self.rows << self.shift)
        np.add.at(lookups, which, (self.uses * self.rows) << self.shift)
        return {"up_to": [*REUSE_BINS, None], "rows": rows.tolist(), "lookups": lookups.tolist()}

    def rank_frequency(self) -> dict[str, list[int]]:
        """Lookups of the row at a popularity rank, from 1, at a few ranks per doubling."""
        uses, up_to, _ = self._from_top
        ranks = doublings(int(up_to[-1]), CURVE_STEPS // 2)
        return {
            "rank": (ranks << self.shift).tolist(),
            "lookups": uses[np.searchsorted(up_to, ranks, side="left")].tolist(),
        }


@dataclass(frozen=True, eq=False)
class Distances:
    """Stack distances of one stream of lookups.

    Parameters
    ----------
    counts : int64 array
        Reuses by distance, unscaled; shape (distinct rows,).
    lookups : int
        Lookups of the stream, also where the rows are a sample.
    shift : int
        One row in ``2**shift`` is counted. Distances of a sample are scaled, and the lookups that the sample has too
        few or too many count as reuses of distance 0, because it is the hottest rows that are in or out by luck.
    """

    counts: Ints
    lookups: int
    shift: int = 0

    @cached_property
    def sums(self) -> Ints:
        """Reuses of a distance of at most ``i << shift``, not scaled, shape (distinct rows,)."""
        sums = np.cumsum(self.counts)
        if self.shift and len(sums):
            total = self.lookups >> self.shift
            sums += total - int(sums[-1]) - len(sums)
            np.clip(sums, 0, total, out=sums)
        return sums

    def hit_ratio(self, entries: Ints) -> NDArray[np.float64]:
        """Hit ratio of LRU caches of so many rows, cold at the start."""
        held = np.minimum(entries >> self.shift, len(self.counts))
        if not len(self.counts):
            return np.zeros(len(entries))
        hits = np.where(held > 0, self.sums[held - 1], 0)
        ratios: NDArray[np.float64] = hits / max(1, self.lookups >> self.shift)
        return ratios

    def percentile(self, percent: int) -> int | None:
        """Return the smallest distance that at least ``percent`` of the reuses do not exceed; None without reuses."""
        if not len(self.sums) or not self.sums[-1]:
            return None
        wanted = -(-int(self.sums[-1]) * percent // 100)
        return int(np.searchsorted(self.sums, wanted, side="left")) << self.shift

    def figures(self) -> dict[str, Any]:
        """Percentiles, the longest distance, and reuses by distance in bins of powers of two."""
        used = np.flatnonzero(self.counts)
        longest = int(used[-1]) << self.shift if len(used) else None
        edges = [0] if longest is None else [0, *(1 << i for i in range(longest.bit_length() + 1))]
        ratios = self.hit_ratio(np.array(edges)) * self.lookups
        return {
            **{f"p{percent}": self.percentile(percent) for percent in PERCENTILES},
            "max": longest,
            "histogram": {
                "below": edges[1:],
                "lookups": [round(after) - round(before) for before, after in pairwise(ratios.tolist())],
            },
        }

    def curve(self, row_bytes: float, steps: int = CURVE_STEPS) -> dict[str, list[Any]]:
        """Hit ratio of LRU caches from one row to all that occur, by size in rows and in bytes."""
        if not len(self.counts):
            return {"entries": [], "bytes": [], "hit_ratio": []}
        entries = doublings(len(self.counts) << self.shift, steps)
        return {
            "entries": entries.tolist(),
            "bytes": [round(n * row_bytes) for n in entries.tolist()],
            "hit_ratio": self.hit_ratio(entries).tolist(),
        }


@dataclass(frozen=True, eq=False)
class Pooling:
    """Bags by their number of lookups, ascending."""

    lengths: Ints
    bags: Ints

    @classmethod
    def of(cls, parts: Iterable[Ints]) -> Pooling:
        """Count lengths given in parts; memory grows with how many lengths differ."""
        few = np.zeros(EXACT_LENGTHS, np.int64)
        many: dict[int, int] = {}
        for part in parts:
            few += np.bincount(part[part < EXACT_LENGTHS], minlength=EXACT_LENGTHS)
            for length in part[part >= EXACT_LENGTHS].tolist():
                many[length] = many.get(length, 0) + 1
        used, long = np.flatnonzero(few), sorted(many)
        more = np.array([many[length] for length in long], np.int64)
        return cls(np.append(used, np.array(long, np.int64)), np.append(few[used], more))

    def figures(self) -> dict[str, Any]:
        """Percentiles, mean, and bags by length: each length, or bins where there are over 256 lengths."""
        bags = int(self.bags.sum())
        return {
            "min": int(self.lengths[0]),
            **{f"p{percent}": nearest_rank(self.lengths, self.bags, percent) for percent in PERCENTILES},
            "mean": int((self.lengths * self.bags).sum()) / bags,
            "max": int(self.lengths[-1]),
            "histogram": self._histogram(),
        }

    def _histogram(self) -> dict[str, list[int]]:
        if len(self.lengths) <= 256:
            return {"up_to": self.lengths.tolist(), "bags": self.bags.tolist()}
        up_to = np.append(0, doublings(int(self.lengths[-1])))
        bags = np.zeros(len(up_to), np.int64)
        np.add.at(bags, np.searchsorted(up_to, self.lengths, side="left"), self.bags)
        return {"up_to": up_to.tolist(), "bags": bags.tolist()}
