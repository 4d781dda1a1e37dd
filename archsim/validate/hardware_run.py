"""Bandwidth and latency of the modelled memory under the traffic of `archsim.validate.hardware_load`.

The kernel takes requests at given times, in order. What waits before it for room in a queue stands for cores that have
no free place for another line in flight, so latency counts from acceptance; and no more lines can be in flight than the
cores have places: the curve ends where Little's law says that they are used up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from archsim.dram.spec import LINE_BYTES, DramSpec
from archsim.spec import apply_overrides
from archsim.validate.hardware_load import Requests, Workload, requests

#: Peak of the measured socket, of which all shares are taken: 6 channels of 8 bytes at 2933 MT/s.
PEAK_GBPS = 140.8
#: Traffic offered, as shares of the peak.
LOADS = (0.1, 0.3, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0)
#: Below this share of what is offered, the memory does not keep up.
_SUSTAINED = 0.98
#: What is measured lies between these shares of a run.
_WINDOW = 0.1, 0.9
#: The probe alone makes few requests, so it may run longer.
_IDLE_TIMES = 5

#: What is assumed of a channel beyond the preset; none of it is published for the measured machine.
POLICIES = (
    "organization.ranks=2", "address_map.preset=skylake-64",
    "controller.row_policy=timeout", "controller.row_timeout_clk=50",
    "controller.read_queue=40", "controller.write_queue=64",
    "controller.write_drain_high=44", "controller.write_drain_low=32",
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """What is assumed of the measured machine.

    Attributes
    ----------
    memory : str
        Preset of one channel.
    policies : tuple of str
        What differs from the preset, as ``path=value``.
    workload : Workload
        What its cores do.
    lines_per_core : int
        Lines that one core can wait for at a time; 0: no limit.
    time_ns : float
        Length of one run.
    """

    memory: str = "ddr4-2933"
    policies: tuple[str, ...] = POLICIES
    workload: Workload = field(default_factory=Workload)
    lines_per_core: int = 16
    time_ns: float = 300_000.0

    def spec(self) -> DramSpec:
        """Return one channel."""
        return apply_overrides(DramSpec.load(self.memory), list(self.policies))

    @property
    def lines_in_flight(self) -> float:
        """Return how many lines the cores can wait for at a time."""
        return self.workload.cores * self.lines_per_core if self.lines_per_core else float("inf")


class Point(NamedTuple):
    """Bandwidth of the socket in GB/s; mean latency of the probe and of the streams' reads in ns."""

    gbps: float
    probe_ns: float
    read_ns: float
    sustained: bool = True


def accepted_clk(spec: DramSpec, sent: Requests, arrivals: Any, finished: Any) -> npt.NDArray[np.int64]:
    """Return the clock at which the channel accepted each request, from arrivals and the clocks of the last data beats.

    A request is accepted once it has arrived, its queue has a free entry, and the request before it went in
    (docs/dram.md). An entry is free again with its RD or WR. Holds without command queues, and where nothing is
    forwarded, merged or coalesced.
    """
    earliest = arrivals.copy()
    timing, controller = spec.timing, spec.controller
    entries = ((0, controller.read_queue, timing.CL), (1, controller.write_queue, timing.CWL))
    for write, places, data in entries:
        mine = sent.writes == write
        left = np.sort(finished[mine] - (data + timing.tBL))
        bound = earliest[mine]
        bound[places:] = np.maximum(bound[places:], left[: max(0, len(left) - places)])
        earliest[mine] = bound
    number = np.arange(len(earliest))
    accepted: npt.NDArray[np.int64] = np.maximum.accumulate(earliest - number) + number
    return accepted


def replay(spec: DramSpec, sent: Requests) -> tuple[Any, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Serve the requests; return the channel, and the clocks at which each was accepted and its data had moved."""
    from archsim.dram.address import decode_table
    from archsim.dram.resolve import resolve
    from archsim.kernels.dram import ChannelReplay
    from archsim.kernels.lowering import decode_lines

    coordinates = np.empty(len(sent.lines), dtype=np.int64)
    decode_lines(sent.lines, decode_table(spec), coordinates)
    arrivals = (sent.arrivals_ns * 1000 / spec.timing.tCK_ps).astype(np.int64)
    finished = np.full(len(coordinates), -1, dtype=np.int64)
    channel = ChannelReplay(resolve(spec), 0)
    channel.feed(coordinates, sent.writes, arrivals, finished, drain=True)
    return channel, accepted_clk(spec, sent, arrivals, finished), finished


def measure(machine: Machine, read_share: float, share: float, *, channel: int = 0) -> Point:
    """Return what one load of the socket, a share of its peak, comes to; 0: the probe alone."""
    spec, load = machine.spec(), machine.workload
    time_ns = machine.time_ns * (1 if share else _IDLE_TIMES)
    lines = spec.organization.capacity_bytes // LINE_BYTES
    sent = requests(load, read_share, share * PEAK_GBPS / load.channels, time_ns, lines, channel=channel)
    _, accepted, finished = replay(spec, sent)
    end = int(finished.max())
    low, high = (int(share_of_run * end) for share_of_run in _WINDOW)
    counted = (finished >= low) & (finished < high)
    clk_ns = spec.timing.tCK_ps / 1000
    gbps = load.channels * int(np.count_nonzero(counted)) * LINE_BYTES / ((high - low) * clk_ns)
    latency = (finished - accepted) * clk_ns
    reads = counted & (sent.writes == 0) & ~sent.probes
    return Point(
        gbps,
        float(latency[counted & sent.probes].mean()),
        float(latency[reads].mean()) if reads.any() else 0.0,
        gbps >= _SUSTAINED * share * PEAK_GBPS,
    )


def curve(machine: Machine, read_share: float, path_ns: float, loads: Sequence[float] = LOADS) -> list[Point]:
    """Return bandwidth and latency from light loads up to the highest that memory and cores sustain.

    Parameters
    ----------
    machine : Machine
        What is measured.
    read_share : float
        Reads as a share of the traffic.
    path_ns : float
        Time from a core to the controller and back.
    loads : sequence of float
        Loads to try, ascending; the first that is not sustained is the last.
    """
    points: list[Point] = []
    in_flight: list[float] = []
    for load in loads:
        point = measure(machine, read_share, load)
        points.append(point)
        in_flight.append(point.gbps * read_share / LINE_BYTES * (path_ns + point.read_ns))
        if in_flight[-1] > machine.lines_in_flight:
            return [*points[:-1], _between(points, in_flight, machine.lines_in_flight)]
        if not point.sustained:
            break
    return points


def _between(points: list[Point], in_flight: list[float], limit: float) -> Point:
    """Return the point between the last two at which so many lines are in flight."""
    if len(points) == 1:
        return points[0]
    part = (limit - in_flight[-2]) / (in_flight[-1] - in_flight[-2])
    gbps, probe_ns, read_ns = (
        a + part * (b - a) for a, b in zip(points[-2][:3], points[-1][:3], strict=True)
    )
    return Point(gbps, probe_ns, read_ns, sustained=False)
