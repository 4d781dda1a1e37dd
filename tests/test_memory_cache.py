"""Caches in front of a host's memory: what they must not change, what must add up, what is refused."""

import itertools
import json
from fractions import Fraction

import numpy as np
import program
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archsim
from archsim.cache import compare_policies
from archsim.cache.spec import CacheLevel, MemoryCache
from archsim.errors import InputError
from archsim.kernels.set_lru import SetLru
from archsim.spec import preset_names
from archsim.traces import AddressTrace


@pytest.fixture(scope="module")
def zipf():
    return archsim.open_trace("preset:zipf", limit=6000)


def run(name, trace, *overrides, **options):
    return archsim.simulate(archsim.load_system(name, list(overrides)), trace, **options)


def addresses(lines, writes=None, time=None):
    operation = None if writes is None else np.array(writes, np.uint8)
    return AddressTrace(
        name="by hand", address=np.array(lines, np.int64) * 64, operation=operation,
        time=None if time is None else np.array(time, np.int64), time_unit="clk",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------ what must not change


@pytest.mark.parametrize("name", ["host-1rank", "host-8rank"])
def test_a_cache_of_no_size_changes_no_bit(name, zipf):
    without, off = run(name, zipf, log_limit=10**6), run(name, zipf, "cache.size=0", log_limit=10**6)
    assert np.array_equal(without.commands, off.commands)
    ours, theirs = off.to_dict(), without.to_dict()
    for run_ in (ours, theirs):
        del run_["system_sha256"], run_["kernel_cpu_s"]
    assert ours == theirs
    assert ours["cache"] is None


@pytest.mark.parametrize("extra", [(), ("dram.preset=hbm3-6400", "dram.organization.channels=2")])
def test_a_cache_that_keeps_nothing_and_costs_no_time_leaves_the_memory_its_commands(extra, zipf):
    """Every lookup misses, at once, with room for all of them: the channel sees what it sees without a cache."""
    bare = ("cache.size=1KiB", "cache.bypass=profile", "cache.bypass_up_to=1000000", "cache.latency_clk=0",
            "cache.mshrs=4096", "cache.merging=false", *extra)  # fmt: skip
    without, through = (
        run("host-2rank", zipf, *extra, log_limit=10**6),
        run("host-2rank", zipf, *bare, log_limit=10**6),
    )
    assert np.array_equal(without.commands, through.commands)
    assert through.cycles == without.cycles
    assert through.cache["hits"] == 0
    assert through.cache["bypassed"] == through.cache["accesses"]


@pytest.mark.parametrize("merging", ["false", "true"])
def test_so_do_reads_and_writes_of_a_long_trace(merging):
    """Long enough for the requests in flight to be numbered anew many times."""
    draws = np.random.RandomState(1)
    trace = addresses(draws.randint(0, 1 << 12, 20_000), draws.randint(0, 3, 20_000) == 0)
    bare = ("cache.size=1KiB", "cache.bypass=profile", "cache.bypass_up_to=1000000", "cache.latency_clk=0",
            "cache.mshrs=4096", "cache.merging=false")  # fmt: skip
    same = (f"dram.controller.read_merging={merging}",)
    without = run("host-2rank", trace, *same, log_limit=10**6)
    through = run("host-2rank", trace, *same, *bare, log_limit=10**6)
    assert np.array_equal(without.commands, through.commands)
    assert int(through.latency_count.sum()) == int(without.latency_count.sum())
    if merging == "false":
        assert through.latency_queueing_avg_ns == without.latency_queueing_avg_ns


def test_chunks_and_threads_change_nothing(zipf, monkeypatch):
    import archsim.systems.cores as cores
    import archsim.systems.requests as requests

    def figures(name, *overrides, threads=None):
        return {
            k: v
            for k, v in run(name, zipf, *overrides, threads=threads).to_dict().items()
            if k != "kernel_cpu_s"
        }

    two = ("dram.organization.channels=2", "dram.address_map.preset=skylake-2ch-2rank", "cache.size=64KiB")
    cases = [("host-2rank", *two), ("host-2rank", *two, "cache.per=memory"), ("host-2rank-skylake",)]
    whole = [figures(*case) for case in cases]
    monkeypatch.setattr(requests, "CHUNK_LOOKUPS", 1000)
    monkeypatch.setattr(cores, "CHUNK_LOOKUPS", 1000)
    assert [figures(*case, threads=1) for case in cases] == whole


# ------------------------------------------------------------------------------------------------ what adds up


@pytest.mark.parametrize(
    "overrides",
    [
        ("cache.size=64KiB",),
        ("cache.size=8KiB", "cache.per=rank"),
        ("cache.size=16KiB", "cache.per=dimm", "cache.policy=fifo"),
        ("cache.size=64KiB", "cache.granularity=vector", "cache.line_bytes=128"),
        ("cache.size=64KiB", "cache.line_bytes=128", "cache.policy=random"),
        ("cache.size=64KiB", "cache.bypass=profile"),
        ("cache.size=64KiB", "cache.mshrs=1", "cache.ports=2", "cache.accesses_per_clk=3"),
        ("hierarchy.preset=skylake-18core",),
        ("hierarchy.preset=skylake-18core", "hierarchy.inclusion=inclusive", "hierarchy.cores=4"),
    ],
)
def test_hits_and_misses_are_the_accesses_and_misses_are_what_the_memory_reads(overrides, zipf):
    part = overrides[0].split(".")[0]
    result = run("host-8rank", zipf, *overrides, f"{part}.merging=false")
    cache = result.cache
    assert cache["hits"] + cache["misses"] == cache["accesses"]
    assert cache["hit_ratio"] == cache["hits"] / cache["accesses"]
    line = result.system.cache.line_bytes // 64 if part == "cache" else 1
    assert result.counts["reads"] == cache["misses"] * line
    assert result.counts["rd"] == result.counts["reads"]
    assert cache["merged"] == 0
    assert int(result.latency_count.sum()) == cache["accesses"]
    assert Fraction(result.energy_nj) == sum(Fraction(row.energy_nj) for row in result.energy)
    lookups = [row.count for row in result.energy if row.event == "lookup"]
    assert lookups == [level["accesses"] for level in cache["levels"]]
    assert result.bandwidth_gbps >= result.dram_bandwidth_gbps * (1 - 1e-12) or line > 1
    merging = run("host-8rank", zipf, *overrides)
    assert merging.cache["hits"] == cache["hits"]
    assert merging.counts["reads"] == (cache["misses"] - merging.cache["merged"]) * line


def test_writes_come_back_as_writes_of_the_memory_once_each_dirty_line_goes():
    lines = list(range(64)) * 2
    back = run("host-1rank", addresses(lines, [1] * 64 + [0] * 64), "cache.size=2KiB", "cache.ways=32")
    assert back.cache["hits"] == 0
    assert back.counts["reads"] == 128
    assert back.counts["writes"] == back.cache["writebacks"] == 64
    through = run(
        "host-1rank", addresses(lines, [1] * 64 + [0] * 64), "cache.size=8KiB", "cache.write=through"
    )
    assert (through.cache["hits"], through.counts["reads"], through.counts["writes"]) == (64, 64, 64)
    around = ("cache.size=8KiB", "cache.allocate_writes=false")
    past = run("host-1rank", addresses(lines, [1] * 64 + [0] * 64), *around)
    assert (past.cache["hits"], past.counts["reads"], past.counts["writes"]) == (0, 64, 64)


def test_hits_are_those_of_a_plain_set_associative_cache(zipf):
    system = archsim.load_system("host-8rank", ["cache.size=64KiB", "cache.ways=4"])
    lines = archsim.lower_trace(system, zipf).address >> 6
    hits = np.zeros(1, np.int64)
    SetLru(256, 4).access(lines, lines, np.zeros(len(lines), np.int32), hits)
    assert archsim.simulate(system, zipf).cache["hits"] == int(hits[0])


@pytest.mark.parametrize("policy", ["lru", "fifo", "clock", "sieve"])
@pytest.mark.parametrize("ways", [4, 1024])
def test_hits_of_every_policy_are_those_of_the_library_of_caches(policy, ways, zipf):
    system = archsim.load_system(
        "host-8rank", ["cache.size=64KiB", f"cache.ways={ways}", f"cache.policy={policy}"]
    )
    lines = archsim.lower_trace(system, zipf).address >> 6
    (expected,) = compare_policies(lines, [policy], [1024], ways=ways)
    assert 0 < expected.hits == archsim.simulate(system, zipf).cache["hits"] < lines.size


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=200), st.sampled_from([1, 2, 4, 16]))
def test_a_larger_fully_associative_lru_cache_never_hits_less_and_never_reads_more(lines, size):
    trace, before = addresses(lines), None
    for factor in (1, 2, 4):
        count = 4 * size * factor
        result = run("host-1rank", trace, f"cache.size={64 * count}", f"cache.ways={count}")
        if before is not None:
            assert result.cache["hits"] >= before.cache["hits"]
            assert result.counts["reads"] <= before.counts["reads"]
        before = result


