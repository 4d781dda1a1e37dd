"""Time pycachesim over line addresses, in a process of its own: it is no dependency of this project.

``python benchmarks/pycachesim_run.py FILE SETS WAYS`` takes a file of byte addresses of 64 bits and prints the CPU
seconds of one LRU cache of lines of 64 bytes, and its hits; exit status 3 without pycachesim.
"""

import sys
import time
from array import array
from pathlib import Path

try:
    from cachesim import Cache, CacheSimulator, MainMemory
except ImportError:
    sys.exit(3)


def main() -> None:
    """Replay and print."""
    path, sets, ways = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    addresses = array("q")
    addresses.frombytes(Path(path).read_bytes())
    loads = [((address,), None) for address in addresses]
    memory = MainMemory()
    cache = Cache("L1", sets, ways, 64, "LRU")
    memory.load_to(cache)
    memory.store_from(cache)
    simulator = CacheSimulator(cache, memory)
    began = time.thread_time()
    simulator.loadstore(loads, length=1)
    print(time.thread_time() - began, cache.backend.HIT_count)


if __name__ == "__main__":
    main()
