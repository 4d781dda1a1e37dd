"""The store of studies: what is written is kept, whatever happens."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from study_rows import CODE, SIZE, axis, grid, point_id, refusal, row, rows_of, sweep_of, written

from archsim import open_study
from archsim.errors import InputError
from archsim.studies import journal, parts, store
from archsim.studies.rows import Snapshot
from archsim.studies.store import Store

SWEEP = sweep_of(grid({SIZE: [1024, 2048, 4096]}), [axis(SIZE)])
ROWS = rows_of(SWEEP)


def stored(folder: Path) -> dict[str, dict[str, object]]:
    """Return what a study holds by point, without what is None."""
    snapshot = Snapshot.open(folder)
    found = snapshot.read(list(snapshot.kinds)).to_pylist()
    return {each["point_id"]: {k: v for k, v in each.items() if v is not None} for each in found}


# Units


def test_a_line_of_the_journal_is_the_row_and_its_crc():
    line = journal.encode({"point_id": "a", "status": "done", "time_ns": 0.1, "error": None})
    assert line.endswith(b"}\n")
    found = json.loads(line)
    assert found == {"point_id": "a", "status": "done", "time_ns": 0.1, "crc32": found["crc32"]}
    assert journal.decode(line[:-1], "x") == {"point_id": "a", "status": "done", "time_ns": 0.1}


VALUES = {
    "truth": st.booleans(),
    "count": st.integers(-(2**63), 2**63 - 1),
    "float_ns": st.floats(allow_nan=False),
    "mixed": st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False)),
    "text": st.text(max_size=5),
    "nmp.path": st.text(max_size=5),
}
ROW = st.fixed_dictionaries({}, optional={name: st.none() | value for name, value in VALUES.items()})


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from(["done", "failed", "timeout"]), ROW, st.booleans())
    ),
    st.integers(1, 4),
)
def test_rows_come_back_as_they_were_whatever_the_parts(tmp_path_factory, added, compact_rows):
    """The twin is a dict: a done row stays, any other gives way to the next."""
    folder = tmp_path_factory.mktemp("s") / "study"
    twin: dict[str, dict[str, object]] = {}
    target = Store.create(folder, SWEEP, code_version=CODE)
    before, store.COMPACT_ROWS = store.COMPACT_ROWS, compact_rows
    try:
        target.__enter__()
        for number, status, columns, again in added:
            new = {"point_id": f"p{number}", "status": status, **columns}
            target.add(new)
            if status == "done" or twin.get(f"p{number}", new)["status"] != "done":
                twin[f"p{number}"] = {k: v for k, v in new.items() if v is not None}
            if again:
                target.__exit__(None, None, None)
                target.__enter__()
    finally:
        store.COMPACT_ROWS = before
        target.__exit__(None, None, None)
    assert stored(folder) == twin
    assert target.finished() == {point: each["status"] for point, each in twin.items()}


def test_numpy_scalars_and_names_that_are_not_utf8_are_taken(tmp_path):
    import numpy as np

    new = row(
        "a" * 64, time_ns=np.float64(0.5), reads=np.int64(3), ok=np.bool_(True), file=os.fsdecode(b"a\xff")
    )
    found = stored(written(tmp_path / "s", SWEEP, [new]))["a" * 64]
    assert (found["time_ns"], found["reads"], found["ok"], found["file"]) == (0.5, 3, True, "a\\udcff")


def test_a_done_row_stays_and_any_other_gives_way(tmp_path):
    points = [point_id(n) for n in range(3)]
    rows = [
        row(points[0], "done", time_ns=1.0),
        row(points[0], "failed", error="no"),
        row(points[1], "failed", error="no"),
        row(points[1], "done", time_ns=2.0),
        row(points[2], "timeout", error="slow"),
        row(points[2], "failed", error="broken"),
    ]
    found = stored(written(tmp_path / "s", SWEEP, rows))
    assert [found[p].get("time_ns") for p in points] == [1.0, 2.0, None]
    assert found[points[2]]["error"] == "broken"


def test_parts_stay_few(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "COMPACT_ROWS", 5)
    with Store.create(tmp_path / "s", SWEEP, code_version=CODE) as target:
        for number in range(250):
            target.add(row(point_id(number), time_ns=float(number)))
            assert len(parts.part_paths(tmp_path / "s")) <= 2 + math.log2(1 + number / 5)
    assert len(stored(tmp_path / "s")) == 250


# Interruptions


def test_a_torn_last_line_is_dropped_at_every_byte(tmp_path):
    folder = tmp_path / "s"
    target = Store.create(folder, SWEEP, code_version=CODE)
    lines = [journal.encode(each) for each in ROWS[:2]]
    for length in range(len(lines[1])):
        (folder / journal.FILE).write_bytes(lines[0] + lines[1][:length])
        assert list(target.finished()) == [ROWS[0]["point_id"]]
    (folder / journal.FILE).write_bytes(lines[0] + lines[1][:40])
    with target:
        target.add(ROWS[2])
        assert (folder / journal.FILE).read_bytes() == lines[0] + journal.encode(ROWS[2])
    assert set(stored(folder)) == {ROWS[0]["point_id"], ROWS[2]["point_id"]}


def test_a_kill_between_the_part_and_the_journal_doubles_nothing(tmp_path, monkeypatch):
    folder = tmp_path / "s"
    reference = open_study(written(tmp_path / "r", SWEEP, ROWS)).digest()

    def killed(path: Path, missing_ok: bool = False) -> None:
        assert path.name == journal.FILE
        raise KeyboardInterrupt

    with Store.create(folder, SWEEP, code_version=CODE) as target:
        for each in ROWS:
            target.add(each)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", lambda path, missing_ok=False: missing_ok or killed(path))
            with pytest.raises(KeyboardInterrupt):
                target.compact()
        assert (folder / journal.FILE).stat().st_size > 0
        assert len(parts.part_paths(folder)) == 1
        copy = shutil.copytree(folder, tmp_path / "copy")
    assert len(open_study(copy)) == 3
    assert open_study(copy).digest() == reference
    with Store.open(copy) as again:
        again.compact()
        assert again.finished() == dict.fromkeys(SWEEP["points"]["point_id"], "done")
    assert open_study(copy).digest() == reference


def test_parts_left_behind_by_a_kill_in_a_merge_go_at_the_next_opening(tmp_path):
    folder = tmp_path / "s"
    written(folder, SWEEP, ROWS[:1])
    [old] = parts.part_paths(folder)
    content = old.read_bytes()
    written(folder, SWEEP, ROWS[1:])
    assert not old.exists()
    old.write_bytes(content)
    (folder / "points" / ".part-00009-00000000.parquet.tmp").write_bytes(b"half")
    assert len(open_study(folder)) == 3
    with Store.open(folder):
        pass
    assert len(list((folder / "points").iterdir())) == 1
    assert len(open_study(folder)) == 3


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from study_rows import *
from archsim.studies import store
store.COMPACT_ROWS = 7
with Store.open({folder!r}) as target:
    print("ready", flush=True)
    for number in range({first}, 100_000):
        target.add(row(point_id(number), time_ns=number / 3, number=number))
        print(number, flush=True)
"""


