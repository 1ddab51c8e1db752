"""Lists of prefixes that Microsoft publishes: their content, how they are fetched, and how they are stored.

The parsers (``reading`` and one module for each kind of list) and the values (``published``) are pure, except that
``reading`` opens files; ``fetch``, ``store`` and ``keeper`` do the daemon's input and output.
"""