# --------------------------------------------------------------------------------------------------- by hand


def test_a_hit_takes_the_latency_of_the_cache_and_a_miss_its_lookup_and_the_memory():
    """DDR4-2400: a read of a closed bank takes 39 clocks with its queue; the lookup's 5 come before."""
    one = run("host-1rank", addresses([7]), "cache.size=4KiB", "cache.latency_clk=5")
    assert one.cycles == 5 + 39
    assert one.latency_clk.tolist() == [44]
    two = run("host-1rank", addresses([7, 7], time=[0, 100]), "cache.size=4KiB", "cache.latency_clk=5")
    assert two.latency_clk.tolist() == [5, 44]
    assert two.cycles == 105
    late = run("host-1rank", addresses([7, 7], time=[0, 10]), "cache.size=4KiB", "cache.latency_clk=5")
    assert late.latency_clk.tolist() == [34, 44]
    assert late.cache["hits_delayed"] == 1


def test_one_miss_in_flight_makes_misses_wait_for_each_other():
    lines = [0, 1 << 10, 2 << 10, 3 << 10]
    many, one = (run("host-1rank", addresses(lines), "cache.size=4KiB", f"cache.mshrs={n}") for n in (4, 1))
    assert many.cycles < one.cycles
    assert one.latency_max_ns <= many.latency_max_ns
    assert one.cache["miss_wait_ns"] > many.cache["miss_wait_ns"] == 0


