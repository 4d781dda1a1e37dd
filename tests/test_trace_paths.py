"""Links, pipes, folders, names and permissions where a trace should be: followed or refused, and never waited for."""

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sound_traces
from damage import convert, is_refusal, native_folder, sound_hash
from program import run

from archsim.traces.formats.registry import FILE_FORMATS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no pipes and links as these")

FILES = sound_traces.files()


def dangling(path):
    path.symlink_to(path.parent / "nothing")


def loop(path):
    path.symlink_to(path)


def to_a_folder(path):
    (path.parent / "folder").mkdir()
    path.symlink_to(path.parent / "folder")


def to_a_pipe(path):
    os.mkfifo(path.parent / "pipe")
    path.symlink_to(path.parent / "pipe")


def to_zeros_without_end(path):
    path.symlink_to("/dev/zero")


def to_a_socket(path):
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


PLACES = {
    dangling: "no such file or folder|cannot be read: No such file or directory",
    loop: "cannot be read: Too many levels of symbolic links",
    to_a_folder: "a folder without trace.json|cannot be read: Is a directory|cannot be read: No such file",
    os.mkdir: "a folder without trace.json|cannot be read: Is a directory|cannot be read: No such file",
    os.mkfifo: "not a regular file",
    to_a_pipe: "not a regular file",
    to_zeros_without_end: "not a regular file",
    to_a_socket: "not a regular file",
}


@pytest.mark.parametrize("make", PLACES)
def test_what_is_no_file_is_refused_by_every_reader(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    make(tmp_path / "t") if make is not to_a_socket else make(os.path.relpath(tmp_path / "t"))
    for format in (None, "native", *FILE_FORMATS):
        if format == "ramulator2-vectors":
            continue
        outcome = convert(tmp_path / "t", format)
        rule = "Not a directory|cannot be read|not a regular file" if format == "native" else PLACES[make]
        assert re.match(rf"t(/trace.json)?: ({rule})", outcome), (format, outcome)


@pytest.mark.parametrize("name", FILES)
def test_a_link_to_a_sound_file_is_followed(tmp_path, name):
    (tmp_path / "file").write_bytes(FILES[name])
    (tmp_path / "trace").symlink_to(tmp_path / "file")
    assert convert(tmp_path / "trace", sound_traces.format_of(name)) == sound_hash(name)


@pytest.mark.parametrize("make", [dangling, loop, os.mkdir, os.mkfifo, to_a_pipe, to_zeros_without_end])
@pytest.mark.parametrize("name", ["trace.json", "rows.npy", "weight.npy"])
def test_what_is_no_file_inside_a_native_folder_is_refused(tmp_path, make, name):
    folder = native_folder(tmp_path / "trace")
    (folder / name).unlink()
    make(folder / name)
    assert is_refusal(convert(folder))


@pytest.mark.parametrize(
    "name", [b"a\nb", b"\xff\xfe\xc3", "é" * 100, "\x1b[31m", " ", "-x", "a" * 255, "[1]*?"]
)
@pytest.mark.parametrize("format", ["bags", "npz", "pt", "parquet", "oracleGeneral"])
def test_any_name_of_a_file_is_read_and_shown_on_one_line(tmp_path, name, format):
    path = tmp_path / (os.fsdecode(name) if isinstance(name, bytes) else name)
    path.write_bytes(FILES[format])
    ended = run("trace", "convert", path, tmp_path / "out", "--format", format)
    assert (ended.status, ended.err) == (0, "")
    path.write_bytes(FILES[format][:-1] + b"\xff" * 30)
    ended = run("trace", "convert", path, tmp_path / "out2", "--format", format)
    assert ended.status == 2
    assert ended.err.count("\n") == 1
    assert ended.err[:-1].isprintable()
    assert not (tmp_path / "out2").exists()


def test_a_name_longer_than_names_may_be_is_refused(tmp_path):
    for format in (None, "native", *FILE_FORMATS):
        ended = run(
            "trace",
            "convert",
            tmp_path / ("a" * 300),
            tmp_path / "out",
            *(["--format", format] if format else []),
        )
        assert ended.status == 2
        assert ended.err.count("\n") == 1


@pytest.fixture
def open_folder():
    """A folder that everybody may enter; those of pytest are closed."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)
        for each in Path(folder).rglob("*"):
            each.chmod(0o777)


@pytest.fixture
def somebody_else():
    """Be a user whom permissions bind, and whose files nobody else owns."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("name", ["bags", "npz", "pt", "parquet", "oracleGeneral", "native"])
@pytest.mark.parametrize("of", ["file", "folder"])
def test_what_may_not_be_read_is_refused(open_folder, request, name, of):
    folder = open_folder
    (folder / "inner").mkdir()
    path = folder / "inner" / "trace"
    if name == "native":
        native_folder(path)
        (path / "rows.npy").chmod(0)
    else:
        path.write_bytes(FILES[name])
        path.chmod(0)
    (folder / "inner").chmod(0 if of == "folder" else 0o777)
    request.getfixturevalue("somebody_else")
    for format in (None, name):
        ended = run("trace", "convert", path, folder / "out", *(["--format", format] if format else []))
        assert ended.status == 2
        assert ended.err.endswith("cannot be read: Permission denied\n"), ended.err
        assert not (folder / "out").exists()
