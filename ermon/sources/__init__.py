"""Lists of prefixes that Microsoft publishes: what is in them, and how they are fetched and kept.

The parsers (``reading`` and one module for each kind of list) and the values (``published``) only think, but for the
files that ``reading`` opens; ``fetch``, ``store`` and ``keeper`` are the daemon's edge.
"""
