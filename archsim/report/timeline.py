"""Timelines in the Chrome Trace Event format, for ui.perfetto.dev.

What is on the tracks is in `archsim.report.timeline_tracks`; here is how it becomes a file. Viewers keep times in
whole nanoseconds, and drop or misplace slices that overlap on a track after rounding. Times are written exactly, with
six decimals of a microsecond; slices end a nanosecond early, which is enough for any rounding.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from archsim.errors import InputError
from archsim.files import new_file
from archsim.report.timeline_tracks import Layer, Tracks, commands_issued, layers_of
from archsim.result import Comparison, Result
from archsim.systems.outcome import Ints

#: Events put into text together.
_CHUNK = 1 << 15
#: What slices give up at their end.
_SLACK_PS = 1000
_US_PS = 1_000_000


@dataclass(frozen=True)
class Shown:
    """What of one system is in the file.

    Attributes
    ----------
    result : Result
        The system.
    label : str
        What it is called in the file.
    layers : sequence of Layer
        Its events, those kept.
    until_clk : int or None
        Clock of the last event, where events were left out.
    """

    result: Result
    label: str
    layers: Sequence[Layer]
    until_clk: int | None

    @property
    def events(self) -> int:
        """Events in the file."""
        return sum(len(layer.t_ps) for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Return what the file says about itself."""
        result, kept = self.result, {layer.what: len(layer.t_ps) for layer in self.layers if layer.what}
        kinds = {name: [kept.get(name, 0), count] for name, count in totals(result).items()}
        timing = {"tCK_ps": result.system.dram.timing.tCK_ps, "cycles": result.cycles}
        names = {"label": self.label, "name": result.system.name, "sha256": result.system.sha256()}
        return names | timing | {"events": self.events, "until_clk": self.until_clk} | kinds


def totals(result: Result) -> dict[str, int]:
    """Return how many commands, packets and hits there were, logged or not."""
    packets = 0 if result.nmp is None else int(result.nmp["packets"])
    hits = 0 if result.cache is None else int(result.cache["hits"])
    return {"commands": commands_issued(result), "packets": packets, "hits": hits}


def check_name(path: Path) -> None:
    """Refuse a name that tells no format.

    Raises
    ------
    InputError
        Before any work is done for the file.
    """
    if not path.name.endswith((".json", ".json.gz")):
        raise InputError(f"{path}: a timeline must end in .json or .json.gz")


