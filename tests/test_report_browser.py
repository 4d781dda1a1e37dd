"""The page of ``archsim report`` in a headless Chromium: table, filters, other screens, paper."""

# Fixtures are found by their names.
# ruff: noqa: F401, F811

import csv
import io

import pytest
from report_browser import (
    PHONE,
    browser,
    choose_all_rows,
    drawn,
    field,
    replay,
    rows_with,
    shown,
    study,
    visit,
)
from report_studies import HOSTILE
from study_rows import SIZE, TRCD

from archsim.report.html import write_html

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
