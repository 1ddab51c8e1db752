"""Reads ``ermon.yml`` into an inventory: its shape, its rules, its lints, and the secrets that it names."""
