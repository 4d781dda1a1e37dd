"""The folder of a study, for those who write it: one writer at a time, nothing lost, nothing overwritten."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from archsim.errors import InputError
from archsim.files import new_folder
from archsim.studies import journal, parts
from archsim.studies.columns import STATUSES
from archsim.studies.definition import FILE, Definition, read_definition, write_definition
from archsim.studies.lock import take_lock
from archsim.studies.rows import Rows, Snapshot, tables_of

TRACES = "traces"
"""Folder for traces that were given as objects."""
COMPACT_ROWS = 1000
"""Rows of a journal that become a part."""


class Store:
    """A study that is being written.

    Reading (`finished`) needs no lock; writing (`add`, `compact`) happens inside ``with store:``, which holds it.

    Parameters
    ----------
    path : Path
        The folder, which exists.
    definition : Definition
        Its content.
    """

    def __init__(self, path: Path, definition: Definition) -> None:
        self.path = path
        self.definition = definition
        self._wanted: Definition | None = None
        self._lock: int | None = None
        self._journal: journal.JournalWriter | None = None
        self._waiting = 0
        self._kinds: dict[str, str] = {}

    @classmethod
    def create(cls, path: str | Path, sweep: Mapping[str, Any], *, code_version: str) -> Store:
        """Make the folder of a study, or take the one that is there when it goes on with the same code and axes.

        Parameters
        ----------
        path : str or Path
            The folder; its parent must exist.
        sweep : mapping
            What is wanted, see `Definition.sweeps`.
        code_version : str
            Of the code that will run.

        Raises
        ------
        InputError
            When the folder is no study, is damaged, or is of other code or other axes; nothing is changed then.
        """
        path = Path(path)
        wanted = Definition.new(code_version, (dict(sweep),))
        if not os.path.lexists(path):
            try:
                with new_folder(path) as folder:
                    write_definition(folder, wanted)
                return cls(path, wanted)
            except InputError:
                # Another sweep may have made it meanwhile; it then is a folder that is there.
                if not (path / FILE).exists():
                    raise
        found = read_definition(path)
        store = cls(path, found.extended(wanted, path))
        store._wanted = wanted
        return store

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Take the folder of a study as it is.

        Raises
        ------
        InputError
            When it is no study, or damaged.
        """
        path = Path(path)
        return cls(path, read_definition(path))

    def finished(self) -> dict[str, str]:
        """Return the status (``done``, ``failed``, ``timeout``) of every point that has a row, by point_id."""
        return dict(Snapshot.open(self.path).status)

    def kinds(self) -> dict[str, str]:
        """Return the kind of every column of the rows that are there: ``bool``, ``int``, ``float`` or ``str``."""
        return dict(Snapshot.open(self.path).kinds)

    def __enter__(self) -> Self:
        self._lock = take_lock(self.path)
        try:
            found = read_definition(self.path)
            self.definition = found if self._wanted is None else found.extended(self._wanted, self.path)
            if self.definition is not found:
                write_definition(self.path, self.definition)
            self._tidy()
            snapshot = Snapshot.open(self.path)
            self._kinds = dict(snapshot.kinds)
            for part in snapshot.superseded():
                part.unlink()
            self._journal = journal.JournalWriter(self.path / journal.FILE)
            self._waiting = sum(1 for _ in journal.read_rows(self.path / journal.FILE))
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._compact_if_possible()
        finally:
            self._release()

    def add(self, row: Mapping[str, Any]) -> None:
        """Write the row of one finished point; it is in the file when this returns.

        Raises
        ------
        InputError
            When the disk is full (all rows before are kept), or the row fits no column.
        """
        writer = self._writer()
        where = f"{self.path}: point {str(row.get('point_id'))[:12]}"
        plain = parts.normal(row, where)
        if type(plain.get("point_id")) is not str or plain.get("status") not in STATUSES:
            raise InputError(f"{where}: must have a point_id, and a status of {', '.join(STATUSES)}")
        for name, value in plain.items():
            kind = parts.kind_of(value)
            before = self._kinds.get(name, kind)
            self._kinds[name] = kind if before == kind else parts.common_kind(name, (before, kind), where)
        writer.append(plain)
        self._waiting += 1
        if self._waiting >= COMPACT_ROWS:
            self._compact_if_possible()

    def compact(self) -> None:
        """Move the rows of the journal into a part, together with parts that are no larger.

        Parts so stay few, and each row is written again only when there are twice as many. A kill at any moment leaves
        rows twice, never lost; who reads takes each point once.

        Raises
        ------
        InputError
            When it cannot be written; the journal then stays.
        """
        writer, file = self._writer(), self.path / journal.FILE
        # Not from memory: an interrupt may have come between a line and its count.
        rows = tables_of(journal.read_rows(file), str(file))
        if not rows:
            return
        try:
            merged = self._merge(rows)
            self._journal, self._waiting = None, 0
            writer.close()
            file.unlink()
            for part in merged:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{self.path}: parts cannot be written: {error.strerror or error}") from None

    def _merge(self, waiting: list[Rows]) -> list[Path]:
        """Write a part of these rows and of the parts at the end that are no larger; return those."""
        merged: list[parts.Part] = []
        rows = sum(each.rows for each in waiting)
        for path in reversed(parts.part_paths(self.path)):
            part = parts.Part(path)
            if part.rows > 2 * rows:
                break
            merged.insert(0, part)
            rows += part.rows
        snapshot = Snapshot([*merged, *waiting], str(self.path))
        parts.write_part(self.path, snapshot.read(list(snapshot.kinds)))
        return [part.path for part in merged]

    def _compact_if_possible(self) -> None:
        """Compact; a disk without room for it costs nothing, because the journal stays."""
        try:
            self.compact()
        except InputError:
            self._waiting = 0  # not with every row again

    def _writer(self) -> journal.JournalWriter:
        if self._lock is None:
            raise RuntimeError("a store is written inside `with store:`")
        if self._journal is None:
            self._journal = journal.JournalWriter(self.path / journal.FILE)
        return self._journal

    def _tidy(self) -> None:
        """Remove the files and folders that a killed writer left half-written."""
        for folder in (self.path, self.path / parts.FOLDER, self.path / TRACES):
            for left in folder.glob(".*.tmp"):
                try:
                    if left.is_dir() and not left.is_symlink():
                        shutil.rmtree(left)
                    else:
                        left.unlink(missing_ok=True)
                except OSError as error:
                    raise InputError(
                        f"{left}: was left half-written, and cannot be removed: {error.strerror}"
                    ) from None

    def _release(self) -> None:
        opened, lock = self._journal, self._lock
        self._journal = self._lock = None
        try:
            if opened is not None:
                opened.close()
        finally:
            if lock is not None:
                os.close(lock)  # which unlocks
