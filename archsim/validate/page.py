"""Validation rows as a table for the terminal, and as a page of the documents."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from archsim.tables import align
from archsim.validate.row import Row

_HEAD = ("figure", "quantity", "expected", "measured", "deviation", "tolerance", "holds")


def _number(value: float | None) -> str:
    if value is None or not isfinite(value):
        return "-"
    if abs(value) >= 1e7 and value != int(value):
        return f"{value:.4e}"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3f}"


def _share(value: float | None, sign: str = "") -> str:
    return "-" if value is None or not isfinite(value) else f"{100 * value:{sign}.3f} %"


def _cells(row: Row) -> list[str]:
    return [
        row.figure,
        row.quantity,
        _number(row.expected),
        _number(row.measured),
        _share(row.deviation, "+"),
        _share(row.tolerance),
        {True: "yes", False: "NO", None: "-"}[row.holds],
    ]


def summary(rows: Sequence[Row]) -> str:
    """Return how many rows hold, in one line."""
    holding = sum(row.holds is True for row in rows)
    failing = sum(row.holds is False for row in rows)
    missing = sum(row.measured is None for row in rows)
    shown = len(rows) - holding - failing - missing
    return f"{holding} rows hold, {failing} do not, {shown} are shown without a tolerance, {missing} were not run"


def text_table(rows: Sequence[Row]) -> str:
    """Return the rows under each other, those that do not hold and those not run with their notes."""
    lines = align([_HEAD, *map(_cells, rows)])
    out = [lines[0]]
    for row, line in zip(rows, lines[1:], strict=True):
        out.append(line)
        if row.note and (row.holds is False or row.measured is None):
            out.append(f"    {row.note}")
    return "\n".join([*out, "", summary(rows)])


def markdown_page(rows: Sequence[Row], names: Sequence[str], assumed: Sequence[str] = ()) -> str:
    """Return the page ``docs/validation.md``."""
    lines = [
        "# Validation",
        "",
        f"Made by `archsim validate {' '.join(names)} --write FILE`; {summary(rows)}.",
        "A row that does not hold is marked **NO** with the reason found; no tolerance is widened for it.",
        "",
        *(f"- Assumed: {line}" for line in assumed),
        *([""] if assumed else []),
        "| " + " | ".join([*_HEAD, "note"]) + " |",
        "|---|---|---:|---:|---:|---:|---|---|",
    ]
    for row in rows:
        cells = [*_cells(row), row.note]
        cells[6] = cells[6].replace("NO", "**NO**")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
