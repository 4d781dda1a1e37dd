"""Every trace reader and every kind of damage: refused with place and reason, status 2, nothing left behind."""

import gzip
import importlib
import lzma
import os
import re
import warnings
from collections import Counter
from pathlib import Path

import damage
import numpy as np
import pytest
import sound_traces
import zstandard
from damage import NATIVE, convert, is_refusal, native_folder, sound_hash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from program import run

from archsim.traces.formats import sources
from archsim.traces.formats.registry import FILE_FORMATS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="hangs are noticed by a signal that Windows lacks")

FUZZER = Path(__file__).parents[1] / "benchmarks" / "fuzz"

FILES = sound_traces.files()
TEXT = set(sound_traces.TEXT)
UNCHECKED = {*TEXT, "oracleGeneral", "pt, older form"}
"""What has no checksum: damage may give another trace."""

PACK = {
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}


@pytest.fixture
def place(tmp_path):
    """A function that puts bytes into a file and converts it."""

    def converted(content, format=None, **options):
        (tmp_path / "trace").write_bytes(content)
        return convert(tmp_path / "trace", format, **options)

    return converted


def outcomes(name, contents, place):
    """Convert damaged files, told by content and with their format named; return what became of the latter."""
    found = []
    for content in contents:
        found.append(place(content, sound_traces.format_of(name)))
        place(content)
    return found


def test_every_format_that_reads_anything_has_a_sound_file():
    assert {sound_traces.format_of(name) for name in FILES} == set(FILE_FORMATS) - {"ramulator2-vectors"}


# every kind of damage to every format


@pytest.mark.parametrize("name", FILES)
def test_a_sound_file_is_converted_and_another_path_says_so_too(name, place, tmp_path):
    sound = place(FILES[name], sound_traces.format_of(name))
    assert not is_refusal(sound)
    ended = run(
        "trace", "convert", tmp_path / "trace", tmp_path / "b", "--format", sound_traces.format_of(name)
    )
    assert (ended.status, ended.err) == (0, "")


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_at_every_fiftieth(name, place):
    cuts = damage.cut(FILES[name])
    found = outcomes(name, cuts, place)
    refused = [is_refusal(outcome) for outcome in found]
    assert refused[0]
    if name == "oracleGeneral":
        # Between two records nothing tells that more should come.
        assert refused == [len(content) % 24 > 0 or not content for content in cuts]
    elif name not in TEXT:
        assert all(refused)
    else:
        # In text a shorter line or number may be sound: no other trace than that of its whole lines is hidden by it.
        assert len(set(found)) > 3


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_refused_or_changes_nothing_that_a_checksum_covers(name, place, tmp_path):
    # The values alone tell oracleGeneral, and only where it is not named.
    named = None if name == "oracleGeneral" else sound_traces.format_of(name)
    found = [place(content, named) for content in damage.flipped(FILES[name])]
    refused = sum(map(is_refusal, found))
    assert refused > len(found) // (8 if name in UNCHECKED else 2)
    if name not in UNCHECKED:
        assert {outcome for outcome in found if not is_refusal(outcome)} <= {sound_hash(name)}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", [damage.wrong_magic, damage.byte_order_mark])
def test_a_file_that_begins_as_others_do_is_refused(name, kind, place):
    if (name, kind) == ("oracleGeneral", damage.wrong_magic):
        pytest.skip("the first four bytes of oracleGeneral are a time, which is left out")
    for outcome in outcomes(name, kind(FILES[name]), place):
        assert is_refusal(outcome), outcome


def test_the_first_bytes_of_records_tell_them_from_others(place):
    refused = [is_refusal(place(content)) for content in damage.wrong_magic(FILES["oracleGeneral"])]
    assert refused.count(False) == 1, "times may begin with zeros"


@pytest.mark.parametrize("name", FILES)
def test_thousands_of_blank_lines_are_refused(name, place):
    for outcome in outcomes(name, damage.blank_lines(FILES[name]), place):
        assert is_refusal(outcome), outcome
        assert name not in TEXT or re.match("trace: line [0-9]+", outcome), outcome


