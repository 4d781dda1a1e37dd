"""Pages of the notebooks: each is run from top to bottom and becomes Markdown with its pictures."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbclient
import nbformat
from nbconvert import MarkdownExporter

#: Share of a notebook's full size; its pictures are the same, in seconds.
SCALE = os.environ.get("ARCHSIM_TRACE_SCALE", "0.2")
TIMEOUT_S = 120


def pages(folder: Path) -> Iterator[tuple[str, str | bytes]]:
    """Run all notebooks of a folder, two at a time, and yield path and content of their pages and pictures."""
    os.environ["ARCHSIM_TRACE_SCALE"] = SCALE
    with ThreadPoolExecutor(2) as pool:
        for files in pool.map(_run, sorted(folder.glob("*.ipynb"))):
            yield from files.items()


def _run(path: Path) -> dict[str, str | bytes]:
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=TIMEOUT_S, kernel_name="python3").execute(cwd=str(path.parent))
    text, resources = MarkdownExporter().from_notebook_node(
        notebook, {"output_files_dir": f"{path.stem}_files", "unique_key": path.stem}
    )
    note = (
        f"\n\n*`notebooks/{path.name}`, run at {float(SCALE):.0%} of its size while this site was built.*\n"
    )
    title, _, rest = _linked(text).lstrip().partition("\n")
    files: dict[str, str | bytes] = {f"notebooks/{path.stem}.md": f"{title}{note}{rest}"}
    for name, picture in resources["outputs"].items():
        files[f"notebooks/{name}"] = picture
    return files


def _linked(text: str) -> str:
    """Let links to notebooks and to documents lead to their pages."""
    text = re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", text)
    return text.replace("](../docs/", "](../")
