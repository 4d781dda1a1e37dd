"""Generated traces against published statistics of production traces.

Each part is a module here with ``rows() -> iterator of Row`` and ``assumptions() -> list of str``.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from archsim.validate.row import Row

#: What is compared, in the order of the page.
PARTS = ("traces_recnmp", "traces_meta")


def rows(data: Path | None = None) -> Iterator[Row]:
    """Generate every trace and yield the rows of every part."""
    for part in PARTS:
        yield from import_module(f"archsim.validate.{part}").rows()


def assumptions() -> list[str]:
    """Return, line by line, what is assumed because it was not published."""
    return [line for part in PARTS for line in import_module(f"archsim.validate.{part}").assumptions()]
