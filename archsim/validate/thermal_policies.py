"""Policies of a near-sensor stack against the two-pole reference and the paper of the stacked sensor."""

from __future__ import annotations

from collections.abc import Iterator
from csv import DictReader
from pathlib import Path
from typing import Any

from archsim.sensor.policies import ClosedForm, Limits, PolicyRun, Setting, closed_form, run
from archsim.sensor.powers import ModePower, Powers
from archsim.thermal.compact import TwoPole
from archsim.units import ZERO_C_K
from archsim.validate.row import Row

_DATA = Path(__file__).parent / "data" / "thermal_policies.csv"
_PAPER = "Kodukula et al., "
#: The two-pole stack of the reference: 34 K/W in all, 5.5 K/W of it and 5 ms of the die.
_LADDER = TwoPole(5.5, 0.909e-3, 28.5, 0.35, 26.3 + ZERO_C_K)
#: System powers do not enter what is compared.
_POWERS = Powers(ModePower(2.5, 2.5), ModePower(0.1, 0.1), ModePower(0.1, 0.1), switch_s=100e-6)
#: Share within which simulation and formula hold.
_ROOM = 0.01
_NOTES = {
    "simulation": "an independent simulation of the same ladder: the computing is compared",
    "formula": "t_cool with T_low - Tss below the line; an independent evaluation",
    "printed": "as printed, T_low - Tss - T_jump below the line: not what the stack does; shown by literal = true",
}


def setting(policy: Any = "seasonal", **more: Any) -> Setting:
    """Return a setting of the paper's stack."""
    return Setting(**{"ladder": _LADDER, "powers": _POWERS, "policy": policy} | more)


def _kelvin(celsius: float) -> float:
    return celsius + ZERO_C_K


def rows() -> Iterator[Row]:
    """Yield one row for each figure."""
    yield from _seasons()
    yield from _drops()
    yield from _frames()
    yield from _duties()


def _seasons() -> Iterator[Row]:
    """Yield the four cases of hysteresis: by simulation, by formula, as printed, and the two beside each other."""
    found: dict[tuple[str, str], tuple[PolicyRun, ClosedForm, ClosedForm]] = {}
    with _DATA.open(encoding="utf-8", newline="") as file:
        for line in DictReader(text for text in file if not text.startswith("#")):
            high, low, kind, name = line["high_c"], line["low_c"], line["kind"], line["quantity"]
            if (high, low) not in found:
                bounds = {"high_k": _kelvin(float(high)), "low_k": _kelvin(float(low))}
                one = setting(quantised=False, foresight=False, **bounds)
                found[high, low] = run(one), closed_form(one), closed_form(one.changed(literal=True))
            simulated, formula, printed = found[high, low]
            measured = getattr({"simulation": simulated, "formula": formula, "printed": printed}[kind], name)
            case = f"seasons {high}/{low} degC"
            note = f"prediction; {_NOTES[kind]}"
            yield Row(f"{case}, {kind}", _label(name), float(line["expected"]), measured, _ROOM, note)
    for (high, low), (simulated, formula, _) in found.items():
        for name in ("duty", "t_warm_s", "t_cool_s", "migrations_hz"):
            yield Row(
                f"seasons {high}/{low} degC, formula and simulation", _label(name), getattr(simulated, name),
                getattr(formula, name), _ROOM, "both are ours; expected is the simulation's",
            )  # fmt: skip


def _label(name: str) -> str:
    """Write the name of a figure with its unit."""
    what, _, unit = name.rpartition("_")
    return f"{what}, {unit.replace('hz', '1/s')}" if what else name


