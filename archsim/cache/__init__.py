"""Caches: replacement policies over object ids, and whole miss-ratio curves (docs/caches.md)."""

from archsim.cache.accesses import Accesses
from archsim.cache.curves import LruCurve, WayCurve, lru_curve, way_curve
from archsim.cache.policies import POLICIES, Policy
from archsim.cache.replay import CacheResult, simulate, sweep
from archsim.cache.study import compare_policies

__all__ = [
    "POLICIES",
    "Accesses",
    "CacheResult",
    "LruCurve",
    "Policy",
    "WayCurve",
    "compare_policies",
    "lru_curve",
    "simulate",
    "sweep",
    "way_curve",
]
