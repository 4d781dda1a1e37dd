"""Results: percentiles, comparisons, data frames and the table that people read."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archsim import compare, load_system, open_trace, simulate
from archsim.result import percentiles
from archsim.tables import align

SYSTEMS = ("host-2rank", "recnmp-base-2rank", "recnmp-base-8rank")
SCALARS = (int, float, str)


@pytest.fixture(scope="module")
def trace():
    """A small generated trace."""
    return open_trace("preset:zipf", overrides=["lookups=1000", "rows=5000"])


@pytest.fixture(scope="module")
def comparison(trace):
    """A host against RecNMP with 2 and 8 ranks."""
    return compare([simulate(load_system(name), trace) for name in SYSTEMS])


@given(
    st.lists(st.integers(0, 2**40), min_size=1, max_size=200),
    st.lists(st.integers(1, 100), min_size=1, max_size=4),
)
@example(list(range(100)), [7, 14, 28, 55, 56, 57])
def test_percentiles_are_those_of_a_sorted_list(values, percents):
    distinct, counts = np.unique(np.array(values, np.int64), return_counts=True)
    ordered = sorted(values)
    naive = [ordered[max(0, -(-percent * len(ordered) // 100) - 1)] for percent in percents]
    assert percentiles(distinct, counts, [percent / 100 for percent in percents]) == naive


def test_the_percentiles_of_nothing_are_zero():
    nothing = np.empty(0, np.int64)
    assert percentiles(nothing, nothing, (0.5, 0.99)) == [0, 0]


def test_a_result_has_units_on_the_figures_of_its_system(comparison):
    for result in comparison.results:
        tCK_ns = result.system.dram.timing.tCK_ps / 1000
        assert result.time_ns == pytest.approx(result.cycles * tCK_ns, rel=1e-15)
        assert result.bandwidth_gbps == 64 * result.trace.requests / result.time_ns
        assert result.energy_nj == sum(row.energy_nj for row in result.energy)
        assert result.latency_p50_ns / tCK_ns == pytest.approx(round(result.latency_p50_ns / tCK_ns))
    host, two, eight = comparison.results
    pins_gbps = 64 / (4 * 0.833)
    assert host.peak_bandwidth_gbps == pytest.approx(pins_gbps)
    assert (two.peak_bandwidth_gbps, eight.peak_bandwidth_gbps) == pytest.approx(
        (2 * pins_gbps, 8 * pins_gbps)
    )


def test_speedups_are_against_the_first(comparison):
    times = [result.time_ns for result in comparison.results]
    assert comparison.speedups == [times[0] / time for time in times]
    backwards = compare(comparison.results[::-1])
    assert backwards.speedups[0] == 1.0
    assert backwards.speedups[-1] == times[-1] / times[0] < 1


def test_results_of_different_traces_are_not_compared(comparison, trace):
    shorter = simulate(load_system("host-2rank"), trace.limit(999))
    with pytest.raises(ValueError, match="different traces"):
        compare([comparison.results[0], shorter])
    with pytest.raises(ValueError, match="nothing to compare"):
        compare([])


def test_the_name_of_a_trace_does_not_make_it_another(comparison, trace):
    renamed = simulate(load_system("host-2rank"), replace(trace, name="renamed"))
    assert compare([comparison.results[0], renamed]).speedups == [1.0, 1.0]


def test_json_reads_back_to_the_same_numbers(comparison):
    assert json.loads(comparison.to_json()) == comparison.to_dict()


def test_a_frame_has_a_row_per_system_and_a_column_per_scalar(comparison):
    frame = comparison.to_frame()
    runs = comparison.to_dict()["runs"]
    assert list(frame["system"]) == list(SYSTEMS)
    for number, run in enumerate(runs):
        row = frame.iloc[number]
        for key, value in run.items():
            if isinstance(value, SCALARS):
                assert row[key] == value
        for resource, share in run["utilisation"].items():
            assert row[f"utilisation_{resource}"] == share
    assert {"energy", "utilisation", "nmp"}.isdisjoint(frame.columns)
    one = comparison.results[1].to_frame()
    assert (list(one["system"]), list(one["speedup"])) == (["recnmp-base-2rank"], [1.0])


def test_the_energy_frame_adds_up_to_the_energy_of_each_system(comparison):
    frame = comparison.energy_frame()
    assert list(frame.columns) == ["system", "component", "event", "count", "pj_per_event", "energy_nj"]
    sums = frame.groupby("system", sort=False)["energy_nj"].sum()
    assert dict(sums) == {result.system.name: result.energy_nj for result in comparison.results}


# the table


def test_the_table_has_a_column_per_system_and_every_row_ends_where_its_heading_ends(comparison):
    head, empty, names, *rows = comparison.table().splitlines()
    assert head.startswith("trace zipf: 1,000 lookups, sha256 ")
    assert empty == ""
    assert names.split() == list(SYSTEMS)
    ends = [names.index(name) + len(name) for name in SYSTEMS]
    headings = [row for row in rows if len(row) <= 30]
    assert [row for row in headings] == ["utilisation"]
    for row in rows:
        if row not in headings:
            assert len(row) == ends[-1]
            # Between two cells are at least two spaces.
            assert all(row[end : end + 2] == "  " for end in ends[:-1])


def test_the_table_shows_the_numbers_of_the_json(comparison):
    rows = {line[:26].strip(): line[26:].split("  ") for line in comparison.table().splitlines()[3:]}
    cells = {label: [cell.strip() for cell in row if cell.strip()] for label, row in rows.items()}
    runs = comparison.to_dict()["runs"]
    assert cells["memory clocks"] == [f"{run['cycles']:,}" for run in runs]
    assert cells["speedup"] == [f"{run['speedup']:.2f}x" for run in runs]
    assert cells["row hits"] == [f"{100 * run['row_hits'] / run['requests']:.1f} %" for run in runs]
    assert cells["bottleneck"] == [run["bottleneck"].replace("_", " ") for run in runs]
    assert cells["data bus"][1:] == ["-", "-"]
    assert cells["packets"][0] == "-"


def test_a_result_alone_prints_as_a_table_of_one_column(comparison):
    text = str(comparison.results[0])
    assert text == compare([comparison.results[0]]).table()
    assert "packets" not in text


@given(st.lists(st.lists(st.text(max_size=5), min_size=1, max_size=4), min_size=1, max_size=5))
def test_aligned_rows_keep_their_cells_and_stay_on_one_line(rows):
    lines = align(rows)
    assert len(lines) == len(rows)
    assert all(line == "" or line.isprintable() for line in lines)


def test_numbers_are_aligned_to_the_right_under_their_heading():
    assert align([["", "host", "recnmp"], ["time", "12", "3"], ["energy"]]) == [
        "        host  recnmp",
        "time      12       3",
        "energy",
    ]


def test_control_characters_in_a_name_cannot_break_the_table():
    assert align([["a\nb", "c\x1b"]]) == [r"a\nb  c\x1b"]
