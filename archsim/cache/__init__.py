"""Caches: replacement policies, set-associative caches of lines, and whole miss-ratio curves (docs/caches.md)."""

from archsim.cache.accesses import Accesses
from archsim.cache.curves import LruCurve, WayCurve, lru_curve, way_curve
from archsim.cache.policies import POLICIES, Policy
from archsim.cache.replay import CacheResult, simulate
from archsim.cache.sets import SetCache, SetResult, admit_profiled, admit_repeated
from archsim.cache.study import compare_policies
from archsim.cache.user import UserPolicy

__all__ = [
    "POLICIES",
    "Accesses",
    "CacheResult",
    "LruCurve",
    "Policy",
    "SetCache",
    "SetResult",
    "UserPolicy",
    "WayCurve",
    "admit_profiled",
    "admit_repeated",
    "compare_policies",
    "lru_curve",
    "simulate",
    "way_curve",
]
