"""``ermon status`` and ``ermon routes``: a running daemon in a terminal, for the engineer on call."""
