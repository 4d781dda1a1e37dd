"""Bag text, .npz archives and the detection of formats: what is read, and how damage is named."""

import gzip
import lzma
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.traces import open_trace, read_trace, trace_info, write_native

SHARED = Path(__file__).parents[1].parent / "shared" / "data" / "kaggle-emb"

ESTIMATED = "rows per table estimated from the largest index"


def refusal(path, **options):
    """Return why a path is refused, with its folder left out."""
    with pytest.raises(InputError) as error:
        open_trace(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{path.parent}/", "")


def text(folder, content, name="bags.txt"):
    """Write a file of bytes."""
    (folder / name).write_bytes(content)
    return folder / name


def archive(folder, **arrays):
    """Write an .npz archive."""
    np.savez(folder / "bags.npz", **arrays)
    return folder / "bags.npz"


# bag text


def test_every_line_of_bag_text_is_a_bag(tmp_path):
    trace = open_trace(text(tmp_path, b"3 1 4\r\n\n 15\t9 \n2"))
    assert trace.rows.tolist() == [3, 1, 4, 15, 9, 2]
    assert trace.rows.dtype == np.int32
    assert trace.bag_offsets.tolist() == [0, 3, 3, 5, 6]
    assert trace.sample.tolist() == [0, 1, 2, 3]
    assert trace.order == "sample-major"
    assert trace.name == "bags"
    assert (trace.tables[0].rows, trace.tables[0].vector_bytes, trace.tables[0].dtype) == (16, 128, "float32")
    assert ESTIMATED in trace.notes
    trace.validate()


def test_the_user_may_declare_the_table(tmp_path):
    trace = open_trace(text(tmp_path, b"3 1 4\n"), rows=1000, vector_bytes=64)
    assert (trace.tables[0].rows, trace.tables[0].vector_bytes) == (1000, 64)
    assert ESTIMATED not in trace.notes


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_compressed_bag_text_reads_alike(tmp_path, compress):
    plain = open_trace(text(tmp_path, b"3 1 4\n1 5\n"))
    packed = open_trace(text(tmp_path, compress(b"3 1 4\n1 5\n"), "bags.packed"))
    assert packed.sha256 == plain.sha256


def test_rows_beyond_32_bits_are_kept(tmp_path):
    trace = open_trace(text(tmp_path, b"3 5000000000\n"))
    assert trace.rows.tolist() == [3, 5_000_000_000]
    assert trace_info(trace)["unique_rows"] == 2


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**40), max_size=6), min_size=1, max_size=20).filter(lambda b: b[-1]))
def test_bag_text_holds_any_bags(tmp_path_factory, bags):
    content = "\n".join(" ".join(map(str, bag)) for bag in bags).encode()
    trace = read_trace(text(tmp_path_factory.mktemp("bags"), content), format="bags")
    cuts = zip(trace.bag_offsets[:-1], trace.bag_offsets[1:], strict=True)
    assert [trace.rows[first:last].tolist() for first, last in cuts] == bags


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"1 2\n3 x4 5\n",
            "line 2, column 3: 'x4' is not a row number; digits separated by spaces are needed",
        ),
        (
            b"1 2\n3 1_0\n",
            "line 2, column 3: '1_0' is not a row number; digits separated by spaces are needed",
        ),
        (
            b"1 2\n3 4,5\n",
            "line 2, column 3: '4,5' is not a row number; digits separated by spaces are needed",
        ),
        (
            b"1 2\n3 1.5\n",
            "line 2, column 3: '1.5' is not a row number; digits separated by spaces are needed",
        ),
        (
            "1 2\né ٣\n".encode(),
            "line 2, column 1: 'é' is not a row number; digits separated by spaces are needed",
        ),
        (
            "1 2\n4 ٣\n".encode(),
            "line 2, column 3: '٣' is not a row number; digits separated by spaces are needed",
        ),
        (b"1 2\n3  -4\n", "line 2, column 4: row '-4' is negative; rows count from 0"),
        (b"1 2\n3 10\n", "line 2, column 3: row '10' is outside the table's 10 rows (0 to 9)"),
        (
            b"1 2\n" + b"9" * 5000 + b"\n",
            f"line 2, column 1: row '{'9' * 37}...' is outside the table's 10 rows (0 to 9)",
        ),
        (
            b"1 2\n3 \xff\xc3 7\n",
            r"line 2, column 3: '\xff\xc3' is not a row number; digits separated by spaces are needed",
        ),
        (b"1 2\n\n", "line 2: empty line at the end; an empty bag must be followed by another bag"),
        (
            b"1 2\n\x00\n",
            r"line 2, column 1: '\x00' is not a row number; digits separated by spaces are needed",
        ),
    ],
)
def test_bad_bag_text_is_placed(tmp_path, content, message):
    assert refusal(text(tmp_path, content), rows=10, format="bags") == f"bags.txt: {message}"
    packed = text(tmp_path, gzip.compress(content), "bags.txt.gz")
    assert refusal(packed, rows=10, format="bags") == f"bags.txt.gz: {message}"


