"""Whole recommendation models: lookups on the memory model, dense layers by roofline; ``docs/models.md``."""
