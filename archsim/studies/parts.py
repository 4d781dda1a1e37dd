"""``points/part-NNNNN-HHHHHHHH.parquet``: rows by column; the hexadecimal digits are the CRC-32 of the file.

Parquet has checksums for pages, but none for what says where they are and what they mean. Kinds of columns are bool,
int64, float64 and text; whole numbers beside fractions become float64 where that is exact.
"""

from __future__ import annotations

import os
import re
import secrets
import weakref
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from archsim.errors import InputError
from archsim.files import check_plain
from archsim.studies.columns import Row, Value

FOLDER = "points"
NAME = re.compile(r"part-(\d{5,})-([0-9a-f]{8})\.parquet")
BATCH_ROWS = 500
"""Rows that are Python objects at a time."""

_EXACT = 1 << 53
_INT64 = range(-(1 << 63), 1 << 63)


def kind_of(value: Value) -> str:
    """Return ``bool``, ``int``, ``float`` or ``str``."""
    return type(value).__name__


def common_kind(column: str, kinds: Iterable[str], where: str) -> str:
    """Return the kind of a column with values of these kinds.

    Raises
    ------
    InputError
        When they do not go together; ``where`` opens the message.
    """
    found = set(kinds)
    if found <= {"int", "float"} and found:
        return "float" if "float" in found else "int"
    if len(found) == 1:
        return found.pop()
    raise InputError(f"{where}: column {column!r}: holds {' and '.join(sorted(found))}; one kind is needed")


def to_table(rows: Sequence[Row], where: str) -> Any:
    """Return rows as an Arrow table; ``where`` opens the message of an error."""
    import pyarrow as pa

    names = list(dict.fromkeys(name for row in rows for name in row))
    arrays, kept = [], []
    for name in names:
        values = [row.get(name) for row in rows]
        kinds = {kind_of(value) for value in values if value is not None}
        if not kinds:
            continue
        kind = common_kind(name, kinds, where)
        if len(kinds) > 1:
            check_exact(name, (value for value in values if type(value) is int), where)
            values = [None if value is None else float(value) for value in values]
        arrays.append(pa.array(values, arrow_type(kind)))
        kept.append(name)
    return pa.table(arrays, names=kept)


def check_exact(column: str, values: Iterable[int], where: str) -> None:
    """Refuse whole numbers that a float64 cannot hold, in a column that has fractions too."""
    for value in values:
        if abs(value) > _EXACT:
            raise InputError(
                f"{where}: column {column!r}: {value} stands beside fractions, and is above 2**53"
            )


def arrow_type(kind: str) -> Any:
    """Return the Arrow type of a kind."""
    import pyarrow as pa

    return {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "str": pa.string()}[kind]


def kind_of_type(type_: Any) -> str | None:
    """Return the kind of an Arrow type, None for any that archsim does not write."""
    import pyarrow as pa

    kinds = {pa.bool_(): "bool", pa.int64(): "int", pa.float64(): "float", pa.string(): "str"}
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return kinds.get(type_)


def part_paths(folder: Path) -> list[Path]:
    """Return the parts of a study, the oldest first."""
    try:
        names = os.listdir(folder / FOLDER)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{folder / FOLDER}: cannot be read: {error.strerror}") from None
    found = [(int(match[1]), name) for name in names if (match := NAME.fullmatch(name))]
    return [folder / FOLDER / name for _, name in sorted(found)]


def write_part(folder: Path, table: Any) -> Path:
    """Write a part with the next number, whole or not at all.

    Raises
    ------
    OSError
        When it cannot be written; nothing is left behind then.
    """
    import pyarrow.parquet as pq

    parts = part_paths(folder)
    number = int(NAME.fullmatch(parts[-1].name)[1]) + 1 if parts else 0  # type: ignore[index]
    (folder / FOLDER).mkdir(exist_ok=True)
    temporary = folder / FOLDER / f".{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("x+b") as stream:
            pq.write_table(table, stream, compression="zstd")
            stream.flush()
            os.fsync(stream.fileno())
            target = temporary.with_name(f"part-{number:05d}-{_crc32(stream):08x}.parquet")
        temporary.rename(target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)
    return target


def _crc32(stream: BinaryIO) -> int:
    """Return the CRC-32 of a file from its beginning."""
    stream.seek(0)
    found = 0
    while block := stream.read(1 << 20):
        found = zlib.crc32(block, found)
    return found


def sync_folder(folder: Path) -> None:
    """Make names in a folder last through a loss of power, where the file system can."""
    if os.name == "nt":  # opens no folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


