"""New files and folders appear whole or not at all; nothing is ever replaced."""

import errno
import os
from pathlib import Path

import pytest

from archsim.errors import InputError
from archsim.files import check_new, check_plain, new_file, new_folder


def fill(maker, path):
    """Make a folder with one file, or a file, that holds the word "new"."""
    with maker(path) as temporary:
        assert not path.exists()
        assert temporary.parent == path.parent
        (temporary / "part" if maker is new_folder else temporary).write_text("new")


def refusal(call, *arguments):
    """Return the one line that refuses a call."""
    with pytest.raises(InputError) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


both = pytest.mark.parametrize("maker", [new_folder, new_file])


@both
def test_a_target_appears_when_it_is_complete(maker, tmp_path):
    fill(maker, tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    whole = tmp_path / "target" / "part" if maker is new_folder else tmp_path / "target"
    assert whole.read_text() == "new"


@both
@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("wrong"), MemoryError()])
def test_nothing_is_left_when_the_work_stops(maker, error, tmp_path):
    def write():
        with maker(tmp_path / "target") as temporary:
            (temporary / "part" if maker is new_folder else temporary).write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert list(tmp_path.iterdir()) == []


@both
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError("9 requested and 4 written"), "9 requested and 4 written (is the disk full?)"),
    ],
)
def test_a_full_disk_is_reported_and_nothing_is_left(maker, error, reason, tmp_path):
    def write():
        with maker(tmp_path / "target") as temporary:
            (temporary / "part" if maker is new_folder else temporary).write_text("half")
            raise error

    assert refusal(write) == f"{tmp_path / 'target'}: cannot be written: {reason}"
    assert list(tmp_path.iterdir()) == []


@both
def test_of_two_that_write_the_same_name_the_first_to_finish_wins(maker, tmp_path):
    target = tmp_path / "target"

    def write():
        with maker(target) as temporary:
            (temporary / "part" if maker is new_folder else temporary).write_text("late")
            fill(maker, target)

    assert refusal(write) == f"{target}: exists already; choose a new name or remove it first"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert (target / "part" if maker is new_folder else target).read_text() == "new"


def test_a_file_system_without_hard_links_serves(tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    fill(new_file, tmp_path / "target")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("target", "new")]


@both
def test_a_name_may_be_as_long_as_the_file_system_allows(maker, tmp_path):
    fill(maker, tmp_path / ("x" * 255))
    assert "cannot be written: File name too long" in refusal(check_new, tmp_path / ("x" * 256))


def test_what_exists_is_refused_whatever_it_is(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("file", "folder", "dangling"):
        assert refusal(check_new, tmp_path / name).startswith(
            f"{tmp_path / name}: exists already; choose a new"
        )
    for place in (Path("."), Path("/"), tmp_path / ".."):
        assert "exists already" in refusal(check_new, place)


def test_a_parent_that_is_no_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for parent in (tmp_path / "missing", tmp_path / "file"):
        expected = f"{parent / 'x'}: cannot be written: there is no folder {parent}"
        assert refusal(check_new, parent / "x") == expected
    assert "cannot be written: Too many levels" in refusal(check_new, tmp_path / "loop" / "x")
    assert "cannot be written: embedded null" in refusal(check_new, tmp_path / "a\0b")


def test_a_folder_that_must_not_be_changed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # permissions do not bind the superuser
    expected = f"{tmp_path / 'x'}: cannot be written: the folder {tmp_path} is read-only"
    assert refusal(check_new, tmp_path / "x") == expected


def test_only_what_has_an_end_is_read(tmp_path):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    check_plain(tmp_path / "file")
    check_plain(tmp_path)
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/null")):
        assert refusal(check_plain, path) == f"{path}: not a regular file"
    with pytest.raises(FileNotFoundError):
        check_plain(tmp_path / "missing")
