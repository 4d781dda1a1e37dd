"""Whole networks: layers swapped for approximate ones, their ranges, how they compute, and which faults they have."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from archsim.approx import Choice, Multiplier
from archsim.approx.checks import real_number, whole_number
from archsim.axtrain.arithmetic import Arithmetic
from archsim.axtrain.layers import ApproxConv2d, Approximate, ApproxLinear, Mode
from archsim.axtrain.quantise import check_finite
from archsim.errors import InputError, nearest
from archsim.traces.counter import stream_key

MODES = ("bit-true", "noise", "exact")
How = Arithmetic | Multiplier | Choice
_SWAPS: dict[type[nn.Module], type[Approximate]] = {nn.Linear: ApproxLinear, nn.Conv2d: ApproxConv2d}


@contextmanager
def steady() -> Iterator[None]:
    """One thread and deterministic algorithms inside; what was set before comes back."""
    threads = torch.get_num_threads()
    strict, warn = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict, warn_only=warn)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Give torch a seed, one thread and deterministic algorithms inside; all is as before afterwards.

    Networks that are made inside have the same initial weights every time.

    Parameters
    ----------
    seed : int
        From 0 to 2**63 - 1.
    """
    check_seed(seed)
    with steady(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def check_seed(seed: int) -> None:
    """Refuse what is no seed."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 1 << 63:
        raise InputError(f"seed = {seed!r}: must be a whole number from 0 to 2**63 - 1")


def approximate_layers(model: nn.Module) -> dict[str, Approximate]:
    """Return the approximate layers of a network by name, in its order."""
    return {name: each for name, each in model.named_modules() if isinstance(each, Approximate)}


def convert(
    model: nn.Module,
    how: How,
    *,
    layers: Mapping[str, Arithmetic | Multiplier | None] | None = None,
    inplace: bool = False,
) -> Any:
    """Return a network whose ``nn.Linear`` and ``nn.Conv2d`` are approximate layers with the same parameters.

    Layers that are approximate already get the new arithmetic and keep the range of their inputs: a trained network is
    converted once more to see it on another multiplier.

    Parameters
    ----------
    model : torch.nn.Module
    how : Arithmetic, Multiplier or Choice
        For all layers; a multiplier alone stands for ``Arithmetic(multiplier)``, and a choice has one for each layer.
    layers : mapping of str to Arithmetic, Multiplier or None, optional
        Layers, by their names in the network, for which something else holds; None leaves them as they are.
    inplace : bool
        Change the network itself instead of a copy.

    Returns
    -------
    torch.nn.Module
        Of the type of ``model`` (unless it is a single layer itself).

    Raises
    ------
    InputError
        For an unknown layer, or a network without any that could be converted.
    """
    if not inplace:
        model = copy.deepcopy(model)
    found = {
        name: each
        for name, each in model.named_modules(remove_duplicate=False)
        if type(each) in _SWAPS or isinstance(each, Approximate)
    }
    if not found:
        raise InputError(f"{type(model).__name__}: no nn.Linear or nn.Conv2d to convert")
    if not isinstance(how, Arithmetic | Multiplier | Choice):
        raise InputError(f"convert: {how!r}: must be an Arithmetic, a Multiplier or a Choice")
    own = dict(layers or {})
    for name in [*own, *(how.layers if isinstance(how, Choice) else ())]:
        if name not in found:
            raise InputError(f"layer {name!r}: unknown{nearest(name, found)}")
    done: dict[int, Approximate] = {}
    for name, each in found.items():
        wanted = own.get(name, how)
        if wanted is None:
            continue
        if id(each) not in done:
            done[id(each)] = _approximate(each, _arithmetic(wanted, name), name)
        if not name:
            return done[id(each)]
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, done[id(each)])
    draw_faults(model, 0)
    return model


def _arithmetic(how: How, name: str) -> Arithmetic:
    if isinstance(how, Choice):
        how = how.of(name)
    if isinstance(how, Multiplier):
        return Arithmetic(how)
    if not isinstance(how, Arithmetic):
        raise InputError(f"layer {name!r}: {how!r}: must be an Arithmetic, a Multiplier or a Choice")
    return how


def _approximate(layer: nn.Module, arithmetic: Arithmetic, name: str) -> Approximate:
    if isinstance(layer, Approximate):
        layer.arithmetic = arithmetic
        return layer
    cls = _SWAPS[type(layer)]
    made = cls.__new__(cls)
    made.__dict__.update(layer.__dict__)  # parameters, hooks and settings, without drawing new initial values
    made.begin(arithmetic, name)
    return made


@contextmanager
def computing(model: nn.Module, mode: Mode) -> Iterator[None]:
    """Have all approximate layers form their products in another way meanwhile.

    Parameters
    ----------
    model : torch.nn.Module
    mode : {"bit-true", "noise", "exact"}
        As the circuit does; exact sums with a normal error of the same moments, for large networks; or exactly, from
        words without faults.
    """
    if mode not in MODES:
        raise InputError(f"mode {mode!r}: unknown{nearest(str(mode), MODES)}")
    layers = approximate_layers(model).values()
    before = [layer.computes for layer in layers]
    for layer in layers:
        layer.computes = mode
    try:
        yield
    finally:
        for layer, old in zip(layers, before, strict=True):
            layer.computes = old


@contextmanager
def in_mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Train or evaluate meanwhile; every module is as before afterwards."""
    before = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, old in before.items():
            module.training = old


def draw_faults(model: nn.Module, seed: int, chip: int = 0, *, fresh: bool = True) -> None:
    """Choose the streams of random numbers of storage faults and of noise, and start them anew.

    Evaluated, a network has the same faults every time: those of ``(seed, chip)``. In training every pass draws new
    ones, unless ``fresh`` is False: then it trains for this chip.

    Parameters
    ----------
    model : torch.nn.Module
    seed, chip : int
    fresh : bool
    """
    check_seed(seed)
    check_seed(chip)
    for place, layer in enumerate(approximate_layers(model).values()):
        layer.stream, layer.fresh, layer.draws = int(stream_key(seed, chip, place)), fresh, 0


def calibrate(model: nn.Module, inputs: Any, *, batch: int = 1024) -> None:
    """Set the range of each approximate layer's inputs to that over some data, multiplied exactly.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : array_like or Tensor, shape (samples, ...)
    batch : int
        Samples at a time.
    """
    values = as_tensor(inputs, "inputs")
    batch = whole_number("batch", batch, 1)
    if not len(values):
        raise InputError("inputs: none, so no ranges to find")
    layers = approximate_layers(model).values()
    for layer in layers:
        layer.low = layer.high = None
        layer.watching = True
    try:
        with computing(model, "exact"):
            predict(model, values, batch=batch)
    finally:
        for layer in layers:
            layer.watching = False


def ranges(model: nn.Module) -> dict[str, tuple[float, float] | None]:
    """Return the range of each approximate layer's inputs; None where it is unknown. ``state_dict`` has none of it."""
    return {
        name: None if each.low is None or each.high is None else (each.low, each.high)
        for name, each in approximate_layers(model).items()
    }


def load_ranges(model: nn.Module, found: Mapping[str, tuple[float, float] | None]) -> None:
    """Set ranges that `ranges` gave.

    Raises
    ------
    InputError
        For an unknown layer, or a range that is none.
    """
    layers = approximate_layers(model)
    for name, pair in found.items():
        if name not in layers:
            raise InputError(f"layer {name!r}: unknown{nearest(name, layers)}")
        if pair is not None and not _is_range(pair):
            raise InputError(f"layer {name!r}: range {pair}: must be two finite numbers, the lower first")
        layers[name].low, layers[name].high = (None, None) if pair is None else map(float, pair)


def _is_range(pair: Any) -> bool:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return False
    low, high = (real_number("range", each) for each in pair)
    return isfinite(low) and isfinite(high) and low <= high


def count_products(model: nn.Module, inputs: Any) -> dict[str, int]:
    """Return how many products each linear or convolutional layer forms for some inputs, such as for a ledger.

    Products with padding count: they are formed like any others.
    """
    counts: dict[str, int] = {}

    def count(name: str) -> Any:
        def add(layer: nn.Module, _: Any, output: Tensor) -> None:
            weight: Any = layer.weight
            counts[name] = counts.get(name, 0) + output.numel() * weight[0].numel()

        return add

    hooks = [
        each.register_forward_hook(count(name))
        for name, each in model.named_modules()
        if isinstance(each, nn.Linear | nn.Conv2d)
    ]
    try:
        predict(model, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def predict(model: nn.Module, inputs: Any, *, batch: int = 1024) -> Tensor:
    """Return a network's outputs, evaluated without gradients on one thread.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : array_like or Tensor, shape (samples, ...)
    batch : int
        Samples at a time.
    """
    values = as_tensor(inputs, "inputs")
    batch = whole_number("batch", batch, 1)
    with steady(), torch.no_grad(), in_mode(model, False):
        parts = [model(values[start : start + batch]) for start in range(0, max(len(values), 1), batch)]
    return torch.cat(parts)


def as_tensor(values: Any, what: str) -> Tensor:
    """Return numbers as a tensor: floats of 32 bits unless they are a tensor already, whole numbers of 64.

    Raises
    ------
    InputError
        For NaN and infinity, with the place.
    """
    if isinstance(values, Tensor):
        tensor = values
    else:
        array = np.asarray(values)
        if array.dtype.kind not in "iufb":
            raise InputError(f"{what}: of type {array.dtype}; must be numbers")
        tensor = torch.from_numpy(np.array(array, np.float32 if array.dtype.kind == "f" else np.int64))
    if tensor.dim() == 0:
        raise InputError(f"{what}: a single number; must be an array with one row for each sample")
    if tensor.is_floating_point():
        check_finite(tensor, what)
    return tensor
