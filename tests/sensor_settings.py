"""Settings of policies for tests: the stack of the paper, and any."""

from hypothesis import strategies as st

from archsim.sensor.policies import POLICIES, Limits, Setting
from archsim.sensor.powers import ModePower, Powers
from archsim.thermal import TwoPole

ZERO_C_K = 273.15
LADDER = TwoPole(5.5, 0.909e-3, 28.5, 0.35, 26.3 + ZERO_C_K)
POWERS = Powers(
    ModePower(2.5, 2.6), ModePower(0.1, 5.0), ModePower(0.1, 0.15), switch_j=1e-3, switch_s=100e-6
)
#: T_high, T_low in degC; t_warm, t_cool and duty of a simulation; the same by formula; t_cool and duty as printed.
FOUR = {
    (87, 60): ((4.517, 3.770, 0.54507059), (4.506, 3.764, 0.545), (9.470, 0.322)),
    (87, 70): ((1.478, 0.917, 0.617119), (1.469, 0.919, 0.615), (4.877, 0.232)),
    (75, 55): ((1.734, 2.403, 0.41914431), (1.733, 2.395, 0.420), (9.752, 0.151)),
    (100, 80): ((4.752, 1.281, 0.78766783), (4.719, 1.285, 0.786), (4.321, 0.522)),
}


def c(celsius):
    return celsius + ZERO_C_K


def setting(policy="seasonal", vision=None, imaging=None, **more):
    """Return a setting of the paper's stack, limits in degC."""
    limits = Limits(*(float("inf") if limit is None else c(limit) for limit in (vision, imaging)))
    return Setting(**{"ladder": LADDER, "powers": POWERS, "policy": policy, "limits": limits} | more)


def seasons(high, low, **more):
    """Return one of the four cases: checked every 1 ms."""
    case = {"high_k": c(high), "low_k": c(low), "quantised": False, "foresight": False}
    return setting("seasonal", **(case | more))


@st.composite
def settings(draw, policies=tuple(POLICIES), steps=600):
    """Return any setting: stacks, powers, limits that can and cannot be kept, frames, requests, first states."""
    real = lambda low, high: st.floats(low, high, allow_nan=False)  # noqa: E731
    ladder = TwoPole(
        draw(real(0.5, 15)), draw(real(1e-4, 1e-2)), draw(real(2, 40)), draw(real(0.01, 1)), 300.0
    )
    watts = [draw(real(0.2, 6)), draw(real(0, 1)), draw(real(0, 0.5))]
    powers = Powers(*(ModePower(watt, watt + draw(real(0, 3))) for watt in watts), draw(real(0, 0.01)), 1e-4)
    limit = st.one_of(st.just(float("inf")), real(295, 420))
    step = draw(st.sampled_from([1e-3, 1 / 60, 1 / 30, 0.1]))
    requests = draw(
        st.one_of(
            st.none(),
            real(1, 100).map(lambda many: many * step),
            st.lists(real(0, steps), max_size=8).map(lambda some: tuple(sorted(step * one for one in some))),
        )
    )
    start = draw(st.one_of(st.none(), real(300, 400), st.tuples(real(290, 400), real(290, 400))))
    more = {}
    if draw(st.booleans()):
        more["high_k"] = draw(real(300, 420))
    quantised = draw(st.booleans())
    return Setting(
        ladder, powers, draw(st.sampled_from(policies)), Limits(draw(limit), draw(limit)),
        frame_s=step if quantised else 1 / 30, check_s=step, quantised=quantised,
        duration_s=draw(st.integers(1, steps)) * step, requests=requests, start_k=start,
        latency_s=draw(st.one_of(st.none(), real(1, 5).map(lambda some: some * step))),
        patience_s=draw(real(1, 200)) * step, foresight=draw(st.booleans()), literal=draw(st.booleans()),
        **more,
    )  # fmt: skip
