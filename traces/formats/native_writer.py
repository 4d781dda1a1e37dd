"""Writing native traces, whole or window by window in bounded memory; see `archsim.traces.formats.native`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.files import new_folder
from archsim.traces.addresses import AddressTrace
from archsim.traces.checks import CHUNK, forget_pages
from archsim.traces.formats.native import COUNTS, SIDECAR_NAME, read_native
from archsim.traces.formats.outputs import Progress, silent
from archsim.traces.formats.sidecar import Trace, describe, encoded
from archsim.traces.trace import EmbeddingTrace

WINDOW = 16 << 20
"""Lookups or requests of a whole trace that are copied at a time."""


class NativeWriter:
    """A native trace under construction, made by `native_writer`.

    Parameters
    ----------
    folder : Path
        An empty folder.
    header : EmbeddingTrace or AddressTrace
        See `native_writer`.

    Attributes
    ----------
    header : EmbeddingTrace or AddressTrace
        Labels and tables of the trace to be. May be replaced until the end, for instance by one with the
        sizes of tables that were not known before.
    entries : int
        Lookups or requests appended so far.
    """

    def __init__(self, folder: Path, header: Trace) -> None:
        encoded(header)  # Said before any work is done: what is too large to be read again.
        self.header = header
        self.entries = 0
        self._kind = type(header)
        self._folder = folder
        self._types = {name: column.dtype.newbyteorder("<") for name, column in header.columns.items()}
        self._lengths = dict.fromkeys(self._types, 0)
        self._files = ExitStack()
        self._streams: dict[str, BinaryIO] = {}
        for name in self._types:
            stream: BinaryIO = self._files.enter_context((folder / f"{name}.npy").open("wb"))
            self._streams[name] = stream
            self._write_header(name)
        if "bag_offsets" in self._types:
            self._write("bag_offsets", np.zeros(1, np.int64))

    def append(self, window: Trace) -> None:
        """Append a window, whole bags of lookups or some requests.

        Parameters
        ----------
        window : EmbeddingTrace or AddressTrace
            A trace of the kind and with the columns of the header. Its labels do not matter, and its order
            and tables are not looked at.

        Raises
        ------
        InputError
            Another kind, other columns, or row numbers wider than the header's.
        """
        columns = window.columns
        if type(window) is not self._kind or columns.keys() != self._types.keys():
            raise InputError(
                f"{window.name}: {type(window).__name__} with the columns {', '.join(columns)} cannot follow "
                f"{self._kind.__name__} with {', '.join(self._types)}"
            )
        for name, column in columns.items():
            if not np.can_cast(column.dtype, self._types[name]):
                raise InputError(
                    f"{window.name}: column {name!r} holds {column.dtype.name}, wider than the "
                    f"{self._types[name].name} of the trace's header"
                )
        for name, column in columns.items():
            skipped = 1 if name == "bag_offsets" else 0
            for start in range(skipped, len(column), CHUNK):
                part = column[start : start + CHUNK]
                self._write(name, part + self.entries if name == "bag_offsets" else part)
                forget_pages(column)
        first = next(name for name in columns if name != "bag_offsets")
        self.entries += len(columns[first])

    def finish(self) -> str:
        """Complete the files, hash them and write the sidecar; called by `native_writer`.

        Returns
        -------
        str
            SHA-256 of the trace's content.
        """
        header = self.header
        if not self.entries:
            what = "lookup" if isinstance(header, EmbeddingTrace) else "request"
            raise InputError(f"{header.name}: a trace needs at least one {what}")
        for name in self._types:
            self._write_header(name)
        self.close()
        description = describe(header)
        counts = {key: self._lengths[column] for key, column in COUNTS[description["kind"]].items()}
        columns = {
            name: {"dtype": kind.name, "length": self._lengths[name]} for name, kind in self._types.items()
        }
        sidecar = description | counts | {"columns": columns, "sha256": "0" * 64}
        file = self._folder / SIDECAR_NAME
        file.write_text(json.dumps(sidecar, indent=1) + "\n", encoding="utf-8")
        written = read_native(self._folder, verify=False)
        del vars(written)["sha256"]  # hashed from the files, not taken from the sidecar
        sidecar["sha256"] = written.sha256
        file.write_text(json.dumps(sidecar, indent=1) + "\n", encoding="utf-8")
        return written.sha256

    def close(self) -> None:
        """Close all files."""
        self._files.close()

    def _write(self, name: str, part: NDArray[Any]) -> None:
        self._streams[name].write(np.ascontiguousarray(part, dtype=self._types[name]).data)
        self._lengths[name] += len(part)

    def _write_header(self, name: str) -> None:
        """Write the head of a ``.npy`` file; NumPy leaves room in it for any length."""
        stream = self._streams[name]
        before = stream.tell()
        stream.seek(0)
        described = {
            "descr": np.lib.format.dtype_to_descr(self._types[name]),
            "fortran_order": False,
            "shape": (self._lengths[name],),
        }
        np.lib.format.write_array_header_1_0(stream, described)
        end = stream.tell()
        if before and before - end != self._lengths[name] * self._types[name].itemsize:
            raise AssertionError(f"the head of {name}.npy has grown to {end} bytes")


@contextmanager
def native_writer(path: str | Path, header: Trace) -> Iterator[NativeWriter]:
    """Write a native trace window by window; the folder appears when the block ends, or not at all.

    ``with native_writer(path, header) as writer: writer.append(window)``. Memory is bounded by a window plus
    a few MiB. The SHA-256 is that of the whole trace.

    Parameters
    ----------
    path : str or Path
        The new folder. Its parent must exist.
    header : EmbeddingTrace or AddressTrace
        Says everything but the values: name, tables, order, time unit, generator, seed, notes, which columns
        there are and of which types. Its own values are not written: the first window does, or an empty
        trace.

    Yields
    ------
    NativeWriter
        Takes the windows.

    Raises
    ------
    InputError
        ``path`` exists already or cannot be written, or nothing was appended.
    """
    with new_folder(Path(path)) as building:
        writer = NativeWriter(building, header)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()


def write_native(
    trace: Trace | Iterable[AddressTrace], path: str | Path, progress: Progress = silent
) -> None:
    """Write a trace as a folder that appears complete or not at all.

    Parameters
    ----------
    trace : EmbeddingTrace, AddressTrace or iterable of AddressTrace
        The trace, or windows of addresses one after another; columns are copied file to file without being loaded
        where they are memory maps.
    path : str or Path
        The new folder. Its parent must exist.
    progress : callable
        Called with the lookups or requests written since the last call.

    Raises
    ------
    InputError
        ``path`` exists already, or cannot be written.
    """
    if isinstance(trace, EmbeddingTrace | AddressTrace):
        windows: Iterator[Trace] = (trace.window(*part) for part in trace.chunks(WINDOW))
        header: Trace = trace
    else:
        addresses = iter(trace)
        header = next(addresses)
        windows = chain((header,), addresses)
    with native_writer(path, header) as writer:
        for window in windows:
            writer.append(window)
            progress(window.lookups if isinstance(window, EmbeddingTrace) else window.requests)
