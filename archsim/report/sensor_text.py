"""Near-sensor systems as text for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from archsim.errors import InputError
from archsim.sensor.energy import FrameEnergy
from archsim.sensor.near_sensor import NearSensor, SensorRun
from archsim.sensor.policies import POLICIES
from archsim.sensor.system import VisionSystem
from archsim.tables import align
from archsim.units import ZERO_C_K

_WIDTH = 110
#: Rows of a component that are shown one by one.
_MOST_ROWS = 8
#: Rows whose reasons are told below a table.
_MOST_REASONS = 8


def run_lines(found: SensorRun) -> list[str]:
    """Return one run, a line for each question."""
    run, setting = found.run, found.setting
    far_w = setting.powers.far.system_w
    rows = [
        ("policy", f"{run.policy}: {POLICIES[run.policy]}" if run.policy in POLICIES else run.policy),
        (
            "power",
            f"{watts(run.system_w)}, {watts(far_w)} far from the sensor: {percent(found.saving)} saved",
        ),
        ("", f"{watts(run.die_w)} of it heats the stack"),
        ("duty", _duty(found)),
        ("frames", f"{run.fps:.2f} of {1 / setting.frame_s:g} per second are computed on" + _each(found)),
        (
            "temperature",
            f"{_c(run.hottest_k)} at most, {_c(run.mean_k)} on average, {_c(setting.ladder.ambient_k)} outside",
        ),
        *_limits(found),
        ("image SNR", _ratio(found)),
    ]
    if run.requests:
        rows.append(("for people", _captures(found)))
    rows.append(("limits kept", f"{'yes' if run.met else 'NO'}: {run.reason}" if run.promised or not run.met
                 else "yes, though not promised: " + run.reason))  # fmt: skip
    return [*head_lines(found), "", *_paragraphs(rows)]


def head_lines(found: SensorRun) -> list[str]:
    """Return what was run."""
    sensor, vision = found.sensor, found.sensor.vision
    pair = f"{vision.network.name}, {vision.network.macs * 1e-9:.2f} G multiply-accumulates per frame of"
    lines = [
        f"{sensor.name}: {sensor.description}" if sensor.description else sensor.name,
        f"{pair} {vision.columns} x {vision.rows} pixels; {sensor.image_sensor.name}, {sensor.scene.name}, "
        f"{found.setting.duration_s:g} s",
    ]
    blocks = sensor.blocks()
    if blocks is not None:
        lines.append(f"power in {blocks[0]}, images at {blocks[1]}{_by_default(sensor)}")
    return lines


def _by_default(sensor: NearSensor) -> str:
    """Say which of the blocks nobody chose."""
    missing = []
    if sensor.heated is None:
        missing.append("heated, the hottest block of the stack as it is")
    if sensor.watched is None:
        missing.append("watched, the heated block")
    return f" (defaults: {'; '.join(missing)})" if missing else ""


def _each(found: SensorRun) -> str:
    return "" if found.frame_mj is None else f", {found.frame_mj:.2f} mJ of the system for each"


def _duty(found: SensorRun) -> str:
    run = found.run
    shares = [
        f"{percent(run.duty)} near",
        f"{percent(run.far_share)} far",
        f"{percent(run.stop_share)} stopped",
    ]
    text = ", ".join(shares)
    if run.migrations_hz:
        text += f"; {run.migrations_hz:.3g} migrations per second"
    if run.t_warm_s is not None and run.t_cool_s is not None:
        text += f"; cycles of {run.t_warm_s:.3g} s near and {run.t_cool_s:.3g} s of rest"
    return text


def _limits(found: SensorRun) -> list[tuple[str, str]]:
    """Return a line for each limit, with the ratio that it comes from."""
    rows = []
    for use, whose in (("vision", "the network"), ("imaging", "people")):
        limit, target = getattr(found.setting.limits, f"{use}_k"), getattr(found.sensor, f"{use}_db")
        if limit == float("inf"):
            text = f"none for {whose}" + (f", who need {target:g} dB" if target is not None else "")
        elif target is None:
            text = f"{_c(limit)} for {whose}, as stated"
        else:
            text = f"{_c(limit)} for {whose}, {target:g} dB: {found.sensor.limit(use).reason}"
        rows.append(("limits" if use == "vision" else "", text))
    return rows


def _ratio(found: SensorRun) -> str:
    hot, mean = found.snr_db(found.run.hottest_k), found.snr_db(found.run.mean_k)
    if hot is None or mean is None:
        return "none: pixels are full"
    return f"{hot:.2f} dB where it is hottest, {mean:.2f} dB at the mean temperature"


def _captures(found: SensorRun) -> str:
    run = found.run
    text = f"{run.requests:,} frames asked for, {run.captured:,} captured, {run.missed:,} missed their limit"
    if run.worst_capture_k is not None:
        worst = "full pixels" if found.capture_db is None else f"{found.capture_db:.2f} dB"
        text += f"; worst {worst}, longest wait {run.longest_wait_s * 1e3:.3g} ms"
    return text


def _paragraphs(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Set labels beside their texts, broken where a line would be too long."""
    left = max(len(label) for label, _ in rows) + 2
    lines = []
    for label, text in rows:
        first, *more = textwrap.wrap(text, _WIDTH - left) or [""]
        lines += [(label.ljust(left) + first).rstrip(), *(" " * left + line for line in more)]
    return lines


