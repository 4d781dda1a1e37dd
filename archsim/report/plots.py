"""Plots of results. matplotlib is imported on use."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.errors import printable
from archsim.result import Comparison
from archsim.tables import trace_length

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
    with any_text():
        time, energy, utilisation = figure.subplots(1, 3, width_ratios=(1, 1, 1.15))
        figure.suptitle(f"{short(data['trace']['name'])}: {trace_length(data['trace'])}", fontsize=11)
        _plot_time(time, runs)
        _plot_energy(energy, runs)
        _plot_utilisation(utilisation, runs)
        save(figure, path)
    return figure


def plot_latency(comparison: Comparison, path: Path | None = None) -> Figure:
    """Plot for each system the share of reads that took at most a time.

    Parameters
    ----------
    comparison : Comparison
        What to plot.
    path : Path, optional
        Where to write the picture (format by its ending).
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = new_figure(5.5, 3.4)
    with any_text():
        axes = figure.subplots()
        for number, result in enumerate(comparison.results):
            if not len(result.latency_count):
                continue
            shares = result.latency_count.cumsum() / result.latency_count.sum()
            axes.step(
                [result.latency_ns[0], *result.latency_ns], [0, *100 * shares], where="post",
                color=COLOURS[number % len(COLOURS)], label=short(result.system.name),
            )  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0, 101)
        axes.set_xlabel("read latency (ns)")
        axes.set_ylabel("reads (%)")
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        _legend_above(axes)
        save(figure, path)
    return figure


def plot_series(comparison: Comparison, path: Path | None = None) -> Figure:
    """Plot the time series of all systems that have one: bandwidth above, mean read latency below."""
    figure = new_figure(7.5, 4.4)
    with any_text():
        bandwidth, latency = figure.subplots(2, 1, sharex=True)
        shown = [result for result in comparison.results if result.series is not None]
        size, prefix = _prefix(max(result.time_ns for result in shown))
        for number, result in enumerate(shown):
            series: Mapping[str, Any] = result.series or {}
            colour = COLOURS[number % len(COLOURS)]
            edges = [*series["start_ns"] / size, result.time_ns / size]
            label = short(result.system.name)
            bandwidth.stairs(series["bandwidth_gbps"], edges, color=colour, label=label)
            latency.stairs(series["latency_avg_ns"], edges, color=colour)
        bandwidth.set_ylabel("bandwidth (GB/s)")
        latency.set_ylabel("mean read latency (ns)")
        latency.set_xlabel(f"time ({prefix}s)")
        for axes in (bandwidth, latency):
            axes.set_ylim(bottom=0)
            axes.grid(color="#dddddd", linewidth=0.6)
            axes.spines[["top", "right"]].set_visible(False)
        _legend_above(bandwidth)
        save(figure, path)
    return figure


@contextmanager
def any_text() -> Iterator[None]:
    """Let a "$" in a name be no formula, and draw a letter that the font lacks as a box, without a warning."""
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def save(figure: Figure, path: Path | None) -> None:
    """Write a figure, where a path is given; the same figure gives the same file."""
    if path is not None:
        # No date and no software version inside.
        figure.savefig(path, metadata={"Software": None} if path.suffix == ".png" else None)


def short(name: str) -> str:
    """Cut a name to what fits beside a plot."""
    name = printable(name)
    return name if len(name) <= 40 else f"{name[:39]}…"


def _prefix(largest_nano: float) -> tuple[float, str]:
    """Return the size in billionths, and the sign, of the SI prefix that suits the largest value of an axis."""
    return next(
        (prefix for prefix in ((1e9, ""), (1e6, "m"), (1e3, "µ")) if largest_nano >= prefix[0]), (1.0, "n")
    )


def _label_systems(axes: Axes, runs: list[dict[str, Any]]) -> None:
    axes.set_yticks(range(len(runs)), [short(run["system"]) for run in runs])
    axes.set_ylim(len(runs) - 0.4, -0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _plot_time(axes: Axes, runs: list[dict[str, Any]]) -> None:
    size, prefix = _prefix(max(run["time_ns"] for run in runs))
    times = [run["time_ns"] / size for run in runs]
    bars = axes.barh(range(len(runs)), times, color=COLOURS[0], height=0.6)
    axes.bar_label(bars, [f" {run['speedup']:.2f}x" for run in runs], fontsize=9)
    axes.set_xlim(0, 1.2 * max(times))
    axes.set_xlabel(f"run time ({prefix}s), speedup")
    _label_systems(axes, runs)


def _plot_energy(axes: Axes, runs: list[dict[str, Any]]) -> None:
    kinds = list(dict.fromkeys((row["component"], row["event"]) for run in runs for row in run["energy"]))
    size, prefix = _prefix(max(run["energy_nj"] for run in runs))
    left = [0.0] * len(runs)
    for number, kind in enumerate(kinds):
        values = [
            sum(row["energy_nj"] for row in run["energy"] if (row["component"], row["event"]) == kind) / size
            for run in runs
        ]
        axes.barh(
            range(len(runs)), values, left=left, color=COLOURS[number % len(COLOURS)], height=0.6,
            label=" ".join(kind).replace("_", " "),
        )  # fmt: skip
        left = [a + b for a, b in zip(left, values, strict=True)]
    axes.set_xlabel(f"energy ({prefix}J)")
    _label_systems(axes, runs)
    axes.tick_params(labelleft=False)
    _legend_above(axes)


def _plot_utilisation(axes: Axes, runs: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for run in runs for name in run["utilisation"]))
    height = 0.8 / len(runs)
    for number, run in enumerate(runs):
        places = [i + (number - (len(runs) - 1) / 2) * height for i in range(len(names))]
        shares = [100 * run["utilisation"].get(name, 0.0) for name in names]
        colour = COLOURS[number % len(COLOURS)]
        axes.barh(places, shares, height=height, color=colour, label=short(run["system"]))
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("utilisation (%)")
    axes.spines[["top", "right"]].set_visible(False)
    _legend_above(axes)


def _legend_above(axes: Axes) -> None:
    axes.legend(fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
