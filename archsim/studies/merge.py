"""Several studies in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError
from archsim.files import check_new, new_folder
from archsim.studies.columns import PROVENANCE
from archsim.studies.definition import Definition, write_definition
from archsim.studies.parts import unify, without_dictionaries, write_part
from archsim.studies.rows import Rows, Snapshot

if TYPE_CHECKING:
    from archsim.studies.study import Study


def merge_studies(
    studies: Sequence[str | Path | Study], out: str | Path, *, mixed_versions: bool = False
) -> Study:
    """Put the points of several studies into a new one; those stay as they are.

    Parameters
    ----------
    studies : sequence of path or Study
        Two or more. Axes may differ: every point has all columns of its system.
    out : str or Path
        The new folder; must not exist yet.
    mixed_versions : bool
        Take studies of different versions of the code. The column ``code_version`` tells them apart, and no sweep goes
        on with the result.

    Raises
    ------
    InputError
        Studies of different code, or a point that is done in two of them and differs; nothing is written then.
    """
    from archsim.studies.study import Study, open_study

    target = Path(out)
    check_new(target)
    opened = [each if isinstance(each, Study) else open_study(each) for each in studies]
    if not opened:
        raise InputError("merge: no studies are given")
    definition = _definition(opened, mixed_versions)
    for number, first in enumerate(opened):
        for second in opened[number + 1 :]:
            _check_equal(first, second)
    table = _table(opened)
    with new_folder(target) as folder:
        write_definition(folder, definition)
        write_part(folder, table)
    return open_study(target)


def _definition(studies: list[Study], mixed: bool) -> Definition:
    versions = sorted({version for each in studies for version in each.definition.code_version.split(", ")})
    if len(versions) > 1 and not mixed:
        told = "; ".join(f"{each.path}: {each.definition.code_version}" for each in studies)
        raise InputError(
            f"merge: studies of different versions of the code: {told}; "
            "mixed_versions=True (--mixed-versions) takes all"
        )
    sweeps: list[dict[str, Any]] = []
    for each in studies:
        sweeps += [sweep for sweep in each.definition.sweeps if sweep not in sweeps]
    specs = {sha256: tree for each in studies for sha256, tree in each.definition.specs.items()}
    return replace(Definition.new(", ".join(versions), tuple(sweeps)), specs=specs)


def _check_equal(first: Study, second: Study) -> None:
    """Refuse points that are done in both and differ in anything but provenance."""
    import numpy as np

    places = [_done(each) for each in (first, second)]
    common = [point for point in places[0] if point in places[1]]
    if not common:
        return
    names = [name for name in dict.fromkeys([*first.columns, *second.columns]) if name not in PROVENANCE]
    rows = [np.array([place[point] for point in common], np.int64) for place in places]
    for name in names:
        values = [
            each.to_arrow([name])[name].take(taken).to_pylist()
            if name in each.columns
            else [None] * len(common)
            for each, taken in zip((first, second), rows, strict=True)
        ]
        for point, one, other in zip(common, *values, strict=True):
            # A NaN differs from itself.
            if one != other and not (one != one and other != other):
                raise InputError(
                    f"merge: point {point[:12]}: column {name!r} is {one!r} in {first.path} and {other!r} in "
                    f"{second.path}; equal ids must have equal results"
                )


def _done(study: Study) -> dict[str, int]:
    return {point: row for row, point in enumerate(study.to_arrow(["point_id"])["point_id"].to_pylist())}


def _table(studies: list[Study]) -> Any:
    """Return the rows of all, each point once, whatever the order of the studies.

    Of a point that is done in none, the row with the first status and error by the alphabet counts.
    """
    sources = [Rows(each.to_arrow(status=None)) for each in studies]
    kinds = Snapshot(sources, "merge").kinds
    table = unify([source.table for source in sources], kinds, list(kinds), "merge")
    best: dict[str, tuple[tuple[bool, str, str], int]] = {}
    errors = table["error"].to_pylist() if "error" in kinds else [None] * table.num_rows
    rows = zip(table["point_id"].to_pylist(), table["status"].to_pylist(), errors, strict=True)
    for index, (point, status, error) in enumerate(rows):
        found = ((status != "done", status, error or ""), index)
        best[point] = min(best.get(point, found), found)
    return without_dictionaries(table).take([index for _, index in best.values()])
