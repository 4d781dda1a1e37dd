"""Tables of products as others publish them, verified on load: all errors again, beside what was claimed.

EvoApproxLib ships C models; run them over all operands and save the products. What it claims stands in comments of its
files, such as ``// MAE = 53`` and ``// PDK45_PWR = 0.301 mW``, and is read from the table's file or from another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

import numpy as np

from archsim.approx.base import Ints
from archsim.approx.costs import Cost
from archsim.approx.metrics import Metrics, exhaustive
from archsim.approx.table_files import MOST_BYTES, read_square
from archsim.approx.tables import TableMultiplier, from_table
from archsim.errors import InputError, nearest, printable
from archsim.files import read_text

ORDERS = ("code", "value")
_CLAIM = re.compile(
    r"(?<!\w)(MAE%?|WCE%?|WCRE%|EP%|MRE%|MSE|PDK45_PWR|PDK45_AREA|PDK45_DELAY)\s*=\s*([-+.0-9eE]+)"
    r"[ \t]*([A-Za-zµμ]\w*)?"
)
#: Units in which costs are claimed; a claim without a unit is taken to be in it.
_UNITS = {"PDK45_PWR": "mW", "PDK45_AREA": "um2", "PDK45_DELAY": "ns"}
_SHAPES = re.compile(r"[-+]?(\d+)(?:\.(\d*))?(?:[eE]([-+]?\d+))?")
#: A table is said to be of the other order or sign only if that makes its mean error this many times smaller.
_CLEARLY = 4


@dataclass(frozen=True)
class Mismatch:
    """A claimed figure that the table does not have.

    Attributes
    ----------
    quantity : str
        As EvoApproxLib names it, such as ``MAE``.
    claimed, measured : float
    """

    quantity: str
    claimed: float
    measured: float

    def __str__(self) -> str:
        return f"{self.quantity}: claimed {self.claimed:g}, measured {self.measured:.6g}"


@dataclass(frozen=True)
class LoadedTable:
    """A table with what was found in verifying it.

    Attributes
    ----------
    multiplier : TableMultiplier
    metrics : Metrics
        Over all pairs.
    claims : dict of str to float
        What was published.
    mismatches : tuple of Mismatch
        Claims that do not hold, each to its printed digits, rounded or cut.
    findings : tuple of str
        What is peculiar about the table, in sentences.
    """

    multiplier: TableMultiplier
    metrics: Metrics
    claims: dict[str, float] = field(default_factory=dict)
    mismatches: tuple[Mismatch, ...] = ()
    findings: tuple[str, ...] = ()


def load_table(
    path: Path | str,
    *,
    signed: bool = False,
    bits: int | None = None,
    order: str = "code",
    claims: Path | str | None = None,
) -> LoadedTable:
    """Load a table of products and verify it.

    Parameters
    ----------
    path : Path
        ``.npy``, ``.csv``, ``.txt``, or a C header (``.h``, ``.c``) with an initialised array.
    signed : bool
        Whether the operands are signed.
    bits : int, optional
        Refuse a table of another width.
    order : {"code", "value"}
        Of rows and columns of a signed table: by the bits of the operand as an unsigned number (0, 1, ..., -2, -1), as
        a C array is indexed, or by its value (-128 first).
    claims : Path, optional
        Text with claims as EvoApproxLib writes them; default: the table's own file, if it is text.

    Returns
    -------
    LoadedTable

    Raises
    ------
    InputError
        For a malformed file, or another width.
    """
    path = Path(path)
    if order not in ORDERS:
        raise InputError(f"order = {order!r}: unknown{nearest(order, ORDERS)}")
    stored = raw = read_square(path)
    width = len(raw).bit_length() - 1
    if bits is not None and width != bits:
        raise InputError(f"{path}: a table of {width} bits, where {bits} bits are asked for")
    findings: list[str] = []
    if signed:
        raw = _signed_words(raw, width, findings)
        if order == "code":
            raw = np.roll(raw, (len(raw) // 2, len(raw) // 2), (0, 1))
    claimed: dict[str, str] = {}
    if claims is not None or path.suffix.lower() != ".npy":
        claimed = _claims(
            read_text(Path(claims) if claims is not None else path, MOST_BYTES, "file of claims"),
            claims or path,
        )
    numbers = {key: _claim(key, text, claims or path) for key, text in claimed.items()}
    table = from_table(raw, signed=signed, title=path.stem, cost=_cost(numbers, Path(claims or path)))
    found = exhaustive(table)
    findings += _peculiar(raw, stored, signed, found)
    mismatches = _mismatches(claimed, numbers, found, width)
    return LoadedTable(table, found, numbers, mismatches, tuple(findings))


def _claims(text: str, path: Path | str) -> dict[str, str]:
    """Return what is claimed, as it is written."""
    found = {}
    for key, number, unit in _CLAIM.findall(text):
        if unit and key in _UNITS and unit != _UNITS[key]:
            raise InputError(
                f"{path}: {key} = {printable(number[:30])} {printable(unit[:30])}: must be in {_UNITS[key]}"
            )
        found[key] = number
    return found


def _claim(key: str, text: str, path: Path | str) -> float:
    if not _SHAPES.fullmatch(text) or not isfinite(float(text)):
        raise InputError(f"{path}: {key} = {printable(text[:30])}: must be a number")
    value = float(text)
    if key in _UNITS and value < 0:
        raise InputError(f"{path}: {key} = {text[:30]}: must be at least 0")
    return value


def _cost(claims: dict[str, float], path: Path) -> Cost | None:
    keys = ("PDK45_PWR", "PDK45_DELAY", "PDK45_AREA")
    if not all(key in claims for key in keys):
        return None
    power, delay, area = (claims[key] for key in keys)
    return Cost(power, delay, area, 45, f"claims of {path.name}: {', '.join(keys)}")


def _signed_words(raw: Ints, bits: int, findings: list[str]) -> Ints:
    """Read products that are beyond the signed range as words of two's complement."""
    limit = 1 << (2 * bits - 1)
    if raw.max() < limit or raw.min() < 0 or raw.max() >= 2 * limit:
        return raw
    findings.append(
        f"signed products stored as unsigned words of {2 * bits} bits (up to {int(raw.max())}): "
        "read as two's complement"
    )
    return np.where(raw >= limit, raw - 2 * limit, raw)


