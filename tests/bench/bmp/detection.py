"""How soon a session that Microsoft shuts down is told, from BIRD's command to the webhook, with FRR as the edge router."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.bench.bmp.receivers import connect
from tests.bench.bmp.waiting import MAX_PAUSE_SECONDS, PATIENCE, Webhook, wait_until_up
from tests.bench.bmp.wire import Wire
from tests.bench.children import child, ermon
from tests.bench.policy import subfolder
from tests.bench.table import networks, updates
from tests.bench.table.receivers import Bird
from tests.bgp import Speaker, end_of_rib, update_message
from tests.e2e.alertmanager import Inbox
from tests.e2e.netns import namespace
from tests.e2e.test_bmp import ASN, CONFIGURATION, EDGE, NEIGHBOR, PORT, RECEIVED, Frr

REASON = "planned work"
_WITHDRAWN_AT_ONCE = 500


class Msee:
    """Both ends of Microsoft: BIRD."""

    def __init__(self, folder: Path) -> None:
        self._control = folder / "control"
        sessions = "".join(
            f"protocol bgp msee_{name} from msee {{ local {NEIGHBOR[name]} port 1790 as 12076; neighbor {EDGE[name]} as 64500; }}\n"
            for name in ("primary", "secondary")
        )
        self._configuration = folder / "bird.conf"
        self._configuration.write_text(
            f"router id 203.0.113.2;\nprotocol device {{}}\n"
            f"protocol static {{ ipv4; route {RECEIVED} blackhole; }}\n"
            "template bgp msee {\n  multihop; connect delay time 1; connect retry time 1; error wait time 1, 1;\n"
            f"  ipv4 {{ import none; export all; next hop self; }};\n}}\n{sessions}"
        )

    @property
    def command(self) -> list[str]:
        return ["bird", "-f", "-c", str(self._configuration), "-s", str(self._control)]

    def type(self, command: str) -> float:
        """Type a command; return when (``time.perf_counter``)."""
        deadline = time.monotonic() + PATIENCE
        with socket.socket(socket.AF_UNIX) as control:
            while time.monotonic() < deadline:
                with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                    control.connect(str(self._control))
                    break
                time.sleep(0.05)
            answers = control.makefile("rw", encoding="ascii")
            answers.readline()  # its greeting
            typed = time.perf_counter()
            answers.write(f"{command}\n")
            answers.flush()
            answers.readline()
            return typed


def missing() -> str | None:
    """Return why it cannot be measured on this machine; ``None``: it can."""
    if (why := Bird.missing()) is not None:
        return why
    with contextlib.suppress(BaseException):
        Frr.require()
        return None
    return "FRR is not installed"


def detection(folder: Path, count: int, prefixes: int) -> Iterator[tuple[str, list[float]]]:
    """Yield the seconds from command to webhook, and from FRR's Peer Down to webhook, with nothing else going on and while a
    table streams in.
    """
    ends = (*EDGE.values(), *NEIGHBOR.values())
    with namespace(*(f"{address}/32" for address in ends)), ExitStack() as stack:
        inbox = stack.enter_context(Inbox())
        own = subfolder(folder, "ermon")
        configuration = folder / "ermon.yml"
        configuration.write_text(yaml.safe_dump(_settings(inbox.url)))
        _, web = stack.enter_context(ermon(configuration, own, f"--storage.path={own / 'storage'}"))
        connect(int(web.rpartition(":")[2])).close()
        edge = Frr(folder)
        edge.start()
        stack.callback(edge.end)
        msee, webhook = Msee(folder), Webhook(inbox)
        stack.enter_context(_running(msee, folder))
        wire = stack.enter_context(Wire(PORT, REASON.encode()))
        yield from _cases("nothing else", _lose(msee, wire, webhook, web, count))
        with _streaming(prefixes):
            yield from _cases(f"a table of {prefixes:,}", _lose(msee, wire, webhook, web, count))


def _cases(besides: str, losses: Iterator[tuple[float, float]]) -> Iterator[tuple[str, list[float]]]:
    since_command, since_peer_down = zip(*losses, strict=True)
    yield besides, list(since_command)
    yield f"{besides}, from FRR's Peer Down", list(since_peer_down)


def _settings(url: str) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load(CONFIGURATION)
    settings["webhooks"] = [{"url": url}]
    settings["checks"]["link-down"] = {"raise_after": "0s", "clear_after": "0s"}
    return settings


@contextmanager
def _running(msee: Msee, folder: Path) -> Iterator[None]:
    with child(msee.command, folder / "bird.log", dict(os.environ)):
        yield


def _lose(msee: Msee, wire: Wire, webhook: Webhook, web: str, count: int) -> Iterator[tuple[float, float]]:
    """Have the session up and lose it, so many times; yield how long it took until the webhook came."""
    pauses = Random(1)
    for _ in range(count):
        msee.type("enable msee_primary")
        wait_until_up(web)
        time.sleep(pauses.uniform(0, MAX_PAUSE_SECONDS))
        began = msee.type(f'disable msee_primary "{REASON}"')
        told = webhook.wait()
        yield told - began, told - wire.since(began)


@contextmanager
def _streaming(prefixes: int) -> Iterator[None]:
    """Have the provider announce and withdraw a table without end, in a separate process."""
    spawn = multiprocessing.get_context("spawn")
    up = spawn.Event()
    process = spawn.Process(target=_stream, args=(prefixes, up), daemon=True)
    process.start()
    try:
        if not up.wait(PATIENCE):
            raise TimeoutError("the provider has not sent its table")
        yield
    finally:
        process.kill()
        process.join()


def _stream(prefixes: int, up: Any) -> None:
    provider = NEIGHBOR["isp"]
    table = b"".join(updates(prefixes, asn=ASN["isp"], next_hop=provider))
    gone = networks(prefixes, "ipv4", Random(1))  # the same seed: the same networks
    withdrawn = b"".join(
        update_message(b"".join(gone[at : at + _WITHDRAWN_AT_ONCE]))
        for at in range(0, prefixes, _WITHDRAWN_AT_ONCE)
    )
    with Speaker(provider, EDGE["isp"], 179, asn=ASN["isp"], router_id=provider) as speaker:
        speaker.send(table, end_of_rib("ipv4"))
        up.set()
        while True:
            speaker.send(withdrawn)
            speaker.send(table)
