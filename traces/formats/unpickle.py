"""A reader of pickles that describes tensors and executes nothing.

A pickle is a program for a stack machine. This interpreter knows the few instructions that PyTorch needs to write
tuples of tensors, and three names: what other pickles ask for is refused with the instruction's place. No name is ever
imported and nothing is ever called: ``_rebuild_tensor_v2`` makes a `TensorView`, an ``OrderedDict`` a ``dict``, and
the arguments are plain tuples, strings and numbers.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from archsim.errors import InputError

MAX_BYTES = 1 << 16
"""Longest pickle that is read; a tuple of three tensors takes less than 1 KiB."""

STORAGE_TYPES = {
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
}
"""Names in the module ``torch`` that stand for the element type of a storage."""

REBUILD = "torch._utils._rebuild_tensor_v2"
ORDERED_DICT = "collections.OrderedDict"
NAMES = {REBUILD, ORDERED_DICT, *(f"torch.{name}" for name in STORAGE_TYPES)}
"""All names a pickle may mention."""


@dataclass(frozen=True)
class Name:
    """A name that a pickle mentions; only compared, never looked up."""

    text: str


@dataclass(frozen=True)
class Storage:
    """A block of elements outside the pickle: its key, NumPy type and number of elements."""

    key: str
    dtype: str
    elements: int


@dataclass(frozen=True)
class TensorView:
    """A strided view of a storage; numbers are not checked against the data yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    """Where a group on the stack begins."""


class Unpickler:
    """Interprets one pickle inside a buffer.

    Parameters
    ----------
    data : bytes-like
        The buffer.
    start : int
        Where the pickle begins.
    where : str
        Start of error messages.
    base : int
        Place of the buffer in its file, for error messages.

    Attributes
    ----------
    storages : dict of str to Storage
        The storages that the pickle refers to, by key.
    """

    def __init__(self, data: memoryview, start: int, where: str, base: int = 0) -> None:
        self._data = data[: start + MAX_BYTES]
        self._cut = len(data) > start + MAX_BYTES
        self._at = self._start = start
        self._where, self._base = where, base
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def load(self) -> tuple[Any, int]:
        """Run the pickle.

        Returns
        -------
        value : object
            Tuples, lists, dicts, strings, numbers, None, `TensorView`, `Storage` and `Name`.
        end : int
            Where the byte after the pickle stands in the buffer.

        Raises
        ------
        InputError
            An instruction or name outside the short list, or a pickle that is damaged.
        """
        while True:
            self._start = self._at
            code = self._take(1)[0]
            if code == ord("."):
                if len(self._stack) != 1 or isinstance(self._stack[0], _Mark):
                    raise self._error(f"STOP with {len(self._stack)} values on the stack; there must be one")
                return self._stack[0], self._at
            step = _STEPS.get(code)
            if step is None:
                raise self._error(f"{_opcode(code)} is not one of the instructions that describe tensors")
            step(self)

    def _error(self, what: str) -> InputError:
        return InputError(f"{self._where}: byte {self._base + self._start}: pickle: {what}")

    def _take(self, count: int) -> memoryview:
        end = self._at + count
        if end > len(self._data):
            limit = f"is longer than {MAX_BYTES} bytes" if self._cut else "is cut short"
            raise self._error(f"the pickle {limit}")
        self._at = end
        return self._data[end - count : end]

    def _number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self._take(size), "little", signed=signed)

    def _text(self, size: int) -> str:
        try:
            return bytes(self._take(size)).decode("utf-8")
        except UnicodeDecodeError:
            raise self._error("a string is not UTF-8") from None

    def _line(self) -> str:
        end = bytes(self._data[self._at : self._at + 100]).find(b"\n")
        if end < 0:
            raise self._error("a name does not end within 100 bytes")
        text = self._text(end)
        self._at += 1
        return text

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self, kind: type | None = None) -> Any:
        if not self._stack or isinstance(self._stack[-1], _Mark):
            raise self._error("the stack holds too few values")
        value = self._stack.pop()
        if kind is not None and not isinstance(value, kind):
            raise self._error(f"a {type(value).__name__} on the stack where a {kind.__name__} must be")
        return value

    def _group(self) -> list[Any]:
        for at in range(len(self._stack) - 1, -1, -1):
            if isinstance(self._stack[at], _Mark):
                group = self._stack[at + 1 :]
                del self._stack[at:]
                return group
        raise self._error("no MARK on the stack")

    def _protocol(self) -> None:
        version = self._number(1)
        if not 2 <= version <= 5:
            raise self._error(f"protocol {version}; it must be 2 to 5")

    def _frame(self) -> None:
        self._take(8)  # a hint on how far to read ahead

    def _name(self, module: str, name: str) -> None:
        text = f"{module}.{name}"
        if text not in NAMES:
            raise self._error(
                f"asks for {text!r}, which is not a part of a tuple of tensors; nothing was executed"
            )
        self._push(Name(text))

    def _global(self) -> None:
        module = self._line()
        self._name(module, self._line())

    def _stack_global(self) -> None:
        name = self._pop(str)
        self._name(self._pop(str), name)

    def _tuple_of(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(values)))

    def _memoize(self, key: int) -> None:
        value = self._pop()
        self._memo[key] = value
        self._push(value)

    def _recall(self, key: int) -> None:
        if key not in self._memo:
            raise self._error(f"memo {key} was never set")
        self._push(self._memo[key])

    def _append(self, values: list[Any]) -> None:
        self._peek(list).extend(values)

    def _set(self, items: list[Any]) -> None:
        if len(items) % 2 or not all(isinstance(key, str) for key in items[::2]):
            raise self._error("a dict needs pairs of a string and a value")
        self._peek(dict).update(zip(items[::2], items[1::2], strict=True))

    def _peek(self, kind: type) -> Any:
        value = self._pop(kind)
        self._push(value)
        return value

    def _persistent(self) -> None:
        """A reference to a storage: ('storage', type, key, device, elements), in old files also a view of it."""
        parts = self._pop(tuple)
        dtype = None
        if len(parts) in (5, 6) and parts[0] == "storage" and isinstance(parts[1], Name):
            dtype = STORAGE_TYPES.get(parts[1].text.removeprefix("torch."))
        if (
            dtype is None
            or not isinstance(parts[2], str)
            or type(parts[4]) is not int
            or parts[5:] not in ((), (None,))
        ):
            raise self._error("a reference to something else than a whole storage")
        storage = Storage(parts[2], dtype, parts[4])
        if storage.elements < 0 or self.storages.setdefault(storage.key, storage) != storage:
            raise self._error(
                f"storage {storage.key!r} is described in two ways, or with less than no elements"
            )
        self._push(storage)

    def _reduce(self) -> None:
        arguments = self._pop(tuple)
        name = self._pop(Name).text
        if name == ORDERED_DICT and arguments == ():
            self._push({})
        elif name == REBUILD:
            self._push(self._tensor(arguments))
        else:
            raise self._error(
                f"calls {name!r}, or with arguments that a tensor does not need; nothing was executed"
            )

    def _tensor(self, arguments: tuple[Any, ...]) -> TensorView:
        if len(arguments) == 6 and isinstance(arguments[0], Storage):
            storage, offset, shape, strides = arguments[:4]
            if (
                type(offset) is int
                and _whole_numbers(shape)
                and _whole_numbers(strides)
                and len(shape) == len(strides)
            ):
                return TensorView(storage, offset, shape, strides)
        raise self._error("a tensor needs a storage, an offset, a shape and as many strides")