def write_timeline(comparison: Comparison, path: Path, limit: int = 1_000_000) -> list[str]:
    """Write what the logs of results hold as one timeline, whole or not at all; what tracks there are is in the docs.

    A name that ends in ``.json.gz`` is compressed. Results need logs (``simulate(..., log_limit=...)``); with as many
    entries as each system may have events, they are long enough.

    Parameters
    ----------
    comparison : Comparison
        The systems; each has an equal share of the limit, and shows its first events.
    path : Path
        The new file, ``.json`` or ``.json.gz``.
    limit : int
        Events at most, names of tracks not counted.

    Returns
    -------
    list of str
        What was written, and what was left out and how to get it.

    Raises
    ------
    InputError
        When the file has another ending, exists or cannot be written.
    """
    check_name(path)
    tracks = Tracks()
    share = max(1, limit // len(comparison.results))
    shown = [
        _shown(result, label, layers_of(result, label, tracks), share)
        for result, label in zip(comparison.results, _labels(comparison.results), strict=True)
    ]
    left_out = _left_out(shown, limit)
    with new_file(path) as temporary, temporary.open("wb") as raw:
        if path.suffix == ".gz":
            # No name and no time inside: the same results give the same file.
            with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
                _write(packed, shown, tracks, _about(comparison, shown, limit, left_out))
        else:
            _write(raw, shown, tracks, _about(comparison, shown, limit, left_out))
    count = sum(each.events for each in shown)
    return [f"timeline: {path}, {count:,} events", *(f"timeline: {line}" for line in left_out)]


def _labels(results: Sequence[Result]) -> list[str]:
    """Return the names of systems, those that stand more than once with a number."""
    names = [result.system.name for result in results]
    return [
        name if names.count(name) == 1 else f"{name} #{names[: place + 1].count(name)}"
        for place, name in enumerate(names)
    ]


def _shown(result: Result, label: str, layers: list[Layer], share: int) -> Shown:
    """Keep the first events of all layers together; of events at one time, those of the first layer."""
    times = np.concatenate([layer.t_ps for layer in layers])
    everything = totals(result)
    logged = {layer.what: len(layer.t_ps) for layer in layers if layer.what}
    if len(times) > share:
        layer_of = np.repeat(np.arange(len(layers)), [len(layer.t_ps) for layer in layers])
        kept = np.argsort(times, kind="stable")[:share]
        counts = np.bincount(layer_of[kept], minlength=len(layers)).tolist()
        last_ps = int(times[kept[-1]])
        layers = [layer.first(count) for layer, count in zip(layers, counts, strict=True)]
    elif all(logged.get(name, 0) == count for name, count in everything.items()):
        return Shown(result, label, layers, None)
    else:
        last_ps = int(times.max(initial=0))
    return Shown(result, label, layers, last_ps // result.system.dram.timing.tCK_ps)


def _left_out(shown: Sequence[Shown], limit: int) -> list[str]:
    """Say what is missing, a line per system."""
    lines = []
    for each in shown:
        if each.until_clk is None:
            continue
        own, us_per_clk = each.to_dict(), each.result.system.dram.timing.tCK_ps / _US_PS
        counts = ", ".join(
            f"{own[name][0]:,} of {own[name][1]:,} {name}"
            for name in ("commands", "packets", "hits")
            if own[name][1]
        )
        until, end = each.until_clk * us_per_clk, each.result.cycles * us_per_clk
        lines.append(f"{each.label}: only {until:.3f} of {end:.3f} us: {counts}")
    if lines:
        lines.append(f"for more, replay with --timeline-limit above {limit:,}")
    return lines


def _about(comparison: Comparison, shown: Sequence[Shown], limit: int, left_out: list[str]) -> dict[str, Any]:
    from archsim import __version__

    return {
        "program": "archsim",
        "version": __version__,
        "trace": dict(vars(comparison.results[0].trace)),
        "systems": [each.to_dict() for each in shown],
        "limit": limit,
        "left_out": left_out,
    }


def _write(
    file: IO[bytes] | gzip.GzipFile, shown: Sequence[Shown], tracks: Tracks, about: dict[str, Any]
) -> None:
    layers = [layer for each in shown for layer in each.layers if len(layer.t_ps)]
    used = np.unique(np.concatenate([np.empty(0, np.int64), *(layer.tid for layer in layers)]))
    head = {"displayTimeUnit": "ns", "otherData": about}
    text = json.dumps(head, separators=(",", ":"))[:-1] + ',"traceEvents":[\n'
    text += ",\n".join(json.dumps(event, separators=(",", ":")) for event in tracks.names(used.tolist()))
    file.write(text.encode("ascii"))
    for events in _texts(layers, tracks):
        file.write((",\n" + ",\n".join(events)).encode("ascii"))
    file.write(b"\n]}\n")


def _texts(layers: Sequence[Layer], tracks: Tracks) -> Iterator[list[str]]:
    """Yield the events of all layers in order of time, some at once."""
    if not layers:
        return
    order = np.argsort(np.concatenate([layer.t_ps for layer in layers]), kind="stable")
    ends = np.cumsum([len(layer.t_ps) for layer in layers])
    pid_of = tracks.pid_of()
    for first in range(0, len(order), _CHUNK):
        at = order[first : first + _CHUNK]
        layer_of = np.searchsorted(ends, at, side="right")
        texts = np.empty(len(at), dtype=object)
        for number in np.unique(layer_of).tolist():
            layer, here = layers[number], np.flatnonzero(layer_of == number)
            texts[here] = _events(layer, at[here] - (ends[number] - len(layer.t_ps)), pid_of)
        yield texts.tolist()


def _events(layer: Layer, at: Ints, pid_of: Ints) -> list[str]:
    """Put some events of a layer into text."""
    tid = layer.tid[at]
    own_name = not isinstance(layer.names, str)
    name = layer.name[at].tolist()
    if own_name:
        quoted = [json.dumps(each) for each in layer.names]
        name = [quoted[number] for number in name]
    columns: list[list[Any]] = [name, *_parts(layer.t_ps[at])]
    name_text = "%s" if own_name else json.dumps(layer.names)
    text = f'{{"ph":"{layer.phase}","cat":"{layer.category}","name":{name_text},"ts":%d.%06d,'
    if layer.dur_ps is not None:
        text += '"dur":%d.%06d,'
        columns += _parts(np.maximum(layer.dur_ps[at] - _SLACK_PS, 1))
    if layer.phase == "i":
        text += '"s":"t",'
    text += '"pid":%d,"tid":%d,"args":{' + ",".join(f'"{key}":%d' for key in layer.args) + "}}"
    columns += [pid_of[tid].tolist(), tid.tolist(), *(column[at].tolist() for column in layer.args.values())]
    return [text % row for row in zip(*columns, strict=True)]


def _parts(ps: Ints) -> tuple[list[int], list[int]]:
    """Return whole microseconds and the picoseconds that are left."""
    us, rest = np.divmod(ps, _US_PS)
    return us.tolist(), rest.tolist()
