"""One SHA-256 for what a study found: independent of the order of its rows, of parts, and of how they came about."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from archsim.studies.columns import PROVENANCE
from archsim.studies.parts import kind_of_type

_TITLE = b"archsim study 1\n"
_EXACT = 1 << 53


def digest_of(table: Any) -> str:
    """Return the SHA-256, in hexadecimal, of an Arrow table of rows with different ``point_id``.

    The hash runs over the number of rows, and then over the columns, by name, that hold anything and are no
    provenance: the name, ``T`` (text), ``B`` (truth), ``F`` (numbers) or ``I`` (whole numbers of which one is above
    2**53), a byte per row that is 1 where there is a value, and per row, in order of ``point_id``, the SHA-256 of a
    text in UTF-8, a byte, a float64 or an int64 (both little-endian), zeros where there is no value. All NaNs are
    one; the signs of zeros count. Whether a number was written as 2 or 2.0 does not.
    """
    names = sorted(set(table.column_names) - set(PROVENANCE))
    ids = table["point_id"].to_pylist()
    order = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
    digest = hashlib.sha256(_TITLE + b"%d\n" % len(ids))
    for name in names:
        column = table[name].combine_chunks()
        present = column.is_valid().to_numpy(zero_copy_only=False)
        if not present.any():
            continue
        letter, values = _content(column, present)
        digest.update(b"%s\n%s\n" % (name.encode(), letter))
        digest.update(present[order].astype(np.uint8).tobytes())
        digest.update(values[order].tobytes())
    return digest.hexdigest()


def _content(column: Any, present: Any) -> tuple[bytes, Any]:
    """Return the letter of a column, and its values as an array with a row for each row."""
    kind = kind_of_type(column.type)
    if kind == "str":
        codes = column.dictionary_encode()
        hashes = [hashlib.sha256(text.encode()).digest() for text in codes.dictionary.to_pylist()]
        table = np.frombuffer(b"".join([*hashes, bytes(32)]), np.uint8).reshape(-1, 32)
        return b"T", table[codes.indices.fill_null(len(hashes)).to_numpy()]
    values = column.fill_null(False if kind == "bool" else 0).to_numpy(zero_copy_only=False)
    if kind == "bool":
        return b"B", values.astype(np.uint8)
    if kind == "int" and (np.abs(values) > _EXACT).any():
        return b"I", values.astype("<i8")
    floats = values.astype("<f8")
    floats[np.isnan(floats)] = np.nan
    return b"F", floats
