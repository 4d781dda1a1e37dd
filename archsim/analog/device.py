"""RRAM cells: levels, programming and read variation, stuck cells, drift; every number drawn by counter.

A cell holds one of ``2**bits`` levels. What it then has is ``g = median * exp(sigma * z)`` with a standard normal ``z``
(programming variation), and each read multiplies it by another such factor. Cells stuck at their lowest or highest
conductance hold exactly that. ``docs/analog.md`` has the formulas.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from archsim.analog.arrays import instance, numbers, real
from archsim.analog.elementary import exp, key_of, log, normals, uniforms
from archsim.errors import InputError
from archsim.spec import FieldError, Spec, quantity

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

#: Streams of random numbers of a seed.
_PROGRAM, _STUCK, _READ, _DRIFT = 0x520, 0x521, 0x522, 0x523
_LARGEST_SIGMA = 2.0


class Cell(Spec):
    """An RRAM cell. Defaults are stated ones: no variation, no faults, no drift, linear."""

    preset_kind: ClassVar[str] = "rram"

    bits: int = quantity("bits", "levels are 2**bits", ge=1, le=8)
    g_min_s: float = quantity("S", "lowest conductance", ge=1e-15, le=1.0)
    g_max_s: float = quantity("S", "highest conductance", ge=1e-15, le=1.0)
    spacing: Literal["conductance", "resistance"] = Field(
        "conductance", description="what is in equal steps between the lowest and the highest level"
    )
    program_sigma: float = quantity(
        "", "programming variation: standard deviation of ln(g)", default=0.0, ge=0, le=_LARGEST_SIGMA
    )
    read_sigma: float = quantity(
        "", "variation of each read: standard deviation of ln(g)", default=0.0, ge=0, le=_LARGEST_SIGMA
    )
    stuck_low: float = quantity("", "share of cells stuck at g_min_s", default=0.0, ge=0, le=1)
    stuck_high: float = quantity("", "share of cells stuck at g_max_s", default=0.0, ge=0, le=1)
    drift_nu: float = quantity(
        "", "exponent of the drift g (t / drift_t0_s)**-nu; mean", default=0.0, ge=-1, le=1
    )
    drift_nu_sigma: float = quantity(
        "", "exponent of the drift: standard deviation over cells", default=0.0, ge=0, le=1
    )
    drift_t0_s: float = quantity(
        "s", "time after programming at which g is the programmed one", default=1.0, gt=0, le=1e9
    )
    sinh_v: float | None = quantity(
        "V", "V0 of the current g V0 sinh(V / V0); absent: g V", default=None, ge=1e-3, le=1e6
    )
    level_mean_s: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        None, description="measured mean conductance of each level (S), increasing", max_length=256
    )
    level_sigma_s: tuple[Annotated[float, Field(ge=0)], ...] | None = Field(
        None, description="measured standard deviation of each level (S)", max_length=256
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.g_min_s >= self.g_max_s:
            raise FieldError(f"g_min_s = {self.g_min_s:g}", f"must be below g_max_s = {self.g_max_s:g}")
        if self.stuck_low + self.stuck_high > 1:
            raise FieldError(f"stuck_high = {self.stuck_high:g}", "must be at most 1 with stuck_low")
        self._check_table()
        return self

    def _check_table(self) -> None:
        """Check the measured levels against the other fields."""
        mean, sigma = self.level_mean_s, self.level_sigma_s
        if mean is None and sigma is None:
            return
        for name, values in (("level_mean_s", mean), ("level_sigma_s", sigma)):
            if values is None:
                raise FieldError(name, "missing; measured levels have a mean and a standard deviation")
            if len(values) != 1 << self.bits:
                raise FieldError(name, f"has {len(values)} levels; bits = {self.bits} needs {1 << self.bits}")
        if self.program_sigma:
            raise FieldError(f"program_sigma = {self.program_sigma:g}", "must be 0: level_sigma_s has it")
        assert mean is not None
        assert sigma is not None
        for level, value in enumerate(mean):
            if not self.g_min_s <= value <= self.g_max_s:
                rule = f"must be from g_min_s = {self.g_min_s:g} to g_max_s = {self.g_max_s:g}"
                raise FieldError(f"level_mean_s[{level}] = {value:g}", rule)
            if level and value <= mean[level - 1]:
                raise FieldError(f"level_mean_s[{level}] = {value:g}", "must be above the level before it")
            if sigma[level] > _LARGEST_SIGMA * value:
                rule = f"must be at most {_LARGEST_SIGMA:g} times its mean {value:g}"
                raise FieldError(f"level_sigma_s[{level}] = {sigma[level]:g}", rule)

    @property
    def levels(self) -> int:
        """Number of levels."""
        return 1 << self.bits

    def levels_s(self) -> F64:
        """Return the conductance that each level is meant to have (siemens), shape (2**bits,), increasing."""
        if self.level_mean_s is not None:
            return np.array(self.level_mean_s)
        step = np.arange(self.levels) / (self.levels - 1)
        if self.spacing == "conductance":
            found = self.g_min_s + (self.g_max_s - self.g_min_s) * step
        else:
            highest, lowest = 1.0 / self.g_min_s, 1.0 / self.g_max_s
            found = 1.0 / (highest + (lowest - highest) * step)
        found[0], found[-1] = self.g_min_s, self.g_max_s
        return found

    def distribution(self) -> tuple[F64, F64]:
        """Return the medians (siemens) and the standard deviations of ln(g) of the levels.

        Measured levels get the log-normal distribution of their mean and standard deviation; otherwise the level is
        the median.
        """
        levels = self.levels_s()
        if self.level_sigma_s is None:
            return levels, np.full(self.levels, self.program_sigma)
        relative = np.array(self.level_sigma_s) / levels
        one_more = 1.0 + relative * relative
        return levels / np.sqrt(one_more), np.sqrt(log(one_more))

    def nearest_level(self, g_s: ArrayLike) -> I64:
        """Return the level whose conductance is nearest to each of ``g_s``, the lower of two.

        Raises
        ------
        InputError
            For a conductance outside ``g_min_s`` to ``g_max_s``.
        """
        g_s = numbers(g_s, "conductances")
        wrong = ~((g_s >= self.g_min_s) & (g_s <= self.g_max_s))
        if wrong.any():
            raise InputError(
                f"conductance {_place(wrong)} = {float(g_s[wrong][0]):g} S: must be from g_min_s = "
                f"{self.g_min_s:g} to g_max_s = {self.g_max_s:g}"
            )
        levels = self.levels_s()
        middles = (levels[1:] + levels[:-1]) / 2.0
        return np.searchsorted(middles, g_s, side="left").astype(np.int64)


def _place(wrong: NDArray[np.bool_]) -> str:
    """Write the place of the first True."""
    place: Any = tuple(int(index[0]) for index in np.nonzero(wrong))
    return f"[{', '.join(map(str, place))}]"


def _checked_levels(cell: Cell, levels: ArrayLike) -> I64:
    array = np.asarray(levels)
    if array.dtype.kind not in "iu":
        raise InputError(f"levels of type {array.dtype}: must be whole numbers")
    wrong = (array < 0) | (array >= cell.levels)
    if wrong.any():
        raise InputError(
            f"level {_place(wrong)} = {int(array[wrong][0])}: must be from 0 to {cell.levels - 1} "
            f"(bits = {cell.bits})"
        )
    return array.astype(np.int64)


def stuck(cell: Cell, shape: tuple[int, ...], seed: int, device: int = 0, array: int = 0) -> NDArray[np.int8]:
    """Return which cells are stuck: -1 at the lowest conductance, 1 at the highest, else 0.

    Parameters
    ----------
    cell : Cell
    shape : tuple of int
        Of the array of cells.
    seed, device, array : int
        Of the study, of the Monte Carlo sample, and of the array within it.

    Returns
    -------
    ndarray of int8, shape ``shape``
    """
    draws = uniforms(key_of(seed, _STUCK, device, array), shape)
    low = draws < cell.stuck_low
    high = ~low & (draws < cell.stuck_low + cell.stuck_high)
    return high.astype(np.int8) - low.astype(np.int8)


def program(cell: Cell, levels: ArrayLike, seed: int, device: int = 0, array: int = 0) -> F64:
    """Return the conductances of cells after programming, in siemens.

    Parameters
    ----------
    cell : Cell
    levels : array_like of int
        Level of each cell.
    seed, device, array : int
        Of the study, of the Monte Carlo sample, and of the array within it. They and the place of a cell in the array
        decide what is drawn for it, and nothing else does.

    Returns
    -------
    ndarray of float64, shape of levels

    Raises
    ------
    InputError
        For a level that the cell does not have.
    """
    instance(cell, Cell, "cell", 'Cell.load("rram-3bit")')
    levels = _checked_levels(cell, levels)
    median, sigma = cell.distribution()
    g_s = median[levels]
    if sigma.any():
        g_s = g_s * exp(sigma[levels] * normals(key_of(seed, _PROGRAM, device, array), levels.shape))
    return _with_stuck(cell, g_s, seed, device, array)


def _with_stuck(cell: Cell, g_s: F64, seed: int, device: int, array: int) -> F64:
    if not cell.stuck_low and not cell.stuck_high:
        return g_s
    where = stuck(cell, g_s.shape, seed, device, array)
    return np.where(where < 0, cell.g_min_s, np.where(where > 0, cell.g_max_s, g_s))


def drifted(cell: Cell, g_s: ArrayLike, time_s: float, seed: int, device: int = 0, array: int = 0) -> F64:
    """Return conductances ``time_s`` after programming: ``g (time_s / drift_t0_s)**-nu``; stuck cells stay.

    Parameters
    ----------
    cell : Cell
    g_s : array_like of float64
        As `program` returned them with the same seed, device and array.
    time_s : float
        At least ``drift_t0_s``.
    seed, device, array : int
        As for `program`.

    Returns
    -------
    ndarray of float64, shape of g_s

    Raises
    ------
    InputError
        For an earlier time.
    """
    g_s = numbers(g_s, "conductances")
    if not cell.drift_t0_s <= real("time_s", time_s) < float("inf"):
        raise InputError(f"time {time_s:g} s: must be at least drift_t0_s = {cell.drift_t0_s:g} s")
    nu = np.full(g_s.shape, cell.drift_nu)
    if cell.drift_nu_sigma:
        nu = nu + cell.drift_nu_sigma * normals(key_of(seed, _DRIFT, device, array), g_s.shape)
    return _with_stuck(cell, g_s * exp(-nu * log(time_s / cell.drift_t0_s)), seed, device, array)


def read(cell: Cell, g_s: ArrayLike, seed: int, cycle: int, device: int = 0, array: int = 0) -> F64:
    """Return the conductances as one read sees them.

    Parameters
    ----------
    cell : Cell
    g_s : array_like of float64
    seed, device, array : int
        As for `program`.
    cycle : int
        Number of the read.

    Returns
    -------
    ndarray of float64, shape of g_s
    """
    g_s = numbers(g_s, "conductances")
    if not cell.read_sigma:
        return g_s.copy()
    factor = exp(cell.read_sigma * normals(key_of(seed, _READ, device, array, cycle), g_s.shape))
    return _with_stuck(cell, g_s * factor, seed, device, array)
