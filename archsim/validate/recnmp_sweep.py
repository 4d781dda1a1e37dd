"""What the figures of RecNMP depend on among the parameters that its paper does not publish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archsim.validate.recnmp_setup import COLORED, STEPS, run, speedup
from archsim.validate.row import Row

#: Unpublished parameter -> overrides of RecNMP, of the host, vector bytes; each alone on the parameter set of all figures.
VARIANTS: dict[str, tuple[tuple[str, ...], tuple[str, ...], int]] = {
    "as judged": ((), (), 128),
    "vectors of 64 bytes": ((), (), 64),
    "vectors of 256 bytes": ((), (), 256),
    "configuration: none": (("nmp.config_clk=0",), (), 128),
    "configuration: 16 clocks per DIMM": (("nmp.config_clk=16",), (), 128),
    "refresh: ranks in turn": (("dram.refresh.staggered=true",), (), 128),
    "refresh: none": (("dram.refresh.mode=none",), ("dram.refresh.mode=none",), 128),
    "unit queues of 8": (("dram.controller.read_queue=8",), (), 128),
    "unit queues of 64": (("dram.controller.read_queue=64",), (), 128),
    "host: first come, first served": ((), ("dram.controller.scheduler=fcfs",), 128),
    "host: queue of 16": ((), ("dram.controller.read_queue=16",), 128),
    "four instructions per clock": (("nmp.instructions_per_clk=4",), (), 128),
    "page frames: seed 2": (("placement.seed=2",), ("placement.seed=2",), 128),
    "address map skylake-64": (
        ("dram.address_map.preset=skylake-64",), ("dram.address_map.preset=skylake-64",), 128,
    ),
    "batches of 64 poolings": (("nmp.batch_bags=64",), (), 128),
    "batches of 256 poolings": (("nmp.batch_bags=256",), (), 128),
    "RankCache: 1 way": (("nmp.cache.ways=1",), (), 128),
    "RankCache: 16 ways": (("nmp.cache.ways=16",), (), 128),
    "RankCache: 2 clocks": (("nmp.cache.latency_clk=2",), (), 128),
    "RankCache: 4 clocks": (("nmp.cache.latency_clk=4",), (), 128),
    "profile threshold 2": (("nmp.profile_threshold=2",), (), 128),
}  # fmt: skip
_FIGURES = {
    "Fig. 14a, 2 ranks, 1 pooling": (2, ("nmp.poolings_per_packet=1",), ("14a", "2-rank", "1")),
    "Fig. 14a, 8 ranks, 1 pooling": (8, ("nmp.poolings_per_packet=1",), ("14a", "8-rank", "1")),
    "Fig. 14a, 8 ranks, colouring": (8, COLORED, ("14a", "8-rank", "colored")),
    "Fig. 15a, base": (8, STEPS["base"], ("15a", "8-rank", "base")),
    "Fig. 15a, cache": (8, STEPS["cache"], ("15a", "8-rank", "cache")),
    "Fig. 15a, schedule": (8, STEPS["schedule"], ("15a", "8-rank", "schedule")),
    "Fig. 15a, profile": (8, STEPS["schedule+profile"], ("15a", "8-rank", "schedule+profile")),
}


def sweep_rows(expected: Mapping[tuple[str, str, str], float]) -> Iterator[Row]:
    """Yield every figure under every variant; nothing is judged here."""
    for variant, (near, host, vector_bytes) in VARIANTS.items():
        for figure, (ranks, overrides, key) in _FIGURES.items():
            measured = speedup(ranks, (*overrides, *near), host=host, vector_bytes=vector_bytes)
            yield Row(f"sweep: {variant}: {figure}", "speedup", expected[key], measured, None)
        yield Row(
            f"sweep: {variant}: memory energy saved", "%", expected["headline", "8-rank", "energy saving"],
            _saving((*STEPS["schedule+profile"], *near), host, vector_bytes), None,
        )  # fmt: skip


def _saving(near: tuple[str, ...], host: tuple[str, ...], vector_bytes: int) -> float:
    beside = run("host-8rank", host, vector_bytes=vector_bytes).energy_nj
    return 100 * (1 - run("recnmp-base-8rank", near, vector_bytes=vector_bytes).energy_nj / beside)
