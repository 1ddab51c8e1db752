"""``ermon status``, ``ermon routes`` and ``ermon explain ID``: a running daemon in a terminal, for the engineer on call."""
