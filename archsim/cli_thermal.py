"""The command ``archsim thermal``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.cli_options import (
    GridOption,
    InitialOption,
    JsonOption,
    grid_of,
    initial_of,
    progress_bar,
    time_of,
)

if TYPE_CHECKING:
    from archsim.thermal import PowerTrace, Steady, Transient

THERMAL_EXAMPLES = """\b
Examples:
  archsim thermal cis3
  archsim thermal cis3 --watt nn=0.35 --grid 64 --plot map.png
  archsim thermal cis3 --time 1ms,2ms,5ms,10ms,20ms --json
  archsim thermal stag2p --time 100ms --every 1ms --initial steady --power frames.csv --plot curve.png
      time_s,v_all on the first line, a line for each change of power
  archsim thermal cis3 --time 0.2s --every 5ms --layer vpu --animate warming.gif
  archsim thermal hbm --set layers.dram3.thickness_um=50 --set top.resistance_k_w=0.5
  archsim thermal ev6.flp --power gcc.ptrace --interval 3.333us --grid 48x48
      HotSpot's floorplan and power trace; an .lcf for stacks, --config for its package
"""
#: Times of a table of text.
_COLUMNS = 7


def thermal(
    stack: Annotated[
        str,
        typer.Argument(
            metavar="STACK", help="Preset (see `archsim show stack`), .toml file, or HotSpot's .lcf or .flp."
        ),
    ],
    power: Annotated[
        Path | None,
        typer.Option("--power", metavar="FILE", help="Power of blocks: .csv, .toml or HotSpot's .ptrace."),
    ] = None,
    watt: Annotated[
        list[str] | None,
        typer.Option("--watt", metavar="BLOCK=W", help="Power of one block; over that of the stack. Repeatable."),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option("--interval", metavar="TIME", help="Length of the intervals of a .ptrace. Default: 3.333us."),
    ] = None,
    grid: GridOption = "32",
    time: Annotated[
        str | None,
        typer.Option("--time", metavar="TIME,...", help="Temperatures at these times. Default: the steady state."),
    ] = None,
    every: Annotated[
        str | None, typer.Option("--every", metavar="TIME", help="Also at all multiples of this up to --time.")
    ] = None,
    initial: InitialOption = "ambient",
    method: Annotated[
        str | None,
        typer.Option("--method", metavar="exact|cn|be", help="In time. Default: exact where possible, else cn."),
    ] = None,
    step: Annotated[
        str | None, typer.Option("--step", metavar="TIME", help="Longest step of cn, be and leakage.")
    ] = None,
    solver: Annotated[
        str, typer.Option("--solver", metavar="auto|spectral|sparse", help="In space.")
    ] = "auto",
    nodes: Annotated[
        str, typer.Option("--nodes", metavar="centre|face", help="Where nodes stand in layers; face: as HotSpot.")
    ] = "centre",
    no_leakage: Annotated[bool, typer.Option("--no-leakage", help="Blocks that leak do not.")] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a parameter of the stack. Repeatable."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="HotSpot's .config, for an .lcf or .flp.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option("--layer", metavar="NAME", help="Draw the map of this layer, also with --time.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE",
            help="Draw a map, or with --time the hottest blocks (.png, .svg, .pdf); must not exist yet.",
        ),
    ] = None,
    animate: Annotated[
        Path | None,
        typer.Option(
            "--animate", metavar="FILE",
            help="Show the map of a layer at all these times (.gif; .mp4 with ffmpeg); must not exist yet.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Steady or transient temperatures of a stack, per block."""
    from archsim.errors import InputError
    from archsim.files import check_new
    from archsim.report.style import picture_kind

    if plot is not None:
        picture_kind(plot)
        check_new(plot)
    if layer is not None and plot is None and animate is None:
        raise InputError(f"--layer {layer}: has no effect without --plot or --animate")
    if time is None:
        given = {"--every": every, "--method": method, "--step": step}
        for option, text in given.items():
            if text is not None:
                raise InputError(f"{option} {text}: has no effect without --time")
        if initial != "ambient":
            raise InputError(f"--initial {initial}: has no effect without --time")
    times = _times(time, every)
    if animate is not None:
        _check_animation(animate, times)
    from archsim.thermal import ThermalModel, load_stack
    from archsim.units import cold_note

    loaded = load_stack(stack, overrides or [], config)
    model = ThermalModel(loaded, grid_of(grid), solver=solver, nodes=nodes)  # type: ignore[arg-type]
    trace, notes = _power(model, power, watt or [], interval, times is None)
    start = initial_of(initial)
    for name, kelvin in (("ambient_k", model.ambient_k), ("--initial", start)):
        if isinstance(kelvin, float | int) and (cold := cold_note(name, kelvin)):
            notes.insert(0, f"note: {cold}")
    if layer is not None and layer not in model.net.layers:
        from archsim.errors import nearest

        raise InputError(f"--layer {layer}: no such layer{nearest(layer, model.net.layers)}")
    frames = None if animate is None else _frames(model, layer, trace)
    found: Steady | Transient
    if times is None:
        found = model.steady(trace.watts[0], leakage=not no_leakage)
    else:
        step_s = None if step is None else time_of(step, "--step")
        # In percent of the time, which is even where steps are.
        share = 100 / times[-1] if times[-1] > 0 else 0.0
        with progress_bar(100, "%", show=not as_json) as advance:
            found = model.transient(
                trace, times, initial=start, method=method,  # type: ignore[arg-type]
                step_s=step_s, leakage=not no_leakage, watch=frames,
                progress=lambda done_s: advance(share * done_s),
            )  # fmt: skip
    try:
        if plot is not None:
            _draw(found, plot, layer)
        if animate is not None:
            _animate(frames, animate, show=not as_json)
    finally:
        # A disk that is full costs the picture, not the answer.
        if as_json:
            print(json.dumps({"stack": loaded.name, **found.to_dict(), "notes": notes}, indent=2))
        else:
            print("\n".join([*_lines(found), *notes]))


