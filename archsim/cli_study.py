"""The commands ``archsim study ...``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.cli_options import CONTEXT, JsonOption, StudyArgument

if TYPE_CHECKING:
    import pyarrow as pa

study_app = typer.Typer(
    context_settings=CONTEXT,
    rich_markup_mode=None,
    help="Look into, merge and export studies.",
)


@study_app.callback(invoke_without_command=True)
def _study_root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@study_app.command(
    epilog="""\b
Examples:
  archsim study info my-study
  archsim study info my-study --json
"""
)
def info(study: StudyArgument, as_json: JsonOption = False) -> None:
    """Show how far a study is, its axes and points."""
    from archsim.studies.study import open_study

    opened = open_study(study)
    if as_json:
        print(json.dumps(_info(opened), indent=2))
        return
    print(opened)
    failed = opened.to_arrow("error", status="failed")["error"].to_pylist() if opened.counts["failed"] else []
    for error in list(dict.fromkeys(failed))[:5]:
        print(f"failed: {error}")
    print(f"\ncode {opened.definition.code_version}, digest {opened.digest()}")


@study_app.command(
    epilog="""\b
Examples:
  archsim study query my-study "SELECT system, min(time_ns) FROM points
      GROUP BY system"
  archsim study query my-study --csv 'SELECT "nmp.cache.size_bytes",
      avg(energy_nj) FROM points GROUP BY ALL'
"""
)
def query(
    study: StudyArgument,
    sql: Annotated[
        str,
        typer.Argument(
            metavar="SQL",
            show_default=False,
            help='A query in the SQL of DuckDB; the table is points, names with dots need "double quotes".',
        ),
    ],
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Ask a study in SQL; nothing is changed."""
    from archsim.errors import InputError
    from archsim.studies.query import query_table
    from archsim.studies.study import open_study

    if as_json and as_csv:
        raise InputError("--json: goes without --csv")
    found = query_table(open_study(study), sql)
    if as_json:
        from archsim.studies.text import json_rows

        print(json.dumps(json_rows(found), indent=2))
    elif as_csv:
        sys.stdout.write(_csv(found).decode("utf-8"))
    else:
        from archsim.studies.text import table_text

        print(table_text(found))


@study_app.command(
    epilog="""\b
Examples:
  archsim study merge monday tuesday --out both
"""
)
def merge(
    studies: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", show_default=False, help="Studies, which stay as they are."),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", show_default=False, help="The new study; must not exist yet."),
    ],
    mixed_versions: Annotated[
        bool,
        typer.Option(
            "--mixed-versions",
            help="Take studies of different versions of the code; the column code_version tells them apart.",
        ),
    ] = False,
) -> None:
    """Put the points of several studies into a new one."""
    from archsim.studies.merge import merge_studies

    print(merge_studies(studies, out, mixed_versions=mixed_versions))


@study_app.command(
    epilog="""\b
Examples:
  archsim study export my-study points.csv
  archsim study export my-study points.parquet --status all
  archsim study export my-study points.csv \\
      --columns system,nmp.cache.size,time_ns
"""
)
def export(
    study: StudyArgument,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", show_default=False, help=".csv or .parquet; must not exist yet."),
    ],
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="NAME,...", help="Columns, or paths of axes. Default: all."),
    ] = None,
    status: Annotated[
        str, typer.Option("--status", metavar="NAME", help="done, failed, timeout or all.")
    ] = "done",
) -> None:
    """Write the points of a study as one file."""
    from archsim.errors import InputError, counted
    from archsim.files import check_new, new_file
    from archsim.studies.study import open_study

    if file.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(f"{file}: must end in .csv or .parquet")
    check_new(file)
    names = None if columns is None else [name.strip() for name in columns.split(",")]
    table = open_study(study).to_arrow(names, status=None if status == "all" else status)
    with new_file(file) as target:
        if file.suffix.lower() == ".csv":
            target.write_bytes(_csv(table))
        else:
            import pyarrow.parquet as pq

            pq.write_table(table, target, compression="zstd")
    print(f"{counted(table.num_rows, 'point')}: {file}", file=sys.stderr)


def _csv(table: pa.Table) -> bytes:
    import pyarrow as pa
    from pyarrow import csv

    stream = pa.BufferOutputStream()
    csv.write_csv(table, stream)
    content: bytes = stream.getvalue().to_pybytes()
    return content


def _info(study: Any) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    definition = study.definition
    return {
        "path": str(study.path),
        "code_version": definition.code_version,
        "archsim_version": definition.archsim_version,
        "created": definition.created,
        "points": study.counts,
        "systems": list(
            dict.fromkeys(each["name"] for sweep in definition.sweeps for each in sweep["systems"])
        ),
        "traces": list(
            dict.fromkeys(each["name"] for sweep in definition.sweeps for each in sweep["traces"])
        ),
        "axes": {column: list(values) for column, values in study.axes.items()},
        "metrics": list(study.metrics),
        "digest": study.digest(),
    }
