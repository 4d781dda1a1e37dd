"""Tensors in files of ``torch.save``, as NumPy arrays, without PyTorch and without executing anything.

Both forms are read: the zip archive of PyTorch 1.6 and later, and the run of pickles before it.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.traces.formats.content import file_content
from archsim.traces.formats.unpickle import MAX_BYTES, Storage, TensorView, Unpickler
from archsim.traces.formats.zipped import member_content, zip_members

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""The number that the first pickle of the older form holds."""

LEGACY_HEAD = re.compile(
    rb"\x80[\x02-\x05](?:\x95.{8})?\x8a\x0a" + re.escape(LEGACY_MAGIC.to_bytes(10, "little")) + rb"\.",
    re.DOTALL,
)
"""That pickle, in protocols 2 to 5."""

LEGACY_PROTOCOL = 1001


def is_torch(head: bytes) -> bool:
    """Whether a file begins as ``torch.save`` begins it: a zip whose first member is ``*/data.pkl``, or a pickle."""
    name_size = int.from_bytes(head[26:28], "little")
    zipped = head.startswith(b"PK\x03\x04") and head[30 : 30 + name_size].endswith(b"/data.pkl")
    return zipped or LEGACY_HEAD.match(head) is not None


def load_tensors(path: Path) -> list[Any]:
    """Read a tuple or list of tensors.

    Parameters
    ----------
    path : Path
        The file, plain or compressed.

    Returns
    -------
    list
        The members of the tuple; a tensor as a read-only array, a view of the file, anything else as None.

    Raises
    ------
    InputError
        The file is damaged, asks for anything else than tensors, or a tensor does not lie inside its storage.
    """
    where = str(path)
    data = file_content(path)
    if bytes(data[:4]) == b"PK\x03\x04":
        value, storages = _from_zip(data, where)
    elif head := LEGACY_HEAD.match(data):
        value, storages = _from_pickles(data, head.end(), where)
    else:
        raise InputError(
            f"{where}: starts with {bytes(data[:12])!r}; a file of torch.save is a zip archive or a pickle"
        )
    if not isinstance(value, tuple | list):
        raise InputError(f"{where}: holds a {_kind(value)}; a tuple of tensors is needed")
    return [_array(item, storages, where) if isinstance(item, TensorView) else None for item in value]


def _kind(value: Any) -> str:
    return "single tensor" if isinstance(value, TensorView) else type(value).__name__


def _from_zip(data: memoryview, where: str) -> tuple[Any, dict[str, memoryview]]:
    """Return the unpickled value and the bytes of every storage it refers to."""
    members = zip_members(data, where)
    pickles = [name for name in members if name.endswith("/data.pkl") or name == "data.pkl"]
    if len(pickles) != 1:
        raise InputError(f"{where}: {len(pickles)} members named data.pkl; a file of torch.save has one")
    folder = pickles[0].removesuffix("data.pkl")
    order = members.get(f"{folder}byteorder")
    if order is not None and bytes(data[order.start : order.start + order.size]) != b"little":
        raise InputError(f"{where}: byte {order.start}: the byte order of the data must be 'little'")
    program = members[pickles[0]]
    if program.size > MAX_BYTES:
        raise InputError(f"{where}: {pickles[0]!r} has {program.size} bytes; at most {MAX_BYTES} are read")
    unpickler = Unpickler(member_content(data, program, pickles[0], where), 0, where, program.start)
    value, end = unpickler.load()
    if end != program.size:
        raise InputError(f"{where}: byte {program.start + end}: something follows the pickle")
    storages = {}
    for key in unpickler.storages:
        name = f"{folder}data/{key}"
        if name not in members:
            raise InputError(f"{where}: the member {name!r} is missing; a tensor needs it")
        storages[key] = member_content(data, members[name], name, where)
    return value, storages


def _from_pickles(data: memoryview, at: int, where: str) -> tuple[Any, dict[str, memoryview]]:
    """Read the older form behind its magic number: protocol, system, value, storage keys, then the storages."""
    protocol, at = Unpickler(data, at, where).load()
    system, at = Unpickler(data, at, where).load()
    if protocol != LEGACY_PROTOCOL or not isinstance(system, dict) or system.get("little_endian") is not True:
        raise InputError(f"{where}: byte {at}: must be protocol {LEGACY_PROTOCOL} with little-endian data")
    unpickler = Unpickler(data, at, where)
    value, at = unpickler.load()
    keys, at = Unpickler(data, at, where).load()
    named = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not named or sorted(keys) != sorted(unpickler.storages):
        raise InputError(f"{where}: byte {at}: the list of storages does not match the tensors")
    storages = {}
    for key in keys:
        storage = unpickler.storages[key]
        size = storage.elements * np.dtype(storage.dtype).itemsize
        counted = int.from_bytes(data[at : at + 8], "little")
        at += 8
        if counted != storage.elements or at + size > len(data):
            raise InputError(
                f"{where}: byte {at - 8}: storage {key!r} of {storage.elements} elements is cut short or damaged"
            )
        storages[key] = data[at : at + size]
        at += size
    if at != len(data):
        raise InputError(f"{where}: byte {at}: {len(data) - at} bytes follow the last storage")
    return value, storages


def _array(view: TensorView, storages: dict[str, memoryview], where: str) -> NDArray[Any]:
    """Return the elements of a tensor after checking that they lie inside the storage."""
    storage: Storage = view.storage
    dtype = np.dtype(storage.dtype)
    content = storages[storage.key]
    what = f"{where}: storage {storage.key!r}"
    if len(content) != storage.elements * dtype.itemsize:
        raise InputError(
            f"{what} has {len(content)} bytes; {storage.elements} elements of {dtype.name} are declared"
        )
    elements = math.prod(view.shape)
    if view.offset < 0 or any(number < 0 for number in (*view.shape, *view.strides)):
        raise InputError(
            f"{what}: offset {view.offset}, shape {view.shape}, strides {view.strides}: negative"
        )
    last = view.offset + sum((n - 1) * step for n, step in zip(view.shape, view.strides, strict=True))
    if elements == 0:
        return np.empty(0, dtype)
    if elements > storage.elements or last >= storage.elements:
        raise InputError(
            f"{what} holds {storage.elements} elements; a tensor with offset {view.offset}, shape {view.shape} and "
            f"strides {view.strides} lies outside it or repeats elements"
        )
    strides = tuple(step * dtype.itemsize for step in view.strides)
    return np.ndarray(view.shape, dtype, content, view.offset * dtype.itemsize, strides)
