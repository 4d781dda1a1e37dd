"""What a study may choose from: systems, traces, parameters; any choice becomes a checked point."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from archsim.errors import InputError, nearest
from archsim.nmp.design_files import load_design
from archsim.nmp.designs import registered_designs
from archsim.peers.several import load_systems
from archsim.simulation import check_suits
from archsim.spec import OVERRIDE_LABEL, Spec, apply_overrides
from archsim.spec_errors import row_model, table_model, unit_of
from archsim.studies.axes import LABEL
from archsim.studies.code import code_version
from archsim.studies.columns import Value, column_of
from archsim.studies.points import DesignFile, Task, TraceSource, point_id
from archsim.studies.store import TRACES
from archsim.systems.parts import PARTS, part_of, takers
from archsim.systems.spec import SystemSpec
from archsim.traces import AddressTrace, EmbeddingTrace, load_workload
from archsim.traces.workloads import PRESET

if TYPE_CHECKING:
    from archsim.traces.formats.registry import Trace

WORKLOAD = "workload."


class Resolved(NamedTuple):
    """A system with values of parameters laid over it.

    Attributes
    ----------
    name, kind : str
        Of the system.
    packed : bytes
        Its canonical JSON, compressed: a sweep may hold a hundred thousand of them.
    sha256 : str
        Hash of that JSON.
    values : mapping
        Value of each parameter of systems by column; None where it is not for this system.
    own_design : bool
        Whether a file of the user registers its design.
    """

    name: str
    kind: str
    packed: bytes
    sha256: str
    values: Mapping[str, Value]
    own_design: bool


class Space:
    """Systems and traces that parameters are laid over.

    Parameters
    ----------
    traces : sequence of str, Path, EmbeddingTrace or AddressTrace
        Paths, ``preset:NAME``, or traces in memory.
    systems : sequence of str, Path or SystemSpec
        As ``--system`` takes them, or specifications.
    out : Path
        Folder of the study.
    overrides : iterable of str
        ``PATH=VALUE`` for all points; ``workload.NAME=VALUE`` for generated traces.
    reading : mapping
        Options of `archsim.open_trace` for all traces.
    designs : iterable of str or Path
        Files that register near-memory designs.

    Raises
    ------
    InputError
        For anything of it that cannot be used.
    """

    def __init__(
        self,
        traces: Sequence[Any],
        systems: Sequence[Any],
        out: Path,
        *,
        overrides: Iterable[str] = (),
        reading: Mapping[str, Any] | None = None,
        designs: Iterable[str | Path] = (),
    ) -> None:
        if not traces:
            raise InputError("a sweep needs at least one trace")
        if not systems:
            raise InputError("a sweep needs at least one system")
        self.code = code_version()
        self.designs = tuple(DesignFile.of(path) for path in designs)
        before = registered_designs()
        for design in self.designs:
            load_design(Path(design.path))
        # Workers run the files, and know no other design.
        self._from_files = {
            name for name, found in registered_designs().items() if before.get(name) is not found
        }
        self.overrides = overrides = list(overrides)
        self.systems = load_systems(systems, [text for text in overrides if not text.startswith(WORKLOAD)])
        self.labels = [str(system.name if isinstance(system, SystemSpec) else system) for system in systems]
        self.loaded = [not isinstance(system, SystemSpec) for system in systems]
        self.held: dict[str, Trace] = {}
        options = tuple((key, value) for key, value in (reading or {}).items() if value is not None)
        self.traces = [self._source(trace, out, options) for trace in traces]
        fixed = tuple(text.removeprefix(WORKLOAD) for text in overrides if text.startswith(WORKLOAD))
        if fixed and not any(source.generated for source in self.traces):
            raise InputError(
                f"--set {WORKLOAD}{fixed[0]}: only a generated trace (preset:NAME) has parameters"
            )
        self.traces = [replace(each, workload=fixed) if each.generated else each for each in self.traces]
        self._known: dict[TraceSource, tuple[TraceSource, bool]] = {}
        self._resolved: dict[tuple[int, tuple[str, ...]], Resolved] = {}
        self._workloads: dict[tuple[Any, ...], Spec] = {}
        self._takers: dict[str, list[bool]] = {}

    def _source(self, trace: Any, out: Path, options: tuple[tuple[str, Any], ...]) -> TraceSource:
        """Say how a worker opens a trace; one in memory will be written into the study."""
        if isinstance(trace, EmbeddingTrace | AddressTrace):
            trace.validate()
            if options:
                raise InputError(
                    f"{trace.name}: {options[0][0]} is for traces that are read, not for one in memory"
                )
            path = out.absolute() / TRACES / trace.sha256[:16]
            self.held[str(path)] = trace
            return TraceSource(str(path), name=trace.name, sha256=trace.sha256)
        text = str(trace)
        if not text.startswith(PRESET):
            return TraceSource(str(Path(text).absolute()), reading=options)
        name = text.removeprefix(PRESET)
        if name.endswith(".toml"):
            text = f"{PRESET}{Path(name).absolute()}"
        return TraceSource(text, reading=options)

    def check_free(self, paths: Iterable[str]) -> None:
        """Refuse axes that would undo what is set for all points.

        Raises
        ------
        InputError
            For a parameter that is set and varied, or set in a table that presets replace.
        """
        for text in self.overrides:
            fixed = text.partition("=")[0].strip()
            for path in paths:
                if fixed == path:
                    raise InputError(f"--set {text}: {path} varies; leave one of them out")
                if path.endswith(".preset") and fixed.startswith(path.removesuffix("preset")):
                    raise InputError(
                        f"--set {text}: {LABEL} {path} replaces the whole table and would undo it; vary both together, "
                        f"as in {path}+{fixed}=A:1,B:1"
                    )

    def specs(self) -> dict[str, Any]:
        """Return every system by its SHA-256, as the tree of its canonical JSON."""
        return {spec.sha256(): json.loads(spec.canonical_json()) for spec in self.systems}

    def takes(self, path: str) -> list[bool]:
        """Which systems (for ``workload.``: which traces) is a parameter for?

        Raises
        ------
        InputError
            For a path that none of them has.
        """
        if path not in self._takers:
            self._takers[path] = self._find_takers(path)
        return self._takers[path]

    def _find_takers(self, path: str) -> list[bool]:
        if path.startswith(WORKLOAD):
            found = [source.generated for source in self.traces]
            if not any(found):
                raise InputError(f"{LABEL} {path}: only a generated trace (preset:NAME) has parameters")
            name = path.removeprefix(WORKLOAD)
            for source in self.traces:
                if source.generated:
                    _check_path(type(self._workload(source)), name, f"{LABEL} {path}")
            return found
        part = part_of(path)
        found = [True] * len(self.systems) if part is None else takers(self.systems, part)
        if not any(found):
            names = ", ".join(dict.fromkeys(spec.name for spec in self.systems))
            raise InputError(f"{LABEL} {path}: none of the systems has {PARTS[str(part)]}: {names}")
        _check_path(SystemSpec, path, f"{LABEL} {path}")
        return found

    def unit(self, path: str) -> str:
        """Return the unit in which values of a parameter are compared."""
        self.takes(path)
        cls: type[Spec] = SystemSpec
        if path.startswith(WORKLOAD):
            path = path.removeprefix(WORKLOAD)
            cls = type(self._workload(next(source for source in self.traces if source.generated)))
        *tables, last = path.split(".")
        for key in tables:
            cls = table_model(cls, key) or cls  # type: ignore[assignment]
        return unit_of(cls, last)

    def shown(self, trace: int) -> str:
        """Name a trace as a result names it; one that is generated need not have been made yet."""
        source = self.traces[trace]
        if not source.name and not source.generated:
            return self._opened(source)[0].name
        return source.name or Path(source.source.removeprefix(PRESET)).stem

    @staticmethod
    def _workload(source: TraceSource, overrides: Iterable[str] = ()) -> Any:
        return load_workload(source.source.removeprefix(PRESET), [*source.workload, *overrides])

    def lay(
        self, trace: int, system: int, texts: Mapping[str, str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Split the values of parameters into overrides for one trace and for one system; others do not apply."""
        workload, hardware = [], []
        for path, text in texts.items():
            if path.startswith(WORKLOAD):
                if self.takes(path)[trace]:
                    workload.append(f"{path.removeprefix(WORKLOAD)}={text}")
            elif self.takes(path)[system]:
                hardware.append(f"{path}={text}")
        return tuple(sorted(workload, key=_rank)), tuple(sorted(hardware, key=_rank))

    def resolve(self, system: int, texts: Mapping[str, str], place: str) -> Resolved:
        """Lay values of parameters over a system; ``place`` opens an error message. What it gives back is small."""
        paths = [path for path in texts if not path.startswith(WORKLOAD)]
        _, hardware = self.lay(0, system, {path: texts[path] for path in paths})
        if (system, hardware) not in self._resolved:
            try:
                spec = apply_overrides(self.systems[system], hardware)
            except InputError as error:
                raise InputError(f"{place}: {str(error).removeprefix(f'{OVERRIDE_LABEL}: ')}") from None
            text = spec.canonical_json().encode("ascii")
            values = {
                column_of(path): _leaf(spec, path.split("."), texts[path])
                if self.takes(path)[system]
                else None
                for path in paths
            }
            own = self._own_design(spec)
            self._resolved[system, hardware] = Resolved(
                spec.name, spec.kind, zlib.compress(text, 1), hashlib.sha256(text).hexdigest(), values, own
            )
        return self._resolved[system, hardware]

    def check_workload(self, trace: int, workload: Sequence[str], place: str) -> Spec:
        """Check overrides of a generated trace without making it, and return its specification."""
        key = (trace, *workload)
        try:
            if key not in self._workloads:
                self._workloads[key] = self._workload(self.traces[trace], workload)
            return self._workloads[key]
        except InputError as error:
            raise InputError(f"{place}: {str(error).removeprefix(f'{OVERRIDE_LABEL}: ')}") from None

    def task(
        self,
        trace: int,
        system: int,
        texts: Mapping[str, str],
        time_limit_s: float | None = None,
        place: str = "",
    ) -> Task:
        """Make a point; its trace is opened once to know its content.

        Parameters
        ----------
        trace, system : int
            Which of them.
        texts : mapping of str to str
            Value of each parameter by path, as text.
        time_limit_s : float, optional
            Seconds for the point.
        place : str
            What an error message begins with.
        """
        found = self.resolve(system, texts, place)
        workload, _ = self.lay(trace, system, texts)
        values = dict(found.values)
        if any(path.startswith(WORKLOAD) for path in texts):
            values |= self._workload_values(trace, workload, texts, place)
        base = self.traces[trace]
        source, addresses = self._opened(replace(base, workload=base.workload + workload))
        if addresses and found.kind != "host":
            held = self.held.get(source.source)
            check_suits(self.systems[system], source.open() if held is None else held)
        code = self.code
        if found.own_design:
            code += f"+{_joined(design.sha256 for design in self.designs)[:12]}"
        return Task(
            point_id(found.sha256, source.sha256, code),
            found.name,
            found.packed,
            source,
            {column_of(path): values[column_of(path)] for path in texts},
            self.code,
            time_limit_s,
            self.designs if found.own_design else (),
        )

    def _workload_values(
        self, trace: int, workload: Sequence[str], texts: Mapping[str, str], place: str
    ) -> dict[str, Value]:
        """Return the parameters of a generated trace by column; None where the trace is not generated."""
        names = [path.removeprefix(WORKLOAD) for path in texts if path.startswith(WORKLOAD)]
        spec = self.check_workload(trace, workload, place) if self.traces[trace].generated else None
        return {
            column_of(WORKLOAD + name): None
            if spec is None
            else _leaf(spec, name.split("."), texts[WORKLOAD + name])
            for name in names
        }

    def _opened(self, source: TraceSource) -> tuple[TraceSource, bool]:
        """Return a source with its name and hash, and whether it holds addresses."""
        if source.source in self.held:
            return source, isinstance(self.held[source.source], AddressTrace)
        if source not in self._known:
            opened = source.open()
            opened.validate()
            found = replace(source, name=opened.name, sha256=opened.sha256)
            self._known[source] = found, isinstance(opened, AddressTrace)
        return self._known[source]

    def _own_design(self, spec: SystemSpec) -> bool:
        """Whether the design of a system is a user's, which workers must be able to load."""
        design = "" if spec.nmp is None else spec.nmp.design
        own = design in registered_designs()
        if own and design not in self._from_files:
            files = ", ".join(each.path for each in self.designs)
            raise InputError(
                f"design {design!r}: is registered in this process only{f', not in {files}' if files else ''}, and "
                "workers would not know it; put it into a file and name that with --design (designs=[FILE])"
            )
        return own


