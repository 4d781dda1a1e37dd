"""One thread for the linear algebra of a block: its matrices are small, and more threads only wait for each other."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any


@cache
def _controller() -> Any:
    # Libraries are looked up once, after SciPy has loaded its own.
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """Give a block in which NumPy's and SciPy's BLAS use one thread of this process."""
    found: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return found
