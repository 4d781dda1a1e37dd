"""The points of a study as the page holds them, and the library that draws them there."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from archsim.report.groups import squeezed
from archsim.report.quantities import axis_ticks, logarithmic, more_is_better, quantity_of
from archsim.studies.columns import PROVENANCE, is_configuration, is_metric
from archsim.studies.notes import note_of

if TYPE_CHECKING:
    from archsim.studies.study import Study

#: Columns that the table shows at first, after those that tell points apart.
_SHOWN = (
    "time_ns",
    "bandwidth_gbps",
    "latency_avg_ns",
    "energy_nj",
    "area_mm2",
    "cache_hit_ratio",
    "bottleneck",
)
#: Columns of a row that the page shows although they are no result; the others are summed up beside it.
_KEPT = ("point_id", "system", "trace", "code_version", "kernel_cpu_s", "wall_s", "attempts")
#: Axes of at most so many values have a tick at each.
_TICKS = 16
#: Values that have a symbol each, as of ``panels.js``.
_SYMBOLS = 12
#: Whole numbers beyond this are no numbers of JavaScript.
_EXACT = 2**53


def plot_library() -> str:
    """Return the source of plotly.js from the package ``plotly``, or nothing where it is not installed."""
    try:
        import_module("plotly")
        return files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    except (ImportError, OSError):
        return ""


def varying(study: Study) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Return the columns of the done points that vary, each with its values; and the value of those that do not.

    Hashes that say the same as ``point_id`` are left out, and so are columns that have no value.
    """
    table = study.to_arrow()
    several: dict[str, list[Any]] = {}
    same: dict[str, Any] = {}
    for name in table.column_names:
        if name not in _KEPT and not is_configuration(name) and not is_metric(name):
            continue
        if name.endswith("_sha256"):
            continue
        values = table[name].to_pylist()
        distinct = set(values)
        if len(distinct) > 1 or name == "point_id":
            several[name] = values
        elif distinct != {None}:
            (same[name],) = distinct
    return several, same


def study_payload(study: Study) -> str:
    """Return the done points as JSON for the page: columns with their values and how they are shown."""
    several, _ = varying(study)
    columns = [_column(study, name, values) for name, values in several.items()]
    document = {"rows": len(study), "columns": columns, "first": _first(study, several)}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _column(study: Study, name: str, values: Sequence[Any]) -> dict[str, Any]:
    note = note_of(name)
    column: dict[str, Any] = {
        "name": name,
        "group": _group(study, name),
        "about": "" if note is None else note.meaning.replace("`", ""),
    }
    there = [value for value in values if value is not None]
    if not all(
        isinstance(v, int | float) and not isinstance(v, bool) and abs(v) <= _EXACT for v in there if v == v
    ):
        texts = [None if value is None else _text(value) for value in values]
        known = list(dict.fromkeys(text for text in texts if text is not None))
        places = {text: place for place, text in enumerate(known)}
        codes = [-1 if text is None else places[text] for text in texts]
        words = quantity_of(name).words
        return column | {"kind": "choice", "label": words, "texts": known, "codes": codes}
    # Infinity is no JSON; a metric that is not finite has no place in a plot either.
    numbers = [None if value is None or not math.isfinite(value) else value for value in values]
    finite = [value for value in numbers if value is not None]
    scale = quantity_of(name).scaled(finite)
    column |= {
        "kind": "number",
        "label": scale.label,
        "factor": scale.factor,
        "more": more_is_better(name),
        "values": numbers,
    }
    ticks = sorted(set(finite))
    if column["group"] == "axis" and len(ticks) <= _TICKS:
        names, label = axis_ticks(name, ticks)
        column |= {"label": label, "factor": 1, "ticks": ticks, "texts": names, "log": logarithmic(ticks)}
    return column


def _text(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _group(study: Study, name: str) -> str:
    if name in study.axes or name in ("system", "trace"):
        return "axis"
    if is_metric(name):
        return "metric"
    return "provenance" if name in PROVENANCE or name in _KEPT else "configuration"


def _first(study: Study, several: dict[str, list[Any]]) -> dict[str, Any]:
    """Choose what the page shows before anything is chosen: the widest axis, run time, the next axes in looks."""
    axes = [name for name in study.axes if name in several]
    axes.sort(key=lambda name: (study.kind(name) not in ("int", "float"), -len(set(study.axes[name]))))
    names = [name for name in ("system", "trace") if name in several]
    metrics = [name for name in _SHOWN if name in several and study.kind(name) in ("int", "float")]
    others = [name for name in study.metrics if name in several and study.kind(name) in ("int", "float")]
    apart = [*names, *study.axes]
    y = next(iter([*metrics, *others, *axes, *several]))
    looks = [*names, *axes[1:]]
    colour = (looks or [""])[0]
    shapes = [name for name in looks[1:] if len(set(several[name])) <= _SYMBOLS]
    return {
        "x": next(iter([*axes, *metrics, *others, *several])),
        "y": y,
        "log_y": y in metrics and colour in several and _squeezed(several[colour], several[y]),
        "colour": colour,
        "shape": (shapes or [""])[0],
        "shown": [name for name in dict.fromkeys([*apart, *_SHOWN]) if name in several],
        "filters": [name for name in dict.fromkeys([*apart, *metrics[:1]]) if name in several],
    }


def _squeezed(keys: Sequence[Any], values: Sequence[Any]) -> bool:
    groups: dict[Any, list[float]] = {}
    for key, value in zip(keys, values, strict=True):
        groups.setdefault(key, []).append(math.nan if value is None else value)
    return squeezed(groups.values())
