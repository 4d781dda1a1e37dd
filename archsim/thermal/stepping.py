"""Through time: from one change of power, or one time asked for, to the next."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.thermal.leakage import Leaks
from archsim.thermal.network import StiffError
from archsim.thermal.power import PowerTrace
from archsim.thermal.results import State, Transient

if TYPE_CHECKING:
    from archsim.thermal.model import ThermalModel

Array = NDArray[np.float64]
#: Bytes of states that are looked at together.
_TOGETHER_BYTES = 1 << 25
#: Steps of Crank-Nicolson after a change of power that are two half steps of backward Euler (Rannacher's start).
_CLEAN_STEPS = 2


class _Walk:
    """A state that moves, the heat that leaves it, and the energy that enters."""

    def __init__(self, model: ThermalModel, field: Array, lumps: Array, method: str) -> None:
        self.engine, self.method = model.engine, method
        self.state = model.engine.start(field, lumps)
        self.energy = {"in": 0.0, "top": 0.0, "bottom": 0.0}
        self._watts: Array | None = None
        self._force: Array = np.zeros(0)
        self._clean = 0

    def power(self, watts: Array, jump: bool) -> None:
        """Set the power; after a jump Crank-Nicolson starts cleanly."""
        if self._watts is None or not np.array_equal(watts, self._watts):
            self._watts, self._force = watts.copy(), self.engine.force(watts)
            self._clean = _CLEAN_STEPS if jump else self._clean

    def step(self, dt_s: float) -> None:
        """Advance by one step."""
        if self.method == "cn" and self._clean:
            self._clean -= 1
            self._one(dt_s / 2, "be")
            self._one(dt_s / 2, "be")
        else:
            self._one(dt_s, self.method)

    def _one(self, dt_s: float, method: str) -> None:
        after = self.engine.step(self.state, self._force, dt_s, method)
        assert self._watts is not None
        self.energy["in"] += float(self._watts.sum()) * dt_s
        for side, heat in self.engine.leaving(self.state, after, self._force, dt_s, method).items():
            self.energy[side] += heat
        self.state = after

    def trial(self, dt_s: float) -> Array:
        """Return the block means that a step would lead to."""
        return self.engine.means(self.engine.step(self.state, self._force, dt_s, self.method))


class Run:
    """A transient from its first to its last time."""

    def __init__(
        self,
        model: ThermalModel,
        trace: PowerTrace,
        times: Array,
        method: str,
        step_s: float,
        leaks: Leaks | None,
        watch: Callable[[float, State], None] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self.model, self.trace, self.times, self.method, self.step_s = model, trace, times, method, step_s
        self.leaks, self.watch, self.progress = leaks, watch, progress
        self._before: Array | None = None

    def go(self, field: Array, lumps: Array) -> Transient:
        """Run from a field, and return what was seen."""
        model, times, starts = self.model, self.times, self.trace.starts_s
        walk = _Walk(model, field, lumps, self.method)
        before = model.net.storage(field, lumps)
        events = np.unique(np.concatenate([times, starts[starts < times[-1]], [0.0]]))
        interval = np.searchsorted(starts, events, side="right") - 1
        seen = np.isin(events, times)
        leak = np.zeros(len(model.blocks))
        shape = (len(times), len(model.blocks))
        means, peaks, powers, leaking = (np.zeros(shape) for _ in range(4))
        waiting: list[Array] = []
        count = 0
        for number, now in enumerate(events):
            if number:
                leak = self._between(
                    walk, float(events[number - 1]), float(now), self.trace.watts[interval[number - 1]]
                )
            if seen[number]:
                powers[count], leaking[count] = self.trace.watts[interval[number]], leak
                waiting.append(walk.state)
                count += 1
                if self.watch is not None:
                    self.watch(float(now), State(*model.engine.fields(walk.state)))
            if waiting and (number == len(events) - 1 or len(waiting) * walk.state.nbytes > _TOGETHER_BYTES):
                part = slice(count - len(waiting), count)
                means[part], peaks[part] = model.engine.observe(waiting)
                waiting = []
        end = model.engine.fields(walk.state)
        energy = {**walk.energy, "stored": model.net.storage(*end) - before}
        if not (np.isfinite(means).all() and np.isfinite(end[0]).all()):
            raise StiffError
        ambient = model.ambient_k
        return Transient(
            model, end, times, means + ambient, peaks + ambient, (powers, leaking), energy, self.method
        )

    def _between(self, walk: _Walk, start_s: float, end_s: float, watts: Array) -> Array:
        """Advance from one event to the next in equal steps; return the leakage of the last."""
        leak = np.zeros(len(watts))
        jump = self._before is None or not np.array_equal(watts, self._before)
        self._before = watts
        if self.leaks is None:
            walk.power(watts, jump)
        one_jump = self.method == "exact" and self.leaks is None
        steps = 1 if one_jump else max(1, ceil((end_s - start_s) / self.step_s - 1e-9))
        # Steps that differ by rounding alone are one, so that they share a factorisation.
        dt_s = float(f"{(end_s - start_s) / steps:.12g}")
        for number in range(steps):
            if self.leaks is not None:
                leak = self._leak(walk, watts, dt_s, jump and number == 0, start_s + (number + 1) * dt_s)
            walk.step(dt_s)
            if self.progress is not None:
                self.progress(dt_s)
        return leak

    def _leak(self, walk: _Walk, watts: Array, dt_s: float, jump: bool, then_s: float) -> Array:
        """Set power with the leakage at the middle of a step, foreseen with that at its start; return the leakage."""
        leaks, ambient = self.leaks, self.model.ambient_k
        assert leaks is not None
        when = f" at {then_s:.6g} s"
        leak = np.zeros(len(watts))
        here = walk.engine.means(walk.state)[leaks.index] + ambient
        leaks.check(here, self.model.stack.limit_k, when)
        leak[leaks.index] = leaks.watts(here)
        walk.power(watts + leak, jump)
        then = walk.trial(dt_s)[leaks.index] + ambient
        leaks.check(then, self.model.stack.limit_k, when)
        leak[leaks.index] = leaks.watts((here + then) / 2)
        walk.power(watts + leak, jump=False)
        return leak


class Stepper:
    """A model that is driven from outside, for simulations that step together. Leakage is the driver's."""

    def __init__(self, model: ThermalModel, field: Array, lumps: Array, method: str) -> None:
        if method not in model.engine.methods:
            raise InputError(
                f"method {method!r}: the {model.solver} solver has {', '.join(model.engine.methods)}"
            )
        self.model = model
        self._walk = _Walk(model, field, lumps, method)

    def advance(self, power: object, dt_s: float) -> Array:
        """Advance by a time with constant power in one step, and return the means of the blocks, K.

        Raises
        ------
        InputError
            For a time that is not above 0, or power that is refused.
        """
        if not (dt_s > 0 and np.isfinite(dt_s)):
            raise InputError(f"time {dt_s:g} s: must be more than 0; time does not run backwards")
        self._walk.power(self.model.power(power), jump=True)
        self._walk.step(dt_s)
        return self.means_k

    @property
    def means_k(self) -> Array:
        """Means of the blocks now."""
        return self._walk.engine.means(self._walk.state) + self.model.ambient_k

    @property
    def state(self) -> State:
        """The whole field now."""
        return State(*self._walk.engine.fields(self._walk.state))
