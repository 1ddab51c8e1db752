import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from exabgp.configuration.core.format import tokens
from exabgp.util.psk import decode_base64
from hypothesis import given
from hypothesis import strategies as st

from ermon.exabgp.configure import (
    MAX_PASSWORD_LENGTH,
    SECRET,
    PasswordError,
    environment,
    feeds_of,
    listening_addresses,
    quote,
    render,
)
from ermon.model.inventory import EDGES, Config, Feed, View
from tests.defaults import make_collector, make_config, make_feed

GOLDEN = Path(__file__).parent / "golden"
RELAY = "/bin/sh 'a path/relay.py'"


def feed(name: str, peer: str, local: str, **settings: object) -> Feed:
    base = make_feed(name, View.EDGE_TABLE, peer, local, peer_asn=64500, local_asn=64500)
    return replace(base, **settings)


def config(*feeds: Feed) -> Config:
    collector = make_collector(asn=64500, router_id="192.0.2.250", port=1790, hold_time=30.0)
    return make_config(*feeds, collector=collector)


EDGE_1 = feed("edge-1", "192.0.2.11", "192.0.2.1", families=("ipv4", "ipv6"), add_path=True)
EDGE_1_ISP = feed("edge-1-isp", "192.0.2.11", "192.0.2.2", view=View.TO_INTERNET, local_asn=4200000001)
EDGE_2 = feed("edge-2", "2001:db8::12", "2001:db8::1", families=("ipv6",), md5_password_file="edge-2.key")
CORE_A = feed("core-a", "192.0.2.16", "192.0.2.7", ttl_security=1)
CORE_B = feed("core-b", "192.0.2.16", "192.0.2.8", ttl_security=1)
CORE_C = feed("core-c", "2001:db8::16", "2001:db8::7", ttl_security=3)
OUTSIDE = feed("outside", "192.0.2.14", "192.0.2.9", view=View.INTERNET, peer_asn=64520, local_asn=65012)


@pytest.mark.parametrize(
    ("name", "process", "feeds", "passwords"),
    [
        ("two-feeds-of-a-router.conf", EDGES, [EDGE_1, EDGE_1_ISP, OUTSIDE], {}),
        ("internet-feed.conf", "outside", [EDGE_1, OUTSIDE], {}),
        ("md5.conf", EDGES, [EDGE_2], {"edge-2": "correct horse"}),
        ("ttl-security.conf", EDGES, [CORE_A, CORE_B, CORE_C], {}),
    ],
)
def test_configuration_is_written_as_reviewed_and_exabgp_accepts_it(name, process, feeds, passwords):
    golden = GOLDEN / name
    assert render(config(*feeds), process, RELAY, passwords) == golden.read_text()
    command = [sys.executable, "-m", "exabgp", "validate", golden]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_each_feed_is_configured_in_its_own_process_only():
    both = config(EDGE_1, OUTSIDE)
    assert feeds_of(both, EDGES) == [EDGE_1]
    assert feeds_of(both, "outside") == [OUTSIDE]


def test_negotiated_capabilities_are_not_repeated_with_every_update():
    assert "negotiated;" not in render(config(EDGE_1, OUTSIDE), EDGES, RELAY, {})


def test_process_listens_on_the_addresses_of_its_feeds_once_each():
    same_address = feed("core", "192.0.2.15", "192.0.2.1")
    everything = config(EDGE_2, EDGE_1_ISP, EDGE_1, same_address, OUTSIDE)
    assert listening_addresses(everything, EDGES) == ("192.0.2.1", "192.0.2.2", "2001:db8::1")
    assert listening_addresses(everything, "outside") == ("192.0.2.9",)


def test_environment_binds_nothing_by_itself_and_keeps_the_account():
    variables = environment(config(EDGE_1, EDGE_2, OUTSIDE), "ermon")
    assert variables["exabgp_tcp_bind"] == ""
    assert variables["exabgp_tcp_port"] == "1790"
    assert variables["exabgp_daemon_user"] == "ermon"


def test_packets_from_n_hops_away_have_lost_n_minus_one_of_their_ttl():
    text = render(config(CORE_A, CORE_C), EDGES, RELAY, {})
    assert [line.strip() for line in text.splitlines() if "incoming-ttl" in line] == [
        "incoming-ttl 255;",
        "incoming-ttl 253;",
    ]


def test_password_that_was_not_given_is_refused():
    with pytest.raises(PasswordError, match="edge-2: its MD5 password was not given"):
        render(config(EDGE_2), EDGES, RELAY, {})


@pytest.mark.parametrize(
    "password", ["", "x" * (MAX_PASSWORD_LENGTH + 1), "schlüssel", "a\nb", "a\0b", "tab\t"]
)
def test_password_that_cannot_be_written_is_refused_without_being_shown(password):
    with pytest.raises(PasswordError, match="feed edge-2: ") as refusal:
        render(config(EDGE_2), EDGES, RELAY, {"edge-2": password})
    assert not password or password not in str(refusal.value)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=MAX_PASSWORD_LENGTH))
def test_exabgp_is_given_the_key_that_the_router_has(password):
    text = render(config(EDGE_2), EDGES, RELAY, {"edge-2": password})
    (line,) = (line for line in text.splitlines() if "md5-password" in line)
    (statement,) = tokens([line])
    assert decode_base64(statement[1][2]) == password.encode()


def test_secrets_are_replaced_where_the_configuration_is_only_shown():
    assert f'md5-password "{SECRET}";' in render(config(EDGE_2), EDGES, RELAY, None)


def test_feeds_of_one_peer_must_share_their_password():
    other = replace(EDGE_2, name="edge-2-isp", local="2001:db8::2")
    with pytest.raises(PasswordError, match="edge-2 and edge-2-isp have one peer"):
        render(config(EDGE_2, other), EDGES, RELAY, {"edge-2": "one", "edge-2-isp": "two"})
    keyless = replace(other, md5_password_file=None)
    with pytest.raises(PasswordError):
        render(config(EDGE_2, keyless), EDGES, RELAY, {"edge-2": "one"})


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
def test_exabgp_reads_quoted_text_as_it_was_meant(text):
    try:
        quoted = quote(text)
    except ValueError:
        assert set(text) & {"'", '"'}
        return
    (statement,) = tokens([f"md5-password {quoted};"])
    assert [word for _, _, word in statement] == ["md5-password", text, ";"]


@pytest.mark.parametrize("name", ['edge"; } neighbor', "edge\n}", "edge # ;{}", "schlüssel", "\\", "'"])
def test_name_of_a_feed_cannot_add_to_the_configuration(name):
    hostile = render(config(replace(EDGE_1, name=name)), EDGES, RELAY, {})
    harmless = render(config(EDGE_1), EDGES, RELAY, {})
    changed = [line for line in hostile.splitlines() if line not in harmless.splitlines()]
    assert len(changed) == 1
    assert changed[0].startswith('    description "')


def test_words_of_the_relay_command_keep_their_bounds():
    text = render(config(EDGE_1), EDGES, shlex.join(["/bin/sh", "a b", "c;d"]), {})
    assert 'run "/bin/sh" "a b" "c;d";' in text
