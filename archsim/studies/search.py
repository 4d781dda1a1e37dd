"""`archsim.optimize`: Optuna proposes points, the runner of sweeps replays them, the store of studies keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError, nearest
from archsim.studies.axes import LABEL
from archsim.studies.choices import Choice, parse_choices
from archsim.studies.columns import IDENTITY, PROVENANCE, column_of, configuration_columns
from archsim.studies.executors import InProcess
from archsim.studies.extras import needed
from archsim.studies.notes import METRIC_NOTES, ending_unit, note_of
from archsim.studies.objectives import (
    Constraint,
    Objective,
    columns_of,
    parse_constraints,
    parse_objectives,
)
from archsim.studies.points import Task
from archsim.studies.runner import Runner
from archsim.studies.space import Space
from archsim.studies.sweeping import plain_interrupt, shows_progress

if TYPE_CHECKING:
    from archsim.studies.study import Study

SAMPLERS = ("tpe", "nsga2", "random")
#: Points that are proposed before any of them is judged; no worker changes it.
BATCH = 20
TRIALS = 100
_MOST_TRIALS = 100_000


@dataclass(frozen=True)
class Search:
    """What is searched, for what, and how.

    Attributes
    ----------
    space : Space
        Systems and the one trace.
    choices : tuple of Choice
        What varies.
    objectives, constraints
        What is wanted.
    sampler : str
        ``tpe``, ``nsga2`` or ``random``.
    seed, batch, trials : int
        Seed of the sampler; proposals at a time; proposals in all.
    time_limit_s : float or None
        Seconds for each point.
    """

    space: Space
    choices: tuple[Choice, ...]
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()
    sampler: str = SAMPLERS[0]
    seed: int = 0
    batch: int = BATCH
    trials: int = TRIALS
    time_limit_s: float | None = None

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise InputError(
                f"sampler {self.sampler!r}: must be one of {', '.join(SAMPLERS)}{nearest(self.sampler, SAMPLERS)}"
            )
        for name, value, least, most in (
            ("trials", self.trials, 1, _MOST_TRIALS),
            ("batch", self.batch, 2, _MOST_TRIALS),
            ("seed", self.seed, 0, 2**32 - 1),
        ):
            if not least <= value <= most:
                raise InputError(f"{name} = {value:,}: must be from {least:,} to {most:,}")
        if self.time_limit_s is not None and not 0 < self.time_limit_s < float("inf"):
            raise InputError(f"time limit of {self.time_limit_s:g} s: must be above 0")
        if len(self.space.traces) != 1:
            raise InputError(
                f"a search compares designs on one trace, not on {len(self.space.traces)}; co-locate models in one "
                "trace, or search for each"
            )
        if not self.choices and len(self.space.systems) < 2:
            raise InputError(
                f"the space is empty: give what to choose from, such as {LABEL} nmp.cache.size=8KiB..1MiB*2"
            )

    def distributions(self) -> dict[str, Any]:
        """Return what Optuna chooses from; several systems are one more choice."""
        from optuna.distributions import CategoricalDistribution

        found: dict[str, Any] = {choice.name: choice.distribution() for choice in self.choices}
        if len(self.space.systems) > 1:
            found = {"system": CategoricalDistribution(range(len(self.space.systems))), **found}
        return found

    def task(self, parameters: Mapping[str, Any]) -> Task | str:
        """Return the point of a proposal, or why there is none."""
        system = int(parameters.get("system", 0))
        texts: dict[str, str] = {}
        for choice in self.choices:
            texts |= choice.texts(parameters[choice.name])
        _, hardware = self.space.lay(0, system, texts)
        shown = ", ".join([self.space.systems[system].name, *hardware])
        try:
            return self.space.task(0, system, texts, self.time_limit_s, shown)
        except InputError as error:
            return str(error)

    def settings(self) -> dict[str, Any]:
        """Return what decides which points are proposed; ``study.json`` keeps it."""
        import optuna

        return {
            "objectives": [each.to_text() for each in self.objectives],
            "constraints": [each.limit.text for each in self.constraints],
            "choices": {each.name: each.to_json() for each in self.choices},
            "sampler": self.sampler,
            "seed": self.seed,
            "batch": self.batch,
            "optuna": optuna.__version__,
        }

    @property
    def columns(self) -> list[str]:
        """The columns of a row by which a point is judged."""
        return columns_of(self.objectives, self.constraints)


def make_search(
    space: Space,
    given: Any,
    objectives: Any,
    *,
    constraints: str | Iterable[str] = (),
    **options: Any,
) -> Search:
    """Read and check a search before any work; ``options`` are the further attributes of `Search`.

    Raises
    ------
    InputError
        When Optuna is not installed, and for anything that is wrong with parameters, objectives or constraints.
    """
    needed("optuna", "opt", "optimize")
    choices = parse_choices(given, space)
    for system in range(len(space.systems)):
        space.resolve(system, {}, space.systems[system].name)
    known = _known_columns(space, choices)

    def resolve(name: str) -> str:
        for column in (name, column_of(name)):
            if column in known or (note_of(column) is not None and column not in (*IDENTITY, *PROVENANCE)):
                return column
        names = [*known, *(note.name for note in METRIC_NOTES if "<" not in note.name)]
        bare = [each for each in names if each.rpartition("_")[0] == name and ending_unit(each)]
        raise InputError(f"objective or constraint: unknown column {name!r}{nearest(name, bare or names)}")

    limits = [constraints] if isinstance(constraints, str) else list(constraints)
    return Search(
        space, choices, parse_objectives(objectives, resolve), parse_constraints(limits, resolve), **options
    )


def _known_columns(space: Space, choices: Sequence[Choice]) -> set[str]:
    columns = {column_of(path) for choice in choices for path in choice.paths}
    return columns.union(*(configuration_columns(system) for system in space.systems))


@plain_interrupt
def optimize(
    traces: Any,
    system: Any,
    space: Any,
    objectives: Any,
    *,
    out: str | Path,
    trials: int = TRIALS,
    constraints: str | Iterable[str] = (),
    sampler: str = SAMPLERS[0],
    seed: int = 0,
    batch: int = BATCH,
    overrides: Iterable[str] = (),
    designs: Iterable[str | Path] = (),
    workers: int | None = None,
    executor: Executor | None = None,
    time_limit_s: float | None = None,
    retry_failed: bool = False,
    format: str | None = None,
    rows: int | None = None,
    vector_bytes: int | None = None,
    tables: int | None = None,
    order: str | None = None,
    limit: int | None = None,
    progress: bool | None = None,
) -> Study:
    """Search a design space for the best trade-offs between several objectives, with Optuna (extra ``opt``).

    Points are proposed in batches of a fixed size and judged in their order, so that the same seed proposes the same
    points for any number of workers; the same call on the same folder goes on where the last one stopped, and more
    ``trials`` go on where fewer ended. A point with a row in the folder is never replayed again.

    Parameters
    ----------
    traces : str, Path, EmbeddingTrace, AddressTrace
        The trace: a path, ``preset:NAME``, or a trace in memory.
    system : str, Path, SystemSpec, or a sequence of them
        A preset by name, a file, or a specification; of several one is chosen with the rest.
    space : mapping, text, Axis, or an iterable of the last two
        What may be chosen: values of parameters as in `archsim.sweep`, or ``"LOW..HIGH"`` for any number between,
        ``"LOW..HIGH:log"`` for one by ratios.
    objectives : str, an iterable of str, or a mapping
        Metrics or arithmetic over columns, of which less is wanted: ``"time_ns"``, ``"edp = time_ns * energy_nj"``;
        ``"maximise bandwidth_gbps"`` for more. A mapping gives ``"minimise"`` or ``"maximise"`` for each.
    out : str or Path
        Folder of the study; made when it is not there.
    trials : int
        Proposals, those of a point that was proposed before included.
    constraints : str or iterable of str
        Conditions over columns that a design must meet, such as ``"area_mm2 < 1.0"``.
    sampler : str
        ``tpe``, a tree-structured Parzen estimator, after one random batch; ``nsga2`` (Deb et al., IEEE Trans. Evol.
        Comput. 6(2), 2002), whose generation is a batch and which needs more trials; or ``random``.
    seed, batch : int
        Seed of the sampler; how many points are proposed before any of them is judged.
    overrides, designs, workers, executor, time_limit_s, retry_failed, format, rows, vector_bytes, tables, order, limit
        As in `archsim.sweep`.
    progress : bool, optional
        Show progress; by default on a terminal and in notebooks.

    Returns
    -------
    Study
        The study in the folder; its method ``pareto()`` gives the front.

    Raises
    ------
    InputError
        Before any work, for whatever is wrong with trace, systems, space, objectives, constraints or the folder, and
        without Optuna; later, when an objective is empty at all points or is no number, and for what stops a sweep.

    Examples
    --------
    >>> import archsim, tempfile, pathlib
    >>> study = archsim.optimize(
    ...     "preset:zipf", "host-2rank", {"dram.timing.tRCD": "12..20"}, ["time_ns", "maximise dram.timing.tRCD"],
    ...     out=pathlib.Path(tempfile.mkdtemp()) / "search", trials=4, limit=200, workers=0,
    ... )  # doctest: +SKIP
    """
    reading = {
        "format": format, "rows": rows, "vector_bytes": vector_bytes, "tables": tables, "order": order, "limit": limit,
    }  # fmt: skip
    several = list(system) if isinstance(system, list | tuple) else [system]
    given = list(traces) if isinstance(traces, list | tuple) else [traces]
    base = Space(given, several, Path(out), overrides=overrides, reading=reading, designs=designs)
    search = make_search(
        base, space, objectives, constraints=constraints, sampler=sampler, seed=seed, batch=batch, trials=trials,
        time_limit_s=time_limit_s,
    )  # fmt: skip
    from archsim.studies.searching import run_search

    if executor is None and workers == 0:
        executor, workers = InProcess(), None
    with Runner(executor, workers=workers) as runner:
        run_search(search, Path(out), runner, retry_failed=retry_failed, show=shows_progress(progress))
    from archsim.studies.study import open_study

    return open_study(out)
