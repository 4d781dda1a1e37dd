"""Losses by name, and the root of their second derivative by the outputs, which Gauss-Newton needs."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional

from archsim.errors import InputError, nearest

LossFunction = Callable[[Tensor, Tensor], Tensor]
LOSSES = ("mse", "cross-entropy", "binary-cross-entropy")


def loss_function(loss: str | LossFunction) -> LossFunction:
    """Return a loss: the mean over samples (and outputs, but for cross entropy), of outputs and targets.

    Raises
    ------
    InputError
        For an unknown name.
    """
    if callable(loss):
        return loss
    if loss not in LOSSES:
        raise InputError(f"loss {loss!r}: unknown{nearest(str(loss), LOSSES)}")
    named: dict[str, LossFunction] = {
        "mse": _mse,
        "cross-entropy": _cross_entropy,
        "binary-cross-entropy": _bce,
    }
    return named[loss]


def _mse(outputs: Tensor, targets: Tensor) -> Tensor:
    _same(outputs, targets)
    return functional.mse_loss(outputs, targets.to(outputs.dtype))


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of the number of each sample's class, or of probabilities of all classes."""
    if targets.is_floating_point():
        if targets.shape != outputs.shape:
            raise InputError(
                f"targets {tuple(targets.shape)} of type {targets.dtype}: must be whole numbers, the classes, or "
                f"probabilities of the shape of the outputs {tuple(outputs.shape)}"
            )
        return functional.cross_entropy(outputs, targets.to(outputs.dtype))
    expected = (*outputs.shape[:1], *outputs.shape[2:])
    if outputs.dim() < 2 or tuple(targets.shape) != expected:
        raise InputError(
            f"outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)}: must be (samples, classes, ...) and "
            f"(samples, ...)"
        )
    wrong = (targets < 0) | (targets >= outputs.shape[1])
    if bool(wrong.any()):
        place = torch.nonzero(wrong)[0].tolist()
        raise InputError(
            f"target {place}: {int(targets[tuple(place)])}: must be a class from 0 to {outputs.shape[1] - 1}"
        )
    return functional.cross_entropy(outputs, targets.long())


def _bce(outputs: Tensor, targets: Tensor) -> Tensor:
    _same(outputs, targets)
    return functional.binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype))


def _same(outputs: Tensor, targets: Tensor) -> None:
    # Broadcasting one against the other would give a number, of something else.
    if outputs.shape != targets.shape:
        raise InputError(
            f"outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)}: must have one shape"
        )


def root_times(loss: str | LossFunction, outputs: Tensor, probe: Tensor) -> Tensor:
    """Return ``A v``, where ``A A^T`` is the second derivative of the loss by the outputs; differentiable.

    Mean squared error: ``A = sqrt(2 / (N C))``. Cross entropy over N samples with probabilities p: ``A A^T = (diag(p) -
    p p^T) / N`` has the root ``A = (diag(sqrt p) - p sqrt(p)^T) / sqrt N``. Binary cross entropy: ``A = sqrt(p (1 - p)
    / (N C))``.

    Parameters
    ----------
    loss : str
        One of `LOSSES`.
    outputs, probe : Tensor, shape (N, C)

    Raises
    ------
    InputError
        For a loss without a known root.
    """
    if loss == "mse":
        return probe * sqrt(2.0 / outputs.numel())
    if loss == "binary-cross-entropy":
        logs = functional.logsigmoid(outputs) + functional.logsigmoid(-outputs)
        return probe * torch.exp(0.5 * logs) / sqrt(outputs.numel())
    if loss == "cross-entropy":
        if outputs.dim() != 2:
            raise InputError(
                f"outputs {tuple(outputs.shape)}: Gauss-Newton of cross entropy needs (samples, classes)"
            )
        logs = functional.log_softmax(outputs, 1)
        roots, shares = torch.exp(0.5 * logs), torch.exp(logs)
        inner = (roots * probe).sum(1, keepdim=True)
        return (roots * probe - shares * inner) / sqrt(len(outputs))
    raise InputError(f"loss {loss!r}: Gauss-Newton needs one of {', '.join(LOSSES)}")
