"""A published list as a value: its prefixes, what makes it unusable or suspect, and what circuits then
expect.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypeVar

import msgspec

from ermon.model.inventory import Circuit, Config, ExpectedPrefix
from ermon.model.prefixes import FAMILIES, Family, Prefix, address_count, parse_prefix
from ermon.model.source_key import SourceKey
from ermon.model.text import printable

MAX_BYTES = 32 * 1024 * 1024
"""Microsoft's longest list, the service tags, has a few megabytes."""

MAX_PREFIXES = 100_000
"""Each is looked up whenever a route changes, and a link receives some thousands of routes at most: a longer
list comes from a selection that forgot to select.
"""
_SHOWN_CHARACTERS = 60
"""What an error shows of a text that is somebody else's."""
_SHOWN_NAMES = 5
_LONGEST_ERROR = 500
_LONGEST_PREFIX = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128")


class SourceError(Exception):
    """A published list cannot be used; the text says what is wrong with it, and where.

    It may quote the list, which is somebody else's: the text is one line that can be shown anywhere.
    """

    def __init__(self, text: str) -> None:
        super().__init__(printable(_short(text, _LONGEST_ERROR)))


class NoSuchPartError(SourceError):
    """A part that was selected is not in the list; the others may be."""


@dataclass(frozen=True, slots=True)
class PublishedList:
    """What one source expects of the routes."""

    prefixes: tuple[ExpectedPrefix, ...]
    """Sorted, each once; they may overlap, and one prefix may have several periods."""
    version: str = ""
    """As its publisher numbers it; empty where nobody does."""


def published_list(prefixes: Iterable[ExpectedPrefix], version: str = "") -> PublishedList:
    """Put a list in order; ``SourceError`` if there are too many prefixes."""
    unique = set(prefixes)
    if len(unique) > MAX_PREFIXES:
        raise SourceError(f"has {len(unique)} prefixes; {MAX_PREFIXES} is the maximum: select parts of it")
    return PublishedList(tuple(sorted(unique, key=_order)), version)


def _order(item: ExpectedPrefix) -> tuple[Prefix, date, date]:
    return (item.prefix, item.starts or date.min, item.ends or date.max)


def refusal(new: PublishedList, old: PublishedList | None) -> str | None:
    """Tell why ``new`` is not put in force in the place of ``old``; ``None``: it may be.

    What was truncated or filtered on its way is well-formed as a rule, and would switch checks off
    silently. Families are measured apart: in addresses, any IPv6 prefix outweighs all of IPv4.
    """
    if not new.prefixes:
        return "is empty"
    if old is None:
        return None
    for family in FAMILIES:
        prefixes = _lost(len(_prefixes(old, family)), len(_prefixes(new, family)))
        addresses = _lost(address_count(_prefixes(old, family)), address_count(_prefixes(new, family)))
        # The smaller loss: a list that is refined keeps its prefixes, one that is summed up its addresses.
        if (lost := min(prefixes, addresses)) > _MOST_LOST_PERCENT:
            return f"lost {lost} % of its {family} prefixes and addresses, more than half"
    return None


_MOST_LOST_PERCENT = 50


def _prefixes(published: PublishedList, family: Family) -> set[Prefix]:
    return {item.prefix for item in published.prefixes if item.prefix.family == family}


def _lost(before: int, after: int) -> int:
    """Return the share that is gone, in percent, rounded up."""
    return -(-100 * (before - after) // before) if after < before else 0


# Reading ---------------------------------------------------------------------------------------------

T = TypeVar("T")

_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""What PowerShell writes before the text that it saves."""


def read_json(document: bytes, shape: type[T] | Any = Any) -> T:
    """Decode JSON into ``shape``; ``SourceError`` says what is not as documented, and where (``$[2].ips``)."""
    try:
        for mark, encoding in _BYTE_ORDER_MARKS:
            if document.startswith(mark):
                document = document.decode(encoding).encode()
        result: T = msgspec.json.decode(document, type=shape)
    except msgspec.ValidationError as error:
        raise SourceError(f"is not in the documented shape: {_short(str(error), 200)}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise SourceError(f"is not JSON: {_short(str(error), 200)}") from error
    return result


def convert(value: Any, shape: type[T] | Any) -> T:
    """Give decoded JSON its shape; errors as in ``read_json``."""
    try:
        result: T = msgspec.convert(value, type=shape)
    except (msgspec.ValidationError, RecursionError) as error:
        raise SourceError(f"is not in the documented shape: {_short(str(error), 200)}") from error
    return result


def read_prefixes(texts: Iterable[str], where: str) -> set[Prefix]:
    """Read prefixes; ``SourceError`` names the first that is none, and ``where`` it is."""
    return {read_prefix(text, where) for text in texts}


def read_prefix(text: str, where: str) -> Prefix:
    problem = f"{quote(text)} is not a prefix"
    if len(text) <= _LONGEST_PREFIX:
        try:
            prefix = parse_prefix(text)
        except ValueError as error:
            problem = str(error)
        else:
            if not prefix.is_default:
                return prefix
            problem = f"{quote(text)} is a default route, which cannot be an expected prefix"
    raise SourceError(f"{where}: {problem}")


def no_such(wanted: str, known: Collection[str], what: str) -> NoSuchPartError:
    """Say that a selected part is not in the list, and which parts come near."""
    near = difflib.get_close_matches(wanted, known, n=3)
    names = near or sorted(known)[:_SHOWN_NAMES]
    advice = (
        f"did you mean {' or '.join(map(quote, near))}?" if near else f"it has {', '.join(map(quote, names))}"
    )
    more = "" if near or len(known) <= len(names) else f" and {len(known) - len(names)} more"
    return NoSuchPartError(
        f"select: there is no {what} {quote(wanted)}; {advice if known else 'it has none'}{more}"
    )


def quote(text: str) -> str:
    """Quote a text that is somebody else's: shortened, without control characters."""
    return repr(_short(text, _SHOWN_CHARACTERS))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# Into expectation ----------------------------------------------------------------------------------------


def with_published(config: Config, lists: Mapping[SourceKey, PublishedList]) -> Config:
    """Return the configuration with what the lists expect beside what it names itself."""
    circuits = {name: _circuit(circuit, lists) for name, circuit in config.circuits.items()}
    return replace(config, circuits=circuits)


def _circuit(circuit: Circuit, lists: Mapping[SourceKey, PublishedList]) -> Circuit:
    receive = circuit.receive
    keys = [SourceKey.of(source) for source in receive.sources]
    published = (prefix for key in keys if key in lists for prefix in lists[key].prefixes)
    return replace(
        circuit,
        receive=replace(
            receive,
            prefixes=tuple(dict.fromkeys((*receive.prefixes, *published))),
            # Without its list, nothing can be said to be outside of it.
            lists_known=all(key in lists for key in keys),
        ),
    )
