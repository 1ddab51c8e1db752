"""The HTTP client with which the commands ask a running daemon."""