# tables


def table_lines(rows: Sequence[tuple[str, str, SensorRun | InputError]]) -> list[str]:
    """Return runs side by side: title of the first column, name of the row, run."""
    head = [
        "system",
        "saved",
        "near %",
        "far %",
        "fps",
        "mJ/frame",
        "max degC",
        "SNR, dB",
        "people, dB",
        "met",
    ]
    cells = [[rows[0][0], *head]]
    reasons: dict[str, None] = {}
    for _, name, each in rows:
        if isinstance(each, InputError):
            cells.append([name, *["-"] * 9, "cannot"])  # a dash for each figure
            reasons[f"{name}: {each}"] = None
            continue
        run = each.run
        hot, worst = each.snr_db(run.hottest_k), each.capture_db
        # Full pixels have no ratio; frames that nobody asked for have none either.
        people = "full" if run.worst_capture_k is not None else "-"
        cells.append([
            name, watts(run.system_w), percent(each.saving), f"{100 * run.duty:.1f}", f"{100 * run.far_share:.1f}",
            f"{run.fps:.2f}", "-" if each.frame_mj is None else f"{each.frame_mj:.2f}",
            f"{run.hottest_k - ZERO_C_K:.1f}", "full" if hot is None else f"{hot:.2f}",
            people if worst is None else f"{worst:.2f}", "yes" if run.met else "NO",
        ])  # fmt: skip
        if not run.met:
            reasons[f"{name}: {run.reason}"] = None
    shown = list(reasons)[:_MOST_REASONS]
    if len(reasons) > len(shown):
        shown.append(f"and {len(reasons) - len(shown)} more that missed; --json has all reasons")
    notes = [line for text in shown for line in textwrap.wrap(text, _WIDTH, subsequent_indent="  ")]
    return [*align(cells), "", *_legend(cells), *([""] if notes else []), *notes]


def _legend(cells: Sequence[Sequence[str]]) -> list[str]:
    """Say what the columns are, and those words that are in them."""
    told = [
        "mJ/frame: of the system, for each frame that is computed on; near and far: of all frames, the rest stops",
        "SNR, dB: where it is hottest; people, dB: the worst frame that people asked for",
    ]
    if any("full" in row for row in cells):
        told.append("full: light and dark current fill the pixel, so that it has no ratio")
    if any(row[-1] == "cannot" for row in cells):
        told.append("cannot: no temperature gives the ratio that is asked for, so that nothing was run")
    return told


def least_power(runs: Sequence[SensorRun]) -> tuple[SensorRun | None, SensorRun | None]:
    """Return the run of least power that keeps all limits, and the one that also computes every frame.

    A run that computes no frame at all keeps every limit, and is no answer.
    """
    kept = [each for each in runs if each.run.met and each.run.fps > 0]
    every = [each for each in kept if each.run.stop_share == 0.0]

    def least(some: Sequence[SensorRun]) -> SensorRun | None:
        return min(some, key=lambda each: each.run.system_w, default=None)

    return least(kept), least(every)


def least_line(runs: Sequence[SensorRun]) -> str:
    """Return the answer of a comparison of policies in one line."""
    best, whole = (
        None if each is None else f"{each.run.policy} ({watts(each.run.system_w)})"
        for each in least_power(runs)
    )
    if best is None:
        return "least power that keeps all limits: none of these policies keeps them"
    return f"least power that keeps all limits: {best}; with every frame computed: {whole or 'none'}"


