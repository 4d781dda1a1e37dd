"""Pictures of what happened inside a memory: latency, bandwidth, ceilings, banks. matplotlib is imported on use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archsim.dram.resolve import COMMANDS
from archsim.errors import InputError, nearest
from archsim.report.quantities import quantity_of
from archsim.report.rows import metrics_of, names_of, results_of
from archsim.report.style import (
    SCALE,
    SMALL_PT,
    axes_for,
    finish,
    house,
    legend_above,
    line_look,
    note,
    nothing,
    short,
)
from archsim.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What a heat map of banks counts, and the commands of each.
BANK_COUNTS = {
    "accesses": ("RD", "WR"),
    "activates": ("ACT",),
    "precharges": ("PRE",),
    "reads": ("RD",),
    "writes": ("WR",),
}
#: Intervals of a heat map of banks, unless told.
_INTERVALS = 60


def plot_latency(source: Any, *, axes: Axes | None = None) -> Axes:
    """Draw the share of reads that took at most a time, a line for each result.

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
    names = _labels(results)
    with house():
        axes, new = axes_for(axes)
        for number, result in enumerate(results):
            if not len(result.latency_count):
                continue
            shares = 100 * result.latency_count.cumsum() / result.latency_count.sum()
            look = line_look(number) | {"marker": None}
            times = [result.latency_ns[0], *result.latency_ns]
            axes.step(times, [0, *shares], where="post", **look, label=names[number])
        _ticks_1_2_5(axes)
        if not axes.lines:
            nothing(axes, "no reads")
        axes.set_ylim(0, 101)
        axes.set_xlabel("read latency (ns)")
        axes.set_ylabel("reads (%)")
        legend_above(finish(axes), grow=new)
    return axes


def plot_series(source: Any, column: str = "bandwidth_gbps", *, axes: Axes | None = None) -> Axes:
    """Draw a time series, a line for each result.

    Parameters
    ----------
    source : Result, Comparison or sequence of Result
        Of ``simulate(..., interval_ns=...)``; results without a series are left out.
    column : str
        Of `Result.series`.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For an unknown column, or where no result has a series.
    """
    results = results_of(source)
    shown = [
        (number, result.series, result) for number, result in enumerate(results) if result.series is not None
    ]
    if not shown:
        raise InputError("no time series: simulate(..., interval_ns=1000) or --interval 1us makes one")
    known = [name for name in shown[0][1] if name != "start_ns"]
    if column not in known:
        raise InputError(f"series {column!r}: no such column{nearest(column, known)}")
    names = _labels(results)
    time = quantity_of("time_ns").scaled([result.time_ns for result in results])
    height = quantity_of(column).scaled([float(v) for _, series, _ in shown for v in series[column]])
    with house():
        axes, new = axes_for(axes)
        for number, series, result in shown:
            edges = time([*series["start_ns"].tolist(), result.time_ns])
            look = {key: value for key, value in line_look(number).items() if key != "marker"}
            axes.stairs(height(series[column].tolist()), edges, baseline=None, **look, label=names[number])
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.set_xlabel(time.label.replace("run time", "time"))
        axes.set_ylabel(height.label)
        legend_above(finish(axes), grow=new)
    return axes


def plot_banks(
    result: Result, what: str = "accesses", *, interval_ns: float | None = None, axes: Axes | None = None
) -> Axes:
    """Draw how many commands each bank got over time, as a heat map.

    A command log that was cut short is drawn as far as it is whole in every rank, and the picture says so.

    Parameters
    ----------
    result : Result
        Of ``simulate(..., log_limit=...)``.
    what : str
        ``accesses`` (RD and WR), ``reads``, ``writes``, ``activates`` or ``precharges`` (PRE of one bank).
    interval_ns : float, optional
        Length of an interval; by default a sixtieth of the time shown.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For a result without a command log, or an unknown ``what``.
    """
    (result,) = results_of(result)
    if what not in BANK_COUNTS:
        raise InputError(
            f"banks {what!r}: must be one of {', '.join(BANK_COUNTS)}{nearest(what, BANK_COUNTS)}"
        )
    if not result.commands.shape[1]:
        raise InputError(
            f"{result.system.name}: no command log; simulate(..., log_limit=1_000_000) keeps one"
        )
    if interval_ns is not None and not interval_ns > 0:
        raise InputError(f"interval of {interval_ns:g} ns: must be above 0")
    end_clk, whole = _whole_until(result)
    clock_ns = result.system.dram.timing.tCK_ps / 1000
    step_clk = end_clk / _INTERVALS if interval_ns is None else interval_ns / clock_ns
    cells = bank_counts(result, what, step_clk, end_clk)
    time = quantity_of("time_ns").scaled([end_clk * clock_ns])
    edges = time([min(k * step_clk, end_clk) * clock_ns for k in range(cells.shape[1] + 1)])
    unit = quantity_of("interval_ns").scaled([step_clk * clock_ns])
    with house():
        axes, _ = axes_for(axes, 2.5)
        mesh = axes.pcolormesh(edges, np.arange(len(cells) + 1), cells, cmap=SCALE, vmin=0, rasterized=True)
        length = f"{unit([step_clk * clock_ns])[0]:.3g} {unit.label.rpartition('(')[2].rstrip(')')}"
        bar = axes.figure.colorbar(mesh, ax=axes, label=f"{what} per bank in {length} (count)", pad=0.02)
        bar.ax.tick_params(labelsize=SMALL_PT, width=0.7, length=2.5)
        bar.outline.set_linewidth(0.7)  # type: ignore[operator]
        _rank_ticks(axes, result, len(cells))
        axes.set_xlabel(time.label.replace("run time", "time"))
        finish(axes, grid=None)
        note(axes, short(result.system.name, 40) + ("" if whole else ", as far as the log goes"))
    return axes


