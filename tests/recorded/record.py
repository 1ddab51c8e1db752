"""Records ExaBGP's output for stimuli that the older recordings lack: ``extra-VERSION.jsonl`` and its index.

Run it from the top of the repository with ``python -m tests.recorded.record``. It starts ExaBGP on loopback, acts as
its router, and keeps its lines as they are; the index names the stimulus of each.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from ermon.model.prefixes import Family
from tests.bgp import (
    PATIENCE,
    ROUTE_REFRESH,
    Speaker,
    attribute,
    encode_nlri,
    end_of_rib,
    free_port,
    message,
    open_message,
    update_message,
    withdrawal,
)

ASN = 65011
AS_SET, AS_SEQUENCE, AS_CONFED_SEQUENCE, AS_CONFED_SET = 1, 2, 3, 4
AS_TRANS = 23456
LOCALS = ("127.0.0.1", "127.0.0.2", "::1")

HELPER = """\
import sys
with open(sys.argv[1], "ab", buffering=0) as file:
    for line in sys.stdin.buffer:
        file.write(line)
"""

NEIGHBOR = """\
neighbor {peer} {{
    router-id 127.0.0.1;
    local-address {local};
    local-as 64500;
    peer-as {asn};
    hold-time 240;
    passive true;
    adj-rib-in false;
    capability {{ asn4 enable; route-refresh enable; graceful-restart 120; add-path receive; }}
    family {{ ipv4 unicast; ipv6 unicast; }}
    add-path {{ ipv4 unicast; ipv6 unicast; }}
    api {{ processes [ recorder ]; neighbor-changes; {more} }}
}}
"""
RECEIVE = "receive { parsed; open; update; notification; keepalive; refresh; }"
SESSIONS = (
    ("127.0.0.11", "127.0.0.1", RECEIVE),
    (
        "127.0.0.11",
        "127.0.0.2",
        f"negotiated; signal; send {{ parsed; open; keepalive; notification; }} {RECEIVE}",
    ),
    ("::1", "::1", RECEIVE),
)

ORIGIN = attribute(0x40, 1, b"\0")
HOP = attribute(0x40, 3, socket.inet_aton("192.0.2.1"))


def path(*segments: tuple[int, Sequence[int]], code: int = 2, number: str = "I") -> bytes:
    """Encode an AS_PATH, or with ``code`` 17 an AS4_PATH, from the kind and ASNs of each segment."""
    value = b"".join(struct.pack(f"!BB{len(a)}{number}", kind, len(a), *a) for kind, a in segments)
    return attribute(0x40 if code == 2 else 0xC0, code, value)


def ipv4(attributes: bytes, *prefixes: str, path_id: int | None = None) -> bytes:
    nlri = b"".join(encode_nlri(prefix, path_id) for prefix in prefixes)
    return update_message(attributes=ORIGIN + attributes + HOP, nlri=nlri)


def ipv6(attributes: bytes, hops: Sequence[str], *prefixes: str, path_id: int | None = None) -> bytes:
    next_hops = b"".join(socket.inet_pton(socket.AF_INET6, hop) for hop in hops)
    nlri = b"".join(encode_nlri(prefix, path_id) for prefix in prefixes)
    reach = struct.pack("!HBB", 2, 1, len(next_hops)) + next_hops + b"\0" + nlri
    return update_message(attributes=ORIGIN + attributes + attribute(0x80, 14, reach))


def refresh(afi: int, subtype: int) -> bytes:
    return message(ROUTE_REFRESH, struct.pack("!HBB", afi, subtype, 1))


def numbers(code: int, size: str, *values: tuple[int, ...]) -> bytes:
    return attribute(0xC0, code, b"".join(struct.pack(size, *value) for value in values))


PLAIN = path((AS_SEQUENCE, [ASN, 12076]))
HOP6 = "2001:db8::1"

UPDATES: tuple[tuple[str, bytes], ...] = (
    (
        "confederation-sequence",
        ipv4(path((AS_CONFED_SEQUENCE, [65001]), (AS_SEQUENCE, [12076, 8075])), "10.1.0.0/16"),
    ),
    (
        "confederation-sequence-and-set",
        ipv6(
            path((AS_CONFED_SEQUENCE, [65001, 65002]), (AS_CONFED_SET, [65003]), (AS_SEQUENCE, [12076])),
            [HOP6],
            "2001:db8:1::/48",
        ),
    ),
    ("confederation-sequence-only", ipv4(path((AS_CONFED_SEQUENCE, [65001])), "10.2.0.0/16")),
    (
        "confederation-before-as-set",
        ipv4(path((AS_CONFED_SEQUENCE, [65001]), (AS_SET, [64998, 64999])), "10.3.0.0/16"),
    ),
    (
        "path-of-more-than-255",
        ipv4(path((AS_SEQUENCE, [ASN] * 3), (AS_SEQUENCE, [ASN] * 254 + [12076])), "10.4.0.0/16"),
    ),
    (
        "well-known-communities",
        ipv4(
            PLAIN
            + numbers(8, "!HH", (65535, 0), (65535, 666), *((65535, 65281 + n) for n in range(4)))
            + numbers(32, "!III", (4294967295, 0, 4294967295)),
            "10.5.0.0/16",
        ),
    ),
    ("attributes-without-routes", ipv4(PLAIN)),
    ("ipv4-mapped-next-hop", ipv6(PLAIN, ["::ffff:192.0.2.1"], "2001:db8:2::/48")),
    ("link-local-next-hop-only", ipv6(PLAIN, ["fe80::1"], "2001:db8:3::/48")),
    ("two-next-hops-two-prefixes", ipv6(PLAIN, [HOP6, "fe80::1"], "2001:db8:4::/48", "2001:db8:5::/48")),
    ("shortest-and-longest", ipv6(PLAIN, [HOP6], "::/0", "2001:db8::1/128", "2000::/3")),
    (
        "largest-numbers",
        update_message(
            attributes=attribute(0x40, 1, b"\2")
            + path((AS_SEQUENCE, [4294967295]))
            + HOP
            + attribute(0x80, 4, b"\xff" * 4)
            + attribute(0x40, 5, b"\0" * 4),
            nlri=encode_nlri("10.6.0.1/32"),
        ),
    ),
    ("hundred-prefixes", ipv4(PLAIN, *(f"10.7.{n}.0/24" for n in range(100)))),
    ("withdraw-both-families", withdrawal("10.7.0.0/24", "10.7.1.0/24")),
    ("withdraw-ipv6", withdrawal("2001:db8:4::/48", "::/0")),
    ("refresh-query", refresh(2, 0)),
    ("refresh-begin", refresh(2, 1)),
    ("refresh-end", refresh(2, 2)),
    ("refresh-end-ipv4", refresh(1, 2)),
)

TWO_OCTETS: tuple[tuple[str, bytes], ...] = (
    (
        "as4-path",
        ipv4(
            path((AS_SEQUENCE, [ASN, AS_TRANS, AS_TRANS]), number="H")
            + path((AS_SEQUENCE, [4200000001, 4200000002]), code=17),
            "10.8.0.0/16",
        ),
    ),
    (
        "as4-path-in-confederation",
        ipv4(
            path((AS_CONFED_SEQUENCE, [65001]), (AS_SEQUENCE, [ASN, AS_TRANS]), number="H")
            + path((AS_SEQUENCE, [4200000001]), code=17),
            "10.9.0.0/16",
        ),
    ),
    ("as-trans-alone", ipv4(path((AS_SEQUENCE, [ASN, AS_TRANS]), number="H"), "10.10.0.0/16")),
)

FAREWELLS = (
    (
        "shutdown-communication",
        b"\x06\x02" + bytes([29]) + "Wartung \N{EM DASH} back at 04:00\n\x1b[m".encode()[:29],
    ),
    ("shutdown-communication-empty", b"\x06\x02\x00"),
    ("administrative-reset-silent", b"\x06\x04"),
    ("cease-with-binary-data", b"\x06\x01\x00\x01\x01\xff"),
)


class Recorder:
    """An ExaBGP that writes to a file, with the label of each line so far."""

    def __init__(self, folder: Path) -> None:
        self.output = folder / "lines"
        self.output.touch()
        self.labels: list[str] = []
        self.port = free_port(*LOCALS)
        helper = folder / "helper.py"
        helper.write_text(HELPER)
        run = f"run {sys.executable} {helper} {self.output};"
        neighbors = "".join(NEIGHBOR.format(peer=p, local=n, asn=ASN, more=more) for p, n, more in SESSIONS)
        self.config = folder / "exabgp.conf"
        self.config.write_text(f"process recorder {{ {run} encoder json; }}\n{neighbors}")

    @contextmanager
    def exabgp(self) -> Iterator[subprocess.Popen[bytes]]:
        settings = {
            "exabgp_tcp_port": str(self.port),
            "exabgp_tcp_bind": " ".join(LOCALS),
            "exabgp_daemon_user": "root" if os.getuid() == 0 else os.environ["USER"],
            "exabgp_api_cli": "false",
            "exabgp_log_enable": "false",
        }
        command = [str(Path(sys.executable).with_name("exabgp")), "server", str(self.config)]
        silent = subprocess.DEVNULL
        with subprocess.Popen(command, env=os.environ | settings, stdout=silent, stderr=silent) as process:
            try:
                yield process
            finally:
                process.kill()

    def expect(self, label: str, *types: str) -> None:
        """Wait for exactly these types of lines, which ``label`` has caused."""
        deadline = time.monotonic() + PATIENCE
        while len(lines := self.output.read_bytes().splitlines()) < len(self.labels) + len(types):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{label}: {lines[len(self.labels) :]}")
            time.sleep(0.01)
        found = [json.loads(line)["type"] for line in lines[len(self.labels) :]]
        if found != list(types):
            raise ValueError(f"{label}: {found} instead of {types}")
        self.labels += [label] * len(types)

    def speaker(
        self, source: str = "127.0.0.11", target: str = "127.0.0.1", *, add_path: bool = False
    ) -> Speaker:
        families: tuple[Family, Family] = ("ipv4", "ipv6")
        return Speaker(
            source, target, self.port, asn=ASN, families=families, hold_time=240, add_path=add_path
        )


UP = ("state", "open", "keepalive", "state")


def record(recorder: Recorder) -> None:
    with recorder.exabgp() as exabgp:
        _record_updates(recorder)
        _record_farewells(recorder)
        _record_add_path(recorder)
        _record_reload(recorder, exabgp)
    with recorder.exabgp() as exabgp, recorder.speaker() as router:
        recorder.expect("up-in-new-process", *UP)
        router.send(end_of_rib("ipv4"))
        recorder.expect("end-of-rib-in-new-process", "update")
        exabgp.terminate()
        recorder.expect("terminated", "signal", "state", "notification")


def _record_updates(recorder: Recorder) -> None:
    with recorder.speaker() as router:
        recorder.expect("up", *UP)
        for label, octets in UPDATES:
            router.send(octets)
            recorder.expect(label, "refresh" if label.startswith("refresh") else "update")
    recorder.expect("closed", "state")
    two_octets = recorder.speaker()
    two_octets.opening = _without_asn4()
    with two_octets as router:
        recorder.expect("up-two-octet-asns", *UP)
        for label, octets in TWO_OCTETS:
            router.send(octets)
            recorder.expect(label, "update")
    recorder.expect("closed-two-octet-asns", "state")
    with recorder.speaker("::1", "::1") as router:
        recorder.expect("up-over-ipv6", *UP)
        router.send(end_of_rib("ipv6"))
        recorder.expect("end-of-rib-over-ipv6", "update")
    recorder.expect("closed-over-ipv6", "state")


def _record_farewells(recorder: Recorder) -> None:
    for label, body in FAREWELLS:
        with recorder.speaker() as router:
            recorder.expect(f"up-before-{label}", *UP)
            router.send(message(3, body))
            recorder.expect(label, "notification", "state")


def _record_add_path(recorder: Recorder) -> None:
    with recorder.speaker(add_path=True) as router:
        recorder.expect("up-add-path-send", *UP)
        router.send(ipv4(PLAIN, "10.11.0.0/16", path_id=4294967295))
        recorder.expect("largest-path-id", "update")
        router.send(ipv6(PLAIN, [HOP6], "2001:db8:6::/48", path_id=0))
        recorder.expect("smallest-path-id", "update")
    recorder.expect("closed-add-path-send", "state")


def _record_reload(recorder: Recorder, exabgp: subprocess.Popen[bytes]) -> None:
    """Record a session with all capabilities through a reload; then it ends, and its counters start again."""
    with recorder.speaker(target="127.0.0.2", add_path=True) as router:
        recorder.expect(
            "up-everything", "state", "open", "open", "negotiated", "keepalive", "keepalive", "state"
        )
        exabgp.send_signal(signal.SIGUSR1)
        recorder.expect("reload", "signal")
        router.send(end_of_rib("ipv4"))
        recorder.expect("end-of-rib-after-reload", "update")
    recorder.expect("closed-after-reload", "state")


def _without_asn4() -> bytes:
    """Return an OPEN of a speaker that supports only two-octet ASNs (RFC 6793)."""
    opening = open_message(ASN, router_id="10.0.0.1", hold_time=240, graceful_restart=None)
    capability = b"\x41\x04" + struct.pack("!I", ASN)
    at = opening.index(capability)
    body = bytearray(opening[19:at] + opening[at + len(capability) :])
    body[9] -= len(capability)
    body[11] -= len(capability)
    return message(1, bytes(body))


def main() -> None:
    target = Path(__file__).with_name(f"extra-{version('exabgp')}.jsonl")
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder))
        record(recorder)
        lines = recorder.output.read_bytes()
    target.write_bytes(lines)
    index = [f"- {n}: [{label}]" for n, label in enumerate(recorder.labels, start=1)]
    title = (
        f"# What ExaBGP {version('exabgp')} printed: the stimulus of each line, as `record.py` sent it\n\n"
    )
    target.with_suffix(".md").write_text(title + "\n".join(index) + "\n")


if __name__ == "__main__":
    main()
