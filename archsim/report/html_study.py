"""The sections of a page on a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError, counted
from archsim.report.damage import blamed
from archsim.report.html_config import parameters_section
from archsim.report.html_data import varying
from archsim.report.html_parts import Raw, described, details, number, paragraph, section, table, text
from archsim.report.html_pictures import drawn
from archsim.report.html_sources import citations_section
from archsim.spec import apply_overrides, preset_names
from archsim.studies.columns import is_configuration
from archsim.studies.definition import FILE
from archsim.studies.text import counts_text
from archsim.systems.spec import SystemSpec, load_system

if TYPE_CHECKING:
    from archsim.studies.study import Study

#: So many points without a result are listed.
_SHOWN_FAILURES = 200
#: Values of an axis that are listed whole.
_SHOWN_VALUES = 16
#: Systems that have pictures of their own.
_SHOWN_SYSTEMS = 4
#: What is drawn of a study, the run time first.
_TIME, _ENERGY, _BANDWIDTH = "time_ns", "energy_nj", "bandwidth_gbps"


def study_sections(study: Study, *, plot: bool) -> tuple[str, str, list[str]]:
    """Return title, lead and sections of the page.

    Parameters
    ----------
    study : Study
        What is shown.
    plot : bool
        Whether the page holds a library to plot with.
    """
    name, file = study.path.resolve().name, study.path / FILE
    with blamed(file, "sweeps"):
        lead = f"<p>{text(counts_text(study))}</p>"
        systems, gone = _systems(study)
        definition = _definition(study)
    with blamed(study.path, "points"):
        return f"archsim study: {name}", lead, _sections(study, plot, definition, (systems, gone))


def _sections(
    study: Study, plot: bool, definition: str, cited: tuple[list[SystemSpec], list[str]]
) -> list[str]:
    several, same = varying(study) if len(study) else ({}, {})
    systems, gone = cited
    return [
        section("run", "What was run", definition, _provenance(study)),
        section("points", "Points", _interactive(plot)) if several else "",
        section("pictures", "Pictures", *_pictures(study, several)) if several else "",
        section("failures", "Points without a result", *_failures(study)),
        section("constants", "What is the same at all points", _constants(same)),
        parameters_section(
            {"value": {key: value for key, value in same.items() if is_configuration(key)}},
            "Parameters that have one value at all points. What varies is in the table of the points.",
        ),
        citations_section(systems, gone=gone),
    ]


def _definition(study: Study) -> str:
    sweeps = study.definition.sweeps
    systems = {
        tuple(each.get(key) for key in ("name", "source", "sha256")) for s in sweeps for each in s["systems"]
    }
    traces = {
        (each["name"], each.get("source"), " ".join(each.get("workload", [])) or "–", each["sha256"])
        for sweep in sweeps
        for each in sweep["traces"]
    }
    conditions = dict.fromkeys(sweep["where"] for sweep in sweeps if sweep.get("where"))
    axes = []
    for column, values in study.axes.items():
        shown = [str(value) for value in dict.fromkeys(values)]
        cut = [*shown[: _SHOWN_VALUES - 4], "…", *shown[-3:]] if len(shown) > _SHOWN_VALUES else shown
        axes.append([column, f"{len(shown)}", ", ".join(cut)])
    return "\n".join(
        [
            table(["axis", "count", "values"], axes, "Axes", kind="words", left=99) if axes else "",
            *(paragraph(f"only where {condition}") for condition in conditions),
            table(
                ["system", "source", "SHA-256 before axes"],
                sorted(systems, key=str),
                "Systems",
                kind="words",
                left=99,
            ),
            table(
                ["trace", "source", "options", "SHA-256"],
                sorted(traces, key=str),
                "Traces",
                kind="words",
                left=99,
            ),
        ]
    )


def _provenance(study: Study) -> str:
    """Sum up who computed the points, and when."""
    wanted = ("finished_utc", "worker", "wall_s", "kernel_cpu_s", "archsim_version")
    present = ["point_id", *(name for name in wanted if name in study.columns)]
    found = study.to_arrow(present, status=None) if len(study) else None
    columns = (
        {}
        if found is None
        else {name: [v for v in found[name].to_pylist() if v is not None] for name in found.column_names}
    )
    finished, workers = columns.get("finished_utc") or [None], set(columns.get("worker", []))
    return described(
        [
            ("begun (UTC)", study.definition.created),
            ("first point finished (UTC)", min(finished) if finished[0] else None),
            ("last point finished (UTC)", max(finished) if finished[0] else None),
            ("archsim", ", ".join(sorted(set(map(str, columns.get("archsim_version", [])))))),
            ("version of the code", study.definition.code_version),
            ("workers", number(len(workers)) if workers else None),
            ("time of all points", f"{number(sum(columns['wall_s']))} s" if columns.get("wall_s") else None),
            (
                "of that, CPU time of kernels",
                f"{number(sum(columns['kernel_cpu_s']))} s" if columns.get("kernel_cpu_s") else None,
            ),
            ("digest of the rows", study.digest()),
        ]
    )


def _interactive(plot: bool) -> str:
    """Return the empty places that the scripts of the page fill."""
    missing = (
        ""
        if plot
        else paragraph(
            "Written without plotly. For a plot here: pip install 'archsim[report]', then write the report anew.",
            "note",
        )
    )
    return (
        f'{missing}<noscript><p class="note">The table, its filters and the plot need JavaScript; '
        "the pictures below do not.</p></noscript>"
        '<div id="explorer" hidden>'
        '<div id="plot-part"><form id="plot-controls" class="controls" aria-label="What is plotted"></form>'
        '<div id="plot" role="img" aria-label="Plot of the points"></div><p id="plot-note" class="note"></p>'
        '<details id="parallel"><summary>Parallel coordinates</summary><div class="scroll" tabindex="0" role="region" '
        'aria-label="Parallel coordinates"><div id="parallel-plot"></div></div></details></div>'
        '<form id="filters" class="controls" aria-label="Filters of the points"></form>'
        '<p class="status"><output id="count" aria-live="polite"></output></p>'
        '<div id="table-controls" class="controls"></div>'
        '<div class="scroll" id="table-box" tabindex="0" role="region" aria-label="Points">'
        '<table id="points-table"></table></div>'
        '<div id="pager" class="controls"></div></div>'
        '<p id="explorer-note" class="note" hidden></p>'
    )


def _pictures(study: Study, several: dict[str, list[Any]]) -> list[str]:
    """Draw the standard views that this study has the axes and metrics for."""
    from archsim.report.views import plot_energy, plot_grid, plot_pareto, plot_sweep

    wanted = [*study.axes, "system", "trace", "status", *study.metrics]
    points = study.to_arrow([name for name in dict.fromkeys(wanted) if name in study.columns])
    numbers = [
        axis
        for axis in sorted(study.axes, key=lambda each: -len(set(study.axes[each])))
        if axis in several and study.kind(axis) in ("int", "float")
    ]
    texts = [name for name in ("system", "trace") if name in several]
    views: list[tuple[Callable[[], Any], str]] = []
    if numbers:
        by = [*texts] or numbers[1:2]
        views.append((lambda: plot_sweep(points, numbers[0], _TIME, by), f"Run time over {numbers[0]}"))
        views.append((lambda: plot_sweep(points, numbers[0], _BANDWIDTH, by), f"Bandwidth over {numbers[0]}"))
    if "system" in several:
        views.append((lambda: plot_energy(points), "Energy by event of each system"))
    # Of several systems each by itself: a mean of them is of no system.
    for name, own in _by_system(points, numbers[:1], several) if numbers else ():
        words = f"Energy by event{name} over {numbers[0]}"
        views.append((partial(plot_energy, own, numbers[0]), words))
    for name, own in _by_system(points, numbers[:2], several) if len(numbers) > 1 else ():
        words = f"Run time{name} over {numbers[0]} and {numbers[1]}"
        views.append((partial(plot_grid, own, numbers[0], numbers[1], _TIME), words))
    words = "Run time and energy; the line joins the points that no other beats in both"
    views.append((lambda: plot_pareto(points, _TIME, _ENERGY), words))
    return [drawn(draw, words) for draw, words in views]


def _by_system(points: Any, axes: Sequence[str], several: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the points of each system that has these axes, with how a caption names it; of the first few."""
    import numpy as np

    whole = np.all([points[axis].is_valid().to_numpy() for axis in axes], axis=0)
    if "system" not in several:
        return [("", points.filter(whole))] if whole.any() else []
    systems = np.array(points["system"].to_pylist(), object)
    names = list(dict.fromkeys(systems[whole]))[:_SHOWN_SYSTEMS]
    return [(f" of {name}", points.filter(whole & (systems == name))) for name in names]


