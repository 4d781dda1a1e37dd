"""The same accesses replayed through many caches, in threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.cache.accesses import Accesses, Ints
from archsim.cache.curves import as_accesses
from archsim.cache.policies import Policy, policy_named
from archsim.cache.replay import (
    DENSE_WORDS,
    DENSE_WORDS_PER_ACCESS,
    MOST_ENTRIES,
    CacheResult,
    Foreknown,
    NoCache,
    Replay,
    kernel_parameters,
    replay_of,
    whole,
)
from archsim.cache.sets import HIT
from archsim.cache.user import UserPolicy, UserReplay
from archsim.errors import InputError
from archsim.kernels.cache import SET_POLICIES, SetReplay, replay_each_set

Progress = Callable[[int], object]


class _StopError(Exception):
    """Another replay failed or was interrupted."""


def compare_policies(
    accesses: Accesses | ArrayLike,
    policies: Iterable[str | UserPolicy],
    entries: Iterable[int],
    *,
    ways: int | None = None,
    per_table: bool = False,
    interval: int = 0,
    threads: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[CacheResult]:
    """Replay accesses through every policy at every size.

    Parameters
    ----------
    accesses : Accesses, or int array [accesses]
    policies : iterable of str or UserPolicy
        Names of `archsim.cache.POLICIES`, or policies of one's own.
    entries : iterable of int
        Objects that the caches hold.
    ways : int, optional
        Ways of a set: object ``n`` goes to set ``n % (entries / ways)``, and each set is a cache of its own under the
        policy. Fully associative by default. Not for policies of one's own.
    per_table : bool
        Count hits by table too.
    interval : int
        Accesses per interval of a series of hits; 0: no series.
    threads : int, optional
        One per processor by default. No result depends on it.
    seed : int
        Of policies that choose at random.
    progress : callable, optional
        Told how many more accesses one of the replays has done; called from several threads, one at a time.

    Returns
    -------
    list of CacheResult
        Policy by policy, sizes in the order given.

    Raises
    ------
    InputError
        For an unknown policy, or a size, ways or an interval that cannot be.
    """
    interval = whole("interval", interval, 0)
    sizes = [whole("entries", size, 0, MOST_ENTRIES) for size in entries]
    chosen: list[Policy | UserPolicy] = [
        one if isinstance(one, UserPolicy) else policy_named(one) for one in policies
    ]
    names = [one.name for one in chosen]
    if ways is not None:
        _check_ways(chosen, sizes, ways)
    jobs = [(one, size) for one in chosen for size in sizes]
    source = as_accesses(accesses)
    for own in (one for one in chosen if isinstance(one, UserPolicy)):
        _check_own(own, source)
    if ways is not None:
        source.check_lines()
    ahead = "belady" in names or (ways is not None and not set(names) <= set(SET_POLICIES))
    if len(jobs) > 1 or ahead:
        source = source.held()
    future = source.ids() if ahead else np.empty(0, np.int64)
    stop, lock = threading.Event(), threading.Lock()

    def advance(count: int) -> None:
        if stop.is_set():
            raise _StopError
        if progress is not None:
            with lock:
                progress(count)

    def work(job: tuple[Policy | UserPolicy, int]) -> CacheResult:
        policy, size = job
        try:
            replay, values = _replay_of(source, policy, size, ways, future, seed)
            return _run(source, policy.name, size, replay, values, per_table, interval, advance)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(max_workers=threads) as pool:
        waiting = [pool.submit(work, job) for job in jobs]
        try:
            failures = [one.exception() for one in waiting]
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for failure in failures:
        if failure is not None and not isinstance(failure, _StopError):
            raise failure
    return [one.result() for one in waiting]


def _span(source: Accesses) -> int:
    """Return the ids a table is for, or what `PolicyReplay` calls ids that are to be hashed."""
    if source.objects < max(DENSE_WORDS, DENSE_WORDS_PER_ACCESS * source.count):
        return source.objects
    return -1 if source.objects < 2**32 else 0


def _check_ways(policies: list[Policy | UserPolicy], sizes: list[int], ways: int) -> None:
    for one in policies:
        if isinstance(one, UserPolicy):
            raise InputError(
                f"policy {one.name!r}: those of one's own are for fully associative caches, not for ways"
            )
    for size in sizes:
        if ways < 1 or ways > size:
            raise InputError(f"ways = {ways} must lie in 1 .. {size}, the entries of the cache")
        if size % ways:
            raise InputError(f"entries = {size} is not a multiple of {ways} ways; {size - size % ways} is")


class _Sets:
    """A cache of sets, in the terms of the other policies."""

    def __init__(self, name: str, entries: int, ways: int, seed: int) -> None:
        self.cache = SetReplay(entries // ways, ways, 1, name, True, True, seed)
        self.state_bytes = 8 * entries

    def feed(self, ids: Ints, hits: NDArray[np.uint8] | None = None) -> int:
        """Replay accesses, note hits, return their number."""
        found = int(self.cache.feed(ids, None, None, hits))
        if hits is not None:
            hits &= HIT
        return found


def _check_own(policy: UserPolicy, source: Accesses) -> None:
    """Refuse ids that arrays of a user's policy cannot be indexed with; compile it before any thread asks for it."""
    if _span(source) <= 0 and source.count:
        rule = "needs ids from 0 on, not much larger than the accesses are many; number them first"
        raise InputError(f"policy {policy.name!r} {rule}")
    UserReplay(policy, 1, 1).compile()


