"""Trace text in every format: what is read, how formats are told apart, and how damage is named."""

import gzip
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.traces import open_trace, read_trace
from archsim.traces.formats.registry import FILE_FORMATS

SHARED = Path(__file__).parents[1].parent / "shared" / "data" / "kaggle-emb"

CATEGORIES = "\t".join(f"a{n}" for n in range(3, 27))
CRITEO = "".join(
    "\t".join([label, *map(str, [0, -1, *range(2, 13)]), first, second, CATEGORIES]) + "\n"
    for label, first, second in (("1", "05db9164", ""), ("0", "68fd1e64", "0"), ("0", "05DB9164", "ffffffff"))
).encode()
SOUND = {
    "bags": b"3 1 4\n\n15 9\n",
    "trace-log": b"1, 2, 3, 4, 5, 3\n",
    "user-items": b"1 7\n1 2 9\n2\n",
    "recbole": b"item_id:token\tuser_id:token\trating:float\nia\tu-number-1\t3\nib\tu-number-1\t4\nia\tu2\t\n",
    "criteo": CRITEO,
    "dramsim3": b"0x2000D5C0 READ  30\n1ff96fc0 WRITE 160\n40 P_MEM_WR 160\n",
    "ramulator1": b"0x12345680 R\n4cbd56c0 W\n",
    "ramulator2": b"LD 0x12340\nST 4096\n",
    "ramulator-cpu": b"3 20734016\n8 20841280 20846400\n",
}
NAMED = {name for name, each in FILE_FORMATS.items() if each.matches is None}


def file(folder, content, name="trace"):
    """Write a file of bytes."""
    (folder / name).write_bytes(content)
    return folder / name


def refusal(path, **options):
    """Return why a path is refused, with its folder left out."""
    with pytest.raises(InputError) as error:
        open_trace(path, **options).validate()
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{path.parent}/", "")


def attempt(path, **options):
    """Return "sound", or why a path is refused."""
    try:
        open_trace(path, **options).validate()
    except InputError as error:
        return str(error)
    return "sound"


def named(name):
    """Options that a format needs."""
    return {"format": name} if name in NAMED else {}


# what is read


@pytest.mark.parametrize(
    ("content", "offsets"), [(b"1 2\n\n3\n", [0, 2, 2, 3]), (b"7\n8\n9\n", [0, 1, 2, 3])]
)
def test_samples_are_lines_whatever_the_bags_hold(tmp_path, content, offsets):
    trace = open_trace(file(tmp_path, content))
    assert trace.bag_offsets.tolist() == offsets
    assert trace.sample.tolist() == [0, 1, 2]


def test_an_access_of_a_trace_log_is_a_bag(tmp_path):
    trace = open_trace(file(tmp_path, SOUND["trace-log"]))
    assert trace.rows.tolist() == [1, 2, 3, 4, 5, 3]
    assert trace.bag_offsets.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert trace.sample.tolist() == [0, 1, 2, 3, 4, 5]
    assert trace.tables[0].rows == 6


def test_a_line_of_user_items_looks_up_its_user_and_then_its_items(tmp_path):
    path = file(tmp_path, SOUND["user-items"])
    trace = open_trace(path, format="user-items")
    assert [(t.name, t.rows) for t in trace.tables] == [("user", 3), ("item", 10)]
    assert trace.bag_tables.tolist() == [0, 1] * 3
    assert trace.rows.tolist() == [1, 7, 1, 2, 9, 2]
    assert np.diff(trace.bag_offsets).tolist() == [1, 1, 1, 2, 1, 0]
    assert open_trace(path, format="user-items", order="table-major").rows.tolist() == [1, 1, 2, 7, 2, 9]
    assert refusal(path, format="user-items", rows=(3, 8)) == (
        "trace: line 2, column 5: row '9' is outside the table's 8 rows (0 to 7)"
    )
    assert refusal(path, format="user-items", rows=(2, 10)) == (
        "trace: line 3, column 1: row '2' is outside the table's 2 rows (0 to 1)"
    )
    assert refusal(path, format="user-items", rows=(20, 8)) == (
        "trace: line 2, column 5: row '9' is outside the table's 8 rows (0 to 7)"
    )


def test_recbole_numbers_tokens_from_1_as_they_appear(tmp_path):
    path = file(tmp_path, SOUND["recbole"])
    trace = open_trace(path)
    assert [(t.name, t.rows) for t in trace.tables] == [("item_id", 3), ("user_id", 3)]
    assert trace.rows.tolist() == [1, 1, 2, 1, 1, 2]
    assert trace.bag_tables.tolist() == [0, 1] * 3
    assert [t.rows for t in open_trace(path, rows=9).tables] == [9, 9]
    assert refusal(path, rows=2) == "trace: item_id has 2 tokens, which need 3 rows; rows = 2"


