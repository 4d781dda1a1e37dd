"""Trace files: how each format is told, read and written."""