def test_only_hits_make_the_ports_the_bottleneck():
    result = run("host-1rank", addresses([3] * 5000), "cache.size=4KiB")
    assert result.bottleneck == "cache_ports"
    assert result.cache["hits"] == 4999
    assert 5000 <= result.cycles < 5100
    twice = run(
        "host-1rank", addresses([3] * 5000), "cache.size=4KiB", "cache.ports=2", "cache.accesses_per_clk=2"
    )
    assert twice.cycles < 2600


def test_a_private_cache_serves_its_core_alone_and_the_shared_level_all():
    two = ("hierarchy.preset=skylake-18core", "hierarchy.cores=2")
    trace = addresses([5, 9, 5, 9, 9, 5], time=[0, 1, 1000, 1001, 2000, 2001])
    result = run("host-1rank", trace, *two)
    l1, l2, llc = result.cache["levels"]
    assert (l1["hits"], l2["hits"], llc["hits"]) == (2, 0, 2)  # the last two are passed on by the other core
    assert result.counts["reads"] == 2


@pytest.mark.parametrize("rule", ["bag", "sample", "table"])
def test_every_lookup_reaches_one_core_whatever_the_rule(rule, zipf):
    result = run("host-2rank-skylake", zipf, f"hierarchy.distribute={rule}", "hierarchy.window_bags=7")
    assert result.cache["accesses"] == run("host-2rank", zipf).trace.requests


def test_latency_and_energy_follow_from_the_size_by_the_table():
    level = CacheLevel(size=1 << 20)
    assert level.clocks(833) == 3  # 2.316 ns
    assert level.read_pj == 309.7
    between = CacheLevel(size=3 << 20).sram.at(3 << 20)
    assert between.read_pj == pytest.approx((486.7 + 685.1) / 2)
    assert CacheLevel(size=64 << 10, access_pj=7.0).write_pj == 7.0


def test_the_table_of_sizes_rises():
    rows = CacheLevel(size=0).sram.rows
    assert (rows[0].size, rows[-1].size) == (8 << 10, 64 << 20)
    for small, large in itertools.pairwise(rows):
        assert small.latency_ns < large.latency_ns
        assert small.read_pj < large.read_pj


@pytest.mark.parametrize("name", preset_names("cache"))
def test_every_cache_preset_serves_a_host(name, zipf):
    assert run("host-8rank", zipf, f"cache.preset={name}").cache["hits"] > 0