def test_criteo_numbers_categories_per_table_as_they_appear(tmp_path):
    trace = open_trace(file(tmp_path, CRITEO))
    assert [t.name for t in trace.tables] == [f"C{n}" for n in range(1, 27)]
    assert trace.rows.reshape(3, 26)[:, :3].tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert [t.rows for t in trace.tables] == [2, 2] + [1] * 24
    assert trace.bag_tables.tolist() == [*range(26)] * 3


def test_declared_rows_of_criteo_divide_the_hash(tmp_path):
    trace = open_trace(file(tmp_path, CRITEO), rows=1000)
    assert trace.rows.reshape(3, 26)[:, :3].tolist() == [
        [0x05DB9164 % 1000, 0, 0xA3],
        [0x68FD1E64 % 1000, 0, 0xA3],
        [0x05DB9164 % 1000, (2**32 - 1) % 1000, 0xA3],
    ]
    assert {t.rows for t in trace.tables} == {1000}
    wide = open_trace(file(tmp_path, CRITEO), rows=2**40)
    assert wide.rows.reshape(3, 26)[2, :2].tolist() == [0x05DB9164, 2**32 - 1]


def test_criteo_with_a_header_or_without_labels_reads_alike(tmp_path):
    expected = open_trace(file(tmp_path, CRITEO)).sha256
    lines = CRITEO.decode().splitlines()
    unlabelled = "\n".join(line.split("\t", 1)[1] for line in lines)
    assert open_trace(file(tmp_path, unlabelled.encode())).sha256 == expected
    names = ["Id", "Label", *(f"I{n}" for n in range(1, 14)), *(f"C{n}" for n in range(1, 27))]
    table = "\n".join([",".join(names), *(f"{k}," + line.replace("\t", ",") for k, line in enumerate(lines))])
    assert open_trace(file(tmp_path, table.encode())).sha256 == expected
    assert refusal(file(tmp_path, table.replace("C7,", "C6,").encode()), format="criteo").startswith(
        "trace: line 1: column C6 is there twice; a header names C1 to C26, but this one is "
    )


def test_requests_have_operations_and_dramsim3_clocks_too(tmp_path):
    trace = read_trace(file(tmp_path, SOUND["dramsim3"]), kind="addresses")
    assert trace.address.tolist() == [0x2000D5C0, 0x1FF96FC0, 0x40]
    assert trace.operation.tolist() == [0, 1, 1]
    assert (trace.time.tolist(), trace.time_unit) == ([30, 160, 160], "clk")
    trace = open_trace(file(tmp_path, SOUND["ramulator1"]), limit=1)
    assert (trace.address.tolist(), trace.operation.tolist(), trace.time) == ([0x12345680], [0], None)
    trace = open_trace(file(tmp_path, SOUND["ramulator2"]))
    assert (trace.address.tolist(), trace.operation.tolist()) == ([0x12340, 4096], [0, 1])
    trace = open_trace(file(tmp_path, SOUND["ramulator-cpu"]), format="ramulator-cpu")
    assert (trace.address.tolist(), trace.operation.tolist()) == ([20734016, 20841280, 20846400], [0, 0, 1])


# formats and kinds


@pytest.mark.parametrize("name", SOUND)
def test_a_format_is_told_by_its_content(tmp_path, name):
    path = file(tmp_path, SOUND[name])
    asked = read_trace(path, format=name)
    assert asked.generator
    if name not in NAMED:
        assert read_trace(path).sha256 == asked.sha256
        assert read_trace(path).generator == asked.generator


@pytest.mark.parametrize("name", SOUND)
def test_line_ends_and_compression_do_not_matter(tmp_path, name):
    expected = open_trace(file(tmp_path, SOUND[name]), **named(name)).sha256
    windows = SOUND[name].replace(b"\n", b"\r\n")
    for content in (windows, SOUND[name].rstrip(b"\n"), gzip.compress(windows)):
        assert open_trace(file(tmp_path, content), **named(name)).sha256 == expected


@pytest.mark.parametrize("name", SOUND)
def test_blocks_do_not_matter(tmp_path, name):
    path = file(tmp_path, SOUND[name])
    expected = open_trace(path, **named(name)).sha256
    for block_bytes in range(1, 40):
        assert FILE_FORMATS[name].read(path, block_bytes=block_bytes).sha256 == expected


