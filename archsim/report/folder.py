"""The report folder of a replay: numbers, resolved systems, pictures."""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from archsim.files import new_folder
from archsim.report.memory_plots import plot_latency
from archsim.report.plots import plot_comparison, plot_over_time
from archsim.report.style import save
from archsim.result import Comparison, Result


def write_report(comparison: Comparison, path: Path, *, command: Sequence[str] | None = None) -> None:
    """Write a folder that holds all there is to know about a comparison; it appears whole or not at all.

    ``results.json``: the object of ``archsim replay --json``. ``comparison.txt``: the table. ``comparison.png``: run
    time, energy and utilisation. ``latency.png``: which share of reads took at most how long. Per system
    ``systems/NN-NAME.toml``, the system as resolved, loadable with ``--system``, and ``statistics/NN-NAME/``:
    ``channels.csv``, ``ranks.csv``, ``banks.csv``, ``latency.csv`` (the histogram). With time series also
    ``series.csv`` there, and ``series.png``. With ``command`` also ``run.json``: the command, when it finished, and the
    versions of archsim and of its code.

    Raises
    ------
    InputError
        When the folder exists or cannot be written.
    """
    with new_folder(path) as folder:
        (folder / "results.json").write_text(comparison.to_json() + "\n", encoding="utf-8")
        (folder / "comparison.txt").write_text(comparison.table() + "\n", encoding="utf-8")
        if command is not None:
            (folder / "run.json").write_text(json.dumps(_origin(command), indent=2) + "\n", encoding="utf-8")
        plot_comparison(comparison, folder / "comparison.png")
        save(plot_latency(comparison), folder / "latency.png")
        if any(result.series is not None for result in comparison.results):
            plot_over_time(comparison, folder / "series.png")
        (folder / "systems").mkdir()
        (folder / "statistics").mkdir()
        for number, result in enumerate(comparison.results, start=1):
            name = f"{number:02d}-{re.sub(r'[^A-Za-z0-9.-]+', '_', result.system.name)[:60]}"
            (folder / "systems" / f"{name}.toml").write_text(result.system.to_toml(), encoding="utf-8")
            _write_statistics(result, folder / "statistics" / name)


def _origin(command: Sequence[str]) -> dict[str, str]:
    """Return how results came about, beyond what they say themselves."""
    from archsim import __version__
    from archsim.studies.code import code_version

    return {
        # Names of files may be no UTF-8.
        "command": shlex.join(command).encode("utf-8", "backslashreplace").decode("utf-8"),
        "finished_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "archsim_version": __version__,
        "code_version": code_version(),
    }


def _write_statistics(result: Result, folder: Path) -> None:
    folder.mkdir()
    for name, rows in (("channels", result.channels), ("ranks", result.ranks), ("banks", result.banks)):
        flat = [_flat(row) for row in rows]
        _write_table(folder / f"{name}.csv", list(flat[0]), (row.values() for row in flat))
    histogram = zip(result.latency_ns.tolist(), result.latency_count.tolist(), strict=True)
    _write_table(folder / "latency.csv", ["latency_ns", "reads"], histogram)
    if result.series is not None:
        columns = [column.tolist() for column in result.series.values()]
        _write_table(folder / "series.csv", list(result.series), zip(*columns, strict=True))


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose tables are columns of their own: ``utilisation_data_bus``."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        flat |= (
            {f"{key}_{name}": part for name, part in value.items()}
            if isinstance(value, dict)
            else {key: value}
        )
    return flat


def _write_table(path: Path, names: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(names)
        table.writerows(rows)
