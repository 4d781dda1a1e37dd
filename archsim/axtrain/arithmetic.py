"""How a layer computes: its multiplier, the widths of its operands, and where their ranges come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from archsim.approx import Multiplier, StorageFaults
from archsim.approx.checks import real_number
from archsim.errors import InputError, nearest

LEAST_BITS, MOST_BITS = 4, 16
ACTIVATIONS = ("signed", "unsigned", "auto")
OBSERVERS = ("ema", "max", "fixed")


@dataclass(frozen=True)
class Arithmetic:
    """How a layer computes.

    Weights and activations are whole numbers times a scale, the greatest magnitude being the greatest number of the
    width: symmetric, without an offset. Sums of products are exact.

    Parameters
    ----------
    multiplier : Multiplier, optional
        Signed, because weights are; its first operand is the activation, its second the weight. None multiplies
        exactly.
    weight_bits, activation_bits : int, optional
        4 to 16, and no wider than the operands of the multiplier; default: as wide, or 8 without one.
    activations : {"signed", "unsigned", "auto"}
        Signed ones use -(2**(bits-1) - 1) to 2**(bits-1) - 1. Unsigned ones use 0 to 2**bits - 1 and must have one bit
        less than a signed multiplier. ``auto``: unsigned if no activation observed is negative.
    per_channel : bool
        A scale for each output of the layer instead of one for all its weights.
    observer : {"ema", "max", "fixed"}
        How the range of activations is found while training: a moving average of the range of each batch, the range
        of all batches so far, or not at all (`archsim.axtrain.calibrate` sets it).
    momentum : float
        Share of a new batch in the moving average, above 0 and at most 1.
    accumulator_bits : int
        Sums that do not fit in so many bits, 8 to 64, are refused.
    faults : StorageFaults, optional
        Of the stored weights; as wide as they are.
    """

    multiplier: Multiplier | None = None
    weight_bits: int = 0
    activation_bits: int = 0
    activations: Literal["signed", "unsigned", "auto"] = "signed"
    per_channel: bool = False
    observer: Literal["ema", "max", "fixed"] = "ema"
    momentum: float = 0.1
    accumulator_bits: int = 64
    faults: StorageFaults | None = None

    def __post_init__(self) -> None:
        self._check_types()
        default = self.multiplier.bits if self.multiplier else 8
        for name in ("weight_bits", "activation_bits"):
            if getattr(self, name) in (None, 0):
                object.__setattr__(self, name, default)
        self._check_choices()
        self._check_widths()

    def __deepcopy__(self, memo: dict[int, Any]) -> Arithmetic:
        return self  # never changes; copies of a network share its tables

    def _check_types(self) -> None:
        for name, kind in (("multiplier", Multiplier), ("faults", StorageFaults)):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise InputError(f"arithmetic: {name} = {value!r}: must be a {kind.__name__} or None")
        if not isinstance(self.per_channel, bool):
            raise InputError(f"arithmetic: per_channel = {self.per_channel!r}: must be True or False")

    def _check_choices(self) -> None:
        for name, value, valid in (
            ("activations", self.activations, ACTIVATIONS),
            ("observer", self.observer, OBSERVERS),
        ):
            if value not in valid:
                raise InputError(f"arithmetic: {name} = {value!r}: unknown{nearest(str(value), valid)}")
        if not 0.0 < real_number("arithmetic: momentum", self.momentum) <= 1.0:
            raise InputError(f"arithmetic: momentum = {self.momentum}: must be above 0 and at most 1")
        if not isinstance(self.accumulator_bits, int) or not 8 <= self.accumulator_bits <= 64:
            raise InputError(f"arithmetic: accumulator_bits = {self.accumulator_bits}: must be from 8 to 64")

    def _check_widths(self) -> None:
        for name in ("weight_bits", "activation_bits"):
            bits = getattr(self, name)
            if isinstance(bits, bool) or not isinstance(bits, int) or not LEAST_BITS <= bits <= MOST_BITS:
                raise InputError(
                    f"arithmetic: {name} = {bits!r}: must be a whole number from {LEAST_BITS} to {MOST_BITS}"
                )
        if self.faults is not None and self.faults.bits != self.weight_bits:
            raise InputError(
                f"arithmetic: faults of words of {self.faults.bits} bits: weights have {self.weight_bits}"
            )
        circuit = self.multiplier
        if circuit is None:
            return
        if not circuit.signed:
            raise InputError(
                f"arithmetic: {circuit.label}: weights have signs, so the multiplier must be signed "
                "(signed=True, or archsim.approx.sign_magnitude for a table of magnitudes)"
            )
        if self.weight_bits > circuit.bits:
            raise InputError(
                f"arithmetic: weight_bits = {self.weight_bits}: {circuit.label} takes at most {circuit.bits}"
            )
        most = circuit.bits - (self.activations != "signed")
        if self.activation_bits > most:
            why = "" if self.activations == "signed" else f" of activations = {self.activations!r}"
            raise InputError(
                f"arithmetic: activation_bits = {self.activation_bits}: {circuit.label} takes at most {most}{why}"
            )

    @property
    def greatest_weight(self) -> int:
        """The greatest magnitude of a quantised weight."""
        return (1 << (self.weight_bits - 1)) - 1

    def activation_limits(self, low: float) -> tuple[int, int]:
        """Return the least and the greatest quantised activation, when ``low`` is the least activation observed."""
        if self.activations == "unsigned" or (self.activations == "auto" and low >= 0):
            return 0, (1 << self.activation_bits) - 1
        top = (1 << (self.activation_bits - 1)) - 1
        return -top, top
