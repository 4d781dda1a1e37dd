"""A small trace that several test files replay."""

import pytest

from archsim.traces import open_trace, write_native


@pytest.fixture(scope="session")
def native_trace(tmp_path_factory):
    """Return the folder of a native trace of 2,000 lookups in 8 tables; not to be changed."""
    path = tmp_path_factory.mktemp("traces") / "native"
    write_native(open_trace("preset:zipf", overrides=["lookups=2000", "rows=5000"]), path)
    return path
