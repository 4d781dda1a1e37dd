"""What the page of a study cites: its systems as they were, from the study alone."""

import json

import pytest
from report_pages import Parsed

import archsim
from archsim.report.html import write_html


@pytest.fixture
def cited(tmp_path, monkeypatch):
    """Write a study of one trace and return its folder, and what its page cites, read from another directory."""

    def of(systems, axes=(), change=lambda found: None, **options):
        folder = tmp_path / "study"
        options |= {"limit": 200, "workers": 0, "progress": False}
        archsim.sweep("preset:zipf", systems, axes, out=folder, **options)
        file = folder / "study.json"
        found = json.loads(file.read_text())
        change(found)
        file.write_text(json.dumps(found))
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        write_html(folder, tmp_path / "page.html")
        return Parsed((tmp_path / "page.html").read_text()).by_id("citations")["text"]

    return of


def test_a_system_under_set_is_cited(cited):
    told = cited("host-2rank", overrides=["dram.timing.tRCD=17"])
    assert "rixner2000memory" in told
    assert "Left out" not in told


def test_a_system_of_a_file_seen_from_another_directory_is_cited(cited, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(archsim.load_system("host-2rank").to_toml())
    told = cited("mine.toml", {"dram.timing.tRCD": [16, 17]})
    assert "rixner2000memory" in told
    assert "Left out" not in told


def test_no_file_that_a_study_names_is_opened(cited, tmp_path):
    def change(found):
        (tmp_path / "bait.toml").write_text(archsim.load_system("host-2rank").to_toml())
        del found["specs"]
        for system in found["sweeps"][0]["systems"]:
            system["source"] = str(tmp_path / "bait.toml")

    assert "Left out: those of host-2rank," in cited("host-2rank", change=change)


def test_a_system_that_is_not_what_its_hash_says_is_not_cited(cited):
    def change(found):
        (tree,) = found["specs"].values()
        tree["dram"]["timing"]["tRCD"] += 1

    assert "Left out: those of host-2rank," in cited("host-2rank", change=change)


def test_a_preset_that_an_axis_chooses_is_cited(cited):
    told = cited(
        "host-2rank",
        {"dram.preset": ["ddr4-2400", "ddr5-4800", "ddr3-1600"]},
        where="dram.preset != 'ddr3-1600'",
    )
    assert "jesd79-5" in told
    assert "jesd79-3" not in told
    assert "Left out" not in told


def test_a_system_is_kept_once_for_all_sweeps_and_merged_studies(tmp_path):
    def sweep(out, *values):
        axes = {"dram.timing.tRCD": values}
        return archsim.sweep(
            "preset:zipf", "host-2rank", axes, out=tmp_path / out, limit=200, workers=0, progress=False
        )

    sweep("a", 16)
    sweep("a", 16, 17)
    sweep("b", 18)
    both = archsim.merge_studies([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    system = archsim.load_system("host-2rank")
    assert len(both.definition.sweeps) == 3
    assert both.definition.specs == {system.sha256(): json.loads(system.canonical_json())}
