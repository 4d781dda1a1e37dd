"""The text of ``archsim trace info`` and ``archsim trace compare``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from archsim.errors import printable
from archsim.tables import align
from archsim.units import format_bytes, format_count, format_time

TABLES_SHOWN = 20
"""More tables than these are cut to those with the most lookups."""

_REUSE_LABELS = ("1", "2", "3-4", "5-8", "9-16", "17-32", "33-64", "65-256", "257-1024", "1025-8192", "more")
_REUSE_PARTS = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3)
"""Bins of the reuse histogram that a column of the text takes together."""


def info_lines(info: dict[str, Any]) -> list[str]:
    """Return what `archsim.traces.trace_info` found as lines of text."""
    lines = _pairs([*_identity(info), *_counts(info)])
    for title, part in _sections(info):
        lines += ["", title, *part]
    if info["kind"] == "lookups":
        lines += ["", *_table_lines(info)]
    return [*lines, *note_lines(info["notes"])]


def _identity(info: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("trace", info["name"]),
        ("sha256", info["sha256"]),
        ("generator", info["generator"] or "-"),
        *([("order", info["order"])] if "order" in info else []),
        ("columns", ", ".join(info["columns"])),
    ]


def _counts(info: dict[str, Any]) -> list[tuple[str, str]]:
    label = _label(info)
    if info["kind"] == "addresses":
        return [
            ("requests", f"{info['requests']:,}, {percent(info['write_share'])} writes"),
            ("addresses", f"{info['lowest_address']:#x} to {info['highest_address']:#x}"),
            ("data moved", format_bytes(info["traffic_bytes"])),
            (f"lines touched{label}", f"{info['unique_rows']:,}, {format_bytes(info['touched_bytes'])}"),
            (
                "pages touched",
                "-" if info["pages_touched"] is None else f"{info['pages_touched']:,} of 4 KiB",
            ),
            ("next line follows", percent(info["next_line_share"])),
            (f"compulsory misses{label}", percent(info["compulsory_share"])),
            *_arrivals(info["arrivals"]),
        ]
    pooling = info["pooling"]
    marks = ", ".join(f"{key} {pooling[key]}" for key in ("min", "p50", "p90", "p99", "max"))
    return [
        ("lookups", f"{info['lookups']:,}"),
        ("bags", f"{info['bags']:,}"),
        ("lookups per bag", f"mean {pooling['mean']:.2f}, {marks}"),
        ("tables", f"{len(info['tables'])}, {format_bytes(info['footprint_bytes'])}"),
        ("data read", format_bytes(info["traffic_bytes"])),
        (f"rows touched{label}", f"{info['unique_rows']:,}, {format_bytes(info['touched_bytes'])}"),
        (f"compulsory misses{label}", f"{percent(info['compulsory_share'])} of lookups are the first of their row"),
        (f"seen before{label}", f"{percent(info['intra_bag_share'])} in the same bag, "
                                f"{percent(info['inter_bag_share'])} in an earlier one"),
        *_arrivals(info["arrivals"]),
    ]  # fmt: skip


def _arrivals(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    if found is None:
        return []

    def time(value: float) -> str:
        return format_time(value) if found["time_unit"] == "ps" else f"{format_count(round(value))} clk"

    gap = "not in order" if found["mean_gap"] is None else f"one per {time(found['mean_gap'])}"
    text = f"{gap} over {time(found['duration'])}"
    if found["gap_cv"] is not None:
        text += f", gaps: deviation {found['gap_cv']:.2f} of mean, longest {time(found['longest_gap'])}"
    if found["peak_to_mean"] is not None:
        text += f", peak {found['peak_to_mean']:.2f}x mean"
    return [("arrivals", text)]


def _sections(info: dict[str, Any]) -> list[tuple[str, list[str]]]:
    label = _label(info)
    unit = "lookups" if info["kind"] == "lookups" else "requests"
    row = "row" if info["kind"] == "lookups" else "line"
    sections = [
        (f"{unit} per {row}{label}", align(_reuse_table(info["reuse"], row, unit))),
        (f"LRU stack distance of reuses, {row}s{label}", [_distance_line(info["stack_distance"])]),
    ]
    if info["lru"]["entries"]:
        sections.append((f"LRU cache, hit ratio by size{label}", align(_lru_table(info["lru"]))))
    if info["hot_shares"] is not None:
        sections.append(
            (f"share of {unit} to the hottest {row}s{label}", align(_hot_table(info["hot_shares"])))
        )
    sections.append((f"working set, distinct {row}s{label}", [_working_set(info["working_set"], unit)]))
    return sections


def _reuse_table(reuse: dict[str, Any], row: str, unit: str) -> list[list[str]]:
    table = [["", *_REUSE_LABELS]]
    for title, key in ((f"{row}s", "rows"), (unit, "lookups")):
        counts, total = list(reuse[key]), sum(reuse[key])
        cells = []
        for width in _REUSE_PARTS:
            cells.append(percent(sum(counts[:width]) / total))
            counts = counts[width:]
        table.append([title, *cells])
    return table


def _distance_line(found: dict[str, Any]) -> str:
    if found["p50"] is None:
        return "no row is used twice"
    return ", ".join(f"{key} {found[key]:,}" for key in ("p50", "p90", "p99", "max"))


def _lru_table(lru: dict[str, Any]) -> list[list[str]]:
    """Show at most ten sizes, four apart by factors of two that are chosen by the largest."""
    points = list(zip(lru["bytes"], lru["hit_ratio"], strict=True))
    wanted = [points[-1]]
    size = 1 << max(0, points[-1][0].bit_length() - 1)
    while size >= points[0][0] and len(wanted) < 10:
        held = [point for point in points if point[0] <= size]
        if held[-1] not in wanted:
            wanted.append((size, held[-1][1]))
        size //= 4
    wanted.reverse()
    return [
        ["size", *(format_bytes(size) for size, _ in wanted)],
        ["hits", *(percent(hit) for _, hit in wanted)],
    ]


def _hot_table(shares: dict[str, float | None]) -> list[list[str]]:
    names = [f"top {name.replace('.0%', '%').replace('%', ' %')}" for name in shares]
    return [["", *names], ["share", *(percent(share) for share in shares.values())]]


def _working_set(found: dict[str, list[int]], unit: str) -> str:
    windows, until = found["distinct_rows"], found["until_lookup"]
    least, most, length = min(windows), max(windows), until[-1] // len(until)
    text = f"{least:,} to {most:,} in each" if least < most else f"{least:,} in each"
    text += f" {unit.removesuffix('s')}" if length == 1 else f" {length:,} {unit}"
    half = found["cumulative_rows"][(len(until) - 1) // 2]
    return f"{text}; {half:,} in the first half, {found['cumulative_rows'][-1]:,} in all"


def _table_lines(info: dict[str, Any]) -> list[str]:
    tables = info["tables"]
    shown = tables
    if len(tables) > TABLES_SHOWN:
        shown = sorted(tables, key=lambda entry: -entry["lookups"])[:TABLES_SHOWN]
    rows = [
        [
            "table",
            "rows",
            "vector",
            "bags",
            "per bag",
            "lookups",
            "touched",
            "first uses",
            "p50",
            "p99",
            "top 1 %",
        ]
    ]
    for entry in shown:
        distance = entry["stack_distance"]
        hot = entry["hot_shares"]
        rows.append(
            [
                entry["name"],
                f"{entry['rows']:,}",
                f"{entry['vector_bytes']} B {entry['dtype']}",
                f"{entry['bags']:,}",
                "-" if entry["lookups_per_bag"] is None else f"{entry['lookups_per_bag']:.2f}",
                f"{entry['lookups']:,}",
                f"{entry['unique_rows']:,}",
                percent(entry["compulsory_share"]),
                *("-" if distance[key] is None else f"{distance[key]:,}" for key in ("p50", "p99")),
                percent(hot and hot["1.0%"]),
            ]
        )
    lines = [f"tables (p50, p99: stack distance of reuses, in rows of the table){_label(info)}", *align(rows)]
    rest = len(tables) - len(shown)
    if rest:
        others = sum(entry["lookups"] for entry in tables) - sum(entry["lookups"] for entry in shown)
        lines.append(f"and {rest:,} more tables with {percent(others / info['lookups'])} of the lookups")
    return lines


def _label(info: dict[str, Any]) -> str:
    label = info["counting"]["label"]
    return "" if label == "exact" else f" ({label})"


def percent(share: float | None) -> str:
    """Write a share as a percentage."""
    return "-" if share is None else f"{100 * share:.1f} %"


def _pairs(facts: Iterable[tuple[str, str]]) -> list[str]:
    facts = list(facts)
    width = max(len(name) for name, _ in facts)
    return [f"{name.ljust(width)}  {printable(value)}" for name, value in facts]


def note_lines(notes: Iterable[str]) -> list[str]:
    """Return the assumptions made on the way to a trace as lines of text, after an empty one."""
    lines = [f"note: {printable(note)}" for note in notes]
    return ["", *lines] if lines else []


def comparison_lines(found: dict[str, Any]) -> list[str]:
    """Return what `archsim.traces.compare_traces` found as lines of text."""
    infos = found["traces"]
    rows = [["", *(info["name"] for info in infos)]]
    for name, key in _COMPARED:
        values = [_lookup(info, key) for info in infos]
        if any(value is not None for value in values):
            rows.append([name, *(_value(key, value) for value in values)])
    lines = [*align(rows), "", "distances (0: the same, 1: nothing in common)"]
    facts = [
        (title, f"{value:.4f}") for title, key in _DISTANCES if (value := found["distances"][key]) is not None
    ]
    overlap = found["distances"]["hot_rows_overlap"]
    if overlap is not None:
        facts.append(
            ("hottest rows in common", f"{percent(overlap)}, mean of {len(found['hot_rows'])} tables")
        )
    return [*lines, *_pairs(facts)]


_COMPARED = (
    ("sha256", "sha256"),
    ("counted", "counting.label"),
    ("lookups", "lookups"),
    ("requests", "requests"),
    ("write share", "write_share"),
    ("bags", "bags"),
    ("lookups per bag, mean", "pooling.mean"),
    ("  p99", "pooling.p99"),
    ("footprint", "footprint_bytes"),
    ("data read", "traffic_bytes"),
    ("touched", "touched_bytes"),
    ("rows (lines) touched", "unique_rows"),
    ("compulsory misses", "compulsory_share"),
    ("reuse in the same bag", "intra_bag_share"),
    ("reuse of an earlier bag", "inter_bag_share"),
    ("stack distance, p50", "stack_distance.p50"),
    ("  p90", "stack_distance.p90"),
    ("  p99", "stack_distance.p99"),
    ("share of the hottest row", "top_row_share"),
)
_DISTANCES = (
    ("rows by reuse, total variation", "reuse_rows_tv"),
    ("lookups by reuse, total variation", "reuse_lookups_tv"),
    ("stack distances, Kolmogorov-Smirnov", "stack_distance_ks"),
    ("lookups per bag, Kolmogorov-Smirnov", "pooling_ks"),
)


def _lookup(info: dict[str, Any], path: str) -> Any:
    found: Any = info
    for key in path.split("."):
        found = None if found is None else found.get(key)
    return found


def _value(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if key == "sha256":
        return str(value)[:12]
    if key.endswith("_bytes"):
        return format_bytes(value)
    if key.endswith("_share"):
        return percent(value)
    return (
        f"{value:,.2f}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )
