"""The commands of ``archsim trace``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from archsim.cli_options import (
    CONTEXT,
    BytesOption,
    FormatOption,
    JsonOption,
    LimitOption,
    OrderOption,
    RowsOption,
    TraceArgument,
)

trace_app = typer.Typer(rich_markup_mode=None, context_settings=CONTEXT, help="Make and inspect traces.")


@trace_app.callback(invoke_without_command=True)
def _trace_root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@trace_app.command(
    "generate",
    epilog="""\b
Example:
  archsim trace generate preset:zipf --set lookups=1000000 --out my-trace
""",
)
def trace_generate(
    preset: Annotated[
        str,
        typer.Argument(
            metavar="PRESET", show_default=False, help="preset:NAME, see `archsim show workload`."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for the native trace.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Override a parameter of `archsim show workload NAME`, e.g. lookups=1000000. Repeatable.",
        ),
    ] = None,
) -> None:
    """Generate a trace and write it in the native format."""
    from archsim.files import check_new
    from archsim.traces import open_trace, write_native

    check_new(out)
    if not preset.startswith("preset:"):
        preset = f"preset:{preset}"
    trace = open_trace(
        preset, kind="lookups", overrides=[text.removeprefix("workload.") for text in overrides or []]
    )
    write_native(trace, out)
    print(f"{out}: {trace.lookups:,} lookups in {trace.bags:,} bags, sha256 {trace.sha256[:12]}")


@trace_app.command(
    "info",
    epilog="""\b
Examples:
  archsim trace info my-trace
  archsim trace info bags.txt --vector-bytes 64 --json
""",
)
def trace_info(
    trace: TraceArgument,
    limit: LimitOption = None,
    format_: FormatOption = None,
    rows: RowsOption = None,
    vector_bytes: BytesOption = None,
    order: OrderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check all of a trace; show tables and reuse."""
    from archsim.report.trace_text import info_lines
    from archsim.traces import open_trace
    from archsim.traces import trace_info as describe

    opened = open_trace(
        trace, kind="lookups", format=format_, rows=rows, vector_bytes=vector_bytes, order=order, limit=limit
    )
    opened.validate()
    info = describe(opened)
    print(json.dumps(info, indent=2) if as_json else "\n".join(info_lines(info)))
