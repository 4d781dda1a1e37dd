"""Compressed files: told by content, unpacked in bounded pieces, refused with the byte where they are damaged."""

import gzip
import lzma
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.traces import read_trace
from archsim.traces.formats import sources

CONTENT = b" ".join(b"%d" % (i * i % 9973) for i in range(2000)) + b"\n1 2 3\n"
PACK = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}
EMPTY_ZSTD_FRAME = b"\x53\x2a\x4d\x18\x05\x00\x00\x00abcde"


def refusal(path):
    """Return why a path is refused, with its folder left out."""
    with pytest.raises(InputError) as error:
        read_trace(path)
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{path.parent}/", "")


def file(folder, content):
    """Write a file whose name says nothing."""
    (folder / "trace").write_bytes(content)
    return folder / "trace"


@pytest.mark.parametrize("name", PACK)
def test_compressed_text_reads_as_plain_text(tmp_path, name):
    expected = read_trace(file(tmp_path, CONTENT)).sha256
    assert read_trace(file(tmp_path, PACK[name](CONTENT))).sha256 == expected


@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize("cut", [0, 1, 3000, len(CONTENT)])
def test_members_may_follow_one_another(tmp_path, name, cut):
    packed = PACK[name](CONTENT[:cut]) + PACK[name](CONTENT[cut:])
    assert read_trace(file(tmp_path, packed)).sha256 == read_trace(file(tmp_path, CONTENT)).sha256


def test_zstd_may_hold_frames_to_skip(tmp_path):
    pack = PACK["zstd"]
    packed = EMPTY_ZSTD_FRAME + pack(CONTENT[:99]) + EMPTY_ZSTD_FRAME + pack(CONTENT[99:]) + EMPTY_ZSTD_FRAME
    assert read_trace(file(tmp_path, packed)).sha256 == read_trace(file(tmp_path, CONTENT)).sha256


@pytest.mark.parametrize("name", PACK)
def test_a_stream_cut_short_is_refused_with_its_length(tmp_path, name):
    packed = PACK[name](CONTENT)
    for fiftieth in range(1, 50):
        length = len(packed) * fiftieth // 50
        assert refusal(file(tmp_path, packed[:length])) == (
            f"trace: damaged {name} data: byte {length}: the file is cut short"
        )


@pytest.mark.parametrize("name", PACK)
def test_what_follows_the_end_is_refused_with_its_place(tmp_path, name):
    packed = PACK[name](CONTENT)
    assert refusal(file(tmp_path, packed + b"more")) == (
        f"trace: damaged {name} data: byte {len(packed)}: b'more' follows the end"
    )
    assert refusal(file(tmp_path, packed + b"\0" * 9)).startswith(
        f"trace: damaged {name} data: byte {len(packed)}: b'\\x00\\x00"
    )


@pytest.mark.parametrize("name", PACK)
@settings(deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path_factory, name, place, bit):
    packed = bytearray(PACK[name](CONTENT))
    packed[int(place * len(packed))] ^= 1 << bit
    folder = tmp_path_factory.mktemp("flip")
    path = file(folder, bytes(packed))
    try:
        outcome = read_trace(path).sha256
    except InputError as error:
        outcome = str(error)
    expected = read_trace(file(folder, CONTENT)).sha256
    assert outcome == expected or (outcome.startswith(str(path)) and "\n" not in outcome)


@pytest.mark.parametrize("name", PACK)
def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(sources, "FREE_BYTES", 1 << 20)
    line = b"1 " * 100 + b"\n"
    # 0.9 MiB may expand at any ratio, 5 MiB must not.
    assert read_trace(file(tmp_path, PACK[name](line * 4600))).bags == 4600
    assert f": {name} data expand more than 200 times, " in refusal(file(tmp_path, PACK[name](line * 26_000)))


def test_a_bomb_of_a_gibibyte_is_refused_before_it_is_unpacked(tmp_path):
    part = PACK["zstd"](b"7" * (1 << 26))
    path = file(tmp_path, part * 16)
    assert path.stat().st_size < 200_000
    assert "over 64 MiB; decompress the file first if that is meant" in refusal(path)


def test_a_stream_that_wants_much_memory_is_refused(tmp_path):
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20}]
    packed = lzma.compress(CONTENT, filters=filters)
    assert refusal(file(tmp_path, packed)).endswith("Memory usage limit exceeded")
    wide = zstandard.ZstdCompressionParameters(window_log=30, write_content_size=False)
    parts = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    packed = parts.compress(CONTENT * 2000) + parts.flush()
    assert "too much memory" in refusal(file(tmp_path, packed))


def test_a_name_that_no_file_can_have_is_refused():
    for options in ({}, {"format": "bags"}):
        with pytest.raises(InputError, match="cannot be read: embedded null byte"):
            read_trace("a\0b", **options)


def test_unpacking_goes_by_bounded_pieces(tmp_path):
    path = file(tmp_path, PACK["zstd"](b"\n" * (40 << 20)))
    with sources.open_binary(path) as stream:
        largest = max(len(piece) for piece in iter(lambda: stream.read1(1 << 30), b""))
    assert largest <= 32 << 20
    path = file(tmp_path, zlib.compress(b"\n" * (40 << 20), wbits=31))
    with sources.open_binary(path) as stream:
        assert max(len(piece) for piece in iter(lambda: stream.read1(1 << 30), b"")) <= sources.BLOCK_BYTES