def energy_lines(vision: VisionSystem) -> list[str]:
    """Return the energy of a frame, near beside far, row by row of the ledger."""
    near, far, powers = vision.near_frame(), vision.far_frame(), vision.powers()
    keys = list(dict.fromkeys((row.component, row.event) for frame in (near, far) for row in frame.rows))
    order = list(dict.fromkeys(component for component, _ in keys))
    keys.sort(key=lambda key: order.index(key[0]))
    cells = [["one frame, mJ", "count", "pJ each", "near", "far"]]
    cells += [_energy_row(label, events, near, far) for label, events in _short(keys)]
    totals = [frame.total_nj * 1e-6 for frame in (near, far)]
    cells.append(["total", "", "", *(f"{total:.4f}" for total in totals)])
    cells.append(
        ["  of it heats the stack", "", "", *(f"{frame.stack_nj * 1e-6:.4f}" for frame in (near, far))]
    )
    cells.append(
        [
            f"power at {vision.fps:g} per second",
            "",
            "",
            *(watts(frame.power_w(vision.fps)) for frame in (near, far)),
        ]
    )
    lines = [
        f"{vision.name}: {vision.network.name}, {vision.columns} x {vision.rows} pixels; DDR carries "
        f"{vision.ddr_factor:.4g} frames per frame", "", *align(cells), "",
        f"near saves {percent(vision.saving())}; the stack takes {watts(powers.near.die_w)} near, "
        f"{watts(powers.far.die_w)} far, {watts(powers.stop.die_w)} stopped; a migration takes "
        f"{powers.switch_j * 1e3:.3g} mJ and {powers.switch_s * 1e6:.3g} us",
    ]  # fmt: skip
    if vision.converters:
        lines.append(f"{vision.converters} converters side by side keep up with the pixels")
    if vision.processor is not None:
        run = vision.run()
        lines.append(
            f"{vision.processor.name} of {vision.multiplier}: {run.time_ns * 1e-6:.3g} ms of the "
            f"{vision.frame_s * 1e3:.3g} ms of a frame; its energy has no movement of features, as that of the host has"
        )
    return [
        part for line in lines for part in (textwrap.wrap(line, _WIDTH) if len(line) > _WIDTH else [line])
    ]


def _short(keys: list[tuple[str, str]]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the rows to show, component and events: of a component with many, one for each first word."""
    counts: dict[str, int] = {}
    for component, _ in keys:
        counts[component] = counts.get(component, 0) + 1
    shown: dict[tuple[str, str], list[str]] = {}
    for component, event in keys:
        label = event if counts[component] <= _MOST_ROWS else event.split()[0]
        shown.setdefault((component, label), []).append(event)
    return [
        (f"{component} {label}".replace("_", " "), tuple(events))
        for (component, label), events in shown.items()
    ]


def _energy_row(label: str, events: tuple[str, ...], near: FrameEnergy, far: FrameEnergy) -> list[str]:
    cells, count, each = [], "", ""
    for frame in (near, far):
        rows = [
            row for row in frame.rows
            if row.event in events and label.startswith(row.component.replace("_", " ") + " ")
        ]  # fmt: skip
        if rows:
            count = f"{sum(row.count for row in rows):,}"
            pj = sorted({row.pj_per_event for row in rows})
            each = _figure(pj[0]) if len(pj) == 1 else ""
        cells.append(f"{sum(row.energy_nj for row in rows) * 1e-6:.4f}" if rows else "-")
    return [label, count, each, *cells]


def _figure(value: float) -> str:
    return f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}"


def noise_lines(sensor: NearSensor, data: Mapping[str, Any]) -> list[str]:
    """Return the noise of images, a column for each temperature."""
    names = {
        "photon_e": "photons", "dark_current_e": "dark current", "read_e": "read-out", "reset_e": "kT/C",
        "quantisation_e": "rounding", "dsnu_e": "DSNU", "prnu_e": "PRNU", "total_e": "together",
    }  # fmt: skip
    cells = [["noise, electrons", *(f"{kelvin - ZERO_C_K:g} degC" for kelvin in data["temperature_k"])]]
    for key, title in names.items():
        cells.append([title, *(f"{value:.3g}" for value in data["noise_e"][key])])
    cells.append(["SNR, dB", *("full" if ratio is None else f"{ratio:.2f}" for ratio in data["snr_db"])])
    light = f"{data['signal_e']:.4g} electrons of an image value of {sensor.signal:g}"
    return [f"{sensor.image_sensor.name}, {sensor.scene.name}: {light}", "", *align(cells)]


def watts(value: float) -> str:
    """Write a power."""
    return f"{value:.3f} W" if value >= 0.1 else f"{value * 1e3:.1f} mW"


def percent(share: float) -> str:
    """Write a share."""
    return f"{100 * share:.1f} %" if abs(100 * share) >= 0.05 else "0.0 %"


def _c(kelvin: float) -> str:
    return f"{kelvin - ZERO_C_K:.1f} degC"
