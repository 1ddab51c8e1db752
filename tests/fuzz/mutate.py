"""Ways to break bytes, JSON and text. All depend only on the given ``Random``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

TOKENS = (
    *(
        b"\0",
        b"\xff",
        b"\xf8",
        b"\n",
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"-",
        b"\\u0000",
        b"\\ud800",
        b"\x1b[31m",
    ),
    *(
        "é\u202e\u2028\U0010ffff".encode(),
        b"null",
        b"true",
        b"1e999",
        b"-1",
        b"0",
        b"4294967296",
        b"9" * 30,
        b"NaN",
    ),
    *(
        b"/129",
        b"/33",
        b"0.0.0.0/0",
        b"::/0",
        b"198.51.100.15/28",
        b"fe80::1",
        b"::ffff:192.0.2.1",
        b"*x",
        b"&x ",
        b"<<:",
        b"{x}%s",
    ),
)
"""Text that some code is likely to misread."""

VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        65535,
        65536,
        2**32 - 1,
        2**32,
        2**53,
        2**63,
        -(2**63),
        10**30,
        0.5,
        -0.0,
        1e308,
    ),
    *(
        "",
        "x" * 5000,
        "\0",
        "\ud7ff\x1b[31m\u202e",
        "ipv4 unicast",
        "12076:5010",
        "198.51.100.15/28",
        "2001:db8::1/32",
    ),
    *(
        "0.0.0.0/0",
        "::/0",
        "fe80::1",
        "no-nexthop",
        "9999-12-31T23:59:59-05:00",
        "0001-01-01T00:00:00+23:00",
        "10m",
    ),
    *([], {}, [[]], [{}], {"": {}}, {"0": []}),
)


def break_bytes(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Break bytes in one to eight places, or combine them with others."""
    broken = bytearray(data)
    for _ in range(1 << random.randrange(4)):
        at = random.randrange(len(broken) + 1)
        match random.randrange(8):
            case 0 if broken:
                broken[at % len(broken)] ^= 1 << random.randrange(8)
            case 1 if broken:
                broken[at % len(broken)] = random.randrange(256)
            case 2:
                del broken[at : at + random.randrange(1, 40)]
            case 3:
                broken[at:at] = broken[at : at + random.randrange(1, 200)] * random.randrange(1, 4)
            case 4:
                broken[at:at] = random.choice(TOKENS)
            case 5:
                broken[at : at + random.randrange(8)] = random.choice(TOKENS)
            case 6 if others:
                other = random.choice(others)
                start = random.randrange(len(other) + 1)
                broken[at:] = other[start : start + len(data)]
            case _:
                del broken[at:]
                broken += random.randbytes(random.randrange(16))
    return bytes(broken)


def break_value(random: Random, value: Any) -> Any:
    """Replace, remove or duplicate values in one to four places of JSON."""
    for _ in range(1 << random.randrange(3)):
        value = _broken(random, value)
    return value


def break_json(random: Random, document: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Break JSON by its structure, or by its bytes, or both."""
    if random.random() < 0.7:
        try:
            value = break_value(random, json.loads(document))
            document = json.dumps(value, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
        except (ValueError, RecursionError):
            pass
        if random.random() < 0.8:
            return document
    return break_bytes(random, document, others)


def _broken(random: Random, value: Any) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        match random.randrange(8):
            case 0:
                return {name: each for name, each in value.items() if name != key}
            case 1:
                return value | {str(random.choice(VALUES))[:50]: value[key]}
            case _:
                return value | {key: _broken(random, value[key])}
    if isinstance(value, list) and value and random.random() < 0.9:
        at = random.randrange(len(value))
        match random.randrange(8):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return value[: at + 1] + value[at:]
            case _:
                return [*value[:at], _broken(random, value[at]), *value[at + 1 :]]
    if isinstance(value, str) and random.random() < 0.4:
        return break_bytes(random, value.encode("utf-8", "replace")).decode("utf-8", "replace")
    return random.choice(VALUES)
