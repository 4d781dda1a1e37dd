"""Rows one after the other: every table is walked from its first row to its last, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from archsim.spec import quantity
from archsim.traces.generators.base import ROWS_LIMIT, EvenSpec, Samples


class SequentialSpec(EvenSpec):
    """Lookup ``i`` of a table goes to row ``i * stride`` modulo the rows."""

    generator: Literal["sequential"] = Field(
        description="sequential: each table from its first row to its last"
    )
    stride: int = quantity("", "rows from one lookup of a table to its next", ge=1, le=ROWS_LIMIT)


SPEC = SequentialSpec


def generate(spec: SequentialSpec, at_once: int) -> Iterator[Samples]:
    """Yield the samples of a workload; see `archsim.traces.generators`."""
    first, samples = 0, spec.samples_at_once(at_once)
    done = np.zeros(spec.tables, np.int64)  # lookups of each table so far
    while True:
        lengths = spec.bag_lengths(first, samples)
        grid = lengths.reshape(samples, spec.tables)
        ends = done + np.cumsum(grid, axis=0)
        starts = (ends - grid).reshape(-1)
        done, first = ends[-1], first + samples
        offsets = np.cumsum(lengths) - lengths
        number = np.arange(int(lengths.sum())) + np.repeat(starts - offsets, lengths)
        yield Samples((number % spec.rows * (spec.stride % spec.rows) % spec.rows).astype(np.int32), lengths)
