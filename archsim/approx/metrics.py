"""How far an approximate product is from the exact one: exhaustive up to 12 bits, sampled above."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.approx.base import TABLE_BITS, Ints, Multiplier
from archsim.approx.checks import whole_number
from archsim.errors import InputError
from archsim.kernels.approx import add_errors
from archsim.traces.counter import draw, stream_key

#: Widest operands of which all pairs are tried.
EXHAUSTIVE_BITS = 12
#: Strata of a sampled operand, and pairs from each of their squares.
STRATA, PAIRS = 64, 512
#: Pairs of a row of squares, which are held together.
_MOST_PAIRS = 1 << 24
_ROWS_OF_PAIRS = 1 << 20
#: Half the width of a 95 % interval, in standard errors.
_SCORE_95 = 1.96


@dataclass(frozen=True)
class Metrics:
    """Errors over all pairs of operands, each as likely as any other. P is the exact product, ED = |P' - P|.

    Attributes
    ----------
    ep : float
        Share of pairs with ED > 0.
    med : float
        Mean ED.
    nmed : float
        MED over the greatest exact product of magnitudes: (2**n - 1)**2, or 2**(2n - 2) signed.
    mred : float
        Mean ED / |P| over pairs with P != 0.
    wce : int
        Greatest ED.
    wcre : float
        Greatest ED / max(1, |P|).
    mse : float
        Mean ED squared.
    bias : float
        Mean (P' - P) / |P| over pairs with P != 0.
    mean_error : float
        Mean P' - P.
    pairs : int
        Pairs tried.
    exhaustive : bool
        Whether these were all. If not, ``wce`` and ``wcre`` are the greatest found, which is a lower bound.
    ci95 : dict of str to float
        Half widths of 95 % confidence intervals of the sampled means; empty if exhaustive.
    """

    ep: float
    med: float
    nmed: float
    mred: float
    wce: int
    wcre: float
    mse: float
    bias: float
    mean_error: float
    pairs: int
    exhaustive: bool = True
    ci95: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)


def metrics(multiplier: Multiplier, seed: int = 0) -> Metrics:
    """Return the errors of a multiplier: of all pairs up to 12 bits, of a stratified sample above.

    Parameters
    ----------
    multiplier : Multiplier
    seed : int
        Of the sample; the same seed gives the same pairs on any machine.
    """
    return exhaustive(multiplier) if multiplier.bits <= EXHAUSTIVE_BITS else sampled(multiplier, seed=seed)


def _greatest(multiplier: Multiplier) -> int:
    return (1 << (2 * multiplier.bits - 2)) if multiplier.signed else ((1 << multiplier.bits) - 1) ** 2


def exhaustive(multiplier: Multiplier) -> Metrics:
    """Return the errors over all pairs of operands of at most 12 bits.

    Raises
    ------
    InputError
        For wider operands.
    """
    if multiplier.bits > EXHAUSTIVE_BITS:
        raise InputError(f"{multiplier.label}: all pairs are tried up to {EXHAUSTIVE_BITS} bits")
    operands = multiplier.operands()
    counts, squares, ratios = np.zeros(5, np.int64), np.zeros(2, np.uint64), np.zeros(3)
    square_sum = 0
    step = max(1, _ROWS_OF_PAIRS // len(operands))
    for first in range(0, len(operands), step):
        some = operands[first : first + step]
        product = _products(multiplier, operands, first, step)
        add_errors(
            product.reshape(-1), np.multiply.outer(some, operands).reshape(-1), counts, squares, ratios
        )
        square_sum += int(squares[0]) + (int(squares[1]) << 32)
        squares[:] = 0
    pairs, nonzero = len(operands) ** 2, max(int(counts[1]), 1)
    med = int(counts[2]) / pairs
    return Metrics(
        ep=int(counts[0]) / pairs,
        med=med,
        nmed=med / _greatest(multiplier),
        mred=float(ratios[0]) / nonzero,
        wce=int(counts[4]),
        wcre=float(ratios[2]),
        mse=square_sum / pairs,
        bias=float(ratios[1]) / nonzero,
        mean_error=int(counts[3]) / pairs,
        pairs=pairs,
    )


def _products(multiplier: Multiplier, operands: Ints, first: int, step: int) -> Ints:
    if multiplier.bits <= TABLE_BITS:
        return multiplier.table()[first : first + step].astype(np.int64)
    return multiplier.multiply(operands[first : first + step, None], operands[None, :])


def sampled(multiplier: Multiplier, *, strata: int = STRATA, pairs: int = PAIRS, seed: int = 0) -> Metrics:
    """Estimate the errors from pairs drawn evenly from every stratum.

    Both operands are cut into ``strata`` intervals of equal length; from each of the ``strata**2`` squares come
    ``pairs`` pairs. The estimate is the mean over squares; its variance is that of the means of the squares.

    Parameters
    ----------
    multiplier : Multiplier
    strata : int
        A power of two, at most 2**bits.
    pairs : int
        2 to 2**24 / strata.
    seed : int
    """
    width = 1 << multiplier.bits
    strata = whole_number("strata", strata, 1)
    if strata & (strata - 1) or strata > width:
        raise InputError(f"strata = {strata}: must be a power of two, at most {width}")
    # Two pairs at least, for a variance within a stratum.
    pairs = whole_number("pairs", pairs, 2, _MOST_PAIRS // strata)
    seed = whole_number("seed", seed, 0, (1 << 64) - 1)
    span, key = width // strata, stream_key(seed, multiplier.bits, strata, pairs)
    means: dict[str, list[NDArray[np.float64]]] = {
        name: [] for name in ("ep", "med", "mred", "mse", "bias", "mean_error")
    }
    variances: dict[str, list[NDArray[np.float64]]] = {name: [] for name in means}
    worst, worst_ratio = 0, 0.0
    for stratum in range(strata):
        count = strata * pairs
        words = draw(key, np.arange(stratum * count, (stratum + 1) * count, dtype=np.uint64))
        offsets = (words & np.uint64(span - 1)).astype(np.int64)
        others = (words >> np.uint64(32) & np.uint64(span - 1)).astype(np.int64)
        a = multiplier.low + stratum * span + offsets
        b = multiplier.low + np.repeat(np.arange(strata), pairs) * span + others
        exact = a * b
        error = multiplier.multiply(a, b) - exact
        size, scale = np.abs(error), np.maximum(np.abs(exact), 1)
        ratio = np.where(exact != 0, error / scale, 0.0)
        worst, worst_ratio = max(worst, int(size.max())), max(worst_ratio, float((size / scale).max()))
        values = {
            "ep": size > 0, "med": size, "mred": np.abs(ratio), "mse": size.astype(np.float64) ** 2, "bias": ratio,
            "mean_error": error,
        }  # fmt: skip
        for name, each in values.items():
            square = each.reshape(strata, pairs).astype(np.float64)
            means[name].append(square.mean(axis=1))
            variances[name].append(square.var(axis=1, ddof=1) / pairs)
    # Products that are 0 count in the sample with ratio 0; their share is known.
    nonzero = ((width - 1) / width) ** 2
    share = {"mred": nonzero, "bias": nonzero}
    found = {name: float(np.mean(each)) / share.get(name, 1.0) for name, each in means.items()}
    ci95 = {
        name: _SCORE_95 * sqrt(float(np.sum(each))) / strata**2 / share.get(name, 1.0)
        for name, each in variances.items()
    }
    ci95["nmed"] = ci95["med"] / _greatest(multiplier)
    return Metrics(
        **found,
        nmed=found["med"] / _greatest(multiplier),
        wce=worst,
        wcre=worst_ratio,
        pairs=strata**2 * pairs,
        exhaustive=False,
        ci95=ci95,
    )
