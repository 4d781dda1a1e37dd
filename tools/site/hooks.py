"""Pages of the site that are made while it is built: reference, notebooks, and documents from outside docs/."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

import notebook_pages
import reference_pages

ROOT = Path(__file__).parents[2]
#: Documents of the top folder, and the page that each becomes.
OUTSIDE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_made: dict[str, str | bytes] = {}


def on_config(config: Any) -> Any:
    """Make the pages, and put those whose number is not fixed where ``nav`` has their folder."""
    _made.clear()
    _made.update(_outside())
    _made.update(reference_pages.pages())
    _made.update(notebook_pages.pages(ROOT / "notebooks"))
    config.nav = _filled(config.nav)
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add what was made to what is in docs/."""
    for path, content in _made.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links of documents to notebooks lead to the pages made of them."""
    return re.sub(r"\]\(\.\./notebooks/(\w+)\.ipynb\)", r"](notebooks/\1.md)", markdown)


def _outside() -> Iterator[tuple[str, str]]:
    for name, page in OUTSIDE.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        yield page, text.replace("](docs/", "](")


def _filled(nav: Any) -> Any:
    """Replace each folder in ``nav`` by the pages that were made in it."""
    if isinstance(nav, list):
        return [_filled(item) for item in nav]
    if isinstance(nav, dict):
        return {name: _filled(item) for name, item in nav.items()}
    if isinstance(nav, str) and nav.endswith("/"):
        return sorted(path for path in _made if path.startswith(nav) and path.endswith(".md"))
    return nav
