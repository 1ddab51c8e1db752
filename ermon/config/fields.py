"""The scalar types of the configuration: they turn text into values, with messages that say what would be right.

Each parser takes any value that YAML gives, and returns a value or raises ``ValueError``. Each type also has its JSON
Schema, for editors.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from netaddr import IPAddress
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict, WithJsonSchema

from ermon.model import communities
from ermon.model.inventory import Service, View
from ermon.model.prefixes import Address, Prefix, parse_address, parse_prefix, supernet
from ermon.model.routes import Community
from ermon.model.text import (
    DURATION_PATTERN,
    LONGEST_SECONDS,
    parse_duration,
    parse_line,
    parse_timestamp,
    quoted,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_SIZE = re.compile(r"([0-9]{1,9})(KiB|MiB|GiB|TiB)")
_WILDCARD = re.compile(r"[*?<>]")
_DIGITS_AND_DOTS = re.compile(r"[0-9.]+")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
_UNITS = ("", "KiB", "MiB", "GiB", "TiB")


def show(value: object) -> str:
    """Format a value for a message: on one line, cut to the length of a line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    return quoted(value)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be {what}, not {show(value)}")  # noqa: TRY004  # pydantic takes ValueError
    return value


def _whole(value: object, least: int, most: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"must be {what}, {least} to {most}, not {show(value)}")
    return value


def _parse_duration(value: object) -> float:
    zero = value == 0 and isinstance(value, int) and not isinstance(value, bool)
    seconds = 0.0 if zero else parse_duration(value) if isinstance(value, str) else None
    if seconds is None:
        raise ValueError(f"must be a duration such as 500ms, 10s, 5m, 2h or 90d, not {show(value)}")
    if seconds > LONGEST_SECONDS:
        raise ValueError(f"must be at most 3650d, not {show(value)}")
    return seconds


def _parse_positive_duration(value: object) -> float:
    seconds = _parse_duration(value)
    if not seconds:
        raise ValueError(f"must be greater than 0, for example 10s, not {show(value)}")
    return seconds


def _parse_hold_time(value: object) -> float:
    """Whole seconds, 0 or at least 3 (RFC 4271 section 4.2). 0 is refused here, because a dead session would never be
    noticed.
    """
    seconds = _parse_duration(value)
    if not 3 <= seconds <= 65535 or seconds % 1:
        raise ValueError(f"must be whole seconds, 3s to 65535s, not {show(value)}")
    return seconds


def parse_any_prefix(value: object) -> Prefix:
    text = _text(value, "a prefix such as 192.0.2.0/24 or 2001:db8::/32")
    try:
        return parse_prefix(text)
    except ValueError:
        raise ValueError(f"{show(text)} is not a prefix; {_prefix_advice(text)}") from None


def _prefix_advice(text: str) -> str:
    address, slash, length = text.partition("/")
    try:
        host = parse_address(address).prefix
    except ValueError:
        return "write one like 192.0.2.0/24 or 2001:db8::/32"
    if not slash:
        return f"write {host} for this one address"
    if length.isascii() and length.isdigit() and len(length) < 4 and int(length) <= host.bits:
        return f"host bits are set: did you mean {supernet(host, int(length))}?"
    return f"the length behind the slash goes from 1 to {host.bits}"


def _parse_network(value: object) -> Prefix:
    prefix = parse_any_prefix(value)
    if prefix.is_default:
        raise ValueError(f"{prefix} is a default route, which covers nothing here; name the prefixes")
    return prefix


def _parse_ipv4_network(value: object) -> Prefix:
    prefix = _parse_network(value)
    if prefix.version != 4:
        raise ValueError(f"must be an IPv4 prefix, not {prefix}; the IPv6 one belongs under subnet6")
    return prefix


def _parse_ipv6_network(value: object) -> Prefix:
    prefix = _parse_network(value)
    if prefix.version != 6:
        raise ValueError(f"must be an IPv6 prefix, not {prefix}; the IPv4 one belongs under subnet")
    return prefix