def _joined(hashes: Iterable[str]) -> str:
    return hashlib.sha256("".join(hashes).encode("ascii")).hexdigest()


def _check_path(cls: type[Spec], path: str, place: str) -> None:
    """Refuse a path that leads nowhere, with the nearest name, or that ends at a table."""
    *tables, last = path.split(".")
    inner: Any = cls
    for key in tables:
        inner = _step(inner, key, place)
        if inner is None:
            raise InputError(f"{place}: {key} has no parameters of its own")
    if last == "preset" and getattr(inner, "preset_kind", "") != "":
        return
    below = _step(inner, last, place)
    if below is not None:
        keys = list(below.model_fields)
        if getattr(below, "preset_kind", ""):
            keys.append("preset")
        raise InputError(f"{place}: is a table; name one of its keys: {', '.join(keys)}")


def _step(cls: Any, key: str, place: str) -> Any:
    if key not in cls.model_fields:
        raise InputError(f"{place}: unknown key {key!r}{nearest(key, cls.model_fields)}")
    return table_model(cls, key) if row_model(cls, key) is None else None


def _leaf(spec: Any, keys: list[str], text: str) -> Value:
    """Return a value of a specification as a column holds it; a preset, which it does not name, as text."""
    found = spec
    for key in keys:
        if key not in getattr(type(found), "model_fields", ()):
            return text
        found = getattr(found, key)
    if found is None or isinstance(found, int | float | str):
        return found
    tree = spec.to_dict()
    for key in keys:
        tree = tree[key]
    return json.dumps(tree, separators=(",", ":"))


def _rank(override: str) -> tuple[bool, int]:
    """Presets go before what is laid over them, tables before their parts."""
    path = override.partition("=")[0]
    return not path.endswith("preset"), path.count(".")
