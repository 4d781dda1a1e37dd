"""Pictures of miss-ratio curves and of cache policies side by side. matplotlib is imported on use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.files import new_folder
from archsim.report.cache_text import csv_text, spread
from archsim.report.miss_plots import OPTIMUM, draw_curves, size_axis
from archsim.report.style import (
    COLOURS,
    COLUMN_IN,
    DASHES,
    MARKERS,
    SMALL_PT,
    TWO_COLUMNS_IN,
    finish,
    house,
    legend_above,
    new_figure,
    note,
    save,
    short,
)
from archsim.units import format_bytes, format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Document = dict[str, Any]

#: Tables and intervals that get a line of their own.
_LINES = 12
#: Policies are compared as rows of dots up to so many sizes, as lines beyond.
_DOTS = 4


def write_cache_report(document: Document, path: Path) -> None:
    """Write ``cache.json``, ``cache.csv`` and the pictures of an answer to a new folder."""
    with new_folder(path) as folder:
        (folder / "cache.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        (folder / "cache.csv").write_text(csv_text(document), encoding="utf-8")
        plot_answer(document, folder / "cache.png")
        if document.get("tables"):
            plot_tables(document, folder / "tables.png")
        if document.get("intervals"):
            plot_intervals(document, folder / "intervals.png")


def plot_answer(document: Document, path: Path | None = None, *, kind: str | None = None) -> Figure:
    """Draw the miss ratio by size, or the hit ratios of policies at the sizes asked for.

    Parameters
    ----------
    document : dict
        The JSON object of ``archsim cache``.
    path : Path, optional
        Where to write the picture.
    kind : str, optional
        Its format, such as ``png``; by default as the name of the file ends.
    """
    rows = document.get("rows", [])
    dots = 0 < len({row["entries"] for row in rows}) <= _DOTS
    figure = new_figure(COLUMN_IN, 0.75 + 0.24 * len({row["policy"] for row in rows}) if dots else 2.3)
    with house():
        axes = figure.subplots()
        if dots:
            _plot_dots(axes, document)
        elif rows:
            _plot_lines(axes, document)
        else:
            _plot_curves(axes, document)
        legend_above(finish(axes), grow=True)
        save(figure, path, kind=kind)
    return figure


def plot_tables(document: Document, path: Path | None = None, *, kind: str | None = None) -> Figure:
    """Draw the miss ratio of each table by size, in the one cache and in a cache of its own."""
    figure = new_figure(TWO_COLUMNS_IN, 2.4)
    with house():
        left, right = figure.subplots(1, 2, sharey=True)
        tables = [table for table in document["tables"] if table["miss_ratio"] is not None]
        for axes, key, title in ((left, "miss_ratio", "one cache for all"), (right, "alone", "a cache each")):
            for number, table in enumerate(tables[:_LINES]):
                _line(axes, document["entries"], table[key], number, short(table["name"]))
            note(axes, _more(title, len(tables), "tables"))
            _sizes(axes, document)
            finish(axes)
        if len(right.lines) > 1:
            right.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        left.set_ylabel("miss ratio (%)")
        figure.suptitle(_title(document))
        save(figure, path, kind=kind)
    return figure


def plot_intervals(document: Document, path: Path | None = None, *, kind: str | None = None) -> Figure:
    """Draw the miss ratio over time, a line for each of a few sizes."""
    figure = new_figure(COLUMN_IN, 2.3)
    with house():
        axes = figure.subplots()
        found, entries = document["intervals"], document["entries"]
        ends, total = [0], 0
        for count in found["accesses"]:
            total += count
            ends.append(total)
        for number, place in enumerate(spread(document, 6)):
            ratios = [100 * ratio[place] for ratio in found["miss_ratio"]]
            label = f"{entries[place]:,} {document['unit']}s"
            axes.stairs(
                ratios,
                ends,
                baseline=None,
                color=COLOURS[number],
                linestyle=DASHES[number % len(DASHES)],
                label=label,
            )
        axes.set_xlim(0, total)
        axes.set_ylim(0, 101)
        axes.xaxis.set_major_formatter(lambda value, _: format_count(round(value)))
        axes.set_xlabel("accesses (count)")
        axes.set_ylabel("miss ratio (%)")
        note(axes, _title(document))
        legend_above(finish(axes), grow=True)
        save(figure, path, kind=kind)
    return figure


def _more(title: str, count: int, what: str) -> str:
    return title if count <= _LINES else f"{title} (the first {_LINES} of {count} {what})"


def _line(axes: Axes, entries: Sequence[int], ratios: Sequence[float], number: int, label: str) -> None:
    axes.plot(
        entries, [100 * ratio for ratio in ratios], color=COLOURS[number % len(COLOURS)],
        linestyle=DASHES[number // len(COLOURS) + number % len(COLOURS) % 4], label=label,
        marker="o" if len(entries) == 1 else None,
    )  # fmt: skip


def _plot_curves(axes: Axes, document: Document) -> None:
    """Draw miss ratio against size, and the first accesses, which no size helps."""
    entries = document["entries"]
    label = "LRU" if document.get("counting", {}).get("label", "exact") == "exact" else None
    label = label or f"LRU ({document['counting']['label']})"
    if "sets" in document:
        label = f"LRU, {document['sets']:,} sets of 1 to {document['ways'][-1]} ways"
    curves: dict[str, Sequence[float]] = document.get("policies", {label: document["miss_ratio"]})
    draw_curves(axes, {name: (entries, ratios) for name, ratios in curves.items()})
    if "compulsory_miss_ratio" in document:
        floor = 100 * document["compulsory_miss_ratio"]
        axes.axhline(floor, color="#777777", linewidth=0.8, linestyle=(0, (1, 2)))
        axes.annotate(
            f"first accesses, {floor:.1f} %", (0.01, floor), xycoords=("axes fraction", "data"), fontsize=SMALL_PT,
            color="#555555", va="bottom", ha="left", xytext=(0, 1), textcoords="offset points",
        )  # fmt: skip
    note(axes, _title(document))
    _sizes(axes, document)
    axes.set_ylim(0, 101)
    axes.set_ylabel("miss ratio (%)")


def _plot_lines(axes: Axes, document: Document) -> None:
    rows = sorted(document["rows"], key=lambda row: row["entries"])
    names = list(dict.fromkeys(row["policy"] for row in document["rows"]))
    curves: dict[str, Sequence[float]] = {
        name: [row["hit_ratio"] for row in rows if row["policy"] == name] for name in names
    }
    sizes = sorted({row["entries"] for row in rows})
    draw_curves(axes, {name: (sizes, ratios) for name, ratios in curves.items()}, descending=True)
    note(axes, _title(document))
    _sizes(axes, document)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("hit ratio (%)")


def _plot_dots(axes: Axes, document: Document) -> None:
    """Draw a row per policy, the best at the top, with a dot and a number per size."""
    rows = document["rows"]
    sizes = sorted({row["entries"] for row in rows})
    ratio = {(row["policy"], row["entries"]): 100 * row["hit_ratio"] for row in rows}
    names = sorted({row["policy"] for row in rows}, key=lambda name: (-ratio[name, sizes[-1]], name))
    places = range(len(names))
    for number, size in enumerate(sizes):
        label = f"{size:,} {document['unit']}s"
        if document["unit_bytes"]:
            label += f" ({format_bytes(size * document['unit_bytes'])})"
        values = [ratio[name, size] for name in names]
        axes.plot(values, places, MARKERS[number], color=COLOURS[number], markersize=4, label=label)
        for place, value in zip(places, values, strict=True):
            # Numbers of neighbouring sizes stand above and below, for their dots may be close.
            above = number % 2 == 0
            axes.annotate(
                f"{value:.1f}", (value, place), xytext=(0, 2.5 if above else -3), textcoords="offset points",
                fontsize=SMALL_PT, ha="center", va="bottom" if above else "top",
            )  # fmt: skip
    axes.set_yticks(places, [f"{name} (optimum)" if name == OPTIMUM else name for name in names])
    axes.set_ylim(len(names) - 0.3, -0.9)
    axes.set_xlim(0, 1.05 * max(max(ratio.values()), 1e-9))
    axes.set_xlabel("hit ratio (%)")
    note(axes, _title(document))


def _title(document: Document) -> str:
    return f"{short(document['trace']['name'])}: {format_count(document['accesses'])} accesses"


def _sizes(axes: Axes, document: Document) -> None:
    rows = document.get("rows")
    sizes = sorted({row["entries"] for row in rows}) if rows else document["entries"] or [1]
    start = _start(document, sizes) if len(sizes) > 1 else None
    size_axis(axes, sizes, document["unit"], document["unit_bytes"], start=start)


def _start(document: Document, sizes: Sequence[int]) -> int:
    """The size at which a picture begins: half of the first that hits anything worth drawing."""
    curves = [*document.get("policies", {"": document.get("miss_ratio", [0.0])}).values()]
    curves += [table["alone"] for table in document.get("tables", ()) if table["alone"] is not None]
    first = min(
        next((i for i, ratio in enumerate(curve) if ratio < 0.999), len(curve) - 1) for curve in curves
    )
    return max(sizes[0], min(sizes[min(first, len(sizes) - 1)], sizes[-2]) // 2)
