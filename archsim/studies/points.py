"""A point of a study, as it travels to a worker: small, complete, and known by its content."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError
from archsim.studies.columns import Value
from archsim.traces.workloads import PRESET, open_trace

if TYPE_CHECKING:
    from archsim.traces.formats.registry import Trace

#: Path, size in bytes, time of the last change in ns, and inode of each file.
Marks = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class TraceSource:
    """Where a trace is, and how to read it.

    Attributes
    ----------
    source : str
        An absolute path, or ``preset:NAME``.
    workload : tuple of str
        Overrides ``PATH=VALUE`` of a generated trace.
    reading : tuple of (str, value)
        Options of `archsim.open_trace`.
    name, sha256 : str
        Label, and what the content must hash to; empty when not known yet.
    """

    source: str
    workload: tuple[str, ...] = ()
    reading: tuple[tuple[str, Any], ...] = ()
    name: str = ""
    sha256: str = ""

    @property
    def generated(self) -> bool:
        """Whether the trace is made from a preset."""
        return self.source.startswith(PRESET)

    def marks(self) -> Marks:
        """Return size, time of change and number of every file of the trace: they tell a trace that was rewritten.

        Nothing for a generated trace, and less where files are gone.
        """
        if self.generated:
            return ()
        path, found = Path(self.source), []
        with suppress(OSError):
            for file in sorted(path.iterdir()) if path.is_dir() else (path,):
                status = file.stat()
                found.append((str(file), status.st_size, status.st_mtime_ns, status.st_ino))
        return tuple(found)

    def open(self, *, verify: bool = False) -> Trace:
        """Open the trace and compare its content with the hash, where there is one.

        Parameters
        ----------
        verify : bool
            Read all of a native trace however long it is, where else a long one is known by the hash that it records.

        Raises
        ------
        InputError
            When it cannot be opened, or is not the trace that the study is of.
        """
        options = {**dict(self.reading), "overrides": self.workload, "verify": verify}
        trace: Trace = open_trace(self.source, **options)
        if self.sha256 and trace.sha256 != self.sha256:
            raise InputError(
                f"{self.source}: holds another trace than when the sweep began: SHA-256 {trace.sha256[:16]}..., "
                f"not {self.sha256[:16]}..."
            )
        return trace


@dataclass(frozen=True)
class DesignFile:
    """A file of the user that registers near-memory designs, known by its content."""

    path: str
    sha256: str

    @classmethod
    def of(cls, path: str | Path) -> DesignFile:
        """Read the file to know it."""
        full = Path(path).absolute()
        try:
            return cls(str(full), hashlib.sha256(full.read_bytes()).hexdigest())
        except OSError as error:
            raise InputError(f"--design {path}: {error.strerror}") from None


@dataclass(frozen=True)
class Task:
    """One point of a study.

    Attributes
    ----------
    point_id : str
        `point_id` of its system, trace and code.
    system : str
        Label of the system.
    packed : bytes
        Canonical JSON of the resolved system, compressed.
    trace : TraceSource
        The trace; it travels by path, never by value.
    axes : mapping of str to value
        Value of every axis by column; None where the axis is not for this system or trace.
    code : str
        `archsim.studies.code.code_version`, which a worker must have too.
    time_limit_s : float or None
        Seconds after which the point is given up.
    designs : tuple of DesignFile
        What registers the design of the system; empty for a shipped one.
    """

    point_id: str
    system: str
    packed: bytes
    trace: TraceSource
    axes: Mapping[str, Value]
    code: str
    time_limit_s: float | None = None
    designs: tuple[DesignFile, ...] = ()

    @property
    def system_json(self) -> str:
        """Canonical JSON of the resolved system."""
        return zlib.decompress(self.packed).decode("ascii")

    def __str__(self) -> str:
        values = [f"{column}={value}" for column, value in self.axes.items() if value is not None]
        return ", ".join([self.system, self.trace.name, *values])


def point_id(system_sha256: str, trace_sha256: str, code: str) -> str:
    """Return the SHA-256 that identifies a point, in hexadecimal."""
    text = json.dumps(
        {"code": code, "system": system_sha256, "trace": trace_sha256}, sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()
