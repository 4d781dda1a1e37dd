"""Write the table of ``docs/electrothermal.md`` and its figure: ``python docs/make_electrothermal.py``; a minute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import archsim
from archsim.electrothermal import Coupling, FixedPoint, HeatMap, fixed_point, run_in_time
from archsim.report.heat_plots import plot_heat
from archsim.report.style import TWO_COLUMNS_IN, house, new_figure, save
from archsim.spec import apply_overrides

HERE = Path(__file__).parent
PAGE, FIGURE = HERE / "electrothermal.md", HERE / "figures" / "electrothermal.png"
ZERO_C_K = 273.15
#: Air of a server; the others are air in which refreshes double, swing, or may be either.
NORMAL_C = 35.0


@dataclass(frozen=True)
class Case:
    """A worked example: what is replayed on what, and in which air."""

    name: str
    system: str
    overrides: tuple[str, ...]
    trace: str
    lookups: int
    heat_map: str
    grid: tuple[int, int]
    airs_c: tuple[float, ...]

    def coupling(self, air_c: float) -> Coupling:
        """Return the example in air of a temperature."""
        heat_map = apply_overrides(
            HeatMap.load(self.heat_map), [f"stack.ambient_k={round(air_c + ZERO_C_K, 6)}"]
        )
        system = archsim.load_system(self.system, list(self.overrides))
        trace = archsim.open_trace(self.trace, limit=self.lookups)
        return Coupling(system, trace, heat_map, grid=self.grid)


CASES = (
    Case(
        "RecNMP DIMM", "recnmp-opt-4rank", ("dram.energy.preset=ddr4-8gb-x8-2400",), "preset:recnmp-comb8", 400_000,
        "recnmp-dimm", (64, 16), (NORMAL_C, 71.2, 75.0),
    ),
    Case("HBM2", "host-hbm2", (), "preset:uniform", 200_000, "hbm", (32, 32), (NORMAL_C, 78.1, 82.0)),
    Case(
        "HBM2, 256 reads queued", "host-hbm2", ("dram.controller.read_queue=256",), "preset:uniform", 200_000, "hbm",
        (32, 32), (NORMAL_C, 82.0),
    ),
)  # fmt: skip


@cache
def found(case: Case, air_c: float) -> FixedPoint:
    """Return the fixed point of an example."""
    return fixed_point(case.coupling(air_c))


def rows() -> Iterator[list[str]]:
    """Yield the lines of the table."""
    for case in CASES:
        for air_c in case.airs_c:
            at = found(case, air_c)
            before, after = at.before, at.after
            power = [sum(float((s.power_w + s.leakage_w).sum()) for s in op.steady) for op in (before, after)]
            yield [
                case.name, f"{air_c:g}",
                pair(before.rank_k.max() - ZERO_C_K, after.rank_k.max() - ZERO_C_K, ".2f"),
                f"{100 * after.doubled_share.mean():.3g} %",
                pair(before.time_s * 1e6, after.time_s * 1e6, ".1f"), f"{100 * at.slowdown:.1f} %",
                pair(before.energy_j * 1e6, after.energy_j * 1e6, ".0f"), pair(*power, ".2f"), kind(at),
            ]  # fmt: skip


def pair(before: float, after: float, form: str) -> str:
    """Return a figure without and with feedback; once where both are alike."""
    one, two = format(before, form), format(after, form)
    return one if one == two else f"{one} → {two}"


def kind(at: FixedPoint) -> str:
    """Return what sort of end it is."""
    if at.swings:
        return "swings"
    if at.also is not None:
        return f"two: also {at.also.rank_k.max() - ZERO_C_K:.2f}"
    return "one"


def markdown() -> str:
    """Return the table."""
    head = [
        "", "air, degC", "hottest rank, degC", "time doubled", "replay, us", "slowdown", "energy of a replay, uJ",
        "heat of the stacks, W", "steady states",
    ]  # fmt: skip
    marks = ["---", *["---:"] * (len(head) - 2), "---"]
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, marks, *rows()])


def draw() -> None:
    """Draw both examples warming up in air in which refreshes double."""
    with house():
        figure = new_figure(TWO_COLUMNS_IN, 2.4)
        for axes, case, air_c, until_s, step_s in zip(
            figure.subplots(1, 2), CASES, (75.0, 78.1), (400.0, 20.0), (1.0, 0.02), strict=False
        ):
            coupling = case.coupling(air_c)
            plot_heat(run_in_time(coupling, until_s, step_s), axes=axes)
            axes.set_title(f"{case.name} in air of {air_c:g} °C", loc="left", pad=16)
        save(figure, FIGURE)


def write(name: str, table: str) -> None:
    """Put a table between its marks on the page."""
    text = PAGE.read_text(encoding="utf-8")
    mark = f"<!-- made by docs/make_electrothermal.py: {name} -->\n"
    before, after = text.split(mark)
    rest = after[after.index("\n\n") :]
    PAGE.write_text(before + mark + table.rstrip("\n") + rest, encoding="utf-8")


if __name__ == "__main__":
    write("examples", markdown())
    draw()
    print(PAGE, FIGURE)
