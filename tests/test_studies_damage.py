"""Studies that are damaged, from elsewhere or from later: one line each, with the place and the rule."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from study_rows import CODE, SIZE, axis, grid, refusal, rows_of, sweep_of, written

from archsim import open_study
from archsim.studies import journal, parts
from archsim.studies.store import Store

SWEEP = sweep_of(grid({SIZE: [1024, 2048, 4096]}), [axis(SIZE)])
ROWS = rows_of(SWEEP)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (b"", "study.json: damaged: line 1, column 1: not JSON: Expecting value"),
        (b"\xff", "study.json: damaged: byte 0: not UTF-8 text"),
        (b"[1]", "study.json: damaged: must hold an object, not a list"),
        (
            b'{"schema": 2}',
            "study.json: schema = 2 is from a later archsim; this one reads 1: install that one",
        ),
        (b'{"schema": 0}', "study.json: damaged: key 'code_version' is missing"),
        (b'{"schema": true}', "study.json: damaged: schema must be a int"),
        (b"[" * 100_000, "study.json: damaged: not JSON: "),
    ],
)
def test_a_damaged_definition_is_named(tmp_path, change, said):
    folder = written(tmp_path / "s", SWEEP, ROWS)
    (folder / "study.json").write_bytes(change)
    assert refusal(lambda: open_study(folder)).startswith(f"{folder}/{said}")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("sweeps",), 3, "sweeps must be a list"),
        (("sweeps", 0), 3, "sweeps[0]: damaged: must be an object, not a int"),
        (("sweeps", 0, "points", "system"), ["a"], "points.system: damaged: must be a list of 3 values"),
        (
            ("sweeps", 0, "points", SIZE),
            None,
            "axes[0]: damaged: column 'nmp.cache.size_bytes' must stand in points",
        ),
        (("sweeps", 0, "points", "system", 1), [], "points.system[1]: damaged: must be a single value"),
        (("sweeps", 0, "axes", 0), {}, "axes[0]: damaged: key 'paths' is missing"),
        (("sweeps", 0, "traces", 0, "name"), 1, "traces[0]: damaged: name must be a str"),
    ],
)
def test_a_definition_of_another_shape_is_named(tmp_path, place, value, said):
    folder = written(tmp_path / "s", SWEEP, ROWS)
    found = json.loads((folder / "study.json").read_text())
    inner = found
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (folder / "study.json").write_text(json.dumps(found))
    assert said in refusal(lambda: open_study(folder))


def test_a_folder_without_a_definition_is_no_study(tmp_path):
    assert refusal(lambda: open_study(tmp_path)) == f"{tmp_path}: no study: study.json is missing"
    assert "there is no such folder" in refusal(lambda: open_study(tmp_path / "x"))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_line_is_named_and_never_read(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("s") / "study"
    Store.create(folder, SWEEP, code_version=CODE)
    lines = [journal.encode(each) for each in ROWS]
    place = data.draw(st.integers(0, len(lines[1]) - 2))
    new = data.draw(st.integers(0, 255).filter(lambda byte: byte not in (lines[1][place], 10)))
    damaged = lines[1][:place] + bytes([new]) + lines[1][place + 1 :]
    (folder / journal.FILE).write_bytes(lines[0] + damaged + lines[2])
    assert refusal(lambda: open_study(folder)).startswith(f"{folder}/journal.jsonl: line 2: damaged: ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"\n", "not JSON"),
        (b"{}\n", "key 'crc32' is missing at the end"),
        (b'{"a":1,"crc32":0}\n', "its CRC-32 is "),
        (
            journal.encode({"point_id": "a", "status": "good"}),
            "must have a point_id, and a status of done, failed, ",
        ),
        (journal.encode({"status": "done"}), "must have a point_id"),
    ],
)
def test_a_line_that_archsim_did_not_write_is_named(tmp_path, line, said):
    folder = tmp_path / "s"
    Store.create(folder, SWEEP, code_version=CODE)
    (folder / journal.FILE).write_bytes(line)
    message = refusal(lambda: open_study(folder))
    assert message.startswith(f"{folder}/journal.jsonl: line 1: damaged: ")
    assert said in message


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_damaged_part_is_named_and_never_read(tmp_path_factory, place, change):
    folder = tmp_path_factory.mktemp("s") / "study"
    [part] = parts.part_paths(written(folder, SWEEP, ROWS))
    content = bytearray(part.read_bytes())
    content[place % len(content)] ^= change
    part.write_bytes(content)
    assert refusal(lambda: open_study(folder)).startswith(f"{part}: damaged: its CRC-32 is ")


def test_a_part_cut_short_is_named(tmp_path):
    folder = written(tmp_path / "s", SWEEP, ROWS)
    [part] = parts.part_paths(folder)
    content = part.read_bytes()
    for length in (0, 3, 100, len(content) - 1):
        part.write_bytes(content[:length])
        assert refusal(lambda: open_study(folder)).startswith(f"{part}: damaged: its CRC-32 is ")


def test_a_part_of_somebody_else_is_named(tmp_path):
    import pyarrow as pa

    folder = written(tmp_path / "s", SWEEP, ROWS)
    [part] = parts.part_paths(folder)
    part.unlink()
    for columns, said in (
        ({"status": ["done"]}, "damaged: column 'point_id' is missing, or no text"),
        (
            {"point_id": ["a"], "status": ["done"], "x": [[1]]},
            "column 'x': is list<element: int64>; no such column",
        ),
    ):
        part = parts.write_part(folder, pa.table(columns))
        assert refusal(lambda: open_study(folder)).startswith(f"{part}: {said}")
        part.unlink()
    content = b"PAR1 no Parquet file PAR1"
    part = part.with_name(f"part-00000-{zlib.crc32(content):08x}.parquet")
    part.write_bytes(content)
    assert refusal(lambda: open_study(folder)).startswith(f"{part}: damaged or no Parquet file: ")


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({"point_id": None, "status": "done"}, "must have a point_id"),
        ({"point_id": "b", "status": "good"}, "must have a point_id, and a status of done, failed, timeout"),
        (
            {"point_id": "b", "status": "done", "x": [1]},
            "column 'x' = [1]: no number of 64 bits, text or truth",
        ),
        ({"point_id": "b", "status": "done", "x": 2**63}, "column 'x' = 9223372036854775808: no number"),
        (
            {"point_id": "b", "status": "done", "time_ns": "soon"},
            "column 'time_ns': holds float and str; one kind",
        ),
    ],
)
def test_a_row_that_fits_no_column_is_refused_and_not_written(tmp_path, new, said):
    folder = tmp_path / "s"
    with Store.create(folder, SWEEP, code_version=CODE) as target:
        target.add(ROWS[0])
        before = (folder / journal.FILE).read_bytes()
        assert said in refusal(lambda: target.add(new))
        assert (folder / journal.FILE).read_bytes() == before


# names in the folder that are no files


@pytest.mark.parametrize("name", ["journal.jsonl", "points/part-00007-00000000.parquet", "study.json"])
def test_a_pipe_in_the_place_of_a_file_is_refused_without_waiting_for_it(name, tmp_path):
    folder = written(tmp_path / "s", SWEEP, ROWS)
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    code = "import sys, archsim; archsim.open_study(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines()[-1].endswith(f"InputError: {folder / name}: not a regular file")


@pytest.mark.parametrize("name", ["journal.jsonl", "lock"])
@pytest.mark.parametrize("kind", ["pipe", "link", "dangling", "folder"])
def test_what_is_written_in_place_is_a_regular_file_of_the_study(kind, name, tmp_path):
    folder, target = written(tmp_path / "s", SWEEP, ROWS), tmp_path / "precious"
    (folder / name).unlink(missing_ok=True)
    target.write_text("mine\n")
    rule = {"pipe": "not a regular file", "folder": "cannot be written: Is a directory"}.get(
        kind, "a symbolic link"
    )
    if kind == "pipe":
        os.mkfifo(folder / name)
    elif kind == "folder":
        (folder / name).mkdir()
    else:
        (folder / name).symlink_to(target if kind == "link" else tmp_path / "gone")

    def write():
        if name == "lock":
            with Store.open(folder):
                pass
        else:
            journal.JournalWriter(folder / name)

    assert f"{folder / name}: " in (said := refusal(write))
    assert rule in said
    assert target.read_text() == "mine\n"
    assert not (tmp_path / "gone").exists()