def _check_animation(path: Path, times: list[float] | None) -> None:
    """Refuse an animation that cannot be, before any work is done for it."""
    from archsim.errors import InputError
    from archsim.files import check_new
    from archsim.report.thermal_animation import animation_kind, check_frames

    animation_kind(path)
    check_new(path)
    if times is None:
        raise InputError(f"--animate {path}: has no effect without --time")
    if len(times) < 2:
        raise InputError(f"--animate {path}: needs two times or more; --every gives those between")
    check_frames(len(times))


def _frames(model: Any, layer: str | None, trace: PowerTrace) -> Any:
    """Return what collects the frames: of the layer given, or of that with the block of the most power."""
    from archsim.errors import InputError
    from archsim.report.thermal_animation import LayerFrames

    if layer is None:
        if not model.blocks:
            raise InputError(f"stack {model.stack.name!r}: no blocks; name the layer to draw with --layer")
        most = model.blocks[int(trace.watts.max(axis=0).argmax())]
        layer = next(each.name for each in model.stack.layers if any(b.name == most for b in each.blocks))
    return LayerFrames(model, layer)


def _animate(frames: Any, path: Path, show: bool) -> None:
    from archsim.report.thermal_animation import animate

    with progress_bar(len(frames.times_s), "frame", show=show) as advance:
        animate(frames, path, progress=advance)
    print(f"animation: {path}", file=sys.stderr)


def _times(time: str | None, every: str | None) -> list[float] | None:
    """Return the times asked for, rising."""
    from archsim.errors import InputError

    if time is None:
        return None
    times = [time_of(text, "--time") for text in time.split(",")]
    if every is None:
        return times
    step, end = time_of(every, "--every"), times[-1]
    if not step > 0:
        raise InputError(f"--every {every}: must be more than 0")
    if end / step > 1e6:
        raise InputError(f"--every {every}: {end / step:.3g} times until {end:g} s; at most a million")
    # A multiple that is one of the times but for rounding is that time.
    evens = [number * step for number in range(1, int(end / step + 1e-9) + 1)]
    kept = [t for t in evens if all(abs(t - given) > 1e-9 * end for given in times)]
    return sorted(kept + times) if times == sorted(times) else times


