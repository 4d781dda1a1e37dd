"""Reading text in blocks, and saying in one line what is wrong where."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

import archsim.kernels.text as kernel
from archsim.errors import InputError
from archsim.traces.formats.sources import BLOCK_BYTES, open_binary

LONGEST_LINE_BYTES = 1 << 20
"""Longest line of a format whose lines have few fields."""

SHOWN_BYTES = 4096
"""How much of a wrong word is looked at to say what is wrong with it."""

KEPT_BYTES, KEPT_RATIO = 16 << 20, 2.5
"""What is collected before the end of a file is known to be sound: this much, and beyond it this often the text."""

BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def check_encoding(file: Path, head: bytes) -> None:
    """Refuse text that starts with a byte order mark."""
    if head.startswith(BYTE_ORDER_MARKS):
        raise InputError(
            f"{file}: line 1, column 1: starts with a byte order mark; save the file as plain ASCII or UTF-8"
        )


def column_of(values: Any) -> NDArray[Any]:
    """Give what a scanner collected as an array, without a copy."""
    kind = {1: np.uint8, 4: np.int32, 8: np.int64}[values.width]
    return np.frombuffer(values, kind) if values.count else np.empty(0, kind)


def shown(token: bytes) -> str:
    """Write a word of a file for an error message."""
    text = token.decode("utf-8", errors="backslashreplace")
    return repr(text if len(text) <= 40 else text[:37] + "...").replace("\\\\x", "\\x")


def header_line(file: Path, stream: BinaryIO) -> bytes:
    """Read the first line of a file, which must not be longer than lines may be.

    Raises
    ------
    InputError
        A byte order mark, a line without an end, or none.
    """
    line = stream.readline(LONGEST_LINE_BYTES + 1)
    check_encoding(file, line)
    if not line:
        raise InputError(f"{file}: empty file")
    if len(line) > LONGEST_LINE_BYTES:
        raise InputError(f"{file}: line 1: longer than {LONGEST_LINE_BYTES} bytes; no line of this format is")
    return line


def check_columns(file: Path, names: list[str], most: int) -> None:
    """Refuse a header of too many columns."""
    if len(names) > most:
        raise InputError(f"{file}: line 1: the header names {len(names)} columns; at most {most} are read")


@contextmanager
def open_text(file: Path) -> Iterator[BinaryIO]:
    """Open a text file, see `open_binary`; too little memory is an `InputError` too."""
    try:
        with open_binary(file) as stream:
            yield stream
    except MemoryError:
        raise InputError(f"{file}: more lookups than fit the memory of this machine") from None


def sound_scan(scan: Callable[[bool], Any]) -> Any:
    """Scan a file once, or twice where what it holds takes much more memory than its text.

    Columns can be many times as long as short lines of text, and a file may be damaged in its last byte. A first scan
    therefore gives up what it has collected when that becomes too much, and goes on looking for damage; only a file
    that is sound is scanned again, and kept.

    Parameters
    ----------
    scan : callable
        Scans the file with a new scanner and returns it; told whether all must be kept.

    Returns
    -------
    scanner
        One that has collected everything.

    Raises
    ------
    InputError
        What is wrong with the file.
    """
    scanner = scan(False)
    if scanner.forgotten:
        del scanner
        scanner = scan(True)
    return scanner


def _fed(scanner: Any, blocks: Iterator[bytes], keep: bool) -> Iterator[bytes]:
    """Feed a scanner and yield the blocks it has taken, the last one with the first thing that is wrong."""
    read_bytes = 0
    for block in blocks:
        well = scanner.feed(block)
        yield block
        if not well:
            return
        read_bytes += len(block)
        most = max(KEPT_BYTES, KEPT_RATIO * read_bytes)
        if scanner.forgotten or (not keep and scanner.held_bytes > most):
            scanner.forget()


def feed_numbers(
    file: Path, scanner: Any, what: str, block_bytes: int = BLOCK_BYTES, keep: bool = True
) -> None:
    """Run a `NumberScanner` over a file.

    Parameters
    ----------
    file : Path
        The file.
    scanner : NumberScanner
        Holds the numbers afterwards.
    what : str
        What a number is, and how numbers are written, such as "a row number; digits separated by spaces".
    block_bytes : int
        Bytes read at a time.
    keep : bool
        Whether to keep all numbers whatever they take, see `sound_scan`.

    Raises
    ------
    InputError
        With the line and the column of the first word that is wrong.
    """
    with open_text(file) as stream:
        head = b""
        for block in _fed(scanner, iter(lambda: stream.read(block_bytes), b""), keep):
            head = head or block[:4]
        scanner.finish()
    check_encoding(file, head)
    if not head:
        raise InputError(f"{file}: empty file")
    if not scanner.problem:
        return
    where = f"{file}: line {scanner.line}"
    place = f"{where}, column {scanner.token_start - scanner.line_start + 1}"
    if scanner.problem == kernel.BLANKS:
        raise InputError(
            f"{where}: empty line {scanner.blanks} in a row; at most {scanner.blanks - 1} are allowed"
        )
    if scanner.problem == kernel.LINE_END:
        raise InputError(f"{place}: carriage return without a newline")
    if scanner.problem == kernel.SECOND_LINE:
        raise InputError(f"{place}: a second line; this format has one line")
    token = _token(file, scanner.token_start, block_bytes, _TO_COMMA if "commas" in what else _TO_BLANK)
    if scanner.problem == kernel.MISSING:
        raise InputError(f"{place}: the line ends where a number is expected")
    if scanner.problem == kernel.EXTRA:
        raise InputError(f"{place}: {shown(token)} follows without a comma")
    raise InputError(f"{place}: {_complaint(token, what, scanner.bound)}")


def _complaint(token: bytes, what: str, bound: int) -> str:
    noun = what.split(";")[0].removeprefix("a ").split()[0]
    if re.fullmatch(rb"-[0-9]+", token):
        return f"{noun} {shown(token)} is negative; {noun}s count from 0"
    if not re.fullmatch(rb"[0-9]+", token):
        return f"{shown(token)} is not {what} are needed"
    return f"{noun} {shown(token)} is outside the table's {bound} rows (0 to {bound - 1})"


_TO_BLANK, _TO_COMMA = re.compile(rb"[^ \t\r\n]*"), re.compile(rb"[^ \t\r\n,]+|[^ \t\r\n]*")


def _token(file: Path, place: int, block_bytes: int, pattern: re.Pattern[bytes]) -> bytes:
    """Read the word at a byte of a file; only ever done once, for a message."""
    with open_binary(file) as stream:
        while place:
            place -= len(stream.read(min(place, block_bytes)))
        found = pattern.match(stream.read(SHOWN_BYTES))
    return found.group() if found else b""


def whole_lines(
    file: Path, stream: BinaryIO, line: int, block_bytes: int, rest: bytes = b""
) -> Iterator[bytes]:
    """Cut ``rest`` and what is left of a stream into blocks of whole lines; the last one gets the newline it may lack.

    Raises
    ------
    InputError
        A line is longer than `LONGEST_LINE_BYTES`; ``line`` is the number of the first one.
    """
    while block := stream.read(block_bytes):
        first = block.find(b"\n")
        if len(rest) + (len(block) if first < 0 else first) > LONGEST_LINE_BYTES:
            raise InputError(
                f"{file}: line {line}: longer than {LONGEST_LINE_BYTES} bytes; no line of this format is"
            )
        cut = block.rfind(b"\n") + 1
        if cut:
            lines = rest + block[:cut]
            line += lines.count(b"\n")
            yield lines
            rest = b""
        rest += block[cut:]
    if rest:
        yield rest if rest.endswith(b"\n") else rest + b"\n"


def feed_lines(
    file: Path,
    stream: BinaryIO,
    scanner: Any,
    fields: list[tuple[str, str]],
    block_bytes: int,
    rest: bytes = b"",
    keep: bool = True,
) -> None:
    """Run a scanner of whole lines over what is left of a stream.

    Parameters
    ----------
    file : Path
        The file, for messages.
    stream : binary stream
        At the start of a line.
    scanner : LineScanner
        Holds the columns afterwards.
    fields : list of (str, str)
        Name of each field, and what it must be.
    block_bytes : int
        Bytes read at a time.
    rest : bytes
        What was read of the stream already, and belongs in front.
    keep : bool
        Whether to keep all columns whatever they take, see `sound_scan`.

    Raises
    ------
    InputError
        With the line and the column of the first field that is wrong.
    """
    for block in _fed(scanner, whole_lines(file, stream, scanner.line, block_bytes, rest), keep):
        if scanner.problem:
            raise _field_fault(file, scanner, fields, block)


def _field_fault(file: Path, scanner: Any, fields: list[tuple[str, str]], block: bytes) -> InputError:
    token = block[scanner.token_start : scanner.token_end]
    where = f"{file}: line {scanner.line}"
    if scanner.problem == kernel.MISSING:
        names = ", ".join(name for name, _ in fields[:4]) + (", ..." if len(fields) > 4 else "")
        found = "empty line" if not scanner.field else f"{scanner.field} of {len(fields)} fields"
        return InputError(f"{where}: {found}; a line holds {names}")
    where += f", column {scanner.token_start - scanner.line_start + 1}"
    if token and (token[0] < 32 or token[0] == 127):
        return InputError(f"{where}: {shown(token[:1])} inside the line")
    if scanner.problem == kernel.EXTRA:
        return InputError(f"{where}: {shown(token)} is one field too many; a line holds {len(fields)}")
    name, rule = fields[min(scanner.field, len(fields) - 1)]
    if scanner.problem == kernel.LARGE:
        return InputError(f"{where}: {name} {shown(token)} does not fit 63 bits")
    if scanner.problem == kernel.EARLIER:
        return InputError(f"{where}: {name} {shown(token)} is before that of the line above")
    return InputError(f"{where}: {name} {shown(token)} must be {rule}")
