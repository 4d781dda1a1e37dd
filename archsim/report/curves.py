"""Bandwidth-latency curves of a machine and of its model. matplotlib is imported on use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.report.style import COLOURS, SCALE, TWO_COLUMNS_IN, finish, house, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

#: By read share in percent: (GB/s, ns), ascending.
Curves = Mapping[int, Sequence[tuple[float, float]]]


def plot_curves(
    measured: Curves, modelled: Curves, peak_gbps: float, path: Path | None = None, *, kind: str | None = None
) -> Figure:
    """Plot the measured curves, the modelled ones, and where both end.

    Parameters
    ----------
    measured, modelled : mapping of int to sequence of (float, float)
        By read share in percent: bandwidth in GB/s, latency in ns.
    peak_gbps : float
        Peak bandwidth.
    path : Path, optional
        Where to write the picture.
    kind : str, optional
        Its format, such as ``png``; by default as the name of the file ends.
    """
    from matplotlib.cm import ScalarMappable

    figure = new_figure(TWO_COLUMNS_IN, 2.5)
    with house():
        left, middle, right = figure.subplots(1, 3)
        _plot_family(left, measured, "measured: Xeon Gold 5218,\n6 x DDR4-2933")
        _plot_family(middle, modelled, "archsim,\none constant fitted")
        middle.sharex(left)
        middle.sharey(left)
        left.set_xlim(0, peak_gbps)
        left.set_ylim(0, 350)
        shades = ScalarMappable(_norm(), cmap=SCALE)
        figure.colorbar(shades, ax=[left, middle], label="reads (% of the traffic)")
        _plot_ends(right, measured, modelled, peak_gbps)
        for axes in (left, middle, right):
            finish(axes)
    save(figure, path, kind=kind)
    return figure


def _norm() -> Normalize:
    from matplotlib.colors import Normalize

    return Normalize(50, 100)


def _plot_family(axes: Axes, curves: Curves, title: str) -> None:
    from matplotlib import colormaps

    for percent, points in curves.items():
        gbps, latency = zip(*points, strict=True)
        colour = colormaps[SCALE](_norm()(percent))
        axes.plot(gbps, latency, color=colour, linewidth=0.8, marker="o", markersize=1.8)
    axes.set_title(title)
    axes.set_xlabel("bandwidth (GB/s)")
    axes.set_ylabel("latency, core to data (ns)")


def _plot_ends(axes: Axes, measured: Curves, modelled: Curves, peak_gbps: float) -> None:
    for curves, label, colour, marker in (
        (measured, "measured", COLOURS[4], "o"),
        (modelled, "archsim", COLOURS[0], "s"),
    ):
        ends = [100 * max(gbps for gbps, _ in points) / peak_gbps for points in curves.values()]
        axes.plot(list(curves), ends, color=colour, marker=marker, markersize=3, linewidth=1, label=label)
    axes.set_ylim(0, 100)
    axes.set_title("highest bandwidth\nreached")
    axes.set_xlabel("reads (% of the traffic)")
    axes.set_ylabel(f"share of the peak, {peak_gbps:g} GB/s (%)")
    axes.legend(loc="lower right")
