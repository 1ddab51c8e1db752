"""The reference configuration, as the benchmarks run it, and the routers of its feeds."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ermon.model.inventory import Config
from tests.bgp import Speaker, free_port

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"
TABLE_FEED = "outside"
"""A view of the internet, the only feed of its ExaBGP."""
MIRROR_FEED, LEAKING_POOL = "edge-1-isp-a", "chi-outbound"

MAX_PAUSE_SECONDS = 0.05
"""The longest random pause between leaks, so that they do not fall into step with any polling."""


def write(reference: Path, folder: Path, replaced: Mapping[str, str]) -> Path:
    """Copy a configuration with replacements: each regular expression must match exactly once, in a line."""
    text = reference.read_text(encoding="utf-8")
    for pattern, replacement in replaced.items():
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"{pattern} matches {count} times in {reference}")
    copy = folder / "ermon.yml"
    copy.write_text(text, encoding="utf-8")
    (folder / "campus-core.key").write_text(secrets.token_hex(16))
    return copy


def port_is(port: int) -> dict[str, str]:
    """The replacement that sets the port on which ermon's ExaBGP listens."""
    return {r"^(  port:) \d+": rf"\1 {port}"}


def prepare(reference: Path, folder: Path) -> Path:
    """Copy the policy with a free port and a ``clear_after`` of 0, so that each leak is a separate finding."""
    clearing = {r"^checks:.*$": r"\g<0>\n  pool-leak: {clear_after: 0s}"}
    return write(reference, folder, port_is(free_port("127.0.0.1", "127.0.0.9")) | clearing)


def router(config: Config, feed: str) -> Speaker:
    """Return the router of a feed, not yet connected."""
    declared = config.feeds[feed]
    return Speaker(
        declared.peer,
        declared.local,
        config.collector.port,
        asn=declared.peer_asn,
        families=declared.families,
        hold_time=int(config.collector.hold_time),
    )


def feed_is(feed: str, state: str) -> Callable[[dict[str, Any]], bool]:
    return lambda data: data["feed"] == feed and data["state"] == state


def subfolder(folder: Path, name: str) -> Path:
    created = folder / name
    created.mkdir(mode=0o700)
    return created
