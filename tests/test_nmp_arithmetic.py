"""What the additions, multiplications and configurations of near-memory units cost, by hand from docs/recnmp.md."""

import numpy as np
import pytest

from archsim import load_system, open_trace, simulate
from archsim.traces import EmbeddingTrace, Table

#: Clocks of one lookup of 128 bytes in a system of two ranks without arithmetic: see `test_recnmp_twin`.
WITHOUT = 58
ADD, MULT = 3, 4


def lookups(*rows, dtype="float32", weighted=False, tables=1, bags=1):
    """Look rows of the first table up, in bags of equal length; further tables are of 8-bit rows."""
    shapes = [Table("table", 100_000, 128, dtype)]
    shapes += [Table(f"row-wise {t}", 100, 128, "uint8-rowwise") for t in range(1, tables)]
    return EmbeddingTrace(
        name="few",
        tables=shapes,
        rows=np.array(rows),
        bag_offsets=np.arange(0, len(rows) + 1, len(rows) // bags),
        bag_tables=np.zeros(bags, np.int32),
        weight=np.full(len(rows), 0.5, np.float32) if weighted else None,
    )


def cycles(trace, *overrides, system="recnmp-base-2rank"):
    return simulate(load_system(system, overrides), trace).cycles


# -------------------------------------------------------------------------------------------------- clocks


@pytest.mark.parametrize(
    ("operator", "weighted", "clk"),
    [
        (None, False, ADD),
        (None, True, MULT + ADD),
        ("sum", True, ADD),
        ("mean", False, ADD),  # the host divides
        ("weighted_sum", True, MULT + ADD),
        ("weighted_mean", True, MULT + ADD),
    ],
)
def test_a_weight_is_multiplied_before_it_is_added(operator, weighted, clk):
    overrides = [f"nmp.operator={operator}"] if operator else []
    # One more addition: that of the two ranks of the DIMM.
    assert cycles(lookups(5, weighted=weighted), *overrides) == WITHOUT + clk + ADD


@pytest.mark.parametrize(
    ("weighted", "clk"),
    # scale * q, + bias, + Psum; with a weight, (w * scale) * q and, beside w * scale, w * bias.
    [(False, MULT + ADD + ADD), (True, MULT + MULT + ADD + ADD)],
)
def test_an_8_bit_row_is_made_a_number_before_it_is_added(weighted, clk):
    # 120 elements, so a result of eight bursts and not of two.
    longer = 6 * 4
    trace = lookups(5, dtype="uint8-rowwise", weighted=weighted)
    assert cycles(trace) == WITHOUT + longer + clk + ADD


def test_the_longest_term_of_all_tables_holds_for_every_packet():
    assert cycles(lookups(5, tables=2)) == WITHOUT + MULT + ADD + ADD + ADD


@pytest.mark.parametrize(("ranks_per_dimm", "levels"), [(1, 0), (2, 1), (4, 2), (8, 3)])
def test_a_dimm_adds_its_ranks_in_levels(ranks_per_dimm, levels):
    clocks = cycles(lookups(5), f"nmp.ranks_per_dimm={ranks_per_dimm}", system="recnmp-base-8rank")
    assert clocks == WITHOUT + ADD + levels * ADD


@pytest.mark.parametrize(("add", "mult"), [(0, 0), (15, 20)])
def test_latencies_of_adders_and_multipliers_are_those_of_the_specification(add, mult):
    changed = f"nmp.fp32_add_clk={add}", f"nmp.fp32_mult_clk={mult}"
    assert cycles(lookups(5, weighted=True), *changed) == WITHOUT + mult + 2 * add


def test_additions_cost_a_trace_little_more_than_those_of_its_last_packet():
    # 40 packets: the last waits for its own sums, and the reads of the others go on meanwhile.
    trace = open_trace("preset:uniform", limit=40 * 8 * 80)
    slow, fast = (cycles(trace, f"nmp.fp32_add_clk={clk}") for clk in (15, 0))
    assert fast < slow < fast + 4 * 2 * 15


# -------------------------------------------------------------------------------------------------- energy


def channel_rows(system, trace, *overrides):
    result = simulate(load_system(system, overrides), trace)
    return {row.event: (row.count, row.pj_per_event) for row in result.energy if row.component == "channel"}


def test_a_configuration_costs_the_bits_of_its_clocks():
    # Four clocks of DDR4 carry a burst of 64 bytes: 512 bits of 22 pJ.
    assert channel_rows("recnmp-base-2rank", lookups(5))["configuration"] == (1, 512 * 22)
    assert channel_rows("recnmp-base-2rank", lookups(5), "nmp.config_clk=1")["configuration"] == (1, 128 * 22)
    assert channel_rows("recnmp-base-2rank", lookups(5), "nmp.config_clk=0")["configuration"] == (0, 0)


def test_every_packet_configures_the_dimms_that_it_uses():
    # Contiguous rows: with pages of 4 KiB in the order of their addresses, rows 0 to 31 are one page, on one rank.
    one_dimm = lookups(*[1, 2, 3] * 4, bags=4)
    packets = "nmp.poolings_per_packet=2"
    assert channel_rows("recnmp-base-8rank", one_dimm, packets)["configuration"] == (2, 512 * 22)
    many = lookups(*np.random.default_rng(1).integers(0, 100_000, 400).tolist(), bags=4)
    assert channel_rows("recnmp-base-8rank", many, packets)["configuration"] == (2 * 4, 512 * 22)
    two_channels = "dram.organization.channels=2"
    assert channel_rows("recnmp-base-8rank", many, packets, two_channels)["configuration"][0] == 2 * 4 * 2


def test_a_write_that_reaches_all_dimms_costs_once():
    many = lookups(*np.random.default_rng(1).integers(0, 100_000, 400).tolist(), bags=4)
    rows = channel_rows("tensordimm-8rank", many, "nmp.poolings_per_packet=2")
    assert rows["configuration"] == (2, 512 * 22)
