"""Replay of plain line addresses through one DRAM channel, without tables and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from archsim.dram.address import decode_table
from archsim.dram.resolve import resolve
from archsim.dram.spec import LINE_BYTES, DramSpec
from archsim.errors import InputError

if TYPE_CHECKING:
    from archsim.kernels.dram import ChannelReplay


def replay_lines(
    spec: DramSpec,
    lines: npt.ArrayLike,
    *,
    writes: npt.ArrayLike | None = None,
    arrivals_clk: npt.ArrayLike | None = None,
    log_limit: int = 0,
) -> ChannelReplay:
    """Serve all requests and return the channel, which holds counters, latencies and the command log.

    Parameters
    ----------
    spec : DramSpec
        The memory.
    lines : array_like of int [n]
        Physical line numbers: byte address divided by 64.
    writes : array_like of bool [n], optional
        Which requests are writes; none by default.
    arrivals_clk : array_like of int [n], optional
        Earliest clock at which each request is offered; saturated by default.
    log_limit : int
        Commands to keep.

    Raises
    ------
    InputError
        For a line outside the memory.
    """
    from archsim.kernels.dram import ChannelReplay
    from archsim.kernels.lowering import decode_lines

    line = np.ascontiguousarray(lines, dtype=np.int64)
    capacity = spec.organization.capacity_bytes // LINE_BYTES
    outside = np.flatnonzero((line < 0) | (line >= capacity))
    if len(outside):
        at = int(outside[0])
        raise InputError(f"request {at}: line {line[at]} lies outside the memory of {capacity} lines")
    per_line = spec.organization.accesses_per_line
    access = (line[:, None] * per_line + np.arange(per_line)).ravel()
    coordinates = np.empty(len(access), dtype=np.int64)
    decode_lines(access, decode_table(spec), coordinates)
    tables = resolve(spec)
    channel = ChannelReplay(tables, log_limit)
    channel.feed(
        coordinates,
        None if writes is None else np.repeat(np.asarray(writes, dtype=np.uint8), per_line),
        None if arrivals_clk is None else np.repeat(np.asarray(arrivals_clk, dtype=np.int64), per_line),
        drain=True,
    )
    return channel