def _parse_address(value: object) -> Address:
    text = _text(value, "an address such as 192.0.2.1 or 2001:db8::1")
    try:
        address = parse_address(text)
    except ValueError:
        raise ValueError(
            f"{show(text)} is not an IP address; write one like 192.0.2.1 or 2001:db8::1"
        ) from None
    known = IPAddress(str(address))
    if known.is_ipv4_mapped():
        raise ValueError(f"{show(text)} is an IPv4 address in IPv6's notation; write {known.ipv4()}")
    return address


def _parse_ipv4_address(value: object) -> Address:
    address = _parse_address(value)
    if address.version != 4:
        raise ValueError(f"must be an IPv4 address, not {address}; the IPv6 one belongs under ipv6")
    return address


def _parse_session_address(value: object) -> Address:
    """Read an address that one end of a TCP session can have."""
    address = _parse_address(value)
    if address.value == 0 or IPAddress(str(address)).is_multicast():
        raise ValueError(f"{address} is not the address of a host; each end of a feed has one host address")
    if address.is_link_local:
        raise ValueError(
            f"{address} is link-local, which needs an interface; give a global or a loopback address"
        )
    return address


_ENDPOINT = re.compile(r"(?:([^\s:\[\]]+)|\[([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\]):([0-9]{1,5})")


def _parse_endpoint(value: object) -> tuple[str, int]:
    """An address of this machine and a port; an IPv6 address in brackets (RFC 3986 section 3.2.2)."""
    text = _text(value, "an address and a port such as 192.0.2.10:11019 or '[2001:db8::10]:11019'")
    found = _ENDPOINT.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{show(text)} is not an address and a port; write 192.0.2.10:11019 or '[2001:db8::10]:11019'"
        )
    host, host6, port = found.groups()
    return str(_parse_address(host or host6)), _whole(int(port), 1, 65535, "a TCP port")


_DISTINGUISHER = re.compile(
    r"(?:([0-9]{1,10})|([0-9]{1,3}(?:\.[0-9]{1,3}){3})):([0-9]{1,10})|0x([0-9A-Fa-f]{16})"
)


def _parse_target(value: object) -> str:
    text = _text(value, "a host and a TCP port such as outlook.office365.com:443")
    host, colon, port = text.rpartition(":")
    if colon and _WILDCARD.search(host):
        raise ValueError(f"{show(host)} is not one host; name a host that answers, without a wildcard")
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5 or not _is_host(host):
        raise ValueError(
            f"{show(text)} is not a host and a TCP port; write outlook.office365.com:443, 192.0.2.1:443 or "
            "'[2001:db8::1]:443'"
        )
    return f"{host.casefold()}:{_whole(int(port), 1, 65535, 'a TCP port')}"


def _is_host(text: str) -> bool:
    """Return whether a text is an address, as in URLs, or the name of a host (RFC 1123 section 2.1)."""
    if text.startswith("[") and text.endswith("]"):
        return _is_address(text[1:-1]) and ":" in text
    return _is_address(text) if _DIGITS_AND_DOTS.fullmatch(text) else bool(_HOST.fullmatch(text))


def _parse_distinguisher(value: object) -> bytes:
    """RFC 4364 section 4.2: an ASN of two octets, an IPv4 address or an ASN of four octets, and a number; or all octets."""
    text = _text(value, "a route distinguisher in quotes, such as '64500:7'")
    found = _DISTINGUISHER.fullmatch(text)
    if found is not None:
        asn, address, number, octets = found.groups()
        if octets is not None:
            return bytes.fromhex(octets)
        if address is not None and _is_address(address) and int(number) <= 0xFFFF:
            return b"\0\1" + parse_address(address).value.to_bytes(4, "big") + int(number).to_bytes(2, "big")
        if asn is not None and int(asn) <= 0xFFFF and int(number) <= 0xFFFFFFFF:
            return b"\0\0" + int(asn).to_bytes(2, "big") + int(number).to_bytes(4, "big")
        if asn is not None and int(asn) <= 0xFFFFFFFF and int(number) <= 0xFFFF:
            return b"\0\2" + int(asn).to_bytes(4, "big") + int(number).to_bytes(2, "big")
    raise ValueError(
        f"{show(text)} is not a route distinguisher; write '64500:7', '192.0.2.1:7', or its 8 octets as 0x0000fbf400000007"
    )


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def _parse_router_id(value: object) -> str:
    address = _parse_session_address(value)
    if address.version != 4:
        raise ValueError(f"must look like an IPv4 address, such as 192.0.2.1, not {address} (RFC 4271)")
    return str(address)


