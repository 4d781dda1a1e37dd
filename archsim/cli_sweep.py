"""The command ``archsim sweep``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.cli_options import (
    BytesOption,
    DaskOption,
    DesignOption,
    FormatOption,
    JsonOption,
    LimitOption,
    OrderOption,
    RetryOption,
    RowsOption,
    SetOption,
    TablesOption,
    TimeLimitOption,
    WorkersOption,
    check_runner,
    positive,
    study_runner,
)
from archsim.errors import counted

if TYPE_CHECKING:
    from archsim.studies.plan import Plan
    from archsim.studies.sweeping import Progress

#: Failed points that are shown without --json.
_SHOWN_FAILURES = 5

SWEEP_EXAMPLES = """\b
Values of --vary:
  dram.timing.tRCD=14,16,18             a list
  nmp.poolings_per_packet=1..8          whole numbers, both ends included
  dram.timing.tRCD=14..20:2             in steps of 2
  nmp.cache.size=8KiB..1MiB*2           each twice the one before
  dram.timing.CL+dram.timing.tRCD=16:16,17:17
                                        two parameters at a time
  dram.preset=ddr4-2400,ddr4-3200       presets in place of a table
  workload.pooling=20,40,80             of a generated trace

\b
Examples:
  archsim sweep preset:zipf --system recnmp-opt-8rank \\
    --vary nmp.cache.size=8KiB..1MiB*2 --out caches
  archsim sweep my-trace --system host-8rank --system recnmp-opt-8rank \\
    --vary nmp.poolings_per_packet=1..8 --vary dram.timing.tRCD=14..18 \\
    --out study
  archsim sweep my-trace --system recnmp-opt-8rank \\
    --vary nmp.cache.size=8KiB..1MiB*2 --vary nmp.cache.ways=1,4,16 \\
    --where 'nmp.cache.size >= 64KiB or nmp.cache.ways < 16' --out some
  archsim sweep my-trace --system recnmp-opt-8rank \\
    --vary nmp.cache.size=8KiB..1MiB*2 --dask tcp://login-node:8786 \\
    --out study

A sweep that was stopped, by whatever, goes on where it stopped when it is started again. More values of the same
axes are added to the study. Look at it with `archsim study info DIR`, or `archsim.open_study(DIR)` in Python.

Exit status: 0 done; 1 some points have no result; 2 bad input; 130 interrupted.
"""


def sweep(
    traces: Annotated[
        list[str],
        typer.Argument(
            metavar="TRACE...",
            show_default=False,
            help="Trace files or folders (detected by content), or preset:NAME for generated ones.",
        ),
    ],
    system: Annotated[
        list[str],
        typer.Option(
            "--system",
            metavar="NAME|FILE",
            help="System preset (see `archsim show system`), .toml file, dramsim3:FILE.ini or ramulator2:FILE.yaml. "
            "Repeatable.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Folder of the study: made when it is not there, else gone on with."
        ),
    ],
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="PATH=VALUES",
            help="Vary a parameter by its path in the preset file (see below). Repeatable: all combinations are run.",
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="CONDITION",
            help="Only points for which this holds, such as 'nmp.cache.size > 64KiB or dram.timing.tRCD == 16'. "
            "Repeatable: all must hold.",
        ),
    ] = None,
    overrides: SetOption = None,
    design: DesignOption = None,
    workers: WorkersOption = None,
    dask: DaskOption = None,
    time_limit: TimeLimitOption = None,
    retry_failed: RetryOption = False,
    max_points: Annotated[
        int | None,
        typer.Option("--max-points", metavar="N", parser=positive, help="Allow more than 100,000 points."),
    ] = None,
    limit: LimitOption = None,
    format_: FormatOption = None,
    rows: RowsOption = None,
    vector_bytes: BytesOption = None,
    tables: TablesOption = None,
    order: OrderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay all combinations of systems and parameters; resumable."""
    check_runner(workers, dask)
    from archsim.studies.axes import parse_axes
    from archsim.studies.plan import MOST_POINTS, make_plan
    from archsim.studies.space import Space
    from archsim.studies.sweeping import Progress, run_plan

    reading = {
        "format": format_, "rows": rows, "vector_bytes": vector_bytes, "tables": tables, "order": order, "limit": limit,
    }  # fmt: skip
    axes = parse_axes(vary or [])
    space = Space(traces, system, out, overrides=overrides or (), reading=reading, designs=design or ())
    plan = make_plan(
        space, axes, where=where or (), time_limit_s=time_limit, max_points=max_points or MOST_POINTS
    )
    for note in plan.notes:
        print(f"note: {note}", file=sys.stderr)
    state = Progress(len(plan.tasks))

    def told(now: Progress) -> None:
        nonlocal state
        if now is not state and now.before:
            there = "is" if now.before == 1 else "are"
            print(
                f"{out}: {now.before:,} of {counted(now.points, 'point')} {there} there already",
                file=sys.stderr,
            )
        state = now

    with study_runner(workers, dask) as runner:
        try:
            run_plan(plan, space, out, runner, retry_failed=retry_failed, show=sys.stderr.isatty(), told=told)
        except KeyboardInterrupt:
            there = sum(state.statuses.values())
            print(
                f"{out}: stopped with {there:,} of {counted(state.points, 'point')} there; "
                "the same command goes on from there",
                file=sys.stderr,
            )
            raise
    _tell(plan, out, state, as_json)
    if state.bad:
        raise typer.Exit(1)


def _tell(plan: Plan, out: Path, state: Progress, as_json: bool) -> None:
    """Sum up: one line, or one JSON object; what failed goes to standard error too."""
    from archsim.studies.study import open_study

    study = open_study(out)
    failures = _failures(study, plan)
    rate = state.ran / state.wall_s if state.wall_s else 0.0
    for number, failure in enumerate(failures):
        if number == _SHOWN_FAILURES:
            print(f"... and {len(failures) - number:,} more; see `archsim study info {out}`", file=sys.stderr)
            break
        print(f"{failure['status']}: {failure['point']}: {failure['error']}", file=sys.stderr)
    if as_json:
        document = {
            "schema": 1,
            "study": str(out),
            "points": state.points,
            **state.statuses,
            "there_before": state.before,
            "ran": state.ran,
            "wall_s": state.wall_s,
            "points_per_s": rate,
            "code_version": study.definition.code_version,
            "digest": study.digest(),
            "axes": {column: list(values) for column, values in study.axes.items()},
            "failures": failures,
            "notes": list(plan.notes),
        }
        print(json.dumps(document, indent=2, allow_nan=False))
        return
    parts = [f"{count:,} {name}" for name, count in state.statuses.items() if count]
    ran = (
        f"{state.ran:,} ran in {state.wall_s:.1f} s ({rate:.1f} points/s)"
        if state.ran
        else "nothing was left to run"
    )
    print(f"{out}: {counted(state.points, 'point')}: {', '.join(parts)}; {ran}")


def _failures(study: Any, plan: Plan) -> list[dict[str, str]]:
    """Return the points of this sweep that have no result, and why."""
    tasks = {task.point_id: task for task in plan.tasks}
    if not study.counts["failed"] and not study.counts["timeout"]:
        return []
    return [
        {
            "point_id": row["point_id"],
            "status": row["status"],
            "point": str(tasks[row["point_id"]]),
            "error": row["error"],
        }
        for row in study.to_arrow(["point_id", "status", "error"], status=None).to_pylist()
        if row["status"] != "done" and row["point_id"] in tasks
    ]
