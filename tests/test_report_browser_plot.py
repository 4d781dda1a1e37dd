"""The plot of a study in a headless Chromium."""

# Fixtures are found by their names.
# ruff: noqa: F401, F811

import itertools

import pytest
from report_browser import (
    browser,
    choose_all_rows,
    drawn,
    field,
    places,
    rows_with,
    shown,
    study,
    visit,
)
from study_rows import SIZE, TRCD, axis, grid, rows_of, sweep_of, written

from archsim.report.html import write_html

# the plot


def test_axes_are_chosen_and_say_their_units(visit, study):
    page = visit(study.file)
    page.select_option("#x", "time_ns")
    page.select_option("#y", "energy_nj")
    found = places(page)
    assert (found["x"], found["y"]) == ("run time (µs)", "energy (µJ)")
    assert found["types"] == ["linear", "linear"]
    assert len(found["points"]) == len(study.rows["time_ns"])
    for row, x, y in found["points"]:
        assert x == pytest.approx(study.rows["time_ns"][row] / 1e3, rel=1e-12)
        assert y == pytest.approx(study.rows["energy_nj"][row] / 1e3, rel=1e-12)
    page.check("#log-y")
    page.wait_for_timeout(150)
    assert places(page)["types"] == ["linear", "log"]
    page.select_option("#x", "bottleneck")
    assert page.is_disabled("#log-x")
    assert places(page)["types"] == ["category", "log"]
    assert {x for _, x, _ in places(page)["points"]} == {"data_bus", "activate_window"}


def test_colours_shapes_and_panels_tell_points_apart(visit, study):
    page = visit(study.file)
    page.select_option("#colour", TRCD)
    page.select_option("#shape", "system")
    page.select_option("#panel", SIZE)
    page.wait_for_timeout(200)
    traces = page.evaluate(
        "document.getElementById('plot').data.map(t => [t.xaxis, t.marker.color, t.marker.symbol, "
        "t.customdata.filter(r => r !== null)])"
    )
    groups = {}
    for where, colour, symbol, rows in traces:
        for row in rows:
            key = study.rows[SIZE][row], study.rows[TRCD][row], study.rows["system"][row]
            assert groups.setdefault(key, (where, colour, symbol)) == (where, colour, symbol)
    assert len(groups) == len(study.rows["system"])
    for place, names in ((0, SIZE), (1, TRCD), (2, "system")):
        assert len({look[place] for look in groups.values()}) == len(set(study.rows[names]))
    page.select_option("#panel", "")
    page.select_option("#colour", "cache_hit_ratio")
    page.wait_for_timeout(200)
    assert (
        page.evaluate("document.getElementById('plot').layout.coloraxis.colorbar.title.text")
        == "cache hit ratio (%)"
    )
    assert len(drawn(page)) == len(study.rows["system"])


def test_lines_join_the_points_of_one_line_only(visit, study):
    page = visit(study.file)
    page.wait_for_timeout(150)
    lines = page.evaluate(
        "document.getElementById('plot').data.filter(t => t.mode.includes('lines')).map(t => t.customdata)"
    )
    assert lines
    for line in lines:
        for first, second in itertools.pairwise(line):
            if first is not None and second is not None:
                assert study.rows[SIZE][first] < study.rows[SIZE][second]
                assert study.rows[TRCD][first] == study.rows[TRCD][second]
                assert study.rows["system"][first] == study.rows["system"][second]
    page.uncheck("#lines")
    page.wait_for_timeout(150)
    assert page.evaluate("document.getElementById('plot').data.every(t => t.mode === 'markers')")


def lines_of(page):
    """Return the lines of the plot: name, look, in the legend or not, and points."""
    page.wait_for_timeout(200)
    return page.evaluate(
        "document.getElementById('plot').data.filter(t => t.mode.includes('lines')).map(t => ({name: t.name, "
        "look: [t.line.color, t.line.dash, t.marker.symbol].join(), named: t.showlegend, rows: t.customdata, "
        "x: t.x, y: t.y}))"
    )


