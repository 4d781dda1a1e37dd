"""What all tests share: settings of hypothesis, and a small trace."""

import signal

import pytest
from hypothesis import settings

from archsim.traces import open_trace, write_native

# How long an example takes says more of the machine than of the code.
settings.register_profile("archsim", deadline=None)
settings.load_profile("archsim")

# A suite that runs in the background of a shell ignores interrupts, and so would the processes that it starts to
# interrupt them.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def native_trace(tmp_path_factory):
    """Return the folder of a native trace of 2,000 lookups in 8 tables; not to be changed."""
    path = tmp_path_factory.mktemp("traces") / "native"
    write_native(open_trace("preset:zipf", overrides=["lookups=2000", "rows=5000"]), path)
    return path
