"""Pipelined converters, stage by stage: decisions, residues, redundancy, digital correction.

Inputs and residues are fractions of full scale, nominally in [0, 1). A stage decides ``d`` of ``2**bits`` and hands on
``residue = 2**(bits - redundancy) * (x - level(d))``. With redundancy the nominal residue fills only
``2**-redundancy`` of the range of the next stage, in its middle, and wrong decisions up to the margin on both sides are
corrected by adding the decisions with overlapping weights. ``docs/analog.md`` has the formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2, sqrt
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.analog.arrays import number, numbers, whole
from archsim.analog.elementary import key_of, normals
from archsim.errors import InputError

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

MOST_BITS = 24
_RESIDUE, _COMPARATOR = 0x530, 0x531


class Stage(Protocol):
    """What a pipeline needs of a stage."""

    @property
    def bits(self) -> int:
        """It decides one of 2**bits."""

    @property
    def redundancy(self) -> int:
        """Its residue is amplified by 2**(bits - redundancy)."""

    def convert(self, x: F64, first: int = 0) -> tuple[I64, F64]:
        """Return decisions and residues of samples; ``first`` is the number of the first one, for noise by counter."""


@dataclass(frozen=True)
class FlashStage:
    """A stage by its behaviour: thresholds, levels, gain and noise, each with its error.

    Attributes
    ----------
    bits, redundancy : int
        2**bits decisions; gain 2**(bits - redundancy), with redundancy < bits.
    threshold_errors : sequence of float, length 2**bits - 1
        Added to the thresholds, in fractions of the input range.
    level_errors : sequence of float, length 2**bits
        Added to the level that is subtracted for each decision, in fractions of the input range.
    gain_error : float
        Relative error of the gain of the residue.
    offset : float
        Added to the residue, in fractions of its range.
    residue_noise_rms, comparator_noise_rms : float
        Gaussian, of every sample anew: on the residue, in fractions of its range, and on the input of the comparators,
        in fractions of the input range.
    seed, number : int
        Of the noise, and of the stage; another number gives other noise.
    """

    bits: int
    redundancy: int = 0
    threshold_errors: Sequence[float] = ()
    level_errors: Sequence[float] = ()
    gain_error: float = 0.0
    offset: float = 0.0
    residue_noise_rms: float = 0.0
    comparator_noise_rms: float = 0.0
    seed: int = 0
    number: int = 0

    def __post_init__(self) -> None:
        check_stage(self.bits, self.redundancy, f"stage {self.number}")
        for name, errors, count in (
            ("threshold_errors", self.threshold_errors, (1 << self.bits) - 1),
            ("level_errors", self.level_errors, 1 << self.bits),
        ):
            if not np.isfinite(numbers(errors, f"stage {self.number}: {name}")).all():
                raise InputError(f"stage {self.number}: {name}: must be finite")
            if len(errors) not in (0, count):
                raise InputError(f"stage {self.number}: {name} has {len(errors)} values: must be {count}")
        for name, rms in (("residue", self.residue_noise_rms), ("comparator", self.comparator_noise_rms)):
            number(f"stage {self.number}: {name}_noise_rms", rms, 0.0, 1e9)
        number(f"stage {self.number}: gain_error", self.gain_error, -1e9, 1e9)
        number(f"stage {self.number}: offset", self.offset, -1e9, 1e9)

    @property
    def thresholds(self) -> F64:
        """Inputs at which the decision rises, shape (2**bits - 1,), sorted."""
        found = np.arange(1, 1 << self.bits) / (1 << self.bits)
        if len(self.threshold_errors):
            found = np.sort(found + np.asarray(self.threshold_errors, np.float64))
        return found

    @property
    def levels(self) -> F64:
        """What is subtracted for each decision, shape (2**bits,)."""
        gain = 2.0 ** (self.bits - self.redundancy)
        found: F64 = np.arange(1 << self.bits) / (1 << self.bits) - margin(self.redundancy) / gain
        return found + np.asarray(self.level_errors, np.float64) if len(self.level_errors) else found

    def convert(self, x: F64, first: int = 0) -> tuple[I64, F64]:
        """Return decisions and residues, shape of x."""
        compared = x
        if self.comparator_noise_rms:
            key = key_of(self.seed, _COMPARATOR, self.number)
            compared = x + self.comparator_noise_rms * normals(key, x.shape, first)
        decision = np.searchsorted(self.thresholds, compared, side="right").astype(np.int64)
        gain = 2.0 ** (self.bits - self.redundancy) * (1.0 + self.gain_error)
        residue = gain * (x - self.levels[decision]) + self.offset
        if self.residue_noise_rms:
            key = key_of(self.seed, _RESIDUE, self.number)
            residue = residue + self.residue_noise_rms * normals(key, x.shape, first)
        return decision, residue


def margin(redundancy: int) -> float:
    """Return what the nominal residue of a stage leaves free on each side, in fractions of the range."""
    return (1.0 - 2.0**-redundancy) / 2.0


def check_stage(bits: int, redundancy: int, name: str) -> None:
    """Refuse bits and redundancy that no stage has."""
    whole(f"{name}: bits", bits, 1, MOST_BITS)
    if not 0 <= whole(f"{name}: redundancy", redundancy, -MOST_BITS, MOST_BITS) < bits:
        raise InputError(f"{name}: redundancy = {redundancy}: must be from 0 to bits - 1 = {bits - 1}")


class Pipeline:
    """Stages one after another, and the logic that makes codes of their decisions.

    Parameters
    ----------
    stages : sequence of Stage
        The last without redundancy.
    bits : int, optional
        Bits of the code; given, the stages must add up to them.

    Attributes
    ----------
    bits : int
        Of the code: the sum of the bits of the stages without their redundancy.
    weights : ndarray of int64
        What a decision of each stage counts, in LSB.
    offset : int
        What is subtracted, in LSB: the margins of all stages.

    Raises
    ------
    InputError
        For stages that make no whole code.
    """

    def __init__(self, stages: Sequence[Stage], bits: int | None = None):
        if not isinstance(stages, Sequence) or not stages:
            raise InputError("a pipeline has at least one stage, in a list")
        for k, stage in enumerate(stages):
            if not all(hasattr(stage, name) for name in ("bits", "redundancy", "convert")):
                rule = "must have bits, redundancy and convert, such as FlashStage"
                raise InputError(f"stage {k} of type {type(stage).__name__}: {rule}")
        self.stages = tuple(stages)
        effective = []
        for k, stage in enumerate(self.stages):
            check_stage(stage.bits, stage.redundancy, f"stage {k}")
            effective.append(stage.bits - stage.redundancy)
        self.bits = sum(effective)
        if bits is not None and bits != self.bits:
            parts = " + ".join(map(str, effective))
            raise InputError(
                f"stages of {parts} = {self.bits} bits without redundancy: must add up to {bits}"
            )
        if self.bits > MOST_BITS:
            raise InputError(f"stages of {self.bits} bits: at most {MOST_BITS}")
        weights, self.offset = [], 0
        for k, stage in enumerate(self.stages):
            after = sum(effective[k + 1 :])
            if stage.redundancy and after < stage.redundancy + 1:
                raise InputError(
                    f"stage {k}: redundancy = {stage.redundancy}: must be below the {after} bits of the stages after it"
                )
            weights.append(1 << (after - stage.redundancy))
            self.offset += round(margin(stage.redundancy) * (1 << after))
        self.weights = np.array(weights, np.int64)

    def decisions(self, x: ArrayLike, first: int = 0) -> I64:
        """Return the decisions of every stage, shape (stages, *x.shape); ``first`` numbers the first sample."""
        residue = numbers(x, "inputs")
        found = np.empty((len(self.stages), *residue.shape), np.int64)
        for k, stage in enumerate(self.stages):
            found[k], residue = stage.convert(residue, first)
        return found

    def combine(self, decisions: I64) -> I64:
        """Return the codes of decisions of shape (stages, ...), cut to 0 to 2**bits - 1."""
        total = np.tensordot(self.weights, decisions, axes=1) - self.offset
        return np.clip(total, 0, (1 << self.bits) - 1)

    def convert(self, x: ArrayLike, first: int = 0, beyond: Literal["clip", "refuse"] = "clip") -> I64:
        """Return the codes of inputs.

        Parameters
        ----------
        x : array_like of float64
            Fractions of full scale.
        first : int
            Number of the first sample.
        beyond : {"clip", "refuse"}
            What becomes of an input outside [0, 1): the nearest code, or an error. `beyond_full_scale` counts them.

        Returns
        -------
        ndarray of int64, shape of x

        Raises
        ------
        InputError
            For an input that is not a number, or that is to be refused.
        """
        x = numbers(x, "inputs")
        if not np.isfinite(x).all():
            raise InputError("inputs: must be finite")
        if beyond not in ("clip", "refuse"):
            raise InputError(f"beyond = {beyond!r}: must be 'clip' or 'refuse'")
        if beyond == "refuse" and (count := beyond_full_scale(x)):
            worst = x.flat[int(np.argmax(np.abs(x - 0.5)))]
            raise InputError(f"{count} inputs beyond full scale, such as {worst:g}: must be in [0, 1)")
        return self.combine(self.decisions(x, first))


def beyond_full_scale(x: ArrayLike) -> int:
    """Return how many inputs are outside [0, 1)."""
    x = numbers(x, "inputs")
    return int(np.count_nonzero((x < 0.0) | (x >= 1.0)))


def enob_of_residue_noise(bits: Sequence[int], rms: float) -> float:
    """Return the ENOB of a pipeline without redundancy whose residues all have noise, as far as noise adds up.

    Referred to the input, the noise of stage ``k`` is ``rms`` over the product of the gains up to it; to this comes the
    quantisation error of 1 / sqrt(12) LSB. Residues that leave the range are not counted.

    Parameters
    ----------
    bits : sequence of int
        Of the stages.
    rms : float
        Fraction of the range of the residues.
    """
    total = sum(bits)
    noise, gain = 0.0, 1.0
    for stage in bits[:-1]:
        gain *= 2.0**stage
        noise += (rms / gain) ** 2
    lsb_rms = sqrt(1.0 / 12.0) / 2.0**total
    return total - log2(sqrt(1.0 + noise / lsb_rms**2))
