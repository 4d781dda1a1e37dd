"""Traces and design files that change under a running sweep, or between two: no row of what is not the study's."""

import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context

import numpy as np
import pytest

import archsim
from archsim.errors import InputError
from archsim.studies import worker
from archsim.traces import write_native

AXES = {"dram.timing.tRCD": [15, 16, 17], "dram.timing.tRP": [15, 16]}

DESIGN = """
from archsim.nmp import Design, register

@register
class Mine(Design):
    name = "mine"
    issue_clk = {issue_clk}
"""


@pytest.fixture
def sweep(tmp_path):
    """Run a sweep in this process unless told otherwise."""

    def run(trace, system="host-2rank", axes=AXES, *, out="study", **options):
        options.setdefault("workers", None if "executor" in options else 0)
        return archsim.sweep(trace, system, axes, out=tmp_path / out, progress=False, **options)

    return run


@pytest.fixture
def rewritten(native_trace, tmp_path, monkeypatch):
    """Return a trace, and a function that has it changed by ``act(folder)`` while its third point is replayed."""
    monkeypatch.setattr(worker, "_open", type(worker._open)())
    folder = tmp_path / "rewritten"
    shutil.copytree(native_trace, folder)
    replayed, rows = worker._replayed, []

    def install(act):
        def spy(*arguments):
            row = replayed(*arguments)
            rows.append(row)
            if len(rows) >= 3:
                act(folder)
            return row

        monkeypatch.setattr(worker, "_replayed", spy)
        return rows

    return folder, install


def test_a_trace_rewritten_under_a_replay_leaves_no_row_of_it(rewritten, sweep, tmp_path):
    folder, install = rewritten

    def act(folder):
        rows = np.load(folder / "rows.npy")
        np.save(folder / "rows.npy", np.full_like(rows, rows[0]))

    install(act)
    with pytest.raises(InputError, match=r"sha256 = .* but the columns hash to .*: damaged"):
        sweep(folder)
    assert len(archsim.open_study(tmp_path / "study")) == 2


def test_a_long_trace_that_changes_meanwhile_is_read_whole_again(rewritten, sweep, monkeypatch):
    monkeypatch.setattr("archsim.traces.formats.native.VERIFY_BYTES", 0)
    folder, install = rewritten
    install(lambda folder: np.save(folder / "rows.npy", np.load(folder / "rows.npy")[::-1].copy()))
    with pytest.raises(InputError, match=r"sha256 = .* but the columns hash to .*: damaged"):
        sweep(folder)


def test_another_trace_in_the_place_of_one_between_points_ends_the_sweep(rewritten, sweep, tmp_path):
    folder, install = rewritten
    other = archsim.open_trace("preset:zipf", overrides=["lookups=2000", "rows=4000"])

    def act(folder):
        shutil.rmtree(folder)
        write_native(other, folder)

    install(act)
    with pytest.raises(InputError, match="holds another trace than when the sweep began"):
        sweep(folder)
    assert len(archsim.open_study(tmp_path / "study")) == 2


def test_a_trace_written_again_with_the_same_content_costs_a_replay(rewritten, sweep):
    folder, install = rewritten
    times = iter(range(1, 3))

    def act(folder):
        if (now := next(times, None)) is not None:
            os.utime(folder / "rows.npy", ns=(now, now))

    replayed = install(act)
    study = sweep(folder)
    assert len(replayed) == 6 + 2
    assert study.counts["done"] == 6
    assert study.digest() == sweep(folder, out="alone").digest()


def test_a_trace_that_never_comes_to_rest_is_an_error(rewritten, sweep):
    folder, install = rewritten
    times = count(1)
    install(lambda folder: os.utime(folder / "rows.npy", ns=(next(times),) * 2))
    with pytest.raises(InputError, match="is written again and again"):
        sweep(folder)


def test_workers_that_outlive_a_sweep_load_the_design_of_the_next_one(
    sweep, native_trace, tmp_path, monkeypatch
):
    monkeypatch.setattr("archsim.nmp.designs._registered", {})
    files = {}
    for issue_clk in (1, 4):
        files[issue_clk] = tmp_path / f"design_{issue_clk}.py"
        files[issue_clk].write_text(DESIGN.format(issue_clk=issue_clk), encoding="utf-8")

    def times(issue_clk, out, **where):
        study = sweep(
            native_trace, "recnmp-base-2rank", {"dram.timing.tRCD": [15]}, out=out,
            overrides=["nmp.design=mine", "nmp.instructions_per_clk=1"], designs=[files[issue_clk]], **where,
        )  # fmt: skip
        return study.to_arrow("time_ns").to_pydict()["time_ns"]

    expected = {issue_clk: times(issue_clk, f"alone_{issue_clk}", workers=1) for issue_clk in files}
    assert expected[1] != expected[4]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        for number, issue_clk in enumerate([1, 4, 1]):
            where = {"executor": executor, "workers": 1}
            assert times(issue_clk, f"again_{number}", **where) == expected[issue_clk]


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        ("ValueError(object())", "ValueError: <object object at 0x...>"),
        (
            "ValueError('<A at 0x000001F0A1B2C3D4>, <B at 0x7f0011223344>')",
            "ValueError: <A at 0x...>, <B at 0x...>",
        ),
        ("ValueError('bits 0xff of 0x1ffff')", "ValueError: bits 0xff of 0x1ffff"),
    ],
)
def test_errors_are_the_same_in_every_process(raised, error, sweep, native_trace, tmp_path, monkeypatch):
    monkeypatch.setattr("archsim.nmp.designs._registered", {})
    monkeypatch.setattr(worker, "_designs", ())
    file = tmp_path / "design.py"
    file.write_text(
        DESIGN.format(issue_clk=1)
        + f"""
    def placed(self, coordinates, lookup, packet_first):
        raise {raised}
""",
        encoding="utf-8",
    )
    study = sweep(
        native_trace, "recnmp-base-2rank", {"dram.timing.tRCD": [15]}, overrides=["nmp.design=mine"], designs=[file]
    )  # fmt: skip
    found = study.to_arrow(["status", "error"], status=None).to_pylist()
    assert found == [{"status": "failed", "error": error}]
