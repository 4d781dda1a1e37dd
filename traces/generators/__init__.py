"""Synthetic workloads: one module per kind of trace.

A module ``archsim.traces.generators.NAME`` holds

- ``SPEC``, a subclass of `archsim.traces.generators.base.WorkloadSpec` whose field ``generator`` is NAME, and
- ``generate(spec, at_once) -> Iterator[Samples]``, which yields whole samples, in order and without end, about
  ``at_once`` lookups at a time; how many must not change what comes out.

`archsim.traces.generators.stream` does the rest: it cuts the trace to its length, numbers the samples, draws the
arrival times, and gives windows, a trace in memory, or a file of any length. A new generator is one module, its name
in `NAMES`, and a preset.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.errors import InputError, nearest

if TYPE_CHECKING:
    from archsim.traces.generators.base import WorkloadSpec

NAMES = ("multihot", "reuse", "sequential", "stackdist", "uniform", "zipf")
"""Every generator; presets name one of them as ``generator``."""


def workload_class(name_or_path: str | Path) -> type[WorkloadSpec]:
    """Return the class of specifications that a preset or a file describes, by the generator that it names.

    Raises
    ------
    InputError
        Unknown preset or generator, or an unreadable file.
    """
    from archsim.spec import preset_path
    from archsim.spec_errors import short
    from archsim.toml import read_toml

    # Which keys a file may have depends on its generator, so that is looked up before the rest is read.
    if str(name_or_path).endswith(".toml"):
        path, where = Path(name_or_path), str(name_or_path)
    else:
        path = preset_path("workload", name_or_path, f"workload {short(str(name_or_path))}")
        where = f"workload preset {path.stem}"
    table = read_toml(path)
    found = table.get("generator")
    if found is None and "preset" in table:
        place = f"{where}: preset = {short(table['preset'])}"
        return workload_class(preset_path("workload", table["preset"], place))
    if found is None:
        raise InputError(f"{where}: generator: missing (one of {', '.join(NAMES)})")
    if found not in NAMES:
        raise InputError(
            f"{where}: generator = {short(found)}: unknown generator{nearest(str(found), NAMES)}"
        )
    cls: type[WorkloadSpec] = import_module(f"archsim.traces.generators.{found}").SPEC
    return cls
