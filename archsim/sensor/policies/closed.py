"""Duty, times, migrations and powers of policies by formula, to stand beside the simulation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from archsim.sensor.policies.engine import PolicyRun, mean_figures, run
from archsim.sensor.policies.heat import Array, capture_bounds, die_after_rest
from archsim.sensor.policies.setting import JUMP_TAUS, Setting

#: Phases beyond so many slow time constants count as endless.
_ENDLESS_TAUS = 60.0
#: Frames ago that are summed one by one; those before count by their mean, for a step of the package is small.
_MOST_AGO = 8192


@dataclass(frozen=True)
class ClosedForm:
    """Figures of a policy in its settled state; None where there is no formula, or none that holds.

    Attributes
    ----------
    policy : str
    duty : float or None
        Share of frames that are near.
    t_warm_s, t_cool_s : float or None
        Times of near, and of rest, in a cycle; None where nothing alternates.
    migrations_hz, fps, die_w, system_w : float or None
        As of `PolicyRun`.
    upper_k, lower_k, jump_k : float
        T_high, T_low and T_jump.
    regime : str
        ``seasons``, ``frames`` (single frames of rest or near: the bound is followed), ``always``, ``never``,
        ``requests``, or ``none``.
    reason : str
        What of the setting decides that.
    """

    policy: str
    duty: float | None
    t_warm_s: float | None
    t_cool_s: float | None
    migrations_hz: float | None
    fps: float | None
    die_w: float | None
    system_w: float | None
    upper_k: float
    lower_k: float
    jump_k: float
    regime: str
    reason: str


def closed_form(setting: Setting) -> ClosedForm:
    """Return the settled figures of a policy by formula.

    Seasons are those of Kodukula et al. (Sensors 2021), with ``T_low - Tss`` below the line of t_cool; the printed
    ``T_low - Tss - T_jump`` with `literal`. What follows the bound frame by frame (stop-capture-go, and seasons whose
    band is no wider than the jump) has the greatest duty whose hottest state, with near frames spread evenly, is
    allowed. Requests of one period give the orbit of so many near frames and the fewest far ones that suffice.
    """
    if not isinstance(setting.policy, str):
        return _result(setting, "none", "a policy of one's own has no formula")
    if setting.requests is not None and setting.policy in ("seasonal", "stop-capture-go"):
        return _result(setting, "none", "requests and bounds together have no formula")
    if setting.policy == "full-near":
        return _result(setting, "always", "every frame is near", 1.0)
    if setting.policy == "full-far":
        return _result(setting, "never", "every frame is far", 0.0)
    if setting.policy == "on-demand":
        return _on_demand(setting)
    if setting.policy == "seasonal":
        return _seasons(setting)
    if setting.settled_k("near") <= setting.upper_k and math.isinf(setting.limits.imaging_k):
        return _result(setting, "always", "near frames settle below T_high", 1.0)
    return _frames(setting)


def _result(
    setting: Setting, regime: str, reason: str, duty: float | None = None, warm: float | None = None,
    cool: float | None = None,
) -> ClosedForm:  # fmt: skip
    """Complete the figures from a duty, or from times."""
    if warm is not None and cool is not None:
        duty = warm / (warm + cool)
    figures: dict[str, Any] = dict.fromkeys(("fps", "die_w", "system_w"))
    moves: float | None = None
    if duty is not None:
        moves = (
            2.0 / (warm + cool) if warm is not None and cool is not None and setting.rest == "far" else 0.0
        )
        figures = mean_figures(setting, duty, 1.0 - duty if setting.rest == "far" else 0.0, moves)
    return ClosedForm(
        setting.name, duty, warm, cool, moves, **figures, upper_k=setting.upper_k, lower_k=setting.lower_k,
        jump_k=setting.jump_k, regime=regime, reason=reason,
    )  # fmt: skip


def _seasons(setting: Setting) -> ClosedForm:
    high, low, jump = setting.upper_k, setting.lower_k, setting.jump_k
    near, far = setting.settled_k("near"), setting.settled_k("far")
    if near <= high:
        return _result(setting, "always", "near frames settle below T_high", 1.0)
    if far >= low:
        return _result(setting, "never", "far frames settle above T_low: there is no way back", 0.0)
    if high - low <= jump:
        return _frames(setting, "T_high - T_low is no more than T_jump: ")
    ladder = setting.ladder
    slow, settle = ladder.r2_k_w * ladder.c2_j_k, JUMP_TAUS * ladder.r1_k_w * ladder.c1_j_k
    below = low - far - (jump if setting.literal else 0.0)
    if below <= 0 or high - jump <= far:
        return _result(setting, "none", "the printed form of t_cool has no value here")
    warm = slow * math.log((near - (low + jump)) / (near - high)) + settle
    cool = slow * math.log((high - jump - far) / below) + settle
    reason = "as printed: t_cool with T_low - Tss - T_jump" if setting.literal else "T_low to T_high and back"
    if warm <= 0 or cool <= 0:
        return _result(setting, "none", "the printed form of t_cool is negative here")
    return _result(setting, "seasons", reason, None, warm, cool)


# orbits of frames


def _orbit(setting: Setting, near: float, rest: float) -> tuple[Array, Array]:
    """Return rises of die and package at the ends of near and of rest, of an orbit of so many steps of each."""
    (a1, g1), (a2, g2) = (setting.ladder.propagator(count * setting.step_s) for count in (near, rest))
    warmed = g1 * setting.powers.near.die_w
    cooled = g2 * setting.rest_power.die_w
    hot = np.asarray(np.linalg.solve(np.eye(2) - a1 @ a2, a1 @ cooled + warmed), np.float64)
    cool: Array = a2 @ hot + cooled
    return hot, cool


def _excess(setting: Setting) -> Callable[[Array], float]:
    """Return what a state (rises of die and package) at the end of a near frame is above its bounds, in K."""
    high = setting.upper_k - setting.ladder.ambient_k
    soon, at_most, slow, later = capture_bounds(setting)

    def excess(hot: Array) -> float:
        over = [float(hot[0]) - high]
        if math.isfinite(at_most):
            over += [float(soon @ hot) - at_most, float(slow @ hot) - later]
        return max(over)

    return excess


def hottest_state(setting: Setting, duty: float) -> Array:
    """Return the hottest end of a near frame when frames of a duty are spread as evenly as whole frames can be.

    So many frames ago it was near where ``ceil(d k)`` rises; each such frame adds its share of heat, that of the fast
    and that of the slow mode of the ladder.

    Parameters
    ----------
    setting : Setting
    duty : float
        From 0, for one near frame after endless rest, to 1.

    Returns
    -------
    ndarray, shape (2,)
        Rises of die and package.
    """
    step, ladder = setting.step_s, setting.ladder
    keep, gain = ladder.propagator(step)
    fast, slow = (math.exp(-step / tau) for tau in ladder.taus_s)
    of_slow = (keep @ gain - fast * gain) / (slow - fast)  # the part of the gain along the slow mode
    ago = np.arange(min(_MOST_AGO, math.ceil(25.0 * ladder.taus_s[1] / step)) + 1)
    counts = np.ceil(ago * duty - 1e-9)
    counts[1:] = np.maximum(counts[1:], 1.0)
    near = np.diff(counts)
    ago = ago[:-1]
    sum_fast, sum_slow = float(near @ fast**ago), float(near @ slow**ago)
    sum_slow += duty * slow ** len(ago) / (1.0 - slow)
    more = setting.powers.near.die_w - setting.rest_power.die_w
    rest = np.array(ladder.steady_k(setting.rest_power.die_w)) - ladder.ambient_k
    hot: Array = rest + more * (sum_fast * (gain - of_slow) + sum_slow * of_slow)
    return hot


def _last(low: float, high: float, holds: Callable[[float], bool]) -> float:
    """Return the greatest number that holds, by halving; ``low`` does and ``high`` does not."""
    while True:
        middle = (low + high) / 2
        if middle in (low, high) or high - low < 1e-12 * high:
            return low
        low, high = (middle, high) if holds(middle) else (low, middle)


def _frames(setting: Setting, why: str = "") -> ClosedForm:
    """Follow the bound: near as long as the next frame may be, rest for the fewest frames."""
    excess = _excess(setting)
    if excess(hottest_state(setting, 1.0)) <= 0:
        return _result(setting, "always", f"{why}near frames settle below the bound", 1.0)
    if excess(hottest_state(setting, 0.0)) > 0:
        return _result(
            setting, "never", f"{why}one near frame would pass the bound, however long the rest", 0.0
        )
    duty = _last(0.0, 1.0, lambda share: excess(hottest_state(setting, share)) <= 0)
    if duty == 0:
        return _result(setting, "never", f"{why}near frames are too rare to tell", 0.0)
    near, rest = (duty / (1 - duty), 1.0) if duty > 0.5 else (1.0, 1 / duty - 1)
    if _most_rest(setting) > 1 and not _rested(setting, near, rest):
        near, rest = _longer_rest(setting)
    reason = f"{why}{near:.4g} frames near to {rest:.4g} at rest, at the bound"
    return _result(setting, "frames", reason, None, near * setting.step_s, rest * setting.step_s)


def _longer_rest(setting: Setting) -> tuple[float, float]:
    """Return near and rest where a rest has to last several steps: the orbit of whole steps with the longest near."""
    excess, most = _excess(setting), _most_rest(setting)
    endless = math.ceil(_ENDLESS_TAUS * setting.ladder.taus_s[1] / setting.step_s)

    def rest_after(near: int) -> int:
        return _fewest(most, lambda rest: _rested(setting, near, rest))

    def holds(near: int, rest: int) -> bool:
        return excess(_orbit(setting, near, rest)[0]) <= 0

    # One near step more would not hold.
    near = max(1, _fewest(endless, lambda count: not holds(count, rest_after(count))) - 1)
    rest = rest_after(near)
    if not holds(near, rest):
        return 1.0, float(_fewest(endless, lambda count: holds(1, count)))
    # Between whole numbers cycles mix.
    return _last(near, near + 1.0, lambda count: excess(_orbit(setting, count, rest)[0]) <= 0), float(rest)


def _fewest(most: int, holds: Callable[[int], bool]) -> int:
    """Return the least count from 1 on that holds, or the most; greater ones hold too."""
    low, high = 1, 1
    while high < most and not holds(high):
        low, high = high + 1, min(2 * high, most)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _most_rest(setting: Setting) -> int:
    """Return the steps after which a rest ends in any case."""
    if setting.policy == "stop-capture-go":
        return min(setting.latency, setting.patience)
    return math.ceil(_ENDLESS_TAUS * setting.ladder.taus_s[1] / setting.step_s)


def _rested(setting: Setting, near: float, rest: float) -> bool:
    """Whether the die at the end of a rest is where the policy wants it."""
    _, cool = _orbit(setting, near, rest)
    wanted = setting.limits.imaging_k if setting.policy == "stop-capture-go" else setting.lower_k
    return float(cool[0]) <= wanted - setting.ladder.ambient_k


def _on_demand(setting: Setting) -> ClosedForm:
    if setting.requests is None:
        return _result(setting, "always", "nothing is asked for", 1.0)
    if isinstance(setting.requests, tuple):
        return _result(setting, "none", "requests at given times have no formula")
    period = setting.requests / setting.step_s
    most = min(setting.patience, math.floor(period - 1e-6))
    limit = setting.limits.imaging_k
    if most < 1 or die_after_rest(setting, setting.powers.near.die_w, most, "far") > limit:
        return _result(setting, "none", "a request may outlast its period, or the patience")
    low, high = 1, most
    while low < high:  # the fewest far frames that suffice
        middle = (low + high) // 2
        cool = _orbit(setting, period - middle, middle)[1][0] + setting.ladder.ambient_k
        low, high = (middle + 1, high) if cool > limit else (low, middle)
    step = setting.step_s
    reason = f"{low} far to {period - low:.6g} near frames, by request"
    return _result(setting, "requests", reason, None, (period - low) * step, low * step)


#: Figures that both have.
_BOTH = ("duty", "t_warm_s", "t_cool_s", "migrations_hz", "die_w", "system_w", "fps")


def beside(setting: Setting, simulated: PolicyRun | None = None) -> dict[str, tuple[Any, Any]]:
    """Return figures by formula and by simulation, in pairs.

    Parameters
    ----------
    setting : Setting
    simulated : PolicyRun, optional
        Of that setting, when there is one already.
    """
    formula, measured = closed_form(setting), simulated or run(setting)
    return {name: (getattr(formula, name), getattr(measured, name)) for name in _BOTH}
