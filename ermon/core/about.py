"""What a subject is about besides what its labels say: a pool's circuits, the link that a feed mirrors.

One cause is one page only where it is known to be the cause: a circuit that is down explains that a pool of it is
advertised on no second circuit, though that finding has no label ``circuit``.
"""

from __future__ import annotations

from collections.abc import Mapping

from ermon.model.inventory import Config

About = Mapping[str, frozenset[str]]
"""By the name of a label: what the subject is about in that respect, itself or by what its labels name."""


def about_of(config: Config, labels: Mapping[str, str]) -> About:
    """Return what a subject with these labels is about."""
    about = {name: frozenset({value}) for name, value in labels.items()}
    if "circuit" in labels:
        return about
    if "pool" in labels:
        about["circuit"] = frozenset(config.pools[labels["pool"]].circuits)
    elif "group" in labels:
        alike = ((c.geo, c.peering, c.group, name) for name, c in config.circuits.items())
        wanted = (labels.get("geo"), labels.get("peering"), labels["group"])
        about["circuit"] = frozenset(name for *those, name in alike if tuple(those) == wanted)
    elif "feed" in labels:
        feed = config.feeds[labels["feed"]]
        mirrored = feed.circuit is not None and feed.link is not None
        about["circuit"] = frozenset({feed.circuit or ""} if mirrored else ())
        about["link"] = frozenset({feed.link or ""} if mirrored else ())
    return about
