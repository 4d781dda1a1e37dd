"""A host that reads every vector over one DRAM channel and adds them itself."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from archsim.dram.energy import dram_ledger
from archsim.dram.resolve import resolve
from archsim.dram.spec import LINE_BYTES
from archsim.ledger import LedgerRow
from archsim.systems.lowering import Lowering
from archsim.systems.outcome import (
    Outcome,
    Progress,
    dram_energy,
    dram_utilisation,
    lookup_chunks,
)
from archsim.systems.spec import SystemSpec
from archsim.traces import EmbeddingTrace

_NO_REQUESTS = np.empty(0, dtype=np.int64)


def replay_host(
    system: SystemSpec, trace: EmbeddingTrace, *, log_limit: int = 0, progress: Progress | None = None
) -> Outcome:
    """Replay a trace through the host's memory channel.

    Every lookup becomes the reads (updates: writes) of the lines of its vector, in trace order. The front end offers
    one request per clock, not before the arrival time of its bag where the trace has a ``time_ps`` column.

    Parameters
    ----------
    system : SystemSpec
        With ``kind = "host"``.
    trace : EmbeddingTrace
        The lookups.
    log_limit : int
        Commands to keep in the log.
    progress : callable, optional
        Called with the lookups done since the last call.

    Raises
    ------
    InputError
        When the tables do not fit into the memory, or a row lies outside its table.
    """
    from archsim.kernels.dram import ChannelReplay

    tables = resolve(system.dram)
    channel = ChannelReplay(tables, log_limit)
    lowering = Lowering(system, trace.tables)
    requests, cpu_s = 0, 0.0
    for first, last in lookup_chunks(trace):
        bag = np.searchsorted(trace.bag_offsets, np.arange(first, last), side="right") - 1
        rows = np.asarray(trace.rows[first:last], dtype=np.int64)
        table = trace.bag_tables[bag]
        coordinates, lookup = lowering.lower(rows, table)
        kinds = None if trace.operation is None else trace.operation[first:last][lookup]
        arrivals = None
        if trace.time_ps is not None:
            arrivals = -(-trace.time_ps[bag][lookup] // system.dram.timing.tCK_ps)
        start = time.process_time()
        channel.feed(coordinates, kinds, arrivals)
        cpu_s += time.process_time() - start
        requests += len(coordinates)
        if progress:
            progress(last - first)
    start = time.process_time()
    channel.feed(_NO_REQUESTS, drain=True)
    cpu_s += time.process_time() - start
    return _outcome(system, channel.counts(), channel.bank_acts(), channel.rank_clocks(),
                    channel.latency_histogram(), channel.commands(), requests, cpu_s)  # fmt: skip


def _outcome(
    system: SystemSpec,
    counts: dict[str, int],
    bank_acts: npt.NDArray[np.int64],
    rank_clocks: npt.NDArray[np.int64],
    latency: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    commands: npt.NDArray[np.int64],
    requests: int,
    cpu_s: float,
) -> Outcome:
    cycles = counts["last_data_clk"]
    issued = sum(counts[name] for name in ("act", "pre", "rd", "wr", "ref", "prea"))
    bursts = counts["rd"] + counts["wr"]
    if system.dram.energy.method == "currents":
        ledger = tuple(dram_ledger(system.dram, counts, rank_clocks, cycles))
    else:
        io_pj = 8 * LINE_BYTES * system.dram.energy.io_pj_per_bit
        ledger = (*dram_energy(system.dram, counts), LedgerRow("channel", "data", bursts, io_pj))
    return Outcome(
        cycles=cycles,
        requests=requests,
        counts=counts,
        latency_clk=latency[0],
        latency_count=latency[1],
        utilisation={
            "data_bus": bursts * system.dram.timing.tBL / cycles,
            "command_bus": issued / cycles,
            **dram_utilisation(system.dram, counts, bank_acts, cycles),
        },
        peak_bytes_per_clk=LINE_BYTES // system.dram.timing.tBL,
        ledger=ledger,
        kernel_cpu_s=cpu_s,
        commands=commands,
    )
