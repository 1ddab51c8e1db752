"""Frozen values under the names of the field: prefixes, routes, events, findings, the inventory."""
