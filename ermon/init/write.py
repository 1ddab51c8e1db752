"""Turns a plan into a configuration with comments, and writes it into a file: completely or not at all."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from ermon.aio.files import beside
from ermon.init.answers import CircuitAnswers, LinkAnswers
from ermon.init.plan import Plan, PlannedFeed
from ermon.model.inventory import InternetUse, Peering, View
from ermon.model.text import endpoint

MARK = "CHANGE"
"""Marks proposals in the file."""

DROP_PERCENT = 30
"""More than Microsoft's changes in an ordinary month, and less than one service; the reference has the same value."""

BMP_PORT = 11019
"""The port of BMP stations in the documentation of routers."""

FILE_MODE = 0o640

_SCHEMA = Path(__file__).parent.parent / "data" / "ermon.schema.json"
_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9 ._/-]*[A-Za-z0-9_])?|[0-9]+(?:\.[0-9]+){3}(?:/[0-9]+)?")
"""Texts that YAML reads unchanged without quotes: words, and IPv4 addresses and prefixes."""

_CONSTANTS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def quoted(text: str) -> str:
    """Return a text for YAML: plain if that is safe, otherwise quoted and escaped."""
    if _PLAIN.fullmatch(text) and text.lower() not in _CONSTANTS:
        return text
    dumped: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10_000)
    return dumped.strip()


def _list(items: Iterable[object]) -> str:
    return f"[{', '.join(quoted(str(item)) for item in items)}]"


def _numbers(numbers: Iterable[int]) -> str:
    return f"[{', '.join(map(str, numbers))}]"


