"""How much of the weights stays in a cache that lookups stream through: LRU by its characteristic time."""

from __future__ import annotations

_HALVINGS = 200


def survival(times: float) -> float:
    """Return exp(-times) from + * / alone, so that every machine gets the same bits."""
    if times > 700:
        return 0.0
    steps = 0
    while times > 0.5:
        times, steps = times / 2, steps + 1
    term = total = 1.0
    for k in range(1, 18):
        term *= times / k
        total += term
    for _ in range(steps):
        total *= total
    return 1 / total


def resident_share(capacity_bytes: float, models: int, weight_bytes: float, passing_bytes: float) -> float:
    """Return the share of the weights that is found in an LRU cache when it is needed again.

    Che's approximation with Poisson streams: a line leaves the cache when it was not used for the characteristic time
    T. Each of ``models`` models reads every line of its weights once per batch and brings in ``passing_bytes`` that it
    does not use again, so the cache holds ``models * (weight_bytes * (1 - exp(-T)) + passing_bytes * T)`` bytes, T in
    batches; where that is the capacity, ``1 - exp(-T)`` is the share. A cache that is never full keeps all.

    Parameters
    ----------
    capacity_bytes : float
        May be infinite.
    models : int
        That share the cache.
    weight_bytes, passing_bytes : float
        Of one model and one batch.
    """
    if capacity_bytes <= 0:
        return 0.0
    if models * weight_bytes <= capacity_bytes and passing_bytes <= 0:
        return 1.0
    if capacity_bytes == float("inf"):
        return 1.0
    low, high = 0.0, 700.0
    if passing_bytes > 0:
        high = min(high, capacity_bytes / (models * passing_bytes))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        held = models * (weight_bytes * (1 - survival(middle)) + passing_bytes * middle)
        low, high = (middle, high) if held < capacity_bytes else (low, middle)
    return 1 - survival((low + high) / 2)
