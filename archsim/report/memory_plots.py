"""Pictures of what happened inside a memory: latency, time series, banks. matplotlib is imported on use."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archsim.dram.resolve import COMMANDS
from archsim.errors import InputError, nearest
from archsim.report.quantities import quantity_of
from archsim.report.rows import labels_of, results_of
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
    ticks_1_2_5,
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
    names = labels_of(results)
    with house():
        axes, new = axes_for(axes)
        for number, result in enumerate(results):
            if not len(result.latency_count):
                continue
            shares = 100 * result.latency_count.cumsum() / result.latency_count.sum()
            look = line_look(number) | {"marker": None}
            times = [result.latency_ns[0], *result.latency_ns]
            axes.step(times, [0, *shares], where="post", **look, label=names[number])
        ticks_1_2_5(axes)
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
    names = labels_of(results)
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
        bar.outline.set_linewidth(0.7)
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
