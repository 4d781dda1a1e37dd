"""RecNMP (ISCA 2020) figure by figure: one parameter set, nothing tuned per figure.

The expected numbers are in ``data/recnmp_figures.csv`` and, for the traces, ``data/recnmp_hits.csv``: printed in the
paper, or read off its vector graphics. No model reads them. The production traces of the paper are private; the
stand-ins are calibrated to Fig. 7a and 12, so hit ratios are a calibration, and everything else is a prediction.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np

from archsim.validate import recnmp_models, traces_recnmp
from archsim.validate.hit_ratios import line_hits, reused
from archsim.validate.recnmp_setup import COLORED, POOLINGS, SAMPLES, STEPS, comb8, run, speedup, uniform
from archsim.validate.recnmp_silicon import axdimm, silicon_sweep_rows, table2
from archsim.validate.recnmp_sweep import sweep_rows
from archsim.validate.row import Row

HIT_POINTS = 3.0
SPEEDUP_SHARE = 0.15
ENERGY_POINTS = 10.0
RANKS = (2, 4, 8)
FIG7B_MIB = 16
SERIES_14A = (*map(str, POOLINGS), "colored")


@cache
def expected() -> dict[tuple[str, str, str], float]:
    """Return the figures of the paper by (figure, of what, series).

    What the traces are calibrated to is in ``data/recnmp_hits.csv``, all the rest in ``data/recnmp_figures.csv``.
    """
    text = (files("archsim.validate") / "data" / "recnmp_figures.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    figures = {(row["figure"], row["of"], row["series"]): float(row["expected"]) for row in rows}
    for place, percent in traces_recnmp.figures().items():
        if place.figure == "12":
            of = place.trace if place.table == "all" else place.table
            figures[place.figure, of, place.series] = percent
    return figures


def rows(data: Path | None = None) -> Iterator[Row]:
    """Run every figure and yield its rows, then the sweep of what the paper does not publish."""
    yield from _figure7a()
    yield from _figure7b()
    yield from _figure12()
    yield from _figure14a()
    yield from _figure15a()
    yield from _energy()
    yield from table2(expected())
    yield from axdimm(expected())
    yield from recnmp_models.rows()
    yield from sweep_rows(expected())
    yield from silicon_sweep_rows(expected())


def assumptions() -> list[str]:
    """Return, line by line, what is assumed because it was not published."""
    return [
        f"one parameter set for all figures: Table I's timing; recnmp-comb8, {SAMPLES} samples of one pooling of 80 "
        "per table; random 4 KiB pages; vectors of 128 bytes; batches of all samples; RankCache 128 KiB, 4 ways",
        "Fig. 7a and 7b: 4800 samples, because no one length holds Fig. 7a and Fig. 12; the sweep shows other lengths",
        "hit ratios are a calibration (of the stand-in traces to Fig. 7a and 12); speedups and energy are predictions",
        "baseline: the same lookups over one channel with as many ranks, saturated, FR-FCFS, no caches of the host",
        "profile threshold: the best of 1 to 4, as the paper sweeps it",
        "a unit begins the reads of its next packet while the last data of the one before arrive, and registers are "
        "written by one 64-byte burst per DIMM: chosen with the first figures known",
        *recnmp_models.assumptions(),
    ]


def measure_14a(ranks: int, series: str, trace: str = "comb8") -> float:
    """Return the speedup of RecNMP base with so many poolings per packet, or with page colouring."""
    overrides = COLORED if series == "colored" else (f"nmp.poolings_per_packet={series}",)
    return speedup(ranks, overrides, trace=trace)


def _figure7a() -> Iterator[Row]:
    published, measured = traces_recnmp.figures(), traces_recnmp.figure7a(seed=1)
    for place, percent in measured.items():
        yield Row(place.label, place.quantity, published[place], percent, HIT_POINTS / published[place],
                  f"within {HIT_POINTS:g} points; 4800 samples; calibration")  # fmt: skip
    _, random = line_hits([uniform()], [mib << 20 for mib in traces_recnmp.FIG7A_MIB])
    lines = 2 * uniform().lookups
    for mib, hits in zip(traces_recnmp.FIG7A_MIB, random, strict=True):
        percent = expected()["7a", "Random", str(mib)]
        yield Row(f"RecNMP Fig. 7a, random, {mib} MiB", "hit ratio, %", percent, 100 * float(hits.sum()) / lines,
                  None, "a prediction; 3 points would hold with no hits at all")  # fmt: skip


def _figure7b() -> Iterator[Row]:
    for size in ("64", "128", "256", "512"):
        accesses, hits = line_hits([comb8(samples=4800)], [FIG7B_MIB << 20], line_bytes=int(size))
        percent = expected()["7b", "Comb-8", size]
        measured = 100 * float(hits.sum() / accesses.sum())
        yield Row(
            f"RecNMP Fig. 7b, Comb-8, {FIG7B_MIB} MiB, lines of {size} bytes", "hit ratio, %", percent, measured,
            HIT_POINTS / percent, f"within {HIT_POINTS:g} points; 4800 samples, as Fig. 7a",
        )  # fmt: skip


def _figure12() -> Iterator[Row]:
    names = [table.name for table in comb8().tables]
    for series, step in (
        ("baseline", "cache"),
        ("schedule", "schedule"),
        ("schedule+profile", "schedule+profile"),
    ):
        found = run("recnmp-base-8rank", STEPS[step]).cache
        assert found is not None  # these steps have a cache
        measured = {table["name"]: table["hit_ratio"] for table in found["tables"]} | {
            "Comb-8": found["hit_ratio"]
        }
        for of in (*names, "Comb-8"):
            yield _hit_row(of, series, 100 * measured[of], "eight RankCaches of 128 KiB")
    again = reused(comb8())
    lookups = np.bincount(comb8().table)
    shares = dict(zip(names, (again / lookups).tolist(), strict=True)) | {
        "Comb-8": float(again.sum() / lookups.sum())
    }
    for of in (*names, "Comb-8"):
        yield _hit_row(of, "ideal", 100 * shares[of], "every row seen before")


def _hit_row(of: str, series: str, measured: float, how: str) -> Row:
    percent = expected()["12", of, series]
    note = f"within {HIT_POINTS:g} points; {how}; calibration"
    return Row(
        f"RecNMP Fig. 12, {of}, {series}", "hit ratio, %", percent, measured, HIT_POINTS / percent, note
    )


def _figure14a() -> Iterator[Row]:
    table = {(ranks, series): measure_14a(ranks, series) for ranks in RANKS for series in SERIES_14A}
    for (ranks, series), measured in table.items():
        random = measure_14a(ranks, series, "uniform")
        label = "1 pooling, page colouring" if series == "colored" else f"{series} poolings per packet"
        yield Row(
            f"RecNMP Fig. 14a, {ranks} ranks, {label}", "speedup", expected()["14a", f"{ranks}-rank", series], measured,
            SPEEDUP_SHARE, f"random lookups: {random:.2f}",
        )  # fmt: skip
    for ranks in RANKS:
        of = f"{ranks}-rank"
        ascending = sorted(SERIES_14A, key=lambda series: expected()["14a", of, series])
        yield _order_row(f"{ranks} ranks, poolings and colouring", [("14a", of, s) for s in ascending],
                         [table[ranks, s] for s in ascending])  # fmt: skip
    for series in SERIES_14A:
        yield _order_row(f"{series} poolings, ranks" if series != "colored" else "page colouring, ranks",
                         [("14a", f"{ranks}-rank", series) for ranks in RANKS],
                         [table[ranks, series] for ranks in RANKS])  # fmt: skip


def _order_row(what: str, keys: list[tuple[str, str, str]], measured: list[float]) -> Row:
    """Count the pairs of one row or column that the paper orders, and those in the same order here.

    Speedups that the paper prints alike, to two digits, have no order.
    """
    printed = [round(expected()[key], 2) for key in keys]
    pairs = [(i, k) for i in range(len(keys)) for k in range(i + 1, len(keys)) if printed[i] < printed[k]]
    right = sum(measured[i] < measured[k] for i, k in pairs)
    shown = " < ".join(f"{value:.2f}" for value in measured)
    note = f"in the paper's order: {shown}"
    if right < len(pairs) and "2 ranks" in what:
        note += (
            "; a packet on one rank pays its start (configuration, ACT, RD) alone: the sweep has colouring level with "
            "four poolings without configuration, and ahead of them with vectors of 256 bytes, whose packets last "
            "twice as long"
        )
    return Row(f"RecNMP Fig. 14a, order: {what}", "pairs in order", len(pairs), right, 0.0, note)


def best_profile() -> tuple[int, float]:
    """Return the threshold of 1 to 4 with the best hit ratio, and the speedup with it."""
    found = {}
    for threshold in range(1, 5):
        overrides = (*STEPS["schedule"], f"nmp.profile_threshold={threshold}")
        cached = run("recnmp-base-8rank", overrides).cache
        assert cached is not None  # has a cache
        found[threshold] = cached["hit_ratio"]
    best = max(found, key=lambda threshold: found[threshold])
    return best, speedup(8, (*STEPS["schedule"], f"nmp.profile_threshold={best}"))


def _figure15a() -> Iterator[Row]:
    threshold, with_profile = best_profile()
    measured = {step: speedup(8, overrides) for step, overrides in STEPS.items()}
    measured["schedule+profile"] = with_profile
    for step, value in measured.items():
        note = f"threshold {threshold}" if step == "schedule+profile" else ""
        target = expected()["15a", "8-rank", step]
        yield Row(
            f"RecNMP Fig. 15a, 8 ranks, 8 poolings, {step}", "speedup", target, value, SPEEDUP_SHARE, note
        )
    rising = sum(before < after for before, after in pairwise(measured.values()))
    yield Row("RecNMP Fig. 15a, order", "steps that gain", len(measured) - 1, rising, 0.0)


def energy_saving(overrides: tuple[str, ...]) -> float:
    """Return the memory energy that RecNMP saves on the host, in percent."""
    near = run("recnmp-base-8rank", overrides).energy_nj
    return 100 * (1 - near / run("host-8rank").energy_nj)


def _energy() -> Iterator[Row]:
    yield from _energy_shares()
    target = expected()["headline", "8-rank", "energy saving"]
    for step in ("schedule+profile", "base"):
        tolerance = ENERGY_POINTS / target if step == "schedule+profile" else None
        yield Row(
            f"RecNMP headline, memory energy saved, {step}", "%", target, energy_saving(STEPS[step]), tolerance,
            f"within {ENERGY_POINTS:g} points; the paper names neither the configuration nor what it counts. The "
            "sweep: the base, without RankCache hits, saves what the paper prints; with them the saving depends on I/O "
            "inside the DIMM, which the paper does not mention: at 11 pJ per bit, half of that off the DIMM, it is "
            "within the tolerance",
        )  # fmt: skip


def _energy_shares() -> Iterator[Row]:
    """Show where the energy goes, in percent of the host's."""
    host = run("host-8rank")
    for of, result in (
        ("host", host),
        ("base", run("recnmp-base-8rank")),
        ("schedule+profile", run("recnmp-base-8rank", STEPS["schedule+profile"])),
    ):
        for row in result.energy:
            share = 100 * row.energy_nj / host.energy_nj
            event = f"{row.component} {row.event}".replace("_", " ")
            yield Row(f"RecNMP memory energy, {of}: {event}", "% of the host's", None, share, None)
