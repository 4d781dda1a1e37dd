"""Policies of users: what they are told, and what they may answer."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from inspect import isclass
from typing import Any

from archsim.errors import CodeError, InputError, nearest
from archsim.sensor.policies.setting import MODES, Setting


@dataclass(frozen=True, slots=True)
class State:
    """What a policy knows at the start of a frame.

    Attributes
    ----------
    frame : int
    time_s : float
    die_k, package_k : float
    mode : str or None
        Of the frame before.
    requested : bool
        Whether a frame for people is asked for and not captured yet.
    waited : int
        Frames that it has waited.
    near_k, far_k, stop_k : float
        The die at the end of this frame, by what is chosen.
    """

    frame: int
    time_s: float
    die_k: float
    package_k: float
    mode: str | None
    requested: bool
    waited: int
    near_k: float
    far_k: float
    stop_k: float


def decider(setting: Setting) -> Callable[..., int]:
    """Return what the kernel calls: numbers in, the number of a mode out."""
    policy: Any = setting.policy
    name = setting.name
    if isclass(policy):
        try:
            policy = policy()
        except InputError:
            raise
        except Exception as error:
            raise CodeError(f"{_place(error)}policy {name!r}: {type(error).__name__}: {error}") from error
        if not callable(policy):
            raise InputError(f"policy {name!r}: the class has no __call__ that takes a state")
    numbers = {mode: number for number, mode in enumerate(MODES)}
    ambient, step = setting.ladder.ambient_k, setting.step_s

    def decide(
        frame: int, die: float, package: float, before: int, requested: bool, waited: int, *ends: float
    ) -> int:
        state = State(
            frame, frame * step, die + ambient, package + ambient, MODES[before] if before >= 0 else None,
            bool(requested), waited if requested else 0, *(end + ambient for end in ends),
        )  # fmt: skip
        try:
            answer = policy(state)
        except InputError:
            raise
        except Exception as error:
            raise CodeError(
                f"{_place(error)}policy {name!r} in frame {frame}: {type(error).__name__}: {error}"
            ) from error
        found = numbers.get(answer) if isinstance(answer, str) else None
        if found is None:
            hint = nearest(answer, MODES) if isinstance(answer, str) else ""
            raise InputError(
                f"policy {name!r} in frame {frame}: returned {answer!r}; must be 'near', 'far' or 'stop'{hint}"
            )
        return found

    return decide


def _place(error: BaseException) -> str:
    """Return file and line where code of the user failed."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}: "
