"""Whose work a run is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archsim.citations import cite, workloads_of
from archsim.report.html_parts import Raw, code, details, paragraph, section, table, text
from archsim.systems.spec import SystemSpec


def citations_section(
    systems: Sequence[SystemSpec], trace: Mapping[str, Any] | None = None, gone: Sequence[str] = ()
) -> str:
    """Return the references of systems and of the workload of a trace, and their BibTeX.

    ``gone`` names systems of which it is not known what they were.
    """
    workloads = [] if trace is None else workloads_of(trace["name"], trace["generator"], trace.get("seed"))
    found = cite([*systems, *workloads])
    rows = [[each.entry.key, Raw(_reference(each.entry.to_dict())), each.reason] for each in found]
    listing = table(["key", "reference", "cited for"], rows, "References", kind="words", left=99)
    words = "Whose models, numbers and data were used."
    if gone:
        names = ", ".join(gone)
        words += f" Left out: those of {names}, which cannot be loaded again as it was."
    return section("citations", "Citations", paragraph(words), listing, details("BibTeX", code(str(found))))


def _reference(fields: Mapping[str, Any]) -> str:
    authors = str(fields.get("author") or "").split(" and ")
    # Braces keep the words of an institution together.
    first = authors[0].strip("{}") if authors[0].startswith("{") else authors[0].partition(",")[0]
    parts = [f"{first} et al" if len(authors) > 1 else first, fields.get("title"), fields.get("year")]
    words = ". ".join(text(str(part).replace("{", "").replace("}", "")) for part in parts if part)
    if fields.get("doi"):
        address = text(f"https://doi.org/{fields['doi']}")
        words += f'. <a href="{address}" rel="noreferrer">{text(fields["doi"])}</a>'
    return words
