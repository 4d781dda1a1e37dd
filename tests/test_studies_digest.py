"""The digest of a study: one for equal results, another for any that differ."""

from __future__ import annotations

import hashlib
import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from study_rows import point_id, row, sweep_of, written

from archsim import open_study
from archsim.studies import parts, store
from archsim.studies.columns import PROVENANCE
from archsim.studies.digest import digest_of


def slow_digest(rows):
    """The twin of `digest_of`, value by value."""
    rows = sorted(rows, key=lambda each: each["point_id"])
    text = b"archsim study 1\n%d\n" % len(rows)
    for name in sorted({name for each in rows for name in each} - set(PROVENANCE)):
        values = [each.get(name) for each in rows]
        found = [value for value in values if value is not None]
        if not found:
            continue
        large = all(type(value) is int for value in found) and any(abs(value) > 2**53 for value in found)
        letter = {bool: "B", str: "T"}.get(type(found[0]), "I" if large else "F")
        text += f"{name}\n{letter}\n".encode() + bytes(value is not None for value in values)
        for value in values:
            if letter == "T":
                text += bytes(32) if value is None else hashlib.sha256(value.encode()).digest()
            elif letter == "B":
                text += bytes([value or 0])
            elif letter == "I":
                text += struct.pack("<q", value or 0)
            else:
                value = math.nan if value is not None and value != value else value
                text += struct.pack("<d", 0.0 if value is None else value)
    return hashlib.sha256(text).hexdigest()


NUMBER = st.integers(-(2**53), 2**53) | st.floats()
COLUMNS = st.fixed_dictionaries(
    {},
    optional={
        "a": st.none() | NUMBER,
        "b": st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
        "c": st.none() | st.text(max_size=3),
        "d": st.none() | st.booleans(),
        "nmp.e": st.none() | st.floats(),
        "wall_s": st.floats(),
    },
)


@settings(max_examples=100, deadline=None)
@given(st.lists(COLUMNS, max_size=6), st.randoms())
def test_the_digest_is_that_of_its_twin_in_any_order(rows, shuffled):
    rows = [{"point_id": f"p{number}", **columns} for number, columns in enumerate(rows)]
    expected = slow_digest(rows)
    shuffled.shuffle(rows)
    table = parts.to_table([{"point_id": "none"}, *rows], "x").slice(1)
    assert digest_of(table) == expected


@settings(max_examples=15, deadline=None)
@given(
    st.lists(COLUMNS.map(lambda each: each | {"f_ns": 0.5}), min_size=1, max_size=5),
    st.integers(1, 3),
    st.randoms(),
)
def test_a_study_has_one_digest_whatever_order_parts_and_provenance(tmp_path_factory, rows, size, shuffled):
    folder = tmp_path_factory.mktemp("s")
    rows = [row(point_id(number)) | columns for number, columns in enumerate(rows)]
    plain = [{k: v for k, v in each.items() if v is not None} for each in rows]
    first = open_study(written(folder / "a", sweep_of([], []), plain)).digest()
    assert first == slow_digest(plain)
    shuffled.shuffle(rows)
    before, store.COMPACT_ROWS = store.COMPACT_ROWS, size
    try:
        other = [each | {"wall_s": 9.0, "worker": "w9", "extra": None} for each in rows]
        assert open_study(written(folder / "b", sweep_of([], []), other)).digest() == first
    finally:
        store.COMPACT_ROWS = before


@pytest.mark.parametrize(
    "change", [{"time_ns": 1.0000000000000002}, {"bottleneck": "y"}, {"more": 0}, {"time_ns": None}]
)
def test_the_digest_changes_with_any_value(tmp_path, change):
    rows = [row(point_id(n), time_ns=1.0, bottleneck="x") for n in range(3)]
    first = open_study(written(tmp_path / "a", sweep_of([], []), rows)).digest()
    rows[1] |= change
    assert open_study(written(tmp_path / "b", sweep_of([], []), rows)).digest() != first


def test_points_that_ran_out_of_time_are_no_part_of_the_digest(tmp_path):
    rows = [row(point_id(n), time_ns=1.0) for n in range(2)]
    first = open_study(written(tmp_path / "a", sweep_of([], []), rows)).digest()
    late = row(point_id(2), "timeout", error="after 3 s")
    assert open_study(written(tmp_path / "b", sweep_of([], []), [*rows, late])).digest() == first
    failed = row(point_id(2), "failed", error="no")
    assert open_study(written(tmp_path / "c", sweep_of([], []), [*rows, failed])).digest() != first
