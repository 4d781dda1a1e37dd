"""``ApproxLinear`` and ``ApproxConv2d``: drop-in layers that compute with approximate multipliers and faulty words."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from archsim.approx import RelativeError, conv2d, gemm, relative_error
from archsim.approx.base import Multiplier
from archsim.approx.noise import normal
from archsim.axtrain.arithmetic import Arithmetic
from archsim.axtrain.quantise import check_finite, instead, quantise, scale_of
from archsim.errors import InputError
from archsim.traces.counter import stream_key

Mode = Literal["bit-true", "noise", "exact"]
#: Whole numbers up to here are exact in 32-bit and in 64-bit floating point.
_EXACT_32, _EXACT_64 = 1 << 24, 1 << 53
#: Types of inputs and weights; shorter ones would round whole numbers.
_KINDS = (torch.float32, torch.float64)
_FRESH, _CHIP, _NOISE = 1, 2, 3  # names of streams


@lru_cache(maxsize=32)
def error_of(multiplier: Multiplier) -> RelativeError:
    """Return the moments of a multiplier's relative error over all operands."""
    return relative_error(multiplier)


class Approximate(nn.Module):
    """What both layers have beside their parameters; none of it is in ``state_dict``.

    Attributes
    ----------
    arithmetic : Arithmetic
    computes : {"bit-true", "noise", "exact"}
        How products are formed; see `archsim.axtrain.computing`.
    low, high : float or None
        Range of the activations, once known.
    label : str
        Name in the network, for messages.
    """

    arithmetic: Arithmetic
    computes: Mode
    low: float | None
    high: float | None
    label: str
    weight: Tensor
    bias: Any

    def begin(self, arithmetic: Arithmetic, label: str = "") -> None:
        """Start with an arithmetic and an unknown range."""
        self.arithmetic, self.label = arithmetic, label or type(self).__name__
        self.computes, self.watching = "bit-true", False
        self.low = self.high = None
        self.stream, self.fresh, self.draws = int(stream_key(0)), True, 0

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's outputs, bit for bit those of the circuit, with the derivatives of the exact product."""
        for what, kind in (("input", x.dtype), ("weight", self.weight.dtype)):
            if kind not in _KINDS:
                raise InputError(
                    f"{self.label}: {what} of type {kind}: must be torch.float32 or torch.float64"
                )
        check_finite(x, f"{self.label}: input")
        check_finite(self.weight, f"{self.label}: weight")
        if self.watching or (self.training and self.arithmetic.observer != "fixed"):
            self._observe(x)
        activations, step = self._activations(x)
        words, steps = self._words()
        key = self._key()
        if self.arithmetic.faults is not None and self.computes != "exact":
            read = self.arithmetic.faults.apply(_whole(words).astype(np.int64), key)
            words = instead(words, torch.from_numpy(read).to(words.dtype))
        sums = self._sums(activations, words, key)
        out = (sums.double() * self._over_outputs(step.double() * steps.double().reshape(-1))).to(x.dtype)
        return out if self.bias is None else out + self._over_outputs(self.bias)

    def _observe(self, x: Tensor) -> None:
        if not x.numel():
            return
        low, high = float(x.detach().amin()), float(x.detach().amax())
        if self.low is None or self.high is None:
            self.low, self.high = low, high
        elif self.watching or self.arithmetic.observer == "max":
            self.low, self.high = min(self.low, low), max(self.high, high)
        else:
            share = self.arithmetic.momentum
            self.low += share * (low - self.low)
            self.high += share * (high - self.high)

    def _activations(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the quantised activations and their step."""
        if self.low is None or self.high is None:
            raise InputError(
                f"{self.label}: the range of its inputs is unknown; calibrate the network or train it"
            )
        least, greatest = self.arithmetic.activation_limits(self.low)
        most = self.high if least == 0 else max(abs(self.low), abs(self.high))
        step = scale_of(torch.tensor(max(most, 0.0), dtype=torch.float64), greatest, x.dtype)
        return quantise(x, step, least, greatest), step

    def _words(self) -> tuple[Tensor, Tensor]:
        """Return the quantised weights and their step, one or one for each output."""
        weight, top = self.weight, self.arithmetic.greatest_weight
        sizes = weight.detach().abs()
        if self.arithmetic.per_channel:
            sizes = sizes.flatten(1).amax(1).reshape(-1, *[1] * (weight.dim() - 1))
        else:
            sizes = sizes.amax()
        step = scale_of(sizes, top, weight.dtype)
        return quantise(weight, step, -top, top), step

    def _key(self) -> int:
        """Return the stream of this pass: a new one each time in training, else that of the chip."""
        if not (self.training and self.fresh):
            return int(stream_key(self.stream, _CHIP))
        self.draws += 1
        return int(stream_key(self.stream, _FRESH, self.draws))

    def _sums(self, activations: Tensor, words: Tensor, key: int) -> Tensor:
        circuit = self.arithmetic.multiplier if self.computes != "exact" else None
        if circuit is None:
            return self._checked(self._exact(activations, words))
        if self.computes == "noise":
            exact = self._exact(activations, words)
            return instead(exact, self._noisy(exact, activations, words, error_of(circuit), key))
        value = torch.from_numpy(self._approximate(_whole(activations), _whole(words), circuit))
        if not torch.is_grad_enabled():
            return value
        return instead(self._exact(activations, words).double(), value.double())

    def _exact(self, activations: Tensor, words: Tensor) -> Tensor:
        """Return exact sums: floating point holds every partial sum."""
        bits = self.arithmetic.activation_bits - (self.arithmetic.activations == "signed")
        most = self._depth() << (bits + self.arithmetic.weight_bits - 1)
        if most >= _EXACT_64:
            raise InputError(f"{self.label}: sums of {self._depth()} products are not exact in 64-bit floats")
        mixed = activations.dtype != words.dtype
        if most > _EXACT_32 or mixed or torch.get_float32_matmul_precision() != "highest":
            activations, words = activations.double(), words.double()
        return self._linear(activations, words)

    def _checked(self, sums: Tensor) -> Tensor:
        bits = self.arithmetic.accumulator_bits
        limit = 1 << (bits - 1)
        if bits < 64 and sums.numel():
            wrong = (sums >= limit) | (sums < -limit)
            if bool(wrong.any()):
                place = torch.nonzero(wrong)[0].tolist()
                value = int(sums.detach()[tuple(place)])
                raise InputError(
                    f"{self.label}: sum {place}: {value}: does not fit in an accumulator of {bits} bits"
                )
        return sums

    def _noisy(
        self, exact: Tensor, activations: Tensor, words: Tensor, error: RelativeError, key: int
    ) -> Tensor:
        """Return sums as if each product had an independent relative error of these moments."""
        with torch.no_grad():
            spread = (self._linear(activations**2, words**2).clamp(min=0) * error.variance).sqrt()
            draws = torch.from_numpy(normal(int(stream_key(key, _NOISE)), tuple(exact.shape)))
            return (exact.double() * (1.0 + error.mean) + spread * draws).to(exact.dtype)

    def _approximate(self, activations: Any, words: Any, circuit: Multiplier) -> Any:
        try:
            return self._multiply(activations, words, circuit)
        except InputError as error:
            raise InputError(f"{self.label}: {error}") from None

    def _depth(self) -> int:
        """Products in a sum."""
        return self.weight[0].numel()

    def _over_outputs(self, values: Tensor) -> Tensor:
        """Shape one number, or one for each output, to go with the outputs."""
        raise NotImplementedError

    def _linear(self, x: Tensor, weight: Tensor) -> Tensor:
        raise NotImplementedError

    def _multiply(self, x: Any, weight: Any, circuit: Multiplier) -> Any:
        raise NotImplementedError


def _whole(values: Tensor) -> Any:
    """Return whole numbers as such; operands of a signed multiplier fit in 16 bits."""
    return values.detach().to(torch.int16).numpy()


class ApproxLinear(Approximate, nn.Linear):
    """A fully connected layer that computes with an approximate multiplier.

    Parameters, their names and their initial values are those of `torch.nn.Linear`, so that checkpoints load both ways.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
        Added in floating point, after the sum.
    arithmetic : Arithmetic
    device, dtype
        As of `torch.nn.Linear`.

    Notes
    -----
    Inputs have the shape (..., in_features). Derivatives are those of the exact product of the quantised inputs and
    the weights as they were read; see docs/axtrain.md.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, arithmetic: Arithmetic,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        nn.Linear.__init__(self, in_features, out_features, bias, device, dtype)
        self.begin(arithmetic)

    def _over_outputs(self, values: Tensor) -> Tensor:
        return values

    def _linear(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.linear(x, weight)

    def _multiply(self, x: Any, weight: Any, circuit: Multiplier) -> Any:
        bits = self.arithmetic.accumulator_bits
        sums = gemm(x.reshape(-1, x.shape[-1]), weight.T, circuit, accumulator_bits=bits, threads=1)
        return sums.reshape(*x.shape[:-1], len(weight))


class ApproxConv2d(Approximate, nn.Conv2d):
    """A convolution that computes with an approximate multiplier.

    Parameters, their names and their initial values are those of `torch.nn.Conv2d`, so that checkpoints load both ways;
    so are stride, padding of every mode, dilation and groups. Padding is multiplied like any other pixel.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, ...
        As of `torch.nn.Conv2d`.
    arithmetic : Arithmetic
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: Any = "zeros", *,
        arithmetic: Arithmetic, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        nn.Conv2d.__init__(
            self, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
            device, dtype,
        )  # fmt: skip
        self.begin(arithmetic)

    def _over_outputs(self, values: Tensor) -> Tensor:
        return values.reshape(-1, 1, 1)

    def _padded(self, x: Tensor) -> Tensor:
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        return functional.pad(x, self._reversed_padding_repeated_twice, mode=mode)

    def _linear(self, x: Tensor, weight: Tensor) -> Tensor:
        # Not by torch's convolution, which may go by transforms that round (Winograd, FFT).
        padded = self._padded(x if x.dim() == 4 else x[None])
        edges = zip(padded.shape[2:], self.kernel_size, self.stride, self.dilation, strict=True)
        size = [(edge - apart * (kernel - 1) - 1) // step + 1 for edge, kernel, step, apart in edges]
        patches = functional.unfold(padded, self.kernel_size, self.dilation, 0, self.stride)
        parts = patches.reshape(len(padded), self.groups, self._depth(), patches.shape[-1])
        sums = weight.reshape(self.groups, -1, self._depth()) @ parts
        out = sums.reshape(len(padded), len(weight), *size)
        return out if x.dim() == 4 else out[0]

    def _multiply(self, x: Any, weight: Any, circuit: Multiplier) -> Any:
        padded = self._padded(torch.from_numpy(x).float()).to(torch.int16).numpy()
        images = padded if padded.ndim == 4 else padded[None]
        out = conv2d(
            images, weight, circuit, stride=self.stride, dilation=self.dilation, groups=self.groups,
            accumulator_bits=self.arithmetic.accumulator_bits, threads=1,
        )  # fmt: skip
        return out if padded.ndim == 4 else out[0]
