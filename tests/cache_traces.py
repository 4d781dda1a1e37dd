"""Small traces of every kind, and the answers of ``archsim cache`` to them."""

import shlex

import numpy as np
from program import run, strict_json

from archsim.traces import AddressTrace, EmbeddingTrace, Table, open_trace, write_native


def write_traces(folder):
    """Write a trace of each kind to a folder."""
    write_native(
        open_trace("preset:zipf", overrides=["lookups=8000", "rows=900", "tables=3"]), folder / "lookups"
    )
    address = np.random.default_rng(4).integers(0, 1 << 16, 5000)
    write_native(AddressTrace("a", address.astype(np.int64)), folder / "addresses")
    rows = np.array([0, 1, 2, 0, 1, 0], np.int64)
    mixed = (Table("narrow", 9, 64), Table("wide", 9, 256))
    write_native(
        EmbeddingTrace("mixed", mixed, rows, np.array([0, 3, 6]), np.array([0, 1], np.int32)),
        folder / "mixed",
    )


def answer(typed):
    """Return the JSON object of ``archsim cache TYPED``."""
    status, out, err = run("cache", *shlex.split(typed), "--json")
    assert (status, err) == (0, "")
    return strict_json(out)