def start(folder: Path, first: int = 0) -> subprocess.Popen[str]:
    code = WRITER.format(tests=str(Path(__file__).parent), folder=str(folder), first=first)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_five_kills_lose_no_row_that_was_written_and_double_none(tmp_path):
    folder, first = tmp_path / "s", 0
    Store.create(folder, SWEEP, code_version=CODE)
    for rows, delay in ((0, 0.0), (9, 0.004), (5, 0.011), (1, 0.002), (14, 0.017)):
        process = start(folder, first)
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(rows)]
        time.sleep(delay)
        process.kill()
        said += process.communicate()[0].split()
        last = max([first - 1, *(int(number) for number in said if number.strip().isdecimal())])
        found = stored(folder)
        numbers = sorted(each["number"] for each in found.values())
        assert numbers == list(range(len(numbers)))
        assert len(numbers) in (last + 1, last + 2)  # written, but killed before it said so
        assert all(each["time_ns"] == each["number"] / 3 for each in found.values())
        first = len(numbers)
    assert first > 20


FULL = """
import resource, sys
sys.path.insert(0, {tests!r})
from study_rows import *
from archsim.errors import InputError
written_rows = 0
store = Store.open({folder!r})
try:
    with store:
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        for number in range(1000):
            store.add(row(point_id(number), time_ns=number / 3, number=number))
            written_rows += 1
except InputError as error:
    print(written_rows)
    print(error)
"""


