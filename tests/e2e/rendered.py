"""ermon on the reference configuration, behind six routers that are configured with what `ermon render router` prints."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from ermon.config.load import load_config
from ermon.model.inventory import Config
from ermon.routers import Mirrors, render
from tests.e2e.daemon import Daemon, eventually
from tests.e2e.netns import namespace
from tests.e2e.router import Router
from tests.e2e.site_daemons import FrrSite
from tests.e2e.sites import NET, NET6, SITES, make_bridge, running, speaking

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"
REPLACED = {
    "REPLACE-MD5-KEY-OF-CAMPUS-CORE": "the-key-of-campus-core",
    "REPLACE-IPV6-ADDRESS-OF-EDGE-3": "2001:db8:fe::3",
}
"""The values that a user must fill in, because ermon cannot know them."""


class Network(NamedTuple):
    ermon: Daemon
    speakers: Mapping[str, list[Router]]
    """The speakers of each router."""


def rendered(config: Config, name: str, platform: str, mirrors: Mirrors | None = None) -> str:
    """Return the rendered configuration of a router, ready to be loaded."""
    text = render(config, name, platform, mirrors or {})
    for placeholder, value in REPLACED.items():
        text = text.replace(placeholder, value)
    return text


@contextlib.contextmanager
def behind(daemons: Mapping[str, type[FrrSite]], *flags: str) -> Iterator[Network]:
    """Run a daemon for each of the routers, and an ermon with all of its feeds in sync."""
    for kind in daemons.values():
        kind.require()
    with tempfile.TemporaryDirectory(prefix="ermon-") as path, contextlib.ExitStack() as stack:
        directory = Path(path)
        directory.chmod(0o755)  # FRR runs as another user
        stack.enter_context(namespace())
        settings = yaml.safe_load(REFERENCE.read_text().replace("127.0.0.", NET))
        for site in SITES:
            kind = daemons[site.name]
            feeds = {name: feed for name, feed in settings["feeds"].items() if feed["peer"] == site.address}
            kind.leave_out(feeds.values())
            if kind.tables_over_ipv6 and site in SITES[:2]:
                feeds[site.name] |= {"peer": site.address6, "local": f"{NET6}1"}
        neighbors = [neighbor.address for site in SITES for neighbor in site.neighbors]
        make_bridge(*{feed["local"] for feed in settings["feeds"].values()}, *neighbors)
        (directory / "ermon").mkdir()
        (directory / "ermon" / "campus-core.key").write_text(REPLACED["REPLACE-MD5-KEY-OF-CAMPUS-CORE"])
        daemon = stack.enter_context(Daemon(directory / "ermon", settings, *flags))
        daemon.start()
        config = load_config(daemon.config_file).config
        speakers = {}
        for number, site in enumerate(SITES):
            kind = daemons[site.name]
            mirrors = {(feed, None): policy for feed, policy in site.mirrors.items()}
            text = rendered(config, site.name, kind.platform, mirrors)
            assert "REPLACE-" not in text
            folder = directory / site.name
            folder.mkdir()
            stack.enter_context(running(site, number, *kind.command(site, text, folder)))
            speakers[site.name] = stack.enter_context(speaking(site))
        for name, routers in speakers.items():
            eventually(lambda routers=routers: all(r.sessions for r in routers), f"{name} is spoken to")
        daemon.wait_until_in_sync(*settings["feeds"])
        yield Network(daemon, speakers)
