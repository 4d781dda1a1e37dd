"""What a timeline shows of a result: commands of banks, waiting requests, packets, cache hits, each on its tracks."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from archsim.dram.address import BANK_SHIFT, ROW_SHIFT
from archsim.dram.resolve import COMMANDS
from archsim.nmp.designs import design_class
from archsim.result import Result
from archsim.systems.outcome import PACKET_LOG, Ints

#: Commands of all banks of a rank.
_OF_A_RANK = (COMMANDS.index("PREA"), COMMANDS.index("REF"))
#: Stretches of a packet: track, first and last clock. That of the packet itself comes first.
_STRETCHES = (
    ("packets", "start_clk", "returned_clk"),
    ("configuration", "start_clk", "configured_clk"),
    ("instructions", "first_issue_clk", "issued_clk"),
    ("reading", "first_issue_clk", "read_clk"),
    ("sums", "read_clk", "end_clk"),
    ("results", "result_clk", "returned_clk"),
)


@dataclass(frozen=True)
class Layer:
    """Events of one kind in order of time.

    Attributes
    ----------
    phase : {"X", "C", "i"}
        A slice, a counter, an instant.
    category : str
        What viewers filter by.
    what : str
        What of the result each event stands for: ``"commands"``, ``"packets"``, ``"hits"``; empty: nothing of its own.
    t_ps : int64 array [n]
        Ascending.
    tid : int64 array [n]
        Track, or for a counter its process.
    names : sequence of str, or str
        Names by number; or one with a place for the number.
    name : int64 array [n]
        The numbers.
    args : mapping of str to int64 array [n]
        What is shown of an event that is selected, or the values of a counter.
    dur_ps : int64 array [n] or None
        Length of slices.
    """

    phase: Literal["X", "C", "i"]
    category: str
    what: str
    t_ps: Ints
    tid: Ints
    names: Sequence[str] | str
    name: Ints
    args: dict[str, Ints]
    dur_ps: Ints | None = None

    def first(self, count: int) -> Layer:
        """Return the first events."""
        return replace(
            self,
            t_ps=self.t_ps[:count],
            tid=self.tid[:count],
            name=self.name[:count],
            args={key: column[:count] for key, column in self.args.items()},
            dur_ps=None if self.dur_ps is None else self.dur_ps[:count],
        )

    def in_order(self) -> Layer:
        """Return the events sorted by time."""
        if np.all(self.t_ps[1:] >= self.t_ps[:-1]):
            return self
        order = np.argsort(self.t_ps, kind="stable")
        return replace(
            self,
            t_ps=self.t_ps[order],
            tid=self.tid[order],
            name=self.name[order],
            args={key: column[order] for key, column in self.args.items()},
            dur_ps=None if self.dur_ps is None else self.dur_ps[order],
        )


class Tracks:
    """Numbers of processes and of their tracks, in the order of their appearance.

    Viewers take a missing or zero tid for the pid, and some know a track by its tid alone, so no number is given twice.
    """

    def __init__(self) -> None:
        self._names: list[tuple[int, str]] = [(0, "")]  # by number: process, and name of the process or track

    def process(self, name: str) -> int:
        """Return the pid of a new process; as a tid, it is that of its counters."""
        number = len(self._names)
        self._names.append((number, name))
        return number

    def track(self, pid: int, name: str) -> int:
        """Return the tid of a new track."""
        self._names.append((pid, name))
        return len(self._names) - 1

    def pid_of(self) -> Ints:
        """Return the process of each number, int64 [numbers]."""
        return np.array([pid for pid, _ in self._names], dtype=np.int64)

    def names(self, used: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Yield the metadata events of the processes and tracks that are used."""
        for pid in sorted({self._names[tid][0] for tid in used}):
            yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": self._names[pid][1]}}
            yield {"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": pid}}
        for tid in used:
            pid, name = self._names[tid]
            if pid != tid:
                place = {"ph": "M", "pid": pid, "tid": tid}
                yield place | {"name": "thread_name", "args": {"name": name}}
                yield place | {"name": "thread_sort_index", "args": {"sort_index": tid}}


def commands_issued(result: Result) -> int:
    """Return how many commands there were, logged or not."""
    return sum(result.counts[name.lower()] for name in COMMANDS)


def layers_of(result: Result, label: str, tracks: Tracks) -> list[Layer]:
    """Return what the logs of a result show; see `Layer`. Names of processes begin with the label."""
    view = _View(result, label, tracks)
    layers = [view.commands(), *view.queues(), *view.packets(), view.hits()]
    return [layer.in_order() for layer in layers]


