"""Heat of replays: power of a result on a stack, and what its temperatures do to the replay.

See docs/electrothermal.md.
"""

from __future__ import annotations

from archsim.electrothermal.attribution import Attribution, block_energy, power_trace
from archsim.electrothermal.coupling import Coupling, Replayed, observe
from archsim.electrothermal.fixed_point import FixedPoint, Operating, fixed_point
from archsim.electrothermal.in_time import CoupledRun, run_in_time
from archsim.electrothermal.spec import HeatMap

__all__ = [
    "Attribution",
    "CoupledRun",
    "Coupling",
    "FixedPoint",
    "HeatMap",
    "Operating",
    "Replayed",
    "block_energy",
    "fixed_point",
    "observe",
    "power_trace",
    "run_in_time",
]
