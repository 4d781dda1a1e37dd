"""Timelines: every event by a strict schema, one to one with the logs, in order, apart; whole, or cut and told of."""

import gzip
import json
import math
import re
import tracemalloc
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from program import run, strict_json

from archsim import compare, load_system, open_trace, simulate
from archsim.dram.resolve import COMMANDS
from archsim.errors import InputError
from archsim.kernels import recnmp
from archsim.report import timeline
from archsim.report.timeline import write_timeline
from archsim.systems.outcome import PACKET_LOG
from archsim.traces import Table

LIMIT = 100_000
HBM = ["dram.preset=hbm2-2000", "dram.organization.channels=2"]
SYSTEMS = {
    "host": ("host-2rank", ["dram.timing.tRCD=16"]),
    "channels": ("host-2rank", ["dram.organization.channels=2"]),
    "pseudo-channels": ("host-1rank", HBM),
    "refresh-by-bank": ("host-2rank", ["dram.preset=ddr5-4800", "dram.refresh.mode=same-bank"]),
    "cache": ("host-2rank", ["cache.size=64KiB", "cache.per=rank"]),
    "dimm-caches": ("host-4rank", ["cache.size=64KiB", "cache.per=dimm", "dram.organization.channels=2"]),
    "hierarchy": (
        "host-2rank-skylake", ["hierarchy.preset=skylake-18core", "hierarchy.cores=3", "hierarchy.window_bags=8"],
    ),
    "recnmp-base": ("recnmp-base-4rank", []),
    "recnmp-opt": ("recnmp-opt-4rank", ["dram.organization.channels=2"]),
    "colours": ("recnmp-base-4rank", ["placement.policy=colored"]),
    "chameleon": ("chameleon-8rank", []),
    "trim": ("trim-bank-8rank", []),
}  # fmt: skip
EACH = pytest.mark.parametrize("name", SYSTEMS)


@pytest.fixture(scope="module")
def trace():
    """A small generated trace whose lookups repeat."""
    return open_trace("preset:zipf", overrides=["lookups=1500", "rows=300", "vector_bytes=64"])


@pytest.fixture(scope="module")
def results(trace):
    """Results by name, replayed when they are first asked for."""
    done = {}

    def result(name):
        if name not in done:
            preset, overrides = SYSTEMS[name]
            done[name] = simulate(load_system(preset, overrides), trace, log_limit=LIMIT)
        return done[name]

    return result


@pytest.fixture(scope="module")
def files(results, tmp_path_factory):
    """The parsed timelines by name."""
    done, folder = {}, tmp_path_factory.mktemp("timelines")

    def file(name):
        if name not in done:
            write_timeline(compare([results(name)]), folder / f"{name}.json", LIMIT)
            done[name] = strict_json((folder / f"{name}.json").read_text())
        return done[name]

    return file


def of_phase(file, phase, category=None):
    events = [event for event in file["traceEvents"] if event["ph"] == phase]
    return [event for event in events if category in (None, event.get("cat"))]


def names_of(file):
    """Return names of processes by pid, and of tracks by tid."""
    names = {"process_name": {}, "thread_name": {}}
    for event in of_phase(file, "M"):
        if event["name"] in names:
            names[event["name"]][event.get("tid", event["pid"])] = event["args"]["name"]
    return names["process_name"], names["thread_name"]


# the schema

WHOLE = (int, lambda value: value >= 0)
ANY_WHOLE = (int, lambda _: True)
ID = (int, lambda value: 0 < value < 2**31)
TIME = (float, lambda value: value >= 0)
TEXT = (str, lambda value: 0 < len(value) <= 60)
PLACE = {"pid": ID, "tid": ID}
SCHEMA = {
    ("M", "process_name"): {"pid": ID, "args": {"name": TEXT}},
    ("M", "process_sort_index"): {"pid": ID, "args": {"sort_index": WHOLE}},
    ("M", "thread_name"): {**PLACE, "args": {"name": TEXT}},
    ("M", "thread_sort_index"): {**PLACE, "args": {"sort_index": WHOLE}},
    ("X", "dram"): {
        **PLACE, "cat": TEXT, "ts": TIME, "dur": TIME, "args": {"clk": WHOLE, "row": WHOLE, "column": WHOLE},
    },
    ("X", "packet"): {**PLACE, "cat": TEXT, "ts": TIME, "dur": TIME, "args": {"clk": WHOLE}},
    ("C", "queue"): {**PLACE, "cat": TEXT, "ts": TIME, "args": {"reads": WHOLE}},
    ("i", "cache"): {**PLACE, "cat": TEXT, "ts": TIME, "s": (str, "t".__eq__), "args": {"clk": WHOLE}},
}  # fmt: skip
COUNTS = ("poolings", "instructions", "bursts", "hits")
MORE_ARGS = {
    ("X", "packet"): [(), COUNTS],
    ("C", "queue"): [(), ("writes",)],
    ("i", "cache"): [("block",), ("bank", "row", "column")],
}


