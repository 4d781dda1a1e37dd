"""The trace record: which rows of which embedding tables are looked up, bag by bag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.errors import InputError
from archsim.traces.checks import check_contents, check_structure, content_sha256
from archsim.traces.columns import COLUMNS, Table
from archsim.traces.ordering import bag_chunks, reordered


@dataclass(frozen=True, eq=False, repr=False)
class EmbeddingTrace:
    """An immutable sequence of bags, each a list of rows of one embedding table.

    Bag ``b`` holds the lookups ``bag_offsets[b]`` to ``bag_offsets[b + 1]`` (exclusive) and goes to table
    ``bag_tables[b]``. The columns and their types are listed in `archsim.traces.columns.COLUMNS`; they may be
    memory maps, and become read-only views here.

    Parameters
    ----------
    name : str
        Label; not part of the content hash.
    tables : tuple of Table
        The tables that ``bag_tables`` counts.
    rows : ndarray of int32 or int64, shape (lookups,)
        Row number of every lookup inside its table.
    bag_offsets : ndarray of int64, shape (bags + 1,)
        First lookup of every bag, then the number of lookups.
    bag_tables : ndarray of int32, shape (bags,)
        Table of every bag.
    order : {"sample-major", "table-major", "as-recorded"}
        How the bags are sorted.
    time_ps, sample, user : ndarray of int64, shape (bags,), optional
        Arrival time in picoseconds, sample number and user number.
    weight : ndarray of float32, shape (lookups,), optional
        Factors of a weighted sum.
    operation : ndarray of uint8, shape (lookups,), optional
        0 for a read, 1 for an update.
    generator : str
        What made the trace.
    seed : int or None
        Seed of a generated trace.
    notes : tuple of str
        Assumptions made on the way, for the user to read.

    Raises
    ------
    InputError
        Types or lengths of the columns do not fit together (constant-time checks; see `validate` for the
        rest).
    """

    name: str
    tables: tuple[Table, ...]
    rows: NDArray[Any]
    bag_offsets: NDArray[np.int64]
    bag_tables: NDArray[np.int32]
    order: str = "as-recorded"
    time_ps: NDArray[np.int64] | None = None
    sample: NDArray[np.int64] | None = None
    user: NDArray[np.int64] | None = None
    weight: NDArray[np.float32] | None = None
    operation: NDArray[np.uint8] | None = None
    generator: str = ""
    seed: int | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tables", tuple(self.tables))
        object.__setattr__(self, "notes", tuple(self.notes))
        for name, column in self.columns.items():
            view = np.asarray(column).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)
        check_structure(self)

    def __repr__(self) -> str:
        return (
            f"EmbeddingTrace({self.name!r}: {self.lookups:,} lookups, {self.bags:,} bags, "
            f"{len(self.tables)} tables, {self.order})"
        )

    @classmethod
    def from_columns(
        cls,
        table: ArrayLike,
        row: ArrayLike,
        bag: ArrayLike,
        *,
        tables: Sequence[Table],
        name: str = "columns",
        **options: Any,
    ) -> EmbeddingTrace:
        """Build a trace from one value per lookup, as a data frame holds it.

        Parameters
        ----------
        table, row, bag : array_like of int, shape (lookups,)
            Table, row and bag label of every lookup. Labels must not decrease; each new label starts a bag,
            so empty bags cannot be expressed, and all lookups of a bag go to one table.
        tables : sequence of Table
            The tables.
        name : str
            Name of the trace.
        **options
            Further fields of `EmbeddingTrace`. Columns are given with one value per lookup too; those that
            belong to bags must be constant inside each bag.

        Returns
        -------
        EmbeddingTrace
            A validated trace.

        Raises
        ------
        InputError
            The columns differ in length or type, or a value breaks a rule of the trace.
        """
        optional = (key for key, column in COLUMNS.items() if not column.required)
        given = {key: options.pop(key) for key in optional if options.get(key) is not None}
        per_lookup = {"bag": bag, "row": row, "table": table, **given}
        values = {key: np.asarray(value) for key, value in per_lookup.items()}
        for key, column in values.items():
            if column.ndim != 1 or len(column) != len(values["row"]) or not len(column):
                raise InputError(
                    f"{name}: column {key!r} has shape {column.shape}; one value per lookup is needed"
                )
            if column.dtype.kind not in "iu" and key != "weight":
                raise InputError(f"{name}: column {key!r} holds {column.dtype}, not integers")
        labels = values.pop("bag")
        falls = np.flatnonzero(labels[1:] < labels[:-1])
        if falls.size:
            at = int(falls[0]) + 1
            raise InputError(
                f"{name}: lookup {at}: bag {labels[at]} follows bag {labels[at - 1]}; bags must not decrease"
            )
        starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
        offsets = np.append(starts, len(labels)).astype(np.int64)
        columns: dict[str, Any] = {}
        for key, column in values.items():
            target = {"row": "rows", "table": "bag_tables"}.get(key, key)
            if COLUMNS[target].per == "bag":
                changed = np.flatnonzero(column != np.repeat(column[starts], np.diff(offsets)))
                if changed.size:
                    at = int(changed[0])
                    raise InputError(
                        f"{name}: lookup {at}: {key} = {column[at]} changes inside bag {labels[at]}"
                    )
                column = column[starts]
            columns[target] = _converted(column, COLUMNS[target].dtypes[0], f"{name}: column {key!r}")
        trace = cls(name=name, tables=tuple(tables), bag_offsets=offsets, **columns, **options)
        trace.validate()
        return trace

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns that are present, by name, in the order of `COLUMNS`."""
        return {name: getattr(self, name) for name in COLUMNS if getattr(self, name) is not None}

    @property
    def lookups(self) -> int:
        """Number of row lookups."""
        return len(self.rows)

    @property
    def bags(self) -> int:
        """Number of bags."""
        return len(self.bag_tables)

    @property
    def table(self) -> NDArray[np.int32]:
        """Table of every lookup, shape (lookups,); computed, so ask a `window` of a long trace."""
        return np.repeat(self.bag_tables, np.diff(self.bag_offsets))

    @property
    def bag(self) -> NDArray[np.int64]:
        """Bag of every lookup, shape (lookups,); computed, so ask a `window` of a long trace."""
        return np.repeat(np.arange(self.bags), np.diff(self.bag_offsets))

    @cached_property
    def sha256(self) -> str:
        """Hash of the content, see `archsim.traces.checks.content_sha256`."""
        return content_sha256(self)

    def validate(self, where: str | None = None) -> None:
        """Check every value, in bounded memory.

        Parameters
        ----------
        where : str, optional
            Start of the error message, for instance a file; the name of the trace by default.

        Raises
        ------
        InputError
            The first violation: offsets that do not rise from 0 to the number of lookups, an unknown table, a
            row outside its table, an operation other than 0 and 1, a weight that is not finite, or no lookups
            at all.
        """
        check_contents(self, where or self.name)

    def chunks(self, max_lookups: int) -> Iterator[tuple[int, int]]:
        """Cut the trace into ranges of whole bags.

        Parameters
        ----------
        max_lookups : int
            Most lookups per range; a single bag larger than that is a range of its own.

        Yields
        ------
        first_bag, last_bag : int
            Half-open ranges that cover all bags in order.
        """
        yield from bag_chunks(self.bag_offsets, max_lookups)

    def window(self, first_bag: int, last_bag: int) -> EmbeddingTrace:
        """Return the bags ``first_bag`` to ``last_bag`` (exclusive) as a trace; only offsets are copied."""
        first, last = int(self.bag_offsets[first_bag]), int(self.bag_offsets[last_bag])
        cut = {
            "lookup": slice(first, last),
            "bag": slice(first_bag, last_bag),
            "boundary": slice(first_bag, last_bag + 1),
        }
        columns: dict[str, Any] = {
            name: column[cut[COLUMNS[name].per]] for name, column in self.columns.items()
        }
        if first:
            columns["bag_offsets"] = columns["bag_offsets"] - first
        return replace(self, **columns)

    def limit(self, n_lookups: int) -> EmbeddingTrace:
        """Return the first ``n_lookups`` lookups exactly; the last bag may be cut short.

        Raises
        ------
        InputError
            ``n_lookups`` is below 1.
        """
        if n_lookups < 1:
            raise InputError(f"{self.name}: limit = {n_lookups} lookups must be at least 1")
        if n_lookups >= self.lookups:
            return self
        whole = self.window(0, int(np.searchsorted(self.bag_offsets, n_lookups, side="left")))
        offsets = np.minimum(whole.bag_offsets, n_lookups)
        columns: dict[str, Any] = {
            name: c[:n_lookups] for name, c in whole.columns.items() if COLUMNS[name].per == "lookup"
        }
        return replace(whole, **columns, bag_offsets=offsets)

    def reorder(self, order: str) -> EmbeddingTrace:
        """Sort the bags; stable, and the columns travel along.

        Parameters
        ----------
        order : {"sample-major", "table-major"}
            Sample by sample and inside it table by table, or table by table and inside it sample by sample.
            Without a ``sample`` column bag ``k`` of a table is sample ``k``, which needs equal numbers of
            bags.

        Returns
        -------
        EmbeddingTrace
            A copy in memory, or views of the same columns where the bags are in that order already.

        Raises
        ------
        InputError
            Unknown order, "as-recorded" of a trace that was sorted since, or samples that cannot be told.
        """
        return reordered(self, order)


def _converted(column: NDArray[Any], dtype: str, what: str) -> NDArray[Any]:
    """Convert to the canonical type, refusing integers that do not fit."""
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        low, high = int(column.min()), int(column.max())
        if low < np.iinfo(kind).min or high > np.iinfo(kind).max:
            raise InputError(f"{what}: values {low} to {high} do not fit {dtype}")
    return column.astype(kind)
