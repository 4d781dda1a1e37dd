"""Renew the tables of validation-hardware.md and its figure: ``python docs/make_hardware.py [--sweep]``.

The sweep takes several minutes; without the option its table stays as it is.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from archsim.report.curves import plot_curves
from archsim.validate import hardware, page

PAGE = Path(__file__).with_name("validation-hardware.md")
FIGURE = Path(__file__).parent / "figures" / "hardware.png"
SWEEP = Path(__file__).parents[1] / "benchmarks" / "hardware_sweep.py"


def renewed(text: str, name: str, content: str) -> str:
    """Return the text with what stands between the marks of this name replaced."""
    before, begin, rest = text.partition(f"<!-- {name}: ")
    command, mark, rest = rest.partition("-->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    return f"{before}{begin}{command}{mark}\n{content}\n\n{end}{after}"


def main() -> None:
    """Renew the page and the figure."""
    text = PAGE.read_text(encoding="utf-8")
    rows = list(hardware.rows())
    table = page.markdown_page(rows, ["hardware"]).partition("\n| figure")
    text = renewed(text, "rows", f"{page.summary(rows)}.\n{table[1]}{table[2]}".rstrip())
    if "--sweep" in sys.argv[1:]:
        swept = subprocess.run([sys.executable, str(SWEEP)], stdout=subprocess.PIPE, text=True, check=True)
        text = renewed(text, "sweep", swept.stdout.rstrip())
    PAGE.write_text(text, encoding="utf-8")
    plot_curves(hardware.measured(), hardware.family().curves, hardware.PEAK_GBPS, FIGURE)
    print(f"hardware: {PAGE}, {FIGURE}")


if __name__ == "__main__":
    main()