def check_event(event):
    """Hold an event to its schema: no field more, none less, every type and range."""
    assert isinstance(event["name"], str)
    assert event["name"]
    kind = event["ph"], event["name"] if event["ph"] == "M" else event["cat"]
    schema = SCHEMA[kind]
    assert set(event) == {"ph", "name", *schema}, event
    args = dict(schema["args"])
    if kind in MORE_ARGS:
        more = set(event["args"]) - set(args)
        assert more in [set(each) for each in MORE_ARGS[kind]], event
        args |= dict.fromkeys(more, WHOLE)
    assert set(event["args"]) == set(args), event
    for found, rules in ((event, {k: v for k, v in schema.items() if k != "args"}), (event["args"], args)):
        for key, (kind_of_value, holds) in rules.items():
            assert type(found[key]) is kind_of_value, (key, event)
            assert holds(found[key]), (key, event)


@EACH
def test_every_event_has_the_fields_of_its_phase_and_no_others(name, files):
    file = files(name)
    assert set(file) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert file["displayTimeUnit"] == "ns"
    for event in file["traceEvents"]:
        check_event(event)
    expected = {"X", "C", "M"}
    assert {event["ph"] for event in file["traceEvents"]} in (expected, expected | {"i"})


@EACH
def test_every_track_has_a_name_and_belongs_to_one_process_with_a_name(name, files):
    file = files(name)
    processes, threads = names_of(file)
    used = {(e["pid"], e["tid"]) for e in file["traceEvents"] if e["ph"] in "Xi"}
    assert {tid for _, tid in used} == set(threads)
    assert len({tid for _, tid in used}) == len(used)
    counters = {(e["pid"], e["tid"]) for e in of_phase(file, "C")}
    assert all(pid == tid for pid, tid in counters)
    assert {pid for pid, _ in used | counters} == set(processes)
    # Viewers take a tid of 0 for the pid, and a number that is both for the first track of that process.
    assert not set(threads) & {0, *processes}
    assert len(set(processes.values())) == len(processes)


# order and overlap


def times_ps(event):
    """Return exact begin and end: times are written with six decimals."""
    begin = round(event["ts"] * 1_000_000)
    assert math.isclose(begin / 1_000_000, event["ts"], rel_tol=1e-12)
    return begin, begin + round(event.get("dur", 0) * 1_000_000)


@EACH
def test_events_are_in_order_and_slices_of_a_track_do_not_overlap_in_any_viewer(name, files):
    events = [event for event in files(name)["traceEvents"] if event["ph"] != "M"]
    begins = [times_ps(event)[0] for event in events]
    assert begins == sorted(begins)
    free = {}
    for event in events:
        if event["ph"] != "X":
            continue
        begin, end = times_ps(event)
        # Whole nanoseconds as viewers make them: cut off (older ones) or rounded, from the float as it was read.
        cut, rounded = int(event["ts"] * 1000.0), round(event["ts"] * 1000.0)
        track = free.setdefault(event["tid"], (0, 0, 0))
        assert begin >= track[0], event
        assert cut >= track[1], event
        assert rounded >= track[2], event
        free[event["tid"]] = (
            end, cut + int(event["dur"] * 1000.0), rounded + round(event["dur"] * 1000.0),
        )  # fmt: skip


