"""`archsim.sweep`: plan, run, store; call it again and it goes on where it stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from archsim.errors import InputError
from archsim.spec_errors import short
from archsim.studies import parts
from archsim.studies.axes import Axis, parse_axes
from archsim.studies.columns import configuration_columns
from archsim.studies.executors import InProcess
from archsim.studies.plan import MOST_POINTS, Plan, make_plan
from archsim.studies.points import Task
from archsim.studies.runner import Runner
from archsim.studies.space import Space
from archsim.studies.store import Store
from archsim.studies.worker import time_limit_of

if TYPE_CHECKING:
    from archsim.studies.study import Study
    from archsim.traces import AddressTrace, EmbeddingTrace

    TraceLike = str | Path | EmbeddingTrace | AddressTrace

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Progress:
    """How far a sweep is.

    Attributes
    ----------
    points : int
        Points of the sweep.
    before : int
        Points that had a row before, and did not run again.
    statuses : dict of str to int
        Points by status, those from before included.
    ran : int
        Points that ran now.
    wall_s : float
        Seconds since the first of them was handed out.
    """

    points: int
    before: int = 0
    statuses: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("done", "failed", "timeout"), 0))
    ran: int = 0
    wall_s: float = 0.0

    @property
    def bad(self) -> int:
        """Points without a result: failed, or out of time."""
        return self.statuses["failed"] + self.statuses["timeout"]


def plain_interrupt(call: Callable[P, R]) -> Callable[P, R]:
    """Let an interrupt leave a call as one that says what is kept, without the places inside that it happened at."""

    @wraps(call)
    def plain(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"{kwargs.get('out')}: stopped; the same call goes on from the points that are there"
            ) from None

    return plain


@plain_interrupt
def sweep(
    traces: TraceLike | Sequence[TraceLike],
    systems: Any,
    axes: Mapping[str, Any] | Iterable[str | Axis] | str | Axis = (),
    *,
    out: str | Path,
    where: str | Iterable[str] | None = None,
    overrides: Iterable[str] = (),
    designs: Iterable[str | Path] = (),
    workers: int | None = None,
    executor: Executor | None = None,
    time_limit_s: float | None = None,
    retry_failed: bool = False,
    max_points: int = MOST_POINTS,
    format: str | None = None,
    rows: int | None = None,
    vector_bytes: int | None = None,
    tables: int | None = None,
    order: str | None = None,
    limit: int | None = None,
    progress: bool | None = None,
) -> Study:
    """Replay traces through every combination of systems and values of parameters.

    Every point is checked before the first one runs. Rows are stored as points finish: the same call on the same
    folder goes on where the last one stopped, however it stopped.

    Parameters
    ----------
    traces : str, Path, EmbeddingTrace, AddressTrace, or a sequence of them
        Paths, ``preset:NAME``, or traces in memory, which are written into the study once.
    systems : str, Path, SystemSpec, or a sequence of them
        Presets by name, files, or specifications.
    axes : mapping, text, Axis, or an iterable of the last two
        Parameters and their values: ``{"nmp.cache.size": ["64KiB", "1MiB"], "dram.timing.tRCD": range(14, 19)}``, or
        texts as of ``--vary``, see `archsim.studies.axes.Axis`. ``workload.NAME`` varies generated traces.
    out : str or Path
        Folder of the study; made when it is not there.
    where : str or iterable of str, optional
        Conditions that points must meet, such as ``"nmp.cache.size > 64KiB or dram.timing.tRCD == 16"``.
    overrides : iterable of str
        ``PATH=VALUE`` for all points.
    designs : iterable of str or Path
        Python files that register near-memory designs.
    workers : int, optional
        Processes, by default one per core; 0 runs everything in this process. No result depends on it.
    executor : concurrent.futures.Executor, optional
        Where to run instead, such as ``dask.distributed.Client(...).get_executor()``.
    time_limit_s : float, optional
        Seconds for the replay of a point; looked at every 131,072 lookups.
    retry_failed : bool
        Run points again that failed before. Points that ran out of time run again when the limit has grown.
    max_points : int
        Most combinations.
    format, rows, vector_bytes, tables, order, limit
        How to read the traces, see `archsim.open_trace`.
    progress : bool, optional
        Show progress; by default on a terminal and in notebooks.

    Returns
    -------
    Study
        The study in the folder, with all its points.

    Raises
    ------
    InputError
        Before any work, for whatever is wrong with traces, systems, axes, conditions or the folder; later, when the
        disk is full or the executor ends.
    KeyboardInterrupt
        On Ctrl-C, once the workers have ended and the rows are stored; the same call goes on.

    Examples
    --------
    >>> import archsim, tempfile, pathlib
    >>> out = pathlib.Path(tempfile.mkdtemp()) / "study"
    >>> study = archsim.sweep(
    ...     "preset:zipf", "host-2rank", {"dram.timing.tRCD": [14, 17]}, out=out, limit=500, workers=0
    ... )
    >>> len(study)
    2
    """
    reading = {
        "format": format, "rows": rows, "vector_bytes": vector_bytes, "tables": tables, "order": order, "limit": limit,
    }  # fmt: skip
    space = Space(
        _several(traces), _several(systems), Path(out), overrides=overrides, reading=reading, designs=designs
    )
    conditions = [where] if isinstance(where, str) else list(where or ())
    plan = make_plan(
        space, parse_axes(axes), where=conditions, time_limit_s=time_limit_s, max_points=max_points
    )
    if executor is None and workers == 0:
        executor = InProcess()
        workers = None
    with Runner(executor, workers=workers) as runner:
        run_plan(plan, space, Path(out), runner, retry_failed=retry_failed, show=shows_progress(progress))
    from archsim.studies.study import open_study

    return open_study(out)


def run_plan(
    plan: Plan,
    space: Space,
    out: Path,
    runner: Runner,
    *,
    retry_failed: bool = False,
    show: bool = False,
    told: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """Run the points of a plan that have no row yet, and store them.

    ``told`` is called once when it is known what there is to do, and again after each point.
    """
    store = Store.create(out, plan.definition, code_version=space.code)
    check_designs(store, space)
    check_kinds(plan, space, store.kinds(), out)
    with store:
        for path, trace in space.held.items():
            hold_trace(Path(path), trace)
        found = store.finished()
        retried = points_again(store, plan.tasks, found, retry_failed)
        todo = [task for task in plan.tasks if task.point_id not in found or task.point_id in retried]
        state = Progress(len(plan.tasks), len(plan.tasks) - len(todo))
        running = {task.point_id for task in todo}
        for task in plan.tasks:
            if task.point_id not in running:
                state.statuses[found[task.point_id]] += 1
        told(state)
        started = time.perf_counter()
        with progress_bar(len(todo), show) as advance:
            for row in runner.run(todo):
                store.add(row)
                state.statuses[str(row["status"])] += 1
                state.ran += 1
                state.wall_s = time.perf_counter() - started
                advance(state.bad)
                told(state)
    return state


def points_again(
    store: Store, tasks: Iterable[Task], found: Mapping[str, str], retry_failed: bool
) -> set[str]:
    """Which points that have a row run again: failed ones when asked for, late ones when they get more time."""
    again = {task.point_id for task in tasks if retry_failed and found.get(task.point_id) == "failed"}
    late = {task.point_id: task for task in tasks if found.get(task.point_id) == "timeout"}
    if late:
        from archsim.studies.rows import Snapshot

        rows = Snapshot.open(store.path).read(["point_id", "error"]).to_pylist()
        for row in rows:
            task = late.get(row["point_id"])
            before = time_limit_of(row["error"] or "")
            if task and (task.time_limit_s is None or before is None or task.time_limit_s > before):
                again.add(task.point_id)
    return again


def check_designs(store: Store, space: Space) -> None:
    """Refuse a design file that has changed since the study began."""
    sweeps = store.definition.sweeps
    known = {(each["path"], each["sha256"]) for sweep in sweeps for each in sweep.get("designs", [])}
    for design in space.designs:
        if any(path == design.path and sha256 != design.sha256 for path, sha256 in known):
            raise InputError(
                f"--design {design.path}: has changed since {store.path} began, and its points with it; "
                "choose a new folder"
            )


def check_kinds(plan: Plan, space: Space, stored: Mapping[str, str], out: Path) -> None:
    """Refuse values that no column can hold together, or beside what is stored: no row of theirs could be added.

    Parameters
    ----------
    plan, space : Plan, Space
        What is to run.
    stored : mapping
        Kind of each column of the study, as `Store.kinds` has it.
    out : Path
        The study, for the message.
    """
    kinds = dict(stored)
    found = [(spec.name, configuration_columns(spec)) for spec in space.systems]
    found += [(task.trace.name, dict(task.axes)) for task in plan.tasks]
    for name, row in found:
        for column, value in row.items():
            if value is None:
                continue
            kind = parts.kind_of(value)
            before = kinds.setdefault(column, kind)
            if kind == before:
                continue
            try:
                kinds[column] = parts.common_kind(column, (before, kind), f"{out}: {name}")
            except InputError as error:
                raise InputError(f"{error}; choose a new folder for the value {short(str(value))}") from None


def hold_trace(path: Path, trace: Any) -> None:
    """Write a trace that was given as an object, once; its folder is named by its content."""
    from archsim.traces import write_native

    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        write_native(trace, path)


def _several(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]


def shows_progress(progress: bool | None) -> bool:
    """Tell whether to show progress: as asked, else on a terminal and in notebooks."""
    return (_in_notebook() or sys.stderr.isatty()) if progress is None else progress


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


@contextmanager
def progress_bar(total: int, show: bool, unit: str = "point") -> Iterator[Callable[[int], None]]:
    """Show points and failures as they come; as a widget where a notebook has them."""
    import tqdm

    kind: Any = tqdm.tqdm
    if show and _in_notebook() and "ipywidgets" in sys.modules:
        from tqdm.notebook import tqdm_notebook

        kind = tqdm_notebook
    with kind(total=total, unit=unit, disable=not show) as bar:

        def advance(bad: int) -> None:
            if bad:
                bar.set_postfix_str(f"{bad:,} failed", refresh=False)
            bar.update(1)

        yield cast(Callable[[int], None], advance)
