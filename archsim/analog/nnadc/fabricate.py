"""From a specification and the number of a device to a converter: levels programmed, offsets drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.analog.arrays import instance, whole
from archsim.analog.crossbar import Wires
from archsim.analog.device import drifted, program
from archsim.analog.elementary import exp, key_of, normals
from archsim.analog.metrology.merit import BOLTZMANN_J_PER_K
from archsim.analog.nnadc.converter import Converter, Residue, Stage
from archsim.analog.nnadc.front import nominal_paths, paths_of, sampling_v2
from archsim.analog.nnadc.network import FabricatedNetwork, crossings
from archsim.analog.nnadc.spec import Adc, check_cells
from archsim.analog.nnadc.wires import checked_wires, effective_columns, effective_units

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_LN_10 = 2.302585092994046
_NEURON, _COMPARATOR, _AMPLIFIER = 0x600, 0x601, 0x602
#: Arrays of cells of a stage: hidden layer, output layer, both halves of the residue.
_ARRAYS = 4
#: Numbers of devices are words of 64 bits.
MOST_DEVICE = (1 << 64) - 1


def levels_of(adc: Adc) -> tuple[I64, I64]:
    """Return the levels of the network, shapes (hidden, 4) and (2, outputs, hidden + 2)."""
    network = adc.network
    return np.array(network.hidden_levels), np.array([network.plus_levels, network.minus_levels])


def fabricate(adc: Adc, device: int = 0, age_s: float = 0.0, wires: Wires | None = None) -> Converter:
    """Return converter ``device`` of a specification, not calibrated yet.

    Parameters
    ----------
    adc : Adc
    device : int
        Its number decides all variation.
    age_s : float
        Time since programming; up to ``cell.drift_t0_s`` there is no drift.
    wires : Wires, optional
        Of the crossbars of all stages, in ohms; see `archsim.analog.nnadc.wires`. Default: none.

    Raises
    ------
    InputError
        For levels that its cells do not have.
    """
    instance(adc, Adc, "adc", 'load_adc("nnadc-8b-3bit")')
    device = whole("device", device, 0, MOST_DEVICE)
    check_cells(adc)
    levels = levels_of(adc)
    last = len(adc.stage_bits) - 1
    if wires is not None:
        checked_wires(instance(wires, Wires, "wires"))
    made = [Made(device, number, age_s, wires) for number in range(last + 1)]
    stages = [_stage(adc, levels, each, each.stage == last) for each in made]
    converter = Converter(
        stages=stages,
        bits=adc.bits,
        scheme=adc.scheme,
        refuse=adc.overrange == "refuse",
        sample_noise=float(np.sqrt(sampling_v2(adc))) / adc.circuit.reference_v,
        seed=adc.seed,
        device=device,
        paths=paths_of(adc, device),
    )
    converter.weights, converter.constant = nominal_weights(adc)
    converter.scales, converter.shifts = nominal_paths(adc)
    return converter


def nominal_weights(adc: Adc) -> tuple[F64, float]:
    """Return the digital weights of the drawn circuit, in full scales, and the constant."""
    weights: list[float] = []
    gain, lowest = 1.0, 0.0
    for number, bits in enumerate(adc.stage_bits):
        count = (1 << bits) - 1
        step = 1.0 / (gain * (1 << bits))
        weights += [step] * count
        lowest -= step * count / 2.0
        if number < len(adc.stage_bits) - 1:
            gain *= adc.gains[number]
    return np.array(weights), 0.5 + lowest


@dataclass(frozen=True)
class Made:
    """Which stage of which device, how long after programming, and with which wires."""

    device: int
    stage: int
    age_s: float = 0.0
    wires: Wires | None = None

    def columns(self, adc: Adc, levels: I64, array: int) -> F64:
        """Return what stands for the conductances of a crossbar, shape (..., lines): the same ratios, of wires too."""
        g_s = self.cells(adc, levels, array)
        if self.wires is None:
            return g_s
        return effective_columns(g_s.reshape(-1, g_s.shape[-1]), self.wires).reshape(g_s.shape)

    def cells(self, adc: Adc, levels: I64, array: int) -> F64:
        """Return the conductances of one array of the stage."""
        number = _ARRAYS * self.stage + array
        g_s = program(adc.cell, levels, adc.seed, self.device, number)
        if self.age_s <= adc.cell.drift_t0_s:
            return g_s
        return drifted(adc.cell, g_s, self.age_s, adc.seed, self.device, number)


def fabricate_network(adc: Adc, levels: tuple[I64, I64], made: Made) -> FabricatedNetwork:
    """Return the network of one stage."""
    circuit = adc.circuit
    rail = circuit.supply_v / 2.0
    key = [key_of(adc.seed, stream, made.device, made.stage) for stream in (_NEURON, _COMPARATOR)]
    hidden, outputs = levels[0].shape[0], levels[1].shape[1]
    return FabricatedNetwork(
        hidden_s=made.columns(adc, levels[0], 0),
        output_s=made.columns(adc, levels[1], 1),
        gain=neuron_gain(adc),
        neuron_offset=circuit.inverter_offset_v / (circuit.reference_v / 2.0) * normals(key[0], hidden),
        comparator_offset=circuit.comparator_offset_v / rail * normals(key[1], outputs),
    )


def neuron_gain(adc: Adc) -> float:
    """Return the slope of a neuron, its input in halves of the reference, its output in halves of the supply."""
    return adc.circuit.inverter_gain * adc.circuit.reference_v / adc.circuit.supply_v


def _stage(adc: Adc, levels: tuple[I64, I64], made: Made, last: bool) -> Stage:
    found = crossings(fabricate_network(adc, levels, made), reach=adc.amplifier.swing + 0.05)
    noise = adc.circuit.comparator_noise_v / (adc.circuit.supply_v / 2.0)
    referred = [each.noise(noise, adc.cell.read_sigma) for each in found]
    residue = None if last else residue_of(adc, made)
    gray = adc.network.training.code == "gray"
    return Stage(adc.stage_bits[made.stage], found, np.array(referred), gray, residue)


def unit_cells(adc: Adc, number: int) -> int:
    """Return how many cells in parallel make a unit of a stage's columns."""
    return max(1, int(adc.column.unit_cells * adc.column.shrink**number))


