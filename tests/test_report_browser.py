"""The page of ``archsim report`` in a headless Chromium: what a reader clicks on changes what is shown."""

import csv
import io
import itertools
import os
import shutil
from types import SimpleNamespace

import pytest
from report_studies import HOSTILE, write_study
from study_rows import SIZE, TRCD, axis, grid, rows_of, sweep_of, written

from archsim import compare, load_system, open_study, open_trace, simulate
from archsim.report.folder import write_report
from archsim.report.html import write_html

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}

if CHROMIUM is None:
    pytest.skip("needs Chromium (Debian: apt-get install chromium)", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")


@pytest.fixture(scope="module")
def browser():
    arguments = ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
    with playwright.sync_playwright() as tool:
        started = tool.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The file of a study, and the columns of its done points."""
    path = write_study(tmp_path_factory.mktemp("studies") / "study")
    write_html(path)
    return SimpleNamespace(file=path / "report.html", rows=open_study(path).to_arrow().to_pydict())


@pytest.fixture(scope="module")
def replay(tmp_path_factory):
    """The file of a report folder."""
    trace = open_trace("preset:zipf", overrides=["lookups=2000", "rows=5000"])
    results = [simulate(load_system(name), trace) for name in ("host-2rank", "recnmp-opt-4rank")]
    path = tmp_path_factory.mktemp("replays") / "folder"
    write_report(compare(results), path)
    return write_html(path).path


@pytest.fixture
def visit(browser):
    """Open a file; at the end nothing may have been complained about or loaded."""
    said, loaded, pages = [], [], []

    def open_page(file, **options):
        page = browser.new_page(**{"viewport": DESKTOP} | options)
        pages.append(page)
        page.on("console", lambda message: said.append((message.type, message.text)))
        page.on("pageerror", lambda error: said.append(("error", str(error))))
        page.on("dialog", lambda dialog: said.append(("dialog", dialog.message)))
        page.on("request", lambda request: loaded.append(request.url))
        page.goto(file.as_uri())
        if page.query_selector("#study-data, #explorer"):
            page.wait_for_function("document.documentElement.dataset.ready === 'true'")
            page.wait_for_function("!window.Plotly || document.querySelector('#plot .main-svg')")
        return page

    yield open_page
    for page in pages:
        page.close()
    # What software drawing says about its own speed is no fault of the page.
    assert [each for each in said if "GPU stall due to ReadPixels" not in each[1]] == []
    assert [url for url in loaded if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len([url for url in loaded if url.startswith("file:")]) == len(pages)


def shown(page):
    """Numbers of the points that the table shows."""
    return page.eval_on_selector_all(
        "#points-table tbody tr", "rows => rows.map(row => Number(row.dataset.row))"
    )


def drawn(page, name=None):
    """Numbers of the points that are drawn, from the marks in the plot."""
    page.wait_for_timeout(150)
    marks = page.evaluate(
        "name => [...document.querySelectorAll('#plot .scatterlayer .trace')]"
        ".filter(trace => trace.__data__[0].trace.name === name || (name === null && "
        "!['Pareto front', 'marked point'].includes(trace.__data__[0].trace.name)))"
        ".flatMap(trace => [...trace.querySelectorAll('.points path')].map(mark => mark.__data__.data ?? "
        "trace.__data__[0].trace.customdata[mark.__data__.i]))",
        name,
    )
    return sorted(marks)


def rows_with(study, **tests):
    """Numbers of the points for which all tests hold; underscores twice stand for dots."""
    names = {name.replace("__", "."): test for name, test in tests.items()}
    count = len(study.rows["point_id"])
    return [row for row in range(count) if all(test(study.rows[name][row]) for name, test in names.items())]


def field(page, column, side):
    return page.locator(f'fieldset[data-column="{column}"] input[data-side="{side}"]')


def choose_all_rows(page):
    page.select_option("#page-size", "100")


# what is there at first


def test_a_study_opens_with_all_points_in_table_and_plot(visit, study):
    page = visit(study.file)
    everything = list(range(len(study.rows["point_id"])))
    choose_all_rows(page)
    assert shown(page) == everything
    assert drawn(page) == everything
    assert page.inner_text("#count") == f"{len(everything)} of {len(everything)} points"
    assert page.title() == "archsim study: study"


def test_a_replay_opens_and_its_parameters_can_be_searched(visit, replay):
    page = visit(replay)
    page.click("#configuration summary")
    every = page.locator("table.parameters tbody tr:visible").count()
    page.fill("#parameter", "timing trcd")
    assert page.locator("table.parameters tbody tr:visible th").all_inner_texts() == ["dram.timing.tRCD_clk"]
    page.fill("#parameter", "")
    page.check("#differing")
    few = page.locator("table.parameters tbody tr:visible").count()
    assert 0 < few < every
    assert page.locator("table.parameters tbody tr:visible em").count() >= few


def test_names_that_look_like_html_are_shown_and_do_nothing(visit, study):
    page = visit(study.file)
    assert HOSTILE in page.inner_text("#filters")
    assert HOSTILE in page.inner_text("#failures")
    page.select_option("#panel", "system")
    page.select_option("#x", "system")
    page.select_option("#shape", "system")
    page.wait_for_timeout(200)
    assert HOSTILE in page.evaluate("document.querySelector('#plot').textContent")
    assert page.query_selector_all("#plot img, #points-table img, #explorer script") == []


# the table


@pytest.mark.parametrize("column", ["time_ns", "cache_hit_ratio", SIZE, "system"])
def test_a_click_on_a_name_sorts_and_a_second_turns_the_order(visit, study, column):
    page = visit(study.file)
    if not page.query_selector(f'[data-sort="{column}"]'):
        page.click("#column-chooser summary")
        page.check(f'#column-chooser input[value="{column}"]')
    choose_all_rows(page)
    values = study.rows[column]
    for expected, backwards in (("ascending", False), ("descending", True)):
        page.click(f'[data-sort="{column}"]')
        found = shown(page)
        key = [values[row].casefold() if isinstance(values[row], str) else values[row] for row in found]
        assert key == sorted(key, reverse=backwards)
        assert sorted(found) == list(range(len(values)))
        assert (
            page.get_attribute("#points-table th[aria-sort]:not([aria-sort=none])", "aria-sort") == expected
        )


def test_the_table_is_worked_with_keys(visit, study):
    page = visit(study.file)
    page.focus('[data-sort="energy_nj"]')
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.sort") == "energy_nj"
    energies = study.rows["energy_nj"]
    assert shown(page) == sorted(range(len(energies)), key=lambda row: energies[row])[:25]
    page.focus("#page-next")
    page.keyboard.press("Enter")
    assert len(shown(page)) == len(energies) - 25
    assert page.is_disabled("#page-next")


def test_columns_are_chosen(visit, study):
    page = visit(study.file)
    heads = "[data-sort]"
    assert "energy_dram_activate_nj" not in page.locator(heads).all_inner_texts()
    page.click("#column-chooser summary")
    page.fill("#column-chooser input[type=search]", "activate")
    assert page.locator("#column-chooser label:visible").all_inner_texts() == ["energy_dram_activate_nj"]
    page.check('#column-chooser input[value="energy_dram_activate_nj"]')
    page.fill("#column-chooser input[type=search]", "")
    page.uncheck('#column-chooser input[value="time_ns"]')
    found = page.locator(heads).all_inner_texts()
    assert "energy_dram_activate_nj" in found
    assert "time_ns" not in found


def test_what_passes_the_filters_is_saved_as_csv_in_the_order_shown_and_bit_by_bit(visit, study):
    page = visit(study.file)
    field(page, TRCD, "at most").fill("12")
    page.click('[data-sort="time_ns"]')
    with page.expect_download() as waiting:
        page.click("#csv")
    with open(waiting.value.path(), newline="", encoding="utf-8") as file:
        saved = list(csv.DictReader(io.StringIO(file.read())))
    times = study.rows["time_ns"]
    order = sorted(
        rows_with(study, dram__timing__tRCD_clk=lambda trcd: trcd <= 12), key=lambda row: times[row]
    )
    assert len(order) > 3
    assert [row["point_id"] for row in saved] == [study.rows["point_id"][row] for row in order]
    assert [float(row["time_ns"]) for row in saved] == [times[row] for row in order]
    assert [row["system"] for row in saved] == [study.rows["system"][row] for row in order]


# filters


def test_a_range_keeps_what_is_inside_in_table_and_plot(visit, study):
    page = visit(study.file)
    choose_all_rows(page)
    field(page, SIZE, "at least").fill("16384")
    field(page, SIZE, "at most").fill("32768")
    inside = rows_with(study, nmp__cache__size_bytes=lambda size: 16384 <= size <= 32768)
    assert shown(page) == inside
    assert drawn(page) == inside
    limit = sorted(study.rows["time_ns"])[20]
    field(page, "time_ns", "at most").fill(repr(limit))
    both = [row for row in inside if study.rows["time_ns"][row] <= limit]
    assert 0 < len(both) < len(inside)
    assert shown(page) == drawn(page) == both
    assert page.inner_text("#count").startswith(f"{len(both)} of ")
    page.click("#reset-filters")
    assert drawn(page) == shown(page) == list(range(len(study.rows["system"])))
    assert field(page, SIZE, "at least").input_value() == ""


def test_names_are_ticked_off(visit, study):
    page = visit(study.file)
    choose_all_rows(page)
    page.uncheck('fieldset[data-column="system"] input[value="near"]')
    others = rows_with(study, system=lambda name: name != "near")
    assert shown(page) == drawn(page) == others


def test_any_column_can_be_filtered_by(visit, study):
    page = visit(study.file)
    choose_all_rows(page)
    page.select_option("#add-filter", "bottleneck")
    page.uncheck('fieldset[data-column="bottleneck"] input[value="data_bus"]')
    assert shown(page) == rows_with(study, bottleneck=lambda name: name == "activate_window")


def test_filters_that_nothing_passes_leave_an_empty_table_and_plot(visit, study):
    page = visit(study.file)
    field(page, SIZE, "at most").fill("1")
    assert shown(page) == drawn(page) == []
    page.check("#pareto")
    assert page.inner_text("#count").startswith("0 of ")


# the plot


def places(page):
    """Row, x and y of all points in the plot, and the titles of its axes."""
    page.wait_for_timeout(150)
    return page.evaluate(
        "() => { const plot = document.getElementById('plot'); return {"
        "points: plot.data.flatMap(t => t.customdata.map((row, i) => [row, t.x[i], t.y[i]]))"
        ".filter(point => point[0] !== null),"
        "x: plot.layout.xaxis.title.text, y: plot.layout.yaxis.title.text,"
        "types: [plot.layout.xaxis.type, plot.layout.yaxis.type]}; }"
    )


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


# other screens, paper, other browsers


@pytest.mark.parametrize("kind", ["study", "replay"])
def test_a_phone_scrolls_no_page_sideways(visit, request, kind):
    made = request.getfixturevalue(kind)
    page = visit(made if kind == "replay" else made.file, viewport=PHONE)
    for details in page.query_selector_all("details"):
        details.evaluate("each => { each.open = true; }")
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    outside = page.evaluate(
        "[...document.querySelectorAll('main *')].filter(e => "
        "!e.parentElement.closest('.scroll, .columns, svg, .choices, pre, table')"
        " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 120))"
    )
    assert outside == []
    if kind == "study":
        assert page.evaluate("document.querySelector('#plot .main-svg').getBoundingClientRect().width") <= 390


def test_colours_follow_the_reader(visit, study):
    page = visit(study.file, color_scheme="dark")
    page.wait_for_timeout(200)

    def colours():
        return page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, document.getElementById('plot').layout.font.color]"
        )

    dark = colours()
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(300)
    light = colours()
    assert (dark, light) == (["rgb(20, 23, 26)", "#e4e8ec"], ["rgb(255, 255, 255)", "#1b1f24"])


def test_paper_gets_no_controls_and_whole_tables(visit, study):
    page = visit(study.file, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("nav:visible, .controls:visible, button.skip:visible").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('#table-box')).overflow") == "visible"
    assert page.locator("#points-table tbody tr:visible").count() == 25
    page.wait_for_timeout(200)
    assert page.evaluate("document.getElementById('plot').layout.font.color") == "#000"


def test_without_the_library_table_and_filters_work(visit, study, monkeypatch, tmp_path):
    monkeypatch.setattr("archsim.report.html_data.plot_library", lambda: "")
    file = write_html(study.file.parent, tmp_path / "page.html").path
    page = visit(file)
    assert not page.is_visible("#plot-part")
    field(page, SIZE, "at most").fill("8192")
    assert shown(page) == rows_with(study, nmp__cache__size_bytes=lambda size: size <= 8192)


def test_a_browser_that_cannot_unpack_says_so(browser, study):
    context = browser.new_context()
    context.add_init_script("delete window.DecompressionStream;")
    page = context.new_page()
    page.goto(study.file.as_uri())
    page.wait_for_selector("#explorer-note:visible")
    assert "cannot unpack the points" in page.inner_text("#explorer-note")
    assert page.locator("#pictures img").count() >= 4
    context.close()


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
