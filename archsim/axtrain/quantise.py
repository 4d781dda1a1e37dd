"""From real to whole numbers and back to gradients: quantisation and the straight-through estimate, in torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archsim.errors import InputError


class _Instead(torch.autograd.Function):
    """One value, with the derivatives of another: the straight-through estimate, differentiable any number of times."""

    @staticmethod
    def forward(ctx: Any, differentiable: Tensor, value: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def instead(differentiable: Tensor, value: Tensor) -> Tensor:
    """Return ``value``, whose derivatives are those of ``differentiable``."""
    out: Tensor = _Instead.apply(differentiable, value.detach())  # type: ignore[no-untyped-call]
    return out


def quantise(values: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
    """Return ``values / scale`` rounded to whole numbers from ``low`` to ``high``; halves go to even.

    The derivative is that of the division where the quotient lies within half a step of the range, and 0 outside.
    """
    ratio = values / scale
    whole = torch.round(ratio.detach()).clamp(low, high)
    return instead(ratio.clamp(low - 0.5, high + 0.5), whole)


def scale_of(greatest: Tensor, top: int, kind: torch.dtype) -> Tensor:
    """Return the step with which ``greatest`` becomes ``top``, a number of ``kind``; 1 where it would vanish."""
    scale = (greatest.double() / top).to(kind)
    return torch.where(scale < torch.finfo(kind).tiny, torch.ones_like(scale), scale)


def check_finite(values: Tensor, what: str) -> None:
    """Refuse NaN and infinity.

    Raises
    ------
    InputError
        With the first place of one.
    """
    sound = torch.isfinite(values)
    if not bool(sound.all()):
        place = torch.nonzero(~sound)[0].tolist() if values.dim() else []
        raise InputError(f"{what} {place}: {values.detach()[tuple(place)].item()}: must be a finite number")
