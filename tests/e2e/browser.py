"""Runs a real Chromium with Playwright, for visits to the status page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

from tests import bgp
from tests.e2e.daemon import PATIENCE

Scheme = Literal["light", "dark"]

expect.set_options(timeout=PATIENCE * 1000)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium; without it the test is skipped, and fails in CI."""
    program = shutil.which("chromium")
    bgp.require(program is not None, "Chromium")
    # Its sandbox needs privileges that root in a container lacks.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


CUT_OFF = """
[...document.querySelectorAll("main *, header *")]
  .filter((each) => each.checkVisibility() && !each.closest(".visually-hidden, .u-wrap, .u-legend, .track"))
  .filter((each) => {
    const { left, right, width } = each.getBoundingClientRect();
    return width > 1 && (left < 0 || right > document.documentElement.clientWidth + 1 || (each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX === "auto"));
  })
  .map((each) => `${each.tagName}.${each.className} ${each.textContent.slice(0, 40)}`)
"""


class Visit:
    """A visit to the status page. It collects the browser's complaints and requests."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)
        response = page.goto(url, wait_until="commit")
        assert response is not None
        self.headers: dict[str, str] = response.headers
        expect(page.locator("body[data-complete=true]")).to_be_attached()

    def __call__(self, selector: str, **having: Any) -> Locator:
        return self.page.locator(selector, **having)

    @property
    def headline(self) -> Locator:
        return self("#headline")

    def headline_is_shown(self) -> bool:
        """Whether the headline is visible, and not only there for a screen reader."""
        box = self.headline.bounding_box()
        return box is not None and box["width"] > 300 and box["height"] > 40

    @property
    def connection(self) -> Locator:
        return self("#connection")

    def finding(self, text: str) -> Locator:
        return self("#raised article", has_text=text)

    def table(self, name: str) -> Locator:
        return self.page.get_by_role("table", name=name)

    def row(self, table: str, heading: str) -> Locator:
        """The row of a table with this heading."""
        return (
            self.table(table)
            .get_by_role("row")
            .filter(has=self.page.get_by_role("rowheader", name=heading, exact=True))
        )

    def search(self, query: str) -> None:
        """Search with the keyboard only."""
        field = self.page.get_by_label("Search for a prefix")
        expect(field).to_have_attribute("aria-keyshortcuts", "/")
        self.page.keyboard.press("/")
        expect(field).to_be_focused()
        field.fill(query)
        field.press("Enter")

    def asked_for(self, part: str) -> list[str]:
        """The requested paths that contain this text."""
        return [path for path in map(path_of, self.requests) if part in path]

    def live_on_events(self) -> None:
        """Leave the regular requests of the page unanswered, so that it has only the events."""
        self.page.route("**/api/v1/status", lambda _: None)

    def come_back(self) -> None:
        """Make the page refresh everything that has no event, as when the user returns to its tab."""
        self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    def overflow(self) -> int:
        """The number of pixels by which the page is wider than the screen."""
        found: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return found

    def cut_off(self) -> list[str]:
        """Everything that reaches beyond the screen or is cut off by its container, except the chart and texts with an
        ellipsis.
        """
        found: list[str] = self.page.evaluate(CUT_OFF)
        return found

    def barriers(self) -> list[str]:
        """The violations that axe-core calls serious or critical."""
        violations = Axe().run(self.page).response["violations"]
        return [
            f"{found['id']}: {[node['html'] for node in found['nodes']][:3]}"
            for found in violations
            if found["impact"] in {"serious", "critical"}
        ]

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)


def path_of(url: str) -> str:
    return urlsplit(url).path


@contextmanager
def visiting(
    browser: Browser,
    url: str,
    *,
    scheme: Scheme = "light",
    width: int = 1280,
    height: int = 900,
    user: tuple[str, str] | None = None,
    zone: str | None = None,
) -> Iterator[Visit]:
    """Open the page and wait until it is complete, with a user name and password and in another time zone if given. At
    the end it must not have complained, nor sent a request to another host.
    """
    credentials = None if user is None else {"username": user[0], "password": user[1]}
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        http_credentials=credentials,
        timezone_id=zone,
    )
    context.set_default_timeout(PATIENCE * 1000)
    try:
        visit = Visit(context.new_page(), url)
        yield visit
        assert not visit.complaints, visit.complaints
        elsewhere = [
            request for request in visit.requests if urlsplit(request).netloc != urlsplit(url).netloc
        ]
        assert not elsewhere, elsewhere
    finally:
        context.close()
