"""Embedding vectors learnt from the bags of a trace, for sums of vectors that somebody's data has shaped."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.approx.base import Ints
from archsim.errors import InputError

#: Bags whose products with each other are held.
_MOST_BAGS = 8192


def learn_embeddings(
    rows: ArrayLike, lengths: ArrayLike, elements: int = 64, *, least: int = 2
) -> tuple[NDArray[np.float64], Ints, Ints, NDArray[np.float32]]:
    """Learn a vector for each row from which bags it is in: latent semantic analysis of the bags of one table.

    The matrix of bags and rows holds log(1 + lookups), each row times the log of bags over bags with it; its greatest
    singular vectors give the embeddings. LAPACK decides their last bits.

    Parameters
    ----------
    rows : array_like of int [lookups]
        Rows looked up, bag after bag.
    lengths : array_like of int [bags]
        Lookups of each bag; at most 8,192 bags.
    elements : int
        Of a vector.
    least : int
        Rows in fewer bags than this get no vector, and their lookups are left out.

    Returns
    -------
    vectors : float64 array [vocabulary, elements]
    index : int64 array [kept lookups]
        Which vector each lookup takes.
    bag : int64 array [kept lookups]
        Its bag.
    weights : float32 array [kept lookups]
        Log of bags over bags with the row: what is everywhere counts little.

    Raises
    ------
    InputError
        For lengths that do not add up, too many bags, or fewer rows or bags than elements.
    """
    given, sizes = np.asarray(rows, np.int64), np.asarray(lengths, np.int64)
    if given.ndim != 1 or sizes.ndim != 1 or (sizes < 0).any() or int(sizes.sum()) != len(given):
        raise InputError(f"lengths: must add up to the {given.size:,} lookups")
    if len(sizes) > _MOST_BAGS:
        raise InputError(f"lengths: {len(sizes):,} bags: at most {_MOST_BAGS:,} are learnt from")
    bag = np.repeat(np.arange(len(sizes)), sizes)
    names, index = np.unique(given, return_inverse=True)
    pairs, counts = np.unique(bag * len(names) + index, return_counts=True)
    spread = np.bincount(pairs % len(names), minlength=len(names))
    kept = np.flatnonzero(spread >= least)
    if not 1 <= elements <= min(len(kept), len(sizes)):
        raise InputError(
            f"elements = {elements}: must be from 1 to {min(len(kept), len(sizes))}, as {len(kept):,} rows are in "
            f"{least} bags or more"
        )
    place = np.full(len(names), -1, np.int64)
    place[kept] = np.arange(len(kept))
    rarity = np.log(len(sizes) / spread[kept])
    matrix = np.zeros((len(sizes), len(kept)))
    column = place[pairs % len(names)]
    some = column >= 0
    matrix[pairs[some] // len(names), column[some]] = np.log1p(counts[some])
    matrix *= rarity
    squares, left = np.linalg.eigh(matrix @ matrix.T)
    left = left[:, ::-1][:, :elements]
    # A singular vector may point either way: its greatest part is made positive.
    left *= np.sign(left[np.abs(left).argmax(axis=0), np.arange(elements)])
    singular = np.sqrt(np.maximum(squares[::-1][:elements], np.finfo(np.float64).tiny))
    vectors = (matrix.T @ left) / np.sqrt(singular)
    lookups = place[index] >= 0
    chosen = place[index][lookups]
    return vectors, chosen, bag[lookups], rarity[chosen].astype(np.float32)
