"""A study on one screen: in a terminal, and in a notebook."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from archsim.errors import counted, printable

if TYPE_CHECKING:
    import pyarrow as pa

    from archsim.studies.study import Study

#: Rows that are shown: all up to so many, else the first and the last few.
_MOST_ROWS, _SHOWN_ROWS = 16, 10
_SHOWN_VALUES = 12
_SHOWN_METRICS = ("time_ns", "bandwidth_gbps", "latency_avg_ns", "energy_nj", "bottleneck")
_WIDEST = 28


def study_text(study: Study) -> str:
    """Return what the study is of, and its first and last done points."""
    from archsim.tables import align

    head, rows, left_out = _head(study), _rows(study), _left_out(study)
    if len(rows) == 1:
        return "\n".join(head)
    lines = align(rows)
    if left_out:
        lines.insert(1 + _SHOWN_ROWS // 2, f"... {counted(left_out, 'point')} between, not shown")
    return "\n".join([*head, "", *lines])


def study_html(study: Study) -> str:
    """Return the same as HTML."""
    rows, left_out = _rows(study), _left_out(study)
    cells = ["".join(f"<th>{escape(cell)}</th>" for cell in rows[0])]
    cells += ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows[1:]]
    if left_out:
        cells.insert(
            1 + _SHOWN_ROWS // 2,
            f'<td colspan="{len(rows[0])}">... {counted(left_out, "point")} between, not shown</td>',
        )
    head = "<br>".join(escape(line) for line in _head(study))
    table = "".join(f"<tr>{row}</tr>" for row in cells) if len(rows) > 1 else ""
    return f"<p>{head}</p><table>{table}</table>"


def table_text(table: pa.Table) -> str:
    """Return an Arrow table as aligned text."""
    from archsim.tables import align

    rows = [[_cell(value) for value in row] for row in _values(table)]
    return "\n".join(align([table.column_names, *rows]))


def json_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Return an Arrow table as plain objects; what JSON has no word for (NaN, dates) as null or text."""
    names = table.column_names
    return [{name: _json(value) for name, value in zip(names, row, strict=True)} for row in _values(table)]


def counts_text(study: Study) -> str:
    """Return how many points there are, by status."""
    counts = {name: count for name, count in study.counts.items() if count or name == "done"}
    return f"{counted(sum(counts.values()), 'point')}: " + ", ".join(
        f"{count:,} {name}" for name, count in counts.items()
    )


def axis_lines(study: Study) -> list[str]:
    """Return one line for each axis: its columns and values."""
    lines = []
    for group in study.links:
        values = [
            ":".join(_cell(value) for value in each)
            for each in zip(*(study.axes[c] for c in group), strict=True)
        ]
        shown, many = values, ""
        if len(values) > _SHOWN_VALUES:
            shown, many = [*values[:6], "...", *values[-3:]], f" ({len(values):,} values)"
        lines.append(f"axis {printable('+'.join(group))}{many}: {printable(', '.join(shown))}")
    return lines


def _values(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float | str | None) else str(value)


def _head(study: Study) -> list[str]:
    return [f"study {printable(str(study.path))}, {counts_text(study)}", *axis_lines(study)]


def _left_out(study: Study) -> int:
    return len(study) - _SHOWN_ROWS if len(study) > _MOST_ROWS else 0


def _rows(study: Study) -> list[list[str]]:
    names = _names(study)
    if not names:
        return [[]]
    table = study.to_arrow(names)
    if _left_out(study):
        half = _SHOWN_ROWS // 2
        rows = [*_values(table.slice(0, half)), *_values(table.slice(table.num_rows - half))]
    else:
        rows = list(_values(table))
    return [table.column_names, *([_cell(value) for value in row] for row in rows)]


def _names(study: Study) -> list[str]:
    several = [
        name
        for name in ("code_version", "trace", "system")
        if name in study.columns and len(set(study.to_arrow([name])[name].to_pylist())) > 1
    ]
    varied = [name for name, values in study.axes.items() if len(set(values)) > 1 and name in study.columns]
    names = [*several, *varied, *_SHOWN_METRICS]
    return [name for name in dict.fromkeys(names) if name in study.columns]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    # Long names often differ at their end.
    return text if len(text) <= _WIDEST else f"{text[:12]}...{text[15 - _WIDEST :]}"