def _power(
    model: Any, path: Path | None, watts: list[str], interval: str | None, steady: bool
) -> tuple[PowerTrace, list[str]]:
    """Return the power of all blocks over time, and what there is to say about it."""
    from archsim.errors import InputError
    from archsim.thermal import PowerTrace, read_power

    if interval is not None and path is None:
        raise InputError(f"--interval {interval}: has no effect without --power")
    given: dict[str, float] = {}
    for text in watts:
        name, equals, value = text.partition("=")
        try:
            given[name] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise InputError(f"--watt {text}: must be BLOCK=W, such as nn=0.7")
    notes: list[str] = []
    trace = model.trace(None)
    if path is not None:
        read = read_power(path, None if interval is None else time_of(interval, "--interval"))
        missing = [name for name in model.blocks if name not in read.blocks and name not in given]
        if missing:
            notes.append(f"note: {path} does not name {', '.join(missing)}, whose power is that of the stack")
        trace = model.trace(read)
        if steady and len(read.starts_s) > 1:
            notes.append(
                f"note: the steady state of the mean of {len(read.starts_s)} intervals; --time for more"
            )
            trace = model.trace(read.mean())
    if given:
        table = trace.watts.copy()
        fixed = model.power(given)
        for name in given:
            table[:, model.block_index(name)] = fixed[model.block_index(name)]
        trace = PowerTrace(model.blocks, trace.starts_s, table)
    return trace, notes


def _lines(found: Any) -> list[str]:
    """Return the answer as text, in degrees Celsius."""
    from archsim.tables import align
    from archsim.units import ZERO_C_K, format_time

    model = found.model
    net = model.net
    head = [f"{model.stack.name}, {net.nx}x{net.ny}x{net.nz} nodes, {model.solver} solver; degC"]
    if hasattr(found, "times_s"):
        count = len(found.times_s)
        shown = (
            sorted({round(i * (count - 1) / (_COLUMNS - 1)) for i in range(_COLUMNS)}) if count > 1 else [0]
        )
        cells = [["block", "layer", *(format_time(found.times_s[i] * 1e12) for i in shown), "highest"]]
        for index, name in enumerate(found.blocks):
            means = [f"{found.avg_k[i, index] - ZERO_C_K:.2f}" for i in shown]
            cells.append(
                [name, found.layer_of(name), *means, f"{found.max_k[:, index].max() - ZERO_C_K:.2f}"]
            )
        note = f"highest: of all cells of the block and all {count} times"
        if count > len(shown):
            note = f"{len(shown)} of {count} times, --json has all; {note}"
        energy = ", ".join(f"{value:.4g} J {key}" for key, value in found.energy_j.items())
        tail = [
            f"hottest {float(found.hottest_k.max()) - ZERO_C_K:.2f}; {energy}; {found.method} in time",
            note,
        ]
    else:
        cells = [["block", "layer", "power", "mean", "highest"]]
        for index, name in enumerate(found.blocks):
            watts = found.power_w[index] + found.leakage_w[index]
            means = [f"{each[index] - ZERO_C_K:.2f}" for each in (found.avg_k, found.max_k)]
            cells.append([name, found.layer_of(name), f"{watts:.4g} W", *means])
        heat = ", ".join(
            f"{value:.4g} W through the {side}" for side, value in found.heat_out_w.items() if value
        )
        leak = f" ({found.leakage_w.sum():.4g} W of it leakage)" if found.leakage_w.any() else ""
        total = f"{found.power_w.sum() + found.leakage_w.sum():.4g} W{leak}"
        tail = [f"hottest {found.hottest_k - ZERO_C_K:.2f}; {total}; {heat or 'no heat'}"]
    return [*head, *align(cells), *tail]


def _draw(found: Any, plot: Path, layer: str | None) -> None:
    from archsim.report.style import save_new
    from archsim.report.thermal_plots import plot_temperature_map, plot_temperatures

    over_time = hasattr(found, "times_s") and layer is None
    axes = plot_temperatures(found) if over_time else plot_temperature_map(found, layer)
    save_new(axes, plot)
    print(f"plot: {plot}", file=sys.stderr)
