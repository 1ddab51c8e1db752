"""What Azure answers in a scenario: the tables of Microsoft's edge routers, made from what the feeds show at that moment."""

from __future__ import annotations

from collections.abc import Iterator

from ermon.checks.attribution import Attributor
from ermon.checks.azure_tables import has_tables
from ermon.model.azure_tables import AzureArp, AzureNeighbor, AzureRoute
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.events import AzureTables, Event
from ermon.model.inventory import Feed, Link, View
from ermon.model.prefixes import Address, Prefix
from ermon.model.routes import Route
from ermon.scenario.fields import ALL, Many, Word
from ermon.scenario.schema import ArpState, AzureTablesEntry, StepEntry
from ermon.scenario.updates import Stage

ESTABLISHED = "established"
_ARP = {
    ArpState.COMPLETE: (
        AzureArp("On-Prem", mac="00aa.00bb.00cc"),
        AzureArp("Microsoft", mac="00dd.00ee.00ff"),
    ),
    ArpState.INCOMPLETE: (AzureArp("On-Prem", mac="Incomplete"), AzureArp("Microsoft", mac="00dd.00ee.00ff")),
    ArpState.EMPTY: (),
}
_INSIDE = {4: "10.255.255.1*", 6: "fd00::1*"}
"""Next hops inside Microsoft's network."""


def azure_tables(stage: Stage, step: StepEntry) -> Iterator[Event]:
    wanted = step.azure_tables
    assert wanted is not None
    link = stage.link(wanted.circuit, wanted.link)
    if not has_tables(stage.config, link):
        message = f"has no tables; let circuits.{link.circuit}.azure say from: arm, or tables: FOLDER"
        raise stage.error("azure_tables", message)
    asked = round(stage.now - wanted.asked, 6)
    if wanted.fails is not None:
        yield AzureTables(stage.now, link.key, asked, problem=wanted.fails)
        return
    ours = _advertised(stage, link)
    lacking = _lacking(stage, wanted)
    rows = [*(_row(prefix, _our_end(link, prefix), str(stage.config.customer.asn)) for prefix in ours)]
    rows += [
        _row(p, _INSIDE[p.version], str(MICROSOFT_ASN))
        for p in (*_received(stage, link), *(wanted.has or ()))
    ]
    kept = tuple(row for row in rows if lacking is not None and row.prefix not in lacking)
    yield AzureTables(
        stage.now,
        link.key,
        asked,
        routes=kept,
        partial=wanted.partial,
        neighbors=tuple(_neighbor(stage, link, subnet, wanted) for subnet in link.subnets),
        arp=_ARP[wanted.arp],
    )


def _lacking(stage: Stage, wanted: AzureTablesEntry) -> set[Prefix] | None:
    """Return the prefixes that the table lacks; ``None`` if it lacks all."""
    found: set[Prefix] = set()
    for item in wanted.lacks or ():
        if isinstance(item, Word):
            if item.text == ALL:
                return None
            raise stage.error("azure_tables", f"lacks prefixes or {ALL}, not {item.text}")
        found.update(item.prefixes if isinstance(item, Many) else (item,))
    return found


def _row(prefix: Prefix, next_hop: str, path: str) -> AzureRoute:
    return AzureRoute(str(prefix), next_hop, f"{path} I")


def _our_end(link: Link, prefix: Prefix) -> str:
    """Return our address on a link in the family of a prefix: the first host of its subnet."""
    subnets = [subnet for subnet in link.subnets if subnet.version == prefix.version]
    return str(Address(prefix.version, subnets[0].value + 1)) if subnets else ""


def _neighbor(stage: Stage, link: Link, subnet: Prefix, wanted: AzureTablesEntry) -> AzureNeighbor:
    count = sum(prefix.family == subnet.family for prefix in _advertised(stage, link))
    state = str(count) if wanted.session == ESTABLISHED else wanted.session
    return AzureNeighbor(_our_end(link, subnet), stage.config.customer.asn, "00:10:00", state)


def _advertised(stage: Stage, link: Link) -> list[Prefix]:
    """Return the prefixes that the mirrors of a link show."""
    feeds = [feed.name for feed in stage.config.mirrors.get(link.key, ())]
    return sorted({prefix for name in feeds for prefix, _ in stage.sent.get(name, ())})


def _received(stage: Stage, link: Link) -> list[Prefix]:
    """Return the prefixes that feeds show on a link."""
    attributor = Attributor(stage.config)
    return sorted(
        {
            sent.route.prefix
            for name, held in stage.sent.items()
            for sent in held.values()
            if _is_of(link, stage.config.feeds[name], sent.route, attributor)
        }
    )


def _is_of(link: Link, feed: Feed, route: Route, attributor: Attributor) -> bool:
    if feed.view is View.EDGE_TABLE:
        return attributor.of(feed).attribute(route) == link.key
    return feed.shows_links and feed.link_key == link.key
