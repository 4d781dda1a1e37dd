"""Synthetic embedding traces with Zipf-distributed popularity, the same on every machine.

The content of a lookup depends on the seed, its table, its sample and its position in the bag alone, so a
longer sample-major trace begins with the shorter one. Only integer arithmetic and the correctly rounded ``+ *
/ sqrt`` decide which row is drawn.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from archsim.spec import FieldError, Spec, quantity
from archsim.traces import counter
from archsim.traces.columns import ELEMENT_BYTES, Table
from archsim.traces.ordering import bag_chunks
from archsim.traces.trace import EmbeddingTrace

SKEW_STEPS = 1024
POOLING_STREAM, RANK_STREAM, ROW_STREAM = range(3)
POSITION_BITS = 16
BLOCK = 1 << 15
"""Entries worked on together, small enough for the caches."""

POPULARITY_BYTES = 1 << 28
"""Memory for tables of cumulative popularity, unless a single one is larger."""


class ZipfSpec(Spec):
    """A synthetic embedding workload; the preset ``zipf`` holds the defaults and their sources."""

    preset_kind: ClassVar[str] = "workload"

    tables: int = quantity("", "embedding tables", ge=1, le=65536)
    rows: int = quantity("", "rows per table", ge=1, le=2**28)
    skew: tuple[Annotated[float, Field(ge=0, le=4)], ...] = Field(
        description="Zipf exponent: [all tables], [first, last] with the others between, or one per table; "
        "the popularity of rank k is k**-skew, 0 is uniform; rounded to 1/1024",
    )
    pooling: int = quantity("", "lookups per bag, on average", ge=1, le=32768)
    pooling_spread: int = quantity(
        "", "bags hold pooling - spread to pooling + spread lookups, uniformly", ge=0
    )
    lookups: int = quantity("", "lookups in all, exactly; the last bag may be cut short", ge=1, le=10**12)
    vector_bytes: int = quantity("B", "bytes per vector", ge=1)
    dtype: Literal["float32", "float16", "bfloat16", "int8"] = Field(description="element type")
    drift: int = quantity(
        "",
        "popularity ranks every row climbs in 1,000 samples; from the top it falls to the end",
        ge=0,
        le=10**6,
    )
    order: Literal["sample-major", "table-major"] = Field(description="how the bags are sorted")
    seed: int = quantity("", "which of the traces of this description", ge=0, le=2**63 - 1)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(self.skew) not in {1, min(2, self.tables), self.tables}:
            raise FieldError(f"skew = {list(self.skew)}", f"must have 1, 2 or tables = {self.tables} values")
        if self.pooling_spread >= self.pooling:
            raise FieldError(
                f"pooling_spread = {self.pooling_spread}", f"must be less than pooling = {self.pooling}"
            )
        if self.vector_bytes % ELEMENT_BYTES[self.dtype]:
            size = ELEMENT_BYTES[self.dtype]
            raise FieldError(
                f"vector_bytes = {self.vector_bytes}",
                f"must be a multiple of the {size} bytes of {self.dtype}",
            )
        return self

    def skew_steps(self) -> list[int]:
        """Return the exponent of every table in steps of 1/1024."""
        values = list(self.skew)
        if len(values) == 1:
            values *= self.tables
        elif len(values) == 2:
            first, last = values
            values = [first + (last - first) * t / (self.tables - 1) for t in range(self.tables)]
        return [round(value * SKEW_STEPS) for value in values]


def generate_zipf(spec: ZipfSpec, name: str = "zipf") -> EmbeddingTrace:
    """Generate the trace a specification describes.

    Every bag draws its lookups independently, so a row may occur twice in a bag.

    Parameters
    ----------
    spec : ZipfSpec
        What to generate.
    name : str
        Name of the trace.

    Returns
    -------
    EmbeddingTrace
        Exactly ``spec.lookups`` lookups in memory, with a ``sample`` column.
    """
    offsets = _bag_offsets(spec)
    bags = np.arange(len(offsets) - 1)
    rows = np.empty(spec.lookups, np.int32)
    steps = spec.skew_steps()
    exponents = sorted(set(steps))
    together = max(1, POPULARITY_BYTES // (8 * spec.rows))
    for start in range(0, len(exponents), together):
        batch = exponents[start : start + together]
        sums = dict(zip(batch, cumulative_popularity(spec.rows, batch), strict=True))
        for table, step in enumerate(steps):
            if step in sums:
                _fill_table(spec, table, sums[step], offsets, rows)
    values = ", ".join(f"{key} = {value}" for key, value in spec.to_dict().items())
    trace = EmbeddingTrace(
        name=name,
        tables=tuple(
            Table(f"table_{t}", spec.rows, spec.vector_bytes, spec.dtype) for t in range(spec.tables)
        ),
        rows=rows,
        bag_offsets=offsets,
        bag_tables=(bags % spec.tables).astype(np.int32),
        order="sample-major",
        sample=bags // spec.tables,
        generator="zipf",
        seed=spec.seed,
        notes=(f"generated with {values}",),
    )
    return trace.reorder(spec.order)


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


def _bag_offsets(spec: ZipfSpec) -> NDArray[np.int64]:
    """Return the first lookup of every bag, then the total; bag ``b`` goes to table ``b % tables``."""
    keys = np.array([counter.stream_key(spec.seed, t, POOLING_STREAM) for t in range(spec.tables)])
    parts, total, first = [np.zeros(1, np.int64)], 0, 0
    while total < spec.lookups:
        bags = np.arange(first, first + (spec.lookups - total) // spec.pooling + 1)
        bits = counter.draw(keys[bags % spec.tables], (bags // spec.tables).astype(np.uint64))
        lengths = spec.pooling - spec.pooling_spread + counter.below(bits, 2 * spec.pooling_spread + 1)
        parts.append(total + np.cumsum(lengths))
        total, first = int(parts[-1][-1]), first + len(bags)
    offsets = np.concatenate(parts)
    bags_needed = int(np.searchsorted(offsets, spec.lookups, side="left"))
    return np.minimum(offsets[: bags_needed + 1], spec.lookups)


def _fill_table(
    spec: ZipfSpec,
    table: int,
    cumulative: NDArray[np.float64],
    offsets: NDArray[np.int64],
    rows: NDArray[np.int32],
) -> None:
    """Draw all lookups of one table, a block of its bags at a time."""
    rank_key, row_key = (counter.stream_key(spec.seed, table, stream) for stream in (RANK_STREAM, ROW_STREAM))
    starts = offsets[table : -1 : spec.tables]
    bag_lengths = offsets[table + 1 :: spec.tables] - starts
    inside = np.concatenate((np.zeros(1, np.int64), np.cumsum(bag_lengths)))
    for first, last in bag_chunks(inside, BLOCK):
        lengths = bag_lengths[first:last]
        sample = np.repeat(np.arange(first, last), lengths)
        position = np.arange(inside[first], inside[last]) - np.repeat(inside[first:last], lengths)
        bits = counter.draw(rank_key, ((sample << POSITION_BITS) | position).astype(np.uint64))
        rank = np.searchsorted(cumulative, counter.unit(bits) * cumulative[-1], side="right")
        # The product may round up to the last sum, one past the last rank.
        rank = np.minimum(rank, spec.rows - 1)
        climbing = (rank + sample * spec.drift // 1000) % spec.rows
        rows[np.repeat(starts[first:last], lengths) + position] = counter.permute(
            climbing, spec.rows, row_key
        )
