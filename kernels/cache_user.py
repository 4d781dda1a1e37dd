"""The replay loop of policies written by users; Numba compiles it anew for every policy's functions."""

from typing import Any

import numba


@numba.njit(nogil=True)
def replay(
    ids: Any,
    hits: Any,
    resident: Any,
    count: int,
    entries: int,
    state: Any,
    hit: Any,
    insert: Any,
    evict: Any,
) -> tuple[int, int, int]:
    """Replay accesses.

    Parameters
    ----------
    ids : int64 array [n]
    hits : uint8 array [n] or [0]
        Receives 1 for a hit and 0 for a miss; empty: nobody asks.
    resident : bool array [objects]
        Who is in the cache; kept up here.
    count, entries : int
        How many are in the cache, and how many it holds.
    state : tuple of arrays
        Of the policy.
    hit, insert, evict : compiled functions
        ``hit(state, object)``, ``insert(state, object)``, ``evict(state) -> object``.

    Returns
    -------
    tuple of int
        Hits, objects in the cache, and -1, or which access had something evicted that was not in the cache.
    """
    found = 0
    for i in range(ids.size):
        x = ids[i]
        here = resident[x]
        if here:
            hit(state, x)
            found += 1
        else:
            if count == entries:
                gone = evict(state)
                if gone < 0 or gone >= resident.size or not resident[gone]:
                    return found, count, i
                resident[gone] = False
            else:
                count += 1
            insert(state, x)
            resident[x] = True
        if hits.size:
            hits[i] = here
    return found, count, -1
