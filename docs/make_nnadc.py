"""Renew the tables of nnadc.md and its figures: ``python docs/make_nnadc.py``; some minutes, most for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archsim.analog.nnadc import Adc, calibrated, costs, load_adc, measure
from archsim.analog.nnadc.bound import thermal_enob
from archsim.analog.nnadc.measure import dynamic, monte_carlo
from archsim.analog.nnadc.train import train
from archsim.report.adc_plots import plot_adc, plot_enob
from archsim.report.style import TWO_COLUMNS_IN, house, new_figure, save

PAGE = Path(__file__).with_name("nnadc.md")
FIGURES = Path(__file__).with_name("figures")
NAME, SINGLE, FRONT = "nnadc-14b-3bit", "nnadc-14b-3bit-single", "nnadc-14b-3bit-log"
KINDS = ("linear", "log", "sqrt")
DEVICES = 5
PRESETS = (
    NAME, "nnadc-12b-3bit", "nnadc-10b-3bit", "nnadc-8b-3bit", FRONT, "nnadc-12b-3bit-sqrt", SINGLE,
)  # fmt: skip
#: A single stage takes long to train; this is enough for its curve.
SHORTER = ["network.training.steps=600", "network.training.batch=128"]
SWEEPS = {
    "cell.read_sigma": (0.0, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02),
    "cell.program_sigma": (0.0, 0.01, 0.02, 0.05, 0.1, 0.15),
    "column.unit_cells": (1, 8, 32, 128, 512, 2048),
    "capacitor.first_f": (1e-12, 4e-12, 18e-12, 72e-12),
    "amplifier.gain_db": (40.0, 50.0, 60.0, 70.0, 80.0),
    "circuit.comparator_noise_v": (0.0, 0.0005, 0.005, 0.02),
}
WITHOUT = {
    "all of it": [],
    "no noise of cells": ["cell.read_sigma=0.0"],
    "no thermal noise": ["amplifier.noise_factor=0.0", "capacitor.first_f=1e-6"],
    "an ideal amplifier": ["amplifier.gain_db=200.0", "amplifier.offset_v=0.0"],
    "no programming variation": ["cell.program_sigma=0.0"],
    "no comparator noise or offset": ["circuit.comparator_noise_v=0.0", "circuit.comparator_offset_v=0.0"],
    "no jitter": ["circuit.jitter_s=0.0"],
    "no noise of cells, no thermal noise": [
        "cell.read_sigma=0.0", "amplifier.noise_factor=0.0", "capacitor.first_f=1e-6",
    ],
}  # fmt: skip


def enob(adc: Adc) -> float:
    """Return the median ENOB of a few devices."""
    return float(np.median(monte_carlo(adc, DEVICES)))


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def renewed(text: str, name: str, content: str) -> str:
    """Return the text with what stands between the marks of this name replaced."""
    before, begin, rest = text.partition(f"<!-- {name} -->\n")
    assert begin, name
    return f"{before}{begin}{content}\n{rest[rest.index('<!-- end -->') :]}"


def presets() -> str:
    """Return the table of the shipped converters."""
    head = ["preset", "cells", "ENOB", "DNL", "INL", "missing", "MHz", "mW", "mm2", "fJ/step", "dB"]
    rows = []
    for name in PRESETS:
        row = measure(load_adc(name)).to_dict()
        area = sum(row["area_um2"].values()) * 1e-6
        rows.append([
            f"`{name}`", f"{row['cells']:,}", f"{row['enob']:.2f}", f"{row['dnl_max_lsb']:.2f}",
            f"{row['inl_max_lsb']:.2f}", f"{row['missing_codes']:,}", f"{row['sample_rate_hz'] * 1e-6:.1f}",
            f"{row['power_w'] * 1e3:.2f}", f"{area:.3f}", f"{row['fom_walden_fj']:.0f}",
            f"{row['fom_schreier_db']:.1f}",
        ])  # fmt: skip
    return table(head, rows)


def by_cell_bits() -> tuple[str, dict[str, tuple[list[float], list[float]]]]:
    """Return the table and the curves of ENOB over the bits of cells."""
    bits = [2, 3, 4, 5, 6]
    pipeline = [enob(load_adc(f"nnadc-14b-{each}bit")) for each in bits]
    single = [enob(train(load_adc(SINGLE, [f"cell.bits={each}", *SHORTER])).adc) for each in bits]
    rows = [
        ["pipeline", *(f"{each:.2f}" for each in pipeline)],
        ["single stage", *(f"{each:.2f}" for each in single)],
    ]
    curves = {"pipeline": ([*map(float, bits)], pipeline), "single stage": ([*map(float, bits)], single)}
    return table(["bits of a cell", *map(str, bits)], rows), curves


def sweeps() -> tuple[str, dict[str, list[float]]]:
    """Return one small table per parameter, and the values."""
    parts, found = [], {}
    for path, values in SWEEPS.items():
        found[path] = [enob(load_adc(NAME, [f"{path}={value!r}"])) for value in values]
        parts.append(
            table([f"`{path}`", *(f"{v:g}" for v in values)], [["ENOB", *(f"{e:.2f}" for e in found[path])]])
        )
    return "\n\n".join(parts), found


def own_enob(bits: int, kind: str, *changes: str) -> float:
    """Return the median ENOB in its own domain of the hardware behind a front, its code cut to some bits."""
    adc = cut(bits, kind, *changes)
    rate = costs(adc).rate_hz
    return float(np.median([dynamic(calibrated(adc, d), adc, rate).enob for d in range(DEVICES)]))


def cut(bits: int, kind: str, *changes: str) -> Adc:
    """Return the hardware behind a front with another width of the code and another scheme."""
    return load_adc(FRONT, [f"bits={bits}", f"guard_bits={16 - bits}", f"scheme.kind={kind}", *changes])


def schemes() -> str:
    """Return how many bits each scheme has at several widths of the code, without and with the front."""
    rows = []
    for bits in (6, 7, 8, 9, 10, 11, 12, 13, 14):
        found = [own_enob(bits, kind, *change) for change in (["front.gains=[]"], []) for kind in KINDS]
        rows.append([str(bits), *(f"{each:.2f}" for each in found)])
    return table(["bits of the code", *KINDS, *(f"{kind}, front" for kind in KINDS)], rows)


def fronts() -> str:
    """Return what more and higher gains bring at 14 bits, and what they take."""
    head = ["gains", *KINDS, *(f"thermal noise alone, {kind}" for kind in KINDS[1:]), "MHz", "mW", "nJ"]
    rows = []
    for gains in ("[]", "[8]", "[8, 64]", "[8, 64, 512]", "[8, 64, 512, 4096]"):
        change = f"front.gains={gains}"
        taken = costs(cut(14, "linear", change))
        bounds = [thermal_enob(cut(14, kind, change)) for kind in KINDS[1:]]
        found = [own_enob(14, kind, change) for kind in KINDS]
        rows.append([
            gains[1:-1] or "none", *(f"{each:.2f}" for each in found + bounds), f"{taken.rate_hz * 1e-6:.1f}",
            f"{taken.power_w * 1e3:.0f}", f"{taken.power_w / taken.rate_hz * 1e9:.1f}",
        ])  # fmt: skip
    return table(head, rows)


def front_sweeps() -> str:
    """Return one small table per parameter of the front."""
    parts = []
    for name, values in {
        "noise_factor": (0.0, 1.0, 2.0, 4.0), "gain_db": (80.0, 90.0, 100.0, 110.0, 120.0, 140.0),
        "offset_v": (0.0, 2e-5, 1e-4, 1e-3), "gain_sigma": (0.0, 0.002, 0.02),
    }.items():  # fmt: skip
        changes = [f"front.{name}={value!r}" for value in values]
        rows = [
            [f"ENOB, {kind}", *(f"{own_enob(14, kind, each):.2f}" for each in changes)] for kind in KINDS[1:]
        ]
        parts.append(table([f"`front.{name}`", *(f"{value:g}" for value in values)], rows))
    return "\n\n".join(parts)


def main() -> None:
    """Renew the page and the figures."""
    text = PAGE.read_text(encoding="utf-8")
    text = renewed(text, "presets", presets())
    cell_bits, curves = by_cell_bits()
    text = renewed(text, "cell bits", cell_bits)
    swept, values = sweeps()
    text = renewed(text, "sweeps", swept)
    text = renewed(text, "schemes", schemes())
    text = renewed(text, "fronts", fronts())
    text = renewed(text, "front sweeps", front_sweeps())
    rows = [[name, f"{enob(load_adc(NAME, changes)):.2f}"] for name, changes in WITHOUT.items()]
    text = renewed(text, "limits", table(["with", "ENOB"], rows))
    PAGE.write_text(text, encoding="utf-8")
    plot_adc(measure(load_adc(NAME)), FIGURES / "nnadc.png")
    figure = new_figure(TWO_COLUMNS_IN, 2.4)
    with house():
        left, right = figure.subplots(1, 2)
        plot_enob(curves, "bits of a cell", left, goal=12.5)
        lines = {
            "read_sigma": ([*SWEEPS["cell.read_sigma"]][1:], values["cell.read_sigma"][1:]),
            "program_sigma": ([*SWEEPS["cell.program_sigma"]][1:], values["cell.program_sigma"][1:]),
        }
        plot_enob(lines, "standard deviation of ln(g)", right, logarithmic=True, goal=12.5)
    save(figure, FIGURES / "nnadc-enob.png")
    print(f"nnadc: {PAGE}, {FIGURES / 'nnadc.png'}, {FIGURES / 'nnadc-enob.png'}")


if __name__ == "__main__":
    main()
