"""Lists of prefixes that Microsoft publishes: what is in them, and how they are fetched and kept.

The parsers (``formats`` and one module for each kind of list) and the values (``key``, ``published``,
``record``) only think; ``files`` reads, and ``download``, ``fetch``, ``store``, ``threads`` and ``keeper``
are the daemon's edge.
"""
