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
#: Points of a Pareto front that are shown without --json.
_SHOWN_POINTS = 30
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


def seconds(text: str) -> float:
    """Read a time limit: seconds, or a time with its unit."""
    from archsim.errors import InputError
    from archsim.units import parse_quantity

    try:
        return float(text)
    except ValueError:
        pass
    if text.endswith("min"):
        return 60 * seconds(text.removesuffix("min").strip())
    try:
        return float(parse_quantity(text, "s"))
    except InputError as error:
        raise typer.BadParameter(f"{error}, or a number of seconds") from None


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


def goals_of(minimise: list[str] | None, maximise: list[str] | None) -> list[str]:
    """Return objectives as `archsim.studies.objectives` reads them."""
    return [
        *(f"minimise {text}" for text in minimise or ()),
        *(f"maximise {text}" for text in maximise or ()),
    ]


def front_document(front: Any) -> dict[str, Any]:
    """Return what ``--json`` prints of a Pareto front."""
    return {
        "objectives": [
            {
                "name": each.name,
                "unit": each.unit,
                "maximise": each.maximise,
                "expression": each.expression.text,
            }
            for each in front.objectives
        ],
        "points": front.rows,
        "beaten": len(front.others),
        "infeasible": front.infeasible,
        "without_value": front.empty,
        "hypervolume": front.hypervolume,
    }


def front_lines(front: Any) -> list[str]:
    """Return a Pareto front as a table, below what it is of."""
    from archsim.tables import align

    names = [name for name in front.rows[0] if name != "point_id"]
    shown = front.rows[:_SHOWN_POINTS]
    rows = [
        ["point", *names],
        *([row["point_id"][:12], *(_cell(row[name]) for name in names)] for row in shown),
    ]
    parts = [f"{len(front.rows):,} that no other beats", f"{len(front.others):,} beaten"]
    parts += [f"{front.infeasible:,} outside the constraints"] if front.infeasible else []
    parts += [f"{front.empty:,} without a value"] if front.empty else []
    lines = [", ".join(each.label for each in front.objectives), f"points: {', '.join(parts)}"]
    if front.hypervolume is not None:
        share = f"{100 * front.hypervolume:.1f}%"
        lines.append(f"the front dominates {share} of the box between the best and the worst values")
    more = (
        [f"... {len(front.rows) - len(shown):,} more; --json has all"] if len(shown) < len(front.rows) else []
    )
    return [*lines, "", *align(rows), *more]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


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
MinimiseOption = Annotated[
    list[str] | None,
    typer.Option(
        "--minimise",
        "--minimize",
        metavar="METRIC",
        help="Less of this is better: a metric, or arithmetic over columns, such as 'edp = time_ns * energy_nj'. "
        "Repeatable.",
    ),
]
MaximiseOption = Annotated[
    list[str] | None,
    typer.Option(
        "--maximise", "--maximize", metavar="METRIC", help="More of this is better; likewise. Repeatable."
    ),
]
ConstraintOption = Annotated[
    list[str] | None,
    typer.Option(
        "--constraint",
        metavar="CONDITION",
        help="Only designs for which this holds, such as 'area_mm2 < 1.0'. Repeatable: all must hold.",
    ),
]
PictureOption = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Draw the picture (.png, .svg, .pdf); must not exist yet."),
]
