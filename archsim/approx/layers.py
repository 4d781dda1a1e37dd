"""Which multiplier each layer of a network has, and what all products of the layers take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archsim.approx.base import Multiplier
from archsim.approx.checks import whole_number
from archsim.approx.costs import Cost, adders
from archsim.approx.estimate import cost_or_estimate, estimated_adder
from archsim.errors import InputError, nearest
from archsim.ledger import LedgerRow


@dataclass(frozen=True)
class Choice:
    """A multiplier for each layer.

    Parameters
    ----------
    default : Multiplier
        For layers that are not named.
    layers : mapping of str to Multiplier
    """

    default: Multiplier
    layers: Mapping[str, Multiplier] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for layer, design in (("default", self.default), *self.layers.items()):
            if not isinstance(design, Multiplier):
                raise InputError(
                    f"choice: {layer}: {design!r}: must be a Multiplier (archsim.approx.multiplier makes one of a name)"
                )

    def of(self, layer: str) -> Multiplier:
        """Return the multiplier of a layer."""
        return self.layers.get(layer, self.default)

    def ledger(
        self,
        products: Mapping[str, int],
        *,
        estimates: bool = False,
        sums: Mapping[str, int] | None = None,
        accumulator_bits: int = 16,
    ) -> list[LedgerRow]:
        """Return the energy of all products, and of the additions that accumulate them.

        Parameters
        ----------
        products : mapping of str to int
            Layer -> products, such as m * k * n of a matrix product.
        estimates : bool
            Where nothing is cited, take the structural estimate; the event of such a row ends in ``(estimate)``.
        sums : mapping of str to int, optional
            Layer -> results, such as m * n: the layer then has as many additions as products less results.
        accumulator_bits : int
            Of the adders of ``sums``.

        Returns
        -------
        list of LedgerRow
            For each layer, one of component ``multiplier``, and with ``sums`` one of component ``adder``.

        Raises
        ------
        InputError
            For a layer chosen for that does not exist, counts that are none, and for a circuit without a cited energy
            unless estimates are asked for: it is not guessed.
        """
        for layer in self.layers:
            if layer not in products:
                raise InputError(f"layer {layer!r}: unknown{nearest(layer, products)}")
        rows = []
        for layer, given in products.items():
            count = whole_number(f"layer {layer!r}: products", given, 0)
            cost = product_cost(self.of(layer), estimates=estimates, place=f"layer {layer!r}: ")
            rows.append(
                LedgerRow("multiplier", f"{layer} {marked(self.of(layer).name, cost)}", count, cost.energy_pj)
            )
            if sums is not None:
                add = adder_cost(accumulator_bits, estimates=estimates, place=f"layer {layer!r}: ")
                name = marked(f"add{accumulator_bits}", add)
                if layer not in sums:
                    raise InputError(
                        f"layer {layer!r}: sums: missing; must be there for each layer of products"
                    )
                results = whole_number(f"layer {layer!r}: sums", sums[layer], 0, count)
                rows.append(LedgerRow("adder", f"{layer} {name}", count - results, add.energy_pj))
        return rows


def marked(name: str, cost: Cost) -> str:
    """Return a name that says so if its cost is an estimate."""
    return name if cost.kind == "cited" else f"{name} ({cost.kind})"


def product_cost(design: Multiplier, *, estimates: bool, place: str = "") -> Cost:
    """Return the cost of a multiplier.

    Raises
    ------
    InputError
        If nothing is cited and no estimate is wanted, or there is none, as for tables.
    """
    cost = cost_or_estimate(design) if estimates else design.cost
    if cost is None:
        way = (
            "a table has no structure to estimate it from"
            if estimates
            else "estimates=True takes an estimate"
        )
        raise InputError(f"{place}{design.label}: has no energy from a cited source; {way}")
    return cost


def adder_cost(bits: int, *, estimates: bool, place: str = "") -> Cost:
    """Return the cost of an exact adder of two numbers, made of the widest cited ones that fill it.

    Raises
    ------
    InputError
        If nothing is cited of that width and no estimate is wanted.
    """
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 64:
        raise InputError(f"{place}accumulator_bits = {bits!r}: must be a whole number from 1 to 64")
    for part in sorted(adders(), reverse=True):
        if bits % part == 0:
            return chained(adders()[part], bits // part)
    if not estimates:
        cited = ", ".join(str(each) for each in adders())
        raise InputError(
            f"{place}accumulator_bits = {bits}: has no energy from a cited source (cited: {cited} "
            "and their multiples); estimates=True takes an estimate"
        )
    return estimated_adder(bits)


def chained(part: Cost, count: int) -> Cost:
    """Return the cost of adders whose carries go from one to the next: power, delay and area of all together."""
    if count == 1:
        return part
    source = f"{part.source}; {count} of them, one after another"
    return Cost(count * part.power_mw, count * part.delay_ns, count * part.area_um2, part.node_nm, source)
