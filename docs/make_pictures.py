"""Make the pictures of pictures.md: ``python docs/make_pictures.py [NAME ...]``, all by default; about a minute."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import archsim
from archsim import plots
from archsim.cache import Accesses, compare_policies, lru_curve
from archsim.electrothermal import Coupling, HeatMap, run_in_time
from archsim.sensor.image import Camera
from archsim.sensor.policies import Limits, Setting, run
from archsim.sensor.powers import ModePower, Powers
from archsim.spec import apply_overrides
from archsim.thermal import Stack, ThermalModel, TwoPole

FIGURES = Path(__file__).with_name("figures")
TRACE = "preset:zipf"
LOOKUPS = 50_000
SYSTEMS = ("host-8rank", "host-8rank-cache", "tensordimm-8rank", "recnmp-base-8rank", "recnmp-opt-8rank")
#: Lines of the heat map of banks would be too thin with the whole trace.
LOGGED = 1_000_000
SIZES_BYTES = tuple(1024 * 2**k for k in range(3, 11))
POOLINGS = (1, 2, 4, 8)
RANKS = (2, 4, 8)
CACHE, PACKETS = "nmp.cache.size", "nmp.poolings_per_packet"


@cache
def trace() -> archsim.EmbeddingTrace:
    """Return the trace of all pictures."""
    found = archsim.open_trace(TRACE, limit=LOOKUPS)
    assert isinstance(found, archsim.EmbeddingTrace)
    return found


@cache
def comparison() -> archsim.Comparison:
    """Return a few systems side by side, with time series and command logs."""
    systems = [archsim.load_system(name) for name in SYSTEMS]
    return archsim.compare(
        [archsim.simulate(system, trace(), log_limit=LOGGED, interval_ns=5000) for system in systems]
    )


@cache
def study() -> dict[str, list[Any]]:
    """Return RecNMP over its cache, its packets and its ranks, in the columns of a study."""
    rows = []
    for ranks in RANKS:
        for size in SIZES_BYTES:
            for poolings in POOLINGS:
                overrides = [f"nmp.cache.size={size}", f"nmp.poolings_per_packet={poolings}"]
                result = archsim.simulate(archsim.load_system(f"recnmp-opt-{ranks}rank", overrides), trace())
                rows.append(
                    {
                        "system": "recnmp-opt", "trace": "zipf", "dram.organization.ranks": ranks,
                        "nmp.cache.size_bytes": size, "nmp.poolings_per_packet": poolings,
                        "time_ns": result.time_ns, "energy_nj": result.energy_nj,
                    }
                )  # fmt: skip
    return {name: [row[name] for row in rows] for name in rows[0]}


def only(**values: Any) -> dict[str, list[Any]]:
    """Return the points of the study with these values of axes, by the last part of their names."""
    whole = study()
    columns = [(whole[next(n for n in whole if n.endswith(name))], value) for name, value in values.items()]
    kept = [i for i in range(len(whole["system"])) if all(column[i] == value for column, value in columns)]
    return {name: [column[i] for i in kept] for name, column in whole.items()}


@cache
def swept() -> archsim.Study:
    """Return the grid of search.md."""
    axes = {CACHE: "8KiB..1MiB*2", "nmp.cache.ways": [1, 4, 16], PACKETS: POOLINGS}
    out = Path(tempfile.mkdtemp()) / "grid"
    return archsim.sweep("preset:meta-2021", "recnmp-opt-2rank", axes, out=out, limit=20_000, progress=False)


@cache
def heat() -> ThermalModel:
    """Return the stack of the pictures of heat."""
    return ThermalModel(Stack.load("cis3"), 64)


def warming() -> Any:
    """Return the stack switched on, from microseconds to a minute."""
    times = [10 ** (0.1 * step - 5) for step in range(68)]
    return plots.plot_temperatures(heat().transient(None, times))


def chart() -> Any:
    """Return a test chart: a star above a wedge of nine greys."""
    rows, columns = 200, 240
    y, x = np.mgrid[:rows, :columns]
    angle, radius = np.arctan2(y - 80, x - 120), np.hypot(y - 80, x - 120)
    star = np.where(radius < 70, 0.5 + 0.45 * np.sign(np.sin(16 * angle)), 0.2)
    return np.where(y < 160, star, np.minimum(x // 27, 8) / 8)


def swinging() -> Any:
    """Return HBM in air so hot that refreshes double now and then."""
    heat_map = apply_overrides(HeatMap.load("hbm"), ["stack.ambient_k=351.3"])
    uniform = archsim.open_trace("preset:uniform", limit=LOOKUPS)
    coupling = Coupling(archsim.load_system("host-hbm2"), uniform, heat_map, grid=16)
    return plots.plot_heat(run_in_time(coupling, until_s=8, step_s=0.1))


def policies() -> Any:
    """Return miss ratios of a few policies."""
    accesses = Accesses.of(trace()).held()
    others = compare_policies(accesses, ["fifo", "sieve", "s3fifo", "belady"], [64 * 2**k for k in range(12)])
    return plots.plot_miss_ratio(
        {"lru": lru_curve(accesses), "replayed": others}, unit="vector", unit_bytes=128
    )


def near_sensor(policy: str = "seasonal", **more: Any) -> Setting:
    """Return a policy on the stack of near-sensor.md."""
    ladder = TwoPole(5.5, 0.909e-3, 28.5, 0.35, 299.45)
    powers = Powers(ModePower(2.5, 2.6), ModePower(0.1, 5.0), ModePower(0.1, 0.15))
    return Setting(ladder, powers, policy, **more)


def seasons() -> Any:
    """Return the first 30 seconds of near and far."""
    setting = near_sensor(high_k=87 + 273.15, low_k=60 + 273.15)
    return plots.plot_policy(run(setting, trace=True), setting, end_s=30)


def stops() -> Any:
    """Return stops of single frames."""
    setting = near_sensor("stop-capture-go", limits=Limits(87 + 273.15, 74 + 273.15))
    return plots.plot_policy(run(setting, trace=True), setting, start_s=20, end_s=21)


PICTURES: dict[str, Callable[[], Any]] = {
    "speedup-systems": lambda: plots.plot_speedup(comparison()),
    "latency": lambda: plots.plot_latency(comparison()),
    "series": lambda: plots.plot_series(comparison()),
    "roofline": lambda: plots.plot_roofline(comparison()),
    "ceilings": lambda: plots.plot_ceilings(comparison()),
    "utilisation": lambda: plots.plot_utilisation(comparison()),
    "energy": lambda: plots.plot_energy(comparison(), per="lookup"),
    "banks": lambda: plots.plot_banks(comparison().results[3], "activates"),
    "miss-ratio": policies,
    "sweep": lambda: plots.plot_sweep(only(poolings_per_packet=8), CACHE, "time_ns", "dram.organization.ranks"),
    "grid": lambda: plots.plot_grid(only(ranks=8), CACHE, PACKETS, "time_ns"),
    "pareto": lambda: plots.plot_pareto(study(), "time_ns", "energy_nj", by="dram.organization.ranks"),
    "front": lambda: plots.plot_front(swept(), ["time_ns", "energy_nj", "area_mm2"], ["area_mm2 < 4"]),
    "sensitivity": lambda: plots.plot_sensitivity(swept(), "energy_nj"),
    "temperature-map": lambda: plots.plot_temperature_map(heat().steady()),
    "temperatures": warming,
    "policy": seasons,
    "policy-stops": stops,
    "policy-duty": lambda: plots.plot_policy_map(
        near_sensor(high_k=87 + 273.15), "near", (0.5, 1, 1.5, 2, 2.5, 3, 4, 5), "ambient", range(20, 50, 5)
    ),
    "policy-bounds": lambda: plots.plot_policy_map(
        near_sensor(), "low", range(30, 91, 5), "high", range(50, 111, 5), workers=2
    ),
    "image-snr": lambda: plots.plot_snr([Camera("ar0330", name) for name in ("daylight", "office", "dim")]),
    "image-noise": lambda: plots.plot_noise(Camera("ar0330", "dim")),
    "image-frames": lambda: plots.plot_frames(Camera("ar0330", "dim"), chart(), [317.15, 365.15]),


    "heat": swinging,
    "bars": lambda: plots.plot_bars(only(size_bytes=131072), "dram.organization.ranks", "time_ns", PACKETS),
}  # fmt: skip


def main() -> None:
    """Write the pictures asked for."""
    FIGURES.mkdir(exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        if name not in PICTURES:
            sys.exit(f"{name}: no such picture; one of {', '.join(PICTURES)}")
        plots.save(PICTURES[name](), FIGURES / f"{name}.png")
    print(f"pictures: {FIGURES}")


if __name__ == "__main__":
    main()
