from dataclasses import replace

import pytest

from ermon.bgp.notification import CODES, SUBCODES, notification_text
from ermon.exabgp import addresses
from ermon.exabgp.addresses import problems, try_to_listen
from ermon.exabgp.reasons import CLOSED, UNREADABLE, PeerOpen, cannot_listen, process_end, session_end
from ermon.model.inventory import View
from tests.defaults import make_feed

FEED = make_feed("edge-1", View.TO_INTERNET, "192.0.2.11", "192.0.2.1", peer_asn=65010, local_asn=65011)
OPEN = PeerOpen(205000, "10.0.0.1", 2)


@pytest.mark.parametrize(
    ("reason", "opened", "farewell", "words"),
    [
        (
            "notification sent (2,2)",
            OPEN,
            "",
            "OPEN refused by ermon: bad peer AS (the router says 205000, the feed says 65010)",
        ),
        (
            "notification sent (2,3)",
            OPEN,
            "",
            "OPEN refused by ermon: bad BGP identifier (the router says 10.0.0.1, which collector.router_id must not be)",
        ),
        (
            "notification sent (2,6)",
            OPEN,
            "",
            "OPEN refused by ermon: unacceptable hold time (the router says 2 s, and 3 is the least)",
        ),
        ("notification sent (2,0)", None, "", "OPEN refused by ermon: unspecific"),
        (
            "notification received (2,2)",
            None,
            "",
            "OPEN refused by the router: bad peer AS (ermon says 65011, the feed's local_asn)",
        ),
        ("notification received (6,6)", OPEN, "", "Cease: other configuration change, sent by the router"),
        (
            "notification received (6,2)",
            OPEN,
            "until five",
            'Cease: administrative shutdown, sent by the router: "until five"',
        ),
        ("notification received (6,10)", OPEN, "", "Cease: BFD down, sent by the router"),
        ("notification received (6,9)", OPEN, "", "Cease: hard reset, sent by the router"),
        ("notification received (6,200)", OPEN, "", "Cease: subcode 200, sent by the router"),
        ("notification received (77,1)", OPEN, "", "error code 77: subcode 1, sent by the router"),
        (
            "notification received (5,3)",
            OPEN,
            "",
            "finite state machine error: unexpected message in Established, sent by the router",
        ),
        ("notification sent (4,0)", OPEN, "", "hold timer expired, sent by ermon"),
        ("notification sent (1,1)", None, "", "the router connected, but sent no OPEN in time"),
        ("closing connection", None, "", CLOSED),
        ("", OPEN, "", UNREADABLE),
        ("something \x1b[31mnew", OPEN, "", "something \N{REPLACEMENT CHARACTER}[31mnew"),
    ],
)
def test_end_of_a_session_is_described_in_the_words_of_the_rfcs(reason, opened, farewell, words):
    assert session_end(reason, FEED, opened, farewell) == words


@pytest.mark.parametrize(
    "reason",
    [
        "stop, message [removed]",
        "stop, message [shutting down]",
        "graceful restarted negotiated, closing without sending any notification",
        "closing outgoing connection as we have another incoming on with higher router-id",
        "connection received before we could fully establish one (connection failed)",
        "process problem",
    ],
)
def test_no_word_of_exabgp_is_left(reason):
    words = session_end(reason, FEED, None)
    assert reason not in words
    assert "[" not in words


def test_each_code_and_subcode_has_a_name_of_its_own():
    texts = [notification_text(code, 0) for code in CODES] + [notification_text(*pair) for pair in SUBCODES]
    assert len(texts) == len(set(texts))
    assert not any(character.isdigit() for text in texts for character in text)


@pytest.mark.parametrize(
    ("address", "port", "error", "words"),
    [
        (
            "10.0.0.24",
            179,
            "EADDRNOTAVAIL",
            "cannot listen on 10.0.0.24:179: not an address of this machine; `ip address add 10.0.0.24/32 dev DEVICE`",
        ),
        (
            "2001:db8::24",
            179,
            "EADDRNOTAVAIL",
            (
                "cannot listen on [2001:db8::24]:179: not an address of this machine; `ip address add 2001:db8::24/128 dev DEVICE`"
            ),
        ),
        (
            "10.0.0.24",
            1790,
            "EADDRINUSE",
            "cannot listen on 10.0.0.24:1790: another program listens there; `ss -ltnp 'sport = :1790'` says what",
        ),
        ("10.0.0.24", 179, "ENOBUFS", "cannot listen on 10.0.0.24:179: ENOBUFS"),
    ],
)
def test_the_reason_why_listening_fails_has_the_command_that_helps(address, port, error, words):
    assert cannot_listen(address, port, error) == words


def test_missing_right_names_the_capability():
    assert "CAP_NET_BIND_SERVICE" in cannot_listen("10.0.0.24", 179, "EACCES")
    assert cannot_listen("10.0.0.24", 179, "EPERM") == cannot_listen("10.0.0.24", 179, "EACCES")
    assert "SELinux" in cannot_listen("10.0.0.24", 1790, "EACCES")


@pytest.mark.parametrize("address", ["192.0.2.77", "2001:db8::77"])
def test_address_of_another_machine_is_found_by_trying(address, monkeypatch):
    monkeypatch.setattr(addresses, "TENTATIVE_SECONDS", 0.0)
    assert try_to_listen(address, 0) == "EADDRNOTAVAIL"
    assert problems(["127.0.0.1", address, "::1"], 0) == {address: cannot_listen(address, 0, "EADDRNOTAVAIL")}


def test_ipv6_address_that_was_just_added_is_waited_for(monkeypatch):
    answers = iter(["EADDRNOTAVAIL", "EADDRNOTAVAIL", None])
    monkeypatch.setattr(addresses, "try_to_listen", lambda address, port: next(answers))
    assert problems(["2001:db8::1"], 179) == {}


def test_other_errors_are_not_waited_for(monkeypatch):
    answers = iter(["EADDRNOTAVAIL", "EADDRINUSE"])
    monkeypatch.setattr(addresses, "try_to_listen", lambda address, port: next(answers))
    assert problems(["192.0.2.1", "2001:db8::1"], 179).keys() == {"192.0.2.1", "2001:db8::1"}


def test_reason_of_a_feed_is_about_that_feed():
    other = replace(FEED, peer_asn=65020)
    assert "the feed says 65020" in session_end("notification sent (2,2)", other, OPEN)


@pytest.mark.parametrize(
    ("status", "last_words", "words"),
    [
        (
            -9,
            "",
            "killed by signal SIGKILL; the kernel does that when memory runs out; see `journalctl -k --grep 'Out of memory'`",
        ),
        (-11, "connected to peer", "killed by signal SIGSEGV"),
        (-64, "", "killed by signal SIGRTMAX"),
        (-99, "", "killed by signal 99"),
        (
            1,
            "could not load/reload configuration; duplicate peer definition 127.0.0.11",
            "ended with status 1: it refused its configuration: duplicate peer definition 127.0.0.11",
        ),
        (
            1,
            "Too many death for relay (5) terminating program",
            "ended with status 1: its relay ended repeatedly",
        ),
        (
            1,
            "ModuleNotFoundError: \x1b[31mexabgp",
            "ended with status 1: ModuleNotFoundError: \N{REPLACEMENT CHARACTER}[31mexabgp",
        ),
        (0, "", "ended with status 0"),
    ],
)
def test_end_of_exabgp_is_described_with_its_remedy(status, last_words, words):
    assert process_end(status, last_words) == words
