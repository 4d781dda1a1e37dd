"""The command ``archsim sensor``."""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.cli_options import JsonOption, positive, time_of

if TYPE_CHECKING:
    from archsim.sensor import NearSensor, SensorRun

SENSOR_EXAMPLES = """\b
Examples:
  archsim sensor stagioni
  archsim sensor vgg16-dim --policy stop-capture-go --plot temperature.png
      the die over the first minute, its bounds, and where frames are computed
  archsim sensor vgg16-dim --compare
  archsim sensor vgg16-dim --compare --vary imaging_db=18..22,22.5,23 --plot power.png
      power of every policy against what people demand; 23 dB are more than the light allows
  archsim sensor stagioni --set ambient_k=313.15 --set vision.network.preset=squeezenet
  archsim sensor stagioni --energy --set vision.readout=nnadc-10b-3bit
      where the energy of a frame goes, with a converter of RRAM networks behind the pixels
  archsim sensor stagioni --energy --set vision.processor=stacked-256 --set vision.multiplier=bam_4_0
      and with an array of approximate multipliers as the processor of the stack
  archsim sensor vgg16-dim --temperature 30,60,90
      noise and signal to noise ratio of its images at these temperatures, degC
"""
#: Seconds that a picture of temperatures shows.
_SHOWN_S = 60.0


