"""Accuracy of networks on approximate hardware, by energy or by condition. matplotlib is imported on use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.report.style import TWO_COLUMNS_IN, finish, house, line_look, new_figure, save, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from archsim.axtrain.summary import Line, Summary

_ABREAST = 3
#: Methods in the order of their colours.
_METHODS = ("post-training", "passive", "active", "both")


def plot_accuracy(
    summaries: Sequence[Summary], path: Path | None = None, *, kind: str | None = None
) -> Figure:
    """Draw the error of each task after each training, over the energy of the products and weights of an inference.

    Where a multiplier has no cited energy, conditions stand side by side instead. Bars are a standard deviation over
    seeds; the dashed line is the exact multiplier.

    Parameters
    ----------
    summaries : sequence of Summary
    path : Path, optional
        Where to write the picture (format by its ending).
    kind : str, optional
        The format, if not by the ending.
    """
    across = min(len(summaries), _ABREAST)
    down = -(-len(summaries) // across)
    figure = new_figure(TWO_COLUMNS_IN * across / _ABREAST, 2.1 * down + 0.25)
    with house():
        grid = figure.subplots(down, across, squeeze=False)
        for axes, each in zip(grid.flat, summaries, strict=False):
            plot_task(each, axes)
        for axes in grid.flat[len(summaries) :]:
            axes.set_axis_off()
        handles, names = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=2 if across == 1 else len(names))
    save(figure, path, kind=kind)
    return figure


def plot_task(summary: Summary, axes: Axes) -> Axes:
    """Draw one task on axes."""
    from matplotlib.ticker import LogLocator, NullFormatter

    priced = all(_energy_pj(line) for line in summary.lines)
    shown = sorted(summary.lines, key=_energy_pj) if priced else summary.lines
    exact = 100 * summary.exact.mean
    axes.axhline(exact, color="black", linewidth=0.8, linestyle=(0, (4, 2)), label="exact")
    for number, method in enumerate(_METHODS):
        places = [
            _energy_pj(line) if priced else place + 0.15 * (number - 1.5) for place, line in enumerate(shown)
        ]
        look = line_look(number)
        if not priced:
            look["linestyle"] = "none"
        axes.errorbar(
            places, [exact + 100 * line.losses[method].mean for line in shown],
            [100 * line.losses[method].sd for line in shown], label=method, elinewidth=0.7, **look,
        )  # fmt: skip
    if priced:
        # The cheapest circuits are wrong by orders of magnitude more than the others.
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("energy of an inference (pJ)")
    else:
        axes.set_ylim(bottom=0)
        axes.set_xticks(
            range(len(shown)),
            [_label(line) for line in shown],
            rotation=30,
            ha="right",
            rotation_mode="anchor",
        )
    axes.set_ylabel("error (%)")
    axes.set_title(summary.task, loc="left")
    return finish(axes, grid="both" if priced else "y")


def _energy_pj(line: Line) -> float:
    """Return the energy of products and weights; 0 where one of them is not known."""
    if line.products_pj is None or line.weights_pj is None:
        return 0.0
    return line.products_pj + line.weights_pj


def _label(line: Line) -> str:
    return short(line.multiplier, 12) + ("" if line.voltage_v is None else f", {line.voltage_v:g} V")
