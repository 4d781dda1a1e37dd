"""Zipf-distributed popularity with drift, and the popularity tables that other generators draw from.

The content of a lookup depends on the seed, its table, its sample and its position in the bag alone, so a
longer sample-major trace begins with the shorter one. Only integer arithmetic and the correctly rounded ``+ *
/ sqrt`` decide which row is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from archsim.kernels.draws import guide_into, zipf_rows
from archsim.spec import FieldError, quantity
from archsim.traces import counter
from archsim.traces.generators.base import RANK_STREAM, ROW_STREAM, EvenSpec, Samples

SKEW_STEPS = 1024
BLOCK = 1 << 15
"""Ranks worked on together, small enough for the caches."""

POPULARITY_BYTES = 1 << 30
"""Memory for tables of cumulative popularity that are kept, unless a single one is larger."""

Skew = tuple[Annotated[float, Field(ge=0, le=4)], ...]


class ZipfSpec(EvenSpec):
    """Independent lookups of a bounded Zipf distribution; the preset ``zipf`` holds defaults and sources."""

    generator: Literal["zipf"] = Field(description="zipf: independent lookups, popularity by rank")
    # The popularity of every rank is held in memory.
    rows: int = quantity("", "rows per table", ge=1, le=2**28)
    skew: Skew = Field(
        description="Zipf exponent: [all tables], [first, last] with the others between, or one per table; "
        "the popularity of rank k is k**-skew, 0 is uniform; rounded to 1/1024",
    )
    drift: int = quantity(
        "",
        "popularity ranks every row climbs in 1,000 samples; from the top it falls to the end",
        ge=0,
        le=10**6,
    )

    @model_validator(mode="after")
    def _one_exponent_per_table(self) -> Self:
        check_skew(self.skew, self.tables)
        return self

    def skew_steps(self) -> list[int]:
        """Return the exponent of every table in steps of 1/1024."""
        return skew_steps(self.skew, self.tables)


SPEC = ZipfSpec


def check_skew(skew: tuple[float, ...], tables: int) -> None:
    """Refuse a number of exponents that does not suit the number of tables."""
    if len(skew) not in {1, min(2, tables), tables}:
        raise FieldError(f"skew = {list(skew)}", f"must have 1, 2 or tables = {tables} values")


def skew_steps(skew: tuple[float, ...], tables: int) -> list[int]:
    """Return the exponent of every table in steps of 1/1024."""
    values = list(skew)
    if len(values) == 1:
        values *= tables
    elif len(values) == 2:
        first, last = values
        values = [first + (last - first) * t / (tables - 1) for t in range(tables)]
    return [round(value * SKEW_STEPS) for value in values]


def generate(spec: ZipfSpec, at_once: int) -> Iterator[Samples]:
    """Yield the samples of a workload; see `archsim.traces.generators`.

    Every bag draws its lookups independently, so a row may occur twice in a bag.
    """
    steps, first, samples = spec.skew_steps(), 0, spec.samples_at_once(at_once)
    rank_keys = np.array([spec.key(table, RANK_STREAM) for table in range(spec.tables)])
    row_keys = counter.round_keys([spec.key(table, ROW_STREAM) for table in range(spec.tables)])
    batches = popularity_batches(spec.rows, steps)
    kept = [Popularity.of(spec.rows, batch) for batch in batches] if len(batches) == 1 else None
    while True:
        lengths = spec.bag_lengths(first, samples)
        rows = np.empty(int(lengths.sum()), np.int32)
        for number, batch in enumerate(batches):
            popularity = Popularity.of(spec.rows, batch) if kept is None else kept[number]
            curve = np.array([batch.index(step) if step in batch else -1 for step in steps], np.int32)
            zipf_rows(
                lengths, first, spec.rows, spec.drift, curve, popularity.sums, popularity.guide, rank_keys,
                row_keys, rows,
            )  # fmt: skip
        yield Samples(rows, lengths)
        first += samples


def popularity_batches(rows: int, steps: list[int]) -> list[list[int]]:
    """Cut the different exponents into batches whose tables fit the memory together."""
    exponents = sorted(set(steps))
    together = max(1, POPULARITY_BYTES // (8 * rows))
    return [exponents[start : start + together] for start in range(0, len(exponents), together)]


@dataclass(frozen=True)
class Popularity:
    """Cumulative popularity of the ranks for several exponents, and where to begin searching in it.

    Attributes
    ----------
    sums : ndarray of float64, shape (exponents, rows)
        Running sums, see `cumulative_popularity`.
    guide : ndarray of int32, shape (exponents, 2**k + 1)
        See `popularity_guide`.
    """

    sums: NDArray[np.float64]
    guide: NDArray[np.int32]

    @classmethod
    def of(cls, rows: int, exponents: list[int]) -> Popularity:
        """Return the tables of these exponents, in steps of 1/1024."""
        sums = cumulative_popularity(rows, exponents)
        return cls(sums, np.stack([popularity_guide(line) for line in sums]))


def popularity_guide(sums: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the first rank whose sum is above each multiple of 2**-k of the last sum, shape (2**k + 1,)."""
    # The share of a cell is exact, and products round in the order of their factors: no draw leaves its cell.
    guide = np.empty((1 << max(0, len(sums).bit_length() - 2)) + 1, np.int32)
    guide_into(sums, guide)
    return guide


def cumulative_popularity(rows: int, exponents: list[int]) -> NDArray[np.float64]:
    """Return the running sums of ``k ** -(exponent / 1024)`` over the ranks k = 1 to ``rows``.

    Products and repeated square roots make the powers, because these round alike on every machine.

    Parameters
    ----------
    rows : int
        Number of ranks.
    exponents : list of int
        Exponents in steps of 1/1024.

    Returns
    -------
    ndarray of float64, shape (len(exponents), rows)
        One row of sums per exponent.
    """
    sums = np.empty((len(exponents), rows))
    for start in range(0, rows, BLOCK):
        root = np.arange(start + 1, min(start + BLOCK, rows) + 1, dtype=np.float64)
        powers = np.ones((len(exponents), len(root)))
        for power, exponent in zip(powers, exponents, strict=True):
            for _ in range(exponent // SKEW_STEPS):
                power *= root
        bit = SKEW_STEPS
        while bit > 1:
            root, bit = np.sqrt(root), bit // 2
            for power, exponent in zip(powers, exponents, strict=True):
                if exponent & bit:
                    power *= root
        sums[:, start : start + BLOCK] = 1.0 / powers
    return np.cumsum(sums, axis=1, out=sums)
