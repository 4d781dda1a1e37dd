"""The tables of docs/search.md are those that its command writes."""

import runpy
from pathlib import Path

import pytest

import archsim

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.slow
def test_the_tables_of_the_page_on_searches_are_what_its_command_finds(tmp_path):
    made = runpy.run_path(str(DOCS / "make_search.py"))
    page = (DOCS / "search.md").read_text(encoding="utf-8")
    for name, axes in (("front", made["SPACE"]), ("sensitivity", made["GRID"])):
        grid = archsim.sweep(
            made["TRACE"], made["SYSTEM"], axes, out=tmp_path / name, limit=made["LOOKUPS"], progress=False
        )
        written = f"<!-- search {name} -->\n{made[name](grid)}<!-- end -->"
        assert written in page, "renew it: python docs/make_search.py"
