"""A host that reads every vector over its DRAM channels and adds them itself, or whatever addresses say."""

from __future__ import annotations

import numpy as np

from archsim.dram.energy import dram_ledger
from archsim.dram.engine import DramReplay
from archsim.systems.outcome import Options, Outcome
from archsim.systems.requests import request_windows, time_unit
from archsim.systems.spec import SystemSpec
from archsim.systems.utilisation import array_utilisation, bus_utilisation, highest
from archsim.traces import AddressTrace, EmbeddingTrace


def replay_host(system: SystemSpec, trace: EmbeddingTrace | AddressTrace, options: Options) -> Outcome:
    """Replay a trace through the host's memory.

    Every lookup becomes the reads (updates: writes) of the lines of its vector, in trace order; every address that of
    its line. The front end offers one request per clock to each channel, not before its arrival where the trace has
    times.

    Parameters
    ----------
    system : SystemSpec
        With ``kind = "host"``.
    trace : EmbeddingTrace or AddressTrace
        The lookups, or the addresses.
    options : Options
        Log, time series, threads, progress.

    Raises
    ------
    InputError
        When the tables do not fit into the memory, or an address lies outside it.
    RuntimeError
        When the memory can never make progress again.
    """
    unit, tCK_ps = time_unit(trace), system.dram.timing.tCK_ps
    with DramReplay(
        system.dram,
        log_limit=options.log_limit,
        interval_clk=options.interval_clk,
        threads=options.threads,
    ) as memory:
        for window in request_windows(system, trace):
            memory.feed_lines(
                window.lines, writes=window.kinds, arrivals_clk=window.arrivals_clk(unit, tCK_ps)
            )
            if options.progress:
                options.progress(window.taken)
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
    commands, queues = memory.log()
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
        commands=commands,
        queues=queues,
        interval_clk=interval_clk,
        series=memory.series(),
    )
