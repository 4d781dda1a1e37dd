"""Near-sensor systems: energy of a frame, power under policies. matplotlib is imported on use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from archsim.errors import InputError
from archsim.report.bars import figure_text
from archsim.report.style import (
    SMALL_PT,
    axes_for,
    bar_look,
    finish,
    house,
    legend_above,
    line_look,
    note,
    nothing,
    short,
)
from archsim.sensor.near_sensor import SensorRun
from archsim.sensor.policies import MODES, POLICIES
from archsim.sensor.system import VisionSystem

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What a frame's energy is drawn as -> components of its ledger; each has its look, whatever else is there.
PARTS = {
    "sensing": ("sensor", "converter"),
    "DRAM": ("stack_dram", "host_dram"),
    "CSI": ("csi",),
    "DDR": ("ddr",),
    "compute": ("processor", "host"),
    "rest": ("on_chip", "i2c"),
}
#: A part that takes less of the longest bar is not drawn.
_SEEN = 1e-3


def plot_frame_energy(
    systems: VisionSystem | Sequence[VisionSystem],
    *,
    names: Sequence[str] | None = None,
    per: Literal["frame", "second"] = "frame",
    axes: Axes | None = None,
) -> Axes:
    """Draw the energy of a frame near and far from the sensor, stacked by what takes it.

    Parameters
    ----------
    systems : VisionSystem or sequence of VisionSystem
    names : sequence of str, optional
        Of the systems, where their own do not tell them apart.
    per : str
        ``frame``, or ``second``: the power.
    axes : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        Without a system, for another number of names, or another ``per``.
    """
    if per not in ("frame", "second"):
        raise InputError(f"per {per!r}: must be frame or second")
    chosen = [systems] if isinstance(systems, VisionSystem) else list(systems)
    names = [each.name for each in chosen] if names is None else list(names)
    if not chosen or len(names) != len(chosen):
        raise InputError(f"{len(chosen)} systems and {len(names)} names: must be as many, at least one")
    bars: list[tuple[str, dict[str, float]]] = []
    for name, system in zip(names, chosen, strict=True):
        for frame in (system.far_frame(), system.near_frame()):
            label = frame.mode if len(chosen) == 1 else f"{short(name)}, {frame.mode}"
            times = 1.0 if per == "frame" else system.fps
            bars.append((label, {key: times * energy for key, energy in frame.components_nj().items()}))
    longest = max(sum(energy.values()) for _, energy in bars)
    scale, unit = (1e-6, "m") if longest < 1e9 else (1e-9, "")
    unit = f"energy of a frame ({unit}J)" if per == "frame" else f"power ({unit}W)"
    with house():
        axes, own = axes_for(axes, 0.75 + 0.24 * len(bars))
        # Both bars of a system stand together.
        places = [index // 2 * 2.3 + index % 2 for index in range(len(bars))]
        left = np.zeros(len(bars))
        for number, (part, components) in enumerate(PARTS.items()):
            widths = (
                np.array([sum(energy.get(each, 0.0) for each in components) for _, energy in bars]) * scale
            )
            if widths.max() > _SEEN * longest * scale:
                drawn = np.flatnonzero(widths)
                axes.barh([places[k] for k in drawn], widths[drawn], left=left[drawn], height=0.8, label=part,
                          **bar_look(number))  # fmt: skip
            left += widths
        for place, total in zip(places, left, strict=True):
            axes.annotate(figure_text(total), (total, place), (2, 0), textcoords="offset points", va="center",
                          fontsize=SMALL_PT)  # fmt: skip
        axes.set_yticks(places, [label for label, _ in bars])
        axes.set_ylim(places[-1] + 0.7, -0.7)
        axes.set_xlim(0, 1.12 * left.max() or 1.0)
        axes.set_xlabel(unit)
        finish(axes, grid="x")
        axes.tick_params(axis="y", length=0)
        legend_above(axes, grow=own)
    return axes


def plot_policies(runs: Sequence[SensorRun], *, axes: Axes | None = None) -> Axes:
    """Draw the mean power of the system under each policy, stacked by where frames were computed.

    A policy under which frames missed their limit says so.

    Parameters
    ----------
    runs : sequence of SensorRun
        Of one system.
    axes : Axes, optional
        Where to draw.
    """
    with house():
        axes, own = axes_for(axes, 0.75 + 0.24 * len(runs))
        left, longest = np.zeros(len(runs)), max((each.run.system_w for each in runs), default=0.0)
        for number, mode in enumerate(MODES):
            widths = np.array(
                [_share(each, mode) * getattr(each.setting.powers, mode).system_w for each in runs]
            )
            drawn = np.flatnonzero(widths > _SEEN * longest)
            if len(drawn):
                axes.barh(drawn, widths[drawn], left=left[drawn], height=0.65, label=mode, **bar_look(number))
            left += widths
        for place, each in enumerate(runs):
            text = figure_text(each.run.system_w) + ("" if each.run.met else ", limit missed")
            axes.annotate(text, (left[place], place), (2, 0), textcoords="offset points", va="center",
                          fontsize=SMALL_PT)  # fmt: skip
        axes.set_yticks(range(len(runs)), [short(each.run.policy) for each in runs])
        axes.invert_yaxis()
        axes.set_xlim(
            0, (1.45 if not all(each.run.met for each in runs) else 1.15) * max(left, default=1.0) or 1.0
        )
        axes.set_xlabel("mean power of the system (W)")
        finish(axes, grid="x")
        axes.tick_params(axis="y", length=0)
        legend_above(axes, grow=own, least=1)
    return axes


def _share(each: SensorRun, mode: str) -> float:
    return {"near": each.run.duty, "far": each.run.far_share, "stop": each.run.stop_share}[mode]


def plot_policy_power(
    values: Sequence[float],
    runs: Sequence[Sequence[SensorRun | InputError]],
    label: str,
    *,
    axes: Axes | None = None,
) -> Axes:
    """Draw the mean power of the system against a parameter, a line for each policy.

    Hollow markers are settings in which frames missed a limit; where a ratio cannot be had there is no point. Of lines
    that lie on one another those below are wider, so that all are seen, and those that do so throughout are named.

    Parameters
    ----------
    values : sequence of float
        Of the parameter, rising.
    runs : sequence of sequence of SensorRun or InputError
        For each value those of the same policies, as `archsim.sensor.simulate_many` returns them.
    label : str
        Name and unit of the parameter.
    axes : Axes, optional
        Where to draw.
    """
    found: dict[str, list[tuple[float, SensorRun]]] = {}
    for value, row in zip(values, runs, strict=True):
        for each in row:
            if isinstance(each, SensorRun):
                found.setdefault(each.run.policy, []).append((value, each))
    order = [name for name in POLICIES if name in found]
    order += [name for name in found if name not in order]
    lines = {name: {value: each.run.system_w for value, each in found[name]} for name in order}
    covers = _covers(lines)
    from matplotlib import rcParams

    with house():
        axes, own = axes_for(axes)
        for name in order:
            number = list(POLICIES).index(name) if name in POLICIES else len(POLICIES)
            look, wider = line_look(number), 1.0 + 0.6 * len(covers[name])
            look["linewidth"] = rcParams["lines.linewidth"] * wider
            look["markersize"] = rcParams["lines.markersize"] * (0.5 + 0.5 * wider)
            x, watts = [v for v, _ in found[name]], [each.run.system_w for _, each in found[name]]
            axes.plot(x, watts, label=short(name), **look)
            missed = [(v, each.run.system_w) for v, each in found[name] if not each.run.met]
            if missed:
                axes.plot(*zip(*missed, strict=True), linestyle="none", marker=look["marker"],
                          markersize=look["markersize"], markerfacecolor="white",
                          markeredgecolor=look["color"], zorder=3)  # fmt: skip
        if not found:
            nothing(axes, "no setting can be had")
        told = [f"on one line: {', '.join(map(short, each))}" for each in _as_one(lines, covers)]
        never = [
            value
            for value, row in zip(values, runs, strict=True)
            if all(isinstance(e, InputError) for e in row)
        ]
        if never and found:
            shown = ", ".join(f"{value:g}" for value in never[:3]) + " ..." * (len(never) > 3)
            told.append(f"none at {shown}: no temperature will do")
        if told:
            note(axes, "; ".join(told))
        axes.set_xlabel(label)
        axes.set_ylabel("mean power of the system (W)")
        axes.set_ylim(
            0, 1.08 * max((each.run.system_w for line in found.values() for _, each in line), default=1.0)
        )
        finish(axes)
        legend_above(axes, grow=own)
    return axes


#: Powers that differ by a smaller share of the highest in the picture look alike.
_ALIKE = 0.02


def _covers(lines: dict[str, dict[float, float]]) -> dict[str, list[str]]:
    """Return for each line, watts by value, those drawn later that lie on it somewhere."""
    names = list(lines)
    return {
        name: [later for later in names[place + 1 :] if any(_alike(lines, name, later))]
        for place, name in enumerate(names)
    }


def _alike(lines: dict[str, dict[float, float]], one: str, other: str) -> list[bool]:
    """Return for each value that two lines share whether they meet there."""
    near = _ALIKE * max(watts for line in lines.values() for watts in line.values())
    return [
        abs(watts - lines[other][value]) <= near
        for value, watts in lines[one].items()
        if value in lines[other]
    ]


def _as_one(lines: dict[str, dict[float, float]], covers: dict[str, list[str]]) -> list[list[str]]:
    """Return the groups of lines that lie on one another throughout."""
    groups: list[list[str]] = []
    for name, above in covers.items():
        if not any(name in group for group in groups):
            groups.append([name, *(later for later in above if all(_alike(lines, name, later)))])
    return [group for group in groups if len(group) > 1]
