"""How strongly a metric depends on each axis: against closed forms and a slow twin in fractions."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from study_rows import POLICY, SIZE, TRCD, axis, grid, refusal, rows_of, sweep_of, written

from archsim import open_study
from archsim.studies.sensitivity import elasticities, sobol_indices

SIZES, TRCDS = [1024, 2048, 4096, 8192], [10, 20, 40]


def study_of(path, axes, metric, keep=lambda point: True, groups=None, **labels):
    """Write a study whose metric is a function of the values of its axes."""
    points = [point for point in grid(axes, **labels) if keep(point)]
    sweep = sweep_of(points, [axis(*group) for group in (groups or [(name,) for name in axes])])
    return open_study(written(path, sweep, [each | {"time_ns": metric(each)} for each in rows_of(sweep)]))


def shares(study, metric="time_ns", **options):
    frame = study.sensitivity(metric, **options)
    return {row["axis"]: row for row in frame.to_dict("records")}, frame.attrs["notes"]


# Sobol' indices


def by_definition(values, metric):
    """Compute both indices from their definitions, in fractions."""
    grid = list(itertools.product(*values))

    def mean(keys):
        return Fraction(sum(metric[key] for key in keys), len(keys))

    def variance(keys):
        middle = mean(keys)
        return sum((metric[key] - middle) ** 2 for key in keys) / len(keys)

    found = []
    for axis_, own in enumerate(values):
        means = [mean([key for key in grid if key[axis_] == value]) for value in own]
        middle = sum(means) / len(means)
        first = sum((each - middle) ** 2 for each in means) / len(means)
        others = {key[:axis_] + key[axis_ + 1 :] for key in grid}
        lines = [[key for key in grid if key[:axis_] + key[axis_ + 1 :] == other] for other in others]
        total = sum(variance(line) for line in lines) / len(lines)
        found.append((first, total))
    whole = variance(grid)
    return None if whole == 0 else [(float(first / whole), float(total / whole)) for first, total in found]


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4).flatmap(
        lambda sizes: st.tuples(
            st.just(sizes), st.lists(st.integers(-9, 9), min_size=_size(sizes), max_size=_size(sizes))
        )
    )
)
@settings(max_examples=150, deadline=None)
def test_the_indices_are_those_of_the_definitions(case):
    sizes, numbers = case
    values = [range(size) for size in sizes]
    metric = dict(zip(itertools.product(*values), numbers, strict=True))
    expected = by_definition(values, metric)
    found = sobol_indices({key: float(value) for key, value in metric.items()})
    if expected is None:
        assert found is None
        return
    for (first, total), (first_, total_) in zip(found, expected, strict=True):
        assert first == pytest.approx(first_, rel=1e-12, abs=1e-12)
        assert total == pytest.approx(total_, rel=1e-12, abs=1e-12)
        assert first <= total + 1e-12


def _size(sizes):
    product = 1
    for size in sizes:
        product *= size
    return product


def test_axes_that_add_up_share_the_variance_and_do_not_interact(tmp_path):
    study = study_of(tmp_path / "s", {SIZE: [1, 2, 3], TRCD: [1, 2, 3]}, lambda p: 3.0 * p[SIZE] + p[TRCD])
    found, notes = shares(study)
    # Variances 9 : 1.
    assert found[SIZE]["first_order"] == pytest.approx(0.9, rel=1e-12)
    assert found[SIZE]["total"] == pytest.approx(0.9, rel=1e-12)
    assert found[TRCD]["total"] == pytest.approx(0.1, rel=1e-12)
    assert list(found) == [SIZE, TRCD]
    assert notes == []


def test_axes_that_only_act_together_explain_nothing_alone(tmp_path):
    study = study_of(
        tmp_path / "s", {SIZE: [1, 2], TRCD: [1, 2]}, lambda p: float((p[SIZE] - 1.5) * (p[TRCD] - 1.5))
    )
    found, _ = shares(study)
    assert [(row["first_order"], row["total"]) for row in found.values()] == [(0.0, 1.0), (0.0, 1.0)]


def test_a_grid_with_a_hole_has_no_shares_and_says_so(tmp_path):
    study = study_of(
        tmp_path / "s",
        {SIZE: SIZES, TRCD: TRCDS},
        lambda p: float(p[SIZE]),
        lambda p: (p[SIZE], p[TRCD]) != (1024, 10),
    )
    found, notes = shares(study)
    assert all(
        row["first_order"] != row["first_order"] or row["first_order"] is None for row in found.values()
    )
    assert notes == ["11 of the 12 points of the full grid are there: shares of the variance need them all"]


def test_a_metric_that_never_changes_has_no_shares(tmp_path):
    _, notes = shares(study_of(tmp_path / "s", {SIZE: SIZES}, lambda p: 7.1))
    assert notes == ["the metric is the same at all points, so there is no variance to share"]


def test_linked_axes_are_one_and_systems_are_apart(tmp_path):
    linked = [(a, b) for a, b in zip(SIZES[:3], TRCDS, strict=True)]
    study = study_of(
        tmp_path / "s",
        {SIZE: SIZES[:3], TRCD: TRCDS, POLICY: ["open", "closed"]},
        lambda p: p[TRCD] * (2.0 if p["system"] == "b" and p[POLICY] == "open" else 1.0),
        lambda p: (p[SIZE], p[TRCD]) in linked,
        [(SIZE, TRCD), (POLICY,)],
        systems=("a", "b"),
    )
    frame = study.sensitivity("time_ns")
    rows = {(row["system"], row["axis"]): row["total"] for row in frame.to_dict("records")}
    assert rows["a", f"{SIZE}+{TRCD}"] == 1.0
    assert rows["a", POLICY] == 0.0
    assert 0 < rows["b", POLICY] < 1


# Elasticities


def test_a_power_law_has_its_exponents_as_elasticities(tmp_path):
    study = study_of(
        tmp_path / "s",
        {SIZE: SIZES, TRCD: TRCDS, POLICY: ["open", "closed"]},
        lambda p: 5.0 * p[TRCD] ** 2 / p[SIZE] * (3.0 if p[POLICY] == "open" else 1.0),
    )
    found, notes = shares(study)
    assert found[SIZE]["percent_per_doubling"] == pytest.approx(-50.0, rel=1e-9)
    assert found[TRCD]["percent_per_doubling"] == pytest.approx(300.0, rel=1e-9)
    assert found[POLICY]["percent_per_doubling"] != found[POLICY]["percent_per_doubling"]  # NaN
    assert found[SIZE]["fit_r2"] == pytest.approx(1.0, rel=1e-9)
    assert notes == []


def test_a_power_law_with_holes_has_the_same_elasticities(tmp_path):
    study = study_of(
        tmp_path / "s", {SIZE: SIZES, TRCD: TRCDS}, lambda p: 5.0 * p[TRCD] ** 2 / p[SIZE],
        lambda p: p[SIZE] > 1024 or p[TRCD] > 20,
    )  # fmt: skip
    found, _ = shares(study)
    assert found[SIZE]["percent_per_doubling"] == pytest.approx(-50.0, rel=1e-9)
    assert found[TRCD]["percent_per_doubling"] == pytest.approx(300.0, rel=1e-9)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=20, unique=True))
@settings(max_examples=100, deadline=None)
def test_a_fit_finds_the_exponents_unless_all_points_are_on_one_line(powers):
    points = {((2**a,), (2**b,)): 2.0**a * 4.0**-b for a, b in powers}
    found = elasticities(points, [True, True])
    (a0, b0), (a1, b1) = powers[:2]
    if all((a1 - a0) * (b - b0) == (b1 - b0) * (a - a0) for a, b in powers):
        assert found is None
    else:
        assert found[0] == [pytest.approx(1.0, rel=1e-9), pytest.approx(-2.0, rel=1e-9)]


def test_axes_that_always_vary_together_are_not_told_apart(tmp_path):
    study = study_of(
        tmp_path / "s",
        {SIZE: SIZES[:3], TRCD: TRCDS},
        lambda p: float(p[SIZE]),
        lambda p: p[SIZE] * 10 == p[TRCD] * 1024,
    )
    _, notes = shares(study)
    assert "the points do not tell the axes apart, so elasticities cannot be fitted" in notes


def test_a_metric_that_reaches_0_has_no_elasticity(tmp_path):
    study = study_of(tmp_path / "s", {SIZE: SIZES}, lambda p: float(p[SIZE] - 1024))
    assert shares(study)[1] == ["the metric is not above 0 everywhere, so it has no elasticity"]


# Around a base


def test_around_a_base_one_axis_changes_at_a_time(tmp_path):
    study = study_of(tmp_path / "s", {SIZE: SIZES, TRCD: TRCDS}, lambda p: p[SIZE] / 1024 + p[TRCD])
    found, _ = shares(study, base={"nmp.cache.size": "2KiB", TRCD: 20})
    row = found[SIZE]
    assert row["least_percent"] == pytest.approx(-100 / 22, rel=1e-12)
    assert (row["least_at"], row["greatest_at"]) == ("1024", "8192")
    assert row["greatest_percent"] == pytest.approx(600 / 22, rel=1e-12)
    assert found[TRCD]["greatest_percent"] == pytest.approx(2000 / 22, rel=1e-12)


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ({SIZE: 1024}, f"{TRCD} is missing; it has 10, 20, 40"),
        ({SIZE: 1000, TRCD: 10}, "no point has that value; there are 1024, 2048"),
        ({"nmp.cache.sice": 1024, TRCD: 10}, "not an axis (did you mean 'nmp.cache.size_bytes'?)"),
    ],
)
def test_a_base_that_is_none_is_refused(tmp_path, base, words):
    study = study_of(tmp_path / "s", {SIZE: SIZES, TRCD: TRCDS}, lambda p: float(p[SIZE]))
    assert words in refusal(lambda: study.sensitivity("time_ns", base))


def test_a_metric_that_is_none_is_refused(tmp_path):
    study = study_of(tmp_path / "s", {SIZE: SIZES, TRCD: TRCDS}, lambda p: float(p[SIZE]))
    assert "did you mean 'time_ns'?" in refusal(lambda: study.sensitivity("time_n"))
    assert "holds text" in refusal(lambda: study.sensitivity("bottleneck"))
    alone = study_of(tmp_path / "t", {SIZE: [1024]}, lambda p: 1.0)
    assert "no axis varies" in refusal(lambda: alone.sensitivity("time_ns"))
