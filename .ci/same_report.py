"""Check that two report folders hold the same files and the same figures, but for how long the kernels took."""

import json
import sys
from pathlib import Path


def files(folder: Path) -> list[str]:
    """Return the paths of all files of a folder, relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def figures(folder: Path) -> object:
    """Return ``results.json`` without times of this machine."""
    document = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    for run in document["runs"]:
        del run["kernel_cpu_s"]
    return document


one, other = (Path(argument) for argument in sys.argv[1:])
if files(one) != files(other):
    sys.exit(f"reports differ: {sorted(set(files(one)) ^ set(files(other)))}")
if figures(one) != figures(other):
    sys.exit("reports differ: results.json")
print(f"two reports alike: {len(files(one))} files, {len(figures(one)['runs'])} runs")
