"""Policies against heat: temperature and mode over time, and a figure of theirs over two parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from archsim.errors import InputError, nearest
from archsim.report.style import (
    COLOURS,
    GREY,
    SCALE,
    SMALL_PT,
    axes_for,
    brightness,
    finish,
    house,
    legend_above,
)
from archsim.sensor.policies import MODES, PolicyRun, Setting, sweep
from archsim.sensor.powers import ModePower, Powers
from archsim.thermal.compact import TwoPole
from archsim.units import ZERO_C_K

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours of the modes, of even lightness steps: near warm, far cool, stop grey.
_MODE_COLOURS = (COLOURS[1], COLOURS[3], GREY)
#: A map with more cells has no numbers in them.
_NUMBERED = 120


def plot_policy(
    run: PolicyRun,
    setting: Setting | None = None,
    *,
    start_s: float = 0.0,
    end_s: float = math.inf,
    axes: Axes | None = None,
) -> Axes:
    """Draw the temperatures of die and package over time, above a band of the mode of each frame.

    Parameters
    ----------
    run : PolicyRun
        With a trace: ``run(setting, trace=True)``.
    setting : Setting, optional
        Whose T_high and T_low are drawn.
    start_s, end_s : float
        What of the time is drawn.
    axes : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        For a run without a trace, or a time that holds no frame.
    """
    if run.trace is None:
        raise InputError("the run has no trace: run(setting, trace=True) keeps one")
    times = run.trace.times_s
    shown = np.flatnonzero((times >= start_s) & (times <= end_s))
    if not len(shown):
        raise InputError(f"no frame begins between {start_s:g} and {end_s:g} s")
    times, modes = times[shown], run.trace.modes[shown]
    die, package = run.trace.die_k[shown] - ZERO_C_K, run.trace.package_k[shown] - ZERO_C_K
    with house():
        axes, own = axes_for(axes, 2.4)
        axes.plot(times, package, color=COLOURS[0], linestyle=(0, (4, 1.5)), label="package")
        axes.plot(times, die, color=COLOURS[6], linewidth=0.9, label="die")
        lines = [package.min(), die.min(), die.max()]
        if setting is not None:
            lines += _bounds(axes, setting, run.policy)
        low, high = min(lines), max(lines)
        room = max(high - low, 1.0)
        axes.set_ylim(low - 0.16 * room, high + 0.06 * room)
        every = float(run.trace.times_s[1]) if len(run.trace.times_s) > 1 else 1.0
        _band(axes, times, modes, every)
        axes.set_xlim(times[0], times[-1] + every)
        axes.set_xlabel("time (s)")
        axes.set_ylabel("temperature (°C)")
        finish(axes)
        legend_above(axes, grow=own)
    return axes


def _bounds(axes: Axes, setting: Setting, policy: str) -> list[float]:
    """Draw the bounds that the policy has, and return them."""
    drawn = []
    named = [("T_high", setting.upper_k)] if policy in ("seasonal", "stop-capture-go") else []
    named += [("T_low", setting.lower_k)] if policy == "seasonal" else []
    if policy == "on-demand":
        named = [("limit of imaging", setting.limits.imaging_k)]
    for (name, kelvin), colour in zip(named, (COLOURS[4], COLOURS[2]), strict=False):
        if math.isfinite(kelvin):
            axes.axhline(kelvin - ZERO_C_K, color=colour, linewidth=0.8, linestyle=(0, (1, 1)), label=name)
            drawn.append(kelvin - ZERO_C_K)
    return drawn


def _band(axes: Axes, times: Any, modes: Any, every: float) -> None:
    """Draw a band of modes along the bottom."""
    for number, name in enumerate(MODES):
        here = modes == number
        if not here.any():
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[False], here, [False]]).astype(np.int8)))
        spans = [
            (times[first], times[last - 1] + every - times[first])
            for first, last in zip(edges[::2], edges[1::2], strict=True)
        ]
        axes.broken_barh(
            spans, (0.0, 0.07), transform=axes.get_xaxis_transform(), facecolor=_MODE_COLOURS[number],
            edgecolor="none", label=name, zorder=1.5,
        )  # fmt: skip


def _ladder(setting: Setting, celsius: float) -> TwoPole:
    ladder = setting.ladder
    return TwoPole(
        ladder.r1_k_w, ladder.c1_j_k, ladder.r2_k_w, ladder.c2_j_k, celsius + ZERO_C_K, ladder.error_k_w
    )


def _powers(setting: Setting, watts: float) -> Powers:
    powers = setting.powers
    near = ModePower(watts, powers.near.system_w - powers.near.die_w + watts)
    return Powers(near, powers.far, powers.stop, powers.switch_j, powers.switch_s)


#: Axis of a map -> its label, and what of a setting another value changes.
_AXES: dict[str, tuple[str, Callable[[Setting, float], dict[str, Any]]]] = {
    "high": ("T_high (°C)", lambda setting, value: {"high_k": value + ZERO_C_K}),
    "low": ("T_low (°C)", lambda setting, value: {"low_k": value + ZERO_C_K}),
    "ambient": ("ambient (°C)", lambda setting, value: {"ladder": _ladder(setting, value)}),
    "near": ("power near (W)", lambda setting, value: {"powers": _powers(setting, value)}),
}
#: Figure of a map -> its label, and its factor.
_FIGURES = {
    "duty": ("duty (%)", 100.0),
    "fps": ("effective frames (1/s)", 1.0),
    "system_w": ("system power (W)", 1.0),
    "migrations_hz": ("migrations (1/s)", 1.0),
}


def plot_policy_map(
    setting: Setting,
    x: str,
    x_values: Sequence[float],
    y: str,
    y_values: Sequence[float],
    *,
    figure: str = "duty",
    workers: int = 1,
    axes: Axes | None = None,
) -> Axes:
    """Map a figure of a policy over two parameters; a cell that makes no sense (T_low above T_high) is hatched.

    Parameters
    ----------
    setting : Setting
        What stays the same.
    x, y : str
        ``high``, ``low``, ``ambient`` (degC) or ``near`` (W).
    x_values, y_values : sequence of float
        Ascending.
    figure : str
        ``duty``, ``fps``, ``system_w`` or ``migrations_hz``.
    workers : int
        Threads of the sweep.
    axes : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        For an unknown axis or figure, or no values.
    """
    for kind, name, known in (("axis", x, _AXES), ("axis", y, _AXES), ("figure", figure, _FIGURES)):
        if name not in known:
            raise InputError(f"map of a policy: unknown {kind} {name!r}{nearest(name, known)}")
    if not len(x_values) or not len(y_values):
        raise InputError("map of a policy: needs values on both axes")
    settings, places = [], []
    for row, y_value in enumerate(y_values):
        for column, x_value in enumerate(x_values):
            cell = _cell(setting, {x: x_value, y: y_value})
            if cell is not None:
                settings.append(cell)
                places.append((row, column))
    label, factor = _FIGURES[figure]
    values = np.full((len(y_values), len(x_values)), np.nan)
    for place, found in zip(places, sweep(settings, workers), strict=True):
        values[place] = getattr(found, figure) * factor
    with house():
        axes, _ = axes_for(axes, 2.6)
        _draw_map(axes, values, x_values, y_values, label)
        axes.set_xlabel(_AXES[x][0])
        axes.set_ylabel(_AXES[y][0])
    return axes


def _cell(setting: Setting, values: dict[str, float]) -> Setting | None:
    """Return the setting of a cell, or None where its T_low is not below its T_high."""
    changes: dict[str, Any] = {}
    for name, value in values.items():
        changes |= _AXES[name][1](setting, float(value))
    try:
        return setting.changed(**changes)
    except InputError:
        # Without T_low the rest has to make sense.
        low = changes.get("low_k", setting.low_k)
        if low is None or setting.changed(**(changes | {"low_k": None})).upper_k > low:
            raise
        return None


def _draw_map(axes: Axes, values: Any, xs: Sequence[float], ys: Sequence[float], label: str) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    image = axes.imshow(values, origin="lower", aspect="auto", cmap=SCALE, interpolation="nearest")
    finish(axes, grid=None)
    axes.patch.set(hatch="xxxx", edgecolor="#bbbbbb", facecolor="white")
    for ticks, names, set_ticks in (
        (_ticks(len(xs), 8), xs, axes.set_xticks),
        (_ticks(len(ys), 9), ys, axes.set_yticks),
    ):
        set_ticks(ticks, [f"{names[index]:g}" for index in ticks])
    bar = axes.figure.colorbar(image, ax=axes)
    bar.set_label(label)
    bar.ax.tick_params(labelsize=SMALL_PT)
    if values.size > _NUMBERED:
        return
    low, high = np.nanmin(values), np.nanmax(values)
    decimals = 0 if high >= 10 else 1 if high >= 1 else 2
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        shade = brightness(to_hex(colormaps[SCALE]((value - low) / (high - low) if high > low else 0.5)))
        axes.text(
            column, row, f"{value:.{decimals}f}", ha="center", va="center", fontsize=SMALL_PT,
            color="black" if shade > 0.3 else "white",
        )  # fmt: skip


def _ticks(count: int, most: int) -> list[int]:
    return list(range(0, count, -(-count // most)))
