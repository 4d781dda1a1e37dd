"""Set-associative caches of lines, with writes and rules of admission."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.cache.replay import as_ids, whole
from archsim.errors import InputError, nearest
from archsim.kernels.cache import SET_POLICIES, SetReplay, span

#: Bits of `SetResult.events`.
HIT, FILL, EVICTED, DIRTY = 1, 2, 4, 8


@dataclass(frozen=True)
class SetResult:
    """What a set-associative cache did with accesses.

    Attributes
    ----------
    accesses, hits : int
    reads, writes, read_hits, write_hits : int
    fills : int
        Lines taken in: reads of memory.
    evictions, writebacks : int
        Lines that left; of them, or of those flushed, the ones that had been written to: writes to memory.
    write_throughs : int
        Writes to memory by a write-through cache, for lines it holds.
    read_bypasses, write_bypasses : int
        Missing accesses whose line was not taken in; each goes to memory.
    kernel_cpu_s : float
        CPU seconds inside the replay kernel.
    events : uint8 array [accesses] or None
        1 for a hit, 2 for a line taken in, 4 for one that left, 8 for one that left written, added up.
    victims : int64 array [accesses] or None
        Byte address of the line that left, or -1.
    """

    accesses: int
    hits: int
    reads: int
    writes: int
    read_hits: int
    write_hits: int
    fills: int
    evictions: int
    writebacks: int
    write_throughs: int
    read_bypasses: int
    write_bypasses: int
    kernel_cpu_s: float
    events: NDArray[np.uint8] | None = None
    victims: NDArray[np.int64] | None = None

    @property
    def hit_ratio(self) -> float:
        """Hits per access; 0 without accesses."""
        return self.hits / self.accesses if self.accesses else 0.0

    @property
    def memory_reads(self) -> int:
        """Lines or elements read from memory."""
        return self.fills + self.read_bypasses

    @property
    def memory_writes(self) -> int:
        """Lines or elements written to memory so far."""
        return self.writebacks + self.write_throughs + self.write_bypasses


class SetCache:
    """A set-associative cache that keeps its lines from one call to the next.

    Parameters
    ----------
    size_bytes, line_bytes, ways : int
        ``size_bytes`` must be a multiple of ``line_bytes * ways``; neither lines nor sets need be powers of two.
    policy : str
        ``lru``, ``fifo`` or ``random``, within each set.
    write : str
        ``back``: written lines go to memory when they leave; ``through``: every write does.
    write_allocate : bool
        A missing write takes its line in.
    element_bytes : int
        Bytes of one access; it must not reach beyond its line.
    seed : int
        Of the policy ``random``.

    Raises
    ------
    InputError
        For a geometry that cannot be, with the rule it breaks.
    """

    def __init__(
        self,
        *,
        size_bytes: int,
        line_bytes: int,
        ways: int,
        policy: str = "lru",
        write: str = "back",
        write_allocate: bool = True,
        element_bytes: int = 1,
        seed: int = 0,
    ) -> None:
        self.size_bytes = whole("size_bytes", size_bytes, 1, 1 << 40)
        self.line_bytes = whole("line_bytes", line_bytes, 1, 1 << 40)
        self.ways = whole("ways", ways, 1, 1 << 40)
        self.element_bytes = whole("element_bytes", element_bytes, 1)
        self.sets = sets_of(self.size_bytes, self.line_bytes, self.ways, self.element_bytes)
        if policy not in SET_POLICIES:
            raise InputError(f"unknown policy of a set {policy!r}{nearest(policy, SET_POLICIES)}")
        if write not in ("back", "through"):
            raise InputError(f"write = {write!r} must be 'back' or 'through'")
        self.policy, self.write, self.write_allocate = policy, write, write_allocate
        self._replay = SetReplay(
            self.sets,
            self.ways,
            self.line_bytes,
            policy,
            write == "back",
            write_allocate,
            whole("seed", seed, 0, 2**64 - 1),
        )

    def access(
        self,
        addresses: ArrayLike,
        writes: ArrayLike | None = None,
        admits: ArrayLike | None = None,
        *,
        keep_events: bool = False,
    ) -> SetResult:
        """Replay accesses.

        Parameters
        ----------
        addresses : int64 array [accesses]
            Byte addresses.
        writes : bool array [accesses], optional
            Which accesses write; none by default.
        admits : bool array [accesses], optional
            Which accesses take their line in if they miss; all by default. See `admit_profiled`, `admit_repeated`.
        keep_events : bool
            Keep what happened to each access.

        Returns
        -------
        SetResult
            Of these accesses alone.

        Raises
        ------
        InputError
            For a negative address, or one whose element reaches into the next line, or arrays of unequal lengths.
        """
        where = as_ids(addresses)
        least, most = span(where)
        if least < 0 or most >= 1 << 62:
            raise InputError(f"address {least if least < 0 else most} must lie in 0 .. 2^62 - 1")
        if self.element_bytes > 1:
            over = where % self.line_bytes > self.line_bytes - self.element_bytes
            if over.any():
                at = int(np.flatnonzero(over)[0])
                raise InputError(
                    f"address {where[at]} of access {at}: its {self.element_bytes} bytes reach beyond "
                    f"a line of {self.line_bytes} bytes"
                )
        before = self._replay.counts
        events = np.zeros(where.size, np.uint8) if keep_events else None
        victims = np.zeros(where.size, np.int64) if keep_events else None
        flags = flags_of("writes", writes, where.size), flags_of("admits", admits, where.size)
        began = time.thread_time()
        hits = self._replay.feed(where, *flags, events, victims)
        cpu_s = time.thread_time() - began
        counts = {name: count - before[name] for name, count in self._replay.counts.items()}
        return SetResult(
            accesses=where.size, hits=hits, kernel_cpu_s=cpu_s, events=events, victims=victims, **counts
        )

    def flush(self) -> int:
        """Write back all written lines, which stay clean; return how many they were."""
        return int(self._replay.flush())


def sets_of(size_bytes: int, line_bytes: int, ways: int, element_bytes: int) -> int:
    """Return the number of sets, or say why there is no such cache."""
    if line_bytes < element_bytes:
        raise InputError(f"a line of {line_bytes} bytes is smaller than an element of {element_bytes} bytes")
    if size_bytes % line_bytes:
        raise InputError(f"size_bytes = {size_bytes} is not a multiple of line_bytes = {line_bytes}")
    lines = size_bytes // line_bytes
    if ways > lines:
        raise InputError(f"{ways} ways are more than the {lines} lines of {size_bytes} bytes")
    if lines % ways:
        raise InputError(f"{lines} lines ({size_bytes} bytes) are not a multiple of {ways} ways")
    return lines // ways


def flags_of(name: str, flags: ArrayLike | None, n: int) -> NDArray[np.uint8] | None:
    """Return flags as bytes of 0 and 1."""
    if flags is None:
        return None
    array = np.asarray(flags)
    if array.shape != (n,):
        raise InputError(f"{name} has shape {array.shape}, but there are {n} accesses")
    return np.ascontiguousarray(array != 0).view(np.uint8)


def admit_profiled(ids: ArrayLike, least: int) -> NDArray[np.bool_]:
    """Return, per access, whether its object is accessed at least `least` times in all of `ids`.

    The locality bit of a profile taken beforehand.
    """
    _, which, counts = np.unique(as_ids(ids), return_inverse=True, return_counts=True)
    kept: NDArray[np.bool_] = counts[which] >= whole("least", least, 0)
    return kept


def admit_repeated(ids: ArrayLike, least: int) -> NDArray[np.bool_]:
    """Return, per access, whether it is at least the `least`-th to its object: admission by frequency so far."""
    array = as_ids(ids)
    order = np.argsort(array, kind="stable")
    first = np.ones(array.size, np.bool_)
    first[1:] = array[order[1:]] != array[order[:-1]]
    starts = np.flatnonzero(first)
    rank = np.empty(array.size, np.int64)
    rank[order] = np.arange(array.size) - np.repeat(starts, np.diff(np.append(starts, array.size)))
    kept: NDArray[np.bool_] = rank + 1 >= whole("least", least, 0)
    return kept