def test_a_row_no_table_can_hold_is_refused(tmp_path):
    size = 2**56 - 1
    assert refusal(text(tmp_path, f"1 {2**63}\n".encode())) == (
        f"bags.txt: line 1, column 3: row '{2**63}' is outside the table's {size} rows (0 to {size - 1})"
    )


def test_damaged_compression_is_refused(tmp_path):
    content = gzip.compress(b" ".join(b"%d" % (i * i) for i in range(9000)) + b"\n")
    flipped = bytearray(content)
    flipped[-6] ^= 1
    assert refusal(text(tmp_path, content[:-2000])) == (
        f"bags.txt: damaged gzip data: byte {len(content) - 2000}: the file is cut short"
    )
    assert refusal(text(tmp_path, bytes(flipped))) == (
        f"bags.txt: damaged gzip data: byte {len(content)}: "
        "Error -3 while decompressing data: incorrect data check"
    )
    packed = lzma.compress(b"1 2 3\n" * 999)
    assert refusal(text(tmp_path, packed[:-20])) == (
        f"bags.txt: damaged xz data: byte {len(packed) - 20}: the file is cut short"
    )


# .npz archives

SOUND = {
    "emb_0_indices": np.array([1, 2, 3], np.int32),
    "emb_0_lengths": np.array([2, 1], np.int32),
    "emb_1_indices": np.array([7, 8, 9], np.uint64),
    "emb_1_lengths": np.array([0, 3], np.int8),
}


def test_an_archive_is_read_sample_by_sample(tmp_path):
    trace = open_trace(archive(tmp_path, **SOUND))
    assert trace.order == "sample-major"
    assert trace.bag_tables.tolist() == [0, 1, 0, 1]
    assert trace.sample.tolist() == [0, 0, 1, 1]
    assert trace.rows.tolist() == [1, 2, 3, 7, 8, 9]
    assert trace.rows.dtype == np.int32
    assert trace.bag_offsets.tolist() == [0, 2, 2, 3, 6]
    assert [table.rows for table in trace.tables] == [4, 10]
    assert [table.name for table in trace.tables] == ["emb_0", "emb_1"]
    assert trace.notes == ("bag k of every table taken as sample k, read sample-major", ESTIMATED)
    trace.validate()


def test_options_of_an_archive(tmp_path):
    path = archive(tmp_path, **SOUND)
    by_table = open_trace(path, order="table-major", limit=4, rows=(10, 20))
    assert by_table.bag_tables.tolist() == [0, 0, 1, 1]
    assert by_table.rows.tolist() == [1, 2, 3, 7]
    assert [table.rows for table in by_table.tables] == [10, 20]
    assert refusal(path, rows=(10, 20, 30)) == (
        "bags.npz: rows gives 3 table sizes, but the file holds 2 tables"
    )
    assert refusal(path, rows=0) == f"bags.npz: rows = 0 must be from 1 to {2**56 - 1}"
    assert refusal(path, limit=0) == "bags: limit = 0 lookups must be at least 1"
    assert refusal(path, order="table") == "bags: unknown order 'table' (did you mean 'table-major'?)"
    assert refusal(path, vector_bytes=130).endswith(
        "vector_bytes = 130 must be a multiple of the 4 bytes of a float32 element"
    )


