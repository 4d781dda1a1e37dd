"""Caches in front of a memory against their twins: contents, and every clock of what follows."""

import os
import random
from collections import Counter
from unittest.mock import patch

import cache_twin
import engine
import numpy as np
import pytest
import twin
from dram_mixes import FAMILIES, case
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.dram.resolve import resolve
from archsim.kernels.cache_chain import INCLUSIONS, LEVEL_COUNTS, POLICIES, CacheChain
from archsim.kernels.cache_memory import CachedChannel
from archsim.systems.accesses import Frontend
from archsim.systems.cores import core_windows
from archsim.systems.spec import load_system
from archsim.traces import AddressTrace, EmbeddingTrace, Table

CASES = int(os.environ.get("ARCHSIM_TWIN_CASES", "40"))


@st.composite
def chains(draw):
    """Levels, and the other rules of a chain of caches."""
    count, units = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    shared = count > 1 and draw(st.booleans())
    policies = st.sampled_from(POLICIES)
    geometry = st.tuples(st.sampled_from([1, 2, 3, 4]), st.integers(1, 4))
    levels = [(*draw(geometry), units, draw(policies)) for _ in range(count)]
    if shared:
        levels[-1] = (*levels[-1][:2], 1, levels[-1][3])
    inclusion = draw(st.sampled_from(INCLUSIONS)) if shared else "non-inclusive"
    return levels, shared, inclusion, draw(st.booleans()) or count > 1, draw(st.booleans()) or count > 1


@settings(max_examples=300, deadline=None)
@given(chains(), st.data())
def test_a_chain_of_caches_holds_and_drives_out_what_lists_do(rules, data):
    levels, shared, inclusion, write_back, allocate = rules
    units = levels[0][2]
    n = data.draw(st.integers(1, 120))
    whole = st.integers(0, 11)
    blocks, cores = (
        data.draw(st.lists(s, min_size=n, max_size=n)) for s in (whole, st.integers(0, units - 1))
    )
    writes, keep_out = (data.draw(st.lists(st.booleans(), min_size=n, max_size=n)) for _ in range(2))
    if len(levels) > 1:
        keep_out = [False] * n
    theirs = cache_twin.Chain(
        [(*level[:2], units, level[3]) for level in levels], shared, inclusion, write_back, allocate
    )
    expected, requests, counts = [], [], []
    for access in zip(cores, blocks, writes, keep_out, strict=True):
        core, block, write, out = access
        level, read, through, victims = theirs.access(core, block, block, write, out)
        expected.append(level)
        own = [(block, 0)] * read + [(block, 1)] * through + [(victim, 1) for victim in victims]
        requests += own
        counts.append(len(own))
    ours = CacheChain(
        [(*level[:3], POLICIES.index(level[3])) for level in levels], shared, INCLUSIONS.index(inclusion),
        write_back, allocate,
    )  # fmt: skip
    cut = data.draw(st.integers(0, n))
    found, found_requests, found_counts = [], [], []
    for part in (slice(0, cut), slice(cut, n)):
        level, first, lines, kinds = ours.feed(
            np.array(blocks[part], np.int64), np.array(cores[part], np.int32), None,
            np.array(writes[part], np.uint8), np.array(keep_out[part], np.uint8),
        )  # fmt: skip
        found += level.tolist()
        found_requests += list(zip(lines.tolist(), kinds.tolist(), strict=True))
        found_counts += np.diff(first).tolist()
    assert found == expected
    assert found_counts == counts
    assert found_requests == requests
    assert ours.counts().tolist() == [[c[name] for name in LEVEL_COUNTS] for c in theirs.counts]


