"""Latency against throughput of co-located models. matplotlib is imported on use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.report.plots import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from archsim.models.inference import Run


def plot_co_located(
    runs: Sequence[Run], title: str, path: Path | None = None, *, kind: str | None = None
) -> Figure:
    """Plot latency over throughput, one line per system, each point labelled with its number of models.

    Parameters
    ----------
    runs : sequence of Run
        Of one model.
    title : str
        Above the picture.
    path : Path, optional
        Where to write it.
    kind : str, optional
        Its format, such as ``png``; by default as the name of the file ends.
    """
    figure = new_figure(6, 3.8)
    axes = figure.subplots()
    for number, system in enumerate(dict.fromkeys(run.system for run in runs)):
        own = [run for run in runs if run.system == system]
        x, y = [run.samples_per_s / 1e3 for run in own], [run.latency_ns / 1e6 for run in own]
        axes.plot(x, y, marker="o", markersize=3, color=COLOURS[number % len(COLOURS)], label=system)
        for run, right, up in zip(own, x, y, strict=True):
            axes.annotate(str(run.models), (right, up), (3, 3), textcoords="offset points", fontsize=7)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("throughput (1,000 samples per second)")
    axes.set_ylabel("latency of a batch (ms)")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if path is not None:
        kind = kind or path.suffix.lstrip(".")
        # No date and no software version inside: the same results give the same file.
        figure.savefig(path, format=kind, metadata={"Software": None} if kind == "png" else None)
    return figure
