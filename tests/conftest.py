"""What several test files share: the program, run inside the test, and a small trace for it."""

import sys
from typing import NamedTuple

import pytest

from archsim.cli import main
from archsim.traces import open_trace, write_native


class Ended(NamedTuple):
    """How a run of the program ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the program with these arguments, here and now."""

    def start(*arguments):
        monkeypatch.setattr(sys, "argv", ["archsim", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return Ended(end.value.code, *capsys.readouterr())

    return start


@pytest.fixture(scope="session")
def native_trace(tmp_path_factory):
    """A native trace on disk, of 2,000 lookups in 8 tables; not to be changed."""
    path = tmp_path_factory.mktemp("traces") / "native"
    write_native(open_trace("preset:zipf", overrides=["lookups=2000", "rows=5000"]), path)
    return path
