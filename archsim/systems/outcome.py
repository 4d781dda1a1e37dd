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


@dataclass(frozen=True)
class Options:
    """How to replay, apart from what.

    Attributes
    ----------
    log_limit : int
        Commands to keep in the log (RecNMP: per rank).
    interval_clk : int
        Length of an interval of the time series; 0: no series.
    threads : int or None
        Threads that replay channels; None: one per channel and core.
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
