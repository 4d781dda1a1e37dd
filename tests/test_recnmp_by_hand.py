"""RecNMP's packets and pins, with clocks worked out by hand from docs/recnmp.md; memory clocks as in `recnmp_by_hand`.

Unless said otherwise: two ranks on one DIMM, two instructions a clock, configuration 2 clocks a DIMM, transfer 1.
"""

import pytest
from recnmp_by_hand import (
    FOUR_ON_A_DIMM,
    TWO_AND_TWO,
    TWO_DIMMS,
    TWO_RANKS,
    UNITS,
    Program,
    clocks,
    issues,
    spelled,
)
from recnmp_twin import locality_bits, packets_of, sent_packets
from recnmp_unit_twin import CompiledUnit


@UNITS
def test_one_lookup_of_two_bursts_takes_56_clocks(unit):
    # Instruction at 2. Bursts offered at 2 and 3: ACT 3, RD 20 and 26, data at 41 and 47. Done 47, end 48.
    # Two result bursts of 4 clocks: 48 to 56.
    program = Program(TWO_RANKS, unit)
    program.packet(program.vector(0, (0, 0, 0), (0, 0, 1)), result_bursts=2)
    record = program.done()
    assert (record.ends, record.latencies, record.end) == ([48], [56], 56)
    assert (record.instructions, record.issue_clk, record.result_bursts) == (1, 1, 2)


@UNITS
def test_ranks_of_one_dimm_share_configuration_instruction_clock_and_result(unit):
    # Configuration 0 to 2. Both instructions at 2, data of both at 41, end 42. One DIMM, one result burst: 42 to 46.
    program = Program(TWO_RANKS, unit)
    program.packet(program.vector(0, (0, 0, 0)), program.vector(1, (0, 0, 0)))
    record = program.done()
    assert spelled(record) == {**clocks("c0", 0, 1), 2: "i01", **clocks("r0", *range(42, 46))}
    assert (record.ends, record.end, record.rank_reads) == ([42], 46, [1, 1])


@UNITS
def test_two_dimms_are_configured_take_turns_and_return_one_result_each(unit):
    # Configurations 0 to 4, instructions at 4 and 5, data at 43 and 44, end 45. Two DIMMs, a burst each: 45 to 53.
    program = Program(TWO_DIMMS, unit)
    program.packet(program.vector(0, (0, 0, 0)), program.vector(1, (0, 0, 0)))
    record = program.done()
    assert spelled(record) == {
        **clocks("c0", 0, 1, 2, 3), 4: "i0", 5: "i1", **clocks("r0", *range(45, 53)),
    }  # fmt: skip
    assert [record.pins[clk].dimm for clk in (0, 1, 2, 3, 45, 48, 49, 52)] == [0, 0, 1, 1, 0, 0, 1, 1]


def test_a_dimm_without_lookups_is_not_configured():
    program = Program(TWO_DIMMS, CompiledUnit)
    program.packet(program.vector(1, (0, 0, 0)))
    assert [(clk, carried.dimm) for clk, carried in program.done().pins.items()][:3] == [
        (0, 1),
        (1, 1),
        (2, 1),
    ]


def test_dimms_with_nothing_left_lose_no_clock_and_each_packet_begins_with_the_first():
    # Two lookups for rank 2 of the second DIMM, one for rank 0: clocks 4 (DIMM 0), 5 and 6 (DIMM 1).
    program = Program(TWO_AND_TWO, CompiledUnit)
    program.packet(*(program.vector(rank, (0, 0, 0)) for rank in (2, 2, 0)))
    assert issues(program.done()) == {4: "i0", 5: "i2", 6: "i2"}


def test_a_vector_that_leaves_a_row_and_comes_back_takes_three_instructions():
    program = Program(TWO_RANKS, CompiledUnit)
    program.packet(program.vector(0, (0, 0, 5), (0, 0, 6), (0, 1, 0), (0, 0, 7)))
    record = program.done()
    assert record.instructions == 3
    assert issues(record) == clocks("i0", 2, 3, 4)


