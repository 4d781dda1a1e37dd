"""Systems: a memory, what computes on it, and where pages are placed."""
