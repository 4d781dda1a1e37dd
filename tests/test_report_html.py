"""``archsim report``: what is in the file, without a browser."""

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace

import pytest
from program import run, strict_json
from report_pages import Parsed
from report_studies import HOSTILE, write_study
from study_rows import SIZE, TRCD, refusal, sweep_of, written

from archsim import compare, load_system, open_study, open_trace, simulate
from archsim.report.folder import write_report
from archsim.report.html import write_html
from archsim.report.html_parts import number
from archsim.studies.columns import configuration_columns, row_columns


@pytest.fixture(scope="module")
def comparison():
    trace = open_trace("preset:zipf", overrides=["lookups=2000", "rows=5000"])
    systems = [load_system("host-2rank"), load_system("recnmp-opt-4rank")]
    return compare([simulate(system, trace) for system in systems])


@pytest.fixture(scope="module")
def folder(comparison, tmp_path_factory):
    path = tmp_path_factory.mktemp("reports") / "folder"
    write_report(comparison, path, command=["archsim", "replay", "a b.npz", "--system", "<x>"])
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("studies") / "study")


def page_of(path, tmp_path):
    """Write the page of a folder and parse it."""
    written = write_html(path, tmp_path / "page.html")
    content = written.path.read_text(encoding="utf-8")
    assert written.size_bytes == written.path.stat().st_size
    return content, Parsed(content)


@pytest.fixture(scope="module")
def pages(folder, study, tmp_path_factory):
    """The pages of the folder and of the study, as text and parsed."""
    path = tmp_path_factory.mktemp("pages")
    (path / "study").mkdir()
    return {"folder": page_of(folder, path), "study": page_of(study, path / "study")}


def unpacked(page, name):
    return gzip.decompress(base64.b64decode(page.by_id(name)["text"])).decode()


# what both kinds have


@pytest.mark.parametrize("kind", ["folder", "study"])
def test_a_page_loads_nothing(kind, pages):
    content, page = pages[kind]
    for element in page.elements:
        for name in ("src", "srcset", "data", "action", "poster", "background"):
            assert element.get(name, "data:").startswith("data:"), element
        if element["tag"] == "a":
            assert element["href"].startswith(("#", "https://doi.org/"))
    assert not page.all("link") + page.all("iframe") + page.all("object") + page.all("embed")
    style = page.all("style")[0]["text"]
    assert "@import" not in style
    assert "url(" not in style
    script = page.all("script")[-1]["text"]
    assert not re.search(r"https?://|fetch\(|XMLHttpRequest|import\(|WebSocket|sendBeacon", script)
    assert "http://" not in content.replace("http://example.invalid", "")


