"""Structural estimates of power, delay and area: gates counted from the definition, scaled by published exact circuits.

Nothing here is cited. Every figure says ``kind = "estimate"`` and is given only where it is asked for. The three scales
are the geometric means over the exact multipliers and adders of ``costs.toml``; no approximate circuit takes part.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from archsim.approx.arrays import BrokenArray, PartialProducts, Udm
from archsim.approx.base import SIGN_MAGNITUDE, Multiplier
from archsim.approx.costs import Cost, adders, circuits, exact_circuits
from archsim.approx.exact import Exact, Truncate
from archsim.approx.gates import (
    NOTHING,
    Circuit,
    adder,
    choose,
    encode,
    heap,
    leading,
    magnitudes,
    products,
    rectangle,
    shifter,
    steps,
)
from archsim.approx.logarithmic import Iterative, Mitchell, MitchellConstant, MitchellRest, MitchellWidth
from archsim.approx.names import multiplier
from archsim.approx.rounding import Roba, Tosam
from archsim.approx.segments import Drum, LeadingOne, StaticSegment

NODE_NM = 45
SOURCE = (
    "estimate: unit gates of the definition, scaled by the exact multipliers and adders of EvoApproxLib at 45 nm "
    "(docs/multipliers.md)"
)


def _exact(design: Exact) -> Circuit:
    return rectangle(design.bits, design.bits)


def _truncate(design: Truncate) -> Circuit:
    return rectangle(design.bits - design.t, design.bits - design.t)


def _array(design: BrokenArray) -> Circuit:
    width = range(design.bits)
    cells = [(i, j) for j in width[design.h :] for i in width if i + j >= design.v]
    return products(cells, design.constant if isinstance(design, PartialProducts) else 0)


def _udm(design: Udm) -> Circuit:
    # A block has four ANDs and an OR, and three bits of product.
    blocks = design.bits // 2
    columns: dict[int, list[int]] = {}
    for i in range(blocks):
        for j in range(blocks):
            for bit, arrival in enumerate((1, 2, 1)):
                columns.setdefault(2 * (i + j) + bit, []).append(arrival)
    return Circuit(5 * blocks * blocks, 0).beside(heap(columns))


def _segments(bits: int, kept: int) -> Circuit:
    """Cut segments from the leading one on, multiply them, and shift the product back."""
    rest = bits - kept
    cut = leading(bits).then(encode(bits), shifter(kept, rest))
    both = cut.beside(cut).then(rectangle(kept, kept))
    # The two distances are added while the segments are multiplied.
    return both.then(shifter(2 * kept, 2 * rest)).beside(Circuit(adder(steps(rest + 1)).gates, 0))


def _drum(design: Drum) -> Circuit:
    return _segments(design.bits, design.k)


def _leading_one(design: LeadingOne) -> Circuit:
    return _segments(design.bits, design.t)


def _static(design: StaticSegment) -> Circuit:
    rest, kept = design.bits - design.m, design.m
    cut = Circuit(max(rest - 1, 0), steps(rest)).then(choose(kept))
    # Three places of the product: two rows of multiplexers.
    back = choose(2 * design.bits).then(choose(2 * design.bits)) if rest else NOTHING
    return cut.beside(cut).then(rectangle(kept, kept), back)


def _log(bits: int, fraction: int) -> Circuit:
    """Two logarithms, their sum, and its antilogarithm; ``fraction`` bits behind the point."""
    one = leading(bits).then(encode(bits), shifter(fraction, bits - 1))
    total = adder(steps(bits) + fraction)
    return one.beside(one).then(total, shifter(fraction + 1, 2 * bits - 1), Circuit(4 * bits, 1))


def _mitchell(design: Mitchell) -> Circuit:
    return _log(design.bits, design.bits - 1)


def _width(design: MitchellWidth) -> Circuit:
    return _log(design.bits, design.w)


def _constant(design: MitchellConstant) -> Circuit:
    return _log(design.bits, design.bits - 1).then(adder(design.bits - 1))


def _again(first: Circuit, rests: int, bits: int) -> Circuit:
    """Units side by side, each fed by what the one before leaves, and their products added."""
    left = Circuit(2 * 2 * bits, 2)
    whole = first
    for _ in range(rests):
        whole = whole.beside(left, first)
    total = adder(2 * bits)
    return whole.then(*[total] * rests).then(Circuit(0, left.depth * rests))


def _rest(design: MitchellRest) -> Circuit:
    return _again(_log(design.bits, design.bits - 1), design.r, design.bits)


def _iterative(design: Iterative) -> Circuit:
    bits = design.bits
    one = leading(bits).then(encode(bits), shifter(bits - 1, bits - 1))
    basic = one.beside(one).then(adder(2 * bits), Circuit(2 * bits, 1))
    return _again(basic, design.r, bits)


def _roba(design: Roba) -> Circuit:
    bits = design.bits
    nearest = leading(bits).then(Circuit(3 * bits, 2), encode(bits))
    shifted = shifter(bits, bits)
    three = shifted.beside(shifted, shifter(1, 2 * bits))
    total = adder(2 * bits + 1)
    return nearest.beside(nearest).then(three, total, Circuit(total.gates, 4))


def _tosam(design: Tosam) -> Circuit:
    bits, h, t = design.bits, design.h, design.t
    one = leading(bits).then(encode(bits), shifter(t, bits - 1))
    # (x_h, 1) times (y_h, 1) has 2 h + 2 bits behind the point; x_t and y_t have t.
    point = max(2 * h + 2, t)
    columns: dict[int, list[int]] = {}
    for i in range(h + 1):
        for j in range(h + 1):
            columns.setdefault(point - 2 * h - 2 + i + j, []).append(1)
    for place in range(point - t, point):
        columns.setdefault(place, []).extend((0, 0))
    columns.setdefault(point, []).append(0)
    total = Circuit((h + 1) ** 2, 0).beside(heap(columns))
    return one.beside(one).then(total, shifter(point + 2, 2 * bits - 1), Circuit(2 * bits, 1))


_COUNTS: dict[type[Multiplier], Callable[..., Circuit]] = {
    Exact: _exact, Truncate: _truncate, BrokenArray: _array, PartialProducts: _array, Udm: _udm, Drum: _drum,
    LeadingOne: _leading_one, StaticSegment: _static, Mitchell: _mitchell, MitchellWidth: _width,
    MitchellConstant: _constant, MitchellRest: _rest, Iterative: _iterative, Roba: _roba, Tosam: _tosam,
}  # fmt: skip


def circuit(design: Multiplier) -> Circuit | None:
    """Return the gates of a design, or None for tables, which have no structure.

    A signed design in sign-magnitude form has the two negations of its operands and that of its product as well; signed
    arrays are counted like unsigned ones.
    """
    count = _COUNTS.get(type(design))
    if count is None:
        return None
    found = count(design)
    if design.signed and design.signed_form == SIGN_MAGNITUDE:
        signs = magnitudes(design.bits, 2 * design.bits)
        return Circuit(found.gates + signs.gates, found.depth + signs.depth)
    return found


@cache
def scales() -> tuple[float, float, float]:
    """Return mW per gate and root of depth, ns per gate of depth, um2 per gate: geometric means of exact circuits.

    Power grows with the root of the depth because glitches multiply along it; the form was chosen on
    these and a few exact ones of 4 to 6 bits.
    """
    logs = []
    found = [(rectangle(rows, columns), cost) for rows, columns, cost in exact_circuits()]
    found += [(adder(bits), cost) for bits, cost in adders().items()]
    for gates, cost in found:
        logs.append(
            (
                math.log(cost.power_mw / (gates.gates * math.sqrt(gates.depth))),
                math.log(cost.delay_ns / gates.depth),
                math.log(cost.area_um2 / gates.gates),
            )
        )
    # Six digits: the logarithms of two machines may differ in their last bits.
    power, delay, area = (
        float(f"{math.exp(math.fsum(column) / len(logs)):.6g}") for column in zip(*logs, strict=True)
    )
    return power, delay, area


def cost_of_gates(gates: Circuit) -> Cost:
    """Return the estimated cost of a circuit."""
    power, delay, area = scales()
    return Cost(
        power * gates.gates * math.sqrt(gates.depth), delay * gates.depth, area * gates.gates, NODE_NM, SOURCE,
        "estimate",
    )  # fmt: skip


def estimate(design: Multiplier) -> Cost | None:
    """Return the estimated cost of a design, whatever is cited of it, or None for a table."""
    gates = circuit(design)
    return None if gates is None else cost_of_gates(gates)


def cost_or_estimate(design: Multiplier) -> Cost | None:
    """Return the cited cost of a design, else its estimate; ``kind`` says which."""
    return design.cost or estimate(design)


def estimated_adder(bits: int) -> Cost:
    """Return the estimated cost of a ripple adder of two numbers of ``bits`` bits."""
    return cost_of_gates(adder(bits))


@dataclass(frozen=True)
class Deviation:
    """An estimate beside a cited circuit that took no part in the scales.

    Attributes
    ----------
    circuit : str
        Its name in EvoApproxLib.
    design : Multiplier
    power, delay, area, energy : float
        Estimated over cited.
    """

    circuit: str
    design: Multiplier
    power: float
    delay: float
    area: float
    energy: float


def deviations() -> list[Deviation]:
    """Compare the estimates with every cited circuit but the unsigned exact ones, by which they are scaled."""
    scaled = {cost.source for _, _, cost in exact_circuits()}
    out = []
    for (name, bits, signed), title in circuits().items():
        design = multiplier(name, bits, signed)
        cited, ours = design.cost, estimate(design)
        if cited is None or ours is None or cited.source in scaled:
            continue
        out.append(
            Deviation(
                title, design, ours.power_mw / cited.power_mw, ours.delay_ns / cited.delay_ns,
                ours.area_um2 / cited.area_um2, ours.energy_pj / cited.energy_pj,
            )
        )  # fmt: skip
    return out
