"""The header of every BGP message (RFC 4271 section 4.1)."""

from __future__ import annotations

HEADER_OCTETS = 19
"""Marker, length and type."""

MARKER = b"\xff" * 16

OPEN, UPDATE, NOTIFICATION = 1, 2, 3
"""Types of messages."""

MAX_MESSAGE_OCTETS = 65_535
"""Of an extended message with its header (RFC 8654 section 4)."""