@pytest.mark.parametrize("name", FILES)
def test_other_line_ends_matter_to_binary_files_only(name, place, tmp_path):
    for content in damage.carriage_returns(FILES[name]):
        outcome = place(content, sound_traces.format_of(name))
        if name in TEXT:
            assert outcome == sound_hash(name)
        else:
            assert content == FILES[name] or is_refusal(outcome)


WORDS = {
    "beyond 64 bits": (b"18446744073709551621", b"9" * 400),
    "not a number": (b"NaN", b"inf", b"1.5", b"0x", b"+1"),
    "negative": (b"-1", b"-9223372036854775808"),
}
COUNTS = 14
"""Words at the start of a line of Criteo that are passed over: a label and counts."""


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("name", sorted(TEXT - {"recbole"}))
def test_a_word_that_is_no_number_or_too_large_is_placed(name, words, place):
    for word in WORDS[words]:
        contents = damage.with_words(FILES[name], word)
        assert len(contents) > 2
        for number, content in enumerate(contents):
            outcome = place(content, name)
            if name == "criteo" and any(word in line.split(b"\t")[:COUNTS] for line in content.split(b"\n")):
                continue
            assert re.match("trace: line [0-9]+, column [0-9]+: ", outcome), (number, content, outcome)


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("name", ["bags", "npz", "pt", "parquet", "oracleGeneral"])
def test_a_compressed_stream_cut_short_or_flipped_is_refused_or_the_same(name, pack, place, tmp_path):
    packed = PACK[pack](FILES[name])
    for content in damage.cut(packed)[1:]:
        outcome = place(content, name)
        # Cut inside the magic number it is not compressed, and nothing else either.
        assert is_refusal(outcome)
        assert (
            len(content) < 6 or f"trace: damaged {pack} data: byte {len(content)}: the file is cut" in outcome
        )
    found = [place(content, name) for content in damage.flipped(packed)]
    assert {outcome for outcome in found if not is_refusal(outcome)} <= {sound_hash(name)}
    assert sum(map(is_refusal, found)) > len(found) // 2


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("name", FILES)
def test_a_bomb_is_refused_before_it_is_unpacked(name, pack, place, monkeypatch):
    monkeypatch.setattr(sources, "FREE_BYTES", 1 << 16)
    lines = FILES[name][FILES[name].rfind(b"\n", 0, -1) + 1 :] if name in TEXT - {"trace-log"} else b" "
    bomb = FILES[name] + lines * ((4 << 20) // len(lines))
    assert f"trace: {pack} data expand more than 200 times" in place(
        PACK[pack](bomb), sound_traces.format_of(name)
    )


# values that contradict one another

OVERRUNS = {
    "npz": (sound_traces.npz(emb_0_lengths=np.array([2, 0, 3, 1, 0, 2])), {}, "emb_0_lengths sum to 8, but"),
    "npz, one bag": (sound_traces.npz(emb_0_lengths=np.array([8, -1])), {}, r"emb_0_lengths\[0\] = 8 must"),
    "npz, negative": (
        sound_traces.npz(emb_1_indices=np.array([7, -8, 9])),
        {},
        r"emb_1_indices\[1\] = -8 must",
    ),
    "npz, 64 bits": (
        sound_traces.npz(emb_1_indices=np.array([7, 8, 2**64 - 1], np.uint64)),
        {},
        rf"emb_1_indices\[2\] = {2**64 - 1} must be a row",
    ),
    "npz, nan": (sound_traces.npz(emb_1_indices=np.array([7, np.nan, 9])), {}, "emb_1_indices holds float64"),
    "npz, number of a table": (
        sound_traces.npz(**{f"emb_{'9' * 5000}_indices": np.arange(2)}),
        {},
        "unknown array 'emb_9999",
    ),
    "pt": (sound_traces.pt(offsets=[0, 2, 2, 5, 6, 6, 8]), {}, r"offsets\[6\] = 8 must be 7"),
    "pt, falling": (
        sound_traces.pt(offsets=[0, 2, 1, 5, 6, 6, 7]),
        {},
        r"offsets\[2\] = 1 is below offsets\[1\]",
    ),
    "pt, lengths": (sound_traces.pt(lengths=[2, 0, 3, 1, 1, 0]), {}, "bag 4: lengths says 1 lookups"),
    "pt, negative": (
        sound_traces.pt(indices=[4, 0, -2, 7, 1, 3, 9]),
        {},
        r"indices\[2\] = -2 of table 0 must",
    ),
    "pt, rows": (FILES["pt"], {"rows": 9}, r"indices\[6\] = 9 of table 1 must be a row"),
    "oracleGeneral": (FILES["oracleGeneral"], {"rows": 9}, "request 4: id 9 must be a row of the table"),
    "oracleGeneral, size": (
        np.array([(0, 2**31 - 2, 2**32 - 4, -1)], "<u4,<u8,<u4,<i8").tobytes() * 1,
        {"rows": 2**40},
        "1099511627776 rows of 4294967292 bytes do not fit a 64-bit address space",
    ),
    "bags": (FILES["bags"], {"rows": 9}, "line 3, column 1: row '15' is outside the table's 9 rows"),
    "trace-log": (FILES["trace-log"], {"rows": 9}, "line 1, column 19: row '2000' is outside"),
    "user-items": (FILES["user-items"], {"rows": 9}, "line 2, column 5: row '9' is outside"),
    "recbole": (FILES["recbole"], {"rows": 2}, "item_id has 2 tokens, which need 3 rows; rows = 2"),
}


@pytest.mark.parametrize("name", OVERRUNS)
def test_values_that_overrun_are_named(name, place):
    content, options, message = OVERRUNS[name]
    outcome = place(content, sound_traces.format_of(name), **options)
    assert re.match(f"trace: {message}", outcome), outcome


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"bag": [0, 1, 0]}, "row 2: bag 0 follows bag 1; bags must not decrease"),
        ({"row": [1, -2, 3]}, "row 1: row = -2 must not be negative"),
        ({"row": [1.0, float("nan"), 3.0]}, "column 'row' holds double; it must be int64"),
        ({"row": [1, 2**63 - 1, 3]}, f"row 1: row = {2**63 - 1} must be below {2**56 - 1}"),
        ({"row": [1, 2**56 - 1, 3]}, f"row 1: row = {2**56 - 1} must be below {2**56 - 1}"),
        ({"table": [0, 1, 70_000]}, "row 2: table = 70000 must be from 0 to 65535"),
        ({"row": np.array([1, 2**64 - 1, 3], np.uint64)}, f"row 1: row = {2**64 - 1} does not fit int64"),
        ({"weight": [1.0, float("nan"), 3.0]}, r"lookup 1: weight nan must be a finite number"),
        ({"address": [64, -64, 0]}, "request 1: address = -64 must not be negative"),
        ({"address": [64, 64, 0], "time": [5, 4, 6]}, "request 1: time = 4 is before"),
    ],
)
def test_values_of_a_data_frame_that_break_a_rule_are_named(tmp_path, columns, message):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    sound = {} if "address" in columns else {"table": [0, 1, 2], "row": [1, 2, 3], "bag": [0, 1, 2]}
    parquet.write_table(arrow.table({**sound, **columns}), tmp_path / "trace")
    assert convert(tmp_path / "trace").startswith(f"trace: {message}")


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize(
    "kind", [damage.cut, damage.flipped, damage.wrong_magic, damage.byte_order_mark, damage.blank_lines]
)
def test_each_file_of_a_native_folder_is_guarded(tmp_path, name, kind):
    sound = convert(native_folder(tmp_path / "trace"))
    found = [convert(native_folder(tmp_path / "trace", **{name: content})) for content in kind(NATIVE[name])]
    # Labels and blanks are no content.
    refused = sum(map(is_refusal, found))
    if kind is damage.flipped:
        assert refused > len(found) // 2
    elif (name, kind) != ("trace.json", damage.blank_lines):
        assert refused == len(found)
    assert {outcome for outcome in found if not is_refusal(outcome)} <= {sound}


