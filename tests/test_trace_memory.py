"""Memory maps of long traces do not stay in memory once they have been walked through."""

from pathlib import Path

import numpy as np
import pytest

from archsim.traces import EmbeddingTrace, Table
from archsim.traces.checks import forget_pages

STATUS = Path("/proc/self/statm")


def resident_bytes():
    """Memory of this process that is in use now."""
    return int(STATUS.read_text().split()[1]) * 4096


def trace_over(rows):
    """A trace of one bag over a column of rows."""
    return EmbeddingTrace(
        "mapped", (Table("a", 1, 4),), rows, np.array([0, len(rows)]), np.zeros(1, np.int32)
    )


@pytest.mark.skipif(not STATUS.exists(), reason="needs /proc")
@pytest.mark.parametrize(
    "walk", [lambda trace: trace.validate(), lambda trace: trace.sha256], ids=["check", "hash"]
)
def test_checking_and_hashing_give_mapped_pages_back(tmp_path, walk):
    np.zeros(1 << 24, np.int32).tofile(tmp_path / "rows")
    trace = trace_over(np.memmap(tmp_path / "rows", np.int32, mode="r"))
    trace.rows[::512].sum()
    full = resident_bytes()
    walk(trace)
    assert full - resident_bytes() > 32 << 20, "of 64 MiB that were read"


def test_a_private_change_of_a_map_is_not_lost(tmp_path):
    np.zeros(1000, np.int32).tofile(tmp_path / "rows")
    rows = np.memmap(tmp_path / "rows", np.int32, mode="c")
    rows[7] = 5
    trace = trace_over(rows)
    forget_pages(trace.rows)
    assert trace.rows[7] == 5
