"""The request traces of the reference measurements, made again from their seeds.

Each request is one line of 64 bytes. The arrays must be bit for bit those that were measured, so each is checked
against its SHA-256: NumPy may change its random streams, and then a trace is missing rather than another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from archsim.errors import InputError

Lines = npt.NDArray[np.int64]
Writes = npt.NDArray[np.bool_]

#: Requests of each trace.
REQUESTS = 1_000_000
_GIB_LINES = 2**30 // 64
_TABLES, _ROWS, _POOLING = 8, 1_000_000, 80
#: A line does not come again within so many requests of ``sls64d``.
_WINDOW = 512
#: The real trace: a public file that is not part of the package.
KAGGLE_FILE = "kaggle-emb.npz"

SHA256 = {
    "stream": "9cf3be4390e4cc74042099e5257bd6dfa6e547e85a411bd0c7187bb3b20af1f6",
    "random": "fa83abed7e05ee2915ea29d9f70e7fd6023f9d444471401aca6db8073d140cb0",
    "mix": "38a66a17364482fa332197d025d2ed23ee0d5e9bf3a1dcec441c8e444e5ee3fc",
    "sls64": "18bfa5a3f695c2cb161186a3490983f54877332f409fab19b749f0d769aa0fad",
    "sls64d": "6025bacf43dd29b19562b6259dfc9b15c7343290c7ea0d78534a9624e52bdbec",
    "kaggle128": "67a12452aa7d27c70bdbd01cc69acdff990cea91aa89c3d82cd55911e02acc7b",
}


class TraceMissingError(Exception):
    """A trace cannot be had here; the message says why."""


def reference_trace(name: str, data: Path | None = None) -> tuple[Lines, Writes]:
    """Return the lines of a trace, and which requests are writes.

    Parameters
    ----------
    name : str
        A key of ``SHA256``.
    data : Path, optional
        Folder with ``kaggle-emb.npz`` (repository PSAL-POSTECH/M2NDP-public), which ``kaggle128`` needs.

    Raises
    ------
    TraceMissingError
        When the data are not there, or this NumPy draws other numbers.
    """
    return _kaggle128(data) if name == "kaggle128" else _generated(name)


@cache
def _generated(name: str) -> tuple[Lines, Writes]:
    writes = np.zeros(REQUESTS, dtype=np.bool_)
    lines = _mix(writes) if name == "mix" else _GENERATORS[name]()
    return _checked(name, lines, writes)


def _checked(name: str, lines: Lines, writes: Writes) -> tuple[Lines, Writes]:
    if fingerprint(lines, writes) != SHA256[name]:
        raise TraceMissingError(f"NumPy {np.__version__} does not make the measured trace {name}")
    return lines, writes


def fingerprint(lines: Lines, writes: Writes) -> str:
    """Return the SHA-256 of line numbers (little-endian, 64 bits) and write flags (a byte each)."""
    digest = hashlib.sha256(lines.astype("<i8").tobytes())
    digest.update(writes.astype(np.uint8).tobytes())
    return digest.hexdigest()


def _stream() -> Lines:
    """Read one line after the other."""
    return np.arange(REQUESTS, dtype=np.int64)


def _random() -> Lines:
    """Read uniformly from 4 GiB."""
    generator = np.random.default_rng(101)
    return generator.integers(0, 4 * _GIB_LINES, REQUESTS, dtype=np.uint64).astype(np.int64)


def _mix(writes: Writes) -> Lines:
    """Draw 30 % writes; half of the requests uniform over 4 GiB, the others a stream behind them."""
    generator = np.random.default_rng(105)
    uniform = generator.random(REQUESTS) < 0.5
    writes[:] = generator.random(REQUESTS) < 0.30
    lines = np.empty(REQUESTS, dtype=np.int64)
    count = int(np.count_nonzero(uniform))
    lines[uniform] = generator.integers(0, 4 * _GIB_LINES, count, dtype=np.uint64)
    lines[~uniform] = 4 * _GIB_LINES + np.arange(REQUESTS - count)
    return lines


def _embedding(lookups: int) -> Lines:
    """Draw poolings of 80 rows, table after table; each table has its own Zipf exponent and order of rows."""
    generator = np.random.default_rng(103)
    # All tables are laid out before the first row is drawn.
    tables = []
    for exponent in np.linspace(0.90, 1.05, _TABLES):
        cumulative = np.cumsum(np.arange(1, _ROWS + 1, dtype=np.float64) ** -exponent)
        tables.append((cumulative / cumulative[-1], generator.permutation(_ROWS)))
    poolings = -(-lookups // _POOLING)
    lines = np.empty((poolings, _POOLING), dtype=np.int64)
    for table, (cumulative, rows) in enumerate(tables):
        mine = lines[table::_TABLES]
        drawn = np.searchsorted(cumulative, generator.random(mine.size), side="right")
        mine[:] = (table * _ROWS + rows[np.minimum(drawn, _ROWS - 1)]).reshape(mine.shape)
    return lines.reshape(-1)[:lookups]


def _sls64() -> Lines:
    """Read rows of 64 bytes, as embedding poolings do."""
    return _embedding(REQUESTS)


def _sls64d() -> Lines:
    """Read as `_sls64`, leaving out lines seen within the last 512 requests that are kept."""
    last: dict[int, int] = {}
    kept: list[int] = []
    for line in _embedding(REQUESTS + REQUESTS // 3).tolist():
        if len(kept) == REQUESTS:
            break
        if len(kept) - last.get(line, -_WINDOW) >= _WINDOW:
            last[line] = len(kept)
            kept.append(line)
    return np.array(kept, dtype=np.int64)


_GENERATORS: dict[str, Callable[[], Lines]] = {
    "stream": _stream,
    "random": _random,
    "sls64": _sls64,
    "sls64d": _sls64d,
}


def _kaggle128(data: Path | None) -> tuple[Lines, Writes]:
    """Read two lines per lookup of a real trace, sample by sample and table by table."""
    if data is None:
        raise TraceMissingError(f"needs --data DIR with {KAGGLE_FILE}")
    path = data / KAGGLE_FILE
    try:
        with np.load(path) as file:
            tables = [(file[f"emb_{t}_indices"], file[f"emb_{t}_lengths"]) for t in range(10)]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not the file of the trace kaggle128: {error}") from None
    ends = [np.cumsum(lengths) for _, lengths in tables]
    rows: list[Lines] = []
    taken = 0
    for sample in range(len(ends[0])):
        for table, (indices, lengths) in enumerate(tables):
            end = int(ends[table][sample])
            rows.append(table * _ROWS + indices[end - int(lengths[sample]) : end].astype(np.int64))
            taken += 2 * len(rows[-1])
        if taken >= REQUESTS:
            break
    lines = (2 * np.concatenate(rows)[:, None] + np.arange(2)).reshape(-1)[:REQUESTS]
    return _checked("kaggle128", lines, np.zeros(len(lines), dtype=np.bool_))
