"""Tables of products in files: ``.npy``, numbers as text, and arrays of C headers. No code is run or compiled."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from archsim.approx.base import TABLE_BITS, Ints
from archsim.approx.tables import whole
from archsim.errors import InputError, printable
from archsim.files import check_plain, read_text

#: Largest file that is read; a table of 10 bits takes 12 MB as text.
MOST_BYTES = 64 << 20

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*|#[^\n]*", re.DOTALL)
_NUMBER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|\d+)[uUlL]*")
_OCTAL = re.compile(r"[-+]?0[0-9]")
_SEPARATOR = re.compile(r"[\s,;{}]*")


def read_square(path: Path) -> Ints:
    """Read all products of a file as a square.

    ``.npy`` holds a square or a flat array. Text holds 4**bits whole numbers, decimal or hexadecimal, apart by blanks,
    commas or ends of lines, with comments after ``#`` or ``//``. Of C, the initialiser ``= {...}`` of an array counts,
    and numbers that begin with 0, which C reads as octal, are refused.

    Returns
    -------
    ndarray of int64, shape (2**bits, 2**bits)
        In the order of the file.

    Raises
    ------
    InputError
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        flat = _read_npy(path)
    else:
        text = read_text(path, MOST_BYTES, "table of products")
        flat = (
            _numbers(path, *_initialiser(path, text)) if suffix in (".h", ".c") else _numbers(path, text, 0)
        )
    sizes = {4**bits: 1 << bits for bits in range(4, TABLE_BITS + 1)}
    if flat.size not in sizes:
        raise InputError(
            f"{path}: {flat.size:,} numbers: must be 4**bits with 4 to {TABLE_BITS} bits (65,536 of 8)"
        )
    size = sizes[flat.size]
    return flat.reshape(size, size)


def _read_npy(path: Path) -> Ints:
    try:
        check_plain(path)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except InputError:
        raise
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        why = getattr(error, "strerror", None) or "no .npy file of numbers, or cut short"
        raise InputError(f"{path}: cannot be read: {printable(str(why))}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        raise InputError(
            f"{path}: of type {getattr(array, 'dtype', type(array).__name__)}: must hold whole numbers"
        )
    if array.size > 4**TABLE_BITS:
        raise InputError(
            f"{path}: {array.size:,} numbers: a table of {TABLE_BITS} bits has {4**TABLE_BITS:,}"
        )
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[0] != array.shape[1]):
        raise InputError(f"{path}: shape {array.shape}: must be a square or flat")
    if array.dtype.kind == "f":
        return whole(np.asarray(array), str(path)).reshape(-1)
    if array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise InputError(f"{path}: {int(array.max())}: a product does not fit in 32 bits")
    return np.asarray(array).astype(np.int64).reshape(-1)


def _blank(match: re.Match[str]) -> str:
    """Remove a comment but not the places of what follows it."""
    return re.sub(r"[^\n]", " ", match[0])


def _initialiser(path: Path, text: str) -> tuple[str, int]:
    """Return what is between the outer braces of ``= {...}``, and where it begins."""
    text = _COMMENT.sub(_blank, text) if "{" in text else text
    start = re.search(r"=\s*\{", text)
    if start is None:
        raise InputError(
            f"{path}: no array `= {{...}}`; C code is not compiled: save its products as .npy or .csv"
        )
    depth = 0
    for brace in re.finditer(r"[{}]", text[start.start() :]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            end = start.start() + brace.start()
            # Blanks keep the lines counted from the beginning of the file.
            return re.sub(r"[^\n]", " ", text[: start.end()]) + text[start.end() : end], start.end()
    raise InputError(f"{path}: the array has no closing brace")


def _numbers(path: Path, text: str, start: int) -> Ints:
    text = _COMMENT.sub(_blank, text) if start == 0 and ("#" in text or "/" in text) else text
    values: list[int] = []
    place = _SEPARATOR.match(text, start).end()  # type: ignore[union-attr]
    while place < len(text):
        match = _NUMBER.match(text, place)
        after = match.end() if match else place
        gap = _SEPARATOR.match(text, after)
        assert gap is not None
        if match is None or (gap.end() == after and after < len(text)):
            word = re.match(r"[^\s,;{}]*", text[place : place + 40])
            line = text.count("\n", 0, place) + 1
            column = place - text.rfind("\n", 0, place)
            raise InputError(
                f"{path}: line {line}, column {column}: {printable(word[0] if word else '')!r}: must be a whole number"
            )
        if start and _OCTAL.match(match[0]):
            line = text.count("\n", 0, place) + 1
            raise InputError(
                f"{path}: line {line}: {match[0][:30]}: begins with 0, which is octal in C; write it in decimal"
            )
        values.append(
            int(re.sub("[uUlL]", "", match[0]), 0)
            if "x" in match[0].lower()
            else int(match[0].rstrip("uUlL"))
        )
        if abs(values[-1]) > 1 << 32:
            raise InputError(
                f"{path}: line {text.count(chr(10), 0, place) + 1}: {match[0][:30]}: does not fit in 32 bits"
            )
        if len(values) > 4**TABLE_BITS:
            raise InputError(f"{path}: more than {4**TABLE_BITS:,} numbers, those of {TABLE_BITS} bits")
        place = gap.end()
    return np.array(values, np.int64)