def _failures(study: Study) -> list[str]:
    parts = []
    if study.counts["failed"] or study.counts["timeout"]:
        names = [name for name in ("system", "trace", *study.axes) if name in study.columns]
        rows = [
            row
            for row in study.to_arrow(["status", "error", *names], status=None).to_pylist()
            if row["status"] != "done"
        ]
        causes = Counter((row["status"], row["error"]) for row in rows).most_common()
        parts.append(
            table(
                ["points", "status", "error"],
                [[f"{count:,}", status, error] for (status, error), count in causes[:_SHOWN_FAILURES]],
                "Why there is no result",
                kind="words",
                left=99,
            )
        )
        listed = [
            [str(place), *(row[name] for name in names), row["status"], row["error"]]
            for place, row in enumerate(rows[:_SHOWN_FAILURES], start=1)
        ]
        listing = table(["", *names, "status", "error"], listed, "Points that failed", kind="words", left=99)
        more = f"The first {_SHOWN_FAILURES} of {len(rows):,}." if len(rows) > _SHOWN_FAILURES else ""
        parts.append(details(counted(len(rows), "point"), paragraph(more) if more else "", listing))
    if study.missing:
        count = len(study.missing)
        parts.append(
            paragraph(f"{counted(count, 'point')} {'has' if count == 1 else 'have'} not been run yet.")
        )
    return parts


