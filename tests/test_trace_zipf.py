"""The Zipf generator: exact, the same on every machine, and distributed as it says.

`trace_twins.zipf_bags` draws the same trace with plain Python integers and floats, one lookup at a time.
"""

import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_twins import MASK, twin_draw, twin_key, twin_permute, twin_power, zipf_bags

from archsim.errors import InputError
from archsim.traces import load_workload, open_trace, read_native, write_native
from archsim.traces.counter import below, draw, permute, stream_key, unit
from archsim.traces.generators.stream import generate
from archsim.traces.generators.zipf import ZipfSpec, cumulative_popularity, popularity_guide

SMALL = (
    "rows=1000",
    "lookups=2000",
    "tables=3",
    "pooling=7",
    "pooling_spread=3",
    "drift=40_000",
    "skew=[0.3, 1.7]",
)


def zipf(*overrides):
    """Generate from the default preset with overrides."""
    return generate(ZipfSpec.load("zipf", overrides))


def test_the_words_are_those_of_splitmix64():
    words = draw(np.uint64(1234567), np.arange(1, 6, dtype=np.uint64))
    assert words.tolist() == [
        *(6457827717110365317, 3203168211198807973, 9817491932198370423),
        *(4593380528125082431, 16408922859458223821),
    ]


@settings(deadline=None)
@given(st.lists(st.integers(0, MASK), min_size=1, max_size=3), st.integers(0, MASK))
def test_words_agree_with_plain_integers(words, counter):
    key = stream_key(*words)
    assert int(key) == twin_key(*words)
    assert draw(key, np.array([counter], np.uint64)).tolist() == [twin_draw(int(key), counter)]


@settings(deadline=None)
@given(st.integers(0, MASK), st.integers(1, 2**31))
def test_words_map_into_ranges_without_rounding(word, bound):
    words = np.array([word], np.uint64)
    assert below(words, bound).tolist() == [(word >> 32) * bound >> 32]
    assert unit(words).tolist() == [(word >> 11) / 2**53]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 65, 1000, 4097])
def test_every_row_belongs_to_exactly_one_rank(size):
    images = permute(np.arange(size), size, stream_key(9))
    assert sorted(images.tolist()) == list(range(size))
    assert images[:50].tolist() == [twin_permute(i, size, twin_key(9)) for i in range(min(size, 50))]


def test_different_keys_give_different_bijections():
    images = {tuple(permute(np.arange(100), 100, stream_key(key)).tolist()) for key in range(20)}
    assert len(images) == 20


@pytest.mark.parametrize("alpha", [0.0, 1 / 1024, 0.5, 0.9, 1.0, 1.05, 2.0, 3.999, 4.0])
def test_popularity_is_the_power_of_the_rank(alpha):
    steps = round(alpha * 1024)
    sums = cumulative_popularity(70_000, [steps])[0]
    assert sums[:100].tolist() == list(accumulate(1.0 / twin_power(float(k), steps) for k in range(1, 101)))
    exact = math.fsum(math.exp(-steps / 1024 * math.log(k)) for k in range(1, 70_001))
    assert sums[-1] == pytest.approx(exact, rel=1e-11)


@settings(deadline=None)
@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=600))
def test_a_guide_names_the_first_rank_above_each_share(parts):
    sums = np.cumsum(parts)
    guide = popularity_guide(sums)
    cells = len(guide) - 1
    assert cells & (cells - 1) == 0
    shares = [cell / cells * float(sums[-1]) for cell in range(cells + 1)]
    assert guide.tolist() == np.searchsorted(sums, shares, side="right").tolist()


def test_exponents_made_together_equal_those_made_alone():
    together = cumulative_popularity(40_000, [0, 3, 922, 4096])
    for row, exponent in zip(together, [0, 3, 922, 4096], strict=True):
        assert row.tobytes() == cumulative_popularity(40_000, [exponent]).tobytes()


@pytest.mark.parametrize(
    "extra", [(), ("pooling_spread=0", "drift=0"), ("tables=1", "skew=[0]"), ("lookups=1",)]
)
def test_the_generator_equals_its_slow_twin(extra):
    spec = ZipfSpec.load("zipf", [*SMALL, *extra])
    trace = generate(spec)
    trace.validate()
    bags = zipf_bags(spec)
    assert trace.bag_tables.tolist() == [table for table, _, _ in bags]
    assert trace.sample.tolist() == [sample for _, sample, _ in bags]
    assert np.diff(trace.bag_offsets).tolist() == [len(rows) for _, _, rows in bags]
    assert trace.rows.tolist() == [row for _, _, rows in bags for row in rows]


def test_all_machines_make_the_same_trace():
    assert zipf(*SMALL).sha256 == "14ec610b34a30982a7a8d9068dcb7c1486a601d2246515f121736e259fbcb77f"
    assert zipf().sha256 == "679738ea38ebfe9bfc270e7dbdf51727d956dee17d035ec8467a5a1ed49ab49b"


def test_the_cutting_into_blocks_does_not_matter(monkeypatch):
    expected = zipf(*SMALL).sha256
    monkeypatch.setattr("archsim.traces.generators.zipf.BLOCK", 17)
    monkeypatch.setattr("archsim.traces.generators.zipf.POPULARITY_BYTES", 1)
    assert zipf(*SMALL).sha256 == expected


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000))
def test_a_longer_trace_begins_with_the_shorter_one(a, b):
    short, long = (zipf(*SMALL, "rows=50", f"lookups={n}") for n in sorted((a, b)))
    assert short.lookups == min(a, b)
    assert long.limit(short.lookups).sha256 == short.sha256


