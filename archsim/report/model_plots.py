"""Latency against throughput of co-located models. matplotlib is imported on use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archsim.report.style import SMALL_PT, axes_for, finish, house, legend_above, line_look, note

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from archsim.models.inference import Run


def plot_co_located(runs: Sequence[Run], title: str, *, axes: Axes | None = None) -> Axes:
    """Plot latency over throughput, one line per system, each point labelled with its number of models.

    Parameters
    ----------
    runs : sequence of Run
        Of one model.
    title : str
        Above the picture.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
    """
    with house():
        axes, new = axes_for(axes, 2.4)
        for number, system in enumerate(dict.fromkeys(run.system for run in runs)):
            own = [run for run in runs if run.system == system]
            x, y = [run.samples_per_s / 1e3 for run in own], [run.latency_ns / 1e6 for run in own]
            axes.plot(x, y, **line_look(number), label=system)
            for run, right, up in zip(own, x, y, strict=True):
                axes.annotate(
                    str(run.models), (right, up), (3, 3), textcoords="offset points", fontsize=SMALL_PT
                )
        axes.set_xlabel("throughput (1,000 samples per second)")
        axes.set_ylabel("latency of a batch (ms)")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        note(finish(axes), title)
        legend_above(axes, grow=new)
    return axes
