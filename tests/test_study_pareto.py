"""Objectives, constraints, Pareto fronts and hypervolumes of studies."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from study_rows import SIZE, TRCD, axis, grid, refusal, rows_of, sweep_of, written

from archsim import open_study
from archsim.studies.objectives import Constraint, Objective, parse_objectives
from archsim.studies.pareto import dominated_share, hypervolume, non_dominated

ROW = {
    "time_ns": 8.0,
    "energy_nj": 2.0,
    "row_hits": 3,
    "nmp.cache.size_bytes": 65536,
    "bottleneck": "bus",
    "area_mm2": None,
}


def known(name):
    """Resolve a name to a column of `ROW`."""
    column = {"nmp.cache.size": "nmp.cache.size_bytes"}.get(name, name)
    if column not in ROW:
        raise KeyError(name)
    return column


# Expressions


LEAVES = st.sampled_from(["time_ns", "energy_nj", "row_hits", "nmp.cache.size", "2", "0.5", "0"])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(
        lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
    ),
    max_leaves=12,
)


@given(TREES)
@settings(max_examples=300, deadline=None)
def test_an_expression_is_the_arithmetic_that_it_says(text):
    if not any(name in text for name in ("time_ns", "energy_nj", "row_hits", "nmp")):
        return
    plain = text.replace("nmp.cache.size", "65536").replace("time_ns", "8.0").replace("energy_nj", "2.0")
    try:
        expected = float(eval(plain.replace("row_hits", "3")))
    except ZeroDivisionError:
        expected = None
    assert Objective.parse(text, known).value(ROW) == expected


@pytest.mark.parametrize(
    ("text", "name", "maximise", "unit"),
    [
        ("time_ns", "time_ns", False, "ns"),
        ("maximise row_hits", "row_hits", True, ""),
        ("minimize energy_nj", "energy_nj", False, "nJ"),
        ("nmp.cache.size", "nmp.cache.size_bytes", False, "B"),
        ("edp = time_ns * energy_nj", "edp", False, "ns nJ"),
        ("time_ns * energy_nj", "time_ns * energy_nj", False, "ns nJ"),
        ("energy_nj / time_ns", "energy_nj / time_ns", False, "nJ/ns"),
        ("energy_nj / (time_ns * time_ns)", "energy_nj / (time_ns * time_ns)", False, "nJ/(ns ns)"),
        ("time_ns / time_ns", "time_ns / time_ns", False, ""),
        ("2 * time_ns + time_ns / 2", "2 * time_ns + time_ns / 2", False, "ns"),
        ("time_ns + energy_nj", "time_ns + energy_nj", False, ""),
        ("cost_mm2 = time_ns + energy_nj", "cost_mm2", False, "mm2"),
        ("maximise -time_ns", "-time_ns", True, "ns"),
    ],
)
def test_an_objective_has_a_name_a_direction_and_a_unit(text, name, maximise, unit):
    found = Objective.parse(text, known)
    assert (found.name, found.maximise, found.unit) == (name, maximise, unit)
    again = Objective.parse(found.to_text(), known)
    assert (again.name, again.maximise, again.value(ROW)) == (name, maximise, found.value(ROW))


def test_an_empty_column_gives_no_value():
    assert Objective.parse("area_mm2", known).value(ROW) is None
    assert Objective.parse("time_ns + area_mm2", known).value(ROW) is None
    assert Constraint.parse("area_mm2 < 1", known).violation(ROW) is None


@pytest.mark.parametrize(
    ("text", "violation"),
    [
        ("time_ns < 9", 0.0),
        ("time_ns <= 8", 0.0),
        ("time_ns < 8", 1e-12),
        ("time_ns < 4", 1.0),
        ("time_ns > 16", 0.5),
        ("time_ns * energy_nj <= 10", 0.6),
        ("nmp.cache.size <= 32KiB", 1.0),
        ("nmp.cache.size <= 64 KiB", 0.0),
        ("row_hits <= 0", 3.0),
        ("row_hits == 4", 1.0),
        ("time_ns < 4 or row_hits > 9", 1.0),
        ("bottleneck == 'bus'", 0.0),
        ("bottleneck != 'bus'", 1.0),
        ("0 < time_ns < 4", 1.0),
    ],
)
def test_a_constraint_says_by_how_much_it_is_missed(text, violation):
    assert Constraint.parse(text, known).violation(ROW) == pytest.approx(violation, rel=1e-12, abs=0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bottleneck", "objective bottleneck: column bottleneck holds text, not numbers"),
        ("time_ns * bottleneck", "column bottleneck holds text"),
        ("2 + 3", "names no column"),
        ("time_ns +", "cannot be read; write it like time_ns"),
        ("__import__('os')", "__import__"),
        ("time_ns ** 2", "only comparisons"),
        ("time_ns < 3", "must be a number"),
        ("abs(time_ns)", "abs"),
        ("-" * 1500 + "time_ns", "nested too deeply"),
        ("", "cannot be read"),
    ],
)
def test_what_is_no_number_is_refused_in_one_line(text, words):
    def resolve(name):
        return name if name in ("abs", "__import__", "os") else known(name)

    assert words in refusal(lambda: Objective.parse(text, resolve).value({**ROW, "abs": 1, "__import__": 1}))


def test_objectives_come_as_a_text_a_list_or_a_mapping():
    both = [("time_ns", False), ("row_hits", True)]
    for goals in (["time_ns", "maximise row_hits"], {"time_ns": "minimise", "row_hits": "maximize"}):
        assert [(each.name, each.maximise) for each in parse_objectives(goals, known)] == both
    assert [each.name for each in parse_objectives("time_ns", known)] == ["time_ns"]
    assert "given twice" in refusal(lambda: parse_objectives(["time_ns", "maximise time_ns"], known))
    assert "at least one" in refusal(lambda: parse_objectives([], known))
    assert "'more'" in refusal(lambda: parse_objectives({"time_ns": "more"}, known))


# Twins


def beaten_by_any(points):
    """Compare every point with every other."""
    return [
        any(
            all(a <= b for a, b in zip(other, point, strict=True))
            and any(a < b for a, b in zip(other, point, strict=True))
            for other in points
        )
        for point in points
    ]


def cells_below(points, reference):
    """Count the unit cells that some point dominates."""
    cells = itertools.product(*(range(end) for end in reference))
    return sum(
        any(all(p <= c for p, c in zip(point, cell, strict=True)) for point in points) for cell in cells
    )


POINTS = st.integers(1, 4).flatmap(
    lambda d: st.lists(st.tuples(*[st.integers(0, 5)] * d), min_size=1, max_size=25)
)


@given(POINTS)
@settings(max_examples=300, deadline=None)
def test_the_front_is_what_comparing_all_pairs_leaves(points):
    found = non_dominated(np.array(points, float))
    assert [not mark for mark in found] == beaten_by_any(points)


@given(POINTS, st.integers(1, 6))
@settings(max_examples=150, deadline=None)
def test_the_hypervolume_is_the_number_of_dominated_cells(points, end):
    reference = [end] * len(points[0])
    assert hypervolume(np.array(points, float), reference) == cells_below(points, reference)


def test_the_share_of_the_box_is_that_of_known_shapes():
    assert dominated_share(np.array([[0.0, 0.0], [4.0, 2.0]])) == 1.0
    assert dominated_share(np.array([[0.0, 2.0], [4.0, 0.0], [2.0, 1.0]])) == 0.25
    assert dominated_share(np.array([[1.0, 2.0], [1.0, 3.0]])) is None


def test_a_front_of_thousands_of_points_is_the_sphere_it_lies_on():
    angles = np.linspace(0.01, 1.55, 50)
    a, b = (each.ravel() for each in np.meshgrid(angles, angles))
    sphere = 1 - np.stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)], axis=1)
    values = np.concatenate([sphere + 0.5, sphere])
    found = non_dominated(values)
    assert not found[: len(sphere)].any()
    assert found[len(sphere) :].all()


# Fronts of studies


@pytest.fixture
def study(tmp_path):
    """Time falls and energy grows with the size; the larger tRCD only costs time."""
    sweep = sweep_of(grid({SIZE: [1024, 2048, 4096], TRCD: [14, 16]}), [axis(SIZE), axis(TRCD)])
    rows = [
        each | {"time_ns": 1e6 / each[SIZE] + each[TRCD], "energy_nj": float(each[SIZE])}
        for each in rows_of(sweep)
    ]
    rows[0]["area_mm2"] = 3.5
    return open_study(written(tmp_path / "s", sweep, rows))


def test_the_front_of_a_study_has_axes_objectives_and_units(study):
    frame = study.pareto(["time_ns", "energy_nj"])
    assert list(frame.columns) == ["point_id", SIZE, TRCD, "time_ns", "energy_nj"]
    assert list(frame[SIZE]) == [4096, 2048, 1024]
    assert set(frame[TRCD]) == {14}
    assert list(frame["time_ns"]) == sorted(frame["time_ns"])
    assert frame.attrs["units"] == {"time_ns": "ns", "energy_nj": "nJ"}
    assert 0 < frame.attrs["hypervolume"] < 1


def test_more_can_be_better_and_constraints_leave_points_out(study):
    frame = study.pareto({"time_ns": "maximise"})
    assert list(zip(frame[SIZE], frame[TRCD], strict=True)) == [(1024, 16)]
    frame = study.pareto(["time_ns", "energy_nj"], constraints=["nmp.cache.size < 4KiB", "energy_nj > 1024"])
    assert list(frame[SIZE]) == [2048]


def test_points_without_a_value_do_not_count(study):
    frame = study.pareto(["area_mm2"])
    assert list(frame["area_mm2"]) == [3.5]


def test_traces_are_not_compared_with_one_another(tmp_path):
    sweep = sweep_of(grid({SIZE: [1024, 2048]}, traces=("long", "short")), [axis(SIZE)])
    rows = [
        each | {"time_ns": (100.0 if each["trace"] == "long" else 1.0) + each[SIZE]}
        for each in rows_of(sweep)
    ]
    frame = open_study(written(tmp_path / "s", sweep, rows)).pareto("time_ns")
    assert list(frame["trace"]) == ["long", "short"]
    assert list(frame[SIZE]) == [1024, 1024]
    assert frame.attrs["hypervolume"] is None


@pytest.mark.parametrize(
    ("objectives", "constraints", "words"),
    [
        (["time_n"], (), "unknown column 'time_n' (did you mean 'time_ns'?)"),
        (["bottleneck"], (), "holds text"),
        (None, (), "objectives are needed"),
        (["time_ns"], ["energy_nj < 512"], "misses 'energy_nj < 512' by 100% of the limit"),
        (["time_ns"], ["energy_n < 512"], "unknown column 'energy_n' (did you mean 'energy_nj'?)"),
        (["time_ns"], ["energy_nj"], "must be true or false, such as area_mm2 < 1.0"),
    ],
)
def test_a_front_that_cannot_be_is_refused_in_one_line(study, objectives, constraints, words):
    assert words in refusal(lambda: study.pareto(objectives, constraints))


def test_a_study_without_points_has_no_front(tmp_path):
    sweep = sweep_of(grid({SIZE: [1024]}), [axis(SIZE)])
    study = open_study(written(tmp_path / "s", sweep, []))
    assert "unknown column 'time_ns'" in refusal(lambda: study.pareto("time_ns"))


def test_infinite_values_do_not_count():
    assert Objective.parse("time_ns", known).value({"time_ns": math.inf}) is None
    assert Objective.parse("time_ns", known).value({"time_ns": math.nan}) is None
