"""Temperatures of stacks against closed forms, 3D-ICE 4.0, HotSpot 7 and the paper of the stacked sensor.

Both simulators were run on the stack that is now the preset `cis3`, from one description: what is compared is the
solving, not how real the stack is. Tolerances are in kelvin: what was printed, and what the steps in time leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from csv import DictReader
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from archsim.thermal.compact import TwoPole
from archsim.thermal.model import ThermalModel
from archsim.thermal.spec import Stack
from archsim.units import ZERO_C_K
from archsim.validate import thermal_energy, thermal_image, thermal_policies, thermal_sensor
from archsim.validate.row import Row

_DATA = Path(__file__).parent / "data" / "thermal.csv"
#: Kelvin within which a figure of a simulator holds, by case and tool.
_ROOM_K = {
    ("A", "3D-ICE 4.0"): 2e-3, ("B", "3D-ICE 4.0"): 2e-3, ("B-heat", "3D-ICE 4.0"): 3e-3,
    ("B", "HotSpot 7"): 1e-3, ("C", "HotSpot 7"): 1e-3, ("B-heat-hotspot", "HotSpot 7"): 3e-3,
}  # fmt: skip
#: Share within which a closed form holds.
_CLOSED_FORM = 5e-3
_NOTES = {
    "3D-ICE 4.0": "printed to 1 mK",
    "HotSpot 7": "nodes on faces, as HotSpot has them",
    "C": "spreader and sink as 12 lumps",
    "B-heat-hotspot": "capacities times 0.333, as HotSpot takes them",
}
#: The plate of AN5: W/(m K), W/(m2 K), W/m2; cooled like the stack of cis3.
_PLATE = {
    "side_mm": 5.0,
    "thickness_um": 100.0,
    "conductivity": 130.0,
    "film": 1 / (30.0 * 25e-6),
    "flux": 1e4,
}


def assumptions() -> list[str]:
    """Return what the comparison assumes."""
    return [
        "thermal: 3D-ICE, HotSpot and this model solve one description of a stack; its layers are typical ones",
        "thermal: stag2p and ar0330 are fitted to 34.8 and 31.4 degC at 250 and 150 mW, to 5.5 K/W from die to package "
        "and to 98 % within 20 ms of Kodukula et al.; 60.7 degC at 1 W and the drops of temperature are predictions",
        *thermal_energy.assumptions(),
        "thermal: the limits at which the paper's policies act are not in its text; the rows name those taken",
        *thermal_image.assumptions(),
    ]


def rows(data: Path | None = None) -> Iterator[Row]:
    """Yield one row for each figure."""
    del data
    with _DATA.open(encoding="utf-8", newline="") as file:
        for line in DictReader(text for text in file if not text.startswith("#")):
            yield _row(line)
    yield from _paper()
    yield from thermal_energy.rows()
    yield from thermal_policies.rows()
    yield from thermal_image.rows()
    yield from thermal_sensor.rows()


def _row(line: dict[str, str]) -> Row:
    case, tool, expected = line["case"], line["tool"], float(line["expected"])
    if case.startswith("AN"):
        return _closed_form(line, expected)
    model, found = _run(case, int(line["grid"]), "face" if tool == "HotSpot 7" else "centre")
    block = model.block_index(line["name"])
    values = found.avg_k if line["quantity"] == "mean" else found.max_k
    time = line["time_s"]
    measured = values[int(np.argmin(np.abs(found.times_s - float(time))))][block] if time else values[block]
    rise = expected - model.ambient_k
    when = f" at {float(time) * 1e3:g} ms" if time else ""
    note = "; ".join(text for key in (tool, case) if (text := _NOTES.get(key)))
    return Row(
        f"{tool}, case {case}, {line['grid']}x{line['grid']}", f"{line['quantity']} rise of {line['name']}{when}, K",
        rise, float(measured) - model.ambient_k, _ROOM_K[case, tool] / rise, note,
    )  # fmt: skip


@cache
def _run(case: str, cells: int, nodes: Any) -> tuple[ThermalModel, Any]:
    """Run a case once for all its figures."""
    stack = Stack.load("cis3")
    if case == "A":
        model = ThermalModel(stack, cells)
        # Each die has its power spread over its whole area.
        dies = {"sensor": 0.05, "dram": 0.10, "vpu": 0.85}
        power: dict[str, float] = {}
        for layer in stack.layers:
            rects = [(block.name, block.within(stack.width_mm, stack.height_mm)) for block in layer.blocks]
            area = sum(rect.width * rect.height for _, rect in rects)
            power |= {name: dies[layer.name] * rect.width * rect.height / area for name, rect in rects}
        return model, model.steady(power)
    if case == "B":
        model = ThermalModel(stack, cells, nodes=nodes)
        return model, model.steady()
    if case == "C":
        model = ThermalModel(_on_package(stack), cells, nodes=nodes)
        return model, model.steady()
    if case == "B-heat-hotspot":
        stack = _as_hotspot(stack)
    model = ThermalModel(stack, cells, nodes=nodes)
    times = np.array([1, 2, 5, 10, 20, 50, 100, 200]) * 1e-3
    return model, model.transient(None, times, method="be", step_s=1e-3)


def _changed(stack: Stack, **changes: object) -> Stack:
    return Stack.from_dict({**stack.to_dict(), **changes}, "validation")


def _on_package(stack: Stack) -> Stack:
    """Return the stack on a spreader and a sink wider than itself instead of its last two layers."""
    sink = {
        "spreader_mm": 8.0, "spreader_um": 500.0, "spreader_material": "cu", "sink_mm": 12.0, "sink_um": 1000.0,
        "sink_material": "cu", "convection_k_w": 25.0, "convection_j_k": 0.3,
    }  # fmt: skip
    return _changed(stack, layers=stack.to_dict()["layers"][:-2], bottom={"heatsink": sink})


def _as_hotspot(stack: Stack) -> Stack:
    """Return the stack with HotSpot's factor on capacities, and what its own thin spreader and sink add below."""
    materials = [
        {**each, "heat_capacity_j_m3k": each["heat_capacity_j_m3k"] * 0.333}
        for each in stack.to_dict()["materials"]
    ]
    # Convection is per area of a sink of 5.004 mm; spreader and sink of 1 nm with 0.01 W/(m K) are 4 mK/W each.
    return _changed(stack, materials=materials, bottom={"resistance_k_w": 30.0 * 5.004**2 / 25.0 + 0.008})


