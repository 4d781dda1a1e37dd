"""Caches: replacement policies over object ids, and set-associative caches of lines (docs/caches.md)."""

from archsim.cache.policies import POLICIES, Policy
from archsim.cache.replay import CacheResult, simulate, sweep
from archsim.cache.sets import SetCache, SetResult, admit_profiled, admit_repeated
from archsim.cache.user import UserPolicy

__all__ = [
    "POLICIES",
    "CacheResult",
    "Policy",
    "SetCache",
    "SetResult",
    "UserPolicy",
    "admit_profiled",
    "admit_repeated",
    "simulate",
    "sweep",
]
