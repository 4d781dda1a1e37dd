"""Multipliers by name: ``drum6``, ``tosam_1_5``, ``bam_7``, or a file with a table of products."""

from __future__ import annotations

import re
from pathlib import Path

from archsim.approx.arrays import BrokenArray, PartialProducts, Udm
from archsim.approx.base import Multiplier
from archsim.approx.exact import Exact, Truncate
from archsim.approx.logarithmic import Iterative, Mitchell, MitchellConstant, MitchellRest, MitchellWidth
from archsim.approx.rounding import Roba, Tosam
from archsim.approx.segments import Drum, LeadingOne, StaticSegment
from archsim.errors import InputError, nearest

#: Family -> its class, and its parameters in the order of the name.
FAMILIES: dict[str, tuple[type[Multiplier], tuple[str, ...]]] = {
    "exact": (Exact, ()),
    "drum": (Drum, ("k",)),
    "mitchell": (Mitchell, ()),
    "mitchell_c": (MitchellConstant, ()),
    "mitchell_w": (MitchellWidth, ("w",)),
    "mitchell_r": (MitchellRest, ("r",)),
    "ilm": (Iterative, ("r",)),
    "udm": (Udm, ()),
    "roba": (Roba, ()),
    "ssm": (StaticSegment, ("m",)),
    "lot": (LeadingOne, ("t",)),
    "tosam": (Tosam, ("h", "t")),
    "truncate": (Truncate, ("t",)),
    "bam": (BrokenArray, ("v",)),
    "ppt": (PartialProducts, ("v",)),
}
#: One name of each family, which every width of at least 6 bits has; odd widths have no udm.
EXAMPLES = (
    "exact", "drum4", "drum6", "mitchell", "mitchell_c", "mitchell_w4", "mitchell_r1", "ilm1", "udm", "roba", "ssm5",
    "lot4", "tosam_1_5", "truncate_3", "bam_7", "ppt_7",
)  # fmt: skip
TABLE_FILES = (".npy", ".csv", ".txt", ".h", ".c")


def multiplier(name: str | Path, bits: int = 8, signed: bool = False) -> Multiplier:
    """Return a multiplier by its name.

    Parameters
    ----------
    name : str or Path
        A family with its parameters, such as ``drum6`` or ``tosam_1_5``, or a file with a table of products
        (``.npy``, ``.csv``, ``.txt``, ``.h``, ``.c``).
    bits : int
        Width of the operands, 4 to 16.
    signed : bool

    Raises
    ------
    InputError
        For an unknown name, an impossible parameter, or a malformed table.
    """
    if not isinstance(name, str | Path):
        raise InputError(f"multiplier {name!r}: must be a name, such as drum6")
    name = str(name)
    if name.lower().endswith(TABLE_FILES):
        from archsim.approx.imports import load_table

        return load_table(Path(name), signed=signed, bits=bits).multiplier
    match = re.fullmatch(r"([a-z]+(?:_[a-z]+)?)_?([0-9]{1,4}(?:_[0-9]{1,4})*)?", name.lower())
    family = match[1] if match else name
    if match is None or family not in FAMILIES:
        raise InputError(f"{name!r}: unknown multiplier{nearest(family, FAMILIES)}")
    cls, parameters = FAMILIES[family]
    values = [int(text) for text in match[2].split("_")] if match[2] else []
    if family == "bam" and len(values) == 2:
        parameters = ("h", "v")
    if len(values) != len(parameters):
        form = family + "".join(f"_{each.upper()}" for each in parameters)
        raise InputError(f"{name!r}: must be {form}, with {len(parameters)} numbers")
    return cls(bits=bits, signed=signed, **dict(zip(parameters, values, strict=True)))


def examples(bits: int = 8, signed: bool = False) -> list[Multiplier]:
    """Return one multiplier or two of each family, as far as the width has them."""
    found = []
    for name in EXAMPLES:
        try:
            found.append(multiplier(name, bits, signed))
        except InputError:
            if not 4 <= bits <= 16:
                raise
    return found
