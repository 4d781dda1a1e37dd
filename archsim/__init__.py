"""archsim: what would this hardware do with this access trace?

The public names load on first use, so ``import archsim`` costs nothing:

>>> import archsim
>>> trace = archsim.open_trace("preset:zipf", limit=2000)
>>> host = archsim.simulate(archsim.load_system("host-8rank"), trace)
>>> near = archsim.simulate(archsim.load_system("recnmp-base-8rank"), trace)
>>> archsim.compare([host, near]).speedups[1] > 1
True
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    import archsim.report.views as plots  # noqa: F401
    from archsim.errors import InputError as InputError
    from archsim.peers import load_system as load_system
    from archsim.result import Comparison as Comparison
    from archsim.result import Result as Result
    from archsim.result import compare as compare
    from archsim.simulation import simulate as simulate
    from archsim.studies.merge import merge_studies as merge_studies
    from archsim.studies.search import optimize as optimize
    from archsim.studies.study import Study as Study
    from archsim.studies.study import open_study as open_study
    from archsim.studies.sweeping import sweep as sweep
    from archsim.systems.requests import lower_trace as lower_trace
    from archsim.systems.spec import SystemSpec as SystemSpec
    from archsim.traces import AddressTrace as AddressTrace
    from archsim.traces import EmbeddingTrace as EmbeddingTrace
    from archsim.traces import open_trace as open_trace

_HOME = {
    "AddressTrace": "archsim.traces",
    "Comparison": "archsim.result",
    "EmbeddingTrace": "archsim.traces",
    "InputError": "archsim.errors",
    "Result": "archsim.result",
    "Study": "archsim.studies.study",
    "SystemSpec": "archsim.systems.spec",
    "compare": "archsim.result",
    "load_system": "archsim.peers",
    "lower_trace": "archsim.systems.requests",
    "merge_studies": "archsim.studies.merge",
    "open_study": "archsim.studies.study",
    "open_trace": "archsim.traces",
    "optimize": "archsim.studies.search",
    "simulate": "archsim.simulation",
    "sweep": "archsim.studies.sweeping",
}

#: Modules that are reached by a name of their own.
_MODULES = {"plots": "archsim.report.views"}

__all__ = ["__version__", *_HOME, *_MODULES]

if find_spec("archsim.kernels") is None:
    raise ImportError(
        "archsim is imported from its source tree without being installed; run `pip install -e .` there first"
    )


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _MODULES:
        return import_module(_MODULES[name])
    raise AttributeError(f"module 'archsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