def test_with_more_ranks_than_instructions_a_clock_the_rank_asked_first_moves_on():
    # Two lookups for each of four ranks. Turn 0 asks from rank 0, turn 1 from rank 2, turn 2 from rank 4 mod 4 = 0.
    program = Program(FOUR_ON_A_DIMM, CompiledUnit)
    program.packet(*(program.vector(rank, (0, 0, 0)) for rank in (0, 0, 1, 1, 2, 2, 3, 3)))
    assert issues(program.done()) == {2: "i01", 3: "i23", 4: "i01", 5: "i23"}


def test_the_rank_asked_first_is_that_of_the_turn_not_of_the_last_one_served():
    # Three a clock: turn 0 asks 0, 1, 2; turn 1 asks from rank 3: 3, 0, 1; turn 2 from rank 6 mod 4 = 2: 2, 3.
    program = Program(FOUR_ON_A_DIMM._replace(instructions_per_clk=3), CompiledUnit)
    program.packet(*(program.vector(rank, (0, 0, 0)) for rank in (0, 0, 1, 1, 2, 2, 3, 3)))
    assert issues(program.done()) == {2: "i012", 3: "i301", 4: "i23"}


@UNITS
def test_packets_on_one_rank_start_before_the_last_data_have_arrived(unit):
    # Packet 0: data at 41, end 42, results 42 to 46; its rank is free at 21. Packet 1 starts there: instruction at 23,
    # row open, RD at 26 (tCCD_L after that at 20), data at 47, end 48, results 48 to 52.
    program = Program(TWO_RANKS, unit)
    program.packet(program.vector(0, (0, 0, 0)))
    program.packet(program.vector(0, (0, 0, 1)))
    record = program.done()
    assert spelled(record) == {
        **clocks("c0", 0, 1), 2: "i0", **clocks("c1", 21, 22), 23: "i0",
        **clocks("r0", *range(42, 46)), **clocks("r1", *range(48, 52)),
    }  # fmt: skip
    assert (record.starts, record.ends, record.latencies) == ([0, 21], [42, 48], [46, 31])


@UNITS
def test_additions_delay_a_packet_and_not_the_reads_of_the_next(unit):
    # Sums 7 clocks after the data. Packet 0: data at 41, end 49, results 49 to 53; its rank is free at 21, as without
    # additions. Packet 1: data at 47, summed at 54; results of packet 0 left at 53: end 55, results 55 to 59.
    program = Program(TWO_RANKS._replace(arithmetic_clk=7), unit)
    program.packet(program.vector(0, (0, 0, 0)))
    program.packet(program.vector(0, (0, 0, 1)))
    record = program.done()
    assert (record.starts, record.ends, record.latencies) == ([0, 21], [49, 55], [53, 38])
    assert record.configurations == 2


@UNITS
@pytest.mark.parametrize(("arithmetic_clk", "later"), [(0, 0), (7, 7)])
def test_data_enter_the_adders_while_results_leave_that_their_sums_wait_for(unit, arithmetic_clk, later):
    # Without additions: packet 0 ends at 42, ten result bursts to 82. Packet 1: start 21, data at 47; the results of
    # packet 0 left at 82: end 83, its rank free at 62. Packet 2 starts there: pins free at 82, instruction at 84, data
    # at 106, end 107. With additions of 7 clocks packet 1 ends 7 later, because the results of packet 0 leave 7 later;
    # its rank is free at 62 again. The instruction of packet 2 waits for these results, so its data come 7 later, and
    # its sums another 7.
    program = Program(TWO_RANKS._replace(arithmetic_clk=arithmetic_clk), unit)
    program.packet(program.vector(0, (0, 0, 0)), result_bursts=10)
    program.packet(program.vector(0, (0, 0, 1)))
    program.packet(program.vector(0, (0, 0, 2)))
    record = program.done()
    assert record.starts == [0, 21, 62]
    assert record.ends == [42 + later, 83 + later, 107 + 2 * later]


