"""The report folder of a replay: numbers, resolved systems, picture."""

from __future__ import annotations

import re
from pathlib import Path

from archsim.files import new_folder
from archsim.report.plots import plot_comparison
from archsim.result import Comparison


def write_report(comparison: Comparison, path: Path) -> None:
    """Write a folder that holds all there is to know about a comparison; it appears whole or not at all.

    ``results.json``: the object of ``archsim replay --json``. ``comparison.txt``: the table. ``comparison.png``: run
    time, energy and utilisation. ``systems/NN-NAME.toml``: every system as resolved, loadable with ``--system``.

    Raises
    ------
    InputError
        When the folder exists or cannot be written.
    """
    with new_folder(path) as folder:
        (folder / "results.json").write_text(comparison.to_json() + "\n", encoding="utf-8")
        (folder / "comparison.txt").write_text(comparison.table() + "\n", encoding="utf-8")
        plot_comparison(comparison, folder / "comparison.png")
        (folder / "systems").mkdir()
        for number, result in enumerate(comparison.results, start=1):
            name = f"{number:02d}-{re.sub(r'[^A-Za-z0-9.-]+', '_', result.system.name)[:60]}.toml"
            (folder / "systems" / name).write_text(result.system.to_toml(), encoding="utf-8")
