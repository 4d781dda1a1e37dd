"""Pictures of miss-ratio curves and of cache policies side by side. matplotlib is imported on use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.files import new_folder
from archsim.report.cache_text import csv_text
from archsim.report.plots import COLOURS, any_text, new_figure, short
from archsim.units import format_bytes, format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Document = dict[str, Any]

_STYLES = ("-", "--", "-.", ":")
#: The optimum, which no policy reaches, is drawn apart.
_OPTIMUM = "belady"
#: Tables and intervals that get a line of their own.
_LINES = 12
#: Policies are compared as bars up to so many sizes, as lines beyond.
_BARS = 3


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
    figure = new_figure(5.2, 3.4)
    with any_text():
        axes = figure.subplots()
        if "rows" not in document:
            _plot_curves(axes, document)
        elif len({row["entries"] for row in document["rows"]}) > _BARS:
            _plot_lines(axes, document)
        else:
            _plot_bars(axes, document)
        _finish(figure, axes, path, kind)
    return figure


def plot_tables(document: Document, path: Path | None = None, *, kind: str | None = None) -> Figure:
    """Draw the miss ratio of each table by size, in the one cache and in a cache of its own."""
    figure = new_figure(8.4, 3.4)
    with any_text():
        left, right = figure.subplots(1, 2, sharey=True)
        tables = [table for table in document["tables"] if table["miss_ratio"] is not None]
        for axes, key, title in ((left, "miss_ratio", "one cache for all"), (right, "alone", "a cache each")):
            for number, table in enumerate(tables[:_LINES]):
                _line(axes, document["entries"], table[key], number, short(table["name"]))
            axes.set_title(_more(title, len(tables), "tables"), fontsize=9)
            _size_axis(axes, document)
            _style(axes)
        right.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        left.set_ylabel("miss ratio (%)")
        _save(figure, path, kind)
    return figure


def plot_intervals(document: Document, path: Path | None = None, *, kind: str | None = None) -> Figure:
    """Draw the miss ratio over time, a line for each of a few sizes."""
    figure = new_figure(5.2, 3.4)
    with any_text():
        axes = figure.subplots()
        found, entries = document["intervals"], document["entries"]
        ends, total = [0], 0
        for count in found["accesses"]:
            total += count
            ends.append(total)
        few = sorted({round(i * (len(entries) - 1) / 5) for i in range(6)})
        for number, place in enumerate(few):
            ratios = [100 * ratio[place] for ratio in found["miss_ratio"]]
            size = format_count(entries[place])
            axes.stairs(
                ratios,
                ends,
                baseline=None,
                color=COLOURS[number],
                linewidth=1.3,
                label=f"{size} {document['unit']}s",
            )
        axes.set_xlim(0, total)
        axes.set_ylim(0, 101)
        axes.xaxis.set_major_formatter(lambda value, _: format_count(round(value)))
        axes.set_xlabel("accesses")
        axes.set_ylabel("miss ratio (%)")
        axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        _finish(figure, axes, path, kind)
    return figure


def _finish(figure: Figure, axes: Axes, path: Path | None, kind: str | None) -> None:
    _style(axes)
    _save(figure, path, kind)


def _save(figure: Figure, path: Path | None, kind: str | None) -> None:
    if path is not None:
        kind = kind or path.suffix.lstrip(".")
        # No date and no software version inside: the same numbers give the same file.
        names = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(path, format=kind, metadata=names.get(kind))


def _style(axes: Axes) -> None:
    axes.tick_params(labelsize=8)
    axes.grid(color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _more(title: str, count: int, what: str) -> str:
    return title if count <= _LINES else f"{title} (the first {_LINES} of {count} {what})"


def _line(axes: Axes, entries: Sequence[int], ratios: Sequence[float], number: int, label: str) -> None:
    style = _STYLES[number // len(COLOURS) % len(_STYLES)]
    axes.plot(
        entries, [100 * ratio for ratio in ratios], color=COLOURS[number % len(COLOURS)], linestyle=style,
        linewidth=1.3, marker="o" if len(entries) == 1 else None, label=label,
    )  # fmt: skip


def _plot_curves(axes: Axes, document: Document) -> None:
    """Draw miss ratio against size, and the first accesses, which no size helps."""
    entries = document["entries"]
    label = "LRU" if document.get("counting", {}).get("label", "exact") == "exact" else None
    label = label or f"LRU ({document['counting']['label']})"
    if "sets" in document:
        label = f"LRU, {document['sets']:,} sets of 1 to {document['ways'][-1]} ways"
    curves = document.get("policies", {label: document["miss_ratio"]})
    _plot_named(axes, entries, curves, miss=True)
    if "compulsory_miss_ratio" in document:
        floor = 100 * document["compulsory_miss_ratio"]
        axes.axhline(floor, color="#777777", linewidth=0.8, linestyle=(0, (1, 2)))
        axes.annotate(
            f"first accesses, {floor:.1f} %", (0.01, floor), xycoords=("axes fraction", "data"), fontsize=7,
            color="#555555", va="bottom", ha="left", xytext=(0, 1), textcoords="offset points",
        )  # fmt: skip
    _titled(axes, document)
    _size_axis(axes, document)
    axes.set_ylim(0, 101)
    axes.set_ylabel("miss ratio (%)")
    axes.legend(fontsize=7, frameon=False, loc="best")


def _plot_lines(axes: Axes, document: Document) -> None:
    rows = sorted(document["rows"], key=lambda row: row["entries"])
    names = list(dict.fromkeys(row["policy"] for row in document["rows"]))
    curves = {name: [row["hit_ratio"] for row in rows if row["policy"] == name] for name in names}
    _plot_named(axes, sorted({row["entries"] for row in rows}), curves, miss=False)
    _titled(axes, document)
    _size_axis(axes, document)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("hit ratio (%)")
    axes.legend(fontsize=7, frameon=False, loc="best")


def _plot_named(
    axes: Axes, entries: Sequence[int], curves: dict[str, Sequence[float]], *, miss: bool
) -> None:
    """Draw a line per policy, best on top in the legend; the optimum in black."""
    middle = len(entries) // 2
    by_rank = sorted(curves, key=lambda name: curves[name][middle] if miss else -curves[name][middle])
    places = {name: number for number, name in enumerate(name for name in curves if name != _OPTIMUM)}
    handles = {}
    for name in curves:
        values = [100 * ratio for ratio in curves[name]]
        number = places.get(name, 0)
        optimum = name == _OPTIMUM
        (handles[name],) = axes.plot(
            entries, values, color="black" if optimum else COLOURS[number % len(COLOURS)],
            linestyle=":" if optimum else _STYLES[number // len(COLOURS) % len(_STYLES)],
            linewidth=1.3, marker="o" if len(entries) < 3 else None, markersize=3,
        )  # fmt: skip
    for name in by_rank:
        handles[name].set_label("_")
    for name in by_rank:
        axes.plot([], [], color=handles[name].get_color(), linestyle=handles[name].get_linestyle(),
                  linewidth=1.3, label=f"{name} (optimum)" if name == _OPTIMUM else name)  # fmt: skip


def _plot_bars(axes: Axes, document: Document) -> None:
    """Draw a group of bars per policy, with a bar per size, and the numbers."""
    rows = document["rows"]
    names = list(dict.fromkeys(row["policy"] for row in rows))
    sizes = sorted({row["entries"] for row in rows})
    ratio = {(row["policy"], row["entries"]): 100 * row["hit_ratio"] for row in rows}
    height = 0.8 / len(sizes)
    for number, size in enumerate(sizes):
        places = [i + (number - (len(sizes) - 1) / 2) * height for i in range(len(names))]
        label = f"{size:,} {document['unit']}s"
        if document["unit_bytes"]:
            label += f" ({format_bytes(size * document['unit_bytes'])})"
        bars = axes.barh(
            places, [ratio[name, size] for name in names], height=0.9 * height, label=label,
            color=COLOURS[number % len(COLOURS)],
        )  # fmt: skip
        axes.bar_label(bars, fmt="%.1f", fontsize=6 if len(sizes) > 1 else 7, padding=2)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 1.12 * max(max(ratio.values()), 1e-9))
    axes.set_xlabel("hit ratio (%)")
    axes.figure.set_size_inches(5.2, 1.3 + len(names) * max(0.24, 0.14 * len(sizes)))
    axes.set_title(_title(document), fontsize=9, loc="left", pad=22)
    axes.legend(fontsize=7, frameon=False, ncols=len(sizes), loc="lower left", bbox_to_anchor=(0.0, 1.0))


def _title(document: Document) -> str:
    return f"{short(document['trace']['name'])}: {format_count(document['accesses'])} accesses"


def _titled(axes: Axes, document: Document) -> None:
    axes.set_title(_title(document), fontsize=9, loc="left")


def _size_axis(axes: Axes, document: Document) -> None:
    """Sizes on a logarithmic axis: entries, and under them bytes."""
    from matplotlib.ticker import NullLocator

    rows = document.get("rows")
    sizes = sorted({row["entries"] for row in rows}) if rows else document["entries"] or [1]
    axes.set_xscale("log", base=2)
    lowest, highest = min(sizes).bit_length() - 1, max(sizes).bit_length()
    step = -(-(highest - lowest) // 6) or 1
    ticks = [1 << power for power in range(lowest, highest + 1, step)]
    unit = document["unit_bytes"]
    labels = [
        f"{format_count(size)}\n{format_bytes(size * unit)}" if unit else format_count(size) for size in ticks
    ]
    axes.set_xticks(ticks, labels)
    axes.xaxis.set_minor_locator(NullLocator())
    if len(sizes) > 1:
        axes.set_xlim(min(sizes), max(sizes))
    axes.set_xlabel(f"{document['unit']}s in the cache" + (", and their bytes" if unit else ""))