@pytest.mark.parametrize("tCK_ps", [1, 250, 417, 833, 999, 1000, 1001, 2500])
def test_slices_that_follow_one_another_stay_apart_at_any_clock_and_late(tCK_ps):
    lengths = np.array([1, 1, 2, 3, 4, 1, 39, 6] * 50, np.int64)
    for first in (0, 10**9 + 7, 10**12 // tCK_ps * 900):
        clk = first + np.concatenate([[0], np.cumsum(lengths)[:-1]])
        tid = np.ones(len(clk), np.int64)
        layer = timeline.Layer("X", "dram", "", clk * tCK_ps, tid, ["ACT"], tid - 1, {}, lengths * tCK_ps)
        free = 0, 0
        for line in timeline._events(layer, np.arange(len(clk)), np.array([0, 7])):
            event = json.loads(line)
            for at, to_ns in enumerate((int, round)):
                assert to_ns(event["ts"] * 1000.0) >= free[at], (tCK_ps, first, line)
            free = tuple(to_ns(event["ts"] * 1000.0) + to_ns(event["dur"] * 1000.0) for to_ns in (int, round))


# one to one


@EACH
def test_every_command_of_the_log_is_an_event_on_the_track_of_its_bank(name, results, files):
    result, file = results(name), files(name)
    organization, tCK_ps = result.system.dram.organization, result.system.dram.timing.tCK_ps
    processes, threads = names_of(file)
    channels, per_rank = organization.channels, organization.banks_per_rank
    expected = []
    for clk, command, bank, row, column in result.commands.T.tolist():
        rank, within = divmod(bank, per_rank)
        bus, rank = divmod(rank, organization.ranks)
        channel, pseudo = divmod(bus, organization.pseudo_channels)
        label = f"{result.system.name} rank {rank}"
        label += f" of pseudo channel {pseudo}" * (organization.pseudo_channels > 1)
        label += f" of channel {channel}" * (channels > 1)
        track = "all banks" if COMMANDS[command] in ("REF", "PREA") else f"bank {within}"
        expected.append((label, track, COMMANDS[command], clk * tCK_ps, clk, row, column))
    found = [
        (processes[e["pid"]], threads[e["tid"]], e["name"], times_ps(e)[0], *e["args"].values())
        for e in of_phase(file, "X", "dram")
    ]
    assert found == expected
    issued = sum(result.counts[each.lower()] for each in COMMANDS)
    assert len(found) == issued > 500
    assert file["otherData"]["systems"][0]["commands"] == [issued, issued]


@EACH
def test_a_slice_lasts_until_its_bank_takes_the_next_command_or_its_own_time_is_over(name, results, files):
    result = results(name)
    timing = result.system.dram.timing
    longest = {"REF": timing.tRFC, "PRE": timing.tRP, "PREA": timing.tRP, "ACT": timing.tRCD}
    clipped, tracks = 0, {}
    for event in of_phase(files(name), "X", "dram"):
        tracks.setdefault(event["tid"], []).append(event)
    for events in tracks.values():
        for event, after in pairwise(events):
            length = times_ps(event)[1] - times_ps(event)[0] + 1000
            gap = times_ps(after)[0] - times_ps(event)[0]
            assert length <= max(gap, 1001)
            own = longest.get(event["name"])
            clipped += own is not None and length < own * timing.tCK_ps
    if name == "host":
        assert clipped == 0


@EACH
def test_counters_say_what_waited_wherever_that_changes(name, results, files):
    result, file = results(name), files(name)
    organization = result.system.dram.organization
    units = {"recnmp-base": 4, "recnmp-opt": 4, "colours": 4, "chameleon": 4, "trim": 8}.get(name, 1)
    number = result.commands[2] // (organization.banks // units)
    tCK_ps, before, expected = result.system.dram.timing.tCK_ps, {}, []
    for clk, unit, reads, writes in zip(
        result.commands[0].tolist(), number.tolist(), *result.queues.tolist(), strict=True
    ):
        assert reads + writes > 0 or COMMANDS.index("RD") not in result.commands[1, :1]
        if before.get(unit) != (reads, writes):
            expected.append((clk * tCK_ps, reads))
        before[unit] = reads, writes
    expected += [(result.cycles * tCK_ps, 0)] * sum(depth != (0, 0) for depth in before.values())
    found = [(times_ps(event)[0], event["args"]["reads"]) for event in of_phase(file, "C")]
    assert sorted(found) == sorted(expected)
    assert len({(e["pid"], e["name"]) for e in of_phase(file, "C")}) == len(before)


@pytest.mark.parametrize("name", ["recnmp-base", "recnmp-opt", "colours", "chameleon", "trim"])
def test_packets_and_their_stretches_are_the_packet_log(name, results, files):
    result, file = results(name), files(name)
    processes, threads = names_of(file)
    tCK_ps = result.system.dram.timing.tCK_ps
    stretches = {
        "packets": ("start_clk", "returned_clk", 0),
        "configuration": ("start_clk", "configured_clk", 0),
        "instructions": ("first_issue_clk", "last_issue_clk", 1),
        "reading": ("first_issue_clk", "read_clk", 0),
        "sums": ("read_clk", "end_clk", 0),
        "results": ("result_clk", "returned_clk", 0),
    }
    expected = Counter()
    packets = [dict(zip(PACKET_LOG, packet, strict=True)) for packet in result.packets.T.tolist()]
    assert len(packets) == result.nmp["packets"] > 1
    for packet in packets:
        for track, (first, last, more) in stretches.items():
            begin, end = packet[first], packet[last] + more
            args = tuple(packet[key] for key in COUNTS) if track == "packets" else ()
            place = f"{result.system.name} channel {packet['channel']}", track
            if end > begin:
                dur = max((end - begin) * tCK_ps - 1000, 1)
                expected[*place, f"packet {packet['number']}", begin * tCK_ps, dur, begin, *args] += 1
    found = Counter()
    for event in of_phase(file, "X", "packet"):
        begin, end = times_ps(event)
        place = processes[event["pid"]], re.sub(r" \d+$", "", threads[event["tid"]])
        found[*place, event["name"], begin, end - begin, *event["args"].values()] += 1
    assert found == expected


def test_the_packet_log_adds_up_to_the_counters(results):
    for name in ("recnmp-base", "recnmp-opt", "chameleon", "trim"):
        result = results(name)
        log = dict(zip(PACKET_LOG, result.packets, strict=True))
        assert log["instructions"].sum() == result.nmp["instructions"]
        assert log["bursts"].sum() == result.trace.requests
        assert log["returned_clk"].max() == result.cycles
        assert log["hits"].sum() == (result.cache["hits"] if result.cache else 0)
        latency = log["returned_clk"] - log["start_clk"]
        ns = result.system.dram.timing.tCK_ps / 1000
        assert latency.max() * ns == result.nmp["packet_latency_max_ns"]
        assert latency.sum() * ns / len(latency) == pytest.approx(
            result.nmp["packet_latency_avg_ns"], rel=1e-12
        )
        order = ("start_clk", "configured_clk", "first_issue_clk", "last_issue_clk", "read_clk", "end_clk")
        for first, second in zip(order, (*order[1:], "result_clk"), strict=True):
            assert np.all(log[first] <= log[second]), (name, first)
    assert PACKET_LOG[1:] == recnmp.PACKET_LOG


CACHED = {
    "cache": ({"hit"}, 2),
    "dimm-caches": ({"hit"}, 4),
    "hierarchy": ({"L1 hit", "L2 hit", "LLC hit"}, 3),
    "recnmp-opt": ({"hit"}, 8),
}


@pytest.mark.parametrize("name", CACHED)
def test_every_hit_is_an_event_on_the_track_of_its_cache(name, results, files):
    result, file = results(name), files(name)
    hits = of_phase(file, "i")
    assert len(hits) == result.cache["hits"] == result.hits.shape[1] > 100
    tCK_ps = result.system.dram.timing.tCK_ps
    assert [times_ps(hit)[0] for hit in hits] == (result.hits[0] * tCK_ps).tolist()
    names, caches = CACHED[name]
    assert {hit["name"] for hit in hits} <= names
    assert len({hit["tid"] for hit in hits}) == len(np.unique(result.hits[1])) == caches
    if name == "hierarchy":
        by_level = Counter(hit["name"] for hit in hits)
        assert by_level == {
            f"{level['name'].upper()} hit": level["hits"] for level in result.cache["levels"] if level["hits"]
        }
        assert len(by_level) > 1


def test_without_caches_or_packets_nothing_is_made_up(results, files):
    assert results("host").hits.shape == (4, 0)
    assert results("host").packets.shape == (len(PACKET_LOG), 0)
    assert of_phase(files("host"), "i") == of_phase(files("host"), "X", "packet") == []


def test_without_a_log_there_are_no_logs_of_anything(trace):
    for name in ("host", "cache", "recnmp-opt"):
        preset, overrides = SYSTEMS[name]
        result = simulate(load_system(preset, overrides), trace)
        shapes = [log.shape[1] for log in (result.commands, result.queues, result.packets, result.hits)]
        assert shapes == [0, 0, 0, 0]


def test_writes_are_shown_and_wait_on_a_counter_of_their_own(trace, tmp_path):
    updates = replace(
        trace, tables=tuple(Table(t.name, t.rows, t.vector_bytes) for t in trace.tables),
        operation=(trace.rows % 3 == 0).astype("uint8"),
    )  # fmt: skip
    result = simulate(load_system("host-1rank"), updates, log_limit=LIMIT)
    write_timeline(compare([result]), tmp_path / "t.json")
    file = strict_json((tmp_path / "t.json").read_text())
    for event in file["traceEvents"]:
        check_event(event)
    assert {"RD", "WR"} <= {event["name"] for event in of_phase(file, "X")}
    writes = {event["args"]["writes"] for event in of_phase(file, "C")}
    assert writes == {*np.unique(result.queues[1]).tolist(), 0}
    assert max(writes) > 1


# names


def test_names_are_short_and_say_where(files):
    processes, threads = names_of(files("recnmp-opt"))
    assert {name.removeprefix("recnmp-opt-4rank ") for name in processes.values()} == {
        "channel 0", "channel 1",
        *(f"rank {rank} of channel {channel}" for rank in range(4) for channel in range(2)),
    }  # fmt: skip
    assert set(threads.values()) >= {"packets", "configuration", "instructions", "reading", "sums", "results"}
    assert set(threads.values()) >= {"bank 0", "bank 15", "RankCache hits"}
    assert "all banks" in names_of(files("host"))[1].values()
    assert {event["name"] for event in of_phase(files("recnmp-opt"), "C")} == {"queue"}
    names = {event["name"] for event in of_phase(files("chameleon"), "C")}
    assert names == {f"queue DIMM {dimm}" for dimm in range(4)}
    assert {"core 0 cache hits", "core 2 cache hits"} <= set(names_of(files("hierarchy"))[1].values())
    assert "DIMM 1 cache hits" in names_of(files("dimm-caches"))[1].values()


def test_any_name_of_a_system_is_text(results, tmp_path):
    result = results("host")
    odd = replace(result, system=result.system.model_copy(update={"name": 'a"\\\n%d é名'}))
    write_timeline(compare([odd]), tmp_path / "t.json")
    file = strict_json((tmp_path / "t.json").read_text())
    assert all(name.startswith('a"\\\n%d é名 ') for name in names_of(file)[0].values())


# several systems, cuts, files


def test_systems_share_a_file_and_keep_their_tracks_apart(results, files, tmp_path):
    names = ("host", "recnmp-base", "cache")
    write_timeline(compare([results(name) for name in names]), tmp_path / "t.json")
    file = strict_json((tmp_path / "t.json").read_text())
    owner = {}
    for event in of_phase(file, "M"):
        if event["name"] == "process_name":
            owner[event["pid"]] = event["args"]["name"].partition(" channel")[0].partition(" rank")[0]
    labels = ("host-2rank #1", "recnmp-base-4rank", "host-2rank #2")
    for name, label in zip(names, labels, strict=True):
        own = [e for e in file["traceEvents"] if e["ph"] != "M" and owner[e["pid"]] == label]
        alone = [e for e in files(name)["traceEvents"] if e["ph"] != "M"]
        assert [e | {"pid": 0, "tid": 0} for e in own] == [e | {"pid": 0, "tid": 0} for e in alone]
    begins = [times_ps(event)[0] for event in file["traceEvents"] if event["ph"] != "M"]
    assert begins == sorted(begins)
    assert file["otherData"]["left_out"] == []
    assert tuple(system["label"] for system in file["otherData"]["systems"]) == labels


@pytest.mark.parametrize("name", ["host", "recnmp-opt", "cache"])
@pytest.mark.parametrize("limit", [1, 100, 1801])
def test_a_timeline_is_cut_after_its_first_events_and_says_so(limit, name, results, files, tmp_path):
    result = results(name)
    lines = write_timeline(compare([result]), tmp_path / "t.json", limit)
    file = strict_json((tmp_path / "t.json").read_text())
    whole = [event for event in files(name)["traceEvents"] if event["ph"] != "M"]
    kept = [event for event in file["traceEvents"] if event["ph"] != "M"]
    assert [e | {"tid": 0} for e in kept] == [e | {"tid": 0} for e in whole[:limit]]
    about = file["otherData"]["systems"][0]
    until_ps = times_ps(kept[-1])[0]
    assert about["until_clk"] * result.system.dram.timing.tCK_ps == until_ps
    commands = sum(event["ph"] == "X" and event["cat"] == "dram" for event in kept)
    total = sum(result.counts[each.lower()] for each in COMMANDS)
    assert about["commands"] == [commands, total]
    assert about["hits"] == [sum(e["ph"] == "i" for e in kept), (result.cache or {"hits": 0})["hits"]]
    end_us = result.cycles * result.system.dram.timing.tCK_ps / 1e6
    expected = f"{result.system.name}: only {until_ps / 1e6:.3f} of {end_us:.3f} us: {commands:,} of {total:,} commands"
    assert lines[0] == f"timeline: {tmp_path / 't.json'}, {limit:,} events"
    assert lines[1].startswith(f"timeline: {expected}")
    assert lines[2:] == [f"timeline: for more, replay with --timeline-limit above {limit:,}"]
    assert [f"timeline: {line}" for line in file["otherData"]["left_out"]] == lines[1:]


@pytest.mark.parametrize("total", [0, 1000])
def test_logs_as_long_as_the_share_of_a_system_are_long_enough(total, results, trace, tmp_path, monkeypatch):
    monkeypatch.setattr("archsim.systems.recnmp.CHUNK_LOOKUPS", 200)
    for name in ("channels", "recnmp-opt", "colours", "chameleon", "dimm-caches"):
        short = simulate(results(name).system, trace, log_limit=1000, log_total=total)
        for which, result in (("short", short), ("long", results(name))):
            write_timeline(compare([result]), tmp_path / f"{name}-{which}.json", 1000)
        texts = [(tmp_path / f"{name}-{which}.json").read_text() for which in ("short", "long")]
        assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ["recnmp-base", "recnmp-opt", "colours", "chameleon"])
