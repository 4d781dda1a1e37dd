"""What users hold of a study: its rows as Arrow, pandas, xarray and SQL, and what is read off them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError, nearest
from archsim.studies.columns import IDENTITY, PROVENANCE, STATUSES, Value, column_of, is_metric
from archsim.studies.definition import Definition, read_definition
from archsim.studies.extras import needed
from archsim.studies.rows import Snapshot

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import xarray as xr

Names = str | Sequence[str] | None


def open_study(path: str | Path) -> Study:
    """Open a study for reading, as it is now; whoever writes it may go on.

    Parameters
    ----------
    path : str or Path
        The folder that `archsim.sweep` made.

    Raises
    ------
    InputError
        When the folder is no study, is damaged, or was made by a later archsim.
    """
    folder = Path(path)
    definition = read_definition(folder)
    order = [point for sweep in definition.sweeps for point in sweep["points"]["point_id"]]
    return Study(folder, definition, Snapshot.open(folder, order))


class Study:
    """Points of a design space and what came out at each; get one from `archsim.open_study` or `archsim.sweep`.

    A study does not change: points finished later are seen by opening it again.

    Attributes
    ----------
    path : Path
        Its folder.
    definition : Definition
        What was asked for: systems, traces, axes, points.
    """

    def __init__(self, path: Path, definition: Definition, snapshot: Snapshot) -> None:
        self.path = path
        self.definition = definition
        self._snapshot = snapshot

    def __len__(self) -> int:
        """Points that are done."""
        return self.counts["done"]

    @property
    def counts(self) -> dict[str, int]:
        """Points by status (``done``, ``failed``, ``timeout``) and, as ``missing``, those without a row."""
        statuses = list(self._snapshot.status.values())
        return {name: statuses.count(name) for name in STATUSES} | {"missing": len(self.missing)}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All columns: what a point is, axes, metrics, the rest of the configuration, provenance."""
        found, axes = self._snapshot.kinds, self.axes
        order = [
            *IDENTITY,
            *axes,
            *filter(is_metric, found),
            *sorted(found.keys() - set(PROVENANCE)),
            *PROVENANCE,
        ]
        return tuple(name for name in dict.fromkeys(order) if name in found)

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Columns that say what came out."""
        return tuple(name for name in self._snapshot.kinds if is_metric(name))

    @cached_property
    def links(self) -> tuple[tuple[str, ...], ...]:
        """Columns of the axes; those that vary together are in one tuple."""
        sweeps = [[tuple(axis["columns"]) for axis in sweep["axes"]] for sweep in self.definition.sweeps]
        groups = list(dict.fromkeys(group for sweep in sweeps for group in sweep))
        flat = [column for group in groups for column in group]
        if len(flat) > len(set(flat)):  # sweeps of merged studies that link differently
            return tuple((column,) for column in dict.fromkeys(flat))
        return tuple(groups)

    @cached_property
    def axes(self) -> dict[str, tuple[Value, ...]]:
        """Values of each axis, by column; those of linked axes are parallel. Numbers ascend, texts are as given."""
        found: dict[str, tuple[Value, ...]] = {}
        for group in self.links:
            values = self._values(group)
            found |= {column: tuple(value[place] for value in values) for place, column in enumerate(group)}
        return found

    @cached_property
    def missing(self) -> list[dict[str, Value]]:
        """Points that were asked for and have no row: ``point_id``, ``system``, ``trace`` and the axes of each."""
        found: dict[str, dict[str, Value]] = {}
        for sweep in self.definition.sweeps:
            points = sweep["points"]
            for values in zip(*points.values(), strict=True):
                point = dict(zip(points, values, strict=True))
                if point["point_id"] not in self._snapshot.status:
                    found.setdefault(point["point_id"], point)
        return list(found.values())

    def to_arrow(self, columns: Names = None, status: str | None = "done") -> pa.Table:
        """Return rows as an Arrow table, in the order in which the points were asked for.

        Parameters
        ----------
        columns : str or sequence of str, optional
            Columns, or paths of axes; default: all.
        status : str or None
            ``done``, ``failed`` or ``timeout``; None: all.
        """
        import numpy as np

        if status is not None and status not in STATUSES:
            raise InputError(f"status {status!r}: unknown{nearest(status, STATUSES)}")
        columns = [columns] if isinstance(columns, str) else columns
        names = self.columns if columns is None else [self.column(name) for name in columns]
        if not names:
            raise InputError(f"{self.path}: no columns are asked for")
        table = self._snapshot.read(list(names))
        statuses = self._snapshot.status.values()
        if status is None or all(each == status for each in statuses):
            return table
        return table.filter(np.array([each == status for each in statuses], bool))

    def to_frame(self, columns: Names = None, status: str | None = "done") -> pd.DataFrame:
        """Return rows as a pandas data frame, see `to_arrow`; whole numbers are ``Int64``, which has missing values."""
        pandas = needed("pandas", "sweep", "to_frame")
        import pyarrow as pa

        dtypes = {
            pa.int64(): pandas.Int64Dtype(),
            pa.bool_(): pandas.BooleanDtype(),
            pa.string(): pandas.StringDtype("pyarrow"),
        }
        frame: pd.DataFrame = self.to_arrow(columns, status).to_pandas(types_mapper=dtypes.get)
        return frame

    def failures(self) -> pd.DataFrame:
        """Return the points that failed or ran out of time, with their one-line errors."""
        names = ["point_id", "status", "error", "system", "trace", *self.axes]
        frame = self.to_frame([name for name in names if name in self._snapshot.kinds], status=None)
        return frame[frame["status"] != "done"].reset_index(drop=True)

    def to_xarray(self, metrics: Names = None) -> xr.Dataset:
        """Return the done points as a grid with the axes as dimensions, NaN where there is no point.

        ``system``, ``trace`` and ``code_version`` are dimensions where there are several. Linked axes are one
        dimension, called after all of them, with a coordinate for each. A point that does not have an axis, such as a
        host without the cache that varies, stands at every value of it.

        Parameters
        ----------
        metrics : str or sequence of str, optional
            Columns; default: all metrics that are numbers. Each has its unit in ``attrs["units"]``.
        """
        from archsim.studies.grid import grid_of

        names = [metrics] if isinstance(metrics, str) else metrics
        return grid_of(self, None if names is None else [self.column(name) for name in names])

    def speedup(self, metric: str = "time_ns", *, baseline: str | Mapping[str, Value]) -> pd.Series[float]:
        """Return the metric of the baseline over that of each done point, in the order of `to_frame`.

        A point's baseline is the point with the values of ``baseline``, of the same trace and otherwise the same axes;
        axes that the baseline's system does not have are left out. NaN where there is none.

        Parameters
        ----------
        metric : str
            A number of which less is better, or the result is a ratio only.
        baseline : str or mapping
            The name of a system, or values of axes (columns or paths; also ``system`` and ``trace``).

        Raises
        ------
        InputError
            When several points could be the baseline of one, or nothing has those values.
        """
        from archsim.studies.speedups import speedup_of

        pandas = needed("pandas", "sweep", "speedup")
        values = speedup_of(self, self.column(metric), baseline)
        found: pd.Series[float] = pandas.Series(values, name="speedup", dtype=float)
        return found

    def pareto(self, objectives: Any = None, constraints: str | Sequence[str] | None = None) -> pd.DataFrame:
        """Return the done points that no other beats: none is nowhere worse and somewhere better. Equal ones all stay.

        Only points of one trace are compared; of several traces each has its front.

        Parameters
        ----------
        objectives : str, sequence of str, or mapping
            Any number of metrics or expressions over columns, of which less is wanted: ``"time_ns"``,
            ``"edp = time_ns * energy_nj"``, ``"maximise bandwidth_gbps"``; or a mapping of them to ``"minimise"`` or
            ``"maximise"``. Default: those of the last search in this folder, with its constraints.
        constraints : str or sequence of str, optional
            Conditions over columns, such as ``"area_mm2 < 1.0"``; only points that meet all of them count.

        Returns
        -------
        pandas.DataFrame
            ``point_id``, what tells points apart, and the objectives; the best of the first objective first.
            ``attrs["units"]`` has the units, ``attrs["hypervolume"]`` the share of the box between the best and worst
            values that the front dominates (None for several traces).
        """
        from archsim.studies.pareto import front_of_study

        pandas = needed("pandas", "sweep", "pareto")
        front = front_of_study(self, objectives, constraints)
        frame: pd.DataFrame = pandas.DataFrame(front.rows)
        frame.attrs["units"] = {each.name: each.unit for each in front.objectives}
        frame.attrs["hypervolume"] = front.hypervolume
        return frame

    def sensitivity(self, metric: str, base: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return how strongly a metric depends on each axis, for each system and trace.

        On a full grid ``first_order`` and ``total`` are the Sobol' indices of the axis, exactly: the share of the
        variance that it explains alone, ``Var(E[y | x]) / Var(y)``, and with all its interactions,
        ``E[Var(y | all other axes)] / Var(y)`` (Sobol' 2001; Homma and Saltelli 1996). ``percent_per_doubling`` comes
        from a least-squares fit of log2 y over log2 x and needs no grid; see `archsim.studies.sensitivity`.

        Parameters
        ----------
        metric : str
            A metric or an expression over columns.
        base : mapping, optional
            A value for each axis. Adds how far below and above that point the metric gets when one axis changes.

        Returns
        -------
        pandas.DataFrame
            A row per axis, the strongest first; ``attrs["notes"]`` says what could not be told, and why.
        """
        from archsim.studies.sensitivity import sensitivity_of

        pandas = needed("pandas", "sweep", "sensitivity")
        found = sensitivity_of(self, metric, base)
        frame: pd.DataFrame = pandas.DataFrame(found.rows)
        frame.attrs["notes"] = found.notes
        return frame

    def query(self, sql: str) -> pd.DataFrame:
        """Return what an SQL query (DuckDB) answers; the table is ``points``, with the rows of any status.

        Names with dots need quotes: ``SELECT "nmp.cache.size_bytes", min(time_ns) FROM points GROUP BY ALL``.
        """
        from archsim.studies.query import query_table

        needed("pandas", "sweep", "query")
        frame: pd.DataFrame = query_table(self, sql).to_pandas()
        return frame

    def digest(self) -> str:
        """Return the SHA-256 of the done and failed rows without provenance, see `archsim.studies.digest.digest_of`.

        Equal for any number of workers, executor and number of interruptions. Points that ran out of time are left
        out: how far a machine gets in a second is no property of a point.
        """
        import numpy as np

        from archsim.studies.digest import digest_of

        names = [name for name in self.columns if name not in PROVENANCE]
        counted = [each != "timeout" for each in self._snapshot.status.values()]
        return digest_of(self.to_arrow(names, status=None).filter(np.array(counted, bool)))

    def column(self, name: str) -> str:
        """Return the column of a name, which may be a path as ``--set`` takes it.

        Raises
        ------
        InputError
            For an unknown name, with the nearest.
        """
        for column in (name, column_of(name)):
            if column in self._snapshot.kinds:
                return column
        raise InputError(f"{self.path}: unknown column {name!r}{nearest(name, self._snapshot.kinds)}")

    def kind(self, column: str) -> str:
        """Return ``bool``, ``int``, ``float`` or ``str``."""
        return self._snapshot.kinds[column]

    def __repr__(self) -> str:
        from archsim.studies.text import study_text

        return study_text(self)

    def _repr_html_(self) -> str:
        from archsim.studies.text import study_html

        return study_html(self)

    def _values(self, group: tuple[str, ...]) -> list[tuple[Value, ...]]:
        """Return what the columns of a group are together, each once."""
        found: dict[tuple[Value, ...], None] = {}
        for sweep in self.definition.sweeps:
            points = sweep["points"]
            if all(column in points for column in group):
                found |= dict.fromkeys(zip(*(points[column] for column in group), strict=True))
        values = [value for value in found if None not in value]
        if len(group) == 1 and all(isinstance(value, int | float) for (value,) in values):
            return sorted(values)
        return values
