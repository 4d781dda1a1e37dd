"""The traffic of a bandwidth-latency measurement: many paced sequential streams and a latency probe.

Each core walks through an array of its own, line after line, and writes some of the lines back later, when they leave
its caches. One more core reads lines at random, one at a time: the probe. Lines go round over the channels of the
socket; the requests of one of them are returned. All random numbers come by counter (`archsim.traces.counter`): the
traffic is the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from archsim.traces.counter import below, draw, permute, stream_key, unit

#: Streams of random numbers.
_FRAMES, _JITTER, _PHASE, _DIRTY, _PROBE_LINE, _PROBE_TIME = range(6)
#: Random words below this bound come from 31 bits.
_WORD = 2**31


@dataclass(frozen=True)
class Workload:
    """How the cores of the measured machine make traffic.

    Attributes
    ----------
    cores : int
        Cores that make traffic; the probe has one of its own.
    channels : int
        Channels that consecutive lines go round.
    page_lines : int
        Lines of a physical page; pages lie at random places.
    lag_lines : int
        A line is written back so many lines after it was read: what the caches of a core hold.
    burst_lines : int
        Lines that a core asks for at a time.
    burst_gap_ns : float
        Time between two requests of such a group.
    jitter : float
        A group comes late by a random share of the time between two groups, at most this.
    probe_ns : float
        Mean time between two probe reads of one channel. A pointer chase through six channels that takes 90 ns a read
        comes by every 540 ns; more samples make the mean latency surer, at 1.5 % of a channel's peak.
    seed : int
        Of the random places and times.
    """

    cores: int = 15
    channels: int = 6
    page_lines: int = 2**12 // 64
    lag_lines: int = 38_912
    burst_lines: int = 1
    burst_gap_ns: float = 4.0
    jitter: float = 1.0
    probe_ns: float = 180.0
    seed: int = 1


class Requests(NamedTuple):
    """Requests of one channel in order of arrival; lines are numbered within the channel."""

    lines: npt.NDArray[np.int64]
    writes: npt.NDArray[np.uint8]
    arrivals_ns: npt.NDArray[np.float64]
    probes: npt.NDArray[np.bool_]


def requests(
    load: Workload, read_share: float, gbps: float, time_ns: float, lines: int, *, channel: int = 0
) -> Requests:
    """Return the requests that reach one channel.

    Parameters
    ----------
    load : Workload
        The cores.
    read_share : float
        Reads as a share of the traffic of the streams, 0.5 to 1.
    gbps : float
        Traffic of the streams, reads and writes, that the cores offer to this channel, in GB/s; 0: the probe alone.
    time_ns : float
        How long they do so.
    lines : int
        Lines of one channel.
    channel : int
        Which channel.
    """
    parts = [_probe(load, time_ns, lines, channel)]
    if gbps > 0:
        # Bytes per ns are GB/s. A core reads one line per step; lines written back come on top.
        step_ns = load.cores * 64 / (gbps * load.channels * read_share)
        parts += [_core(load, c, read_share, step_ns, time_ns, lines, channel) for c in range(load.cores)]
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(joined[2], kind="stable")
    return Requests(*(column[order] for column in joined))


def _probe(load: Workload, time_ns: float, lines: int, channel: int) -> Requests:
    """Read random lines, each at a random time of its own interval."""
    count = max(1, int(time_ns / load.probe_ns))
    number = np.arange(count, dtype=np.uint64)
    places = below(draw(stream_key(load.seed, _PROBE_LINE, channel), number), min(lines, _WORD))
    late = unit(draw(stream_key(load.seed, _PROBE_TIME, channel), number))
    times = (number.astype(np.float64) + 0.5 * late) * load.probe_ns
    return Requests(places, np.zeros(count, np.uint8), times, np.ones(count, np.bool_))


def _core(
    load: Workload, core: int, read_share: float, step_ns: float, time_ns: float, lines: int, channel: int
) -> Requests:
    """Read the array of one core line by line; lines that it made dirty follow, ``lag_lines`` later."""
    steps = np.arange(int(time_ns / step_ns), dtype=np.int64)
    group = steps // load.burst_lines
    period = load.burst_lines * step_ns
    phase = float(unit(draw(stream_key(load.seed, _PHASE, core), np.zeros(1, np.uint64)))[0])
    gap = min(load.burst_gap_ns, step_ns)

    def times(chosen: npt.NDArray[np.int64], stream: int) -> npt.NDArray[np.float64]:
        late = unit(draw(stream_key(load.seed, _JITTER, core, stream), group[chosen].astype(np.uint64)))
        start: npt.NDArray[np.float64] = (group[chosen] + phase + load.jitter * late) * period
        return start + (chosen % load.burst_lines) * gap

    # Drawn, not counted off: every n-th line would fall on some channels only.
    dirty = (
        unit(draw(stream_key(load.seed, _DIRTY, core), steps.astype(np.uint64)))
        < (1 - read_share) / read_share
    )
    parts = []
    for write, chosen, first in ((0, steps, load.lag_lines), (1, steps[dirty], 0)):
        where, local = _placed(load, core, chosen + first, lines)
        mine = where == channel
        count = int(np.count_nonzero(mine))
        parts.append(
            Requests(
                local[mine],
                np.full(count, write, np.uint8),
                times(chosen[mine], write),
                np.zeros(count, np.bool_),
            )
        )
    return Requests(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _placed(
    load: Workload, core: int, places: npt.NDArray[np.int64], lines: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return channel and line within it of places in a core's array, whose pages lie at random frames."""
    page, offset = np.divmod(places, load.page_lines)
    # So many pages at a time, so that runs of different lengths share them.
    pages = -(-(int(page[-1]) + 1 if len(page) else 1) // 1024) * 1024
    line = (
        _frames(load, core, pages, lines * load.channels // load.page_lines)[page] * load.page_lines + offset
    )
    return line % load.channels, line // load.channels


@lru_cache(maxsize=64)
def _frames(load: Workload, core: int, pages: int, frames: int) -> npt.NDArray[np.int64]:
    """Return the frame of each page of a core; no two pages of the cores share one."""
    numbers = (np.arange(pages, dtype=np.int64) * load.cores + core) % frames
    return permute(numbers, frames, stream_key(load.seed, _FRAMES))
