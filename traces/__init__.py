"""Embedding access traces: the record, its files, its generators.

Public names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archsim.traces.addresses import AddressTrace as AddressTrace
    from archsim.traces.analysis.compare import compare_traces as compare_traces
    from archsim.traces.analysis.info import trace_info as trace_info
    from archsim.traces.colocation import interleave as interleave
    from archsim.traces.columns import COLUMNS as COLUMNS
    from archsim.traces.columns import ORDERS as ORDERS
    from archsim.traces.columns import Table as Table
    from archsim.traces.formats.native import read_native as read_native
    from archsim.traces.formats.native_writer import native_writer as native_writer
    from archsim.traces.formats.native_writer import write_native as write_native
    from archsim.traces.formats.registry import read_trace as read_trace
    from archsim.traces.generators.arrivals import Arrival as Arrival
    from archsim.traces.generators.arrivals import with_arrivals as with_arrivals
    from archsim.traces.generators.stream import generate as generate
    from archsim.traces.generators.stream import windows as windows
    from archsim.traces.trace import EmbeddingTrace as EmbeddingTrace
    from archsim.traces.workloads import load_workload as load_workload
    from archsim.traces.workloads import open_trace as open_trace

_HOMES = {
    "addresses": ("AddressTrace",),
    "colocation": ("interleave",),
    "columns": ("COLUMNS", "ORDERS", "Table"),
    "formats.registry": ("read_trace",),
    "analysis.compare": ("compare_traces",),
    "analysis.info": ("trace_info",),
    "formats.native": ("read_native",),
    "formats.native_writer": ("native_writer", "write_native"),
    "trace": ("EmbeddingTrace",),
    "workloads": ("load_workload", "open_trace"),
    "generators.arrivals": ("Arrival", "with_arrivals"),
    "generators.stream": ("generate", "windows"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
