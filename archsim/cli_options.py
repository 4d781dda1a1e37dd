"""Options that several commands of the command line share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import typer

#: What `archsim replay` compares when no --system is given.
DEFAULT_SYSTEMS = ("host-8rank", "recnmp-base-8rank", "recnmp-opt-8rank")
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
def progress_bar(total: int, unit: str = "lookup") -> Iterator[Callable[[int], None]]:
    """Show what is done, on standard error, when that is a terminal and the work takes over two seconds."""
    from tqdm import tqdm

    with tqdm(
        total=total, unit=unit, unit_scale=True, delay=2, disable=None, leave=False, file=sys.stderr
    ) as bar:
        yield cast(Callable[[int], None], bar.update)


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
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
