"""The commands ``archsim study pareto``, ``sensitivity`` and ``plot``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.cli_fronts import (
    ConstraintOption,
    MaximiseOption,
    MinimiseOption,
    PictureOption,
    front_document,
    front_lines,
    goals_of,
)
from archsim.cli_options import JsonOption, StudyArgument

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PARETO_EXAMPLES = """\b
Examples:
  archsim study pareto my-study --minimise time_ns --minimise energy_nj --plot front.pdf
  archsim study pareto my-study --minimise time_ns --maximise cache_hit_ratio --constraint 'area_mm2 < 2.0'
  archsim study pareto my-study --minimise 'edp = time_ns * energy_nj' --minimise area_mm2 --json

Of a folder that `archsim optimize` made, objectives and constraints are those of the search unless others are given.
"""

SENSITIVITY_EXAMPLES = """\b
Examples:
  archsim study sensitivity my-study --metric time_ns --plot sensitivity.pdf
  archsim study sensitivity my-study --metric energy_nj --base nmp.cache.size=64KiB --base dram.timing.tRCD=16
"""

PLOT_EXAMPLES = """\b
Examples:
  archsim study plot my-study --x nmp.cache.size --y time_ns --by system --out sweep.pdf
  archsim study plot my-study --x nmp.cache.size --by nmp.poolings_per_packet --y time_ns --kind heat --out heat.png
  archsim study plot my-study --x time_ns --y energy_nj --kind pareto --out pareto.svg
"""


def add_views(app: typer.Typer) -> None:
    """Add the commands to those of ``archsim study``."""
    app.command(epilog=PARETO_EXAMPLES)(pareto)
    app.command(epilog=SENSITIVITY_EXAMPLES)(sensitivity)
    app.command(epilog=PLOT_EXAMPLES)(plot)


def pareto(
    study: StudyArgument,
    minimise: MinimiseOption = None,
    maximise: MaximiseOption = None,
    constraint: ConstraintOption = None,
    plot: PictureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the points of a study that no other beats."""
    from archsim.studies.pareto import front_of_study
    from archsim.studies.study import open_study

    _check_picture(plot)
    goals = goals_of(minimise, maximise)
    front = front_of_study(open_study(study), goals or None, constraint)
    if plot is not None:
        from archsim.report.search_plots import plot_front

        _save(plot_front(front), plot)
    print(json.dumps(front_document(front), indent=2) if as_json else "\n".join(front_lines(front)))


def sensitivity(
    study: StudyArgument,
    metric: Annotated[
        str, typer.Option("--metric", metavar="METRIC", help="A metric, or arithmetic over columns.")
    ] = "time_ns",
    base: Annotated[
        list[str] | None,
        typer.Option(
            "--base",
            metavar="PATH=VALUE",
            help="Also how far the metric gets from this point when one axis changes; a value for each axis. "
            "Repeatable.",
        ),
    ] = None,
    plot: PictureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how strongly a metric depends on each axis of a study."""
    from archsim.errors import InputError
    from archsim.studies.sensitivity import sensitivity_of
    from archsim.studies.study import open_study

    _check_picture(plot)
    point: dict[str, str] = {}
    for text in base or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--base {text}: must be PATH=VALUE")
        point[name.strip()] = value.strip()
    found = sensitivity_of(open_study(study), metric, point if base else None)
    if plot is not None:
        from archsim.report.search_plots import plot_sensitivity

        _save(plot_sensitivity(found), plot)
    if as_json:
        document = {
            "metric": found.metric.name,
            "unit": found.metric.unit,
            "rows": found.rows,
            "notes": found.notes,
        }
        print(json.dumps(document, indent=2, allow_nan=False))
        return
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    print("\n".join(_sensitivity_lines(found)))


def plot(
    study: StudyArgument,
    x: Annotated[
        str,
        typer.Option("--x", metavar="AXIS", show_default=False, help="An axis; of pareto a metric."),
    ],
    y: Annotated[str, typer.Option("--y", metavar="METRIC", show_default=False, help="A metric.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            show_default=False,
            help="The picture (.png, .svg, .pdf); must not exist yet.",
        ),
    ],
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="AXIS",
            help="Draw the values of this axis apart; of heat the second axis. Repeatable. Default: system and trace.",
        ),
    ] = None,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="lines, bars, heat or pareto.")
    ] = "lines",
) -> None:
    """Draw a study as lines, bars, a heat map or a front."""
    from archsim.files import check_new
    from archsim.report.study_plots import plot_study
    from archsim.studies.study import open_study

    check_new(out)
    plot_study(open_study(study), x, y, by or None, kind, out)


def _check_picture(path: Path | None) -> None:
    """Refuse a picture that cannot be written, before any work is done for it."""
    if path is not None:
        from archsim.files import check_new
        from archsim.report.style import picture_kind

        picture_kind(path)
        check_new(path)


def _save(picture: Axes | Figure, path: Path) -> None:
    from archsim.files import new_file
    from archsim.report.style import picture_kind, save

    with new_file(path) as file:
        save(picture, file, kind=picture_kind(path))


def _sensitivity_lines(found: Any) -> list[str]:
    from archsim.tables import align

    head = found.metric.name + (f" ({found.metric.unit})" if found.metric.unit else "")
    named = [name for name in ("code_version", "trace", "system") if name in found.rows[0]]
    based = "least_percent" in found.rows[0]
    titles = ["axis", *named, "values", "alone", "with others", "per doubling", "R2 of fit"]
    rows = [[*titles, *(["least", "at", "greatest", "at"] if based else [])]]
    for row in found.rows:
        cells = [row["axis"], *(str(row[name]) for name in named), str(row["values"])]
        cells += [_percent(row["first_order"], 100), _percent(row["total"], 100)]
        cells += [_signed(row["percent_per_doubling"]), _percent(row["fit_r2"], 100)]
        if based:
            cells += [_signed(row["least_percent"]), row["least_at"] or "-"]
            cells += [_signed(row["greatest_percent"]), row["greatest_at"] or "-"]
        rows.append(cells)
    what = "share of its variance that each axis explains, and its change when the axis doubles"
    return [f"{head}: {what}", "", *align(rows)]


def _percent(value: float | None, factor: float) -> str:
    return "-" if value is None else f"{factor * value:.1f}%"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 2) + 0.0:+.2f}%"  # no -0.00
