"""Whole miss-ratio curves of LRU caches in one pass over the accesses; docs/caches.md says how."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.cache.accesses import Accesses, Ints
from archsim.errors import InputError
from archsim.kernels.curves import SetDepths, bin_distances
from archsim.kernels.reuse import IDS_MAX, RowNumbers, StackDistances
from archsim.traces.analysis.figures import CURVE_STEPS, doublings

Progress = Callable[[int], object]
Floats = NDArray[np.float64]

ALL = 1 << 24
"""A sampling rate of 1; rates are whole multiples of 2**-24, so that they are exact."""
DENSE_PER_ACCESS, DENSE = 4, 1 << 20
"""Ids are used as they are up to so many per access, or so many at all; beyond, objects are numbered by first use."""
MOST_WAYS = 1 << 12


@dataclass(frozen=True, eq=False)
class Grouped:
    """Hits of groups of accesses (tables, intervals) in one cache that all of them share.

    Attributes
    ----------
    entries : int64 array [sizes]
        Sizes of the cache, ascending.
    accesses : int64 array [groups]
    hits : int64 or float64 array [groups, sizes]
        Float: estimated from a sample.
    """

    entries: Ints
    accesses: Ints
    hits: NDArray[np.int64] | Floats

    @property
    def miss_ratio(self) -> Floats:
        """Misses per access, shape (groups, sizes); 0 for a group without accesses."""
        accesses = self.accesses[:, None]
        ratio: Floats = (accesses - self.hits) / np.maximum(accesses, 1)
        return ratio


@dataclass(frozen=True, eq=False)
class LruCurve:
    """Hits of fully associative LRU caches of every size, all of them empty at the start.

    Attributes
    ----------
    accesses : int
    distances : int64 array [distinct objects]
        Reuses by stack distance; of a sample, neither scaled nor corrected.
    sample : int
        Objects counted, as a multiple of 2**-24; 2**24: all of them, and everything is exact.
    unit_bytes : int
        Bytes of an entry; 0: not known.
    kernel_cpu_s : float
        CPU seconds inside the kernels.
    tables, intervals : Grouped or None
        The same hits by table and by interval of time.
    interval : int
        Accesses per interval; 0: no intervals.
    alone : list of LruCurve
        Of each table with a cache of its own.
    """

    accesses: int
    distances: Ints
    sample: int = ALL
    unit_bytes: int = 0
    kernel_cpu_s: float = 0.0
    tables: Grouped | None = None
    intervals: Grouped | None = None
    interval: int = 0
    alone: Sequence[LruCurve] = ()

    @property
    def label(self) -> str:
        """How it was counted: ``exact`` or ``sampled 1 %``."""
        return "exact" if self.sample == ALL else f"sampled {100 * self.sample / ALL:.4g} %"

    @property
    def distinct(self) -> int:
        """Distinct objects; of a sample an estimate."""
        return round(len(self.distances) * ALL / self.sample)

    @cached_property
    def _hits(self) -> Ints:
        """Hits of a cache of 0, 1, 2, ... objects of the sample."""
        return np.concatenate(([0], np.cumsum(self.distances)))

    def hits(self, entries: ArrayLike) -> NDArray[np.int64] | Floats:
        """Return the hits of caches of so many entries: whole numbers where exact, estimates of a sample.

        Parameters
        ----------
        entries : int array
            Not negative.
        """
        sizes = np.asarray(entries, np.int64)
        if sizes.size and int(sizes.min()) < 0:
            raise InputError(f"entries = {int(sizes.min())} must not be negative")
        found = self._hits[np.minimum(_held(sizes, self.sample), len(self.distances))]
        used = int(self._hits[-1]) + len(self.distances)
        return found if self.sample == ALL else _scaled(found, sizes, self.accesses, used, self.sample)

    def miss_ratio(self, entries: ArrayLike) -> Floats:
        """Return misses per access of caches of so many entries; 0 without accesses."""
        ratio: Floats = (self.accesses - self.hits(entries)) / max(self.accesses, 1)
        return ratio

    def sizes(self, steps: int = CURVE_STEPS) -> Ints:
        """Return sizes from the smallest that the sample resolves to all objects, `steps` per doubling."""
        if not len(self.distances):
            return np.empty(0, np.int64)
        sizes = doublings(self.distinct, steps)
        return sizes[sizes * self.sample >= ALL]


def _held(entries: Ints, sample: int) -> Ints:
    """Objects of the sample in caches of so many entries."""
    most = np.minimum(entries, (2**63 - ALL) // sample)
    return most * sample // ALL


def _scaled(found: Ints, entries: Ints, accesses: ArrayLike, used: ArrayLike, sample: int) -> Floats:
    """Hits of all, from hits in a sample that used objects `used` times.

    What the sample has too few or too many of its share of the accesses is taken to hit at any size: it is the
    hottest objects that are in the sample or out of it by luck.
    """
    share = np.asarray(accesses) * (sample / ALL)
    hits = np.where(entries > 0, found + (share - np.asarray(used)), 0.0)
    scaled: Floats = np.clip(hits, 0.0, share) * (ALL / sample)
    return scaled


def as_accesses(accesses: Accesses | ArrayLike) -> Accesses:
    """Return accesses; ids in an array are taken as they are."""
    return accesses if isinstance(accesses, Accesses) else Accesses.from_ids(accesses)


def as_sample(rate: float) -> int:
    """Return a sampling rate as a multiple of 2**-24.

    Raises
    ------
    InputError
        For a rate that is not above 0 and at most 1.
    """
    sample = round(rate * ALL) if 0 < rate <= 1 else 0
    if not sample:
        raise InputError(f"sample = {rate:g} must be above 0 (at least 1e-7) and at most 1")
    return sample


def lru_curve(
    accesses: Accesses | ArrayLike,
    *,
    sample: float = 1.0,
    per_table: bool = False,
    interval: int = 0,
    entries: ArrayLike | None = None,
    progress: Progress | None = None,
) -> LruCurve:
    """Measure the miss ratio of LRU caches of all sizes in one pass.

    Parameters
    ----------
    accesses : Accesses, or int array [accesses]
    sample : float
        Share of the objects to count, chosen by a hash; 1: all, exactly.
    per_table : bool
        Also by table, of the one cache and of a cache for each table alone.
    interval : int
        Also by interval of so many accesses; 0: not. The cache goes on from one to the next.
    entries : int array, optional
        Sizes for which tables and intervals are counted; eight per doubling by default.
    progress : callable, optional
        Told how many more accesses are done.

    Returns
    -------
    LruCurve

    Raises
    ------
    InputError
        For a rate, interval or size out of its range, or more objects than can be told apart.
    """
    source = as_accesses(accesses)
    if interval < 0:
        raise InputError(f"interval = {interval} must not be negative")
    if entries is None:
        sizes = (
            doublings(min(source.count, source.objects), CURVE_STEPS)
            if source.count
            else np.empty(0, np.int64)
        )
    else:
        sizes = np.unique(np.asarray(entries, np.int64))
    if sizes.size and int(sizes[0]) < 0:
        raise InputError(f"entries = {int(sizes[0])} must not be negative")
    counter = _Pass(source, as_sample(sample), sizes, per_table, interval)
    return counter.run(progress)


class _Pass:
    """One pass over the accesses and what it counts."""

    def __init__(self, source: Accesses, sample: int, sizes: Ints, per_table: bool, interval: int) -> None:
        self.source, self.sample, self.sizes, self.interval = source, sample, sizes, interval
        self.held = _held(sizes, sample)
        self.whole = StackDistances()
        few = source.objects <= min(IDS_MAX, max(DENSE, DENSE_PER_ACCESS * source.count))
        below = sample << 40 if sample < ALL else 0
        self.numbers = None if few and not below else RowNumbers(sample_below=below)
        tables = max(1, len(source.tables)) if per_table else 0
        self.own = StackDistances(tables) if tables else None
        self.by_table = _Counts(tables, self.held)
        self.by_time = _Counts(0, self.held)
        self.accesses, self.cpu_s = 0, 0.0

    def run(self, progress: Progress | None) -> LruCurve:
        """Go through all pieces."""
        with ThreadPoolExecutor(1) as other:
            for ids, ends, tables in self.source:
                marks = self._interval_ends(len(ids))
                began = time.thread_time()
                numbered, kept, kept_marks = self._number(ids, ends, marks)
                waiting = self.own and other.submit(_feed, self.own, numbered, kept, tables)
                distances = None
                if self.own or self.interval:
                    distances = np.empty(len(numbered), np.int64)
                self.whole.feed(numbered, distances=distances)
                if self.own:
                    self.by_table.add(distances, np.diff(ends, prepend=0), kept, tables)
                if self.interval:
                    first = self.accesses // self.interval
                    which = np.arange(first, first + len(marks), dtype=np.int32)
                    self.by_time.add(distances, np.diff(marks, prepend=0), kept_marks, which)
                self.cpu_s += time.thread_time() - began
                if waiting:
                    self.cpu_s += waiting.result()
                self.accesses += len(ids)
                if progress is not None:
                    progress(len(ids))
        return self._curve()

    def _interval_ends(self, count: int) -> Ints:
        """Where intervals end in the next accesses; the last may go on."""
        if not self.interval:
            return np.empty(0, np.int64)
        rest = self.interval - self.accesses % self.interval
        return np.append(np.arange(rest, count, self.interval), count)

    def _number(self, ids: Ints, ends: Ints, marks: Ints) -> tuple[NDArray[np.int32], Ints, Ints]:
        """Small numbers of those ids that are in the sample, and where runs and intervals end in them."""
        if self.numbers is None:
            return ids.astype(np.int32), ends, marks
        cuts = np.union1d(ends, marks)
        numbered, kept = self.numbers.number(ids, cuts)
        if len(self.numbers) > IDS_MAX:
            raise InputError(f"over {IDS_MAX:,} distinct objects; give a sampling rate, such as 0.1")
        return numbered, kept[np.searchsorted(cuts, ends)], kept[np.searchsorted(cuts, marks)]

    def _curve(self) -> LruCurve:
        own = self.own
        shared = self.by_table.grouped(self.sizes, self.sample) if own else None
        alone = []
        if own and shared:
            for number, count in enumerate(shared.accesses.tolist()):
                alone.append(LruCurve(count, own.counts(number), self.sample, self.source.unit_bytes))
        return LruCurve(
            self.accesses, self.whole.counts(), self.sample, self.source.unit_bytes, self.cpu_s,
            tables=shared,
            intervals=self.by_time.grouped(self.sizes, self.sample) if self.interval else None,
            interval=self.interval,
            alone=alone,
        )  # fmt: skip


def _feed(own: StackDistances, ids: NDArray[np.int32], ends: Ints, tables: NDArray[np.int32]) -> float:
    began = time.thread_time()
    own.feed(ids, ends, tables)
    return time.thread_time() - began


class _Counts:
    """Distances by group and size."""

    def __init__(self, groups: int, held: Ints) -> None:
        self.held = held
        self.counts = np.zeros((groups, len(held)), np.int64)
        self.accesses, self.used = np.zeros(groups, np.int64), np.zeros(groups, np.int64)

    def add(self, distances: Ints | None, lengths: Ints, kept: Ints, groups: NDArray[np.int32]) -> None:
        """Count runs of accesses: how many, how many of them are in the sample, and at what distances."""
        assert distances is not None
        missing = int(groups.max(initial=-1)) + 1 - len(self.accesses)
        if missing > 0:
            self.counts = np.pad(self.counts, ((0, missing), (0, 0)))
            self.accesses, self.used = (np.pad(array, (0, missing)) for array in (self.accesses, self.used))
        np.add.at(self.accesses, groups, lengths)
        np.add.at(self.used, groups, np.diff(kept, prepend=0))
        bin_distances(distances, self.held, kept, groups, self.counts)

    def grouped(self, sizes: Ints, sample: int) -> Grouped:
        """Return the hits of all groups."""
        found = np.cumsum(self.counts, axis=1)
        if sample == ALL:
            return Grouped(sizes, self.accesses, found)
        scaled = _scaled(found, sizes, self.accesses[:, None], self.used[:, None], sample)
        return Grouped(sizes, self.accesses, scaled)


@dataclass(frozen=True, eq=False)
class WayCurve:
    """Hits of set-associative LRU caches of one number of sets, by their ways; line ``n`` is in set ``n % sets``.

    Attributes
    ----------
    sets : int
    accesses : int
    hits : int64 array [ways]
        Of 1, 2, 3, ... ways.
    unit_bytes : int
        Bytes of a line; 0: not known.
    kernel_cpu_s : float
    """

    sets: int
    accesses: int
    hits: Ints
    unit_bytes: int = 0
    kernel_cpu_s: float = 0.0

    @property
    def entries(self) -> Ints:
        """Lines that the caches hold, shape (ways,)."""
        return self.sets * np.arange(1, len(self.hits) + 1)

    @property
    def miss_ratio(self) -> Floats:
        """Misses per access, shape (ways,)."""
        ratio: Floats = (self.accesses - self.hits) / max(self.accesses, 1)
        return ratio


def way_curve(
    accesses: Accesses | ArrayLike, sets: int, ways: int, *, progress: Progress | None = None
) -> WayCurve:
    """Measure all associativities of one number of sets in one pass.

    Parameters
    ----------
    accesses : Accesses, or int array [accesses]
        Lines.
    sets : int
    ways : int
        Most ways.
    progress : callable, optional
        Told how many more accesses are done.

    Raises
    ------
    InputError
        For sets or ways out of their range.
    """
    source = as_accesses(accesses)
    if not 1 <= sets <= 1 << 31:
        raise InputError(f"sets = {sets} must lie in 1 .. {1 << 31}")
    if not 1 <= ways <= MOST_WAYS:
        raise InputError(f"ways = {ways} must lie in 1 .. {MOST_WAYS}")
    source.check_lines()
    # No set holds more lines than go to it.
    deep = min(ways, -(-max(source.objects, 1) // sets))
    depths, counts, cpu_s = SetDepths(sets, deep), np.zeros(deep + 1, np.int64), 0.0
    for ids, _, _ in source:
        began = time.thread_time()
        depths.feed(ids, counts)
        cpu_s += time.thread_time() - began
        if progress is not None:
            progress(len(ids))
    hits = np.pad(np.cumsum(counts[:-1]), (0, ways - deep), mode="edge")
    return WayCurve(sets, int(counts.sum()), hits, source.unit_bytes, cpu_s)