class _View:
    """Tracks of one system, and the events on them."""

    def __init__(self, result: Result, label: str, tracks: Tracks) -> None:
        system = result.system
        self.result, self.tracks = result, tracks
        self.organization, self.tCK_ps = system.dram.organization, system.dram.timing.tCK_ps
        self.design = None
        if system.nmp is not None:
            self.design = design_class(system.nmp.design)(system.nmp, system.dram)
        self.channel_pids = [
            tracks.process(f"{label} channel {c}") for c in range(self.organization.channels)
        ]
        self.rank_pids = [tracks.process(f"{label} {self._rank_name(place)}") for place in result.ranks]

    def _rank_name(self, place: dict[str, Any]) -> str:
        label = f"rank {place['rank']}"
        if self.organization.pseudo_channels > 1:
            label += f" of pseudo channel {place['pseudo_channel']}"
        return label + (f" of channel {place['channel']}" if self.organization.channels > 1 else "")

    def _ps(self, clk: Ints) -> Ints:
        return clk * np.int64(self.tCK_ps)

    # ------------------------------------------------------------------------------------------------ commands

    def commands(self) -> Layer:
        """Every command of the log on the track of its bank; what concerns a rank, on one of its own."""
        clk, command, bank, row, column = self.result.commands
        per_rank = self.organization.banks_per_rank
        tids = np.array(
            [
                self.tracks.track(pid, name)
                for pid in self.rank_pids
                for name in (*(f"bank {number}" for number in range(per_rank)), "all banks")
            ]
        ).reshape(-1, per_rank + 1)
        rank, within = np.divmod(bank, per_rank)
        tid = tids[rank, np.where(np.isin(command, _OF_A_RANK), per_rank, within)]
        durations = np.array([self._durations_clk()[name] for name in COMMANDS], dtype=np.int64)[command]
        args = {"clk": clk, "row": row, "column": column}
        dur_ps = self._ps(_until_next(clk, tid, durations))
        return Layer("X", "dram", "commands", self._ps(clk), tid, COMMANDS, command, args, dur_ps)

    def _durations_clk(self) -> dict[str, int]:
        """How long each command keeps others off its bank, in clocks."""
        spec = self.result.system.dram if self.design is None else self.design.seen_memory()
        timing = spec.timing
        burst = timing.tCCD_S if timing.tCCD_L is None else timing.tCCD_L
        return {
            "ACT": min(timing.tRCD, timing.tRCDWR or timing.tRCD),
            "PRE": timing.tRP,
            "PREA": timing.tRP,
            "RD": min(burst, timing.tRTP),
            "WR": burst,
            "REF": timing.tRFC,
            "REFB": spec.refresh_clk,
        }

    # ------------------------------------------------------------------------------------------------- queues

    def queues(self) -> Iterator[Layer]:
        """What waits in each channel, or unit, where it changes from command to command."""
        clk, _, bank = self.result.commands[:3]
        waiting = self.result.queues.astype(np.int64)
        units = 1 if self.design is None else self.design.units
        number = bank // (self.organization.banks // units)
        pids = [self._queue_place(unit, units) for unit in range(units * self.organization.channels)]
        if self._all_commands():  # nothing waits at the end
            last = np.unique(number)
            end = max(self.result.cycles, int(clk.max(initial=0)))
            clk, number = np.append(clk, np.full(len(last), end)), np.append(number, last)
            waiting = np.append(waiting, np.zeros((2, len(last)), np.int64), axis=1)
        order = np.argsort(number, kind="stable")
        own, sorted_waiting = number[order], waiting[:, order]
        changes = np.ones(len(own), dtype=bool)
        changes[1:] = (own[1:] != own[:-1]) | np.any(sorted_waiting[:, 1:] != sorted_waiting[:, :-1], axis=0)
        kept = np.sort(order[changes])
        kinds = ("reads", "writes") if self.result.counts["writes"] else ("reads",)
        args = {kind: waiting[row, kept] for row, kind in enumerate(kinds)}
        tid = np.array([pid for pid, _ in pids], dtype=np.int64)[number[kept]]
        names = [name for _, name in pids]
        yield Layer("C", "queue", "", self._ps(clk[kept]), tid, names, number[kept], args)

    def _all_commands(self) -> bool:
        return len(self.result.commands[0]) == commands_issued(self.result)

    def _queue_place(self, unit: int, units: int) -> tuple[int, str]:
        """Return process and name of a counter: of a rank with its rank, of a channel or DIMM with its channel."""
        channel, within = divmod(unit, units)
        if self.design is None:
            return self.channel_pids[channel], "queue"
        if self.design.unit_ranks == 1:
            return self.rank_pids[unit], "queue"
        return self.channel_pids[channel], f"queue DIMM {within}"

    # ------------------------------------------------------------------------------------------------ packets

    def packets(self) -> Iterator[Layer]:
        """Packets and what becomes of them; what overlaps goes side by side."""
        log = dict(zip(PACKET_LOG, self.result.packets, strict=True))
        log["issued_clk"] = log["last_issue_clk"] + 1
        for track, begin, end in _STRETCHES:
            some = np.flatnonzero(log[end] > log[begin])
            some = some[np.argsort(log[begin][some], kind="stable")]
            clk, until = log[begin][some], log[end][some]
            tid = np.zeros(len(some), dtype=np.int64)
            for channel, pid in enumerate(self.channel_pids):
                here = log["channel"][some] == channel
                lanes = _lanes(clk[here], until[here])
                count = int(lanes.max(initial=-1)) + 1
                names = [track if lane == 0 else f"{track} {lane + 1}" for lane in range(count)]
                tids = np.array([self.tracks.track(pid, name) for name in names], dtype=np.int64)
                tid[here] = tids[lanes]
            args = {"clk": clk}
            if track == "packets":
                args |= {key: log[key][some] for key in ("poolings", "instructions", "bursts", "hits")}
            yield Layer(
                "X", "packet", "packets" if track == "packets" else "", self._ps(clk), tid,
                "packet %d", log["number"][some], args, self._ps(until - clk),
            )  # fmt: skip

    # --------------------------------------------------------------------------------------------------- hits

    def hits(self) -> Layer:
        """Hits at the clocks of their lookups, on a track for each cache."""
        clk, cache, level, block = self.result.hits
        places, names = self._caches()
        tid = np.array([self.tracks.track(pid, name) for pid, name in places], dtype=np.int64)[cache]
        args = {"clk": clk, "block": block}
        if self.design is not None:
            row, bank, column = block >> ROW_SHIFT, block >> BANK_SHIFT & 0xFFFF, block & 0xFFFF
            args = {"clk": clk, "bank": bank, "row": row, "column": column}
        return Layer("i", "cache", "hits", self._ps(clk), tid, names, level, args)

    def _caches(self) -> tuple[list[tuple[int, str]], list[str]]:
        """Return process and track name of each cache, and names of hits by level."""
        system, channels = self.result.system, self.organization.channels
        if self.design is not None:
            size = self.design.unit_ranks
            units = [(pid, "RankCache hits") for pid in self.rank_pids[::size]]
            return units, ["hit"]
        if system.hierarchy is not None:
            cores = range(system.hierarchy.cores)
            names = [f"{name.upper()} hit" for name, _ in system.hierarchy.levels()]
            return [(self.channel_pids[0], f"core {core} cache hits") for core in cores], names
        if system.cache is None or not system.cache.size:
            return [], ["hit"]
        if system.cache.per == "rank":
            return [(pid, "cache hits") for pid in self.rank_pids], ["hit"]
        if system.cache.per == "dimm":
            dimms = self.organization.all_ranks // system.cache.ranks_per_dimm
            return [(pid, f"DIMM {d} cache hits") for pid in self.channel_pids for d in range(dimms)], ["hit"]
        return [(pid, "cache hits") for pid in self.channel_pids[:channels]], ["hit"]


def _until_next(clk: Ints, tid: Ints, most: Ints) -> Ints:
    """Return how long events may be shown: so many clocks, but not into the next one of their track."""
    order = np.argsort(tid, kind="stable")
    same = tid[order][1:] == tid[order][:-1]
    gaps = np.full(len(clk), np.iinfo(np.int64).max)
    gaps[order[:-1][same]] = np.diff(clk[order])[same]
    shown: Ints = np.minimum(most, gaps)
    return shown


def _lanes(begin: Ints, end: Ints) -> Ints:
    """Return the lowest free lane of each stretch; they are in order of their begin."""
    lanes = np.zeros(len(begin), dtype=np.int64)
    if np.all(begin[1:] >= end[:-1]):
        return lanes
    free: list[int] = []
    busy: list[tuple[int, int]] = []
    for place, (first, last) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
        while busy and busy[0][0] <= first:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lane = heapq.heappop(free) if free else len(busy)
        lanes[place] = lane
        heapq.heappush(busy, (last, lane))
    return lanes