def _parse_asn(value: object) -> int:
    return _whole(value, 1, 2**32 - 1, "an AS number")


def _parse_name(value: object) -> str:
    text = _text(value, "a name in quotes")
    if not _NAME.fullmatch(text):
        raise ValueError(
            f"{show(text)} cannot be a name; use letters, digits, '.', '_' and '-', a letter or digit first, "
            "63 at most: names become file names, labels and parts of URLs"
        )
    return text


def _parse_line(value: object) -> str:
    return parse_line(_text(value, 'text (put it in "quotes")'))


def _parse_community(value: object) -> Community:
    text = _text(value, "a community in quotes, such as '64500:302'")
    parts = text.split(":")
    largest = {2: 0xFFFF, 3: 0xFFFFFFFF}.get(len(parts))  # RFC 1997, RFC 8092
    if largest and all(re.fullmatch("[0-9]{1,10}", part) and int(part) <= largest for part in parts):
        return Community(tuple(map(int, parts)))
    raise ValueError(
        f"{show(text)} is not a community; write 64500:302 (numbers up to 65535) "
        "or, for a large one, 64500:1:302"
    )


def _parse_service(value: object) -> Service:
    return communities.service(_text(value, "a service such as exchange-online or '12076:5010'"))


def _parse_date(value: object) -> date:
    text = _text(value, "a date such as 2026-01-31")
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"{show(text)} is not a date; write year-month-day, such as 2026-01-31")


def _parse_timestamp(value: object) -> datetime:
    """Read an RFC 3339 time, and return it in UTC."""
    return parse_timestamp(_text(value, "a time such as 2026-12-01T02:00:00Z"))


