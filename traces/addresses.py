"""The second kind of trace: memory requests by physical byte address, with arrival times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest
from archsim.traces.checks import CHUNK, forget_pages

ADDRESS_COLUMNS = {
    "address": ("int64", "byte address"),
    "operation": ("uint8", "0 = read, 1 = write"),
    "time": ("int64", "arrival, in the unit of the trace; does not decrease"),
}
"""Columns of an `AddressTrace`: type, and one phrase for users. Only ``address`` is required."""

TIME_UNITS = ("clk", "ps")
"""What arrival times count: clocks of the memory that is simulated, or picoseconds."""


@dataclass(frozen=True, eq=False, repr=False)
class AddressTrace:
    """A sequence of memory requests, one per address.

    Columns are read-only views. Memory-mapped columns stay on disk.

    Parameters
    ----------
    name : str
        Label; not part of the content hash.
    address : ndarray of int64, shape (requests,)
        Physical byte address of every request. A request reads or writes the line that holds it.
    operation : ndarray of uint8, shape (requests,), optional
        0 for a read, 1 for a write; all are reads without it.
    time : ndarray of int64, shape (requests,), optional
        Earliest arrival; does not decrease. Without it requests arrive as fast as they are taken.
    time_unit : {"clk", "ps"}
        Clocks of the simulated memory, or picoseconds.
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
    address: NDArray[np.int64]
    operation: NDArray[np.uint8] | None = None
    time: NDArray[np.int64] | None = None
    time_unit: str = "clk"
    generator: str = ""
    seed: int | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))
        if self.time_unit not in TIME_UNITS:
            raise InputError(
                f"{self.name}: unknown time_unit {self.time_unit!r}{nearest(self.time_unit, TIME_UNITS)}"
            )
        for name, column in self.columns.items():
            view = np.asarray(column).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)
            wanted = ADDRESS_COLUMNS[name][0]
            if view.dtype.name != wanted:
                raise InputError(f"{self.name}: column {name!r} holds {view.dtype.name}; it must be {wanted}")
            if view.shape != (self.requests,):
                raise InputError(
                    f"{self.name}: column {name!r} has shape {view.shape}; {self.requests} requests need "
                    f"({self.requests},)"
                )

    def __repr__(self) -> str:
        return f"AddressTrace({self.name!r}: {self.requests:,} requests)"

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns that are present, by name, in the order of `ADDRESS_COLUMNS`."""
        return {name: getattr(self, name) for name in ADDRESS_COLUMNS if getattr(self, name) is not None}

    @property
    def requests(self) -> int:
        """Number of requests."""
        return len(self.address)

    @cached_property
    def sha256(self) -> str:
        """Hash of the content: time unit (where there are times) and columns, as little-endian values."""
        unit = None if self.time is None else self.time_unit
        header = {"columns": {name: len(c) for name, c in self.columns.items()}, "time_unit": unit}
        digest = hashlib.sha256(json.dumps(header, sort_keys=True, separators=(",", ":")).encode())
        for name, column in self.columns.items():
            kind = np.dtype(ADDRESS_COLUMNS[name][0]).newbyteorder("<")
            for start in range(0, len(column), CHUNK):
                digest.update(np.ascontiguousarray(column[start : start + CHUNK], dtype=kind).data)
                forget_pages(column)
        return digest.hexdigest()

    def validate(self, where: str | None = None) -> None:
        """Check every value, in bounded memory.

        Parameters
        ----------
        where : str, optional
            Start of the error message, for instance a file; the name of the trace by default.

        Raises
        ------
        InputError
            The first violation: a negative address, an operation other than 0 and 1, a negative arrival or
            one before its predecessor's, or no requests at all.
        """
        where = where or self.name
        if not self.requests:
            raise InputError(f"{where}: a trace needs at least one request")
        for start in range(0, self.requests, CHUNK):
            stop = min(start + CHUNK, self.requests)
            self._refuse(where, start, self.address[start:stop] < 0, "address", "must not be negative")
            if self.operation is not None:
                bad = self.operation[start:stop] > 1
                self._refuse(where, start, bad, "operation", "must be 0 (read) or 1 (write)")
            if self.time is not None:
                self._refuse(where, start, self.time[start:stop] < 0, "time", "must not be negative")
                bad = np.diff(self.time[max(start - 1, 0) : stop]) < 0
                self._refuse(where, max(start, 1), bad, "time", "is before that of the request before")
            for column in self.columns.values():
                forget_pages(column)

    def _refuse(self, where: str, start: int, bad: NDArray[np.bool_], name: str, rule: str) -> None:
        if bad.any():
            at = start + int(np.argmax(bad))
            raise InputError(f"{where}: request {at}: {name} = {getattr(self, name)[at]} {rule}")

    def window(self, first: int, last: int) -> AddressTrace:
        """Return the requests ``first`` to ``last`` (exclusive) as a trace of views."""
        columns: dict[str, Any] = {name: column[first:last] for name, column in self.columns.items()}
        return replace(self, **columns)

    def chunks(self, max_requests: int) -> Iterator[tuple[int, int]]:
        """Cut the trace into half-open ranges of at most ``max_requests``."""
        for first in range(0, self.requests, max_requests):
            yield first, min(first + max_requests, self.requests)

    def limit(self, n_requests: int) -> AddressTrace:
        """Return the first ``n_requests`` requests.

        Raises
        ------
        InputError
            ``n_requests`` is below 1.
        """
        if n_requests < 1:
            raise InputError(f"{self.name}: limit = {n_requests} requests must be at least 1")
        return self if n_requests >= self.requests else self.window(0, n_requests)
