"""Rows by stack distance: every table as an LRU stack whose reuse follows a given curve.

The curve of a table says which share of its lookups finds its row among the ``d`` rows of the table that were touched
last, which is the hit ratio of a fully associative LRU cache of ``d`` rows. The other lookups are of new rows. The
stack lives as long as the trace: reuse reaches over bags and samples. Lookup ``n`` of a table depends on the seed, the
table and the lookups before it in that table alone. Only integers decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from archsim.kernels.stack_distance import StackDistance
from archsim.spec import FieldError, quantity
from archsim.traces import counter
from archsim.traces.columns import Table
from archsim.traces.generators.base import RANK_STREAM, ROW_STREAM, ROWS_LIMIT, EvenSpec, Samples

DRAWS = 1 << 32
"""Shares are counted in this many draws."""

Share = Annotated[float, Field(ge=0, le=1)]


class StackDistanceSpec(EvenSpec):
    """Tables whose reuse follows curves of stack distance; the preset ``recnmp-comb8`` holds an example."""

    generator: Literal["stackdist"] = Field(description="stackdist: reuse by stack distance, over all bags")
    about: str = Field("", description="what the user of the trace should know; becomes a note of it")
    names: tuple[str, ...] = Field(
        description="names of the tables that have curves; tables beyond them are copies that draw independently"
    )
    first_table: int = quantity(
        "",
        "number of the first table, 0 being the first of names; decides its curve and its draws",
        ge=0,
        le=65535,
    )
    depths: tuple[Annotated[int, Field(ge=0, le=ROWS_LIMIT)], ...] = Field(
        description="stack distances at which hit_share is given: rows of the table touched since the last touch of "
        "a row, and the row itself; no distance is as short as the first of them"
    )
    hit_share: tuple[tuple[Share, ...], ...] = Field(
        description="per table of names: share of lookups with a stack distance of at most depths; linear between, "
        "0 at the first; what the last leaves are new rows"
    )
    cold_share: Share = Field(
        description="of the distances drawn that reach below all rows touched so far, the share that becomes a new "
        "row; the others are drawn again among those that do not"
    )

    @model_validator(mode="after")
    def _curves_rise(self) -> Self:
        if not self.names or len(self.hit_share) != len(self.names):
            raise FieldError(
                f"hit_share has {len(self.hit_share)} curves", f"must have one per name, of which there are "
                f"{len(self.names)}"
            )  # fmt: skip
        if len(self.depths) < 2 or any(b <= a for a, b in pairwise(self.depths)):
            raise FieldError(f"depths = {list(self.depths)}", "must be 2 or more numbers that rise")
        if self.depths[0] >= self.rows:
            raise FieldError(f"depths[0] = {self.depths[0]}", f"must be less than rows = {self.rows}")
        for name, curve in zip(self.names, self.hit_share, strict=True):
            if len(curve) != len(self.depths):
                raise FieldError(
                    f"hit_share of {name} has {len(curve)} values",
                    f"must have one per depth, {len(self.depths)}",
                )
            if curve[0] != 0 or any(b < a for a, b in pairwise(curve)):
                raise FieldError(f"hit_share of {name} = {list(curve)}", "must begin with 0 and not fall")
        return self

    def curve(self, table: int) -> tuple[float, ...]:
        """Return the curve of a table of the trace."""
        return self.hit_share[(self.first_table + table) % len(self.names)]

    def key(self, table: int, stream: int, *words: int) -> np.uint64:
        """Return the key of one of the streams of random numbers of a table of the trace."""
        return super().key(self.first_table + table, stream, *words)

    def layout(self) -> tuple[Table, ...]:
        """Return the tables of the trace; copies have their number behind the name."""
        tables = []
        for number in range(self.first_table, self.first_table + self.tables):
            copy, place = divmod(number, len(self.names))
            name = f"{self.names[place]}.{copy + 1}" if copy else self.names[place]
            tables.append(Table(name, self.rows, self.vector_bytes, self.dtype))
        return tuple(tables)

    def remarks(self) -> tuple[str, ...]:
        """Return what the user of this very trace should know."""
        return (self.about,) if self.about else ()

    def summary(self) -> dict[str, object]:
        """Return the parameters that fit a line; the curves are in the preset."""
        return {
            key: value
            for key, value in super().summary().items()
            if key not in ("about", "depths", "hit_share")
        }


SPEC = StackDistanceSpec


def generate(spec: StackDistanceSpec, at_once: int) -> Iterator[Samples]:
    """Yield the samples of a workload; see `archsim.traces.generators`.

    The rows of a table are first touched in an order that is a random permutation of them, so that they spread over
    the sets of a cache like random numbers.
    """
    row_keys = counter.round_keys([spec.key(table, ROW_STREAM) for table in range(spec.tables)])
    stacks = [
        StackDistance(
            spec.key(table, RANK_STREAM),
            row_keys[table],
            spec.rows,
            spec.depths,
            [round(share * DRAWS) for share in spec.curve(table)],
            round(spec.cold_share * DRAWS),
        )
        for table in range(spec.tables)
    ]
    first, samples = 0, spec.samples_at_once(at_once)
    while True:
        lengths = spec.bag_lengths(first, samples)
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
        rows = np.empty(int(offsets[-1]), np.int32)
        for table, stack in enumerate(stacks):
            stack.draw(offsets, table, spec.tables, rows)
        yield Samples(rows, lengths)
        first += samples
