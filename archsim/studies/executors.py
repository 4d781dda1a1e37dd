"""Where points run: processes of this machine, this process itself, or any executor that a user has."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import Pipe, connection, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any

#: One thread per worker: points run side by side, not what is inside them.
_ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_spawning = threading.Lock()
#: In a worker: where it tells that work began.
_telling: Connection | None = None


class WorkerDiedError(RuntimeError):
    """The process that ran a call ended before the call did."""


class _Call:
    """A call that waits for a worker, and the future of who asked for it."""

    def __init__(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        self.function, self.arguments, self.options = function, arguments, options
        self.future: Future[Any] = Future()


class LocalPool(Executor):
    """Processes of this machine, each a pool of one, so that when one dies it is known which call it died of.

    Only that call fails, with `WorkerDiedError`; the next call starts a new process. Processes are spawned, do not
    import the main module, run one thread each, and end when this process does, however it ends.

    Parameters
    ----------
    workers : int
        Processes, at least 1.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._lock = threading.RLock()
        self._waiting: deque[_Call] = deque()
        self._lanes = [_Lane() for _ in range(workers)]
        self._idle = list(self._lanes)
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a call in the next free process."""
        call = _Call(fn, args, kwargs)
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool is closed")
            self._waiting.append(call)
        self._hand_out()
        return call.future

    def give_up(self, future: Future[Any]) -> None:
        """End the process that runs a call; the call fails with `WorkerDiedError`."""
        with self._lock:  # so that no lane goes on to another call meanwhile
            for lane in self._lanes:
                if lane.call is not None and lane.call.future is future:
                    lane.let_go()

    def began(self, future: Future[Any]) -> bool:
        """Whether the call that runs has told that its work began, see `tell_begun`."""
        with self._lock:
            return any(
                lane.call is not None and lane.call.future is future and lane.began() for lane in self._lanes
            )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go of all processes at once; what runs is given up."""
        with self._lock:
            self._closed = True
            waiting, self._waiting = self._waiting, deque()
        for call in waiting:
            call.future.cancel()
        for lane in self._lanes:
            lane.let_go()

    def _hand_out(self) -> None:
        while True:
            with self._lock:
                if self._closed or not self._idle or not self._waiting:
                    return
                lane, call = self._idle.pop(), self._waiting.popleft()
                if not call.future.set_running_or_notify_cancel():
                    self._idle.append(lane)
                    continue
                running = lane.start(call)
            running.add_done_callback(partial(self._finished, lane, call))

    def _finished(self, lane: _Lane, call: _Call, done: Future[Any]) -> None:
        result, error = None, done.exception()
        if isinstance(error, BrokenProcessPool):
            lane.drop()
            error = WorkerDiedError("the worker process died")
        elif error is None:
            result = done.result()
        with self._lock:
            lane.call = None
            self._idle.append(lane)
        self._hand_out()
        # Last, so that who is told has no part in keeping the workers busy.
        if error is None:
            call.future.set_result(result)
        else:
            call.future.set_exception(error)


class _Lane:
    """A process pool of one, made when it is needed."""

    def __init__(self) -> None:
        self.call: _Call | None = None
        self._pool: ProcessPoolExecutor | None = None
        self._leash: Connection | None = None
        self._told: Connection | None = None
        self._began = False
        self._context = _Spawn()
        self._dropped: list[ProcessPoolExecutor] = []

    def start(self, call: _Call) -> Future[Any]:
        """Run a call; a process that died while it had nothing to do is replaced."""
        self.began()  # takes what the call before has told
        self.call, self._began = call, False
        failed: Future[Any] = Future()
        for _ in range(2):
            try:
                pool = self._pool or self._new_pool()
                return pool.submit(call.function, *call.arguments, **call.options)
            except (BrokenProcessPool, OSError) as error:
                self.drop()
                reason = error
        failed.set_exception(reason)
        return failed

    def _new_pool(self) -> ProcessPoolExecutor:
        # The worker watches one end; who closes the other, or dies, lets go of it.
        watched, self._leash = Pipe(duplex=False)
        self._told, telling = Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            1, mp_context=self._context, initializer=_begin, initargs=(watched, telling)
        )
        return self._pool

    def began(self) -> bool:
        """Whether the call has told that its work began."""
        with suppress(OSError, EOFError):  # of a process that is gone
            while self._told is not None and self._told.poll():
                self._told.recv_bytes()
                self._began = True
        return self._began

    def let_go(self) -> None:
        """End the process, whatever it does, and even when it does not look at its leash."""
        if self._leash is not None:
            self._leash.close()
        self._context.kill()

    def drop(self) -> None:
        """Forget a broken pool; it is kept, because it may be holding a lock while it tells of its end."""
        if self._pool is not None:
            self._dropped.append(self._pool)
        self.let_go()
        self._pool = self._leash = self._told = None


class _WorkerProcess(SpawnProcess):
    def start(self) -> None:
        with _spawning, _one_thread_each(), _no_main_module():
            super().start()


class _Spawn(SpawnContext):
    """Starts worker processes, and knows the last one."""

    def __init__(self) -> None:
        super().__init__()
        self._process: _WorkerProcess | None = None

    def Process(self, *args: Any, **kwargs: Any) -> _WorkerProcess:  # type: ignore[override]
        self._process = _WorkerProcess(*args, **kwargs)
        return self._process

    def kill(self) -> None:
        """Kill the last process, if it was started."""
        if self._process is not None and self._process.pid is not None:
            self._process.kill()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Set for processes started meanwhile what libraries read when they are loaded."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep spawned processes from running the main module, which no point needs.

    A script without ``if __name__ == "__main__"`` would otherwise start its sweep again in every worker.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def tell_begun() -> None:
    """Tell the pool of this process, if it is in one, that the call has all it needs and its work begins."""
    if _telling is not None:
        _telling.send_bytes(b"")


def _begin(leash_end: Connection, telling: Connection) -> None:
    """Prepare a worker: Ctrl-C is for the parent, and nobody works for a parent that is gone."""
    global _telling
    _telling = telling
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_by_signal(leash_end)
    parent = parent_process()
    ends: list[Any] = [leash_end] if parent is None else [leash_end, parent.sentinel]

    def watch() -> None:
        connection.wait(ends)
        os._exit(1)

    threading.Thread(target=watch, name="archsim-leash", daemon=True).start()


def _end_by_signal(leash_end: Connection) -> None:
    """Have the kernel end this process when the leash is let go, on Linux.

    The thread that watches it cannot run while a point holds the interpreter lock. The kernel sends SIGIO, which ends
    a process that has not asked for anything else; on macOS it would be ignored.
    """
    if sys.platform != "linux":
        return
    import fcntl

    number = leash_end.fileno()
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(number, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) | os.O_ASYNC)


class InProcess(Executor):
    """Runs every call at once in this process: for debugging, and for a few small points."""

    workers = 1

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the call now."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class PoolExecutor(Executor):
    """An executor over a pool with the interface of ``multiprocessing.Pool``, such as Ray's.

    ``multiprocessing.Pool`` itself never answers for a call whose process was killed, and a sweep on it waits forever;
    ``concurrent.futures.ProcessPoolExecutor``, which needs no wrapper, notices.

    Parameters
    ----------
    pool : object
        Such as ``ray.util.multiprocessing.Pool()``; it stays the caller's to close. Its method ``apply_async(function,
        args, kwargs, callback, error_callback)`` is used.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Give the call to the pool."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self._pool.apply_async(
            fn, args, kwargs, callback=future.set_result, error_callback=future.set_exception
        )
        return future
