"""The one pipeline: lookups become addresses, and addresses replay as the lookups did."""

import csv
import importlib.util
import json
import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program import run, strict_json
from test_lowering import frame_of, units_of
from test_systems import ragged_trace

import archsim
from archsim import InputError, compare, load_system, lower_trace, simulate
from archsim.dram.engine import replay_lines
from archsim.report.folder import write_report
from archsim.report.plots import plot_comparison
from archsim.systems import requests
from archsim.systems.requests import lower_windows
from archsim.traces import AddressTrace, EmbeddingTrace, Table

HOST = load_system("host-2rank")
HOSTS = {
    "random": HOST,
    "colored": load_system("host-4rank", ["placement.policy=colored"]),
    "contiguous": load_system("host-8rank", ["placement.policy=contiguous", "placement.align_bytes=1"]),
    "two channels": load_system("host-2rank", ["dram.organization.channels=2"]),
    "hbm2": load_system("host-1rank", ["dram.preset=hbm2-2000"]),
}
SEEDS = st.integers(0, 2**32)


def figures(result):
    """Everything a result says but the CPU time and which trace it was."""
    data = compare([result]).to_dict()["runs"][0]
    del data["kernel_cpu_s"]
    histogram = [result.latency_clk.tolist(), result.latency_count.tolist()]
    series = None if result.series is None else {k: v.tolist() for k, v in result.series.items()}
    return json.dumps([data, histogram, result.banks, series, result.commands.tolist()], allow_nan=False)


# Lookups and what they are lowered to


@settings(derandomize=True, deadline=None, max_examples=25)
@given(SEEDS, st.sampled_from(sorted(HOSTS)), st.sampled_from([1, 7, 1 << 17]))
def test_addresses_of_lookups_replay_exactly_as_the_lookups(seed, name, chunk):
    system, trace = HOSTS[name], ragged_trace(random.Random(seed), updates=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests, "CHUNK_LOOKUPS", chunk)
        lowered = lower_trace(system, trace)
        asked = {"log_limit": 10**6, "interval_ns": 100.0}
        lookups, addresses = (simulate(system, each, **asked) for each in (trace, lowered))
    assert figures(lookups) == figures(addresses)
    assert (lookups.trace.lookups, addresses.trace.lookups) == (trace.lookups, None)
    assert lookups.trace.requests == addresses.trace.requests


