"""What a specification uses: the parts it is made of, what was modelled after whom, and whose numbers it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from archsim.spec import Spec, preset_names, read_document
from archsim.toml import read_toml

HERE = Path(__file__).parent


class Part(NamedTuple):
    """One table of a specification that can be a preset: its kind, its place, and the values that are its own."""

    kind: str
    path: str
    cls: type[Spec]
    values: dict[str, Any]


class Use(NamedTuple):
    """A reference and what it is used for; ``number`` tells data from what is modelled."""

    key: str
    what: str
    number: bool


@cache
def rules() -> Mapping[str, Any]:
    """Return the content of cites.toml."""
    return read_toml(HERE / "cites.toml")


def uses(spec: Spec) -> Iterator[Use]:
    """Yield what a specification of any kind uses, in the order of its values; a key may come several times.

    Parameters
    ----------
    spec : Spec
        A system, a workload, or another specification that can be a preset.

    Notes
    -----
    A specification does not keep where its numbers came from. A number counts as that of a preset when it equals it:
    each part is compared with the presets of its kind, and the one with most equal values, if that is half of them or
    more, lends the sources of those. Numbers that a user changed therefore cite nobody.
    """
    # A run has many parts but one system, so only the others say their kind.
    prefix = "" if spec.preset_kind in ("", "system") else f"{spec.preset_kind}."
    for part in _parts(spec, prefix):
        sources = _sources(part)
        for path, value in part.values.items():
            place = f"{part.path}{path}"
            yield from _modelled(f"{part.kind}.{path}", value, place)
            for key in mentioned(sources.get(path, "")):
                yield Use(key, place, True)


def modelled(where: str, value: str) -> Iterator[Use]:
    """Yield what stands behind something that is no specification, such as ``policy.name`` = ``sieve``."""
    yield from _modelled(where, value, where.removesuffix(".name"))


def modelled_names(where: str) -> list[str]:
    """Return the values that the rules know of something that is no specification, such as ``policy.name``."""
    known = {
        value: None
        for rule in rules()["model"]
        if _matches(where, rule["where"])
        for value in rule.get("values", [])
        if "*" not in value
    }
    return list(known)


def mentioned(source: str) -> list[str]:
    """Return the keys of all references that a text of a ``[sources]`` table names."""
    keys: list[str] = []
    for name, cited in rules()["mention"].items():
        keys += [key for key in cited if name in source and key not in keys]
    return keys


def _modelled(where: str, value: Any, place: str) -> Iterator[Use]:
    for rule in rules()["model"]:
        if _matches(where, rule["where"]) and _matches(str(value), rule.get("values", ["*"])):
            yield from (Use(key, f"{place} = {value}", False) for key in rule["keys"])


def _matches(text: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def _parts(spec: Spec, path: str) -> Iterator[Part]:
    """Yield a specification and the parts in it, without caches of no size, which are not there."""
    values: dict[str, Any] = {}
    below: list[Part] = []
    for name, value in _leaves(spec, ""):
        if isinstance(value, Spec):
            below += _parts(value, f"{path}{name}.")
        else:
            values[name] = value
    yield Part(spec.preset_kind, path, type(spec), values)
    yield from below


def _leaves(spec: Spec, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the values of a specification by path; tables that can be presets are values."""
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if not isinstance(value, Spec):
            if value is not None:
                yield f"{path}{name}", value
        elif getattr(value, "size", None) == 0:
            yield f"{path}{name}.size", 0
        elif value.preset_kind:
            yield f"{path}{name}", value
        else:
            yield from _leaves(value, f"{path}{name}.")


def _sources(part: Part) -> dict[str, str]:
    """Return the sources of the values that a part has in common with the preset most like it."""
    best: dict[str, str] = {}
    most = len(part.values) / 2
    for values, sources in _presets(part.kind, part.cls):
        equal = {path for path, value in part.values.items() if path in values and values[path] == value}
        if len(equal) >= most and equal:
            best, most = {path: sources.get(path, "") for path in equal}, len(equal) + 0.5
    return best


@cache
def _presets(kind: str, cls: type[Spec]) -> list[tuple[dict[str, Any], dict[str, str]]]:
    """Return own values and sources of every preset of a kind that the class describes."""
    found = []
    for name in preset_names(kind) if kind else []:
        if _describes(kind, name, cls):
            document = read_document(cls, name)
            spec = cls.from_dict(document.data, document.label)
            found.append((next(_parts(spec, "")).values, document.sources))
    return found


def _describes(kind: str, name: str, cls: type[Spec]) -> bool:
    """Whether a preset is of this class: each generator of workloads has one of its own."""
    if kind != "workload":
        return True
    from archsim.traces.generators import workload_class

    return workload_class(name) is cls
