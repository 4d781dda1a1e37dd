"""The compiled DRAM channel behind the interface of the twin."""

from typing import Any, NamedTuple

import numpy as np
from twin import Command

from archsim.dram.address import encode
from archsim.dram.resolve import COMMANDS, resolve
from archsim.dram.spec import DramSpec

LOG_LIMIT = 1 << 20


class Replay(NamedTuple):
    log: list[Command]
    finish: list[int]
    counts: dict[str, int]


def new_channel(spec, log_limit=LOG_LIMIT):
    from archsim.kernels.dram import ChannelReplay

    tables = resolve(spec)
    return ChannelReplay(
        tables.parameters, tables.group_delta, tables.bank_delta, tables.refresh_delta, log_limit
    )


def coordinates(spec, requests):
    return encode(requests["rank"], requests["bank_group"], requests["bank"], requests["row"], requests["column"], spec)


def replay(spec, requests, cuts=()):
    """Replay a table of requests (see `requests_of`), fed in the chunks that ``cuts`` leaves."""
    channel = new_channel(spec)
    n = len(requests["row"])
    bounds = [0, *sorted(cuts), n]
    finish = np.full(n, -1)
    for i, (first, last) in enumerate(zip(bounds, bounds[1:], strict=False)):
        ...
