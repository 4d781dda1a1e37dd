"""Each option of the channel once, with clocks worked out by hand: the compiled channel and its twin both give them.

DDR4-2400 without refresh unless said otherwise: tRCD = tRP = 17, tRAS = 39, tRTP = 9, tCCD_S / tCCD_L = 4 / 6,
tRRD_S / tRRD_L = 4 / 6; data moves from 17 to 21 clocks after RD and from 12 to 16 after WR.
"""

import pytest
import twin
from by_hand import LAYOUT, REPLAYS, at, reads, run, spec_of, writes
from engine import ddr4

# name: (ranks, requests, clocks, mean latency), as both other simulators take them.
MICRO = {
    "1_read_closed": (1, [at(0)], 39, 39.0),
    "2_reads_same_row": (1, [at(0, 0, i) for i in range(2)], 45, 41.5),
    "16_reads_same_row": (1, [at(0, 0, i) for i in range(16)], 129, 76.5),
    "2_reads_same_bank_other_row": (1, [at(0, i) for i in range(2)], 95, 66.5),
    "8_reads_same_bank_8_rows": (1, [at(0, i) for i in range(8)], 431, 231.5),
    "2_reads_other_bankgroup": (1, [at(0), at(4)], 43, 40.5),
    "2_reads_other_bank_same_bg": (1, [at(0), at(1)], 45, 41.5),
    "8_reads_8_banks_rotating_bg": (1, [at(i % 4 * 4 + i // 4) for i in range(8)], 77, 54.5),
    "16_reads_16_banks_rotating_bg": (1, [at(i % 4 * 4 + i // 4) for i in range(16)], 129, 76.5),
    "2_reads_other_rank": (2, [at(0), at(16)], 45, 41.5),
    "32_reads_alternating_rank_same_rows": (2, [at(i % 2 * 16, 0, i // 2) for i in range(32)], 225, 116.5),
    "32_reads_4bg_same_rows": (1, [at(i % 4 * 4, 0, i // 4) for i in range(32)], 163, 85.5),
}


@pytest.mark.parametrize("name", MICRO)
def test_the_twin_takes_exactly_the_clocks_of_both_simulators(name):
    ranks, places, clocks, latency = MICRO[name]
    done = twin.replay(ddr4(organization={"ranks": ranks}, address_map=LAYOUT), places)
    assert done.counts["last_data_clk"] == max(done.finished) == clocks
    assert done.counts["latency_sum_clk"] / done.counts["reads"] == latency


def hits_around_a_conflict(*rows):
    return reads(*(at(0, row, column) for column, row in enumerate(rows)))


TO_ROW_1 = ["57 ACT 0", "74 RD 0"]
# With tRTP = 4 a PRE is first legal at 40 (tRAS), between the hits at 36 and 42.
CONFLICT_SECOND, CONFLICT_LAST = (0, 1, 0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0, 0, 1)
FIRST_FOUR = ["1 ACT 0", "18 RD 0", "24 RD 0", "30 RD 0", "36 RD 0"]
ALL_SEVEN = [*FIRST_FOUR, "42 RD 0", "48 RD 0", "54 RD 0", "58 PRE 0", "75 ACT 0", "92 RD 0"]


@REPLAYS
@pytest.mark.parametrize(
    ("controller", "rows", "commands"),
    [
        ({"row_hit_protection": "none"}, CONFLICT_LAST, [*FIRST_FOUR, "40 PRE 0", *TO_ROW_1]),
        ({"row_hit_protection": "older"}, CONFLICT_LAST, ALL_SEVEN),
        ({"row_hit_protection": "older"}, CONFLICT_SECOND, [*FIRST_FOUR, "40 PRE 0", *TO_ROW_1]),
        ({"row_hit_protection": "all"}, CONFLICT_SECOND, ALL_SEVEN),
        (
            {"row_hit_protection": "all", "protection_cap": 4},
            CONFLICT_SECOND,
            [*FIRST_FOUR, "40 PRE 0", *TO_ROW_1],
        ),
        (
            {"row_hit_protection": "all", "protection_cap": 5},
            CONFLICT_SECOND,
            [*FIRST_FOUR, "42 RD 0", "46 PRE 0", "63 ACT 0", "80 RD 0"],
        ),
        ({"row_hit_protection": "all", "row_hit_cap": 2}, CONFLICT_SECOND, [*FIRST_FOUR[:3], "40 PRE 0", *TO_ROW_1]),
        ({"row_hit_protection": "older", "row_hit_cap": 2}, CONFLICT_LAST, ALL_SEVEN),
        ({"scheduler": "fcfs", "row_hit_protection": "all"}, CONFLICT_SECOND, [*FIRST_FOUR[:2], "40 PRE 0", *TO_ROW_1]),
    ],
)  # fmt: skip
def test_protection_and_caps_decide_when_a_row_with_hits_is_closed(replay, controller, rows, commands):
    spec = spec_of(timing={"tRTP": 4}, controller=controller)
    _, issued = run(replay, spec, hits_around_a_conflict(*rows))
    assert issued[: len(commands)] == commands


@REPLAYS
@pytest.mark.parametrize(
    ("arbitration", "last"),
    [("column-first", ["207 RD 0", "208 ACT 8"]), ("oldest-first", ["207 ACT 8", "208 RD 0"])],
)
def test_of_two_legal_commands_the_burst_or_the_older_request_goes_first(replay, arbitration, last):
    spec = spec_of(timing={"tRRD_S": 7, "tRRD_L": 7}, controller={"arbitration": arbitration})
    requests = [
        *reads(at(0)),
        *reads(at(4), clk=199),
        *reads(at(0, 0, 1)),
        *reads(at(8)),
        *reads(at(0, 0, 2)),
    ]
    _, issued = run(
        replay,
        spec,
        [(place, is_write, max(clk, 199 * (i > 0))) for i, (place, is_write, clk) in enumerate(requests)],
    )
    assert issued[:6] == ["1 ACT 0", "18 RD 0", "200 ACT 4", "201 RD 0", *last]


@REPLAYS
@pytest.mark.parametrize(("activated_first", "commands"), [
    (False, ["1 ACT 0", "18 RD 0", "19 ACT 4", "36 RD 4"]),
    (True, ["1 ACT 0", "5 ACT 4", "18 RD 0", "22 RD 4"]),
])  # fmt: skip
def test_an_activated_request_leaves_its_place_in_the_queue(replay, activated_first, commands):
    spec = spec_of(controller={"activated_first": activated_first, "read_queue": 1})
    assert run(replay, spec, reads(at(0), at(4)))[1] == commands


@REPLAYS
@pytest.mark.parametrize("blocking", ["rank", "channel"])
@pytest.mark.parametrize(("activated_first", "commands"), [
    (False, ["298 ACT 0", "337 PREA 0", "354 REF 0", "374 ACT 0", "391 RD 0"]),
    (True, ["298 ACT 0", "315 RD 0"]),
])  # fmt: skip
def test_an_activated_request_goes_before_a_refresh(replay, blocking, activated_first, commands):
    spec = spec_of(
        timing={"tREFI": 300, "tRFC": 20},
        controller={"activated_first": activated_first, "refresh_blocking": blocking},
        refresh={"mode": "all-bank"},
    )
    assert run(replay, spec, reads(at(0), clk=297))[1] == commands


QUEUES = {"command_queue": 4, "arbitration": "round-robin"}


@REPLAYS
@pytest.mark.parametrize(
    ("arbitration", "order"), [("round-robin", [4, 8, 12, 0]), ("column-first", [4, 0, 12, 8])]
)
def test_command_queues_are_served_in_turn_or_by_age(replay, arbitration, order):
    """All rows are open; RD of bank 4 goes at once, and the others four clocks (tCCD_S) after one another."""
    spec = spec_of(controller={**QUEUES, "arbitration": arbitration})
    opening = reads(at(0), at(4), at(8), at(12))
    _, issued = run(replay, spec, [*opening, *reads(*(at(bank, 0, 1) for bank in (4, 0, 12, 8)), clk=200)])
    assert issued[8:] == [f"{201 + 4 * i} RD {bank}" for i, bank in enumerate(order)]


@REPLAYS
def test_the_first_command_queue_to_be_served_is_number_1(replay):
    """ACT of both are legal at 320, when the refresh of the rank ends."""
    spec = spec_of(timing={"tREFI": 300, "tRFC": 20}, controller=dict(QUEUES), refresh={"mode": "all-bank"})
    _, issued = run(replay, spec, reads(at(0), at(4), clk=300))
    assert issued == ["300 REF 0", "320 ACT 4", "324 ACT 0", "337 RD 4", "341 RD 0"]


@REPLAYS
def test_a_full_command_queue_is_passed_over_in_the_read_queue(replay):
    spec = spec_of(controller={**QUEUES, "command_queue": 1})
    _, issued = run(replay, spec, reads(at(0), at(0, 1), at(4)))
    assert issued == ["1 ACT 0", "5 ACT 4", "18 RD 0", "22 RD 4", "40 PRE 0", "57 ACT 0", "74 RD 0"]


@REPLAYS
def test_a_place_that_a_move_makes_free_is_taken_in_the_next_clock(replay):
    """Bank 0 holds one; the next two fill the read queue until 18; then one moves, and the last is accepted at 19."""
    spec = spec_of(controller={**QUEUES, "command_queue": 1, "read_queue": 2})
    done, issued = run(replay, spec, reads(at(0), at(0, 0, 1), at(0, 0, 2), at(4)))
    assert issued == ["1 ACT 0", "18 RD 0", "20 ACT 4", "24 RD 0", "30 RD 0", "37 RD 4"]
    assert done.finished == [39, 45, 51, 58]


@REPLAYS
@pytest.mark.parametrize(("rank_arbitration", "order"), [("oldest", [0, 0, 16]), ("round-robin", [0, 16, 0])])
def test_ranks_are_served_in_turn_or_by_age(replay, rank_arbitration, order):
    """With tCCD = 6 the same and the other rank may follow a RD after equally many clocks."""
    spec = spec_of(2, timing={"tCCD_S": 6, "tCCD_L": 6}, controller={"rank_arbitration": rank_arbitration})
    requests = reads(at(0, 0, 1), at(0, 0, 2), at(16, 0, 1), clk=200)
    _, issued = run(replay, spec, [*reads(at(0), at(16)), *requests])
    assert issued[4:] == [f"{201 + 6 * i} RD {bank}" for i, bank in enumerate(order)]


@REPLAYS
def test_a_batch_of_writes_covers_what_waited_and_the_last_ones_follow_at_the_end(replay):
    """Two writes make a batch at 1; the third stays, not being more than the low mark, until all else is done."""
    drain = {"write_drain": "batch", "write_drain_high": 3, "write_drain_low": 1}
    done, issued = run(replay, spec_of(controller={**QUEUES, **drain}), writes(at(0), at(4), at(8)))
    assert issued == ["2 ACT 0", "6 ACT 4", "19 WR 0", "23 WR 4", "24 ACT 8", "41 WR 8"]
    assert done.finished == [35, 39, 57]


@REPLAYS
def test_a_batch_ends_at_a_write_whose_line_is_being_read(replay):
    """The read of row 1 is behind the one of row 0; its line is written only after it."""
    drain = {"write_drain": "batch", "write_drain_high": 1, "write_drain_low": 0}
    requests = [*reads(at(0), at(0, 1)), *writes(at(0, 1)), *reads(at(4))]
    _, issued = run(replay, spec_of(controller={**QUEUES, **drain}), requests)
    assert issued == [
        "1 ACT 0",
        "5 ACT 4",
        "18 RD 0",
        "22 RD 4",
        "40 PRE 0",
        "57 ACT 0",
        "74 RD 0",
        "85 WR 0",
    ]


@REPLAYS
def test_a_drain_between_marks_passes_over_a_write_whose_line_is_being_read(replay):
    requests = [*reads(at(0)), *writes(at(0), at(4))]
    _, issued = run(replay, spec_of(controller=QUEUES), requests)
    assert issued == ["1 ACT 0", "5 ACT 4", "18 RD 0", "29 WR 4", "33 WR 0"]


@REPLAYS
def test_reads_of_one_line_share_a_burst_only_when_they_are_merged(replay):
    requests = reads(at(0), at(0))
    done, issued = run(replay, spec_of(), requests)
    assert issued == ["1 ACT 0", "18 RD 0", "24 RD 0"]
    assert (done.finished, done.counts["merged"]) == ([39, 45], 0)
    done, issued = run(replay, spec_of(controller={"read_merging": True}), requests)
    assert issued == ["1 ACT 0", "18 RD 0"]
    assert (done.finished, done.counts["merged"], done.counts["latency_sum_clk"]) == ([39, 39], 1, 39 + 38)


@REPLAYS
def test_a_waiting_write_serves_reads_and_takes_in_writes_of_its_line(replay):
    """A read is waiting, so the write waits too; it is written when no read is left."""
    requests = [*reads(at(4)), *writes(at(0), at(0)), *reads(at(0))]
    done, issued = run(replay, spec_of(), requests)
    assert issued == ["1 ACT 4", "18 RD 4", "19 ACT 0", "36 WR 0"]
    assert done.finished == [39, 52, -1, 4]
    counts = done.counts
    assert (counts["forwarded"], counts["coalesced"], counts["row_misses"], counts["row_hits"]) == (
        1,
        1,
        2,
        0,
    )
    off = {"read_forwarding": False, "write_coalescing": False}
    done, issued = run(replay, spec_of(controller=off), requests)
    assert issued == ["1 ACT 4", "5 ACT 0", "18 RD 4", "22 RD 0", "33 WR 0", "39 WR 0"]
    assert (done.counts["forwarded"], done.counts["coalesced"]) == (0, 0)


@REPLAYS
@pytest.mark.parametrize(
    ("policy", "commands"),
    [
        ("open", ["101 PRE 0", "118 ACT 0", "135 RD 0"]),
        ("closed", ["40 PRE 0", "101 ACT 0", "118 RD 0"]),
        ("timeout", ["68 PRE 0", "101 ACT 0", "118 RD 0"]),
    ],
)
def test_the_row_policy_closes_an_unwanted_row_never_soon_or_after_a_pause(replay, policy, commands):
    spec = spec_of(controller={"row_policy": policy, "row_timeout_clk": 50})
    _, issued = run(replay, spec, [*reads(at(0)), *reads(at(0, 1), clk=100)])
    assert issued == ["1 ACT 0", "18 RD 0", *commands]


@REPLAYS
def test_a_row_for_which_a_write_waits_is_not_closed(replay):
    """The write waits behind the reads of another bank, the last at 64; its row closes 12 + 4 + 18 clocks after it."""
    spec = spec_of(controller={"row_policy": "closed"})
    requests = [
        *reads(at(0)),
        *writes(at(0, 0, 1)),
        *reads(*(at(4, 0, i) for i in range(8))),
        *reads(at(8), clk=200),
    ]
    _, issued = run(replay, spec, requests)
    assert [text for text in issued if text.endswith((" 0", "PRE 4"))] == [
        "1 ACT 0", "18 RD 0", "73 PRE 4", "75 WR 0", "109 PRE 0"
    ]  # fmt: skip


@REPLAYS
def test_a_command_of_two_clocks_keeps_the_pins(replay):
    fast = {"tRRD_S": 1, "tRRD_L": 1}
    assert run(replay, spec_of(timing=fast), reads(at(0), at(4)))[1][:2] == ["1 ACT 0", "2 ACT 4"]
    assert run(replay, spec_of(timing={**fast, "ACT_clk": 2}), reads(at(0), at(4)))[1][:2] == [
        "1 ACT 0",
        "3 ACT 4",
    ]


@REPLAYS
def test_split_pins_take_a_column_and_a_row_command_in_one_clock(replay):
    requests = [*reads(at(0)), *reads(at(4), clk=17)]
    assert run(replay, spec_of(), requests)[1] == ["1 ACT 0", "18 RD 0", "19 ACT 4", "36 RD 4"]
    split = spec_of(organization={"split_command_bus": True})
    assert run(replay, split, requests)[1] == ["1 ACT 0", "18 RD 0", "18 ACT 4", "35 RD 4"]


@REPLAYS
def test_pseudo_channels_share_the_command_pins_but_no_data_bus(replay):
    both = spec_of(organization={"pseudo_channels": 2})
    assert run(replay, both, reads(at(0), at(16)))[1] == ["1 ACT 0", "2 ACT 16", "18 RD 0", "19 RD 16"]
    assert run(replay, spec_of(2), reads(at(0), at(16)))[1] == ["1 ACT 0", "2 ACT 16", "18 RD 0", "24 RD 16"]
