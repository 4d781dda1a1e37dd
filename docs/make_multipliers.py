"""Write the tables of ``docs/multipliers.md`` and its figure: ``python docs/make_multipliers.py``; half a minute.

The learnt embeddings come from ``../shared/data/kaggle-emb`` beside the repository; without it they stay out.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from statistics import geometric_mean

import numpy as np

from archsim import load_system, open_trace, simulate
from archsim.approx import multiplier
from archsim.approx.base import Multiplier
from archsim.approx.embeddings import learn_embeddings
from archsim.approx.estimate import Deviation, cost_or_estimate, deviations
from archsim.approx.layers import Choice
from archsim.approx.processor import Work, convolution, dense, load_processor
from archsim.approx.weighted_sum import Accuracy, accuracy, exact_sums, quantise_rows, weighted_sums
from archsim.report.style import COLOURS, TWO_COLUMNS_IN, finish, house, new_figure, save
from archsim.result import Result
from archsim.traces import EmbeddingTrace
from archsim.traces.counter import draw, stream_key

HERE = Path(__file__).parent
PAGE, FIGURE = HERE / "multipliers.md", HERE / "figures" / "multipliers.png"
KAGGLE = HERE.parents[1] / "shared" / "data" / "kaggle-emb" / "kaggle-emb.npz"
SYSTEM = "recnmp-base-8rank"
DESIGNS = (
    "exact", "truncate_1", "truncate_2", "truncate_3", "bam_4_0", "bam_7", "drum4", "drum6", "ssm5", "tosam_1_5",
    "mitchell", "mitchell_w4", "udm", "roba",
)  # fmt: skip
#: A small network for pictures of 224 x 224 pixels, of the kind of MobileNet's first layers.
LAYERS = (
    convolution("conv1", 3, 16, 3, 112, 112), convolution("conv2", 16, 32, 3, 56, 56),
    convolution("conv3", 32, 64, 3, 28, 28), dense("fc", 64 * 49, 10),
)  # fmt: skip
PIXELS = 224 * 224
#: Where names stand that would lie over others, in points from their marks.
LABELS = {
    "truncate_3": (-8, 6),
    "udm": (5, -3),
    "truncate_2": (-44, 5),
    "bam_7": (-14, -10),
    "truncate_1": (-38, -7),
    "bam_4_0": (4, 3),
}


def markdown(lines: list[list[str]]) -> str:
    """Return a table, its first column to the left."""
    marks = ["---", *["---:"] * (len(lines[0]) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in [lines[0], marks, *lines[1:]])


def groups(found: list[Deviation]) -> dict[str, list[Deviation]]:
    """Sort the estimates by what kind of circuit they stand beside."""
    out: dict[str, list[Deviation]] = {}
    for each in found:
        family = {"exact": "exact", "udm": "udm", "truncate": "truncate"}.get(each.design.family, "bam")
        out.setdefault(f"{family}, {'signed' if each.design.signed else 'unsigned'}", []).append(each)
    return out


def estimate_table() -> str:
    """Return how far estimates are from cited circuits that took no part in them."""
    lines = [["estimated over cited", "circuits", "power", "delay", "area", "energy"]]
    for name, members in groups(deviations()).items():
        line = [name, str(len(members))]
        for quantity in ("power", "delay", "area", "energy"):
            values = [getattr(each, quantity) for each in members]
            line.append(f"{geometric_mean(values):.2f} ({min(values):.2f} to {max(values):.2f})")
        lines.append(line)
    return markdown(lines)


def generated() -> EmbeddingTrace:
    """Return lookups of a preset in 8-bit rows, with weights from 0 to 1."""
    trace = open_trace("preset:zipf", kind="lookups", limit=40_000, overrides=["dtype=uint8-rowwise"])
    words = draw(stream_key(1), np.arange(len(trace.rows), dtype=np.uint64))
    return replace(trace, weight=((words >> np.uint64(40)) * 2.0**-24).astype(np.float32))


def replayed(name: str | None, trace: EmbeddingTrace) -> Result:
    """Replay the trace with a multiplier in the rank units."""
    return simulate(load_system(SYSTEM, [] if name is None else [f"nmp.multiplier={name}"]), trace)


def multiplier_nj(result: Result) -> float:
    """Return the energy of all multiplications of the units."""
    return sum(row.energy_nj for row in result.energy if "mult" in row.event)


def learnt() -> dict[str, Accuracy]:
    """Return the accuracy of each design on embeddings learnt from real bags; nothing without the data."""
    if not KAGGLE.exists():
        print(f"{KAGGLE}: absent, so no learnt embeddings", file=sys.stderr)
        return {}
    with np.load(KAGGLE) as data:
        vectors, index, bag, weights = learn_embeddings(data["emb_0_indices"], data["emb_0_lengths"])
    rows = quantise_rows(vectors)
    rows = type(rows)(*(part[index] for part in rows))
    bags = int(bag.max()) + 1
    exact = exact_sums(rows, weights, bag, bags)
    return {
        name: accuracy(weighted_sums(rows, weights, bag, bags, multiplier(name)), exact) for name in DESIGNS
    }


def cost_cells(design: Multiplier) -> list[str]:
    """Return energy of a product and its kind."""
    cost = cost_or_estimate(design)
    assert cost is not None
    return [f"{cost.energy_pj:.3f}", cost.kind]


def rank_table(real: dict[str, Accuracy]) -> str:
    """Return accuracy and energy of weighted sums in a rank unit."""
    trace = generated()
    lines = [[
        "multiplier", "pJ a product", "cost", "multiplications, nJ", "all, nJ", "cycles", "generated: relative RMS, %",
        "greatest error", "cosine", "learnt: relative RMS, %", "cosine",
    ]]  # fmt: skip
    for name in (None, *DESIGNS):
        result = replayed(name, trace)
        assert result.nmp is not None
        sums = result.nmp["sums"]
        line = ["FP32" if name is None else f"`{name}`"]
        line += ["25.2", "cited"] if name is None else cost_cells(multiplier(name))
        line += [f"{multiplier_nj(result):,.0f}", f"{result.energy_nj:,.0f}", f"{result.cycles:,}"]
        if name is None:
            line += ["", f"{sums['max_abs_error']:.2g}", "", "", ""]
        else:
            line += [
                f"{100 * sums['relative_rms']:.3f}",
                f"{sums['max_abs_error']:.3f}",
                f"{sums['cosine']:.6f}",
            ]
            found = real.get(name)
            line += ["", ""] if found is None else [f"{100 * found.relative_rms:.3f}", f"{found.cosine:.6f}"]
        lines.append(line)
    return markdown(lines)


def sensor_table() -> str:
    """Return time, energy and area of a small network on the near-sensor processor."""
    processor = load_processor()
    lines = [[
        "multiplier", "cost", "us", "multipliers, uJ", "adders", "weights", "sensor and frame", "all", "area, mm2",
    ]]  # fmt: skip
    layers: list[Work] = list(LAYERS)
    for name in DESIGNS:
        design = multiplier(name)
        run = processor.run(layers, Choice(design), pixels=PIXELS, estimates=True)
        parts = {"multiplier": 0.0, "adder": 0.0, "storage": 0.0, "sensor": 0.0}
        for row in run.ledger:
            key = "sensor" if row.component == "frame_memory" else row.component
            parts[key] += row.energy_nj / 1000
        cells = [f"{value:.3f}" if value < 1 else f"{value:.1f}" for value in parts.values()]
        line = [f"`{name}`", run.costs[name].kind, f"{run.time_ns / 1000:.1f}", *cells]
        lines.append([*line, f"{run.energy_nj / 1000:.1f}", f"{run.area_um2 / 1e6:.3f}"])
    return markdown(lines)


def voltage_table() -> str:
    """Return the energy of reading the weights by voltage."""
    lines = [["supply of the weights, V", "relative energy of a read", "weights, nJ"]]
    for voltage in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4):
        run = load_processor(overrides=[f"voltage_v={voltage}"]).run(
            list(LAYERS), Choice(multiplier("exact"))
        )
        energy = sum(row.energy_nj for row in run.ledger if row.component == "storage")
        relative = run.processor.storage.relative(voltage)
        lines.append([f"{voltage:.1f}", f"{relative:.2f}", f"{energy:.2f}"])
    return markdown(lines)


def picture(real: dict[str, Accuracy]) -> None:
    """Draw the error of weighted sums over the energy of a product, learnt embeddings and network energy."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    figure = new_figure(TWO_COLUMNS_IN, 2.6)
    with house():
        left, right = figure.subplots(1, 2)
        for name in DESIGNS:
            cost, found = cost_or_estimate(multiplier(name)), real.get(name)
            assert cost is not None
            if found is None:
                continue
            fill = COLOURS[0] if cost.kind == "cited" else "white"
            left.plot(cost.energy_pj, 100 * found.relative_rms, "o", mfc=fill, mec=COLOURS[0])
            point = (cost.energy_pj, 100 * found.relative_rms)
            left.annotate(name, point, LABELS.get(name, (4, 3)), textcoords="offset points")
        left.set_xscale("log")
        left.set_yscale("log")
        left.margins(x=0.15, y=0.1)
        for axis, ticks in ((left.xaxis, (0.1, 0.2, 0.5, 1, 2)), (left.yaxis, (0.5, 1, 2, 5, 10, 20, 50))):
            axis.set_major_locator(FixedLocator(ticks))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        left.set_xlabel("energy of a product, pJ (filled: cited; open: estimate)")
        left.set_ylabel("relative RMS of weighted sums, %")
        left.set_title("rank unit, learnt embeddings", loc="left")
        finish(left)
        processor = load_processor()
        at = np.arange(len(DESIGNS))
        bottom = np.zeros(len(DESIGNS))
        parts = (("multiplier", "multipliers", ""), ("adder", "adders", "////"))
        runs = [processor.run(list(LAYERS), Choice(multiplier(name)), estimates=True) for name in DESIGNS]
        for colour, (component, label, hatch) in zip(COLOURS, parts, strict=False):
            height = np.array(
                [sum(r.energy_nj for r in run.ledger if r.component == component) / 1000 for run in runs]
            )
            right.bar(
                at, height, bottom=bottom, color=colour, hatch=hatch, label=label, edgecolor="white", lw=0.3
            )
            bottom += height
        kinds = [run.costs[name].kind for name, run in zip(DESIGNS, runs, strict=True)]
        names = [name if kind == "cited" else f"{name} *" for name, kind in zip(DESIGNS, kinds, strict=True)]
        right.set_xticks(at, names, rotation=60, ha="right")
        right.set_ylabel("energy of a picture, uJ")
        right.set_title("near-sensor processor, without the sensor (*: estimate)", loc="left")
        right.legend()
        finish(right, grid="y")
    save(figure, FIGURE)


def main() -> None:
    """Replace the tables and the figure."""
    real = learnt()
    tables = {
        "estimates": estimate_table(), "rank unit": rank_table(real), "near sensor": sensor_table(),
        "voltage": voltage_table(),
    }  # fmt: skip
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        begin, end = f"<!-- multipliers {name} -->\n", "<!-- end -->"
        before, found, rest = text.partition(begin)
        if not found:
            raise SystemExit(f"{PAGE}: no mark {begin.strip()!r}")
        text = before + begin + table + end + rest.partition(end)[2]
    PAGE.write_text(text, encoding="utf-8")
    if real:
        picture(real)
    print(f"page: {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
