"""The sums of a replay whose units have an 8-bit multiplier, exact or approximate, instead of the FP32 one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from archsim.approx.base import Multiplier
from archsim.approx.costs import Cost
from archsim.approx.estimate import cost_or_estimate
from archsim.approx.names import TABLE_FILES, multiplier
from archsim.approx.weighted_sum import BITS, Rows, Tally, exact_sums, weighted_sums
from archsim.errors import InputError
from archsim.ledger import LedgerRow
from archsim.nmp.checks import Floats, Ints
from archsim.nmp.pooling import CHECKED_POOLINGS, PooledSums, RowsInMemory, TableShape, means
from archsim.nmp.spec import NmpSpec


def rank_multiplier(name: str) -> Multiplier:
    """Return the multiplier of a rank unit: levels times magnitudes, both unsigned, of 8 bits.

    Raises
    ------
    InputError
        For an unknown design, and a file: the hash of a system would not cover what is in it.
    """
    if name.lower().endswith(TABLE_FILES):
        raise InputError(
            "must be the name of a design, such as drum6; a table in a file is not part of a system"
        )
    return multiplier(name, BITS)


def rank_cost(design: Multiplier) -> Cost:
    """Return the cost of a rank unit's multiplier, cited or estimated."""
    cost = cost_or_estimate(design)
    assert cost is not None  # only tables have none
    return cost


def delay_refusal(nmp: NmpSpec, tCK_ps: int) -> str:
    """Return the rule that a multiplier's delay breaks; empty if it fits.

    It is cut into ``nmp.fp32_mult_clk`` stages like the FP32 multiplier that it replaces, of which one begins every
    clock; what the registers between the stages take is left out.
    """
    assert nmp.multiplier is not None
    cost = rank_cost(rank_multiplier(nmp.multiplier))
    clocks = -(-round(cost.delay_ns * 1000) // tCK_ps)
    if clocks <= nmp.fp32_mult_clk:
        return ""
    return (
        f"its delay of {cost.delay_ns:.2f} ns ({cost.kind}) takes {clocks} clocks of {tCK_ps / 1000:g} ns, and "
        f"nmp.fp32_mult_clk = {nmp.fp32_mult_clk}; set nmp.fp32_mult_clk = {clocks} or more"
    )


class ApproxSums(PooledSums):
    """Sums of 8-bit rows by `archsim.approx.weighted_sum`; what is counted and hashed is as in `PooledSums`.

    Attributes
    ----------
    products : int
        8-bit multiplications of the rank units so far.

    Raises
    ------
    InputError
        When a table has no 8-bit rows.
    """

    def __init__(
        self,
        tables: Sequence[TableShape],
        nmp: NmpSpec,
        ranks: int,
        ranks_per_dimm: int,
        stored: RowsInMemory,
    ) -> None:
        super().__init__(tables, nmp, ranks, ranks_per_dimm, stored)
        assert nmp.multiplier is not None
        for table, rowwise in zip(tables, self.contents.rowwise.tolist(), strict=True):
            if not rowwise:
                raise InputError(
                    f"table {table.name!r}: element type {table.dtype!r}; nmp.multiplier = {nmp.multiplier!r} "
                    "multiplies rows of type 'uint8-rowwise'"
                )
        self.design = rank_multiplier(nmp.multiplier)
        self.products = 0
        self._tally = Tally()

    def add(
        self,
        packet_first: Ints,
        order: Ints,
        lookup: npt.NDArray[np.int32],
        rank: npt.NDArray[np.int32],
        rows: Ints,
        tables: npt.NDArray[np.int32],
        pooling: npt.NDArray[np.int32],
        weights: Floats | None,
        bag_tables: npt.NDArray[np.int32],
        starts: Ints,
        sizes: Ints,
    ) -> Floats:
        """Form the sums of whole packets; the order of bursts plays no part, because whole numbers are added."""
        del packet_first, order, lookup, rank, starts
        weights = self._factors(weights)
        sums = np.zeros((len(sizes), int(self.contents.elements.max())), np.float32)
        checked = min(len(sizes), CHECKED_POOLINGS - self._checked)
        for table in np.unique(tables).tolist():
            here = np.flatnonzero(tables == table)
            bags, local = np.unique(pooling[here], return_inverse=True)
            stored = self.contents.stored(table, rows[here])
            vectors = Rows(stored[:, :-2].astype(np.uint8), stored[:, -2], stored[:, -1])
            given = None if weights is None else weights[here]
            width = vectors.levels.shape[1]
            sums[bags, :width] = weighted_sums(vectors, given, local, len(bags), self.design)
            if checked:
                self._compare(vectors, given, local, bags, sums, sizes, checked)
        if self._mean:
            sums = means(sums, sizes)
        self._digest.update(sums.astype("<f4", copy=False).tobytes())
        self._checked += checked
        self._count(bag_tables, sizes, weighted=weights is not None)
        self._poolings += len(sums)
        return sums

    def _compare(
        self, vectors: Rows, weights: Floats | None, local: Ints, bags: npt.NDArray[np.int32], sums: Floats,
        sizes: Ints, checked: int,
    ) -> None:  # fmt: skip
        """Compare the first sums, before any mean is taken, with float64."""
        first = np.flatnonzero(bags < checked)
        some = np.isin(local, first)
        part = Rows(vectors.levels[some], vectors.scale[some], vectors.bias[some])
        exact = exact_sums(part, None if weights is None else weights[some], local[some], len(bags))[first]
        found = sums[bags[first], : exact.shape[1]].astype(np.float64)
        if self._mean:
            count = sizes[bags[first]][:, None]
            exact, found = exact / count, found / count
        self._tally.add(found, exact)
        self._max_error = self._tally.accuracy().max_abs

    def _count(self, bag_tables: npt.NDArray[np.int32], sizes: Ints, *, weighted: bool) -> None:
        """Count as for the FP32 unit; the multiplications of elements are 8-bit ones."""
        super()._count(bag_tables, sizes, weighted=weighted)
        products = int((sizes * self.contents.elements[bag_tables]).sum())
        self.mults -= products
        self.products += products

    def other_rows(self, component: str) -> list[LedgerRow]:
        """Return the energy of the 8-bit multiplications; the event says so if it is an estimate."""
        cost = rank_cost(self.design)
        mark = "" if cost.kind == "cited" else f"_{cost.kind}"
        return [LedgerRow(component, f"mult{BITS}_{self.design.name}{mark}", self.products, cost.energy_pj)]

    def figures(self) -> dict[str, Any]:
        """Return the sums' part of the results, and how far the checked ones are from float64.

        ``multiplier``, ``relative_rms``: all differences over the exact sums, root of squares; ``cosine``: mean.
        """
        found = self._tally.accuracy()
        more = {"multiplier": self.design.name, "relative_rms": found.relative_rms, "cosine": found.cosine}
        return super().figures() | more
