"""General helpers: work on threads and in slices, waits after failures, complete files."""