def sensor(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="Preset (see `archsim show sensor`) or .toml file.")
    ],
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy", metavar="P",
            help="full-far, full-near, stop-capture-go, seasonal or on-demand. Default: that of the system.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a parameter, e.g. vision.fps=15. Repeatable."),
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="All policies side by side.")] = False,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary", metavar="PATH=V1,V2,...",
            help="Run with each of these values; ranges as of `archsim sweep`. Repeated: all combinations. With "
            "--compare: under all policies.",
        ),
    ] = None,
    energy: Annotated[
        bool, typer.Option("--energy", help="The energy of a frame near and far from the sensor, row by row.")
    ] = False,
    temperature: Annotated[
        str | None,
        typer.Option("--temperature", metavar="C,...", help="Noise of images at these temperatures, degC."),
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="TIME", help="Simulated time, e.g. 90s. Default: 10 minutes.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", parser=positive, help="Threads for many runs. Default: 1."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE",
            help="Draw temperatures, or with --compare and --vary powers, with --energy energies (.png, .svg, .pdf); "
            "must not exist yet.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """A near-sensor system under a policy: power, duty, image SNR."""
    from archsim.files import check_new
    from archsim.report.style import picture_kind

    _check(policy, compare, bool(vary), energy, temperature, time, plot)
    if plot is not None:
        picture_kind(plot)
        check_new(plot)
    from archsim.sensor import load_sensor

    changes = list(overrides or [])
    _check_presets(changes, [path for point in (_points(vary)[:1] if vary else []) for path in point])
    if time is not None:
        duration_s = time_of(time, "--time")
        if not duration_s > 0:
            from archsim.errors import InputError

            raise InputError(f"--time {time}: must be more than 0")
        changes.append(f"duration_s={duration_s!r}")
    loaded = load_sensor(name, changes)
    _tell_cold(loaded.two_poles().ambient_k)
    if policy is not None:
        from archsim.sensor.policies import POLICIES

        if policy not in POLICIES:
            from archsim.errors import InputError, nearest

            if policy.endswith(".py") or "/" in policy:
                rule = "a policy of one's own is Python: load_sensor(NAME).simulate(MyPolicy); "
                raise InputError(f"--policy {policy}: {rule}see docs/near-sensor.md#ones-own")
            raise InputError(f"--policy {policy}: unknown policy{nearest(policy, POLICIES)}")
    if energy:
        answer = _energy(loaded)
    elif temperature is not None:
        answer = _noise(loaded, temperature)
    elif vary:
        answer = _varied(loaded, vary, policy, compare, workers or 1)
    elif compare:
        answer = _compared(loaded, workers or 1)
    else:
        answer = _single(loaded, policy)
    data, lines, draw = answer
    try:
        if plot is not None:
            from archsim.report.style import save_new

            save_new(draw(), plot)
            print(f"plot: {plot}", file=sys.stderr)
    finally:
        # A disk that is full costs the picture, not the answer.
        print(json.dumps(data, indent=2) if as_json else "\n".join(lines))


def _check(
    policy: str | None, compare: bool, vary: bool, energy: bool, temperature: str | None, time: str | None,
    plot: Path | None,
) -> None:  # fmt: skip
    """Refuse options that would have no effect."""
    from archsim.errors import InputError

    given = {
        "--policy": policy is not None, "--compare": compare, "--vary": vary,
        "--time": time is not None, "--energy": energy, "--temperature": temperature is not None,
        "--plot": plot is not None,
    }  # fmt: skip
    for option, others in (
        ("--energy", ("--policy", "--compare", "--vary", "--time", "--temperature")),
        ("--temperature", ("--policy", "--compare", "--vary", "--time", "--plot")),
        ("--compare", ("--policy",)),
    ):
        for other in others:
            if given[option] and given[other]:
                raise InputError(f"{other}: has no effect with {option}")


def _check_presets(changes: list[str], varied: list[str]) -> None:
    """Refuse a change whose table a later preset replaces: it would be undone without a word."""
    from archsim.errors import InputError

    paths = [change.partition("=")[0].strip() for change in changes]
    for place, path in enumerate(paths):
        for later in [*paths[place + 1 :], *varied]:
            table = later.removesuffix("preset")
            if table != later and path != later and table and path.startswith(table):
                what = "--vary" if later in varied else "--set"
                rule = f"is undone by {what} {later}, which replaces all of {table.rstrip('.')}"
                hint = "give it as --vary too" if what == "--vary" else "put the preset first"
                raise InputError(f"--set {changes[place]}: {rule}; {hint}")


def _tell_cold(ambient_k: float) -> None:
    """Say so where degrees Celsius were likely meant; on standard error, for the answer may be JSON."""
    from archsim.units import cold_note

    if note := cold_note("ambient_k", ambient_k):
        print(f"note: {note}", file=sys.stderr)


# one run


def _single(loaded: NearSensor, policy: str | None) -> tuple[Any, list[str], Any]:
    from archsim.report.sensor_text import run_lines

    found = loaded.simulate(policy)

    def draw() -> Any:
        from archsim.report.policy_plots import plot_policy
        from archsim.sensor.policies import run

        # The first minute again, frame by frame.
        first = found.setting.changed(duration_s=min(_SHOWN_S, found.setting.duration_s))
        return plot_policy(run(first, trace=True, points=1_000_000), first)

    return found.to_dict(), run_lines(found), draw


# many runs


def _compared(loaded: NearSensor, workers: int) -> tuple[Any, list[str], Any]:
    from archsim.errors import InputError
    from archsim.report.sensor_text import head_lines, least_line, least_power, table_lines
    from archsim.sensor import simulate_many
    from archsim.sensor.policies import POLICIES

    runs: list[SensorRun] = []
    for each in simulate_many([loaded], list(POLICIES), workers):
        if isinstance(each, InputError):
            raise each
        runs.append(each)

    def draw() -> Any:
        from archsim.report.sensor_plots import plot_policies

        return plot_policies(runs)

    table = table_lines([("policy", each.run.policy, each) for each in runs])
    lines = [*head_lines(runs[0]), "", *table, "", least_line(runs)]
    best, whole = (None if each is None else each.run.policy for each in least_power(runs))
    least = {"keeps_limits": best, "keeps_limits_and_computes_every_frame": whole}
    data = {"name": loaded.name, "runs": [each.to_dict() for each in runs], "least_power": least}
    return data, lines, draw


def _varied(
    loaded: NearSensor, vary: list[str], policy: str | None, compare: bool, workers: int
) -> tuple[Any, list[str], Any]:
    from archsim.errors import InputError
    from archsim.report.sensor_text import least_line, table_lines
    from archsim.sensor import SensorRun, simulate_many
    from archsim.sensor.policies import POLICIES
    from archsim.spec import apply_overrides

    points = _points(vary)
    if compare and "policy" in points[0]:
        raise InputError("--vary policy: has no effect with --compare, which takes them all")
    if policy is not None and "policy" in points[0]:
        raise InputError("--policy: has no effect with --vary policy")
    chosen = list(POLICIES) if compare else [policy or loaded.policy]
    sensors = [
        apply_overrides(loaded, [f"{path}={value}" for path, value in point.items()]) for point in points
    ]
    for kelvin in dict.fromkeys(each.two_poles().ambient_k for each in sensors):
        if kelvin != loaded.two_poles().ambient_k:
            _tell_cold(kelvin)
    # A policy that is varied is not to be overruled.
    own = "policy" in points[0]
    runs = simulate_many(sensors, None if own else chosen, workers)
    rows = [runs[k * len(chosen) : (k + 1) * len(chosen)] for k in range(len(points))]
    title = ", ".join(points[0])
    data: list[dict[str, Any]] = []
    table: list[tuple[str, str, SensorRun | InputError]] = []
    for point, row in zip(points, rows, strict=True):
        step = ", ".join(point.values())
        for name, each in zip(chosen, row, strict=True):
            head = {"vary": point}
            if isinstance(each, SensorRun):
                data.append({**head, **each.to_dict()})
                table.append((title, f"{step} {each.run.policy}" if compare else step, each))
            else:
                data.append({**head, "policy": name, "met": False, "reason": str(each)})
                if not compare or name == chosen[0]:
                    table.append((title, step, each))
    lines = [f"{loaded.name}" + ("" if compare or own else f", {chosen[0]}"), "", *table_lines(table)]
    if compare:
        done = [[each for each in row if isinstance(each, SensorRun)] for row in rows]
        told = [
            f"{', '.join(p.values())}: {least_line(row)}" for p, row in zip(points, done, strict=True) if row
        ]
        lines += ["", *told] if told else []

    def draw() -> Any:
        from archsim.report.sensor_plots import plot_policy_power

        try:
            values = [float(point[title]) for point in points]
        except (KeyError, ValueError):
            raise InputError(f"--plot: draws one --vary of numbers, not {title}") from None
        order = sorted(range(len(values)), key=values.__getitem__)
        return plot_policy_power([values[k] for k in order], [rows[k] for k in order], _axis_label(title))

    return {"name": loaded.name, "runs": data}, lines, draw


def _points(vary: list[str]) -> list[dict[str, str]]:
    """Return every combination of what is varied, the first axis outermost: the text of each parameter's value."""
    from archsim.errors import InputError
    from archsim.studies.axes import Axis

    axes = [Axis.parse(text) for text in vary]
    paths = [path for axis in axes for path in axis.paths]
    for path in paths:
        if paths.count(path) > 1:
            raise InputError(f"--vary {path}: is varied twice")
    steps = product(*(axis.values for axis in axes))
    return [dict(zip(paths, (value for step in each for value in step), strict=True)) for each in steps]


def _axis_label(path: str) -> str:
    """Return a parameter with its unit."""
    known = {"imaging_db": "SNR that people need (dB)", "vision_db": "SNR that the network needs (dB)"}
    if path in known:
        return known[path]
    stem, _, unit = path.rpartition("_")
    return (
        f"{stem} ({unit.upper() if unit in ('k', 'w', 'db') else unit})"
        if unit in ("k", "w", "s", "ms", "db")
        else path
    )


# energy and noise


def _energy(loaded: NearSensor) -> tuple[Any, list[str], Any]:
    from archsim.report.sensor_text import energy_lines

    def draw() -> Any:
        from archsim.report.sensor_plots import plot_frame_energy

        return plot_frame_energy(loaded.vision)

    return loaded.vision.report(), energy_lines(loaded.vision), draw


def _noise(loaded: NearSensor, temperatures: str) -> tuple[Any, list[str], Any]:
    from archsim.errors import InputError
    from archsim.report.sensor_text import noise_lines
    from archsim.units import ZERO_C_K

    kelvin = []
    for text in temperatures.split(","):
        try:
            kelvin.append(float(text) + ZERO_C_K)
        except ValueError:
            raise InputError(f"--temperature {text}: must be a number of degrees Celsius") from None
        if not 0 <= kelvin[-1] <= 1000:
            raise InputError(f"--temperature {text}: must be from -273.15 to 726.85 degC")
    camera = loaded.camera()
    noise = camera.noise(kelvin, loaded.signal)
    ratios = camera.snr_db(kelvin, loaded.signal).tolist()
    data = {
        "name": loaded.name,
        "temperature_k": kelvin,
        "signal_e": float(camera.signal_e(loaded.signal)),
        "snr_db": [ratio if ratio > float("-inf") else None for ratio in ratios],
        "noise_e": {key: column.tolist() for key, column in noise.to_dict().items()},
    }
    return data, noise_lines(loaded, data), None