def _drops() -> Iterator[Row]:
    hot = setting(high_k=_kelvin(87))
    yield Row(
        f"{_PAPER}policies", "T_jump from 1 to 0.1 W, K", 5.0,
        hot.changed(powers=Powers(ModePower(1.0, 1.0), _POWERS.far, _POWERS.stop)).jump_k, 0.5 / 5.0,
        "calibration: 5.5 K/W is the paper's alpha; printed to whole degrees",
    )  # fmt: skip
    limit = {"limits": Limits(imaging_k=_kelvin(60)), "latency_s": 1 / 30}
    physical = setting(**limit)
    yield Row(
        f"{_PAPER}policies", "T_jump_latency of a frame, 2.5 to 0.1 W, K", 13.2, physical.jump_latency_k, 0.5 / 13.2,
        "calibration; T_jump (1 - exp(-t / RC))",
    )  # fmt: skip
    yield Row(
        f"{_PAPER}policies", "T_jump_latency as printed, K", 13.2, physical.changed(literal=True).jump_latency_k, None,
        "T_jump exp(-t / RC) is the part of the jump that is still to come; shown by literal = true",
    )  # fmt: skip


def _frames() -> Iterator[Row]:
    """Yield the stop of one frame, and what stops leave of the frames."""
    at_87 = (_kelvin(87), _kelvin(87) - _LADDER.r1_k_w * 2.5)
    stop = setting(
        "stop-capture-go",
        limits=Limits(_kelvin(87), _kelvin(75)),
        start_k=at_87,
        frame_s=0.033,
        duration_s=0.033,
    )
    stopped = run(stop)
    captured = stopped.worst_capture_k if stopped.worst_capture_k is not None else float("nan")
    note = "prediction: the policy stops from 87 degC and captures after its first frame; printed to whole degrees"
    yield Row(
        f"{_PAPER}stop-capture-go",
        "captured frame after 87 degC, degC",
        74.0,
        captured - ZERO_C_K,
        1 / 74,
        note,
    )
    yield Row(
        f"{_PAPER}stop-capture-go",
        "frames of that stop",
        1.0,
        stopped.longest_wait_s / 0.033,
        1e-9,
        "prediction",
    )

    def of_fifty(count: int) -> Any:
        return lambda state: "near" if state.frame % 50 < count else "stop"

    for share, fps in ((98, 29.4), (40, 12.0)):
        measured = run(setting(of_fifty(share // 2), duration_s=100.0)).fps
        yield Row(
            f"{_PAPER}stop-capture-go", f"frames a second, {share} % near", fps, measured, 1e-6,
            "neither: the definition of effective frames, which the accounting keeps",
        )  # fmt: skip


def _duties() -> Iterator[Row]:
    one_watt = Powers(ModePower(1.0, 1.0), _POWERS.far, _POWERS.stop)
    warm = setting(high_k=_kelvin(87), powers=one_watt)
    for policy in ("seasonal", "stop-capture-go"):
        yield Row(
            f"{_PAPER}{policy}", "duty at 1 W, T_high 87 degC, %", 100.0, 100 * run(warm.changed(policy=policy)).duty,
            1e-9, "prediction; 1 W settles at 60.3 degC. 87 degC is assumed: the paper's limits are not in its text",
        )  # fmt: skip
    least = (87 - 26.3) / (_LADDER.r1_k_w + _LADDER.r2_k_w)
    yield Row(
        f"{_PAPER}seasonal", "power up to which duty is 100 %, W", 1.0, least, None,
        "T_high 87 degC; the paper's 1 W is T_high of 60.3 degC, or a higher ambient",
    )  # fmt: skip
    figure = run(setting(high_k=_kelvin(100), low_k=_kelvin(80)))
    yield Row(
        "patent US 11,107,181, Fig. 7", "duty of seasons, %", 77.0, 100 * figure.duty, None,
        "its limits are not in the text: shown for 100/80 degC, whose duty is near",
    )  # fmt: skip
    room = [run(setting(high_k=_kelvin(87), ladder=_warmer(by))).duty for by in (0.0, 10.0, 20.0)]
    falls = float(room[0] > room[1] > room[2])
    yield Row(
        f"{_PAPER}seasonal", "duty falls with ambient, 26 to 46 degC (1: yes)", 1.0, falls, 0.0, "prediction"
    )


def _warmer(by_k: float) -> TwoPole:
    return TwoPole(_LADDER.r1_k_w, _LADDER.c1_j_k, _LADDER.r2_k_w, _LADDER.c2_j_k, _LADDER.ambient_k + by_k)
