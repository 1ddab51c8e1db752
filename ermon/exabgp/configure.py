"""Writes the configuration of an ExaBGP process: one ``neighbor`` for each of its feeds, without templates.

Nothing here uses a file, a socket or the environment. The text follows from the behaviour of ExaBGP 5.0, found by
running it:

- A setting in a template overrides the neighbor's own, so there are no templates.
- ExaBGP's own listener stores MD5 keys per peer, for all local addresses together, and the last neighbor wins: so feeds
  of one peer in one process must have the same key. The replacement (``listener``) listens on the ``local-address`` of
  each neighbor, with the keys of all its peers, and with ``incoming-ttl`` for all of them.
- Each event type under ``api`` costs a line for each message. ``negotiated`` is not used: it would repeat the negotiated
  capabilities in every UPDATE's line, and the peer's OPEN, which is reported, has the same information about ADD-PATH,
  because ermon offers to receive several paths in every family of a feed with ADD-PATH.
"""

from __future__ import annotations

import shlex
from base64 import b64encode
from collections.abc import Iterable, Mapping

from ermon.model.inventory import Config, Feed
from ermon.model.prefixes import parse_address

SECRET = "********"  # noqa: S105  # it stands where a secret was
"""Shown instead of a password."""

MAX_PASSWORD_LENGTH = 80
"""TCP_MD5SIG_MAXKEYLEN: the kernel accepts no longer keys."""

RESTART_TIME_SECONDS = 1
"""The offered restart time of graceful restart (RFC 4724 section 3): several routers send End-of-RIB only with it.

It is the shortest: ermon keeps no forwarding state. During this time a router may wait for a connection instead of
connecting, and ermon never connects. FRR does so: in bgpd/bgp_fsm.c, ``bgp_timer_set`` stops the connect timer of an
Active peer with the flag ``PEER_STATUS_NSF_WAIT``. With 1 s, FRR, BIRD, GoBGP and OpenBGPD still send End-of-RIB: in the
tests they are in sync long before ``sync_timeout``.
"""

MAX_TTL = 255
"""The TTL that a speaker with TTL security sends (RFC 5082 section 3)."""

_RELAY = "relay"
_INDENT = "    "
_MATTERS_TO_REPORT = ("parsed", "open", "update", "notification", "keepalive", "refresh")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._:@/+-")


class PasswordError(ValueError):
    """An MD5 password is missing, or cannot be given to ExaBGP."""


def render(config: Config, process: str, relay_command: str, md5_passwords: Mapping[str, str] | None) -> str:
    """Return the configuration of the ExaBGP process named ``process``.

    ``relay_command`` is the helper's command line in shell notation, with an absolute path of the program.
    ``md5_passwords`` has the password of each feed with an ``md5_password_file``, by name. A missing or unusable
    password, or two for one peer, is a ``PasswordError``. ``None`` writes ``SECRET`` for all of them.
    """
    feeds = feeds_of(config, process)
    if md5_passwords is not None:
        _refuse_two_passwords_of_a_peer(feeds, md5_passwords)
    sections = [_relay(relay_command)]
    sections += [_neighbor(config, feed, md5_passwords) for feed in feeds]
    return "\n".join("\n".join(section) + "\n" for section in sections)


def feeds_of(config: Config, process: str) -> list[Feed]:
    """Return the feeds that the process named ``process`` carries."""
    return [feed for feed in config.feeds.values() if feed.process == process]


def listening_addresses(config: Config, process: str) -> tuple[str, ...]:
    """Return ermon's addresses of a process' feeds, sorted, IPv4 first."""
    addresses = {parse_address(feed.local) for feed in feeds_of(config, process)}
    return tuple(map(str, sorted(addresses)))


def environment(config: Config, user: str) -> dict[str, str]:
    """Return ExaBGP's settings outside its configuration file, as environment variables.

    ``user`` is the account that starts ExaBGP and that it must keep.
    """
    return {
        "exabgp_tcp_bind": "",  # ``listener`` listens
        "exabgp_tcp_port": str(config.collector.port),
        "exabgp_daemon_user": user,
        "exabgp_daemon_daemonize": "false",
        "exabgp_daemon_umask": "0177",
        "exabgp_log_destination": "stderr",
        "exabgp_log_level": "INFO",
        "exabgp_log_statistics": "false",  # otherwise every UPDATE writes an additional line
        "exabgp_api_ack": "false",  # the answers would be between the events without new information
        "exabgp_api_cli": "false",  # no named pipes: the relay is the only way in
        "exabgp_api_encoder": "json",
        "exabgp_api_respawn": "true",
        "EXABGP_ENVFILE": "/dev/null",  # a file of the machine's administrator must not change these settings
    }


