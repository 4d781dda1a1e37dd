"""The sums of a packet once more, by NumPy in FP32, addition by addition in the modelled order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from archsim.nmp.functional import Floats, TableContents

Ints = npt.NDArray[np.int64]
#: Bursts added together: bounds memory, whatever the size of a packet.
_BLOCK = 8192


def psums_in_order(
    contents: TableContents,
    table: int,
    rows: Ints,
    weights: Floats,
    psum: Ints,
    first_byte: Ints,
    psums: int,
) -> Floats:
    """Add bursts to Psum registers in the order given.

    Parameters
    ----------
    contents : TableContents
        The tables.
    table : int
        Table of all bursts.
    rows : int64 array [bursts]
        Row of each burst, in order of arrival.
    weights : float32 array [bursts]
        Factor of its lookup.
    psum : int64 array [bursts]
        Register it is added to.
    first_byte : int64 array [bursts]
        Place of the burst in its vector; below 0 where the vector begins inside the burst. 8-bit rows are added
        whole: one burst per lookup stands for it.
    psums : int
        Registers.

    Returns
    -------
    float32 array [psums, elements]
    """
    elements = int(contents.elements[table])
    registers = np.zeros((psums, elements), dtype=np.float32)
    item = contents.vector_bytes[table] // elements
    at = np.arange(elements) * item
    for start in range(0, len(rows), _BLOCK):
        here = slice(start, start + _BLOCK)
        terms = contents.terms(table, contents.stored(table, rows[here]), weights[here])
        if not contents.rowwise[table]:
            begin = first_byte[here, None]
            # Adding -0 changes no number, not even the sign of a zero.
            terms[(at < begin) | (at >= begin + 64)] = np.float32(-0.0)
        _add_block(registers, psum[here], terms)
    return registers


def _add_block(registers: Floats, psum: Ints, terms: Floats) -> None:
    """Add ``terms`` [bursts, elements] one after another to the registers that ``psum`` [bursts] names."""
    order = np.argsort(psum, kind="stable")
    used, starts, lengths = np.unique(psum[order], return_index=True, return_counts=True)
    terms = terms[order]
    if lengths.max() > len(used):  # few long chains
        for register, start, length in zip(used, starts, lengths, strict=True):
            chain = np.concatenate([registers[register][None], terms[start : start + length]])
            # Not a sum, which NumPy may take in another order.
            registers[register] = np.add.accumulate(chain, axis=0)[-1]
        return
    longest_first = np.argsort(-lengths, kind="stable")
    used, starts, lengths = used[longest_first], starts[longest_first], lengths[longest_first]
    values = registers[used]
    for step in range(int(lengths[0])):
        going = int(np.searchsorted(-lengths, -step, side="left"))  # chains longer than step
        values[:going] += terms[starts[:going] + step]
    registers[used] = values


def reduce_in_order(psums: Floats, ranks_per_dimm: int) -> Floats:
    """Add the ranks of each DIMM pairwise, neighbours first, then the DIMMs one after another.

    Parameters
    ----------
    psums : float32 array [poolings, ranks, elements]
        Psum registers of all ranks.
    ranks_per_dimm : int
        Ranks of a DIMM.

    Returns
    -------
    float32 array [poolings, elements]
    """
    total: Floats | None = None
    for first in range(0, psums.shape[1], ranks_per_dimm):
        level = [psums[:, first + rank] for rank in range(ranks_per_dimm)]
        while len(level) > 1:
            paired = [a + b for a, b in zip(level[::2], level[1::2], strict=False)]
            level = paired + level[len(level) - len(level) % 2 :]
        total = level[0] if total is None else total + level[0]
    assert total is not None
    return total


def means(sums: Floats, lookups: Ints) -> Floats:
    """Return sums [poolings, elements] times the FP32 reciprocals of their lookups; poolings of none stay zero."""
    reciprocal = np.float32(1) / np.maximum(lookups, 1).astype(np.float32)
    return sums * reciprocal[:, None]
