"""Replay of requests through a whole memory: one kernel per channel, side by side in threads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from archsim.dram.address import decode_table
from archsim.dram.resolve import DramTables, resolve_channels
from archsim.dram.spec import LINE_BYTES, DramSpec
from archsim.errors import InputError

if TYPE_CHECKING:
    from types import TracebackType

    from archsim.kernels.dram import ChannelReplay

Ints = npt.NDArray[np.int64]

#: Lines decoded and replayed together. Results do not depend on it; memory use does.
CHUNK_LINES = 1 << 18
_GREATEST = ("latency_max_clk", "last_data_clk")


class DramReplay:
    """A memory that takes requests chunk by chunk; what it holds does not grow with the trace.

    Every channel is a kernel of its own, fed with its requests in their order, in a thread of its own: the kernels run
    without the interpreter lock, and what they compute depends on their requests alone, not on the threads. Where one
    access moves less than a line of 64 bytes, a line is two or more requests, one after another in the order of its
    accesses; latencies are those of accesses, each from its own acceptance to its own last data beat.

    Figures are to be asked for after `finish`.

    Parameters
    ----------
    spec : DramSpec
        The memory; ``organization.channels`` channels.
    log_limit : int
        Commands to keep: the first ones of the whole memory.
    interval_clk : int
        Length of an interval of the time series; 0: no series.
    threads : int, optional
        Threads that replay; by default as many as there are channels, at most one per core. With one thread, nothing
        runs beside the caller.
    """

    def __init__(
        self, spec: DramSpec, *, log_limit: int = 0, interval_clk: int = 0, threads: int | None = None
    ) -> None:
        tables = resolve_channels(spec)
        self.spec = spec
        self.requests = 0
        self.cpu_s = 0.0
        self._log_limit = log_limit
        self.channels = [self._channel(channel, log_limit, interval_clk) for channel in tables]
        self._decode = decode_table(spec)
        count = min(len(self.channels), cores() if threads is None else max(1, threads))
        self._pool = ThreadPoolExecutor(count, "archsim-channel") if count > 1 else None
        self._running: list[Future[float]] = []

    def _channel(self, tables: DramTables, log_limit: int, interval_clk: int) -> ChannelReplay:
        from archsim.kernels.dram import ChannelReplay

        return ChannelReplay(tables, log_limit, interval_clk)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        place: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads; figures stay."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    # ------------------------------------------------------------------------------------------------ requests

    def feed(
        self,
        coordinates: Ints,
        kinds: npt.NDArray[np.uint8] | None = None,
        arrivals: Ints | None = None,
    ) -> None:
        """Take in requests, in the order in which they are offered.

        The call may return before they are replayed: the arrays must stay as they are until the next call does.

        Parameters
        ----------
        coordinates : int64 array [n]
            Packed coordinates of accesses, see `archsim.dram.address`.
        kinds : uint8 array [n], optional
            0 read, 1 write; all reads by default.
        arrivals : int64 array [n], optional
            Earliest clock at which each request is offered to its channel; saturated by default.

        Raises
        ------
        RuntimeError
            When a channel can never make progress again; of several, the one with the lowest number tells.
        """
        self._wait()
        self.requests += len(coordinates)
        if len(self.channels) == 1:
            self._start(lambda _: self.channels[0].feed(coordinates, kinds, arrivals))
        else:
            self._start(lambda number: self.channels[number].feed_own(number, coordinates, kinds, arrivals))

    def feed_lines(
        self,
        lines: npt.ArrayLike,
        *,
        writes: npt.ArrayLike | None = None,
        arrivals_clk: npt.ArrayLike | None = None,
    ) -> None:
        """Take in lines of 64 bytes, given by their physical numbers; see `replay_lines` for the arguments.

        Raises
        ------
        InputError
            For a line outside the memory, or arrays of different lengths.
        RuntimeError
            When a channel can never make progress again.
        """
        line = np.asarray(lines)
        kinds = None if writes is None else np.asarray(writes)
        arrivals = None if arrivals_clk is None else np.asarray(arrivals_clk)
        for name, column in (("writes", kinds), ("arrivals_clk", arrivals)):
            if column is not None and len(column) != len(line):
                raise InputError(f"{name}: {len(column)} entries for {len(line)} requests")
        for first in range(0, len(line), CHUNK_LINES):
            part = slice(first, first + CHUNK_LINES)
            self._feed_chunk(
                np.ascontiguousarray(line[part], dtype=np.int64),
                None if kinds is None else np.ascontiguousarray(kinds[part], dtype=np.uint8),
                None if arrivals is None else np.ascontiguousarray(arrivals[part], dtype=np.int64),
            )

    def _feed_chunk(self, line: Ints, kinds: npt.NDArray[np.uint8] | None, arrivals: Ints | None) -> None:
        from archsim.kernels.lowering import decode_lines

        organization = self.spec.organization
        per_line = organization.accesses_per_line
        capacity = organization.capacity_bytes // LINE_BYTES
        # All bits together are no less than any number, and negative where one is; they are had faster than a maximum.
        suspect = not 0 <= int(np.bitwise_or.reduce(line)) < capacity
        if suspect and (outside := np.flatnonzero((line < 0) | (line >= capacity))).size:
            request = self.requests // per_line + int(outside[0])
            raise InputError(
                f"request {request}: line {line[outside[0]]} lies outside the memory of {capacity} lines"
            )
        coordinates = np.empty(len(line) * per_line, dtype=np.int64)
        decode_lines(line, self._decode, coordinates, per_line)
        if per_line > 1:
            kinds = None if kinds is None else np.repeat(kinds, per_line)
            arrivals = None if arrivals is None else np.repeat(arrivals, per_line)
        self.feed(coordinates, kinds, arrivals)

    def finish(self) -> None:
        """Serve all that waits.

        Raises
        ------
        RuntimeError
            When a channel can never make progress again.
        """
        self._wait()
        nothing = np.empty(0, dtype=np.int64)
        self._start(lambda number: self.channels[number].feed(nothing, drain=True))
        self._wait()

    def _start(self, work: Callable[[int], None]) -> None:
        if self._pool is None:
            for number in range(len(self.channels)):
                self.cpu_s += self._run(work, number)
            return
        self._running = [self._pool.submit(self._run, work, number) for number in range(len(self.channels))]

    def _run(self, work: Callable[[int], None], number: int) -> float:
        """Do the work of a channel; return its CPU seconds."""
        start = time.thread_time()
        try:
            work(number)
        except RuntimeError as error:
            if len(self.channels) == 1:
                raise
            raise RuntimeError(f"channel {number}: {error}") from None
        return time.thread_time() - start

    def _wait(self) -> None:
        """Wait until all that was begun is done; raise what went wrong in the first channel where anything did."""
        running, self._running = self._running, []
        for error in [each.exception() for each in running]:
            if error is not None:
                raise error
        self.cpu_s += sum(each.result() for each in running)

    # ------------------------------------------------------------------------------------------------- figures

    def channel_counts(self) -> list[dict[str, int]]:
        """Return the counters of each channel by name."""
        return [channel.counts() for channel in self.channels]

    def counts(self) -> dict[str, int]:
        """Return the counters of the memory: sums over channels, maxima of latency and of the last data."""
        return merged_counts(self.channel_counts())

    @property
    def cycles(self) -> int:
        """Clocks from the first request offered to the last data beat of the last channel."""
        return self.counts()["last_data_clk"]

    def bank_counts(self) -> Ints:
        """Return per bank ACT, PRE (PREA not counted), RD, WR and clocks with an open row, int64 [banks, 5].

        Banks are counted channel by channel: ``channel * organization.banks`` + the bank number within the channel.
        """
        end = self.cycles
        return np.concatenate([channel.bank_counts(end) for channel in self.channels])

    def rank_commands(self) -> Ints:
        """Return REF, PREA and REFB of each rank, channel by channel, int64 [ranks, 3]."""
        return np.concatenate([channel.rank_commands() for channel in self.channels])

    def rank_clocks(self) -> Ints:
        """Return the clocks of each rank by power state, channel by channel, int64 [ranks, 5].

        Each row adds up to `cycles`.
        """
        end = self.cycles
        return np.concatenate([channel.rank_clocks(end) for channel in self.channels])

    def series(self) -> Ints:
        """Return the time series summed over channels, int64 [intervals, fields]; `archsim.kernels.dram.SERIES`."""
        return merged_series([channel.series() for channel in self.channels])

    def latency_histogram(self) -> tuple[Ints, Ints]:
        """Return (latency_clk, count) of the reads of all channels, ascending."""
        return merged_histogram([channel.latency_histogram() for channel in self.channels])

    def commands(self) -> Ints:
        """Return the command log, int64 [5, n]: clk, command, bank (counted channel by channel), row, column.

        It is in order of clock, then of channel. The numbers of commands are places in `archsim.dram.resolve.COMMANDS`.
        """
        return self.log()[0]

    def log(self) -> tuple[Ints, npt.NDArray[np.int32]]:
        """Return `commands`, and the reads and writes that waited in its channel at each of them, int32 [2, n]."""
        parts = []
        for number, channel in enumerate(self.channels):
            part = channel.commands()
            part[2] += number * self.spec.organization.banks
            parts.append(part)
        columns: Ints = np.concatenate(parts, axis=1)
        queues: npt.NDArray[np.int32] = np.concatenate([each.queues() for each in self.channels], axis=1)
        if len(parts) == 1:
            return columns, queues
        order = np.argsort(columns[0], kind="stable")[: self._log_limit]
        return columns[:, order], queues[:, order]


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def merged_counts(parts: list[dict[str, int]]) -> dict[str, int]:
    """Return counters of several channels as one: sums, and maxima of what is a maximum in each."""
    merged = {}
    for name in parts[0]:
        values = [part[name] for part in parts]
        merged[name] = max(values) if name in _GREATEST else sum(values)
    return merged


def merged_histogram(parts: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    """Return histograms (value, count) of several channels as one, ascending."""
    values, place = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
    count = np.zeros(len(values), dtype=np.int64)
    np.add.at(count, place, np.concatenate([part[1] for part in parts]))
    return values, count


def merged_series(parts: list[Ints]) -> Ints:
    """Return the sum of time series of different lengths."""
    total = np.zeros((max(len(part) for part in parts), parts[0].shape[1]), dtype=np.int64)
    for part in parts:
        total[: len(part)] += part
    return total


def replay_lines(
    spec: DramSpec,
    lines: npt.ArrayLike,
    *,
    writes: npt.ArrayLike | None = None,
    arrivals_clk: npt.ArrayLike | None = None,
    log_limit: int = 0,
    interval_clk: int = 0,
    threads: int | None = None,
) -> DramReplay:
    """Serve all requests and return the memory, which holds counters, latencies and the command log.

    Parameters
    ----------
    spec : DramSpec
        The memory.
    lines : array_like of int [n]
        Physical line numbers: byte address divided by 64.
    writes : array_like of bool [n], optional
        Which requests are writes; none by default.
    arrivals_clk : array_like of int [n], optional
        Earliest clock at which each request is offered; saturated by default.
    log_limit, interval_clk, threads : int
        See `DramReplay`, which also takes what does not fit into memory at once.

    Raises
    ------
    InputError
        For a line outside the memory.
    RuntimeError
        When a channel can never make progress again.
    """
    with DramReplay(spec, log_limit=log_limit, interval_clk=interval_clk, threads=threads) as memory:
        memory.feed_lines(lines, writes=writes, arrivals_clk=arrivals_clk)
        memory.finish()
    return memory
