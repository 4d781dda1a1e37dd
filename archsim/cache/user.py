"""Policies written by users: four functions, compiled by Numba."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError


@dataclass(frozen=True)
class UserPolicy:
    """A policy of one's own, for `simulate`.

    Objects are numbers from 0 on. What is in the cache is kept by the caller: ``hit`` is called for an access to an
    object in the cache, ``insert`` for one that is not, ``evict`` before an insertion into a full cache.

    Attributes
    ----------
    name : str
    state : callable (entries: int, objects: int) -> tuple of arrays
        Plain Python; makes the arrays the other functions work on.
    hit : callable (state, object) -> None
    insert : callable (state, object) -> None
    evict : callable (state) -> object
        Returns an object in the cache, which leaves it.

    Examples
    --------
    First in, first out, as a ring of objects and the position of the oldest:

    >>> import numpy as np
    >>> def state(entries, objects):
    ...     return np.zeros(entries, np.int64), np.zeros(2, np.int64)
    >>> def hit(state, x):
    ...     pass
    >>> def insert(state, x):
    ...     ring, at = state
    ...     ring[at[0]] = x
    ...     at[0] = (at[0] + 1) % ring.size
    >>> def evict(state):
    ...     ring, at = state
    ...     return ring[at[0]]
    >>> from archsim.cache import UserPolicy, simulate
    >>> mine = UserPolicy("mine", state, hit, insert, evict)
    >>> simulate(mine, [1, 2, 1, 3, 1], entries=2).hits == simulate("fifo", [1, 2, 1, 3, 1], entries=2).hits
    True
    """

    name: str
    state: Callable[[int, int], tuple[NDArray[Any], ...]]
    hit: Callable[[Any, int], None]
    insert: Callable[[Any, int], None]
    evict: Callable[[Any], int]
    compiled: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def function(self, name: str) -> Any:
        """Return one of the functions, compiled; what is compiled already stays as it is."""
        if name not in self.compiled:
            import numba

            function = getattr(self, name)
            ready = isinstance(function, numba.core.dispatcher.Dispatcher)
            self.compiled[name] = function if ready else numba.njit(function)
        return self.compiled[name]


class UserReplay:
    """A user's policy and its cache, which take accesses chunk by chunk."""

    def __init__(self, policy: UserPolicy, entries: int, objects: int) -> None:
        self.policy, self.entries = policy, entries
        self.state = tuple(policy.state(entries, objects))
        if not all(isinstance(array, np.ndarray) for array in self.state):
            raise InputError(f"policy {policy.name!r}: state() must return a tuple of NumPy arrays")
        self.resident = np.zeros(objects, np.bool_)
        self.count = 0

    @property
    def state_bytes(self) -> int:
        """Bytes of the policy's arrays and of the notes of who is in the cache."""
        return sum(array.nbytes for array in self.state) + self.resident.nbytes

    def compile(self) -> None:
        """Compile everything, by replaying nothing."""
        self.feed(np.zeros(0, np.int64))

    def feed(self, ids: NDArray[np.int64], hits: NDArray[np.uint8] | None = None) -> int:
        """Replay accesses, note hits, return their number."""
        from archsim.kernels.cache_user import replay

        functions = [self.policy.function(name) for name in ("hit", "insert", "evict")]
        notes = np.zeros(0, np.uint8) if hits is None else hits
        found, self.count, wrong = replay(
            ids, notes, self.resident, self.count, self.entries, self.state, *functions
        )
        if wrong >= 0:
            raise InputError(
                f"policy {self.policy.name!r}: evict() returned an object that is not in the cache, "
                f"for object {ids[wrong]}"
            )
        return int(found)