@pytest.mark.parametrize("total", [1, 70, 700, LIMIT])
def test_a_log_of_all_ranks_together_holds_the_first_entries(total, name, results, trace, monkeypatch):
    monkeypatch.setattr("archsim.systems.recnmp.CHUNK_LOOKUPS", 100)
    whole = results(name)
    result = simulate(whole.system, trace, log_limit=total, log_total=total)
    assert result.commands.tolist() == whole.commands[:, :total].tolist()
    assert result.queues.tolist() == whole.queues[:, :total].tolist()
    assert result.hits.tolist() == whole.hits[:, :total].tolist()
    assert result.cycles == whole.cycles


@pytest.mark.parametrize("limit", [0, 50])
def test_logs_that_are_too_short_are_told_of_too(limit, results, trace, tmp_path):
    result = simulate(results("host").system, trace, log_limit=limit)
    lines = write_timeline(compare([result]), tmp_path / "t.json")
    assert f": {limit} of " in lines[1]
    assert "--timeline-limit" in lines[2]
    assert len(of_phase(strict_json((tmp_path / "t.json").read_text()), "X")) == limit


def test_the_file_says_what_it_is_of(results, trace, files):
    from archsim import __version__

    about, result = files("recnmp-base")["otherData"], results("recnmp-base")
    assert (about["program"], about["version"], about["limit"]) == ("archsim", __version__, LIMIT)
    assert (about["trace"]["name"], about["trace"]["sha256"]) == (trace.name, trace.sha256)
    (system,) = about["systems"]
    assert (system["name"], system["sha256"]) == (result.system.name, result.system.sha256())
    assert (system["tCK_ps"], system["cycles"]) == (result.system.dram.timing.tCK_ps, result.cycles)
    assert system["until_clk"] is None


