"""Replay a trace of ids through a cache policy."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.cache.policies import Policy, policy_named
from archsim.cache.user import UserPolicy, UserReplay
from archsim.errors import InputError
from archsim.kernels.cache import PolicyReplay, belady, span

#: Accesses replayed at a time when something is counted besides hits.
CHUNK = 1 << 18
#: A table of all ids is used up to this many words per access (or this many words at all); beyond, ids are hashed.
DENSE_WORDS_PER_ACCESS = 4
DENSE_WORDS = 1 << 20
MOST_ENTRIES = 1 << 30
#: Policies that may evict while some entries are free; of all others, entries beyond the ids make no difference.
EVICT_BEFORE_FULL = ("slru", "wtinylfu")


class Replay(Protocol):
    """What replays accesses chunk by chunk: a built-in policy or one of the user's."""

    def feed(self, ids: NDArray[np.int64], hits: NDArray[np.uint8] | None = None) -> int:
        """Replay accesses, note hits, return their number."""
        ...

    @property
    def state_bytes(self) -> int:
        """Bytes of all state."""
        ...


@dataclass(frozen=True)
class CacheResult:
    """What a cache did with a trace.

    Attributes
    ----------
    policy : str
    entries : int
        Objects the cache holds.
    accesses, hits : int
    kernel_cpu_s : float
        CPU seconds inside the replay kernel.
    state_bytes : int
        Bytes of all state of the simulation, including the table from ids to it.
    parameters : dict
        All parameters of the policy.
    hit_array : bool array [accesses] or None
        Which accesses hit.
    table_accesses, table_hits : int64 array [tables] or None
    interval : int
        Accesses per interval; 0: no series.
    interval_accesses, interval_hits : int64 array [intervals] or None
        The last interval may be shorter.
    """

    policy: str
    entries: int
    accesses: int
    hits: int
    kernel_cpu_s: float
    state_bytes: int
    parameters: Mapping[str, float | int] = field(default_factory=dict)
    hit_array: NDArray[np.bool_] | None = None
    table_accesses: NDArray[np.int64] | None = None
    table_hits: NDArray[np.int64] | None = None
    interval: int = 0
    interval_accesses: NDArray[np.int64] | None = None
    interval_hits: NDArray[np.int64] | None = None

    @property
    def hit_ratio(self) -> float:
        """Hits per access; 0 for an empty trace."""
        return self.hits / self.accesses if self.accesses else 0.0

    @property
    def table_hit_ratio(self) -> NDArray[np.float64] | None:
        """Hits per access of each table; 0 where a table has none."""
        if self.table_hits is None or self.table_accesses is None:
            return None
        return self.table_hits / np.maximum(self.table_accesses, 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the row of ``archsim cache --json``."""
        return {
            "policy": self.policy,
            "entries": self.entries,
            "accesses": self.accesses,
            "hits": self.hits,
            "hit_ratio": self.hit_ratio,
            "kernel_cpu_s": self.kernel_cpu_s,
        }


class NoCache:
    """A cache of no entries."""

    state_bytes = 0

    def feed(self, ids: NDArray[np.int64], hits: NDArray[np.uint8] | None = None) -> int:
        """Miss."""
        if hits is not None:
            hits[:] = 0
        return 0


def simulate(
    policy: str | UserPolicy,
    ids: ArrayLike,
    entries: int,
    *,
    objects: int | None = None,
    tables: ArrayLike | None = None,
    interval: int = 0,
    keep_hits: bool = False,
    seed: int = 0,
    **parameters: float | int,
) -> CacheResult:
    """Replay accesses through a cache.

    Parameters
    ----------
    policy : str or UserPolicy
        A name of `POLICIES`, or a policy of one's own.
    ids : int64 array [accesses]
        The object of each access; every object takes one entry.
    entries : int
        Objects the cache holds; 0: it never hits.
    objects : int, optional
        Ids are 0 .. ``objects - 1``; 0: they may be anything, and are hashed. By default this is found out.
        It decides about speed and memory, never about hits.
    tables : int array [accesses], optional
        Table of each access; hits are then counted by table too.
    interval : int
        Accesses per interval of a series of hits; 0: no series.
    keep_hits : bool
        Keep which accesses hit.
    seed : int
        Of policies that choose at random.
    **parameters
        Of the policy; see `POLICIES` and docs/caches.md.

    Returns
    -------
    CacheResult

    Raises
    ------
    InputError
        For an unknown policy or parameter, or a number out of its range.
    """
    trace = as_ids(ids)
    entries = whole("entries", entries, 0, MOST_ENTRIES)
    interval = whole("interval", interval, 0)
    if isinstance(policy, UserPolicy):
        if parameters:
            raise InputError(f"policy {policy.name!r} takes no parameters here: {', '.join(parameters)}")
        return simulate_user(policy, trace, entries, objects, tables, interval, keep_hits)
    known = policy_named(policy)
    values = known.resolve(parameters)
    table = dense_span(trace, objects)
    replay = replay_of(known, values, entries, table, whole("seed", seed, 0, 2**64 - 1), trace)
    return run(replay, policy, trace, entries, values, tables, interval, keep_hits)


def simulate_user(
    policy: UserPolicy,
    ids: NDArray[np.int64],
    entries: int,
    objects: int | None,
    tables: ArrayLike | None,
    interval: int,
    keep_hits: bool,
) -> CacheResult:
    """Replay through a policy of the user's; ids that are not dense are numbered first."""
    numbers = dense_span(ids, objects)
    if numbers <= 0:
        names, ids = np.unique(ids, return_inverse=True)
        numbers = max(names.size, 1)
    replay: Replay = NoCache()
    if entries:
        own = UserReplay(policy, entries, numbers)
        own.compile()
        replay = own
    return run(replay, policy.name, ids, entries, {}, tables, interval, keep_hits)


def whole(name: str, value: SupportsIndex, least: int, most: int = 2**63 - 1) -> int:
    """Return a whole number in its range, or say what it must be."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name} = {value!r} must be a whole number") from None
    if isinstance(value, bool) or not least <= number <= most:
        raise InputError(f"{name} = {value!r} must be a whole number from {least} to {most}")
    return number


def as_ids(ids: ArrayLike) -> NDArray[np.int64]:
    """Return ids as a contiguous int64 array, copying only what is not one."""
    array = np.asarray(ids)
    if array.ndim != 1:
        raise InputError(f"ids must have one dimension, not {array.ndim}")
    if array.size and array.dtype.kind not in "iu":
        raise InputError(f"ids must be whole numbers, not {array.dtype}")
    if array.dtype == np.uint64:
        return np.ascontiguousarray(array).view(np.int64)  # hashes; only equality counts
    return np.ascontiguousarray(array, dtype=np.int64)


def dense_span(ids: NDArray[np.int64], objects: int | None) -> int:
    """Return the size of a table of all ids, or what `PolicyReplay` calls ids that are to be hashed."""
    least, most = span(ids)
    hashed = -1 if least >= 0 and most < 2**32 - 1 else 0
    if objects is None:
        small = most < max(DENSE_WORDS, DENSE_WORDS_PER_ACCESS * ids.size)
        return int(most) + 1 if least >= 0 and most >= 0 and small else hashed
    if objects == 0:
        return hashed
    objects = whole("objects", objects, 0, 2**31)
    if ids.size and (least < 0 or most >= objects):
        bad = least if least < 0 else most
        at = int(np.flatnonzero(ids == bad)[0])
        raise InputError(f"ids[{at}] = {bad} must lie in 0 .. {objects - 1} (objects = {objects})")
    return objects


class Foreknown:
    """What hits is known before the first access is handed in.

    Parameters
    ----------
    hits : uint8 array [accesses]
    cpu_s : float
        Processor time that took.
    state_bytes : int
    """

    def __init__(self, hits: NDArray[np.uint8], cpu_s: float, state_bytes: int) -> None:
        self.hits, self.cpu_s, self.state_bytes = hits, cpu_s, state_bytes
        self.next = 0

    def feed(self, ids: NDArray[np.int64], hits: NDArray[np.uint8] | None = None) -> int:
        """Hand out what was found."""
        found = self.hits[self.next : self.next + ids.size]
        self.next += ids.size
        if hits is not None:
            hits[:] = found
        return int(np.count_nonzero(found))


def oracle(ids: NDArray[np.int64], entries: int, objects: int, bypass: bool) -> Foreknown:
    """Return the replay of Belady's policy, which sees the whole trace before the first access."""
    hits = np.zeros(ids.size, np.uint8)
    began = time.thread_time()
    belady(ids, entries, objects, bypass, hits)
    # Next uses, two sets of times and their summaries, and the table that finds next uses.
    return Foreknown(hits, time.thread_time() - began, 4 * ids.size + ids.size // 8 + 4 * objects)


def kernel_parameters(
    values: Mapping[str, float | int],
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Return the ratios and the numbers of a policy as kernels take them, two of each."""
    ratios = [value for value in values.values() if isinstance(value, float)]
    numbers = [value for value in values.values() if isinstance(value, int)]
    return (*ratios, 0.0, 0.0)[:2], (*numbers, 0, 0)[:2]


def replay_of(
    policy: Policy,
    values: Mapping[str, float | int],
    entries: int,
    table: int,
    seed: int,
    ids: NDArray[np.int64],
) -> Replay:
    """Return the kernel of a policy."""
    if entries == 0:
        return NoCache()
    if policy.name == "belady":
        return oracle(ids, entries, max(table, 0), bool(values["bypass"]))
    if table > 0 and policy.name not in EVICT_BEFORE_FULL:
        entries = min(entries, table)  # as good as more, and the state is no larger than the ids ask for
    replay: Replay = PolicyReplay(policy.name, entries, table, *kernel_parameters(values), seed)
    return replay


def run(
    replay: Replay,
    policy: str,
    ids: NDArray[np.int64],
    entries: int,
    values: Mapping[str, float | int],
    tables: ArrayLike | None,
    interval: int,
    keep_hits: bool,
) -> CacheResult:
    """Feed the trace in chunks that end where an interval does, and count."""
    of_table = None if tables is None else as_tables(tables, ids.size)
    kept = np.zeros(ids.size if keep_hits else 0, np.uint8)
    scratch = np.zeros(CHUNK if of_table is not None and not keep_hits else 0, np.uint8)
    table_hits = np.zeros(0 if of_table is None or not ids.size else int(of_table.max()) + 1, np.int64)
    series = np.zeros(-(-ids.size // interval) if interval else 0, np.int64)
    hits, cpu_s = 0, getattr(replay, "cpu_s", 0.0)
    step = min(CHUNK, ids.size) if of_table is not None else ids.size
    for start, end in chunks(ids.size, interval, step):
        notes = kept[start:end] if keep_hits else scratch[: end - start] if of_table is not None else None
        began = time.thread_time()
        found = replay.feed(ids[start:end], notes)
        cpu_s += time.thread_time() - began
        hits += found
        if interval:
            series[start // interval] += found
        if of_table is not None and notes is not None:
            table_hits += np.bincount(of_table[start:end][notes != 0], minlength=table_hits.size)
    lengths = np.full(series.size, interval, np.int64)
    if series.size:
        lengths[-1] = ids.size - interval * (series.size - 1)
    return CacheResult(
        policy=policy,
        entries=entries,
        accesses=ids.size,
        hits=hits,
        kernel_cpu_s=cpu_s,
        state_bytes=replay.state_bytes,
        parameters=dict(values),
        hit_array=kept.view(np.bool_) if keep_hits else None,
        table_accesses=None if of_table is None else np.bincount(of_table, minlength=table_hits.size),
        table_hits=None if of_table is None else table_hits,
        interval=interval,
        interval_accesses=lengths if interval else None,
        interval_hits=series if interval else None,
    )


def chunks(n: int, interval: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield consecutive ranges of at most `step` that do not cross an interval."""
    start = 0
    while start < n:
        end = min(n, start + step)
        if interval:
            end = min(end, (start // interval + 1) * interval)
        yield start, end
        start = end


def as_tables(tables: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return the table column, checked."""
    column = np.asarray(tables)
    if column.shape != (n,):
        raise InputError(f"tables has shape {column.shape}, but there are {n} accesses")
    if n and (column.dtype.kind not in "iu" or int(column.min()) < 0):
        raise InputError("tables must be whole numbers, none of them negative")
    return column.astype(np.int64, copy=False)
