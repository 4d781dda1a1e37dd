"""The program that compares with other simulators: its figures, its traces, its verdicts."""

import csv
import json
from dataclasses import replace
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from program import run, strict_json

import archsim
from archsim import validate as validations
from archsim.errors import InputError
from archsim.spec import apply_overrides
from archsim.validate import dram, dram_micro, page
from archsim.validate import reference_traces as traces
from archsim.validate.row import Row

SHARED = Path(__file__).parents[1].parent / "shared"
REFERENCE = SHARED / "reference" / "dram"
needs_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="../shared/reference/dram is not on this machine"
)

HOLDS = Row("run", "clocks", 100.0, 100.4, 0.005)
FAILS = Row("run", "clocks", 100.0, 100.6, 0.005, "because")
SHOWN = Row("run", "clocks", 100.0, 200.0, None)
MISSING = Row("run", "clocks", 100.0, None, 0.005, "not run: needs --data DIR")


@pytest.fixture
def only(monkeypatch):
    """Let the validation ``dram`` yield these rows."""
    return lambda *rows: monkeypatch.setattr(dram, "rows", lambda data: iter(rows))


# ------------------------------------------------------------------------------------------------------ verdicts


def test_a_row_holds_within_its_tolerance_and_is_not_judged_without_one():
    assert [row.holds for row in (HOLDS, FAILS, SHOWN, MISSING)] == [True, False, None, None]
    assert FAILS.deviation == pytest.approx(0.006)
    assert MISSING.deviation is None


def test_an_exact_row_holds_only_when_equal():
    exact = replace(HOLDS, tolerance=0.0)
    assert exact.holds is False
    assert replace(exact, measured=100.0).holds is True


def test_json_has_the_promised_keys(only):
    only(HOLDS, MISSING)
    ended = run("validate", "dram", "--json")
    rows = strict_json(ended.out)["rows"]
    assert ended.status == 0
    keys = {"figure", "quantity", "expected", "measured", "deviation", "tolerance", "holds", "note"}
    assert [set(row) for row in rows] == [keys, keys]
    assert [row["holds"] for row in rows] == [True, None]


@pytest.mark.parametrize(("rows", "status"), [((HOLDS, SHOWN, MISSING), 0), ((HOLDS, FAILS), 1)])
def test_a_row_that_does_not_hold_makes_exit_status_1(only, rows, status):
    only(*rows)
    ended = run("validate", "dram")
    assert (ended.status, ended.err) == (status, "")


def test_the_table_names_what_fails_and_why(only):
    only(HOLDS, FAILS, SHOWN, MISSING)
    lines = run("validate", "dram").out.splitlines()
    assert lines[1].split()[-1] == "yes"
    assert lines[2].split()[-1] == "NO"
    assert lines[3].strip() == "because"
    assert "not run: needs --data DIR" in lines[6]
    assert lines[-1] == "1 rows hold, 1 do not, 1 are shown without a tolerance, 1 were not run"


def test_the_page_is_written_whole_and_never_over_a_file(only, tmp_path):
    only(HOLDS, FAILS)
    target = tmp_path / "validation.md"
    assert run("validate", "dram", "--write", target).status == 1
    text = target.read_text()
    assert "| run | clocks | 100 | 100.600 | +0.600 % | 0.500 % | **NO** | because |" in text
    assert "1 rows hold, 1 do not" in text
    ended = run("validate", "dram", "--write", target)
    assert ended.status == 2
    assert "exists already" in ended.err
    assert target.read_text() == text


def test_an_unknown_validation_is_refused_before_anything_runs():
    ended = run("validate", "drams")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == "archsim: error: 'drams': unknown validation (did you mean 'dram'?)\n"


def test_every_name_is_a_module_with_rows():
    for name in validations.NAMES:
        assert callable(import_module(f"archsim.validate.{name}").rows)


# -------------------------------------------------------------------------------------------------------- traces


@pytest.mark.parametrize("name", sorted(traces.SHA256.keys() - {"kaggle128"}))
def test_a_trace_is_the_measured_one(name):
    lines, writes = traces.reference_trace(name)
    assert len(lines) == len(writes) == traces.REQUESTS
    assert traces.fingerprint(lines, writes) == traces.SHA256[name]
    assert writes.any() == (name == "mix")


