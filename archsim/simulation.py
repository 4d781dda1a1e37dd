"""simulate(system, trace) -> Result: a pure function.

The module is not called ``simulate`` because ``archsim.simulate`` is the function.
"""

from __future__ import annotations

from archsim.errors import InputError
from archsim.result import Result
from archsim.systems.host import replay_host
from archsim.systems.outcome import Progress
from archsim.systems.recnmp import replay_recnmp
from archsim.systems.spec import SystemSpec
from archsim.traces import EmbeddingTrace

_REPLAYS = {"host": replay_host, "recnmp": replay_recnmp}


def simulate(
    system: SystemSpec, trace: EmbeddingTrace, *, log_limit: int = 0, progress: Progress | None = None
) -> Result:
    """Replay a trace through a system.

    The same inputs give the same bits on every machine, but for ``kernel_cpu_s``.

    Parameters
    ----------
    system : SystemSpec
        What is built, from `archsim.load_system` or Python.
    trace : EmbeddingTrace
        What is done to it, from `archsim.open_trace` or Python.
    log_limit : int
        Keep this many DRAM commands (RecNMP: per rank) in ``Result.commands``.
    progress : callable, optional
        Called with the number of lookups done since the last call.

    Returns
    -------
    Result
        Cycles, latencies, counts, bandwidth, bottleneck, energy.

    Raises
    ------
    InputError
        When the trace is unsound, or does not fit the system (see the systems' modules).
    """
    trace.validate()
    try:
        outcome = _REPLAYS[system.kind](system, trace, log_limit=log_limit, progress=progress)
    except RuntimeError as error:  # a kernel that cannot go on says why
        raise InputError(f"system {system.name!r}: {error}") from None
    return Result.of(system, trace, outcome)
