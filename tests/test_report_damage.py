"""A page of a damaged folder: written, or refused in one line; never a traceback."""

import json

import pytest
from study_rows import refusal

import archsim
from archsim.errors import InputError
from archsim.report import html_replay
from archsim.report.folder import write_report
from archsim.report.html_replay import replay_sections
from archsim.report.html_study import study_sections

WRONG = [None, 3, "x", [[]]]


@pytest.fixture(scope="module")
def trace():
    return archsim.open_trace("preset:zipf", overrides=["lookups=500", "rows=5000"])


@pytest.fixture(scope="module")
def folder(trace, tmp_path_factory):
    systems = [archsim.load_system("host-2rank"), archsim.load_system("recnmp-opt-4rank")]
    path = tmp_path_factory.mktemp("reports") / "folder"
    write_report(archsim.compare([archsim.simulate(system, trace) for system in systems]), path)
    for picture in path.glob("*.png"):
        picture.unlink()
    return path


@pytest.fixture
def study(tmp_path):
    axes = {"dram.preset": ["ddr4-2400"], "dram.timing.tRCD": [16]}
    options = {"limit": 200, "workers": 0, "progress": False}
    archsim.sweep(
        "preset:zipf", "host-2rank", axes, out=tmp_path / "s", where="system == 'host-2rank'", **options
    )
    return tmp_path / "s"


def places(tree, path=()):
    """Yield every place of a tree; of a list the first two."""
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree[:2]) if isinstance(tree, list) else ()
    for key, value in inside:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(text, path, value):
    tree = json.loads(text)
    inner = tree
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(tree)


def outcomes(file, read, wrong=WRONG):
    """Change every place of a JSON file to every wrong value; return what was refused."""
    text = file.read_text()
    refused = []
    for path in places(json.loads(text)):
        if path[0] == "specs" and len(path) > 3:  # what a system refuses has tests of its own
            continue
        for value in wrong:
            file.write_text(changed(text, path, value))
            try:
                read()
            except InputError as error:
                refused.append(str(error))
    file.write_text(text)
    assert all(line.startswith(str(file.parent)) and "\n" not in line for line in refused)
    return refused


def test_any_value_of_results_may_be_anything(folder, monkeypatch):
    systems = [archsim.load_system(str(file)) for file in sorted((folder / "systems").glob("*.toml"))]
    monkeypatch.setattr("archsim.report.html_replay._systems", lambda *_: systems)
    for name in ("configuration_section", "citations_section"):
        monkeypatch.setattr(f"archsim.report.html_replay.{name}", lambda *_: "")
    assert len(outcomes(folder / "results.json", lambda: replay_sections(folder))) > 50


def test_damage_of_results_names_its_place(folder):
    text = (folder / "results.json").read_text()
    for path, value, place in (
        (("runs", 1, "energy"), 3, "runs[1].energy: damaged: "),
        (("runs", 0, "utilisation"), 3, "runs[0].utilisation: damaged: "),
        (("runs", 1, "system"), [], "runs[1].system: damaged: must be a text"),
        (("trace", "lookups"), "x", "trace: damaged: "),
    ):
        (folder / "results.json").write_text(changed(text, path, value))
        assert f"{folder / 'results.json'}: {place}" in refusal(lambda: replay_sections(folder))
    (folder / "results.json").write_text(text)


def test_any_value_of_a_study_may_be_anything(study, monkeypatch):
    monkeypatch.setattr("archsim.report.html_study._pictures", lambda *_: [])
    monkeypatch.setattr("archsim.report.html_study.citations_section", lambda *_, **__: "")
    file = study / "study.json"
    refused = outcomes(file, lambda: study_sections(archsim.open_study(study), plot=False))
    assert len(refused) > 50
    assert any(
        f"{file}: sweeps[0].traces[0].workload: damaged: must be a list of texts" in line for line in refused
    )
    assert any(
        f"{file}: sweeps[0].axes[1].values[0]: damaged: must be a list of texts" in line for line in refused
    )


def test_a_hundred_systems_and_more_stand_in_the_order_of_their_runs(tmp_path):
    (tmp_path / "systems").mkdir()
    system = archsim.load_system("host-2rank")
    for number in range(1, 103):
        text = system.model_copy(update={"name": f"s{number}"}).to_toml()
        (tmp_path / "systems" / f"{number:02d}-s{number}.toml").write_text(text)
    assert [spec.name for spec in html_replay._systems(tmp_path, 102)] == [
        f"s{number}" for number in range(1, 103)
    ]
