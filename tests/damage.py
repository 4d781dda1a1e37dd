"""Kinds of damage to a file, and the program's convert command run on what is damaged."""

import json
import re
import shutil
import signal
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sound_traces

from archsim.cli_trace import trace_convert
from archsim.exits import run_to_exit

PARTS = 50
BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
MAGICS = (
    b"\x7fELF",
    b"\0\0\0\0",
    b"PAR2",
    b"PK\x07\x08",
    b"\x80\x05\x95\x00",
    b"BZh9",
    b"%PDF",
    b"GIF8",
    b"RIFF",
)
SECONDS = 20
"""After this long a run counts as hanging."""


def cut(content):
    """The file ends after 0/50, 1/50, ... of its length."""
    return [content[: len(content) * part // PARTS] for part in range(PARTS)]


def flipped(content):
    """One byte, at places all over the file, is another one."""
    return [
        content[:at] + bytes([content[at] ^ (1 << part % 8 | part)]) + content[at + 1 :]
        for part in range(1, PARTS)
        for at in [(len(content) - 1) * part // PARTS]
    ]


def wrong_magic(content):
    """The file begins as other files do."""
    return [magic + content[4:] for magic in MAGICS]


def byte_order_mark(content):
    """An editor put a byte order mark in front."""
    return [mark + content for mark in BYTE_ORDER_MARKS]


def blank_lines(content):
    """Thousands of empty lines in front, behind, or after a line."""
    middle = content.find(b"\n", len(content) // 2) + 1
    return [lines[0] + lines[1] for lines in ((b"\n" * 5000, content), (content, b"\n" * 5000))] + [
        content[:middle] + b"\r\n" * 5000 + content[middle:]
    ]


def carriage_returns(content):
    """The file was copied as text to a machine with other line ends."""
    return [content.replace(b"\n", b"\r\n")]


def with_words(content, word):
    """Replace each word with digits in it, one at a time."""
    found = [m for m in re.finditer(rb"[^ \t\r\n,]+", content) if re.search(rb"[0-9]", m.group())]
    return [content[: m.start()] + word + content[m.end() :] for m in found]


@contextmanager
def bounded_time():
    """Fail instead of hanging."""

    def late(*_):
        pytest.fail(f"not at an end after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def convert(path, format=None, **options):
    """Run ``archsim trace convert PATH`` on into a native folder, without its parsing of options.

    Returns
    -------
    str
        The one line that says why the file is refused, or the hash of the trace. Anything else fails: another exit
        status, other output, a warning, something left behind, a run that does not end.
    """
    folder = path.parent
    out = folder / "out"
    before = {each.name for each in folder.iterdir()}
    said, complaint = StringIO(), StringIO()
    with bounded_time(), warnings.catch_warnings(), redirect_stdout(said), redirect_stderr(complaint):
        warnings.simplefilter("error")
        with pytest.raises(SystemExit) as end:
            run_to_exit(lambda: trace_convert(str(path), out, "native", format_=format, **options) or 0)
    left = {each.name for each in folder.iterdir()} - before
    if end.value.code == 0:
        assert left == {"out"}
        assert complaint.getvalue() == ""
        sha256 = json.loads((out / "trace.json").read_text())["sha256"]
        shutil.rmtree(out)
        return sha256
    assert (end.value.code, said.getvalue(), left) == (2, "", set())
    line = complaint.getvalue()
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert line.isprintable() or line[:-1].isprintable()
    assert len(line) < 20_000
    assert line.startswith("archsim: error: ")
    assert path.name in line
    return line[:-1].removeprefix("archsim: error: ").replace(f"{folder}/", "")


def is_refusal(outcome):
    """Whether `convert` returned a refusal and no hash."""
    return re.fullmatch("[0-9a-f]{64}", outcome) is None


def os_bytes(path):
    """Bytes that a file, or the files of a folder, take on the disk."""
    return sum(each.stat().st_blocks * 512 for each in ([path] if path.is_file() else path.iterdir()))


NATIVE = sound_traces.native(sound_traces.lookups())
"""The files of a sound native folder."""


def native_folder(folder, **changes):
    """Write the sound native folder with other bytes in some of its files."""
    folder.mkdir(exist_ok=True)
    for name, content in NATIVE.items():
        (folder / name).write_bytes(changes.get(name, content))
    return folder


@cache
def sound_hash(name):
    """Return the hash of a key of `sound_traces.files`."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace"
        path.write_bytes(sound_traces.files()[name])
        return convert(path, sound_traces.format_of(name))
