"""Heat in stacks of dies: temperatures of blocks from their power, steady and in time. See docs/thermal.md."""

from __future__ import annotations

from archsim.thermal.compact import TwoPole, two_pole
from archsim.thermal.hotspot import load_stack
from archsim.thermal.leakage import RunawayError
from archsim.thermal.model import ThermalModel
from archsim.thermal.power import PowerTrace, read_power
from archsim.thermal.results import State, Steady, Transient
from archsim.thermal.spec import Stack

__all__ = [
    "PowerTrace",
    "RunawayError",
    "Stack",
    "State",
    "Steady",
    "ThermalModel",
    "Transient",
    "TwoPole",
    "load_stack",
    "read_power",
    "two_pole",
]
