"""``archsim multiplier``."""

import numpy as np
import pytest
from program import run, strict_json

from archsim.approx import multiplier

KEYS = {"name", "bits", "signed", "ep", "med", "nmed", "mred", "wce", "wcre", "mse", "bias"}


def test_every_family_is_listed():
    ended = run("multiplier")
    assert ended.status == 0
    for name in ("exact", "drum6", "mitchell", "udm", "roba", "ssm5", "tosam_1_5", "truncate_3", "bam_7"):
        assert f"\n{name} " in ended.out
    assert "EvoApproxLib" in ended.out


def test_json_holds_ratios():
    rows = strict_json(run("multiplier", "exact", "truncate_3", "--json").out)["rows"]
    assert [row["name"] for row in rows] == ["exact", "truncate_3"]
    assert set(rows[1]) >= KEYS
    assert rows[1]["wcre"] == 1.0
    assert rows[1]["wce"] == 3521
    assert rows[0]["cost"]["area_um2"] == 709.6
    assert rows[1]["cost"]["kind"] == "cited"
    assert rows[1]["estimate"]["kind"] == "estimate"


def test_costs_say_whether_they_are_cited():
    row = strict_json(run("multiplier", "drum6", "--json").out)["rows"][0]
    assert row["cost"] is None
    assert row["estimate"]["energy_pj"] > 0
    lines = run("multiplier", "drum6", "exact").out.splitlines()
    assert lines[0].split()[-1] == "cost"
    assert [line.split()[-1] for line in lines[1:3]] == ["estimate", "cited"]
    assert "estimate: gates of the definition" in lines[-1]
    assert not any("estimate" in line for line in run("multiplier", "exact").out.splitlines())


def test_wide_operands_are_sampled_and_say_so():
    row = strict_json(run("multiplier", "drum6", "--bits", "16", "--json").out)["rows"][0]
    assert not row["exhaustive"]
    assert row["ci95"]["mred"] < 1e-4
    assert "sampled pairs" in run("multiplier", "drum6", "--bits", "16").out


def test_a_table_is_verified(tmp_path):
    np.save(tmp_path / "x.npy", np.roll(multiplier("roba", 8, True).table(), (128, 128), (0, 1)) & 0xFFFF)
    (tmp_path / "x.c").write_text("// WCE = 5\n")
    ended = run("multiplier", tmp_path / "x.npy", "--signed", "--claims", tmp_path / "x.c")
    assert ended.status == 0
    assert "MISMATCH: WCE: claimed 5, measured 1024" in ended.out
    assert "two's complement" in ended.out


@pytest.mark.parametrize("bits", ["8", "12"])
def test_the_errors_are_drawn(tmp_path, bits):
    target = tmp_path / "errors.png"
    assert run("multiplier", "drum4", "mitchell", "--bits", bits, "--signed", "--plot", target).status == 0
    assert target.read_bytes()[:4] == b"\x89PNG"
    again = run("multiplier", "drum4", "--plot", target)
    assert again.status == 2
    assert "exists already" in again.err


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["drum99"], "k = 99"),
        (["drum6", "--bits", "99"], "bits = 99"),
        (["--bits", "99"], "bits = 99"),
        (["exact", "--bits", "0"], "bits = 0"),
        (["nope.npy"], "nope.npy: cannot be read"),
        (["exact", "--claims", "x.c"], "is for one table, not 0"),
        (["exact", "--plot", "x.doc"], "must end in .png, .svg or .pdf"),
    ],
)
def test_bad_input_is_one_line(arguments, rule):
    ended = run("multiplier", *arguments)
    assert ended.status == 2
    assert rule in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out == ""
