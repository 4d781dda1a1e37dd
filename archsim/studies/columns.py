"""Names of the columns of a study: configuration by path, metrics by name, each with its unit.

A row is a flat dict of str to int, float, str, bool or None; a column that is None is the same as one that is absent.
Names of configuration have a dot in them, all others have none. ``docs/studies.md`` lists them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from archsim.spec_errors import table_model, unit_of

if TYPE_CHECKING:
    from archsim.result import Result
    from archsim.spec import Spec
    from archsim.systems.spec import SystemSpec

Value = int | float | str | bool | None
Row = dict[str, Value]

#: What a point is; the first of them is the key of a study.
IDENTITY = (
    "point_id",
    "status",
    "error",
    "system",
    "system_sha256",
    "trace",
    "trace_sha256",
    "code_version",
)
#: How a row came about; no part of the digest of a study.
PROVENANCE = ("kernel_cpu_s", "wall_s", "worker", "finished_utc", "attempts", "archsim_version")
STATUSES = ("done", "failed", "timeout")

#: Fields of a system that are no configuration: a label, which is the column ``system``, and words for people.
_LABELS = ("name", "description")
#: Parts of a RUN object that are no metrics of a point.
_NO_METRICS = ("system", "system_sha256", "speedup", "kernel_cpu_s", "channels", "ranks")
#: Units that their symbols do not spell.
_SUFFIXES = {"B": "bytes", "bit": "bits", "pJ/bit": "pj_per_bit", "kelvin": "k"}


def is_configuration(column: str) -> bool:
    """Whether a column says what was built, or what was asked of it."""
    return "." in column


def is_metric(column: str) -> bool:
    """Whether a column says what came out."""
    return not is_configuration(column) and column not in IDENTITY and column not in PROVENANCE


def column_of(path: str) -> str:
    """Return the column of a path of a system, or of ``workload.PATH``, as ``--set`` and axes write them.

    Examples
    --------
    >>> column_of("nmp.cache.size"), column_of("dram.timing.tRCD"), column_of("dram.timing.tCK_ps")
    ('nmp.cache.size_bytes', 'dram.timing.tRCD_clk', 'dram.timing.tCK_ps')
    """
    first, _, rest = path.partition(".")
    if first == "workload" and rest:
        return path + _suffix(rest, _workload_unit(rest))
    from archsim.systems.spec import SystemSpec

    return _config_name(path) + _suffix(path, _declared_unit(SystemSpec, path))


def configuration_columns(system: SystemSpec) -> Row:
    """Return the scalars of a system by column; lists are compact JSON, what is absent has no column."""
    return dict(_leaves(type(system), system.to_dict(), ""))


def metric_columns(result: Result) -> Row:
    """Return the scalars of a result, tables flattened; ledger rows as ``energy_<component>_<event>_nj``."""
    return _metrics(result, result.to_dict())


def _metrics(result: Result, run: dict[str, Any]) -> Row:
    energy: dict[str, float] = {}
    for row in run.pop("energy"):
        name = f"energy_{row['component']}_{row['event']}_nj"
        energy[name] = energy.get(name, 0.0) + row["energy_nj"]
    metrics = {key: value for key, value in run.items() if key not in _NO_METRICS}
    lookups = {} if result.trace.lookups is None else {"lookups": result.trace.lookups}
    return {**lookups, **dict(_scalars(metrics, "")), **energy}


def row_columns(result: Result) -> Row:
    """Return the row of a result, but for what only a study knows: ``point_id``, ``status`` and provenance."""
    run = result.to_dict()  # once, for hashing a system takes a while
    return {
        "system": run["system"],
        "system_sha256": run["system_sha256"],
        "trace": result.trace.name,
        "trace_sha256": result.trace.sha256,
        **configuration_columns(result.system),
        **_metrics(result, run),
        "kernel_cpu_s": result.kernel_cpu_s,
    }


def _leaves(cls: type[BaseModel], table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Value]]:
    for key, value in table.items():
        child = table_model(cls, key)
        if value is None or (not prefix and key in _LABELS):
            continue
        if child is not None and isinstance(value, Mapping):
            yield from _leaves(child, value, f"{prefix}{key}.")
        else:
            yield _leaf_name(cls, prefix, key), _plain(value)


@cache
def _leaf_name(cls: type[BaseModel], prefix: str, key: str) -> str:
    return _config_name(prefix + key) + _suffix(key, unit_of(cls, key))


def _scalars(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Value]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{prefix}{key}_")
        elif isinstance(value, int | float | str):
            yield prefix + key, value
        elif key == "levels" and isinstance(value, list | tuple):
            # The levels of a hierarchy have names, unlike other lists; a single one only adds to the whole.
            for level in value:
                known = ("name", *(table if len(value) == 1 else ()))
                inside = {name: item for name, item in level.items() if name not in known}
                yield from _scalars(inside, prefix if len(value) == 1 else f"{prefix}{level['name']}_")


def _plain(value: Any) -> Value:
    if isinstance(value, int | float | str):
        return value + 0.0 if isinstance(value, float) else value  # -0.0 is 0.0, as in the hash of a system
    return json.dumps(value, separators=(",", ":"), sort_keys=isinstance(value, Mapping))


def _config_name(path: str) -> str:
    """Fields at the top of a system have no dot, and get one."""
    return path if "." in path else f"system.{path}"


def _suffix(path: str, unit: str) -> str:
    """Return the unit to put behind a name, unless the name says it."""
    if not unit:
        return ""
    suffix = _SUFFIXES.get(unit, unit.lower())
    words = path.rpartition(".")[2].lower().split("_")
    return "" if suffix.split("_")[0] in words else f"_{suffix}"


def _declared_unit(cls: type[BaseModel], path: str) -> str:
    *tables, last = path.split(".")
    for key in tables:
        child = table_model(cls, key)
        if child is None:
            return ""
        cls = child
    return unit_of(cls, last)


@cache
def _workload_unit(path: str) -> str:
    """Return the unit of a path of whichever generator declares it."""
    import archsim.traces.generators  # noqa: F401  (its classes are the subclasses below)
    from archsim.traces.generators.base import WorkloadSpec

    return next((unit for cls in _subclasses(WorkloadSpec) if (unit := _declared_unit(cls, path))), "")


def _subclasses(cls: type[Spec]) -> Iterator[type[Spec]]:
    yield cls
    for each in cls.__subclasses__():
        yield from _subclasses(each)
