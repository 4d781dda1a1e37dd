"""Each state of an idle rank entered and left, with clocks worked out by hand for the compiled channel and its twin.

DDR4-2400: a read of a closed bank accepted at 0 is ACT at 1, RD at 18, its last data at 39; PRE no earlier than 40.
"""

import pytest
from by_hand import REPLAYS, at, reads, run, spec_of

TIMING = {"tREFI": 400, "tRFC": 20, "tCKE": 10, "tXP": 8, "tCKESR": 50, "tXS": 100}
HIT = at(0, 0, 1)


def idle_spec(ranks=1, power_down=0, self_refresh=0, **tables):
    idle = {"power_down_clk": power_down, "self_refresh_clk": self_refresh}
    return spec_of(ranks, timing=TIMING, idle=idle, **tables)


def check(done, issued, commands, *rank_clocks):
    assert issued == commands
    assert done.rank_clocks == [list(clocks) for clocks in rank_clocks]
    for clocks in done.rank_clocks:
        assert sum(clocks) == done.counts["last_data_clk"]


# Entry at 39, with the end of the burst (5 clocks after the RD is before that), or at 58, 40 clocks after the RD.
@REPLAYS
@pytest.mark.parametrize(
    ("power_down", "accepted", "second", "rank_clocks"),
    [
        (5, 100, 109, (67, 1, 62, 0, 0)),  # from 39 to 101
        (5, 38, 39, (59, 1, 0, 0, 0)),  # wake-up at 39: finds it awake
        (5, 39, 57, (67, 1, 10, 0, 0)),  # from 39 to 49, not to 40
        (40, 57, 58, (78, 1, 0, 0, 0)),
        (40, 58, 76, (86, 1, 10, 0, 0)),  # from 58 to 68
        (40, 68, 77, (86, 1, 11, 0, 0)),
    ],
)  # fmt: skip
def test_a_rank_with_an_open_row_powers_down_and_wakes_for_a_request(
    replay, power_down, accepted, second, rank_clocks
):
    spec = idle_spec(power_down=power_down)
    done, issued = run(replay, spec, [*reads(at(0)), *reads(HIT, clk=accepted)])
    check(done, issued, ["1 ACT 0", "18 RD 0", f"{second} RD 0"], rank_clocks)


@REPLAYS
def test_a_rank_that_nobody_asks_powers_down_from_the_beginning(replay):
    done, issued = run(replay, idle_spec(2, power_down=5), reads(at(0)))
    check(done, issued, ["1 ACT 0", "18 RD 0"], (38, 1, 0, 0, 0), (0, 5, 0, 34, 0))


@REPLAYS
@pytest.mark.parametrize(
    ("power_down", "commands", "rank_clocks"),
    [
        # The row may close at 40: before the entry at 48, or not any more after that at 39.
        (30, ["40 PRE 0", "109 ACT 0", "126 RD 0"], (77, 17, 0, 53, 0)),
        (5, ["109 RD 0"], (67, 1, 62, 0, 0)),
    ],
)
def test_the_row_policy_closes_no_row_of_a_rank_in_power_down(replay, power_down, commands, rank_clocks):
    spec = idle_spec(power_down=power_down, controller={"row_policy": "closed"})
    done, issued = run(replay, spec, [*reads(at(0)), *reads(HIT, clk=100)])
    check(done, issued, ["1 ACT 0", "18 RD 0", *commands], rank_clocks)


@REPLAYS
def test_a_refresh_wakes_a_rank_which_powers_down_again_afterwards(replay):
    """In power-down from 5 to 400, and from the end of tRFC at 428 to 601."""
    spec = idle_spec(power_down=5, refresh={"mode": "all-bank"})
    done, issued = run(replay, spec, reads(at(0), clk=600))
    check(done, issued, ["408 REF 0", "609 ACT 0", "626 RD 0"], (38, 41, 0, 568, 0))


@REPLAYS
def test_a_power_down_that_outlasts_the_last_data_counts_up_to_it(replay):
    """The second rank enters at 395; the refresh of 400 wakes it, tCKE keeps it until 405, the data end at 404."""
    spec = idle_spec(
        2, power_down=395, refresh={"mode": "all-bank"}, controller={"refresh_blocking": "activates"}
    )
    done, issued = run(replay, spec, reads(at(0), clk=365))
    check(done, issued, ["366 ACT 0", "383 RD 0"], (38, 366, 0, 0, 0), (0, 395, 0, 9, 0))