def _each_set(
    policy: Policy, values: dict[str, float | int], entries: int, ways: int, ids: Ints
) -> Foreknown:
    """Replay set by set, the accesses of each in their order."""
    began = time.thread_time()
    sets = entries // ways
    numbers = ids % sets
    order = np.argsort(numbers.astype(np.uint16) if sets <= 1 << 16 else numbers, kind="stable")
    bounds = np.concatenate(([0], np.cumsum(np.bincount(numbers, minlength=1)))).astype(np.int64)
    hits, found = np.zeros(ids.size, np.uint8), np.zeros(ids.size, np.uint8)
    most = replay_each_set(policy.name, ids[order], bounds, ways, *kernel_parameters(values), found)
    hits[order] = found
    return Foreknown(hits, time.thread_time() - began, most)


def _replay_of(
    source: Accesses, policy: Policy | UserPolicy, entries: int, ways: int | None, future: Ints, seed: int
) -> tuple[Replay, dict[str, float | int]]:
    if isinstance(policy, UserPolicy):
        return UserReplay(policy, entries, max(_span(source), 1)) if entries else NoCache(), {}
    values = policy.resolve({})
    if ways is not None:
        known = policy.name in SET_POLICIES
        sets = (
            _Sets(policy.name, entries, ways, seed)
            if known
            else _each_set(policy, values, entries, ways, future)
        )
        return sets, {**values, "ways": ways}
    return replay_of(policy, values, entries, _span(source), seed, future), values


def _run(
    source: Accesses,
    name: str,
    entries: int,
    replay: Replay,
    values: dict[str, float | int],
    per_table: bool,
    interval: int,
    advance: Progress,
) -> CacheResult:
    tables = max(1, len(source.tables)) if per_table else 0
    table_accesses, table_hits = np.zeros(tables, np.int64), np.zeros(tables, np.int64)
    series = np.zeros(-(-source.count // interval) if interval else 0, np.int64)
    accesses, hits, cpu_s = 0, 0, getattr(replay, "cpu_s", 0.0)
    for ids, ends, owners in source:
        notes = np.empty(len(ids), np.uint8) if per_table or interval else None
        began = time.thread_time()
        hits += replay.feed(ids, notes)
        cpu_s += time.thread_time() - began
        if interval and notes is not None:
            np.add.at(series, (accesses + np.flatnonzero(notes)) // interval, 1)
        accesses += len(ids)
        if per_table and notes is not None:
            np.add.at(table_accesses, owners, np.diff(ends, prepend=0))
            np.add.at(table_hits, owners, _sums(notes, ends))
        advance(len(ids))
    series = series[: -(-accesses // interval)] if interval else series
    return CacheResult(
        policy=name,
        entries=entries,
        accesses=accesses,
        hits=hits,
        kernel_cpu_s=cpu_s,
        state_bytes=replay.state_bytes,
        parameters=values,
        table_accesses=table_accesses if per_table else None,
        table_hits=table_hits if per_table else None,
        interval=interval,
        interval_accesses=np.diff(np.minimum(np.arange(len(series) + 1) * interval, accesses))
        if interval
        else None,
        interval_hits=series if interval else None,
    )


def _sums(notes: NDArray[np.uint8], ends: Ints) -> Ints:
    """Sums of consecutive parts."""
    until = np.concatenate(([0], np.cumsum(notes, dtype=np.int64)))
    sums: Ints = np.diff(until[ends], prepend=0)
    return sums
