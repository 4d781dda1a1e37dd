"""Pieces of an HTML page. Every text from outside is escaped here, and only here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from archsim.errors import printable

#: Longest text of a cell or a heading; files may hold names of any length.
LONGEST_TEXT = 2000


def text(value: object) -> str:
    """Return a value as it stands in a page: escaped, with control characters written out, cut when very long."""
    shown = "–" if value is None else str(value)
    if len(shown) > LONGEST_TEXT:
        shown = f"{shown[:LONGEST_TEXT]}…"
    return escape(printable(shown), quote=True)


def number(value: Any) -> str:
    """Write a figure with six significant digits; whole numbers with all of theirs."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    if isinstance(value, int) or (abs(value) < 1e9 and value.is_integer()):
        return f"{int(value):,}"
    return f"{value:,.6g}" if 1e-4 <= abs(value) < 1e6 else f"{value:.6g}"


def section(name: str, title: str, *parts: str) -> str:
    """Return a section with its heading, or nothing when it has no content."""
    body = "\n".join(part for part in parts if part)
    if not body:
        return ""
    return f'<section id="{name}" aria-labelledby="{name}-h">\n<h2 id="{name}-h">{text(title)}</h2>\n{body}\n</section>'


def paragraph(words: str, kind: str = "") -> str:
    """Return a paragraph."""
    return f"<p{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{text(words)}</p>"


def details(title: str, *parts: str, shut: bool = True) -> str:
    """Return what opens when its title is clicked."""
    body = "\n".join(part for part in parts if part)
    return f"<details{'' if shut else ' open'}><summary>{text(title)}</summary>\n{body}\n</details>"


def table(
    head: Sequence[object],
    rows: Iterable[Sequence[object]],
    caption: str,
    *,
    kind: str = "",
    left: int = 1,
) -> str:
    """Return a table in a box of its own that scrolls sideways.

    Parameters
    ----------
    head : sequence
        Names of the columns.
    rows : iterable of sequence
        The first cell is the header of the row. Leading spaces of it become an indent. `Raw` cells stand as they are.
    caption : str
        What the table is of, for those who see it and for those who hear it.
    kind : str
        A class.
    left : int
        So many columns are texts, to the left; the others figures, to the right.
    """
    lines = [f'<div class="scroll" tabindex="0" role="region" aria-label="{text(caption)}">']
    lines.append(f'<table class="{kind}"><caption>{text(caption)}</caption>')
    lines.append(
        "<thead><tr>"
        + "".join(f"<th scope=col{_side(i, left)}>{text(name)}</th>" for i, name in enumerate(head))
    )
    lines.append("</tr></thead><tbody>")
    for first, *cells in rows:
        lines.append(_row(first, cells, left, len(head)))
    lines.append("</tbody></table></div>")
    return "\n".join(lines)


class Raw(str):
    """HTML that was made here."""

    __slots__ = ()


def bar(share: float) -> Raw:
    """Return a share, 0 to 1, as a figure on a bar."""
    width = 100 * min(max(share, 0.0), 1.0)
    return Raw(f'<span class="bar"><i style="width:{width:.1f}%"></i><b>{100 * share:.1f} %</b></span>')


def code(content: str) -> str:
    """Return text as it is typed, in a box that scrolls."""
    return f'<pre tabindex="0"><code>{escape(content)}</code></pre>'


def described(pairs: Iterable[tuple[str, object]]) -> str:
    """Return names and what they are, one below the other; those without a value are left out."""
    rows = [
        f"<dt>{text(name)}</dt><dd>{value if isinstance(value, Raw) else text(value)}</dd>"
        for name, value in pairs
        if value not in (None, "")
    ]
    return f"<dl>{''.join(rows)}</dl>" if rows else ""


def _row(first: object, cells: Sequence[object], left: int, width: int) -> str:
    name = str(first)
    inner = len(name) - len(name.lstrip(" "))
    look = ' class="sub"' if inner else ""
    if not cells and width > 1:
        return f'<tr class="group"><th scope=row colspan={width}>{text(name.strip())}</th></tr>'
    body = "".join(
        f"<td{_side(i, left)}>{cell if isinstance(cell, Raw) else text(cell)}</td>"
        for i, cell in enumerate(cells, start=1)
    )
    return f"<tr><th scope=row{look}>{text(name.strip())}</th>{body}</tr>"


def _side(place: int, left: int) -> str:
    return "" if place < left else " class=n"