def test_the_kind_of_trace_and_the_options_must_fit(tmp_path):
    path = file(tmp_path, SOUND["ramulator2"])
    assert refusal(path, kind="lookups") == (
        "trace: a trace of raw addresses; embedding lookups are needed here"
    )
    assert refusal(path, rows=9) == (
        "trace: rows = 9 cannot be given; format 'ramulator2' holds addresses, not rows of tables"
    )
    assert refusal(path, vector_bytes=64).startswith("trace: vector_bytes = 64 cannot be given; format")
    assert refusal(path, order="sample-major") == (
        "trace: order = sample-major cannot be given; a trace of addresses has no bags to sort"
    )
    assert refusal(file(tmp_path, SOUND["bags"]), kind="addresses") == (
        "trace: a trace of embedding lookups; raw addresses are needed here"
    )
    assert refusal(path, format="dramsim") == ("trace: unknown format 'dramsim' (did you mean 'dramsim3'?)")
    with pytest.raises(InputError, match="embedding lookups; raw addresses are needed here"):
        open_trace("preset:zipf", kind="addresses", limit=9)


# damage

FAULTS = {
    "trace-log": [
        (b"1, 2,, 3\n", "line 1, column 6: ',' is not a row number; digits separated by commas are needed"),
        (b"1, 2 3\n", "line 1, column 6: '3' follows without a comma"),
        (b"1, 2,\n", "line 1, column 6: the line ends where a number is expected"),
        (b"1, 2\n3, 4\n", "line 2, column 1: a second line; this format has one line"),
        (b"1, nan\n", "line 1, column 4: 'nan' is not a row number; digits separated by commas are needed"),
        (b"1, -2\n", "line 1, column 4: row '-2' is negative; rows count from 0"),
    ],
    "user-items": [
        (b"1 2\n\n3 4\n", "line 2: empty line 1 in a row; at most 0 are allowed"),
        (b"1 2\n3 x\n", "line 2, column 3: 'x' is not a row number; digits separated by spaces are needed"),
    ],
    "recbole": [
        (b"user_id:token\titem_id:token\nu\t\n", "line 2, column 3: item_id '' must be a token, not empty"),
        (
            b"user_id:token\titem_id:token\nu\ti\tx\n",
            "line 2, column 5: 'x' is one field too many; a line holds 2",
        ),
        (b"user_id:token\titem_id:token\nu\n", "line 2: 1 of 2 fields; a line holds user_id, item_id"),
        (b"user_id:token\titem_id:token\nu\ti\x00\n", "line 2, column 4: '\\x00' inside the line"),
        (b"user_id:token\titem_id:token\n", "a header without interactions"),
        (
            b"user:token\titem_id:token\n1\t2\n",
            "line 1: the header lacks user_id:token (did you mean 'user'?)",
        ),
        (
            b"user_id:float\titem_id:token\n1\t2\n",
            "line 1: user_id holds float; it must be user_id:token",
        ),
        (
            b"user_id:token\titem_id:token\tuser_id:token\n1\t2\t3\n",
            "line 1: the header names a column twice",
        ),
    ],
    "criteo": [
        (
            CRITEO.replace(b"68fd1e64", b"68fd1e6g"),
            "line 2, column 33: C1 '68fd1e6g' must be at most 8 hexadecimal digits, or empty",
        ),
        (
            CRITEO.replace(b"68fd1e64", b"168fd1e64"),
            "line 2, column 33: C1 '168fd1e64' must be at most 8 hexadecimal digits, or empty",
        ),
        (CRITEO[:-4] + b"\t\n", "line 3, column 137: '' is one field too many; a line holds 40"),
        (CRITEO[:-5] + b"\n", "line 3: 39 of 40 fields; a line holds label, I1, I2, I3, ..."),
        (
            CRITEO.replace(b"\t-1\t", b"\tnan\t", 2),
            "line 1, column 5: I2 'nan' must be a number, or empty",
        ),
    ],
    "dramsim3": [
        (b"0x40 READ 9\n0x40 READ 8\n", "line 2, column 11: clock '8' is before that of the line above"),
        (b"0x40 READ 9\n0x40 REED 9\n", "line 2, column 6: operation 'REED' must be READ or WRITE"),
        (
            b"0x40 READ 9\n0xg0 READ 9\n",
            "line 2, column 1: address '0xg0' must be hexadecimal digits, with or without 0x",
        ),
        (b"0x40 READ 9\n0x40 READ -9\n", "line 2, column 11: clock '-9' must be decimal digits"),
        (b"0x40 READ 9\n\n\n", "line 2: empty line; a line holds address, operation, clock"),
        (b"0x40 READ 9\n0x40 READ\n", "line 2: 2 of 3 fields; a line holds address, operation, clock"),
        (b"0x40 READ 9\n0x40 READ 9 9\n", "line 2, column 13: '9' is one field too many; a line holds 3"),
        (
            b"0x40 READ 9\n0x7fffffffffffffff READ 9\n",
            "line 2, column 1: address '0x7fffffffffffffff' does not fit 63 bits",
        ),
        (
            b"0x40 READ 9\n0x40 READ 9223372036854775808\n",
            "line 2, column 11: clock '9223372036854775808' does not fit 63 bits",
        ),
        (b"0x40 READ 9\n0x40\x00 READ 9\n", "line 2, column 5: '\\x00' inside the line"),
        (b"0x40 READ 9\n0x40 READ 9\r0x40 READ 9\n", "line 2, column 12: '\\r' inside the line"),
    ],
    "ramulator1": [(b"0x40 R\n0x40 r\n", "line 2, column 6: operation 'r' must be R or W")],
    "ramulator2": [
        (
            b"LD 1\nLD -1\n",
            "line 2, column 4: address '-1' must be decimal digits, or 0x and hexadecimal digits",
        ),
        (
            b"LD 1\nLD ff\n",
            "line 2, column 4: address 'ff' must be decimal digits, or 0x and hexadecimal digits",
        ),
        (
            b"LD 1\nLD\t\xff\n",
            r"line 2, column 4: address '\xff' must be decimal digits, or 0x and hexadecimal digits",
        ),
    ],
    "ramulator-cpu": [(b"1 2\n0x1 2\n", "line 2, column 1: bubble count '0x1' must be decimal digits")],
}


