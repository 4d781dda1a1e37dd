"""Whole near-sensor systems under policies against what Kodukula et al. (Sensors 2021) say of theirs.

Their workloads, powers and temperature limits are not in their text, so that only orders and directions are judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from archsim.errors import InputError
from archsim.sensor.near_sensor import NearSensor, SensorRun, load_sensor, simulate_many
from archsim.sensor.policies import POLICIES, Setting, run
from archsim.sensor.powers import ModePower, Powers
from archsim.sensor.system import VisionSystem
from archsim.spec import preset_names
from archsim.thermal import TwoPole
from archsim.units import ZERO_C_K
from archsim.validate.row import Row

FIGURE = "Near-sensor policies, "
#: Decibels that people need: in dim light, 22.66 are the most that there are.
DEMANDS_DB = (20.0, 21.0, 22.0, 22.5)
#: The stack of the paper as the notes on policies have it: 34 K/W, 5.5 of it and 5 ms of the die, 26.3 degC outside.
_LADDER = TwoPole(5.5, 5e-3 / 5.5, 28.5, 0.35, 26.3 + ZERO_C_K)


def rows() -> Iterator[Row]:
    """Yield one row for each figure."""
    yield from _duty()
    yield from _orders()
    yield from _range()
    yield from _promises()


def _duty() -> Iterator[Row]:
    stack = Powers(ModePower(2.5, 2.5), ModePower(0.1, 0.1), ModePower(0.1, 0.1))
    bounds = {"high_k": 75 + ZERO_C_K, "low_k": 55 + ZERO_C_K}
    duty = run(Setting(_LADDER, stack, "seasonal", quantised=False, foresight=False, **bounds)).duty  # type: ignore[arg-type]
    saving = VisionSystem.load("resnet-1080p34").saving(duty)
    note = "calibration: bounds of 75/55 degC at 2.5 W are chosen for it, whose duty is 0.42"
    yield Row(f"{FIGURE}seasons", "least saving of ResNet, %", 22.0, 100 * saving, 0.5 / 22, note)


def demands(base: NearSensor, policies: Sequence[str]) -> dict[str, list[SensorRun]]:
    """Return runs by policy over `DEMANDS_DB`, with no demand of the network's own."""
    sensors = [
        NearSensor.from_dict({**base.to_dict(), "vision_db": None, "imaging_db": db}, "validation")
        for db in DEMANDS_DB
    ]
    found: dict[str, list[SensorRun]] = {policy: [] for policy in policies}
    for each in simulate_many(sensors, policies):
        assert not isinstance(each, InputError)
        found[each.run.policy].append(each)
    return found


def _orders() -> Iterator[Row]:
    """Yield order and directions of power over demands on images: VGG-16 in dim light."""
    found = demands(load_sensor("vgg16-dim"), ("stop-capture-go", "seasonal", "full-far"))
    watts = {policy: [each.run.system_w for each in runs] for policy, runs in found.items()}
    stop, season, far = watts.values()
    met = all(each.run.met for runs in found.values() for each in runs)
    figure, note = f"{FIGURE}VGG-16, dim, 20 to 22.5 dB", "prediction; 1: yes"
    claims = {
        "stop-capture-go takes less than seasons, seasons less than full-far": all(
            a < b < c for a, b, c in zip(stop, season, far, strict=True)
        ),
        "power of seasons rises with the demand": all(a < b for a, b in pairwise(season)),
        "power of stop-capture-go falls with it": all(a > b for a, b in pairwise(stop)),
        "power of full-far stays": len(set(far)) == 1,
        "every demand is met": met,
    }
    for what, holds in claims.items():
        yield Row(figure, what, 1.0, float(holds), 0.0, note)
    savings = [100 * each.saving for each in found["seasonal"]]
    note = "not reproduced: which limits they had is not in their text"
    yield Row(figure, "least saving of seasons, %", 22.0, min(savings), None, note)
    yield Row(figure, "greatest saving of seasons, %", 53.0, max(savings), None, note)


def _range() -> Iterator[Row]:
    """Yield what the shipped systems save under their own policy."""
    found = [
        each
        for each in simulate_many(load_sensor(name) for name in preset_names("sensor"))
        if isinstance(each, SensorRun)
    ]
    savings = [100 * each.saving for each in found]
    note = "not reproduced: their workloads and limits are not in their text; of the shipped systems"
    yield Row(f"{FIGURE}all systems", "least saving of seasons, %", 22.0, min(savings), None, note)
    yield Row(f"{FIGURE}all systems", "greatest saving of seasons, %", 53.0, max(savings), None, note)


def _promises() -> Iterator[Row]:
    """Yield whether frames for people keep their ratio where a policy has promised it."""
    kept, promised = 0, 0
    for each in simulate_many((load_sensor(name) for name in preset_names("sensor")), list(POLICIES)):
        if isinstance(each, SensorRun) and each.run.promised:
            target, worst = each.sensor.imaging_db, each.capture_db
            promised += 1
            kept += worst is not None and target is not None and worst >= target and each.run.met
    note = "prediction: systems and policies that promise to keep every limit"
    # Without any promise nothing would be shown.
    yield Row(
        f"{FIGURE}all systems", "promises kept, of all", float(max(1, promised)), float(kept), 0.0, note
    )
