"""Makes the pictures of the README: the status page while the demo's NAT pool leaks.

Run from the top of the repository, ``python -m tests.e2e.pictures`` makes them again.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect

from ermon.demo.company import Company
from ermon.demo.daemon import WEB_ADDRESS, Daemon
from ermon.demo.run import far_end, free_port, with_free_port
from ermon.demo.screen import Screen
from ermon.demo.settings import Settings
from ermon.demo.story import Player, story
from tests.e2e.browser import Scheme, Visit, chromium, visiting

PICTURES = Path(__file__).parents[1] / "pictures"
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
MAX_BYTES = 150_000
WIDTH, HEIGHT = 1280, 680


def picture(scheme: Scheme) -> Path:
    return PICTURES / f"page-leak-{scheme}.png"


@contextmanager
def demo_with_a_leak() -> Iterator[str]:
    """Run the demo up to its leak, without the repair; yield the address of its ermon's web."""
    leaking, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    urls: list[str] = []

    async def play(directory: Path) -> None:
        settings = Settings(directory / "ermon.yml", with_free_port())
        daemon = Daemon(settings.file, free_port([WEB_ADDRESS]), directory)
        company = Company(settings.config, directory, far_end())
        with (directory / "screen").open("w", encoding="utf-8") as file:
            async with company.running(), daemon.running():
                player = Player(settings, company, daemon, Screen(file))
                await player.converge()
                await player.play(story()[0])
                urls.append(daemon.url)
                leaking.set()
                await over.wait()

    def run() -> None:
        with tempfile.TemporaryDirectory(prefix="demo-") as directory:
            try:
                loop.run_until_complete(play(Path(directory)))
            finally:
                loop.close()
                leaking.set()

    thread = threading.Thread(target=run)
    thread.start()
    leaking.wait()
    assert urls, "the demo has not come as far as its leak"
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()


@contextmanager
def looking_at_the_leak(browser: Browser, url: str, scheme: Scheme) -> Iterator[Visit]:
    """Open the page as in the picture, with the steps of the leak."""
    with visiting(browser, url, scheme=scheme, width=WIDTH, height=HEIGHT) as visit:
        expect(visit("#raised .guide li").first).to_be_visible()
        yield visit


def main() -> None:
    with demo_with_a_leak() as url, chromium() as browser:
        for scheme in SCHEMES:
            with looking_at_the_leak(browser, url, scheme) as visit:
                visit.page.screenshot(path=picture(scheme))
            print(f"{picture(scheme)}: {picture(scheme).stat().st_size} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
