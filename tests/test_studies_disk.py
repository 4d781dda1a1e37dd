"""What the disk and the operating system are asked for by the writer of a study: flushes and the lock."""

from __future__ import annotations

import os

from study_rows import CODE, SIZE, axis, grid, point_id, refusal, row, rows_of, sweep_of

from archsim import open_study
from archsim.studies import journal
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
