"""What an architect expects of simulate(): scaling, conservation, energy that adds up, the same bits every time."""

import json
import math
import os
import random
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim import InputError, compare, load_system, simulate
from archsim.ledger import LedgerRow, total_nj
from archsim.systems import recnmp, requests
from archsim.traces import EmbeddingTrace, Table

HOST = {ranks: load_system(f"host-{ranks}rank") for ranks in (1, 2, 4, 8)}
RECNMP = {ranks: load_system(f"recnmp-base-{ranks}rank") for ranks in (2, 4, 8)}
SYSTEMS = [HOST[2], RECNMP[4]]
SEEDS = st.integers(0, 2**32)


def uniform_trace(bags=160, pooling=20, vector_bytes=128, tables=4, rows=1_000_000, **columns):
    """Uniform random rows, sample by sample: all ranks are busy alike."""
    dice = random.Random(1)
    return EmbeddingTrace(
        name="uniform",
        tables=[Table(f"table {t}", rows, vector_bytes) for t in range(tables)],
        rows=np.array([dice.randrange(rows) for _ in range(bags * pooling)]),
        bag_offsets=np.arange(bags + 1) * pooling,
        bag_tables=(np.arange(bags) % tables).astype(np.int32),
        order="sample-major",
        sample=np.arange(bags) // tables,
        **columns,
    )


def ragged_trace(dice, most_bags=25, updates=False):
    """Bags of any size, hot rows, optional columns."""
    lengths = [1, *(dice.choice([0, 1, 3, 30]) for _ in range(dice.randrange(most_bags)))]
    lookups = sum(lengths)
    rows = [dice.choice([dice.randrange(50), dice.randrange(10_000)]) for _ in range(lookups)]
    times = np.cumsum([dice.choice([0, 1000, 10**6]) for _ in lengths])
    weights = np.array([dice.uniform(0, 1) for _ in rows], np.float32)
    return EmbeddingTrace(
        name="ragged",
        tables=[Table("narrow", 10_000, 64), Table("wide", 10_000, 256, "float16")],
        rows=np.array(rows),
        bag_offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        bag_tables=np.array([dice.randrange(2) for _ in lengths], np.int32),
        time_ps=times if dice.random() < 0.5 else None,
        weight=weights if dice.random() < 0.5 else None,
        operation=np.array([dice.random() < 0.4 for _ in rows], np.uint8) if updates else None,
    )


def said(system, trace):
    """Everything a result says but the CPU time."""
    run = compare([simulate(system, trace)]).to_dict()
    del run["runs"][0]["kernel_cpu_s"]
    return json.dumps(run, allow_nan=False)


def cycles(system, trace, *overrides):
    return simulate(load_system(system, overrides), trace).cycles


# Scaling


@pytest.mark.parametrize("vector_bytes", [64, 128, 256])
def test_recnmp_gets_faster_with_every_rank(vector_bytes):
    trace = uniform_trace(bags=64, pooling=80, vector_bytes=vector_bytes)
    two, four, eight = (simulate(RECNMP[ranks], trace).cycles for ranks in (2, 4, 8))
    assert four < 0.7 * two
    assert eight < 0.8 * four


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_recnmp_beats_its_host_but_never_the_data_pins_of_its_ranks(ranks):
    trace = uniform_trace()
    host, near = simulate(HOST[ranks], trace), simulate(RECNMP[ranks], trace)
    assert near.cycles < host.cycles
    assert near.cycles > max(near.nmp["rank_reads"]) * 4
    assert host.cycles > host.trace.requests * 4
    assert near.trace.requests == host.trace.requests == 2 * trace.lookups


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_larger_packets_do_not_slow_recnmp_down(ranks):
    trace = uniform_trace(bags=256)
    times = [
        cycles(f"recnmp-base-{ranks}rank", trace, f"nmp.poolings_per_packet={poolings}")
        for poolings in (1, 2, 4, 8, 16)
    ]
    for smaller, larger in pairwise(times):
        assert larger < 1.03 * smaller
    assert times[-1] < 0.9 * times[0]


def test_ranks_that_no_vector_uses_change_nothing():
    # In order, the first 128 KiB of 'skylake' lie on rank 0.
    trace = uniform_trace(rows=1024, tables=1)
    in_order = ("placement.policy=contiguous", "dram.refresh.mode=none")
    results = [simulate(load_system(f"recnmp-base-{ranks}rank", in_order), trace) for ranks in (2, 4, 8)]
    assert [result.nmp["rank_reads"][0] for result in results] == [2 * trace.lookups] * 3
    assert len({result.cycles for result in results}) == 1
    assert [result.nmp["load_imbalance"] for result in results] == [2, 4, 8]