def _constants(same: dict[str, Any]) -> str:
    rows = [[name, Raw(text(_shown(value)))] for name, value in same.items() if not is_configuration(name)]
    return (
        details(f"{len(rows)} columns", table(["column", "value"], rows, "Constant columns", left=99))
        if rows
        else ""
    )


def _shown(value: Any) -> str:
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _systems(study: Study) -> tuple[list[SystemSpec], list[str]]:
    """Return the systems of a study, with the presets of its axes laid over them; and name what cannot be made."""
    wanted = {
        (each["name"], each["sha256"]): each for sweep in study.definition.sweeps for each in sweep["systems"]
    }
    found, gone = [], []
    for (name, sha256), each in wanted.items():
        spec = _system(study.definition.specs.get(sha256), each.get("source"))
        if spec is not None and spec.sha256() == sha256:
            found.append(spec)
        else:
            gone.append(str(name))
    chosen, lost = _presets_of_axes(study, found)
    return found + chosen, gone + lost


def _system(tree: Mapping[str, Any] | None, source: object) -> SystemSpec | None:
    """Return a system as a study keeps it, or a shipped one; a study may be a stranger's, so no file is opened."""
    try:
        if tree is not None:
            return SystemSpec.from_dict(tree, "study")
        return load_system(str(source)) if source in preset_names("system") else None
    except InputError:  # of a design that is not shipped, or of another archsim
        return None


def _presets_of_axes(study: Study, systems: Sequence[SystemSpec]) -> tuple[list[SystemSpec], list[str]]:
    """Return what the systems become under each preset that an axis has, and name those that suit none of them."""
    steps: dict[tuple[str, ...], None] = {}
    for sweep in study.definition.sweeps:
        for axis in sweep["axes"]:
            places = [place for place, path in enumerate(axis["paths"]) if str(path).endswith(".preset")]
            for step in axis["values"] if places else ():
                if all(step[place] in sweep["points"][axis["columns"][place]] for place in places):
                    steps[
                        tuple(f"{path}={value}" for path, value in zip(axis["paths"], step, strict=True))
                    ] = None
    found, gone = [], []
    for step in steps:
        several = [spec for each in systems if (spec := _overridden(each, step)) is not None]
        found += several
        if not several:
            gone.append(", ".join(step))
    return found, gone


def _overridden(system: SystemSpec, overrides: Sequence[str]) -> SystemSpec | None:
    try:
        return apply_overrides(system, overrides)
    except InputError:  # for another system, or allowed only beside other axes
        return None
