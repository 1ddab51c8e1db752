"""MRT files of routers and route collectors as input: ``ermon replay --mrt``."""