def test_a_compressed_archive_reads_alike(tmp_path):
    path = archive(tmp_path, **SOUND)
    packed = text(tmp_path, gzip.compress(path.read_bytes()), "bags.npz.gz")
    assert open_trace(packed).sha256 == open_trace(path).sha256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"emb_1_lengths": None}, "array emb_1_lengths is missing; its partner emb_1_indices is there"),
        ({"emb_0_indices": None}, "array emb_0_indices is missing; its partner emb_0_lengths is there"),
        (
            {"emb_0_indices": None, "emb_0_lengths": None},
            "array emb_0_indices is missing; tables go up to 1",
        ),
        (
            {"emb_999999999999_indices": np.arange(2)},
            "array emb_2_indices is missing; tables go up to 999999999999",
        ),
        (
            {"offsets": np.arange(2)},
            "unknown array 'offsets'; the names must be PREFIX_T_indices and PREFIX_T_lengths",
        ),
        ({"tab_0_indices": np.arange(2)}, "two sets of tables, 'emb' and 'tab'; one is needed"),
        (
            {"emb_0_indices": np.arange(3.0)},
            "emb_0_indices holds float64 of shape (3,); it must hold integers in one dimension",
        ),
        (
            {"emb_0_indices": np.zeros((3, 1), int)},
            "emb_0_indices holds int64 of shape (3, 1); it must hold integers in one dimension",
        ),
        (
            {"emb_1_lengths": np.array([1, 1])},
            "emb_1_lengths sum to 2, but emb_1_indices has 3 entries",
        ),
        (
            {"emb_1_lengths": np.array([4, -1])},
            "emb_1_lengths[0] = 4 must be from 0 to 3, the number of indices",
        ),
        (
            {"emb_1_lengths": np.array([2, 2, -1])},
            "emb_1_lengths[2] = -1 must be from 0 to 3, the number of indices",
        ),
        (
            {"emb_1_indices": np.array([7, -8, 9])},
            "emb_1_indices[1] = -8 must be a row of the table, 0 to 19",
        ),
        (
            {"emb_1_indices": np.array([7, 8, 2**64 - 1], np.uint64)},
            f"emb_1_indices[2] = {2**64 - 1} must be a row of the table, 0 to 19",
        ),
        (
            {"emb_0_indices": np.array([1, 20, 3])},
            "emb_0_indices[1] = 20 must be a row of the table, 0 to 19",
        ),
    ],
)
def test_a_wrong_archive_is_placed(tmp_path, change, message):
    arrays = {key: value for key, value in {**SOUND, **change}.items() if value is not None}
    assert refusal(archive(tmp_path, **arrays), rows=20) == f"bags.npz: {message}"


def test_an_archive_without_lookups_is_refused(tmp_path):
    empty = {"t_0_indices": np.zeros(0, int), "t_0_lengths": np.zeros(2, int)}
    assert refusal(archive(tmp_path, **empty)) == "bags.npz: no lookups in any of its 1 tables"
    assert refusal(archive(tmp_path)) == (
        "bags.npz: no arrays; PREFIX_0_indices and PREFIX_0_lengths are needed"
    )


def test_pickled_objects_are_never_loaded(tmp_path):
    path = archive(tmp_path, emb_0_indices=np.array([print], object), emb_0_lengths=np.arange(1))
    assert refusal(path) == (
        "bags.npz: emb_0_indices holds object of shape (1,); it must hold integers in one dimension"
    )


def test_a_truncated_archive_is_refused(tmp_path):
    path = archive(tmp_path, **SOUND)
    path.write_bytes(path.read_bytes()[:-30])
    assert refusal(path) == (
        f"bags.npz: byte {path.stat().st_size}: not a complete zip archive: the file ends without a directory"
    )


def test_an_archive_whose_directory_lost_entries_is_refused(tmp_path):
    path = archive(tmp_path, **SOUND)
    content = bytearray(path.read_bytes())
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    # A longer comment of the second entry (byte 32 of its record) swallows the records behind it.
    content[second + 33] = 1
    path.write_bytes(content)
    assert re.fullmatch(
        "bags.npz: byte [0-9]+: damaged zip archive: an entry runs beyond the directory", refusal(path)
    )