# --------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["cache.size=100"], "cache.size = 100: must be a whole number of lines of line_bytes = 64"),
        (["cache.size=1KiB", "cache.ways=32"], "cache.ways = 32: must be at most the 16 lines"),
        (["cache.size=1KiB", "cache.ways=3"], "cache.size = 1024: must be a whole number of sets"),
        (["cache.size=-64"], "cache.size = -64: must be at least 0"),
        (["cache.size=1KiB", "cache.ways=0"], "cache.ways = 0: must be at least 1"),
        (["cache.size=1KiB", "cache.line_bytes=0"], "cache.line_bytes = 0: must be at least 1"),
        (["cache.size=1KiB", "cache.line_bytes=32"], "cache.line_bytes = 32: must be 64"),
        (["cache.size=1KiB", "cache.mshrs=0"], "cache.mshrs = 0: must be at least 1"),
        (["cache.size=1KiB", "cache.ports=0"], "cache.ports = 0: must be at least 1"),
        (["cache.size=1KiB", "cache.latency_clk=-1"], "cache.latency_clk = -1: must be at least 0"),
        (["cache.size=128MiB"], "cache.size = 134217728: beyond the table"),
        (["cache.size=1KiB", "cache.latency_clk=1", "cache.latency_ns=1"], "give one of them"),
        (["cache.size=1KiB", "cache.per=dimm", "cache.ranks_per_dimm=3"], "must divide the 8 ranks"),
        (["cache.size=1KiB", "cache.batch_lookups=3"], "cache.batch_lookups = 3: must be a power of two"),
        (["cache.ways=4"], "cache.size: missing"),
        (["cache.sise=1KiB"], "cache.sise: unknown key"),
        (["cache.size=1KiB", "hierarchy.preset=skylake-18core"], "must be absent beside hierarchy"),
        (
            ["hierarchy.preset=skylake-18core", "hierarchy.l2.size=0"],
            "hierarchy.l2.size = 0: must hold a line",
        ),
        (["hierarchy.preset=skylake-18core", "hierarchy.l2.line_bytes=128"], "must equal l1.line_bytes = 64"),
        (
            ["hierarchy.preset=skylake-18core", "hierarchy.inclusion=inclusive", "hierarchy.llc.size=704KiB"],
            "must, being inclusive, hold at least what one core does",
        ),
    ],
)
def test_an_impossible_cache_is_refused_with_the_rule(overrides, message):
    with pytest.raises(InputError) as error:
        archsim.load_system("host-8rank", overrides)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_caches_in_front_of_a_memory_are_for_hosts():
    with pytest.raises(InputError, match="must be absent when kind = 'recnmp'"):
        archsim.load_system("recnmp-base-8rank", ["cache.size=1KiB"])


def test_a_line_that_cannot_hold_a_vector_is_refused_with_both_sizes(zipf):
    with pytest.raises(InputError, match=r"cache.line_bytes = 64: must hold a vector .* have 128 bytes"):
        run("host-8rank", zipf, "cache.size=64KiB", "cache.granularity=vector")
    with pytest.raises(InputError, match="needs lookups, and a trace of addresses has none"):
        run("host-8rank", addresses([1]), "cache.size=64KiB", "cache.granularity=vector")


def test_a_vector_over_several_caches_is_refused(zipf):
    split = ("dram.organization.channels=2", "dram.address_map.preset=ileave", "cache.line_bytes=128")
    with pytest.raises(InputError, match=r"lies over several caches with cache\.per = 'channel'"):
        run("host-2rank", zipf, *split, "cache.size=64KiB", "cache.granularity=vector")


def test_a_fault_of_size_zero_is_no_fault_of_the_rest():
    assert MemoryCache(size=0, ways=7).size == 0


# ---------------------------------------------------------------------------------------------- command line


def test_replay_takes_a_cache_and_prints_what_it_did():
    done = program.run(
        "replay", "preset:zipf", "--limit", "3000", "--system", "host-8rank", "--set", "cache.size=1MiB"
    )
    assert done.status == 0
    assert "cache hits" in done.out
    assert "cache lookup" in done.out
    told = program.run("replay", "preset:zipf", "--limit", "3000", "--set", "cache.size=1MiB", "--json")
    host, near, _ = json.loads(told.out)["runs"]
    assert host["cache"]["hits"] + host["cache"]["misses"] == host["cache"]["accesses"] == 6000
    assert near["cache"] is None


def test_an_override_for_caches_goes_to_those_that_have_them():
    both = ("--system", "host-2rank", "--system", "host-8rank-cache", "--set", "cache.ways=8", "--json")
    plain, cached = json.loads(program.run("replay", "preset:zipf", "--limit", "500", *both).out)["runs"]
    assert plain["cache"] is None
    assert cached["cache"]["accesses"] == 1000


def test_show_lists_and_explains_caches():
    done = program.run("show", "cache", "rankcache-128k")
    assert "50 pJ per access" in done.out
    refused = program.run("show", "cache", "rankcache")
    assert refused.status == 2
    assert "rankcache-128k" in refused.err
