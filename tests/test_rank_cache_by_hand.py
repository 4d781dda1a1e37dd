"""RankCaches, with clocks worked out by hand from docs/recnmp.md; memory clocks as in `recnmp_by_hand`.

Two ranks on one DIMM, two instructions a clock, configuration 2 clocks a DIMM, transfer 1; one set of two lines unless
said otherwise; L is the latency of the cache.
"""

import pytest
from recnmp_by_hand import UNITS, Program, cached
from recnmp_unit_twin import CompiledUnit


@UNITS
def test_a_hit_waits_for_data_that_are_still_read_and_for_the_end_of_the_packet_before(unit):
    # L = 2. Instructions at 2 and 3. Lookup at 2 misses: port busy to 4, with the fill to 6; offered at 4, data at 43.
    # Second lookup at 6 hits, ready at 8 but for the data: 43. Done 43, end 44, results 44 to 48; free at 23.
    # Packet 1: instruction at 25, lookup hits, ready at 27 but for packet 0: 44. Results of packet 0 left
    # at 48: end 49.
    program = Program(cached(2), unit)
    program.packet(program.vector(0, (0, 0, 0)), program.vector(0, (0, 0, 0)))
    program.packet(program.vector(0, (0, 0, 0)))
    record = program.done()
    assert (record.ends, record.latencies, record.order) == ([44, 49], [48, 30], [0, 1, 2])
    assert program.cache_counts() == [(3, 2, 1, 0), (0, 0, 0, 0)]
    assert program.channel.units[0].dram.counts["rd"] == 1
    assert (record.rank_reads, record.slowest_rank_bursts) == ([1, 0], 3)


@UNITS
def test_a_hit_follows_the_data_of_the_packet_before_into_the_adders(unit):
    # L = 2, sums 7 clocks after the data. Packet 0: data at 43, end 51, results to 55; free at 23 as without additions.
    # Packet 1: the hit, ready at 27, follows at 44; summed at 51; results of packet 0 left at 55: end 56.
    program = Program(cached(2)._replace(arithmetic_clk=7), unit)
    program.packet(program.vector(0, (0, 0, 0)))
    program.packet(program.vector(0, (0, 0, 0)))
    record = program.done()
    assert (record.starts, record.ends) == ([0, 23], [51, 56])
    assert record.latencies == [55, 37]


def test_a_hit_waits_for_the_packet_before_of_its_own_unit_alone():
    # L = 2, transfer 0. Packet 0 of two lookups on rank 0: lookups at 2 and 6, data at 43 and 49, end 49, results
    # to 53.
    # Packet 1 brings a line to rank 1: instruction at 6, data at 47; the results of packet 0 left at 53: end 53.
    # Packet 2, rank 0, starts at 28: hit, ready at 32 but for the end of packet 0: 49. Results of packet 1 left at 57.
    program = Program(cached(2)._replace(transfer_clk=0), CompiledUnit)
    program.packet(program.vector(0, (0, 0, 0)), program.vector(0, (0, 0, 1)))
    program.packet(program.vector(1, (0, 0, 0)))
    unit = program.channel.units[0]
    arrived, execute = [], unit.execute
    unit.execute = lambda *of_packet: arrived.append(execute(*of_packet)) or arrived[-1]
    program.packet(program.vector(0, (0, 0, 0)))
    assert program.done().ends == [49, 53, 57]
    assert [arrival.clk for arrival in arrived[0].values()] == [49]


@UNITS
def test_the_fill_takes_the_port_from_the_next_lookup(unit):
    # L = 2. Line of group 0: lookup at 2, offered at 4, ACT 5, RD 22, data at 43. Line of group 1: instruction at 3,
    # lookup when the fill is over at 6, offered at 8, ACT 9, RD 26, data at 47. End 48.
    program = Program(cached(2), unit)
    program.packet(program.vector(0, (0, 0, 0)), program.vector(0, (1, 0, 0)))
    assert program.done().ends == [48]


def test_the_port_stays_busy_from_packet_to_packet():
    # L = 60. Packet 0: lookup at 2, offered at 62, data at 101, end 102; its fill keeps the port to 122.
    # Packet 1: instruction at 83, lookup at 122, hit, at the unit at 182, end 183.
    program = Program(cached(60), CompiledUnit)
    program.packet(program.vector(0, (0, 0, 0)))
    program.packet(program.vector(0, (0, 0, 0)))
    assert program.done().ends == [102, 183]


