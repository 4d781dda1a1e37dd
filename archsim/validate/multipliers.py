"""Approximate multipliers against figures computed apart from this model, and where they stand for published ones.

The figures of 8 bits and less are of all pairs and hold to the printed digit. Those of 16 bits are means of random
pairs on both sides: they hold within the 99 % interval of the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from csv import DictReader
from functools import cache
from math import sqrt
from pathlib import Path

import numpy as np

from archsim.approx.base import Multiplier
from archsim.approx.lowrank import factors_of, rank_modulo
from archsim.approx.metrics import EXHAUSTIVE_BITS, Metrics, metrics, sampled
from archsim.approx.names import multiplier
from archsim.validate.row import Row

_DATA = Path(__file__).parent / "data" / "multipliers.csv"
#: Quantity -> how it is shown, and its scale.
_SHOWN = {
    "ep": ("EP, %", 100.0), "nmed": ("NMED, 10^-6", 1e6), "wce": ("WCE", 1.0), "mred": ("MRED, %", 100.0),
    "bias": ("relative bias, %", 100.0), "wcre": ("greatest relative error, %", 100.0),
    "rank": ("rank of the table", 1.0),
}  # fmt: skip
#: Two-sided 99 % over 95 % of the normal distribution.
_TO_99 = 2.5758 / 1.96
#: Pairs drawn without strata, from which the spread of single pairs is known.
_PLAIN_PAIRS = 1 << 18
#: What was found where a figure does not hold, by multiplier and quantity.
_REASONS = {
    (
        "lot4",
        "ep",
    ): "62,816 of 65,536 pairs, 95.8496 %, by the slow definition too; the figure looks rounded twice",
}
#: What belongs beside the figures of a family.
_NOTES = {
    "udm": "an average over all pairs of 2x2 bits, zeros too, is 9/16 of the MRED",
    "roba": "halfway goes up, but for 3",
    "tosam": "truncated fractions, and rounded ones with a 1 after them",
}


def assumptions() -> list[str]:
    """Return what the comparison assumes."""
    return [
        "multipliers: the expected figures were computed with a program of their own from the definitions; published "
        "averages agree with them as far as they are known",
        "multipliers: all pairs of operands are equally likely; MRED leaves out products that are 0",
    ]


def rows(data: Path | None = None) -> Iterator[Row]:
    """Yield one row for each figure."""
    del data
    with _DATA.open(encoding="utf-8", newline="") as file:
        for line in DictReader(text for text in file if not text.startswith("#")):
            yield _row(line)


def _row(line: dict[str, str]) -> Row:
    bits, quantity, text = int(line["bits"]), line["quantity"], line["expected"]
    each, pairs = multiplier(line["multiplier"], bits), int(line["pairs"] or 0)
    shown, scale = _SHOWN[quantity]
    expected = float(text) * (1e6 if quantity == "nmed" else 1.0)
    half_digit = 0.5 * 10.0 ** -len(text.partition(".")[2]) * (1e6 if quantity == "nmed" else 1.0)
    room, note = half_digit, "to the printed digit"
    if pairs:
        ours, theirs = _metrics(each).ci95[quantity], _spread(each)[quantity] * sqrt(_PLAIN_PAIRS / pairs)
        room += _TO_99 * scale * sqrt(ours**2 + theirs**2)
        note = f"99 % interval of {_metrics(each).pairs:,} and {pairs:,} pairs"
    if more := _NOTES.get(each.family):
        note = f"{note}; {more}"
    if more := _REASONS.get((each.name, quantity)):
        note = f"{note}; {more}"
    measured = scale * _measured(each, quantity)
    # The last term is for the last bit of a division.
    tolerance = room / abs(expected) + 1e-12
    return Row(f"{each.name}, {bits} bits", shown, expected, measured, tolerance, note)


def _measured(each: Multiplier, quantity: str) -> float:
    if quantity == "rank":
        factors = factors_of(each)
        return rank_modulo(each.table()) if factors is None else factors.rank
    if quantity == "wcre" and each.bits > EXHAUSTIVE_BITS:
        return _greatest_of_maps(each)
    return float(getattr(_metrics(each), quantity))


def _greatest_of_maps(each: Multiplier) -> float:
    """Return the greatest relative error of a product of maps, over all pairs: at the extremes of both maps."""
    terms = each.terms()
    assert terms is not None
    ((_, left, right),) = terms
    operands = each.operands()[1:]
    ratios = [function(operands) / operands for function in (left, right)]
    extremes = np.multiply.outer(*([ratio.min(), ratio.max()] for ratio in ratios))
    return float(np.abs(extremes - 1).max())


@cache
def _metrics(each: Multiplier) -> Metrics:
    return metrics(each)


@cache
def _spread(each: Multiplier) -> dict[str, float]:
    """Return the half widths of the 95 % intervals of so many pairs without strata."""
    return sampled(each, strata=1, pairs=_PLAIN_PAIRS, seed=1).ci95
