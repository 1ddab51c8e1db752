"""``ermon run``: builds the parts of the daemon, starts them and stops them together."""
