"""The checks of pooled sums once more, with NumPy alone: in float64, and in FP32 in the modelled order."""

from itertools import pairwise

import numpy as np

from archsim.nmp.checks import check_float64


def check_one(contents, rows, table, weights, pooled, *, mean=False):
    """Compare one pooling with float64, as `check_float64` compares many."""
    lookups = len(rows)
    return check_float64(
        contents, rows, weights, np.array([table], np.int32), np.array([0]), np.array([lookups]), pooled[None],
        mean=mean,
    )  # fmt: skip


def in_float64(contents, table, rows, weights):
    """Return a sum, and that of the magnitudes of its terms (of an 8-bit row: of product and bias apart).

    Lookup after lookup: a sum over an axis would do so too, but for vectors of one element.
    """
    exact, magnitude = np.zeros((2, contents.elements[table]))
    for i, row in enumerate(rows):
        stored = contents.stored(table, [row])[0].astype(np.float64)
        weight = 1.0 if weights is None else np.float64(weights[i])
        if contents.rowwise[table]:
            product, bias = weight * stored[-2] * stored[:-2], weight * stored[-1]
            exact += product + bias
            magnitude += np.abs(product) + np.abs(bias)
        else:
            exact += weight * stored
            magnitude += np.abs(weight * stored)
    return exact, magnitude


def in_order(contents, bursts, weights, ranks, ranks_per_dimm, poolings, layout):
    """Return what `archsim.nmp.checks.sums_in_order` does: Psum registers, trees of the DIMMs, host."""
    psums = np.zeros((poolings, ranks, contents.elements.max()), np.float32)
    bursts_of = [np.flatnonzero(bursts.lookup == i) for i in range(len(bursts.rows))]
    for low, high in pairwise(bursts.packet_first):
        arrived = bursts.order[low:high].tolist()
        for time, burst in enumerate(arrived):
            i = bursts.lookup[burst]
            table, pooling = bursts.tables[i], bursts.pooling[i]
            later = set(arrived[time + 1 :])
            whole = contents.rowwise[table] and not layout.piece[table]
            if pooling >= poolings or (whole and later.intersection(bursts_of[i].tolist())):
                continue
            weight = np.ones(1, np.float32) if weights is None else weights[i : i + 1]
            terms = contents.terms(table, contents.stored(table, bursts.rows[i : i + 1]), weight)[0]
            inside, part = np.arange(len(terms)), burst - bursts_of[i][0]
            if layout.piece[table]:
                inside = inside[inside // layout.piece[table] == part]
            elif not whole:
                begin = layout.offset[table] + bursts.rows[i] * layout.stride[table]
                address = begin + inside * (contents.vector_bytes[table] // len(terms))
                inside = inside[address // 64 - begin // 64 == part]
            psums[pooling, bursts.rank[burst], inside] += terms[inside]
    dimms = [_pairwise(list(dimm)) for dimm in np.split(psums.swapaxes(0, 1), ranks // ranks_per_dimm)]
    total = dimms[0]
    for dimm in dimms[1:]:
        total = total + dimm
    return total


def _pairwise(level):
    if len(level) == 1:
        return level[0]
    pairs = [sum(level[k + 1 : k + 2], level[k]) for k in range(0, len(level), 2)]
    return _pairwise(pairs)
