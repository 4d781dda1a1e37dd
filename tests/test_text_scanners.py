"""The compiled scanners of trace text against slow readers, on any bytes and with blocks that end anywhere."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import text_twin
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.kernels import text as kernel
from archsim.kernels import text_lines
from archsim.traces.formats import requests
from archsim.traces.formats.text import column_of, whole_lines

BLOCKS = st.sampled_from([1, 2, 3, 7, 1 << 20])
ODD = st.sampled_from([0, 9, 10, 2**31 - 1, 2**31, 2**63 - 2, 2**63 - 1, 2**63, 2**64, 10**30])


def scan(scanner, content, block_bytes):
    """Feed a scanner block by block."""
    for at in range(0, len(content), block_bytes):
        if not scanner.feed(content[at : at + block_bytes]):
            return scanner
    scanner.finish()
    return scanner


def mixtures(alphabet, words):
    """Bytes made of the letters and words of a format, some in order and some not."""
    parts = st.one_of(
        st.sampled_from(words), st.sampled_from([bytes([c]) for c in alphabet]), ODD.map(b"%d".__mod__)
    )
    return st.lists(parts, max_size=30).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(
    mixtures(b"0123 \t\n\r,x-\x00\xff", [b"12 ", b"7\n", b"3 4\n", b"\r\n", b"\n\n"]),
    BLOCKS,
    st.sampled_from([5, 2**63 - 1]),
)
@example(b"9223372036854775806\n9223372036854775805", 1, 2**63 - 1)
@example(b"1\r", 1, 5)
@example(b"\r\r\n", 1, 5)
def test_bag_text_is_scanned_as_the_slow_reader_reads_it(content, block_bytes, limit):
    scanner = scan(kernel.NumberScanner(limit), content, block_bytes)
    expected = text_twin.outcome(text_twin.bags, content, limit)
    if isinstance(expected, text_twin.FaultError):
        if scanner.problem:
            assert (scanner.line, scanner.token_start - scanner.line_start + 1) == expected.place
        elif content:
            assert scanner.blanks
            assert (scanner.line - 1, 0) == expected.place
        return
    assert not scanner.problem
    assert not scanner.blanks
    rows, offsets = column_of(scanner.numbers), column_of(scanner.offsets)
    assert [rows[a:b].tolist() for a, b in pairwise(offsets)] == expected
    assert rows.dtype == (np.int64 if max(rows, default=0) >= 2**31 else np.int32)


@settings(deadline=None, max_examples=200)
@given(mixtures(b"0123 \t\n\r,x", [b"12, ", b"7,", b"3, 4", b"\r\n"]), BLOCKS)
@example(b"1, 2\n\n", 1)
@example(b"1, 2,\n", 1)
@example(b"\n1", 1)
def test_comma_text_is_scanned_as_the_slow_reader_reads_it(content, block_bytes):
    scanner = scan(kernel.NumberScanner(2**40, commas=True), content, block_bytes)
    expected = text_twin.outcome(text_twin.comma_numbers, content, 2**40)
    if isinstance(expected, text_twin.FaultError):
        assert scanner.problem
        return
    assert not scanner.problem
    assert column_of(scanner.numbers).tolist() == expected


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**40), min_size=1, max_size=4), min_size=1, max_size=9), BLOCKS)
def test_the_first_number_of_a_line_can_stand_apart(lines, block_bytes):
    content = "\n".join(" ".join(map(str, line)) for line in lines).encode()
    scanner = scan(kernel.NumberScanner(2**41, first_apart=True), content, block_bytes)
    rows, offsets = column_of(scanner.numbers), column_of(scanner.offsets)
    bags = [rows[a:b].tolist() for a, b in pairwise(offsets)]
    assert bags == [bag for line in lines for bag in (line[:1], line[1:])]


def test_a_run_of_empty_lines_has_an_end():
    scanner = scan(kernel.NumberScanner(9, most_blanks=3), b"1\n\n\n\n2\n\n\n\n\n3\n", 1)
    assert (scanner.problem, scanner.line) == (kernel.BLANKS, 9)
    assert column_of(scanner.offsets).tolist() == [0, 1, 1, 1, 1, 2]


FORMS = {
    "dramsim3": (
        requests.read_dramsim3,
        [b"0x1f READ 3\n", b"AB WRITE\t4\r\n", b"READ ", b"P_MEM_WR 9\n", b"0x"],
    ),
    "ramulator1": (requests.read_ramulator1, [b"0x12 R\n", b"fe W\n", b" R\n", b"W", b"0x "]),
    "ramulator2": (requests.read_ramulator2, [b"LD 0x12\n", b"ST 77\n", b"LD ", b"ST", b"0x"]),
    "ramulator-cpu": (requests.read_ramulator_cpu, [b"3 4\n", b"5 6 7\n", b"8 ", b"9\r\n"]),
}


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=150)
@given(data=st.data(), block_bytes=BLOCKS)
def test_requests_are_read_as_the_slow_reader_reads_them(tmp_path_factory, form, data, block_bytes):
    reader, words = FORMS[form]
    content = data.draw(mixtures(b"019afx \t\n\r\x00RW", [*words, *words]))
    path = tmp_path_factory.getbasetemp() / form
    path.write_bytes(content)
    expected = text_twin.outcome(text_twin.requests, content, form)
    if isinstance(expected, text_twin.FaultError):
        with pytest.raises(InputError, match=f": line {expected.place[0]}[,:]"):
            reader(path, block_bytes)
        return
    if not expected[0]:
        with pytest.raises(InputError, match="empty file"):
            reader(path, block_bytes)
        return
    trace = reader(path, block_bytes)
    times = [] if trace.time is None else trace.time.tolist()
    assert (trace.address.tolist(), trace.operation.tolist(), times) == expected
    trace.validate()


KINDS = ("ignored", "number", "hash", "text", "hash")


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"", b"any thing", b"\xff"]),
            st.sampled_from([b"", b"-12", b"0.5", b"x"] + [b"7"] * 9),
            st.sampled_from([b"", b"05db9164", b"FFFFFFFF", b"0", b"123456789", b"g"] + [b"a1"] * 9),
            st.sampled_from(
                [b"u1", b"1234567", b"12345678", b"12345679", b"123456789", b"\xc3\xa9", b""] + [b"z"] * 9
            ),
            st.integers(0, 2**32 - 1).map(b"%x".__mod__),
            st.sampled_from([b"\n", b"\r\n", b"\textra\n", b"\r"] + [b"\n"] * 20),
        ),
        max_size=12,
    ),
    st.sampled_from([0, 7]),
    BLOCKS,
)
def test_categories_are_numbered_as_the_slow_reader_does(lines, modulo, block_bytes):
    content = b"".join(b"\t".join(line[:-1]) + line[-1] for line in lines)
    rules = [0, 0, 0, 0, modulo]
    scanner = text_lines.FieldScanner(9, [KIND[k] for k in KINDS], rules, 12345)
    for block in whole_lines(Path("x"), io.BytesIO(content), 1, block_bytes):
        if not scanner.feed(block):
            break
    expected = text_twin.outcome(text_twin.numbered, content, KINDS, rules)
    if isinstance(expected, text_twin.FaultError):
        assert scanner.problem
        assert scanner.line == expected.place[0]
        return
    rows, counts = expected
    assert not scanner.problem
    assert column_of(scanner.rows).tolist() == rows
    assert scanner.counts == [0 if modulo and at == 2 else count for at, count in enumerate(counts)]


KIND = {
    "ignored": text_lines.IGNORED,
    "number": text_lines.NUMBER,
    "hash": text_lines.HASH,
    "text": text_lines.TEXT,
}


@pytest.mark.parametrize("key", [0, 1, 2**64 - 1, 0x9E3779B97F4A7C15])
def test_many_categories_get_one_number_each_whatever_the_key(key):
    rng = np.random.default_rng(5)
    values = rng.integers(0, 30_000, 60_000)
    content = b"".join(b"%x\tuser-number-%d\n" % (v, v) for v in values)
    scanner = text_lines.FieldScanner(9, [text_lines.HASH, text_lines.TEXT], [0, 0], key)
    assert scanner.feed(content)
    known = {}
    expected = [known.setdefault(v, len(known)) for v in values.tolist()]
    rows = column_of(scanner.rows).reshape(-1, 2)
    assert rows[:, 0].tolist() == expected
    assert rows[:, 1].tolist() == expected
    assert scanner.counts == [len(known)] * 2


def test_a_line_longer_than_a_mebibyte_is_refused_wherever_blocks_end():
    long = b"1\n" + b"7" * (1 << 20) + b"\n"
    for block_bytes in (1000, 1 << 18, 1 << 20):
        assert b"".join(whole_lines(Path("x"), io.BytesIO(long), 1, block_bytes)) == long
        with pytest.raises(InputError, match=r"^x: line 2: longer than 1048576 bytes"):
            list(whole_lines(Path("x"), io.BytesIO(long.replace(b"\n7", b"\n77")), 1, block_bytes))
