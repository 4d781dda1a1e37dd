"""Policies that keep a stacked sensor cool enough for its frames: simulation, promises and closed forms."""

from __future__ import annotations

from archsim.sensor.policies.closed import ClosedForm, beside, closed_form
from archsim.sensor.policies.engine import PolicyRun, Trace, run, sweep
from archsim.sensor.policies.promise import Promise, promise
from archsim.sensor.policies.setting import MODES, POLICIES, Limits, Setting
from archsim.sensor.policies.state import State

__all__ = [
    "MODES",
    "POLICIES",
    "ClosedForm",
    "Limits",
    "PolicyRun",
    "Promise",
    "Setting",
    "State",
    "Trace",
    "beside",
    "closed_form",
    "promise",
    "run",
    "sweep",
]