@needs_reference
@pytest.mark.parametrize("name", sorted(traces.SHA256))
def test_a_generated_trace_equals_the_recorded_one(name):
    with np.load(REFERENCE / "traces" / f"{name}.npz") as file:
        recorded = file["line"]
        flags = np.unpackbits(file["write"]) if "write" in file else np.zeros(len(recorded), dtype=np.uint8)
    lines, writes = traces.reference_trace(name, SHARED / "data" / "kaggle-emb")
    assert np.array_equal(lines, recorded)
    assert np.array_equal(writes, flags[: len(recorded)])


def test_a_trace_of_other_numbers_is_missing_rather_than_used(monkeypatch):
    monkeypatch.setitem(traces.SHA256, "stream", "0" * 64)
    traces._generated.cache_clear()
    with pytest.raises(traces.TraceMissingError, match="does not make the measured trace stream"):
        traces.reference_trace("stream")
    traces._generated.cache_clear()


def test_the_real_trace_needs_its_file(tmp_path):
    with pytest.raises(traces.TraceMissingError, match="needs --data DIR with"):
        traces.reference_trace("kaggle128")
    with pytest.raises(InputError, match="not the file of the trace kaggle128"):
        traces.reference_trace("kaggle128", tmp_path)


# ------------------------------------------------------------------------------------------------------- figures


def cases():
    """Return every case with the text of its figures."""
    for row in dram._table("dram.csv"):
        yield dram.Case.of(row), row


def test_a_trace_that_is_not_here_is_reported_and_fails_nothing():
    case, figures = next((c, f) for c, f in cases() if c.trace == "kaggle128" and c.simulator == "dramsim3")
    rows = list(dram._compare(case, figures, None))
    assert [row.quantity for row in rows] == ["clocks"]
    assert rows[0].note == "not run: needs --data DIR with kaggle-emb.npz"
    assert rows[0].holds is None


def test_tolerances_are_those_that_were_set():
    """Clocks of reads 0.5 % (1 rank) and 1.5 % (2), of mixed traffic and of other standards 3 %, DRAMSys reads 1 %."""
    for case, _ in cases():
        if case.simulator == "dramsys":
            expected = None if case.trace == "mix" else 0.01
        elif case.standard != "DDR4" or case.trace == "mix":
            expected = 0.03
        else:
            expected = {1: 0.005, 2: 0.015}[case.ranks]
        assert case.tolerance == expected


def test_latency_is_compared_where_requests_are_paced_and_energy_where_it_is_known():
    compared = {case.label: dram._expected(case, figures) for case, figures in cases()}
    tolerances = {quantity: set() for quantity in ("mean read latency, clocks", "energy, pJ")}
    for label, quantities in compared.items():
        names = [quantity for quantity, _, _ in quantities]
        assert ("mean read latency, clocks" in names) == label.endswith("paced30")
        for quantity, _, tolerance in quantities[1:]:
            tolerances[quantity].add(tolerance)
    assert tolerances == {"mean read latency, clocks": {0.02}, "energy, pJ": {0.05}}


@needs_reference
def test_the_figures_are_those_of_the_reference_files():
    with (REFERENCE / "reference.csv").open(newline="") as file:
        recorded = list(csv.DictReader(file))
    ours = list(dram._table("dram.csv"))
    assert len(ours) == len(recorded)
    for row, theirs in zip(ours, recorded, strict=True):
        assert row == {key.lower(): theirs[key] for key in theirs if key.lower() in row}
    micro = (files("archsim.validate") / "data" / "dram_micro.csv").read_text()
    assert micro.splitlines() == (REFERENCE / "micro.csv").read_text().splitlines()


CONFIGURATIONS = {
    "ramulator2-ddr4": "ramulator2_DDR4_2r_rowhit32.yaml",
    "ramulator2-ddr5": "ramulator2_DDR5_1r_rowhit32.yaml",
    "ramulator2-hbm2": "ramulator2_HBM2_1r_rowhit32.yaml",
    "ramulator2-hbm3": "ramulator2_HBM3_1r_rowhit32.yaml",
    "dramsim3-ddr4": "dramsim3_DDR4_2r_bank8.ini",
    "dramsim3-hbm2": "dramsim3_HBM2_1r_bank8.ini",
}


