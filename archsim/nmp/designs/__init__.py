"""Near-memory designs by name: those of this folder, one file each, and what users register."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, get_args

from archsim.errors import InputError, nearest
from archsim.nmp.designs.base import Adder, Design, Level
from archsim.nmp.designs.chameleon import Chameleon
from archsim.nmp.designs.guard import guarded
from archsim.nmp.designs.ideal import Ideal
from archsim.nmp.designs.recnmp import RecNMP
from archsim.nmp.designs.tensordimm import TensorDIMM
from archsim.nmp.designs.trim_bank import TRiMBank
from archsim.nmp.designs.trim_bank_group import TRiMBankGroup
from archsim.nmp.designs.trim_rank import TRiMRank

if TYPE_CHECKING:
    from archsim.dram.spec import DramSpec
    from archsim.nmp.spec import NmpSpec

__all__ = [
    "Adder",
    "Design",
    "Level",
    "design_class",
    "design_names",
    "guarded",
    "make_design",
    "register",
    "registered_designs",
]

D = TypeVar("D", bound=type[Design])

#: Most clocks and bursts that a design may ask for: far beyond what any pins do.
_MOST_CLK = 1_000_000
_SHIPPED: dict[str, type[Design]] = {
    design.name: design
    for design in (RecNMP, TensorDIMM, Chameleon, TRiMRank, TRiMBankGroup, TRiMBank, Ideal)
}
_registered: dict[str, type[Design]] = {}


def register(design: D) -> D:
    """Make a design known by its ``name``, so that ``nmp.design`` can ask for it; may stand before the class.

    A name registered before is replaced, so that a notebook's cell can run again.

    Raises
    ------
    InputError
        When it is no `Design`, has no name, or one that is shipped.
    """
    if not (isinstance(design, type) and issubclass(design, Design)):
        raise InputError(f"design {design!r}: must be a class that extends archsim.nmp.Design")
    name = design.name
    if not isinstance(name, str) or not name:
        raise InputError(f"design {design.__name__}: needs a name, such as name = 'mine'")
    for attribute, valid in (("level", get_args(Level)), ("adder", get_args(Adder))):
        value = getattr(design, attribute)
        if value not in valid:
            raise InputError(f"design {name!r}: {attribute} = {value!r}{nearest(str(value), valid)}")
    for attribute, least in (("issue_clk", 1), ("issue_burst_clk", 0), ("most_bursts", 1)):
        value = getattr(design, attribute)
        if not isinstance(value, int) or not least <= value <= _MOST_CLK:
            rule = f"must be a whole number, {least} to {_MOST_CLK}"
            raise InputError(f"design {name!r}: {attribute} = {value!r}: {rule}")
    if name in _SHIPPED:
        raise InputError(f"design {design.__name__}: the name {name!r} is taken by a shipped design")
    if design.broadcast and design.issue_clk + design.issue_burst_clk > 1:
        raise InputError(
            f"design {name!r}: broadcast: an instruction for all units takes one clock, issue_clk = 1"
        )
    _registered[name] = design
    return design


def registered_designs() -> dict[str, type[Design]]:
    """Return what `register` has made known so far, by name."""
    return dict(_registered)


def design_names() -> list[str]:
    """Return the names that ``nmp.design`` can have: the shipped ones, then those registered."""
    return [*_SHIPPED, *_registered]


def design_class(name: str) -> type[Design]:
    """Return the design of a name.

    Raises
    ------
    InputError
        For an unknown name, with the nearest one.
    """
    known = _SHIPPED | _registered
    if name not in known:
        raise InputError(f"unknown design{nearest(name, known)}")
    return known[name]


def make_design(nmp: NmpSpec, dram: DramSpec) -> Design:
    """Return the design that ``nmp.design`` names, on a memory.

    Raises
    ------
    InputError
        For an unknown name; and when a user's class fails.
    """
    design = design_class(nmp.design)
    made: Design = guarded(design, "__init__", design, nmp, dram)
    return made
