"""Which unpublished number a figure depends on: one parameter is changed at a time, all figures are measured again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from archsim.models.inference import Inference, Method
from archsim.models.replays import Replays
from archsim.models.spec import ModelSpec, ProcessorSpec
from archsim.spec import apply_overrides
from archsim.systems.spec import SystemSpec


class Change(NamedTuple):
    """One parameter set to one value: of the ``model``, the ``processor``, or of the way it is run."""

    part: str
    path: str
    value: str

    @property
    def overrides(self) -> list[str]:
        """What is laid over the specification; a fixed pooling has no spread."""
        together = ["embedding.pooling_spread=0"] if self.path == "embedding.pooling" else []
        return [*together, f"{self.path}={self.value}"]


#: What the paper does not print, and values about the default.
CHANGES = tuple(
    Change(part, path, value)
    for part, path, values in (
        ("model", "embedding.vector_bytes", ("64", "128", "256")),
        ("model", "embedding.pooling", ("20", "50", "120")),
        ("model", "embedding.skew", ("[0]", "[0.6, 0.8]")),
        ("model", "top", ("[128, 64, 1]", "[256, 64, 1]", "[512, 256, 1]")),
        ("model", "bottom", ("[512, 256, 64]",)),
        ("model", "index_bytes", ("4",)),
        ("processor", "peak_gflops", ("490", "1843.2")),
        ("processor", "efficiency", ("0.5", "0.75")),
        ("processor", "overlap", ("true",)),
        ("processor", "rows_per_pass", ("16", "64")),
        ("processor", "stream_misses", ("8", "32")),
        ("processor", "operator_ns", ("0", "20000")),
        ("processor", "memory.hierarchy.mshrs", ("8", "12")),
        ("processor", "memory.hierarchy.inclusion", ("inclusive",)),
        ("processor", "memory.dram.controller.read_queue", ("8",)),
        ("processor", "channels", ("1", "6")),
        ("run", "batch", ("8", "64", "128")),
        ("run", "method", ("replay",)),
        ("run", "lookups", ("400000",)),
    )
    for value in values
)
#: Batch at which the top layers are looked at beside co-located models.
TOP_BATCH = 64


def sweep(
    model: ModelSpec,
    processor: ProcessorSpec,
    host_system: SystemSpec,
    near_system: SystemSpec,
    changes: Sequence[Change] = CHANGES,
    replays: Replays | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the figures with nothing changed, then with each change by itself, unless it is the default.

    Returns
    -------
    iterator of dict
        ``parameter``, ``value``; of one model: ``latency_ms``, ``sls_pct``, ``fc_gain`` (host over near), ``speedup``;
        with one on every core: ``speedup_full``, ``top_gap_pct`` (top layers, host over near, in percent, at a batch of
        ``TOP_BATCH``); ``core_gbps`` and ``all_gbps``, what one core and all of them read.
    """
    replays = Replays() if replays is None else replays
    systems = host_system, near_system
    yield {"parameter": "none", "value": ""} | _figures(model, processor, systems, replays)
    for change in changes:
        changed_model, changed_processor, shared = model, processor, replays
        batch: int | None = None
        method: Method = "ratio"
        if change.part == "model":
            changed_model = apply_overrides(model, change.overrides)
            if changed_model == model:
                continue
        elif change.part == "processor":
            changed_processor = apply_overrides(processor, change.overrides)
        elif change.path == "batch":
            batch = int(change.value)
        elif change.path == "method":
            method = cast(Method, change.value)
        else:
            shared = Replays(int(change.value))
        found = _figures(changed_model, changed_processor, systems, shared, batch, method)
        yield {"parameter": f"{change.part}.{change.path}", "value": change.value} | found


def _figures(
    model: ModelSpec,
    processor: ProcessorSpec,
    systems: tuple[SystemSpec, SystemSpec],
    replays: Replays,
    batch: int | None = None,
    method: Method = "ratio",
) -> dict[str, float]:
    cores = processor.hierarchy.cores
    one = Inference(model, processor, batch=batch, replays=replays)
    host, near, _, full_near = one.runs(systems[0], systems[1:], (1, cores), method)
    top = Inference(model, processor, batch=TOP_BATCH if batch is None else batch, replays=replays)
    top_host, top_near = top.runs(systems[0], systems[1:], (cores,), method)
    gap = top_host.times.top_ns / top_near.times.top_ns - 1
    return {
        "latency_ms": host.latency_ns / 1e6,
        "sls_pct": 100 * host.times.sls_ns / host.latency_ns,
        "fc_gain": host.times.fc_ns / near.times.fc_ns,
        "speedup": near.speedup,
        "speedup_full": full_near.speedup,
        "top_gap_pct": 100 * gap,
        "core_gbps": one.bandwidth_gbps(1),
        "all_gbps": one.bandwidth_gbps(cores),
    }
