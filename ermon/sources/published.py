"""A published list as a value: its prefixes, when it is unusable or suspect, and the expectations of circuits from
it.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypeVar

import msgspec

from ermon.model.inventory import Circuit, Config, ExpectedPrefix, ListedEndpoint
from ermon.model.prefixes import FAMILIES, Family, Prefix, address_count, parse_prefix
from ermon.model.source_key import SourceKey
from ermon.model.text import printable

MAX_BYTES = 32 * 1024 * 1024
"""Microsoft's longest list, the service tags, has a few megabytes."""

MAX_ENDPOINTS = 1_000
"""Microsoft's list has some dozens that use ExpressRoute."""

MAX_PREFIXES = 100_000
"""Each is looked up whenever a route changes, and a link receives some thousands of routes at most. A longer list
usually means that ``select`` is missing.
"""
_SHOWN_CHARACTERS = 60
"""How much an error quotes of a text from outside."""
_SHOWN_NAMES = 5
_LONGEST_ERROR = 500
_LONGEST_PREFIX = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128")


class SourceError(Exception):
    """A published list cannot be used; the text says why, and where the error is.

    It may quote the list, which comes from outside: the text is one line that can be shown anywhere.
    """

    def __init__(self, text: str) -> None:
        super().__init__(printable(_short(text, _LONGEST_ERROR)))


def within(parts: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Yield the parts of a list; ``SourceError`` once they are longer than ``limit`` bytes together."""
    total = 0
    for part in parts:
        total += len(part)
        if total > limit:
            raise SourceError(f"is larger than {limit} bytes")
        yield part


class NoSuchPartError(SourceError):
    """A selected part is not in the list; other parts may be."""


@dataclass(frozen=True, slots=True)
class PublishedList:
    """The prefixes that one source expects."""

    prefixes: tuple[ExpectedPrefix, ...]
    """Sorted, without duplicates; they may overlap, and one prefix may have several periods."""
    version: str = ""
    """The publisher's version; empty if there is none."""
    endpoints: tuple[ListedEndpoint, ...] = ()
    """The hosts that the list names, with their TCP ports: sorted, without duplicates."""


def published_list(
    prefixes: Iterable[ExpectedPrefix], version: str = "", endpoints: Iterable[ListedEndpoint] = ()
) -> PublishedList:
    """Make a sorted list; ``SourceError`` if there are too many prefixes or endpoints."""
    unique, named = set(prefixes), set(endpoints)
    if len(unique) > MAX_PREFIXES:
        raise SourceError(f"has {len(unique)} prefixes; {MAX_PREFIXES} is the maximum: select parts of it")
    if len(named) > MAX_ENDPOINTS:
        raise SourceError(
            f"names more than {MAX_ENDPOINTS} hosts with ports, the maximum: select parts of it"
        )
    return PublishedList(
        tuple(sorted(unique, key=_order)), version, tuple(sorted(named, key=_order_of_endpoint))
    )


def _order(item: ExpectedPrefix) -> tuple[Prefix, date, date]:
    return (item.prefix, item.starts or date.min, item.ends or date.max)


def _order_of_endpoint(item: ListedEndpoint) -> tuple[str, str, date, date]:
    return (item.service, item.target, item.starts or date.min, item.ends or date.max)


def refusal(new: PublishedList, old: PublishedList | None) -> str | None:
    """Return why ``new`` must not replace ``old``; ``None``: it may.

    A list that was truncated or filtered on the way is usually well-formed, and would switch checks off silently. The
    families are measured separately: in addresses, any IPv6 prefix outweighs all of IPv4.
    """
    if not new.prefixes:
        return "is empty"
    if old is None:
        return None
    for family in FAMILIES:
        prefixes = _lost(len(_prefixes(old, family)), len(_prefixes(new, family)))
        addresses = _lost(address_count(_prefixes(old, family)), address_count(_prefixes(new, family)))
        # The smaller loss counts: a more precise list keeps the number of prefixes, an aggregated one the addresses.
        if (lost := min(prefixes, addresses)) > _MOST_LOST_PERCENT:
            return f"lost {lost} % of its {family} prefixes and addresses, more than half"
    return None


_MOST_LOST_PERCENT = 50


def _prefixes(published: PublishedList, family: Family) -> set[Prefix]:
    return {item.prefix for item in published.prefixes if item.prefix.family == family}


def _lost(before: int, after: int) -> int:
    """Return the lost share in percent, rounded up."""
    return -(-100 * (before - after) // before) if after < before else 0


# Reading ---------------------------------------------------------------------------------------------

T = TypeVar("T")

_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""PowerShell writes one of these at the beginning of a file."""


def read_json(document: bytes, shape: type[T] | Any = Any) -> T:
    """Decode JSON into ``shape``; ``SourceError`` says what differs from it, and where (``$[2].ips``)."""
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
    """Convert decoded JSON into ``shape``; errors as in ``read_json``."""
    try:
        result: T = msgspec.convert(value, type=shape)
    except (msgspec.ValidationError, RecursionError) as error:
        raise SourceError(f"is not in the documented shape: {_short(str(error), 200)}") from error
    return result


def read_prefixes(texts: Iterable[str], where: str) -> set[Prefix]:
    """Read prefixes; ``SourceError`` names the first invalid one, and ``where`` it is."""
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
    """Return the error for a selected part that is not in the list, with similar names."""
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
    """Quote a text from outside: shortened, without control characters."""
    return repr(_short(text, _SHOWN_CHARACTERS))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# Into expectation ----------------------------------------------------------------------------------------


def with_published(config: Config, lists: Mapping[SourceKey, PublishedList]) -> Config:
    """Return the configuration with the expectations of the lists added to its own."""
    circuits = {name: _circuit(circuit, lists) for name, circuit in config.circuits.items()}
    return replace(config, circuits=circuits)


def _circuit(circuit: Circuit, lists: Mapping[SourceKey, PublishedList]) -> Circuit:
    receive = circuit.receive
    keys = [SourceKey.of(source) for source in receive.sources]
    read = [lists[key] for key in keys if key in lists]
    published = (prefix for each in read for prefix in each.prefixes)
    return replace(
        circuit,
        receive=replace(
            receive,
            prefixes=tuple(dict.fromkeys((*receive.prefixes, *published))),
            # Without all its lists, ermon cannot say that a route is outside of them.
            lists_known=all(key in lists for key in keys),
            endpoints=tuple(dict.fromkeys(endpoint for each in read for endpoint in each.endpoints)),
            unread=tuple(
                source for source, key in zip(receive.sources, keys, strict=True) if key not in lists
            ),
        ),
    )
