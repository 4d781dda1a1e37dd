"""One self-contained HTML file of a report folder or a study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.errors import InputError
from archsim.files import check_new, new_file
from archsim.report.damage import blamed
from archsim.report.html_page import page


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    path : Path
        The file.
    kind : str
        ``replay`` or ``study``.
    size_bytes : int
        How large it is.
    points : int or None
        Points of the study that the page shows.
    interactive : bool
        Whether it has a plot to change; needs the extra ``report``, and a study.
    """

    path: Path
    kind: str
    size_bytes: int
    points: int | None
    interactive: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the object of ``archsim report --json``."""
        return {"schema": 1, **vars(self), "path": str(self.path)}


def write_html(folder: Path, out: Path | None = None, *, replace: bool = False) -> Written:
    """Write one HTML file that holds all there is to show of a folder, and loads nothing.

    Parameters
    ----------
    folder : Path
        What ``archsim replay --out`` or ``archsim sweep --out`` made.
    out : Path, optional
        A new file; default: ``report.html`` in the folder.
    replace : bool
        Whether a file of that name is replaced, once the new one is whole.

    Raises
    ------
    InputError
        When the folder is neither, is damaged, or the file exists or cannot be written.
    """
    kind = _kind(folder)
    out = folder / "report.html" if out is None else out
    check_new(out, replace=replace)
    points, library = None, ""
    if kind == "study":
        from archsim.report.html_data import plot_library, study_payload
        from archsim.report.html_study import study_sections
        from archsim.studies.study import open_study

        study = open_study(folder)
        points = len(study)
        library = plot_library() if points else ""
        with blamed(folder, "points"):
            payload = study_payload(study) if points else ""
        title, lead, sections = study_sections(study, plot=bool(library))
        content = page(title, lead, sections, payload=payload, library=library)
    else:
        from archsim.report.html_replay import replay_sections

        content = page(*replay_sections(folder))
    with new_file(out, replace=replace) as file:
        file.write_text(content, encoding="utf-8")
    return Written(out, kind, len(content.encode("utf-8")), points, bool(library))


def _kind(folder: Path) -> str:
    if not folder.is_dir():
        why = "is no folder" if folder.exists() else "there is no such folder"
        raise InputError(
            f"{folder}: {why}; a report is of a folder that `archsim replay` or `archsim sweep` made"
        )
    for kind, file in (("study", "study.json"), ("replay", "results.json")):
        if (folder / file).exists():
            return kind
    raise InputError(
        f"{folder}: neither study.json nor results.json is there; "
        "a report is of a folder that `archsim replay --out` or `archsim sweep --out` made"
    )
