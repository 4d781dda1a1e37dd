"""Pictures inside a page: as drawings or as dots, whichever is smaller. matplotlib is imported on use."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from archsim.errors import InputError
from archsim.report.html_parts import text
from archsim.report.style import save

#: A drawing of at most so many bytes is taken although dots might be smaller: it stays sharp when printed.
_SHARP_BYTES = 60_000
_TYPES = {"png": "image/png", "svg": "image/svg+xml"}


def drawn(draw: Callable[[], Any], caption: str) -> str:
    """Draw a picture and return it as a figure of the page; nothing when it cannot be drawn of this data.

    Parameters
    ----------
    draw : callable
        Returns axes or a figure, or raises `InputError`.
    caption : str
        Stands below, and for the picture where it is not seen.
    """
    try:
        picture = draw()
    except InputError:
        return ""
    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("svg", "png"):
            file = Path(folder) / f"picture.{kind}"
            save(picture, file)
            found[kind] = file.read_bytes()
            if len(found[kind]) <= _SHARP_BYTES:
                break
    kind = min(found, key=lambda each: len(found[each]))
    return figure(found[kind], kind, caption)


def figure(content: bytes, kind: str, caption: str, *, wide: bool = False) -> str:
    """Return a picture that is part of the page.

    Inside ``<img>`` a drawing keeps its names to itself, and can neither run nor load anything.
    """
    data = base64.b64encode(content).decode("ascii")
    return (
        f'<figure{" class=wide" if wide else ""}><img alt="{text(caption)}" src="data:{_TYPES[kind]};base64,{data}">'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )
