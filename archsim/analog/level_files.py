"""Measured levels of cells from a file: one line per level with its mean and standard deviation."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from archsim.analog.device import Cell
from archsim.errors import InputError, nearest, printable
from archsim.files import read_text
from archsim.spec_errors import short

COLUMNS = ("level", "mean_s", "sigma_s")
_MOST_BYTES = 1 << 20


def load_levels(path: str | Path, fields: Mapping[str, Any] | None = None) -> Cell:
    """Read a table of measured levels and make a cell of it.

    The file is text: the header ``level,mean_s,sigma_s``, then a line per level, from level 0 on: its number, and the
    mean and the standard deviation of its conductance in siemens. 2 to 256 levels, a power of two; blank lines and
    lines that start with ``#`` do not count.

    Parameters
    ----------
    path : str or Path
    fields : mapping, optional
        Other fields of the cell. ``g_min_s`` and ``g_max_s`` are by default the lowest and the highest mean.

    Returns
    -------
    Cell

    Raises
    ------
    InputError
        With the line and the column of what is wrong.
    """
    path = Path(path)
    rows = _rows(path, read_text(path, _MOST_BYTES, "table of levels"))
    if len(rows) < 2 or len(rows) > 256 or len(rows) & (len(rows) - 1):
        raise InputError(f"{path}: {len(rows)} levels: must be 2, 4, 8, ... 256")
    means, sigmas = zip(*rows, strict=True)
    data: dict[str, Any] = {"g_min_s": means[0], "g_max_s": means[-1], **(fields or {})}
    for name in ("bits", "level_mean_s", "level_sigma_s"):
        if name in data:
            raise InputError(f"{path}: {name}: must be absent, the file gives it")
    data |= {"bits": len(rows).bit_length() - 1, "level_mean_s": means, "level_sigma_s": sigmas}
    return Cell.from_dict(data, str(path))


def _rows(path: Path, text: str) -> list[tuple[float, float]]:
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise InputError(f"{path}: is empty; must begin with {','.join(COLUMNS)}")
    number, head = lines[0]
    names = [name.strip() for name in head.split(",")]
    if tuple(names) != COLUMNS:
        wrong = next((name for name in names if name not in COLUMNS), "")
        hint = nearest(wrong, COLUMNS) if wrong else ""
        raise InputError(
            f"{path}: line {number}: header {short(printable(head))}: must be {','.join(COLUMNS)}{hint}"
        )
    return [_row(path, number, line, level) for level, (number, line) in enumerate(islice(lines, 1, 258))]


def _row(path: Path, number: int, line: str, level: int) -> tuple[float, float]:
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != len(COLUMNS):
        raise InputError(f"{path}: line {number}: {len(cells)} columns: must be {len(COLUMNS)}")
    if cells[0] != str(level):
        raise InputError(
            f"{path}: line {number}, column level = {short(printable(cells[0]))}: must be {level}; "
            f"levels are listed from 0 on"
        )
    mean, sigma = (
        _number(path, number, name, cell) for name, cell in zip(COLUMNS[1:], cells[1:], strict=True)
    )
    if mean <= 0:
        raise InputError(f"{path}: line {number}, column mean_s = {cells[1]}: must be above 0")
    if sigma < 0:
        raise InputError(f"{path}: line {number}, column sigma_s = {cells[2]}: must be at least 0")
    return mean, sigma


def _number(path: Path, number: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf") or "_" in text:
        raise InputError(
            f"{path}: line {number}, column {name} = {short(printable(text))}: must be a number of siemens"
        )
    return value
