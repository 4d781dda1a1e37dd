"""Bags that their first row decides, as in the multi-hot data set of MLPerf DLRM v2.

The reference (facebookresearch/dlrm, torchrec_dlrm/multi_hot.py) turns the one-hot Criteo data into bags by one fixed
table per feature: the bag of row ``r`` is ``r`` itself and rows drawn once, uniformly, for that ``r``. The same is
done here, with words in place of the tables and Zipf-distributed first rows in place of Criteo's, which are not
shipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from archsim.kernels.draws import multihot_rows
from archsim.spec import FieldError, quantity
from archsim.traces import counter
from archsim.traces.generators.base import (
    MOST_POOLING,
    RANK_STREAM,
    ROW_STREAM,
    Samples,
    WorkloadSpec,
    check_sample,
)
from archsim.traces.generators.zipf import SKEW_STEPS, cumulative_popularity, popularity_guide

BAG_STREAM = 4


class MultihotSpec(WorkloadSpec):
    """Tables of their own sizes and poolings; the preset ``mlperf-dlrm-v2`` holds those of the benchmark."""

    generator: Literal["multihot"] = Field(
        description="multihot: the first row of a bag by popularity, the others a fixed, uniform choice for it"
    )
    rows: tuple[Annotated[int, Field(ge=1, le=2**28)], ...] = Field(
        description="rows of every table", min_length=1
    )
    pooling: tuple[Annotated[int, Field(ge=1, le=MOST_POOLING)], ...] = Field(
        description="lookups per bag of every table"
    )
    skew: float = quantity(
        "",
        "Zipf exponent of the first rows: the popularity of rank k is k**-skew, 0 is uniform; rounded to 1/1024",
        ge=0,
        le=4,
    )

    @model_validator(mode="after")
    def _one_pooling_per_table(self) -> Self:
        if len(self.pooling) != len(self.rows):
            raise FieldError(
                f"pooling = {list(self.pooling)}",
                f"must have one value for each of the {len(self.rows)} tables",
            )
        check_sample(sum(self.pooling))
        return self

    def table_rows(self) -> tuple[int, ...]:
        """Return the number of rows of every table."""
        return self.rows


SPEC = MultihotSpec


def generate(spec: MultihotSpec, at_once: int) -> Iterator[Samples]:
    """Yield the samples of a workload; see `archsim.traces.generators`."""
    tables, per_sample = range(len(spec.rows)), sum(spec.pooling)
    pooling, sizes = np.array(spec.pooling), np.array(spec.rows)
    rank_keys, bag_keys = (
        np.array([spec.key(table, stream) for table in tables]) for stream in (RANK_STREAM, BAG_STREAM)
    )
    row_keys = counter.round_keys(spec.key(table, ROW_STREAM) for table in tables)
    # Tables of all sizes share one curve: fewer rows take its beginning.
    sums = cumulative_popularity(max(spec.rows), [round(spec.skew * SKEW_STEPS)])[0]
    guides = {size: popularity_guide(sums[:size]) for size in sorted(set(spec.rows))}
    starts = dict(zip(guides, np.cumsum([0, *map(len, guides.values())]).tolist(), strict=False))
    guide_start = np.array([starts[size] for size in spec.rows])
    guide_shift = np.array([54 - (len(guides[size]) - 1).bit_length() for size in spec.rows], np.int32)
    together = np.concatenate(list(guides.values()))
    del guides
    first, samples = 0, max(1, at_once // per_sample)
    while True:
        rows = np.empty(samples * per_sample, np.int32)
        multihot_rows(
            samples, first, pooling, sizes, sums, together, guide_start, guide_shift, rank_keys, row_keys,
            bag_keys, rows,
        )  # fmt: skip
        yield Samples(rows, np.tile(pooling, samples))
        first += samples
