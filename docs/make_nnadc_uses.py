"""Renew the tables and figure of sums, images and wires in nnadc.md: ``python docs/make_nnadc_uses.py``; a minute."""

from __future__ import annotations

import numpy as np
from make_nnadc import DEVICES, FIGURES, NAME, PAGE, renewed, table

from archsim.analog import Cell, Wires
from archsim.analog.column_reads import Signed
from archsim.analog.column_unit import Accuracy, ColumnUnit, IdealQuantiser, accuracy
from archsim.analog.elementary import key_of, normals, uniforms
from archsim.analog.near_sensor import convert_image
from archsim.analog.nnadc import calibrated, costs, load_adc
from archsim.analog.nnadc.calibration import calibrate
from archsim.analog.nnadc.fabricate import fabricate
from archsim.analog.nnadc.measure import dynamic
from archsim.ledger import total_nj
from archsim.report.adc_plots import plot_sums
from archsim.report.style import TWO_COLUMNS_IN, house, new_figure, save

ROWS, ELEMENTS, POOL, REQUESTS = 256, 16, 32, 100
BITS = (8, 10, 12, 14)
#: Of ideal quantisers, in the picture.
FINE = (6, 7, 8, 9, 10, 11, 12, 13, 14)
SEGMENTS_OHM = (0.001, 0.01, 0.1, 1.0)
#: Inside stages: of a segment, of a driver.
STAGE_OHM = ((0.0, 0.0), (1.0, 0.0), (10.0, 0.0), (100.0, 0.0), (0.0, 1000.0), (1.0, 1000.0), (0.0, 5000.0))
TILES = (256, 64, 32)
#: Full scale of each form, as a share of the largest current: no sum of these is beyond.
FULL_SCALE: dict[Signed, float] = {"offset": 1.0, "dual-path": 0.5}
#: Sums on which gains are found; others than those of the tests.
KNOWN = 400
VARIED = Cell.load("rram-3bit")
PERFECT = VARIED.model_copy(update={"program_sigma": 0.0, "read_sigma": 0.0})
CELLS = {"perfect cells": PERFECT, "rram-3bit": VARIED}