def capacitor_f(adc: Adc, number: int) -> float:
    """Return the sampling capacitor of a stage."""
    return max(adc.capacitor.least_f, adc.capacitor.first_f * adc.capacitor.shrink**number)


def closed_loop_gain(adc: Adc, number: int) -> float:
    """Return the gain that makes up for the column: 2**bits of its 2**(bits + 1) - 1 units are on the input."""
    steps = 1 << adc.stage_bits[number]
    return adc.gains[number] * (2 * steps - 1) / steps


def residue_levels(adc: Adc, number: int) -> I64:
    """Return the levels of one half of a stage's column, shape (units, cells per unit)."""
    units = (2 << adc.stage_bits[number]) - 1
    return np.full((units, unit_cells(adc, number)), adc.column.level)


def _halves(adc: Adc, made: Made) -> tuple[F64, F64]:
    """Return the weights of input and decision bits, and by how much their cells' noise counts (sums of squares)."""
    levels, inputs = residue_levels(adc, made.stage), 1 << adc.stage_bits[made.stage]
    weights, squares = [], []
    for half in (0, 1):
        g = made.cells(adc, levels, 2 + half)
        total = g.sum()
        each, square = g.sum(axis=1) / total, (g * g).sum(axis=1) / (total * total)
        if made.wires is not None:
            each = effective_units(g, made.wires)
        weights.append(np.concatenate([[each[:inputs].sum()], each[inputs:]]))
        squares.append(np.concatenate([[square[:inputs].sum()], square[inputs:]]))
    return (weights[0] + weights[1]) / 2.0, (squares[0] + squares[1]) / 4.0


def residue_of(adc: Adc, made: Made) -> Residue:
    """Return the column and amplifier of one stage."""
    circuit, amplifier, number = adc.circuit, adc.amplifier, made.stage
    weight, square = _halves(adc, made)
    gain = closed_loop_gain(adc, number)
    thermal = (
        amplifier.noise_factor * 2.0 * BOLTZMANN_J_PER_K * circuit.temperature_k / capacitor_f(adc, number)
    )
    offset = (
        amplifier.offset_v
        / circuit.reference_v
        * normals(key_of(adc.seed, _AMPLIFIER, made.device, number), 1)
    )
    read = adc.cell.read_sigma**2
    return Residue(
        signal=float(weight[0]),
        bit=weight[1:],
        gain=gain,
        offset=float(offset[0]) / gain,
        loop=float(exp(amplifier.gain_db / 20.0 * _LN_10)) / gain,
        fall=amplifier.fall,
        swing=amplifier.swing,
        thermal=adc.gains[number] * float(np.sqrt(thermal)) / circuit.reference_v,
        signal_noise=read * float(square[0]),
        bit_noise=read * square[1:],
    )


def cells(adc: Adc) -> int:
    """Return how many cells a converter has."""
    hidden, output = levels_of(adc)
    networks = len(adc.stage_bits) * (hidden.size + output.size)
    return networks + 2 * sum(residue_levels(adc, number).size for number in range(len(adc.stage_bits) - 1))
