"""What a trace is like: pooling, reuse, stack distances, working sets, arrivals, and how two traces differ."""
