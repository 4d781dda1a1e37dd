"""Dask clusters as executors. Only documented parts of Dask are used."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from archsim.errors import InputError
from archsim.studies.code import code_version

#: How long to wait for a scheduler.
CONNECT_S = 10.0
_REFRESH_S = 5.0
_ADDRESS = re.compile(
    r"(?:(?:tcp|tls|ws|wss|ucx)://)?[\w.-]+:\d{1,5}|(?:tcp|tls)://\[[0-9A-Fa-f:.]+\]:\d{1,5}"
)


class Cluster(NamedTuple):
    """A cluster that answers: where to run, how many points at a time, and what to call it."""

    executor: Executor
    workers: Callable[[], int]
    name: str


@contextmanager
def dask_cluster(address: str, timeout_s: float | None = None) -> Iterator[Cluster]:
    """Connect to the scheduler of a Dask cluster, and check that its workers run the same code.

    Parameters
    ----------
    address : str
        Such as ``tcp://10.0.0.1:8786``.
    timeout_s : float
        How long to wait for an answer; by default `CONNECT_S`.

    Raises
    ------
    InputError
        When Dask is not installed, nothing answers, or a worker runs other code.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--dask: needs Dask: pip install 'archsim[dask]'") from None
    place = f"--dask {address}"
    if not _ADDRESS.fullmatch(address):
        raise InputError(f"{place}: must be the address of a scheduler, such as tcp://10.0.0.1:8786")
    with _quiet():
        client = _connected(Client, address, CONNECT_S if timeout_s is None else timeout_s, place)
        try:
            _check_workers(client, place)
            yield Cluster(client.get_executor(pure=False), _threads(client), f"the Dask cluster at {address}")
        finally:
            client.close(timeout=2)  # a cluster that is gone is not waited for


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from logging what becomes one line."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "distributed"]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _connected(client: Any, address: str, timeout_s: float, place: str) -> Any:
    try:
        return client(address, timeout=timeout_s, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{place}: no scheduler answers within {timeout_s:g} s: {why}") from None


def _check_workers(client: Any, place: str) -> None:
    """Refuse workers of other code; those that join later are asked at their first point."""
    try:
        versions = client.run(code_version)
    except ImportError as error:
        raise InputError(f"{place}: a worker has no archsim: {error}; install the same one there") from None
    except Exception as error:
        raise InputError(f"{place}: its workers cannot be asked: {type(error).__name__}: {error}") from None
    for worker, version in versions.items():
        if version != code_version():
            raise InputError(
                f"{place}: worker {worker} runs other code, {version}; here it is {code_version()}: "
                "install the same archsim there"
            )


def _threads(client: Any) -> Callable[[], int]:
    """Return a function that says how many points the cluster runs at a time; clusters grow and shrink."""
    known = [0.0, 0]

    def count() -> int:
        now = time.monotonic()
        if not known[1] or now - known[0] > _REFRESH_S:
            # Of a scheduler that is gone, the points in flight will tell.
            with suppress(OSError, TimeoutError):
                known[1] = max(1, sum(client.nthreads().values()))
            known[0] = now
        return int(known[1]) or 1

    return count
