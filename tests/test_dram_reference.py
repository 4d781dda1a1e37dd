"""The channel against figures measured with Ramulator 2.1 and DRAMsim3 (same timing, same coordinates).

Convention: a run ends at the clock of the last data beat, counted from the first offer at clock 0, and latency runs
from acceptance to the last beat. That is Ramulator 2.1's driver; DRAMsim3's notices a return one clock later and counts
one clock more on every row.
"""

import csv
from pathlib import Path

import engine
import numpy as np
import pytest

from archsim.dram.engine import replay_lines
from archsim.dram.spec import DramSpec
from archsim.spec import apply_overrides

SHARED = Path(__file__).parents[1].parent / "shared" / "reference" / "dram"


def places(n, rank=0, bank_group=0, bank=0, row=0, column=0):
    """Return n requests; a function of the request number gives a field that varies."""
    fields = (rank, bank_group, bank, row, column)
    return [tuple(field(i) if callable(field) else field for field in fields) for i in range(n)]


# name: (ranks, requests, clocks, mean latency)
MICRO = {
    "1_read_closed": (1, places(1), 39, 39.0),
    "2_reads_same_row": (1, places(2, column=lambda i: i), 45, 41.5),
    "16_reads_same_row": (1, places(16, column=lambda i: i), 129, 76.5),
    "2_reads_same_bank_other_row": (1, places(2, row=lambda i: i), 95, 66.5),
    "8_reads_same_bank_8_rows": (1, places(8, row=lambda i: i), 431, 231.5),
    "2_reads_other_bankgroup": (1, places(2, bank_group=lambda i: i), 43, 40.5),
    "2_reads_other_bank_same_bg": (1, places(2, bank=lambda i: i), 45, 41.5),
    "8_reads_8_banks_rotating_bg": (
        1, places(8, bank_group=lambda i: i % 4, bank=lambda i: i // 4), 77, 54.5,
    ),
    "16_reads_16_banks_rotating_bg": (
        1, places(16, bank_group=lambda i: i % 4, bank=lambda i: i // 4), 129, 76.5,
    ),
    "2_reads_other_rank": (2, places(2, rank=lambda i: i), 45, 41.5),
    "32_reads_alternating_rank_same_rows": (
        2, places(32, rank=lambda i: i % 2, column=lambda i: i // 2), 225, 116.5,
    ),
    "32_reads_4bg_same_rows": (
        1, places(32, bank_group=lambda i: i % 4, column=lambda i: i // 4), 163, 85.5,
    ),
}  # fmt: skip

# Clocks of a million saturated requests, one rank, Skylake-like map with bank groups alternating line by line,
# refresh on: Ramulator 2.1 (row-hit protection), DRAMsim3 (per bank), DRAMsim3 (per rank).
SATURATED = {
    "stream": (4_208_500, 4_212_785, 4_212_709),
    "random": (6_925_472, 6_879_438, 6_911_297),
}
# The same without refresh, 200,000 requests.
WITHOUT_REFRESH = {"stream": (800_455, 800_456, 800_456), "random": (1_300_361, 1_302_385, 1_300_109)}


@pytest.mark.parametrize("name", MICRO)
def test_micro_sequence_takes_exactly_the_clocks_of_both_simulators(name):
    ranks, requests, clocks, latency = MICRO[name]
    spec = engine.ddr4(organization={"ranks": ranks})
    _, finish, counts = engine.replay(spec, *np.array(requests).T, is_write=[0] * len(requests))
    assert counts["last_data_clk"] == max(finish) == clocks
    assert counts["latency_sum_clk"] / counts["reads"] == latency


def test_golden_figures_are_those_of_the_reference_files():
    if not SHARED.is_dir():
        pytest.skip("reference figures (../shared/reference/dram) are not on this machine")
    with (SHARED / "micro.csv").open(newline="") as file:
        rows = {row["test"]: row for row in csv.DictReader(file) if "write" not in row["test"]}
    assert rows.keys() == MICRO.keys()
    for name, (_, _, clocks, latency) in MICRO.items():
        assert int(rows[name]["r2_rowhit32_cycles"]) == clocks
        assert int(rows[name]["d3_bank8_cycles"]) == clocks + 1
        assert float(rows[name]["r2_rowhit32_avg_lat"]) == float(rows[name]["d3_bank8_avg_lat"]) == latency
    with (SHARED / "reference.csv").open(newline="") as file:
        found = {
            (row["trace"], row["simulator"], row["variant"]): int(row["cycles"])
            for row in csv.DictReader(file)
            if (row["standard"], row["ranks"], row["mapping"], row["mode"])
            == ("DDR4", "1", "skl", "saturated")
        }
    variants = (("ramulator2", "rowhit32"), ("dramsim3", "bank8"), ("dramsim3", "rank32"))
    for trace, clocks in SATURATED.items():
        assert clocks == tuple(found[trace, *variant] for variant in variants)


def load(trace, n):
    """Return the first n lines of a reference trace; the sequential one needs no file."""
    if trace == "stream":
        return np.arange(n)
    file = SHARED / "traces" / f"{trace}.npz"
    if not file.is_file():
        pytest.skip(f"reference trace (../shared/reference/dram/traces/{trace}.npz) is not on this machine")
    return np.load(file)["line"][:n].astype(np.int64)


def clocks_of(lines, *overrides):
    base = ["organization.ranks=1", "address_map.preset=skylake-64"]
    spec = apply_overrides(DramSpec.load("ddr4-2400"), [*base, *overrides])
    return replay_lines(spec, lines).counts()["last_data_clk"]


def assert_close(clocks, figures, tolerance):
    closer = min(figures, key=lambda figure: abs(clocks - figure))
    deviation = clocks / closer - 1
    assert abs(deviation) <= tolerance, (
        f"{clocks} clocks, closer simulator {closer}: {100 * deviation:+.3f} %"
    )


@pytest.mark.parametrize("trace", SATURATED)
def test_a_million_reads_land_within_1_percent_of_the_closer_simulator(trace):
    assert_close(clocks_of(load(trace, 1_000_000)), SATURATED[trace], 0.01)


@pytest.mark.parametrize("trace", WITHOUT_REFRESH)
def test_without_refresh_reads_land_within_1_percent_of_the_closer_simulator(trace):
    clocks = clocks_of(load(trace, 200_000), "refresh.mode=none")
    assert_close(clocks, WITHOUT_REFRESH[trace], 0.01)
