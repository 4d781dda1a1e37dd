"""The window of four ACT, shared by one rank, by the ranks of a pseudo channel, or by the channel."""

import engine
import numpy as np
import pytest
import twin

from archsim.dram.address import encode
from archsim.dram.engine import replay_lines
from archsim.dram.spec import DramSpec
from archsim.errors import InputError


def spec_with(*windows):
    """Return two ranks of DDR4 whose only rules on ACT to ACT, beside tRC, are these windows."""
    data = DramSpec.load("ddr4-2400").to_dict()
    data["organization"] |= {"ranks": 2}
    data["address_map"] = {"layout": ["rank", "bank_group", "bank", "column", "row"], "hash": []}
    data["refresh"]["mode"] = "none"
    keep = [r for r in data["rules"] if (r["before"], r["after"]) != ("ACT", "ACT") or r["level"] == "bank"]
    act = {"before": "ACT", "after": "ACT", "window": 4}
    data["rules"] = [*keep, *(act | {"level": level, "latency": latency} for level, latency in windows)]
    return DramSpec.from_dict(data, "test")


def act_clocks(spec):
    """Replay eight reads of eight banks, the ranks in turn; return the clocks of their ACT."""
    clk, command, *_ = replay_lines(spec, np.arange(8), log_limit=100).commands()
    return clk[command == 0].tolist()


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        # The pins take one ACT a clock; the fifth of whoever shares the window comes 50 clocks after the first.
        ("rank", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("pseudo_channel", [1, 2, 3, 4, 51, 52, 53, 54]),
        ("channel", [1, 2, 3, 4, 51, 52, 53, 54]),
    ],
)
def test_a_fifth_act_waits_for_the_window_of_those_that_share_it(level, expected):
    assert act_clocks(spec_with((level, "50"))) == expected


def test_of_two_windows_the_longer_decides():
    assert act_clocks(spec_with(("rank", "20"), ("channel", "50"))) == [1, 2, 3, 4, 51, 52, 53, 54]


def test_more_windows_than_the_kernel_has_room_for_are_refused():
    with pytest.raises(InputError, match="5 rules with a window of more than 1, at most 4"):
        act_clocks(spec_with(*[("rank", str(clk)) for clk in range(20, 25)]))


def test_a_window_between_other_commands_is_refused():
    spec = spec_with(("bank_group", "50"))
    with pytest.raises(InputError, match="of a rank, a pseudo channel or the channel only"):
        act_clocks(spec)


@pytest.mark.parametrize("level", ["rank", "pseudo_channel", "channel"])
def test_the_twin_gives_the_same_commands_under_a_shared_window(level):
    spec = spec_with((level, "40"))
    generator = np.random.default_rng(7)
    rank, group, bank, row = (generator.integers(0, size, 400) for size in (2, 4, 4, 8))
    coordinates = encode(rank, group, bank, row, generator.integers(0, 128, 400), spec)
    ours = engine.replay_coordinates(spec, coordinates)
    theirs = twin.replay(spec, coordinates)
    assert ours.commands == theirs.commands
    assert sum(command.name == "ACT" for command in ours.commands) > 200
