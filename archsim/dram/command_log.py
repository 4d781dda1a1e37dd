"""Command logs as files: a text table or a Parquet file, of this program or of anybody's.

Columns are ``clk,cmd,channel,rank,bankgroup,bank,row,col``, one command per line, in order of issue; a memory with
pseudo channels has ``pseudo_channel`` after ``channel``. Numbers count within the level above. A reader finds columns
by name; ``channel`` and ``pseudo_channel`` may be absent (0), ``col`` too. Where a command has no such place (the bank
of a REF), anything may stand there.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archsim.dram.resolve import COMMANDS
from archsim.errors import InputError, nearest
from archsim.files import check_plain, new_file
from archsim.spec_errors import short

if TYPE_CHECKING:
    from archsim.dram.spec import DramSpec

Ints = npt.NDArray[np.int64]

#: Other names of the same commands, as DRAM standards and other simulators write them.
ALIASES = {"PREpb": "PRE", "PREab": "PREA", "REFab": "REF", "REFpb": "REFB", "REFsb": "REFB"}
_REQUIRED = ("clk", "cmd", "rank", "bankgroup", "bank", "row")
_OPTIONAL = ("channel", "pseudo_channel", "col")
_NAMES = ("clk", "cmd", "channel", "pseudo_channel", "rank", "bankgroup", "bank", "row", "col")
#: Which commands concern one bank; PREA and REF concern their rank.
_OF_A_RANK = (COMMANDS.index("PREA"), COMMANDS.index("REF"))


@dataclass(frozen=True)
class CommandLog:
    """Commands in the order of a file.

    Attributes
    ----------
    clk, command, channel, bank, row : int64 arrays [n]
        Clock, place in `archsim.dram.resolve.COMMANDS`, channel, bank within the channel (of PREA and REF the first of
        their rank) and row.
    first_line : int
        What a reader calls the first entry: the line of a text file, the row of a table.
    """

    clk: Ints
    command: Ints
    channel: Ints
    bank: Ints
    row: Ints
    first_line: int


# ------------------------------------------------------------------------------------------------------------ writing


def check_name(path: Path) -> None:
    """Refuse a name that tells no format, or a format that nothing installed can write.

    Raises
    ------
    InputError
        Before any work is done for the file.
    """
    if path.suffix == ".parquet":
        _pyarrow(path)
    elif not path.name.endswith((".csv", ".csv.gz")):
        raise InputError(f"{path}: a command log must end in .csv, .csv.gz or .parquet")


def write_commands(spec: DramSpec, commands: Ints, path: Path) -> None:
    """Write a command log, whole or not at all; the format follows the ending of the name.

    Parameters
    ----------
    spec : DramSpec
        The memory.
    commands : int64 array [5, n]
        clk, command, bank (counted channel by channel), row, column.
    path : Path
        Ends in ``.csv``, ``.csv.gz`` or ``.parquet``.

    Raises
    ------
    InputError
        When the file exists or cannot be written, or pyarrow is missing for a Parquet file.
    """
    check_name(path)
    columns = _columns(spec, commands)
    with new_file(path) as temporary:
        if path.suffix == ".parquet":
            _write_parquet(columns, temporary, path)
        else:
            _write_text(columns, temporary, packed=path.suffix == ".gz")


def _columns(spec: DramSpec, commands: Ints) -> dict[str, Any]:
    organization = spec.organization
    clk, command, bank, row, column = commands
    group, bank_of_group = np.divmod(bank, organization.banks_per_group)
    rank, bank_group = np.divmod(group, organization.bank_groups)
    bus, rank_of_bus = np.divmod(rank, organization.ranks)
    channel, pseudo_channel = np.divmod(bus, organization.pseudo_channels)
    columns = {"clk": clk, "cmd": command, "channel": channel}
    if organization.pseudo_channels > 1:
        columns["pseudo_channel"] = pseudo_channel
    places = {"rank": rank_of_bus, "bankgroup": bank_group, "bank": bank_of_group, "row": row, "col": column}
    return columns | places


def _write_text(columns: dict[str, Ints], path: Path, *, packed: bool) -> None:
    table = np.stack(list(columns.values()), axis=1)
    with path.open("wb") as raw:
        # No name and no time inside: the same log gives the same file.
        stream: IO[bytes] = gzip.GzipFile("", "wb", 6, raw, mtime=0) if packed else raw  # type: ignore[assignment]
        with io.TextIOWrapper(stream, encoding="ascii", newline="\n") as text:
            text.write(",".join(columns) + "\n")
            for first in range(0, len(table), 1 << 16):
                rows = table[first : first + (1 << 16)].tolist()
                text.writelines(
                    f"{row[0]},{COMMANDS[row[1]]},{','.join(map(str, row[2:]))}\n" for row in rows
                )


def _write_parquet(columns: dict[str, Ints], temporary: Path, path: Path) -> None:
    arrow, parquet = _pyarrow(path)
    narrow = {name: column.astype(np.int32) for name, column in columns.items() if name not in ("clk", "cmd")}
    names = arrow.DictionaryArray.from_arrays(columns["cmd"].astype(np.int8), list(COMMANDS))
    parquet.write_table(arrow.table({"clk": columns["clk"], "cmd": names} | narrow), temporary)


def _pyarrow(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(f"{path}: Parquet files need pyarrow: pip install pyarrow") from None
    return pyarrow, pyarrow.parquet


# ------------------------------------------------------------------------------------------------------------ reading


def read_commands(spec: DramSpec, path: Path) -> CommandLog:
    """Read a command log of a memory.

    Parameters
    ----------
    spec : DramSpec
        The memory that the commands are for.
    path : Path
        A Parquet file when its name ends in ``.parquet``, else text, which may be compressed by gzip.

    Raises
    ------
    InputError
        For a file that cannot be read, a missing or unknown column, anything but whole numbers, an unknown command, or
        a place that the memory does not have; with the line.
    """
    with _readable(path):
        check_plain(path)
        columns = _read_parquet(path) if path.suffix == ".parquet" else _read_text(path)
    first_line = 1 if path.suffix == ".parquet" else 2
    return _log(spec, columns, path, first_line)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read: {reason}") from None


def _read_text(path: Path) -> dict[str, list[Any]]:
    data = path.read_bytes()
    try:
        text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode("utf-8")
        table = list(csv.reader(io.StringIO(text)))
    except zlib.error as error:
        raise InputError(f"{path}: damaged: {error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a text table: {error}") from None
    while table and not table[-1]:
        table.pop()
    names = [name.strip() for name in table[0]] if table else []
    _check_names(names, path)
    for number, row in enumerate(table[1:], start=2):
        if len(row) != len(names):
            raise InputError(f"{path}: line {number}: {len(row)} entries, the header has {len(names)}")
    return {name: [row[place] for row in table[1:]] for place, name in enumerate(names)}


def _read_parquet(path: Path) -> dict[str, list[Any]]:
    arrow, parquet = _pyarrow(path)
    try:
        table = parquet.read_table(path)
    except arrow.ArrowInvalid as error:
        raise InputError(f"{path}: not a Parquet file: {' '.join(str(error).split())}") from None
    _check_names(table.column_names, path)
    return {name: table[name].to_pylist() for name in table.column_names if name in _NAMES}


def _check_names(names: list[str], path: Path) -> None:
    for name in _REQUIRED:
        if name not in names:
            expected = ",".join((*_REQUIRED[:2], "channel", *_REQUIRED[2:], "col"))
            raise InputError(f"{path}: no column {name!r}; a command log has the columns {expected}")
    for name in names:
        if name not in _NAMES:
            raise InputError(f"{path}: unknown column {name!r}{nearest(name, _NAMES)}")
        if names.count(name) > 1:
            raise InputError(f"{path}: column {name!r} stands twice")


def _log(spec: DramSpec, columns: dict[str, list[Any]], path: Path, first_line: int) -> CommandLog:
    organization = spec.organization
    place = f"{path}: {'row' if path.suffix == '.parquet' else 'line'}"
    codes = {name: code for code, name in enumerate(COMMANDS)}
    codes |= {alias: codes[name] for alias, name in ALIASES.items()}
    for number, name in enumerate(columns["cmd"]):
        if name not in codes:
            known = nearest(str(name), codes)
            raise InputError(f"{place} {number + first_line}: unknown command {short(name)}{known}")
    command = np.array([codes[name] for name in columns["cmd"]], dtype=np.int64)
    of_rank = np.isin(command, _OF_A_RANK)
    same_bank = (command == COMMANDS.index("REFB")) & (spec.refresh.mode == "same-bank")
    limits: dict[str, tuple[int, npt.NDArray[np.bool_]]] = {
        "channel": (organization.channels, np.zeros_like(of_rank)),
        "pseudo_channel": (organization.pseudo_channels, np.zeros_like(of_rank)),
        "rank": (organization.ranks, np.zeros_like(of_rank)),
        "bankgroup": (organization.bank_groups, of_rank | same_bank),
        "bank": (organization.banks_per_group, of_rank),
    }
    parts = {}
    for name, (limit, free) in limits.items():
        values = np.zeros(len(command), dtype=np.int64)
        if name in columns:
            values = np.where(free, 0, _whole(columns[name], place, name, first_line))
        outside = np.flatnonzero((values < 0) | (values >= limit))
        if len(outside):
            at = int(outside[0])
            raise InputError(
                f"{place} {at + first_line}: {name} {values[at]}: the memory has {limit}, counted from 0"
            )
        parts[name] = values
    rank = parts["pseudo_channel"] * organization.ranks + parts["rank"]
    bank = (rank * organization.bank_groups + parts["bankgroup"]) * organization.banks_per_group + parts[
        "bank"
    ]
    clk, row = (_whole(columns[name], place, name, first_line) for name in ("clk", "row"))
    _check_order(clk, parts["channel"], place, first_line)
    return CommandLog(clk, command, parts["channel"], bank, row, first_line)


def _check_order(clk: Ints, channel: Ints, place: str, first_line: int) -> None:
    order = np.argsort(channel, kind="stable")
    back = np.flatnonzero((np.diff(clk[order]) < 0) & (np.diff(channel[order]) == 0))
    if len(back):
        at, before = int(order[back[0] + 1]), int(order[back[0]])
        rule = f"must not be before {clk[before]}, that of the command before it"
        raise InputError(f"{place} {at + first_line}: clk {clk[at]}: {rule}")


def _whole(values: list[Any], place: str, name: str, first_line: int) -> Ints:
    """Return a column of whole numbers."""
    try:
        return np.array([int(value) for value in values], dtype=np.int64)
    except (ValueError, TypeError, OverflowError):
        for number, value in enumerate(values):
            try:
                np.int64(int(value))
            except (ValueError, TypeError, OverflowError):
                where = f"{place} {number + first_line}: {name} = {short(value)}"
                raise InputError(f"{where}: must be a whole number") from None
        raise
