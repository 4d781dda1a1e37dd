"""Row reuse as published histograms give it: how often each row is used in an epoch of samples.

The two histograms (share of the rows, and share of the lookups, per number of uses) fix how many uses the rows of an
epoch have; the uses are then dealt out in a random order by a keyed permutation, so that nothing has to be kept but
the counts. Rows that are used alike often are one cell: a few hundred cells describe a table.

Only integers and ``+ - * / sqrt`` decide, so that every machine makes the same trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, sqrt
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from archsim.errors import InputError
from archsim.kernels.draws import reuse_rows
from archsim.spec import FieldError, quantity
from archsim.traces import counter
from archsim.traces.generators.base import (
    EPOCH_STREAM,
    MOST_POOLING,
    ROW_STREAM,
    ROWS_LIMIT,
    Samples,
    WorkloadSpec,
    check_sample,
)

I64 = NDArray[np.int64]

BIN_EDGES = (0, *(1 << k for k in range(16)))
"""A row is in bin ``i`` when its uses are above edge ``i`` and at most edge ``i + 1``; the last bin has no end."""

BINS = len(BIN_EDGES)
POOLING_STEPS = 1000
COARSE_SHARE = 0.01
"""Shares of rows printed below this have one digit; the shares of the lookups then say more."""

COMMON_ROWS = 64
"""Bins with this many rows per table can be scaled to make up for what the few rows of the others take."""

Share = Annotated[float, Field(ge=0, le=1)]


class ReuseSpec(WorkloadSpec):
    """Tables whose rows are used as often as two histograms say."""

    generator: Literal["reuse"] = Field(
        description="reuse: rows are used as often as published histograms say, in a random order"
    )
    tables: int = quantity("", "embedding tables", ge=1, le=65536)
    rows: int = quantity("", "rows per table", ge=1, le=ROWS_LIMIT)
    pooling: float = quantity(
        "", "lookups per bag, on average; bags have the whole numbers next to it", ge=1, le=MOST_POOLING - 1
    )
    epoch_samples: int = quantity(
        "", "samples over which the histograms hold; a trace is one epoch after the other", ge=1, le=2**31
    )
    uses_per_row: float = quantity("", "lookups per different row of an epoch, mean", ge=1)
    row_share: tuple[Share, ...] = Field(
        description="share of an epoch's rows that are used 1, 2, 3-4, 5-8, ..., 16385-32768, more times",
    )
    lookup_share: tuple[Share, ...] = Field(
        description="share of the lookups that go to rows used 1, 2, 3-4, 5-8, ..., 16385-32768, more times"
    )
    same_rows: bool = Field(
        description="whether every epoch uses the same rows; otherwise it takes the next ones, and a row comes again "
        "when all others have had their turn",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for name in ("row_share", "lookup_share"):
            share = getattr(self, name)
            if len(share) != BINS:
                raise FieldError(name, f"must have {BINS} values, not {len(share)}")
            if not 0.9 < sum(share) < 1.1:
                raise FieldError(name, f"must sum up to 1, not to {sum(share):g}")
        check_sample(int(self.pooling) * self.tables)
        if self.lookups_per_epoch >= ROWS_LIMIT:
            raise FieldError(
                f"epoch_samples = {self.epoch_samples}",
                f"must give fewer than {ROWS_LIMIT} lookups per table, with pooling = {self.pooling:g}",
            )
        return self

    def table_rows(self) -> tuple[int, ...]:
        """Return the number of rows of every table."""
        return (self.rows,) * self.tables

    def remarks(self) -> tuple[str, ...]:
        """Say when the trace is too short for its histograms."""
        epoch = self.lookups_per_epoch * self.tables
        if self.lookups >= epoch:
            return ()
        return (
            f"shorter than one epoch of {epoch} lookups: rows are reused less than the histograms say; "
            f"a smaller epoch_samples holds them over a shorter trace",
        )

    @property
    def pooling_steps(self) -> int:
        """Mean pooling in steps of 1/1000."""
        return round(self.pooling * POOLING_STEPS)

    @property
    def lookups_per_epoch(self) -> int:
        """Lookups of one table in one epoch."""
        return self.epoch_samples * self.pooling_steps // POOLING_STEPS


SPEC = ReuseSpec


def generate(spec: ReuseSpec, at_once: int) -> Iterator[Samples]:
    """Yield the samples of a workload; see `archsim.traces.generators`."""
    cells = Cells.of(spec)
    row_keys = counter.round_keys(spec.key(table, ROW_STREAM) for table in range(spec.tables))
    together = max(1, at_once * POOLING_STEPS // (spec.pooling_steps * spec.tables))
    epoch, first = 0, 0
    while True:
        keys = counter.round_keys(spec.key(table, EPOCH_STREAM, epoch) for table in range(spec.tables))
        offset = np.zeros(spec.tables, np.int64) if spec.same_rows else cells.rows * epoch
        while first < spec.epoch_samples:
            last = min(first + together, spec.epoch_samples)
            begins = np.arange(first, last + 1) * spec.pooling_steps // POOLING_STEPS
            lengths = np.repeat(np.diff(begins), spec.tables)
            rows = np.empty(int(begins[-1] - begins[0]) * spec.tables, np.int32)
            reuse_rows(
                lengths, int(begins[0]), spec.lookups_per_epoch, cells.start, cells.use, cells.slot,
                cells.uses, offset, spec.rows, keys, row_keys, rows,
            )  # fmt: skip
            yield Samples(rows, lengths)
            first = last
        epoch, first = epoch + 1, 0


@dataclass(frozen=True)
class Cells:
    """Rows of all tables with equally many uses in an epoch, the most used ones first.

    Attributes
    ----------
    start : ndarray of int64, shape (tables + 1,)
        First cell of every table.
    use, slot, uses : ndarray of int64, shape (cells,)
        First use and first row of each cell, counted inside its table, and the uses of each of its rows.
    rows : ndarray of int64, shape (tables,)
        Rows used in an epoch, by table.
    """

    start: I64
    use: I64
    slot: I64
    uses: I64
    rows: I64

    @classmethod
    def of(cls, spec: ReuseSpec) -> Cells:
        """Return the cells of a workload."""
        parts, used = [], []
        for table in range(spec.tables):
            uses, rows = np.unique(table_uses(spec, table), return_counts=True)
            uses, rows = uses[::-1].astype(np.int64), rows[::-1].astype(np.int64)
            ends = np.cumsum(uses * rows)
            parts.append((ends - uses * rows, np.cumsum(rows) - rows, uses))
            used.append(int(rows.sum()))
            if used[-1] > spec.rows:
                raise _too_few_rows(spec, used[-1])
        start = np.cumsum([0, *(len(part[2]) for part in parts)])
        use, slot, uses = (np.concatenate([part[k] for part in parts]) for k in range(3))
        return cls(start, use, slot, uses, np.array(used))


def _too_few_rows(spec: ReuseSpec, used: int) -> InputError:
    return InputError(
        f"rows = {spec.rows}: must be at least {used}, the rows that one epoch of "
        f"epoch_samples = {spec.epoch_samples} uses of a table"
    )


def bin_means(spec: ReuseSpec) -> list[tuple[float, float]]:
    """Return rows per table and epoch, and uses per row, of every bin.

    Where the share of the rows is printed with two digits, it counts, and the share of the lookups gives the mean
    number of uses. Elsewhere the mean is taken as the geometric mean of the edges of the bin (of the last one: as if
    it ended at twice its edge), and the share of the lookups gives the rows.
    """
    lookups, found = spec.lookups_per_epoch, []
    different = lookups / spec.uses_per_row
    row_sum, lookup_sum = sum(spec.row_share), sum(spec.lookup_share)
    edges = (*BIN_EDGES, 2 * BIN_EDGES[-1])
    for low, high, row_share, lookup_share in zip(
        edges, edges[1:], spec.row_share, spec.lookup_share, strict=False
    ):
        here = lookup_share / lookup_sum * lookups
        rows = row_share / row_sum * different
        mean = here / rows if rows else 0.0
        if row_share < COARSE_SHARE or not low + 1 <= mean <= high:
            mean = sqrt((low + 1) * high)
            rows = here / mean
        found.append((rows, mean))
    return found


def table_uses(spec: ReuseSpec, table: int) -> I64:
    """Return the uses of every row of one table in an epoch, ascending; they sum up to its lookups exactly.

    Fractions of a row are carried from table to table, so that many tables together have the histogram even where
    one has less than one row of a bin. The bins with few rows go first; the others share what is left.
    """
    means, lookups = bin_means(spec), spec.lookups_per_epoch
    few = [rows < COMMON_ROWS for rows, _ in means]
    numbers = [floor(rows * (table + 1) + 0.5) - floor(rows * table + 0.5) for rows, _ in means]
    uses = {k: _spread(k, numbers[k], means[k][1]) for k in range(BINS) if few[k] and numbers[k]}
    left = lookups - sum(int(part.sum()) for part in uses.values())
    common = sum(rows * mean for (rows, mean), rare in zip(means, few, strict=True) if not rare)
    scale = max(0.0, left / common) if common else 0.0
    for k in range(BINS):
        if not few[k]:
            uses[k] = _spread(k, floor(means[k][0] * scale + 0.5), means[k][1])
    found = np.sort(np.concatenate([np.empty(0, np.int64), *uses.values()]))
    return _summing_to(found, lookups)


def _spread(k: int, number: int, mean: float) -> I64:
    """Return uses of ``number`` rows of bin ``k``, evenly spread over the part of the bin that has this mean."""
    low, high = BIN_EDGES[k] + 1, 2 * BIN_EDGES[k] if k else 1
    if mean <= (low + high) / 2:
        first, last = float(low), 2.0 * mean - low
    else:
        first, last = 2.0 * mean - high, float(high)
    steps = (2.0 * np.arange(number) + 1.0) / (2.0 * max(number, 1))
    uses: I64 = np.floor(first + (last - first) * steps + 0.5).astype(np.int64)
    return uses


def _summing_to(uses: I64, total: int) -> I64:
    """Change ascending uses so that they sum up to a total: by rows that are used once, then by the most used ones."""
    missing = total - int(uses.sum())
    if missing > 0:
        return np.concatenate((np.ones(missing, np.int64), uses))
    once = int(np.searchsorted(uses, 1, side="right"))
    uses = uses[min(-missing, once) :].copy()
    too_many = int(uses.sum()) - total
    while too_many > 0:
        taken = min(too_many, int(uses[-1]))
        uses[-1] -= taken
        too_many -= taken
        uses = np.sort(uses[uses > 0])
    return uses
