"""A fabricated pipeline: stages with a network and a residue column each, and the digital sum of their bits."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.analog.arrays import numbers, whole
from archsim.analog.elementary import key_of
from archsim.analog.nnadc.front import Path, chosen, closed_loop
from archsim.analog.nnadc.network import Crossing
from archsim.analog.nnadc.noise import noise
from archsim.analog.nnadc.scheme import thresholds
from archsim.analog.nnadc.spec import Scheme
from archsim.errors import InputError

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

#: Samples converted together: enough that Python does not count, few enough for the caches.
BLOCK = 1 << 14
#: Greatest number of a sample.
MOST_SAMPLES = 1 << 62
_SAMPLE, _COMPARE, _RESIDUE = 0x5F0, 0x5F1, 0x5F2


@dataclass(frozen=True)
class Residue:
    """Column and amplifier of one stage, in units of the reference.

    The column puts out ``o = signal v - sum(bit_k s_k)`` of the input v and the bits s = +-1; the amplifier makes of it
    ``y = gain (o + offset) / (1 + 1 / (loop (1 - fall y^2)))``, clipped at +-``swing``,
    as is the y that gain falls with.
    """

    signal: float
    bit: F64
    gain: float
    offset: float
    loop: float
    fall: float
    swing: float
    thermal: float  # rms at the output
    signal_noise: float  # sigma^2 sum (g / sum g)^2 of the cells on the input
    bit_noise: F64


@dataclass(frozen=True)
class Stage:
    """One fabricated stage; the last has no residue."""

    bits: int
    crossings: list[Crossing]
    compare_noise: F64  # rms at the input, by output
    gray: bool = False
    residue: Residue | None = None

    @property
    def weights(self) -> int:
        """Digital weights: one per decision bit of the thermometer."""
        return (1 << self.bits) - 1

    def decide(self, v: F64, z: F64 | None) -> list[NDArray[np.bool_]]:
        """Return the thermometer's bits at inputs ``v``, with comparator noise in proportion to ``z``."""
        bits = [
            crossing.decide(v if z is None else v + rms * z)
            for crossing, rms in zip(self.crossings, self.compare_noise, strict=True)
        ]
        return thermometer(bits) if self.gray else bits