def _parse_end(value: object) -> datetime:
    """Read an end: a day, at whose beginning (UTC) something ends, or a time with its zone."""
    text = _text(value, "a date such as 2027-06-30, or a time such as 2027-06-30T02:00:00Z")
    try:
        return _parse_timestamp(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    except ValueError:
        raise ValueError(
            f"{show(text)} is neither a date nor a time with a zone; write 2027-06-30 or 2027-06-30T02:00:00Z"
        ) from None


def _check_url(text: str, schemes: tuple[str, ...], instead: str = "") -> str:
    wanted = " or ".join(f"{scheme}://host" for scheme in schemes)
    try:
        parts = urlsplit(text)
        valid = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or re.search(r"\s", text):
        raise ValueError(f"{show(text)} is not a usable URL; write {wanted}[:port][/path]")
    if parts.username is not None:
        raise ValueError(f"has a user or password in it; secrets are never in this file{instead}")
    return text


def _parse_receiver_url(value: object) -> str:
    return _check_url(_parse_line(value), ("http", "https"), "; write basic_auth: {username, password_file}")


def _parse_source(value: object) -> str:
    text = _parse_line(value)
    if "://" not in text or text.startswith("file:///"):
        return text
    # http only from this machine: a list decides what is right, so it must not be changed on its way.
    scheme = ("https", "http") if re.match(r"http://(127\.[0-9.]+|\[::1\])(:|/|$)", text) else ("https",)
    return _check_url(text, scheme)


def _parse_plain_on_loopback(value: object, secure: str, plain: str) -> str:
    """Read a URL of an encrypted scheme; the plain one is for this machine only."""
    text = _parse_line(value)
    loopback = re.match(rf"{plain}://(127\.[0-9.]+|\[::1\])(:|/|$)", text)
    return _check_url(text, (secure, plain) if loopback else (secure,))


_VIEWS = (View.EDGE_TABLE, View.TO_MICROSOFT, View.TO_INTERNET, View.INTERNET, View.SEGMENT)


def _parse_view(value: object) -> View:
    """The views of the feeds that a file names; those of BMP follow from its links and uplinks."""
    if isinstance(value, str) and value in {View.FROM_MICROSOFT, View.FROM_INTERNET}:
        raise ValueError(f"{value} is what a router reports by BMP; remove the feed, and give the router bmp")
    if not isinstance(value, str) or value not in _VIEWS:
        raise ValueError(f"must be {', '.join(_VIEWS[:-1])} or {_VIEWS[-1]}, not {show(value)}")
    return View(value)


def _parse_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {show(value)}")  # noqa: TRY004  # as above
    return value


def _parse_bytes(value: object) -> int:
    text = _text(value, "a size such as 512MiB")
    found = _SIZE.fullmatch(text)
    size = int(found[1]) * 1024 ** _UNITS.index(found[2]) if found else 0
    if not 1024**2 <= size <= 1024**5:
        raise ValueError(f"must be a size such as 512MiB or 2GiB, from 1MiB to 1024TiB, not {show(value)}")
    return size


def _parse_percent(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:
        raise ValueError(f"must be a percentage above 0 and up to 100, without a sign, not {show(value)}")
    return float(value)


def _unique(items: tuple[Any, ...]) -> tuple[Any, ...]:
    seen = set()
    for at, item in enumerate(items, start=1):
        if item is not None and item in seen:
            raise ValueError(f"duplicate of an earlier item (item {at}); remove it")
        seen.add(item)
    return items


def _one_or_many(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _schema(kind: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **more})


_DURATION_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "string", "pattern": f"^{DURATION_PATTERN}$"}, {"const": 0}]}
)
_POSITIVE_SCHEMA = _schema("string", pattern=f"^{DURATION_PATTERN}$")
_PREFIX_SCHEMA = _schema("string", pattern="^[0-9A-Fa-f.:]+/[0-9]{1,3}$")
_ADDRESS_SCHEMA = _schema("string", pattern="^[0-9A-Fa-f.:]+$")

