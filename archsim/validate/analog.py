"""Crossbars against ngspice, converters against known figures, figures of merit against a survey."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from archsim.analog import Cell, Crossbar, FlashStage, Pipeline, Wires, metrology, program
from archsim.analog.netlist import ngspice_outputs, ngspice_path
from archsim.toml import read_toml
from archsim.validate.row import Row

_DATA = Path(__file__).parent / "data" / "analog.toml"
_SIZES = (8, 16, 32)
#: Of outputs, as a share; and of ideal converters, in dB.
_CIRCUIT, _IDEAL_DB = 1e-6, 0.02
#: The survey's formula has 1.76 dB and 6.02 dB per bit, ours 10 log10(3 / 2) and 20 log10(2).
_ROUNDED = 2e-3


def assumptions() -> list[str]:
    """Return what the comparison assumes."""
    return [
        "analog: crossbars have cells of 3 bits, 1 to 100 uS, and 1 ohm per segment; the output that differs most "
        "is shown",
        "analog: the errors of residues are Gaussian, of every sample anew, and no stage has redundancy",
    ]


def rows(data: Path | None = None) -> Iterator[Row]:
    """Yield one row for each figure."""
    del data
    for output in ("current", "voltage"):
        for size in _SIZES:
            yield _crossbar(size, output, None)
    yield _crossbar(8, "current", 0.1)
    known = read_toml(_DATA)
    yield from _pipelines(known["residue_noise"])
    for bits in range(3, 15):
        convert = partial(metrology.ideal_codes, bits=bits)
        test = metrology.sine_test(convert, bits, samples=1 << 16, dither=True)
        ideal = metrology.IDEAL_DB + metrology.DB_PER_BIT * bits
        yield Row(f"ideal converter, {bits} bits", "SNDR, dB", ideal, test.sndr_db, _IDEAL_DB / ideal)
    yield from _merits(known["converter"])


def _crossbar(size: int, output: Any, sinh_v: float | None) -> Row:
    cell = Cell(bits=3, g_min_s=1e-6, g_max_s=1e-4)
    g_s = program(cell, np.arange(size * size).reshape(size, size) * 5 % 8, 0)
    crossbar = Crossbar(g_s, Wires(r_word_ohm=1.0, r_bit_ohm=1.0, output=output))
    v = np.linspace(0.05, 0.3, size)
    found = crossbar.outputs(v) if sinh_v is None else crossbar.solve_sinh(v, sinh_v)
    scale, unit = (1e6, "uA") if output == "current" else (1e3, "mV")
    name = f"ngspice, {size} x {size}{'' if sinh_v is None else f', sinh cells, V0 = {sinh_v:g} V'}"
    if ngspice_path() is None:
        note = "not run: there is no ngspice (Debian package ngspice)"
        return Row(name, f"{output}, {unit}", None, scale * float(found[0]), _CIRCUIT, note)
    expected = ngspice_outputs(crossbar, v, sinh_v)
    worst = int(np.argmax(np.abs(found / expected - 1.0)))
    return Row(
        name, f"{output}, {unit}", scale * float(expected[worst]), scale * float(found[worst]), _CIRCUIT
    )


def _pipelines(known: dict[str, Any]) -> Iterator[Row]:
    for pipeline in known["pipeline"]:
        split = pipeline["stages"]
        for rms, expected in zip(known["rms"], pipeline["enob"], strict=True):
            stages = [FlashStage(bits, residue_noise_rms=rms, number=k) for k, bits in enumerate(split)]
            test = metrology.sine_test(Pipeline(stages).convert, sum(split), samples=1 << 15)
            parts = " + ".join(f"{len(list(alike))} x {bits}" for bits, alike in groupby(split))
            name = f"stages of {parts} bits, residue error {rms:g}"
            yield Row(name, "ENOB", expected, test.enob, known["tolerance_bits"] / expected)


def _merits(converters: list[dict[str, Any]]) -> Iterator[Row]:
    for each in converters:
        placed = metrology.placement(each["power_w"], each["rate_hz"], each["sndr_db"])
        note = "the survey's formula rounds 1.76 and 6.02"
        yield Row(each["name"], "Walden, fJ per step", each["walden_fj"], placed.walden_fj, _ROUNDED, note)
        yield Row(each["name"], "Schreier, dB", each["schreier_db"], placed.schreier_db, 1e-12)
