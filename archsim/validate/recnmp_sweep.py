"""What the figures of RecNMP depend on among the parameters that its paper does not publish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from archsim.validate.recnmp_setup import COLORED, CURRENTS, SAMPLES, STEPS, run, speedup
from archsim.validate.row import Row


class Variant(NamedTuple):
    """One unpublished parameter away from the parameter set of all figures."""

    near: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    vector_bytes: int = 128
    samples: int = SAMPLES


#: What changes every figure.
MEMORY = {
    "as judged": Variant(),
    "vectors of 64 bytes": Variant(vector_bytes=64),
    "vectors of 256 bytes": Variant(vector_bytes=256),
    "configuration: none": Variant(("nmp.config_clk=0",)),
    "configuration: 16 clocks per DIMM": Variant(("nmp.config_clk=16",)),
    "refresh: ranks in turn": Variant(("dram.refresh.staggered=true",)),
    "refresh: none": Variant(("dram.refresh.mode=none",), ("dram.refresh.mode=none",)),
    "unit queues of 8": Variant(("dram.controller.read_queue=8",)),
    "unit queues of 64": Variant(("dram.controller.read_queue=64",)),
    "host: queue of 16": Variant((), ("dram.controller.read_queue=16",)),
    "host: queue of 64": Variant((), ("dram.controller.read_queue=64",)),
    "transfer: 8 clocks": Variant(("nmp.transfer_clk=8",)),
    "page frames: seed 2": Variant(("placement.seed=2",), ("placement.seed=2",)),
    "address map skylake-64": Variant(
        ("dram.address_map.preset=skylake-64",), ("dram.address_map.preset=skylake-64",)
    ),
}
#: What changes the figures with RankCaches.
CACHES = {
    "batches of 64 poolings": Variant(("nmp.batch_bags=64",)),
    "batches of 256 poolings": Variant(("nmp.batch_bags=256",)),
    "RankCache: 1 way": Variant(("nmp.cache.ways=1",)),
    "RankCache: 16 ways": Variant(("nmp.cache.ways=16",)),
    "RankCache: 2 clocks": Variant(("nmp.cache.latency_clk=2",)),
    "RankCache: 3 clocks": Variant(("nmp.cache.latency_clk=3",)),
    "trace of 96 samples": Variant(samples=96),
    "trace of 1536 samples": Variant(samples=1536),
    "trace of 4800 samples": Variant(samples=4800),
}
#: What changes the figures with profiling alone.
PROFILES = {f"profile threshold {t}": Variant((f"nmp.profile_threshold={t}",)) for t in (2, 3, 4)}
#: What changes the energy alone.
ENERGIES = {
    "internal I/O: 5.5 pJ per bit": Variant(("nmp.energy.internal_io_pj_per_bit=5.5",)),
    "internal I/O: 11 pJ per bit": Variant(("nmp.energy.internal_io_pj_per_bit=11",)),
    "internal I/O: 22 pJ per bit": Variant(("nmp.energy.internal_io_pj_per_bit=22",)),
    "DRAM by data-sheet currents": Variant(CURRENTS, CURRENTS),
    "static power: Table II's": Variant(("nmp.energy.static_mw=184.2",)),
}
_FIGURES = {
    "Fig. 14a, 2 ranks, 1 pooling": (2, ("nmp.poolings_per_packet=1",), ("14a", "2-rank", "1")),
    "Fig. 14a, 2 ranks, 4 poolings": (2, ("nmp.poolings_per_packet=4",), ("14a", "2-rank", "4")),
    "Fig. 14a, 2 ranks, colouring": (2, COLORED, ("14a", "2-rank", "colored")),
    "Fig. 14a, 8 ranks, 1 pooling": (8, ("nmp.poolings_per_packet=1",), ("14a", "8-rank", "1")),
    "Fig. 14a, 8 ranks, colouring": (8, COLORED, ("14a", "8-rank", "colored")),
    "Fig. 15a, base": (8, STEPS["base"], ("15a", "8-rank", "base")),
}
_CACHED = {
    "Fig. 15a, cache": (8, STEPS["cache"], ("15a", "8-rank", "cache")),
    "Fig. 15a, schedule": (8, STEPS["schedule"], ("15a", "8-rank", "schedule")),
    "Fig. 15a, profile": (8, STEPS["schedule+profile"], ("15a", "8-rank", "schedule+profile")),
}


def _figures_of(name: str) -> dict[str, tuple[int, tuple[str, ...], tuple[str, str, str]]]:
    """Return the speedups that a variant can change."""
    if name in ENERGIES:
        return {}
    if name in PROFILES:
        return {"Fig. 15a, profile": _CACHED["Fig. 15a, profile"]}
    return _CACHED if name in CACHES else _FIGURES | _CACHED


def sweep_rows(expected: Mapping[tuple[str, str, str], float]) -> Iterator[Row]:
    """Yield the figures under every variant that can change them; nothing is judged here."""
    for name, variant in (MEMORY | CACHES | PROFILES | ENERGIES).items():
        for figure, (ranks, overrides, key) in _figures_of(name).items():
            near, made = (*overrides, *variant.near), (variant.vector_bytes, variant.samples)
            measured = speedup(ranks, near, host=variant.host, vector_bytes=made[0], samples=made[1])
            yield Row(f"RecNMP sweep, {name}: {figure}", "speedup", expected[key], measured, None)
        yield from _hits_and_energy(name, variant, expected)


def _hits_and_energy(
    name: str, variant: Variant, expected: Mapping[tuple[str, str, str], float]
) -> Iterator[Row]:
    made = {"vector_bytes": variant.vector_bytes, "samples": variant.samples}
    for step, series in (("cache", "baseline"), ("schedule", "schedule"), ("schedule+profile",) * 2):
        if name in ENERGIES or (name in PROFILES and step != "schedule+profile"):
            continue
        cached = run("recnmp-base-8rank", (*STEPS[step], *variant.near), **made).cache
        assert cached is not None  # these steps have RankCaches
        percent = expected["12", "Comb-8", series]
        yield Row(f"RecNMP sweep, {name}: hits, {series}", "%", percent, 100 * cached["hit_ratio"], None)
    for step in ("base", "schedule+profile"):
        if step == "base" and name not in MEMORY | ENERGIES:
            continue
        near = run("recnmp-base-8rank", (*STEPS[step], *variant.near), **made).energy_nj
        saved = 100 * (1 - near / run("host-8rank", variant.host, **made).energy_nj)
        target = expected["headline", "8-rank", "energy saving"]
        yield Row(f"RecNMP sweep, {name}: memory energy saved, {step}", "%", target, saved, None)