@UNITS
def test_a_bypass_does_not_overtake_the_miss_before_it(unit):
    # L = 5. Lookup of group 0 at 2: offered at 7, data at 46. Bypass of group 1, instruction at 3: it could go at 3,
    # but is offered after the miss, at 8: ACT 12 (tRRD_S 4 after ACT 8), RD 29, data at 50. End 51.
    program = Program(cached(5), unit)
    program.packet(program.vector(0, (0, 0, 0)), program.vector(0, (1, 0, 0), locality=0))
    record = program.done()
    assert (record.ends, record.order) == ([51], [0, 1])
    assert program.cache_counts()[0] == (1, 0, 1, 1)


@UNITS
def test_a_bypass_waits_until_the_last_lookup_before_it_has_begun_but_not_for_its_data(unit):
    # L = 20. Packet 0 brings the line of group 0 in: lookup at 2, offered at 22, port busy to 42, data at 61, end 62.
    # Packet 1 starts at 41: two hits, instructions at 43 and 44, lookups at 43 and 63, there at 63 and 83; and a bypass
    # of group 1, its own at 45, offered at 63: data at 102. End 103.
    program = Program(cached(20), unit)
    program.packet(program.vector(0, (0, 0, 0)))
    hits = [program.vector(0, (0, 0, 0)), program.vector(0, (0, 0, 0))]
    program.packet(*hits, program.vector(0, (1, 0, 0), locality=0))
    record = program.done()
    assert record.ends == [62, 103]
    assert program.cache_counts()[0] == (3, 2, 1, 1)


@UNITS
def test_a_bypass_reads_the_dram_though_the_line_is_there_and_leaves_its_age_alone(unit):
    # One set of two lines: A, B, bypass of A, C drives A out, A again misses and drives B out, C still hits.
    program = Program(cached(1), unit)
    a, b, c = (0, 0, 0), (0, 0, 1), (0, 0, 2)
    for place, locality in [(a, 1), (b, 1), (a, 0), (c, 1), (a, 1), (c, 1), (b, 1)]:
        program.packet(program.vector(0, place, locality=locality))
    assert program.done().packets == 7
    assert program.cache_counts()[0] == (6, 1, 5, 1)
    assert program.channel.units[0].dram.counts["rd"] == 6


def test_the_least_recently_used_line_goes_first():
    # A, B, A hits, C drives B out, A hits, B misses.
    program = Program(cached(1), CompiledUnit)
    a, b, c = (0, 0, 0), (0, 0, 1), (0, 0, 2)
    program.packet(*(program.vector(0, place) for place in (a, b, a, c, a, b)))
    program.done()
    assert program.cache_counts()[0] == (6, 2, 4, 0)


@pytest.mark.parametrize(("row", "together"), [(0, False), (1, True)])
def test_sets_are_counted_by_bank_then_column_then_row(row, together):
    # 16 banks, 128 bursts a row: with 2,048 sets of one line, bank 0 of rows 0 and 1 meets at each column.
    program = Program(cached(1, sets=2048, ways=1), CompiledUnit)
    first, second = (0, 0, 3), (0, row, 3) if row else (1, 0, 3)
    program.packet(*(program.vector(0, place) for place in (first, second, first)))
    program.done()
    assert program.cache_counts()[0][1] == (0 if together else 1)


def test_lines_of_other_ranks_never_meet():
    program = Program(cached(1, ways=1), CompiledUnit)
    program.packet(*(program.vector(rank, (0, 0, 0)) for rank in (0, 1, 0, 1)))
    program.done()
    assert program.cache_counts() == [(2, 1, 1, 0), (2, 1, 1, 0)]


def test_of_bursts_that_arrive_in_one_clock_those_from_the_dram_are_added_first():
    # L = 23, configuration 4. Packet 0: lookup at 4, offered at 27, port busy to 50, RD 45, data at 66, end 67.
    # Packet 1 starts at 46, instructions at 50 and 51. Hit: lookup at 50, at the unit at 73. Bypass of the same row:
    # offered at 51, RD at 52, data at 73. It is the second, but is added first.
    program = Program(cached(23)._replace(config_clk=4), CompiledUnit)
    program.packet(program.vector(0, (0, 0, 0)))
    program.packet(program.vector(0, (0, 0, 0)), program.vector(0, (0, 0, 1), locality=0))
    record = program.done()
    assert (record.ends, record.order) == ([67, 74], [0, 2, 1])
