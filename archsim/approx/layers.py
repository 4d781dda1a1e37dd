"""Which multiplier each layer of a network has, and what all products of the layers take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archsim.approx.base import Multiplier
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

    def of(self, layer: str) -> Multiplier:
        """Return the multiplier of a layer."""
        return self.layers.get(layer, self.default)

    def ledger(self, products: Mapping[str, int]) -> list[LedgerRow]:
        """Return the energy of all products.

        Parameters
        ----------
        products : mapping of str to int
            Layer -> products, such as m * k * n of a matrix product.

        Returns
        -------
        list of LedgerRow
            One for each layer, of component ``multiplier``.

        Raises
        ------
        InputError
            For a layer chosen for that does not exist, and for a multiplier without a cited energy: it is not guessed.
        """
        for layer in self.layers:
            if layer not in products:
                raise InputError(f"layer {layer!r}: unknown{nearest(layer, products)}")
        rows = []
        for layer, count in products.items():
            cost = self.of(layer).cost
            if cost is None:
                raise InputError(
                    f"layer {layer!r}: {self.of(layer).label}: has no energy from a cited source"
                )
            rows.append(LedgerRow("multiplier", f"{layer} {self.of(layer).name}", count, cost.energy_pj))
        return rows
