"""Several systems at once, under overrides that may be for some of them only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from archsim.errors import InputError
from archsim.peers import load_system
from archsim.spec import apply_overrides
from archsim.systems.parts import PARTS, part_of, takers
from archsim.systems.spec import SystemSpec


def load_systems(
    systems: Sequence[str | Path | SystemSpec], overrides: Iterable[str] = ()
) -> list[SystemSpec]:
    """Load systems; overrides of a part go to those that have it, or else to the hosts that may have it.

    Parameters
    ----------
    systems : sequence of str, Path or SystemSpec
        As `load_system` takes them, or specifications.
    overrides : iterable of str
        ``PATH=VALUE``.

    Raises
    ------
    InputError
        When one cannot be loaded, refuses an override, or none has the part that an override is for.
    """
    overrides = list(overrides)
    common = [text for text in overrides if part_of(text) is None]
    special = [text for text in overrides if part_of(text) is not None]
    loaded = [
        apply_overrides(each, common) if isinstance(each, SystemSpec) else load_system(each, common)
        for each in systems
    ]
    taken = {text: takers(loaded, str(part_of(text))) for text in special}
    for text, found in taken.items():
        if not any(found):
            names = ", ".join(each.name if isinstance(each, SystemSpec) else str(each) for each in systems)
            raise InputError(f"--set {text}: none of the systems has {PARTS[str(part_of(text))]}: {names}")
    return [
        apply_overrides(spec, [text for text in special if taken[text][number]])
        for number, spec in enumerate(loaded)
    ]
