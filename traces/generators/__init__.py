"""Synthetic workloads: each module makes one kind of trace."""
