"""Run a policy frame by frame, or many of them in threads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.sensor.policies.heat import bounds_of, step_of
from archsim.sensor.policies.promise import promise
from archsim.sensor.policies.setting import POLICIES, Setting
from archsim.sensor.policies.state import decider
from archsim.sensor.powers import ModePower

#: Points of a trace at most, when nothing else is said.
TRACE_POINTS = 20_000


@dataclass(frozen=True)
class Trace:
    """States at the starts of frames, and what was then chosen.

    Attributes
    ----------
    times_s, die_k, package_k : ndarray of float64, shape (points,)
    modes : ndarray of int8, shape (points,)
        Places in `MODES`: near, far, stop.
    every : int
        Frames from one point to the next.
    """

    times_s: NDArray[np.float64]
    die_k: NDArray[np.float64]
    package_k: NDArray[np.float64]
    modes: NDArray[np.int8]
    every: int


@dataclass(frozen=True)
class PolicyRun:
    """What a policy came to. Shares and means are over whole cycles after the settling where there are any.

    Attributes
    ----------
    policy : str
    duty, far_share, stop_share : float
        Shares of frames: near, far, stopped.
    fps : float
        Frames a second that are computed on, near or far: stopped ones and the time of migrations are lost.
    die_w, system_w : float
        Mean powers; the system's with migrations.
    migrations_hz : float
        Changes of the place of the work a second.
    t_warm_s, t_cool_s : float or None
        Mean times of near, and of far and stop, in a cycle; None without a whole cycle.
    cycles : int
    hottest_k, coldest_k, mean_k : float
        Die at the ends of frames, after the settling.
    requests, captured, missed, waiting : int
        Frames asked for; captured (several requests may share one, a stop of stop-capture-go has one of its own);
        captured hotter than the limit of imaging; whether one was still awaited in the end. Of the whole run.
    vision_missed : int
        Frames computed on that were hotter than the limit of vision. Of the whole run.
    worst_capture_k : float or None
        Hottest captured frame.
    longest_wait_s : float
        From a request to the end of its frame.
    promised : bool
        Whether the policy could promise in advance that every limit is kept; see `promise`.
    reason : str
        Why, or why not.
    end_k : tuple of float
        Die and package in the end.
    trace : Trace or None
    """

    policy: str
    duty: float
    far_share: float
    stop_share: float
    fps: float
    die_w: float
    system_w: float
    migrations_hz: float
    t_warm_s: float | None
    t_cool_s: float | None
    cycles: int
    hottest_k: float
    coldest_k: float
    mean_k: float
    requests: int
    captured: int
    missed: int
    waiting: int
    vision_missed: int
    worst_capture_k: float | None
    longest_wait_s: float
    promised: bool
    reason: str
    end_k: tuple[float, float]
    trace: Trace | None = None

    @property
    def met(self) -> bool:
        """Whether no frame missed its limit."""
        return self.missed == 0 and self.vision_missed == 0

    def to_dict(self) -> dict[str, Any]:
        """Return the figures without the trace."""
        fields = {key: value for key, value in asdict(self).items() if key != "trace"}
        return fields | {"met": self.met, "end_k": list(self.end_k)}


def run(setting: Setting, *, trace: bool = False, points: int = TRACE_POINTS) -> PolicyRun:
    """Run a policy.

    Parameters
    ----------
    setting : Setting
    trace : bool
        Whether to keep temperatures and modes over time.
    points : int
        Most points of the trace; of a longer run every so-manyth frame is kept.

    Raises
    ------
    InputError
        When a policy of one's own fails or returns no mode.
    """
    if trace and points < 1:
        raise InputError(f"points = {points}: a trace has at least 1")
    every = -(-setting.steps // points) if trace else 1
    length = -(-setting.steps // every) if trace else 0
    states, modes = np.zeros((length, 2)), np.zeros(length, np.int8)
    tally, felt = _simulate(setting, every, states, modes)
    ambient, kept = setting.ladder.ambient_k, None
    if trace:
        times = np.arange(length, dtype=np.float64) * float(every * setting.step_s)
        kept = Trace(times, states[:, 0] + ambient, states[:, 1] + ambient, modes, every)
    return _figures(setting, tally.tolist(), felt.tolist(), kept)


def _simulate(setting: Setting, every: int, states: Any, modes: Any) -> tuple[Any, Any]:
    """Return the kernel's counts and temperatures."""
    from archsim.kernels.thermal_policy import run as simulate

    own = not isinstance(setting.policy, str)
    number = len(POLICIES) if own else list(POLICIES).index(str(setting.policy))
    requests = setting.requests
    periodic = isinstance(requests, int | float)
    steps = [] if periodic else [_step(time, setting) for time in requests or ()]  # type: ignore[union-attr]
    counts = [
        number, setting.steps, setting.skipped, setting.patience, int(setting.foresight), every, int(periodic)
    ]  # fmt: skip
    tally, felt = np.zeros(24, np.int64), np.zeros(8)
    simulate(
        step_of(setting), bounds_of(setting), np.array(counts, np.int64), np.array(steps, np.int64),
        float(requests) if periodic else 0.0, setting.step_s,  # type: ignore[arg-type]
        decider(setting) if own else None, states, modes, tally, felt,
    )  # fmt: skip
    return tally, felt


