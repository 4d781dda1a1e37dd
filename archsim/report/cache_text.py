"""What `archsim cache` found, as tables for the terminal and as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archsim.errors import printable
from archsim.tables import align
from archsim.units import format_bytes

Document = dict[str, Any]

#: Columns of a table for the terminal, beyond which sizes are left out.
_COLUMNS = 8
#: Tables and intervals shown; all are in the JSON object.
_LINES = 40


def answer_lines(document: Document) -> list[str]:
    """Return an answer of `archsim cache` as lines of text."""
    lines = [_head(document), ""]
    if "rows" in document:
        return [*lines, *_policies(document), *_row_tables(document), *_row_intervals(document)]
    if "sets" in document:
        return [*lines, *_ways(document)]
    return [*lines, *_curve(document), *_curve_tables(document), *_intervals(document)]


def _head(document: Document) -> str:
    size = f" of {document['unit_bytes']} B" if document["unit_bytes"] else ""
    text = f"{printable(document['trace']['name'])}: {document['accesses']:,} accesses"
    label = document.get("counting", {}).get("label")
    if label is None:
        ways = f", sets of {document['ways']} ways" if document.get("ways") and "rows" in document else ""
        return f"{text} to {document['unit']}s{size}{ways}"
    about = "" if label == "exact" else "about "
    share = _percent(document["compulsory_miss_ratio"])
    return (
        f"{text} to {about}{document['distinct']:,} {document['unit']}s{size}, {label}; "
        f"the first access to each cannot hit: {share} %"
    )


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{100 * ratio:.2f}"


def _size(document: Document, entries: int) -> str:
    return format_bytes(entries * document["unit_bytes"]) if document["unit_bytes"] else ""


def _policies(document: Document) -> list[str]:
    """Return hit ratios, a line per policy and a column per size; lines per size where there are many."""
    rows = document["rows"]
    sizes = list(dict.fromkeys(row["entries"] for row in rows))
    names = list(dict.fromkeys(row["policy"] for row in rows))
    ratio = {(row["policy"], row["entries"]): row["hit_ratio"] for row in rows}
    if len(sizes) > _COLUMNS:
        head = [f"{document['unit']}s", "bytes", *names]
        body = [
            [f"{size:,}", _size(document, size), *(_percent(ratio[name, size]) for name in names)]
            for size in sizes
        ]
        return ["hit ratio (%)", "", *align([head, *body])]
    return align(
        [
            ["hit ratio (%)", *(f"{size:,}" for size in sizes)],
            ["", *(_size(document, size) for size in sizes)],
            *([name, *(_percent(ratio[name, size]) for size in sizes)] for name in names),
        ]
    )


def _row_tables(document: Document) -> list[str]:
    rows = [row for row in document["rows"] if "tables" in row]
    lines: list[str] = []
    for size in dict.fromkeys(row["entries"] for row in rows):
        own = [row for row in rows if row["entries"] == size]
        head = [f"hit ratio (%), {size:,}", "accesses", *(row["policy"] for row in own)]
        body = [
            [
                table["name"],
                f"{table['accesses']:,}",
                *(_percent(row["tables"][i]["hit_ratio"]) for row in own),
            ]
            for i, table in enumerate(own[0]["tables"])
        ]
        lines += ["", *_cut(align([head, *body]), len(body), "tables")]
    return lines


def _row_intervals(document: Document) -> list[str]:
    rows = [row for row in document["rows"] if "intervals" in row]
    lines: list[str] = []
    for size in dict.fromkeys(row["entries"] for row in rows):
        own = [row for row in rows if row["entries"] == size]
        head = [f"hit ratio (%), {size:,}, from access", "accesses", *(row["policy"] for row in own)]
        body, start = [], 0
        for i, part in enumerate(own[0]["intervals"]):
            ratios = (_percent(row["intervals"][i]["hit_ratio"]) for row in own)
            body.append([f"{start:,}", f"{part['accesses']:,}", *ratios])
            start += part["accesses"]
        lines += ["", *_cut(align([head, *body]), len(body), "intervals")]
    return lines


def _cut(lines: list[str], count: int, what: str) -> list[str]:
    """Leave out what is over the limit, and say so."""
    if count <= _LINES:
        return lines
    return [*lines[: len(lines) - count + _LINES], f"... {count - _LINES:,} more {what}; --json has them all"]


def _curve(document: Document) -> list[str]:
    entries = document["entries"]
    columns = document.get("policies", {document["policy"]: document["miss_ratio"]})
    shown = _shown(entries)
    head = [f"{document['unit']}s", "bytes", *columns]
    body = [
        [
            f"{entries[i]:,}",
            _size(document, entries[i]),
            *(_percent(ratios[i]) for ratios in columns.values()),
        ]
        for i in shown
    ]
    return ["miss ratio (%)", "", *align([head, *body])]


def _shown(entries: Sequence[int], most: int = 24) -> list[int]:
    """Places of the sizes to print: all of few, else those next to powers of two, and the last."""
    if len(entries) <= most:
        return list(range(len(entries)))
    return [i for i, size in enumerate(entries) if size & (size - 1) == 0 or i == len(entries) - 1]


def spread(document: Document, most: int) -> list[int]:
    """Return places of a few sizes between which the miss ratio of a curve falls by about as much, and the last."""
    ratios = document["miss_ratio"]
    if len(ratios) <= most:
        return list(range(len(ratios)))
    fall = (ratios[0] - ratios[-1]) / most
    levels = [ratios[-1] + fall * (most - 1 - i) for i in range(most)]
    reached = [next(i for i, ratio in enumerate(ratios) if ratio <= level) for level in levels[:-1]]
    return sorted({*reached, len(ratios) - 1})


def _curve_tables(document: Document) -> list[str]:
    tables = document.get("tables")
    if tables is None:
        return []
    places = spread(document, 6)
    lines: list[str] = []
    for key, title in (
        ("miss_ratio", "miss ratio (%), one cache"),
        ("alone", "miss ratio (%), a cache each"),
    ):
        head = [title, "accesses", *(f"{document['entries'][i]:,}" for i in places)]
        body = [
            [
                table["name"],
                f"{table['accesses']:,}",
                *(_percent(table[key][i] if table[key] is not None else None) for i in places),
            ]
            for table in tables
        ]
        lines += ["", *_cut(align([head, *body]), len(body), "tables")]
    return lines


def _intervals(document: Document) -> list[str]:
    found = document.get("intervals")
    if found is None:
        return []
    places = spread(document, 6)
    head = ["miss ratio (%), from access", "accesses", *(f"{document['entries'][i]:,}" for i in places)]
    body, start = [], 0
    for count, ratios in zip(found["accesses"], found["miss_ratio"], strict=True):
        body.append([f"{start:,}", f"{count:,}", *(_percent(ratios[i]) for i in places)])
        start += count
    return ["", *_cut(align([head, *body]), len(body), "intervals")]


def _ways(document: Document) -> list[str]:
    head = ["ways", f"{document['unit']}s", "bytes", "miss ratio (%)"]
    columns = zip(document["ways"], document["entries"], document["miss_ratio"], strict=True)
    body = [[str(ways), f"{size:,}", _size(document, size), _percent(ratio)] for ways, size, ratio in columns]
    return [f"LRU, {document['sets']:,} sets", "", *align([head, *body])]


def csv_text(document: Document) -> str:
    """Return the numbers of an answer as CSV: a line per row, or per size of a curve."""
    if "rows" in document:
        keys = [key for key in document["rows"][0] if key not in ("tables", "intervals")]
        lines = [keys, *([str(row[key]) for key in keys] for row in document["rows"])]
    else:
        policies = document.get("policies", {"miss_ratio": document["miss_ratio"]})
        columns = {key: document[key] for key in ("ways", "entries", "bytes") if key in document} | policies
        lines = [
            list(columns),
            *([str(value) for value in line] for line in zip(*columns.values(), strict=True)),
        ]
    return "".join(",".join(line) + "\n" for line in lines)
