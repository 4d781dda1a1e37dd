"""Write the tables of docs/axtrain-evaluation.md and its pictures: accuracy after each training, against energy.

``python docs/make_axtrain.py [--workers N] [PART ...]`` makes all parts, or those named: ``designs``, ``voltages``,
``circuits``. All take about half an hour of one processor.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from archsim.approx import multiplier
from archsim.axtrain.evaluation import MULTIPLIERS, Evaluation, Setup, evaluate
from archsim.axtrain.summary import HEAD, Summary, cells, percent, summarise
from archsim.report.axtrain_plots import plot_accuracy

PAGE = Path(__file__).with_name("axtrain-evaluation.md")
FIGURES = Path(__file__).with_name("figures")
#: EvoApproxLib's circuits of 8 signed bits on the front of power and mean error, by the designs that they are; without
#: the two whose mean error is under 0.1 % of the greatest product.
CIRCUITS = ("bam_1_3", "truncate_1", "truncate_2", "truncate_3", "bam_6_0")
PICTURES = {"designs": "axtrain.png", "circuits": "axtrain-circuits.png"}


def setup_of(part: str) -> Setup:
    """Return what a part varies."""
    if part == "voltages":
        return Setup((multiplier("exact", 8, True),), (0.55, 0.5))
    names = {"designs": MULTIPLIERS, "circuits": CIRCUITS}[part]
    return Setup(tuple(multiplier(name, 8, True) for name in names))


def table(found: Evaluation, summaries: list[Summary]) -> str:
    """Return the tables of a part as Markdown."""
    parts = []
    for each in summaries:
        rows = [HEAD, ["---", "---", *["---:"] * (len(HEAD) - 2)], *cells(each)]
        parts.append(f"**{each.task}**: {each.measure}, exact {percent(each.exact)} %\n")
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n")
    return "\n".join(parts)


def shown(summaries: list[Summary]) -> str:
    """Return what the means over all conditions show."""
    rows = [
        "| task | post-training | passive | active | both | both - better | passive lower in | active lower in "
        "| sensitivity: passive | active | both |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for each in summaries:
        found = each.findings
        losses = " | ".join(percent(each.mean.losses[m]) for m in each.mean.losses)
        of = found.conditions
        rows.append(
            f"| {each.task} | {losses} | {percent(found.both_minus_better)} | "
            f"{found.passive_wins} of {of} | {found.active_wins} of {of} | "
            + " | ".join(f"x {ratio.mean:.2f}" for ratio in each.mean.sensitivity.values())
            + " |"
        )
    return "\n".join(rows) + "\n"


def renew(name: str, text: str) -> None:
    """Put a table in its place on the page."""
    page, found = re.subn(
        rf"(<!-- made by docs/make_axtrain.py: {name} -->\n).*?(<!-- end -->\n)",
        lambda match: f"{match[1]}\n{text}\n{match[2]}",
        PAGE.read_text(encoding="utf-8"),
        flags=re.S,
    )
    assert found == 1, f"{PAGE}: must have one place {name!r}"
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    """Make the parts that are asked for."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("parts", nargs="*", metavar="PART")
    reader.add_argument("--workers", type=int, default=1)
    asked = reader.parse_args()
    for part in asked.parts or ["designs", "voltages", "circuits"]:
        found = evaluate(setup=setup_of(part), seeds=5, workers=asked.workers)
        summaries = summarise(found)
        renew(part, table(found, summaries))
        renew(f"{part}, in short", shown(summaries))
        if part in PICTURES:
            plot_accuracy(summaries, FIGURES / PICTURES[part])


if __name__ == "__main__":
    main()