@pytest.mark.parametrize("kind", ["folder", "study"])
def test_a_policy_refuses_what_is_not_in_the_file_and_names_the_scripts_that_are(kind, pages):
    _, page = pages[kind]
    (policy,) = [e["content"] for e in page.all("meta") if e.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    assert rules.keys() == {"default-src", "img-src", "style-src", "script-src"}
    scripts = [page.all("script")[-1]["text"]]
    if kind == "study":
        scripts.append(unpacked(page, "plot-library"))
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules["script-src"]
    assert "'unsafe-inline'" not in rules["script-src"]


@pytest.mark.parametrize("kind", ["folder", "study"])
def test_a_page_can_be_read_by_machines_that_read_it_out(kind, pages):
    _, page = pages[kind]
    names = [element["id"] for element in page.elements if "id" in element]
    assert len(names) == len(set(names))
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert all(image["alt"] for image in page.all("img"))
    assert all(head["scope"] in ("col", "row") for head in page.all("th"))
    assert all(
        box.get("aria-label") and box["tabindex"] == "0"
        for box in page.elements
        if box.get("class") == "scroll"
    )
    labels = {label.get("for") for label in page.all("label")}
    assert all(field["id"] in labels or field["type"] == "checkbox" for field in page.all("input"))
    assert {link["href"][1:] for link in page.all("a")} >= {part["id"] for part in page.all("section")}


@pytest.mark.parametrize("kind", ["folder", "study"])
def test_the_same_folder_gives_the_same_bytes(kind, request, tmp_path):
    path = request.getfixturevalue(kind)
    first, second = (write_html(path, tmp_path / name).path.read_bytes() for name in ("a.html", "b.html"))
    assert first == second


def test_a_report_is_a_new_file_and_nothing_is_left_when_it_cannot_be_written(study, tmp_path, monkeypatch):
    taken = tmp_path / "taken.html"
    taken.write_text("mine")
    assert "exists already" in refusal(lambda: write_html(study, taken))
    assert taken.read_text() == "mine"

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    assert "No space left on device" in refusal(lambda: write_html(study, tmp_path / "new.html"))
    assert [path.name for path in tmp_path.iterdir()] == ["taken.html"]


# a report folder


def test_the_page_of_a_replay_has_its_tables_pictures_and_origin(folder, comparison, pages):
    content, page = pages["folder"]
    assert [part["id"] for part in page.all("section")][:6] == [
        "run", "results", "pictures", "utilisation", "energy", "area",
    ]  # fmt: skip
    assert "archsim replay 'a b.npz' --system '<x>'" in page.by_id("run")["text"]
    assert comparison.results[0].trace.sha256 in page.by_id("run")["text"]
    results = page.by_id("results")["text"]
    for result, speedup in zip(comparison.results, comparison.speedups, strict=True):
        assert result.system.name in results
        assert f"{speedup:.2f}x" in results
        for name, share in result.utilisation.items():
            assert name.replace("_", " ") in page.by_id("utilisation")["text"]
            assert f"{100 * share:.1f} %" in page.by_id("utilisation")["text"]
        for row in result.energy:
            assert number(row.energy_nj) in page.by_id("energy")["text"]
        for part in result.area:
            assert number(part.area_mm2) in page.by_id("area")["text"]
    found = [base64.b64decode(image["src"].partition(",")[2]) for image in page.all("img")]
    assert found == [(folder / name).read_bytes() for name in ("comparison.png", "latency.png")]
    assert len(content) < 1_000_000


def test_the_page_of_a_replay_has_every_parameter_and_marks_those_that_differ(folder, comparison, pages):
    content, page = pages["folder"]
    (rows,) = re.findall(r'<table class="parameters">.*?<tbody>(.*?)</tbody>', content, re.S)
    found = {Parsed(row).all("th")[0]["text"]: row for row in re.findall(r"<tr>.*?</tr>", rows, re.S)}
    columns = [configuration_columns(result.system) for result in comparison.results]
    assert found.keys() == {path for column in columns for path in column}
    assert "<em>" in found["dram.organization.ranks"]
    assert "<em>" not in found["dram.timing.tRCD_clk"]
    assert "search" in page.by_id("parameter")["type"]


def test_names_in_a_report_folder_are_text(comparison, tmp_path):
    odd = compare(
        [
            replace(
                r, trace=replace(r.trace, name=HOSTILE), system=r.system.model_copy(update={"name": HOSTILE})
            )
            for r in comparison.results
        ]
    )
    write_report(odd, tmp_path / "odd")
    _, page = page_of(tmp_path / "odd", tmp_path)
    assert page.all("h1")[0]["text"] == f"archsim: {HOSTILE}"
    assert len(page.all("script")) == 1
    assert f"{HOSTILE} (2)" in page.by_id("results")["text"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:-5], r"results.json: damaged: line \d+, column \d+: not JSON"),
        (lambda text: "[]", "must hold the object of `archsim replay --json`"),
        (lambda text: text.replace('"schema": 1', '"schema": 9'), "schema = 9: this archsim reads 1"),
        (lambda text: text.replace('"sha256"', '"sha"'), "trace: damaged: key 'sha256' is missing"),
        (
            lambda text: text.replace('"utilisation"', '"use"'),
            r"runs\[0\]: damaged: key 'utilisation' is missing",
        ),
    ],
)
def test_a_damaged_report_folder_is_refused_in_one_line(comparison, tmp_path, damage, message):
    write_report(comparison, tmp_path / "folder")
    file = tmp_path / "folder" / "results.json"
    file.write_text(damage(file.read_text()))
    assert re.search(message, refusal(lambda: write_html(tmp_path / "folder")))
    assert not (tmp_path / "folder" / "report.html").exists()


