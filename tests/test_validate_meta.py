"""The comparison of the Meta presets with their published histograms, on shorter epochs."""

import numpy as np
import pytest

from archsim.traces import EmbeddingTrace, Table, load_workload
from archsim.validate import traces_meta
from archsim.validate.traces_meta import (
    assumptions,
    histograms,
    published_shares,
    rows,
    total_variation,
    uses_per_row,
)


@pytest.fixture
def shorter(monkeypatch):
    """Let the presets be generated with other parameters."""

    def change(*overrides):
        def load(name):
            spec = load_workload(name, ["epoch_samples=32768", "rows=400_000", *overrides])
            return spec.model_copy(update={"lookups": spec.lookups_per_epoch * spec.tables})

        monkeypatch.setattr(traces_meta, "load_workload", load)

    return change


def test_every_row_of_the_presets_holds(shorter):
    shorter()
    found = list(rows())
    assert len(found) == 8
    assert all(row.holds for row in found), [row for row in found if not row.holds]
    assert {row.tolerance for row in found if "variation" in row.quantity} == {0.05}
    assert assumptions()


def test_other_histograms_are_noticed(shorter):
    shorter(f"lookup_share={[0.2] * 5 + [0] * 12}", "pooling=14.5")
    held = {(row.figure[:9], row.quantity): row.holds for row in rows()}
    assert not held["meta-2021", "1 - total variation of lookups per reuse bin"]
    assert not held["meta-2021", "lookups per bag"]


def test_rows_are_counted_table_by_table_and_binned_as_published():
    tables = [Table("a", 9, 4), Table("b", 9, 4)]
    trace = EmbeddingTrace.from_columns(
        [0] * 6 + [1] * 3, [5, 5, 5, 2, 1, 1, 5, 5, 0], [0] * 6 + [1] * 3, tables=tables
    )
    uses = uses_per_row([trace, trace.limit(3)])
    assert sorted(uses.tolist()) == [1, 1, 2, 2, 6]
    row_share, lookup_share = histograms(uses)
    assert row_share[:5].tolist() == [0.4, 0.4, 0, 0.2, 0]
    assert lookup_share[:5].tolist() == [2 / 12, 4 / 12, 0, 6 / 12, 0]
    edges = histograms(np.array([1, 2, 3, 4, 5, 8, 32768, 32769, 10**7]))[0] * 9
    assert np.rint(edges).astype(int).tolist() == [1, 1, 2, 2, *[0] * 11, 1, 2]


def test_the_total_variation_of_histograms_is_half_their_distance():
    assert total_variation(np.array([1.0, 0.0]), np.array([0.0, 2.0])) == 1
    assert total_variation(np.array([0.5, 0.5]), np.array([0.6, 0.4])) == pytest.approx(0.1)


def test_the_published_shares_sum_up_to_1_but_for_their_rounding():
    for year in (2021, 2022):
        for share in published_shares(year):
            assert len(share) == 17
            assert share.sum() == pytest.approx(1, abs=0.0025)
