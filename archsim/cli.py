"""The command line: thin. Heavy modules are imported inside the commands, so that ``--help`` answers at once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from archsim import __version__
from archsim.cli_cache import CACHE_EXAMPLES, cache
from archsim.cli_check import CHECK_EXAMPLES, check
from archsim.cli_model import MODEL_EXAMPLES, model
from archsim.cli_optimize import OPTIMIZE_EXAMPLES, optimize
from archsim.cli_options import (
    CONTEXT,
    DEFAULT_SYSTEMS,
    BytesOption,
    CopiesOption,
    DesignOption,
    FormatOption,
    JsonOption,
    LimitOption,
    OrderOption,
    RowsOption,
    SetOption,
    TraceArgument,
    WithOption,
    duration_ns,
    open_models,
    positive,
    progress_bar,
)
from archsim.cli_study import study_app
from archsim.cli_study_views import add_views
from archsim.cli_sweep import SWEEP_EXAMPLES, sweep
from archsim.cli_trace import trace_app
from archsim.errors import InputError
from archsim.exits import run_to_exit

#: How many commands `archsim replay --commands` writes when no limit is given.
DEFAULT_COMMANDS = 1_000_000

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
    help="What would this hardware do with this access trace? In clocks, nanoseconds and joules.",
    epilog="""\b
Examples:
  archsim replay preset:zipf
  archsim trace info my-trace.npz
  archsim cache my-trace.npz --curve
  archsim replay my-trace.npz --system host-8rank --set dram.timing.tRCD=16
""",
)
app.add_typer(trace_app, name="trace")
add_views(study_app)
app.add_typer(study_app, name="study")


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
  archsim replay my-trace --copies 4 --set placement.seed=2
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
    design: DesignOption = None,
    limit: LimitOption = None,
    format_: FormatOption = None,
    rows: RowsOption = None,
    vector_bytes: BytesOption = None,
    order: OrderOption = None,
    with_: WithOption = None,
    copies: CopiesOption = None,
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
    commands: Annotated[
        Path | None,
        typer.Option(
            "--commands",
            metavar="FILE",
            help="Write the DRAM commands of the one system (.csv, .csv.gz or .parquet); `archsim check` reads them.",
        ),
    ] = None,
    commands_limit: Annotated[
        int | None,
        typer.Option(
            "--commands-limit",
            metavar="N",
            parser=positive,
            help=f"Only the first N commands (RecNMP: per rank). Default: {DEFAULT_COMMANDS:,}.",
        ),
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(
            "--interval",
            metavar="TIME",
            parser=duration_ns,
            help="Add time series with intervals of this length, e.g. 1us, to the report folder of --out.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Replay one trace through one or more systems and compare them."""
    _check_targets({"--out": out, "--timeline": timeline, "--commands": commands})
    _check_extras(out, commands, interval, len(system or DEFAULT_SYSTEMS))
    workload, hardware = _split_overrides(overrides or [])
    from archsim.nmp.design_files import load_design
    from archsim.peers.several import load_systems

    for file in design or []:
        load_design(file)
    systems = load_systems(system or list(DEFAULT_SYSTEMS), hardware)
    from archsim.report.trace_text import note_lines
    from archsim.result import compare
    from archsim.simulation import check_suits, simulate
    from archsim.traces import AddressTrace

    reading = {"format": format_, "rows": rows, "vector_bytes": vector_bytes, "order": order, "limit": limit}
    opened = open_models([trace, *(with_ or [])], copies or 1, workload, reading)
    for spec in systems:
        check_suits(spec, opened)
    commands_limit = commands_limit or DEFAULT_COMMANDS
    log_limit = 0 if commands is None else commands_limit
    if timeline is not None:
        from archsim.report.timeline import TIMELINE_COMMANDS

        log_limit = max(log_limit, TIMELINE_COMMANDS)
    entries = (opened.requests, "request") if isinstance(opened, AddressTrace) else (opened.lookups, "lookup")
    with progress_bar(entries[0] * len(systems), entries[1]) as advance:
        comparison = compare(
            [
                simulate(spec, opened, log_limit=log_limit, interval_ns=interval, progress=advance)
                for spec in systems
            ]
        )
    try:
        _write(comparison, out, timeline)
        if commands is not None:
            _write_commands(comparison.results[0], commands, commands_limit)
    finally:
        # A disk that is full costs the files, not the answer.
        print(comparison.to_json() if as_json else "\n".join([comparison.table(), *note_lines(opened.notes)]))


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


app.command(epilog=CACHE_EXAMPLES)(cache)


app.command(epilog=CHECK_EXAMPLES)(check)


app.command(epilog=MODEL_EXAMPLES)(model)


app.command(epilog=SWEEP_EXAMPLES)(sweep)


app.command(epilog=OPTIMIZE_EXAMPLES)(optimize)


@app.command(
    epilog="""\b
Examples:
  archsim validate                      everything there is to compare with
  archsim validate dram --json
  archsim validate hardware --plot curves.png
  archsim validate recnmp
  archsim validate traces
"""
)
def validate(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", show_default=False, help="dram, hardware, recnmp, traces; default: all."
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


def _check_targets(targets: dict[str, Path | None]) -> None:
    """Refuse what cannot be written, before any work is done for it."""
    from archsim.files import check_new

    taken: dict[Path, tuple[str, Path]] = {}
    for option, target in targets.items():
        if target is None:
            continue
        check_new(target)
        other, name = taken.setdefault(target.absolute(), (option, target))
        if other != option:
            raise InputError(f"{name}: {other} and {option} need different names")


def _check_extras(out: Path | None, commands: Path | None, interval: float | None, systems: int) -> None:
    """Refuse options that would have no effect."""
    if commands is not None:
        from archsim.dram.command_log import check_name

        check_name(commands)
        if systems != 1:
            raise InputError(f"--commands {commands}: needs one --system, not {systems}")
    if interval is not None and out is None:
        raise InputError("--interval: needs --out, where the time series go")


def _write(comparison: Any, out: Path | None, timeline: Path | None) -> None:
    if out is not None:
        from archsim.report.folder import write_report

        write_report(comparison, out)
        print(f"report: {out}", file=sys.stderr)
    if timeline is not None:
        from archsim.report.timeline import write_timeline

        write_timeline(comparison, timeline)
        print(f"timeline: {timeline}", file=sys.stderr)


def _write_commands(result: Any, path: Path, limit: int) -> None:
    from archsim.dram.command_log import write_commands

    # RecNMP keeps a limit per rank; the timeline may have asked for more.
    ranks = 1 if result.nmp is None else len(result.ranks)
    kept = result.commands[:, : limit * ranks]
    write_commands(result.system.dram, kept, path)
    issued = sum(result.counts[name] for name in ("act", "pre", "rd", "wr", "ref", "prea", "refb"))
    print(f"commands: {path}, {kept.shape[1]:,} of {issued:,}", file=sys.stderr)


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