def test_a_folder_from_before_a_field_was_added_shows_the_table_that_it_has(comparison, tmp_path):
    folder = tmp_path / "folder"
    write_report(comparison, folder)
    file = folder / "results.json"
    file.write_text(file.read_text().replace('"cycles"', '"clocks"'))
    _, page = page_of(folder, tmp_path)
    assert comparison.table() in page.by_id("results")["text"]
    (folder / "comparison.txt").unlink()
    assert refusal(lambda: write_html(folder)) == f"{file}: damaged: a run lacks 'cycles'"


def test_a_folder_that_is_neither_is_refused(tmp_path):
    assert "neither study.json nor results.json" in refusal(lambda: write_html(tmp_path))
    assert "no such folder" in refusal(lambda: write_html(tmp_path / "gone"))


# a study


def test_the_page_of_a_study_holds_every_done_point_bit_by_bit(study, pages):
    _, page = pages["study"]
    document = strict_json(unpacked(page, "study-data"))
    rows = open_study(study).to_arrow().to_pydict()
    assert document["rows"] == len(rows["point_id"]) == 2 * 5 * 4 - 3
    held = {column["name"]: column for column in document["columns"]}
    assert {"system", SIZE, TRCD, "time_ns", "energy_nj", "bottleneck", "point_id"} <= held.keys()
    for name, column in held.items():
        values = (
            column["values"]
            if column["kind"] == "number"
            else [column["texts"][code] for code in column["codes"]]
        )
        assert values == rows[name]
    alike = [
        name
        for name, values in rows.items()
        if len(set(values)) == 1 and name in ("status", "trace", "wall_s")
    ]
    assert alike
    assert not held.keys() & set(alike)


def test_a_column_without_a_value_for_some_points_has_none_there(tmp_path):
    points = [
        {"system": name, "trace": "t", SIZE: size}
        for name, size in (("host", None), ("near", 8192), ("near", 16384))
    ]
    sweep = sweep_of(points, [{"paths": [SIZE], "columns": [SIZE], "values": []}])
    rows = [
        {"point_id": each, "status": "done", "system": point["system"], "trace": "t", SIZE: point[SIZE],
         "time_ns": 1.5 * n, "nmp_sums_operator": None if n == 0 else "sum", "workload.seed": 2**60 + n}
        for n, (each, point) in enumerate(zip(sweep["points"]["point_id"], points, strict=True))
    ]  # fmt: skip
    _, page = page_of(written(tmp_path / "holes", sweep, rows), tmp_path)
    held = {column["name"]: column for column in strict_json(unpacked(page, "study-data"))["columns"]}
    assert held[SIZE]["values"] == [None, 8192, 16384]
    assert held[SIZE]["texts"] == ["8", "16"]
    assert (held["nmp_sums_operator"]["texts"], held["nmp_sums_operator"]["codes"]) == (["sum"], [-1, 0, 0])
    # A number that JavaScript cannot hold is a text.
    assert held["workload.seed"]["texts"] == [str(2**60 + n) for n in range(3)]


def test_the_page_of_a_study_says_what_was_run_and_what_failed(study, pages):
    _, page = pages["study"]
    opened = open_study(study)
    about = page.by_id("run")["text"]
    for text in (opened.digest(), opened.definition.code_version, SIZE, "8192, 16384", HOSTILE):
        assert text in about
    failures = page.by_id("failures")["text"]
    assert f"no room for {HOSTILE}" in failures
    assert "too small" in failures
    assert "1 point has not been run yet" in failures
    assert len(page.all("img")) >= 4


def test_names_in_a_study_are_text(pages):
    _, page = pages["study"]
    # The page's own, and the two packed ones.
    assert len(page.all("script")) == 3
    assert all(image["src"].startswith("data:") for image in page.all("img"))
    assert "alert" not in page.all("script")[-1]["text"]