@UNITS
def test_results_take_the_clocks_that_the_next_packet_leaves(unit):
    # Configuration 23: packet 0 has its instruction at 23, data at 62, end 63. Packet 1 starts at 42: configuration to
    # 65, instruction at 65. Results of packet 0 come after that: 66 to 70. Packet 1: data at 87, results 88 to 92.
    program = Program(TWO_RANKS._replace(config_clk=23), unit)
    program.packet(program.vector(0, (0, 0, 0)))
    program.packet(program.vector(0, (0, 0, 1)))
    record = program.done()
    assert issues(record) == clocks("i0", 23, 65)
    assert [clk for clk, text in spelled(record).items() if text[0] == "r"] == [
        *range(66, 70),
        *range(88, 92),
    ]
    assert (record.starts, record.ends, record.latencies) == ([0, 42], [63, 88], [70, 50])


def test_result_bursts_take_gaps_one_by_one():
    # Packet 0 ends at 42. Packet 1 arrives at 48: configuration 48 to 50, instruction at 50.
    # Result bursts of packet 0: 42 to 46; then 46 and 47 are free, 48 is not: 51 to 55.
    program = Program(TWO_RANKS, CompiledUnit)
    program.packet(program.vector(0, (0, 0, 0)), result_bursts=2)
    program.packet(program.vector(0, (0, 0, 1)), arrival=48)
    record = program.done()
    assert [clk for clk, text in spelled(record).items() if text == "r0"] == [*range(42, 46), *range(51, 55)]
    assert record.latencies[0] == 55


@UNITS
def test_packets_on_different_ranks_run_side_by_side(unit):
    # Packet 1 starts at 0 as well: configuration 3 to 5, after the instruction of packet 0; instruction at 5, data
    # at 44. Packet 0 ends at 42, results 42 to 46. The buffers of the DIMM are free then: packet 1 ends at 47.
    program = Program(TWO_RANKS, unit)
    program.packet(program.vector(0, (0, 0, 0)))
    program.packet(program.vector(1, (0, 0, 0)))
    record = program.done()
    assert spelled(record) == {
        **clocks("c0", 0, 1), 2: "i0", **clocks("c1", 3, 4), 5: "i1",
        **clocks("r0", *range(42, 46)), **clocks("r1", *range(47, 51)),
    }  # fmt: skip
    assert (record.starts, record.ends, record.latencies) == ([0, 0], [42, 47], [46, 51])


@pytest.mark.parametrize(
    ("design", "clocks_of_both"),
    [
        (TWO_RANKS, {0: "i01"}),
        (TWO_DIMMS, {0: "i0", 1: "i1"}),
        (TWO_RANKS._replace(instructions_per_clk=1), {0: "i0", 1: "i1"}),
    ],
    ids=["joined", "another DIMM", "one a clock"],
)
def test_without_configuration_a_packet_joins_the_clocks_of_another_where_it_can(design, clocks_of_both):
    program = Program(design._replace(config_clk=0), CompiledUnit)
    program.packet(program.vector(0, (0, 0, 0)))
    program.packet(program.vector(1, (0, 0, 0)))
    assert issues(program.done()) == clocks_of_both


def test_the_turn_does_not_move_in_a_clock_that_is_shared():
    # DIMMs (0, 1) and (2, 3), no configuration. Packet 0 sends rank 0 at 0. Packet 1 joins there with rank 1 (one of
    # two), which is not its turn: clock 1 is the turn of DIMM 0 again, clock 2 that of DIMM 1, 3 is DIMM 1's alone.
    program = Program(TWO_AND_TWO._replace(config_clk=0), CompiledUnit)
    program.packet(program.vector(0, (0, 0, 0)))
    program.packet(*(program.vector(rank, (0, 0, 0)) for rank in (1, 1, 3, 3)))
    assert issues(program.done()) == {0: "i01", 1: "i1", 2: "i3", 3: "i3"}


@UNITS
def test_instructions_pass_over_results_of_the_packet_before_the_last(unit):
    # No configuration. Packets 0 and 1 side by side: instructions at 0, data at 39; packet 0 ends at 40, results to 44;
    # packet 1 ends at 45. Packet 2 starts when it arrives, at 41; up to 43 are results, so its instruction takes 44.
    # Row open: data at 66. Results of packet 1 come after that instruction: 45 to 49; of packet 2: 67 to 71.
    program = Program(TWO_RANKS._replace(config_clk=0), unit)
    program.packet(program.vector(0, (0, 0, 0)))
    program.packet(program.vector(1, (0, 0, 0)))
    program.packet(program.vector(0, (0, 0, 1)), arrival=41)
    record = program.done()
    assert spelled(record) == {
        0: "i01", **clocks("r0", *range(40, 44)), 44: "i0",
        **clocks("r1", *range(45, 49)), **clocks("r2", *range(67, 71)),
    }  # fmt: skip
    assert (record.starts, record.ends, record.latencies) == ([0, 0, 41], [40, 45, 67], [44, 49, 30])


