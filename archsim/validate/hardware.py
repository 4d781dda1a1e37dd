"""The DRAM channel against a real machine: bandwidth and latency of one socket, from loads only to half writes.

``data/hardware.csv`` was measured with the Mess benchmark (MICRO 2024) on an Intel Xeon Gold 5218 with 6 channels of
DDR4-2933 and published in bsc-mem/Mess-Results (Systems/EPEEC4). The model reads nothing of it: one constant, the path
from core to controller and back, is fitted here to the points without load, and everything else is compared.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np

from archsim.validate.hardware_run import PEAK_GBPS, Machine, Point, curve, measure
from archsim.validate.row import Row

#: What may deviate: points of the saturated share; latency over idle by a share or by nanoseconds.
POINTS, LATENCY_SHARE, LATENCY_NS = 0.08, 0.25, 10.0
#: Shares of peak at which latency is compared.
LATENCY_AT = (0.5, 0.7)
#: What is assumed of the machine.
MACHINE = Machine()

Points = list[tuple[float, float]]
Measured = dict[int, Points]


class Family(NamedTuple):
    """Curves by read share in percent: (GB/s, ns from core to data), and the constant they contain."""

    curves: Measured
    path_ns: float


@cache
def measured() -> Measured:
    """Return the measured curves by read share in percent: (GB/s, ns) by ascending bandwidth."""
    text = (files("archsim.validate") / "data" / "hardware.csv").read_text(encoding="utf-8")
    curves: Measured = {}
    for row in csv.DictReader(text.splitlines()):
        point = float(row["bandwidth_gbps"]), float(row["latency_ns"])
        curves.setdefault(int(row["read_pct_generated"]), []).append(point)
    return {percent: sorted(points) for percent, points in sorted(curves.items(), reverse=True)}


def fit_path_ns(figures: Measured, idle_ns: float) -> float:
    """Return the time from core to controller and back: measured minus modelled latency without load.

    Only the lightest load of each measured curve is looked at.
    """
    return float(np.mean([min(points)[1] for points in figures.values()])) - idle_ns


@cache
def family(machine: Machine = MACHINE, percents: tuple[int, ...] | None = None) -> Family:
    """Return the modelled curves of the measured read shares, or of these, the idle point first."""
    idle = measure(machine, 1.0, 0.0)
    path_ns = fit_path_ns(measured(), idle.probe_ns)
    curves = {}
    for percent in percents or measured():
        points = [Point(0.0, idle.probe_ns, 0.0), *curve(machine, percent / 100, path_ns)]
        curves[percent] = [(point.gbps, point.probe_ns + path_ns) for point in points]
    return Family(curves, path_ns)


def saturated_share(points: Points) -> float:
    """Return the highest bandwidth as a share of the peak."""
    return max(gbps for gbps, _ in points) / PEAK_GBPS


def over_idle_ns(points: Points, share: float) -> float | None:
    """Return latency at a share of the peak minus that of the lightest load; None where the curve does not reach it."""
    if saturated_share(points) < share:
        return None
    gbps, latency = zip(*sorted(points), strict=True)
    loaded = float(np.interp(share * PEAK_GBPS, gbps, latency))
    return loaded - float(latency[0])


def assumptions(machine: Machine = MACHINE) -> list[str]:
    """Return, line by line, what is assumed of the machine because it was not published."""
    load = machine.workload
    return [
        f"one of {load.channels} alike channels, {machine.memory}: {', '.join(machine.policies)}",
        f"{load.cores} cores make traffic, each reading an array line by line; lines drawn at random are written back "
        f"{load.lag_lines} lines later; one more core reads random lines",
        f"pages of {load.page_lines * 64} bytes at random places; lines go round over the channels; lines that a core "
        f"asks for at a time: {load.burst_lines}, late by up to {load.jitter:g} of their interval",
        f"one probe per channel every {load.probe_ns:g} ns",
        f"at most {machine.lines_per_core} lines in flight per core; latency counts from acceptance by the controller",
        "one constant, the path from core to controller and back, fitted to the points without load",
    ]


def rows(data: Path | None = None) -> Iterator[Row]:
    """Run every measured read share and yield its rows."""
    return compare(family())


def compare(modelled: Family) -> Iterator[Row]:
    """Yield the fitted constant and the rows of each read share."""
    yield Row(
        "lightest load", "path from core to controller and back, ns, fitted", None, modelled.path_ns, None
    )
    for percent, points in modelled.curves.items():
        yield _saturated(percent, points)
        for share in LATENCY_AT:
            yield from _latency(percent, points, share)


def _saturated(percent: int, points: Points) -> Row:
    expected = saturated_share(measured()[percent])
    row = Row(
        _label(percent), "saturated share of peak", expected, saturated_share(points), POINTS / expected
    )
    return row if row.holds else replace(row, note=f"{_neighbours(percent)}; {_SWEEP}")


def _latency(percent: int, points: Points, share: float) -> Iterator[Row]:
    figures = measured()[percent]
    expected = over_idle_ns(figures, share)
    if expected is None:
        return  # the machine does not reach this load
    own = over_idle_ns(points, share)
    row = Row(
        _label(percent),
        f"latency over idle at {share:.0%} of peak, ns",
        expected,
        float("inf") if own is None else own,  # below its saturation the model has no such latency
        max(LATENCY_SHARE, LATENCY_NS / expected),
    )
    yield row if row.holds else replace(row, note=_around(figures, points, share))


def _label(percent: int) -> str:
    return f"{percent} % reads"


#: Farther apart than this share of the peak, measured points say little about what lies between them.
_SPARSE = 0.15
_SWEEP = "docs/validation-hardware.md says which assumptions move the end of the modelled curve"


def _neighbours(percent: int) -> str:
    """Say how far the measured curves of the read shares beside this one go."""
    known = sorted(measured())
    at = known.index(percent)
    beside = [known[i] for i in (at - 1, at + 1) if 0 <= i < len(known)]
    ends = " and ".join(f"{saturated_share(measured()[p]):.1%} with {p} % reads" for p in beside)
    return f"measured beside it: {ends}"


def _around(figures: Points, points: Points, share: float) -> str:
    """Say how sparsely a latency was measured, or how far both curves go."""
    below = max(gbps for gbps, _ in figures if gbps < share * PEAK_GBPS)
    above = min(gbps for gbps, _ in figures if gbps >= share * PEAK_GBPS)
    if above - below > _SPARSE * PEAK_GBPS:
        return f"measured at {below:g} and {above:g} GB/s, nothing between"
    ends = (
        f"measured up to {saturated_share(figures):.1%} of peak, modelled up to {saturated_share(points):.1%}"
    )
    return f"close to the end of the measured curve: {ends}; {_SWEEP}"
