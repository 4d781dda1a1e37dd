"""Runs of libCacheSim 0.3.5, whose traces are files of 24 bytes per access."""

import numpy as np

RECORD = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
NEVER = np.iinfo(np.int64).max
CLASSES = {
    "lru": "LRU",
    "fifo": "FIFO",
    "clock": "Clock",
    "sieve": "Sieve",
    "lfu": "LFU",
    "slru": "SLRU",
    "arc": "ARC",
    "2q": "TwoQ",
    "s3fifo": "S3FIFO",
    "wtinylfu": "WTinyLFU",
    "belady": "Belady",
}


def write(ids, path):
    """Write ids as an oracleGeneral trace; ids move up by one, for 0 is no id there."""
    records = np.zeros(ids.size, RECORD)
    records["id"], records["size"] = ids + 1, 1
    order = np.argsort(ids, kind="stable")
    again = ids[order[1:]] == ids[order[:-1]]
    records["next"] = NEVER
    records["next"][order[:-1][again]] = order[1:][again] + 1
    records.tofile(path)


def hits(library, policy, path, accesses, entries, hashpower=12):
    """Return the hits of a policy over a written trace."""
    reader = library.TraceReader(str(path), library.TraceType.ORACLE_GENERAL_TRACE)
    cache = getattr(library, CLASSES[policy])(entries, hashpower=hashpower)
    misses, _ = cache.process_trace(reader)
    return round((1 - misses) * accesses)
