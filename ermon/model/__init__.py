"""Frozen values with the names of the field: prefixes, routes, events, findings, the inventory."""