def thermometer(gray: list[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    """Decode a Gray code, its highest bit first, to a thermometer's bits."""
    bit = gray[0]
    number = bit.astype(np.int16)
    for each in gray[1:]:
        bit = bit ^ each
        number = 2 * number + bit
    return [number > k for k in range((1 << len(gray)) - 1)]


@dataclass
class Converter:
    """A fabricated converter with its digital weights.

    The value of a sample is ``constant + sum(weights * bits)``, in full scales; its code is that of an ideal converter
    of the scheme at this value. Behind a front it is ``scales[path]`` times this, plus ``shifts[path]``.

    Attributes
    ----------
    paths : list of Path
        Amplified ones of the front; path 0 is the direct one.
    forced : int or None
        The path of all samples, whatever the comparators see: for calibration.
    quiet : bool
        Without any noise: the static transfer.
    clipped : int
        Inputs beyond full scale so far, where they are not refused.
    """

    stages: list[Stage]
    bits: int
    scheme: Scheme
    sample_noise: float
    refuse: bool = False
    seed: int = 0
    device: int = 0
    quiet: bool = False
    clipped: int = 0
    weights: F64 = field(default_factory=lambda: np.zeros(0))
    constant: float = 0.0
    paths: list[Path] = field(default_factory=list)
    scales: F64 = field(default_factory=lambda: np.ones(1))
    shifts: F64 = field(default_factory=lambda: np.zeros(1))
    forced: int | None = None
    _keys: dict[tuple[int, int], np.uint64] = field(default_factory=dict, repr=False)

    @property
    def count(self) -> int:
        """Digital weights of all stages."""
        return sum(stage.weights for stage in self.stages)

    def _key(self, stream: int, stage: int = 0) -> np.uint64:
        """Return the key of a stream of noise; every block asks again."""
        if (stream, stage) not in self._keys:
            self._keys[stream, stage] = key_of(self.seed, stream, self.device, stage)
        return self._keys[stream, stage]

    def _block(self, v: F64, first: int, into: NDArray[np.uint8] | None = None) -> F64:
        """Convert a block of inputs from -1 to 1 and return their values; the bits go ``into`` an array."""
        v, path = self._sample(v, first)
        total = np.full(v.size, self.constant)
        at = 0
        for number, stage in enumerate(self.stages):
            loud = not self.quiet and bool(stage.compare_noise.any())
            bits = stage.decide(v, noise(self._key(_COMPARE, number), first, v.size) if loud else None)
            for bit in bits:
                total += self.weights[at] * bit
                if into is not None:
                    into[at] = bit
                at += 1
            if stage.residue is not None:
                v = self._residue(stage.residue, v, bits, first, self._key(_RESIDUE, number))
        return total if path is None else self.scales[path] * total + self.shifts[path]

    def _sample(self, v: F64, first: int) -> tuple[F64, I64 | None]:
        """Return what the first stage gets of a block of inputs, and by which path; None without a front."""
        z, direct = None, v
        if self.sample_noise and not self.quiet:
            z = noise(self._key(_SAMPLE), first, v.size)
            direct = v + self.sample_noise * z
        return chosen(self.paths, v, direct, z, self.forced) if self.paths else (direct, None)

    def _residue(self, r: Residue, v: F64, bits: list[NDArray[np.bool_]], first: int, key: np.uint64) -> F64:
        o = r.signal * v
        o += r.bit.sum()
        for weight, bit in zip(r.bit, bits, strict=True):
            o -= (2.0 * weight) * bit
        y = closed_loop(r.gain * (o + r.offset), r.loop, r.fall, r.swing)
        if not self.quiet:
            y += self._residue_rms(r, v, o, bits) * noise(key, first, v.size)
        clipped: F64 = np.clip(y, -r.swing, r.swing)
        return clipped

    @staticmethod
    def _residue_rms(r: Residue, v: F64, o: F64, bits: list[NDArray[np.bool_]]) -> F64:
        """Return the rms noise of residues: each cell sees its line (v, or -1 for a bit of 1) less the column."""
        # sum q (s + o)^2 over the bits s = +-1, with o^2 taken once.
        total = float(r.bit_noise.sum())
        lean = np.full(v.size, -2.0 * total)
        for square, bit in zip(r.bit_noise, bits, strict=True):
            lean += (4.0 * square) * bit
        lean += total * o
        lean *= o
        fall = v - o
        fall *= fall
        fall *= r.signal_noise
        fall += lean
        fall += total
        fall *= r.gain * r.gain
        fall += r.thermal * r.thermal
        return np.sqrt(fall, out=fall)

    def _checked(self, inputs: ArrayLike) -> F64:
        """Return inputs within full scale; those beyond are clipped and counted, or refused."""
        x: F64 = np.atleast_1d(numbers(inputs, "inputs"))
        if x.ndim > 1:
            raise InputError(f"inputs of shape {x.shape}: must be samples in a row")
        if not np.isfinite(x).all():
            place = int(np.argmin(np.isfinite(x)))
            raise InputError(f"input [{place}] = {x.flat[place]:g}: must be a finite number")
        beyond = (x < 0.0) | (x > 1.0)
        if beyond.any():
            if self.refuse:
                place = int(np.argmax(beyond))
                raise InputError(
                    f"input [{place}] = {x.flat[place]:g}: must be within full scale, from 0 to 1"
                )
            self.clipped += int(np.count_nonzero(beyond))
            x = np.clip(x, 0.0, 1.0)
        return x

    def stage_bits(self, inputs: ArrayLike, first: int = 0) -> NDArray[np.uint8]:
        """Return the bits of all stages as thermometers, shape (count, samples), of inputs from 0 to 1."""
        first = whole("first", first, 0, MOST_SAMPLES)
        x = self._checked(inputs)
        found = np.empty((self.count, x.size), np.uint8)
        for at in range(0, x.size, BLOCK):
            part = slice(at, at + BLOCK)
            self._block(2.0 * x[part] - 1.0, first + at, found[:, part])
        return found

    def values(self, inputs: ArrayLike, first: int = 0) -> F64:
        """Return what the stages make of inputs from 0 to 1, in full scales, before the code is formed.

        Parameters
        ----------
        inputs : array_like of float64, shape (samples,)
        first : int
            Number of the first sample, which decides its noise.

        Returns
        -------
        ndarray of float64, shape (samples,)
        """
        first = whole("first", first, 0, MOST_SAMPLES)
        x = self._checked(inputs)
        out = np.empty(x.size)
        for at in range(0, x.size, BLOCK):
            part = slice(at, at + BLOCK)
            out[part] = self._block(2.0 * x[part] - 1.0, first + at)
        return out

    def convert(self, inputs: ArrayLike, first: int = 0) -> I64:
        """Return the codes of inputs from 0 to 1, shape (samples,); ``first`` as in `values`."""
        values = self.values(inputs, first)
        codes = 1 << self.bits
        if self.scheme.kind == "linear":
            return np.clip(np.floor(values * codes), 0, codes - 1).astype(np.int64)
        return np.searchsorted(self._thresholds, values, side="right").astype(np.int64)

    @cached_property
    def _thresholds(self) -> F64:
        return thresholds(self.scheme, self.bits)