def test_a_sidecar_of_great_size_is_refused_before_it_is_parsed(tmp_path):
    bomb = b'{"notes": [' + b"[]," * 1_000_000 + b"[]]}"
    assert "values; a description of a trace has at most 524288" in convert(
        native_folder(tmp_path / "trace", **{"trace.json": bomb})
    )
    assert "trace.json: larger than 16777216 bytes" in convert(
        native_folder(tmp_path / "trace", **{"trace.json": b" " * (17 << 20)})
    )


@pytest.mark.parametrize("name", ["recbole", "criteo"])
@pytest.mark.parametrize("columns", [257, 1000])
def test_a_header_of_too_many_columns_is_refused(name, columns, place):
    if name == "recbole":
        header = "\t".join(["user_id:token", "item_id:token", *(f"c{n}:float" for n in range(columns - 2))])
    else:
        header = ",".join([*(f"C{n}" for n in range(1, 27)), *(f"x{n}" for n in range(columns - 26))])
    assert place(header.encode() + b"\n1\n", name) == (
        f"trace: line 1: the header names {columns} columns; at most 256 are read"
    )


def test_a_word_of_any_length_is_not_said_in_full(place):
    outcome = place(sound_traces.npz(**{"emb_0_indices" + "x" * 60_000: np.arange(2)}), "npz")
    assert len(outcome) < 9000


