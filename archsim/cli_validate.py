"""The command ``archsim validate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from archsim.cli_options import JsonOption
from archsim.errors import InputError

VALIDATE_EXAMPLES = """\b
Examples:
  archsim validate                      everything there is to compare with
  archsim validate analog
  archsim validate dram --json
  archsim validate hardware --plot curves.png
  archsim validate multipliers
  archsim validate recnmp
  archsim validate traces
"""


def validate(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            show_default=False,
            help="analog, dram, hardware, multipliers, recnmp, traces; default: all.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR", help="Folder of public traces that archsim does not bring along."
        ),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FILE", help="Write a page (Markdown); must not exist yet."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw the curves of `hardware` (.png, .svg, .pdf); must not exist yet.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare with published and measured figures."""
    from archsim.files import check_new, new_file
    from archsim.validate import NAMES, assumptions, page
    from archsim.validate import validate as rows_of

    for path in (write, plot):
        if path is not None:
            check_new(path)
    if plot is not None and names and "hardware" not in names:
        raise InputError("--plot: draws the curves of hardware; add that name")
    kind = plot.suffix.lower().lstrip(".") if plot is not None else ""
    if plot is not None and kind not in ("png", "svg", "pdf"):
        raise InputError(f"{plot}: must end in .png, .svg or .pdf")
    rows = list(rows_of(names or (), data))
    assumed = assumptions(names or ())
    if as_json:
        print(json.dumps({"rows": [row.to_dict() for row in rows], "assumptions": assumed}, indent=2))
    else:
        print("\n".join([*(f"assumed: {line}" for line in assumed), page.text_table(rows)]))
    if plot is not None:
        from archsim.report.curves import plot_curves
        from archsim.validate import hardware, hardware_run

        with new_file(plot) as file:
            plot_curves(
                hardware.measured(), hardware.family().curves, hardware_run.PEAK_GBPS, file, kind=kind
            )
    if write is not None:
        with new_file(write) as file:
            file.write_text(page.markdown_page(rows, names or list(NAMES), assumed), encoding="utf-8")
    if any(row.holds is False for row in rows):
        raise typer.Exit(1)
