"""Circuits of designs counted in unit gates, from their definitions: how many gates, and how many on the longest path.

The unit-gate model: AND, OR, NAND and NOR count 1 in size and 1 in depth; XOR, XNOR and a multiplexer of two inputs
count 2 and 2; a half adder is an XOR and an AND, a full adder two half adders and an OR. Inverters count nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Circuit:
    """A circuit in unit gates.

    Attributes
    ----------
    gates : int
        All gates.
    depth : int
        Gates on the longest path.
    """

    gates: int
    depth: int

    def then(self, *after: Circuit) -> Circuit:
        """Return this circuit with others behind it, one after another."""
        return Circuit(
            self.gates + sum(each.gates for each in after), self.depth + sum(each.depth for each in after)
        )

    def beside(self, *others: Circuit) -> Circuit:
        """Return this circuit with others that work at the same time."""
        return Circuit(
            self.gates + sum(each.gates for each in others),
            max(self.depth, *(each.depth for each in others)) if others else self.depth,
        )


NOTHING = Circuit(0, 0)
#: Half adder: gates, depth of the sum, depth of the carry.
_HALF = (3, 2, 1)
#: Full adder: gates. The input that comes last passes one XOR to the sum, and an AND and an OR to the carry.
_FULL = 7


def steps(values: int) -> int:
    """Return the bits that number so many values: the levels of a tree over them."""
    return max(values - 1, 0).bit_length()


def heap(columns: dict[int, list[int]]) -> Circuit:
    """Add bits of any weights: full and half adders column by column, the bits that come first first, then a ripple.

    Parameters
    ----------
    columns : dict of int to list of int
        Weight (place) -> arrival of each bit, in unit gates. The gates that make the bits are not counted.

    Returns
    -------
    Circuit
        With the arrival of the last bit of the sum as its depth.
    """
    gates = depth = 0
    waiting = {place: sorted(times) for place, times in columns.items() if times}
    place = min(waiting, default=0)
    pairs: list[tuple[int, ...]] = []
    while waiting:
        times = waiting.pop(place, [])
        over: list[int] = []
        while len(times) > 2:
            first, second, third = times[0], times[1], times[2]
            del times[:3]
            # The two that come first are paired; the third comes in where one XOR is left.
            early = max(first, second) + 2
            gates += _FULL
            times = sorted([*times, max(early, third) + 2])
            over.append(max(early, third) + 2)
        pairs.append(tuple(times))
        if over:
            waiting[place + 1] = sorted([*waiting.get(place + 1, []), *over])
        place += 1
    carry: int | None = None
    for pair in pairs:
        bits = sorted(pair) if carry is None else sorted([*pair, carry])
        carry = None
        if len(bits) == 1:
            depth = max(depth, bits[0])
        elif len(bits) == 2:
            gates += _HALF[0]
            depth = max(depth, bits[1] + _HALF[1])
            carry = bits[1] + _HALF[2]
        elif len(bits) == 3:
            gates += _FULL
            carry = max(bits[1] + 2, bits[2]) + 2
            depth = max(depth, carry)
    return Circuit(gates, max(depth, carry or 0))


def products(cells: Iterable[tuple[int, int]], ones: int = 0) -> Circuit:
    """Multiply by an array of AND cells.

    Parameters
    ----------
    cells : iterable of (int, int)
        Places of the bits of both operands in each cell.
    ones : int
        A constant that is added.
    """
    columns: dict[int, list[int]] = {}
    count = 0
    for i, j in cells:
        columns.setdefault(i + j, []).append(1)
        count += 1
    for place in range(ones.bit_length()):
        if ones >> place & 1:
            columns.setdefault(place, []).append(0)
    return Circuit(count, 0).beside(heap(columns))


def rectangle(rows: int, columns: int) -> Circuit:
    """Multiply ``rows`` by ``columns`` bits exactly."""
    return products((i, j) for i in range(rows) for j in range(columns))


def adder(bits: int, carry_in: bool = False) -> Circuit:
    """Add two numbers of ``bits`` bits; the carries ripple."""
    columns = {place: [0, 0] for place in range(bits)}
    if carry_in and bits:
        columns[0].append(0)
    return heap(columns)


def increment(bits: int) -> Circuit:
    """Add one bit to a number."""
    return Circuit(3 * bits, bits + 1)


def leading(bits: int) -> Circuit:
    """Find the leading one, as one bit among ``bits``: a prefix OR and an AND for each place."""
    levels = steps(bits)
    return Circuit(bits * levels // 2 + bits, levels + 1)


def encode(bits: int) -> Circuit:
    """Number one bit among ``bits``: an OR tree over half of the places for each bit of the number."""
    return Circuit(max(bits // 2 - 1, 0) * steps(bits), max(steps(bits) - 1, 0))


def shifter(narrow: int, most: int) -> Circuit:
    """Shift a number of ``narrow`` bits by 0 to ``most`` places, or cut ``narrow`` bits out at any of them.

    A row of multiplexers for each bit of the distance; the rows grow by what was shifted so far.
    """
    gates, reach = 0, 0
    levels = steps(most + 1)
    for level in range(levels):
        reach = min(reach + (1 << level), most)
        gates += 2 * (narrow + reach)
    return Circuit(gates, 2 * levels)


def choose(bits: int) -> Circuit:
    """Choose one of two numbers."""
    return Circuit(2 * bits, 2)


def magnitudes(bits: int, result: int) -> Circuit:
    """Take the magnitudes of two operands, and give the result the sign: an XOR for each bit, and add 1."""
    operand = Circuit(2 * bits, 2).then(increment(bits))
    back = Circuit(2 * result, 2).then(increment(result))
    return operand.beside(operand).then(back, Circuit(2, 0))
