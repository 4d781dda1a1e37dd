"""Several studies in one."""

from __future__ import annotations

from study_rows import CODE, SIZE, TRCD, axis, grid, refusal, row, rows_of, sweep_of, written

from archsim import merge_studies, open_study
from archsim.studies.store import Store

SWEEP = sweep_of(grid({SIZE: [1024, 2048, 4096]}), [axis(SIZE)])
ROWS = rows_of(SWEEP)


def test_halves_of_a_study_merge_to_the_whole_in_any_order(tmp_path):
    whole = open_study(written(tmp_path / "w", SWEEP, ROWS))
    halves = [written(tmp_path / "a", SWEEP, ROWS[:2]), written(tmp_path / "b", SWEEP, ROWS[1:])]
    for name, order in (("ab", halves), ("ba", halves[::-1])):
        merged = merge_studies(order, tmp_path / name)
        assert merged.digest() == whole.digest()
        assert len(merged.definition.sweeps) == 1
        assert merged.to_frame(["point_id", "time_ns"]).equals(whole.to_frame(["point_id", "time_ns"]))


def test_a_merged_study_goes_on(tmp_path):
    merge_studies(
        [written(tmp_path / "a", SWEEP, ROWS[:1]), written(tmp_path / "b", SWEEP, ROWS[1:2])], tmp_path / "m"
    )
    target = Store.create(tmp_path / "m", SWEEP, code_version=CODE)
    assert len(target.finished()) == 2
    with target:
        target.add(ROWS[2])
    assert open_study(tmp_path / "m").digest() == open_study(written(tmp_path / "w", SWEEP, ROWS)).digest()


def test_studies_of_other_axes_and_columns_merge(tmp_path):
    other = sweep_of(grid({TRCD: [14, 16]}, ("host",)), [axis(TRCD)])
    rows = [each | {"more_ns": 1.5} for each in rows_of(other)]
    merged = merge_studies(
        [written(tmp_path / "a", SWEEP, ROWS), written(tmp_path / "b", other, rows)], tmp_path / "m"
    )
    assert merged.axes == {SIZE: (1024, 2048, 4096), TRCD: (14, 16)}
    assert len(merged) == 5
    assert merged.to_frame("more_ns")["more_ns"].notna().sum() == 2


def test_points_that_differ_are_named_with_their_column_and_nothing_is_written(tmp_path):
    one = written(tmp_path / "a", SWEEP, ROWS)
    two = written(tmp_path / "b", SWEEP, [*ROWS[:2], ROWS[2] | {"time_ns": 3.25, "wall_s": 99.0}])
    point = ROWS[2]["point_id"][:12]
    assert refusal(lambda: merge_studies([one, two], tmp_path / "m")) == (
        f"merge: point {point}: column 'time_ns' is {ROWS[2]['time_ns']} in {one} and 3.25 in {two}; "
        "equal ids must have equal results"
    )
    three = written(tmp_path / "c", SWEEP, [ROWS[2] | {"extra": 1}])
    assert "column 'extra' is None in" in refusal(lambda: merge_studies([one, three], tmp_path / "m"))
    assert not (tmp_path / "m").exists()


def test_provenance_may_differ_and_nan_is_nan(tmp_path):
    nan = ROWS[0] | {"ratio": float("nan")}
    one = written(tmp_path / "a", SWEEP, [nan | {"wall_s": 1.0}])
    two = written(tmp_path / "b", SWEEP, [nan | {"wall_s": 2.0, "worker": "elsewhere"}])
    assert len(merge_studies([one, two], tmp_path / "m")) == 1


def test_done_goes_before_failed_and_of_failures_one_is_chosen_whatever_the_order(tmp_path):
    points = SWEEP["points"]["point_id"]
    one = written(
        tmp_path / "a", SWEEP, [row(points[0], "failed", error="b"), row(points[1], "failed", error="b")]
    )
    two = written(tmp_path / "b", SWEEP, [ROWS[0], row(points[1], "failed", error="a")])
    merged = [merge_studies(order, tmp_path / name) for name, order in (("x", [one, two]), ("y", [two, one]))]
    assert merged[0].digest() == merged[1].digest()
    assert merged[0].counts == {"done": 1, "failed": 1, "timeout": 0, "missing": 1}
    assert merged[0].failures()["error"].tolist() == ["a"]


def test_other_code_is_refused_unless_asked_for_and_then_no_sweep_goes_on(tmp_path):
    one = written(tmp_path / "a", SWEEP, ROWS[:1])
    rows = [each | {"code_version": "0.2.0+x", "point_id": each["point_id"][::-1]} for each in ROWS[:1]]
    two = written(tmp_path / "b", SWEEP, rows, "0.2.0+x")
    assert refusal(lambda: merge_studies([one, two], tmp_path / "m")) == (
        f"merge: studies of different versions of the code: {one}: {CODE}; {two}: 0.2.0+x; "
        "mixed_versions=True (--mixed-versions) takes all"
    )
    merged = merge_studies([one, two], tmp_path / "m", mixed_versions=True)
    assert set(merged.to_frame("code_version")["code_version"]) == {CODE, "0.2.0+x"}
    assert merged.to_xarray("time_ns")["time_ns"].dims == ("code_version", SIZE)
    assert "made by another version" in refusal(
        lambda: Store.create(tmp_path / "m", SWEEP, code_version=CODE)
    )


def test_the_target_must_be_new_and_sources_sound(tmp_path):
    one = written(tmp_path / "a", SWEEP, ROWS)
    assert "exists already" in refusal(lambda: merge_studies([one], one))
    assert "no studies are given" in refusal(lambda: merge_studies([], tmp_path / "m"))
    assert "there is no such folder" in refusal(lambda: merge_studies([tmp_path / "x"], tmp_path / "m"))
