"""Results, comparisons, studies and frames as the same points: columns by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archsim.errors import InputError, nearest
from archsim.report.quantities import without_unit
from archsim.report.style import short
from archsim.result import Comparison, Result

#: Texts that tell points apart although they are no parameter.
_NAMES = ("system", "trace")


@dataclass(frozen=True)
class Points:
    """Points of a study, column by column.

    Attributes
    ----------
    columns : dict of str to list
        As long as there are points; None where a point has no such value.
    axes : tuple of str
        The columns that tell points apart.
    asked : tuple of str
        Those of them that a study was asked for; of results and frames none are known.
    """

    columns: Mapping[str, list[Any]]
    axes: tuple[str, ...]
    asked: tuple[str, ...] = ()

    def __len__(self) -> int:
        first = next(iter(self.columns), None)
        return 0 if first is None else len(self.columns[first])

    def metric(self, name: str) -> tuple[str, list[float]]:
        """Return the column of a metric and its values, NaN where a point failed or has none.

        Raises
        ------
        InputError
            For an unknown name, or a column of text.
        """
        column = self._column(name, "metric", (c for c in self.columns if self._is_number(c)))
        done = self.columns.get("status", ["done"] * len(self))
        values = self.columns[column]
        found = [_number(v) if s == "done" else math.nan for v, s in zip(values, done, strict=True)]
        texts = [v for v in values if isinstance(v, str)]
        if texts:
            raise InputError(f"metric {name!r}: is text ({texts[0]!r}); a metric must be a number")
        return column, found

    def axis(self, name: str) -> tuple[str, list[Any]]:
        """Return the column of an axis and its values.

        Raises
        ------
        InputError
            For an unknown name.
        """
        column = self._column(name, "axis", self.axes or self.columns)
        return column, [None if _missing(v) else v for v in self.columns[column]]

    def others(self, used: Iterable[str]) -> list[str]:
        """Return the axes that vary and are not used; axes that a used one decides do not count."""
        used = [u for u in used if u in self.columns]
        keys = list(zip(*(self.columns[u] for u in used), strict=True)) if used else [()] * len(self)
        free = []
        for axis in self.axes:
            if axis in used:
                continue
            of: dict[Any, set[str]] = {}
            for key, value in zip(keys, self.columns[axis], strict=True):
                of.setdefault(tuple(map(str, key)), set()).add(str(value))
            if any(len(values) > 1 for values in of.values()):
                free.append(axis)
        return free

    def _is_number(self, column: str) -> bool:
        return any(isinstance(_plain(v), int | float) and not _missing(v) for v in self.columns[column])

    def _column(self, name: str, what: str, valid: Iterable[str]) -> str:
        if name in self.columns:
            return name
        bare = [column for column in self.columns if without_unit(column) == name]
        if len(bare) == 1:
            return bare[0]
        if bare:
            raise InputError(
                f"{what} {name!r}: several columns have that name; one of {', '.join(bare)} is needed"
            )
        if not len(self):
            raise InputError(f"{what} {name!r}: there are no points, so there is no such column")
        raise InputError(f"{what} {name!r}: no such column{nearest(name, valid)}")


def points_of(source: Any) -> Points:
    """Return the points of a Result, Comparison, Study, several Results, or a frame.

    Parameters
    ----------
    source : Result, Comparison, sequence of Result, Study, pandas frame, pyarrow table, or mapping of str to list
        A frame has the columns of a study.

    Raises
    ------
    InputError
        For anything else.
    """
    if isinstance(source, Result | Comparison) or _all_results(source):
        results = results_of(source)
        rows = [
            metrics_of(result) | {"system": name}
            for result, name in zip(results, names_of(results), strict=True)
        ]
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {name: [row.get(name) for row in rows] for name in names}
        return Points(columns, _varying(columns, _NAMES))
    if hasattr(source, "to_arrow") and isinstance(getattr(source, "axes", None), Mapping):  # a Study
        held = _Held(source.to_arrow(status=None))
        asked = tuple(name for name in source.axes if name in held)
        return Points(held, tuple(dict.fromkeys([*asked, *_varying(held, _NAMES)])), asked)
    if not (hasattr(source, "column_names") or hasattr(source, "columns") or isinstance(source, Mapping)):
        raise InputError(f"{type(source).__name__}: a Result, a Comparison, a Study or a frame is needed")
    held = _Held(source)
    named = [name for name in held if "." in name]
    return Points(held, _varying(held, (*_NAMES, *named)))


class _Held(Mapping[str, list[Any]]):
    """Columns of a frame or table as lists, each when it is first asked for: a study may have hundreds."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._names = dict.fromkeys(map(str, getattr(source, "column_names", source)))
        self._lists: dict[str, list[Any]] = {}

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._lists:
            column = self._source[name]
            self._lists[name] = column.to_pylist() if hasattr(column, "to_pylist") else list(column)
        return self._lists[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def results_of(source: Any) -> list[Result]:
    """Return the results of a Result, a Comparison or a sequence of either.

    Raises
    ------
    InputError
        For anything else; a study holds figures only, not what a picture of one replay shows.
    """
    if isinstance(source, Result):
        return [source]
    if isinstance(source, Comparison):
        return list(source.results)
    if _all_results(source):
        return [result for part in source for result in results_of(part)]
    raise InputError(f"{type(source).__name__}: a Result, a Comparison or a list of Results is needed")


def names_of(results: Sequence[Result]) -> list[str]:
    """Return the names of the systems; where several results of a trace have one name, numbered."""
    seen: dict[tuple[str, str], int] = {}
    names = []
    for result in results:
        key = result.system.name, result.trace.sha256
        seen[key] = seen.get(key, 0) + 1
        names.append(key[0] if seen[key] == 1 else f"{key[0]} ({seen[key]})")
    return names


def labels_of(results: Sequence[Result]) -> list[str]:
    """Return names of results for a legend: what tells them from one another."""
    names = [short(name) for name in names_of(results)]
    if len({result.trace.sha256 for result in results}) < 2:
        return names
    return [f"{name}, {short(result.trace.name)}" for name, result in zip(names, results, strict=True)]


def metrics_of(result: Result) -> dict[str, Any]:
    """Return a result as one flat row: the metrics of a study, its system and its trace."""
    from archsim.studies.columns import metric_columns

    return {"system": result.system.name, "trace": result.trace.name, **metric_columns(result)}


def _all_results(source: Any) -> bool:
    return (
        isinstance(source, Sequence)
        and not isinstance(source, str)
        and len(source) > 0
        and all(isinstance(part, Result | Comparison) for part in source)
    )


def _varying(columns: Mapping[str, list[Any]], names: Iterable[str]) -> tuple[str, ...]:
    present = [name for name in names if name in columns]
    found = tuple(n for n in present if len({str(v) for v in columns[n]}) > 1)
    return found or tuple(present[:1])


def _plain(value: Any) -> Any:
    """Return what a frame holds as Python's own number or text."""
    return value.item() if hasattr(value, "item") else value


def _missing(value: Any) -> bool:
    value = _plain(value)
    return value is None or value != value or str(value) in ("<NA>", "NaT")


def _number(value: Any) -> float:
    """Return a number that can be drawn, NaN for any other."""
    value = _plain(value)
    if _missing(value) or isinstance(value, str):
        return math.nan
    number = float(value)
    return number if math.isfinite(number) else math.nan
