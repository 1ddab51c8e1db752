"""Four makes of routers, configured by `ermon render router`, connect again soon after ermon or its ExaBGP has ended.

ermon never connects itself. When a router connects again depends on its timers and on graceful restart: the rendered
timers are short, and ermon offers one second. Without them FRR connects after two to four minutes, and BIRD after one
to five.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping

import pytest

from tests.e2e.daemon import Daemon, eventually
from tests.e2e.rendered import behind
from tests.e2e.site_daemons import BirdSite, FrrSite, GobgpSite, OpenBgpdSite

FOUR_MAKES = {
    "edge-1": FrrSite,
    "edge-2": BirdSite,
    "edge-3": OpenBgpdSite,
    "outside": BirdSite,
    "dmz-core": GobgpSite,
    "campus-core": FrrSite,
}
SOON_SECONDS = 30.0
AGAIN_SECONDS = 45.0
"""Limit after a second loss within five minutes: BIRD waits longer then, and GoBGP's wait is random."""

pytestmark = pytest.mark.xdist_group("calling-again")


def test_four_makes_of_routers_are_back_soon_after_exabgp_and_ermon_have_ended(
    record_property: Callable[[str, object], None],
):
    with behind(FOUR_MAKES, "--storage.path=state") as network:
        ermon = network.ermon

        def back(what: str, since: float, seconds: float) -> None:
            for router, took in in_sync_after(ermon, since, seconds).items():
                record_property(
                    f"{what}: {FOUR_MAKES[router].platform} ({router}) in sync after", f"{took:.1f} s"
                )

        with ermon.listen() as story:
            killed = time.monotonic()
            os.kill(ermon.exabgp_pid(), signal.SIGKILL)
            ermon.wait_until(lambda: not any(in_sync(ermon, "edge-1")), "the sessions are lost")
            back("ExaBGP killed", killed, SOON_SECONDS)
            assert story.checks_raised() == set()

        told_before = {finding["id"] for finding in ermon.api("findings")}
        stopped = time.monotonic()
        ermon.end(signal.SIGTERM)
        ermon.start()
        back("ermon started anew", stopped, AGAIN_SECONDS)
        assert {f["check"] for f in ermon.api("findings") if f["id"] not in told_before} == set()


def in_sync_after(ermon: Daemon, since: float, seconds: float) -> Mapping[str, float]:
    """Wait until all feeds of each router are in sync, and return the seconds that each took."""
    took: dict[str, float] = {}

    def all_are() -> bool:
        for router in FOUR_MAKES.keys() - took.keys():
            if all(in_sync(ermon, router)):
                took[router] = time.monotonic() - since
        return took.keys() == FOUR_MAKES.keys()

    eventually(all_are, "the feeds of every router are in sync", since + seconds - time.monotonic())
    return dict(sorted(took.items(), key=lambda each: each[1]))


def in_sync(ermon: Daemon, router: str) -> list[bool]:
    """Return whether all feeds of a router are in sync in all families."""
    feeds = ermon.status()["feeds"].items()
    return [
        each
        for name, feed in feeds
        if feed.get("router", name) == router
        for each in feed["in_sync"].values()
    ]
