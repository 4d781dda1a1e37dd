"""Pictures of a comparison that hold several axes, for report folders. matplotlib is imported on use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archsim.report.bars import plot_bars, plot_utilisation
from archsim.report.energy_plots import plot_energy
from archsim.report.memory_plots import plot_series
from archsim.report.style import COLUMN_IN, TWO_COLUMNS_IN, house, new_figure, save, short
from archsim.result import Comparison
from archsim.tables import trace_length

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_comparison(comparison: Comparison, path: Path | None = None) -> Figure:
    """Plot run time, energy and utilisation of each system side by side.

    Parameters
    ----------
    comparison : Comparison
        What to plot.
    path : Path, optional
        Where to write the picture (format by its ending).
    """
    trace = comparison.to_dict()["trace"]
    systems, resources = len(comparison.results), len(_union(comparison, "utilisation"))
    events = min(len(_union(comparison, "energy")), 10)
    height = max(1.5 + 0.42 * systems + 0.09 * events, 1.0 + 0.17 * resources + 0.07 * systems)
    figure = new_figure(TWO_COLUMNS_IN, height)
    with house():
        grid = figure.add_gridspec(2, 2, width_ratios=(1.1, 1))
        time, energy = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
        utilisation = figure.add_subplot(grid[:, 1])
        figure.suptitle(f"{short(trace['name'], 40)}: {trace_length(trace)}")
        plot_bars(comparison, "system", "time_ns", axes=time, horizontal=True)
        for text, speedup in zip(time.texts, comparison.speedups, strict=False):
            text.set_text(f"{speedup:.2f}×")
        time.set_xlabel(f"{time.get_xlabel()}, speedup")
        plot_energy(comparison, axes=energy)
        plot_utilisation(comparison, axes=utilisation)
    save(figure, path)
    return figure


def plot_over_time(comparison: Comparison, path: Path | None = None) -> Figure:
    """Plot the time series of all systems that have one: bandwidth above, mean read latency below."""
    figure = new_figure(COLUMN_IN, 3.6)
    with house():
        bandwidth, latency = figure.subplots(2, 1, sharex=True)
        plot_series(comparison, "bandwidth_gbps", axes=bandwidth)
        plot_series(comparison, "latency_avg_ns", axes=latency)
        bandwidth.set_xlabel("")
        if latency.get_legend() is not None:
            latency.get_legend().remove()
    save(figure, path)
    return figure


def _union(comparison: Comparison, kind: str) -> set[object]:
    """Return all resources, or all events of ledgers."""
    if kind == "utilisation":
        return {name for result in comparison.results for name in result.utilisation}
    return {(row.component, row.event) for result in comparison.results for row in result.energy}
