"""The one error with which octets that are no message are refused."""

from __future__ import annotations


class Unreadable(ValueError):  # noqa: N818 - what is wrong with the octets, in the words of who reads them
    """What the octets say cannot be known: where the RFCs would have the session reset.

    Its text is printable ASCII and short.
    """
