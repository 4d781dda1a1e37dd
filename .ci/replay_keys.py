"""Check that standard input holds what ``archsim replay --json`` promises; exit 1 when something is missing."""

import json
import sys

TOP = ["schema", "version", "trace", "runs"]
TRACE = ["name", "sha256", "lookups", "requests"]
RUN = [
    *("system", "system_sha256", "cycles", "time_ns", "requests", "reads", "writes"),
    *("row_hits", "row_misses", "row_conflicts", "activates", "precharges", "refreshes"),
    *("latency_avg_ns", "latency_p50_ns", "latency_p99_ns", "latency_max_ns"),
    *("bandwidth_gbps", "peak_bandwidth_gbps", "bottleneck", "utilisation"),
    *("energy_nj", "energy", "cache", "speedup", "kernel_cpu_s"),
]
CACHE = ["accesses", "hits", "hit_ratio"]


def require(part: dict[str, object], keys: list[str], where: str) -> None:
    """Exit when ``part`` lacks one of ``keys``."""
    missing = [key for key in keys if key not in part]
    if missing:
        sys.exit(f"archsim replay --json: {where} lacks {', '.join(missing)}")


document = json.load(sys.stdin)
require(document, TOP, "the document")
require(document["trace"], TRACE, "trace")
for number, run in enumerate(document["runs"]):
    require(run, RUN, f"runs[{number}]")
    if run["cache"] is not None:
        require(run["cache"], CACHE, f"runs[{number}].cache")
    if run["bottleneck"] not in run["utilisation"]:
        sys.exit(f"archsim replay --json: runs[{number}] has no utilisation of {run['bottleneck']}")
print(f"archsim replay --json: {len(document['runs'])} runs with all promised keys")