def test_a_slower_clock_changes_times_and_no_cycles():
    fast, slow = SYSTEMS[1], load_system("recnmp-base-4rank", ["dram.timing.tCK_ps=1666"])
    fast_result, slow_result = simulate(fast, uniform_trace()), simulate(slow, uniform_trace())
    assert slow_result.cycles == fast_result.cycles
    assert slow_result.time_ns == 2 * fast_result.time_ns


# Conservation


@settings(derandomize=True, deadline=None, max_examples=60)
@given(SEEDS, st.sampled_from(["host", "host with updates", "recnmp"]), st.sampled_from([2, 4, 8]))
def test_every_request_is_counted_once_and_no_resource_is_busier_than_possible(seed, kind, ranks):
    dice = random.Random(seed)
    trace = ragged_trace(dice, updates=kind == "host with updates")
    result = simulate((RECNMP if kind == "recnmp" else HOST)[ranks], trace)
    run = result.to_dict()
    lines = np.repeat(np.where(trace.bag_tables == 0, 1, 4), np.diff(trace.bag_offsets))
    updates = 0 if trace.operation is None else int(lines[trace.operation == 1].sum())
    assert run["requests"] == lines.sum()
    assert run["writes"] == updates
    assert run["reads"] == run["requests"] - updates
    by_row = run["row_hits"] + run["row_misses"] + run["row_conflicts"]
    assert run["requests"] == by_row + run["reads_forwarded"] + run["writes_coalesced"]
    assert result.counts["rd"] == run["reads"] - run["reads_forwarded"]
    assert result.counts["wr"] == run["writes"] - run["writes_coalesced"]
    assert all(0 <= share <= 1 for share in run["utilisation"].values()), run["utilisation"]
    assert run["utilisation"][run["bottleneck"]] == max(run["utilisation"].values())
    assert 0 <= run["latency_p50_ns"] <= run["latency_p99_ns"] <= run["latency_max_ns"]
    assert run["latency_avg_ns"] <= run["latency_max_ns"] <= run["time_ns"]
    if not updates:
        assert run["activates"] >= run["row_misses"] + run["row_conflicts"]
        assert 0 < run["bandwidth_gbps"] < run["peak_bandwidth_gbps"]


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_no_resource_is_busier_than_possible_in_a_run_of_one_lookup(system):
    utilisation = simulate(system, uniform_trace(bags=1, pooling=1)).utilisation
    assert {name: share for name, share in utilisation.items() if share > 1} == {}


# Energy


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_energy_rows_add_up_exactly_in_any_order_and_count_the_commands(system, weighted):
    trace = uniform_trace()
    if weighted:
        trace = replace(trace, weight=np.ones(trace.lookups, np.float32))
    result = simulate(system, trace)
    energies = [row.energy_nj for row in result.energy]
    for seed in range(20):
        random.Random(seed).shuffle(energies)
        assert sum(energies) == math.fsum(energies) == result.energy_nj
    counted = {(row.component, row.event): row.count for row in result.energy}
    assert counted["dram", "activate"] == result.counts["act"]
    assert counted["dram", "read"] == result.counts["rd"] == 2 * trace.lookups
    if result.nmp is None:
        assert counted["channel", "io_read"] == result.counts["rd"]
        return
    assert counted["channel", "instruction"] == result.nmp["instructions"] == trace.lookups
    assert counted["rank_unit", "fp32_add"] == 32 * trace.lookups
    assert counted["dimm_unit", "fp32_add"] == 16 * counted["channel", "result"]
    assert 2 * trace.bags <= counted["channel", "result"] <= 4 * trace.bags
    assert counted.get(("rank_unit", "fp32_mult"), 0) == (32 * trace.lookups if weighted else 0)


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**33), st.floats(0, 20_000)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_energies_add_up_exactly_whatever_they_are(events, dice):
    rows = [LedgerRow("dram", "event", count, pj) for count, pj in events]
    total = total_nj(rows)
    energies = [row.energy_nj for row in rows]
    dice.shuffle(energies)
    assert sum(energies) == math.fsum(energies) == total
    for row in rows:
        assert row.energy_nj == pytest.approx(row.count * row.pj_per_event / 1000, rel=1e-15, abs=2**-13)


def test_vectors_cross_the_channel_of_the_host_only():
    host, near = (
        {(row.component, row.event): row.energy_nj for row in simulate(system, uniform_trace()).energy}
        for system in (HOST[4], RECNMP[4])
    )
    crossing = near["channel", "instruction"] + near["channel", "result"]
    assert crossing < 0.5 * host["channel", "io_read"]
    assert near["dram", "read"] == host["dram", "read"]


