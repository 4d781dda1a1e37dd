"""The compiled DRAM channel behind the interface of `twin.replay`, and DDR4-2400 with some values changed."""

from typing import NamedTuple

import numpy as np
import twin
from twin_device import Command as TwinCommand

from archsim.dram.address import encode
from archsim.dram.resolve import COMMANDS, resolve
from archsim.dram.spec import DramSpec

LOG_LIMIT = 1 << 20


class Command(NamedTuple):
    """One line of the command log; -1 where the command has no such part."""

    clk: int
    name: str
    rank: int
    bank_group: int = -1
    bank: int = -1
    row: int = -1
    column: int = -1


def ddr4(**changes):
    """Return the preset with tables laid over it, such as ``ddr4(timing={"tRFC": 60}, rules=[])``."""
    data = DramSpec.load("ddr4-2400").to_dict()
    for table, values in changes.items():
        data[table] = {**data[table], **values} if isinstance(values, dict) else values
    return DramSpec.from_dict(data, "changed ddr4-2400")


def replay(spec, rank, bank_group, bank, row, column, is_write, arrival=None, cuts=None):
    """Return (command log, finish clock of each request, counts by name), as `twin.replay` does.

    With ``cuts`` the requests are fed in pieces that end there, and no finish clocks are returned.
    """
    from archsim.kernels.dram import ChannelReplay

    tables = resolve(spec)
    channel = ChannelReplay(tables, LOG_LIMIT)
    place = encode(rank, bank_group, bank, row, column, spec)
    kind = np.array(is_write, dtype=np.uint8)
    offered = np.zeros(len(place), np.int64) if arrival is None else np.array(arrival, dtype=np.int64)
    if cuts is None:
        finish = np.full(len(place), -1)
        channel.feed(place, kind, offered, finish, drain=True)
        return log_of(channel, spec), finish.tolist(), channel.counts()
    for first, last in zip([0, *cuts], [*cuts, len(place)], strict=True):
        channel.feed(place[first:last], kind[first:last], offered[first:last], drain=last == len(place))
    return log_of(channel, spec), None, channel.counts()


def replay_coordinates(spec, coordinates, writes=None, arrivals=None, cuts=()):
    """Return a `twin.Replay`, as `twin.replay` does.

    With ``cuts`` the requests are fed in pieces that end there, and no finish clocks are returned.
    """
    from archsim.kernels.dram import ChannelReplay

    tables = resolve(spec)
    channel = ChannelReplay(tables, LOG_LIMIT)
    size = len(coordinates)
    place = np.array(coordinates, np.int64)
    kind = np.zeros(size, np.uint8) if writes is None else np.array(writes, np.uint8)
    offered = np.zeros(size, np.int64) if arrivals is None else np.array(arrivals, np.int64)
    finished = np.full(size, -1)
    if not cuts:
        channel.feed(place, kind, offered, finished, drain=True)
        return _replay_of(channel, finished.tolist())
    for first, last in zip([0, *cuts], [*cuts, size], strict=True):
        part = slice(first, last)
        channel.feed(place[part], kind[part], offered[part], drain=last == size)
    return _replay_of(channel, [])


def _replay_of(channel, finished):
    clocks = channel.rank_clocks().tolist()
    waiting = [tuple(pair) for pair in channel.queues().T.tolist()]
    return twin.Replay(_commands(channel), channel.counts(), finished, rank_clocks=clocks, waiting=waiting)


def _commands(channel):
    """Return the command log with row and column only where they mean something."""
    log = []
    for clk, command, bank, row, column in channel.commands().T.tolist():
        name = COMMANDS[command]
        parts = {"ACT": (row,), "RD": (row, column), "WR": (row, column)}.get(name, ())
        log.append(TwinCommand(clk, name, bank, *parts))
    return log


def log_of(channel, spec):
    """Return the command log as `Command`, with -1 where the command has no such part."""
    organization = spec.organization
    log = []
    for clk, command, flat_bank, row, column in channel.commands().T.tolist():
        group, bank = divmod(flat_bank, organization.banks_per_group)
        rank, bank_group = divmod(group, organization.bank_groups)
        name = COMMANDS[command]
        parts = {
            "ACT": (bank_group, bank, row),
            "PRE": (bank_group, bank),
            "RD": (bank_group, bank, row, column),
            "WR": (bank_group, bank, row, column),
        }
        log.append(Command(clk, name, rank, *parts.get(name, ())))
    return log