def _step(time_s: float, setting: Setting) -> int:
    """Return the first decision at a time or after it; all beyond the run are alike."""
    return math.ceil(min(time_s / setting.step_s - 1e-6, setting.steps))


def _figures(setting: Setting, tally: list[int], felt: list[float], trace: Trace | None) -> PolicyRun:
    ambient, cycles = setting.ladder.ambient_k, max(0, tally[11] - 1)
    shares, moves, warmth = tally[0:3], tally[3], felt[0]
    if not _regular(setting):
        cycles = 0
    if cycles:
        shares = [late - early for early, late in zip(tally[12:15], tally[16:19], strict=True)]
        moves, warmth = tally[19] - tally[15], felt[5] - felt[4]
    frames = sum(shares)
    near, far, stop = (count / frames for count in shares)
    moves_hz = moves / (frames * setting.step_s)
    figures = mean_figures(setting, near, far, moves_hz)
    warm = cool = None
    if cycles:
        warm, cool = shares[0] / cycles * setting.step_s, (shares[1] + shares[2]) / cycles * setting.step_s
    before = promise(setting)
    return PolicyRun(
        setting.name, near, far, stop, **figures, migrations_hz=moves_hz, t_warm_s=warm, t_cool_s=cool,
        cycles=cycles, hottest_k=felt[1] + ambient, coldest_k=felt[2] + ambient,
        mean_k=warmth / frames + ambient, requests=tally[4], captured=tally[5], missed=tally[6],
        waiting=tally[10], vision_missed=tally[7],
        worst_capture_k=felt[3] + ambient if tally[5] else None, longest_wait_s=tally[9] * setting.step_s,
        promised=before.met, reason=before.reason, end_k=(felt[6] + ambient, felt[7] + ambient), trace=trace,
    )  # fmt: skip


def mean_figures(setting: Setting, near: float, far: float, moves_hz: float) -> dict[str, float]:
    """Return frames a second and mean powers from shares of the modes: P = sum of shares and powers + f E."""
    powers = setting.powers
    modes: list[tuple[float, ModePower]] = [
        (near, powers.near), (far, powers.far), (1.0 - near - far, powers.stop)
    ]  # fmt: skip
    return {
        "fps": max(0.0, near + far - moves_hz * powers.switch_s) / setting.frame_s,
        "die_w": sum(share * power.die_w for share, power in modes),
        "system_w": sum(share * power.system_w for share, power in modes) + moves_hz * powers.switch_j,
    }


def _regular(setting: Setting) -> bool:
    """Whether cycles repeat: nothing but a policy of ours decides, and requests, if any, that are periodic."""
    return isinstance(setting.policy, str) and not isinstance(setting.requests, tuple)


def sweep(settings: Sequence[Setting], workers: int = 1) -> list[PolicyRun]:
    """Run many settings; the same bits whatever the workers.

    Parameters
    ----------
    settings : sequence of Setting
    workers : int
        Threads. Policies of one's own run one after the other, for they may remember.

    Returns
    -------
    list of PolicyRun
        In the order of the settings, without traces.
    """
    if workers < 1:
        raise InputError(f"workers = {workers}: must be at least 1")
    settings = list(settings)
    ours = [index for index, setting in enumerate(settings) if isinstance(setting.policy, str)]
    found: dict[int, PolicyRun] = {}

    def part(start: int) -> None:
        for index in ours[start::workers]:
            found[index] = run(settings[index])

    if workers == 1:
        part(0)
    else:
        with ThreadPoolExecutor(workers, "archsim-policy") as pool:
            list(pool.map(part, range(min(workers, max(1, len(ours))))))
    for index, setting in enumerate(settings):
        if index not in found:
            found[index] = run(setting)
    return [found[index] for index in range(len(settings))]
