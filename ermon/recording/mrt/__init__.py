"""MRT files of others as input, and recordings as MRT: ``ermon replay --mrt`` and ``ermon recording export --mrt``."""
