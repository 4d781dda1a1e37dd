"""Whose work a run is made of: models, numbers and data sets, each with its reference.

``references.bib`` holds the references, ``cites.toml`` says what uses which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from archsim.citations.bibtex import Entry, read_bibtex
from archsim.citations.used import HERE, Use, mentioned, modelled, modelled_names, uses
from archsim.spec import Spec

__all__ = [
    "Citation",
    "Citations",
    "Entry",
    "Use",
    "all_references",
    "cite",
    "cite_all",
    "mentioned",
    "modelled",
    "modelled_names",
    "uses",
    "workloads_of",
]

#: Places of numbers that one reference names before it only counts them.
_NAMED = 3


@dataclass(frozen=True)
class Citation:
    """A reference and what it is cited for.

    Attributes
    ----------
    entry : Entry
        The reference.
    models : tuple of str
        What was built after it, such as ``nmp.design = recnmp``.
    numbers : tuple of str
        Paths of the parameters whose values are from it.
    """

    entry: Entry
    models: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """What it is cited for, in one line."""
        named, more = ", ".join(self.numbers[:_NAMED]), len(self.numbers) - _NAMED
        values = f"values of {named}" + (f" and {more} more" if more > 0 else "")
        return "; ".join([*self.models, *([values] if named else [])])

    def to_dict(self) -> dict[str, object]:
        """Return the fields of the reference, and ``models`` and ``numbers``."""
        return {**self.entry.to_dict(), "models": list(self.models), "numbers": list(self.numbers)}

    def __str__(self) -> str:
        return f"% {self.reason}\n{self.entry}" if self.reason else str(self.entry)


class Citations(tuple[Citation, ...]):
    """Citations in the order of `references.bib`, archsim itself first; ``str`` gives BibTeX."""

    __slots__ = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys to cite."""
        return tuple(citation.entry.key for citation in self)

    def to_dicts(self) -> list[dict[str, object]]:
        """Return `Citation.to_dict` of each."""
        return [citation.to_dict() for citation in self]

    def __str__(self) -> str:
        return "\n\n".join(str(citation) for citation in self)

    def __repr__(self) -> str:
        return f"Citations({', '.join(self.keys)})"


def all_references() -> dict[str, Entry]:
    """Return every reference that archsim knows, by key."""
    return dict(_references())


@cache
def _references() -> dict[str, Entry]:
    text = (HERE / "references.bib").read_text(encoding="utf-8")
    return {"archsim": _own_entry(), **read_bibtex(text, "references.bib")}


def _own_entry() -> Entry:
    from archsim import __version__

    fields = {
        "author": "{archsim developers}",
        "title": "archsim: cycle-approximate simulation of memory-bound machine learning hardware",
        "version": __version__,
    }
    return Entry("archsim", "software", fields)


def cite_all() -> Citations:
    """Return every reference, without what it is cited for."""
    return Citations(Citation(entry) for entry in _references().values())


def cite(specs: Iterable[Spec] = (), others: Iterable[Use] = ()) -> Citations:
    """Return what specifications, and ``others`` from `modelled`, are made of; archsim itself is always in it.

    Parameters
    ----------
    specs : iterable of Spec
        Systems, workloads, models: anything that can be a preset.
    others : iterable of Use
        Further uses.
    """
    models: dict[str, dict[str, None]] = {}
    numbers: dict[str, dict[str, None]] = {}
    for use in _all_uses(specs, others):
        models.setdefault(use.key, {})
        numbers.setdefault(use.key, {})
        (numbers if use.number else models)[use.key][use.what] = None
    return Citations(
        Citation(entry, tuple(models.get(key, ())), tuple(numbers.get(key, ())))
        for key, entry in _references().items()
        if key in models or key == "archsim"
    )


def _all_uses(specs: Iterable[Spec], others: Iterable[Use]) -> Iterator[Use]:
    for spec in specs:
        yield from uses(spec)
    yield from others


def workloads_of(name: str, generator: str, seed: int | None) -> list[Spec]:
    """Return the workload presets that a generated trace is from, told by its name; of a recorded trace none.

    Parameters
    ----------
    name, generator, seed
        As in `archsim.result.TraceIdentity`; the name of co-located models is ``a + 3 x b``.
    """
    from archsim.spec import preset_names
    from archsim.traces.workloads import load_workload

    if seed is None:
        return []
    parts = [part.rpartition(" x ")[2] for part in name.split(" + ")]
    specs = [load_workload(part) for part in dict.fromkeys(parts) if part in preset_names("workload")]
    together = generator.startswith("interleave by ")
    return [spec for spec in specs if together or spec.generator == generator]