def drawn() -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Return a table of normal numbers, requests of different rows each, and their true sums."""
    values = normals(key_of(1, 1), (ROWS, ELEMENTS))
    requests = [np.argsort(uniforms(key_of(1, 2, at), ROWS))[:POOL] for at in range(REQUESTS)]
    return values, requests, np.array([values[rows].sum(axis=0) for rows in requests])


def scene(rows: int = 64, columns: int = 96) -> np.ndarray:
    """Return an image from 0 to 1: a slope of light, and three discs."""
    y, x = np.mgrid[0:rows, 0:columns]
    image = 0.05 + 0.5 * x / columns * (1.0 - 0.5 * y / rows)
    for row, column, radius, light in ((20, 25, 12, 0.9), (40, 60, 16, 0.2), (15, 80, 8, 0.98)):
        image[(y - row) ** 2 + (x - column) ** 2 < radius * radius] = light
    return image


def percent(found: Accuracy) -> str:
    """Write a relative error."""
    return f"{100.0 * found.relative_rms:.2f} %"


def units(signed: Signed) -> dict[str, ColumnUnit]:
    """Return the table in both kinds of cells; pairs need half of the full scale."""
    values, *_ = drawn()
    share = FULL_SCALE[signed]
    return {
        name: ColumnUnit(values, cell, most_rows=POOL, signed=signed, full_scale=share)
        for name, cell in CELLS.items()
    }


def sums(signed: Signed) -> tuple[str, dict[str, tuple[list[float], list[float]]], float]:
    """Return the table of pooled sums, the curves of their errors, and what 8-bit elements cost."""
    _, requests, true = drawn()
    each = units(signed)
    exact = {name: accuracy(unit.sums(requests), true) for name, unit in each.items()}
    head = ["converter"]
    head += [f"{kind}, {name}" for name in each for kind in ("ideal", "NN-ADC")]
    head += ["cosine", "nJ per sum", "us per sum"]
    rows, curves = [], {}
    found: dict[tuple[str, int], Accuracy] = {}
    for bits in BITS:
        adc = load_adc(f"nnadc-{bits}b-3bit")
        taken, row = costs(adc), [f"{bits} bits"]
        for name, unit in each.items():
            found[name, bits] = accuracy(unit.sums(requests, calibrated(adc)), true)
            row += [
                percent(accuracy(unit.sums(requests, IdealQuantiser(bits)), true)),
                percent(found[name, bits]),
            ]
        unit = each["rram-3bit"]
        energy_nj = total_nj(unit.ledger(taken, 1_000_000)) / 1e6
        row += [
            f"{found['rram-3bit', bits].cosine:.4f}",
            f"{energy_nj:.1f}",
            f"{unit.reads_s(taken) * 1e6:.2f}",
        ]
        rows.append(row)
    last = ["none: currents as they are"]
    for one in exact.values():
        last += [percent(one), ""]
    rows.append([*last, f"{exact['rram-3bit'].cosine:.4f}", "", ""])
    for name, unit in each.items():
        ideal = [accuracy(unit.sums(requests, IdealQuantiser(bits)), true).relative_rms for bits in FINE]
        curves[f"ideal, {name}"] = ([*map(float, FINE)], ideal)
        curves[f"NN-ADC, {name}"] = ([*map(float, BITS)], [found[name, bits].relative_rms for bits in BITS])
    return table(head, rows), curves, exact["perfect cells"].relative_rms


def wires() -> str:
    """Return what resistance of the wires alone does to the sums, without gains and with them."""
    values, requests, true = drawn()
    known = [np.argsort(uniforms(key_of(1, 3, at), ROWS))[:POOL] for at in range(KNOWN)]
    rows = []
    for signed in FULL_SCALE:
        for tile in TILES:
            plain, better = [], []
            for ohm in SEGMENTS_OHM:
                around = Wires(r_word_ohm=ohm, r_bit_ohm=ohm)
                unit = ColumnUnit(
                    values, PERFECT, most_rows=POOL, wires=around, signed=signed, rows_per_tile=tile
                )
                plain.append(percent(accuracy(unit.sums(requests), true)))
                unit.calibrate(known)
                better.append(percent(accuracy(unit.sums(requests), true)))
            reads = f"{len(unit.reads(requests)) / REQUESTS:.1f}"
            rows.append([signed, str(tile), "", reads, *plain])
            rows.append([signed, str(tile), "yes", reads, *better])
    head = ["form", "rows per tile", "gains", "reads per sum", *(f"{ohm:g} ohm" for ohm in SEGMENTS_OHM)]
    return table(head, rows)


def stage_wires() -> str:
    """Return what wires inside the stages do to thresholds, residues and ENOB."""
    adc = load_adc(NAME)
    rate = costs(adc).rate_hz
    plain = [fabricate(adc, device) for device in range(DEVICES)]
    rows = []
    for ohm, driver in STAGE_OHM:
        around = Wires(r_word_ohm=ohm, r_bit_ohm=ohm, r_driver_ohm=driver)
        shifts, weights, drawn_enob, enob = [], [], [], []
        for device, without in enumerate(plain):
            converter = fabricate(adc, device, wires=around)
            for one, other in zip(without.stages, converter.stages, strict=True):
                for before, after in zip(one.crossings, other.crossings, strict=True):
                    assert before.at.size == after.at.size == 1
                    shifts.append(abs(after.at[0] - before.at[0]))
                if one.residue is not None and other.residue is not None:
                    weights.append(np.abs(other.residue.bit / one.residue.bit - 1.0).max())
            drawn_enob.append(dynamic(converter, adc, rate).enob)
            calibrate(converter, adc)
            enob.append(dynamic(converter, adc, rate).enob)
        rows.append([
            f"{ohm:g}", f"{driver:g}", f"{max(shifts):.4f}", f"{100.0 * max(weights):.3f} %",
            f"{np.median(drawn_enob):.2f}", f"{np.median(enob):.2f}",
        ])  # fmt: skip
    head = [
        "ohm per segment",
        "ohm of drivers",
        "thresholds move",
        "residue weights",
        "ENOB, as drawn",
        "ENOB",
    ]
    return table(head, rows)


def images() -> tuple[str, dict[str, tuple[list[float], list[float]]]]:
    """Return the table and the curves of an image's PSNR."""
    rows, ours, ideal = [], [], []
    for bits in BITS:
        adc = load_adc(f"nnadc-{bits}b-3bit")
        taken = costs(adc)
        found = convert_image(calibrated(adc), scene(), taken=taken)
        assert found.row_s is not None
        ours.append(found.psnr_db)
        ideal.append(found.ideal_psnr_db)
        energy_pj = taken.power_w / taken.rate_hz * 1e12
        rows.append([
            f"{bits} bits", f"{found.psnr_db:.1f}", f"{found.ideal_psnr_db:.1f}", f"{energy_pj:.0f}",
            f"{found.row_s[-1] * 1e6:.0f}",
        ])  # fmt: skip
    x = [*map(float, BITS)]
    head = ["converter", "PSNR, dB", "ideal, dB", "pJ per pixel", "us per image"]
    return table(head, rows), {"ideal": (x, ideal), "NN-ADC": (x, ours)}


def main() -> None:
    """Renew the page and the figure."""
    text = PAGE.read_text(encoding="utf-8")
    content, curves, floor = sums("offset")
    text = renewed(text, "sums", content)
    content, paired, _ = sums("dual-path")
    text = renewed(text, "pairs", content)
    curves |= {f"{name}, pairs": curve for name, curve in paired.items() if "rram" in name}
    text = renewed(text, "wires", wires())
    text = renewed(text, "stage wires", stage_wires())
    content, psnr = images()
    text = renewed(text, "images", content)
    PAGE.write_text(text, encoding="utf-8")
    figure = new_figure(TWO_COLUMNS_IN, 2.6)
    with house():
        left, right = figure.subplots(1, 2)
        plot_sums(curves, left, floor=floor)
        plot_sums(psnr, right, label="PSNR, dB", logarithmic=False)
    save(figure, FIGURES / "nnadc-uses.png")
    print(f"nnadc: {PAGE}, {FIGURES / 'nnadc-uses.png'}")


if __name__ == "__main__":
    main()
