"""Each option of refresh once, with clocks worked out by hand: the compiled channel and its twin both give them."""

import pytest
from by_hand import REPLAYS, at, reads, run, spec_of
from engine import ddr4


def issued_until(replay, clk, **tables):
    """Return the commands of a channel in which nothing is asked for until a read of the last bank at this clock."""
    spec = spec_of(**tables)
    return run(replay, spec, reads(at(spec.organization.banks - 1), clk=clk))[1]


SHORT = {"tREFI": 400, "tRFC": 20, "tRFCpb": 20, "tRFCsb": 20}
FOUR_BANKS = {"bank_groups": 2, "banks_per_group": 2}
WITH_REFB = [rule.model_dump() for rule in ddr4().rules] + [
    {"level": "bank", "before": "REFB", "after": "ACT", "latency": "tRFCpb"}
]


@REPLAYS
@pytest.mark.parametrize(
    ("refresh", "expected"),
    [
        ({"mode": "none"}, []),
        ({"mode": "all-bank"}, ["400 REF 0", "401 REF 4", "800 REF 0", "801 REF 4"]),
        ({"mode": "all-bank", "staggered": True}, ["200 REF 0", "400 REF 4", "600 REF 0", "800 REF 4"]),
        (
            {"mode": "all-bank", "staggered": True, "temperature_c": 86.0},
            [f"{clk} REF {bank}" for clk, bank in zip(range(100, 900, 100), [0, 4] * 4, strict=True)],
        ),
        (
            {"mode": "same-bank"},
            [
                f"{clk + rank} REFB {4 * rank + bank}"
                for clk, bank in zip(range(200, 801, 200), [0, 1] * 2, strict=True)
                for rank in (0, 1)
            ],
        ),
        (
            {"mode": "per-bank"},
            [
                f"{clk + rank} REFB {4 * rank + bank}"
                for clk, bank in zip(range(100, 801, 100), [0, 2, 1, 3] * 2, strict=True)
                for rank in (0, 1)
            ],
        ),
    ],
)  # fmt: skip
def test_refreshes_of_idle_ranks_come_when_due(replay, refresh, expected):
    issued = issued_until(
        replay, 850, ranks=2, organization=FOUR_BANKS, timing=SHORT, refresh=refresh, rules=WITH_REFB
    )
    assert issued == [*expected, "851 ACT 7", "868 RD 7"]


@REPLAYS
def test_postponed_refreshes_wait_while_there_is_work(replay):
    """Hits every 6 clocks from 268 on. The third refresh is due at 900: the row closes 9 clocks after the RD at 898."""
    refresh = {"mode": "all-bank", "postpone": 2}
    spec = spec_of(timing={"tREFI": 300, "tRFC": 20}, refresh=refresh)
    requests = reads(*(at(0, 0, i % 128) for i in range(200)), clk=250)
    _, issued = run(replay, spec, requests)
    assert [text for text in issued if "REF" in text][:2] == ["924 REF 0", "1221 REF 0"]
    _, issued = run(replay, spec, [*requests[:10], *reads(at(4), clk=2000)])
    assert [text for text in issued if "REF" in text][:3] == ["348 REF 0", "600 REF 0", "900 REF 0"]


# Rows are open in bank 0 of rank 0 (long since), bank 4 of rank 0 (since 290) and bank 16 of rank 1. At 300 a refresh
# of rank 0 alone falls due, while reads of the rows of bank 0 and bank 16 have just been accepted.
AFTERWARDS = ["366 ACT 4", "370 ACT 0", "383 RD 4", "387 RD 0"]
OPEN_ROWS = [
    *reads(at(0), at(16)),
    *reads(at(4), clk=289),
    *reads(at(0, 0, 1), clk=299),
    *reads(at(16, 0, 1), clk=309),
]


@REPLAYS
@pytest.mark.parametrize(
    ("blocking", "precharge", "commands"),
    [
        ("activates", "all", ["290 ACT 4", "300 RD 0", "307 RD 4", "310 RD 16"]),
        ("rank", "all", ["290 ACT 4", "310 RD 16", "329 PREA 0", "346 REF 0", *AFTERWARDS]),
        ("rank", "each", ["290 ACT 4", "300 PRE 0", "310 RD 16", "329 PRE 4", "346 REF 0", *AFTERWARDS]),
        ("channel", "all", ["290 ACT 4", "329 PREA 0", "346 REF 0", "347 RD 16", *AFTERWARDS]),
    ],
)  # fmt: skip
def test_a_due_refresh_blocks_what_it_is_told_to(replay, blocking, precharge, commands):
    spec = spec_of(
        2,
        timing={"tREFI": 600, "tRFC": 20},
        controller={"refresh_blocking": blocking, "refresh_precharge": precharge},
        refresh={"mode": "all-bank", "staggered": True},
    )
    spec = spec.model_copy(update={"rules": tuple(rule for rule in spec.rules if rule.level != "other_rank")})
    _, issued = run(replay, spec, OPEN_ROWS)
    assert [text for text in issued if int(text.split()[0]) >= 290] == commands
