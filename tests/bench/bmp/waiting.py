"""Waits for what ermon says of a link."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

from tests.e2e.alertmanager import Inbox

PATIENCE = 120.0
MAX_PAUSE_SECONDS = 0.05
"""Pauses are random, so that they do not fall into step with anything."""


class Webhook:
    """Waits for what ermon posts of one link."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._read = 0

    def wait(self) -> float:
        """Return when it came that the link is down."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for post in self._inbox.posts[self._read :]:
                self._read += 1
                finding: dict[str, Any] = post.json
                if (finding["check"], finding["state"]) == ("link-down", "raised"):
                    return post.at
            time.sleep(0.001)
        raise TimeoutError("nothing says that the link is down")


def wait_until_up(web: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://{web}/api/v1/status", timeout=PATIENCE) as answer:
            links = json.load(answer)["data"]["circuits"]["chicago"]["links"]
        if links["primary"]["state"]["ipv4"] == "up":
            return
        time.sleep(0.05)
    raise TimeoutError("the link does not come up")
