"""How the commands ask a running daemon."""
