"""Arrival processes: closed forms of their rate and variance, the same times for every cutting, and what is refused.

The statistics are of fixed traces, so they hold on every machine or on none; the bounds, 3.3 standard deviations and
chi-square values of p = 0.001, are what 1 seed in 1,000 would miss.
"""

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.spec import apply_overrides
from archsim.traces import Arrival, EmbeddingTrace, Table, open_trace, with_arrivals
from archsim.traces.counter import draw, stream_key
from archsim.traces.generators.arrivals import GAP_STREAM, UNIT, Clock, negative_log, parse_arrivals

POISSON = Arrival(process="poisson", samples_per_s=1e6)
BURSTY = Arrival(process="bursty", samples_per_s=1e6, burst_factor=4.0, burst_share=0.1, burst_ns=50_000.0)
CURVE = (1.0, 0.0, 2.0, 5.0)
DIURNAL = Arrival(process="diurnal", samples_per_s=1e6, period_s=0.02, curve=CURVE)
PACED = Arrival(process="paced", samples_per_s=3e6)
TIMED = [PACED, POISSON, BURSTY, DIURNAL]


def times(arrival, samples, seed=1):
    """Arrival times of the first samples."""
    return Clock(arrival, seed).times_ps(samples)


def dispersion(arrived_ps, window_ps):
    """Variance over mean of the arrivals per window."""
    counts = np.bincount(arrived_ps // window_ps)[:-1]
    return counts.var() / counts.mean()


def bits_of(u53):
    """Return a random word whose highest 53 bits are these."""
    return np.array([u53 << 11], np.uint64)


@settings(deadline=None)
@given(st.integers(0, 2**53 - 1))
def test_the_logarithm_is_right_to_14_digits(u53):
    getcontext().prec = 40
    exact = -((Decimal(2 * u53 + 1)) / Decimal(2**54)).ln()
    found = Decimal(float(negative_log(bits_of(u53))[0]))
    assert found >= 0
    assert abs(found - exact) < Decimal("1e-14")


def test_the_logarithm_is_the_same_on_every_machine():
    """Words of a table of 2**53 hits; a library's log would differ in the last bit on some of them."""
    words = draw(stream_key(7), np.arange(100_000, dtype=np.uint64))
    assert negative_log(words).tobytes() == twin_logs(words)


def twin_logs(words):
    """Say the same in plain Python floats, one word at a time."""
    found = []
    for word in words.tolist():
        mantissa, exponent = math.frexp(float(2 * (word >> 11) + 1))
        if mantissa < 0.7071067811865476:
            mantissa, exponent = mantissa * 2.0, exponent - 1
        ratio = (mantissa - 1.0) / (mantissa + 1.0)
        total = 1.0 / 21
        for k in range(19, 0, -2):
            total = total * (ratio * ratio) + 1.0 / k
        found.append(max((54.0 - exponent) * 0.6931471805599453 - 2.0 * ratio * total, 0.0))
    return np.array(found).tobytes()


@pytest.mark.parametrize("arrival", TIMED, ids=lambda arrival: arrival.process)
@settings(deadline=None, max_examples=25)
@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_times_do_not_depend_on_how_the_trace_is_cut(arrival, cuts):
    clock = Clock(arrival, 3)
    pieces = [clock.times_ps(number) for number in cuts]
    together = np.concatenate([np.empty(0, np.int64), *pieces])
    assert together.tolist() == times(arrival, sum(cuts), 3).tolist()


@pytest.mark.parametrize("arrival", TIMED, ids=lambda arrival: arrival.process)
def test_times_never_fall_and_have_the_mean_rate(arrival):
    samples = 400_000
    arrived = times(arrival, samples)
    assert (np.diff(arrived) >= 0).all()
    rate = (samples - 1) / ((arrived[-1] - arrived[0]) * 1e-12)
    # Standard deviation of the rate: sqrt(index of dispersion / samples); bursty: see its own test.
    sigma = {"paced": 1e-6, "poisson": 1.0, "bursty": math.sqrt(1 + bursty_excess()), "diurnal": 1.0}
    bound = 3.3 * sigma[arrival.process] / math.sqrt(samples)
    if arrival.process == "diurnal":  # the last period is not whole
        bound += 0.02 / (samples / 1e6)
    assert rate == pytest.approx(arrival.samples_per_s, rel=bound)


def test_saturated_arrivals_have_no_times():
    assert times(Arrival(), 10) is None
    assert open_trace("preset:zipf", limit=1000).time_ps is None


def test_paced_samples_come_at_equal_gaps():
    arrived = times(PACED, 1000)
    assert arrived.tolist() == [round(i * (1e12 / 3e6)) for i in range(1000)]
    assert dispersion(times(Arrival(process="paced", samples_per_s=1e6), 10_000), 10**7) == 0


def test_poisson_gaps_are_exponential():
    gaps = np.diff(times(POISSON, 200_001)) / 1e6
    edges = -np.log(1 - np.arange(20) / 20)  # 20 bins of equal probability
    counts = np.bincount(np.searchsorted(edges, gaps, side="right") - 1, minlength=20)
    expected = len(gaps) / 20
    assert ((counts - expected) ** 2 / expected).sum() < 43.8, "chi-square, 19 degrees of freedom, p = 0.001"
    correlation = np.corrcoef(gaps[1:], gaps[:-1])[0, 1]
    assert abs(correlation) < 3.3 / math.sqrt(len(gaps))


@pytest.mark.parametrize("window_ps", [10**6, 10**7, 10**8])
def test_the_index_of_dispersion_of_poisson_arrivals_is_1(window_ps):
    arrived = times(POISSON, 1_000_000)
    windows = int(arrived[-1] // window_ps)
    mean = 1e-6 * window_ps
    # Variance of the sample variance of a Poisson count: (2 + 1 / mean) / windows, relative to mean**2.
    assert dispersion(arrived, window_ps) == pytest.approx(1, abs=3.3 * math.sqrt((2 + 1 / mean) / windows))


def bursty_excess():
    """Index of dispersion of the two-state process over long windows, minus 1.

    The rate is ``a`` for a share ``p`` of the time and ``b`` else, and switches with the rates 1/T_on and 1/T_off: its
    autocovariance is p (1 - p) (a - b)**2 exp(-t / tau), 1 / tau = 1 / T_on + 1 / T_off. Hence 2 tau p (1 - p)
    (a - b)**2 / mean.
    """
    mean, p, on = 1.0, BURSTY.burst_share, BURSTY.burst_ns * 1e-9 * BURSTY.samples_per_s
    a = BURSTY.burst_factor * mean
    b = mean * (1 - p * BURSTY.burst_factor) / (1 - p)
    off = on * (1 - p) / p
    tau = 1 / (1 / on + 1 / off)
    return 2 * tau * p * (1 - p) * (a - b) ** 2 / mean


@pytest.mark.parametrize("window_us", [10, 100, 5000])
def test_the_index_of_dispersion_of_bursts_is_that_of_a_two_state_process(window_us):
    arrived = times(BURSTY, 4_000_000)
    tau_us = 50 * 0.9  # time constant of the switching, in microseconds and so in mean gaps
    share = 1 - tau_us / window_us * (1 - math.exp(-window_us / tau_us))
    expected = 1 + bursty_excess() * share
    assert expected > 2
    assert dispersion(arrived, window_us * 10**6) == pytest.approx(expected, rel=0.15), (
        "measured over 800+ windows"
    )


def test_bursts_take_their_share_of_the_samples_at_their_rate():
    arrived = times(BURSTY, 4_000_000)
    counts = np.bincount(arrived // 10**7)  # windows of 10 microseconds, a fifth of a burst
    busy = counts[counts > 25]  # 40 expected in a burst and 6.7 between
    assert len(busy) / len(counts) == pytest.approx(0.1, abs=0.02)
    assert np.median(busy) == pytest.approx(40, abs=3)


def test_a_process_that_is_silent_between_bursts_has_no_arrivals_there():
    arrival = Arrival(process="bursty", samples_per_s=1e6, burst_factor=10.0, burst_share=0.1, burst_ns=1e6)
    counts = np.bincount(times(arrival, 300_000) // 10**8)
    assert (counts == 0).mean() == pytest.approx(0.9, abs=0.06)


def test_diurnal_arrivals_follow_their_curve():
    arrived = times(DIURNAL, 2_000_000)  # 100 periods of 20 ms with 20,000 samples each
    part = arrived % (2 * 10**10) // (5 * 10**9)
    counts = np.bincount(part, minlength=4)
    assert counts[1] == 0
    expected = np.array([1, 2, 5]) / 8 * len(arrived)
    assert ((counts[[0, 2, 3]] - expected) ** 2 / expected).sum() < 13.8, (
        "chi-square, 2 degrees of freedom, p = 0.001"
    )
    inside = arrived[part == 3] % (5 * 10**9)
    halves = np.bincount(inside // (25 * 10**8), minlength=2)
    assert abs(halves[0] - halves[1]) < 3.3 * math.sqrt(len(inside)), "the rate is constant inside a part"


def test_work_is_summed_in_whole_units():
    words = draw(stream_key(1, GAP_STREAM), np.arange(1000, dtype=np.uint64))
    gaps = [round(float(x) * UNIT) for x in negative_log(words)]
    expected = [round(sum(gaps[: i + 1]) * (1 / (1e6 * UNIT / 10**12))) for i in range(1000)]
    assert times(POISSON, 1000).tolist() == expected


def test_seeds_give_other_times():
    assert (times(POISSON, 100, 1) != times(POISSON, 100, 2)).all()


def test_the_samples_of_a_generated_trace_are_timed_and_its_rows_stay():
    timed = open_trace("preset:zipf", overrides=["lookups=5000", *parse_arrivals("poisson:1e6/s")])
    plain = open_trace("preset:zipf", overrides=["lookups=5000"])
    assert timed.rows.tolist() == plain.rows.tolist()
    assert timed.time_ps.tolist() == times(POISSON, 8)[timed.sample].tolist()


def test_arrival_times_can_be_given_to_any_trace():
    trace = EmbeddingTrace.from_columns(
        [0, 1, 0, 1], [1, 2, 3, 4], [0, 1, 2, 3], tables=[Table("a", 9, 4), Table("b", 9, 4)]
    )
    timed = with_arrivals(trace, POISSON, seed=5)
    first, second = times(POISSON, 2, 5).tolist()
    assert timed.time_ps.tolist() == [first, first, second, second]
    assert timed.notes[-1] == "arrival times drawn: poisson samples_per_s = 1000000.0, seed = 5"
    assert with_arrivals(timed, Arrival()).time_ps is None
    table_major = with_arrivals(trace.reorder("table-major"), POISSON, seed=5)
    assert table_major.time_ps.tolist() == [first, second, first, second]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["process=poison"],
            "process = 'poison': must be 'saturated', 'paced', 'poisson', 'bursty' or 'diurnal'",
        ),
        (["process=poisson"], "samples_per_s: missing; process = 'poisson' needs it"),
        (["samples_per_s=5"], "samples_per_s: must be absent when process = 'saturated'"),
        (["process=poisson", "samples_per_s=0"], "samples_per_s = 0: must be more than 0"),
        (
            ["process=paced", "samples_per_s=1", "burst_ns=5"],
            "burst_ns: must be absent when process = 'paced'",
        ),
        (
            ["process=bursty", "samples_per_s=1e6", "burst_factor=20", "burst_share=0.1", "burst_ns=1000"],
            "burst_factor = 20: must be at most 1 / burst_share = 10",
        ),
        (
            ["process=bursty", "samples_per_s=1e12", "burst_factor=2", "burst_share=0.1", "burst_ns=1e10"],
            "burst_ns = 1e+10: bursts must follow one another within 1e+13 ns and 1e+09 samples on average",
        ),
        (
            ["process=diurnal", "samples_per_s=1e6", "period_s=1", "curve=[0, 0]"],
            "curve: must not be 0 throughout",
        ),
        (
            ["process=diurnal", "samples_per_s=1e12", "period_s=86400", "curve=[1, 2]"],
            "period_s = 86400: must hold at most 1e+12 samples",
        ),
    ],
)
def test_an_arrival_process_that_makes_no_sense_is_refused(overrides, message):
    with pytest.raises(InputError) as error:
        apply_overrides(Arrival(), overrides)
    assert str(error.value).startswith(f"--set: {message}")


@pytest.mark.parametrize("text", ["bursty:1/s", "poisson", "poisson:5", "poisson:x/s", ""])
def test_a_short_form_that_says_too_little_is_refused(text):
    with pytest.raises(InputError, match="must be paced:N/s or poisson:N/s"):
        parse_arrivals(text)


@pytest.mark.parametrize("process", ["paced", "poisson", "diurnal", "bursty"])
def test_times_beyond_64_bits_are_refused(process):
    more = {
        "diurnal": {"period_s": 4e6, "curve": (1.0, 1.0)},
        "bursty": {"burst_ns": 1e12, "burst_share": 0.1, "burst_factor": 2.0},
    }
    arrival = Arrival(process=process, samples_per_s=1e-6, **more.get(process, {}))
    with pytest.raises(InputError, match=r"beyond the 4.61e\+06 s that times can hold"):
        times(arrival, 100)