@settings(derandomize=True, deadline=None, max_examples=15)
@given(SEEDS)
def test_a_lowered_trace_holds_the_lines_of_each_vector_with_its_operation_and_arrival(seed):
    trace = ragged_trace(random.Random(seed), updates=True)
    lowered = lower_trace(HOST, trace)
    lowered.validate()
    expected = []
    page = HOST.placement.page_bytes
    for lookup, (row, bag) in enumerate(zip(trace.rows.tolist(), trace.bag.tolist(), strict=True)):
        number = int(trace.bag_tables[bag])
        first = (0 if number == 0 else 10_000 * 64 // page * page + page) + row * trace.tables[
            number
        ].vector_bytes
        for byte in range(first, first + trace.tables[number].vector_bytes, 64):
            time = None if trace.time_ps is None else int(trace.time_ps[bag])
            expected.append(
                (frame_of(byte // page, HOST) * page + byte % page, int(trace.operation[lookup]), time)
            )
    times = [None] * lowered.requests if lowered.time is None else lowered.time.tolist()
    assert list(zip(lowered.address.tolist(), lowered.operation.tolist(), times, strict=True)) == expected
    assert lowered.time_unit == "ps"
    assert len(expected) == sum(
        len(units_of(int(r), int(t), trace.tables, HOST))
        for r, t in zip(trace.rows, trace.table, strict=True)
    )


def test_windows_one_after_another_are_the_lowered_trace(monkeypatch):
    trace = ragged_trace(random.Random(5), updates=True)
    whole = lower_trace(HOST, trace)
    monkeypatch.setattr(requests, "CHUNK_LOOKUPS", 3)
    windows = list(lower_windows(HOST, trace))
    assert len(windows) == -(-trace.lookups // 3) > 1
    assert lower_trace(HOST, trace).sha256 == whole.sha256
    for name, column in whole.columns.items():
        assert np.array_equal(np.concatenate([getattr(window, name) for window in windows]), column)
    assert {window.name for window in windows} == {whole.name}


def test_bags_that_are_not_in_order_of_arrival_have_no_trace_of_addresses(monkeypatch):
    late = EmbeddingTrace(
        "late",
        [Table("t", 10, 64)],
        np.arange(6),
        np.arange(0, 7, 2),
        np.zeros(3, np.int32),
        time_ps=np.array([0, 9, 5]),
    )
    for chunk in (1, 2, 100):
        monkeypatch.setattr(requests, "CHUNK_LOOKUPS", chunk)
        with pytest.raises(
            InputError, match="late: bag 2: time_ps = 5 is before the 9 of bag 1; a trace of addresses"
        ):
            lower_trace(HOST, late)
    with pytest.raises(InputError, match="bag 0: time_ps = -1 is negative"):
        lower_trace(HOST, replace(late, time_ps=np.array([-1, 0, 5])))


def test_an_unsound_trace_is_not_lowered():
    bad = EmbeddingTrace(
        "bad", [Table("t", 10, 64)], np.array([3, 10]), np.array([0, 2]), np.zeros(1, np.int32)
    )
    with pytest.raises(InputError, match="row 10 is outside"):
        lower_trace(HOST, bad)


def test_the_python_of_the_contract_runs(capsys):
    page = (Path(__file__).parents[1] / "docs" / "lowering.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    exec(compile(block, "lowering.md", "exec"), {})
    assert capsys.readouterr().out.startswith("[")


# Raw addresses


def addresses(n=2000, seed=1, **columns):
    dice = random.Random(seed)
    return AddressTrace("raw", np.array([dice.randrange(2**34) for _ in range(n)]), **columns)


@pytest.mark.parametrize("per_clk", [None, 1, 30])
def test_addresses_are_the_lines_that_hold_them_at_the_clocks_they_name(per_clk):
    dice = random.Random(2)
    clk = None if per_clk is None else np.cumsum([dice.randrange(2 * per_clk) for _ in range(2000)])
    kinds = np.array([dice.random() < 0.3 for _ in range(2000)], np.uint8)
    trace = addresses(operation=kinds, time=clk)
    result = simulate(HOST, trace)
    memory = replay_lines(HOST.dram, trace.address // 64, writes=kinds, arrivals_clk=clk)
    assert result.counts == memory.counts()
    assert result.cycles == memory.counts()["last_data_clk"]


def test_picoseconds_count_as_the_first_clock_edge_at_or_after_them():
    # Far enough apart that each request meets an idle memory and is served when it comes.
    tCK_ps, far = HOST.dram.timing.tCK_ps, 100 * np.arange(6)
    ps = far * tCK_ps + np.array([0, 1, tCK_ps - 1, tCK_ps, tCK_ps + 1, 2 * tCK_ps])
    clk = far + np.array([0, 1, 1, 1, 2, 2])
    address = np.arange(6) * 2**20
    by_ps = simulate(HOST, AddressTrace("ps", address, time=ps, time_unit="ps"), log_limit=100)
    by_clk = simulate(HOST, AddressTrace("clk", address, time=clk), log_limit=100)
    assert figures(by_ps) == figures(by_clk)


@pytest.mark.parametrize("chunk", [1, 7, 1 << 17])
def test_an_address_beyond_the_memory_is_refused_naming_its_request(chunk, monkeypatch):
    monkeypatch.setattr(requests, "CHUNK_LOOKUPS", chunk)
    capacity = HOST.dram.organization.capacity_bytes
    address = np.arange(20) * 64
    address[11:13] = capacity, capacity + 64
    with pytest.raises(InputError) as refused:
        simulate(HOST, AddressTrace("far", address))
    assert str(refused.value) == (
        f"far: request 11: address {capacity} ({capacity:#x}) is outside the memory of system 'host-2rank', 16 GiB "
        f"({capacity} bytes)"
    )
    address[11:13] = capacity - 1, capacity - 64
    assert simulate(HOST, AddressTrace("near", address)).trace.requests == 20


def test_recnmp_takes_no_addresses():
    with pytest.raises(
        InputError, match=re.escape("raw: system 'recnmp-base-2rank' sums embedding vectors, and")
    ):
        simulate(load_system("recnmp-base-2rank"), addresses(10))


def test_an_unsound_trace_of_addresses_is_not_replayed():
    with pytest.raises(InputError, match="raw: request 1: time = 4 is before"):
        simulate(HOST, addresses(3, time=np.array([5, 4, 9])))


def test_progress_counts_addresses():
    done = []
    simulate(HOST, addresses(300), progress=done.append)
    assert sum(done) == 300


def test_accesses_of_half_a_line_are_two_requests():
    result = simulate(HOSTS["hbm2"], AddressTrace("raw", np.arange(100) * 64))
    assert result.trace.requests == 100 * HOSTS["hbm2"].dram.organization.accesses_per_line == 200


# What is said about it


def test_results_of_addresses_speak_of_requests_and_name_no_lookups(tmp_path):
    comparison = compare([simulate(HOST, addresses(1234))])
    identity = comparison.to_dict()["trace"]
    assert (identity["lookups"], identity["requests"], identity["name"]) == (None, 1234, "raw")
    assert identity["sha256"] == addresses(1234).sha256
    assert str(comparison).startswith(
        f"trace raw: 1,234 requests by address, sha256 {identity['sha256'][:12]}\n"
    )
    assert "lookups" not in str(comparison)
    assert plot_comparison(comparison).get_suptitle() == "raw: 1,234 requests by address"
    write_report(comparison, tmp_path / "report")
    assert strict_json((tmp_path / "report" / "results.json").read_text()) == comparison.to_dict()


def test_the_command_line_replays_addresses_on_hosts_alone(monkeypatch):
    monkeypatch.setattr("archsim.traces.open_trace", lambda *_, **__: addresses(500))
    status, out, err = run("replay", "raw", "--system", "host-2rank", "--json")
    assert (status, err) == (0, "")
    assert strict_json(out)["trace"]["lookups"] is None
    monkeypatch.setattr("archsim.simulation.simulate", lambda *_, **__: pytest.fail("replayed for nothing"))
    status, out, err = run("replay", "raw")
    assert (status, out) == (2, "")
    assert err == (
        "archsim: error: raw: system 'recnmp-base-8rank' sums embedding vectors, and a trace of addresses names none; "
        "replay it with --system host-8rank or another host\n"
    )
    status, _, err = run("replay", "raw", "--copies", "2", "--system", "host-2rank")
    assert (status, err) == (
        2,
        "archsim: error: raw: --with and --copies co-locate models; a trace of addresses has none\n",
    )


# Against the figures of other simulators


REFERENCE = Path(__file__).parents[1].parent / "shared" / "reference" / "dram"


def reference_addresses(name, ranks):
    """Read a recorded trace as the byte addresses that both simulators were given."""
    code = importlib.util.spec_from_file_location("make_traces", REFERENCE / "make_traces.py")
    module = importlib.util.module_from_spec(code)
    code.loader.exec_module(module)
    lines = np.load(REFERENCE / "traces" / f"{name}.npz")["line"]
    fields = {"col": 7, "ra": (ranks - 1).bit_length(), "bg": 2, "ba": 2, "ro": 16}
    return AddressTrace(name, module.encode_native(lines.astype(np.uint64), fields, "skl").astype(np.int64))


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="../shared/reference/dram is not on this machine")
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(
    ("name", "config", "variant", "off_by"),
    [
        ("random", "ramulator2:{}/ramulator2_DDR4_{}r_rowhit32.yaml", "rowhit32", 0),
        ("sls64", "ramulator2:{}/ramulator2_DDR4_{}r_rowhit32.yaml", "rowhit32", 0),
        (
            "random",
            "dramsim3:{}/dramsim3_DDR4_{}r_rank32.ini",
            "rank32",
            1,
        ),  # notices a return one clock later
    ],
)
def test_a_million_recorded_addresses_take_the_clocks_that_were_measured(
    name, config, variant, off_by, ranks
):
    with (REFERENCE / "reference.csv").open(newline="") as file:
        (row,) = (
            row
            for row in csv.DictReader(file)
            if (row["standard"], row["trace"], row["mapping"], row["variant"], row["mode"], row["ranks"])
            == ("DDR4", name, "skl", variant, "saturated", str(ranks))
            and row["simulator"] == config.partition(":")[0]
        )
    system = archsim.load_system(config.format(REFERENCE / "configs", ranks))
    result = simulate(system, reference_addresses(name, ranks))
    assert result.cycles == int(row["cycles"]) - off_by
    average_clk = result.counts["latency_sum_clk"] / result.counts["reads"]
    assert average_clk == pytest.approx(float(row["avg_latency"]), abs=0.006)  # printed with two decimals
