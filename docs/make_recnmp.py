"""Write docs/recnmp-figures.md, its picture and the tables of docs/recnmp.md: RecNMP's paper beside the model.

Part of ``make figures``. With ``--tables`` it makes the tables of docs/recnmp.md alone, in seconds.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from archsim import plots
from archsim.report.style import bar_look, finish
from archsim.validate.page import markdown_page, summary
from archsim.validate.recnmp import SERIES_14A, assumptions, expected, rows
from archsim.validate.recnmp_silicon import axdimm, table2
from archsim.validate.row import Row

PAGE = Path(__file__).with_name("recnmp-figures.md")
CONTRACT = Path(__file__).with_name("recnmp.md")
#: Tables of the contract, by the comment before them: how the figures of their rows begin.
TABLES = {"silicon": ("RecNMP Table I, ", "RecNMP Table II, "), "axdimm": ("AxDIMM",)}
PICTURE = Path(__file__).with_name("figures") / "recnmp.png"
SWEEP = "RecNMP sweep, "
#: Quantities of the sweep of Table II.
SILICON = ("mm2", "mW")


def sweep_table(swept: Sequence[Row]) -> list[str]:
    """Return the sweep as a table: a line per unpublished parameter, a column per figure."""
    cells: dict[str, dict[str, Row]] = {}
    for row in swept:
        variant, _, figure = row.figure.removeprefix(SWEEP).partition(": ")
        if figure.count(": "):  # the variant has a colon of its own
            more, _, figure = figure.rpartition(": ")
            variant = f"{variant}: {more}"
        cells.setdefault(variant, {})[figure] = row
    figures = list(dict.fromkeys(figure for found in cells.values() for figure in found))
    lines = [
        "| one parameter changed | " + " | ".join(figures) + " |",
        "|---|" + "---:|" * len(figures),
        "| *paper* | " + " | ".join(_number(_first(cells, figure).expected) for figure in figures) + " |",
    ]
    for variant, found in cells.items():
        values = [_number(found[figure].measured) if figure in found else "" for figure in figures]
        lines.append(f"| {variant} | " + " | ".join(values) + " |")
    return lines


def _first(cells: dict[str, dict[str, Row]], figure: str) -> Row:
    return next(found[figure] for found in cells.values() if figure in found)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}" if abs(value) >= 15 else f"{value:.2f}"


def renew_contract(judged: Sequence[Row]) -> None:
    """Write docs/recnmp.md with its tables made anew."""
    CONTRACT.write_text(contract(CONTRACT.read_text(encoding="utf-8"), judged), encoding="utf-8")


def contract(text: str, judged: Sequence[Row]) -> str:
    """Return the contract with its tables made anew."""
    for name, beginnings in TABLES.items():
        lines = ["| figure | quantity | published | model | deviation |", "|---|---|---:|---:|---:|"]
        for row in judged:
            if row.figure.startswith(beginnings):
                deviation = "" if row.deviation is None else f"{100 * row.deviation:+.1f} %"
                known, measured = ("" if v is None else f"{v:.4g}" for v in (row.expected, row.measured))
                values = f"{known} | {measured} | {deviation}"
                lines.append(f"| {row.figure.removeprefix('RecNMP ')} | {row.quantity} | {values} |")
        table = "\n".join(lines)
        text, found = re.subn(
            rf"(<!-- made by docs/make_recnmp.py: {name} -->\n).*?\n(\n|$)",
            lambda match, table=table: f"{match[1]}{table}\n{match[2]}",
            text,
            flags=re.S,
        )
        assert found == 1, f"{CONTRACT}: must have one table {name!r}"
    return text


def draw(judged: Sequence[Row]) -> None:
    """Draw Fig. 14a and 15a, paper and model side by side."""
    figure = plots.new_figure(plots.TWO_COLUMNS_IN, 2.6)
    with plots.house():
        left, right = figure.subplots(1, 2, width_ratios=(3, 1))
        places = [6 * group + bar for group in range(3) for bar in range(5)]
        _bars(left, places, [row for row in judged if "Fig. 14a" in row.figure and "order" not in row.figure])
        left.set_xticks(places, [series if series != "colored" else "1c" for series in SERIES_14A] * 3)
        for number, ranks in enumerate((2, 4, 8)):
            left.text(6 * number + 2, 0.97 * left.get_ylim()[1], f"{ranks} ranks", ha="center", va="top")
        left.set_xlabel("poolings per packet (c: page colouring) (count)")
        left.set_ylabel("speedup over the host (×)")
        left.set_title("Fig. 14a: RecNMP base")
        _bars(
            right, range(4), [row for row in judged if "Fig. 15a" in row.figure and "order" not in row.figure]
        )
        right.set_xticks(range(4), ["base", "+cache", "+sched.", "+profile"], rotation=35, ha="right")
        right.set_title("Fig. 15a: 8 ranks")
        left.legend(loc="upper left", bbox_to_anchor=(0, 0.9))
    plots.save(figure, PICTURE)


def _bars(axes, places: Sequence[int], shown: Sequence[Row]) -> None:  # type: ignore[no-untyped-def]
    for number, (name, values) in enumerate(
        {"paper": [row.expected for row in shown], "archsim": [row.measured for row in shown]}.items()
    ):
        axes.bar([p + 0.4 * number - 0.2 for p in places], values, 0.4, label=name, **bar_look(number))
    axes.set_ylim(0, max(row.expected for row in shown) * 1.2)
    finish(axes, grid="y")


def main() -> None:
    """Write the page and the picture."""
    found = list(rows())
    judged = [row for row in found if not row.figure.startswith(SWEEP)]
    swept = [row for row in found if row.figure.startswith(SWEEP)]
    draw(judged)
    renew_contract(judged)
    page = markdown_page(judged, ["recnmp"], assumptions()).replace(
        "# Validation\n", "# RecNMP figure by figure\n", 1
    )
    page = page.replace(
        f"Made by `archsim validate recnmp --write FILE`; {summary(judged)}.",
        f"Made by `make figures` from `archsim validate recnmp`; {summary(judged)}.\n\n"
        "![Speedups of the paper and of the model](figures/recnmp.png)\n",
    )
    sweep = [
        "",
        "## What the paper does not publish",
        "",
        "Each line changes one parameter of the set that all figures share. Columns are speedups, and the memory "
        "energy saved in percent; an empty cell cannot change.",
        "",
        *sweep_table([row for row in swept if row.quantity not in SILICON]),
        "",
        "Area in mm2 and power in mW of the unit of one DIMM, every part busy:",
        "",
        *sweep_table([row for row in swept if row.quantity in SILICON]),
    ]
    PAGE.write_text(page + "\n".join(sweep) + "\n", encoding="utf-8")
    print(f"pages: {PAGE}, {CONTRACT}, picture: {PICTURE}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--tables"]:
        renew_contract([*table2(expected()), *axdimm(expected())])
    else:
        main()
