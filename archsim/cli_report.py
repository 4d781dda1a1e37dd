"""The command ``archsim report``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from archsim.cli_options import JsonOption

REPORT_EXAMPLES = """\b
Examples:
  archsim report my-study
  archsim report my-study --out caches.html --json
  archsim report my-study --force
  archsim report my-report

The file loads nothing from anywhere: it can be mailed, kept, and opened without a network. The plot of a study needs
the extra `report` when the file is written (pip install 'archsim[report]'); without it the file has everything else.
"""


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            show_default=False,
            help="What `archsim replay --out` or `archsim sweep --out` made.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="The file to write; must not exist yet. Default: DIR/report.html."
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace the file when it is there; until then it stays as it was."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML file of a report folder or a study.

    It holds tables, pictures, configuration and origin and, of a study, all points to sort, filter and plot.
    """
    import sys

    from archsim.errors import InputError
    from archsim.report.html import write_html

    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{out}: must end in .html")
    written = write_html(folder, out, replace=force)
    if as_json:
        print(json.dumps(written.to_dict(), indent=2))
    else:
        print(f"{written.path}: {written.size_bytes / 1e6:.2f} MB")
    if written.kind == "study" and written.points and not written.interactive:
        print(
            f"{written.path}: has no plot to change; that needs plotly: pip install 'archsim[report]'",
            file=sys.stderr,
        )
