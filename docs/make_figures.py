"""Make every figure of the documentation: ``make figures``."""

from __future__ import annotations

from pathlib import Path

from archsim import EmbeddingTrace, load_system, open_trace, simulate
from archsim.report.plots import COLOURS, new_figure

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


def plot_speedups(path: Path) -> None:
    """Draw the speedup of RecNMP base over ranks and poolings per packet, on the default trace."""
    trace = open_trace("preset:zipf")
    figure = new_figure(6.4, 3.4)
    axes = figure.subplots()
    width = 0.8 / len(RANKS)
    for number, ranks in enumerate(RANKS):
        places = [i + (number - 1) * width for i in range(len(POOLINGS))]
        bars = axes.bar(places, speedups(trace, ranks), width, label=f"{ranks} ranks", color=COLOURS[number])
        axes.bar_label(bars, fmt="%.2f", fontsize=7, padding=1)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(POOLINGS)), [str(poolings) for poolings in POOLINGS])
    axes.set_xlabel("poolings per packet (80 lookups of 128 B each)")
    axes.set_ylabel("speedup over the host")
    axes.set_title(
        f"RecNMP base against a DDR4-2400 host with as many ranks\n{trace.lookups:,} Zipf lookups, 8 tables",
        fontsize=9,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Software": None})


def main() -> None:
    """Write the figures."""
    FIGURES.mkdir(exist_ok=True)
    plot_speedups(FIGURES / "speedup.png")
    print(f"figures: {FIGURES}")


if __name__ == "__main__":
    main()
