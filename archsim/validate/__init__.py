"""``archsim validate``: figures of other simulators and of papers beside our own, each with its tolerance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from archsim.errors import InputError, nearest
from archsim.validate.row import Row

__all__ = ["NAMES", "Row", "assumptions", "validate"]

#: Name of a validation -> what it compares with. Each is a module here with ``rows(data) -> iterator of Row``.
NAMES = {
    "analog": "crossbars against ngspice, pipelined and ideal converters, figures of merit of a survey",
    "dram": "DRAM channel against Ramulator 2.1, DRAMsim3 and DRAMSys",
    "hardware": "DRAM channel against the bandwidth-latency curves of a Xeon Gold 5218",
    "multipliers": "approximate multipliers against figures of all, or many, pairs of operands",
    "recnmp": "RecNMP against the figures of its paper",
    "thermal": "temperatures of stacks against 3D-ICE, HotSpot, closed forms and a stacked sensor; noise of its images",
    "traces": "generated traces against published statistics of production traces",
}


def validate(names: Iterable[str] = (), data: Path | None = None) -> Iterator[Row]:
    """Run validations and yield their rows as they are done.

    Parameters
    ----------
    names : iterable of str
        Keys of ``NAMES``; all of them when there are none.
    data : Path, optional
        Folder of public traces that are not part of the package.

    Raises
    ------
    InputError
        For an unknown name, before anything is run, or an unsound file in ``data``.
    """
    chosen = list(names) or list(NAMES)
    for name in chosen:
        if name not in NAMES:
            raise InputError(f"{name!r}: unknown validation{nearest(name, NAMES)}")
    return _rows(chosen, data)


def _rows(names: list[str], data: Path | None) -> Iterator[Row]:
    for name in names:
        yield from import_module(f"archsim.validate.{name}").rows(data)


def assumptions(names: Iterable[str] = ()) -> list[str]:
    """Return, line by line, what the validations assume because it was not published."""
    modules = [import_module(f"archsim.validate.{name}") for name in list(names) or list(NAMES)]
    return [line for module in modules if hasattr(module, "assumptions") for line in module.assumptions()]
