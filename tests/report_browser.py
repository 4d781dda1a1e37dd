"""A headless Chromium, the files that it opens, and what tests ask of them."""

import os
import shutil
from types import SimpleNamespace

import pytest
from report_studies import write_study

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
    """Make the table show all points of the small study on one page."""
    page.select_option("#page-size", "100")


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
