"""Configuration files of other simulators, read as systems: ``dramsim3:FILE.ini`` and ``ramulator2:FILE.yaml``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from archsim.peers.dramsim3 import load_dramsim3
from archsim.peers.ramulator2 import load_ramulator2
from archsim.spec import apply_overrides
from archsim.systems.spec import SystemSpec
from archsim.systems.spec import load_system as load_own_system

__all__ = ["load_dramsim3", "load_ramulator2", "load_system"]

_READERS = {"dramsim3": load_dramsim3, "ramulator2": load_ramulator2}


def load_system(name_or_path: str | Path, overrides: Iterable[str] = ()) -> SystemSpec:
    """Load a system and lay ``overrides`` over it.

    Parameters
    ----------
    name_or_path : str or Path
        A preset by name, a ``.toml`` file, or a file of another simulator: ``dramsim3:FILE.ini``,
        ``ramulator2:FILE.yaml``.
    overrides : iterable of str
        ``PATH=VALUE``.

    Raises
    ------
    InputError
        For an unknown preset (with the nearest name), an unreadable file, or anything the checks refuse.
    """
    simulator, colon, path = str(name_or_path).partition(":")
    if colon and simulator in _READERS:
        return apply_overrides(_READERS[simulator](path), overrides)
    return load_own_system(name_or_path, overrides)