@settings(deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_damaged_archive_is_refused_or_says_the_same(tmp_path_factory, place, bit):
    path = archive(tmp_path_factory.mktemp("npz"), **SOUND)
    expected = open_trace(path, rows=20).sha256
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        outcome = read_trace(path, rows=20).sha256
    except InputError as error:
        outcome = str(error)
    assert outcome == expected or (outcome.startswith(str(path)) and "\n" not in outcome)


# detection and options


def test_what_is_no_trace_is_refused_in_one_line(tmp_path):
    assert refusal(tmp_path / "absent") == "absent: no such file or folder"
    (tmp_path / "folder").mkdir()
    assert refusal(tmp_path / "folder") == "folder: a folder without trace.json; a native trace holds one"
    assert refusal(text(tmp_path, b"")) == "bags.txt: empty file"
    assert refusal(text(tmp_path, gzip.compress(b""))) == "bags.txt: empty file"
    assert refusal(text(tmp_path, b"\x7fELF\x02 1 2")).startswith(
        r"bags.txt: starts with b'\x7fELF\x02 1 2', which is no known trace format; with --format: pt = "
    )
    assert refusal(text(tmp_path, b"12\x00\x01 3")).startswith(
        r"bags.txt: starts with b'12\x00\x01 3', which is no"
    )
    assert refusal(text(tmp_path, b"user item\n")).startswith(
        "bags.txt: starts with b'user item\\n', which is no"
    )
    assert refusal(text(tmp_path, b"1 2\n"), format="bag") == (
        "bags.txt: unknown format 'bag' (did you mean 'bags'?)"
    )
    assert refusal(text(tmp_path, b"1 2\n"), format="npz") == (
        "bags.txt: byte 4: not a complete zip archive: the file ends without a directory"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == "pipe: not a regular file"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind this user"
)
def test_an_unreadable_file_is_refused(tmp_path):
    path = text(tmp_path, b"1 2\n")
    path.chmod(0)
    assert refusal(path) == "bags.txt: cannot be read: Permission denied"


def test_a_file_that_fails_to_read_is_refused(tmp_path, monkeypatch):
    path = text(tmp_path, b"1 2\n")

    def denied(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert refusal(path) == "bags.txt: cannot be read: Permission denied"


def test_a_native_trace_declares_its_own_tables(tmp_path):
    trace = open_trace(text(tmp_path, b"1 2\n3\n"))
    write_native(trace, tmp_path / "native")
    assert open_trace(tmp_path / "native", limit=2).rows.tolist() == [1, 2]
    assert refusal(tmp_path / "native", rows=9) == (
        "native: rows = 9 cannot be given; a native trace declares its tables"
    )
    assert refusal(tmp_path / "native", vector_bytes=64) == (
        "native: vector_bytes = 64 cannot be given; a native trace declares its tables"
    )


def test_a_file_has_no_parameters(tmp_path):
    path = text(tmp_path, b"1 2\n")
    assert refusal(path, overrides=["seed=2"]) == (
        "bags.txt: 'seed=2' cannot be set; only a generated trace has parameters"
    )


# a real trace


@pytest.mark.skipif(not SHARED.exists(), reason="the Kaggle embedding trace is not in ../shared/data")
def test_the_kaggle_trace_has_its_known_counts():
    trace = open_trace(SHARED / "kaggle-emb.npz")
    trace.validate()
    assert (trace.lookups, trace.bags, len(trace.tables)) == (1_638_396, 20_480, 10)
    assert trace.bag_tables[:11].tolist() == [*range(10), 0]
    assert [table.rows for table in trace.tables] == [
        *(999976, 999993, 999990, 999972, 999989),
        *(999634, 999983, 999965, 999943, 999960),
    ]
    info = trace_info(trace)
    assert info["pooling"]["min"] == 76
    assert info["unique_rows"] == 363_535
    assert trace.sha256 == "908566cd5d54a71c16e5ffd5553892791042442a1cc3eaf2f48b0792602568df"


@pytest.mark.skipif(not SHARED.exists(), reason="the Kaggle embedding trace is not in ../shared/data")
def test_text_and_archive_of_the_kaggle_trace_agree():
    archive = open_trace(SHARED / "kaggle-emb.npz", order="table-major")
    first = archive.window(0, 2048)
    as_text = open_trace(SHARED / "emb_0.txt")
    assert as_text.rows.tolist() == first.rows.tolist()
    assert as_text.bag_offsets.tolist() == first.bag_offsets.tolist()
