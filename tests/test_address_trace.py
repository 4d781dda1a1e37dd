"""The record of raw addresses: structure, values, windows, hash."""

import re

import numpy as np
import pytest

from archsim.errors import InputError
from archsim.traces import AddressTrace
from archsim.traces import addresses as module


def trace(**columns: object) -> AddressTrace:
    return AddressTrace(**{"name": "t", "address": np.arange(5, dtype=np.int64) * 64, **columns})


def test_columns_are_read_only_views() -> None:
    address = np.arange(3, dtype=np.int64)
    made = trace(address=address)
    with pytest.raises(ValueError, match="read-only"):
        made.address[0] = 7
    assert np.shares_memory(made.address, address)
    assert address.flags.writeable


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"address": np.arange(3, dtype=np.int32)}, "column 'address' holds int32; it must be int64"),
        ({"operation": np.zeros(4, np.uint8)}, "column 'operation' has shape"),
        ({"time_unit": "clock"}, "unknown time_unit 'clock' (did you mean 'clk'"),
    ],
)
def test_structure_is_checked_at_once(columns: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        trace(**columns)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"address": np.array([], np.int64)}, "at least one request"),
        ({"address": np.array([0, 1, 2, -4, 5])}, "request 3: address = -4 must not be negative"),
        ({"operation": np.array([0, 1, 2, 0, 0], np.uint8)}, "request 2: operation = 2 must be 0"),
        ({"time": np.array([0, 5, 5, 4, 9])}, "request 3: time = 4 is before"),
        ({"time": np.array([-1, 5, 5, 6, 9])}, "request 0: time = -1 must not be negative"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_validate_names_the_first_bad_request(
    columns: dict[str, object], message: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    with pytest.raises(InputError, match=message):
        trace(**columns).validate()


def test_the_hash_covers_what_is_said_and_nothing_else() -> None:
    times = np.arange(5, dtype=np.int64)
    assert trace().sha256 == trace(name="other", notes=("n",), time_unit="ps").sha256
    others = [
        trace(time=times),
        trace(time=times, time_unit="ps"),
        trace(operation=np.zeros(5, np.uint8)),
        trace(address=np.arange(5, dtype=np.int64)),
    ]
    assert len({trace().sha256, *(each.sha256 for each in others)}) == 5


def test_limit_and_chunks_cut_every_column() -> None:
    whole = trace(time=np.arange(5, dtype=np.int64), operation=np.ones(5, np.uint8))
    part = whole.limit(2)
    assert (part.requests, part.time.tolist(), part.operation.tolist()) == (2, [0, 1], [1, 1])
    assert list(whole.chunks(2)) == [(0, 2), (2, 4), (4, 5)]
    assert whole.limit(9) is whole
    with pytest.raises(InputError, match="limit = 0"):
        whole.limit(0)
