"""What `archsim.traces.trace_info` says of a trace: by hand, by formula, sampled, and of raw addresses."""

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import reuse_twin as twin
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.traces import AddressTrace, EmbeddingTrace, Table, compare_traces, open_trace, trace_info
from archsim.traces.analysis import counting, figures
from archsim.traces.analysis.arrivals import arrival_figures
from archsim.traces.analysis.info import SAMPLED

TABLES = (Table("users", 100, 128), Table("items", 1000, 64))


def build(bags, tables=TABLES, **columns):
    """Make a trace from (table, rows) pairs."""
    offsets = np.cumsum([0, *(len(rows) for _, rows in bags)], dtype=np.int64)
    rows = np.array([row for _, rows in bags for row in rows], np.int64)
    owners = np.array([table for table, _ in bags], np.int32)
    columns = {name: np.array(values, np.int64) for name, values in columns.items()}
    return EmbeddingTrace("built", tables, rows, offsets, owners, **columns)


def addresses(lines, **columns):
    return AddressTrace("requests", np.array(lines, np.int64) * 64, **columns)


SMALL = [(0, [5, 6, 5, 5]), (1, [5]), (0, []), (1, [5, 8]), (0, [6])]


@pytest.mark.parametrize("direct_share", [1, 1 << 40])
@pytest.mark.parametrize("chunk", [1, 3, 1 << 18])
def test_a_small_trace_by_hand(chunk, direct_share, monkeypatch):
    monkeypatch.setattr(counting, "CHUNK", chunk)
    monkeypatch.setattr(counting, "DIRECT_SHARE", direct_share)
    info = trace_info(build(SMALL))
    assert info["counting"] == {"label": "exact", "sample_rate": 1, "sampled": []}
    assert info["pooling"] == {
        "min": 0, "p50": 1, "mean": 1.6, "p90": 4, "p99": 4, "max": 4,
        "histogram": {"up_to": [0, 1, 2, 4], "bags": [1, 2, 1, 1]},
    }  # fmt: skip
    assert (info["lookups"], info["bags"], info["unique_rows"]) == (8, 5, 4)
    assert (info["repeat_share"], info["compulsory_share"]) == (4 / 8, 4 / 8)
    assert (info["intra_bag_share"], info["inter_bag_share"]) == (2 / 8, 2 / 8)
    assert (info["lookups_per_row"], info["top_row_share"]) == (2, 3 / 8)
    assert info["traffic_bytes"] == 5 * 128 + 3 * 64
    assert info["touched_bytes"] == 2 * 128 + 2 * 64
    assert info["footprint_bytes"] == 100 * 128 + 1000 * 64
    assert info["hot_shares"] == {"1": 3 / 8, "10": 1, "100": 1, "0.1%": 3 / 8, "1.0%": 3 / 8, "10.0%": 3 / 8}
    assert info["reuse"]["rows"][:4] == [1, 2, 1, 0]
    assert info["reuse"]["lookups"][:4] == [1, 4, 3, 0]
    # users 5, 6, 5, 5, items 5, 5, 8, users 6: reuses at 1, 0, 0 and, past users 5, items 5 and items 8, at 3.
    assert [info["stack_distance"][key] for key in ("p50", "p90", "p99", "max")] == [0, 3, 3, 3]
    assert info["stack_distance"]["histogram"] == {"below": [1, 2, 4], "lookups": [2, 1, 1]}
    assert info["lru"]["entries"] == [1, 2, 3, 4]
    assert info["lru"]["hit_ratio"] == [2 / 8, 3 / 8, 3 / 8, 4 / 8]
    assert info["lru"]["bytes"] == [96, 192, 288, 384]
    assert info["rank_frequency"] == {"rank": [1, 2, 3, 4], "lookups": [3, 2, 2, 1]}
    assert info["working_set"]["until_lookup"] == list(range(1, 9))
    assert info["working_set"]["distinct_rows"] == [1] * 8
    assert info["working_set"]["cumulative_rows"] == [1, 2, 2, 2, 3, 3, 4, 4]
    users, items = info["tables"]
    assert (users["unique_rows"], users["bags"], users["lookups"], users["lookups_per_bag"]) == (
        2,
        3,
        5,
        5 / 3,
    )
    assert (users["intra_bag_share"], users["inter_bag_share"]) == (2 / 5, 1 / 5)
    # The table's own lookups are 5, 6, 5, 5, 6: reuses at 1, 0 and 1.
    assert (users["stack_distance"]["max"], items["stack_distance"]["max"]) == (1, 0)
    assert users["lru"]["hit_ratio"] == [1 / 5, 3 / 5]


