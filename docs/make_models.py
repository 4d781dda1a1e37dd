"""Write the tables of ``docs/models.md``: ``python docs/make_models.py``; some minutes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from archsim.models.replays import Replays
from archsim.models.spec import load_model
from archsim.models.sweep import sweep
from archsim.validate import recnmp_models
from archsim.validate.row import Row

PAGE = Path(__file__).with_name("models.md")
#: Model and ranks of the sweeps: where rows deviate.
SWEPT = (("rmc2-small", 4), ("rmc2-large", 8))
COLUMNS = {
    "parameter": "parameter", "value": "value", "latency_ms": "ms", "sls_pct": "lookups, %", "fc_gain": "fc gain",
    "speedup": "speedup", "speedup_full": "full", "top_gap_pct": "top gap", "core_gbps": "one", "all_gbps": "all",
}  # fmt: skip
#: Of Fig. 6 and 17, whose points are many, these.
_SHOWN = re.compile(r"Fig\. (4, .*batch (8|256)$|18|6, batch (8|256), (1|12|30) threads|17, .* (2|10|18) co)")


def markdown(lines: list[list[str]]) -> str:
    """Return a table."""
    return "".join(f"| {' | '.join(line)} |\n" for line in [lines[0], ["---"] * len(lines[0]), *lines[1:]])


def figures(rows: list[Row]) -> str:
    """Return the rows that the page shows."""
    lines = [["figure", "quantity", "paper", "archsim", "deviation", "holds"]]
    for row in rows:
        if not _SHOWN.search(row.figure) or row.expected is None or row.measured is None:
            continue
        holds = "" if row.holds is None else "yes" if row.holds else "no"
        figure, deviation = row.figure.removeprefix("RecNMP "), f"{100 * (row.deviation or 0):+.0f} %"
        lines.append([figure, row.quantity, f"{row.expected:g}", f"{row.measured:.3g}", deviation, holds])
    return markdown(lines)


def swept(name: str, ranks: int, replays: Replays) -> str:
    """Return a sweep."""
    host, near = recnmp_models.systems(ranks)
    found = sweep(load_model(name), recnmp_models.processor(), host, near[0], replays=replays)
    lines = [list(COLUMNS.values())]
    for row in found:
        cells = [row[key] if isinstance(row[key], str) else f"{row[key]:.3g}" for key in COLUMNS]
        lines.append([f"`{cells[0]}`", *cells[1:]])
    return f"Model {name}, {host.name} and {near[0].name}:\n\n{markdown(lines)}\n"


def main() -> None:
    """Replace the tables."""
    replays = Replays()
    text = PAGE.read_text(encoding="utf-8")
    tables = {
        "figures": figures(list(recnmp_models.rows(replays))),
        "sweep": "".join(swept(name, ranks, replays) for name, ranks in SWEPT),
    }
    for name, table in tables.items():
        begin, end = f"<!-- models {name} -->\n", "<!-- end -->"
        before, _, rest = text.partition(begin)
        text = before + begin + table + end + rest.partition(end)[2]
    PAGE.write_text(text, encoding="utf-8")
    print(f"page: {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