def quote(text: str) -> str:
    """Return ``text`` as one token of ExaBGP's configuration; ``ValueError`` if that is impossible.

    ExaBGP removes backslashes before it searches for quotes, and either kind of quote ends a token that the other kind
    began. So a quote cannot be written.
    """
    if not text.isascii() or not text.isprintable() or "'" in text or '"' in text:
        raise ValueError(f"{text!r}: only printable ASCII characters without quotes can be written")
    return '"' + text.replace("\\", "\\\\") + '"'


def _relay(command: str) -> list[str]:
    words = " ".join(map(quote, shlex.split(command)))
    return _block(f"process {_RELAY}", (f"run {words};", "encoder json;", "respawn true;"))


def _neighbor(config: Config, feed: Feed, passwords: Mapping[str, str] | None) -> list[str]:
    settings = [f"description {quote(_plain(feed.name))};"]
    settings += [
        f"local-address {feed.local};",
        f"local-as {feed.local_asn};",
        f"peer-as {feed.peer_asn};",
        f"router-id {config.collector.router_id};",
        f"hold-time {int(config.collector.hold_time)};",
        "passive true;",
        "adj-rib-in false;",
        "adj-rib-out true;",  # route refresh would enable it, with a warning; empty, it costs nothing
    ]
    if feed.ttl_security:
        # From N hops away, a packet has lost N - 1 of its TTL (RFC 5082 section 3).
        settings += [f"outgoing-ttl {MAX_TTL};", f"incoming-ttl {MAX_TTL + 1 - feed.ttl_security};"]
    if feed.md5_password_file is not None:
        settings += [f"md5-password {_password(feed, passwords)};", "md5-base64 true;"]
    unicast = [f"{family} unicast;" for family in feed.families]
    settings += _block("capability", _capabilities(feed))
    settings += _block("family", unicast)
    if feed.add_path:
        settings += _block("add-path", unicast)
    settings += _block(
        "api",
        [
            f"processes [ {_RELAY} ];",
            "neighbor-changes;",
            *_block("receive", (f"{matter};" for matter in _MATTERS_TO_REPORT)),
        ],
    )
    return _block(f"neighbor {feed.peer}", settings)


def _capabilities(feed: Feed) -> list[str]:
    return [
        "asn4 enable;",
        "extended-message enable;",
        "route-refresh enable;",
        f"graceful-restart {RESTART_TIME_SECONDS};",
        f"add-path {'receive' if feed.add_path else 'disable'};",
        "multi-session disable;",
        "operational disable;",
    ]


def _refuse_two_passwords_of_a_peer(feeds: Iterable[Feed], passwords: Mapping[str, str]) -> None:
    first: dict[str, Feed] = {}
    for feed in feeds:
        other = first.setdefault(feed.peer, feed)
        if passwords.get(feed.name) != passwords.get(other.name):
            raise PasswordError(
                f"feeds {other.name} and {feed.name} have one peer and different MD5 passwords: "
                "ExaBGP knows one for each peer"
            )


def _password(feed: Feed, passwords: Mapping[str, str] | None) -> str:
    """Return a password in base64, which can contain every character."""
    if passwords is None:
        return quote(SECRET)
    if feed.name not in passwords:
        raise PasswordError(f"feed {feed.name}: its MD5 password was not given")
    password = passwords[feed.name]
    if not 0 < len(password) <= MAX_PASSWORD_LENGTH:
        raise PasswordError(
            f"feed {feed.name}: an MD5 password has 1 to {MAX_PASSWORD_LENGTH} characters, not {len(password)}"
        )
    if not password.isascii() or not password.isprintable():
        raise PasswordError(f"feed {feed.name}: an MD5 password has only printable ASCII characters")
    return quote(b64encode(password.encode("ascii")).decode("ascii"))


def _plain(name: str) -> str:
    """Replace all characters with a meaning in a configuration file."""
    return "".join(character if character in _PLAIN else "?" for character in name)


def _block(head: str, body: Iterable[str]) -> list[str]:
    return [f"{head} {{", *(_INDENT + line for line in body), "}"]
