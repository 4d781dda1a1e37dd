"""When samples arrive: saturated, paced, Poisson, bursty or diurnal; the same on every machine.

A Poisson process of rate 1, whose gaps are exponential, is made first, in whole units of 2**-20 of the mean gap. The
rate of the wanted process is constant in pieces of time, and stretches it: a sample that arrives after the work ``w``
comes when the rate, summed up over time, reaches ``w``. Gaps and times are whole numbers, so that their sums do not
depend on how the trace is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from archsim.errors import InputError
from archsim.spec import FieldError, Spec, quantity
from archsim.traces import counter
from archsim.traces.ordering import sample_numbers

if TYPE_CHECKING:
    from archsim.traces.trace import EmbeddingTrace

I64 = NDArray[np.int64]

UNIT = 1 << 20
"""Units of work in the mean gap of the process of rate 1."""

PS_PER_S = 10**12
LATEST_PS = 2**62
MOST_CYCLE_NS, MOST_PER_CYCLE, MOST_PER_PERIOD = 1e13, 1e9, 1e12
"""Limits that keep sums of times and of work inside 64 bits."""

GAP_STREAM, PIECE_STREAM = 64, 65
SWITCHES_AT_ONCE = 64

LN2 = 0.6931471805599453
SERIES = tuple(1.0 / k for k in range(21, 2, -2))
"""Coefficients of the odd powers of the series of artanh, the highest first."""


class Arrival(Spec):
    """Arrival process of the samples; all bags of a sample arrive together."""

    process: Literal["saturated", "paced", "poisson", "bursty", "diurnal"] = Field(
        "saturated",
        description="saturated: no times, as fast as samples are taken; paced: equal gaps (samples_per_s); poisson: "
        "independent (samples_per_s); bursty: Poisson that switches between two rates at random (also burst_factor, "
        "burst_share, burst_ns); diurnal: Poisson whose rate follows a curve (also period_s, curve)",
    )
    samples_per_s: float | None = quantity("", "samples per second, mean", default=None, gt=0, le=1e12)
    burst_factor: float | None = quantity(
        "", "bursty: rate in a burst over the mean rate", default=None, gt=1, le=1e6
    )
    burst_share: float | None = quantity("", "bursty: share of the time in bursts", default=None, gt=0, lt=1)
    burst_ns: float | None = quantity("ns", "bursty: mean length of a burst", default=None, gt=0, le=1e12)
    period_s: float | None = quantity(
        "s", "diurnal: time after which the curve begins again", default=None, gt=0, le=4e6
    )
    curve: tuple[Annotated[float, Field(ge=0, le=1e6)], ...] | None = Field(
        None, description="diurnal: relative rate in each of the equal parts of the period", min_length=1
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        needed = _PARAMETERS[self.process]
        for name in _PARAMETERS["bursty"] + _PARAMETERS["diurnal"][1:]:
            if name not in needed and getattr(self, name) is not None:
                raise FieldError(name, f"must be absent when process = {self.process!r}")
            if name in needed and getattr(self, name) is None:
                raise FieldError(name, f"missing; process = {self.process!r} needs it")
        if self.burst_factor is not None and self.burst_share is not None:
            most = 1 / self.burst_share
            if self.burst_factor > most:
                raise FieldError(
                    f"burst_factor = {self.burst_factor:g}",
                    f"must be at most 1 / burst_share = {most:g}; more is above the mean even without "
                    f"anything between the bursts",
                )
            cycle_ns = (self.burst_ns or 0.0) * most
            if cycle_ns > MOST_CYCLE_NS or cycle_ns * 1e-9 * (self.samples_per_s or 0.0) > MOST_PER_CYCLE:
                raise FieldError(
                    f"burst_ns = {self.burst_ns:g}",
                    f"bursts must follow one another within {MOST_CYCLE_NS:g} ns and "
                    f"{MOST_PER_CYCLE:g} samples on average (burst_ns / burst_share)",
                )
        if self.curve is not None and not any(self.curve):
            raise FieldError("curve", "must not be 0 throughout")
        if (self.period_s or 0.0) * (self.samples_per_s or 0.0) > MOST_PER_PERIOD:
            raise FieldError(
                f"period_s = {self.period_s:g}", f"must hold at most {MOST_PER_PERIOD:g} samples"
            )
        return self

    def summary(self) -> str:
        """Return the process and its parameters in one phrase."""
        given = ((key, value) for key, value in self.to_dict().items() if value is not None)
        return " ".join(str(value) if key == "process" else f"{key} = {value}" for key, value in given)


_PARAMETERS: dict[str, tuple[str, ...]] = {
    "saturated": (),
    "paced": ("samples_per_s",),
    "poisson": ("samples_per_s",),
    "bursty": ("samples_per_s", "burst_factor", "burst_share", "burst_ns"),
    "diurnal": ("samples_per_s", "period_s", "curve"),
}


def parse_arrivals(text: str) -> list[str]:
    """Return the overrides that ``"poisson:20000/s"`` stands for.

    Raises
    ------
    InputError
        The text is not a process that a rate alone describes, and a rate.
    """
    match = re.fullmatch(r"(paced|poisson):([0-9.eE+]+)/s", text)
    if match is None:
        raise InputError(
            f"--arrivals {text!r}: must be paced:N/s or poisson:N/s, such as poisson:20000/s; "
            f"other processes with --set arrival.process=..."
        )
    return [f"arrival.process={match[1]}", f"arrival.samples_per_s={match[2]}"]


def negative_log(bits: counter.U64) -> NDArray[np.float64]:
    """Return -ln(u) of the numbers u = (bits // 2**11 + 1/2) / 2**53 between 0 and 1, by ``+ - * /`` alone.

    With u = m * 2**-e and m between sqrt(1/2) and sqrt(2), -ln(u) = e ln(2) - 2 artanh((m - 1) / (m + 1)), by 11
    terms of the series of artanh. The absolute error is below 1e-14, hence far below a unit of work.

    Parameters
    ----------
    bits : ndarray of uint64
        Random words.

    Returns
    -------
    ndarray of float64
        Numbers of the exponential distribution with mean 1, at most 37.5.
    """
    odd = ((bits >> np.uint64(11)) << np.uint64(1)) + np.uint64(1)  # u * 2**54, below 2**54
    high = odd.astype(np.float64)
    # Above 2**53 the conversion may round, to even and below 2**54 + 1; the exponent is then read off the result.
    mantissa, exponent = np.frexp(high)
    small = mantissa < 0.7071067811865476
    mantissa = np.where(small, mantissa * 2.0, mantissa)
    twos = 54.0 - (exponent - small)
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square = ratio * ratio
    total = np.full(ratio.shape, SERIES[0])
    for coefficient in (*SERIES[1:], 1.0):
        total = total * square + coefficient
    found: NDArray[np.float64] = np.maximum(twos * LN2 - 2.0 * ratio * total, 0.0)
    return found


def _exponential(key: np.uint64, first: int, number: int) -> NDArray[np.float64]:
    """Return the numbers ``first`` to ``first + number`` of a stream, exponential with mean 1."""
    return negative_log(counter.draw(key, np.arange(first, first + number).astype(np.uint64)))


@dataclass
class _Pieces:
    """Pieces of constant rate: where each starts in time and in work, and the picoseconds per unit of work."""

    start_ps: I64
    start_work: I64
    ps_per_unit: NDArray[np.float64]


class Clock:
    """Gives the arrival times of a trace, samples in order.

    Parameters
    ----------
    arrival : Arrival
        The process.
    seed : int
        Seed of the trace.
    """

    def __init__(self, arrival: Arrival, seed: int):
        self._arrival, self._seed = arrival, seed
        self._sample, self._work = 0, 0
        none = np.empty(0, np.int64)
        self._pieces = _Pieces(none, none, np.empty(0))
        self._end_ps, self._end_work = 0, 0
        self._more: Iterator[tuple[I64, I64]] = iter(())
        if arrival.samples_per_s is None:
            return
        per_ps = arrival.samples_per_s * UNIT / PS_PER_S
        if arrival.process == "poisson":
            start = np.zeros(1, np.int64)
            self._pieces = _Pieces(start, start, np.array([1.0 / per_ps]))
            self._end_work = 2**63
        elif arrival.process == "bursty":
            self._more = _bursts(arrival, per_ps, seed)
        elif arrival.process == "diurnal":
            self._more = _periods(arrival)

    def times_ps(self, samples: int) -> I64 | None:
        """Return the arrival times of the next ``samples`` samples; None when the arrivals are saturated.

        Raises
        ------
        InputError
            The trace would last longer than 2**62 ps, 53 days.
        """
        arrival, first = self._arrival, self._sample
        if arrival.samples_per_s is None:
            return None
        self._sample += samples
        if arrival.process == "paced":
            gap = PS_PER_S / arrival.samples_per_s
            self._check((first + samples) * gap)
            paced: I64 = np.rint(np.arange(first, first + samples) * gap).astype(np.int64)
            return paced
        gaps = np.rint(_exponential(counter.stream_key(self._seed, GAP_STREAM), first, samples) * UNIT)
        work = self._work + np.cumsum(gaps.astype(np.int64))
        if samples:
            self._work = int(work[-1])
            self._cover(self._work)
        return self._stretched(work)

    def _cover(self, work: int) -> None:
        """Make the pieces up to the one in which ``work`` is reached."""
        while self._end_work <= work:
            self._check(self._end_ps)
            lengths_ps, units = next(self._more)
            start_ps = self._end_ps + np.cumsum(lengths_ps) - lengths_ps
            start_work = self._end_work + np.cumsum(units) - units
            self._end_ps = int(start_ps[-1] + lengths_ps[-1])
            self._end_work = int(start_work[-1] + units[-1])
            busy = units > 0
            old = self._pieces
            self._pieces = _Pieces(
                np.concatenate((old.start_ps, start_ps[busy])),
                np.concatenate((old.start_work, start_work[busy])),
                np.concatenate((old.ps_per_unit, lengths_ps[busy] / units[busy])),
            )

    def _stretched(self, work: I64) -> I64:
        """Return when each amount of work is reached."""
        pieces = self._pieces
        piece = np.searchsorted(pieces.start_work, work, side="right") - 1
        inside = (work - pieces.start_work[piece]) * pieces.ps_per_unit[piece]
        if len(work):
            self._check(float(pieces.start_ps[piece[-1]]) + float(inside[-1]))
            keep = int(piece[-1])
            self._pieces = _Pieces(
                pieces.start_ps[keep:], pieces.start_work[keep:], pieces.ps_per_unit[keep:]
            )
        times: I64 = pieces.start_ps[piece] + np.rint(inside).astype(np.int64)
        return times

    def _check(self, last_ps: float) -> None:
        if last_ps > LATEST_PS:
            raise InputError(
                f"arrival.samples_per_s = {self._arrival.samples_per_s:g}: sample {self._sample - 1} comes after "
                f"{last_ps / PS_PER_S:.3g} s, beyond the {LATEST_PS / PS_PER_S:.3g} s that times can hold"
            )


def _bursts(arrival: Arrival, per_ps: float, seed: int) -> Iterator[tuple[I64, I64]]:
    """Yield lengths and work of bursts and what lies between them, in turn; the first is drawn by its share."""
    share, factor, burst_ns = arrival.burst_share, arrival.burst_factor, arrival.burst_ns
    assert share is not None
    assert factor is not None
    assert burst_ns is not None
    key = counter.stream_key(seed, PIECE_STREAM)
    starts_in_burst = bool(counter.unit(counter.draw(key, np.zeros(1, np.uint64)))[0] < share)
    mean_ps = np.array([burst_ns * 1000.0, burst_ns * 1000.0 * (1.0 - share) / share])
    rate = np.array([per_ps * factor, per_ps * max(0.0, 1.0 - share * factor) / (1.0 - share)])
    first = 1
    while True:
        state = (np.arange(first, first + SWITCHES_AT_ONCE) + starts_in_burst) % 2
        lengths = np.rint(_exponential(key, first, SWITCHES_AT_ONCE) * mean_ps[state])
        yield lengths.astype(np.int64), np.rint(lengths * rate[state]).astype(np.int64)
        first += SWITCHES_AT_ONCE


def _periods(arrival: Arrival) -> Iterator[tuple[I64, I64]]:
    """Yield lengths and work of the parts of one period, again and again."""
    assert arrival.period_s is not None
    assert arrival.samples_per_s is not None
    assert arrival.curve is not None
    period_ps, parts = round(arrival.period_s * PS_PER_S), len(arrival.curve)
    lengths = np.diff(np.array([period_ps * part // parts for part in range(parts + 1)]))
    work = arrival.period_s * arrival.samples_per_s * UNIT
    units = np.rint(np.array(arrival.curve) / sum(arrival.curve) * work).astype(np.int64)
    while True:
        yield lengths, units


def with_arrivals(trace: EmbeddingTrace, arrival: Arrival, seed: int = 1) -> EmbeddingTrace:
    """Give the samples of a trace new arrival times, in the order in which they first come.

    Parameters
    ----------
    trace : EmbeddingTrace
        Any trace; without a ``sample`` column bag ``k`` of a table is sample ``k``.
    arrival : Arrival
        The process; "saturated" removes the times.
    seed : int
        Which of the traces of this process.

    Returns
    -------
    EmbeddingTrace
        The same columns with another ``time_ps``; all bags of a sample arrive together.

    Raises
    ------
    InputError
        Samples that cannot be told, or times beyond 53 days.
    """
    if arrival.process == "saturated":
        return replace(trace, time_ps=None)
    samples = sample_numbers(trace)
    _, first, inverse = np.unique(samples, return_index=True, return_inverse=True)
    turn = np.empty(len(first), np.int64)
    turn[np.argsort(first)] = np.arange(len(first))
    times = Clock(arrival, seed).times_ps(len(first))
    assert times is not None
    return replace(
        trace,
        time_ps=times[turn[inverse]],
        notes=(*trace.notes, f"arrival times drawn: {arrival.summary()}, seed = {seed}"),
    )
