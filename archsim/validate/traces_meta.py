"""The presets ``meta-2021`` and ``meta-2022`` against the reuse histograms of Meta's published embedding traces.

The histograms, in ``data/meta_reuse.csv``, are those of ``locality_stats.txt`` of facebookresearch/dlrm_datasets (MIT).
The presets were given the same numbers, so this measures how closely whole rows and whole uses can follow them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from archsim.traces.generators.base import WorkloadSpec
from archsim.traces.generators.stream import windows
from archsim.traces.trace import EmbeddingTrace
from archsim.traces.workloads import load_workload
from archsim.validate.row import Row

Shares = NDArray[np.float64]

#: Total variation by which a histogram may deviate; the rows show 1 minus it, whose figure is 1.
TOLERANCE = 0.05
#: Lookups, different rows, and bags of one batch: fbgemm_t856_bs65536.pt and fbgemm_t788_bs131072_0.pt.
BATCHES = {2021: (887_017_990, 128_435_723, 856 * 65_536), 2022: (1_405_163_864, 110_259_238, 788 * 131_072)}
#: Shares by which the means may deviate.
POOLING_TOLERANCE, USES_TOLERANCE = 0.01, 0.03


def assumptions() -> list[str]:
    """Return, line by line, what is assumed because it was not published."""
    return [
        "the presets meta-2021 and meta-2022 are built from the histograms they are compared with; 8 tables stand in "
        "for 856 and 788, one epoch is one published batch",
        "Meta's histograms say how often a row is used and not when: the presets use rows in a random order",
    ]


def rows() -> Iterator[Row]:
    """Generate one epoch of each preset and yield its rows."""
    for year, (lookups, different, bags) in BATCHES.items():
        published = published_shares(year)
        uses, pooling = _uses_of(load_workload(f"meta-{year}"))
        for what, share, expected in zip(("rows", "lookups"), histograms(uses), published, strict=True):
            distance = total_variation(share, expected)
            yield Row(
                f"meta-{year}, one epoch",
                f"1 - total variation of {what} per reuse bin",
                1.0,
                1.0 - distance,
                TOLERANCE,
                f"total variation {distance:.4f}",
            )
        yield Row(f"meta-{year}, one epoch", "lookups per bag", lookups / bags, pooling, POOLING_TOLERANCE)
        yield Row(
            f"meta-{year}, one epoch", "lookups per different row", lookups / different,
            float(uses.sum() / len(uses)), USES_TOLERANCE,
        )  # fmt: skip


def published_shares(year: int) -> tuple[Shares, Shares]:
    """Return Meta's shares of the rows and of the lookups by reuse bin."""
    text = (files("archsim.validate") / "data" / "meta_reuse.csv").read_text(encoding="utf-8")
    lines = [line for line in csv.DictReader(text.splitlines()) if line["year"] == str(year)]
    row_share, lookup_share = (
        np.array([float(line[key]) for line in lines]) for key in ("row_share", "lookup_share")
    )
    return row_share, lookup_share


def uses_per_row(traces: Iterable[EmbeddingTrace]) -> NDArray[np.int64]:
    """Return how often each row that is used at all is used in the pieces of a trace, tables apart."""
    counts: list[NDArray[np.int64]] = []
    for trace in traces:
        if not counts:
            counts = [np.zeros(table.rows, np.int64) for table in trace.tables]
        table_of = trace.table
        for table, count in enumerate(counts):
            count += np.bincount(trace.rows[table_of == table], minlength=len(count))
    found = np.concatenate(counts)
    return found[found > 0]


def histograms(uses: NDArray[np.int64]) -> tuple[Shares, Shares]:
    """Return the shares of the rows and of the lookups by Meta's bins: 1, 2, 3-4, 5-8, ..., above 32,768 uses."""
    edges = np.array([0, *(1 << k for k in range(16))])
    place = np.searchsorted(edges, uses, side="left") - 1
    bins = len(edges)
    rows = np.bincount(place, minlength=bins) / len(uses)
    return rows, np.bincount(place, weights=uses, minlength=bins) / uses.sum()


def total_variation(a: Shares, b: Shares) -> float:
    """Return half the sum of the differences of two histograms, each scaled to a sum of 1."""
    return float(np.abs(a / a.sum() - b / b.sum()).sum() / 2)


def _uses_of(spec: WorkloadSpec) -> tuple[NDArray[np.int64], float]:
    """Return the uses of the rows of a trace, and its mean pooling."""
    bags = 0

    def counted() -> Iterator[EmbeddingTrace]:
        nonlocal bags
        for window in windows(spec):
            bags += window.bags
            yield window

    uses = uses_per_row(counted())
    return uses, spec.lookups / bags
