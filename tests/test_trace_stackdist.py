"""The generator by stack distance: exact, the same however it is cut, and distributed as its curves say."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program import run
from stack_twin import stack_rows

from archsim.errors import InputError
from archsim.kernels.set_lru import SetLru
from archsim.kernels.stack_distance import StackDistance
from archsim.traces import generate, load_workload, windows
from archsim.traces.counter import round_keys, stream_key

WHOLE = 2**32
COMB8, SMALL = "recnmp-comb8", ("lookups=20_000",)
TABLES = [f"recnmp-t{number}" for number in range(1, 9)]
COMBINED = [f"recnmp-comb{number}" for number in (8, 16, 32, 64)]


def different(rows):
    """Return how many different rows there are; sorting is faster than np.unique."""
    return 1 + np.count_nonzero(np.diff(np.sort(rows)))


def drawn(lookups, depths, masses, *, table_rows=1000, cold=0, key=1, row_key=2, pieces=()):
    """Rows of a table that is drawn in pieces which end at these lookups."""
    row_keys = round_keys([np.uint64(row_key)])[0]
    stack = StackDistance(np.uint64(key), row_keys, table_rows, depths, masses, cold)
    rows = np.empty(lookups, np.int32)
    edges = [0, *pieces, lookups]
    for first, last in pairwise(edges):
        stack.draw(np.array([first, last]), 0, 1, rows)
    assert stack.touched == different(rows)
    return rows


# --------------------------------------------------------------------------------------------------------- twins


@st.composite
def curves(draw):
    depths = sorted(draw(st.sets(st.integers(0, 120), min_size=2, max_size=6)))
    shares = draw(st.lists(st.integers(0, WHOLE), min_size=len(depths) - 1, max_size=len(depths) - 1))
    return depths, [0, *sorted(shares)]


@pytest.mark.parametrize("number", [0, 3, 7])
def test_a_preset_draws_what_its_curve_says_with_the_keys_of_its_table(number):
    spec = load_workload(TABLES[number], ["lookups=6000"])
    masses = [round(share * WHOLE) for share in spec.hit_share[number]]
    key, row_key = (int(stream_key(spec.seed, number, stream)) for stream in (1, 2))  # ranks, rows
    cold = round(spec.cold_share * WHOLE)
    expected = stack_rows(key, row_key, spec.rows, list(spec.depths), masses, cold, 6000)
    assert generate(spec).rows.tolist() == expected


@given(
    curve=curves(),
    table_rows=st.integers(1, 150),
    cold=st.sampled_from([0, WHOLE // 3, WHOLE]),
    lookups=st.integers(1, 400),
    keys=st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_the_kernel_draws_what_a_list_as_stack_draws(curve, table_rows, cold, lookups, keys, data):
    cut = sorted(data.draw(st.lists(st.integers(0, lookups), max_size=3)))
    depths, masses = curve
    key, row_key = keys
    ours = drawn(
        lookups, depths, masses, table_rows=table_rows, cold=cold, key=key, row_key=row_key, pieces=cut
    )
    assert ours.tolist() == stack_rows(key, row_key, table_rows, depths, masses, cold, lookups)


@pytest.mark.parametrize("table_rows", [3000, 60_000])
def test_the_stack_is_exact_when_its_time_line_is_rewritten_and_grows(table_rows):
    """The time line begins with 32,768 slots: few rows are moved to its start, many make it longer."""
    depths, masses = [0, 10, 1000, 20_000], [0, WHOLE // 8, WHOLE // 4, WHOLE // 2]
    ours = drawn(80_000, depths, masses, table_rows=table_rows, cold=WHOLE // 2)
    assert ours.tolist() == stack_rows(1, 2, table_rows, depths, masses, WHOLE // 2, 80_000)


def test_one_distance_alone_goes_round_through_as_many_rows_however_deep():
    depth = 2_500_000  # more than the slots of a region
    rows = drawn(depth * 2, [depth - 1, depth], [0, WHOLE], table_rows=2**22)
    assert different(rows[:depth]) == depth
    assert np.array_equal(rows[depth:], rows[:depth])


# --------------------------------------------------------------------------------------------------- same bits


def test_windows_of_any_length_are_pieces_of_one_trace():
    spec = load_workload(COMB8, SMALL)
    whole = generate(spec)
    for at_once in (1, 5_000, 1 << 20):
        parts = list(windows(spec, at_once=at_once))
        assert np.array_equal(np.concatenate([part.rows for part in parts]), whole.rows)


def test_a_longer_trace_begins_with_the_shorter_one():
    short, long = (generate(load_workload(COMB8, [f"lookups={n}"])) for n in (9_000, 30_000))
    assert np.array_equal(long.rows[:9_000], short.rows)


def test_bags_of_different_lengths_are_cut_from_the_same_lookups():
    even, uneven = (generate(load_workload(TABLES[0], [f"pooling_spread={n}", *SMALL])) for n in (0, 79))
    assert np.array_equal(even.rows, uneven.rows)
    assert different(np.diff(uneven.bag_offsets)) > 50


@pytest.mark.parametrize("number", range(8))
def test_a_table_alone_has_the_lookups_it_has_among_others(number):
    together = generate(load_workload("recnmp-comb16", ["lookups=25_600"]))
    alone = generate(load_workload(TABLES[number], ["lookups=1600"]))
    assert np.array_equal(together.rows[together.table == number], alone.rows)
    assert alone.tables[0] == together.tables[number]
    assert alone.tables[0].name == f"T{number + 1}"
    copy = together.rows[together.table == number + 8]
    assert together.tables[number + 8].name == f"T{number + 1}.2"
    assert not np.array_equal(copy, alone.rows)


@pytest.mark.parametrize("name", TABLES + COMBINED)
def test_a_trace_carries_the_note_that_its_tables_are_stand_ins(name):
    notes = generate(load_workload(name, ["lookups=80"])).notes
    assert any("stand-in for private production tables, calibrated" in note for note in notes)
    assert not any("hit_share" in note for note in notes)


GOLDEN = {
    "recnmp-t1": "4e2b0f0dd574c9b478e34239f4f2882f9316a493e23f01e36830d2b8392ae32d",
    "recnmp-t2": "ccc5aca33d73afacb1ba75cf0778b62c11bb2e183faff2d36f5b7fd6844e555a",
    "recnmp-t3": "b41df0475376c614d083dc52ab22b0135caa2d09313b3380b0b151190038f812",
    "recnmp-t4": "1a6421f914ab61b4b546dd8e99eae061c93275909b8510c30bcf4b7cf52d4b46",
    "recnmp-t5": "e52c34821dd6de9dba617d673bb3ed42fd4fbfeca656abc3690a750a5ffe5079",
    "recnmp-t6": "fdfcbbfa7582ad242040b3e081a101d5df24601ab5aae189129f42fa5d665d9d",
    "recnmp-t7": "262a7e73f862e3ff7206b7a4a1cf09aee1c6a9b842f9179dc45026782bf372f8",
    "recnmp-t8": "16a9536219d9ad87fb4f2a3a60ddcd3a2fccee0ba21117a4d345591145263eaf",
    "recnmp-comb8": "5a35619dac4cae555ea8de84cd7a098aca143e0c718316326cf4af1e53ac3d0a",
    "recnmp-comb16": "7c5a1fa848af6b99de1d070fd52b607cfe9d6737e4759c9a5f7943c648d37cd3",
    "recnmp-comb32": "faf5062ac8d445d7f3c7cf510fcacbb5fe6ed2dbb2a2d1942f2839ab4ecbcd04",
    "recnmp-comb64": "d1cf275c8f25d88f041cdb1f72b7dd95a5aef898709ffa2bbfd584d0bcd71380",
}


@pytest.mark.parametrize("name", TABLES + COMBINED)
def test_a_preset_makes_the_same_trace_on_every_machine(name):
    assert generate(load_workload(name, SMALL)).sha256 == GOLDEN[name]


# ------------------------------------------------------------------------------------------------- distribution


def test_stack_distances_follow_the_curve_between_its_knots_too():
    """Shares of 400,000 lookups within five standard deviations: each fails by chance once in 1.7 million cases."""
    depths, shares, lookups, start = [2, 10, 30, 70], [0.0, 0.25, 0.3, 0.75], 400_000, 2000
    masses = [int(share * WHOLE) for share in shares]
    rows = drawn(lookups, depths, masses, table_rows=10**6).astype(np.int64)
    owner = (np.arange(lookups) >= start).astype(np.int32)  # the stack is deeper than 70 rows by then
    for depth in (2, 3, 6, 10, 20, 30, 50, 70):
        hits = np.zeros(2, np.int64)
        SetLru(1, depth).access(rows, rows, owner, hits)
        share, count = np.interp(depth, depths, shares), lookups - start
        assert abs(hits[1] - share * count) <= 5 * np.sqrt(share * (1 - share) * count), depth


@pytest.mark.parametrize(("cold", "new"), [(0, 0.2), (WHOLE, 1.0), (WHOLE // 2, 0.6)])
def test_draws_below_the_stack_become_new_rows_by_their_share_and_the_others_stay_inside(cold, new):
    """Nearly all distances are too deep, so new rows are asked for, or made of the cold share of the others."""
    masses = [0, int(0.8 * WHOLE)]
    rows = drawn(20_000, [0, 2**31], masses, table_rows=2**22, cold=cold)
    expected, deviation = new * 20_000, np.sqrt(20_000 * new * (1 - new))
    assert abs(different(rows) - expected) <= 5 * deviation + 1


def test_a_table_whose_rows_have_all_been_touched_only_repeats():
    rows = drawn(5000, [0, 8], [0, WHOLE // 10], table_rows=64)
    assert sorted(set(rows.tolist())) == list(range(64))


def test_no_row_comes_twice_in_a_bag_of_the_presets():
    trace = generate(load_workload(COMB8))
    bags = trace.rows.reshape(-1, 80)
    assert (np.diff(np.sort(bags, axis=1), axis=1) > 0).all()


def test_reuse_reaches_over_bags():
    trace = generate(load_workload(TABLES[0]))
    again = trace.lookups - different(trace.rows)
    assert again > trace.lookups // 2  # all of it, for no row comes twice in a bag


def test_new_rows_spread_over_the_sets_of_a_cache():
    """Rows touched, by their lowest 8 bits: chi-square of 255 degrees, below its mean plus five deviations."""
    rows = np.unique(generate(load_workload(TABLES[7])).rows)
    counts = np.bincount(rows % 256, minlength=256)
    expected = len(rows) / 256
    assert ((counts - expected) ** 2 / expected).sum() < 255 + 5 * np.sqrt(2 * 255)


def test_memory_follows_the_rows_touched_and_not_the_lookups():
    stack = StackDistance(np.uint64(1), round_keys([stream_key(2)])[0], 1000, [0, 500], [0, WHOLE // 2], 0)
    rows = np.empty(300_000, np.int32)
    stack.draw(np.array([0, len(rows)]), 0, 1, rows)
    assert stack.touched == 1000
    assert stack.nbytes < 150_000
    stack = StackDistance(np.uint64(1), round_keys([stream_key(2)])[0], 10**6, [0, 500], [0, WHOLE // 2], 0)
    for _ in range(4):
        stack.draw(np.array([0, len(rows)]), 0, 1, rows)
        assert stack.nbytes < 20 * stack.touched


# ------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("depths=[80]", "depths = [80]: must be 2 or more numbers that rise"),
        ("depths=[80, 80]", "depths = [80, 80]: must be 2 or more numbers that rise"),
        ("rows=80", "depths[0] = 80: must be less than rows = 80"),
        ('names=["T1"]', "hit_share has 8 curves: must have one per name, of which there are 1"),
        ("depths=[80, 90]", "hit_share of T1 has 9 values: must have one per depth, 2"),
        ("hit_share=[[0.0, 0.5, 0.4]]", "hit_share of T1 = [0.0, 0.5, 0.4]: must begin with 0 and not fall"),
        ("hit_share=[[0.1, 0.5, 0.6]]", "hit_share of T1 = [0.1, 0.5, 0.6]: must begin with 0 and not fall"),
        ("cold_share=1.5", "cold_share = 1.5"),
    ],
)
def test_a_curve_that_makes_no_sense_is_refused(override, message):
    overrides = [override]
    if override.startswith("hit_share"):
        overrides += ['names=["T1"]', "depths=[80, 90, 100]"]
    with pytest.raises(InputError) as error:
        load_workload(COMB8, overrides)
    assert message in str(error.value)


def test_a_refused_curve_is_one_line_and_status_2_on_the_command_line(tmp_path):
    ended = run("trace", "generate", "preset:recnmp-comb8", "--set", "rows=10", "--out", tmp_path / "new")
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert not (tmp_path / "new").exists()
