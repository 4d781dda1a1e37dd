"""Points through an executor: a few in flight, rows as they finish, and what to do when workers die."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

from archsim.errors import InputError
from archsim.studies.columns import Row
from archsim.studies.executors import LocalPool, WorkerDiedError
from archsim.studies.points import Task
from archsim.studies.worker import row_without_result, run_point, time_up

#: How often a point may take its worker with it.
ATTEMPTS = 3
#: Points in flight for each worker: one runs, the next waits for it.
IN_FLIGHT = 2
_DIED = "the worker process died each time this point ran (killed, or out of memory)"
_GONE = "all points before are kept, and the same call goes on from there"
_POLL_S = 0.5
#: A point that does not see its limit itself is ended this long after twice the limit, from when its replay began.
GRACE_S = 30.0


class _Flight(NamedTuple):
    task: Task
    attempt: int


class Runner:
    """Runs points and yields their rows.

    Parameters
    ----------
    executor : Executor, optional
        Where to run; by default processes of this machine.
    workers : int, optional
        Processes of this machine, by default one per core; for another executor, how many points it runs at a time.
    gone : str
        What to call the executor when it ends on its own.
    """

    def __init__(
        self,
        executor: Executor | None = None,
        *,
        workers: int | Callable[[], int] | None = None,
        gone: str = "the executor",
    ) -> None:
        self._own = executor is None
        cores = os.cpu_count() or 1
        if workers is None:
            workers = getattr(executor, "workers", cores)
        if isinstance(workers, int) and workers < 1:
            raise InputError(f"workers = {workers}: must be at least 1")
        self._workers = workers
        self.executor: Executor = (
            LocalPool(workers if isinstance(workers, int) else workers()) if executor is None else executor
        )
        self._gone = gone
        self._flying: dict[Future[Row], _Flight] = {}
        self._since: dict[Future[Row], float] = {}
        self._overdue: set[Future[Row]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up what runs, and end the processes that this runner started."""
        for future in self._flying:
            with suppress(Exception):  # of a cluster that is gone
                future.cancel()
        self._flying.clear()
        if self._own:
            self.executor.shutdown(wait=False, cancel_futures=True)

    def run(self, tasks: Iterable[Task]) -> Iterator[Row]:
        """Run points; at most a few per worker are taken from ``tasks`` before their rows are out.

        A point whose worker died runs again after the others, by itself, so that it can harm no other and has all
        memory; after `ATTEMPTS` it is a failed one.

        Yields
        ------
        dict
            A row per point, in the order in which they finish.

        Raises
        ------
        InputError
            When workers are not fit for the study, or the executor ends.
        """
        waiting, more = iter(tasks), True
        again: deque[_Flight] = deque()
        while True:
            while more and len(self._flying) < self._window():
                task = next(waiting, None)
                if task is None:
                    more = False
                else:
                    self._start(_Flight(task, 1))
            if not self._flying:
                if not again:
                    return
                self._start(again.popleft())
            for future in self._finished():
                flight = self._flying.pop(future)
                row = self._row(future, flight)
                if row is None:
                    again.append(_Flight(flight.task, flight.attempt + 1))
                else:
                    yield row

    def _window(self) -> int:
        workers = self._workers if isinstance(self._workers, int) else self._workers()
        return max(1, IN_FLIGHT * workers)

    def _start(self, flight: _Flight) -> None:
        try:
            self._flying[self.executor.submit(run_point, flight.task, flight.attempt)] = flight
        except Exception as error:
            raise self._ended(error) from error

    def _finished(self) -> list[Future[Row]]:
        limited = any(flight.task.time_limit_s is not None for flight in self._flying.values())
        watched = limited and isinstance(self.executor, LocalPool)
        done, _ = wait(self._flying, _POLL_S if watched else None, FIRST_COMPLETED)
        if watched:
            self._end_overdue()
        return list(done)

    def _end_overdue(self) -> None:
        pool, now = self.executor, time.monotonic()
        if not isinstance(pool, LocalPool):
            return
        for future, flight in self._flying.items():
            limit = flight.task.time_limit_s
            if limit is None or not future.running() or not pool.began(future):
                continue
            if now - self._since.setdefault(future, now) > 2 * limit + GRACE_S:
                self._overdue.add(future)
                pool.give_up(future)

    def _row(self, future: Future[Row], flight: _Flight) -> Row | None:
        """Return the row of a point that ended, or None when it is to run again."""
        self._since.pop(future, None)
        error = None if future.cancelled() else future.exception()
        if error is None and not future.cancelled():
            return future.result()
        if future in self._overdue:
            self._overdue.discard(future)
            return row_without_result(flight.task, "timeout", time_up(flight.task)) | {
                "attempts": flight.attempt
            }
        if isinstance(error, InputError):
            raise error
        # Dask has tried several workers by then.
        killed = type(error).__name__ == "KilledWorker"
        if not isinstance(error, WorkerDiedError) and not killed:
            raise self._ended(error)
        if killed or flight.attempt >= ATTEMPTS:
            return row_without_result(flight.task, "failed", _DIED) | {"attempts": flight.attempt}
        return None

    def _ended(self, error: BaseException | None) -> InputError:
        why = "" if error is None else f": {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return InputError(f"{self._gone} ended before the sweep did{why}; {_GONE}")