# closed forms


def _closed_form(line: dict[str, str], expected: float) -> Row:
    case, time = line["case"], line["time_s"]
    names = {
        "AN1": "series of resistances", "AN2": "slab heated from t = 0, far face held",
        "AN3": "half space heated from t = 0", "AN4": "ladder of two poles", "AN5": "cosine of flux on a plate",
    }  # fmt: skip
    measured = _CASES[case](line)
    quantity = f"{line['quantity']} {line['name']}".strip()
    quantity += f" at {float(time) * 1e3:g} ms" if time else ""
    if case == "AN1":
        expected -= 300.0
        quantity = f"rise of {line['name']}"
    unit = "s" if line["quantity"].startswith("tau") else "K"
    figure = f"{case}: {names[case]}" + (f", nodes at {line['tool']}" if case == "AN1" else "")
    return Row(figure, f"{quantity}, {unit}", expected, measured, _CLOSED_FORM, "")


@cache
def _series(nodes: Any) -> tuple[ThermalModel, Any]:
    stack = Stack.load("cis3")
    layers = []
    for layer in stack.to_dict()["layers"]:
        layers.append({**layer, "blocks": [{"name": f"all {layer['name']}"}] if layer["blocks"] else []})
    model = ThermalModel(_changed(stack, layers=layers), 4, nodes=nodes)
    return model, model.steady({"all sensor": 0.05, "all dram": 0.10, "all vpu": 0.85})


def _an1(line: dict[str, str]) -> float:
    _, found = _series(line["tool"])
    return float(found.layer_k(line["name"]).mean()) - 300.0


def graded(
    depth_um: float, first_um: float, growth: float, conductivity: float, capacity: float
) -> dict[str, Any]:
    """Return materials and layers of a slab heated at its surface, in sublayers that grow with depth."""
    thick = [first_um / 100, first_um]
    while sum(thick) + thick[-1] * growth < depth_um:
        thick.append(thick[-1] * growth)
    thick.append(depth_um - sum(thick))
    layers: list[dict[str, Any]] = [
        {"name": f"z{number}", "thickness_um": each, "material": "slab"} for number, each in enumerate(thick)
    ]
    layers[0]["blocks"] = [{"name": "surface"}]
    slab = {"name": "slab", "conductivity_w_mk": conductivity, "heat_capacity_j_m3k": capacity}
    return {"materials": [slab], "layers": layers}


@cache
def _slab(depth_um: float, first_um: float, times: tuple[float, ...]) -> dict[float, float]:
    """Return the rise of the surface of silicon under 1e4 W/m2, its far face held at ambient."""
    parts = graded(depth_um, first_um, 1.05, 130.0, 1.628e6)
    size = {"name": "slab", "width_mm": 1.0, "height_mm": 1.0, "bottom": {"resistance_k_w": 0.0}}
    model = ThermalModel(Stack.from_dict({**size, **parts}, "validation"), 1)
    run = model.transient({"surface": 1e-2}, times)
    return dict(zip(times, (run.avg_k[:, 0] - model.ambient_k).tolist(), strict=True))


def _an2(line: dict[str, str]) -> float:
    return _slab(500.0, 1.0, (1e-4, 5e-4, 1e-3, 2e-3, 5e-3))[float(line["time_s"])]


def _an3(line: dict[str, str]) -> float:
    return _slab(5000.0, 0.1, (1e-6, 1e-5, 1e-4))[float(line["time_s"])]


def _an4(line: dict[str, str]) -> float:
    ladder = TwoPole(5.5, 5e-3 / 5.5, 28.5, 0.35)
    if line["quantity"].startswith("tau"):
        return float(ladder.taus_s[line["quantity"] == "tau_slow"])
    die, _ = ladder.advance((300.0, 300.0), 2.4, float(line["time_s"]))
    return die - 300.0


