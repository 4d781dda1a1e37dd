"""How much a loss feels errors of the weights: differentiable penalties, and the same figures measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from archsim.approx.base import Ints
from archsim.approx.checks import real_number, whole_number
from archsim.axtrain.losses import LossFunction, loss_function, root_times
from archsim.axtrain.networks import as_tensor, in_mode, steady
from archsim.errors import InputError, nearest
from archsim.traces.counter import draw, stream_key

KINDS = ("gradient", "relative", "gauss-newton", "relative-gauss-newton", "step-gauss-newton")
#: Most backward passes of an exact diagonal.
_MOST_PASSES = 1 << 16


@dataclass(frozen=True)
class Active:
    """A penalty on sensitivity in training: ``loss + strength * penalty``.

    Parameters
    ----------
    kind : {"gradient", "relative", "gauss-newton", "relative-gauss-newton", "step-gauss-newton"}
    strength : float
        At least 0.
    probes : int
        Random vectors for each batch of the Gauss-Newton kinds.
    """

    kind: str
    strength: float
    probes: int = 1

    def __post_init__(self) -> None:
        check_kind(self.kind)
        if not 0.0 <= real_number("active: strength", self.strength) < float("inf"):
            raise InputError(f"active: strength = {self.strength}: must be a finite number of at least 0")
        if isinstance(self.probes, bool) or not isinstance(self.probes, int) or self.probes < 1:
            raise InputError(f"active: probes = {self.probes}: must be a whole number of at least 1")


@dataclass(frozen=True)
class Sensitivity:
    """What was measured.

    Attributes
    ----------
    kind : str
    total : float
        Over all weights.
    layers : dict of str to float
        For each weight, by its name in the network.
    probes : int or None
        Random vectors of the estimate; None where it is exact.
    """

    kind: str
    total: float
    layers: dict[str, float]
    probes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)


def check_kind(kind: str) -> None:
    """Refuse an unknown kind."""
    if kind not in KINDS:
        raise InputError(f"sensitivity {kind!r}: unknown{nearest(str(kind), KINDS)}")


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights that are multiplied: those of linear and convolutional layers, without biases."""
    found: dict[str, Tensor] = {
        f"{name}.weight" if name else "weight": each.weight
        for name, each in model.named_modules()
        if isinstance(each, nn.Linear | nn.Conv2d)
    }
    if not found:
        raise InputError(
            f"{type(model).__name__}: no nn.Linear or nn.Conv2d, so no weights to be sensitive to"
        )
    return found


def penalty(
    model: nn.Module, outputs: Tensor, targets: Tensor, loss: str | LossFunction, kind: str, *, probes: int = 1,
    key: int = 0,
) -> Tensor:  # fmt: skip
    """Return a differentiable figure of the sensitivity of the loss of a batch to the weights w.

    - ``gradient``: sum of (dL/dw)**2
    - ``relative``: sum of the magnitudes of dL/dw w
    - ``gauss-newton``: sum of G_ii, with G = J^T H J: J the derivative of the outputs by the weights, H the second
      derivative of the loss by the outputs
    - ``relative-gauss-newton``: sum of G_ii w_i**2
    - ``step-gauss-newton``: sum of G_ii (greatest magnitude in w_i's layer)**2, for errors of so many steps of the
      quantised weight, whatever the weight

    The diagonal of G is estimated without bias: with ``A A^T = H`` and ``v`` of independent signs, the mean of ``((J^T
    A v)_i)**2`` is ``G_ii``.

    Parameters
    ----------
    model : torch.nn.Module
    outputs : Tensor
        What the model gave, with its graph.
    targets : Tensor
    loss : str or callable
        One of `archsim.axtrain.LOSSES`; for ``gradient`` and ``relative`` any function of outputs and targets.
    kind : str
        One of `KINDS`.
    probes : int
        Vectors ``v`` for the Gauss-Newton kinds.
    key : int
        Their stream of random numbers.

    Returns
    -------
    Tensor
        One number.
    """
    check_kind(kind)
    weights = list(weights_of(model).values())
    if kind in ("gradient", "relative"):
        slopes = _slopes(loss_function(loss)(outputs, targets), None, weights, graph=True)
        return _figure(kind, slopes, weights)
    total = outputs.new_zeros(())
    for probe in range(probes):
        signs = torch.from_numpy(_signs(int(stream_key(key, probe)), outputs.numel()))
        pull = root_times(loss, outputs, signs.to(outputs.dtype).reshape(outputs.shape))
        total = total + _figure(kind, _slopes(outputs, pull, weights, graph=True), weights)
    return total / probes


