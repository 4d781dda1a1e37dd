"""Bits flipped in stored vectors are noticed; and the sums of a recorded trace."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nmp_sums import F32, recorded, replay, with_operator
from test_sums import bags_as_sent, contents_of, random_system, random_trace, samples

from archsim import load_system, simulate
from archsim.errors import InputError
from archsim.nmp.faults import Fault, FaultyRows
from archsim.nmp.functional import TableContents
from archsim.nmp.operators import ELEMENT_TYPES, OPERATORS
from archsim.nmp.pooling import PooledSums

SEEDS = st.integers(0, 2**32)
BITS = {"float32": 32, "float16": 16, "bfloat16": 16, "int8": 8, "uint8-rowwise": 8}


def is_noticed(system, trace, *faults):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PooledSums, "faults", tuple(faults))
        try:
            simulate(system, trace)
        except ArithmeticError:
            return True
    return False


@pytest.mark.parametrize("dtype", ["int8", "bfloat16", "float16"])
def test_every_bit_of_a_short_element_is_noticed(dtype):
    """Sums of such elements are exact, so a changed number changes the sum."""
    system, trace = load_system("recnmp-base-2rank"), samples(bags=16, lookups=10, dtype=dtype)
    value = contents_of(system, trace).vectors(1, [trace.rows[15]])[0, 5]
    assert value != 0
    for bit in range(BITS[dtype]):
        assert is_noticed(system, trace, Fault(1, int(trace.rows[15]), 5, bit)), f"bit {bit}"


@pytest.mark.parametrize("element", [0, 41, 120, 121])
def test_every_bit_of_a_row_of_8_bits_is_noticed_where_one_row_is_the_sum(element):
    """One lookup per pooling: the sum is the value, and only rounding of the value itself hides a bit."""
    system = load_system("recnmp-base-2rank")
    trace = samples(bags=16, lookups=1, dtype="uint8-rowwise")
    contents, row = contents_of(system, trace), int(trace.rows[9])
    clean = contents.stored(1, [row])
    for bit in range(32 if element >= 120 else 8):
        fault = Fault(1, row, element, bit)
        stored = FaultyRows(contents, [fault]).values[0, : clean.shape[1]][None]
        seen = contents.terms(1, stored, np.ones(1, F32)).tobytes() != contents.vectors(1, [row]).tobytes()
        assert is_noticed(system, trace, fault) == seen
        assert seen or element == 120, f"bit {bit}"


def test_a_bit_of_float32_is_noticed_where_it_changes_the_sum_and_nowhere_else():
    """Of pooled float32 rounding hides low bits; what is left of the change is always noticed."""
    system, trace = load_system("recnmp-base-2rank"), samples(bags=16, lookups=10)
    _, [(arguments, clean)] = replay(system, trace)
    order, lookup, rank, rows, tables, pooling = arguments[1:7]
    row, element = int(trace.rows[15]), 5
    contents, noticed = contents_of(system, trace), []
    for bit in range(32):
        fault = Fault(1, row, element, bit)
        value = FaultyRows(contents, [fault]).values[0, element]
        register = np.zeros((len(clean), 2), F32)
        for burst in order:  # the burst of the element alone, one register after another
            i = lookup[burst]
            if burst and lookup[burst - 1] == i:
                continue
            true = contents.vectors(int(tables[i]), [rows[i]])[0, element]
            with np.errstate(over="ignore"):
                register[pooling[i], rank[burst]] += value if (tables[i], rows[i]) == (1, row) else true
        changed = (register[:, 0] + register[:, 1]).tobytes() != clean[:, element].tobytes()
        assert is_noticed(system, trace, fault) == changed
        noticed.append(changed)
    assert all(
        noticed[8:]
    )  # of ten values below 1: a step of 2**-20 at most, against elements in steps of 2**-23


def change_of(system, trace, fault, operator):
    """Return (D, A, lookups) of docs/recnmp.md for the first pooling that looks up the faulty row."""
    contents = contents_of(system, trace)
    bags = bags_as_sent(system, trace)
    table, rows, weights = next(bag for bag in bags if bag[0] == fault.table and fault.row in bag[1])
    factors = weights if operator.startswith("weighted") else np.ones(len(rows), F32)
    stored = contents.stored(table, rows)
    faulty = stored.copy()
    faulty[rows == fault.row] = FaultyRows(contents, [fault]).values[0, : stored.shape[1]]
    with np.errstate(over="ignore", invalid="ignore"):
        clean = contents.terms(table, stored, factors).astype(np.float64)
        changed = contents.terms(table, faulty, factors).astype(np.float64)
        magnitude = np.maximum(np.abs(clean), np.abs(changed)).sum(axis=0)
        change = np.abs((changed - clean).sum(axis=0))
    return change, magnitude, len(rows)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(SEEDS)
def test_a_flipped_bit_is_noticed_where_the_documents_promise_it(seed):
    dice = random.Random(seed)
    operator, dtype = dice.choice(("sum", *OPERATORS)), dice.choice(("float16", *ELEMENT_TYPES))
    system = with_operator(random_system(dice), operator)
    trace = random_trace(dice, [dtype, dtype], weighted=True)
    lookup = dice.randrange(len(trace.rows))
    table, row = int(trace.table[lookup]), int(trace.rows[lookup])
    numbers = contents_of(system, trace).stored(table, [row]).shape[1]
    element = dice.choice([dice.randrange(numbers), numbers - 1])
    width = 32 if element >= trace.tables[table].elements else BITS[dtype]
    fault = Fault(table, row, element, min(dice.randrange(width), dice.randrange(width)))
    change, magnitude, lookups = change_of(system, trace, fault, operator)
    with np.errstate(over="ignore", invalid="ignore"):
        step = np.spacing(np.minimum(magnitude, np.finfo(F32).max).astype(F32)).astype(np.float64)
    exact = operator == "sum" and dtype in ("int8", "bfloat16", "float16")
    promised = change >= step if exact else change > 2 * (lookups + 1) * step
    if np.any(promised | ~np.isfinite(change)):
        assert is_noticed(system, trace, fault)
    assert not is_noticed(system, trace, fault, fault)


@pytest.mark.parametrize("dtype", ELEMENT_TYPES)
def test_a_flipped_bit_is_the_bit_of_the_stored_type(dtype):
    contents = TableContents(3, [72], [dtype])
    stored = contents.stored(0, [4])[0]
    kind = {"uint8-rowwise": "uint8", "bfloat16": "float32"}.get(dtype, dtype)
    for bit in range(BITS[dtype]):
        flipped = FaultyRows(contents, [Fault(0, 4, 2, bit)]).values[0]
        before, after = (
            values[2:3].astype(kind).view(f"u{np.dtype(kind).itemsize}")[0] for values in (stored, flipped)
        )
        assert int(before) ^ int(after) == 1 << (bit + 16 if dtype == "bfloat16" else bit)
        assert np.array_equal(np.delete(flipped[: len(stored)], 2), np.delete(stored, 2))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(0, 1, 32, 0), "element must be 0 to 31"),
        (Fault(0, 1, 31, 32), "bit must be 0 to 31 in float32"),
        (Fault(1, 1, 128, 0), "element must be 0 to 121"),
        (Fault(1, 1, 0, 8), "bit must be 0 to 7 in uint8-rowwise"),
        (Fault(1, 1, 121, 32), "bit must be 0 to 31 in float32"),
    ],
)
def test_a_fault_outside_a_row_is_refused(fault, message):
    with pytest.raises(InputError, match=message):
        FaultyRows(TableContents(1, [128, 128], ["float32", "uint8-rowwise"]), [fault])


# A recorded trace.


@pytest.mark.parametrize("operator", ["sum", "mean"])
@pytest.mark.parametrize(("dtype", "vector_bytes"), [("float32", 128), ("uint8-rowwise", 64), ("int8", 64)])
def test_results_of_a_recorded_trace_are_checked(operator, dtype, vector_bytes):
    trace = recorded(dtype, vector_bytes)
    result = simulate(with_operator(load_system("recnmp-opt-8rank"), operator), trace)
    figures = result.nmp["sums"]
    assert figures["checked"] == figures["poolings"] == trace.bags
    assert (
        figures["max_abs_error"] == 0
        if (dtype, operator) == ("int8", "sum")
        else figures["max_abs_error"] < 1e-4
    )


@pytest.mark.parametrize("system", ["recnmp-base-8rank", "recnmp-opt-8rank"])
@pytest.mark.parametrize(("dtype", "bit"), [("int8", 0), ("uint8-rowwise", 7), ("float32", 22)])
def test_a_flipped_bit_in_a_recorded_trace_is_noticed(dtype, bit, system):
    trace = recorded(dtype, 64)
    fault = Fault(int(trace.table[12345]), int(trace.rows[12345]), 7, bit)
    assert is_noticed(load_system(system), trace, fault)
    assert not is_noticed(load_system(system), trace)
