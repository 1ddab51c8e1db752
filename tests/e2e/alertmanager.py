"""Runs a real Alertmanager, and an inbox: a receiver of webhooks, for its notifications and for ermon's own posts."""

from __future__ import annotations

import contextlib
import json
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.request import Request, urlopen

import yaml

from tests import bgp
from tests.e2e.daemon import LOG_SHOWN, PATIENCE, eventually


def require() -> None:
    """Skip a test if there is no Alertmanager; in CI, fail."""
    bgp.require(shutil.which("prometheus-alertmanager") is not None, "Alertmanager (prometheus-alertmanager)")


class Post(NamedTuple):
    """One request that an inbox received."""

    at: float
    """``time.perf_counter`` at its arrival."""
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Inbox:
    """An HTTP server on loopback that stores what is posted to it; usable as a context manager.

    It answers with ``status``, after ``delay_seconds``.
    """

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.status = 200
        self.delay_seconds = 0.0
        self.port = bgp.free_port("127.0.0.1")
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def listen(self) -> None:
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.posts.append(Post(time.perf_counter(), self.path, dict(self.headers), body))
                time.sleep(inbox.delay_seconds)
                with contextlib.suppress(OSError):
                    self.send_response(inbox.status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop listening; ``listen`` starts again on the same port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def alerts(self, name: str, status: str = "firing", **labels: str) -> list[dict[str, Any]]:
        """The alerts of this name in Alertmanager's notifications, once for each notification."""
        return [
            alert
            for post in list(self.posts)
            for alert in post.json["alerts"]
            if alert["status"] == status and {"alertname": name, **labels}.items() <= alert["labels"].items()
        ]

    def notifications(self, receiver: str, name: str) -> list[str]:
        """The status of each notification about alerts of this name that this receiver received."""
        named = [p.json for p in list(self.posts) if p.path == f"/{receiver}"]
        return [n["status"] for n in named if n["groupLabels"].get("alertname") == name]


class Alertmanager:
    """One server, which can be started and killed repeatedly, always on the same port.

    ``directory`` is for all of its files, and need not exist yet.
    """

    def __init__(
        self, directory: Path, configuration: Mapping[str, Any], web_configuration: str | None = None
    ) -> None:
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_file = directory / "alertmanager.log"
        self.address = f"127.0.0.1:{bgp.free_port('127.0.0.1')}"
        self.url = f"{'https' if web_configuration else 'http'}://{self.address}"
        self._process: subprocess.Popen[bytes] | None = None
        self._arguments = [
            f"--config.file={directory / 'alertmanager.yml'}",
            f"--storage.path={directory / 'data'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        ]
        (directory / "alertmanager.yml").write_text(yaml.safe_dump(dict(configuration), sort_keys=False))
        if web_configuration is not None:
            (directory / "web.yml").write_text(web_configuration)
            self._arguments.append(f"--web.config.file={directory / 'web.yml'}")

    @contextlib.contextmanager
    def running(self) -> Iterator[Alertmanager]:
        """Start it, wait until it is ready, and stop it at the end."""
        require()
        try:
            self.start()
            yield self
        finally:
            self.kill()

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                ["prometheus-alertmanager", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        process = self._process
        eventually(lambda: self._ready() or process.poll() is not None, "Alertmanager is ready")
        assert process.poll() is None, f"Alertmanager has ended:\n{self.log_end()}"

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)

    def alerts(self, name: str, **labels: str) -> list[dict[str, Any]]:
        """The alerts of this name that its API shows."""
        found: list[dict[str, Any]] = json.loads(self._get("/api/v2/alerts"))
        return [each for each in found if {"alertname": name, **labels}.items() <= each["labels"].items()]

    def log_end(self) -> str:
        return "\n".join(self.log_file.read_text().splitlines()[-LOG_SHOWN:])

    def _ready(self) -> bool:
        with contextlib.suppress(OSError):
            self._get("/-/ready")
            return True
        return False

    def _get(self, path: str) -> bytes:
        trusting = ssl._create_unverified_context() if self.url.startswith("https") else None
        request = Request(f"{self.url}{path}", headers={"Authorization": AUTHORIZATION})
        with urlopen(request, timeout=PATIENCE, context=trusting) as response:
            return bytes(response.read())


USER, PASSWORD = "ermon", "s3cret-of-the-tests"
AUTHORIZATION = "Basic ZXJtb246czNjcmV0LW9mLXRoZS10ZXN0cw=="
PASSWORD_HASH = "$2b$04$7JbhmqJJPvdZNsD3l93CYu/1sji9XKzL1eelklOEQKnkG89gHa.w6"
"""The password hashed with bcrypt at its lowest cost."""


SHIPPED = Path(__file__).parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"


def shipped(inbox: Inbox) -> dict[str, Any]:
    """The configuration that ermon ships, changed only in its times, and with an inbox for all receivers: each has its
    own path there, named after it.
    """
    found: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    _hurry(found["route"])
    found["receivers"] = [
        {"name": name, "webhook_configs": [{"url": f"{inbox.url}/{name}", "send_resolved": True}]}
        for name in (receiver["name"] for receiver in found["receivers"])
    ]
    return found


def _hurry(route: dict[str, Any]) -> None:
    route |= {"group_wait": "0s", "group_interval": "1s"}
    for below in route.get("routes", []):
        _hurry(below)
