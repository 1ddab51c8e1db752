"""The circuits and links that a subject is about beyond its labels: a pool's circuits, the link that a feed mirrors.

A cause suppresses another finding only if both are about the same circuit or link. A circuit that is down, for example,
explains why a pool of that circuit is advertised on no second circuit, although that finding has no label ``circuit``.
"""

from __future__ import annotations

from collections.abc import Mapping

from ermon.model.inventory import Config

About = Mapping[str, frozenset[str]]
"""By label name: the values that the subject is about, from its own labels or from the configuration of what they
name.
"""


def about_of(config: Config, labels: Mapping[str, str]) -> About:
    """Return the circuits, links and other things that a subject with these labels is about."""
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