class Part:
    """One part, open for reading: it can be read to the end even when a writer has replaced it meanwhile.

    Raises
    ------
    FileNotFoundError
        When it is gone already.
    InputError
        When it is damaged, or nothing that archsim wrote.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        try:
            check_plain(path)
            self._stream = path.open("rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        weakref.finalize(self, self._stream.close)
        try:
            with self._damage():
                self._check_crc()
                plain = pq.ParquetFile(self._stream)
                self.rows: int = plain.metadata.num_rows
                self.kinds = self._kinds(plain.schema_arrow)
                # Texts such as the rules of a standard are long and the same in most rows.
                texts = [name for name, kind in self.kinds.items() if kind == "str" and name != "point_id"]
                self._file = pq.ParquetFile(self._stream, metadata=plain.metadata, read_dictionary=texts)
        except BaseException:
            self._stream.close()
            raise

    def read(self, columns: Sequence[str]) -> Any:
        """Return those of the columns that the part has, as an Arrow table."""
        present = [name for name in columns if name in self.kinds]
        with self._damage():
            # Idle threads of Arrow may end the process with an abort when the interpreter has gone.
            table = self._file.read(columns=present, use_threads=False)
        if table.num_rows != self.rows:
            raise InputError(f"{self.path}: damaged: {table.num_rows} rows, not {self.rows}")
        return table

    def _check_crc(self) -> None:
        match, found = NAME.fullmatch(self.path.name), f"{_crc32(self._stream):08x}"
        if match is None or match[2] != found:
            raise InputError(f"{self.path}: damaged: its CRC-32 is {found}, unlike its name says")

    def _kinds(self, schema: Any) -> dict[str, str]:
        kinds = {}
        for field in schema:
            kind = kind_of_type(field.type)
            if kind is None:
                raise InputError(
                    f"{self.path}: column {field.name!r}: is {field.type}; no such column is written"
                )
            kinds[field.name] = kind
        for name in ("point_id", "status"):
            if kinds.get(name) != "str":
                raise InputError(f"{self.path}: damaged: column {name!r} is missing, or no text")
        return kinds

    def _damage(self) -> _Damage:
        return _Damage(self.path)


class _Damage:
    """Turns what a reader of Parquet raises over damage into one line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        import pyarrow as pa

        known = (pa.ArrowException, OSError, ValueError, LookupError, OverflowError, MemoryError)
        if isinstance(error, known) and not isinstance(error, InputError):
            why = str(error).strip().partition("\n")[0] or type(error).__name__
            raise InputError(f"{self._path}: damaged or no Parquet file: {why}") from None


def unify(tables: Sequence[Any], kinds: Mapping[str, str], columns: Sequence[str], where: str) -> Any:
    """Return tables one after the other, with exactly these columns, each of its kind; texts as dictionaries.

    Raises
    ------
    InputError
        When a whole number cannot become float64.
    """
    import pyarrow as pa

    pieces = [
        pa.table([_column(table, name, kinds[name], where) for name in columns], names=list(columns))
        for table in (*tables, pa.table({"": pa.nulls(0)}))
    ]
    return pa.concat_tables(pieces).unify_dictionaries()


def _column(table: Any, name: str, kind: str, where: str) -> Any:
    """Return a column of a table as one of this kind, nulls where the table has none."""
    import pyarrow as pa

    if name not in table.column_names:
        found = pa.chunked_array([pa.nulls(table.num_rows, arrow_type(kind))])
    else:
        found = table[name]
    if kind_of_type(found.type) != kind:
        try:
            found = found.cast(arrow_type(kind))
        except pa.ArrowInvalid as error:
            raise InputError(f"{where}: column {name!r}: {str(error).partition(chr(10))[0]}") from None
    return found.dictionary_encode() if kind == "str" and not pa.types.is_dictionary(found.type) else found


def without_dictionaries(table: Any) -> Any:
    """Return a table with its texts written out."""
    import pyarrow as pa

    plain = {field.name: arrow_type(kind_of_type(field.type) or "") for field in table.schema}
    return table.cast(pa.schema(plain))


def normal(row: Mapping[str, Any], where: str) -> Row:
    """Return a row with plain Python values, without those that are None.

    Raises
    ------
    InputError
        For a value that no column can hold; ``where`` opens the message.
    """
    found: Row = {}
    for name, value in row.items():
        value = value.item() if hasattr(value, "item") else value
        if isinstance(value, str):
            # Names of files need not be UTF-8; Arrow's text must be.
            found[name] = str(value.encode("utf-8", "backslashreplace"), "utf-8")
        elif isinstance(value, bool | float) or (isinstance(value, int) and value in _INT64):
            found[name] = value
        elif value is not None:
            raise InputError(
                f"{where}: column {name!r} = {str(value)[:60]}: no number of 64 bits, text or truth"
            )
    return found
