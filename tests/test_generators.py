"""The uniform, sequential, multi-hot and reuse generators: equal to their slow twins, and distributed as they say."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_twins import multihot_bags, reuse_bags, sequential_bags, uniform_bags

from archsim.errors import InputError
from archsim.traces import load_workload
from archsim.traces.generators.reuse import Cells, bin_means, table_uses
from archsim.traces.generators.stream import generate, windows
from archsim.validate.traces_meta import histograms, published_shares, total_variation, uses_per_row

STATISTICS = Path(__file__).parents[1].parent / "shared" / "data" / "meta-reuse-stats"


def bags_of(trace):
    """All bags as (table, sample, rows)."""
    return [
        (table, sample, rows.tolist())
        for table, sample, rows in zip(
            trace.bag_tables.tolist(),
            trace.sample.tolist(),
            np.split(trace.rows, trace.bag_offsets[1:-1]),
            strict=True,
        )
    ]


even = st.tuples(
    st.integers(1, 4),
    st.integers(1, 300),
    st.integers(1, 9),
    st.integers(0, 8),
    st.integers(1, 400),
    st.integers(0, 9),
).map(
    lambda v: [
        *(f"{key}={value}" for key, value in zip(("tables", "rows", "pooling"), v, strict=False)),
        f"pooling_spread={min(v[3], v[2] - 1)}",
        f"lookups={v[4]}",
        f"seed={v[5]}",
    ]
)


@settings(deadline=None, max_examples=40)
@given(even)
def test_uniform_rows_equal_their_twin(overrides):
    spec = load_workload("uniform", overrides)
    assert bags_of(generate(spec)) == uniform_bags(spec)


@settings(deadline=None, max_examples=40)
@given(even, st.integers(1, 2**31 - 1))
def test_sequential_rows_equal_their_twin(overrides, stride):
    spec = load_workload("sequential", [*overrides, f"stride={stride}"])
    assert bags_of(generate(spec)) == sequential_bags(spec)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(1, 9)), min_size=1, max_size=5),
    st.floats(0, 4),
    st.integers(1, 300),
    st.integers(0, 9),
)
def test_multihot_bags_equal_their_twin(shapes, skew, lookups, seed):
    rows, pooling = map(list, zip(*shapes, strict=True))
    spec = load_workload(
        "mlperf-dlrm-v2",
        [f"rows={rows}", f"pooling={pooling}", f"skew={skew:.4f}", f"lookups={lookups}", f"seed={seed}"],
    )
    assert bags_of(generate(spec)) == multihot_bags(spec)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["meta-2021", "meta-2022"]),
    st.integers(1, 3),
    st.integers(1, 40),
    st.floats(1, 9),
    st.sampled_from(["true", "false"]),
    st.integers(1, 900),
)
def test_dealt_out_uses_equal_their_twin(preset, tables, samples, pooling, same, lookups):
    spec = load_workload(
        preset,
        [
            f"tables={tables}",
            f"epoch_samples={samples}",
            f"pooling={pooling:.3f}",
            f"same_rows={same}",
            f"lookups={lookups}",
            "rows=500",
        ],
    )
    assert bags_of(generate(spec)) == reuse_bags(spec, lambda table: table_uses(spec, table)[::-1].tolist())


def test_uniform_rows_are_uniform():
    trace = generate(load_workload("uniform", ["tables=1", "rows=100", "lookups=1e6"]))
    counts = np.bincount(trace.rows, minlength=100)
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 148.2, "chi-square, 99 degrees of freedom, p = 0.001"


def test_sequential_tables_visit_every_row_once_a_round():
    trace = generate(
        load_workload("sequential", ["rows=1000", "pooling=7", "pooling_spread=3", "lookups=16_000"])
    )
    for table in range(8):
        mine = trace.rows[trace.table == table]
        assert mine.tolist() == [k % 1000 for k in range(len(mine))]


def test_a_multihot_bag_is_a_function_of_its_first_row():
    trace = generate(load_workload("mlperf-dlrm-v2", ["rows=[50, 60]", "pooling=[4, 2]", "lookups=6000"]))
    bags = {}
    for table, _, rows in bags_of(trace):
        assert bags.setdefault((table, rows[0]), rows) == rows
    first = trace.rows[trace.bag_offsets[:-1]][trace.bag_tables == 0]
    others = np.array([rows[1:] for table, _, rows in bags_of(trace) if table == 0]).ravel()
    assert len(np.unique(first)) <= 50
    assert len(np.unique(others)) > 40, "the others are drawn from all rows"


def test_the_benchmark_shape_is_that_of_mlperf():
    spec = load_workload("mlperf-dlrm-v2")
    assert (len(spec.rows), sum(spec.rows), sum(spec.pooling)) == (26, 204_184_588, 214)
    assert {table.vector_bytes for table in spec.layout()} == {512}


META = ["meta-2021", "meta-2022"]


@pytest.mark.parametrize("preset", META)
@pytest.mark.parametrize("tables", [1, 2, 8, 50])
def test_the_counts_of_an_epoch_have_the_published_histograms(preset, tables):
    spec = load_workload(preset, [f"tables={tables}"])
    uses = np.concatenate([table_uses(spec, table) for table in range(tables)])
    assert uses.min() >= 1
    assert uses.sum() == tables * spec.lookups_per_epoch
    for found, published in zip(histograms(uses), published_shares(int(preset[-4:])), strict=True):
        assert total_variation(found, published) < 0.05


@pytest.mark.parametrize("preset", META)
def test_every_whole_epoch_and_all_together_have_the_published_histograms(preset):
    spec = load_workload(preset, ["epoch_samples=8192", "rows=100_000"])
    per_epoch = spec.lookups_per_epoch * spec.tables
    trace = generate(spec.model_copy(update={"lookups": 3 * per_epoch}))
    bags = 8192 * spec.tables
    parts = [trace.window(first, first + bags) for first in (0, bags, 2 * bags)]
    for part in (*parts, trace):
        for found, published in zip(
            histograms(uses_per_row([part])), published_shares(int(preset[-4:])), strict=True
        ):
            assert total_variation(found, published) < 0.05


def test_a_row_is_used_as_often_as_its_table_plans():
    spec = load_workload("meta-2021", ["epoch_samples=512", "rows=3000", "tables=3", "lookups=25_000"])
    trace = generate(spec)
    epoch = trace.window(0, 512 * 3)
    for table in range(3):
        counts = np.bincount(epoch.rows[epoch.table == table])
        assert sorted(counts[counts > 0]) == table_uses(spec, table).tolist()


@pytest.mark.parametrize("same", ["true", "false"])
def test_epochs_use_the_same_rows_or_the_next_ones(same):
    spec = load_workload("meta-2021", ["epoch_samples=512", "rows=9000", f"same_rows={same}", "tables=1"])
    trace = generate(spec.model_copy(update={"lookups": 2 * spec.lookups_per_epoch}))
    first, second = (set(trace.window(k * 512, (k + 1) * 512).rows.tolist()) for k in range(2))
    assert first == second if same == "true" else not first & second
    order = [trace.window(k * 512, (k + 1) * 512).rows.tolist() for k in range(2)]
    assert order[0] != order[1]


def test_the_mean_pooling_is_that_of_the_published_traces():
    for preset, pooling in (("meta-2021", 15.8), ("meta-2022", 13.6)):
        lengths = np.diff(generate(load_workload(preset, ["lookups=800_000"])).bag_offsets)[:-1]
        assert lengths.mean() == pytest.approx(pooling, abs=0.01)
        assert set(lengths) == {int(pooling), int(pooling) + 1}


@pytest.mark.parametrize("preset", META)
def test_rows_and_mean_uses_of_a_bin_agree_with_both_histograms(preset):
    spec = load_workload(preset)
    found = np.array([rows * mean for rows, mean in bin_means(spec)]) / spec.lookups_per_epoch
    assert found == pytest.approx(np.array(spec.lookup_share) / sum(spec.lookup_share), abs=1e-12)
    edges = [0, *(1 << k for k in range(16)), 1 << 16]
    for k, (_, mean) in enumerate(bin_means(spec)):
        assert edges[k] < mean <= edges[k + 1]


def test_cells_describe_a_table_by_a_few_hundred_numbers():
    cells = Cells.of(load_workload("meta-2021"))
    assert np.diff(cells.start).max() < 500
    assert cells.rows.max() < 4_000_000


@pytest.mark.skipif(not STATISTICS.exists(), reason="needs ../shared/data/meta-reuse-stats")
def test_the_presets_hold_the_published_numbers():
    for year, name in ((2021, "fbgemm_t856_bs65536.pt"), (2022, "fbgemm_t788_bs131072_0.pt")):
        spec = load_workload(f"meta-{year}")
        text = (STATISTICS / f"locality_stats_{year}.txt").read_text(encoding="utf-8")
        part = next(p for p in text.split("\n\n") if p.startswith(f"{name}\n")).splitlines()
        shares = [float(line.split(": ")[1]) for line in part if line.startswith("(")]
        assert shares == [*spec.row_share, *spec.lookup_share]
        assert shares == [float(x) for part in published_shares(year) for x in part]
        lookups, rows = (int(line.split(": ")[1]) for line in part[2:4])
        assert spec.uses_per_row == pytest.approx(lookups / rows, abs=5e-4)
        tables, batch = (int(word.strip("tbs.p")) for word in name.removeprefix("fbgemm_").split("_")[:2])
        assert spec.epoch_samples == batch
        assert spec.pooling == pytest.approx(lookups / tables / batch, abs=0.05)


def test_a_trace_shorter_than_its_epoch_says_so():
    short, whole = (next(windows(load_workload("meta-2021", [f"lookups={n}"]))) for n in (1000, 8_283_744))
    assert short.notes[1].startswith("shorter than one epoch of 8283744 lookups: rows are reused less")
    assert len(whole.notes) == 1


@pytest.mark.parametrize(
    ("preset", "override", "message"),
    [
        ("meta-2021", "row_share=[1]", "--set: row_share: must have 17 values, not 1"),
        ("meta-2021", f"lookup_share={[0.0] * 17}", "--set: lookup_share: must sum up to 1, not to 0"),
        ("meta-2021", "epoch_samples=2147483648", "--set: epoch_samples = 2147483648: must give fewer than"),
        ("meta-2021", "rows=1000", "rows = 1000: must be at least 1"),
        ("meta-2021", "pooling=0.5", "--set: pooling = 0.5: must be at least 1"),
        (
            "mlperf-dlrm-v2",
            "pooling=[1]",
            "--set: pooling = [1]: must have one value for each of the 26 tables",
        ),
        ("mlperf-dlrm-v2", "rows=[0]", "--set: rows[0] = 0: must be at least 1"),
        ("mlperf-dlrm-v2", "rows=[]", "--set: rows: must have a length of at least 1"),
        ("sequential", "stride=0", "--set: stride = 0: must be at least 1"),
        ("uniform", "pooling=40000", "--set: pooling = 40000: must be at most 32768"),
        (
            "uniform",
            "vector_bytes=3",
            "--set: vector_bytes = 3: must be a multiple of the 4 bytes of a float32 element",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(preset, override, message):
    with pytest.raises(InputError) as error:
        generate(load_workload(preset, [override]))
    assert str(error.value).startswith(message)


def test_a_sample_too_large_to_make_at_once_is_refused():
    with pytest.raises(
        InputError, match="tables: a sample has 2147483648 lookups; at most 67108864 are possible"
    ):
        load_workload("uniform", ["tables=65536", "pooling=32768"])
