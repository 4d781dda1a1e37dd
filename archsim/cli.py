"""The command line: thin. Heavy modules are imported inside the commands, so that ``--help`` answers at once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from archsim import __version__
from archsim.errors import InputError
from archsim.exits import run_to_exit

#: What `archsim replay` compares when no --system is given.
DEFAULT_SYSTEMS = ("host-8rank", "recnmp-base-8rank")
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_CONTEXT,
    help="What would this hardware do with this access trace? In clocks, nanoseconds and joules.",
    epilog="""\b
Examples:
  archsim replay preset:zipf
  archsim trace info my-trace.npz
  archsim replay my-trace.npz --system host-8rank --set dram.timing.tRCD=16
""",
)
trace_app = typer.Typer(rich_markup_mode=None, context_settings=_CONTEXT, help="Make and inspect traces.")
app.add_typer(trace_app, name="trace")


def _positive(text: str) -> int:
    """Read the value of an option that counts something."""
    shown = repr(text if len(text) <= 40 else f"{text[:37]}...")
    try:
        number = int(text)
    except ValueError:
        raise typer.BadParameter(f"{shown} is not a whole number") from None
    if number < 1:
        raise typer.BadParameter(f"{shown} must be at least 1")
    return number


TraceArgument = Annotated[
    str,
    typer.Argument(
        metavar="TRACE",
        show_default=False,
        help="A trace file or folder (detected by content), or preset:NAME for a generated one.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override a parameter by its path in the preset file, e.g. dram.timing.tRCD=16; "
        "workload.NAME=VALUE changes a generated trace. Repeatable.",
    ),
]
FormatOption = Annotated[
    str | None, typer.Option("--format", metavar="NAME", help="Trace format, where content does not tell.")
]
RowsOption = Annotated[
    int | None,
    typer.Option(
        "--rows",
        metavar="N",
        parser=_positive,
        help="Rows of each table, for formats that do not say (default: largest + 1).",
    ),
]
BytesOption = Annotated[
    int | None,
    typer.Option(
        "--vector-bytes",
        metavar="N",
        parser=_positive,
        help="Bytes of a vector, for formats that do not say (default: 128).",
    ),
]
OrderOption = Annotated[
    str | None,
    typer.Option("--order", metavar="ORDER", help="Sort the bags: sample-major or table-major."),
]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", parser=_positive, help="Only the first N lookups."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        raise typer.Exit(_print_version())
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(
    epilog="""\b
Examples:
  archsim replay preset:zipf --set workload.rows=100000 --out report
  archsim replay bags.txt.gz --rows 1000000 --system my-system.toml --json
  archsim replay my-trace --set nmp.poolings_per_packet=4 --timeline x.json.gz
"""
)
def replay(
    trace: TraceArgument,
    system: Annotated[
        list[str] | None,
        typer.Option(
            "--system",
            metavar="NAME|FILE",
            help="System preset (see `archsim show system`), .toml file, dramsim3:FILE.ini or ramulator2:FILE.yaml. "
            f"Repeatable; speedups are against the first. Default: {' and '.join(DEFAULT_SYSTEMS)}.",
        ),
    ] = None,
    overrides: SetOption = None,
    limit: LimitOption = None,
    format_: FormatOption = None,
    rows: RowsOption = None,
    vector_bytes: BytesOption = None,
    order: OrderOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write a report folder; must not exist yet.")
    ] = None,
    timeline: Annotated[
        Path | None,
        typer.Option(
            "--timeline",
            metavar="FILE",
            help="Write the first DRAM commands as a Chrome trace (.json or .json.gz) for ui.perfetto.dev.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Replay one trace through one or more systems and compare them."""
    _check_targets(out, timeline)
    workload, hardware = _split_overrides(overrides or [])
    from archsim.peers import load_system

    systems = _load_systems(system or list(DEFAULT_SYSTEMS), hardware, load_system)
    from archsim.report.trace_text import note_lines
    from archsim.result import compare
    from archsim.simulation import simulate
    from archsim.traces import open_trace

    lookups = open_trace(
        trace,
        format=format_,
        rows=rows,
        vector_bytes=vector_bytes,
        order=order,
        limit=limit,
        overrides=workload,
    )
    log_limit = 0
    if timeline is not None:
        from archsim.report.timeline import TIMELINE_COMMANDS

        log_limit = TIMELINE_COMMANDS
    with _progress(lookups.lookups * len(systems)) as advance:
        comparison = compare(
            [simulate(spec, lookups, log_limit=log_limit, progress=advance) for spec in systems]
        )
    try:
        _write(comparison, out, timeline)
    finally:
        # A disk that is full costs the files, not the answer.
        print(
            comparison.to_json() if as_json else "\n".join([comparison.table(), *note_lines(lookups.notes)])
        )


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
    trace = open_trace(preset, overrides=[text.removeprefix("workload.") for text in overrides or []])
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

    opened = open_trace(trace, format=format_, rows=rows, vector_bytes=vector_bytes, order=order, limit=limit)
    opened.validate()
    info = describe(opened)
    print(json.dumps(info, indent=2) if as_json else "\n".join(info_lines(info)))


