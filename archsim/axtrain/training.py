"""A small trainer: the same seed gives the same bits."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from archsim.approx.checks import real_number
from archsim.axtrain.losses import LossFunction, loss_function
from archsim.axtrain.networks import as_tensor, computing, draw_faults, seeded
from archsim.axtrain.sensitivity import Active, penalty
from archsim.errors import InputError, nearest
from archsim.traces.counter import draw, stream_key

PASSIVE = ("bit-true", "noise", "off")
OPTIMISERS = ("adam", "sgd")
_SHUFFLE, _PROBES = 1, 2  # names of streams


@dataclass
class History:
    """What training reported, one number for each epoch.

    Attributes
    ----------
    loss : list of float
        Mean over samples, as trained, without the penalty.
    penalty : list of float
        Mean over batches, before it is multiplied by its strength; empty without active training.
    validation_loss : list of float
        Evaluated bit for bit after the epoch; empty without data for it.
    """

    loss: list[float] = field(default_factory=list)
    penalty: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)

    def to_dict(self) -> dict[str, list[float]]:
        """Return plain values, for JSON."""
        return asdict(self)


def fit(
    model: nn.Module, data: tuple[Any, Any], loss: str | LossFunction, *, epochs: int, seed: int = 0,
    passive: Literal["bit-true", "noise", "off"] = "bit-true", active: Active | tuple[str, float] | None = None,
    batch: int = 32, lr: float = 1e-3, optimiser: Literal["adam", "sgd"] = "adam", momentum: float = 0.9,
    weight_decay: float = 0.0, decay: float = 1.0, chip: int | None = None,
    validation: tuple[Any, Any] | None = None,
) -> History:  # fmt: skip
    """Train a network in place.

    Parameters
    ----------
    model : torch.nn.Module
        Approximate layers (`archsim.axtrain.convert`) train as below; others as ever. Afterwards it is in evaluation
        mode, with the faults of ``(seed, chip)``, or of chip 0; `archsim.axtrain.draw_faults` gives it others.
    data : (inputs, targets)
        Arrays or tensors with one row for each sample.
    loss : str or callable
        One of `archsim.axtrain.LOSSES`, or a function of outputs and targets.
    epochs : int
    seed : int
        Of the order of samples, of faults and noise, and of what torch draws inside (dropout).
    passive : {"bit-true", "noise", "off"}
        Forward passes as the circuit computes, with faults drawn anew each time; with normal errors of the same
        moments; or exactly and without faults, which is plain quantisation-aware training.
    active : Active or (kind, strength), optional
        A penalty on sensitivity.
    batch : int
        Samples for each step; the last batch of an epoch may be smaller.
    lr : float
        Learning rate of the first epoch.
    optimiser : {"adam", "sgd"}
    momentum : float
        Of ``sgd``.
    weight_decay : float
    decay : float
        Learning rate of the last epoch over that of the first; a straight line between.
    chip : int, optional
        Train for the faults of this chip instead of new ones in each pass.
    validation : (inputs, targets), optional

    Returns
    -------
    History

    Raises
    ------
    InputError
        For bad data or parameters, and when the loss is no number any more.
    """
    _check(epochs, batch, lr, decay, passive, optimiser)
    for name, value in (("momentum", momentum), ("weight_decay", weight_decay)):
        if not 0.0 <= real_number(name, value) < float("inf"):
            raise InputError(f"{name} = {value}: must be a finite number of at least 0")
    samples = _samples(data, "data")
    checks = None if validation is None else _samples(validation, "validation")
    chosen = _chosen(active)
    run = _Run(
        model, *samples, loss, chosen, batch, seed, _stepper(model, optimiser, lr, momentum, weight_decay)
    )
    draw_faults(model, seed, chip or 0, fresh=chip is None)
    with seeded(seed):
        for epoch in range(epochs):
            for group in run.stepper.param_groups:
                group["lr"] = lr * (1.0 + (decay - 1.0) * epoch / max(epochs - 1, 1))
            model.train()
            with computing(model, "exact" if passive == "off" else passive):
                run.epoch(epoch)
            model.eval()
            if checks is not None:
                with torch.no_grad():
                    found = loss_function(loss)(model(checks[0]), checks[1])
                run.history.validation_loss.append(float(found))
    model.eval()
    return run.history


def _chosen(active: Active | tuple[str, float] | None) -> Active | None:
    if isinstance(active, tuple) and len(active) == 2:
        return Active(*active)
    if active is None or isinstance(active, Active):
        return active
    raise InputError(f"active = {active!r}: must be an Active, a kind and a strength, or None")


@dataclass
class _Run:
    """What all steps of a training share."""

    model: nn.Module
    inputs: Tensor
    targets: Tensor
    loss: str | LossFunction
    active: Active | None
    batch: int
    seed: int
    stepper: torch.optim.Optimizer
    history: History = field(default_factory=History)

    def epoch(self, number: int) -> None:
        """Take a step for each batch, in an order that the seed and the epoch decide."""
        words = draw(stream_key(self.seed, _SHUFFLE, number), np.arange(len(self.inputs), dtype=np.uint64))
        order = torch.from_numpy(np.argsort(words, kind="stable"))
        losses, penalties = 0.0, []
        for step, places in enumerate(torch.split(order, self.batch)):
            loss, felt = self._step(places, number, step)
            losses += loss * len(places)
            penalties.append(felt)
        self.history.loss.append(losses / len(self.inputs))
        if self.active is not None:
            self.history.penalty.append(sum(penalties) / len(penalties))

    def _step(self, places: Tensor, epoch: int, step: int) -> tuple[float, float]:
        """Change the weights once; return the loss and the penalty."""
        outputs, targets = self.model(self.inputs[places]), self.targets[places]
        loss = loss_function(self.loss)(outputs, targets)
        if loss.numel() != 1:
            raise InputError(
                f"loss of shape {tuple(loss.shape)}: must be one number, such as the mean over samples"
            )
        total, felt = loss, 0.0
        if self.active is not None:
            key = int(stream_key(self.seed, _PROBES, epoch, step))
            kind, probes = self.active.kind, self.active.probes
            each = penalty(self.model, outputs, targets, self.loss, kind, probes=probes, key=key)
            total, felt = loss + self.active.strength * each, float(each.detach())
        if not bool(torch.isfinite(total)):
            raise InputError(
                f"epoch {epoch + 1}, batch {step + 1}: loss {float(loss.detach())}, penalty {felt}: training diverged; "
                "take a smaller learning rate or strength"
            )
        self.stepper.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self.stepper.step()
        return float(loss.detach()), felt


def _stepper(
    model: nn.Module, optimiser: str, lr: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    parameters = [each for each in model.parameters() if each.requires_grad]
    if not parameters:
        raise InputError(f"{type(model).__name__}: no parameters to train")
    if optimiser == "adam":
        return torch.optim.Adam(parameters, lr, weight_decay=weight_decay, foreach=False)
    return torch.optim.SGD(parameters, lr, momentum, weight_decay=weight_decay, foreach=False)


def _samples(data: tuple[Any, Any], what: str) -> tuple[Tensor, Tensor]:
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise InputError(f"{what}: must be a pair of inputs and targets")
    inputs, targets = as_tensor(data[0], f"{what}: inputs"), as_tensor(data[1], f"{what}: targets")
    if len(inputs) != len(targets) or not len(inputs):
        raise InputError(
            f"{what}: {len(inputs)} inputs and {len(targets)} targets: must be as many, at least 1"
        )
    return inputs, targets


def _check(epochs: int, batch: int, lr: float, decay: float, passive: str, optimiser: str) -> None:
    for name, value, least in (("epochs", epochs, 0), ("batch", batch, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{name} = {value!r}: must be a whole number of at least {least}")
    for name, number in (("lr", lr), ("decay", decay)):
        if not 0.0 < real_number(name, number) < float("inf"):
            raise InputError(f"{name} = {number}: must be a finite number above 0")
    for name, word, valid in (("passive", passive, PASSIVE), ("optimiser", optimiser, OPTIMISERS)):
        if word not in valid:
            raise InputError(f"{name} {word!r}: unknown{nearest(str(word), valid)}")
