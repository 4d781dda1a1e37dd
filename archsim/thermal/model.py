"""A stack on a grid: steady temperatures, and what becomes of them in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import index
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest
from archsim.thermal.leakage import Leaks, RunawayError
from archsim.thermal.network import Nodes, StiffError, build
from archsim.thermal.power import PowerTrace, by_block
from archsim.thermal.results import State, Steady, Transient
from archsim.thermal.sparse import SparseSolver
from archsim.thermal.spec import Stack
from archsim.thermal.spectral import SpectralSolver
from archsim.thermal.stepping import Run, Stepper

Array = NDArray[np.float64]
#: Share of the heat that may be lost to rounding in a steady state.
_LOST = 1e-7
#: Most steps of a transient whose step is given.
MOST_STEPS = 10_000_000
Power = Mapping[str, float] | Sequence[float] | Array | None
Method = Literal["exact", "be", "cn"]


class ThermalModel:
    """A stack on a grid, and the solver that suits it.

    Parameters
    ----------
    stack : Stack
    grid : int or (int, int)
        Cells along x and y; any numbers.
    solver : {"auto", "spectral", "sparse"}
        ``spectral`` needs layers that are the same everywhere; ``auto`` takes it where it can.
    nodes : {"centre", "face"}
        Where the node of a layer stands; ``face`` is HotSpot's way, see `archsim.thermal.network.build`.

    Raises
    ------
    InputError
        For a grid out of range, or a solver that does not suit the stack.

    Examples
    --------
    >>> from archsim.thermal import Stack, ThermalModel
    >>> model = ThermalModel(Stack.load("stag2p"), grid=8)
    >>> round(float(model.steady({"s_all": 0.01, "d_all": 0.0, "v_all": 1.0}).max_k.max()) - 273.15, 1)
    60.8
    """

    def __init__(
        self, stack: Stack, grid: int | tuple[int, int] = 32, *, solver: str = "auto", nodes: Nodes = "centre"
    ) -> None:
        if solver not in ("auto", "spectral", "sparse"):
            raise InputError(f"solver {solver!r}: must be auto, spectral or sparse")
        if nodes not in ("centre", "face"):
            raise InputError(f"nodes {nodes!r}: must be centre or face")
        given: Any = grid
        try:
            nx, ny = (index(each) for each in ((given, given) if np.ndim(given) == 0 else given))
        except (TypeError, ValueError):
            raise InputError(f"grid {grid!r}: must be a whole number of cells, or two") from None
        self.stack = stack
        self.net = build(stack, nx, ny, nodes)
        if solver == "spectral" and not self.net.uniform:
            raise InputError(
                f"solver 'spectral': a layer or the package of stack {stack.name!r} is not the same everywhere; "
                "take auto or sparse"
            )
        spectral = solver == "spectral" or (solver == "auto" and self.net.uniform)
        self.engine: SpectralSolver | SparseSolver = (SpectralSolver if spectral else SparseSolver)(self.net)
        self._leaks = Leaks.of(stack)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the blocks, those of the top layer first."""
        return self.net.names

    @property
    def solver(self) -> str:
        """The solver in use: ``spectral`` or ``sparse``."""
        return self.engine.name

    @property
    def ambient_k(self) -> float:
        """Temperature of the surroundings."""
        return self.stack.ambient_k

    def block_index(self, name: str) -> int:
        """Return the number of a block.

        Raises
        ------
        InputError
            When there is no such block.
        """
        if name not in self.blocks:
            raise InputError(f"no block {name!r} in the stack{nearest(name, self.blocks)}")
        return self.blocks.index(name)

    def power(self, power: object = None, rest: float | None = None) -> Array:
        """Return the power of every block, W.

        Parameters
        ----------
        power : mapping of str to float, or array (blocks,), optional
            Blocks that a mapping does not name have the power of the stack; without any, all have.
        rest : float, optional
            What they have instead.

        Raises
        ------
        InputError
            For an unknown block, or power that is negative or not finite.
        """
        own = np.array([block.power_w if rest is None else rest for block in self.stack.blocks])
        if power is None:
            return own
        if isinstance(power, Mapping):
            own[by_block(self.blocks, list(power), "power")] = list(power.values())
        else:
            own = np.array(power, dtype=float)
            if own.shape != (len(self.blocks),):
                raise InputError(f"power: {own.shape} numbers for {len(self.blocks)} blocks")
        found: Array = PowerTrace(self.blocks, np.zeros(1), own[None, :]).watts[0]
        return found

    def trace(self, power: Power | PowerTrace) -> PowerTrace:
        """Return the power of every block over time; what a trace does not name has the power of the stack."""
        if not isinstance(power, PowerTrace):
            return PowerTrace(self.blocks, np.zeros(1), self.power(power)[None, :])
        watts = np.tile(self.power(), (len(power.starts_s), 1))
        watts[:, by_block(self.blocks, power.blocks, power.label)] = power.watts
        return PowerTrace(self.blocks, power.starts_s, watts, power.label)

    @cached_property
    def _replies(self) -> dict[int, Array]:
        return {}

    def _reply(self, block: int) -> Array:
        """Return how much each block is heated by a watt in one, K/W."""
        if block not in self._replies:
            field, _ = self.engine.steady(np.eye(1, len(self.blocks), block)[0])
            self._replies[block] = self.engine.observer.means(field[self.engine.observer.rows])
        return self._replies[block]

    def influence(self) -> Array:
        """Return the thermal resistances between blocks, (blocks, blocks) in K/W.

        Column j is how much the mean of each block rises by a watt in block j; the matrix is symmetric. Block means
        in the steady state are ``ambient_k + influence() @ power``.
        """
        return np.stack([self._reply(block) for block in range(len(self.blocks))], axis=1)

    def steady(self, power: Power = None, *, leakage: bool = True) -> Steady:
        """Return the temperatures that stay with a constant power.

        Parameters
        ----------
        power : mapping of str to float, or array (blocks,), optional
            W; see `power`.
        leakage : bool
            Whether leaking blocks leak.

        Raises
        ------
        InputError
            For power that is refused.
        RunawayError
            When leakage lets no temperature be steady.
        """
        watts, leak = self.power(power), np.zeros(len(self.blocks))
        field, lumps = self.engine.steady(watts)
        leaks = self._leaks
        if leakage and len(leaks.index):
            base = self.engine.observer.means(field[self.engine.observer.rows])[leaks.index] + self.ambient_k
            replies = np.stack([self._reply(int(block))[leaks.index] for block in leaks.index], axis=1)
            settled = leaks.settle(base, replies)
            leaks.check(settled, self.stack.limit_k)
            leak[leaks.index] = leaks.watts(settled)
            field, lumps = self.engine.steady(watts + leak)
        found = Steady(self, watts, leak, field, lumps)
        # Never where the numbers are those of matter: a guard against answers that rounding has spoilt.
        if not abs(found.balance) <= _LOST:
            raise StiffError
        return found

    def state(self, initial: str | float | State, watts: Array, leakage: bool) -> tuple[Array, Array]:
        """Return field and lumps that a run starts from, as rises over ambient."""
        if isinstance(initial, State):
            if initial.rise_k.shape != self.net.shape or initial.lumps_k.shape != (self.net.lumps,):
                raise InputError(
                    f"initial state: shape {initial.rise_k.shape}; this model has {self.net.shape} "
                    f"and {self.net.lumps} lumps"
                )
            return initial.rise_k, initial.lumps_k
        if initial == "steady":
            settled = self.steady(watts, leakage=leakage)
            return settled.state.rise_k, settled.state.lumps_k
        if isinstance(initial, str):
            if initial != "ambient":
                raise InputError(f"initial {initial!r}: must be ambient, steady, kelvin, or a state")
            initial = self.ambient_k
        if not (initial > 0 and np.isfinite(initial)):
            raise InputError(f"initial = {initial:g} K: must be more than 0")
        rise = float(initial) - self.ambient_k
        return np.full(self.net.shape, rise), np.full(self.net.lumps, rise)

    def transient(
        self,
        power: Power | PowerTrace,
        times_s: Sequence[float] | Array,
        *,
        initial: str | float | State = "ambient",
        method: Method | None = None,
        step_s: float | None = None,
        leakage: bool = True,
        watch: Callable[[float, State], None] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Transient:
        """Return the temperatures at the times asked for.

        Parameters
        ----------
        power : mapping, array (blocks,), PowerTrace or None
            Constant, or constant between times.
        times_s : sequence of float
            When to look: rising, from 0; they need not be even, nor fit the intervals of the power.
        initial : {"ambient", "steady"}, float or State
            Temperature at time 0: ``steady`` is that of the first power.
        method : {"exact", "cn", "be"}, optional
            Exact in time (spectral only), Crank-Nicolson with two steps of backward Euler, halved, after every change
            of power, or backward Euler. Default: exact where possible, else cn.
        step_s : float, optional
            Longest step of cn and be, and of leakage. Default: a 200th of the last time.
        leakage : bool
            Whether leaking blocks leak.
        watch : callable, optional
            Called with each of the times and the whole field there.
        progress : callable, optional
            Called after every step with its length in seconds.

        Raises
        ------
        InputError
            For times that do not rise, a method that the solver lacks, or power that is refused.
        RunawayError
            When a leaking block passes ``limit_k``.
        """
        times = _times(times_s)
        method = method or self.engine.methods[0]  # type: ignore[assignment]
        if method not in self.engine.methods:
            rule = f"the {self.solver} solver has {', '.join(self.engine.methods)}"
            raise InputError(f"method {method!r}: {rule}{nearest(str(method), self.engine.methods)}")
        if step_s is not None and not (step_s > 0 and np.isfinite(step_s)):
            raise InputError(f"step_s = {step_s:g}: must be more than 0")
        trace = self.trace(power)
        leaks = self._leaks if leakage and len(self._leaks.index) else None
        if step_s is not None and (method != "exact" or leaks) and times[-1] / step_s > MOST_STEPS:
            raise InputError(
                f"step_s = {step_s:g}: {times[-1] / step_s:.3g} steps until {times[-1]:g} s; at most {MOST_STEPS:,}"
            )
        field, lumps = self.state(initial, trace.watts[0], leakage)
        run = Run(
            self, trace, times, str(method), step_s or float(times[-1]) / 200 or 1.0, leaks, watch, progress
        )
        return run.go(field, lumps)

    def stepper(
        self, initial: str | float | State = "ambient", power: Power = None, *, method: Method | None = None
    ) -> Stepper:
        """Return a run that somebody else drives, a step at a time; ``power`` is that of an initial ``steady``."""
        field, lumps = self.state(initial, self.power(power), True)
        return Stepper(self, field, lumps, method or self.engine.methods[0])


def _times(times_s: Sequence[float] | Array) -> Array:
    times = np.array(times_s, dtype=float).reshape(-1)
    if not times.size:
        raise InputError("times_s: empty; at least one time is needed")
    bad = times[~(np.isfinite(times) & (times >= 0))]
    if bad.size:
        raise InputError(f"times_s: {bad[0]:g} s: must be finite, at least 0")
    back = np.flatnonzero(~(np.diff(times) > 0))
    if back.size:
        at = int(back[0])
        raise InputError(
            f"times_s[{at + 1}] = {times[at + 1]:g} s: time runs backwards, or stands still, after {times[at]:g} s"
        )
    return times


__all__ = ["RunawayError", "ThermalModel"]
