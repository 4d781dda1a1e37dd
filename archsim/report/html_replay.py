"""The sections of a page on one report folder of ``archsim replay --out``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from archsim.errors import InputError
from archsim.files import check_plain
from archsim.report.damage import WRONG, blamed
from archsim.report.html_config import configuration_section
from archsim.report.html_parts import (
    Raw,
    bar,
    code,
    described,
    details,
    number,
    paragraph,
    section,
    table,
    text,
)
from archsim.report.html_pictures import figure
from archsim.report.html_sources import citations_section
from archsim.result import SCHEMA
from archsim.studies.definition import parse_json
from archsim.systems.spec import SystemSpec
from archsim.tables import comparison_rows, trace_length

#: Pictures of a report folder, and what they show.
_PICTURES = {
    "comparison.png": "Run time with speedup over the first system, energy by event, and utilisation of each resource",
    "latency.png": "Share of the reads that took at most so long",
    "series.png": "Bandwidth and mean read latency over the run",
}
#: As wide as two columns of a paper.
_WIDE = "comparison.png"
#: Groups of the comparison that have tables of their own.
_APART = ("utilisation", "energy", "area of a DIMM's unit")


def replay_sections(folder: Path) -> tuple[str, str, list[str]]:
    """Return title, lead and sections of the page.

    Raises
    ------
    InputError
        When ``results.json`` or a system is damaged, or from a later archsim.
    """
    results = _read(folder / "results.json")
    trace, runs = results["trace"], results["runs"]
    file = folder / "results.json"
    with blamed(file, "trace"):
        lead_words = trace_length(trace)
        identity = _identity(folder, results)
    systems = [(run["system"], spec) for run, spec in zip(runs, _systems(folder, len(runs)), strict=True)]
    names = _numbered([run["system"] for run in runs])
    lead = f"<p>{text(lead_words)} through {text(', '.join(names))}</p>"

    def of_runs(place: str, draw: Callable[[Sequence[Any], Sequence[str]], Any]) -> Any:
        for at, (run, name) in enumerate(_both(runs, names)):  # to know whose the damage is
            with blamed(file, f"runs[{at}].{place}"):
                draw([run], [name])
        return draw(runs, names)

    sections = [
        section("run", "What was run", identity),
        section("results", "Results", of_runs("results", lambda runs, names: _results(folder, runs, names))),
        section("pictures", "Pictures", *_pictures(folder)),
        section("utilisation", "Utilisation", of_runs("utilisation", _utilisation)),
        section("energy", "Energy", of_runs("energy", _energy), of_runs("energy", _ledgers)),
        section("area", "Area", of_runs("area", _area)),
        section("parts", "Channels and ranks", *of_runs("channels or ranks", _parts)),
        configuration_section([(name, spec) for name, (_, spec) in zip(names, systems, strict=True)]),
    ]
    with blamed(file, "trace"):
        sections.append(citations_section([spec for _, spec in systems], trace))
    return f"archsim: {trace['name']}", lead, sections


def _read(file: Path) -> dict[str, Any]:
    try:
        check_plain(file)
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    found = parse_json(content, str(file))
    if not isinstance(found, dict) or not isinstance(found.get("runs"), list) or not found["runs"]:
        raise InputError(f"{file}: damaged: must hold the object of `archsim replay --json`, with its runs")
    if found.get("schema") != SCHEMA:
        raise InputError(f"{file}: schema = {found.get('schema')!r}: this archsim reads {SCHEMA}")
    _check(file, "trace", found.get("trace"), ("name", "sha256", "lookups", "requests", "order", "generator"))
    for place, run in enumerate(found["runs"]):
        _check(
            file,
            f"runs[{place}]",
            run,
            ("system", "system_sha256", "time_ns", "utilisation", "energy", "area"),
        )
        if type(run["system"]) is not str:
            raise InputError(f"{file}: runs[{place}].system: damaged: must be a text")
    return found


def _check(file: Path, where: str, found: Any, keys: Sequence[str]) -> None:
    if not isinstance(found, dict):
        raise InputError(f"{file}: {where}: damaged: must be an object")
    for key in keys:
        if key not in found:
            raise InputError(f"{file}: {where}: damaged: key {key!r} is missing")


def _systems(folder: Path, count: int) -> list[SystemSpec]:
    from archsim.peers import load_system

    # By number: 100 stands before 11 in the order of texts.
    found = sorted(
        (folder / "systems").glob("*.toml"), key=lambda file: (len(file.name.partition("-")[0]), file.name)
    )
    if len(found) != count:
        raise InputError(
            f"{folder / 'systems'}: holds {len(found)} systems, but results.json has {count} runs"
        )
    return [load_system(str(file)) for file in found]


def _numbered(names: Sequence[str]) -> list[str]:
    """Return names; those that stand there twice with their number."""
    return [
        name if names.count(name) == 1 else f"{name} ({names[: place + 1].count(name)})"
        for place, name in enumerate(names)
    ]


def _identity(folder: Path, results: Mapping[str, Any]) -> str:
    trace = results["trace"]
    run = _read_run(folder / "run.json")
    return described(
        [
            ("command", Raw(code(str(run["command"]))) if run.get("command") else None),
            ("finished (UTC)", run.get("finished_utc")),
            ("archsim", results.get("version")),
            ("version of the code", run.get("code_version")),
            ("trace", trace["name"]),
            ("length", trace_length(trace)),
            ("requests", number(trace["requests"])),
            ("order", trace["order"]),
            ("generator", trace["generator"]),
            ("seed", trace.get("seed")),
            ("SHA-256 of the trace", trace["sha256"]),
            *((f"SHA-256 of {each['system']}", each["system_sha256"]) for each in results["runs"]),
        ]
    )


def _read_run(file: Path) -> dict[str, Any]:
    """Return what ``archsim replay`` noted about itself; nothing of a folder written from Python."""
    if not file.exists():
        return {}
    check_plain(file)
    found = parse_json(file.read_bytes(), str(file))
    if not isinstance(found, dict):
        raise InputError(f"{file}: damaged: must hold an object")
    return found


def _results(folder: Path, runs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    try:
        rows = comparison_rows(runs)
    except WRONG as error:
        # A folder from before a field was added has its own table.
        file = folder / "comparison.txt"
        if not file.is_file():
            if isinstance(error, KeyError):
                raise InputError(f"{folder / 'results.json'}: damaged: a run lacks {error}") from None
            raise
        return code(file.read_text(encoding="utf-8", errors="replace"))
    kept, group = [], ""
    for row in rows:
        if not row[0].startswith(" "):
            group = row[0]
        if group not in _APART or (len(row) > 1 and not row[0].startswith(" ")):
            kept.append(row)
    return table(["", *names], kept, "Results; speedup is against the first system")


def _utilisation(runs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    resources = list(dict.fromkeys(name for run in runs for name in run["utilisation"]))
    rows = [
        [
            resource.replace("_", " "),
            *(bar(run["utilisation"][resource]) if resource in run["utilisation"] else "–" for run in runs),
        ]
        for resource in resources
    ]
    return table(
        ["resource", *names], rows, "Busy share of each shared resource, in the channel where it is highest"
    )


def _energy(runs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    events = list(dict.fromkeys((row["component"], row["event"]) for run in runs for row in run["energy"]))
    sums = [{(row["component"], row["event"]): row["energy_nj"] for row in run["energy"]} for run in runs]
    rows = [
        [" ".join(event).replace("_", " "), *(number(found.get(event)) for found in sums)] for event in events
    ]
    rows.append(["sum", *(number(run["energy_nj"]) for run in runs)])
    return table(["event", *(f"{name} (nJ)" for name in names)], rows, "Energy by event, in nJ", kind="sum")


def _ledgers(runs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    return _each(runs, names, "Ledger of", lambda run: run["energy"])


def _area(runs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    parts = [
        table_of(run["area"], f"Parts of the unit of one DIMM of {name}", left=2)
        for run, name in _both(runs, names)
    ]
    return "\n".join(part for part in parts if part)


def _parts(runs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    return [
        _each(runs, names, "Channels of", lambda run: run.get("channels")),
        _each(runs, names, "Ranks of", lambda run: run.get("ranks")),
    ]


def _each(
    runs: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    title: str,
    rows: Callable[[Mapping[str, Any]], Any],
) -> str:
    found = [(name, table_of(rows(run), f"{title} {name}")) for run, name in _both(runs, names)]
    return "\n".join(details(f"{title} {name}", part) for name, part in found if part)


def table_of(rows: Sequence[Mapping[str, Any]] | None, caption: str, left: int = 1) -> str:
    """Return records as a table, a column for each key; tables inside them as columns of their own."""
    if not rows:
        return ""
    flat = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    cells = [[_cell(row.get(name)) for name in names] for row in flat]
    return table(names, cells, caption, left=left)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            found |= {f"{key}_{name}": part for name, part in value.items()}
        else:
            found[key] = value
    return found


def _cell(value: Any) -> str:
    return number(value) if isinstance(value, int | float) else "–" if value is None else str(value)


def _both(runs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[tuple[Mapping[str, Any], str]]:
    return list(zip(runs, names, strict=True))


def _pictures(folder: Path) -> list[str]:
    """Return the pictures of the folder that are still there."""
    found = []
    for name, caption in _PICTURES.items():
        file = folder / name
        if file.is_file():
            found.append(figure(file.read_bytes(), "png", caption, wide=name == _WIDE))
    return found or [paragraph("The pictures of the folder are gone.")]
