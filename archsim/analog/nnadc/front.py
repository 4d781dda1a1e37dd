"""A gain-ranging front: amplifiers of several gains before samplers of their own, one of which is chosen per sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.analog.elementary import exp, key_of, log, normals
from archsim.analog.metrology.merit import BOLTZMANN_J_PER_K
from archsim.analog.nnadc.spec import Adc

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_LN_10 = 2.302585092994046
_PI = 3.141592653589793
_FRONT = 0x603


def closed_loop(ideal: F64, loop: float, fall: float, swing: float) -> F64:
    """Return what an amplifier makes of an ideal output: its loop gain is finite, and falls with the square of that."""
    # Gain falls as far as the amplifier swings; without this end it would pass 0 and turn the sign of an overload.
    y: F64 = ideal / (1.0 + (1.0 / loop) / (1.0 - fall * np.minimum(ideal * ideal, swing * swing)))
    return y


@dataclass(frozen=True)
class Path:
    """One amplifier with its sampler, in units of the reference.

    Of an input v it makes ``u = gain (v + 1 + offset) + bottom``, so that the lowest input comes out at ``bottom``;
    then ``y = u / (1 + 1 / (loop (1 - fall u^2)))``, clipped at +-``swing``.
    """

    gain: float
    offset: float  # at the input
    bottom: float
    loop: float
    fall: float
    swing: float
    noise: float  # rms at the output, with that of its sampler
    below: float  # the comparator takes this path while its output is less

    def output(self, v: F64, z: F64 | None) -> F64:
        """Return the sampled outputs at inputs ``v``, with noise in proportion to ``z``."""
        y = closed_loop(self.gain * (v + (1.0 + self.offset)) + self.bottom, self.loop, self.fall, self.swing)
        if z is not None:
            y += self.noise * z
        clipped: F64 = np.clip(y, -self.swing, self.swing)
        return clipped


def chosen(paths: list[Path], v: F64, direct: F64, z: F64 | None, forced: int | None) -> tuple[F64, I64]:
    """Return what goes on to the first stage, and by which path: 0 for the direct one.

    Of the paths whose comparator sees less than its threshold, that of the highest gain is taken; ``forced`` overrules
    the comparators. Only one path of a sample is used, so that all may share ``z``.
    """
    if forced is not None:
        taken = direct if forced == 0 else paths[forced - 1].output(v, z)
        return taken, np.full(v.size, forced, np.int64)
    out, number = direct.copy(), np.zeros(v.size, np.int64)
    for at, path in enumerate(paths, 1):
        y = path.output(v, z)
        take = y < path.below
        np.copyto(out, y, where=take)
        number[take] = at
    return out, number


def sampling_v2(adc: Adc) -> float:
    """Return the variance of a sample by thermal noise, 2 k T / C: both halves have a capacitor."""
    return 2.0 * BOLTZMANN_J_PER_K * adc.circuit.temperature_k / adc.capacitor.first_f


def paths_of(adc: Adc, device: int) -> list[Path]:
    """Return the fabricated paths of one device; none without a front."""
    front, circuit = adc.front, adc.circuit
    if front is None or not front.gains:
        return []
    z = normals(key_of(adc.seed, _FRONT, device), 3 * len(front.gains)).reshape(-1, 3)
    open_loop = float(exp(front.gain_db / 20.0 * _LN_10))
    return [
        Path(
            gain=gain * (1.0 + front.gain_sigma * float(drawn[0])),
            offset=front.offset_v / circuit.reference_v * float(drawn[1]),
            bottom=2.0 * front.pedestal - 1.0,
            loop=open_loop / gain,
            fall=front.fall,
            swing=adc.amplifier.swing,
            noise=float(np.sqrt(sampling_v2(adc) * (1.0 + front.noise_factor * gain))) / circuit.reference_v,
            below=2.0 * front.most
            - 1.0
            + circuit.comparator_offset_v / circuit.reference_v * float(drawn[2]),
        )
        for gain, drawn in zip(front.gains, z, strict=True)
    ]


def ranges(adc: Adc) -> list[tuple[float, float]]:
    """Return from which to which input (0 to 1) each amplified path nominally serves."""
    if adc.front is None or not adc.front.gains:
        return []
    tops = [(adc.front.most - adc.front.pedestal) / gain for gain in adc.front.gains]
    return list(zip([*tops[1:], 0.0], tops, strict=True))


def nominal_paths(adc: Adc) -> tuple[F64, F64]:
    """Return by what the value of the stages is multiplied, and what is added, for each path, the direct one first."""
    gains = np.array([] if adc.front is None else adc.front.gains)
    low = 0.0 if adc.front is None else adc.front.pedestal
    return np.concatenate([[1.0], 1.0 / gains]), np.concatenate([[0.0], -low / gains])


def gains_at(adc: Adc, x: F64) -> F64:
    """Return the nominal gain by which inputs ``x`` (0 to 1) are sampled."""
    gain = np.ones(np.shape(x))
    for each, (_, top) in zip(() if adc.front is None else adc.front.gains, ranges(adc), strict=True):
        gain[x < top] = each
    return gain


def transconductances(adc: Adc) -> list[float]:
    """Return what each amplifier needs in siemens: 2 pi bandwidth gain C, which also is what its noise follows from."""
    if adc.front is None:
        return []
    unit = 2.0 * _PI * adc.front.bandwidth_hz * adc.capacitor.first_f
    return [unit * gain for gain in adc.front.gains]


def settle_s(adc: Adc) -> float:
    """Return how long the paths settle to half an LSB of what the stages resolve; 0 without amplifiers."""
    if adc.front is None or not adc.front.gains:
        return 0.0
    return float((adc.internal_bits + 1.0) * log(2.0)) / (2.0 * _PI * adc.front.bandwidth_hz)
