"""The command ``archsim optimize``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.cli_fronts import (
    ConstraintOption,
    MaximiseOption,
    MinimiseOption,
    front_document,
    front_lines,
    goals_of,
)
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
    TraceArgument,
    WorkersOption,
    check_runner,
    positive,
    study_runner,
)

if TYPE_CHECKING:
    from archsim.studies.searching import SearchProgress

OPTIMIZE_EXAMPLES = """\b
Values of --vary: those of `archsim sweep`, and any number of a range
  nmp.cache.size=8KiB..1MiB*2           one of these sizes
  dram.timing.tRCD=12..20               any whole number; of numbers with a point any number
  nmp.config_clk=1..1000:log            each doubling as likely as any other

\b
Examples:
  archsim optimize my-trace --system recnmp-opt-8rank --vary nmp.cache.size=8KiB..1MiB*2 \\
    --vary nmp.poolings_per_packet=1..16 --minimise time_ns --minimise energy_nj --out search
  archsim optimize my-trace --system recnmp-base-8rank --system recnmp-opt-8rank \\
    --vary nmp.cache.size=8KiB..1MiB*2 --minimise 'edp = time_ns * energy_nj' --minimise area_mm2 \\
    --constraint 'area_mm2 < 1.0' --trials 200 --workers 4 --out search

The same seed and batch propose the same points for any number of workers. A search that was stopped, by whatever,
goes on where it stopped when it is started again; more --trials go on where fewer ended. No point of the study is
replayed twice. `archsim study pareto DIR` shows the front again.

Exit status: 0 done; 1 no design meets the constraints or has a result; 2 bad input; 130 interrupted.
"""


def optimize(
    trace: TraceArgument,
    system: Annotated[
        list[str],
        typer.Option(
            "--system",
            metavar="NAME|FILE",
            help="System preset (see `archsim show system`), .toml file, dramsim3:FILE.ini or ramulator2:FILE.yaml. "
            "Repeatable: one of them is chosen too.",
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
            help="What may be chosen for a parameter (see below). Repeatable.",
        ),
    ] = None,
    minimise: MinimiseOption = None,
    maximise: MaximiseOption = None,
    constraint: ConstraintOption = None,
    trials: Annotated[
        int | None,
        typer.Option("--trials", metavar="N", parser=positive, help="Proposals in all. Default: 100."),
    ] = None,
    sampler: Annotated[
        str, typer.Option("--sampler", metavar="NAME", help="Who proposes: tpe, nsga2 or random.")
    ] = "tpe",
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the proposals.")] = 0,
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch",
            metavar="N",
            parser=positive,
            help="Proposals before any of them is judged; of nsga2 a generation. Default: 20.",
        ),
    ] = None,
    overrides: SetOption = None,
    design: DesignOption = None,
    workers: WorkersOption = None,
    dask: DaskOption = None,
    time_limit: TimeLimitOption = None,
    retry_failed: RetryOption = False,
    limit: LimitOption = None,
    format_: FormatOption = None,
    rows: RowsOption = None,
    vector_bytes: BytesOption = None,
    tables: TablesOption = None,
    order: OrderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a design space for the best trade-offs; resumable."""
    check_runner(workers, dask)
    from archsim.studies.search import BATCH, TRIALS, make_search
    from archsim.studies.searching import run_search
    from archsim.studies.space import Space

    reading = {
        "format": format_, "rows": rows, "vector_bytes": vector_bytes, "tables": tables, "order": order, "limit": limit,
    }  # fmt: skip
    space = Space([trace], system, out, overrides=overrides or (), reading=reading, designs=design or ())
    search = make_search(
        space, vary or [], goals_of(minimise, maximise), constraints=constraint or (), sampler=sampler, seed=seed,
        batch=batch or BATCH, trials=trials or TRIALS, time_limit_s=time_limit,
    )  # fmt: skip
    with study_runner(workers, dask) as runner:
        try:
            state = run_search(search, out, runner, retry_failed=retry_failed, show=sys.stderr.isatty())
        except KeyboardInterrupt:
            print(f"{out}: stopped; the same command goes on from there", file=sys.stderr)
            raise
    if not _tell(search, out, state, as_json):
        raise typer.Exit(1)


def _tell(search: Any, out: Path, state: SearchProgress, as_json: bool) -> bool:
    """Print the front, or why there is none; return whether there is one."""
    from archsim.errors import InputError
    from archsim.studies.pareto import front_of_study
    from archsim.studies.study import open_study

    study, front, problem = open_study(out), None, None
    try:
        if len(study):
            front = front_of_study(study, search.objectives, [each.limit.text for each in search.constraints])
        else:
            problem = f"{out}: no point has a result; see `archsim study info {out}`"
    except InputError as error:
        problem = str(error)
    if state.refusal:
        print(
            f"note: {state.refused:,} trials are no allowed design; the first: {state.refusal}",
            file=sys.stderr,
        )
    if problem:
        print(problem, file=sys.stderr)
    counts = {
        "trials": state.trials, "points": state.points, "ran": state.ran, "refused": state.refused,
        "failed": state.failed, "without_value": state.empty, "infeasible": state.infeasible,
    }  # fmt: skip
    if as_json:
        document = {
            "schema": 1, "study": str(out), **counts, "wall_s": state.wall_s, "digest": study.digest(),
            "front": None if front is None else front_document(front),
        }  # fmt: skip
        print(json.dumps(document, indent=2, allow_nan=False))
        return front is not None
    told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
    print(f"{out}: {told}; {state.wall_s:.1f} s")
    if front is not None:
        print("\n".join(front_lines(front)))
    return front is not None
