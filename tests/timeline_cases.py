"""Small systems of every kind, their results and timelines, and the schema of the events."""

import functools
import math
import tempfile
from pathlib import Path

from program import strict_json

from archsim import compare, load_system, open_trace, simulate
from archsim.report.timeline import write_timeline

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


@functools.cache
def trace():
    """A small generated trace whose lookups repeat."""
    return open_trace("preset:zipf", overrides=["lookups=1500", "rows=300", "vector_bytes=64"])


@functools.cache
def results(name):
    """The result of a system, with whole logs."""
    preset, overrides = SYSTEMS[name]
    return simulate(load_system(preset, overrides), trace(), log_limit=LIMIT)


@functools.cache
def files(name):
    """The parsed timeline of a system."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.json"
        write_timeline(compare([results(name)]), path, LIMIT)
        return strict_json(path.read_text())


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


def times_ps(event):
    """Return exact begin and end: times are written with six decimals."""
    begin = round(event["ts"] * 1_000_000)
    assert math.isclose(begin / 1_000_000, event["ts"], rel_tol=1e-12)
    return begin, begin + round(event.get("dur", 0) * 1_000_000)


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
