"""Caches: replacement policies over object ids (docs/caches.md)."""

from archsim.cache.policies import POLICIES, Policy
from archsim.cache.replay import CacheResult, simulate, sweep

__all__ = ["POLICIES", "CacheResult", "Policy", "simulate", "sweep"]
