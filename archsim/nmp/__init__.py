"""Near-memory processing: units that sum embedding vectors inside the DIMM, and the designs built from them.

A design of one's own is a class; ``docs/near-memory-designs.md`` walks through one.

>>> from archsim.nmp import Design, register
>>> @register
... class Slow(Design):
...     name = "slow"
...     issue_clk = 4
>>> from archsim import load_system
>>> load_system("recnmp-base-8rank", ["nmp.design=slow"]).nmp.design
'slow'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archsim.nmp.designs import Design as Design
    from archsim.nmp.designs import design_names as design_names
    from archsim.nmp.designs import register as register
    from archsim.nmp.designs import registered_designs as registered_designs

__all__ = ["Design", "design_names", "register", "registered_designs"]


def __getattr__(name: str) -> Any:
    # On first use, because the designs import the package's other modules.
    if name in __all__:
        return getattr(import_module("archsim.nmp.designs"), name)
    raise AttributeError(f"module 'archsim.nmp' has no attribute {name!r}")
