"""Two time constants instead of a field: for policies that look at one block over minutes.

The response of a block to a step of power is a sum of exponentials. Projected on the Krylov space of G^-1 C and the
steady field it has as many as there are vectors, exactly where its first moments are concerned, slowest first. They
fall into two groups, die and package; each group becomes one exponential of the same height and the same area above it.
Which go where is decided by the greatest error over all times. The two are those of a ladder:

    power -> [C1] - R1 - [C2] - R2 - ambient
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError

if TYPE_CHECKING:
    from archsim.thermal.model import ThermalModel

Array = NDArray[np.float64]
#: Vectors of the Krylov space.
_VECTORS = 24


@dataclass(frozen=True)
class TwoPole:
    """A ladder of two resistances and two capacities.

    Attributes
    ----------
    r1_k_w, c1_j_k : float
        Die: its resistance to the package and its capacity.
    r2_k_w, c2_j_k : float
        Package: its resistance to ambient and its capacity.
    ambient_k : float
    error_k_w : float
        Greatest distance from the response of the stack it was derived from, per watt; 0 when given by hand.
    """

    r1_k_w: float
    c1_j_k: float
    r2_k_w: float
    c2_j_k: float
    ambient_k: float = 300.0
    error_k_w: float = 0.0

    def __post_init__(self) -> None:
        for name in ("r1_k_w", "c1_j_k", "r2_k_w", "c2_j_k", "ambient_k"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(
                    f"two-pole model: {name} = {getattr(self, name):g}: must be more than 0, and finite"
                )
        with np.errstate(all="ignore"):
            rates = self._rates_matrix()
        if not (np.isfinite(rates).all() and (np.linalg.eigvalsh(rates) > 0).all()):
            raise InputError(
                f"two-pole model: r1_k_w = {self.r1_k_w:g}, c1_j_k = {self.c1_j_k:g}, r2_k_w = {self.r2_k_w:g}, "
                f"c2_j_k = {self.c2_j_k:g}: have no finite time constants"
            )

    def _rates_matrix(self) -> Array:
        """Return what the temperatures, each times the root of its capacity, decay with."""
        root = np.sqrt([self.c1_j_k, self.c2_j_k])
        g1, g2 = 1.0 / np.float64(self.r1_k_w), 1.0 / np.float64(self.r2_k_w)
        return np.asarray(np.array([[g1, -g1], [-g1, g1 + g2]]) / np.outer(root, root))

    @cached_property
    def _modes(self) -> tuple[Array, Array, Array]:
        """Rates, eigenvectors, and the roots of the capacities."""
        root = np.sqrt([self.c1_j_k, self.c2_j_k])
        rates, vectors = np.linalg.eigh(self._rates_matrix())
        return rates, vectors, root

    @property
    def taus_s(self) -> tuple[float, float]:
        """The two time constants, the fast one first."""
        slow, fast = self._modes[0]
        return 1.0 / fast, 1.0 / slow

    def steady_k(self, power_w: float) -> tuple[float, float]:
        """Return the temperatures of die and package in the end."""
        package = self.ambient_k + self.r2_k_w * power_w
        return package + self.r1_k_w * power_w, package

    def propagator(self, dt_s: float) -> tuple[Array, Array]:
        """Return A (2, 2) and b (2,): rises over ambient after a step are A rises + b power. Exact."""
        rates, vectors, root = self._modes
        decay = np.exp(-rates * dt_s)
        keep = (vectors / root[:, None] * decay) @ (vectors * root[:, None]).T
        gain = (vectors / root[:, None] * (-np.expm1(-rates * dt_s) / rates)) @ (vectors[0] / root[0])
        return keep, gain

    def advance(self, state_k: tuple[float, float], power_w: float, dt_s: float) -> tuple[float, float]:
        """Return the temperatures of die and package after a time with constant power.

        Raises
        ------
        InputError
            For a time below 0.
        """
        if not 0 <= dt_s < float("inf"):
            raise InputError(f"time {dt_s:g} s: runs backwards, or is not finite")
        if not 0 <= power_w < float("inf"):
            raise InputError(f"power {power_w:g} W: must be a finite number, at least 0")
        keep, gain = self.propagator(dt_s)
        die, package = keep @ (np.asarray(state_k) - self.ambient_k) + gain * power_w + self.ambient_k
        return float(die), float(package)


def two_pole(model: ThermalModel, power: object = None, block: str | None = None) -> TwoPole:
    """Derive the two-pole model of a block of a stack.

    Parameters
    ----------
    model : ThermalModel
    power : mapping of str to float, or array (blocks,), optional
        How power is shared among the blocks; the model's power is their sum. Default: all in ``block``.
    block : str, optional
        Whose mean temperature is followed. Default: the hottest.

    Raises
    ------
    InputError
        For an unknown block, no power at all, or a response that two poles cannot have.
    """
    watts = np.zeros(len(model.blocks))
    if power is None:
        watts[model.block_index(block if block is not None else model.blocks[0])] = 1.0
    else:
        watts = model.power(power, rest=0.0)
    if not watts.sum() > 0:
        raise InputError("two-pole model: the blocks have no power")
    watts = watts / watts.sum()
    heights, taus = responses(model, watts, block)
    fast, slow, error = _two(heights, taus)
    return _ladder(fast, slow, model.ambient_k, error)


def responses(model: ThermalModel, watts: Array, block: str | None) -> tuple[Array, Array]:
    """Return heights (K) and time constants (s) of the response of a block's mean, slowest first."""
    solver, net = model.engine, model.net
    held = np.concatenate([np.broadcast_to(net.capacity, net.shape).ravel(), net.lumped.capacity])

    def settled(power: Array) -> Array:
        field, lumps = solver.solve(
            power[: -net.lumps or None].reshape(net.shape), power[power.size - net.lumps :]
        )
        return np.concatenate([field.ravel(), lumps])

    def mean(vector: Array) -> Array:
        return solver.observer.means(vector[: -net.lumps or None].reshape(net.shape)[solver.observer.rows])

    steady = settled(np.concatenate([net.power_map(watts).ravel(), np.zeros(net.lumps)]))
    seen = model.block_index(block) if block is not None else int(np.argmax(mean(steady)))
    size = float(np.sqrt(held @ steady**2))
    basis, images = [steady / size], []
    while True:
        images.append(settled(held * basis[-1]))
        after = images[-1].copy()
        if len(basis) == min(_VECTORS, held.size):
            break
        for _ in range(2):  # once more for what rounding left
            for vector in basis:
                after -= (held @ (vector * after)) * vector
        length = float(np.sqrt(held @ after**2))
        if length <= 1e-12 * float(np.sqrt(held @ images[0] ** 2)):
            break
        basis.append(after / length)
    space = np.array(basis)
    small = (space * held) @ np.array(images).T
    taus, vectors = np.linalg.eigh((small + small.T) / 2)
    heights = size * vectors[0] * (np.array([mean(vector)[seen] for vector in basis]) @ vectors)
    order = np.argsort(-taus)
    kept = order[taus[order] > 1e-14 * taus.max()]
    return heights[kept], taus[kept]


