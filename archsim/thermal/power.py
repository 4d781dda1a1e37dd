"""Power of blocks over time, and the files it is read from."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest
from archsim.files import check_plain
from archsim.spec_errors import short
from archsim.toml import read_toml

Array = NDArray[np.float64]
#: HotSpot's `sampling_intvl`, for power traces whose interval nobody gives.
HOTSPOT_INTERVAL_S = 3.333e-6
#: Most power of a block: far beyond matter, and what a stack's file may say.
MOST_W = 1e9
#: Longest line of a file of power, and most numbers in one.
_LONGEST_LINE, _MOST_NUMBERS = 1 << 20, 1 << 27


@dataclass(frozen=True, eq=False)
class PowerTrace:
    """Power that is constant between times.

    Attributes
    ----------
    blocks : tuple of str
    starts_s : ndarray (intervals,)
        When each interval starts: from 0, rising. The last goes on for ever.
    watts : ndarray (intervals, blocks)
    label : str
        What to name in an error message.
    """

    blocks: tuple[str, ...]
    starts_s: Array
    watts: Array
    label: str = "power"

    def __post_init__(self) -> None:
        starts, watts = np.asarray(self.starts_s, dtype=float), np.asarray(self.watts, dtype=float)
        object.__setattr__(self, "starts_s", starts)
        object.__setattr__(self, "watts", watts)
        if watts.shape != (len(starts), len(self.blocks)) or not len(starts):
            raise InputError(
                f"{self.label}: {watts.shape} numbers for {len(starts)} intervals of {len(self.blocks)} blocks"
            )
        if starts[0] != 0:
            raise InputError(f"{self.label}: the first interval starts at {starts[0]:g} s: must be 0")
        back = np.flatnonzero(~(np.diff(starts) > 0))
        if back.size:
            at = int(back[0])
            raise InputError(
                f"{self.label}: interval {at + 1} starts at {starts[at + 1]:g} s: time runs backwards, or stands "
                f"still, after {starts[at]:g} s"
            )
        twice = [name for i, name in enumerate(self.blocks) if name in self.blocks[:i]]
        if twice:
            raise InputError(f"{self.label}: block {twice[0]!r} is named twice")
        bad = np.argwhere(~((watts >= 0) & (watts <= MOST_W)))
        if bad.size:
            row, column = (int(each) for each in bad[0])
            raise InputError(
                f"{self.label}: interval {row}, block {self.blocks[column]!r}: {watts[row, column]:g} W: "
                f"must be a number from 0 to {MOST_W:g}"
            )

    def mean(self, end_s: float | None = None) -> dict[str, float]:
        """Return the mean power until a time; by default of all intervals, the last as long as the one before it."""
        starts = self.starts_s
        if end_s is None:
            end_s = float(2 * starts[-1] - starts[-2]) if len(starts) > 1 else 1.0
        lengths = np.maximum(np.diff(np.append(np.minimum(starts, end_s), end_s)), 0.0)
        return dict(zip(self.blocks, (lengths @ self.watts / lengths.sum()).tolist(), strict=True))


def read_power(path: str | Path, interval_s: float | None = None) -> PowerTrace:
    """Read power by the end of a file's name: .ptrace (HotSpot), .csv (``time_s``, blocks) or .toml (block = watts).

    Parameters
    ----------
    path : str or Path
    interval_s : float, optional
        Length of the intervals of a .ptrace; by default HotSpot's.

    Raises
    ------
    InputError
        With file, line and column for anything that cannot be read.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if interval_s is not None and (kind != ".ptrace" or not (interval_s > 0 and isfinite(interval_s))):
        rule = "must be more than 0" if kind == ".ptrace" else "only a .ptrace has no times of its own"
        raise InputError(f"interval of {path} = {interval_s:g} s: {rule}")
    if kind == ".toml":
        return _of_table(read_toml(path), str(path))
    if kind not in (".ptrace", ".csv"):
        raise InputError(f"{path}: must end in .ptrace, .csv or .toml")
    try:
        check_plain(path)
        with path.open(encoding="utf-8", newline="") as file:
            if kind == ".csv":
                return _read_csv(file, str(path))
            return _read_ptrace(file, str(path), HOTSPOT_INTERVAL_S if interval_s is None else interval_s)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None


