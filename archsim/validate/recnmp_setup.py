"""What all figures of RecNMP (ISCA 2020) are measured with: one parameter set, its traces, its runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from archsim.result import Result
from archsim.simulation import simulate
from archsim.systems.spec import load_system
from archsim.traces import EmbeddingTrace
from archsim.traces.generators.stream import generate
from archsim.traces.workloads import load_workload

#: Timing of the paper's Table I where the preset of the memory, a faster bin of which the peers were measured,
#: has another.
TIMING = ("dram.timing.tRCD=16", "dram.timing.CL=16", "dram.timing.tRP=16")
#: Energy by currents of the data sheet, with standby and refresh, in place of Table I's constants.
CURRENTS = ("dram.energy.preset=ddr4-8gb-x8-2400",)
#: Samples of the trace, each with one pooling of every table: the length at which the stand-ins are calibrated
#: to Fig. 12.
SAMPLES = 384
#: Poolings of a table that are scheduled and profiled together: all of the trace.
BATCH = f"nmp.batch_bags={SAMPLES}"
POOLINGS = (1, 2, 4, 8)
COLORED = ("nmp.poolings_per_packet=1", "placement.policy=colored", "placement.color=rank")
#: The steps of Fig. 15a, each with the one before.
STEPS = {
    "base": (),
    "cache": ("nmp.cache.size=128 KiB",),
    "schedule": ("nmp.cache.size=128 KiB", "nmp.scheduling=table-aware"),
    "schedule+profile": ("nmp.cache.size=128 KiB", "nmp.scheduling=table-aware", "nmp.profile_threshold=1"),
}


@cache
def comb8(vector_bytes: int = 128, samples: int = SAMPLES) -> EmbeddingTrace:
    """Return the stand-in for the paper's eight production tables, sample by sample."""
    spec = load_workload("recnmp-comb8", [f"vector_bytes={vector_bytes}"])
    return generate(spec.model_copy(update={"lookups": samples * 80 * len(spec.layout())}))


@cache
def uniform() -> EmbeddingTrace:
    """Return random lookups of the same shape, the paper's worst case."""
    shape = ["tables=8", "rows=1000000", "pooling=80", "pooling_spread=0", "vector_bytes=128"]
    return generate(load_workload("uniform", [*shape, f"lookups={SAMPLES * 80 * 8}"]))


TRACES = {"comb8": comb8, "uniform": uniform}


@cache
def run(
    system: str,
    overrides: tuple[str, ...] = (),
    trace: str = "comb8",
    vector_bytes: int = 128,
    samples: int = SAMPLES,
) -> Result:
    """Replay a trace through a preset with the parameter set of all figures."""
    replayed = comb8(vector_bytes, samples) if trace == "comb8" else uniform()
    batch = () if system.startswith("host") else (BATCH,)
    return simulate(load_system(system, [*TIMING, *batch, *overrides]), replayed)


def speedup(
    ranks: int,
    overrides: Sequence[str] = (),
    *,
    host: Sequence[str] = (),
    trace: str = "comb8",
    vector_bytes: int = 128,
    samples: int = SAMPLES,
) -> float:
    """Return how much faster RecNMP base with overrides is than a host with the same ranks."""
    near = run(f"recnmp-base-{ranks}rank", tuple(overrides), trace, vector_bytes, samples)
    return run(f"host-{ranks}rank", tuple(host), trace, vector_bytes, samples).time_ns / near.time_ns
