"""docs/traces.md: every format that has an example reads as the page says."""

import re
from pathlib import Path

import pytest

from archsim.traces import read_trace
from archsim.traces.formats.registry import FILE_FORMATS

DOCS = Path(__file__).parents[1] / "docs" / "traces.md"
EXAMPLES = {
    name: (content, result)
    for name, content, result in re.findall(
        r"^### ([a-z0-9-]+)\n(?:(?!^###).)*?^```\n(.*?)^```\nReads as `(.*?)`",
        DOCS.read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
}
TEXT = {"bags", "trace-log", "user-items", "recbole", "criteo"}
REQUESTS = {"dramsim3", "ramulator1", "ramulator2", "ramulator-cpu"}


def test_every_text_format_has_an_example():
    assert TEXT | REQUESTS <= set(EXAMPLES) <= set(FILE_FORMATS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_reads_as_the_page_says(tmp_path, name):
    content, result = EXAMPLES[name]
    (tmp_path / name).write_bytes(content.encode())
    told = FILE_FORMATS[name].matches is not None
    assert repr(read_trace(tmp_path / name, format=None if told else name)) == result
