"""Random DRAM memories and request mixes, for hypothesis."""

import random

from engine import ddr4
from hypothesis import strategies as st

# Shortest and longest value of each timing that is varied. A burst of 4 clocks leaves no shorter tCCD_S.
RANGES = {
    "CL": (1, 30), "CWL": (1, 30), "tRCD": (1, 30), "tRP": (1, 30), "tRAS": (1, 50), "tRC": (1, 80),
    "tCCD_S": (4, 8), "tCCD_L": (4, 12), "tRRD_S": (1, 10), "tRRD_L": (1, 14), "tFAW": (1, 60),
    "tWTR_S": (1, 10), "tWTR_L": (1, 16), "tWR": (1, 30), "tRTP": (1, 20), "tRTRS": (0, 6),
}  # fmt: skip
ORDERED = (("tCCD_L", "tCCD_S"), ("tRRD_L", "tRRD_S"), ("tWTR_L", "tWTR_S"), ("tRC", "tRAS"))
FIELDS = ("rank", "bank_group", "bank", "row", "column", "is_write", "arrival")


@st.composite
def timings(draw):
    """The standard's timing, or random values, none of them impossible."""
    if draw(st.sampled_from([True, False, False])):
        return {}
    timing = {name: draw(st.integers(*limits)) for name, limits in RANGES.items()}
    for longer, shorter in ORDERED:
        timing[longer] = max(timing[longer], timing[shorter])
    return timing


@st.composite
def memories(draw, refresh_modes=("all-bank", "all-bank", "all-bank", "none")):
    """A DramSpec of up to 4 ranks; refresh often falls due within a mix, but leaves time to work."""
    write_queue = draw(st.sampled_from([1, 2, 4, 8, 32, 64]))
    high = draw(st.integers(1, write_queue))
    tREFI, tRFC = draw(st.sampled_from([(300, 20), (300, 20), (400, 40), (700, 60), (9360, 420)]))
    return ddr4(
        organization={
            "ranks": draw(st.sampled_from([1, 2, 4])),
            "bank_groups": draw(st.sampled_from([1, 2, 4])),
            "banks_per_group": draw(st.sampled_from([1, 2, 4])),
        },
        address_map={"layout": ["column", "rank", "bank_group", "bank", "row"], "hash": []},
        timing={**draw(timings()), "tREFI": tREFI, "tRFC": tRFC},
        controller={
            "read_queue": draw(st.sampled_from([1, 2, 4, 8, 32, 64])),
            "write_queue": write_queue,
            "write_drain_high": high,
            "write_drain_low": draw(st.integers(0, high - 1)),
        },
        refresh={"mode": draw(st.sampled_from(refresh_modes)), "staggered": draw(st.booleans())},
    )


@st.composite
def mixes(draw, spec, longest=150):
    """Requests to the memory as a dict of columns: hot rows, idle gaps and bursts of one line, by chance.

    Some mixes come in groups just before a refresh falls due, so that requests and refresh compete.
    """
    n = draw(st.one_of(st.integers(1, 20), st.integers(longest // 3, longest), st.just(longest)))
    write_share = draw(st.sampled_from([0.1, 0.3, 0.5, 0.9, 0, 1]))
    repeat_share = draw(st.sampled_from([0, 0, 0.1, 0.5]))
    gap_share, longest_gap = draw(st.sampled_from([(0, 0), (0, 0), (0.05, 1000), (0.3, 10), (0.3, 100)]))
    rows, columns = draw(st.sampled_from([1, 2, 4, 1000])), draw(st.sampled_from([1, 4, 128]))
    before_refresh = draw(st.sampled_from([0, 0.15]))
    between_refreshes = spec.timing.tREFI // spec.organization.ranks
    chance = random.Random(draw(st.integers(0, 2**32 - 1)))
    organization, clk, requests = spec.organization, 0, []
    sizes = (organization.ranks, organization.bank_groups, organization.banks_per_group, rows, columns)
    for i in range(n):
        if chance.random() < gap_share:
            clk += chance.randrange(longest_gap)
        if chance.random() < before_refresh:
            due = (clk // between_refreshes + 1) * between_refreshes
            clk = max(clk, due - chance.randrange(80))
        line = tuple(chance.randrange(size) for size in sizes)
        if i and chance.random() < repeat_share:
            line = requests[-1][:5]
        requests.append((*line, chance.random() < write_share, clk))
    return dict(zip(FIELDS, map(list, zip(*requests, strict=True)), strict=True))
