"""What every synthetic workload has: length, tables, order, arrivals and seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from archsim.spec import FieldError, Spec, quantity
from archsim.traces import counter
from archsim.traces.columns import Table, vector_bytes_rule
from archsim.traces.generators.arrivals import Arrival

POOLING_STREAM, RANK_STREAM, ROW_STREAM, EPOCH_STREAM = range(4)
"""Streams of random numbers of one table: ``stream_key(seed, table, STREAM)``."""

POSITION_BITS = 16
"""A lookup's place in the streams of its table is ``sample << POSITION_BITS | position in the bag``."""

MOST_POOLING = 1 << (POSITION_BITS - 1)

ROWS_LIMIT = 2**31 - 1

MOST_PER_SAMPLE = 1 << 26
"""Most lookups of one sample; a window holds at least one."""


class Samples(NamedTuple):
    """Consecutive samples of a trace; inside a sample, one bag per table in the order of the tables.

    Attributes
    ----------
    rows : ndarray of int32 or int64, shape (lookups,)
        Row of every lookup.
    lengths : ndarray of int64, shape (samples * tables,)
        Lookups of every bag, which sum up to ``len(rows)``.
    """

    rows: NDArray[np.signedinteger]
    lengths: NDArray[np.int64]


class WorkloadSpec(Spec):
    """Base of all synthetic workloads; a generator adds its own parameters."""

    preset_kind: ClassVar[str] = "workload"

    generator: str = Field(description="how the rows are drawn; decides which other parameters there are")
    lookups: int = quantity("", "lookups in all, exactly; the last bag may be cut short", ge=1, le=10**12)
    vector_bytes: int = quantity("B", "bytes per vector", ge=1)
    dtype: Literal["float32", "float16", "bfloat16", "int8", "uint8-rowwise"] = Field(
        description="element type"
    )
    order: Literal["sample-major", "table-major"] = Field(description="how the bags are sorted")
    arrival: Arrival = Field(Arrival(), description="when the samples arrive")
    seed: int = quantity("", "which of the traces of this description", ge=0, le=2**63 - 1)

    @model_validator(mode="before")
    @classmethod
    def _whole_numbers(cls, data: Any) -> Any:
        """Take 1e9 for the whole number that it is."""
        if not isinstance(data, Mapping):
            return data
        counts = {key for key, field in cls.model_fields.items() if field.annotation is int}
        return {
            key: int(value) if key in counts and isinstance(value, float) and value.is_integer() else value
            for key, value in data.items()
        }

    @model_validator(mode="after")
    def _whole_elements(self) -> Self:
        if rule := vector_bytes_rule(self.vector_bytes, self.dtype):
            raise FieldError(f"vector_bytes = {self.vector_bytes}", rule)
        return self

    def table_rows(self) -> tuple[int, ...]:
        """Return the number of rows of every table."""
        raise NotImplementedError

    def layout(self) -> tuple[Table, ...]:
        """Return the tables of the trace."""
        return tuple(
            Table(f"table_{number}", rows, self.vector_bytes, self.dtype)
            for number, rows in enumerate(self.table_rows())
        )

    def summary(self) -> dict[str, object]:
        """Return the parameters that belong in the notes of the trace, except those of the arrivals."""
        return {key: value for key, value in self.to_dict().items() if key != "arrival"}

    def remarks(self) -> tuple[str, ...]:
        """Return what the user of this very trace should know; it becomes notes of the trace."""
        return ()

    def key(self, table: int, stream: int, *words: int) -> np.uint64:
        """Return the key of one of the streams of random numbers of a table."""
        return counter.stream_key(self.seed, table, stream, *words)


def check_sample(lookups: int) -> None:
    """Refuse samples too large to be generated at once."""
    if lookups > MOST_PER_SAMPLE:
        raise FieldError("tables", f"a sample has {lookups} lookups; at most {MOST_PER_SAMPLE} are possible")


class EvenSpec(WorkloadSpec):
    """Base of the workloads whose tables are alike in rows and pooling."""

    tables: int = quantity("", "embedding tables", ge=1, le=65536)
    rows: int = quantity("", "rows per table", ge=1, le=ROWS_LIMIT)
    pooling: int = quantity("", "lookups per bag, on average", ge=1, le=MOST_POOLING)
    pooling_spread: int = quantity(
        "", "bags hold pooling - spread to pooling + spread lookups, uniformly", ge=0
    )

    @model_validator(mode="after")
    def _bags_of_a_useful_size(self) -> Self:
        check_sample(self.pooling * self.tables)
        if self.pooling_spread >= self.pooling:
            raise FieldError(
                f"pooling_spread = {self.pooling_spread}", f"must be less than pooling = {self.pooling}"
            )
        return self

    def table_rows(self) -> tuple[int, ...]:
        """Return the number of rows of every table."""
        return (self.rows,) * self.tables

    def samples_at_once(self, at_once: int) -> int:
        """Return how many whole samples hold about ``at_once`` lookups; at least one."""
        return max(1, at_once // (self.pooling * self.tables))

    def bag_lengths(self, first: int, samples: int) -> NDArray[np.int64]:
        """Return the lookups of the bags of ``samples`` samples from sample ``first`` on, sample by sample."""
        if not self.pooling_spread:
            return np.full(samples * self.tables, self.pooling, np.int64)
        keys = np.array([self.key(table, POOLING_STREAM) for table in range(self.tables)])
        place = np.arange(first, first + samples).astype(np.uint64)[:, None]
        extra = counter.below(counter.draw(keys[None, :], place), 2 * self.pooling_spread + 1)
        return (self.pooling - self.pooling_spread + extra).reshape(-1)
