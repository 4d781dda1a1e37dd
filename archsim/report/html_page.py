"""The page around the sections of a report: styles, scripts, and the rule that it loads nothing."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from archsim.report.html_parts import text

#: Scripts of every page, and those of a page with a study, in the order in which they stand.
_PLAIN = ("page.js",)
_STUDY = ("data.js", "filters.js", "table.js", "plot.js", "panels.js", "study.js")


def page(title: str, lead: str, sections: Sequence[str], *, payload: str = "", library: str = "") -> str:
    """Return the whole page.

    A policy in its head makes the browser itself refuse whatever is not in the file: no image, style, font, script or
    connection from outside, and of scripts only those with the hashes named.

    Parameters
    ----------
    title, lead : str
        Heading, and the line below it as HTML.
    sections : sequence of str
        HTML of `archsim.report.html_parts.section`; empty ones are left out.
    payload : str
        JSON of the points of a study; makes the page interactive.
    library : str
        Source of plotly.js, or empty: then the page has filters and a table, but no plot.
    """
    sections = [part for part in sections if part]
    names = [re.findall(r'<section id="([\w-]+)".*?<h2[^>]*>(.*?)</h2>', part, re.S)[0] for part in sections]
    script = "\n".join(asset(name) for name in (*_PLAIN, *(_STUDY if payload else ())))
    script = f'"use strict";\n(() => {{\n{script}\n}})();\n'
    hashes = " ".join(f"'sha256-{_digest(each)}'" for each in (script, library) if each)
    # The library compiles shaders and accessors from text when it draws with WebGL.
    evaluated = " 'unsafe-eval'" if library else ""
    policy = (
        f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {hashes}{evaluated}"
    )
    links = "".join(f'<li><a href="#{name}">{words}</a></li>' for name, words in names)
    data = [
        f'<script type="application/octet-stream" id="{name}">{packed(content)}</script>'
        for name, content in (("study-data", payload), ("plot-library", library))
        if content
    ]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{text(title)}</title>\n<style>\n{asset('page.css')}</style>\n</head>\n<body>",
            '<a class="skip" href="#main">Skip to the content</a>',
            f"<header>\n<h1>{text(title)}</h1>\n{lead}\n<nav aria-label=Sections><ul>{links}</ul></nav>\n</header>",
            '<main id="main">',
            *sections,
            "</main>",
            *data,
            f"<script>{script}</script>\n</body>\n</html>\n",
        ]
    )


def packed(content: str) -> str:
    """Return text compressed and in letters that mean nothing to HTML; the page unpacks it."""
    return base64.b64encode(gzip.compress(content.encode("utf-8"), 9, mtime=0)).decode("ascii")


@cache
def asset(name: str) -> str:
    """Return a style sheet or a script of the package."""
    return files("archsim.report").joinpath("assets", name).read_text(encoding="utf-8")


def _digest(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode("utf-8")).digest()).decode("ascii")
