"""The loop of a search: ask Optuna for a batch, replay what has no row yet, tell Optuna what came of it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.errors import InputError, counted
from archsim.studies.columns import Row
from archsim.studies.points import Task
from archsim.studies.runner import Runner
from archsim.studies.search import Search
from archsim.studies.search_record import Record
from archsim.studies.store import Store
from archsim.studies.study import open_study
from archsim.studies.sweeping import check_designs, hold_trace, points_again, progress_bar


@dataclass
class SearchProgress:
    """How far a search is.

    Attributes
    ----------
    trials, wanted : int
        Proposals of Optuna that were judged, and how many there will be.
    points : int
        Different points among them.
    ran : int
        Points that ran now; all others had a row.
    refused, failed, empty, infeasible : int
        Trials that are no allowed design; whose point failed or ran out of time; that lack a column of an objective or
        constraint; that do not meet the constraints.
    refusal : str
        The first reason why a design is not allowed.
    wall_s : float
        Seconds since the search began.
    """

    wanted: int
    trials: int = 0
    points: int = 0
    ran: int = 0
    refused: int = 0
    failed: int = 0
    empty: int = 0
    infeasible: int = 0
    refusal: str = ""
    wall_s: float = 0.0

    @property
    def good(self) -> int:
        """Trials that count: a result, within the constraints."""
        return self.trials - self.refused - self.failed - self.empty - self.infeasible


def run_search(
    search: Search,
    out: Path,
    runner: Runner,
    *,
    retry_failed: bool = False,
    show: bool = False,
    told: Callable[[SearchProgress], None] = lambda _: None,
) -> SearchProgress:
    """Propose, replay and judge points, batch by batch; ``told`` is called after each batch.

    A search that was stopped is played again from its beginning, with rows of the store in place of replays.

    Raises
    ------
    InputError
        When no proposal of the first batch is an allowed design, and for what stops a sweep.
    """
    record = Record(search, out)
    sweep = {**record.sweep, "specs": search.space.specs()}
    store = Store.create(out, sweep, code_version=search.space.code)
    check_designs(store, search.space)
    state = SearchProgress(search.trials)
    started = time.perf_counter()
    with store, _quiet_optuna(), progress_bar(search.trials, show, "trial") as advance:
        for path, trace in search.space.held.items():
            hold_trace(Path(path), trace)
        record.take_over(store)
        rows = _Rows(store, search, retry_failed)
        study, distributions = _optuna_study(search), search.distributions()
        seen: set[str] = set()
        while state.trials < search.trials:
            size = min(search.batch, search.trials - state.trials)
            batch = [study.ask(distributions) for _ in range(size)]
            points = [search.task(trial.params) for trial in batch]
            _check_allowed(points, state, search)
            tasks = {point.point_id: point for point in points if isinstance(point, Task)}
            record.add(points, store)
            for row in runner.run(rows.without_row(tasks)):
                store.add(row)
                rows.keep(row)
                state.ran += 1
            seen |= tasks.keys()
            state.points = len(seen)
            for trial, point in zip(batch, points, strict=True):
                _judge(study, trial, point, rows.found, search, state)
                advance(state.refused + state.failed)
            _check_columns(rows.found, search, state)
            state.wall_s = time.perf_counter() - started
            told(state)
    return state


class _Rows:
    """What is known of points: the columns that judge them, by point_id."""

    def __init__(self, store: Store, search: Search, retry_failed: bool) -> None:
        self._store, self._retry_failed = store, retry_failed
        self._columns = ["point_id", "status", *search.columns]
        self._tried: set[str] = set()
        self.found: dict[str, Row] = {}
        study = open_study(store.path)
        columns = [name for name in self._columns if name in study.columns]
        if columns:
            for row in study.to_arrow(columns, status=None).to_pylist():
                self.keep(row)

    def keep(self, row: Row) -> None:
        self.found[str(row["point_id"])] = {name: row.get(name) for name in self._columns}

    def without_row(self, tasks: Mapping[str, Task]) -> list[Task]:
        """Return the points that are to run: new ones, and those that are to run again, once."""
        statuses = {key: str(row["status"]) for key, row in self.found.items() if key in tasks}
        again = points_again(self._store, tasks.values(), statuses, self._retry_failed) - self._tried
        self._tried |= tasks.keys()
        return [task for key, task in tasks.items() if key not in statuses or key in again]


def _optuna_study(search: Search) -> Any:
    import optuna

    samplers: dict[str, Callable[[], Any]] = {
        "nsga2": lambda: optuna.samplers.NSGAIISampler(population_size=search.batch, seed=search.seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=search.seed, n_startup_trials=search.batch),
        "random": lambda: optuna.samplers.RandomSampler(seed=search.seed),
    }
    kinds = optuna.study.StudyDirection
    directions = [kinds.MAXIMIZE if each.maximise else kinds.MINIMIZE for each in search.objectives]
    return optuna.create_study(directions=directions, sampler=samplers[search.sampler]())


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Keep Optuna from writing what is said here in other words."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="optuna")
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _judge(
    study: Any,
    trial: Any,
    point: Task | str,
    rows: Mapping[str, Row],
    search: Search,
    state: SearchProgress,
) -> None:
    """Tell Optuna what came of a trial: values and by how much limits are missed, or that it failed."""
    from optuna.trial import TrialState

    state.trials += 1
    if isinstance(point, str):
        state.refused += 1
        state.refusal = state.refusal or point
        study.tell(trial, state=TrialState.FAIL)
        return
    row = rows[point.point_id]
    if row["status"] != "done":
        state.failed += 1
        study.tell(trial, state=TrialState.FAIL)
        return
    values = [objective.value(row) for objective in search.objectives]
    missed = [constraint.violation(row) for constraint in search.constraints]
    if None in values or None in missed:
        state.empty += 1
        study.tell(trial, state=TrialState.FAIL)
        return
    for constraint, violation in zip(search.constraints, missed, strict=True):
        trial.set_constraint(constraint.limit.text, violation)
    state.infeasible += any(missed)
    study.tell(trial, values)


def _check_allowed(points: Sequence[Task | str], state: SearchProgress, search: Search) -> None:
    """Stop at once where the whole first batch is no design."""
    reasons = [point for point in points if isinstance(point, str)]
    if not state.trials and len(reasons) == len(points):
        raise InputError(f"none of the first {len(points)} designs is allowed; the first: {reasons[0]}")


def _check_columns(rows: Mapping[str, Row], search: Search, state: SearchProgress) -> None:
    """Stop after the first batch where an objective or constraint is empty at every point."""
    if state.trials > search.batch:
        return
    done = [row for row in rows.values() if row["status"] == "done"]
    for column in search.columns:
        if done and all(row.get(column) is None for row in done):
            raise InputError(
                f"column {column}: is empty at all of {counted(len(done), 'point')} (they are kept); the systems "
                f"({', '.join(spec.name for spec in search.space.systems)}) have no such figure"
            )
