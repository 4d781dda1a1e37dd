"""What a policy can promise before it runs: that no frame will be hotter than it may be; and if not, why."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from archsim.sensor.policies.heat import GUARD_K, capture_bounds, die_after_rest
from archsim.sensor.policies.setting import MODES, Setting
from archsim.units import ZERO_C_K


@dataclass(frozen=True)
class Promise:
    """Whether limits will hold in every frame.

    Attributes
    ----------
    vision, imaging : bool
        For frames that are computed on; for frames that are asked for.
    reason : str
        Why not, or why.
    """

    vision: bool
    imaging: bool
    reason: str

    @property
    def met(self) -> bool:
        """Whether both hold."""
        return self.vision and self.imaging


def promise(setting: Setting) -> Promise:
    """Tell before a run whether all its frames keep their limits.

    A ladder is monotone: a hotter state, or more power, never leads to a cooler one. A die and a package that are no
    hotter than a power P would make them stay so under powers up to P. With the first frame's state and the powers of
    the modes this bounds all states of policies that do not look ahead; those that do never begin a near frame after
    which a limit could not be kept.

    Parameters
    ----------
    setting : Setting

    Returns
    -------
    Promise
        Kept for certain where it is given; where it is not, some frames may miss.
    """
    if not isinstance(setting.policy, str):
        none = math.isinf(setting.limits.vision_k) and math.isinf(setting.limits.imaging_k)
        return Promise(
            none, none, "there are no limits" if none else "a policy of one's own promises nothing"
        )
    vision, imaging = _vision(setting), _imaging(setting)
    reasons = [text for text in (vision, imaging) if text]
    return Promise(not vision, not imaging, "; ".join(reasons) or "every limit is kept in every frame")


def _watts_of_start(setting: Setting) -> float:
    """Return the least power whose steady state is at least as hot as the first state."""
    ladder = setting.ladder
    die, package = (value - ladder.ambient_k for value in setting.start_state_k)
    return max(0.0, die / (ladder.r1_k_w + ladder.r2_k_w), package / ladder.r2_k_w)


def _vision(setting: Setting) -> str:
    """Return why a frame that is computed on may be too hot; empty when none can be."""
    limit = setting.limits.vision_k
    if math.isinf(limit):
        return ""
    policy, ladder = setting.policy, setting.ladder
    computing = {"full-far": ("far",), "full-near": ("near",), "on-demand": ("near", "far")}.get(
        str(policy), () if policy == "stop-capture-go" else ("far",)
    )
    looks = policy in ("stop-capture-go", "seasonal")
    if looks and not setting.foresight:
        return "without foresight the limit of vision is passed before it is seen"
    for mode in computing:
        settled = setting.settled_k(mode)
        if settled > limit - GUARD_K:
            return (
                f"{mode} frames settle at {_c(settled)}, above the {_c(limit)} that vision needs "
                f"(ambient {_c(ladder.ambient_k)})"
            )
    if computing and ladder.steady_k(_watts_of_start(setting))[0] > limit - GUARD_K:
        return f"the first state is too hot for the {_c(limit)} that vision needs"
    return ""


def _imaging(setting: Setting) -> str:
    """Return why a frame that is asked for may be too hot; empty when none can be."""
    limit = setting.limits.imaging_k
    if math.isinf(limit) or (setting.requests is None and setting.policy != "stop-capture-go"):
        return ""
    if setting.policy in ("seasonal", "stop-capture-go"):
        return _imaging_in_time(setting, limit)
    mode = "near" if setting.policy == "full-near" else "far"
    settled = setting.settled_k(mode)
    if settled > limit - GUARD_K:
        return _above(setting, mode, settled, limit)
    watts = [getattr(setting.powers, mode).die_w, _watts_of_start(setting)]
    if setting.policy == "on-demand":
        watts.append(setting.powers.near.die_w)
    after = die_after_rest(setting, max(watts), setting.patience, mode)
    if after > limit - GUARD_K:
        return (
            f"{setting.patience * setting.step_s:.3g} s of patience may end at {_c(after)}, above the {_c(limit)} "
            "that imaging needs"
        )
    return ""


def _imaging_in_time(setting: Setting, limit: float) -> str:
    """Tell of a policy that keeps the die where rest of the latency suffices."""
    settled = setting.settled_k(setting.rest)
    if settled > limit - GUARD_K:
        return _above(setting, setting.rest, settled, limit)
    if not setting.foresight:
        return "without foresight the bound is passed before it is seen"
    if setting.patience < setting.latency:
        return f"patience of {setting.patience_s:g} s is shorter than the latency that T_high is made for"
    soon, at_most, slow, later = capture_bounds(setting)
    state = np.array(setting.start_state_k) - setting.ladder.ambient_k
    if soon @ state > at_most or slow @ state > later:
        return f"the first state is too hot for the {_c(limit)} that imaging needs within the latency"
    return ""


def _above(setting: Setting, mode: str, settled: float, limit: float) -> str:
    assert mode in MODES
    below = " ambient is" if limit <= setting.ladder.ambient_k else f" {mode} frames settle at {_c(settled)},"
    return f"imaging cannot be met:{below} above the {_c(limit)} that it needs"


def _c(kelvin: float) -> str:
    return f"{kelvin - ZERO_C_K:.2f} degC"
