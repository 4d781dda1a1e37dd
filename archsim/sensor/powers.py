"""What a near-sensor system takes in each of its modes: between the energy of its pixels and the policies."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite

from archsim.errors import InputError


@dataclass(frozen=True)
class ModePower:
    """Power in one mode.

    Attributes
    ----------
    die_w : float
        Heat in the stack of the sensor.
    system_w : float
        Of the whole system, the stack included.
    """

    die_w: float
    system_w: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (isfinite(value) and value >= 0):
                raise InputError(f"{field.name} = {value!r}: must be a finite number, at least 0")
        if self.system_w < self.die_w:
            raise InputError(
                f"system_w = {self.system_w:g}: is less than the stack's own die_w = {self.die_w:g}"
            )


@dataclass(frozen=True)
class Powers:
    """Power in the three modes of a near-sensor system, and the cost of changing the place of the work.

    Attributes
    ----------
    near : ModePower
        Capture, and compute in the stack.
    far : ModePower
        Capture; the host computes, the stack's processor and memory are clock-gated.
    stop : ModePower
        Nothing is computed: processor and memory are clock-gated, frames are captured and dropped.
    switch_j : float
        Energy of one migration, either way.
    switch_s : float
        Time of one, during which nothing is computed.
    """

    near: ModePower
    far: ModePower
    stop: ModePower
    switch_j: float = 0.0
    switch_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("switch_j", "switch_s"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise InputError(f"{name} = {value!r}: must be a finite number, at least 0")