@needs_reference
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_shipped_memory_is_what_its_configuration_file_says(name):
    simulator = name.partition("-")[0]
    file = REFERENCE / "configs" / CONFIGURATIONS[name]
    theirs = archsim.load_system(f"{simulator}:{file}").dram.to_dict()
    ours = dram._memory(name).to_dict()
    for key in ("organization", "timing", "rules", "refresh", "idle", "energy", "controller"):
        assert ours[key] == theirs[key], key


@needs_reference
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("variant", ["rowhit32", "frfcfs32", "bank8", "rank32"])
def test_a_variant_is_what_its_configuration_file_says(ranks, variant):
    simulator = "ramulator2" if variant.endswith("fcfs32") or variant == "rowhit32" else "dramsim3"
    suffix = "yaml" if simulator == "ramulator2" else "ini"
    file = REFERENCE / "configs" / f"{simulator}_DDR4_{ranks}r_{variant}.{suffix}"
    theirs = archsim.load_system(f"{simulator}:{file}").dram
    case = dram.Case(simulator, "DDR4", ranks, "stream", "roco", variant, "saturated", 1)
    ours = dram.spec_of(case)
    assert ours.controller == theirs.controller
    assert ours.organization == theirs.organization
    # With one rank nothing is staggered: its refresh falls due at tREFI either way.
    refresh = ["refresh.staggered=true"] if ranks == 1 else []
    assert ours.refresh == apply_overrides(theirs, refresh).refresh


# -------------------------------------------------------------------------------------------------------- results


def test_every_read_sequence_takes_exactly_the_clocks_measured():
    rows = list(dram._micro())
    assert len(rows) == 15 * 4 * 2
    for row in rows:
        if "write" not in row.figure:
            assert row.holds, row


def test_sequences_have_as_many_requests_as_their_figures_say():
    known = dram_micro.sequences()
    text = (files("archsim.validate") / "data" / "dram_micro.csv").read_text()
    for row in csv.DictReader(text.splitlines()):
        assert len(known[row["test"]].writes) == int(row["n_requests"])


@pytest.mark.parametrize(
    "wanted",
    [
        ("ramulator2", "DDR4", 1, "stream", "rowhit32", "saturated"),
        ("ramulator2", "HBM2", 1, "stream", "rowhit32", "saturated"),
        ("ramulator2", "HBM3", 1, "stream", "rowhit32", "saturated"),
        ("ramulator2", "DDR5", 1, "stream", "rowhit32", "saturated"),
        ("ramulator2", "DDR4", 2, "mix", "rowhit32", "paced30"),
        ("dramsim3", "DDR4", 2, "stream", "rank32", "saturated"),
        ("dramsim3", "DDR4", 2, "mix", "bank8", "paced30"),
        ("dramsim3", "HBM2", 1, "stream", "bank8", "saturated"),
        ("dramsys", "DDR4", 2, "stream", "rw32", "saturated"),
    ],
)
def test_one_row_of_each_kind_holds(wanted):
    keys = ("simulator", "standard", "ranks", "trace", "variant", "mode")
    found = [
        pair
        for pair in cases()
        if tuple(getattr(pair[0], key) for key in keys) == wanted and pair[0].mapping != "roco"
    ]
    assert len(found) == 1
    for row in dram._compare(*found[0], None):
        assert row.holds, row


def test_archsims_own_controller_is_reported_beside():
    case, figures = next((c, f) for c, f in cases() if (c.simulator, c.trace) == ("ramulator2", "stream"))
    first = next(iter(dram._compare(case, figures, None)))
    assert "archsim's default: 4," in first.note


def test_the_whole_table_can_be_printed():
    rows = [HOLDS, FAILS, SHOWN, MISSING, replace(HOLDS, expected=7.5e9, measured=7.51e9)]
    assert page.text_table(rows).count("\n") >= len(rows)
    assert json.dumps([row.to_dict() for row in rows])