def bank_counts(result: Result, what: str, step_clk: float, end_clk: int) -> npt.NDArray[np.int64]:
    """Count logged commands by bank and interval.

    Parameters
    ----------
    result : Result
    what : str
        A name of `BANK_COUNTS`.
    step_clk : float
        Clocks per interval.
    end_clk : int
        Commands at this clock and later do not count.

    Returns
    -------
    int64 array [banks, intervals]
        Banks channel by channel.
    """
    clk, command, bank = result.commands[:3]
    numbers = [COMMANDS.index(name) for name in BANK_COUNTS[what]]
    chosen = np.isin(command, numbers) & (clk < end_clk)
    intervals = max(1, math.ceil(end_clk / step_clk))
    cells = np.zeros((len(result.banks), intervals), dtype=np.int64)
    places = np.minimum((clk[chosen] / step_clk).astype(np.int64), intervals - 1)
    np.add.at(cells, (bank[chosen], places), 1)
    return cells


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
    names = _labels(results)
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
        _ticks_1_2_5(axes)
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
    names = _labels(results)
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


def _ticks_1_2_5(axes: Axes) -> None:
    """A logarithmic horizontal axis with plain numbers; at 2 and 5 too, where there is room for them."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    subs = (1, 2, 5) if high / low < 300 else (1, 3) if high / low < 3000 else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _labels(results: Sequence[Result]) -> list[str]:
    """Name results by what tells them from one another."""
    names = [short(name) for name in names_of(results)]
    if len({result.trace.sha256 for result in results}) < 2:
        return names
    return [f"{name}, {short(result.trace.name)}" for name, result in zip(names, results, strict=True)]


def _whole_until(result: Result) -> tuple[int, bool]:
    """Return the clock up to which the log has every command, and whether that is the whole run."""
    clk, _, bank = result.commands[:3]
    per_rank = len(result.banks) // len(result.ranks)
    rank = bank // per_rank
    cut = result.cycles
    for number, row in enumerate(result.ranks):
        own = clk[rank == number]
        issued = sum(row[name] for name in ("reads", "writes", "activates", "precharges", "refreshes"))
        if len(own) < issued:
            # The clock of the last one logged may have had more.
            cut = min(cut, int(own.max()) if len(own) else 0)
    return (max(cut, 1), False) if cut < result.cycles else (result.cycles, True)


def _rank_ticks(axes: Axes, result: Result, banks: int) -> None:
    """Label the banks of each rank together, with a white line between ranks."""
    per_rank = banks // len(result.ranks)
    several = {name: len({row[name] for row in result.ranks}) > 1 for name in ("channel", "pseudo_channel")}
    names = []
    for row in result.ranks:
        parts = [f"{name.replace('_', ' ')} {row[name]}" for name in several if several[name]]
        names.append(" ".join([*parts, f"rank {row['rank']}"]))
    every = -(-len(names) // 16)
    axes.set_yticks([(k + 0.5) * per_rank for k in range(0, len(names), every)], names[::every])
    axes.tick_params(axis="y", length=0)
    for k in range(1, len(names)):
        axes.axhline(k * per_rank, color="white", linewidth=0.6)
    axes.set_ylim(banks, 0)
    axes.set_ylabel(f"banks, {per_rank} per rank (count)")
