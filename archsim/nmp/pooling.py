"""The sums of a whole replay: formed in the modelled order, hashed, and the first of them compared with NumPy."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from archsim.errors import InputError
from archsim.nmp.faults import Fault, FaultyRows
from archsim.nmp.functional import TableContents, check_sums, check_types, result_bursts
from archsim.nmp.in_order import means, psums_in_order, reduce_in_order
from archsim.nmp.instruction import POOLINGS_MAX
from archsim.nmp.spec import NmpSpec

#: Poolings compared with NumPy in every replay: the first ones. All of them are added by the units.
CHECKED_POOLINGS = 1024

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
#: What `PooledSums.add` takes of bursts and lookups, from ``packet_first`` to ``pooling``.
Bursts = tuple[
    Ints, Ints, npt.NDArray[np.int32], npt.NDArray[np.int32], Ints, npt.NDArray[np.int32], npt.NDArray[np.int32]
]  # fmt: skip


class TableShape(Protocol):
    """What the sums need to know of an embedding table."""

    @property
    def name(self) -> str:
        """Label."""

    @property
    def vector_bytes(self) -> int:
        """Bytes of a vector."""

    @property
    def dtype(self) -> str:
        """Element type."""


class PooledSums:
    """Sums of the poolings of one replay, as the rank units, the DIMMs and the host form them.

    Parameters
    ----------
    tables : sequence of TableShape
        The embedding tables.
    nmp : NmpSpec
        Operator, and seed of the tables' contents.
    ranks : int
        Ranks of all channels together, numbered channel by channel.
    ranks_per_dimm : int
        Ranks whose sums one DIMM adds pairwise; the host adds the DIMMs of all channels in order.

    Attributes
    ----------
    faults : tuple of Fault
        Bits flipped in the stored tables, which the units see and the checks do not; none unless a test plants some.
    result_bursts : int32 array [tables]
        64-byte bursts of one result.
    adds, mults : int
        FP32 operations of the rank units so far.

    Raises
    ------
    InputError
        When a table's element type is none that the units can add.
    """

    faults: tuple[Fault, ...] = ()

    def __init__(self, tables: Sequence[TableShape], nmp: NmpSpec, ranks: int, ranks_per_dimm: int) -> None:
        dtypes = [table.dtype for table in tables]
        check_types(dtypes, [table.name for table in tables])
        self.contents = TableContents(nmp.table_seed, [table.vector_bytes for table in tables], dtypes)
        self.result_bursts = result_bursts(self.contents)
        self.adds = self.mults = 0
        self._operator = nmp.operator
        self._faulty = FaultyRows(self.contents, self.faults)
        self._vector_bytes = np.array([table.vector_bytes for table in tables], dtype=np.int64)
        self._ranks_per_dimm = ranks_per_dimm
        self._partial = np.zeros((POOLINGS_MAX, ranks, int(self.contents.elements.max())), dtype=np.float32)
        self._digest = hashlib.sha256()
        self._poolings = self._checked = 0
        self._max_error = 0.0

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
        """Form the sums of whole packets in the order in which the bursts arrive, and check the first ones.

        Parameters
        ----------
        packet_first : int64 array [packets + 1]
            First burst of each packet.
        order : int64 array [bursts]
            Bursts of each packet in order of arrival at their rank unit.
        lookup, rank : int32 arrays [bursts]
            Lookup of each burst and its rank; the bursts of a lookup follow one another in address order.
        rows : int64 array [lookups]
            Row of each lookup.
        tables, pooling : int32 arrays [lookups]
            Table of each lookup, and the pooling it belongs to, counted from 0 in this call.
        weights : float32 array [lookups] or None
            The trace's weights; plain sums and means do not use them.
        bag_tables : int32 array [poolings]
            Table of each pooling.
        starts, sizes : int64 arrays [poolings]
            First lookup of each pooling, and its lookups.

        Returns
        -------
        float32 array [poolings, elements]
            Sums or means, each padded with zeros to the widest table.

        Raises
        ------
        InputError
            When the operator needs weights that the trace does not have.
        ArithmeticError
            When a checked result differs from NumPy's.
        """
        from archsim.kernels.sums import pool_packets

        weights = self._factors(weights)
        sums = np.zeros((len(sizes), self._partial.shape[2]), dtype=np.float32)
        contents = self.contents
        pool_packets(
            packet_first, order, lookup, rank, rows, tables, pooling,
            np.empty(0, np.float32) if weights is None else weights,
            contents.keys, contents.elements, self._vector_bytes, contents.bits, contents.scales, contents.rowwise,
            self._faulty.lines(tables, rows), self._faulty.values, self._ranks_per_dimm, self._partial, sums,
        )  # fmt: skip
        if self._mean:
            sums = means(sums, sizes)
        self._digest.update(sums.astype("<f4", copy=False).tobytes())
        checked = min(len(sums), CHECKED_POOLINGS - self._checked)
        if checked:
            bursts = (packet_first, order, lookup, rank, rows, tables, pooling)
            # Weights may be so large that sums rightly overflow.
            with np.errstate(over="ignore", invalid="ignore"):
                self._check_float64(sums[:checked], rows, weights, bag_tables, starts, sizes)
                self._check_bits(sums[:checked], bursts, weights, sizes[:checked])
            self._checked += checked
        self._count(bag_tables, sizes, weighted=weights is not None)
        self._poolings += len(sums)
        return sums

    @property
    def _mean(self) -> bool:
        return self._operator in ("mean", "weighted_mean")

    def _factors(self, weights: Floats | None) -> Floats | None:
        """Return the weights if the operator uses them; the first call settles an operator that was left open."""
        if self._operator is None:
            self._operator = "sum" if weights is None else "weighted_sum"
        if not self._operator.startswith("weighted"):
            return None
        if weights is None:
            raise InputError(
                f"nmp.operator = {self._operator!r}: weights missing; it needs a trace with the column 'weight', "
                f"{self._operator.removeprefix('weighted_')!r} does not"
            )
        return weights

    def _count(self, bag_tables: npt.NDArray[np.int32], sizes: Ints, *, weighted: bool) -> None:
        """Count the units' operations.

        Each element is added; a weight multiplies each element; an 8-bit element is multiplied by its scale, its
        bias is added, and the weight multiplies scale and bias instead.
        """
        rowwise = self.contents.rowwise[bag_tables]
        elements = sizes * self.contents.elements[bag_tables]
        self.adds += int((elements * (1 + rowwise)).sum())
        self.mults += int(elements[rowwise].sum())
        if weighted:
            self.mults += int(np.where(rowwise, 2 * sizes, elements).sum())

    def _check_float64(
        self,
        sums: Floats,
        rows: Ints,
        weights: Floats | None,
        bag_tables: npt.NDArray[np.int32],
        starts: Ints,
        sizes: Ints,
    ) -> None:
        """Compare results [poolings, elements], the first ones of the call, with NumPy's in float64."""
        for k, pooled in enumerate(sums):
            here = slice(int(starts[k]), int(starts[k] + sizes[k]))
            factors = None if weights is None else weights[here]
            error = check_sums(
                self.contents, rows[here], int(bag_tables[k]), factors, pooled, mean=self._mean
            )
            self._max_error = max(self._max_error, error)

    def _check_bits(self, sums: Floats, bursts: Bursts, weights: Floats | None, sizes: Ints) -> None:
        """Compare results [poolings, elements], the first ones of the call, bit by bit with NumPy's in FP32."""
        packet_first, order, lookup, rank, rows, tables, pooling = bursts
        contents, ranks = self.contents, self._partial.shape[1]
        begins = np.flatnonzero(np.concatenate([[True], lookup[1:] != lookup[:-1]]))
        first_burst = np.zeros(len(rows), dtype=np.int64)
        first_burst[lookup[begins]] = begins
        expected = np.zeros_like(sums)
        for low, high in itertools.pairwise(packet_first.tolist()):
            if low == high:
                continue
            base = int(pooling[lookup[low]])
            if base >= len(sums):
                break
            arrived = order[low:high]
            if contents.rowwise[tables[lookup[low]]]:  # the last burst of a row stands for all
                _, last = np.unique(lookup[arrived][::-1], return_index=True)
                arrived = arrived[np.sort(len(arrived) - 1 - last)]
            mine = lookup[arrived]
            kept = pooling[mine] < len(sums)
            arrived, mine = arrived[kept], mine[kept]
            table, count = int(tables[mine[0]]), int(pooling[mine].max()) - base + 1
            size = int(self._vector_bytes[table])
            psums = psums_in_order(
                contents,
                table,
                rows[mine],
                np.ones(len(mine), np.float32) if weights is None else weights[mine],
                (pooling[mine] - base).astype(np.int64) * ranks + rank[arrived],
                (arrived - first_burst[mine]) * 64 - (rows[mine] * size & 63),
                count * ranks,
            )
            total = reduce_in_order(psums.reshape(count, ranks, -1), self._ranks_per_dimm)
            expected[base : base + count, : total.shape[1]] = total
        if self._mean:
            expected = means(expected, sizes)
        # A number that is no number has no one pattern of bits.
        wrong = (sums.view(np.uint32) != expected.view(np.uint32)) & ~(np.isnan(sums) & np.isnan(expected))
        if np.any(wrong):
            k, element = (int(part) for part in np.argwhere(wrong)[0])
            raise ArithmeticError(
                f"pooling {self._checked + k} of {sizes[k]} rows: element {element} is {sums[k, element]!r}, "
                f"NumPy, adding in the same order, says {expected[k, element]!r}"
            )

    def figures(self) -> dict[str, Any]:
        """Return the sums' part of the results.

        ``operator``: what was computed; ``poolings``: results formed; ``sha256``: hash of all results as little-endian
        FP32, in packet order; ``checked_with_numpy``: results compared; ``max_abs_error``: largest difference of an
        element from float64.
        """
        return {
            "operator": self._operator or "sum",
            "poolings": self._poolings,
            "sha256": self._digest.hexdigest(),
            "checked_with_numpy": self._checked,
            "max_abs_error": self._max_error,
        }
