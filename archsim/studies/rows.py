"""What a study holds at one moment: the rows of its parts and of its journal, each point once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from archsim.errors import InputError
from archsim.studies import journal, parts
from archsim.studies.columns import Row

_TRIES = 20
"""How often a reader looks again when a writer replaces parts under its hands."""


class Snapshot:
    """Rows of a study; columns are read when they are asked for.

    Points are in the order of ``order``, others after them by id. Of several rows of one point a done one counts, and
    else the latest. ``where`` opens the messages of errors.

    Attributes
    ----------
    kinds : dict of str to str
        Columns, in order of appearance, and their kinds.
    status : dict of str to str
        Status by point_id.
    """

    def __init__(self, sources: Sequence[Any], where: str, order: Iterable[str] = ()) -> None:
        self._sources, self._where = list(sources), where
        found: dict[str, list[str]] = {name: ["str"] for name in ("point_id", "status", "error")}
        for source in self._sources:
            for name, kind in source.kinds.items():
                found.setdefault(name, []).append(kind)
        self.kinds = {name: parts.common_kind(name, kinds, where) for name, kinds in found.items()}
        self._taken, self.status = self._choose(list(order))

    @classmethod
    def open(cls, folder: Path, order: Iterable[str] = ()) -> Snapshot:
        """Read the journal and the heads of the parts of a folder.

        Raises
        ------
        InputError
            For damage.
        """
        for _ in range(_TRIES):
            # The journal first: a writer removes it only after the part that holds its rows is in place.
            rows = tables_of(journal.read_rows(folder / journal.FILE), str(folder / journal.FILE))
            try:
                opened: list[Any] = [parts.Part(path) for path in parts.part_paths(folder)]
            except FileNotFoundError:
                continue
            return cls(opened + rows, str(folder), order)
        raise InputError(f"{folder}: its parts change faster than they can be read; try again")

    def __len__(self) -> int:
        return len(self.status)

    def read(self, columns: Sequence[str]) -> Any:
        """Return columns as an Arrow table, each point once; unknown names must not be asked for."""
        tables = [source.read(columns) for source in self._sources]
        table = parts.unify(tables, self.kinds, columns, self._where)
        return parts.without_dictionaries(table if self._taken is None else table.take(self._taken))

    def superseded(self) -> list[Path]:
        """Return the parts of which no row counts: a kill left them behind when they had been merged into another."""
        if self._taken is None:
            return []
        ends = list(accumulate(source.rows for source in self._sources))
        used = {bisect_right(ends, row) for row in self._taken.tolist()}
        return [
            source.path
            for number, source in enumerate(self._sources)
            if isinstance(source, parts.Part) and number not in used
        ]

    def _choose(self, order: list[str]) -> tuple[Any, dict[str, str]]:
        """Return which rows count, in order (None: all as they stand), and the status of each point."""
        import numpy as np

        ids, statuses = [], []
        for source in self._sources:
            table = source.read(["point_id", "status"])
            ids += table["point_id"].to_pylist()
            statuses += table["status"].to_pylist()
        best: dict[str, int] = {}
        for index, (point, status) in enumerate(zip(ids, statuses, strict=True)):
            before = best.get(point)
            if before is None or status == "done" or statuses[before] != "done":
                best[point] = index
        known = [point for point in dict.fromkeys(order) if point in best]
        rest = sorted(best.keys() - set(known)) if len(known) < len(best) else []
        taken = np.array([best[point] for point in [*known, *rest]], np.int64)
        status_of = {ids[index]: statuses[index] for index in taken.tolist()}
        whole = len(taken) == len(ids) and bool((taken == np.arange(len(taken))).all())
        return (None if whole else taken), status_of


class Rows:
    """Rows in memory, as a source of a `Snapshot`."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.rows: int = table.num_rows
        self.kinds = {field.name: parts.kind_of_type(field.type) or "" for field in table.schema}

    def read(self, columns: Sequence[str]) -> Any:
        """Return those of the columns that there are."""
        return self.table.select([name for name in columns if name in self.kinds])


def tables_of(rows: Iterable[Row], where: str) -> list[Rows]:
    """Return rows as sources of a `Snapshot`, some at a time."""
    found: list[Rows] = []
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == parts.BATCH_ROWS:
            found.append(Rows(parts.to_table(batch, where)))
            batch = []
    if batch:
        found.append(Rows(parts.to_table(batch, where)))
    return found
