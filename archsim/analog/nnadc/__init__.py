"""Converters of trained RRAM networks: specification, training, fabrication, calibration, test, cost."""

from __future__ import annotations

from archsim.analog.nnadc.calibration import calibrated
from archsim.analog.nnadc.converter import Converter
from archsim.analog.nnadc.cost import Costs, costs
from archsim.analog.nnadc.files import load_adc, load_table
from archsim.analog.nnadc.measure import Measured, measure, monte_carlo
from archsim.analog.nnadc.spec import Adc, Network, Scheme, Training

__all__ = [
    "Adc",
    "Converter",
    "Costs",
    "Measured",
    "Network",
    "Scheme",
    "Training",
    "calibrated",
    "costs",
    "load_adc",
    "load_table",
    "measure",
    "monte_carlo",
]
