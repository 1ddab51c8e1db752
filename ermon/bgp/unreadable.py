"""The error of all decoders of BGP messages."""

from __future__ import annotations


class Unreadable(ValueError):  # noqa: N818 - it says what the octets are
    """The octets cannot be understood: the RFCs demand a session reset.

    The text is short, and printable ASCII.
    """