# anything at all

ANY_WORD = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [b"\n", b"\t", b" ", b",", b"\r\n", b"1", b"0x", b"READ", b"LD", b"a:token", b"PK\x03\x04"]
    ),
    st.integers(-(2**70), 2**70).map(b"%d".__mod__),
)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([None, *FILE_FORMATS]), st.lists(ANY_WORD, max_size=20).map(b"".join))
def test_any_bytes_are_read_or_refused(tmp_path_factory, format, content):
    path = tmp_path_factory.mktemp("any") / "trace"
    path.write_bytes(content)
    convert(path, format)


@settings(deadline=None, max_examples=250)
@given(st.data())
def test_any_splice_of_sound_files_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("splice") / "trace_t2_bs3"
    name = data.draw(st.sampled_from(sorted(FILES)))
    content = FILES[name]
    for _ in range(data.draw(st.integers(1, 3))):
        at, end = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        other = FILES[data.draw(st.sampled_from([name, name, *sorted(FILES)]))]
        start = data.draw(st.integers(0, len(other)))
        content = content[:at] + other[start : start + data.draw(st.integers(0, 40))] + content[end:]
    path.write_bytes(content)
    convert(path, sound_traces.format_of(name))


@pytest.fixture(scope="module")
def fuzzer():
    """The modules of the fuzzer: what it may damage, and its corpus."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FUZZER)
        yield importlib.import_module("targets"), importlib.import_module("corpus")


def test_what_the_fuzzer_has_kept_is_read_or_refused(fuzzer, tmp_path):
    targets, corpus = fuzzer
    with warnings.catch_warnings():
        said = Counter(targets.check(content, tmp_path) for _, content in (*corpus.seeds(), *corpus.kept()))
    for target in targets.TARGETS:
        assert said[f"{target}: read"] or target == "ramulator2-vectors"
        assert said[f"{target}: refused"]


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(target=st.integers(0, 255), options=st.integers(0, 255), content=st.binary(max_size=60))
def test_any_content_of_what_the_fuzzer_damages_is_read_or_refused(
    fuzzer, tmp_path, target, options, content
):
    targets, _ = fuzzer
    with warnings.catch_warnings():
        said = targets.check(bytes([target, options]) + content, tmp_path)
    assert said.endswith((": read", ": refused"))
