"""Timelines: every event by a strict schema, one to one with the logs, in order, and apart in any viewer."""

import json
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from program import strict_json
from timeline_cases import (
    COUNTS,
    LIMIT,
    SYSTEMS,
    check_event,
    files,
    names_of,
    of_phase,
    results,
    times_ps,
    trace,
)

from archsim import compare, load_system, simulate
from archsim.dram.resolve import COMMANDS
from archsim.kernels import recnmp
from archsim.report import timeline
from archsim.report.timeline import write_timeline
from archsim.systems.outcome import PACKET_LOG
from archsim.traces import Table

EACH = pytest.mark.parametrize("name", SYSTEMS)


# the schema


@EACH
def test_every_event_has_the_fields_of_its_phase_and_no_others(name):
    file = files(name)
    assert set(file) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert file["displayTimeUnit"] == "ns"
    for event in file["traceEvents"]:
        check_event(event)
    expected = {"X", "C", "M"}
    assert {event["ph"] for event in file["traceEvents"]} in (expected, expected | {"i"})


@EACH
def test_every_track_has_a_name_and_belongs_to_one_process_with_a_name(name):
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


@EACH
def test_events_are_in_order_and_slices_of_a_track_do_not_overlap_in_any_viewer(name):
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
def test_every_command_of_the_log_is_an_event_on_the_track_of_its_bank(name):
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
def test_a_slice_lasts_until_its_bank_takes_the_next_command_or_its_own_time_is_over(name):
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
def test_counters_say_what_waited_wherever_that_changes(name):
    result, file = results(name), files(name)
    organization = result.system.dram.organization
    units = {"recnmp-base": 4, "recnmp-opt": 4, "colours": 4, "chameleon": 4, "trim": 8}.get(name, 1)
    number = result.commands[2] // (organization.banks // units)
    tCK_ps, before, expected = result.system.dram.timing.tCK_ps, {}, []
    for clk, unit, reads, writes in zip(
        result.commands[0].tolist(), number.tolist(), *result.queues.tolist(), strict=True
    ):
        if before.get(unit) != (reads, writes):
            expected.append((clk * tCK_ps, reads))
        before[unit] = reads, writes
    expected += [(result.cycles * tCK_ps, 0)] * sum(depth != (0, 0) for depth in before.values())
    found = [(times_ps(event)[0], event["args"]["reads"]) for event in of_phase(file, "C")]
    assert sorted(found) == sorted(expected)
    assert len({(e["pid"], e["name"]) for e in of_phase(file, "C")}) == len(before)


@pytest.mark.parametrize("name", ["recnmp-base", "recnmp-opt", "colours", "chameleon", "trim"])
def test_packets_and_their_stretches_are_the_packet_log(name):
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


def test_the_packet_log_adds_up_to_the_counters():
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
def test_every_hit_is_an_event_on_the_track_of_its_cache(name):
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


def test_without_caches_or_packets_nothing_is_made_up():
    assert results("host").hits.shape == (4, 0)
    assert results("host").packets.shape == (len(PACKET_LOG), 0)
    assert of_phase(files("host"), "i") == of_phase(files("host"), "X", "packet") == []


def test_without_a_log_there_are_no_logs_of_anything():
    for name in ("host", "cache", "recnmp-opt"):
        preset, overrides = SYSTEMS[name]
        result = simulate(load_system(preset, overrides), trace())
        shapes = [log.shape[1] for log in (result.commands, result.queues, result.packets, result.hits)]
        assert shapes == [0, 0, 0, 0]


def test_writes_are_shown_and_wait_on_a_counter_of_their_own(tmp_path):
    updates = replace(
        trace(), tables=tuple(Table(t.name, t.rows, t.vector_bytes) for t in trace().tables),
        operation=(trace().rows % 3 == 0).astype("uint8"),
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


def test_names_are_short_and_say_where():
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


def test_any_name_of_a_system_is_text(tmp_path):
    result = results("host")
    odd = replace(result, system=result.system.model_copy(update={"name": 'a"\\\n%d é名'}))
    write_timeline(compare([odd]), tmp_path / "t.json")
    file = strict_json((tmp_path / "t.json").read_text())
    assert all(name.startswith('a"\\\n%d é名 ') for name in names_of(file)[0].values())
