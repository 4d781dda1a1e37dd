"""What a policy is run with: ladder of heat, powers, limits, frames, requests; and the bounds that follow from them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

from archsim.errors import InputError, counted, nearest
from archsim.sensor.powers import ModePower, Powers
from archsim.thermal.compact import TwoPole

#: Modes of a frame, by the kernel's number.
MODES = ("near", "far", "stop")
#: Name of a policy -> what it does; its place is the kernel's number. The one after the last is the user's.
POLICIES = {
    "full-far": "the host computes every frame",
    "full-near": "the stack computes every frame",
    "stop-capture-go": "the stack computes; at the bound, and on request, it stops for the fewest frames",
    "seasonal": "near until the die would pass T_high, far until it is at T_low, and on request",
    "on-demand": "near; far from a request until its frame is captured",
}
#: The die has settled after so many of its time constants (98.2 %).
JUMP_TAUS = 4.0
#: T_low stands so many jumps below T_high when it is not given: half a jump below the highest that leaves a season.
_BAND_JUMPS = 1.5
#: Steps of one run at most: seconds of computing.
MOST_STEPS = 1_000_000_000


@dataclass(frozen=True)
class Limits:
    """Greatest temperatures of the die at the end of a frame; infinite is no limit.

    Attributes
    ----------
    vision_k : float
        For frames that are computed on, near or far.
    imaging_k : float
        For frames that are captured for people.
    """

    vision_k: float = math.inf
    imaging_k: float = math.inf

    def __post_init__(self) -> None:
        for name in ("vision_k", "imaging_k"):
            value = _number(f"limit {name}", getattr(self, name))
            if not value > 0:
                raise InputError(f"limit {name} = {value:g}: must be more than 0 K, or inf for none")


@dataclass(frozen=True)
class Setting:
    """A policy and all that decides how it does.

    Attributes
    ----------
    ladder : TwoPole
        Die and package; `archsim.thermal.two_pole` derives it from a stack.
    powers : Powers
        Of the modes near, far and stop, and of a migration.
    policy : str or callable
        A name of `POLICIES`; or what takes a `State` and returns a mode. A class is instantiated for each run.
    limits : Limits
    frame_s : float
        Time of a frame; modes last whole frames.
    duration_s : float
        Simulated time.
    requests : float or tuple of float, optional
        When frames for people are asked for: a period, or times; in seconds.
    high_k, low_k : float, optional
        Bounds of the seasons; of stop-capture-go, the first. Limits may lower the first: see `upper_k` and `lower_k`.
    latency_s : float, optional
        Time within which a request must always be fulfilled, by which T_high follows from the limit of imaging.
        Default: one frame.
    patience_s : float
        A request that found no frame cool enough takes the one that ends then, and misses its limit.
    quantised : bool
        False: decisions every `check_s`, not every frame.
    check_s : float
    foresight : bool
        Whether the end of a frame decides, which the ladder foretells; otherwise the temperature at its start.
    literal : bool
        The printed forms of T_jump_latency and t_cool, which do not describe the drop and the cooling.
    start_k : float or tuple of float, optional
        Die, or die and package, in the beginning. Default: ambient.
    skip_s : float, optional
        What is counted begins then. Default: ten slow time constants, at most half of the time.
    """

    ladder: TwoPole
    powers: Powers
    policy: str | Callable[..., Any] = "seasonal"
    limits: Limits = field(default_factory=Limits)
    frame_s: float = 1 / 30
    duration_s: float = 600.0
    requests: float | tuple[float, ...] | None = None
    high_k: float | None = None
    low_k: float | None = None
    latency_s: float | None = None
    patience_s: float = 10.0
    quantised: bool = True
    check_s: float = 1e-3
    foresight: bool = True
    literal: bool = False
    start_k: float | tuple[float, float] | None = None
    skip_s: float | None = None

    def __post_init__(self) -> None:
        _check_policy(self.policy)
        for name in ("requests", "start_k"):  # a list or an array is as good as a tuple
            value = getattr(self, name)
            if isinstance(value, Iterable) and not isinstance(value, str):
                object.__setattr__(self, name, tuple(value))
        for name in ("frame_s", "duration_s", "patience_s", "check_s", "latency_s"):
            value = getattr(self, name)
            if value is not None and not (0 < _number(name, value) < math.inf):
                raise InputError(f"{name} = {value:g}: must be a finite time of more than 0 s")
        if self.skip_s is not None and not 0 <= _number("skip_s", self.skip_s) < self.duration_s:
            raise InputError(
                f"skip_s = {self.skip_s:g}: must be at least 0 and less than duration_s = {self.duration_s:g}"
            )
        if self.duration_s < self.step_s * (1 - 1e-9):
            raise InputError(f"duration_s = {self.duration_s:g}: is less than one frame of {self.step_s:g} s")
        if self.duration_s / self.step_s > MOST_STEPS:
            raise InputError(
                f"duration_s = {self.duration_s:g}: is more than {counted(MOST_STEPS, 'frame')} of {self.step_s:g} s"
            )
        self._check_requests()
        self._check_temperatures()

    def _check_requests(self) -> None:
        if self.requests is None:
            return
        if not isinstance(self.requests, tuple):
            if not (self.step_s * (1 - 1e-9) <= _number("requests", self.requests) < math.inf):
                raise InputError(
                    f"requests = {self.requests:g}: a period must be at least one frame of {self.step_s:g} s"
                )
            return
        for number, time in enumerate(self.requests):
            before = self.requests[number - 1] if number else 0.0
            if not before <= _number(f"requests[{number}]", time) < math.inf:
                raise InputError(f"requests[{number}] = {time:g} s: times must be finite, and ascend from 0")

    def _check_temperatures(self) -> None:
        for name in ("high_k", "low_k"):
            value = getattr(self, name)
            if value is not None and not 0 < _number(name, value) < math.inf:
                raise InputError(f"{name} = {value:g}: must be a finite temperature of more than 0 K")
        if self.low_k is not None and self.low_k >= self.upper_k:
            raise InputError(
                f"low_k = {self.low_k:g}: T_low must be below T_high, which is {self.upper_k:g} K"
            )
        for value in self.start_state_k:
            if not 0 < _number("start_k", value) < math.inf:
                raise InputError(f"start_k = {value:g}: must be finite temperatures of more than 0 K")

    # what follows

    @property
    def name(self) -> str:
        """The policy's name; of a callable, its own."""
        if isinstance(self.policy, str):
            return self.policy
        return str(getattr(self.policy, "__name__", type(self.policy).__name__))

    @property
    def step_s(self) -> float:
        """Time from one decision to the next."""
        return self.frame_s if self.quantised else self.check_s

    @property
    def steps(self) -> int:
        """Decisions in the whole time."""
        return max(1, math.floor(self.duration_s / self.step_s + 1e-6))

    @property
    def skipped(self) -> int:
        """Decisions before what is counted."""
        if self.skip_s is not None:
            return min(self.steps - 1, math.floor(self.skip_s / self.step_s + 1e-6))
        return math.floor(min(self.steps // 2, 10 * self.ladder.taus_s[1] / self.step_s))

    @property
    def latency(self) -> int:
        """Decisions within which a request must be fulfilled."""
        return max(1, self._whole(self.frame_s if self.latency_s is None else self.latency_s))

    @property
    def patience(self) -> int:
        """Decisions after which a request takes what it gets."""
        return max(1, self._whole(self.patience_s))

    def _whole(self, time_s: float) -> int:
        return math.floor(min(MOST_STEPS, time_s / self.step_s + 1e-6))

    @property
    def start_state_k(self) -> tuple[float, float]:
        """Die and package in the beginning."""
        if self.start_k is None:
            return self.ladder.ambient_k, self.ladder.ambient_k
        if isinstance(self.start_k, tuple):
            if len(self.start_k) != 2:
                raise InputError(
                    f"start_k: has {counted(len(self.start_k), 'value')}; must be die and package"
                )
            return self.start_k
        return self.start_k, self.start_k

    @property
    def rest(self) -> str:
        """The mode in which the stack cools: stop for stop-capture-go, else far."""
        return "stop" if self.policy == "stop-capture-go" else "far"

    @property
    def rest_power(self) -> ModePower:
        """The power of `rest`."""
        return self.powers.stop if self.rest == "stop" else self.powers.far

    @property
    def jump_k(self) -> float:
        """T_jump: what the die falls when it comes to rest, before the package follows."""
        return self.ladder.r1_k_w * (self.powers.near.die_w - self.rest_power.die_w)

    @property
    def jump_latency_k(self) -> float:
        """T_jump_latency: how much of the jump is done within the latency; `literal`: how much is left, as printed."""
        share = self.latency * self.step_s / (self.ladder.r1_k_w * self.ladder.c1_j_k)
        return self.jump_k * (math.exp(-share) if self.literal else -math.expm1(-share))

    @property
    def upper_k(self) -> float:
        """T_high = min(T_vision, T_imaging + T_jump_latency), or `high_k` where that is less."""
        high = min(self.limits.vision_k, self.limits.imaging_k + max(0.0, self.jump_latency_k))
        return high if self.high_k is None else min(high, self.high_k)

    @property
    def lower_k(self) -> float:
        """T_low: `low_k`, or 1.5 jumps below T_high; where resting cannot reach that, midway to what it reaches."""
        if self.low_k is not None:
            return self.low_k
        jump = max(self.jump_k, 1.0)
        low = self.upper_k - _BAND_JUMPS * jump
        settled, highest = self.settled_k(self.rest), self.upper_k - jump
        return (settled + highest) / 2 if low <= settled < highest < math.inf else low

    def settled_k(self, mode: str) -> float:
        """Return the die's temperature when a mode lasts."""
        power: ModePower = getattr(self.powers, mode)
        return self.ladder.steady_k(power.die_w)[0]

    def changed(self, **changes: Any) -> Setting:
        """Return the setting with other values of some attributes."""
        for key in changes:
            if key not in self.__dataclass_fields__:
                raise InputError(f"setting: unknown {key!r}{nearest(key, self.__dataclass_fields__)}")
        return replace(self, **changes)


def _number(name: str, value: Any) -> float:
    """Return a number that is one, infinite or not."""
    if isinstance(value, bool) or not isinstance(value, Real) or math.isnan(value):
        raise InputError(f"{name} = {value!r}: must be a number")
    return float(value)


def _check_policy(policy: Any) -> None:
    if isinstance(policy, str):
        if policy not in POLICIES:
            raise InputError(f"policy {policy!r}: unknown{nearest(policy, POLICIES)}")
    elif not callable(policy):
        raise InputError(
            f"policy {policy!r}: must be one of {', '.join(POLICIES)}, or a callable that takes a state"
        )
    else:
        _check_arguments(policy)


def _check_arguments(policy: Any) -> None:
    """Refuse a callable, or a class of such, that does not take exactly a state."""
    called, given = policy, 1
    if inspect.isclass(policy):
        _check_takes(policy, policy, 0, "a class is instantiated for each run, without arguments")
        called, given = (
            next((vars(each)["__call__"] for each in policy.__mro__ if "__call__" in vars(each)), None),
            2,
        )
        if not inspect.isfunction(
            called
        ):  # none at all, which is told when it runs, or one of another making
            return
    _check_takes(policy, called, given, "it is called with one argument, a State")


def _check_takes(policy: Any, called: Any, given: int, rule: str) -> None:
    try:
        signature = inspect.signature(called)
    except (TypeError, ValueError):  # of C code, which does not tell
        return
    try:
        signature.bind(*[None] * given)
    except TypeError as error:
        name = getattr(policy, "__name__", type(policy).__name__)
        raise InputError(f"policy {name!r} takes {signature}: {rule} ({error})") from None
