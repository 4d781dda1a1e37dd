"""Draw the caches of the README on the recorded trace, and write the table beside: part of ``make figures``.

The trace is not part of the project. Without it nothing is changed.
"""

from __future__ import annotations

import re
from pathlib import Path

from archsim.cache import Accesses, compare_policies, documents, lru_curve
from archsim.report.cache_plots import plot_answer
from archsim.traces import open_trace
from archsim.units import format_bytes

ROOT = Path(__file__).parents[1]
TRACE = ROOT.parent / "shared" / "data" / "kaggle-emb" / "kaggle-emb.npz"
FIGURE = ROOT / "docs" / "figures" / "cache.png"
README = ROOT / "README.md"

POLICIES = ("lru", "fifo", "clock", "sieve", "arc", "s3fifo", "wtinylfu", "belady")
SIZES = (1024, 4096, 16384, 65536)
#: Where the table stands in the README.
PLACE = re.compile(r"(<!-- cache table -->\n).*?(<!-- end -->)", re.S)


def answer() -> documents.Document:
    """Return what ``archsim cache TRACE --curve --policy ...`` answers."""
    trace = open_trace(TRACE, kind="lookups")
    source = Accesses.of(trace).held()
    found = lru_curve(source)
    sizes = documents.curve_sizes(found, None, replayed=True)
    curves = documents.policy_curves(
        found, sizes, POLICIES, source, lambda *job: compare_policies(source, *job)
    )
    return {**documents.head(trace, source, found.accesses), **curves}


def table(document: documents.Document) -> str:
    """Return hit ratios at a few sizes as a table."""
    places = [document["entries"].index(size) for size in SIZES]
    heads = [f"{size:,} ({format_bytes(size * document['unit_bytes'])})" for size in SIZES]
    lines = [["hit ratio (%)", *heads], ["---"] * (len(SIZES) + 1)]
    for name, ratios in document["policies"].items():
        lines.append([name, *(f"{100 * (1 - ratios[place]):.2f}" for place in places)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Write the figure and the table."""
    if not TRACE.exists():
        print(f"no {TRACE}: the figure and the table of caches stay as they are")
        return
    document = answer()
    plot_answer(document, FIGURE)
    README.write_text(
        PLACE.sub(lambda found: found[1] + table(document) + found[2], README.read_text(encoding="utf-8")),
        encoding="utf-8",
    )
    print(f"figure: {FIGURE}")


if __name__ == "__main__":
    main()
