"""What a sweep finds in a folder that is there already: refused before anything changes, or left alone."""

import pytest

import archsim
from archsim.errors import InputError


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_values_of_another_kind_are_refused_before_the_study_changes(tmp_path, monkeypatch):
    def sweep(trace, *values):
        axes = {"workload.skew": values}
        return archsim.sweep(
            trace, "host-2rank", axes, out=tmp_path / "s", limit=200, workers=0, progress=False
        )

    sweep("preset:zipf", [0.9], [1.0])
    before = contents(tmp_path / "s")
    with monkeypatch.context() as patch:
        patch.setattr("archsim.studies.runner.run_point", lambda *_: pytest.fail("a point ran"))
        with pytest.raises(
            InputError,
            match=r"'workload.skew': holds float and str; .*; choose a new folder for the value '0.9'",
        ):
            sweep("preset:mlperf-dlrm-v2", 0.9, 1.0)
    assert contents(tmp_path / "s") == before
    assert len(sweep("preset:zipf", [0.9], [1.1])) == 3
