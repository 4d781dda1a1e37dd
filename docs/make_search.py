"""Write the tables of ``docs/search.md``: ``python docs/make_search.py``; some minutes. Needs the extra ``opt``."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import Any

import archsim

PAGE = Path(__file__).with_name("search.md")
TRACE, SYSTEM, LOOKUPS = "preset:meta-2021", "recnmp-opt-2rank", 20_000
#: The space of the page's first example, as a grid.
SPACE = {"nmp.cache.size": "8KiB..1MiB*2", "nmp.cache.ways": [1, 4, 16], "nmp.poolings_per_packet": "1..8"}
OBJECTIVES, CONSTRAINT = ["time_ns", "energy_nj", "area_mm2"], "area_mm2 < 4"
TRIALS, SEEDS = 60, (0, 1, 2)
SAMPLERS = ("tpe", "nsga2", "random")
#: The grid of the page's second example, and the point that its table starts from.
GRID = {
    "nmp.cache.size": "8KiB..512KiB*4",
    "nmp.cache.ways": [4, 16],
    "nmp.poolings_per_packet": [1, 2, 4, 8],
}
BASE = {"nmp.cache.size_bytes": 32768, "nmp.cache.ways": 4, "nmp.poolings_per_packet": 4}
METRIC = "time_ns"


def markdown(lines: list[list[str]]) -> str:
    """Return a table."""
    return "".join(f"| {' | '.join(line)} |\n" for line in [lines[0], ["---"] * len(lines[0]), *lines[1:]])


def cell(value: Any) -> str:
    """Write a value of a table."""
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def of_frame(frame: Any, columns: list[str]) -> str:
    """Return some columns of a frame as a table; whole numbers stay whole."""
    rows = frame[columns].to_dict("list").values()
    return markdown(
        [[f"`{name}`" for name in columns], *([cell(v) for v in row] for row in zip(*rows, strict=True))]
    )


def front(grid: archsim.Study) -> str:
    """Return the designs of the first example's space that no other beats."""
    found = grid.pareto(OBJECTIVES, [CONSTRAINT])
    share = found.attrs["hypervolume"]
    words = f"They dominate {100 * share:.1f} % of the box between the best and the worst values.\n"
    return of_frame(found, [*grid.axes, *OBJECTIVES]) + f"\n{words}"


def samplers(grid: archsim.Study, folder: Path) -> str:
    """Return how much of the front each sampler finds; a search in a copy of the grid replays nothing."""
    best = set(grid.pareto(OBJECTIVES, [CONSTRAINT])["point_id"])
    lines = [["`--sampler`", *(f"seed {seed}" for seed in SEEDS)]]
    for sampler in SAMPLERS:
        line = [f"`{sampler}`"]
        for seed in SEEDS:
            copy = shutil.copytree(grid.path, folder / f"{sampler}-{seed}")
            searched = archsim.optimize(
                TRACE, SYSTEM, SPACE, OBJECTIVES, constraints=[CONSTRAINT], out=copy, trials=TRIALS, seed=seed,
                sampler=sampler, limit=LOOKUPS, progress=False,
            )  # fmt: skip
            proposed = searched.definition.sweeps[-1]["points"]["point_id"]
            line.append(f"{len(best & set(proposed))}")
        lines.append(line)
    met = int((grid.to_frame(["area_mm2"])["area_mm2"] < float(CONSTRAINT.split()[-1])).sum())
    words = textwrap.fill(
        f"Of the {len(grid)} points of the grid behind the example above, {met} meet the constraint and {len(best)} "
        f"are on the front. So many of those {TRIALS} trials found (Optuna {version('optuna')}):",
        width=120,
    )
    return f"{words}\n\n{markdown(lines)}"


def sensitivity(grid: archsim.Study) -> str:
    """Return how strongly the run time of the second example depends on each axis."""
    found = grid.sensitivity(METRIC, BASE)
    columns = [
        "axis",
        "first_order",
        "total",
        "percent_per_doubling",
        "fit_r2",
        "least_percent",
        "greatest_percent",
    ]
    return of_frame(found, columns)


def main() -> None:
    """Replace the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options: dict[str, Any] = {"limit": LOOKUPS, "progress": False}
        whole = archsim.sweep(TRACE, SYSTEM, SPACE, out=folder / "whole", **options)
        small = archsim.sweep(TRACE, SYSTEM, GRID, out=folder / "small", **options)
        tables = {
            "front": front(whole),
            "samplers": samplers(whole, folder),
            "sensitivity": sensitivity(small),
        }
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        pattern = re.compile(f"(<!-- search {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, times = pattern.subn(lambda found, table=table: f"{found[1]}{table}{found[2]}", text)
        if times != 1:
            raise SystemExit(f"{PAGE}: {times} places for the table {name}")
    PAGE.write_text(text, encoding="utf-8")
    print(f"page: {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
