"""What a fuzzer may damage, how it becomes a file, and what may come out of reading it.

An input is a byte that chooses the target, a byte that chooses options, and the content. Some targets put a sound
wrapping with sound checksums around the content, so that damage reaches what lies behind the checksums.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import sys
import warnings
import zipfile
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import zstandard

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import sound_traces

from archsim.errors import InputError, printable
from archsim.traces import read_trace, write_native
from archsim.traces.formats.registry import FILE_FORMATS
from archsim.traces.formats.sidecar import describe

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


def sound_description() -> bytes:
    return json.dumps(describe(sound_traces.lookups())).encode()


@cache
def sound_arrays() -> dict[str, bytes]:
    """Return the members of the sound archive."""
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
    return sound_traces.zipped({**sound_arrays(), "emb_0_indices.npy": content})


ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 3, 10, 2**31, 2**33, 2**63 - 1, 2**63, 2**64, 10**30, 1.5, float("nan")),
    *("", "a", "\ud800", "x" * 300, "int8", "int32", "int64", "float32", "sample-major", "as-recorded"),
    *("lookups", "addresses", "ps", "clk", [], {}, [[]], {"a": 1}, "0" * 64),
)
"""What takes the place of a value of a description."""

MOST_CHANGES = 8

ODD_NUMBERS = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    9,
    10,
    -1,
    -2,
    65_535,
    65_536,
    2**31 - 1,
    2**31,
    2**33,
    2**63 - 1,
    -(2**63),
)
"""What a byte stands for in a column."""


def changed(sound: bytes, content: bytes) -> bytes:
    """Give a description other values: each two bytes say which one, and what takes its place or that it goes."""
    root = json.loads(sound)
    content = content[: 2 * MOST_CHANGES]
    for which, what in zip(content[::2], content[1::2], strict=False):
        slots: list[tuple[Any, Any]] = []
        todo = [root]
        for each in todo:
            keys = range(len(each)) if isinstance(each, list) else list(each)
            slots += [(each, key) for key in keys]
            todo += [each[key] for key in keys if isinstance(each[key], list | dict)]
        if not slots:
            break
        owner, key = slots[which % len(slots)]
        if what % (len(ODD_VALUES) + 2) < len(ODD_VALUES):
            owner[key] = deepcopy(ODD_VALUES[what % (len(ODD_VALUES) + 2)])
        elif what % 2:
            del owner[key]
        elif isinstance(owner, dict):
            owner[f"{key}_"] = deepcopy(owner[key])
        else:
            owner.append(deepcopy(owner[key]))
    return json.dumps(root).encode()


def numbers(content: bytes, count: int) -> list[int]:
    """Return as many numbers; where the content ends, they are 0."""
    return [ODD_NUMBERS[byte % len(ODD_NUMBERS)] for byte in content[:count].ljust(count, b"\0")]


def as_tensors(content: bytes, folder: Path) -> Path:
    """Let the content say the numbers in a file of tensors."""
    values = numbers(content, 20)
    tensors = {"indices": values[:7], "offsets": values[7:14], "lengths": values[14:]}
    return as_file(sound_traces.pt(**tensors), folder)


def as_arrays(content: bytes, folder: Path) -> Path:
    """Let the content say the numbers in an archive of two tables."""
    sizes = [byte % 5 for byte in content[:4].ljust(4, b"\0")]
    names = [f"emb_{t}_{part}" for t in range(2) for part in ("indices", "lengths")]
    rest, arrays = content[4:], {}
    for name, size in zip(names, sizes, strict=True):
        arrays[name] = np.array(numbers(rest, size), np.int64)
        rest = rest[size:]
    return as_file(sound_traces.npz(**arrays), folder)


def as_table(content: bytes, folder: Path) -> Path:
    """Let the content say which columns a Parquet file has, of which types, and their numbers."""
    import pyarrow
    import pyarrow.parquet as parquet

    wanted, kind, group, rest = (*content[:3].ljust(3, b"\0"), content[3:])
    names = ["table", "row", "bag"] if wanted & 1 else ["address"]
    names += [
        name
        for bit, name in enumerate(("time_ps", "sample", "weight", "operation", "time"), 1)
        if wanted >> bit & 1
    ]
    types = (
        pyarrow.int64(),
        pyarrow.int32(),
        pyarrow.int8(),
        pyarrow.uint64(),
        pyarrow.float64(),
        pyarrow.string(),
    )
    count, columns = len(rest) // len(names), {}
    for place, name in enumerate(names):
        chosen = types[kind % len(types)] if place == group % len(names) else types[0]
        values: list[Any] = list(numbers(rest[place * count :], count))
        if wanted & 64:
            values = [None if value == -2 else value for value in values]
        columns[name] = pyarrow.array(values, pyarrow.int64()).cast(chosen, safe=False)
    path = folder / "table"
    parquet.write_table(pyarrow.table(columns), path, row_group_size=1 + group % 7)
    return path


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
    "sidecar, by value": (
        lambda content, folder: as_native("trace.json")(
            changed(sound_folder()["trace.json"], content), folder
        ),
        None,
    ),
    "description, by value": (
        lambda content, folder: as_description(changed(sound_description(), content), folder),
        "parquet",
    ),
    "tensors": (as_tensors, "pt"),
    "arrays": (as_arrays, "npz"),
    "table": (as_table, "parquet"),
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
            raise FoundError(
                f"{name}: {message[:500]!r} is not one line that begins with the path"
            ) from error
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
