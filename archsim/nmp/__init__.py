"""Near-memory processing: RecNMP, rank units that sum embedding vectors inside the DIMM."""
