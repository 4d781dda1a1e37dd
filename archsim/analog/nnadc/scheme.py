"""What codes stand for: linear, logarithmic, square-root or a table's, as curves and as thresholds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.analog.elementary import exp, log
from archsim.analog.nnadc.spec import Scheme

F64 = NDArray[np.float64]


def compand(scheme: Scheme, x: F64) -> F64:
    """Return f(x), from 0 to 1, of inputs from 0 to 1."""
    x = np.asarray(x, np.float64)
    if scheme.kind == "log":
        found: F64 = log(1.0 + scheme.mu * x) / log(1.0 + scheme.mu)
        return found
    if scheme.kind == "sqrt":
        root: F64 = np.sqrt(x)
        return root
    if scheme.kind == "table":
        between: F64 = np.interp(x, np.array(scheme.x), np.array(scheme.y))
        return between
    return x


def expand(scheme: Scheme, y: F64) -> F64:
    """Return the x of which f(x) = y, of values from 0 to 1."""
    y = np.asarray(y, np.float64)
    if scheme.kind == "log":
        found: F64 = (exp(y * log(1.0 + scheme.mu)) - 1.0) / scheme.mu
        return found
    if scheme.kind == "sqrt":
        square: F64 = y * y
        return square
    if scheme.kind == "table":
        between: F64 = np.interp(y, np.array(scheme.y), np.array(scheme.x))
        return between
    return y


def thresholds(scheme: Scheme, bits: int) -> F64:
    """Return the inputs at which an ideal converter of this scheme changes its code, shape (2**bits - 1,)."""
    return expand(scheme, np.arange(1, 1 << bits) / (1 << bits))