def _an5(line: dict[str, str]) -> float:
    return _cosine(int(line["name"]))


def _cosine(waves: int) -> float:
    """Return the amplitude of the surface of a plate under a flux that is a cosine across it."""
    cells, plate = 128, _PLATE
    parts = graded(plate["thickness_um"], plate["thickness_um"] / 100, 1.0, plate["conductivity"], 1.6e6)
    size = {"name": "plate", "width_mm": plate["side_mm"], "height_mm": plate["side_mm"]}
    below = {"bottom": {"coefficient_w_m2k": plate["film"]}}
    model = ThermalModel(Stack.from_dict({**size, **parts, **below}, "validation"), (cells, 1))
    wave = np.cos(np.pi * waves * (np.arange(cells) + 0.5) / cells)
    power = np.zeros(model.net.shape)
    power[0, 0] = plate["flux"] * wave * model.net.dx_m * model.net.dy_m
    rise, _ = model.engine.solve(power)
    return float(2.0 * (rise[0, 0] * wave).mean())


_CASES: dict[str, Callable[[dict[str, str]], float]] = {
    "AN1": _an1, "AN2": _an2, "AN3": _an3, "AN4": _an4, "AN5": _an5,
}  # fmt: skip


# the paper


def _paper() -> Iterator[Row]:
    """Yield the figures of Kodukula et al. (Sensors 2021) that are temperatures of the stack."""
    figure = "Kodukula et al., "
    chip = ThermalModel(Stack.load("ar0330"), 4)
    for watts, expected in ((0.25, 34.8), (0.15, 31.4)):
        measured = float(chip.steady({"die": watts}).avg_k[0]) - ZERO_C_K
        note = "calibration: resistance and ambient are fitted to it"
        yield Row(
            f"{figure}AR0330", f"at {watts * 1e3:g} mW, degC", expected, measured, 0.05 / expected, note
        )
    start = chip.steady({"die": 0.25})
    drop = start.avg_k[0] - chip.transient({"die": 0.15}, [0.03], initial=start.state).avg_k[0, 0]
    note = "calibration: the die is fitted to it"
    yield Row(
        f"{figure}AR0330", "share of the drop within 30 ms, %", 30.0, 100 * float(drop) / 3.4, 0.1, note
    )
    model = ThermalModel(Stack.load("stag2p"), 4)
    watt = {"s_all": 0.01, "d_all": 0.0, "v_all": 1.0}
    found = model.steady(watt).avg_k - ZERO_C_K
    # Two temperatures, each within 0.05 K of what is printed, leave 1 K/W on the slope between them.
    room, reach = 0.05, 1.01 - 0.25
    note = "prediction; the two temperatures that it extends are printed to 0.1 K"
    yield Row(f"{figure}stack", "sensor at 1 W, degC", 60.7, float(found[0]), (2 * room + reach) / 60.7, note)
    note = "not reproduced: where heat leaves downwards the processor is not the hottest"
    yield Row(f"{figure}stack", "processor at 1 W, degC", 61.0, float(found[2]), None, note)
    up = _changed(Stack.load("stag2p"), top={"resistance_k_w": 34.0}, bottom={})
    found = ThermalModel(up, 4).steady(watt).avg_k
    note = "not reproduced in size, which needs other bonds; heat leaves upwards here, and the order is the paper's"
    yield Row(
        f"{figure}stack, upwards",
        "processor less sensor at 1 W, K",
        0.3,
        float(found[2] - found[0]),
        None,
        note,
    )
    yield Row(
        f"{figure}stack, upwards", "memory less sensor at 1 W, K", 0.2, float(found[1] - found[0]), None, note
    )
    yield from _drops(model, f"{figure}stack")


def _drops(model: ThermalModel, figure: str) -> Iterator[Row]:
    hot, cool = {"s_all": 0.05, "d_all": 0.05, "v_all": 2.4}, {"s_all": 0.05, "d_all": 0.05, "v_all": 0.0}
    steady = model.steady(hot)
    after = model.transient(cool, [0.02], initial=steady.state)
    note = "prediction; 13.2 K is 5.5 K/W times 2.4 W, which the text rounds to 13"
    drop = float(steady.avg_k[0] - after.avg_k[0, 0])
    yield Row(figure, "drop from 2.5 to 0.1 W in 20 ms, K", 13.2, drop, 0.5 / 13.2, note)
    # Heated until the sensor has 87 degC, then stopped for a frame of 30 a second.
    times = np.arange(1, 20001, dtype=np.float64) * 1e-3
    heating = model.transient(hot, times)
    reached = int(np.searchsorted(heating.avg_k[:, 0], 87.0 + ZERO_C_K))
    warm = model.transient(hot, times[reached : reached + 1])
    stopped = model.transient(cool, [1 / 30], initial=warm.state)
    measured = float(stopped.avg_k[0, 0]) - ZERO_C_K
    note = "prediction; heated from ambient with 2.5 W, both ends printed to whole degrees"
    yield Row(figure, "from 87 degC after a frame at 0.1 W, degC", 74.0, measured, 1.0 / 74.0, note)
