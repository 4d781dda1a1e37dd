"""What the disk and the operating system are asked for by the writer of a study: flushes and the lock."""

from __future__ import annotations

import errno
import os
import platform
import sys

from study_rows import CODE, SIZE, axis, grid, point_id, refusal, row, rows_of, sweep_of

from archsim import open_study
from archsim.files import open_own
from archsim.studies import journal, lock
from archsim.studies.store import Store

SWEEP = sweep_of(grid({SIZE: [1024, 2048, 4096]}), [axis(SIZE)])
ROWS = rows_of(SWEEP)


def test_rows_reach_the_disk_about_once_a_second_while_they_come(tmp_path, monkeypatch):
    now_s, synced = [100.0], []
    fsync = os.fsync
    with Store.create(tmp_path / "s", SWEEP, code_version=CODE) as target:
        monkeypatch.setattr(journal.time, "monotonic", lambda: now_s[0])
        target._writer()._synced_s = now_s[0]
        monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(now_s[0]) or fsync(descriptor))
        for number in range(36):
            now_s[0] += 0.125
            target.add(row(point_id(number)))
        assert synced == [101.0, 102.0, 103.0, 104.0]
        now_s[0] += 60
        target.add(row(point_id(36)))
        assert synced[4:] == [164.5]


def test_a_disk_that_fails_at_a_flush_stops_the_sweep_with_one_line(tmp_path, monkeypatch):
    def failing(descriptor):
        raise OSError(5, "Input/output error")

    fsync = os.fsync
    with Store.create(tmp_path / "s", SWEEP, code_version=CODE) as target:
        target._writer()._synced_s -= 2
        monkeypatch.setattr(os, "fsync", failing)
        said = refusal(lambda: target.add(ROWS[0]))
        monkeypatch.setattr(os, "fsync", fsync)
    assert said.startswith(f"{tmp_path}/s/journal.jsonl: cannot be written: Input/output error; all points")
    assert len(open_study(tmp_path / "s")) == 1


class Msvcrt:
    """What Windows has for locks: bytes of a file, from where it stands on, are one descriptor's."""

    LK_NBLCK = 2

    def __init__(self):
        self.held = set()

    def locking(self, descriptor, mode, count):
        assert mode == self.LK_NBLCK
        place = os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR), count
        if place in self.held:
            raise PermissionError(errno.EACCES, "Permission denied")
        self.held.add(place)


def test_where_files_are_locked_by_bytes_there_is_one_writer_too(tmp_path, monkeypatch):
    msvcrt = Msvcrt()
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setattr(lock.sys, "platform", "win32")
    folder = tmp_path / "s"
    folder.mkdir()
    held = lock.take_lock(folder)
    said = refusal(lambda: lock.take_lock(folder))
    assert said.startswith(f"{folder}: another sweep is writing it (process {os.getpid()} on ")
    assert (folder / "lock").read_text() == f"process {os.getpid()} on {platform.node()}\n"
    os.close(held)
    msvcrt.held.clear()
    os.close(lock.take_lock(folder))


def test_a_file_of_ours_is_opened_where_the_system_has_fewer_flags(tmp_path, monkeypatch):
    for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"):
        monkeypatch.delattr(os, name)
    descriptor = open_own(tmp_path / "file")
    os.write(descriptor, b"x")
    os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"x"
