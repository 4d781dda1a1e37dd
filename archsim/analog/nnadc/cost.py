"""Energy, speed and area of a converter from its components. ``docs/nnadc.md`` has the formulas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.analog.elementary import log
from archsim.analog.nnadc import front
from archsim.analog.nnadc.fabricate import (
    capacitor_f,
    cells,
    closed_loop_gain,
    levels_of,
    neuron_gain,
    residue_levels,
    unit_cells,
)
from archsim.analog.nnadc.network import FabricatedNetwork
from archsim.analog.nnadc.spec import Adc
from archsim.ledger import LedgerRow, total_j

F64 = NDArray[np.float64]

#: Energies are stated for this many conversions, so that the steps of the ledger do not show.
CONVERSIONS = 1_000_000
_POINTS = 64
_PI = 3.141592653589793


@dataclass(frozen=True)
class Costs:
    """What a converter takes.

    Attributes
    ----------
    rate_hz : float
        Conversions per second, from the settling of the slowest stage.
    decide_s, settle_s : float
        Both phases of that stage; the choice of a path is in the first.
    latency_s : float
        From a sample to its code.
    rows : list of LedgerRow
        Energy of `CONVERSIONS` conversions by component.
    power_w : float
    area_um2 : dict of str to float
        By component.
    """

    rate_hz: float
    decide_s: float
    settle_s: float
    latency_s: float
    rows: list[LedgerRow]
    power_w: float
    area_um2: dict[str, float]


def costs(adc: Adc) -> Costs:
    """Return what a converter takes at the levels of its cells, without variation."""
    stages = range(len(adc.stage_bits))
    decide = decide_s(adc)
    settle = max((settle_s(adc, number) for number in stages[:-1]), default=0.0)
    track = front.settle_s(adc)
    # The path is chosen first, then the first stage decides.
    choose = adc.cost.comparator_delay_s if track else 0.0
    period = 2.0 * max(choose + decide, settle, track)
    rows = _rows(adc, decide, period)
    power = total_j(rows) / (CONVERSIONS * period)
    latency = period / 2.0 * (len(adc.stage_bits) + 1)
    return Costs(1.0 / period, choose + decide, settle, latency, rows, power, _areas(adc))


def _rise(bits: float) -> float:
    """Return how many time constants settling to half an LSB of ``bits`` takes."""
    return float((bits + 1.0) * log(2.0))


def decide_s(adc: Adc) -> float:
    """Return how long a network takes: both columns settle, the neuron and the comparator follow."""
    levels, g = levels_of(adc), adc.cell.levels_s()
    load = adc.cost.cell_f
    # A column of n cells: the capacitance of all at the conductance of all. The slowest counts.
    slowest = [float((layer.shape[-1] * load / g[layer].sum(axis=-1)).max()) for layer in levels]
    wanted = _rise(adc.network.training.bits + 2)
    return wanted * sum(slowest) + adc.cost.inverter_delay_s + adc.cost.comparator_delay_s


def settle_s(adc: Adc, number: int) -> float:
    """Return how long the column and the amplifier of a stage settle, to what the later stages resolve."""
    resolved = adc.internal_bits - sum(b - r for b, r in _pairs(adc)[: number + 1]) + 1
    amplifier = closed_loop_gain(adc, number) / (2.0 * _PI * adc.amplifier.bandwidth_hz)
    column = adc.cost.cell_f / float(adc.cell.levels_s()[adc.column.level])
    return _rise(resolved) * (amplifier + column)


def _pairs(adc: Adc) -> list[tuple[int, int]]:
    return list(zip(adc.stage_bits, adc.stage_redundancy, strict=True))


def _rows(adc: Adc, decide: float, period: float) -> list[LedgerRow]:
    cost, circuit = adc.cost, adc.circuit
    stages, residues = len(adc.stage_bits), len(adc.stage_bits) - 1
    outputs, hidden = adc.network.outputs, adc.network.training.hidden
    window = min(decide, period)
    neurons = hidden * cost.inverter_current_a * circuit.supply_v * window
    columns = sum(column_current_a(adc, number) for number in range(residues)) * circuit.supply_v * period
    amplifiers = (
        sum(amplifier_current_a(adc, number) for number in range(residues)) * circuit.supply_v * period
    )
    swing = circuit.reference_v / 2.0
    capacitors = sum(2.0 * capacitor_f(adc, number) for number in range(stages)) * swing * circuit.supply_v
    weights = sum((1 << bits) - 1 for bits in adc.stage_bits)
    each = [
        ("sub_adc", "crossbar_read", stages, network_current_a(adc) * circuit.supply_v * window),
        ("sub_adc", "neurons", stages, neurons),
        ("sub_adc", "comparison", stages * outputs, cost.comparator_j),
        ("residue", "column_read", residues, columns / max(residues, 1)),
        ("residue", "amplifier", residues, amplifiers / max(residues, 1)),
        ("sampling", "capacitors", stages, capacitors / stages),
        ("digital", "weight_add", weights, cost.adder_j),
    ]
    return [
        LedgerRow(where, what, count * CONVERSIONS, joules * 1e12)
        for where, what, count, joules in each + _front_rows(adc, period)
        if count
    ]


def _front_rows(adc: Adc, period: float) -> list[tuple[str, str, int, float]]:
    """Return what amplifiers, comparators and samplers of the front take; the direct path is that of the stages."""
    paths = len(front.transconductances(adc))
    if not paths:
        return []
    supply = adc.circuit.supply_v
    amplifiers = sum(front.transconductances(adc)) * adc.cost.branches / adc.cost.gm_over_id_per_v
    # Whichever path it is drives the column of the first stage.
    column = 2.0 * column_current_a(adc, 0) if len(adc.stage_bits) > 1 else 0.0
    capacitor = 2.0 * capacitor_f(adc, 0) * adc.circuit.reference_v / 2.0 * supply
    return [
        ("front", "amplifier", paths, amplifiers * supply * period / paths),
        ("front", "column_drive", 1, column * supply * period),
        ("front", "capacitors", paths, capacitor),
        ("front", "comparison", paths, adc.cost.comparator_j),
        # A product by shift and add: one addition per bit that the stages resolve.
        ("digital", "path_scale", adc.internal_bits, adc.cost.adder_j),
    ]


def network_current_a(adc: Adc) -> float:
    """Return the mean supply current of one network's crossbars over the range: all cells see line less column."""
    levels, g = levels_of(adc), adc.cell.levels_s()
    hidden, output = g[levels[0]], g[levels[1]]
    network = FabricatedNetwork(
        hidden, output, neuron_gain(adc), np.zeros(len(hidden)), np.zeros(output.shape[1])
    )
    v = (2.0 * np.arange(_POINTS) + 1.0) / _POINTS - 1.0
    total = 0.0
    line = np.stack([v, -v, np.ones(_POINTS), -np.ones(_POINTS)])
    u = (hidden @ line) / hidden.sum(axis=1, keepdims=True)
    fall = np.abs(line[None] - u[:, None, :])  # (hidden, 4, points)
    total += float((hidden[:, :, None] * fall).sum(axis=(0, 1)).mean()) * adc.circuit.reference_v / 2.0
    a = network.neurons(v).T  # (hidden, points)
    rails = np.ones((1, _POINTS))
    a = np.concatenate([a, rails, -rails])
    for path in output:
        y = (path @ a) / path.sum(axis=1, keepdims=True)
        fall = np.abs(a[None] - y[:, None, :])
        total += float((path[:, :, None] * fall).sum(axis=(0, 1)).mean()) * adc.circuit.supply_v / 2.0
    # What flows in on one line flows out on another.
    return total / 2.0