def test_a_timeline_is_compressed_when_its_name_says_so_and_the_same_each_time(results, tmp_path):
    comparison = compare([results("recnmp-base"), results("host")])
    for name in ("plain.json", "a.json.gz", "b.json.gz"):
        write_timeline(comparison, tmp_path / name)
    plain, first, second = ((tmp_path / n).read_bytes() for n in ("plain.json", "a.json.gz", "b.json.gz"))
    assert gzip.decompress(first) == plain
    assert first == second
    assert b"plain" not in first


@pytest.mark.parametrize("name", ["t.json", "t.json.gz"])
def test_a_timeline_appears_whole_or_not_at_all(name, results, tmp_path, monkeypatch):
    real = timeline._events
    calls = []

    def fail(*arguments):
        calls.append(1)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(timeline, "_events", fail)
    with pytest.raises(InputError, match=f"{name}: cannot be written: No space left on device"):
        write_timeline(compare([results("host")]), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / name).write_text("mine")
    monkeypatch.undo()
    with pytest.raises(InputError, match="exists already"):
        write_timeline(compare([results("host")]), tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"


def test_a_timeline_is_written_in_pieces(results, tmp_path, monkeypatch):
    monkeypatch.setattr(timeline, "_CHUNK", 500)
    comparison = compare([results("recnmp-base")])
    write_timeline(comparison, tmp_path / "warm.json")
    tracemalloc.start()
    write_timeline(comparison, tmp_path / "t.json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    events = len(strict_json((tmp_path / "t.json").read_text())["traceEvents"])
    # Times, tracks and numbers of an event in arrays, some of them twice while they are sorted; its text is 130 bytes.
    assert peak < 250 * events + 1_000_000


# the command line

ZIPF = ("replay", "preset:zipf", "--system", "host-2rank", "--system", "recnmp-opt-2rank")


def test_the_program_writes_a_timeline_and_says_what_is_missing(tmp_path):
    small = (*ZIPF, "--limit", "500", "--json")
    plain = run(*small)
    whole = run(*small, "--timeline", tmp_path / "whole.json.gz")
    cut = run(*small, "--timeline", tmp_path / "cut.json", "--timeline-limit", "600")
    assert (whole.status, cut.status) == (0, 0)
    runs = [strict_json(ended.out)["runs"] for ended in (plain, whole, cut)]
    for one in runs:
        for each in one:
            each.pop("kernel_cpu_s")
    assert runs[0] == runs[1] == runs[2]
    assert re.fullmatch(rf"timeline: {tmp_path}/whole.json.gz, [0-9,]+ events\n", whole.err)
    lines = cut.err.splitlines()
    assert lines[0] == f"timeline: {tmp_path}/cut.json, 600 events"
    assert lines[1].startswith("timeline: host-2rank: only ")
    assert lines[2].startswith("timeline: recnmp-opt-2rank: only ")
    assert lines[3:] == ["timeline: for more, replay with --timeline-limit above 600"]
    file = strict_json((tmp_path / "cut.json").read_text())
    assert Counter(s["events"] for s in file["otherData"]["systems"]) == {300: 2}


def test_ten_thousand_lookups_of_the_default_systems_are_complete_by_default(tmp_path):
    ended = run("replay", "preset:zipf", "--limit", "10000", "--timeline", tmp_path / "t.json.gz")
    assert (ended.status, ended.err.count("\n")) == (0, 1)
    file = strict_json(gzip.decompress((tmp_path / "t.json.gz").read_bytes()))
    for system in file["otherData"]["systems"]:
        assert system["until_clk"] is None
        assert all(system[kind][0] == system[kind][1] for kind in ("commands", "packets", "hits"))
    assert len(file["otherData"]["systems"]) == 3


def test_a_limit_without_a_timeline_is_refused():
    ended = run(*ZIPF, "--timeline-limit", "10")
    assert (ended.status, ended.err) == (
        2, "archsim: error: --timeline-limit 10: has no effect without --timeline\n",
    )  # fmt: skip


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_limit_that_counts_nothing_is_refused(value, tmp_path):
    ended = run(*ZIPF, "--timeline", tmp_path / "t.json", f"--timeline-limit={value}")
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "--timeline-limit" in ended.err
    assert list(tmp_path.iterdir()) == []
