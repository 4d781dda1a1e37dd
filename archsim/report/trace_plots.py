"""Pictures of what traces are like, one or several on the same axes. matplotlib is imported on use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.report.style import (
    COLOURS,
    COLUMN_IN,
    DASHES,
    GREY,
    bar_look,
    finish,
    house,
    legend_above,
    new_figure,
    save,
    short,
)
from archsim.units import format_bytes, format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Info = dict[str, Any]

#: Tables that get a curve of their own.
_TABLES_SHOWN = 8


def write_trace_plots(infos: Sequence[Info], folder: Path) -> None:
    """Draw ``pooling.png``, ``reuse.png``, ``lru.png``, ``working-set.png`` and ``popularity.png`` into a folder.

    Parameters
    ----------
    infos : sequence of dict
        What `archsim.traces.trace_info` returned, of traces of one kind; several are drawn over one another.
    folder : Path
        Where to; raw addresses have no bags and no ``pooling.png``.
    """
    pictures: dict[str, Callable[[Axes, Sequence[Info]], None]] = {
        "reuse": _reuse,
        "lru": _lru,
        "working-set": _working_set,
        "popularity": _popularity,
    }
    if infos[0]["kind"] == "lookups":
        pictures["pooling"] = _pooling
    for name, draw in pictures.items():
        figure = new_figure(COLUMN_IN, 2.2)
        with house():
            axes = figure.subplots()
            draw(axes, infos)
            legend_above(finish(axes), grow=True, least=2 if infos[0]["counting"]["label"] == "exact" else 1)
            save(figure, folder / f"{name}.png")


def _words(infos: Sequence[Info]) -> tuple[str, str]:
    """Name a unit of data and a use of it."""
    return ("row", "lookup") if infos[0]["kind"] == "lookups" else ("line", "request")


def _label(info: Info) -> str:
    label = info["counting"]["label"]
    return short(info["name"]) + ("" if label == "exact" else f" ({label})")


def _pooling(axes: Axes, infos: Sequence[Info]) -> None:
    """Draw the share of bags that are at most so long: exact, and readable for one length as for thousands."""
    for number, info in enumerate(infos):
        histogram = info["pooling"]["histogram"]
        lengths, bags = histogram["up_to"], histogram["bags"]
        total, so_far, shares = sum(bags), 0, []
        for count in bags:
            so_far += count
            shares.append(100 * so_far / total)
        colour, style = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        edges = [lengths[0], *lengths, lengths[-1] * 1.05 + 1]
        axes.step(
            edges, [0, *shares, 100], where="post", color=colour, linestyle=style, label=short(info["name"])
        )
    longest = max(info["pooling"]["max"] for info in infos)
    if longest > 1000:
        axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_formatter(_count)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 102)
    axes.set_xlabel("lookups per bag (count)")
    axes.set_ylabel("bags of at most that (%)")


def _reuse(axes: Axes, infos: Sequence[Info]) -> None:
    """Draw bars of rows and of lookups by uses per row; of several traces, the lookups of each."""
    row, use = _words(infos)
    if len(infos) == 1:
        shown = [(f"{row}s", infos[0]["reuse"]["rows"]), (f"{use}s", infos[0]["reuse"]["lookups"])]
    else:
        shown = [(_label(info), info["reuse"]["lookups"]) for info in infos]
    bins = infos[0]["reuse"]["up_to"]
    used = max(i for _, counts in shown for i, count in enumerate(counts) if count)
    bins = bins[: max(used + 2, 6)]
    width = 0.8 / len(shown)
    for number, (label, counts) in enumerate(shown):
        places = [i + (number - (len(shown) - 1) / 2) * width for i in range(len(bins))]
        total = sum(counts)
        heights = [100 * count / total for count in counts[: len(bins)]]
        axes.bar(places, heights, width=width, label=label, **bar_look(number))
    ticks = range(0, len(bins), 1 if len(bins) < 8 else 2)
    axes.set_xticks(ticks, [_bin(bins, i) for i in ticks])
    sampled = (
        ""
        if len(infos) > 1 or infos[0]["counting"]["label"] == "exact"
        else f" ({infos[0]['counting']['label']})"
    )
    axes.set_xlabel(f"{use}s per {row}{sampled}, at most (count)")
    axes.set_ylabel("share (%)" if len(infos) == 1 else f"{use}s (%)")


def _bin(bins: Sequence[int | None], number: int) -> str:
    value = bins[number]
    if value is None:
        return "more"
    return f"{value // 1024} Ki" if value >= 1024 else str(value)


def _lru(axes: Axes, infos: Sequence[Info]) -> None:
    """Draw hit ratio against size, all tables sharing one cache; of a single trace also each table's own."""
    for number, info in enumerate(infos):
        style = DASHES[number % len(DASHES)]
        label = _label(info) if len(infos) > 1 else "all tables, one cache"
        if info["counting"]["label"] != "exact" and len(infos) == 1:
            label = f"{label} ({info['counting']['label']})"
        colour = COLOURS[number % len(COLOURS)]
        _curve(axes, info["lru"], color=colour, linestyle=style, linewidth=1.6, label=label, zorder=3)
    tables = infos[0].get("tables", [])
    if len(infos) == 1 and 1 < len(tables) <= _TABLES_SHOWN:
        for number, table in enumerate(tables):
            own = "each table, its own" if number == 0 else None
            _curve(axes, table["lru"], color=GREY, linewidth=0.7, label=own)
    axes.set_xscale("log", base=2)
    sizes = [size for info in infos for size in info["lru"]["bytes"]] or [1]
    lowest, highest = min(sizes).bit_length() - 1, max(sizes).bit_length()
    step = -(-(highest - lowest) // 5) or 1
    ticks = [1 << power for power in range(highest - highest % step, lowest - 1, -step)]
    axes.set_xticks(ticks, [format_bytes(size) for size in ticks])
    axes.minorticks_off()
    axes.set_ylim(0, 100)
    axes.set_xlabel("size of an LRU cache, cold at the start (B)")
    axes.set_ylabel("hit ratio (%)")


def _curve(axes: Axes, lru: dict[str, list[Any]], **options: Any) -> None:
    axes.plot(lru["bytes"], [100 * ratio for ratio in lru["hit_ratio"]], **options)


def _working_set(axes: Axes, infos: Sequence[Info]) -> None:
    """Draw distinct rows so far, and in each window."""
    row, use = _words(infos)
    several = len(infos) > 1
    for number, info in enumerate(infos):
        found = info["working_set"]
        until = [0, *found["until_lookup"]]
        colour = COLOURS[number % len(COLOURS)]
        name = f"{_label(info)}, " if several or info["counting"]["label"] != "exact" else ""
        axes.plot(until[1:], found["cumulative_rows"], color=colour, label=f"{name}so far")
        window = COLOURS[number % len(COLOURS)] if several else COLOURS[1]
        part = f"{name}in each {100 / (len(until) - 1):.3g} %"
        axes.stairs(found["distinct_rows"], until, baseline=None, color=window, linestyle="--", label=part)
    axes.set_xlim(left=0)
    axes.locator_params(axis="x", nbins=5)
    axes.set_ylim(bottom=0.7 * min(min(info["working_set"]["distinct_rows"]) or 1 for info in infos))
    axes.set_yscale("log")
    _count_ticks(axes)
    axes.set_xlabel(f"{use}s (count)")
    axes.set_ylabel(f"distinct {row}s (count)")


def _popularity(axes: Axes, infos: Sequence[Info]) -> None:
    """Draw lookups against the popularity rank of rows, both logarithmic."""
    row, use = _words(infos)
    for number, info in enumerate(infos):
        found = info["rank_frequency"]
        style, colour = DASHES[number % len(DASHES)], COLOURS[number % len(COLOURS)]
        axes.plot(found["rank"], found["lookups"], color=colour, linestyle=style, label=_label(info))
    axes.set_xscale("log")
    axes.set_yscale("log")
    _count_ticks(axes)
    axes.set_xlabel(f"popularity rank of the {row} (count)")
    axes.set_ylabel(f"{use}s to the {row} (count)")


def _count_ticks(axes: Axes) -> None:
    """Write the numbers of both axes as counts: 20 k."""
    from matplotlib.ticker import NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_count)
        axis.set_minor_formatter(NullFormatter())


def _count(value: float, _: object) -> str:
    return format_count(round(value)) if value >= 1 else "0" if not value else ""
