"""Approximate multipliers, their errors and costs, tables of the user, matrix products, and faults of stored words.

>>> from archsim.approx import metrics, multiplier
>>> drum = multiplier("drum6", bits=8)
>>> int(drum.multiply(200, 123))
24888
>>> metrics(drum).wce
2000
"""

from __future__ import annotations

from archsim.approx.base import Multiplier
from archsim.approx.convolution import conv2d
from archsim.approx.costs import Cost
from archsim.approx.estimate import cost_or_estimate, deviations, estimate
from archsim.approx.faults import StorageFaults
from archsim.approx.gemm import Plan, gemm, plan
from archsim.approx.imports import LoadedTable, load_table
from archsim.approx.layers import Choice
from archsim.approx.lowrank import Factors, factorise, factors_of
from archsim.approx.metrics import Metrics, exhaustive, metrics, sampled
from archsim.approx.names import FAMILIES, examples, multiplier
from archsim.approx.noise import RelativeError, relative_error
from archsim.approx.processor import Processor, convolution, dense, load_processor
from archsim.approx.storage import Storage
from archsim.approx.tables import TableMultiplier, from_function, from_table, sign_magnitude
from archsim.approx.voltages import Probit, VoltageTable

__all__ = [
    "FAMILIES",
    "Choice",
    "Cost",
    "Factors",
    "LoadedTable",
    "Metrics",
    "Multiplier",
    "Plan",
    "Probit",
    "Processor",
    "RelativeError",
    "Storage",
    "StorageFaults",
    "TableMultiplier",
    "VoltageTable",
    "conv2d",
    "convolution",
    "cost_or_estimate",
    "dense",
    "deviations",
    "estimate",
    "examples",
    "exhaustive",
    "factorise",
    "factors_of",
    "from_function",
    "from_table",
    "gemm",
    "load_processor",
    "load_table",
    "metrics",
    "multiplier",
    "plan",
    "relative_error",
    "sampled",
    "sign_magnitude",
]
