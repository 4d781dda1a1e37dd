"""What a fuzzer may damage, how it becomes a file, and what may come out of reading it.

An input is a byte that chooses the target, a byte that chooses options, and the content. Some targets put a sound
wrapping with sound checksums around the content, so that damage reaches what lies behind the checksums.
"""

from __future__ import annotations

import gzip
import lzma
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from shutil import rmtree
from typing import Any

import zstandard

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import sound_traces

from archsim.errors import InputError, printable
from archsim.traces import read_trace, write_native
from archsim.traces.formats.registry import FILE_FORMATS

OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"rows": 10},
    {"rows": (10, 2**40)},
    {"rows": 2**56 - 1},
    {"tables": 2},
    {"vector_bytes": 64},
    {"limit": 3},
    {"order": "sample-major"},
    {"order": "table-major", "limit": 1},
    {"kind": "lookups"},
    {"kind": "addresses"},
)
"""Options of `read_trace`; the second byte modulo twice their number. The second half also writes what was read."""

LONGEST_MESSAGE = 20_000


class FoundError(Exception):
    """What a fuzzer is to find: a reader that did neither read nor refuse."""


@cache
def sound_folder() -> dict[str, bytes]:
    return sound_traces.native(sound_traces.lookups())


@cache
def sound_storages() -> dict[str, bytes]:
    """Arrays of the sound archive."""
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(sound_traces.npz())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def as_file(content: bytes, folder: Path) -> Path:
    path = folder / "trace_t2_bs3"
    path.write_bytes(content)
    return path


def as_native(name: str) -> Callable[[bytes, Path], Path]:
    """Put the content into a native folder in place of one of its files."""

    def place(content: bytes, folder: Path) -> Path:
        path = folder / "native"
        path.mkdir(exist_ok=True)
        for each, sound in sound_folder().items():
            (path / each).write_bytes(content if each == name else sound)
        return path

    return place


def as_description(content: bytes, folder: Path) -> Path:
    """Put the content into the schema's metadata of a Parquet file."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(as_file(sound_traces.files()["parquet"], folder))
    path = folder / "described"
    parquet.write_table(table.replace_schema_metadata({b"archsim-trace": content}), path)
    return path


def as_archive(content: bytes) -> bytes:
    """Put the content into an .npz archive in place of the indices of the first table."""
    return sound_traces.zipped({**sound_storages(), "emb_0_indices.npy": content})


Place = Callable[[bytes, Path], Path]
TARGETS: dict[str, tuple[Place, str | None]] = {
    "told by content": (as_file, None),
    **{name: (as_file, name) for name in FILE_FORMATS},
    "gzip around": (lambda content, folder: as_file(gzip.compress(content, 1), folder), None),
    "xz around": (lambda content, folder: as_file(lzma.compress(content, preset=0), folder), None),
    "zstd around": (lambda content, folder: as_file(zstandard.compress(content, 1), folder), None),
    "pickle": (lambda content, folder: as_file(sound_traces.pt(content), folder), "pt"),
    "pickle, older form": (lambda content, folder: as_file(sound_traces.pt_legacy(content), folder), "pt"),
    "array": (lambda content, folder: as_file(as_archive(content), folder), "npz"),
    "sidecar": (as_native("trace.json"), None),
    "rows": (as_native("rows.npy"), "native"),
    "offsets": (as_native("bag_offsets.npy"), "native"),
    "description": (as_description, "parquet"),
}
NAMES = tuple(TARGETS)


def entry(target: str, content: bytes, options: int = 0) -> bytes:
    """Return the input of a fuzzer for a target."""
    return bytes([NAMES.index(target), options]) + content


def check(data: bytes, folder: Path) -> str:
    """Read an input as the trace it stands for.

    Returns
    -------
    str
        The target, and "read" or "refused".

    Raises
    ------
    FoundError
        Anything but a sound trace or one line that begins with the path.
    """
    if len(data) < 2:
        return "too short"
    name, choice = NAMES[data[0] % len(NAMES)], data[1] % (2 * len(OPTIONS))
    place, format = TARGETS[name]
    path = place(data[2:], folder)
    warnings.simplefilter("error")
    try:
        trace = read_trace(path, format=format, **OPTIONS[choice % len(OPTIONS)])
    except InputError as error:
        message = printable(str(error))
        if len(message) > LONGEST_MESSAGE:
            raise FoundError(f"{name}: a message of {len(message)} characters") from error
        if "\n" in str(error) or not message.startswith((str(path), "trace_t2_bs3: ")):
            raise FoundError(f"{name}: {message[:500]!r} is not one line that begins with the path") from error
        return f"{name}: refused"
    try:
        trace.validate()
    except InputError as error:
        raise FoundError(f"{name}: read, but not sound: {error}") from error
    if choice >= len(OPTIONS):
        copy = folder / "copy"
        rmtree(copy, ignore_errors=True)
        write_native(trace, copy)
        if read_trace(copy).sha256 != trace.sha256:
            raise FoundError(f"{name}: written and read again, another hash")
    return f"{name}: read"
