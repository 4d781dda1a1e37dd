"""The text of ``archsim trace info``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from archsim.errors import printable
from archsim.tables import align
from archsim.units import format_bytes


def info_lines(info: dict[str, Any]) -> list[str]:
    """Return what `archsim.traces.trace_info` found as lines of text."""
    pooling = info["pooling"]
    facts = [
        ["trace", info["name"]],
        ["sha256", info["sha256"]],
        ["generator", info["generator"] or "-"],
        ["order", info["order"]],
        ["columns", ", ".join(info["columns"])],
        ["lookups", f"{info['lookups']:,}"],
        ["bags", f"{info['bags']:,}"],
        ["lookups per bag", f"{pooling['min']} to {pooling['max']}, mean {pooling['mean']:.2f}"],
        ["tables", f"{len(info['tables'])}, {format_bytes(info['footprint_bytes'])}"],
        ["data read", format_bytes(info["traffic_bytes"])],
        ["rows touched", f"{info['unique_rows']:,}, {format_bytes(info['touched_bytes'])}"],
        ["lookups of a row seen before", f"{100 * info['repeat_share']:.1f} %"],
    ]
    width = max(len(name) for name, _ in facts)
    lines = [f"{name.ljust(width)}  {printable(value)}" for name, value in facts]
    table = [["table", "rows", "vector", "bags", "lookups", "unique rows", "seen before"]]
    for entry in info["tables"]:
        seen = entry["repeat_share"]
        table.append(
            [
                entry["name"],
                f"{entry['rows']:,}",
                f"{entry['vector_bytes']} B {entry['dtype']}",
                f"{entry['bags']:,}",
                f"{entry['lookups']:,}",
                f"{entry['unique_rows']:,}",
                "-" if seen is None else f"{100 * seen:.1f} %",
            ]
        )
    return [*lines, "", *align(table), *note_lines(info["notes"])]


def note_lines(notes: Iterable[str]) -> list[str]:
    """Return the assumptions made on the way to a trace as lines of text, after an empty one."""
    lines = [f"note: {printable(note)}" for note in notes]
    return ["", *lines] if lines else []
