"""What a replay through a system yields, before it is put into a `Result`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archsim.ledger import LedgerRow

if TYPE_CHECKING:
    from archsim.nmp.packet_log import PacketLog

#: Lookups (or addresses) lowered and replayed together. Results do not depend on it; memory use does.
CHUNK_LOOKUPS = 1 << 17
#: Called with the number of lookups (or addresses) done since the last call.
Progress = Callable[[int], None]

Ints = npt.NDArray[np.int64]

#: Rows of the log of packets; the second and following are `archsim.kernels.recnmp.PACKET_LOG`.
PACKET_LOG = (
    "channel", "number", "start_clk", "configured_clk", "first_issue_clk", "last_issue_clk", "read_clk", "end_clk",
    "result_clk", "returned_clk", "poolings", "instructions", "bursts", "hits",
)  # fmt: skip


def no_queues() -> npt.NDArray[np.int32]:
    """Return an empty log of what waited."""
    return np.empty((2, 0), dtype=np.int32)


def no_packets() -> Ints:
    """Return an empty log of packets."""
    return np.empty((len(PACKET_LOG), 0), dtype=np.int64)


def no_hits() -> Ints:
    """Return an empty log of hits."""
    return np.empty((4, 0), dtype=np.int64)


@dataclass(frozen=True)
class Options:
    """How to replay, apart from what.

    Attributes
    ----------
    log_limit : int
        Commands to keep in the log (RecNMP: per rank), and packets and hits (of each RankCache, or channel).
    interval_clk : int
        Length of an interval of the time series; 0: no series.
    threads : int or None
        Threads that replay channels; None: one per channel and core.
    log_total : int
        Of RecNMP, commands and hits to keep of all ranks together, the first ones; 0: what each rank keeps.
    progress : callable or None
        Called with the lookups (or addresses) done since the last call.
    packets : PacketLog or None
        Receives the packets of NMP instructions.
    """

    log_limit: int = 0
    interval_clk: int = 0
    threads: int | None = None
    progress: Progress | None = None
    packets: PacketLog | None = None
    log_total: int = 0


@dataclass(frozen=True)
class Outcome:
    """Raw figures of one replay; clocks are memory clocks. Ranks and banks are counted channel by channel.

    Attributes
    ----------
    cycles : int
        From the first request offered to the last data beat.
    requests : int
        Requests, one access each.
    counts : mapping of str to int
        Counters of the channel kernel, all channels together.
    channel_counts : sequence of mapping
        The same of each channel.
    bank_counts : int64 array [banks, 5]
        ACT, PRE (PREA not counted), RD, WR, clocks with an open row.
    rank_commands : int64 array [ranks, 3]
        REF, PREA, REFB.
    rank_clocks : int64 array [ranks, 5]
        Clocks in the states of `archsim.dram.energy.RANK_STATES`; a row adds up to ``cycles``.
    latency_clk, latency_count : int64 arrays
        Histogram of read latencies, ascending.
    utilisation : mapping of str to float
        Busy share of each shared resource, in the channel where it is highest.
    channel_utilisation : sequence of mapping
        The same in each channel.
    peak_bytes_per_clk : float
        Data that all data buses together can move in a clock.
    ledger : tuple of LedgerRow
        Energy.
    kernel_cpu_s : float
        CPU seconds inside the replay kernel.
    commands : int64 array [5, n]
        Command log (clk, command, bank, row, column); empty unless asked for.
    queues : int32 array [2, n]
        Reads and writes that waited in the channel (RecNMP: in the unit) when each of them was issued.
    packets : int64 array [len(PACKET_LOG), n]
        Packets that had lookups in a channel, in order of their start, by the names of `PACKET_LOG`.
    hits : int64 array [4, n]
        Cache hits in order of clock: clock of the lookup, cache, level, block (RankCache: packed place in its unit).
    interval_clk : int
        Length of an interval of ``series``; 0: no series.
    series : int64 array [intervals, fields]
        By the names of `archsim.kernels.dram.SERIES`.
    nmp : mapping or None
        Figures of the near-memory units, where there are any.
    cache : mapping or None
        Figures of the caches, where there are any; ``latency_clk`` then holds hits too.
    seen : mapping or None
        What the front end saw of latencies, where that is not what ``counts`` says: ``reads``, ``latency_sum_clk``,
        ``queueing_sum_clk``, ``latency_max_clk``.
    """

    cycles: int
    requests: int
    counts: Mapping[str, int]
    channel_counts: Sequence[Mapping[str, int]]
    bank_counts: Ints
    rank_commands: Ints
    rank_clocks: Ints
    latency_clk: Ints
    latency_count: Ints
    utilisation: Mapping[str, float]
    channel_utilisation: Sequence[Mapping[str, float]]
    peak_bytes_per_clk: float
    ledger: tuple[LedgerRow, ...]
    kernel_cpu_s: float
    commands: Ints
    interval_clk: int
    series: Ints
    nmp: Mapping[str, Any] | None = field(default=None)
    cache: Mapping[str, Any] | None = field(default=None)
    seen: Mapping[str, int] | None = field(default=None)
    queues: npt.NDArray[np.int32] = field(default_factory=no_queues)
    packets: Ints = field(default_factory=no_packets)
    hits: Ints = field(default_factory=no_hits)
