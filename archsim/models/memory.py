"""How fast the cores of a host read vectors: the loaded memory of the DRAM engine, and Little's law."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple

from archsim.cache.spec import LINE_BYTES
from archsim.models.spec import ProcessorSpec, level_ns
from archsim.simulation import simulate
from archsim.spec import apply_overrides
from archsim.systems.spec import SystemSpec
from archsim.traces import EmbeddingTrace

#: Misses in flight at which a channel is replayed; between them its bandwidth is interpolated.
IN_FLIGHT = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
_HALVINGS = 100


@dataclass(frozen=True)
class LoadCurve:
    """Bandwidth of one memory channel against the misses that are in flight to it.

    Attributes
    ----------
    in_flight : tuple of int
        Misses in flight, ascending.
    bytes_per_ns : tuple of float
        What the DRAM engine moves then.
    """

    in_flight: tuple[int, ...]
    bytes_per_ns: tuple[float, ...]

    def bandwidth(self, misses: float) -> float:
        """Return bytes per nanosecond, in proportion between two points and below the first, flat after the last."""
        x, y = (0, *self.in_flight), (0.0, *self.bytes_per_ns)
        if misses >= x[-1]:
            return y[-1]
        right = max(1, bisect_left(x, misses))
        left = right - 1
        return y[left] + (y[right] - y[left]) * (misses - x[left]) / (x[right] - x[left])

    def latency_ns(self, misses: float) -> float:
        """Return how long a miss takes, by Little's law; below the first point as there."""
        misses = max(misses, self.in_flight[0])
        return misses * LINE_BYTES / self.bandwidth(misses)


class Hits(NamedTuple):
    """Share of the lines looked up that each level has."""

    l1: float
    l2: float
    llc: float

    @property
    def memory(self) -> float:
        """Share that no level has."""
        return 1 - self.l1 - self.l2 - self.llc


def _pool(processor: ProcessorSpec, misses: int, llc_share: int = 1) -> SystemSpec:
    """Return one channel behind one core's caches, with a share of the last one and so many misses in flight."""
    llc = processor.llc
    size = max(llc.sets // llc_share, 1) * llc.ways * llc.line_bytes
    return apply_overrides(
        processor.memory,
        [
            "hierarchy.cores=1",
            "hierarchy.ports=64",
            "hierarchy.accesses_per_clk=64",
            f"hierarchy.mshrs={misses}",
            f"hierarchy.llc.size={size}",
        ],
    )


def load_curve(processor: ProcessorSpec, trace: EmbeddingTrace) -> LoadCurve:
    """Replay a trace through one channel of the processor for every number of misses in flight."""
    found = [simulate(_pool(processor, misses), trace).dram_bandwidth_gbps for misses in IN_FLIGHT]
    return LoadCurve(IN_FLIGHT, tuple(found))


def hits(processor: ProcessorSpec, trace: EmbeddingTrace, models: int) -> Hits:
    """Replay a trace through the caches of a core that has its even share of the last one."""
    result = simulate(_pool(processor, IN_FLIGHT[-1], models), trace)
    assert result.cache is not None
    levels = {level["name"]: level["hits"] / result.cache["accesses"] for level in result.cache["levels"]}
    return Hits(levels["l1"], levels["l2"], levels["llc"])


class Load(NamedTuple):
    """What cores that read vectors make of the memory."""

    line_ns: float  # from line to line, of one core
    misses: float  # in flight of each channel
    memory_ns: float  # a miss, from the core to the data

    @property
    def core_gbps(self) -> float:
        """Bytes that a core reads, hits included, per nanosecond."""
        return LINE_BYTES / self.line_ns


def read_load(processor: ProcessorSpec, curve: LoadCurve, found: Hits, readers: float) -> Load:
    """Return the load that ``readers`` cores make, each with all its fill buffers busy.

    A core has ``hierarchy.mshrs`` lines in flight, so it gets one every (mean latency of the lines that L1 has not) /
    mshrs. The misses of all readers, spread evenly over the channels, decide the latency of the memory, which decides
    how many of the buffers wait for it.

    Parameters
    ----------
    processor : ProcessorSpec
        Latencies, fill buffers, channels.
    curve : LoadCurve
        Of one channel.
    found : Hits
        Where lines are found.
    readers : float
        Cores that read, on average; more than there are do not read faster.
    """
    readers = min(readers, processor.hierarchy.cores)
    tCK_ps, buffers = processor.memory.dram.timing.tCK_ps, processor.hierarchy.mshrs
    nearer = found.l2 * level_ns(processor.l2, tCK_ps) + found.llc * level_ns(processor.llc, tCK_ps)
    # A line that L1 has costs a lookup only.
    ports_ns = 1 / (processor.hierarchy.ports * processor.clock_ghz)

    def waiting(share: float) -> tuple[float, float]:
        memory_ns = curve.latency_ns(share * buffers * readers / processor.channels)
        return found.memory * memory_ns / max(nearer + found.memory * memory_ns, 1e-300), memory_ns

    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        low, high = (share, high) if share < waiting(share)[0] else (low, share)
    share = (low + high) / 2
    memory_ns = waiting(share)[1]
    line_ns = max((nearer + found.memory * memory_ns) / buffers, ports_ns)
    return Load(line_ns, share * buffers * readers / processor.channels, memory_ns)