def _slopes(value: Tensor, pull: Tensor | None, weights: list[Tensor], *, graph: bool) -> list[Tensor]:
    found = torch.autograd.grad(
        value, weights, pull, create_graph=graph, retain_graph=True, allow_unused=True
    )
    return [torch.zeros_like(w) if slope is None else slope for slope, w in zip(found, weights, strict=True)]


def _parts(kind: str, slopes: list[Tensor], weights: list[Tensor]) -> list[Tensor]:
    """Return the figure of each weight tensor."""
    pairs = zip(slopes, weights, strict=True)
    if kind == "relative":
        return [(slope * weight).abs().sum() for slope, weight in pairs]
    if kind == "relative-gauss-newton":
        return [(slope * weight).square().sum() for slope, weight in pairs]
    if kind == "step-gauss-newton":
        return [slope.square().sum() * weight.abs().amax().square() for slope, weight in pairs]
    return [slope.square().sum() for slope, _ in pairs]


def _figure(kind: str, slopes: list[Tensor], weights: list[Tensor]) -> Tensor:
    return torch.stack(_parts(kind, slopes, weights)).sum()


def _signs(key: int, count: int) -> Ints:
    words = draw(np.uint64(key), np.arange(count, dtype=np.uint64))
    return np.where(words >> np.uint64(63), -1, 1).astype(np.int64)


def sensitivity(
    model: nn.Module, inputs: Any, targets: Any, loss: str | LossFunction, kind: str, *, probes: int | None = None,
    seed: int = 0,
) -> Sensitivity:  # fmt: skip
    """Measure the sensitivity of a network, evaluated, over all the data at once.

    Parameters
    ----------
    model : torch.nn.Module
    inputs, targets : array_like or Tensor, shape (samples, ...)
    loss, kind
        As of `penalty`.
    probes : int, optional
        Estimate a Gauss-Newton diagonal from so many random vectors. None: exactly, with one backward pass for each
        output of each sample, 65,536 at most.
    seed : int
        Of the random vectors.

    Raises
    ------
    InputError
        For an unknown kind or loss, and an exact diagonal that would take too many passes.
    """
    check_kind(kind)
    found = weights_of(model)
    weights = list(found.values())
    with steady(), in_mode(model, False), torch.enable_grad():
        values, goals = as_tensor(inputs, "inputs"), as_tensor(targets, "targets")
        if not len(values) or len(values) != len(goals):
            raise InputError(f"{len(values)} inputs and {len(goals)} targets: must be as many, at least 1")
        outputs = model(values)
        if kind in ("gradient", "relative"):
            slopes = _slopes(loss_function(loss)(outputs, goals), None, weights, graph=False)
            return _measured(kind, found, torch.stack(_parts(kind, slopes, weights)), None)
        total = torch.zeros(len(weights), dtype=outputs.dtype)
        for probe in _probes(outputs, probes, seed):
            pull = root_times(loss, outputs.detach(), probe)
            slopes = _slopes(outputs, pull, weights, graph=False)
            total += torch.stack(_parts(kind, slopes, weights)).detach()
    return _measured(kind, found, total / (probes or 1), probes)


def _probes(outputs: Tensor, probes: int | None, seed: int) -> Any:
    count = outputs.numel()
    if probes is not None:
        probes = whole_number("probes", probes, 1)
        for probe in range(probes):
            signs = torch.from_numpy(_signs(int(stream_key(seed, probe)), count))
            yield signs.to(outputs.dtype).reshape(outputs.shape)
        return
    if count > _MOST_PASSES:
        raise InputError(
            f"{count} outputs: an exact Gauss-Newton diagonal is for at most {_MOST_PASSES}; choose probes"
        )
    for place in range(count):
        unit = torch.zeros_like(outputs).reshape(-1)
        unit[place] = 1
        yield unit.reshape(outputs.shape)


def _measured(kind: str, weights: dict[str, Tensor], parts: Tensor, probes: int | None) -> Sensitivity:
    values = [float(part) for part in parts.detach().double()]
    return Sensitivity(kind, sum(values), dict(zip(weights, values, strict=True)), probes)
