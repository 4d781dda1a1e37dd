"""The sums of a whole replay: formed in the modelled order, hashed, and the first of them checked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from archsim.errors import InputError
from archsim.ledger import LedgerRow
from archsim.nmp.checks import Bursts, Floats, Ints, check_bits, check_float64, sums_in_order
from archsim.nmp.faults import Fault, FaultyRows
from archsim.nmp.functional import PIECE_ELEMENTS, RowLayout, TableContents, check_types, result_bursts
from archsim.nmp.instruction import POOLINGS_MAX
from archsim.nmp.spec import NmpSpec

#: Poolings that are formed a second time in every replay: the first ones. All of them are added by the units.
CHECKED_POOLINGS = 1024


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


class RowsInMemory(Protocol):
    """What the sums need to know of how the rows of each table are stored."""

    @property
    def table_base(self) -> Ints:
        """Byte address of row 0, int64 [tables]."""

    @property
    def table_stride(self) -> Ints:
        """Bytes from one row to the next, int64 [tables]."""

    @property
    def table_split(self) -> npt.NDArray[np.bool_]:
        """Whether 8-bit rows lie in pieces, each with the scale and bias, bool [tables]."""


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
    stored : RowsInMemory
        Where rows lie, by which bursts hold which of their elements.

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

    def __init__(
        self,
        tables: Sequence[TableShape],
        nmp: NmpSpec,
        ranks: int,
        ranks_per_dimm: int,
        stored: RowsInMemory,
    ) -> None:
        dtypes = [table.dtype for table in tables]
        check_types(dtypes, [table.name for table in tables])
        self.contents = TableContents(nmp.table_seed, [table.vector_bytes for table in tables], dtypes)
        self.result_bursts = result_bursts(self.contents)
        self.adds = self.mults = 0
        self._operator = nmp.operator
        self._faulty = FaultyRows(self.contents, self.faults)
        self._vector_bytes = np.array([table.vector_bytes for table in tables], dtype=np.int64)
        split = stored.table_split
        self._layout = RowLayout(
            stored.table_base & 63, stored.table_stride, np.where(split, PIECE_ELEMENTS, 0)
        )
        # Times that the scale and bias of a row are used: once, or in each piece.
        self._parts = np.where(split, -(-self.contents.elements // PIECE_ELEMENTS), 1)
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
            When a checked result is not what it should be.
        """
        from archsim.kernels.sums import pool_packets

        weights = self._factors(weights)
        sums = np.zeros((len(sizes), self._partial.shape[2]), dtype=np.float32)
        contents = self.contents
        pool_packets(
            packet_first, order, lookup, rank, rows, tables, pooling,
            np.empty(0, np.float32) if weights is None else weights,
            contents.keys, contents.elements, self._vector_bytes, *self._layout, contents.bits, contents.scales,
            contents.rowwise, self._faulty.lines(tables, rows), self._faulty.values, self._ranks_per_dimm,
            self._partial, sums,
        )  # fmt: skip
        if self._mean:
            sums = means(sums, sizes)
        self._digest.update(sums.astype("<f4", copy=False).tobytes())
        checked = min(len(sums), CHECKED_POOLINGS - self._checked)
        if checked:
            bursts = Bursts(packet_first, order, lookup, rank, rows, tables, pooling)
            self._check(
                sums[:checked], bursts, weights, bag_tables[:checked], starts[:checked], sizes[:checked]
            )
            self._checked += checked
        self._count(bag_tables, sizes, weighted=weights is not None)
        self._poolings += len(sums)
        return sums

    @property
    def operator(self) -> str:
        """What is computed; it is settled by the first call of `add`."""
        return self._operator or "sum"

    def factors(self, weights: Floats | None) -> Floats | None:
        """Return the weights if the operator uses them."""
        return weights if self.operator.startswith("weighted") else None

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
        bias is added, and the weight multiplies scale and bias instead, in each piece of a row that is split.
        """
        rowwise = self.contents.rowwise[bag_tables]
        elements = sizes * self.contents.elements[bag_tables]
        self.adds += int((elements * (1 + rowwise)).sum())
        self.mults += int(elements[rowwise].sum())
        if weighted:
            self.mults += int(np.where(rowwise, 2 * sizes * self._parts[bag_tables], elements).sum())

    def other_rows(self, component: str) -> list[LedgerRow]:
        """Return the energy of operations that are no FP32 ones, of the units called ``component``."""
        del component
        return []

    def _check(
        self,
        sums: Floats,
        bursts: Bursts,
        weights: Floats | None,
        bag_tables: npt.NDArray[np.int32],
        starts: Ints,
        sizes: Ints,
    ) -> None:
        """Compare results [poolings, elements], the first ones of the call: with float64, and bit by bit."""
        # Weights may be so large that sums rightly overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            error = check_float64(
                self.contents, bursts.rows, weights, bag_tables, starts, sizes, sums, mean=self._mean
            )
            self._max_error = max(self._max_error, error)
            expected = sums_in_order(
                self.contents,
                bursts,
                weights,
                self._partial.shape[1],
                self._ranks_per_dimm,
                len(sums),
                self._layout,
            )
            check_bits(sums, means(expected, sizes) if self._mean else expected, sizes, self._checked)

    def figures(self) -> dict[str, Any]:
        """Return the sums' part of the results.

        ``operator``: what was computed; ``poolings``: results formed; ``sha256``: hash of all results as little-endian
        FP32, in packet order; ``checked``: results compared; ``max_abs_error``: largest difference of an
        element from float64.
        """
        return {
            "operator": self.operator,
            "poolings": self._poolings,
            "sha256": self._digest.hexdigest(),
            "checked": self._checked,
            "max_abs_error": self._max_error,
        }


def means(sums: Floats, lookups: Ints) -> Floats:
    """Return sums [poolings, elements] times the FP32 reciprocals of their lookups; poolings of none stay zero."""
    reciprocal = np.float32(1) / np.maximum(lookups, 1).astype(np.float32)
    return sums * reciprocal[:, None]
