"""Energy, speed and area of converters against their formulas in docs/nnadc.md."""

from math import log, pi

import numpy as np
import pytest

from archsim.analog.nnadc import costs, load_adc
from archsim.analog.nnadc.cost import (
    CONVERSIONS,
    amplifier_current_a,
    column_current_a,
    decide_s,
    network_current_a,
    settle_s,
)
from archsim.analog.nnadc.fabricate import cells, levels_of
from archsim.ledger import total_j


@pytest.fixture(scope="module")
def fourteen():
    return load_adc("nnadc-14b-3bit")


def test_the_first_residue_settles_to_half_an_lsb_of_what_follows(fourteen):
    amplifier, column = 3.5 / (2 * pi * 200e6), 1e-15 / 1e-6
    # 16 bits inside, one resolved, one bit of its residue redundant: half an LSB of 16 bits.
    assert settle_s(fourteen, 0) == pytest.approx((16 + 1) * log(2) * (amplifier + column))


def test_later_residues_settle_sooner(fourteen):
    times = [settle_s(fourteen, number) for number in range(14)]
    assert times == sorted(times, reverse=True)


def test_a_network_decides_after_both_columns_the_neuron_and_the_comparator(fourteen):
    g = fourteen.cell.levels_s()
    hidden, output = (g[layer] for layer in levels_of(fourteen))
    slowest = max(4e-15 / row.sum() for row in hidden) + max(
        14e-15 / row.sum() for row in output.reshape(-1, 14)
    )
    assert decide_s(fourteen) == pytest.approx(5 * log(2) * slowest + 0.2e-9 + 1e-9)


def test_the_rate_is_that_of_the_slower_phase_twice(fourteen):
    found = costs(fourteen)
    assert found.rate_hz == pytest.approx(0.5 / max(found.decide_s, found.settle_s))
    assert found.latency_s == pytest.approx(8 / found.rate_hz)
    slower = costs(load_adc("nnadc-14b-3bit", ["amplifier.bandwidth_hz=100e6"]))
    more = 17 * log(2) * 3.5 / (2 * pi * 200e6)
    assert 0.5 / slower.rate_hz == pytest.approx(0.5 / found.rate_hz + more)


def test_the_ledger_adds_up_to_the_power(fourteen):
    found = costs(fourteen)
    assert found.power_w == pytest.approx(total_j(found.rows) / CONVERSIONS * found.rate_hz)
    counts = {(row.component, row.event): row.count // CONVERSIONS for row in found.rows}
    assert counts[("sub_adc", "comparison")] == 45
    assert counts[("digital", "weight_add")] == 45
    assert counts[("residue", "amplifier")] == 14


def test_the_current_of_a_column_is_that_of_every_cell(fourteen):
    g, total = 512e-6, 0.0
    inputs = (2 * np.arange(64) + 1) / 64 - 1
    for v in inputs:
        decision = min(int((v + 1) * 2), 3)
        lines = [v] * 4 + [-1.0 if decision > k else 1.0 for k in range(3)]
        o = sum(lines) / 7
        # Half of what flows into or out of lines comes from the supply; each half sees half of the difference.
        total += 2 * sum(abs(line - o) / 2 * g for line in lines) / 2
    assert column_current_a(fourteen, 0) == pytest.approx(total / 64)


def test_the_current_of_a_network_is_that_of_every_cell(fourteen):
    from nnadc_twin import column

    levels, g = levels_of(fourteen), fourteen.cell.levels_s()
    total = 0.0
    for v in (2 * np.arange(64) + 1) / 64 - 1:
        lines = []
        for row in g[levels[0]]:
            inputs = [v, -v, 1.0, -1.0]
            u = column(row, inputs)
            total += sum(cell * abs(line - u) for cell, line in zip(row, inputs, strict=True)) * 0.5
            z = 12.5 * u
            lines.append(z / (1 + z * z) ** 0.5)
        lines += [1.0, -1.0]
        for row in g[levels[1]].reshape(-1, 14):
            y = column(row, lines)
            total += sum(cell * abs(line - y) for cell, line in zip(row, lines, strict=True)) * 0.6
    assert network_current_a(fourteen) == pytest.approx(total / 64 / 2)


def test_an_amplifier_drives_the_next_capacitor_and_the_next_column(fourteen):
    load = 9e-12 + 18e-12 / 3.5
    wanted = 4 * 2 * pi * 200e6 * load / 15 + 2 * column_current_a(fourteen, 1)
    assert amplifier_current_a(fourteen, 0) == pytest.approx(wanted)


def test_every_cell_is_counted(fourteen):
    networks = 15 * (12 * 4 + 2 * 3 * 14)
    units = [512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 1, 1, 1, 1]
    assert cells(fourteen) == networks + 2 * 7 * sum(units)
    assert costs(fourteen).area_um2["cells"] == pytest.approx(0.51 * cells(fourteen))


def test_better_noise_costs_power(fourteen):
    powers = [
        costs(load_adc("nnadc-14b-3bit", [change])).power_w
        for change in ("column.unit_cells=128", "capacitor.first_f=4e-12")
    ]
    assert max(powers) < costs(fourteen).power_w
