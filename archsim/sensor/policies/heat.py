"""What the kernel steps with: the ladder over one decision, and the bounds that keep requests within their time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from archsim.sensor.policies.setting import MODES, Setting

Array = NDArray[np.float64]
#: Kelvin that foresight stays below a limit: far above what the sums of a step round off.
GUARD_K = 1e-9


def mode_watts(setting: Setting) -> Array:
    """Return the power of the stack in each mode, shape (3,)."""
    return np.array([getattr(setting.powers, mode).die_w for mode in MODES])


def step_of(setting: Setting) -> Array:
    """Return the kernel's ``heat``."""
    keep, gain = setting.ladder.propagator(setting.step_s)
    watts = mode_watts(setting)
    start = np.array(setting.start_state_k) - setting.ladder.ambient_k
    return np.concatenate([keep.ravel(), gain[0] * watts, gain[1] * watts, start])


def slow_part(setting: Setting, time_s: float) -> Array:
    """Return what of a state (die, package) the slow mode alone leaves of the die after a time, as factors."""
    fast_s, slow_s = setting.ladder.taus_s
    keep, _ = setting.ladder.propagator(fast_s)
    fast, slow = math.exp(-1.0), math.exp(-fast_s / slow_s)
    projector = (keep[0] - np.array([fast, 0.0])) / (slow - fast)
    found: Array = projector * math.exp(-time_s / slow_s)
    return found


def capture_bounds(setting: Setting) -> tuple[Array, float, Array, float]:
    """Return (f, a, g, b) so that from a state with f x <= a and g x <= b a request is fulfilled in time, and stays so.

    The first holds the die, at rest for the latency, at the limit of imaging. After a longer rest it can only be hotter
    where it trails a package that is; the second holds the slow mode alone there too, above the temperature that
    resting leads to. Both then last for as long as the stack rests.
    """
    imaging = setting.limits.imaging_k - setting.ladder.ambient_k
    time_s = setting.latency * setting.step_s
    watts = setting.rest_power.die_w
    keep, gain = setting.ladder.propagator(time_s)
    slow = slow_part(setting, time_s)
    if math.isinf(imaging):
        return np.zeros(2), math.inf, np.zeros(2), math.inf
    settled = np.array([setting.ladder.r1_k_w + setting.ladder.r2_k_w, setting.ladder.r2_k_w]) * watts
    soon = imaging - GUARD_K - float(gain[0]) * watts
    later = imaging - GUARD_K - float(settled[0]) + float(slow @ settled)
    return keep[0].copy(), soon, slow, later


def bounds_of(setting: Setting) -> Array:
    """Return the kernel's ``bounds``."""
    ambient = setting.ladder.ambient_k
    high = setting.upper_k - ambient
    if setting.foresight:
        high -= GUARD_K
    limits = setting.limits
    soon, at_most, slow, later = capture_bounds(setting)
    return np.array(
        [
            high, setting.lower_k - ambient, limits.vision_k - ambient, limits.imaging_k - ambient,
            *soon, *slow, at_most, later,
        ]
    )  # fmt: skip


def die_after_rest(setting: Setting, watts: float, steps: int, mode: str) -> float:
    """Return the die's temperature (K) some steps into a mode, from the steady state of another power."""
    power = getattr(setting.powers, mode).die_w
    return setting.ladder.advance(setting.ladder.steady_k(watts), power, steps * setting.step_s)[0]
