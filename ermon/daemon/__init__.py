"""``ermon run``: everything that lives as long as the process, started and stopped together."""
