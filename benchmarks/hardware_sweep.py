"""What the unpublished policies of the measured machine do to the comparison: ``python benchmarks/hardware_sweep.py``.

Each line changes one assumption of ``archsim validate hardware`` (or states another memory) and prints, for some read
shares, the deviation of the saturated share in points of the peak and of the latency over idle in ns, and how many of
these rows hold. With names as arguments only those variants run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from archsim.validate import hardware
from archsim.validate.hardware_run import PEAK_GBPS, Machine
from archsim.validate.row import Row

PERCENTS = (100, 90, 80, 65, 50)
BASE = Machine()


def with_policies(*policies: str, **fields: Any) -> Machine:
    return replace(BASE, policies=(*BASE.policies, *policies), **fields)


def with_workload(**fields: Any) -> Machine:
    return replace(BASE, workload=replace(BASE.workload, **fields))


def drain(places: int, high: int, low: int) -> Machine:
    return with_policies(
        f"controller.write_queue={places}",
        f"controller.write_drain_high={high}",
        f"controller.write_drain_low={low}",
    )


VARIANTS = {
    "as assumed": BASE,
    "1 rank": with_policies("organization.ranks=1"),
    "4 ranks": with_policies("organization.ranks=4"),
    "rows open": with_policies("controller.row_policy=open"),
    "rows closed at once": with_policies("controller.row_policy=closed"),
    **{
        f"rows closed after {clk} idle clocks": with_policies(
            "controller.row_policy=timeout", f"controller.row_timeout_clk={clk}"
        )
        for clk in (100, 500)
    },
    "oldest-first": with_policies("controller.arbitration=oldest-first"),
    "ranks in turn": with_policies("controller.rank_arbitration=round-robin"),
    "no row-hit protection": with_policies("controller.row_hit_protection=none"),
    "all row hits protected, 16 per ACT": with_policies(
        "controller.row_hit_protection=all", "controller.protection_cap=16"
    ),
    "first come, first served": with_policies("controller.scheduler=fcfs"),
    **{
        f"writes {places}, drain {high} to {low}": drain(places, high, low)
        for places, high, low in ((32, 26, 6), (32, 24, 16), (48, 36, 24), (64, 52, 12), (64, 56, 8))
    },
    **{f"reads {places}": with_policies(f"controller.read_queue={places}") for places in (24, 32, 64)},
    **{
        f"map {name}": with_policies(f"address_map.preset={name}")
        for name in ("skylake", "permutation", "roco", "mop4clxor")
    },
    "pages of 2 MiB": with_workload(page_lines=2**21 // 64),
    "pages of 2 MiB, map skylake": with_policies(
        "address_map.preset=skylake", workload=replace(BASE.workload, page_lines=2**21 // 64)
    ),
    "7 cores": with_workload(cores=7),
    "30 streams": with_workload(cores=30),
    "no jitter": with_workload(jitter=0.0),
    "16 lines at a time": with_workload(burst_lines=16),
    **{f"{lines} lines per core": replace(BASE, lines_per_core=lines) for lines in (10, 12, 20, 24)},
    "no limit of lines in flight": replace(BASE, lines_per_core=0),
    "ranks refreshed together": with_policies("refresh.staggered=false"),
    "refresh postponed by up to 8": with_policies("refresh.postpone=8"),
    "refresh holds back the channel": with_policies("controller.refresh_blocking=channel"),
    "refresh twice as often": with_policies("refresh.temperature_c=95"),
    "no refresh": with_policies("refresh.mode=none"),
    "DDR4-2666": replace(BASE, memory="ddr4-2666"),
    "DDR4-2666, writes 32, drain 24 to 16": replace(drain(32, 24, 16), memory="ddr4-2666"),
}


def cells(rows: list[Row]) -> tuple[str, ...]:
    """Deviations by quantity, one number per read share."""
    groups: dict[str, list[str]] = {}
    for row in rows:
        if row.expected is None or row.measured is None:
            continue
        difference = row.measured - row.expected
        saturated = row.quantity.startswith("saturated")
        text = f"{100 * difference:+.1f}" if saturated else f"{difference:+.0f}".replace("+inf", "none")
        groups.setdefault(row.quantity, []).append(text if row.holds else f"**{text}**")
    judged = [row.holds for row in rows if row.holds is not None]
    constant = next(row.measured for row in rows if row.tolerance is None)
    return (
        *(" ".join(group) for group in groups.values()),
        f"{constant:.1f}",
        f"{sum(judged)} of {len(judged)}",
    )


def table(names: list[str]) -> Iterator[str]:
    """Lines of a Markdown table, as they are done."""
    shares = ", ".join(map(str, PERCENTS))
    at50, at70 = (f"{at:.0%} of {PEAK_GBPS} GB/s" for at in hardware.LATENCY_AT)
    yield (
        f"| variant | saturated share, points, at {shares} % reads | latency over idle at {at50}, ns | at {at70}, ns "
        "| constant, ns | rows that hold |"
    )
    yield "|---|---|---|---|---:|---:|"
    for name in names:
        rows = list(hardware.compare(hardware.family(VARIANTS[name], PERCENTS)))
        yield f"| {name} | {' | '.join(cells(rows))} |"


def main() -> None:
    names = sys.argv[1:] or list(VARIANTS)
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        sys.exit(f"{unknown[0]!r}: unknown variant; one of: {', '.join(VARIANTS)}")
    for line in table(names):
        print(line, flush=True)


if __name__ == "__main__":
    main()