@REPLAYS
@pytest.mark.parametrize(
    ("self_refresh", "power_down", "accepted", "act", "rank_clocks"),
    [
        (300, 0, 600, 701, (38, 500, 0, 0, 201)),  # from 400 to 601
        (300, 0, 405, 550, (38, 500, 0, 0, 50)),  # from 400 to 450: tCKESR is 50
        (300, 0, 400, 550, (38, 500, 0, 0, 50)),  # accepted in the clock of the entry
        (300, 5, 600, 701, (38, 113, 0, 395, 193)),  # from 408: it first leaves power-down
    ],
)  # fmt: skip
def test_a_rank_enters_self_refresh_instead_of_a_refresh(
    replay, self_refresh, power_down, accepted, act, rank_clocks
):
    spec = idle_spec(self_refresh=self_refresh, power_down=power_down, refresh={"mode": "all-bank"})
    done, issued = run(replay, spec, reads(at(0), clk=accepted))
    check(done, issued, [f"{act} ACT 0", f"{act + 17} RD 0"], rank_clocks)


@REPLAYS
@pytest.mark.parametrize(
    ("self_refresh", "commands", "rank_clocks"),
    [
        (300, ["1201 ACT 0", "1218 RD 0"], (338, 617, 0, 0, 284)),
        (301, ["1018 REF 0", "1101 ACT 0", "1118 RD 0"], (338, 600, 0, 0, 201)),
    ],
)
def test_after_self_refresh_the_next_refresh_falls_due_an_interval_later(
    replay, self_refresh, commands, rank_clocks
):
    """In self-refresh until 601; due again at 1001. REF could issue at 1018, 300 clocks after the RD at 718."""
    spec = idle_spec(self_refresh=self_refresh, refresh={"mode": "all-bank"})
    done, issued = run(replay, spec, [*reads(at(0), clk=600), *reads(HIT, clk=1100)])
    check(done, issued, ["701 ACT 0", "718 RD 0", "1001 PREA 0", *commands], rank_clocks)


@REPLAYS
def test_self_refresh_takes_the_pins_as_a_refresh_does(replay):
    """Both ranks are due at 400; the second enters a clock later and is never woken."""
    done, issued = run(
        replay, idle_spec(2, self_refresh=300, refresh={"mode": "all-bank"}), reads(at(0), clk=600)
    )
    check(done, issued, ["701 ACT 0", "718 RD 0"], (38, 500, 0, 0, 201), (0, 401, 0, 0, 338))


@REPLAYS
def test_refreshes_missed_while_waking_up_are_made_up_for_before_self_refresh(replay):
    """tXP ends at 1400, with refreshes of 400, 800 and 1200 owed: two REF, then self-refresh from 1440 to 1501."""
    spec = idle_spec(power_down=5, self_refresh=1, refresh={"mode": "all-bank"})
    slow = spec.timing.model_copy(update={"tXP": 1000})
    done, issued = run(replay, spec.model_copy(update={"timing": slow}), reads(at(0), clk=1500))
    check(done, issued, ["1400 REF 0", "1420 REF 0", "1601 ACT 0", "1618 RD 0"], (38, 1145, 0, 395, 61))


@REPLAYS
def test_a_rank_that_owes_two_refreshes_pays_one_before_self_refresh(replay):
    """Hits from 268 to 604: refreshes of 300 and 600 are owed. REF at 630, self-refresh from 650 to 801."""
    timing = {**TIMING, "tREFI": 300}
    refresh = {"mode": "all-bank", "postpone": 2}
    spec = spec_of(timing=timing, idle={"self_refresh_clk": 10}, refresh=refresh)
    hits = reads(*(at(0, 0, i) for i in range(57)), clk=250)
    done, issued = run(replay, spec, [*hits, *reads(at(0), clk=800)])
    assert issued[-5:] == ["604 RD 0", "613 PREA 0", "630 REF 0", "901 ACT 0", "918 RD 0"]
    assert done.rank_clocks == [[613 - 251 + 38, 939 - 151 - 400, 0, 0, 151]]
