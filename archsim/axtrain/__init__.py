"""Training of networks for approximate arithmetic and faulty storage, with PyTorch (the extra ``train``).

Layers that compute as the circuit does and learn as if it were exact (*passive*), regularisers that make weights less
sensitive (*active*), and a small deterministic trainer. The formulations are this project's own; see docs/axtrain.md.
"""

from __future__ import annotations

from archsim.errors import InputError

try:
    import torch as _torch  # noqa: F401
except ImportError:
    raise InputError('archsim.axtrain needs torch: pip install "archsim[train]"') from None

from archsim.axtrain.arithmetic import Arithmetic
from archsim.axtrain.layers import ApproxConv2d, ApproxLinear
from archsim.axtrain.losses import LOSSES
from archsim.axtrain.networks import (
    calibrate,
    computing,
    convert,
    count_products,
    draw_faults,
    load_ranges,
    predict,
    ranges,
    seeded,
)
from archsim.axtrain.sensitivity import KINDS, Active, Sensitivity, penalty, sensitivity
from archsim.axtrain.training import History, fit

__all__ = [
    "KINDS",
    "LOSSES",
    "Active",
    "ApproxConv2d",
    "ApproxLinear",
    "Arithmetic",
    "History",
    "Sensitivity",
    "calibrate",
    "computing",
    "convert",
    "count_products",
    "draw_faults",
    "fit",
    "load_ranges",
    "penalty",
    "predict",
    "ranges",
    "seeded",
    "sensitivity",
]
