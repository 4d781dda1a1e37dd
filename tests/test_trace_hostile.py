"""Files made to harm: pickles that want to execute something, and small files that stand for very large ones."""

import copyreg
import json
import os
import pickle
import pickletools
import re
import struct
import subprocess
import sys
import textwrap
import zlib

import damage
import numpy as np
import pytest
import sound_traces
import zstandard
from damage import convert, is_refusal

from archsim.errors import InputError
from archsim.traces.formats.unpickle import _STEPS, Unpickler

PROGRAM = sound_traces.pickle_program()

ARGUMENTS = {
    None: [b""],
    "uint1": [b"\x00", b"\x05", b"\xff"],
    "uint2": [b"\x00\x00", b"\xff\xff"],
    "uint4": [b"\x00\x00\x00\x00", b"\xff\xff\xff\xff"],
    "uint8": [bytes(8), b"\xff" * 8],
    "int4": [b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80"],
    "float8": [struct.pack(">d", 1.5), struct.pack(">d", float("nan"))],
    "floatnl": [b"1.5\n", b"nan\n"],
    "decimalnl_short": [b"7\n", b"00\n", b"x\n"],
    "decimalnl_long": [b"7L\n", b"9" * 5000 + b"L\n"],
    "stringnl": [b"'a'\n"],
    "stringnl_noescape": [b"0\n"],
    "stringnl_noescape_pair": [b"os\nsystem\n", b"canary_of_archsim\nfly\n", b"builtins\neval\n"],
    "unicodestringnl": [b"echo\n"],
    "string1": [b"\x02ab", b"\xffab"],
    "string4": [b"\x02\x00\x00\x00ab", b"\xff\xff\xff\x7fab", b"\xff\xff\xff\xff"],
    "bytes1": [b"\x02ab", b"\xffab"],
    "bytes4": [b"\x02\x00\x00\x00ab", b"\xff\xff\xff\xffab"],
    "bytes8": [b"\x02" + bytes(7) + b"ab", b"\xff" * 8],
    "bytearray8": [b"\x02" + bytes(7) + b"ab", b"\xff" * 8],
    "unicodestring1": [b"\x02ab", b"\x02\xff\xfe", b"\xffab"],
    "unicodestring4": [b"\x02\x00\x00\x00ab", b"\xff\xff\xff\xffab"],
    "unicodestring8": [b"\x02" + bytes(7) + b"ab", b"\xff" * 8],
    "long1": [b"\x00", b"\x01\x05", b"\xff" + b"\x7f" * 255, b"\xff"],
    "long4": [b"\x01\x00\x00\x00\x05", b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff"],
}
"""Arguments of each kind that instructions have: sound ones, and ones that lie."""


def boundaries():
    """Where the instructions of the sound pickle begin."""
    return [at for _, _, at in pickletools.genops(PROGRAM)][1:]


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """A function that tells what was executed: a module imported, or a call of the system."""
    folder = tmp_path / "modules"
    folder.mkdir()
    sung = tmp_path / "sung"
    (folder / "canary_of_archsim.py").write_text(
        f"from pathlib import Path\nPath({str(sung)!r}).touch()\ndef fly(*_):\n    raise SystemError\n"
    )
    monkeypatch.syspath_prepend(folder)
    calls = []
    for module in (os, sys.modules[os.system.__module__]):  # pickles name the module behind os
        monkeypatch.setattr(module, "system", lambda *arguments: calls.append(arguments))
    copyreg.add_extension("os", "system", 0xF7)
    yield lambda: [*calls, *(["import"] if sung.exists() or "canary_of_archsim" in sys.modules else [])]
    copyreg.remove_extension("os", "system", 0xF7)
    sys.modules.pop("canary_of_archsim", None)


class Imports:
    """Imports the canary when it is unpickled."""

    def __reduce__(self):
        return __import__, ("canary_of_archsim",)


class Calls:
    """Calls the system when it is unpickled."""

    def __reduce__(self):
        return os.system, ("echo",)


PICKLED = [
    pickle.dumps((hostile(), [hostile()]), protocol)
    for hostile in (Imports, Calls)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
]


def test_the_canary_sings_where_pickles_are_executed(canary):
    # Code 0xF7 of the registry of extensions.
    pickle.loads(b"\x80\x02\x82\xf7X\x04\x00\x00\x00echo\x85R.")
    assert canary() == [("echo",)]
    for program in PICKLED:
        pickle.loads(program)
    assert canary() == [("echo",)] * (1 + len(PICKLED)) + ["import"]


@pytest.mark.parametrize("program", PICKLED)
def test_nothing_that_a_pickle_asks_for_is_executed(tmp_path, canary, program):
    (tmp_path / "trace").write_bytes(sound_traces.pt(program))
    assert convert(tmp_path / "trace", "pt").startswith("trace: byte ")
    (tmp_path / "trace").write_bytes(sound_traces.pt_legacy(program))
    assert convert(tmp_path / "trace", "pt").startswith("trace: byte ")
    (tmp_path / "trace").write_bytes(sound_traces.pt_legacy(keys=program))
    assert convert(tmp_path / "trace", "pt").startswith("trace: byte ")
    assert canary() == []


def outcome_of(program):
    """Interpret a pickle; return "obeyed", or why it is refused."""
    try:
        Unpickler(memoryview(program), 0, "a.pt").load()
    except InputError as error:
        return str(error)
    return "obeyed"


@pytest.mark.parametrize("opcode", pickletools.opcodes, ids=lambda opcode: opcode.name)
def test_any_instruction_at_any_place_is_obeyed_or_refused_with_its_byte(canary, opcode):
    code = opcode.code.encode("latin-1")
    known = code[0] in _STEPS or code == b"."
    rule = "" if known else f"pickle: {opcode.name} is not one of the instructions"
    outcomes = [
        (at, outcome_of(PROGRAM[:at] + code + argument + PROGRAM[at:]))
        for at in boundaries()
        for argument in ARGUMENTS[opcode.arg.name if opcode.arg else None]
    ]
    refused = [(at, outcome) for at, outcome in outcomes if outcome != "obeyed"]
    for at, outcome in refused:
        assert re.match(f"a.pt: byte {'[0-9]+' if known else at}: {rule}", outcome), outcome
    assert len(refused) == len(outcomes) if not known else refused or opcode.name in ("PROTO", "FRAME")
    assert canary() == []


@pytest.mark.parametrize("opcode", pickletools.opcodes, ids=lambda opcode: opcode.name)
def test_a_file_with_one_more_instruction_is_converted_or_refused(tmp_path, canary, opcode):
    places = boundaries()
    for at in (places[0], places[len(places) // 2], places[-1]):
        argument = ARGUMENTS[opcode.arg.name if opcode.arg else None][-1]
        program = PROGRAM[:at] + opcode.code.encode("latin-1") + argument + PROGRAM[at:]
        (tmp_path / "trace").write_bytes(sound_traces.pt(program))
        convert(tmp_path / "trace", "pt")
    assert canary() == []


def memo_bomb(levels):
    """A pickle whose value is 2^levels strings when it is written out: a pair of a pair of ... twice the same."""
    return b"\x80\x02X\x01\x00\x00\x00aq\x00" + b"h\x00\x86q\x00" * levels


HOSTILE = {
    "memo bomb": memo_bomb(4000) + b".",
    "memo bomb as arguments": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n" + memo_bomb(60)[2:] + b"R.",
    "memo bomb as a reference": memo_bomb(60) + b"Q.",
    "nested tuples": b"\x80\x02)" + b"\x85" * 60_000 + b".",
    "nested lists": b"\x80\x02]" + b"q\x00]h\x00a" * 10_000 + b".",
    "a list of itself": b"\x80\x02]q\x00h\x00a" + b"h\x00a" * 1000 + b".",
    "marks without end": b"\x80\x02" + b"(" * 60_000 + b".",
    "one value many times": b"\x80\x02(" + b"X\x01\x00\x00\x00aq\x00" + b"h\x00" * 30_000 + b"t.",
    "a reference of wrong types": b"\x80\x02(X\x07\x00\x00\x00storageNNNNtQ.",
    "a reference that is a list": b"\x80\x02]Q.",
    "a reference in text": b"\x80\x02Pstorage\n.",
    "a storage of less than nothing": PROGRAM.replace(b"J\x07\x00\x00\x00tQ", b"J\xff\xff\xff\xfftQ", 1),
    "a storage of 2^2040": PROGRAM.replace(b"J\x07\x00\x00\x00tQ", b"\x8a\xff" + b"\x7f" * 255 + b"tQ", 1),
    "a shape of 2^2040": PROGRAM.replace(
        b"J\x00\x00\x00\x00(J\x07\x00\x00\x00t", b"J\x00\x00\x00\x00(\x8a\xff" + b"\x7f" * 255 + b"t", 1
    ),
    "a stride of 2^31": PROGRAM.replace(b"(J\x01\x00\x00\x00t", b"(J\xff\xff\xff\x7ft", 1),
    "a key of 60,000 letters": PROGRAM.replace(
        b"X\x01\x00\x00\x000", b"X\x60\xea\x00\x00" + b"0" * 60_000, 1
    ),
    "too long": b"\x80\x02(" + b"K\x01" * 40_000 + b"t.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_refused_in_one_line(tmp_path, canary, name):
    program = HOSTILE[name]
    assert program != PROGRAM
    for content in (
        sound_traces.pt(program),
        sound_traces.pt_legacy(program),
        sound_traces.pt_legacy(keys=program),
    ):
        (tmp_path / "trace").write_bytes(content)
        assert is_refusal(convert(tmp_path / "trace", "pt"))
    assert canary() == []


def test_members_that_overlap_are_refused(tmp_path):
    content = sound_traces.zipped({"a/data.pkl": b"x" * 200, "a/data/0": b"y"})
    second = content.index(b"PK\x03\x04", 4)
    inside = 60
    # The second member's header is copied into the first one's content, and the directory points there.
    header = content[second : second + 30 + len("a/data/0") + 1]
    content = content[:inside] + header + content[inside + len(header) :]
    entry = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    content = content[: entry + 42] + struct.pack("<I", inside) + content[entry + 46 :]
    (tmp_path / "trace").write_bytes(content)
    assert convert(tmp_path / "trace", "pt").endswith("damaged zip archive: two members overlap")


# small files that stand for large ones


def npy_header(count):
    """The head of a .npy file of so many numbers."""
    content = sound_traces.npy(np.zeros(1, np.int64))[:-8]
    return content.replace(b"(1,), } " + b" " * 18, f"({count},), }}".ljust(26).encode())


def deflated_zeros(size):
    """The bytes of an archive whose one member unpacks to zeros."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    block, crc = bytes(1 << 20), 0
    content = b""
    for _ in range(size >> 20):
        content += packed.compress(block)
        crc = zlib.crc32(block, crc)
    content += packed.flush()
    name = b"emb_0_indices.npy"
    sizes = struct.pack("<3I", crc, len(content), size)
    local = (
        b"PK\x03\x04" + struct.pack("<5H", 20, 0, 8, 0, 0) + sizes + struct.pack("<2H", len(name), 0) + name
    )
    entry = (
        b"PK\x01\x02"
        + struct.pack("<6H", 20, 20, 0, 8, 0, 0)
        + sizes
        + struct.pack("<5H2I", len(name), *[0] * 6)
    )
    body = local + content
    end = b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, len(entry) + len(name), len(body), 0)
    return body + entry + name + end


def parquet_of_zeros(path, rows):
    """Write a Parquet file of one value over and over."""
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    part = arrow.table({name: np.zeros(1 << 20, np.int64) for name in ("table", "row", "bag")})
    with parquet.ParquetWriter(path, part.schema, compression="zstd") as writer:
        for _ in range(rows >> 20):
            writer.write_table(part, row_group_size=1 << 20)


def write_bombs(folder):
    """Write small files that stand for very large ones; return the format of each."""
    frame = zstandard.compress(b"1 " * (32 << 20))
    contents = {
        "text": ("bags", frame * 64),
        "packed archive": ("npz", zstandard.compress(bytes(64 << 20)) * 64),
        "packed pickle": ("pt", zstandard.compress(bytes(64 << 20)) * 64),
        "packed table": ("parquet", zstandard.compress(b"PAR1" + bytes(64 << 20)) * 64),
        "packed records": ("oracleGeneral", zstandard.compress(bytes(48 << 20)) * 64),
        "deflated": ("npz", deflated_zeros(256 << 20)),
        "array": ("npz", sound_traces.zipped({"emb_0_indices.npy": npy_header(10**12)})),
        "pickle": ("pt", sound_traces.pt(b"\x80\x02\x8b\xff\xff\xff\x7f" + bytes(60_000))),
        "storage": (
            "pt",
            sound_traces.pt(PROGRAM.replace(b"J\x07\x00\x00\x00tQ", b"J\xff\xff\xff\x7ftQ", 1)),
        ),
        "table number": ("npz", sound_traces.npz(emb_999999999999_indices=np.arange(2))),
    }
    formats = {}
    for name, (format, content) in contents.items():
        (folder / name).write_bytes(content)
        formats[name] = format
    parquet_of_zeros(folder / "repeated", 64 << 20)
    formats["repeated"] = "parquet"
    for format in ("npz", "pt", "parquet", "oracleGeneral", *sound_traces.TEXT):
        # 8 GiB and a byte without anything in them, which take no room on the disk.
        with (folder / f"hollow {format}").open("wb") as file:
            file.truncate((8 << 30) + 1)
        formats[f"hollow {format}"] = format
    native = sound_traces.native(sound_traces.lookups())
    for name, sidecar in (
        ("columns", native["trace.json"].replace(b'"length": 5', b'"length": 1000000000000')),
    ):
        (folder / name).mkdir()
        for each, content in (native | {"trace.json": sidecar, "rows.npy": npy_header(10**12)}).items():
            (folder / name / each).write_bytes(content)
        formats[name] = "native"
    return formats


SCRIPT = textwrap.dedent(
    """
    import json, resource, sys
    sys.path.insert(0, sys.argv[1])
    from pathlib import Path
    import pyarrow.parquet
    import archsim.traces.formats.convert
    from damage import convert

    def status(key):
        return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key)) << 10

    folder, formats, room = Path(sys.argv[2]), json.loads(sys.argv[3]), int(sys.argv[4])
    found = {}
    for name, format in formats.items():
        # As much address space as the file, mapped, and this many bytes more.
        file = folder / name
        most = status("VmSize:") + (file.stat().st_size if file.is_file() else 0) + room
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
        before = status("VmRSS:")
        open("/proc/self/clear_refs", "w").write("5")
        outcome = convert(file, format)
        found[name] = (outcome, status("VmHWM:") - before)
    print(json.dumps(found))
    """
)


@pytest.mark.skipif(
    not os.path.exists("/proc/self/clear_refs"), reason="needs Linux to limit and measure memory"
)
def test_small_files_that_stand_for_large_ones_take_little_memory(tmp_path):
    formats = write_bombs(tmp_path)
    assert all(damage.os_bytes(tmp_path / name) < 1 << 20 for name in formats if name != "repeated")
    room = 384 << 20
    arguments = [os.path.dirname(__file__), str(tmp_path), json.dumps(formats), str(room)]
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found.keys() == formats.keys()
    for name, (outcome, grown) in found.items():
        assert outcome.startswith(name), (name, outcome)
        assert is_refusal(outcome)
        # Compressed data may expand to 64 MiB at any ratio.
        assert grown < 256 << 20, (name, outcome, grown)