Duration = Annotated[float, PlainValidator(_parse_duration), _DURATION_SCHEMA]
"""Seconds; 0 is allowed."""
PositiveDuration = Annotated[float, PlainValidator(_parse_positive_duration), _POSITIVE_SCHEMA]
HoldTime = Annotated[float, PlainValidator(_parse_hold_time), _POSITIVE_SCHEMA]
Network = Annotated[Prefix, PlainValidator(_parse_network), _PREFIX_SCHEMA]
"""A prefix of either family that is no default route."""
AnyNetwork = Annotated[Prefix, PlainValidator(parse_any_prefix), _PREFIX_SCHEMA]
"""A prefix of either family, or a default route."""
Ipv4Network = Annotated[Prefix, PlainValidator(_parse_ipv4_network), _PREFIX_SCHEMA]
Ipv6Network = Annotated[Prefix, PlainValidator(_parse_ipv6_network), _PREFIX_SCHEMA]
HostAddress = Annotated[Address, PlainValidator(_parse_address), _ADDRESS_SCHEMA]
Ipv4Address = Annotated[Address, PlainValidator(_parse_ipv4_address), _ADDRESS_SCHEMA]
SessionAddress = Annotated[Address, PlainValidator(_parse_session_address), _ADDRESS_SCHEMA]
Endpoint = Annotated[
    tuple[str, int], PlainValidator(_parse_endpoint), _schema("string", pattern=f"^(?:{_ENDPOINT.pattern})$")
]
"""An address and a TCP port of this machine."""
Target = Annotated[
    str, PlainValidator(_parse_target), _schema("string", pattern="^[A-Za-z0-9._:\\[\\]-]+:[0-9]{1,5}$")
]
"""A host and a TCP port of it, in small letters."""
Distinguisher = Annotated[
    bytes, PlainValidator(_parse_distinguisher), _schema("string", pattern=f"^(?:{_DISTINGUISHER.pattern})$")
]
"""The route distinguisher of a VRF, as its eight octets."""
RouterId = Annotated[str, PlainValidator(_parse_router_id), _schema("string", format="ipv4")]
Asn = Annotated[int, PlainValidator(_parse_asn), _schema("integer", minimum=1, maximum=2**32 - 1)]
Port = Annotated[
    int,
    PlainValidator(lambda value: _whole(value, 1, 65535, "a TCP port")),
    _schema("integer", minimum=1, maximum=65535),
]
Hops = Annotated[
    int,
    PlainValidator(lambda value: _whole(value, 1, 254, "a number of hops")),
    _schema("integer", minimum=1, maximum=254),
]
Count = Annotated[
    int,
    PlainValidator(lambda value: _whole(value, 1, 1_000_000_000, "a whole number")),
    _schema("integer", minimum=1, maximum=1_000_000_000),
]
PeerCount = Annotated[
    int,
    PlainValidator(lambda value: _whole(value, 1, 1000, "a number of peers")),
    _schema("integer", minimum=1, maximum=1000),
]
ByteSize = Annotated[int, PlainValidator(_parse_bytes), _schema("string", pattern=f"^{_SIZE.pattern}$")]
FeedView = Annotated[
    View, PlainValidator(_parse_view), _schema("string", enum=[str(view) for view in _VIEWS])
]
Percent = Annotated[float, PlainValidator(_parse_percent), _schema("number", exclusiveMinimum=0, maximum=100)]
Boolean = Annotated[bool, PlainValidator(_parse_boolean), _schema("boolean")]
Name = Annotated[str, PlainValidator(_parse_name), _schema("string", pattern=f"^{_NAME.pattern}$")]
"""The name of something that is declared here."""
Reference = Annotated[str, PlainValidator(lambda value: _text(value, "a name in quotes")), _schema("string")]
"""The name of something that is declared elsewhere in this file."""
Line = Annotated[str, PlainValidator(_parse_line), _schema("string", minLength=1, maxLength=300)]
CommunityText = Annotated[
    Community, PlainValidator(_parse_community), _schema("string", pattern="^[0-9]+:[0-9]+(:[0-9]+)?$")
]
ServiceName = Annotated[
    Service,
    PlainValidator(_parse_service),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(communities.slugs())},
                {"type": "string", "pattern": f"^{communities.MICROSOFT_ASN}:[0-9]{{1,5}}$"},
            ]
        }
    ),
]
Day = Annotated[date, PlainValidator(_parse_date), _schema("string", format="date")]
Timestamp = Annotated[datetime, PlainValidator(_parse_timestamp), _schema("string", format="date-time")]
End = Annotated[datetime, PlainValidator(_parse_end), _schema("string", minLength=10)]
"""A date or a time; in UTC."""
HttpUrl = Annotated[str, PlainValidator(_parse_receiver_url), _schema("string", pattern="^https?://")]
WebSocketUrl = Annotated[
    str,
    PlainValidator(lambda value: _parse_plain_on_loopback(value, "wss", "ws")),
    _schema("string", pattern="^wss?://"),
]
StateUrl = Annotated[
    str,
    PlainValidator(lambda value: _parse_plain_on_loopback(value, "https", "http")),
    _schema("string", pattern="^https?://"),
]
SourceLocation = Annotated[str, PlainValidator(_parse_source), _schema("string", minLength=1)]

T = TypeVar("T")
Several = Annotated[tuple[T, ...], Strict(strict=False), AfterValidator(_unique)]
"""A list without repetitions."""
AtLeastOne = Annotated[tuple[T, ...], Strict(strict=False), Field(min_length=1), AfterValidator(_unique)]
HostAddresses = Annotated[
    AtLeastOne[HostAddress],
    BeforeValidator(_one_or_many, json_schema_input_type=HostAddress | AtLeastOne[HostAddress]),
]
"""A list, or its only item without the brackets."""
Communities = Annotated[
    AtLeastOne[CommunityText],
    BeforeValidator(_one_or_many, json_schema_input_type=CommunityText | AtLeastOne[CommunityText]),
]
"""A list, or its only item without the brackets."""