@app.command(
    epilog="""\b
Examples:
  archsim show                          all presets, by kind
  archsim show system host-8rank        its parameters, as --set takes them
"""
)
def show(
    kind: Annotated[
        str | None, typer.Argument(metavar="KIND", show_default=False, help="system, dram, workload, ...")
    ] = None,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", show_default=False, help="A preset of that kind.")
    ] = None,
) -> None:
    """List presets; of one, all parameters."""
    from archsim import show as presets

    if kind is None:
        for each in presets.kinds():
            print(f"{each}: {', '.join(presets.names(each))}")
    elif name is None:
        print("\n".join(presets.names(kind)))
    else:
        print("\n".join(presets.lines(kind, name)))


@app.command(
    epilog="""\b
Examples:
  archsim validate                      everything there is to compare with
  archsim validate dram --json
"""
)
def validate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", show_default=False, help="dram; default: all.")
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
    as_json: JsonOption = False,
) -> None:
    """Compare with published and measured figures."""
    from archsim.files import check_new, new_file
    from archsim.validate import NAMES, page
    from archsim.validate import validate as rows_of

    if write is not None:
        check_new(write)
    rows = list(rows_of(names or (), data))
    print(
        json.dumps({"rows": [row.to_dict() for row in rows]}, indent=2) if as_json else page.text_table(rows)
    )
    if write is not None:
        with new_file(write) as file:
            file.write_text(page.markdown_page(rows, names or list(NAMES)), encoding="utf-8")
    if any(row.holds is False for row in rows):
        raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Show what is installed, and how fast it is."""
    from archsim.doctor import report

    for line in report():
        print(line, flush=True)


def _split_overrides(overrides: list[str]) -> tuple[list[str], list[str]]:
    """Separate ``workload.`` overrides, with that prefix removed, from those of systems."""
    prefix = "workload."
    workload = [text.removeprefix(prefix) for text in overrides if text.startswith(prefix)]
    return workload, [text for text in overrides if not text.startswith(prefix)]


def _load_systems(names: list[str], overrides: list[str], load: Any) -> list[Any]:
    """Load systems; ``nmp.`` overrides go to those that have near-memory units, if any does."""
    plain = [text for text in overrides if not text.startswith("nmp.")]
    systems = [load(name, plain) for name in names]
    if len(plain) == len(overrides):
        return systems
    if all(spec.nmp is None for spec in systems):
        first = next(text for text in overrides if text.startswith("nmp."))
        raise InputError(f"--set {first}: none of the systems has near-memory units: {', '.join(names)}")
    return [
        spec if spec.nmp is None else load(name, overrides) for name, spec in zip(names, systems, strict=True)
    ]


def _check_targets(out: Path | None, timeline: Path | None) -> None:
    """Refuse what cannot be written, before any work is done for it."""
    from archsim.files import check_new

    for target in (out, timeline):
        if target is not None:
            check_new(target)
    if out is not None and timeline is not None and out.absolute() == timeline.absolute():
        raise InputError(f"{out}: --out and --timeline need different names")


def _write(comparison: Any, out: Path | None, timeline: Path | None) -> None:
    if out is not None:
        from archsim.report.folder import write_report

        write_report(comparison, out)
        print(f"report: {out}", file=sys.stderr)
    if timeline is not None:
        from archsim.report.timeline import write_timeline

        write_timeline(comparison, timeline)
        print(f"timeline: {timeline}", file=sys.stderr)


class _progress:  # noqa: N801  (used like a function)
    """A progress bar on standard error for work over two seconds, when that is a terminal."""

    def __init__(self, total: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=total, unit="lookup", unit_scale=True, delay=2, disable=None, leave=False, file=sys.stderr
        )

    def __enter__(self) -> Any:
        return self._bar.update

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def main() -> None:
    """Run the command line; bad input is one line on standard error and exit status 2."""
    run_to_exit(lambda: _run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    """Run a command without typer's own handling of interrupts, pipes and errors, which differs by version."""
    if arguments == ["--version"]:  # recent typer loads pydantic to read a flag
        return _print_version()
    try:
        command = typer.main.get_command(app)
        with command.make_context("archsim", arguments) as context:
            command.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    return 0


def _print_version() -> int:
    print(f"archsim {__version__}")
    return 0