def accesses_of(chance, tried):
    """Make accesses of the requests of a DRAM case: some hit, some miss with one read or two, some write."""
    units = chance.choice([1, 1, 2, 3])
    levels = chance.choice([1, 1, 2, 3])
    clocks = tuple(sorted(chance.choice([0, 0, 1, 3, 12]) for _ in range(levels)))
    rules = cache_twin.Settings(
        width=chance.choice([1, 1, 2, 5]), units=units, ports=chance.choice([1, 1, 2]),
        mshrs=chance.choice([1, 2, 4, 16, 64]), merging=chance.random() < 0.6, level_clk=(*clocks, clocks[-1]),
    )  # fmt: skip
    arrivals = tried.arrivals if tried.arrivals is not None else [0] * len(tried.coordinates)
    writes = tried.writes if tried.writes is not None else [False] * len(tried.coordinates)
    keys, accesses = chance.choice([3, 30]), []
    hits = chance.choice([0.0, 0.3, 0.8])
    for at, write, arrival in zip(tried.coordinates, writes, arrivals, strict=True):
        at, write = int(at), bool(write)
        key, kind = chance.randrange(keys), chance.random()
        reads, written, level = [at], [], levels
        if kind < hits:
            reads, level = [], chance.randrange(levels)
            written = [at] if write and chance.random() < 0.3 else []
        elif write and chance.random() < 0.3:
            reads, written = [], [at]
        elif chance.random() < 0.2:
            reads = [at, at ^ 1]
        if reads and chance.random() < 0.3:
            written = [*written, at ^ 2]
        accesses.append(
            cache_twin.Access(key, chance.randrange(units), level, write, int(arrival), reads, written)
        )
    return rules, accesses


def compiled(spec, rules, accesses, cut=None):
    """Return the same as `cache_twin.Memory.run` from the kernel."""
    channel = CachedChannel(
        resolve(spec), engine.LOG_LIMIT, 0, width=rules.width, units=rules.units, ports=rules.ports,
        mshrs=rules.mshrs, merging=rules.merging, level_clk=rules.level_clk,
    )  # fmt: skip
    for part in (accesses,) if cut is None else (accesses[:cut], accesses[cut:]):
        first = np.cumsum([0, *(len(a.reads) + len(a.writes) for a in part)])
        coordinates = [at for a in part for at in (*a.reads, *a.writes)]
        kinds = [kind for a in part for kind in [0] * len(a.reads) + [1] * len(a.writes)]
        channel.feed(
            np.array([a.key for a in part], np.int64), np.array([a.level for a in part], np.uint8),
            first.astype(np.int64), np.array([*coordinates, 0], np.int64), np.array([*kinds, 0], np.uint8),
            np.array([a.unit for a in part], np.int32), np.array([a.write for a in part], np.uint8),
            np.array([a.arrival for a in part], np.int64),
        )  # fmt: skip
    channel.finish()
    return channel


