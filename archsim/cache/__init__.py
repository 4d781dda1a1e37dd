"""Caches: what they are, what they hold, what they cost."""
