"""Foreign words in our own lines: what a peer, a server or a file says, on a terminal, in a log, in an alert."""

from __future__ import annotations

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """Return the text as one line that can be shown anywhere: U+FFFD stands for each character that cannot.

    A router's Shutdown Communication, an AS's description, the answer of a web server, the name of an Azure
    circuit: whoever wrote it may want an escape sequence to repaint the operator's terminal, a line break to
    forge a line of the log, or a bidirectional override (U+202E) to have a prefix read backwards. None of
    these is printable, nor are tabs, zero-width and unassigned characters, separators other than the plain
    space, and lone surrogates, which no output could encode (``str.isprintable``: the Unicode categories
    "Other" and "Separator").

    They are replaced, not removed, so that nothing reads as a word that it was not; and not escaped, since
    an escape could be forged by writing it out. Line breaks and tabs are replaced as well: to a reader a blank
    would join what its author kept apart. Whoever has prose of several lines joins them before:
    ``printable(" ".join(text.split()))``.
    """
    if text.isprintable():  # nearly always
        return text
    return "".join(each if each.isprintable() else REPLACEMENT for each in text)
