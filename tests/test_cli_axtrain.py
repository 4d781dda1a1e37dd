"""``archsim axtrain``."""

import sys

import numpy as np
import pytest
from program import run, strict_json

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from archsim.approx import multiplier

SHORT = ("--seeds", "1", "--effort", "0.02", "--workers", "1")


def test_a_folder_has_table_json_and_picture(tmp_path):
    out = tmp_path / "out"
    ended = run("axtrain", "cancer", "--multiplier", "drum3", *SHORT, "--out", out)
    assert ended.status == 0
    assert (out / "table.txt").read_text(encoding="utf-8") == ended.out
    assert "post-training" in ended.out
    assert {path.name for path in out.iterdir()} == {"table.txt", "axtrain.json", "accuracy.png"}
    document = strict_json((out / "axtrain.json").read_text(encoding="utf-8"))
    assert [row["method"] for row in document["rows"]] == [
        "exact",
        "post-training",
        "passive",
        "active",
        "both",
    ]
    again = run("axtrain", "cancer", *SHORT, "--out", out)
    assert again.status == 2
    assert "exists already" in again.err


def test_voltages_and_tables_are_conditions_and_claimed_costs_become_energy(tmp_path):
    np.save(tmp_path / "own.npy", np.roll(multiplier("truncate_3", 8, True).table(), (128, 128), (0, 1)))
    (tmp_path / "own.c").write_text(
        "// PDK45_PWR = 0.2 mW\n// PDK45_DELAY = 1.0 ns\n// PDK45_AREA = 300 um2\n"
    )
    (tmp_path / "rates.csv").write_text("voltage_v,rate\n0.4,0.1\n0.6,0\n")
    options = ("--voltage", "nominal", "--voltage", "450mV", "--rates", tmp_path / "rates.csv", "--json")
    ended = run("axtrain", "cancer", "--multiplier", tmp_path / "own.npy", *SHORT, *options)
    assert ended.status == 0
    rows = strict_json(ended.out)["rows"]
    assert {row["voltage_v"] for row in rows} == {None, 0.45}
    products = 30 * 8 + 8 * 2
    assert all(
        row["products_pj"] == pytest.approx(0.2 * products, abs=0.25)
        for row in rows
        if row["method"] != "exact"
    )


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["digit"], "did you mean 'digits'"),
        (["cancer", "--multiplier", "drum99"], "k = 99"),
        (["cancer", "--multiplier", "none.npy"], "none.npy: cannot be read"),
        (["cancer", "--voltage", "low"], "--voltage low: must be a number of volts"),
        (["cancer", "--voltage", "0"], "voltage_v = 0.0"),
        (["cancer", "--rates", "none.csv"], "none.csv"),
        (["cancer", "--bits", "12"], "--bits 12: must be from 4 to 10"),
        (["cancer", "--effort", "0"], "effort = 0"),
        (["cancer", "--multiplier", "udm", "--bits", "7"], "bits = 7"),
    ],
)
def test_bad_input_is_one_line(arguments, rule):
    ended = run("axtrain", *arguments)
    assert ended.status == 2
    assert rule in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out == ""


def test_without_torch_a_line_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("archsim.axtrain")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    ended = run("axtrain", "cancer")
    assert ended.status == 2
    assert 'pip install "archsim[train]"' in ended.err
    assert ended.err.count("\n") == 1
