"""Fine-tuning end to end: levels of a trained network are changed one by one where whole pipelines gain by it.

What is lost in a pipeline is lost where a residue leaves the range of the next stage. The measure is therefore the
largest residue of every stage, on a ramp through whole pipelines of several devices, each fabricated with its own
variation; a change of one level is kept when the mean of these is less.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.analog.elementary import key_of
from archsim.analog.nnadc.converter import Residue, thermometer
from archsim.analog.nnadc.fabricate import Made, closed_loop_gain, fabricate_network, residue_of
from archsim.analog.nnadc.spec import Adc
from archsim.traces import counter

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_PROPOSE = 0x610
#: Devices that are tuned on have numbers of their own, so that those that are measured are others.
FIRST_DEVICE = 1 << 32
DEVICES = 8
STAGES = 3
_POINTS = 256


class Tuner:
    """Levels, and the pipelines that judge them."""

    def __init__(self, adc: Adc, levels: tuple[I64, I64]) -> None:
        self.adc = adc
        self.levels = (levels[0].copy(), levels[1].copy())
        self.stages = min(STAGES, len(adc.stage_bits) - 1)
        self.v = (2.0 * np.arange(_POINTS) + 1.0) / _POINTS - 1.0
        self.residues: list[list[Residue]] = [
            [residue_of(adc, Made(FIRST_DEVICE + device, number)) for number in range(self.stages)]
            for device in range(DEVICES)
        ]

    def measure(self) -> float:
        """Return the mean over devices and stages of the largest residue."""
        found = []
        gray = self.adc.network.training.code == "gray"
        for device in range(DEVICES):
            v = self.v
            for number in range(self.stages):
                network = fabricate_network(self.adc, self.levels, Made(FIRST_DEVICE + device, number))
                bits = list(network.bits(v).T)
                r = self.residues[device][number]
                o = r.signal * v + r.bit.sum()
                for weight, bit in zip(r.bit, thermometer(bits) if gray else bits, strict=True):
                    o = o - (2.0 * weight) * bit
                v = closed_loop_gain(self.adc, number) * (o + r.offset)
                found.append(float(np.abs(v).max()))
        return float(np.mean(found))

    def run(self, tries: int) -> tuple[float, float]:
        """Try changes; return the measure before and after."""
        if not self.stages:
            return 0.0, 0.0
        before = best = self.measure()
        sizes = [layer.size for layer in self.levels]
        words = counter.draw(
            key_of(self.adc.network.training.seed, _PROPOSE), np.arange(tries).astype(np.uint64)
        )
        for word in words:
            place = int(word >> np.uint64(1)) % sum(sizes)
            layer = self.levels[0] if place < sizes[0] else self.levels[1]
            place = place if place < sizes[0] else place - sizes[0]
            old = int(layer.flat[place])
            new = old + (1 if word & np.uint64(1) else -1)
            if not 0 <= new < self.adc.cell.levels:
                continue
            layer.flat[place] = new
            now = self.measure()
            if now < best:
                best = now
            else:
                layer.flat[place] = old
        return before, best
