"""The sums of a whole replay: formed in the modelled order, hashed, and the first of them compared with NumPy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from archsim.nmp.functional import TableContents, check_sums, check_types, result_bursts
from archsim.nmp.instruction import POOLINGS_MAX
from archsim.nmp.spec import NmpSpec

#: Poolings compared with NumPy in float64 in every replay: the first ones. All of them are added by the units.
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


class PooledSums:
    """Sums of the poolings of one replay, as the rank units, the DIMMs and the host form them.

    Parameters
    ----------
    tables : sequence of TableShape
        The embedding tables.
    nmp : NmpSpec
        Seed of the tables' contents.
    ranks : int
        Ranks of all channels together, numbered channel by channel.
    ranks_per_dimm : int
        Ranks whose sums one DIMM adds pairwise; the host adds the DIMMs of all channels in order.

    Attributes
    ----------
    result_bursts : int32 array [tables]
        64-byte bursts of one result.
    adds, mults : int
        FP32 operations of the rank units so far.

    Raises
    ------
    InputError
        When a table's element type is none that the units can add.
    """

    def __init__(self, tables: Sequence[TableShape], nmp: NmpSpec, ranks: int, ranks_per_dimm: int) -> None:
        dtypes = [table.dtype for table in tables]
        check_types(dtypes, [table.name for table in tables])
        self.contents = TableContents(nmp.table_seed, [table.vector_bytes for table in tables], dtypes)
        self.result_bursts = result_bursts(self.contents)
        self.adds = self.mults = 0
        self._vector_bytes = np.array([table.vector_bytes for table in tables], dtype=np.int64)
        self._ranks_per_dimm = ranks_per_dimm
        self._partial = np.zeros((POOLINGS_MAX, ranks, int(self.contents.elements.max())), dtype=np.float32)
        self._digest = hashlib.sha256()
        self._poolings = self._checked = 0
        self._max_error = 0.0

    def add(
        self,
        packet_first: npt.NDArray[np.int64],
        order: npt.NDArray[np.int64],
        lookup: npt.NDArray[np.int32],
        rank: npt.NDArray[np.int32],
        rows: npt.NDArray[np.int64],
        tables: npt.NDArray[np.int32],
        pooling: npt.NDArray[np.int32],
        weights: npt.NDArray[np.float32] | None,
        bag_tables: npt.NDArray[np.int32],
        starts: npt.NDArray[np.int64],
        sizes: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.float32]:
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
            Factors of a weighted sum.
        bag_tables : int32 array [poolings]
            Table of each pooling.
        starts, sizes : int64 arrays [poolings]
            First lookup of each pooling, and its lookups.

        Returns
        -------
        float32 array [poolings, elements]
            Sums, each padded with zeros to the widest table.

        Raises
        ------
        ArithmeticError
            When a checked sum differs from NumPy's by more than rounding.
        """
        from archsim.kernels.sums import pool_packets

        begins = np.concatenate([[True], lookup[1:] != lookup[:-1]])
        first_part = np.maximum.accumulate(np.where(begins, np.arange(len(lookup)), 0))
        part = (np.arange(len(lookup)) - first_part).astype(np.int32)
        sums = np.zeros((len(sizes), self._partial.shape[2]), dtype=np.float32)
        contents = self.contents
        pool_packets(
            packet_first, order, lookup, part, rank, rows, tables, pooling,
            np.empty(0, np.float32) if weights is None else weights,
            contents.keys, contents.elements, self._vector_bytes, contents.bits, contents.scales,
            self._ranks_per_dimm, self._partial, sums,
        )  # fmt: skip
        self._digest.update(sums.astype("<f4", copy=False).tobytes())
        self._check(sums, starts, sizes, rows, bag_tables, weights)
        operations = int(contents.elements[tables].sum())
        self.adds += operations
        self.mults += 0 if weights is None else operations
        self._poolings += len(sums)
        return sums

    def _check(
        self,
        sums: npt.NDArray[np.float32],
        starts: npt.NDArray[np.int64],
        sizes: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        bag_tables: npt.NDArray[np.int32],
        weights: npt.NDArray[np.float32] | None,
    ) -> None:
        for k in range(min(len(sums), CHECKED_POOLINGS - self._checked)):
            here = slice(int(starts[k]), int(starts[k] + sizes[k]))
            factors = None if weights is None else weights[here]
            error = check_sums(self.contents, rows[here], int(bag_tables[k]), factors, sums[k])
            self._max_error = max(self._max_error, error)
            self._checked += 1

    def figures(self) -> dict[str, Any]:
        """Return the sums' part of the results.

        ``poolings``: sums formed; ``sha256``: hash of all sums as little-endian FP32, in packet order;
        ``checked_with_numpy``: sums compared; ``max_abs_error``: largest difference of an element.
        """
        return {
            "poolings": self._poolings,
            "sha256": self._digest.hexdigest(),
            "checked_with_numpy": self._checked,
            "max_abs_error": self._max_error,
        }