@pytest.mark.parametrize(
    ("name", "content", "message"), [(name, *fault) for name, faults in FAULTS.items() for fault in faults]
)
def test_a_fault_is_placed(tmp_path, name, content, message):
    assert refusal(file(tmp_path, content), format=name) == f"trace: {message}"
    assert refusal(file(tmp_path, gzip.compress(content)), format=name) == f"trace: {message}"


@pytest.mark.parametrize("name", SOUND)
def test_a_byte_order_mark_is_refused(tmp_path, name):
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        path = file(tmp_path, mark + SOUND[name])
        expected = (
            "trace: line 1, column 1: starts with a byte order mark; save the file as plain ASCII or UTF-8"
        )
        assert refusal(path) == expected
        assert refusal(path, format=name) == expected


@pytest.mark.parametrize("name", SOUND)
def test_an_empty_file_is_refused(tmp_path, name):
    assert refusal(file(tmp_path, b""), format=name) == "trace: empty file"


@pytest.mark.parametrize("name", SOUND)
def test_thousands_of_empty_lines_are_refused(tmp_path, name):
    line = SOUND[name].count(b"\n") + (1001 if name == "bags" else 1)
    found = refusal(file(tmp_path, SOUND[name] + b"\n" * 5000), format=name)
    assert re.match(rf"trace: line {line}(, column 1)?: (empty line|a second line)", found), found


def test_address_vectors_are_refused_with_the_reason(tmp_path):
    assert refusal(file(tmp_path, b"R 0,0,1,5,12\nW 0,0,1,5,13\n")).startswith(
        "trace: Ramulator 2's ReadWriteTrace gives channel, rank, bank, row and column of one memory instead of"
    )


def test_a_line_of_a_hundred_megabytes_ends_in_an_answer(tmp_path):
    digits = b"7" * (100 << 20)
    assert refusal(file(tmp_path, b"1 " + digits)).startswith("trace: line 1, column 3: row '7777")
    assert refusal(file(tmp_path, b"LD 1\nLD " + digits)) == (
        "trace: line 2: longer than 1048576 bytes; no line of this format is"
    )
    assert refusal(file(tmp_path, digits), format="criteo").endswith("no line of this format is")
    assert refusal(file(tmp_path, b"a:token\t" + digits), format="recbole") == (
        "trace: line 1: longer than 1048576 bytes; no line of this format is"
    )


@pytest.mark.parametrize("name", SOUND)
def test_a_file_cut_anywhere_is_read_or_refused_with_its_place(tmp_path, name):
    content = SOUND[name] * (1 if name in ("recbole", "trace-log", "dramsim3") else 5)
    for fiftieth in range(51):
        path = file(tmp_path, content[: len(content) * fiftieth // 50])
        outcome = attempt(path, **named(name))
        assert re.match(rf"{path}: (line \d+|empty file|starts with|a header without)|sound", outcome), (
            outcome
        )


@pytest.mark.parametrize("name", SOUND)
@settings(deadline=None, max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_with_its_place(tmp_path_factory, name, place, byte):
    content = bytearray(SOUND[name])
    content[int(place * len(content))] = byte
    path = file(tmp_path_factory.getbasetemp(), bytes(content), f"changed-{name}")
    outcome = attempt(path, format=name)
    assert re.match(rf"{path}: line \d+[^\n]*$|sound", outcome), outcome


# a real trace


@pytest.mark.skipif(not SHARED.exists(), reason="the Kaggle embedding trace is not in ../shared/data")
def test_text_and_archive_of_one_table_have_the_same_hash():
    archive = open_trace(SHARED / "kaggle-emb.npz", order="table-major")
    first = archive.window(0, 2048)
    alone = replace(first, tables=first.tables[:1], order="sample-major")
    assert open_trace(SHARED / "emb_0.txt").sha256 == alone.sha256
