"""What the tests of hand-computed clocks share: banks of DDR4 by number, requests (coordinate, is write, arrival)."""

import engine
import pytest
import twin
from engine import ddr4

LAYOUT = {"layout": ["column", "pseudo_channel", "rank", "bank_group", "bank", "row"], "hash": []}
REPLAYS = pytest.mark.parametrize(
    "replay", [twin.replay, engine.replay_coordinates], ids=["twin", "compiled"]
)


def spec_of(ranks=1, organization=(), refresh=(), **tables):
    return ddr4(
        organization={"ranks": ranks, **dict(organization)},
        refresh={"mode": "none", "staggered": False, **dict(refresh)},
        address_map=LAYOUT,
        **tables,
    )


def at(bank, row=0, column=0):
    """Return a coordinate. Banks 0 to 3 are group 0, 4 to 7 group 1 and so on; 16 is the first of the second rank."""
    return row << 32 | bank << 16 | column


def reads(*places, clk=0):
    return [(place, False, clk) for place in places]


def writes(*places, clk=0):
    return [(place, True, clk) for place in places]


def run(replay, spec, requests):
    done = replay(spec, *map(list, zip(*requests, strict=True)))
    return done, [f"{c.clk} {c.name} {c.bank}" for c in done.commands]
