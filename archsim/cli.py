"""The command line: thin. Heavy modules are imported inside the commands, so that ``--help`` answers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from archsim import __version__
from archsim.cli_adc import ADC_EXAMPLES, adc
from archsim.cli_axtrain import AXTRAIN_EXAMPLES, axtrain
from archsim.cli_cache import CACHE_EXAMPLES, cache
from archsim.cli_check import CHECK_EXAMPLES, check
from archsim.cli_cite import CITE_EXAMPLES, cite
from archsim.cli_heat import HEAT_EXAMPLES, heat
from archsim.cli_model import MODEL_EXAMPLES, model
from archsim.cli_multiplier import MULTIPLIER_EXAMPLES, multiplier
from archsim.cli_optimize import OPTIMIZE_EXAMPLES, optimize
from archsim.cli_options import (
    CONTEXT,
    DEFAULT_COMMANDS,
    DEFAULT_EVENTS,
    DEFAULT_SYSTEMS,
    BytesOption,
    CommandsLimitOption,
    CommandsOption,
    CopiesOption,
    DesignOption,
    FormatOption,
    JsonOption,
    LimitOption,
    OrderOption,
    PacketsLimitOption,
    PacketsOption,
    RowsOption,
    SetOption,
    TimelineLimitOption,
    TimelineOption,
    TraceArgument,
    WithOption,
    duration_ns,
    open_models,
    packet_log,
    progress_bar,
    timeline_events,
)
from archsim.cli_report import REPORT_EXAMPLES, report
from archsim.cli_sensor import SENSOR_EXAMPLES, sensor
from archsim.cli_study import study_app
from archsim.cli_study_views import add_views
from archsim.cli_sweep import SWEEP_EXAMPLES, sweep
from archsim.cli_thermal import THERMAL_EXAMPLES, thermal
from archsim.cli_trace import trace_app
from archsim.cli_validate import VALIDATE_EXAMPLES, validate
from archsim.errors import InputError
from archsim.exits import run_to_exit

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
    timeline: TimelineOption = None,
    timeline_limit: TimelineLimitOption = None,
    commands: CommandsOption = None,
    commands_limit: CommandsLimitOption = None,
    packets: PacketsOption = None,
    packets_limit: PacketsLimitOption = None,
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
    _check_targets({"--out": out, "--timeline": timeline, "--commands": commands, "--packets": packets})
    _check_extras(out, commands, packets, interval, len(system or DEFAULT_SYSTEMS))
    if timeline is not None:
        from archsim.report.timeline import check_name

        check_name(timeline)
    shown = timeline_events(timeline, timeline_limit, len(system or DEFAULT_SYSTEMS))
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
    logs: dict[str, Any] = {"log_limit": shown, "log_total": shown}  # a command log is of each rank
    if commands is not None:
        logs = {"log_limit": max(shown, commands_limit)}
    entries = (opened.requests, "request") if isinstance(opened, AddressTrace) else (opened.lookups, "lookup")
    total = entries[0] * len(systems), entries[1]
    with packet_log(packets, packets_limit) as log, progress_bar(*total) as advance:
        extras: dict[str, Any] = {**logs, "interval_ns": interval, "progress": advance, "packets": log}
        comparison = compare([simulate(spec, opened, **extras) for spec in systems])
    try:
        _write(comparison, out, timeline, timeline_limit or DEFAULT_EVENTS)
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


app.command(epilog=AXTRAIN_EXAMPLES)(axtrain)


app.command(epilog=CACHE_EXAMPLES)(cache)


app.command(epilog=CHECK_EXAMPLES)(check)


app.command(epilog=MODEL_EXAMPLES)(model)


app.command(epilog=MULTIPLIER_EXAMPLES)(multiplier)
app.command(epilog=ADC_EXAMPLES)(adc)


app.command(epilog=THERMAL_EXAMPLES)(thermal)


app.command(epilog=HEAT_EXAMPLES)(heat)


app.command(epilog=SENSOR_EXAMPLES)(sensor)


app.command(epilog=SWEEP_EXAMPLES)(sweep)


app.command(epilog=OPTIMIZE_EXAMPLES)(optimize)


app.command(epilog=REPORT_EXAMPLES)(report)


app.command(epilog=VALIDATE_EXAMPLES)(validate)


app.command(epilog=CITE_EXAMPLES)(cite)


@app.command()
def doctor() -> None:
    """Show what is installed, and how fast it is."""
    from archsim.doctor import report as lines

    for line in lines():
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


def _check_extras(
    out: Path | None, commands: Path | None, packets: Path | None, interval: float | None, systems: int
) -> None:
    """Refuse options that would have no effect."""
    if commands is not None:
        from archsim.dram.command_log import check_name

        check_name(commands)
    if packets is not None:
        from archsim.nmp.packet_log import check_name as check_packets

        check_packets(packets)
    for option, file in (("--commands", commands), ("--packets", packets)):
        if file is not None and systems != 1:
            raise InputError(f"{option} {file}: needs one --system, not {systems}")
    if interval is not None and out is None:
        raise InputError("--interval: needs --out, where the time series go")


def _write(comparison: Any, out: Path | None, timeline: Path | None, timeline_limit: int) -> None:
    if out is not None:
        from archsim.report.folder import write_report

        write_report(comparison, out, command=["archsim", *sys.argv[1:]])
        print(f"report: {out}", file=sys.stderr)
    if timeline is not None:
        from archsim.report.timeline import write_timeline

        print("\n".join(write_timeline(comparison, timeline, timeline_limit)), file=sys.stderr)


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
