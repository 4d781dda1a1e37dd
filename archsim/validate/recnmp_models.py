"""Whole models against RecNMP (ISCA 2020): Figures 4, 6, 17, 18a and 18c, all with one set of parameters.

The figures of the paper are in ``data/recnmp_models.toml`` and are read here alone.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from archsim.models.inference import Inference
from archsim.models.replays import Replays
from archsim.models.spec import ProcessorSpec, load_model, load_processor
from archsim.systems.spec import SystemSpec, load_system
from archsim.validate.recnmp_setup import BATCH, TIMING
from archsim.validate.row import Row

MODELS = ("rmc1-small", "rmc1-large", "rmc2-small", "rmc2-large")
PROCESSOR = "skylake-18core-1.6ghz"
NEAR = "recnmp-opt"
#: Largest deviation of an end-to-end speedup that holds; nothing else is judged.
TOLERANCE = 0.15
#: Fig. 17: poolings as its legend says; the paper prints no batch.
TOP_BATCH = 64
TOP_POOLINGS = (80, 40)
#: Fig. 6: one operator of RMC1-small at a time, its rows drawn evenly.
OPERATOR = ("embedding.skew=[0]",)
#: The mean of the 20 to 80 lookups per bag that the paper's table of models gives; it measures with 80.
SHORTER = ("embedding.pooling=50", "embedding.pooling_spread=0")
#: Deviation beyond which a row says what explains it.
_EXPLAINED = 0.15
_REASONS = {
    "4": "lookups depend on embedding.pooling, skew, vector_bytes and mshrs, dense layers on peak_gflops and top, a "
    "batch of 8 on operator_ns",
    "6": "saturation depends on the controller, above all on its read_queue; batches below 256 on "
    "operator_ns, and on work that threads do one after the other, which is not modelled",
    "17": "depends on batch, rows_per_pass and peak_gflops; without overlap = false there is no gap",
    "18a": "depends on the share of the lookups, so on embedding.pooling, peak_gflops and top; the paper's own "
    "shares of Fig. 4 and 18a differ, 83.3 and 74.0 % for RMC2-small",
    "18c": "as Fig. 18a; the preset zipf has more locality for the caches of a core than the paper's traces",
}


def figures() -> dict[str, Any]:
    """Return the figures of the paper."""
    return tomllib.loads(
        (files("archsim.validate") / "data" / "recnmp_models.toml").read_text(encoding="utf-8")
    )


def assumptions() -> list[str]:
    """Return, line by line, what is assumed because it was not published."""
    return [
        f"models: presets {', '.join(MODELS)}; dense layers of DeepRecSys's rm1 and rm2, vectors of 128 and 256 bytes, "
        "bags of 80 lookups, popularity as of the preset zipf, one model on a core",
        f"processor: preset {PROCESSOR}, whose stated defaults `archsim model --sweep` varies; end to end: batch 256, "
        "the host's lookups over the speedup of one channel's replays, as the paper weighs them",
        f"Fig. 17: the paper prints no batch; of those of Fig. 4, {TOP_BATCH} has the latency of the figure; bags of "
        f"{' and '.join(map(str, TOP_POOLINGS))} lookups, as in its legend; for RecNMP of 80",
        "Fig. 6: threads beyond the 18 cores share the fill buffers of a core; rows drawn evenly, 80 lookups a bag",
    ]


def rows(replays: Replays | None = None, near: str = NEAR) -> Iterator[Row]:
    """Time the models and yield one row per bar, point and printed number.

    Parameters
    ----------
    replays : Replays, optional
        Holds the length of the traces.
    near : str
        Presets of the near-memory systems, without ``-8rank``.
    """
    replays = Replays() if replays is None else replays
    expected = figures()
    for name in MODELS:
        yield from _figure4(name, expected["fig4"], replays)
        yield from _figure18a(name, expected["fig18a"], replays, near)
        if name in expected["fig18c"]["printed_speedup"]:
            yield from _figure18c(name, expected["fig18c"], replays, near)
    yield from _figure6(expected["fig6"], replays)
    for name in MODELS[2:]:
        yield from _figure17(name, expected["fig17"], replays)


def _row(
    figure: str, what: str, quantity: str, expected: float, measured: float, tolerance: float | None = None
) -> Row:
    known = None if math.isnan(expected) else expected
    row = Row(f"RecNMP Fig. {figure}, {what}", quantity, known, measured, tolerance)
    if row.deviation is None or abs(row.deviation) <= _EXPLAINED:
        return row
    return Row(row.figure, quantity, known, measured, tolerance, _REASONS[figure])


def _inference(
    name: str, replays: Replays, batch: int | None = None, overrides: tuple[str, ...] = ()
) -> Inference:
    return Inference(load_model(name, overrides), processor(), batch=batch, replays=replays)


def processor() -> ProcessorSpec:
    """Return the processor, its memory with the timing of all figures."""
    return load_processor(PROCESSOR, [f"memory.{change}" for change in TIMING])


def systems(ranks: int, near: str = NEAR) -> tuple[SystemSpec, list[SystemSpec]]:
    """Return the host and the near-memory system, with the parameter set of all figures."""
    return load_system(f"host-{ranks}rank", TIMING), [load_system(f"{near}-{ranks}rank", [*TIMING, BATCH])]


def _figure4(name: str, expected: dict[str, Any], replays: Replays) -> Iterator[Row]:
    for number, batch in enumerate(expected["batch"]):
        times = _inference(name, replays, batch).host()
        what = f"{name}, batch {batch}"
        yield _row("4", what, "latency, ms", expected[name]["latency_ms"][number], times.total_ns / 1e6)
        share = 100 * times.sls_ns / times.total_ns
        yield _row("4", what, "share of the lookups, %", expected[name]["sls_pct"][number], share)
        share = 100 * times.fc_ns / times.total_ns
        yield _row("4", what, "share of the dense layers, %", expected[name]["fc_pct"][number], share)


def _figure18a(name: str, expected: dict[str, Any], replays: Replays, near: str) -> Iterator[Row]:
    inference = _inference(name, replays)
    shorter = _inference(name, replays, overrides=SHORTER)
    for ranks, speedup in zip(expected["ranks"], expected["printed_speedup"][name], strict=True):
        both = systems(ranks, near)
        host, run = inference.runs(*both)
        yield _row("18a", f"{name}, {ranks} ranks", "end-to-end speedup", speedup, run.speedup, TOLERANCE)
        other = shorter.runs(*both)[1].speedup
        yield _row("18a", f"{name}, {ranks} ranks, sweep: bags of 50", "end-to-end speedup", speedup, other)
    for system, one in (("host", host), ("near_8rank", run)):
        parts = one.times.sls_ns, one.times.fc_ns, one.times.other_ns
        for label, percent, ns in zip(
            ("lookups", "dense layers", "other"), expected[f"{system}_pct"][name], parts, strict=True
        ):
            what = f"{name}, {'host' if system == 'host' else f'{ranks} ranks'}"
            yield _row("18a", what, f"{label}, % of the host", percent, 100 * ns / host.latency_ns)


def _figure18c(name: str, expected: dict[str, Any], replays: Replays, near: str) -> Iterator[Row]:
    inference = _inference(name, replays)
    cores = inference.processor.hierarchy.cores
    random = _inference(name, replays, overrides=("embedding.skew=[0]",))
    runs = inference.runs(*systems(8, near), (1, cores))[1::2]
    for number, run in enumerate(runs):
        what = f"{name}, {run.models} co-located"
        speedup = expected["printed_speedup"][name][number]
        yield _row("18c", what, "throughput over the host", speedup, run.speedup, TOLERANCE)
        gain = random.host(run.models).total_ns / inference.host(run.models).total_ns
        bonus = expected["printed_host_gain"][name][number]
        yield _row("18c", what, "host, production-like over random lookups", bonus, gain)


def _figure6(expected: dict[str, Any], replays: Replays) -> Iterator[Row]:
    for batch, curve in expected["batch"].items():
        inference = _inference("rmc1-small", replays, int(batch), OPERATOR)
        for threads, gbps in zip(expected["threads"], curve, strict=True):
            what = f"batch {batch}, {threads} threads"
            yield _row("6", what, "bandwidth, GB/s", gbps, inference.bandwidth_gbps(threads))
    most = max(
        _inference("rmc1-small", replays, 256, OPERATOR).bandwidth_gbps(n) for n in expected["threads"]
    )
    yield _row("6", "random reads, all cores", "bandwidth, GB/s", expected["random_limit_gbps"], most)


def _figure17(name: str, expected: dict[str, Any], replays: Replays) -> Iterator[Row]:
    own, near_ms = expected[name], {}
    for pooling in TOP_POOLINGS:
        bags = f"embedding.pooling={pooling}", "embedding.pooling_spread=0"
        inference = _inference(name, replays, TOP_BATCH, bags)
        for models, host, near in zip(expected["models"], own[f"host_{pooling}"], own["near"], strict=True):
            what = f"{name}, {models} co-located"
            host_ms = inference.host(models).top_ns / 1e6
            yield _row("17", f"{what}, host, bags of {pooling}", "top layers, ms", host, host_ms)
            if pooling != TOP_POOLINGS[0]:
                continue
            # Lookups near the memory leave the dense layers alone, however fast they are.
            near_ms[models] = inference.near(1.0, models).top_ns / 1e6
            yield _row("17", f"{what}, RecNMP", "top layers, ms", near, near_ms[models])
            if str(models) in own["printed_gap_pct"]:
                gap = 100 * (host_ms / near_ms[models] - 1)
                yield _row("17", what, "host over RecNMP, %", own["printed_gap_pct"][str(models)], gap)