def _of_table(table: Mapping[str, object], label: str) -> PowerTrace:
    for name, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{label}: {name} = {short(value)}: must be a number of watts")
        _watts(str(value), f"{label}: {name}")
    if not table:
        raise InputError(f"{label}: no power; write block = watts")
    return PowerTrace(tuple(table), np.zeros(1), np.array([list(table.values())], dtype=float), label)


def lines_of(file: TextIO, label: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text with their numbers; an endless one is refused."""
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) >= _LONGEST_LINE:
            raise InputError(f"{label}: line {number}: longer than {_LONGEST_LINE:,} characters")
        yield number, line


def _read_ptrace(file: TextIO, label: str, interval_s: float) -> PowerTrace:
    """Read HotSpot's power trace: a line of names, then a line of watts for each interval."""
    names: list[str] = []
    found = array("d")
    for number, line in lines_of(file, label):
        words = line.split()
        if not words:
            continue
        if not names:
            names = words
            continue
        _row(words, names, found, f"{label}: line {number}")
    if not found:
        raise InputError(f"{label}: {'no line of watts under the names' if names else 'no names of blocks'}")
    watts = np.frombuffer(found).reshape(-1, len(names))
    return PowerTrace(tuple(names), np.arange(len(watts), dtype=np.float64) * interval_s, watts, label)


def _read_csv(file: TextIO, label: str) -> PowerTrace:
    """Read ``time_s,block,...``: each line holds from its time to that of the next. Without times, one line.

    Under ``block,power_w`` each line is one block.
    """
    names: list[str] = []
    listed: dict[str, object] = {}
    found = array("d")
    for number, line in lines_of(file, label):
        try:
            words = [word.strip() for word in next(csv.reader([line.rstrip("\r\n")]), [])]
        except csv.Error as error:
            raise InputError(f"{label}: line {number}: {error}") from None
        if not any(words) or words[0].startswith("#"):
            continue
        if not names:
            names = words
            if names[0].lower() in ("time", "times", "time(s)"):
                raise InputError(f"{label}: line {number}, column 1: {names[0]!r}: did you mean 'time_s'?")
            continue
        place = f"{label}: line {number}"
        if names[0] != "block":
            _row(words, names, found, place)
        elif len(words) != 2 or len(names) != 2 or words[0] in listed:
            raise InputError(f"{place}: {short(','.join(words))}: must be a block, each once, and its watts")
        else:
            listed[words[0]] = _watts(words[1], f"{place}, column 2 ({words[0]})")
    if not found and not listed:
        raise InputError(f"{label}: {'no line of watts under the names' if names else 'no names of blocks'}")
    if listed:
        return _of_table(listed, label)
    table = np.frombuffer(found).reshape(-1, len(names))
    if names[0] == "time_s":
        return PowerTrace(tuple(names[1:]), table[:, 0], table[:, 1:], label)
    if len(table) > 1:
        raise InputError(
            f"{label}: {len(table)} lines of watts need a first column time_s, which is {names[0]!r}"
        )
    return PowerTrace(tuple(names), np.zeros(1), table, label)


def _row(words: Sequence[str], names: Sequence[str], found: array[float], place: str) -> None:
    if len(words) != len(names):
        raise InputError(f"{place}: {len(words)} values for {len(names)} names")
    if len(found) + len(words) > _MOST_NUMBERS:
        raise InputError(f"{place}: more than {_MOST_NUMBERS:,} numbers")
    for column, (word, name) in enumerate(zip(words, names, strict=True), start=1):
        found.append(_watts(word, f"{place}, column {column} ({name})"))


def _watts(word: str, place: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise InputError(
            f"{place}: {short(word)}: must be a number, in watts (a time_s: in seconds)"
        ) from None
    if not (isfinite(value) and value >= 0):
        raise InputError(f"{place}: {word}: must be a finite number, at least 0")
    return value


def by_block(blocks: Sequence[str], names: Sequence[str], label: str) -> list[int]:
    """Return the number of the block of each name.

    Raises
    ------
    InputError
        For a name that no block has.
    """
    index = {name: i for i, name in enumerate(blocks)}
    for name in names:
        if name not in index:
            raise InputError(f"{label}: no block {short(name)} in the stack{nearest(name, blocks)}")
    return [index[name] for name in names]
