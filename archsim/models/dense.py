"""Time of the dense layers: roofline, with the weights where the caches left them."""

from __future__ import annotations

from typing import NamedTuple

from archsim.cache.spec import LINE_BYTES
from archsim.models.caches import resident_share
from archsim.models.spec import ELEMENT, Layer, ModelSpec, ProcessorSpec, level_ns


class Residency(NamedTuple):
    """Share of the weights in a core's L2, and beyond that in the last level."""

    l2: float
    llc: float

    @property
    def memory(self) -> float:
        """Share read from memory."""
        return 1 - self.l2 - self.llc


def residency(
    processor: ProcessorSpec, weight_bytes: float, passing_l2: float, passing_llc: float, models: int
) -> Residency:
    """Return where the weights are when a batch needs them.

    Parameters
    ----------
    processor : ProcessorSpec
        Sizes of the caches. An exclusive last level adds to the L2s, another kind holds their lines again.
    weight_bytes : float
        Of one model.
    passing_l2, passing_llc : float
        Bytes that a batch of one model brings into L2, and into the last level, and does not use again.
    models : int
        That share the last level.
    """
    own = resident_share(processor.l2.size, 1, weight_bytes, passing_l2)
    exclusive = processor.hierarchy.inclusion == "exclusive"
    shared_bytes = processor.llc.size + (models * processor.l2.size if exclusive else 0)
    either = max(own, resident_share(shared_bytes, models, weight_bytes, passing_llc))
    return Residency(own, either - own)


class Ways(NamedTuple):
    """Bytes per nanosecond that a core streams from each place."""

    l2: float
    llc: float
    memory: float


def ways(processor: ProcessorSpec, memory_ns: float) -> Ways:
    """Return what a core streams with all its streaming misses in flight, by Little's law.

    Parameters
    ----------
    processor : ProcessorSpec
        Latencies of the caches, misses in flight, clock.
    memory_ns : float
        Latency of a miss under the load that the other cores make.
    """
    in_flight = processor.stream_misses * LINE_BYTES
    tCK_ps = processor.memory.dram.timing.tCK_ps
    port = processor.l2_bytes_per_clk * processor.clock_ghz
    channels_gbps = processor.channels * processor.memory.dram.organization.access_bytes / (
        processor.memory.dram.timing.tBL * tCK_ps / 1000
    )  # fmt: skip
    return Ways(
        min(port, in_flight / level_ns(processor.l2, tCK_ps)),
        min(port, in_flight / level_ns(processor.llc, tCK_ps)),
        min(port, in_flight / memory_ns, channels_gbps),
    )


def layer_ns(processor: ProcessorSpec, layer: Layer, batch: int, where: Residency, gbps: Ways) -> float:
    """Return the time of one dense layer for a batch.

    Operations at the core's share of the peak; weights from where they are, once per ``rows_per_pass`` samples;
    activations from L2, or the last level where they do not fit. Reading hides behind computing only with ``overlap``.
    """
    passes = -(-batch // processor.rows_per_pass)
    compute = layer.flops(batch) / processor.core_gflops
    per_byte = where.l2 / gbps.l2 + where.llc / gbps.llc + where.memory / gbps.memory
    read = passes * layer.weight_bytes * per_byte + moved_ns(processor, layer.activation_bytes(batch), gbps)
    return processor.operator_ns + (max(compute, read) if processor.overlap else compute + read)


def dense_ns(
    processor: ProcessorSpec, model: ModelSpec, batch: int, where: Residency, gbps: Ways
) -> dict[str, float]:
    """Return the time of the bottom and of the top stack."""
    times = {"bottom": 0.0, "top": 0.0}
    for layer in model.layers():
        times[layer.stack] += layer_ns(processor, layer, batch, where, gbps)
    return times


def other_ns(processor: ProcessorSpec, model: ModelSpec, batch: int, gbps: Ways) -> float:
    """Return the time of the other operators: their calls, and the joined inputs read and written once."""
    joined = 2 * ELEMENT * batch * model.joined
    calls = model.other_operators * processor.operator_ns
    return calls + (moved_ns(processor, joined, gbps) if model.other_operators else 0.0)


def moved_ns(processor: ProcessorSpec, size_bytes: int, gbps: Ways) -> float:
    """Return the time to stream what was just made: from L2 if it fits, else from the last level."""
    return size_bytes / (gbps.l2 if size_bytes <= processor.l2.size else gbps.llc)
