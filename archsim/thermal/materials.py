"""What an array of through-silicon vias conducts, from its geometry alone.

Along the vias all materials conduct side by side, so that their conductivities add up by area: exact. Across, each via
with its liner is a coated cylinder in the material of the die. A coated cylinder acts like a plain one of
k1 ((1 + f) k2 + (1 - f) k1) / ((1 - f) k2 + (1 + f) k1), k1 outside, k2 inside, f the share of the inside. The same
formula holds for parallel cylinders in a matrix (Maxwell Garnett in two dimensions): the lower Hashin-Shtrikman bound
for good conductors in a poorer one, the upper for the reverse, and exact for few vias.
"""

from __future__ import annotations

from archsim.thermal.spec import Material, Tsv


def across(outside: float, inside: float, share: float) -> float:
    """Return the conductivity across parallel cylinders, in W/(m K); ``share`` is what they take of the area."""
    if outside == 0.0 and inside == 0.0:
        return 0.0
    more, less = 1.0 + share, 1.0 - share
    return outside * (more * inside + less * outside) / (less * inside + more * outside)


def pierced(base: Material, metal: Material, liner: Material | None, tsv: Tsv) -> Material:
    """Return a material pierced by vias as one material with two conductivities."""
    inner, ring = tsv.shares
    outer = inner + ring
    coat = metal if liner is None else liner
    along = (
        inner * metal.conductivity_w_mk + ring * coat.conductivity_w_mk + (1 - outer) * base.conductivity_w_mk
    )
    held = (
        inner * metal.heat_capacity_j_m3k
        + ring * coat.heat_capacity_j_m3k
        + (1 - outer) * base.heat_capacity_j_m3k
    )
    via = across(coat.along_w_mk, metal.along_w_mk, inner / outer)
    return Material(
        name=f"{base.name} with {metal.name} vias",
        conductivity_w_mk=along,
        lateral_w_mk=across(base.along_w_mk, via, outer),
        heat_capacity_j_m3k=held,
    )