def compare(tried):
    """Check every clock of a case; return whether it got to its end."""
    chance = random.Random(repr(tried))
    rules, accesses = accesses_of(chance, tried)
    try:
        expected = cache_twin.Memory(tried.spec, rules, accesses).run()
    except twin.StuckError:
        return False
    found = compiled(tried.spec, rules, accesses, chance.choice([None, len(accesses) // 2]))
    where = f"{tried} {rules}"
    commands = engine._commands(found)
    same = next((i for i, (a, b) in enumerate(zip(commands, expected.replay.commands)) if a != b), None)  # noqa: B905
    assert same is None, f"{where}: command {same}: {commands[same]}, twin {expected.replay.commands[same]}"
    assert len(commands) == len(expected.replay.commands), where
    assert [tuple(pair) for pair in found.queues().T.tolist()] == expected.replay.waiting, where
    assert [tuple(hit) for hit in found.hits().T.tolist()] == expected.hits, where
    counts, theirs = found.cache_counts(), expected.counts
    pairs = {
        "accesses": "accesses", "reads": "reads", "misses": "misses", "merged": "merged", "delayed": "delayed",
        "port_wait_clk": "port_wait", "miss_wait_clk": "miss_wait", "miss_clk": "miss_clk", "last_clk": "last_clk",
    }  # fmt: skip
    assert {name: counts[name] for name in pairs} == {name: theirs[other] for name, other in pairs.items()}, (
        where
    )
    values, times = found.cache_latency_histogram()
    assert dict(zip(values.tolist(), times.tolist(), strict=True)) == Counter(expected.latencies), where
    assert counts["latency_sum_clk"] == sum(expected.latencies), where
    assert counts["latency_max_clk"] == max(expected.latencies, default=0), where
    if not tried.spec.controller.read_merging:
        assert counts["queueing_sum_clk"] == theirs["queueing"], where
    assert counts["queueing_sum_clk"] <= counts["latency_sum_clk"], where
    own = found.counts()
    assert {name: own[name] for name in expected.replay.counts} == expected.replay.counts, where
    return True


@pytest.mark.parametrize("family", FAMILIES)
def test_the_memory_behind_caches_does_in_every_clock_what_its_twin_does(family):
    ended = sum(compare(case(family, seed)) for seed in range(CASES // 2))
    assert ended > CASES // 4


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_the_memory_behind_caches_does_in_every_clock_what_its_twin_does_many_times(family):
    assert sum(compare(case(family, seed)) for seed in range(1000)) > 500


def by_core(trace, rule, cores, window_bags):
    """The lookups of a trace as cores take turns at them: (core, table, row)."""
    order, seen = [], Counter()
    for begin in range(0, trace.bags, window_bags):
        streams = [[] for _ in range(cores)]
        for bag in range(begin, min(begin + window_bags, trace.bags)):
            table = int(trace.bag_tables[bag])
            sample = seen[table] if trace.sample is None else int(trace.sample[bag])
            seen[table] += 1
            core = {"bag": bag, "table": table, "sample": sample}[rule] % cores
            rows = trace.rows[trace.bag_offsets[bag] : trace.bag_offsets[bag + 1]]
            streams[core] += [(core, table, int(row)) for row in rows]
        while any(streams):
            order += [stream.pop(0) for stream in streams if stream]
    return order


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_cores_take_turns_as_lists_do(data):
    sizes = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=30))
    if not sum(sizes):
        sizes[0] = 1
    tables = data.draw(st.lists(st.integers(0, 2), min_size=len(sizes), max_size=len(sizes)))
    numbered = data.draw(st.booleans())
    samples = data.draw(st.lists(st.integers(0, 9), min_size=len(sizes), max_size=len(sizes)))
    trace = EmbeddingTrace(
        name="bags",
        tables=tuple(Table(f"t{n}", 50, 64, "float32") for n in range(3)),
        rows=np.array(
            data.draw(st.lists(st.integers(0, 49), min_size=sum(sizes), max_size=sum(sizes))), np.int64
        ),
        bag_offsets=np.cumsum([0, *sizes]).astype(np.int64),
        bag_tables=np.array(tables, np.int32),
        order="as-recorded",
        sample=np.array(samples, np.int64) if numbered else None,
    )
    rule = data.draw(st.sampled_from(["bag", "table", "sample"]))
    cores, window_bags = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 7))
    changes = [
        f"hierarchy.cores={cores}",
        f"hierarchy.distribute={rule}",
        f"hierarchy.window_bags={window_bags}",
    ]
    system = load_system("host-2rank-skylake", changes)
    with patch("archsim.systems.cores.CHUNK_LOOKUPS", data.draw(st.sampled_from([1, 5, 1000]))):
        found = [
            entry
            for window, core in core_windows(system, trace)
            for entry in zip(core.tolist(), window.tables.tolist(), window.rows.tolist(), strict=True)
        ]
    assert found == by_core(trace, rule, cores, window_bags)


@pytest.mark.parametrize("per", ["rank", "dimm", "channel"])
def test_each_cache_numbers_the_lines_behind_it_without_gaps(per):
    small = ["dram.organization.rows=8", "dram.organization.columns=64", "dram.organization.channels=2",
             "dram.address_map.preset=roco", "placement.policy=contiguous"]  # fmt: skip
    system = load_system("host-4rank", [*small, "cache.size=4KiB", f"cache.per={per}"])
    capacity = system.dram.organization.capacity_bytes
    trace = AddressTrace(name="all", address=np.arange(0, capacity, 64), time_unit="clk")
    caches, numbers = [], []
    for accesses in Frontend(system, trace).windows():
        caches += accesses.caches.tolist()
        numbers += accesses.index.tolist()
    count = {"rank": 8, "dimm": 4, "channel": 2}[per]
    lines = capacity // 64 // count
    assert sorted(zip(caches, numbers, strict=True)) == [(c, n) for c in range(count) for n in range(lines)]
