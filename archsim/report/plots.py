"""Plots of results. matplotlib is imported on use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.result import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that stay apart for colour-blind readers (Okabe and Ito), in the order in which they are used.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return a figure that needs no display and leaves matplotlib's global state alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    return figure


def plot_comparison(comparison: Comparison, path: Path | None = None) -> Figure:
    """Plot run time, energy and utilisation of each system side by side.

    Parameters
    ----------
    comparison : Comparison
        What to plot.
    path : Path, optional
        Where to write the picture (format by its ending).
    """
    data = comparison.to_dict()
    runs = data["runs"]
    figure = new_figure(11, 1.9 + 0.45 * len(runs))
    time, energy, utilisation = figure.subplots(1, 3, width_ratios=(1, 1, 1.15))
    figure.suptitle(f"{data['trace']['name']}: {data['trace']['lookups']:,} lookups", fontsize=11)
    _plot_time(time, runs)
    _plot_energy(energy, runs)
    _plot_utilisation(utilisation, runs)
    if path is not None:
        # No date and no software version inside: the same results give the same file.
        figure.savefig(path, metadata={"Software": None} if path.suffix == ".png" else None)
    return figure


def _label_systems(axes: Axes, runs: list[dict[str, Any]]) -> None:
    axes.set_yticks(range(len(runs)), [run["system"] for run in runs])
    axes.set_ylim(len(runs) - 0.4, -0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _plot_time(axes: Axes, runs: list[dict[str, Any]]) -> None:
    times_us = [run["time_ns"] / 1000 for run in runs]
    bars = axes.barh(range(len(runs)), times_us, color=COLOURS[0], height=0.6)
    axes.bar_label(bars, [f" {run['speedup']:.2f}x" for run in runs], fontsize=9)
    axes.set_xlim(0, 1.2 * max(times_us))
    axes.set_xlabel("run time (µs), speedup")
    _label_systems(axes, runs)


def _plot_energy(axes: Axes, runs: list[dict[str, Any]]) -> None:
    kinds = list(dict.fromkeys((row["component"], row["event"]) for run in runs for row in run["energy"]))
    left = [0.0] * len(runs)
    for kind, colour in zip(kinds, COLOURS, strict=False):
        values = [
            sum(row["energy_nj"] for row in run["energy"] if (row["component"], row["event"]) == kind) / 1000
            for run in runs
        ]
        axes.barh(
            range(len(runs)), values, left=left, color=colour, height=0.6,
            label=" ".join(kind).replace("_", " "),
        )  # fmt: skip
        left = [a + b for a, b in zip(left, values, strict=True)]
    axes.set_xlabel("energy (µJ)")
    _label_systems(axes, runs)
    axes.tick_params(labelleft=False)
    axes.legend(fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def _plot_utilisation(axes: Axes, runs: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for run in runs for name in run["utilisation"]))
    height = 0.8 / len(runs)
    for number, run in enumerate(runs):
        places = [i + (number - (len(runs) - 1) / 2) * height for i in range(len(names))]
        shares = [100 * run["utilisation"].get(name, 0.0) for name in names]
        axes.barh(places, shares, height=height, color=COLOURS[number % len(COLOURS)], label=run["system"])
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("utilisation (%)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False)
