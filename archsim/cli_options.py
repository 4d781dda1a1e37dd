"""Options that several commands of the command line share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from archsim.studies.runner import Runner

#: What `archsim replay` compares when no --system is given.
DEFAULT_SYSTEMS = ("host-8rank", "recnmp-base-8rank", "recnmp-opt-8rank")
#: How many commands, or instructions, `archsim replay` writes to a file when no limit is given.
DEFAULT_COMMANDS = 1_000_000
#: Events that --timeline writes when no limit is given.
DEFAULT_EVENTS = 1_000_000
#: How every command prints its help.
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def positive(text: str) -> int:
    """Read the value of an option that counts something."""
    shown = repr(text if len(text) <= 40 else f"{text[:37]}...")
    try:
        number = int(text)
    except ValueError:
        raise typer.BadParameter(f"{shown} is not a whole number") from None
    if number < 1:
        raise typer.BadParameter(f"{shown} must be at least 1")
    return number


def duration_ns(text: str) -> float:
    """Read the value of an option that is a time with its unit."""
    from archsim.errors import InputError
    from archsim.units import parse_quantity

    try:
        return float(parse_quantity(text, "ns"))
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


def timeline_events(path: Path | None, limit: int | None, systems: int) -> int:
    """Return the events of each system that a timeline may have, 0 without one; its logs need to be as long."""
    from archsim.errors import InputError

    if path is None:
        if limit is not None:
            raise InputError(f"--timeline-limit {limit}: has no effect without --timeline")
        return 0
    return max(1, (limit or DEFAULT_EVENTS) // systems)


def open_models(sources: list[str], copies: int, workload: list[str], reading: dict[str, Any]) -> Any:
    """Open a trace, or co-locate copies of several; overrides of a workload are for the first."""
    from archsim.errors import InputError
    from archsim.traces import AddressTrace, interleave, open_trace

    opened = [
        open_trace(source, overrides=() if number else workload, **reading)
        for number, source in enumerate(sources)
    ]
    if len(opened) * copies == 1:
        return opened[0]
    for trace in opened:
        if isinstance(trace, AddressTrace):
            raise InputError(
                f"{trace.name}: --with and --copies co-locate models; a trace of addresses has none"
            )
        trace.validate()
    return interleave([trace for trace in opened for _ in range(copies)])


@contextmanager
def progress_bar(
    total: int | None, unit: str = "lookup", *, show: bool = True
) -> Iterator[Callable[[float], None]]:
    """Show what is done, on standard error, when that is a terminal and the work takes over two seconds.

    Without a total what is done is counted; without ``show`` nothing appears on any terminal.
    """
    from tqdm import tqdm

    with tqdm(
        total=total,
        unit=unit,
        unit_scale=True,
        delay=2,
        disable=None if show else True,
        leave=False,
        file=sys.stderr,
    ) as bar:
        yield cast(Callable[[float], None], bar.update)


def seconds(text: str) -> float:
    """Read a time limit: seconds, or a time with its unit."""
    from archsim.errors import InputError
    from archsim.units import parse_quantity

    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(parse_quantity(text, "s"))
    except InputError as error:
        raise typer.BadParameter(f"{error}, or a number of seconds") from None


def grid_of(text: str) -> tuple[int, int]:
    """Read ``--grid``: cells along x and y."""
    from archsim.errors import InputError
    from archsim.spec_errors import short

    words = text.lower().split("x")
    if len(words) > 2 or not all(word.isascii() and word.isdecimal() and 0 < len(word) < 9 for word in words):
        raise InputError(
            f"--grid {short(text)}: must be a number of cells, such as 32, or two, such as 48x32"
        )
    return int(words[0]), int(words[-1])


def time_of(text: str, option: str) -> float:
    """Read an option that is a time, in seconds."""
    from archsim.errors import InputError
    from archsim.units import parse_quantity

    try:
        return float(parse_quantity(text, "s"))
    except InputError as error:
        raise InputError(f"{option} {error}") from None


def initial_of(text: str) -> str | float:
    """Read ``--initial``: kelvin, a temperature with its unit, or one of two words."""
    from archsim.errors import InputError, nearest
    from archsim.units import parse_quantity

    if text in ("ambient", "steady"):
        return text
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(parse_quantity(text, "K"))
    except InputError:
        rule = (
            f"must be ambient, steady, kelvin or degC, such as 60degC{nearest(text, ['ambient', 'steady'])}"
        )
        raise InputError(f"--initial {text}: {rule}") from None


def check_runner(workers: int | None, dask: str | None) -> None:
    """Refuse two answers to where points run."""
    from archsim.errors import InputError

    if workers is not None and dask is not None:
        raise InputError("--workers: is for this machine; a Dask cluster has its own")


@contextmanager
def study_runner(workers: int | None, dask: str | None) -> Iterator[Runner]:
    """Give what runs the points of a study: processes of this machine, or a Dask cluster."""
    from archsim.studies.runner import Runner

    if dask is None:
        with Runner(workers=workers) as runner:
            yield runner
        return
    from archsim.studies.cluster import dask_cluster

    with (
        dask_cluster(dask) as cluster,
        Runner(cluster.executor, workers=cluster.workers, gone=cluster.name) as runner,
    ):
        yield runner


@contextmanager
def packet_log(path: Path | None, limit: int | None) -> Iterator[Any]:
    """Give what takes the packets of a replay, and say what was written; nothing without a file."""
    from archsim.errors import InputError

    if path is None:
        if limit is not None:
            raise InputError("--packets-limit: needs --packets, where the packets go")
        yield None
        return
    from archsim.nmp.packet_log import write_packets

    with write_packets(path, limit or DEFAULT_COMMANDS) as log:
        yield log
    more = "" if log.written == log.sent else "; --packets-limit sets how many instructions"
    print(f"packets: {path}, {log.summary()}{more}", file=sys.stderr)


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
DesignOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--design",
        metavar="FILE.py",
        help="Run a Python file that registers near-memory designs for nmp.design "
        "(see docs/near-memory-designs.md). Repeatable.",
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
        parser=positive,
        help="Rows of each table, for formats that do not say (default: largest + 1).",
    ),
]
BytesOption = Annotated[
    int | None,
    typer.Option(
        "--vector-bytes",
        metavar="N",
        parser=positive,
        help="Bytes of a vector, for formats that do not say (default: 128).",
    ),
]
TablesOption = Annotated[
    int | None,
    typer.Option(
        "--tables",
        metavar="N",
        parser=positive,
        help="Number of tables, for formats that do not say (.pt without lengths).",
    ),
]
OrderOption = Annotated[
    str | None,
    typer.Option("--order", metavar="ORDER", help="Sort the bags: sample-major or table-major."),
]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", parser=positive, help="Only the first N lookups (or addresses)."),
]
WithOption = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="TRACE",
        help="Co-locate the model of another trace: its samples take turns with those of TRACE, on tables of its own. "
        "Repeatable; read with the same options.",
    ),
]
CopiesOption = Annotated[
    int | None,
    typer.Option(
        "--copies",
        metavar="N",
        parser=positive,
        help="Co-locate N copies of each model, each with its own tables.",
    ),
]
CommandsOption = Annotated[
    Path | None,
    typer.Option(
        "--commands",
        metavar="FILE",
        help="Write the DRAM commands of the one system (.csv, .csv.gz or .parquet); `archsim check` reads them.",
    ),
]
CommandsLimitOption = Annotated[
    int | None,
    typer.Option(
        "--commands-limit",
        metavar="N",
        parser=positive,
        help=f"Only the first N commands (RecNMP: per rank). Default: {DEFAULT_COMMANDS:,}.",
    ),
]
PacketsOption = Annotated[
    Path | None,
    typer.Option(
        "--packets",
        metavar="FILE",
        help="Write the packets of NMP instructions that the host of the one system sends (.csv or .csv.gz).",
    ),
]
PacketsLimitOption = Annotated[
    int | None,
    typer.Option(
        "--packets-limit",
        metavar="N",
        parser=positive,
        help=f"Only whole packets with N instructions together. Default: {DEFAULT_COMMANDS:,}.",
    ),
]
TimelineOption = Annotated[
    Path | None,
    typer.Option(
        "--timeline",
        metavar="FILE",
        help="Write commands, queues, packets and cache hits as a Chrome trace (.json, .json.gz) for ui.perfetto.dev.",
    ),
]
TimelineLimitOption = Annotated[
    int | None,
    typer.Option(
        "--timeline-limit",
        metavar="N",
        parser=positive,
        help=f"At most N events, the first ones of each system in equal shares. Default: {DEFAULT_EVENTS:,}.",
    ),
]
GridOption = Annotated[
    str, typer.Option("--grid", metavar="N|NxM", help="Cells of the stack along x and y; any numbers.")
]
InitialOption = Annotated[
    str,
    typer.Option(
        "--initial",
        metavar="ambient|steady|TEMP",
        help="Temperature at time 0; TEMP is in K or degC, such as 340 or 60degC.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        parser=positive,
        help="Processes; changes no result. Default: one per processor.",
    ),
]
DaskOption = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="ADDRESS",
        help="Run on the Dask cluster whose scheduler is there, such as tcp://10.0.0.1:8786.",
    ),
]
TimeLimitOption = Annotated[
    float | None,
    typer.Option(
        "--time-limit",
        metavar="T",
        parser=seconds,
        help="Give up a point after this time: seconds, or with a unit, such as 10min.",
    ),
]
RetryOption = Annotated[bool, typer.Option("--retry-failed", help="Run points again that failed before.")]
StudyArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        show_default=False,
        help="A study: the folder that `sweep --out` or `optimize --out` made.",
    ),
]
