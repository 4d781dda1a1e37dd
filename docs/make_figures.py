"""Make every figure of the documentation: ``make figures``."""

from __future__ import annotations

from pathlib import Path

from archsim import EmbeddingTrace, load_system, open_trace, plots, simulate

FIGURES = Path(__file__).with_name("figures")
RANKS = (2, 4, 8)
POOLINGS = (1, 2, 4, 8)


def speedups(trace: EmbeddingTrace, ranks: int) -> list[float]:
    """Speedup of RecNMP base over the host with the same memory, for each number of poolings per packet."""
    host = simulate(load_system(f"host-{ranks}rank"), trace)
    found = []
    for poolings in POOLINGS:
        system = load_system(f"recnmp-base-{ranks}rank", [f"nmp.poolings_per_packet={poolings}"])
        found.append(host.time_ns / simulate(system, trace).time_ns)
    return found


def draw_speedups(path: Path) -> None:
    """Draw the speedup of RecNMP base over ranks and poolings per packet, on the default trace."""
    trace = open_trace("preset:zipf")
    points = [
        (ranks, poolings, speedup)
        for ranks in RANKS
        for poolings, speedup in zip(POOLINGS, speedups(trace, ranks), strict=True)
    ]
    names = ("dram.organization.ranks", "nmp.poolings_per_packet", "speedup")
    study = dict(zip(names, zip(*points, strict=True), strict=True))
    axes = plots.plot_bars(study, names[1], names[2], by=names[0])
    axes.axhline(1, color="black", linewidth=0.6)
    axes.set_ylabel("speedup over the host (×)")
    plots.save(axes, path)


def main() -> None:
    """Write the figures."""
    FIGURES.mkdir(exist_ok=True)
    draw_speedups(FIGURES / "speedup.png")
    print(f"figures: {FIGURES}")


if __name__ == "__main__":
    main()