def test_a_file_that_cannot_grow_ends_with_its_last_whole_line_and_goes_on_later(tmp_path):
    """The limit on the size of files cuts a write short just as a full disk does."""
    folder, tests = tmp_path / "s", str(Path(__file__).parent)
    Store.create(folder, SWEEP, code_version=CODE)
    code = FULL.format(tests=tests, folder=str(folder), limit=5000)
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows, message = answer.stdout.splitlines()
    assert message.startswith(
        f"{folder}/journal.jsonl: cannot be written: File too large; all points before are kept"
    )
    assert 10 < int(rows) < 30
    found = stored(folder)
    assert sorted(each["number"] for each in found.values()) == list(range(int(rows)))
    written(folder, SWEEP, [row(point_id(number), time_ns=number / 3, number=number) for number in range(40)])
    assert len(stored(folder)) == 40


@pytest.mark.parametrize("taken", [0, 30])
def test_a_full_disk_takes_back_the_part_of_a_line_that_it_took(tmp_path, monkeypatch, taken):
    import errno

    folder = tmp_path / "s"
    write = os.write
    with Store.create(folder, SWEEP, code_version=CODE) as target:
        target.add(ROWS[0])
        calls = []

        def full(descriptor: int, content: bytes) -> int:
            calls.append(content)
            if taken and len(calls) == 1:
                return write(descriptor, content[:taken])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "write", full)
        assert "No space left on device" in refusal(lambda: target.add(ROWS[1]))
        monkeypatch.setattr(os, "write", write)
        assert (folder / journal.FILE).read_bytes() == journal.encode(ROWS[0])
        target.add(ROWS[2])
    assert set(stored(folder)) == {ROWS[0]["point_id"], ROWS[2]["point_id"]}


def test_a_disk_without_room_for_a_part_costs_nothing(tmp_path, monkeypatch):
    def full(folder: Path, table: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parts, "write_part", full)
    folder = written(tmp_path / "s", SWEEP, ROWS)
    assert len(stored(folder)) == 3
    assert not parts.part_paths(folder)
    with Store.open(folder) as target:
        assert "No space left on device" in refusal(target.compact)
        target.add(row("x" * 64))
    assert len(stored(folder)) == 4


def test_an_interrupt_after_a_line_is_written_loses_it_neither_then_nor_later(tmp_path, monkeypatch):
    folder, write = tmp_path / "s", os.write

    def interrupted(descriptor: int, content: bytes) -> int:
        write(descriptor, content)
        raise KeyboardInterrupt

    with Store.create(folder, SWEEP, code_version=CODE) as target:
        monkeypatch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            target.add(ROWS[0])
        monkeypatch.setattr(
            os, "write", lambda descriptor, content: write(descriptor, content[:9]) and 1 // 0
        )
        with pytest.raises(ZeroDivisionError):
            target.add(ROWS[1])
        monkeypatch.setattr(os, "write", write)
        target.add(ROWS[2])
    assert set(stored(folder)) == {ROWS[0]["point_id"], ROWS[2]["point_id"]}
    with Store.open(folder) as target:
        monkeypatch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            target.add(ROWS[1])
        monkeypatch.setattr(os, "write", write)
    assert len(stored(folder)) == 3


# Several processes


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path):
    folder = tmp_path / "s"
    Store.create(folder, SWEEP, code_version=CODE)
    process = start(folder)
    try:
        said = refusal(Store.open(folder).__enter__)
        assert said.startswith(f"{folder}: another sweep is writing it (process {process.pid} on ")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with Store.open(folder) as target, pytest.raises(InputError, match="another sweep"), Store.open(folder):
        target.add(ROWS[0])
    with Store.open(folder):
        pass


def test_a_reader_sees_whole_rows_while_another_writes_and_merges_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "COMPACT_ROWS", 3)
    folder, done = tmp_path / "s", threading.Event()
    target = Store.create(folder, SWEEP, code_version=CODE)

    def work() -> None:
        with target:
            for number in range(400):
                target.add(row(point_id(number), number=number, time_ns=number / 3))
        done.set()

    writer = threading.Thread(target=work)
    writer.start()
    lengths, older = [0], []
    while not done.is_set():
        study = open_study(folder)
        if len(study):
            numbers = study.to_arrow(["number", "time_ns"])
            assert sorted(numbers["number"].to_pylist()) == list(range(len(study)))
            older.append(study)
        lengths.append(len(study))
    writer.join()
    assert lengths == sorted(lengths)
    assert len(older) > 3
    # Studies opened earlier still read what they saw, from parts that are gone.
    assert all(len(study.to_arrow("time_ns")) == len(study) for study in older[:5])