def column_current_a(adc: Adc, number: int) -> float:
    """Return the mean supply current of both halves of a stage's column over the range."""
    steps = 1 << adc.stage_bits[number]
    g = float(adc.cell.levels_s()[adc.column.level]) * unit_cells(adc, number)
    v = (2.0 * np.arange(_POINTS) + 1.0) / _POINTS - 1.0
    ones = np.minimum(np.floor((v + 1.0) / 2.0 * steps), steps - 1)  # thermometer bits that are 1
    zeros = steps - 1 - ones
    o = (steps * v - ones + zeros) / (2 * steps - 1)
    flow = steps * np.abs(v - o) + ones * np.abs(-1.0 - o) + zeros * np.abs(1.0 - o)
    # Each half carries half of the differential voltages; what flows in flows out.
    return 2.0 * g * float(flow.mean()) / 2.0 * adc.circuit.reference_v / 2.0


def amplifier_current_a(adc: Adc, number: int) -> float:
    """Return the supply current of a stage's amplifier: its bandwidth into the next capacitor, and the next column.

    The transconductance is 2 pi bandwidth load; the output stage also carries the largest current of the columns of
    the next stage.
    """
    load = capacitor_f(adc, number + 1) + capacitor_f(adc, number) / closed_loop_gain(adc, number)
    transconductance = 2.0 * _PI * adc.amplifier.bandwidth_hz * load
    resistive = 0.0
    if number + 1 < len(adc.stage_bits) - 1:
        resistive = column_current_a(adc, number + 1)
    return adc.cost.branches * transconductance / adc.cost.gm_over_id_per_v + 2.0 * resistive


def _areas(adc: Adc) -> dict[str, float]:
    cost = adc.cost
    stages, residues = len(adc.stage_bits), len(adc.stage_bits) - 1
    capacitors = sum(2.0 * capacitor_f(adc, number) for number in range(stages))
    areas = {
        "cells": cells(adc) * cost.cell_um2,
        "neurons": stages * adc.network.training.hidden * cost.inverter_um2,
        "comparators": stages * adc.network.outputs * cost.comparator_um2,
        "amplifiers": residues * cost.amplifier_um2,
        "capacitors": capacitors / cost.capacitor_f_per_um2,
        "digital": sum((1 << bits) - 1 for bits in adc.stage_bits) * cost.adder_um2,
    }
    paths = 0 if adc.front is None else len(adc.front.gains)
    if adc.front is not None and paths:
        areas["front"] = paths * (
            adc.front.amplifier_um2
            + 2.0 * capacitor_f(adc, 0) / cost.capacitor_f_per_um2
            + cost.comparator_um2
        )
        areas["digital"] += adc.internal_bits * cost.adder_um2
    return areas


def residue_cells(adc: Adc) -> int:
    """Return how many of the cells are in the columns of residues."""
    return 2 * sum(residue_levels(adc, number).size for number in range(len(adc.stage_bits) - 1))
