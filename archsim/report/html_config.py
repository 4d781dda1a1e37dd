"""The resolved configuration of systems, side by side, to be searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archsim.report.html_parts import Raw, details, paragraph, section, table, text
from archsim.studies.columns import configuration_columns
from archsim.systems.spec import SystemSpec


def configuration_section(systems: Sequence[tuple[str, SystemSpec]]) -> str:
    """Return every parameter of systems, a column each; rows in which they differ are marked."""
    return parameters_section(
        {name: configuration_columns(spec) for name, spec in systems},
        "All parameters as resolved. Units stand at the end of the names.",
    )


def parameters_section(columns: Mapping[str, Mapping[str, Any]], words: str) -> str:
    """Return parameters by name, a column for each system, in a table that is shut at first."""
    paths = sorted({path for column in columns.values() for path in column})
    if not paths:
        return ""
    rows = []
    for path in paths:
        values = [column.get(path) for column in columns.values()]
        differ = len({repr(value) for value in values}) > 1
        rows.append([path, *(_value(value, differ) for value in values)])
    search = (
        '<p class="search"><label for="parameter">Search in names and values</label> '
        '<input type="search" id="parameter" autocomplete="off" data-search="parameters"> '
        '<label><input type="checkbox" id="differing"> only what differs</label> '
        '<output id="parameter-count"></output></p>'
        if len(columns) > 1
        else '<p class="search"><label for="parameter">Search in names and values</label> '
        '<input type="search" id="parameter" autocomplete="off" data-search="parameters"> '
        '<output id="parameter-count"></output></p>'
    )
    listing = table(["parameter", *columns], rows, "Parameters", kind="parameters", left=99)
    return section(
        "configuration",
        "Configuration",
        paragraph(words),
        details(f"{len(paths)} parameters", search, listing),
    )


def _value(value: Any, differ: bool) -> Raw:
    shown = (
        "–" if value is None else ("true" if value else "false") if isinstance(value, bool) else str(value)
    )
    long = len(shown) > 60
    body = text(shown)
    if long:
        body = f"<details><summary>{text(shown[:40])}…</summary>{body}</details>"
    return Raw(f"<em>{body}</em>" if differ and not long else body)
