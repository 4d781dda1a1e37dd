"""Files of timelines: several systems, cuts and what is said of them, compression, memory; the command line."""

import gzip
import re
import tracemalloc
from collections import Counter

import pytest
from program import run, strict_json
from timeline_cases import LIMIT, files, of_phase, results, times_ps, trace

from archsim import compare, simulate
from archsim.dram.resolve import COMMANDS
from archsim.errors import InputError
from archsim.report import timeline
from archsim.report.timeline import write_timeline

# several systems, cuts, files


def test_systems_share_a_file_and_keep_their_tracks_apart(tmp_path):
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
def test_a_timeline_is_cut_after_its_first_events_and_says_so(limit, name, tmp_path):
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
def test_logs_as_long_as_the_share_of_a_system_are_long_enough(total, tmp_path, monkeypatch):
    monkeypatch.setattr("archsim.systems.recnmp.CHUNK_LOOKUPS", 200)
    for name in ("channels", "recnmp-opt", "colours", "chameleon", "dimm-caches"):
        short = simulate(results(name).system, trace(), log_limit=1000, log_total=total)
        for which, result in (("short", short), ("long", results(name))):
            write_timeline(compare([result]), tmp_path / f"{name}-{which}.json", 1000)
        texts = [(tmp_path / f"{name}-{which}.json").read_text() for which in ("short", "long")]
        assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ["recnmp-base", "recnmp-opt", "colours", "chameleon"])
@pytest.mark.parametrize("total", [1, 70, 700, LIMIT])
def test_a_log_of_all_ranks_together_holds_the_first_entries(total, name, monkeypatch):
    monkeypatch.setattr("archsim.systems.recnmp.CHUNK_LOOKUPS", 100)
    whole = results(name)
    result = simulate(whole.system, trace(), log_limit=total, log_total=total)
    assert result.commands.tolist() == whole.commands[:, :total].tolist()
    assert result.queues.tolist() == whole.queues[:, :total].tolist()
    assert result.hits.tolist() == whole.hits[:, :total].tolist()
    assert result.cycles == whole.cycles


@pytest.mark.parametrize("limit", [0, 50])
def test_logs_that_are_too_short_are_told_of_too(limit, tmp_path):
    result = simulate(results("host").system, trace(), log_limit=limit)
    lines = write_timeline(compare([result]), tmp_path / "t.json")
    assert f": {limit} of " in lines[1]
    assert "--timeline-limit" in lines[2]
    assert len(of_phase(strict_json((tmp_path / "t.json").read_text()), "X")) == limit


def test_the_file_says_what_it_is_of():
    from archsim import __version__

    about, result = files("recnmp-base")["otherData"], results("recnmp-base")
    assert (about["program"], about["version"], about["limit"]) == ("archsim", __version__, LIMIT)
    assert (about["trace"]["name"], about["trace"]["sha256"]) == (trace().name, trace().sha256)
    (system,) = about["systems"]
    assert (system["name"], system["sha256"]) == (result.system.name, result.system.sha256())
    assert (system["tCK_ps"], system["cycles"]) == (result.system.dram.timing.tCK_ps, result.cycles)
    assert system["until_clk"] is None


def test_a_timeline_is_compressed_when_its_name_says_so_and_the_same_each_time(tmp_path):
    comparison = compare([results("recnmp-base"), results("host")])
    for name in ("plain.json", "a.json.gz", "b.json.gz"):
        write_timeline(comparison, tmp_path / name)
    plain, first, second = ((tmp_path / n).read_bytes() for n in ("plain.json", "a.json.gz", "b.json.gz"))
    assert gzip.decompress(first) == plain
    assert first == second
    assert b"plain" not in first


@pytest.mark.parametrize("name", ["t", "t.gz", "t.csv", "t.json.bz2", "json", "t.json.gz/x.html"])
def test_a_timeline_of_another_ending_is_refused_before_the_replay(name, tmp_path):
    ended = run("replay", tmp_path / "no-trace", "--timeline", tmp_path / name)
    assert (ended.status, ended.out) == (2, "")
    if "/" not in name:
        assert ended.err == f"archsim: error: {tmp_path}/{name}: a timeline must end in .json or .json.gz\n"
        with pytest.raises(InputError, match="must end in"):
            write_timeline(compare([results("host")]), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["t.json", "t.json.gz"])
def test_a_timeline_appears_whole_or_not_at_all(name, tmp_path, monkeypatch):
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


def test_a_timeline_is_written_in_pieces(tmp_path, monkeypatch):
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
