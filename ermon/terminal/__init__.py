"""``ermon status`` and ``ermon routes``: a running daemon in a terminal, for whoever was woken up by it."""