def _peculiar(raw: Ints, stored: Ints, signed: bool, found: Metrics) -> list[str]:
    """Name the traps of signed tables that this one is likely to have fallen into."""
    half = len(raw) // 2
    rolled = np.roll(raw, (half, half), (0, 1))
    if not signed:
        values = np.arange(len(raw)) - half
        code = np.roll(values, half)
        other = min(_med(raw, code), _med(raw, values))
        return ["fits signed operands far better than unsigned ones"] if other * _CLEARLY < found.med else []
    out = []
    values = np.arange(-half, half)
    if _med(rolled, values) * _CLEARLY < found.med:
        out.append("fits the other order of rows and columns (code, value) far better")
    if _med(stored, np.arange(len(raw))) * _CLEARLY < found.med:
        out.append("fits unsigned operands far better than signed ones")
    # Without the operand -2**(bits-1), whose magnitude has no row of its own.
    negative, positive = raw[1:half, 1:half][::-1, ::-1], raw[half + 1 :, half + 1 :]
    mixed = raw[1:half, half + 1 :][::-1]
    if (negative == positive).all() and (mixed != -positive).any():
        out.append(
            "products of two negative operands are those of the magnitudes, products of mixed signs are not: "
            "signs converted by hand, not a circuit"
        )
    return out


def _med(products: Ints, operands: Ints) -> float:
    return float(np.abs(products - np.multiply.outer(operands, operands)).mean())


def _mismatches(
    texts: dict[str, str], claims: dict[str, float], found: Metrics, bits: int
) -> tuple[Mismatch, ...]:
    """Compare at the printed digits; a claim may be rounded or cut, so it may be off by one of its last place."""
    pairs = 4.0**bits
    measured = {
        "MAE": found.med, "MAE%": 100 * found.med / pairs, "WCE": float(found.wce), "WCE%": 100 * found.wce / pairs,
        "WCRE%": 100 * found.wcre, "EP%": 100 * found.ep, "MRE%": 100 * found.mred, "MSE": found.mse,
    }  # fmt: skip
    out = []
    for key, value in measured.items():
        if key in texts and abs(value - claims[key]) >= _last_place(texts[key]) * (1 + 1e-9):
            out.append(Mismatch(key, claims[key], value))
    return tuple(out)


def _last_place(text: str) -> float:
    match = _SHAPES.fullmatch(text)
    assert match is not None
    return float(f"1e{int(match[3] or 0) - len(match[2] or '')}")
