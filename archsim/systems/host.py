"""A host that reads every vector over its DRAM channels and adds them itself."""

from __future__ import annotations

import numpy as np

from archsim.dram.energy import dram_ledger
from archsim.dram.engine import DramReplay
from archsim.systems.lowering import Lowering
from archsim.systems.outcome import Options, Outcome, lookup_chunks
from archsim.systems.spec import SystemSpec
from archsim.systems.utilisation import array_utilisation, bus_utilisation, highest
from archsim.traces import EmbeddingTrace


def replay_host(system: SystemSpec, trace: EmbeddingTrace, options: Options) -> Outcome:
    """Replay a trace through the host's memory.

    Every lookup becomes the reads (updates: writes) of the lines of its vector, in trace order. The front end offers
    one request per clock to each channel, not before the arrival time of its bag where the trace has a ``time_ps``
    column.

    Parameters
    ----------
    system : SystemSpec
        With ``kind = "host"``.
    trace : EmbeddingTrace
        The lookups.
    options : Options
        Log, time series, threads, progress.

    Raises
    ------
    InputError
        When the tables do not fit into the memory, or a row lies outside its table.
    RuntimeError
        When the memory can never make progress again.
    """
    lowering = Lowering(system, trace.tables)
    with DramReplay(
        system.dram,
        log_limit=options.log_limit,
        interval_clk=options.interval_clk,
        threads=options.threads,
    ) as memory:
        for first, last in lookup_chunks(trace):
            bag = np.searchsorted(trace.bag_offsets, np.arange(first, last), side="right") - 1
            rows = np.asarray(trace.rows[first:last], dtype=np.int64)
            coordinates, lookup = lowering.lower(rows, trace.bag_tables[bag])
            kinds = None if trace.operation is None else trace.operation[first:last][lookup]
            arrivals = None
            if trace.time_ps is not None:
                arrivals = -(-trace.time_ps[bag][lookup] // system.dram.timing.tCK_ps)
            memory.feed(coordinates, kinds, arrivals)
            if options.progress:
                options.progress(last - first)
        memory.finish()
    return _outcome(memory, options.interval_clk)


def _outcome(memory: DramReplay, interval_clk: int) -> Outcome:
    spec, organization = memory.spec, memory.spec.organization
    channel_counts, counts, cycles = memory.channel_counts(), memory.counts(), memory.cycles
    bank_counts, rank_clocks = memory.bank_counts(), memory.rank_clocks()
    utilisation = []
    for own, banks in zip(channel_counts, np.split(bank_counts, organization.channels), strict=True):
        utilisation.append(
            bus_utilisation(spec, own, banks, cycles) | array_utilisation(spec, own, banks, cycles)
        )
    latency_clk, latency_count = memory.latency_histogram()
    buses = organization.channels * organization.pseudo_channels
    return Outcome(
        cycles=cycles,
        requests=memory.requests,
        counts=counts,
        channel_counts=channel_counts,
        bank_counts=bank_counts,
        rank_commands=memory.rank_commands(),
        rank_clocks=rank_clocks,
        latency_clk=latency_clk,
        latency_count=latency_count,
        utilisation=highest(utilisation),
        channel_utilisation=utilisation,
        peak_bytes_per_clk=buses * organization.access_bytes / spec.timing.tBL,
        ledger=tuple(dram_ledger(spec, counts, rank_clocks, cycles)),
        kernel_cpu_s=memory.cpu_s,
        commands=memory.commands(),
        interval_clk=interval_clk,
        series=memory.series(),
    )
