"""What the documents say can be done can be done."""

import doctest
import re
from pathlib import Path

import pytest

import archsim

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_the_python_of_the_readme_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert "speedup" in capsys.readouterr().out


def test_the_example_of_the_package_docstring_runs():
    tried = doctest.testmod(archsim)
    assert tried.attempted > 0
    assert tried.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target
    for path in re.findall(
        r"`((?:archsim|kernels|traces|tests|docs|benchmarks|notebooks)/[\w./-]+\.\w+)`", text
    ):
        assert (ROOT / path).exists(), path
