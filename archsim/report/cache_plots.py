"""Pictures of miss-ratio curves and of cache policies side by side. matplotlib is imported on use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.cache.policies import POLICIES
from archsim.files import new_folder
from archsim.report.cache_text import csv_text, spread
from archsim.report.plots import COLOURS, any_text, new_figure, short
from archsim.units import format_bytes, format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Document = dict[str, Any]

_STYLES = ("-", "--", "-.", ":")
#: Without yellow, which is too pale for a thin line.
_STRONG = tuple(colour for colour in COLOURS if colour != "#F0E442")
#: The optimum, which no policy reaches, is drawn apart.
_OPTIMUM = "belady"
#: Tables and intervals that get a line of their own.
_LINES = 12
#: Lines that are named inside the picture; more are named beside it.
_INSIDE = 4
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
    figure = new_figure(5.2, 1.3 + 0.31 * len({row["policy"] for row in rows}) if dots else 3.4)
    with any_text():
        axes = figure.subplots()
        if dots:
            _plot_dots(axes, document)
        elif rows:
            _plot_lines(axes, document)
        else:
            _plot_curves(axes, document)
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
            axes.set_title(_more(title, len(tables), "tables"), fontsize=9, loc="left")
            _size_axis(axes, document)
            _style(axes)
        right.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        left.set_ylabel("miss ratio (%)")
        figure.suptitle(_title(document), fontsize=9)
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
        for number, place in enumerate(spread(document, 6)):
            ratios = [100 * ratio[place] for ratio in found["miss_ratio"]]
            label = f"{entries[place]:,} {document['unit']}s"
            axes.stairs(ratios, ends, baseline=None, color=_STRONG[number], linewidth=1.3, label=label)
        axes.set_xlim(0, total)
        axes.set_ylim(0, 101)
        axes.xaxis.set_major_formatter(lambda value, _: format_count(round(value)))
        axes.set_xlabel("accesses")
        axes.set_ylabel("miss ratio (%)")
        _titled(axes, document)
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
    curves: dict[str, Sequence[float]] = document.get("policies", {label: document["miss_ratio"]})
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


def _plot_lines(axes: Axes, document: Document) -> None:
    rows = sorted(document["rows"], key=lambda row: row["entries"])
    names = list(dict.fromkeys(row["policy"] for row in document["rows"]))
    curves: dict[str, Sequence[float]] = {
        name: [row["hit_ratio"] for row in rows if row["policy"] == name] for name in names
    }
    _plot_named(axes, sorted({row["entries"] for row in rows}), curves, miss=False)
    _titled(axes, document)
    _size_axis(axes, document)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("hit ratio (%)")


def _look(name: str, place: int) -> dict[str, Any]:
    """Colour and dashes of a policy, the same in every picture; dashed lines let those under them show."""
    if name == _OPTIMUM:
        return {"color": "black", "linestyle": ":"}
    known = [policy for policy in POLICIES if policy != _OPTIMUM]
    number = known.index(name) if name in known else place
    return {
        "color": _STRONG[number % len(_STRONG)],
        "linestyle": _STYLES[(number + number // len(_STRONG)) % 3],
    }


def _plot_named(
    axes: Axes, entries: Sequence[int], curves: dict[str, Sequence[float]], *, miss: bool
) -> None:
    """Draw a line per policy; the legend has them in their order at the middle size."""
    middle = len(entries) // 2
    by_rank = sorted(curves, key=lambda name: curves[name][middle], reverse=not miss)
    handles = []
    for place, name in enumerate(by_rank):
        values = [100 * ratio for ratio in curves[name]]
        label = f"{name} (optimum)" if name == _OPTIMUM else name
        marker = "o" if len(entries) < 3 else None
        handles += axes.plot(
            entries, values, **_look(name, place), linewidth=1.3, marker=marker, markersize=3, label=label
        )
    if len(handles) > _INSIDE:
        axes.legend(handles=handles, fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        axes.legend(handles=handles, fontsize=7, frameon=False, loc="best")


def _plot_dots(axes: Axes, document: Document) -> None:
    """Draw a row per policy, the best at the top, with a dot and a number per size."""
    from matplotlib.transforms import ScaledTranslation

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
        axes.plot(values, places, "o", color=_STRONG[number], markersize=4, label=label)
        for place, value in zip(places, values, strict=True):
            # Numbers of neighbouring sizes stand above and below, for their dots may be close.
            above = number % 2 == 0
            axes.annotate(
                f"{value:.1f}", (value, place), xytext=(0, 3 if above else -3.5), textcoords="offset points",
                fontsize=6, ha="center", va="bottom" if above else "top",
            )  # fmt: skip
    axes.set_yticks(places, [f"{name} (optimum)" if name == _OPTIMUM else name for name in names])
    axes.set_ylim(len(names) - 0.5, -0.8)
    axes.set_xlim(0, 1.05 * max(max(ratio.values()), 1e-9))
    axes.set_xlabel("hit ratio (%)")
    _titled(axes, document)
    below = axes.transAxes + ScaledTranslation(
        0, -0.5, axes.figure.dpi_scale_trans
    )  # inches: the axis, its label
    axes.legend(
        fontsize=7,
        frameon=False,
        loc="upper left",
        borderaxespad=0,
        bbox_to_anchor=(0, 0),
        bbox_transform=below,
    )


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
    step = -(-(highest - lowest) // 7) or 1
    ticks = [1 << power for power in range(lowest, highest + 1, step)]
    unit = document["unit_bytes"]
    names = [format_bytes(size).removesuffix("B").rstrip() for size in ticks]
    if unit:
        names = [f"{name}\n{format_bytes(size * unit)}" for name, size in zip(names, ticks, strict=True)]
    axes.set_xticks(ticks, names)
    axes.xaxis.set_minor_locator(NullLocator())
    if len(sizes) > 1:
        axes.set_xlim(_start(document, sizes), max(sizes))
    axes.set_xlabel(f"{document['unit']}s in the cache" + (", and their bytes" if unit else ""))


def _start(document: Document, sizes: Sequence[int]) -> int:
    """The size at which a picture begins: half of the first that hits anything worth drawing."""
    curves = [*document.get("policies", {"": document.get("miss_ratio", [0.0])}).values()]
    curves += [table["alone"] for table in document.get("tables", ()) if table["alone"] is not None]
    first = min(
        next((i for i, ratio in enumerate(curve) if ratio < 0.999), len(curve) - 1) for curve in curves
    )
    return max(sizes[0], min(sizes[min(first, len(sizes) - 1)], sizes[-2]) // 2)