def test_a_system_without_the_axis_across_is_a_level_line_with_its_name(visit, tmp_path):
    points = grid({SIZE: [8192, 16384, 32768], TRCD: [12, 14]}, ("near", "far"))
    sweep = sweep_of([{"system": "host", "trace": "zipf"}, *points], [axis(SIZE), axis(TRCD)])
    rows = rows_of(sweep)
    rows[0]["time_ns"] = 5e6
    page = visit(write_html(written(tmp_path / "study", sweep, rows)).path)
    lines = lines_of(page)
    level = next(line for line in lines if line["rows"] == [0, 0])
    assert (level["name"], level["x"], level["y"]) == ("host, –", [8192, 32768], [5, 5])
    assert sorted(line["name"] for line in lines if line["named"]) == [
        "far, 12", "far, 14", "host, –", "near, 12", "near, 14"
    ]  # fmt: skip
    assert len({line["look"] for line in lines}) == 5
    assert page.is_checked("#log-y")
    assert page.inner_text("#plot-note") == f"1 point has no {SIZE}: dashed level line."
    page.select_option("#shape", "")
    assert len({line["look"] for line in lines_of(page)}) == 3
    assert page.inner_text("#plot-note").endswith(f"Lines of one look differ in {TRCD}.")


@pytest.mark.parametrize("more", [False, True])
def test_the_pareto_front_is_what_no_other_point_beats(visit, study, more):
    page = visit(study.file)
    page.select_option("#x", "time_ns")
    page.select_option("#y", "energy_nj")
    page.check("#pareto")
    if more:
        page.select_option("#better-y", "more")
    choose_all_rows(page)
    field(page, SIZE, "at least").fill("16384")
    sign = -1 if more else 1
    rows = rows_with(study, nmp__cache__size_bytes=lambda size: size >= 16384)
    costs = {row: (study.rows["time_ns"][row], sign * study.rows["energy_nj"][row]) for row in rows}
    front = [
        row
        for row, (time, energy) in costs.items()
        if not any(t <= time and e <= energy and (t, e) != (time, energy) for t, e in costs.values())
    ]
    stars = page.eval_on_selector_all(
        "#points-table tbody tr",
        "rows => rows.filter(r => r.textContent.includes('★')).map(r => Number(r.dataset.row))",
    )
    assert stars == front
    assert drawn(page, "Pareto front") == front
    assert f", {len(front)} of them on the Pareto front" in page.inner_text("#count")


def test_a_point_marked_in_the_table_is_marked_in_the_plot_and_back(visit, study):
    page = visit(study.file)
    page.click('tr[data-row="3"] .pick')
    assert drawn(page, "marked point") == [3]
    assert page.get_attribute('tr[data-row="3"] .pick', "aria-pressed") == "true"
    last = len(study.rows["system"]) - 1
    page.evaluate(
        f"document.getElementById('plot').emit('plotly_click', {{points: [{{customdata: {last}}}]}})"
    )
    assert drawn(page, "marked point") == [last]
    assert last in shown(page)
    assert page.locator("tr.chosen").get_attribute("data-row") == str(last)


def test_a_point_says_what_it_is_under_the_pointer(visit, study):
    page = visit(study.file)
    page.wait_for_timeout(300)
    mark = page.locator("#plot .scatterlayer .points path").first
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#plot .hoverlayer .hovertext")
    told = page.evaluate("document.querySelector('#plot .hoverlayer').textContent")
    assert "point " in told
    assert f"{SIZE}: " in told
    assert "time_ns: " in told


def test_parallel_coordinates_have_an_axis_for_each_axis_and_metric(visit, study):
    page = visit(study.file)
    page.click("#parallel summary")
    page.wait_for_selector("#parallel-plot .parcoords")
    labels = page.evaluate("document.getElementById('parallel-plot').data[0].dimensions.map(d => d.label)")
    assert labels == ["system", "nmp cache size (KiB)", "tRCD (clk)", "run time (µs)"]


@pytest.mark.slow
def test_twenty_thousand_points_are_filtered_and_drawn(visit, tmp_path):
    axes = {
        SIZE: [8192 << k for k in range(10)],
        TRCD: list(range(10, 20)),
        "dram.timing.tRP_clk": list(range(200)),
    }
    sweep = sweep_of(grid(axes), [axis(name) for name in axes])
    path = written(tmp_path / "study", sweep, rows_of(sweep))
    page = visit(write_html(path).path)
    assert page.inner_text("#count") == "20,000 of 20,000 points"
    field(page, TRCD, "at least").fill("15")
    page.wait_for_function(
        "document.getElementById('plot').data.reduce((n, t) => n + t.customdata.length, 0) === 10000"
    )
    assert page.inner_text("#count") == "10,000 of 20,000 points"
    assert page.evaluate("document.getElementById('plot').data[0].type") == "scattergl"
    page.click('[data-sort="time_ns"]')
    page.click("#page-last")
    assert len(shown(page)) == 25
