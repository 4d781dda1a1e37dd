"""``archsim model``, and the comparison of whole models with the paper: what they print and what they refuse."""

import json
import math

import pytest
from models_stand_in import StandIn
from program import run, strict_json

from archsim.models.replays import Replays
from archsim.models.spec import load_model
from archsim.validate import recnmp_models
from archsim.validate.row import Row

QUICK = (
    "model",
    "rmc1-small",
    "--lookups",
    "2000",
    "--system",
    "host-8rank",
    "--system",
    "recnmp-base-8rank",
)
TIMES = {
    f"{kind}-{ranks}rank": 800.0 / (1 if kind == "host" else ranks)
    for kind in ("host", "near")
    for ranks in (2, 4, 8)
}


def test_the_table_has_a_line_for_every_system_and_count():
    ended = run(*QUICK, "--co-located", "1,3", "--batch", "16")
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert lines[0] == "model rmc1-small, batch 16, on skylake-18core-1.6ghz"
    assert [line.split()[:2] for line in lines[3:]] == [
        [system, count] for count in "13" for system in ("host-8rank", "recnmp-base-8rank")
    ]
    assert lines[3].endswith("1.00x")


def test_the_json_object_adds_up_and_is_the_same_every_time():
    first, again = (run(*QUICK, "--json").out for _ in range(2))
    assert first == again
    found = strict_json(first)
    assert found["model_sha256"] == load_model("rmc1-small").sha256()
    for one in found["runs"]:
        parts = one["sls_ns"] + one["bottom_ns"] + one["top_ns"] + one["other_ns"]
        assert math.isclose(one["latency_ns"], parts)
        assert math.isclose(one["speedup"], found["runs"][0]["latency_ns"] / one["latency_ns"])


def test_overrides_reach_the_model_and_the_processor():
    plain = json.loads(run(*QUICK, "--json").out)
    changed = json.loads(
        run(*QUICK, "--json", "--set", "model.batch=8", "--set", "processor.operator_ns=0").out
    )
    assert changed["batch"] == 8
    assert changed["model_sha256"] != plain["model_sha256"]
    assert changed["processor_sha256"] != plain["processor_sha256"]


def test_a_picture_is_written_once(tmp_path):
    path = tmp_path / "curve.png"
    assert run(*QUICK, "--co-located", "1,2", "--plot", path).status == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    again = run(*QUICK, "--plot", path)
    assert again.status == 2
    assert "exists" in again.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("model", "rmc2-larg"), "did you mean 'rmc2-large'"),
        ((*QUICK, "--batch", "0"), "at least 1"),
        ((*QUICK, "--co-located", "1,0"), "at least 1"),
        ((*QUICK, "--co-located", "1,x"), "not a whole number"),
        ((*QUICK, "--co-located", "19"), "at most the 18 cores"),
        ((*QUICK, "--set", "modl.batch=1"), "did you mean 'model'"),
        ((*QUICK, "--set", "model.bach=1"), "did you mean 'batch'"),
        ((*QUICK, "--set", "model.bottom=[4]"), "a layer at least"),
        ((*QUICK, "--method", "rato"), "did you mean 'ratio'"),
        ((*QUICK, "--processor", "skylake"), "skylake-18core-1.6ghz"),
        ((*QUICK, "--plot", "curve.txt"), "must end in .png, .svg or .pdf"),
        ((*QUICK, "--sweep", "--batch", "8"), "goes without"),
        (("model", "rmc1-small", "--system", "recnmp-base-8rank"), "must be of kind 'host'"),
        (("model", "rmc1-small", "--system", "host-8rank", "--sweep"), "needs two systems"),
    ],
    ids=lambda value: " ".join(value[6:]) if isinstance(value, tuple) else None,
)
def test_misuse_is_one_line_and_status_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run(*arguments)
    assert ended.status == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# -------------------------------------------------------------------------------------------- against the paper


@pytest.fixture
def stand_in(monkeypatch):
    """Systems whose replays are figures given by hand."""
    real = recnmp_models.load_system

    def load(name, overrides=()):
        spec = real(name.replace("near", "recnmp-base"), overrides)
        return spec.model_copy(update={"name": name})

    monkeypatch.setattr(recnmp_models, "load_system", load)
    return StandIn(times=TIMES)


def test_every_figure_of_the_paper_has_its_rows(stand_in):
    rows = list(recnmp_models.rows(stand_in, "near"))
    count = {}
    for row in rows:
        assert isinstance(row, Row)
        figure = row.figure.split(",")[0]
        count[figure] = count.get(figure, 0) + 1
    assert count == {
        "RecNMP Fig. 4": 4 * 4 * 3,
        "RecNMP Fig. 18a": 4 * (2 * 3 + 6),
        "RecNMP Fig. 18c": 2 * 2 * 2,
        "RecNMP Fig. 6": 4 * 8 + 1,
        "RecNMP Fig. 17": 2 * (9 + 9 + 9 + 2),
    }
    assert len({(row.figure, row.quantity) for row in rows}) == len(rows)


def test_only_end_to_end_speedups_are_judged_and_what_deviates_has_a_reason(stand_in):
    for row in recnmp_models.rows(stand_in, "near"):
        judged = "speedup" in row.quantity or "throughput" in row.quantity
        judged = judged and "sweep" not in row.figure
        assert (row.tolerance == 0.15) is judged
        assert row.tolerance is None or judged
        assert bool(row.note) is (row.deviation is not None and abs(row.deviation) > 0.15)


def test_the_model_does_not_read_what_it_is_compared_with(stand_in, monkeypatch):
    before = [row.measured for row in recnmp_models.rows(stand_in, "near")]

    def doubled(value):
        if isinstance(value, dict):
            return {key: doubled(each) for key, each in value.items()}
        if isinstance(value, list) and not all(isinstance(each, int) for each in value):
            return [2 * each for each in value]
        return value

    real = recnmp_models.figures()
    monkeypatch.setattr(recnmp_models, "figures", lambda: doubled(real))
    assert [row.measured for row in recnmp_models.rows(stand_in, "near")] == before


def test_what_is_assumed_is_said():
    assert any("Fig. 17" in line for line in recnmp_models.assumptions())


@pytest.mark.slow
def test_models_on_real_replays_keep_the_order_of_the_paper():
    rows = {(row.figure, row.quantity): row for row in recnmp_models.rows(Replays(20_000))}
    for name in recnmp_models.MODELS:
        found = [
            rows[f"RecNMP Fig. 18a, {name}, {ranks} ranks", "end-to-end speedup"].measured
            for ranks in (2, 4, 8)
        ]
        assert found == sorted(found)
    largest = [
        rows[f"RecNMP Fig. 18a, {name}, 8 ranks", "end-to-end speedup"].measured
        for name in recnmp_models.MODELS
    ]
    assert largest == sorted(largest)