def text_of(plan: Plan, file: str) -> str:
    """Return the text of the configuration; ``file`` is its name, for the commands in the comments."""
    shown = "ermon.yml" if file == "-" else file
    shown = shown if re.fullmatch(r"[A-Za-z0-9._/-]+", shown) else "FILE"
    sections = (
        _head(plan, shown),
        _customer(plan),
        _collector(plan),
        _routers(plan),
        _circuits(plan),
        _pools(plan),
        _uplinks(plan),
        _feeds(plan, shown),
        _rest(),
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _head(plan: Plan, file: str) -> Iterator[str]:
    yield f"# yaml-language-server: $schema={_SCHEMA.as_uri()}"
    yield "#"
    yield "# Written by `ermon init`. Review it, then:"
    steps = [
        (f"ermon check {file}", "its errors, and weaknesses of your network"),
        (render_router(plan, file), "what to paste into that router"),
        ("ermon verify", "when the sessions are up: the acceptance test of each circuit"),
    ]
    if plan.reporting:
        steps.insert(2, (render_bmp(plan, file), "and what makes it report its sessions"))
    if marked(plan):
        steps.insert(0, (f"grep {MARK} {file}", "placeholders: replace them with your values"))
    width = max(len(command) for command, _ in steps)
    yield from (f"#   {command:<{width}}   {purpose}" for command, purpose in steps)


def render_router(plan: Plan, file: str) -> str:
    """Return the command that prints the first router's side of the sessions."""
    router, *_ = next(iter(plan.routers)).split("/")
    return f"ermon render router {router} --config.file={file} --platform=iosxe"


def render_bmp(plan: Plan, file: str) -> str:
    """Return the command that prints what makes a router report its sessions, for the first one that does."""
    return f"ermon render router {next(iter(plan.reporting))} --bmp --config.file={file} --platform=iosxr"


def marked(plan: Plan) -> bool:
    """Return whether anything in the file is a proposal."""
    pools = any(pool.proposed for pool in plan.answers.pools.values())
    circuits = any(
        c.vrf_proposed or c.vnets_proposed or any(any(_proposals(link)) for link in c.links.values())
        for c in plan.answers.circuits.values()
    )
    proposed = plan.proposed_routers or plan.proposed_addresses or plan.collector_proposed
    return bool(proposed or pools or circuits)


def _customer(plan: Plan) -> Iterator[str]:
    yield "customer:"
    yield f"  asn: {plan.answers.asn}   # yours, as Microsoft sees it"
    if plan.answers.own_prefixes:
        yield "  # Your address space, wherever it is announced. ermon reports anything else on an uplink."
        yield f"  own_prefixes: {_list(plan.answers.own_prefixes)}"
    else:
        yield "  # own_prefixes: [198.51.100.0/24]   # your address space, wherever it is announced"
    if plan.answers.provider_asns:
        yield f"  provider_asns: {_numbers(plan.answers.provider_asns)}   # the provider's, between yours and 12076"
    else:
        yield "  # provider_asns: [64510]   # of a layer-3 ExpressRoute provider: ASNs between yours and 12076"
    others = dict.fromkeys(a for a in plan.answers.customer_asns.values() if a != plan.answers.asn)
    if others:
        yield f"  origin_asns: {_numbers(others)}   # Azure has the advertised prefixes registered to these"


def _collector(plan: Plan) -> Iterator[str]:
    yield "# ermon's side of the BGP sessions: ermon listens, the routers connect."
    yield "# Each view of a router needs its own address on this machine; add the missing ones:"
    for address in plan.locals:
        yield f"#   ip address add {address}/{address.prefix.bits} dev DEVICE"
    if plan.collector_proposed:
        yield f"# {MARK}: {plan.collector} and the following ones are documentation addresses; use your own addresses"
        yield "# that the routers can reach, here and under feeds."
    yield "collector:"
    if plan.collector.version == 4:
        yield f"  router_id: {plan.collector}   # any IPv4 address that no router uses as its own"
    else:
        yield "  router_id: 127.0.0.1   # any IPv4 address that no router uses as its own"
    yield "  port: 179   # below 1024 it needs CAP_NET_BIND_SERVICE, which the systemd unit gives"
    listen = endpoint(str(plan.collector), BMP_PORT)
    if plan.reporting:
        yield "  # Routers with bmp, below, connect here to report their sessions; open this port for them."
        yield f'  bmp: {{listen: ["{listen}"]}}'
    else:
        yield "  # For routers that report their sessions themselves (BMP): this, and bmp: {peer: ADDRESS} under each of them."
        yield f'  # bmp: {{listen: ["{listen}"]}}'


def _routers(plan: Plan) -> Iterator[str]:
    yield "# The routers' own addresses, as they appear in next hops over iBGP: add every loopback. A route with such a"
    yield "# next hop is an internal copy of another router's route, and proves nothing about a link."
    if plan.reporting:
        yield "# bmp: the router reports its sessions with Microsoft and providers, and connects from the address `peer`."
    yield "routers:"
    for name in dict.fromkeys(end.partition("/")[0] for end in plan.routers):
        ends = {end: address for end, address in plan.routers.items() if end.partition("/")[0] == name}
        what = []
        if name in plan.proposed_routers:
            what.append("the router's name, everywhere in this file")
        if plan.proposed_addresses & ends.keys():
            addresses = "its address" if len(ends) == 1 else "its addresses, one in each VRF"
            what.append(f"{addresses}, here and under feeds")
        comment = f"   # {MARK}: {'; '.join(what)}" if what else ""
        own = [f"addresses: {_list(ends.values())}"]
        if name in plan.reporting:
            own.append(f"bmp: {{peer: {quoted(str(plan.reporting[name]))}}}")
        yield f"  {quoted(name)}: {{{', '.join(own)}}}{comment}"


def _circuits(plan: Plan) -> Iterator[str]:
    yield "# A link's first host address is your router's, the second is Microsoft's."
    yield "circuits:"
    for circuit in plan.answers.circuits.values():
        yield from _circuit(circuit)


def _circuit(circuit: CircuitAnswers) -> Iterator[str]:
    yield f"  {quoted(circuit.name)}:"
    yield f"    geo: {quoted(circuit.geo or '')}   # geopolitical region; circuits of one back each other up"
    yield f"    location: {quoted(circuit.location or '')}"
    yield f"    peering: {circuit.peering}"
    if circuit.vrf is not None:
        mark = (
            f"{MARK}: your name of it, here and under feeds" if circuit.vrf_proposed else "the routers' table"
        )
        yield f"    vrf: {quoted(circuit.vrf)}   # {mark}"
    if circuit.premium:
        yield "    premium: true   # 10,000 prefixes on private peering instead of 4,000"
    yield "    links:"
    for name, link in circuit.links.items():
        proposals = list(_proposals(link))
        comment = f"   # {MARK}: {'; '.join(proposals)}" if proposals else ""
        yield f"      {name}: {{{', '.join(_link(link))}}}{comment}"
    yield "    receive:"
    yield f"      drop_percent: {DROP_PERCENT}   # report this loss of routes, in percent of the usual number"
    if circuit.peering is Peering.PRIVATE:
        yield from _private(circuit)
        return
    if circuit.services:
        yield f"      services: {_list(circuit.services)}   # the services of your route filter"
    else:
        yield "      services: []   # the services of your route filter, such as [exchange-online, sharepoint-online]"
    yield "      # minimum: {ipv4: 100}   # report fewer routes than this; look at a good day first"


def _private(circuit: CircuitAnswers) -> Iterator[str]:
    if circuit.vnets:
        comment = f"   # {MARK}: those behind this circuit" if circuit.vnets_proposed else ""
        yield f"      vnets: {_list(circuit.vnets)}{comment}"
    else:
        yield "      # vnets: [10.64.0.0/16]   # the address space of your virtual networks; ermon reports any other route"
    yield "    advertise:"
    yield f"      drop_percent: {DROP_PERCENT}   # the same for the routes that you advertise"
    yield "      # required: [10.0.0.0/8]   # prefixes that this circuit must always advertise"
    yield "      # allow_default: true   # if you advertise a default route to Azure on purpose"


def _proposals(link: LinkAnswers) -> Iterator[str]:
    if link.subnet6_proposed:
        yield "subnet6 is from Azure: remove it if your routers do not use IPv6 there, and remove ipv6 under feeds"
    if link.location_proposed:
        yield "which of the two sites this link is at"
    if link.provider_proposed:
        yield "the address of the provider's router, the next hop of its routes"


def _link(link: LinkAnswers) -> Iterator[str]:
    yield f"router: {quoted(link.router or '')}"
    if link.subnet is not None:
        yield f"subnet: {link.subnet}"
    if link.subnet6 is not None:
        yield f"subnet6: {quoted(str(link.subnet6))}"
    if link.location is not None:
        yield f"location: {quoted(link.location)}"
    if link.provider_addresses:
        yield f"match: {{next_hop: {_list(link.provider_addresses)}}}"


def _pools(plan: Plan) -> Iterator[str]:
    yield "# The source addresses that Microsoft sees. Advertise these prefixes to Microsoft only: on the"
    yield "# internet they would draw Microsoft's return traffic past the firewall that knows the sessions."
    pools = plan.answers.pools
    if not pools:
        yield "# nat_pools:"
        yield "#   outbound: {circuit: NAME, prefixes: [198.51.100.0/28]}"
        return
    yield "nat_pools:"
    for name, pool in pools.items():
        yield f"  {quoted(name)}:"
        if pool.proposed:
            yield f"    # {MARK}: Azure lists these as advertised; which are NAT pools? Move the others to the circuit,"
            yield "    # advertise: {prefixes: [...]}; and addresses that Microsoft calls to their own pool, use: inbound."
        if len(pool.circuits) == 1:
            yield f"    circuit: {quoted(pool.circuits[0])}"
        else:
            yield f"    circuits: {_list(pool.circuits)}"
        yield f"    prefixes: {_list(pool.prefixes)}"
        if plan.internet_use(name) is InternetUse.AGGREGATE:
            yield "    internet: aggregate   # your less specific covering prefix may be there; forbidden if not even that"
        else:
            yield "    internet: forbidden   # aggregate: a less specific covering route may be there"
    if plan.answers.vrps is not None:
        yield ""
        yield "# Registries that say whose the pools are; the file is written every hour, and counts for three."
        yield "ownership:"
        yield f"  vrps: [{{from: {quoted(plan.answers.vrps)}, refresh: 1h}}]"


def _uplinks(plan: Plan) -> Iterator[str]:
    yield "# The internet uplinks."
    if not plan.answers.uplinks:
        yield "# Without them, and without a feed with the view internet, ermon cannot see leaks. Set own_prefixes, then"
        yield "# uplinks:"
        yield "#   isp-a: {router: edge-1, asn: 64510}"
        yield "# and a feed to-internet for each, as below for to-microsoft, with uplink: isp-a."
        return
    yield "uplinks:"
    for name, uplink in plan.answers.uplinks.items():
        yield f"  {quoted(name)}: {{router: {quoted(uplink.router)}, asn: {uplink.asn}}}"


_ABOUT_VIEWS = {
    View.EDGE_TABLE: (
        "The routers' own tables: iBGP, next hop unchanged, all paths (ADD-PATH), not a route-reflector client.",
        "Without add_path a router sends best paths only: ermon sees the loss of a circuit, but not of one link.",
    ),
    View.TO_MICROSOFT: (
        "Routes sent to Microsoft: eBGP, in the peer group of the Microsoft neighbor.",
        "local_asn must be in no AS path of yours; over iBGP a mirror would be wrong.",
    ),
    View.TO_INTERNET: (
        "Routes sent to the internet: eBGP, in the peer group of the provider.",
        "The canary is a prefix that is always sent: while it is missing, the mirror proves nothing.",
    ),
}


def _feeds(plan: Plan, file: str) -> Iterator[str]:
    yield "# One BGP session from a router to ermon each: `peer` is the router's address, `local` ermon's."
    yield f"# `{render_router(plan, file)}` prints a router's side of them."
    yield "feeds:"
    view: View | None = None
    for feed in plan.feeds:
        if feed.view is not view:
            view = feed.view
            yield from (f"  # {line}" for line in _ABOUT_VIEWS[view])
        yield f"  {quoted(feed.name)}:"
        yield f"    {{{', '.join(_place(feed))},"
        yield f"     {', '.join(_session(plan, feed))}}}"


def _place(feed: PlannedFeed) -> Iterator[str]:
    yield f"router: {quoted(feed.router)}"
    yield f"view: {feed.view}"
    if feed.vrf is not None:
        yield f"vrf: {quoted(feed.vrf)}"
    yield from (f"{key}: {quoted(value)}" for key, value in feed.place)
    if feed.canary:
        yield f"canary: {_list(feed.canary)}"


def _session(plan: Plan, feed: PlannedFeed) -> Iterator[str]:
    yield f"peer: {quoted(str(feed.peer))}"
    yield f"local: {quoted(str(feed.local))}"
    yield f"peer_asn: {plan.answers.asn}"
    if feed.local_asn is not None:
        yield f"local_asn: {feed.local_asn}"
    yield f"families: {_list(feed.families)}"
    if feed.view is View.EDGE_TABLE:
        yield f"add_path: {str(feed.add_path).lower()}"


def _rest() -> Iterator[str]:
    yield "# Receivers; each Alertmanager gets every finding."
    yield "# alertmanager: {urls: [http://127.0.0.1:9093]}"


# Into the file -------------------------------------------------------------------------------------------


def save(text: str, path: Path, *, replace: bool) -> None:
    """Write a file with mode 0640 in one step; ``FileExistsError`` if it exists and ``replace`` is not set.

    On ``OSError`` no file is left behind.
    """
    path = path.absolute()
    with beside(path, text.encode(), mode=FILE_MODE) as complete:
        # A rename would replace a file that has appeared since the check; a link fails then.
        if replace or not _linked(complete, path):
            complete.replace(path)


def _linked(complete: Path, path: Path) -> bool:
    """Give the file its name. Unlike a rename, this fails if the name exists; not all file systems support it."""
    try:
        path.hardlink_to(complete)
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        return False
    return True