# The same bits every time


@settings(derandomize=True, deadline=None, max_examples=25)
@given(SEEDS, st.sampled_from([1, 2, 7, 31]))
def test_results_do_not_depend_on_how_the_trace_is_cut_into_chunks(seed, chunk):
    dice = random.Random(seed)
    trace = ragged_trace(dice)
    updating = ragged_trace(dice, updates=True)
    cases = [(HOST[2], trace), (HOST[2], updating), (RECNMP[2], trace), (RECNMP[8], trace)]
    whole = [said(*case) for case in cases]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests, "CHUNK_LOOKUPS", chunk)
        patch.setattr(recnmp, "CHUNK_LOOKUPS", chunk)
        assert [said(*case) for case in cases] == whole


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_two_runs_say_the_same(system):
    trace = ragged_trace(random.Random(5))
    assert said(system, trace) == said(system, trace)


def test_another_process_with_other_threads_and_hash_seed_says_the_same(tmp_path):
    script = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_systems import SYSTEMS, said, uniform_trace
print(*[said(system, uniform_trace()) for system in SYSTEMS], sep="\\n")
"""
    changed = {"OMP_NUM_THREADS": "3", "NUMBA_NUM_THREADS": "2", "PYTHONHASHSEED": "77"}
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **changed},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines() == [said(system, uniform_trace()) for system in SYSTEMS]


# Traces and systems that meet


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_a_limited_trace_is_replayed_to_its_limit(system):
    result = simulate(system, uniform_trace().limit(1001))
    assert (result.trace.lookups, result.trace.requests, result.counts["rd"]) == (1001, 2002, 2002)


def test_the_order_of_bags_matters_to_time_and_not_to_work():
    trace = uniform_trace(tables=2)
    by_sample, by_table = (simulate(RECNMP[4], trace.reorder(o)) for o in ("sample-major", "table-major"))
    assert (by_sample.trace.order, by_table.trace.order) == ("sample-major", "table-major")
    assert by_sample.nmp["rank_reads"] == by_table.nmp["rank_reads"]
    assert by_sample.nmp["packets"] == by_table.nmp["packets"] == trace.bags // 8
    assert by_sample.nmp["sums"]["sha256"] != by_table.nmp["sums"]["sha256"]
    assert by_sample.cycles != by_table.cycles


def test_updates_are_writes_of_the_host_and_refused_by_recnmp():
    trace = uniform_trace()
    updates = np.arange(trace.lookups) % 4 == 0
    updating = replace(trace, operation=updates.astype(np.uint8))
    result = simulate(HOST[2], updating)
    assert result.counts["wr"] + result.counts["coalesced"] == 2 * updates.sum()
    assert ("dram", "write", result.counts["wr"]) in [(r.component, r.event, r.count) for r in result.energy]
    with pytest.raises(InputError) as refused:
        simulate(RECNMP[2], updating)
    assert (
        str(refused.value) == "uniform: tables are read-only to near-memory units, but the trace updates rows"
    )
    reading = replace(trace, operation=np.zeros(trace.lookups, np.uint8))
    assert simulate(RECNMP[2], reading).cycles == simulate(RECNMP[2], trace).cycles


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_bags_are_not_replayed_before_they_arrive(system):
    trace = uniform_trace(bags=32)
    saturated = simulate(system, trace)
    paced = simulate(system, replace(trace, time_ps=np.arange(32) * 10**7))
    last_arrival_ns = 31 * 10_000
    assert last_arrival_ns < paced.time_ns < last_arrival_ns + saturated.time_ns
    if system.kind == "host":
        assert paced.latency_avg_ns < saturated.latency_avg_ns
    assert simulate(system, replace(trace, time_ps=np.zeros(32, np.int64))).cycles == saturated.cycles


def test_an_arrival_between_two_clocks_waits_for_the_next():
    trace = uniform_trace(bags=1, pooling=1)
    at = {ps: simulate(HOST[1], replace(trace, time_ps=np.array([ps]))).cycles for ps in (0, 1, 833, 834)}
    assert at[1] - at[0] == at[833] - at[0] == 1
    assert at[834] - at[0] == 2


@pytest.mark.parametrize("rank_bit", ["'rank'", "'column:1', 'rank'"])
def test_an_address_map_that_splits_vectors_over_ranks_is_refused_by_recnmp(rank_bit):
    layout = f"[{rank_bit}, 'column', 'bank_group', 'bank', 'row']"
    overrides = [f"dram.address_map.layout={layout}", "dram.address_map.hash=[]"]
    trace = uniform_trace(vector_bytes=256)
    assert cycles("host-8rank", trace, *overrides) > 0
    with pytest.raises(InputError, match="over two ranks"):
        cycles("recnmp-base-8rank", trace, *overrides)


def test_vectors_that_cross_pages_are_refused_by_recnmp_when_pages_are_scattered():
    trace = uniform_trace(vector_bytes=96)
    assert simulate(HOST[8], trace).counts["rd"] == 2 * trace.lookups
    with pytest.raises(InputError, match=r"over two ranks.*placement\.row_align_bytes must keep rows off"):
        cycles("recnmp-base-8rank", trace, "placement.row_align_bytes=1")


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_a_row_outside_its_table_is_named(system):
    trace = uniform_trace(rows=1000)
    rows = trace.rows.copy()
    rows[77] = 1000
    with pytest.raises(InputError) as refused:
        simulate(system, replace(trace, rows=rows))
    place = "uniform: lookup 77 (bag 3, table 3 'table 3')"
    assert str(refused.value) == f"{place}: row 1000 is outside the table's 1000 rows (0 to 999)"


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_progress_counts_every_lookup(system):
    trace, done = uniform_trace(), []
    simulate(system, trace, progress=done.append)
    assert sum(done) == trace.lookups


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_the_command_log_holds_every_command_in_order_of_clock(system):
    trace = uniform_trace()
    result = simulate(system, trace, log_limit=1 << 20)
    clk, command, bank, _, _ = result.commands
    names = ("act", "pre", "rd", "wr", "ref", "prea")
    assert np.bincount(command, minlength=6).tolist() == [result.counts[name] for name in names]
    assert np.all(np.diff(clk) >= 0)
    assert 0 <= bank.min() <= bank.max() < system.dram.organization.banks
    assert simulate(system, trace).commands.shape == (5, 0)


def test_vectors_of_more_bursts_than_an_instruction_names_are_refused_by_recnmp():
    assert cycles("host-8rank", uniform_trace(vector_bytes=512)) > 0
    assert cycles("recnmp-base-8rank", uniform_trace(vector_bytes=256)) > 0
    with pytest.raises(InputError) as refused:
        cycles("recnmp-base-8rank", uniform_trace(vector_bytes=512))
    assert str(refused.value) == (
        "uniform: table 'table 0': a vector of 512 bytes takes up to 8 bursts of 64 bytes; an instruction names "
        "at most 7 "
        "(vsize has 3 bits)"
    )


@pytest.mark.parametrize("system", ["recnmp-base-2rank", "recnmp-opt-2rank"])
def test_two_channels_share_every_packet_and_give_the_same_sums(system):
    trace = uniform_trace(bags=64)
    one = simulate(load_system(system), trace)
    channels = ["dram.organization.channels=2", "dram.address_map.preset=skylake-2ch-2rank"]
    two = simulate(load_system(system, channels), trace)
    assert two.counts["rd"] + (two.cache or {"hits": 0})["hits"] == two.trace.requests == one.trace.requests
    assert one.cycles / 2 < two.cycles < one.cycles
    assert len(two.ranks) == len(two.nmp["rank_reads"]) == 4
    assert two.nmp["sums"]["checked"] == 64


def test_a_rank_cache_changes_reads_energy_and_time_consistently():
    trace = uniform_trace(bags=256)
    repeated = replace(trace, rows=trace.rows % 50)
    plain = simulate(load_system("recnmp-base-2rank"), repeated)
    cached = simulate(load_system("recnmp-base-2rank", ["nmp.cache.size=64 KiB"]), repeated)
    hits, misses = cached.cache["hits"], cached.cache["misses"]
    assert hits + misses == cached.cache["accesses"] == plain.counts["rd"] == cached.trace.requests
    assert misses == cached.counts["rd"] == cached.cache["fills"]
    assert cached.cycles < plain.cycles
    assert cached.energy_nj < plain.energy_nj
    ledger = {(row.component, row.event): row.count for row in cached.energy}
    assert ledger["rank_cache", "lookup"] == cached.cache["lookups"] == cached.trace.requests
    assert ledger["rank_cache", "fill"] == misses
    assert plain.cache is None


def test_lookups_that_their_batch_needs_once_bypass_the_rank_cache():
    trace = uniform_trace(bags=32)
    opt = simulate(load_system("recnmp-opt-2rank", ["nmp.profile_threshold=1"]), trace)
    never = simulate(load_system("recnmp-opt-2rank", ["nmp.profile_threshold=1000000"]), trace)
    assert opt.cache["bypassed"] + opt.cache["lookups"] == opt.cache["accesses"]
    assert (never.cache["hits"], never.cache["lookups"]) == (0, 0)
    assert never.cache["bypassed"] == never.counts["rd"]