def _whole_numbers(values: Any) -> bool:
    return isinstance(values, tuple) and len(values) <= 8 and all(type(value) is int for value in values)


def _opcode(code: int) -> str:
    """Return the name of an instruction."""
    known = pickletools.code2op.get(chr(code))  # type: ignore[attr-defined]
    return known.name if known else f"byte 0x{code:02x}"


_STEPS: dict[int, Callable[[Unpickler], None]] = {
    0x80: Unpickler._protocol,
    0x95: Unpickler._frame,
    ord("("): lambda u: u._push(_Mark()),
    ord("c"): Unpickler._global,
    0x93: Unpickler._stack_global,
    ord(")"): lambda u: u._push(()),
    ord("t"): lambda u: u._push(tuple(u._group())),
    0x85: lambda u: u._tuple_of(1),
    0x86: lambda u: u._tuple_of(2),
    0x87: lambda u: u._tuple_of(3),
    ord("]"): lambda u: u._push([]),
    ord("a"): lambda u: u._append([u._pop()]),
    ord("e"): lambda u: u._append(u._group()),
    ord("}"): lambda u: u._push({}),
    ord("s"): lambda u: u._set([u._pop(), u._pop()][::-1]),
    ord("u"): lambda u: u._set(u._group()),
    ord("X"): lambda u: u._push(u._text(u._number(4))),
    0x8C: lambda u: u._push(u._text(u._number(1))),
    ord("J"): lambda u: u._push(u._number(4, signed=True)),
    ord("K"): lambda u: u._push(u._number(1)),
    ord("M"): lambda u: u._push(u._number(2)),
    0x8A: lambda u: u._push(u._number(u._number(1), signed=True)),
    0x88: lambda u: u._push(True),
    0x89: lambda u: u._push(False),
    ord("N"): lambda u: u._push(None),
    ord("q"): lambda u: u._memoize(u._number(1)),
    ord("r"): lambda u: u._memoize(u._number(4)),
    0x94: lambda u: u._memoize(len(u._memo)),
    ord("h"): lambda u: u._recall(u._number(1)),
    ord("j"): lambda u: u._recall(u._number(4)),
    ord("Q"): Unpickler._persistent,
    ord("R"): Unpickler._reduce,
}
