"""Why a row lies outside its tolerance, as far as it was found. A reason marks a row; it never widens its tolerance."""

from __future__ import annotations

import re

#: (pattern of the figure, pattern of the quantity, reason); the first that matches counts.
_REASONS: list[tuple[str, str, str]] = []


def reason(figure: str, quantity: str) -> str:
    """Return the reason found for a row that does not hold, or that none is."""
    for figures, quantities, text in _REASONS:
        if re.search(figures, figure) and re.search(quantities, quantity):
            return text
    return "reason not found yet"
