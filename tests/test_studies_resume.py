"""A study that is there goes on, with the same code and axes, or is left as it is."""

from __future__ import annotations

from study_rows import CODE, SIZE, axis, grid, refusal, rows_of, sweep_of, written

from archsim import open_study
from archsim.studies import store
from archsim.studies.store import Store

SWEEP = sweep_of(grid({SIZE: [1024, 2048, 4096]}), [axis(SIZE)])
ROWS = rows_of(SWEEP)


def test_the_same_definition_goes_on_and_more_values_are_added(tmp_path):
    folder = written(tmp_path / "s", SWEEP, ROWS[:2])
    before = (folder / "study.json").read_bytes()
    written(folder, SWEEP, ROWS[2:])
    assert (folder / "study.json").read_bytes() == before
    more = sweep_of(grid({SIZE: [4096, 8192]}), [axis(SIZE)])
    written(folder, more, [])
    study = open_study(folder)
    assert study.axes == {SIZE: (1024, 2048, 4096, 8192)}
    assert [point[SIZE] for point in study.missing] == [8192]
    written(folder, more, [])
    assert len(open_study(folder).definition.sweeps) == 2


def test_other_code_and_other_axes_are_refused_and_change_nothing(tmp_path):
    folder = written(tmp_path / "s", SWEEP, ROWS)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert refusal(lambda: Store.create(folder, SWEEP, code_version="0.2.0+x")) == (
        f"{folder}: made by another version of the code, {CODE}; this is 0.2.0+x: points of both cannot be compared; "
        "choose a new folder"
    )
    other = sweep_of(grid({"nmp.cache.ways": [1, 2]}), [axis("nmp.cache.ways")])
    assert refusal(lambda: Store.create(folder, other, code_version=CODE)) == (
        f"{folder}: has other axes, {SIZE}; this sweep varies nmp.cache.ways: choose a new folder (studies merge later)"
    )
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_folder_that_is_there_is_not_taken(tmp_path):
    (tmp_path / "file").write_text("x")
    assert refusal(lambda: Store.create(tmp_path, SWEEP, code_version=CODE)) == (
        f"{tmp_path}: no study: study.json is missing"
    )
    assert "is no folder" in refusal(lambda: Store.create(tmp_path / "file", SWEEP, code_version=CODE))
    assert "there is no folder" in refusal(
        lambda: Store.create(tmp_path / "a" / "b", SWEEP, code_version=CODE)
    )


def test_a_folder_that_another_sweep_makes_at_the_same_time_is_there_already(tmp_path, monkeypatch):
    folder, write = tmp_path / "s", store.write_definition

    def overtaken(target, definition):
        write(target, definition)
        monkeypatch.setattr(store, "write_definition", write)
        with Store.create(folder, overtaking, code_version=CODE) as winner:
            winner.add(ROWS[0])

    overtaking = SWEEP
    monkeypatch.setattr(store, "write_definition", overtaken)
    written(folder, SWEEP, ROWS[1:])
    assert len(open_study(folder)) == 3
    assert not list(tmp_path.glob(".*.tmp"))

    folder = tmp_path / "t"
    overtaking = sweep_of(grid({"nmp.cache.ways": [1, 2]}), [axis("nmp.cache.ways")])
    monkeypatch.setattr(store, "write_definition", overtaken)
    assert "has other axes" in refusal(lambda: Store.create(folder, SWEEP, code_version=CODE))


def test_a_sweep_that_another_overtakes_is_told_that_it_runs_there(tmp_path, monkeypatch):
    folder, write = tmp_path / "s", store.write_definition
    running = []

    def overtaken(target, definition):
        write(target, definition)
        monkeypatch.setattr(store, "write_definition", write)
        running.append(Store.create(folder, SWEEP, code_version=CODE).__enter__())

    monkeypatch.setattr(store, "write_definition", overtaken)
    late = Store.create(folder, SWEEP, code_version=CODE)
    assert "another sweep is writing it" in refusal(late.__enter__)
    running[0].__exit__(None, None, None)


def test_files_and_folders_that_a_kill_left_half_written_go_when_a_sweep_goes_on(tmp_path):
    folder = written(tmp_path / "s", SWEEP, ROWS[:1])
    (folder / "traces" / "abc").mkdir(parents=True)
    (folder / "outside").mkdir()
    for place in (folder, folder / "points", folder / "traces"):
        (place / ".archsim-0123.tmp").mkdir()
        (place / ".archsim-0123.tmp" / "indices.bin").write_bytes(b"half")
        (place / ".archsim-4567.tmp").write_bytes(b"half")
        (place / ".archsim-89ab.tmp").symlink_to(folder / "outside")
    written(folder, SWEEP, ROWS[1:])
    assert not list(folder.rglob(".*.tmp"))
    assert (folder / "traces" / "abc").is_dir()
    assert (folder / "outside").is_dir()
    assert len(open_study(folder)) == 3
