"""The command ``archsim heat``."""

from __future__ import annotations

import json
import sys
from math import ceil
from pathlib import Path
from typing import Annotated, Any

import typer

from archsim.cli_options import (
    BytesOption,
    DesignOption,
    FormatOption,
    GridOption,
    InitialOption,
    JsonOption,
    LimitOption,
    OrderOption,
    RowsOption,
    SetOption,
    TraceArgument,
    grid_of,
    initial_of,
    open_models,
    progress_bar,
    time_of,
)

HEAT_EXAMPLES = """\b
Examples:
  archsim heat preset:recnmp-comb8 --limit 100000 --set dram.energy.preset=ddr4-8gb-x8-2400
  archsim heat preset:uniform --system host-hbm2 --map hbm --limit 50000 --set map.stack.ambient_k=80degC
  archsim heat my-trace --time 5min --step 100ms --initial 340 --plot warming.png
"""


def heat(
    trace: TraceArgument,
    system: Annotated[
        str,
        typer.Option("--system", metavar="NAME|FILE", help="System preset (see `archsim show system`) or .toml file."),
    ] = "recnmp-opt-4rank",
    map_: Annotated[
        str,
        typer.Option(
            "--map", metavar="NAME|FILE",
            help="Which block of which stack heats: a preset (see `archsim show heat_map`) or .toml file.",
        ),
    ] = "recnmp-dimm",
    overrides: SetOption = None,
    design: DesignOption = None,
    limit: LimitOption = None,
    format_: FormatOption = None,
    rows: RowsOption = None,
    vector_bytes: BytesOption = None,
    order: OrderOption = None,
    grid: GridOption = "32",
    time: Annotated[
        str | None,
        typer.Option("--time", metavar="TIME", help="Step replays and stack together until then. Default: the end."),
    ] = None,
    step: Annotated[
        str | None, typer.Option("--step", metavar="TIME", help="Longest step of --time. Default: a 500th of it.")
    ] = None,
    initial: InitialOption = "ambient",
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE",
            help="Draw the hottest layer, or with --time the temperatures (.png, .svg, .pdf); must not exist yet.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Heat of a replay that repeats, and what it does to it.

    Temperatures, refreshes (doubled above 85 degC) and leakage, until they agree, or stepped in time.

    --set takes paths of the system; workload.PATH is of a generated trace, map.PATH of the map, such as
    map.stack.ambient_k=340.
    """
    from archsim.errors import InputError
    from archsim.files import check_new
    from archsim.report.style import picture_kind

    if plot is not None:
        picture_kind(plot)
        check_new(plot)
    if time is None:
        for option, text in {"--step": step, "--initial": None if initial == "ambient" else initial}.items():
            if text is not None:
                raise InputError(f"{option} {text}: has no effect without --time")
    until_s = None if time is None else time_of(time, "--time")
    step_s = until_s / 500 if step is None and until_s else time_of(step or "1s", "--step")
    for option, text, seconds in (("--time", time, until_s), ("--step", step, step_s)):
        if text is not None and not (seconds or 0.0) > 0:
            raise InputError(f"{option} {text}: must be more than 0")
    own = _split(overrides or [])
    from archsim.electrothermal import Coupling, HeatMap, fixed_point, run_in_time
    from archsim.nmp.design_files import load_design
    from archsim.peers import load_system
    from archsim.spec import apply_overrides
    from archsim.units import cold_note

    for file in design or []:
        load_design(file)
    heat_map = apply_overrides(HeatMap.load(map_), own["map."])
    spec = load_system(system, own[""])
    reading = {"format": format_, "rows": rows, "vector_bytes": vector_bytes, "order": order, "limit": limit}
    opened = open_models([trace], 1, own["workload."], reading)
    found: Any
    notes: list[str] = []
    if until_s is None:
        with progress_bar(None, "replay", show=not as_json) as advance:
            coupling = Coupling(spec, opened, heat_map, grid=grid_of(grid), progress=lambda _: advance(1))
            found = fixed_point(coupling)
    else:
        start = initial_of(initial)
        notes = [cold_note("--initial", start)] if isinstance(start, float) else []
        coupling = Coupling(spec, opened, heat_map, grid=grid_of(grid))
        with progress_bar(ceil(until_s / step_s), "step", show=not as_json) as advance:
            found = run_in_time(coupling, until_s, step_s, initial=start, progress=advance)
    try:
        if plot is not None:
            _draw(found, plot)
    finally:
        # A disk that is full costs the picture, not the answer.
        _print(found, [*filter(None, notes), *found.notes()], as_json)


def _split(overrides: list[str]) -> dict[str, list[str]]:
    """Return the overrides of each part, without its prefix."""
    parts: dict[str, list[str]] = {"workload.": [], "map.": [], "": []}
    for text in overrides:
        prefix = next(each for each in parts if text.startswith(each))
        parts[prefix].append(text.removeprefix(prefix))
    return parts


def _print(found: Any, notes: list[str], as_json: bool) -> None:
    from archsim.report.heat_text import fixed_point_lines, run_lines

    coupling = found.coupling
    if as_json:
        names = {
            "trace": coupling.trace.name, "system": coupling.system.name, "map": coupling.heat_map.name,
            "ambient_k": coupling.model.ambient_k, "ranks": [coupling.rank_name(i) for i in range(coupling.ranks)],
        }  # fmt: skip
        print(json.dumps(names | found.to_dict() | {"notes": notes}, indent=2, allow_nan=False))
        return
    lines = run_lines(found) if hasattr(found, "times_s") else fixed_point_lines(found)
    print("\n".join([*lines, *(f"note: {text}" for text in notes)]))


def _draw(found: Any, plot: Path) -> None:
    from archsim.report.heat_plots import plot_heat
    from archsim.report.style import save_new
    from archsim.report.thermal_plots import plot_temperature_map

    if hasattr(found, "times_s"):
        axes = plot_heat(found)
    else:
        axes = plot_temperature_map(max(found.after.steady, key=lambda each: each.hottest_k))
    save_new(axes, plot)
    print(f"plot: {plot}", file=sys.stderr)
