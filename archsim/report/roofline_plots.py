"""Rooflines: what bounds the bandwidth of a replay. matplotlib is imported on use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError
from archsim.report.rows import labels_of, metrics_of, results_of
from archsim.report.style import (
    SMALL_PT,
    axes_for,
    finish,
    house,
    legend_above,
    line_look,
    note,
    nothing,
    ticks_1_2_5,
)
from archsim.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_ceilings(source: Any, *, axes: Axes | None = None) -> Axes:
    """Draw for each resource the bandwidth at which it would be busy all the time: the utilisation roofline.

    A resource that was busy for a share ``u`` of a run of ``b`` GB/s cannot serve more than ``b / u`` of the same
    stream. The vertical line of a system is what it sustained; the ceiling next to it, filled, is its bottleneck, and
    the distance is the headroom. Refresh is left out: it takes time, not work.

    Parameters
    ----------
    source : Result, Comparison or sequence of Result
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
    """
    results = results_of(source)
    names = labels_of(results)
    ceilings = [ceilings_gbps(result) for result in results]
    resources = list(dict.fromkeys(name for found in ceilings for name in found))
    with house():
        axes, new = axes_for(axes, 0.75 + 0.17 * max(len(resources), 3))
        for number, (result, found) in enumerate(zip(results, ceilings, strict=True)):
            look = line_look(number)
            rows = [resources.index(name) for name in found]
            axes.axvline(
                result.bandwidth_gbps, color=look["color"], linestyle=look["linestyle"], linewidth=0.9
            )
            fills = [look["color"] if name == result.bottleneck else "white" for name in found]
            for row, value, fill in zip(rows, found.values(), fills, strict=True):
                axes.plot(
                    value, row, look["marker"], markersize=4.5, markerfacecolor=fill, markeredgecolor=look["color"],
                    markeredgewidth=0.9, zorder=3,
                )  # fmt: skip
            axes.plot([], [], **look, markersize=4.5, label=names[number])
        axes.set_yticks(range(len(resources)), [name.replace("_", " ") for name in resources])
        axes.set_ylim(max(len(resources), 1) - 0.4, -0.6)
        ticks_1_2_5(axes)
        if not resources:
            nothing(axes)
        axes.set_xlabel("bandwidth (GB/s)")
        finish(axes)
        note(axes, "lines: sustained; marks: ceilings")
        legend_above(axes, grow=new)
    return axes


def ceilings_gbps(result: Result) -> dict[str, float]:
    """Return the bandwidth at which each resource that was used would be busy all the time."""
    return {n: result.bandwidth_gbps / u for n, u in result.utilisation.items() if u > 0 and n != "refresh"}


def plot_roofline(
    source: Any,
    *,
    bytes_per_operation: float = 4.0,
    peak_gflops: float | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw FP32 additions per second over FP32 additions per byte that the DRAM moved.

    Each four bytes that the front end asks for are one addition to a pooled sum. A memory without caches stands at
    0.25 additions per byte; hits move it to the right, along the roof of its peak bandwidth. The distance from that
    roof is bandwidth lost to banks, pins or waiting: `plot_ceilings` says to which.

    Parameters
    ----------
    source : Result, Comparison or sequence of Result
    bytes_per_operation : float
        Bytes asked for per operation: 4 for pooling of FP32 vectors.
    peak_gflops : float, optional
        What the adders can do, as a level roof; results do not know that of a processor.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For ``bytes_per_operation`` or ``peak_gflops`` not above 0.
    """
    for name, value in (("bytes_per_operation", bytes_per_operation), ("peak_gflops", peak_gflops)):
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise InputError(f"{name} {value:g}: must be above 0")
    results = results_of(source)
    names = labels_of(results)
    rows = [metrics_of(result) for result in results]
    shown = [i for i, row in enumerate(rows) if row["dram_bandwidth_gbps"] > 0]
    right = {
        i: rows[i]["bandwidth_gbps"] / rows[i]["dram_bandwidth_gbps"] / bytes_per_operation for i in shown
    }
    up = {i: rows[i]["bandwidth_gbps"] / bytes_per_operation for i in shown}
    with house():
        axes, new = axes_for(axes, 2.4)
        _log_axes(axes)
        if shown:
            low, high = min(right.values()) / 2.5, max(right.values()) * 4
            _roofs(
                axes,
                sorted({f"{rows[i]['peak_bandwidth_gbps']:.4g}" for i in shown}, key=float),
                low,
                high,
                peak_gflops,
            )
        else:
            nothing(axes, "nothing came from the DRAM")
        for i in shown:
            look = line_look(i) | {"linestyle": "none"}
            axes.plot(right[i], up[i], **look, markersize=5, zorder=3, label=names[i])
        axes.set_xlabel("FP32 additions per byte of the DRAM (FLOP/B)")
        axes.set_ylabel("FP32 additions (GFLOP/s)")
        finish(axes)
        axes.grid(True, which="minor", color="#eeeeee", linewidth=0.4)
        legend_above(axes, grow=new)
    return axes


def _roofs(axes: Axes, peaks: Sequence[str], low: float, high: float, peak_gflops: float | None) -> None:
    """Draw a slope for each peak bandwidth, and the level roof."""
    from matplotlib.transforms import ScaledTranslation

    lift = axes.transData + ScaledTranslation(0, 2 / 72, axes.figure.dpi_scale_trans)
    for text in peaks:
        peak = float(text)
        end = high if peak_gflops is None else min(high, max(peak_gflops / peak, low))
        axes.plot([low, end], [peak * low, peak * end], color="black", linewidth=0.9)
        axes.text(
            low * 1.08, peak * low * 1.08, f"{text} GB/s peak", transform=lift, rotation=math.degrees(math.atan(peak)),
            rotation_mode="anchor", transform_rotates_text=True, fontsize=SMALL_PT, va="bottom", ha="left",
        )  # fmt: skip
    if peak_gflops is not None:
        axes.axhline(peak_gflops, color="black", linewidth=0.9)
        axes.text(high, peak_gflops, f"{peak_gflops:g} GFLOP/s", fontsize=SMALL_PT, va="bottom", ha="right")
    axes.set_xlim(low, high)


def _log_axes(axes: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
