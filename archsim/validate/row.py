"""One comparison: a figure that was published or measured elsewhere, and ours."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any


@dataclass(frozen=True)
class Row:
    """A figure expected and measured.

    Attributes
    ----------
    figure : str
        What was run.
    quantity : str
        What was counted, with its unit.
    expected, measured : float or None
        None where the run could not be made; ``note`` says why.
    tolerance : float or None
        Largest deviation that holds, as a share; None for a figure that is shown and not judged.
    note : str
        What explains the deviation, or belongs beside it.
    """

    figure: str
    quantity: str
    expected: float | None
    measured: float | None
    tolerance: float | None
    note: str = ""

    @property
    def deviation(self) -> float | None:
        """Return measured / expected - 1, or None without both."""
        if self.expected is None or self.measured is None:
            return None
        if self.expected == 0:
            return None
        return self.measured / self.expected - 1

    @property
    def holds(self) -> bool | None:
        """Return whether the deviation is within the tolerance, or None where nothing is judged."""
        if self.tolerance is None or self.deviation is None:
            return None
        return abs(self.deviation) <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        """Return the row of ``archsim validate --json``."""
        fields = asdict(self) | {"deviation": self.deviation}
        # JSON has no infinity: such a row has no figure, and does not hold.
        finite = {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in fields.items()}
        note = finite.pop("note")
        return finite | {"holds": self.holds, "note": note}
