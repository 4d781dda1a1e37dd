"""Independent, uniformly drawn rows: a trace without locality."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from archsim.kernels.draws import uniform_rows
from archsim.traces.generators.base import RANK_STREAM, EvenSpec, Samples


class UniformSpec(EvenSpec):
    """Every row of a table is as likely as any other."""

    generator: Literal["uniform"] = Field(description="uniform: independent lookups, all rows alike")


SPEC = UniformSpec


def generate(spec: UniformSpec, at_once: int) -> Iterator[Samples]:
    """Yield the samples of a workload; see `archsim.traces.generators`."""
    first, samples = 0, spec.samples_at_once(at_once)
    keys = np.array([spec.key(table, RANK_STREAM) for table in range(spec.tables)])
    while True:
        lengths = spec.bag_lengths(first, samples)
        rows = np.empty(int(lengths.sum()), np.int32)
        uniform_rows(lengths, first, spec.rows, keys, rows)
        yield Samples(rows, lengths)
        first += samples
