"""Replays whose sums are looked at: what went into the adders, and the same formed with scalars."""

from dataclasses import replace as changed
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from test_sums import random_trace

from archsim import simulate
from archsim.nmp.designs import design_class
from archsim.nmp.functional import TableContents
from archsim.nmp.pooling import PooledSums
from archsim.spec import apply_overrides
from archsim.systems.lowering import Lowering
from archsim.traces import EmbeddingTrace, Table, open_trace

F32 = np.float32
ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1, "uint8-rowwise": 1}
KAGGLE = Path(__file__).resolve().parents[2] / "shared" / "data" / "kaggle-emb" / "kaggle-emb.npz"


def replay(system, trace):
    """Simulate, and return the result, the arguments of each call of the sums, and what they returned."""
    calls, add = [], PooledSums.add

    def spy(self, *arguments):
        sums = add(self, *arguments)
        calls.append((arguments, sums))
        return sums

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PooledSums, "add", spy)
        result = simulate(system, trace)
    return result, calls


def slow_results(system, tables, arguments, operator):
    """Form the results of one call with scalars, one operation after another, from docs/recnmp.md alone."""
    packet_first, order, lookup, rank, rows, numbers, pooling, weights, _, _, sizes = arguments
    nmp, design = system.nmp, design_class(system.nmp.design)(system.nmp, system.dram)
    per_dimm = design.adders_per_dimm
    ranks = system.dram.organization.channels * design.units // design.units_per_dimm * per_dimm
    stored_at = Lowering(system, tables)
    contents = TableContents(nmp.table_seed, [t.vector_bytes for t in tables], [t.dtype for t in tables])
    psums = np.zeros((len(sizes), ranks, max(t.elements for t in tables)), F32)
    bursts_of = {}
    for burst, number in enumerate(lookup.tolist()):
        bursts_of.setdefault(number, []).append(burst)
    waiting = {number: set(bursts) for number, bursts in bursts_of.items()}
    for low, high in pairwise(packet_first):
        for burst in order[low:high].tolist():
            i = int(lookup[burst])
            table, row = tables[numbers[i]], int(rows[i])
            stored = contents.stored(int(numbers[i]), [row])[0]
            weight = weights[i] if operator.startswith("weighted") else F32(1)
            register, part = psums[pooling[i], rank[burst]], bursts_of[i].index(burst)
            if stored_at.table_split[numbers[i]]:  # 56 elements in each piece, with scale and bias
                scale, bias = weight * stored[-2], weight * stored[-1]
                for e in range(56 * part, min(56 * part + 56, table.elements)):
                    register[e] = register[e] + F32(F32(scale * stored[e]) + bias)
                continue
            if table.dtype == "uint8-rowwise":
                waiting[i].remove(burst)
                if not waiting[i]:
                    scale, bias = weight * stored[-2], weight * stored[-1]
                    for e in range(table.elements):
                        register[e] = register[e] + F32(F32(scale * stored[e]) + bias)
                continue
            begin = stored_at.table_base[numbers[i]] + row * stored_at.table_stride[numbers[i]]
            for e in range(table.elements):
                if (begin + e * ITEM_BYTES[table.dtype]) // 64 == begin // 64 + part:
                    register[e] = register[e] + F32(weight * stored[e])
    total = None
    for first in range(0, ranks, per_dimm):
        level = [psums[:, first + r] for r in range(per_dimm)]
        while len(level) > 1:
            level = [a + b for a, b in zip(level[::2], level[1::2], strict=True)]
        total = level[0] if total is None else total + level[0]
    if operator.endswith("mean"):
        for k, size in enumerate(sizes):
            total[k] = total[k] * (F32(1) / F32(size)) if size else 0
    return total


def small_trace(dice, dtypes, weighted):
    """Short bags, so that the slow reference stays quick."""
    trace = random_trace(dice, dtypes, weighted)
    lengths = np.minimum(np.diff(trace.bag_offsets), 9)
    kept = np.concatenate([np.arange(a, a + n) for a, n in zip(trace.bag_offsets, lengths, strict=False)])
    return EmbeddingTrace(
        name="small",
        tables=trace.tables,
        rows=trace.rows[kept],
        bag_offsets=np.concatenate([[0], np.cumsum(lengths)]),
        bag_tables=trace.bag_tables,
        weight=None if trace.weight is None else trace.weight[kept],
    )


def with_operator(system, operator):
    return apply_overrides(system, [f"nmp.operator={operator}"])


def recorded(dtype, vector_bytes):
    if not KAGGLE.exists():
        pytest.skip("the recorded trace ../shared/data/kaggle-emb is not there")
    trace = open_trace(KAGGLE, limit=20_000)
    tables = [Table(table.name, table.rows, vector_bytes, dtype) for table in trace.tables]
    return changed(trace, tables=tables)
