"""simulate(system, trace) -> Result: a pure function.

The module is not called ``simulate`` because ``archsim.simulate`` is the function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from archsim.errors import InputError
from archsim.result import Result
from archsim.systems.cached import replay_cached
from archsim.systems.host import replay_host
from archsim.systems.outcome import Options, Outcome, Progress
from archsim.systems.recnmp import replay_recnmp
from archsim.systems.spec import SystemSpec
from archsim.traces import AddressTrace, EmbeddingTrace

if TYPE_CHECKING:
    from archsim.nmp.packet_log import PacketLog

#: One hour: longer than any replay.
_LONGEST_INTERVAL_NS = 3.6e12
_REPLAYS: dict[str, Callable[..., Outcome]] = {"host": replay_host, "recnmp": replay_recnmp}


def simulate(
    system: SystemSpec,
    trace: EmbeddingTrace | AddressTrace,
    *,
    log_limit: int = 0,
    interval_ns: float | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    packets: PacketLog | None = None,
    log_total: int = 0,
) -> Result:
    """Replay a trace through a system.

    The same inputs give the same bits on every machine, but for ``kernel_cpu_s``.

    Parameters
    ----------
    system : SystemSpec
        What is built, from `archsim.load_system` or Python.
    trace : EmbeddingTrace or AddressTrace
        What is done to it, from `archsim.open_trace` or Python. A host takes either kind, RecNMP lookups only.
    log_limit : int
        Keep this many DRAM commands (RecNMP: per rank) in ``Result.commands``, and at most as many packets and hits in
        ``Result.packets`` and ``Result.hits`` (of each channel; hits of a RankCache: of each rank).
    interval_ns : float, optional
        Length of an interval of ``Result.series``, rounded to whole memory clocks; no series by default.
    threads : int, optional
        Threads that replay memory channels; by default one per channel, at most one per core. Results do not depend
        on it.
    progress : callable, optional
        Called with the number of lookups (or addresses) done since the last call.
    packets : PacketLog, optional
        Receives the packets that the host sends, see `archsim.nmp.packet_log.write_packets`.
    log_total : int
        Of RecNMP, keep only this many commands (and hits) of all ranks together, the first ones: logs for a timeline
        then take no more memory with more ranks. 0, the default: ``log_limit`` of each rank.

    Returns
    -------
    Result
        Cycles, latencies, counts, bandwidth, bottleneck, energy, per channel, rank and bank.

    Raises
    ------
    InputError
        When the trace is unsound, or does not fit the system (see the systems' modules).
    """
    check_suits(system, trace)
    trace.validate()
    if packets is not None and system.nmp is None:
        raise InputError(f"system {system.name!r} has no near-memory units, and so no packets to write")
    interval_clk = _interval_clk(interval_ns, system.dram.timing.tCK_ps)
    options = Options(log_limit, interval_clk, threads, progress, packets, log_total)
    try:
        outcome = _replay_of(system)(system, trace, options)
    except RuntimeError as error:  # a kernel that cannot go on says why
        raise InputError(f"system {system.name!r}: {error}") from None
    return Result.of(system, trace, outcome)


def _replay_of(system: SystemSpec) -> Callable[..., Outcome]:
    if system.hierarchy is not None or (system.cache is not None and system.cache.size):
        return replay_cached
    return _REPLAYS[system.kind]


def check_suits(system: SystemSpec, trace: EmbeddingTrace | AddressTrace) -> None:
    """Refuse a kind of trace that a system cannot replay, in constant time.

    Raises
    ------
    InputError
        For addresses on a system that sums vectors.
    """
    if isinstance(trace, AddressTrace) and system.kind != "host":
        raise InputError(
            f"{trace.name}: system {system.name!r} sums embedding vectors, and a trace of addresses names none; "
            "replay it with --system host-8rank or another host"
        )


def _interval_clk(interval_ns: float | None, tCK_ps: int) -> int:
    if interval_ns is None:
        return 0
    if not 0 < interval_ns <= _LONGEST_INTERVAL_NS:
        raise InputError(
            f"interval of {interval_ns:g} ns: must be above 0 and at most {_LONGEST_INTERVAL_NS:g} ns"
        )
    return max(1, round(interval_ns * 1000 / tCK_ps))
