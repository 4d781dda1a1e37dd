"""Options and output of commands about objectives and Pareto fronts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

#: Points of a Pareto front that are shown without --json.
_SHOWN_POINTS = 30

MinimiseOption = Annotated[
    list[str] | None,
    typer.Option(
        "--minimise",
        "--minimize",
        metavar="METRIC",
        help="Less of this is better: a metric, or arithmetic over columns, such as 'edp = time_ns * energy_nj'. "
        "Repeatable.",
    ),
]
MaximiseOption = Annotated[
    list[str] | None,
    typer.Option(
        "--maximise", "--maximize", metavar="METRIC", help="More of this is better; likewise. Repeatable."
    ),
]
ConstraintOption = Annotated[
    list[str] | None,
    typer.Option(
        "--constraint",
        metavar="CONDITION",
        help="Only designs for which this holds, such as 'area_mm2 < 1.0'. Repeatable: all must hold.",
    ),
]
PictureOption = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Draw the picture (.png, .svg, .pdf); must not exist yet."),
]


def goals_of(minimise: list[str] | None, maximise: list[str] | None) -> list[str]:
    """Return objectives as `archsim.studies.objectives` reads them."""
    return [
        *(f"minimise {text}" for text in minimise or ()),
        *(f"maximise {text}" for text in maximise or ()),
    ]


def front_document(front: Any) -> dict[str, Any]:
    """Return what ``--json`` prints of a Pareto front."""
    return {
        "objectives": [
            {
                "name": each.name,
                "unit": each.unit,
                "maximise": each.maximise,
                "expression": each.expression.text,
            }
            for each in front.objectives
        ],
        "points": front.rows,
        "beaten": len(front.others),
        "infeasible": front.infeasible,
        "without_value": front.empty,
        "hypervolume": front.hypervolume,
    }


def front_lines(front: Any) -> list[str]:
    """Return a Pareto front as a table, below what it is of."""
    from archsim.tables import align

    names = [name for name in front.rows[0] if name != "point_id"]
    shown = front.rows[:_SHOWN_POINTS]
    rows = [
        ["point", *names],
        *([row["point_id"][:12], *(_cell(row[name]) for name in names)] for row in shown),
    ]
    parts = [f"{len(front.rows):,} that no other beats", f"{len(front.others):,} beaten"]
    parts += [f"{front.infeasible:,} outside the constraints"] if front.infeasible else []
    parts += [f"{front.empty:,} without a value"] if front.empty else []
    lines = [", ".join(each.label for each in front.objectives), f"points: {', '.join(parts)}"]
    if front.hypervolume is not None:
        share = f"{100 * front.hypervolume:.1f}%"
        lines.append(f"the front dominates {share} of the box between the best and the worst values")
    more = (
        [f"... {len(front.rows) - len(shown):,} more; --json has all"] if len(shown) < len(front.rows) else []
    )
    return [*lines, "", *align(rows), *more]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
