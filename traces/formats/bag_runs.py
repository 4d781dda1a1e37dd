"""Bags from one value per lookup: runs of equal bag numbers, found batch by batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.traces.columns import COLUMNS

MAX_TABLES = 1 << 16
"""Most tables that are believed; a wild table number must not make millions of them."""


class BagRuns:
    """Collects the columns of a trace.

    Parameters
    ----------
    file : Path
        Start of error messages.
    optional : list of str
        Columns beside table, row and bag.
    most : int
        Lookups there can be at most.
    kind : numpy type
        Type in which row numbers come.
    largest_rows : int
        Row numbers must be below it, and it below 2^63.
    """

    def __init__(self, file: Path, optional: list[str], most: int, kind: Any, largest_rows: int) -> None:
        self._file, self._largest_rows = file, largest_rows
        self._per_bag = [name for name in optional if COLUMNS[name].per == "bag"]
        self._per_lookup = [name for name in optional if COLUMNS[name].per == "lookup"]
        # Narrow until all is known to be sound: starts count from the first lookup of their batch.
        self._firsts: list[int] = []
        self._parts: dict[str, list[NDArray[Any]]] = {
            name: [] for name in ("starts", "bag_tables", *self._per_bag)
        }
        # Filled in place: fresh memory for every batch costs more than decoding it.
        types = {name: COLUMNS[name].dtypes[0] for name in self._per_lookup}
        self._long = {name: np.empty(most, dtype) for name, dtype in {"row": kind, **types}.items()}
        self._last: dict[str, int] | None = None
        self._last_empty = False
        self._lookups = 0
        self._sizes = np.zeros(0, np.int64)

    def add(self, first: int, values: dict[str, NDArray[Any]], empty: NDArray[np.bool_] | None) -> None:
        """Add a batch.

        Parameters
        ----------
        first : int
            Number of its first row in the file, for error messages.
        values : dict of str to ndarray
            One value per row for ``table``, ``row``, ``bag`` and every optional column.
        empty : ndarray of bool, optional
            Where a row stands for an empty bag.
        """
        bag, table, row = values["bag"], values["table"], values["row"]
        if not len(bag):
            return
        changes = np.empty(len(bag), np.bool_)
        np.not_equal(bag[1:], bag[:-1], out=changes[1:])
        changes[0] = self._last is None or self._last["bag"] != int(bag[0])
        starts = np.flatnonzero(changes)
        self._check_order(first, bag, starts)
        for name in ("table", *self._per_bag):
            self._check_constant(first, name, values[name], bag, changes)
        lone = np.flatnonzero(empty) if empty is not None else np.empty(0, np.int64)
        self._check_alone(first, bag, changes, lone)
        bad = np.flatnonzero((table[starts] < 0) | (table[starts] >= MAX_TABLES))
        if bad.size:
            self._refuse(
                first + int(starts[bad[0]]),
                f"table = {table[starts[bad[0]]]} must be from 0 to {MAX_TABLES - 1}",
            )
        if row.min() < 0:
            at = int(np.argmax(row < 0))
            self._refuse(first + at, f"row = {row[at]} must not be negative")
        if int(row.max()) >= self._largest_rows:
            at = int(np.argmax(row >= self._largest_rows))
            self._refuse(first + at, f"row = {row[at]} must be below {self._largest_rows}")
        self._measure(np.concatenate(([0], starts)) if not changes[0] else starts, table, row)
        keep = slice(None) if empty is None else ~empty
        before = starts if empty is None else starts - np.searchsorted(lone, starts)
        self._firsts.append(self._lookups)
        self._parts["starts"].append(before.astype(np.uint32))
        self._parts["bag_tables"].append(table[starts].astype(np.uint16))
        for name in self._per_bag:
            self._parts[name].append(values[name][starts])
        begin, self._lookups = self._lookups, self._lookups + len(bag) - len(lone)
        for name, column in self._long.items():
            column[begin : self._lookups] = values[name][keep]
        self._last = {name: int(values[name][-1]) for name in ("bag", "table", *self._per_bag)}
        self._last_empty = bool(empty is not None and empty[-1])

    def columns(self) -> tuple[dict[str, Any], list[int]]:
        """Return the columns of the trace, and the largest row of every table plus one."""
        if not self._lookups:
            raise InputError(f"{self._file}: a trace needs at least one lookup")
        columns = {name: column[: self._lookups] for name, column in self._long.items()}
        rows = columns.pop("row")
        columns["rows"] = rows.astype(np.int32) if self._sizes.max() <= 2**31 and rows.itemsize > 4 else rows
        columns["bag_offsets"] = self._joined("starts", "bag_offsets", [*self._firsts, self._lookups])
        for name in list(self._parts):
            columns[name] = self._joined(name, name, None)
        return columns, [max(1, int(size)) for size in self._sizes]

    def _joined(self, name: str, column: str, firsts: list[int] | None) -> NDArray[Any]:
        """Join the parts of a column, each with its first lookup added, and give them up one by one."""
        parts = self._parts.pop(name)
        size = sum(map(len, parts))
        joined = np.empty(size + (firsts is not None), COLUMNS[column].dtypes[0])
        if firsts is not None:
            joined[size] = firsts[-1]
        while parts:
            part = parts.pop()
            size -= len(part)
            joined[size : size + len(part)] = part
            if firsts is not None:
                joined[size : size + len(part)] += firsts[len(parts)]
        return joined

    def _refuse(self, row: int, what: str) -> None:
        raise InputError(f"{self._file}: row {row}: {what}")

    def _check_order(self, first: int, bag: NDArray[Any], starts: NDArray[np.int64]) -> None:
        labels = bag[starts]
        if self._last is not None:
            labels = np.concatenate(([self._last["bag"]], labels))
        falls = np.flatnonzero(labels[1:] < labels[:-1])
        if falls.size:
            at = int(starts[int(falls[0]) + (self._last is None)])
            before = labels[falls[0]]
            self._refuse(first + at, f"bag {bag[at]} follows bag {before}; bags must not decrease")

    def _check_constant(
        self, first: int, name: str, column: NDArray[Any], bag: NDArray[Any], changes: NDArray[np.bool_]
    ) -> None:
        at = 0
        differs = column[1:] != column[:-1]
        begins = np.flatnonzero(changes[1:])
        # All changes are where bags begin, or there is one inside.
        if np.count_nonzero(differs) != np.count_nonzero(differs[begins]):
            at = int(np.argmax(differs & ~changes[1:])) + 1
        if not changes[0] and self._last is not None and int(column[0]) != self._last[name]:
            at = -1
        if at:
            self._refuse(
                first + max(at, 0), f"{name} = {column[max(at, 0)]} changes inside bag {bag[max(at, 0)]}"
            )

    def _check_alone(
        self, first: int, bag: NDArray[Any], changes: NDArray[np.bool_], lone: NDArray[np.int64]
    ) -> None:
        """A row without a row number must be the only one of its bag."""
        follows = np.append(changes[1:], True)
        bad = lone[~(changes[lone] & follows[lone])]
        if bad.size or (self._last_empty and not changes[0]):
            at = int(bad[0]) if bad.size else 0
            self._refuse(
                first + at,
                f"row is null in bag {bag[at]}, which has other lookups; null stands for an empty bag",
            )

    def _measure(self, starts: NDArray[np.int64], table: NDArray[Any], row: NDArray[Any]) -> None:
        """Note the largest row of every table; ``starts`` begins with 0."""
        tables = table[starts]
        need = int(tables.max()) + 1
        if need > len(self._sizes):
            self._sizes = np.concatenate((self._sizes, np.zeros(need - len(self._sizes), np.int64)))
        np.maximum.at(self._sizes, tables, np.maximum.reduceat(row, starts).astype(np.int64) + 1)