def test_a_configuration_takes_consecutive_clocks():
    # Packets 0 and 1 side by side: results of packet 0 at 42 to 46, end of packet 1 at 47. Packet 2 starts when it
    # arrives, at 41, which is free, but 42 is not: configuration 46 to 48, instruction at 48. Results of packet 1: 49.
    program = Program(TWO_RANKS, CompiledUnit)
    program.packet(program.vector(0, (0, 0, 0)))
    program.packet(program.vector(1, (0, 0, 0)))
    program.packet(program.vector(0, (0, 0, 1)), arrival=41)
    texts = spelled(program.done())
    assert [texts.get(clk) for clk in (41, 46, 47, 48, 49)] == [None, "c2", "c2", "i0", "r1"]


def test_a_packet_starts_no_earlier_than_the_one_before_it_and_than_its_arrival():
    # Packet 0 waits for its arrival at 100; packet 1, on another rank and there from the first, starts no earlier.
    program = Program(TWO_RANKS, CompiledUnit)
    program.packet(program.vector(0, (0, 0, 0)), arrival=100)
    program.packet(program.vector(1, (0, 0, 0)))
    assert program.done().starts == [100, 100]


def test_a_packet_without_lookups_moves_nothing():
    program = Program(TWO_RANKS, CompiledUnit)
    program.packet(program.vector(0, (0, 0, 0)))
    program.packet(arrival=500)
    program.packet(program.vector(1, (0, 0, 0)))
    record = program.done()
    assert (record.packets, record.starts) == (2, [0, 0])


def test_table_aware_packets_go_batch_by_batch_in_order_of_completion():
    # Batches of two: table 1 (bags 0, 1) is complete first, then table 0 (2, 4). Table 1's next (3, 5) closes the
    # round; the last one is (3, 5), and bag 6 of table 0, incomplete.
    tables = [1, 1, 0, 1, 0, 1, 0]
    sent = sent_packets(tables, 1, "table-aware", 2)
    assert [packet.bags for packet in sent] == [[0], [1], [2], [4], [3], [5], [6]]
    assert [max(packet.waits_for) for packet in sent] == [4, 4, 4, 4, 6, 6, 6]


def test_batches_are_cut_into_packets_from_their_first_bag_on():
    tables = [0] * 7 + [1] * 2
    assert packets_of(tables, 2, "table-aware", 3) == [[0, 1], [2], [3, 4], [5], [6], [7, 8]]


def test_incomplete_batches_follow_in_order_of_their_last_bag():
    assert packets_of([0, 1, 2, 2, 0], 16, "table-aware", 3) == [[1], [2, 3], [0, 4]]


def test_interleaved_packets_with_profiling_take_one_packet_of_each_batch_in_turn():
    # One round: table 0 (four bags: two packets), table 1 (three bags, incomplete: two packets).
    tables = [0, 1, 0, 1, 0, 1, 0]
    assert packets_of(tables, 2, "interleaved", 4, True) == [[0, 2], [1, 3], [4, 6], [5]]
    assert packets_of(tables, 2, "table-aware", 4, True) == [[0, 2], [4, 6], [1, 3], [5]]


def test_a_row_that_is_looked_up_more_often_than_the_threshold_in_its_batch_is_hot():
    # Batches of two bags: table 0 has (0, 2) with row 7 three times, and (3), where 7 comes once; table 1 has bag 1.
    tables, rows = [0, 1, 0, 0], [[7, 8, 7], [7], [7, 9], [7]]
    assert locality_bits(tables, rows, 2, 2) == [[1, 0, 1], [0], [1, 0], [0]]
    assert locality_bits(tables, rows, 2, 3) == [[0, 0, 0], [0], [0, 0], [0]]
    assert locality_bits(tables, rows, 2, 0) == [[1, 1, 1], [1], [1, 1], [1]]