def test_a_study_without_done_points_has_a_page_without_plots(tmp_path):
    sweep = sweep_of(
        [{"system": "near", "trace": "t", SIZE: 8192}], [{"paths": [SIZE], "columns": [SIZE], "values": []}]
    )
    content, page = page_of(written(tmp_path / "none", sweep, []), tmp_path)
    assert "1 point has not been run yet" in page.by_id("failures")["text"]
    assert not page.all("img")
    assert len(content) < 50_000


def test_a_study_of_a_thousand_points_makes_less_than_five_megabytes(comparison, tmp_path):
    real = row_columns(comparison.results[1])
    # No two figures are alike, which no compression likes.
    path = write_study(tmp_path / "study", sizes=25, trcds=20, more=real)
    written = write_html(path, tmp_path / "page.html")
    assert written.points == 997
    assert written.interactive
    assert 1_500_000 < written.size_bytes < 5_000_000


def test_without_plotly_everything_but_the_plot_is_there(study, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "archsim.report.html_data.import_module", lambda name: (_ for _ in ()).throw(ImportError(name))
    )
    ended = run("report", study, "--out", tmp_path / "page.html")
    assert ended.status == 0
    assert "pip install 'archsim[report]'" in ended.err
    content = (tmp_path / "page.html").read_text()
    page = Parsed(content)
    assert "pip install 'archsim[report]'" in page.by_id("points")["text"]
    assert not [script for script in page.all("script") if script.get("id") == "plot-library"]
    assert strict_json(unpacked(page, "study-data"))["rows"] == 37
    assert "unsafe-eval" not in content
    assert len(content) < 1_000_000


# the command


def test_the_command_writes_into_the_folder_unless_told(folder, study, tmp_path):
    ended = run("report", folder, "--json")
    assert ended.status == 0, ended.err
    told = json.loads(ended.out)
    assert told == {
        "schema": 1, "path": str(folder / "report.html"), "kind": "replay",
        "size_bytes": (folder / "report.html").stat().st_size, "points": None, "interactive": False,
    }  # fmt: skip
    again = run("report", folder)
    assert (again.status, again.out) == (2, "")
    assert (
        again.err
        == f"archsim: error: {folder}/report.html: exists already; choose a new name or remove it first\n"
    )
    (folder / "report.html").unlink()
    assert (
        run("report", study, "--out", tmp_path / "x.html").out
        == f"{tmp_path}/x.html: {(tmp_path / 'x.html').stat().st_size / 1e6:.2f} MB\n"
    )
    assert run("report", study, "--out", tmp_path / "x.pdf").status == 2


def test_a_study_with_a_report_in_it_is_still_that_study(tmp_path):
    path = write_study(tmp_path / "study")
    before = open_study(path).digest()
    assert run("report", path).status == 0
    assert open_study(path).digest() == before


def test_a_replay_notes_its_command(native_trace, tmp_path):
    out = tmp_path / "out"
    assert run("replay", native_trace, "--system", "host-1rank", "--out", out).status == 0
    told = json.loads((out / "run.json").read_text())
    assert told["command"].startswith(f"archsim replay {native_trace} --system host-1rank")
    assert re.fullmatch(r"[\d.]+\+[0-9a-f]{12}", told["code_version"])
    _, page = page_of(out, tmp_path)
    assert told["command"] in page.by_id("run")["text"]


def test_a_page_cites_whose_models_and_data_were_used(pages, comparison):
    _, page = pages["folder"]
    told = page.by_id("citations")["text"]
    for citation in comparison.citations():
        assert citation.entry.key in told
        assert str(citation.entry) in told


def test_a_study_says_of_which_systems_it_cites_nothing(pages, tmp_path):
    _, page = pages["study"]
    assert f"Left out: those of near, {HOSTILE}," in page.by_id("citations")["text"]
    system = load_system("host-1rank")
    point = {"system": system.name, "trace": "t", SIZE: 8192}
    sweep = sweep_of([point], [{"paths": [SIZE], "columns": [SIZE], "values": []}])
    sweep["systems"] = [{"name": system.name, "source": "host-1rank", "sha256": system.sha256()}]
    _, page = page_of(written(tmp_path / "whole", sweep, []), tmp_path)
    told = page.by_id("citations")["text"]
    assert "Left out" not in told
    assert "rixner2000memory" in told
