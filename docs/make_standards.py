"""Write the table of shipped DRAM standards into standards.md: ``python docs/make_standards.py``."""

from __future__ import annotations

from pathlib import Path

from archsim.dram.spec import DramSpec
from archsim.spec import preset_names

PAGE = Path(__file__).with_name("standards.md")
BEGIN, END = "<!-- table: python docs/make_standards.py -->", "<!-- end of table -->"
COLUMNS = (
    "preset",
    "device or stack",
    "peak GB/s",
    "tCK ps",
    "CL-tRCD-tRP",
    "tRC",
    "tFAW",
    "banks",
    "tRFC / tREFI",
    "access",
    "refresh by bank",
)


def row(name: str) -> tuple[str, ...]:
    """Return the cells of one standard; clocks, unless a unit is named."""
    spec = DramSpec.load(name)
    timing, organization = spec.timing, spec.organization
    buses = organization.pseudo_channels
    channel_gbps = buses * organization.access_bytes / timing.tBL / timing.tCK_ps * 1000
    parts = f"{organization.channels} ch" + (f" x {buses} pch" if buses > 1 else "")
    whole = f"{channel_gbps * organization.channels:.1f}"
    one = f" ({channel_gbps:.1f} per channel)" if organization.channels > 1 else ""
    single = [mode for mode, clk in (("per-bank", timing.tRFCpb), ("same-bank", timing.tRFCsb)) if clk]
    return (
        f"`{name}`",
        f"{spec.standard}, {parts}",
        whole + one,
        str(timing.tCK_ps),
        f"{timing.CL}-{timing.tRCD}-{timing.tRP}",
        str(timing.row_cycle_clk),
        str(timing.tFAW),
        f"{organization.bank_groups} x {organization.banks_per_group}",
        f"{timing.tRFC} / {timing.tREFI}",
        f"{organization.access_bytes} B",
        ", ".join(single) or "no",
    )


def table() -> str:
    """Return the table of all shipped standards as Markdown."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(row(name) for name in preset_names("dram"))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def page(text: str) -> str:
    """Return the text of the page with its table renewed."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def main() -> None:
    """Renew the table in the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"standards: {PAGE}")


if __name__ == "__main__":
    main()