def _two(heights: Array, taus: Array) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Return (height, time constant) of the fast and the slow pole, and the greatest error over all times."""
    times = np.geomspace(taus.min() / 10, taus.max() * 10, 400)
    exact = (heights * -np.expm1(-times[:, None] / taus)).sum(axis=1)
    best: tuple[tuple[float, float], tuple[float, float], float] | None = None
    for cut in range(1, len(taus)):
        poles = []
        for part in (slice(cut, None), slice(None, cut)):
            height = float(heights[part].sum())
            poles.append((height, float(heights[part] @ taus[part]) / height if height > 0 else 0.0))
        if any(height <= 0 or tau <= 0 for height, tau in poles) or poles[0][1] >= poles[1][1]:
            continue
        ours = sum(height * -np.expm1(-times / tau) for height, tau in poles)
        error = float(np.abs(ours - exact).max())
        if best is None or error < best[2]:
            best = (poles[0], poles[1], error)
    if best is None:
        raise InputError("two-pole model: the response of this block to this power is not that of two poles")
    return best


def _ladder(fast: tuple[float, float], slow: tuple[float, float], ambient_k: float, error: float) -> TwoPole:
    """Return the ladder whose impedance at the die is that of the two poles (Cauer's continued fraction)."""
    (h1, t1), (h2, t2) = fast, slow
    total, first, both = h1 + h2, h1 * t2 + h2 * t1, t1 * t2
    c1 = both / first
    rest = t1 + t2 - c1 * total
    r1 = first / rest
    return TwoPole(r1, c1, total - r1, rest / (total - r1), ambient_k, error)