def test_pooling_spreads_evenly_around_its_mean():
    lengths = np.diff(
        zipf("rows=10", "skew=[0]", "pooling=5", "pooling_spread=2", "lookups=50_000").bag_offsets
    )[:-1]
    counts = np.bincount(lengths, minlength=8)
    assert counts[:3].tolist() == [0, 0, 0]
    assert len(counts) == 8
    expected = len(lengths) / 5
    assert ((counts[3:] - expected) ** 2 / expected).sum() < 18.5, (
        "chi-square, 4 degrees of freedom, p = 0.001"
    )


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0, 1.3])
def test_rows_are_drawn_with_their_exact_probabilities(alpha):
    rows, draws = 40, 200_000
    trace = zipf(f"rows={rows}", f"skew=[{alpha}]", "tables=1", f"lookups={draws}")
    steps = round(alpha * 1024)
    weights = [k ** -(steps / 1024) for k in range(1, rows + 1)]
    key = twin_key(1, 0, 2)
    expected = np.zeros(rows)
    for rank, weight in enumerate(weights):
        expected[twin_permute(rank, rows, key)] = draws * weight / sum(weights)
    counts = np.bincount(trace.rows, minlength=rows)
    assert ((counts - expected) ** 2 / expected).sum() < 72.1, "chi-square, 39 degrees of freedom, p = 0.001"


def test_drift_lets_rows_climb_and_the_top_fall_to_the_end():
    spec = ("rows=8", "skew=[4]", "tables=1", "pooling=50", "lookups=200_000", "drift=1000")
    trace = zipf(*spec)
    hottest = [int(np.bincount(trace.rows[trace.sample[trace.bag] == s]).argmax()) for s in range(17)]
    ranking = permute(np.arange(8), 8, stream_key(1, 0, 2)).tolist()
    assert hottest == [*ranking, *ranking, ranking[0]]


def test_the_default_workload_has_the_shape_of_rmc1_small():
    trace = open_trace("preset:zipf")
    assert (len(trace.tables), trace.tables[0].rows, trace.tables[0].vector_bytes) == (8, 1_000_000, 128)
    assert (trace.lookups, trace.bags) == (100_000, 1250)
    assert trace.order == "sample-major"
    assert trace.bag_tables[:9].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0]
    assert set(np.diff(trace.bag_offsets).tolist()) == {80}
    assert (trace.name, trace.generator, trace.seed) == ("zipf", "zipf", 1)


def test_seeds_and_tables_are_independent():
    a, b = zipf("lookups=10_000"), zipf("lookups=10_000", "seed=2")
    assert (a.rows == b.rows).mean() < 0.01
    assert (a.rows[a.table == 0][:1000] == a.rows[a.table == 1][:1000]).mean() < 0.01


def test_table_major_is_the_same_trace_sorted():
    assert zipf(*SMALL, "order=table-major").sha256 == zipf(*SMALL).reorder("table-major").sha256


def test_the_exponents_lie_between_first_and_last():
    assert ZipfSpec.load("zipf", ["tables=3", "skew=[0.5, 1]"]).skew_steps() == [512, 768, 1024]
    assert ZipfSpec.load("zipf", ["tables=2", "skew=[0.25]"]).skew_steps() == [256, 256]
    assert ZipfSpec.load("zipf", ["tables=3", "skew=[1, 0, 4]"]).skew_steps() == [1024, 0, 4096]


def test_a_generated_trace_survives_its_file(tmp_path):
    trace = open_trace("preset:zipf", overrides=SMALL, order="table-major", limit=999)
    assert trace.lookups == 999
    write_native(trace, tmp_path / "zipf")
    assert read_native(tmp_path / "zipf").sha256 == trace.sha256


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("skew=[1, 2, 3]", "skew = [1.0, 2.0, 3.0]: must have 1, 2 or tables = 8 values"),
        ("skew=[4.5]", "skew[0] = 4.5: must be at most 4"),
        ("skew=[-0.1]", "skew[0] = -0.1: must be at least 0"),
        ("pooling_spread=80", "pooling_spread = 80: must be less than pooling = 80"),
        ("vector_bytes=130", "vector_bytes = 130: must be a multiple of the 4 bytes of a float32 element"),
        ("rows=0", "rows = 0: must be at least 1"),
        ("lookups=0", "lookups = 0: must be at least 1"),
        ("row=3", "row: unknown key (did you mean 'rows'?)"),
    ],
)
def test_a_workload_that_makes_no_sense_is_refused(override, message):
    with pytest.raises(InputError) as error:
        load_workload("zipf", [override])
    assert str(error.value) == f"--set: {message}"


def test_an_unknown_workload_names_the_nearest():
    with pytest.raises(InputError, match=r"unknown workload preset \(did you mean 'zipf'\?\)"):
        open_trace("preset:zif")


@pytest.mark.parametrize("option", [{"rows": 10}, {"vector_bytes": 64}, {"format": "npz"}])
def test_options_of_files_are_refused_for_presets(option):
    with pytest.raises(
        InputError, match=r"^preset:zipf: .* is for files; set the preset's own parameter instead$"
    ):
        open_trace("preset:zipf", **option)