def test_a_table_without_lookups_has_no_ratios():
    table = trace_info(build([(0, [1])]))["tables"][1]
    assert (table["lookups"], table["unique_rows"], table["lookups_per_bag"]) == (0, 0, None)
    assert table["repeat_share"] is None
    assert table["hot_shares"] is None
    assert table["stack_distance"]["p50"] is None
    assert table["lru"]["entries"] == []


def test_a_cyclic_trace_hits_only_in_a_cache_that_holds_the_cycle():
    rows = 50
    info = trace_info(build([(0, list(range(rows)))] * 4))
    assert [info["stack_distance"][key] for key in ("p50", "p99", "max")] == [rows - 1] * 3
    hits = dict(zip(info["lru"]["entries"], info["lru"]["hit_ratio"], strict=True))
    assert hits.pop(rows) == 3 / 4
    assert set(hits.values()) == {0}


def test_of_uniform_rows_a_cache_of_a_share_of_them_hits_that_share():
    draw = np.random.default_rng(4).integers(0, 1000, (5000, 40))
    trace = build([(1, bag.tolist()) for bag in draw])
    info = trace_info(trace)
    assert info["stack_distance"]["p50"] == pytest.approx(500, abs=15)
    for entries, ratio in zip(info["lru"]["entries"], info["lru"]["hit_ratio"], strict=True):
        # Five standard deviations of 200,000 draws, and the 1,000 first uses.
        assert ratio == pytest.approx(entries / 1000, abs=5 * (0.25 / 200_000) ** 0.5 + 0.005)
    # A window of 2,000 draws misses each row with probability (1 - 1/1000)^2000.
    assert np.mean(info["working_set"]["distinct_rows"]) == pytest.approx(1000 * (1 - 0.999**2000), rel=0.01)
    # Of 40 draws those that repeat one of the bag, by the expected number of distinct values.
    assert info["intra_bag_share"] == pytest.approx(1 - 1000 * (1 - 0.999**40) / 40, rel=0.05)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.lists(st.integers(0, 30), max_size=8)), min_size=1, max_size=40
    ).filter(lambda bags: any(rows for _, rows in bags))
)
def test_the_figures_equal_their_slow_definitions(bags):
    lookups = [(table, row) for table, rows in bags for row in rows]
    info = trace_info(build(bags))
    found = sorted(d for d in twin.distances(lookups) if d >= 0)
    for percent in (50, 90, 99):
        expected = found[-(-len(found) * percent // 100) - 1] if found else None
        assert info["stack_distance"][f"p{percent}"] == expected
    for entries, ratio in zip(info["lru"]["entries"], info["lru"]["hit_ratio"], strict=True):
        assert ratio == pytest.approx(twin.lru_hits(lookups, entries) / len(lookups))
    edges = [0, *info["stack_distance"]["histogram"]["below"]]
    counted = [sum(a <= d < b for d in found) for a, b in pairwise(edges)]
    assert info["stack_distance"]["histogram"]["lookups"] == counted
    assert info["intra_bag_share"] == pytest.approx(twin.repeats(rows for _, rows in bags) / len(lookups))
    uses = sorted((lookups.count(row) for row in set(lookups)), reverse=True)
    assert info["hot_shares"]["10"] == pytest.approx(sum(uses[:10]) / len(lookups))
    ends = info["working_set"]["until_lookup"]
    windows = [len(set(lookups[a:b])) for a, b in pairwise([0, *ends])]
    assert info["working_set"]["distinct_rows"] == windows
    assert info["working_set"]["cumulative_rows"] == [len(set(lookups[:end])) for end in ends]


def test_the_bins_of_a_reuse_histogram_are_half_open():
    rows = [row for row, uses in enumerate([1, 2, 3, 4, 5, 8, 9]) for _ in range(uses)]
    reuse = trace_info(build([(0, rows)]))["reuse"]
    assert reuse["up_to"] == [*(2**i for i in range(16)), None]
    assert reuse["rows"][:5] == [1, 1, 2, 2, 1]
    assert reuse["lookups"][:5] == [1, 2, 7, 13, 9]


def test_rows_and_bags_beyond_the_counted_lengths_are_kept(monkeypatch):
    bags = [(0, [1] * 9), (0, [2]), (1, [3] * 5), (1, [4] * 5)]
    expected = trace_info(build(bags))
    monkeypatch.setattr(figures, "EXACT_LENGTHS", 3)
    assert trace_info(build(bags)) == expected


def test_many_bag_lengths_are_binned():
    rows = list(range(100)) * 8
    histogram = trace_info(build([(0, rows[:length]) for length in range(1, 401)]))["pooling"]["histogram"]
    assert histogram["up_to"][:4] == [0, 1, 2, 3]
    assert histogram["up_to"][-1] == 400
    assert len(histogram["up_to"]) < 80
    assert sum(histogram["bags"]) == 400


# -- samples ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def skewed():
    return open_trace("preset:zipf", overrides=["lookups=400_000", "rows=100_000"])


@pytest.fixture(scope="module")
def exact(skewed):
    return trace_info(skewed)


@pytest.fixture(scope="module")
def sampled(skewed, exact):
    return trace_info(skewed, max_bytes=exact["unique_rows"] * counting.ROW_BYTES // 6)


def test_a_sample_is_taken_when_the_rows_do_not_fit(exact, sampled):
    assert exact["counting"]["label"] == "exact"
    assert sampled["counting"]["label"] == "sampled 1/8"
    assert sampled["counting"]["sample_rate"] == 1 / 8
    assert set(sampled["counting"]["sampled"]) >= {
        "unique_rows",
        "reuse",
        "stack_distance",
        "lru",
        "hot_shares",
    }


def test_a_sample_keeps_to_the_memory_it_was_given(skewed, exact):
    budget = exact["unique_rows"] * counting.ROW_BYTES // 5
    counted = counting.count(skewed, budget)
    assert len(counted.numbers) * counting.ROW_BYTES <= budget
    assert len(counted.numbers) * counting.ROW_BYTES > budget / 2.5


def test_what_needs_no_counter_per_row_stays_exact_in_a_sample(exact, sampled):
    for key in ("lookups", "bags", "pooling", "footprint_bytes", "traffic_bytes", "sha256", "arrivals"):
        assert sampled[key] == exact[key], key
    assert [table["lookups"] for table in sampled["tables"]] == [
        table["lookups"] for table in exact["tables"]
    ]


def test_a_sample_estimates_rows_and_curve(exact, sampled):
    assert sampled["unique_rows"] == pytest.approx(exact["unique_rows"], rel=0.03)
    sizes, ratios = (np.array(exact["lru"][key]) for key in ("entries", "hit_ratio"))
    estimated = np.interp(sizes, sampled["lru"]["entries"], sampled["lru"]["hit_ratio"])
    # The notes on cache simulators measured a mean absolute error of up to 0.015 at a rate of 1/100.
    assert np.abs(estimated - ratios)[sizes >= 64].mean() < 0.015
    assert sampled["stack_distance"]["p90"] == pytest.approx(exact["stack_distance"]["p90"], rel=0.05)
    assert sampled["working_set"]["cumulative_rows"][50] == pytest.approx(
        exact["working_set"]["cumulative_rows"][50], rel=0.03
    )


def test_a_sample_says_nothing_of_fewer_rows_than_it_resolves(sampled):
    assert sampled["hot_shares"]["1"] is None
    assert sampled["top_row_share"] is None
    assert sampled["hot_shares"]["100"] is not None


def test_the_same_sample_is_taken_every_time(skewed, exact, sampled):
    again = trace_info(skewed, max_bytes=exact["unique_rows"] * counting.ROW_BYTES // 6)
    assert again == sampled


def test_memory_that_is_just_enough_counts_exactly(skewed, exact):
    enough = int(1.06 * exact["unique_rows"]) * counting.ROW_BYTES
    assert trace_info(skewed, max_bytes=enough) == exact


def test_progress_adds_up_to_the_lookups(skewed):
    steps = []
    trace_info(skewed, progress=steps.append)
    assert sum(steps) == skewed.lookups


# -- raw addresses ------------------------------------------------------------------------------------------------


def test_addresses_by_hand():
    lines = [0, 1, 0, 64, 65, 1, 2]
    trace = AddressTrace(
        "requests",
        np.array(lines, np.int64) * 64 + 8,
        operation=np.array([0, 1, 0, 0, 1, 0, 0], np.uint8),
        time=np.array([0, 10, 20, 20, 40, 50, 60]),
        time_unit="ps",
    )
    info = trace_info(trace)
    assert info["kind"] == "addresses"
    assert (info["requests"], info["reads"], info["writes"], info["write_share"]) == (7, 5, 2, 2 / 7)
    assert (info["unique_rows"], info["touched_bytes"], info["pages_touched"]) == (5, 320, 2)
    assert (info["lowest_address"], info["highest_address"]) == (8, 65 * 64 + 8)
    assert info["next_line_share"] == 3 / 6
    assert info["stack_distance"]["max"] == 3
    assert info["compulsory_share"] == 5 / 7
    assert info["intra_bag_share"] is None
    assert info["lru"]["bytes"] == [64, 128, 192, 256, 320]
    arrivals = info["arrivals"]
    assert (arrivals["duration"], arrivals["mean_gap"], arrivals["longest_gap"]) == (60, 10, 20)
    assert arrivals["together_share"] == 1 / 6
    assert arrivals["gap_cv"] == pytest.approx((200 / 6) ** 0.5 / 10)


def test_addresses_are_all_reads_without_operations_and_have_no_arrivals_without_times():
    info = trace_info(addresses([3, 4]))
    assert (info["reads"], info["writes"], info["arrivals"]) == (2, 0, None)


def test_address_figures_do_not_depend_on_chunks(monkeypatch):
    lines = np.random.default_rng(1).integers(0, 300, 1000)
    expected = trace_info(addresses(lines))
    monkeypatch.setattr(counting, "CHUNK", 7)
    monkeypatch.setattr("archsim.traces.analysis.info.CHUNK", 10)
    assert trace_info(addresses(lines)) == expected


def test_sampled_addresses():
    lines = np.random.default_rng(6).integers(0, 50_000, 300_000)
    info = trace_info(addresses(lines), max_bytes=10_000 * counting.ROW_BYTES)
    assert info["counting"]["label"] == "sampled 1/8"
    assert info["unique_rows"] == pytest.approx(50_000, rel=0.05)
    assert info["pages_touched"] is None


def test_paced_arrivals_have_no_variation():
    found = arrival_figures(np.arange(0, 100_000, 10), "clk")
    assert (found["mean_gap"], found["gap_cv"], found["together_share"]) == (10, 0, 0)
    assert found["peak_to_mean"] == pytest.approx(1, abs=0.02)
    assert found["dispersion"] == pytest.approx(0, abs=0.01)


def test_poisson_arrivals_vary_as_much_as_their_mean():
    gaps = np.random.default_rng(9).exponential(1e6, 200_000)
    found = arrival_figures(np.cumsum(gaps).astype(np.int64), "ps")
    assert found["gap_cv"] == pytest.approx(1, abs=0.02)
    assert 0.5 < found["dispersion"] < 2
    assert found["time_unit"] == "ps"


@pytest.mark.parametrize("times", [[5], [7, 7, 7]])
def test_arrivals_at_one_time_have_no_rate(times):
    found = arrival_figures(np.array(times), "ps")
    assert (found["duration"], found["mean_gap"], found["peak_to_mean"]) == (0, None, None)


def test_arrivals_out_of_order_have_no_gaps(monkeypatch):
    monkeypatch.setattr("archsim.traces.analysis.arrivals.CHUNK", 2)
    found = arrival_figures(np.array([0, 30, 10, 40]), "ps")
    assert (found["in_order"], found["mean_gap"], found["duration"]) == (False, None, 40)
    assert found["peak_to_mean"] == 25


def test_arrivals_of_bags_and_json_without_nan():
    trace = build([(0, [1, 2]), (1, [3]), (0, [1])], time_ps=[0, 5, 10])
    info = trace_info(trace)
    assert info["arrivals"]["mean_gap"] == 5
    assert json.loads(json.dumps(info, allow_nan=False)) == info


# -- documents ------------------------------------------------------------------------------------------------------


def test_the_document_lists_every_key():
    page = (Path(__file__).parents[1] / "docs" / "trace-analysis.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([\w.%]+)`", page))

    def keys(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from keys(value[0])

    times = np.arange(2)
    lookups = trace_info(build([(0, [1]), (1, [2])], time_ps=[0, 1]))
    requests = trace_info(addresses([1, 2], time=times))
    compared = compare_traces(build([(0, [1])]), build([(0, [1])]))
    assert {*keys(lookups), *keys(requests), *compared, *compared["distances"]} - documented == set()
    assert set(SAMPLED) <= {*lookups, *requests}
