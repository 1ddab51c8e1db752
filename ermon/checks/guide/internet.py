"""What the internet and our own segments hear: the checks on ``to-internet``, ``internet``, ``segment``."""

from __future__ import annotations

from collections.abc import Mapping

from ermon.checks.guide import pages
from ermon.checks.guide.entry import Guide, steps

SUMMARIES: Mapping[str, str] = {
    "pool-leak": "NAT pool {pool} is advertised to the internet",
    "pool-covered": "A shorter route on the internet covers NAT pool {pool} ({family}, seen on {feed})",
    "pool-fallback": "Microsoft reaches NAT pool {pool} ({family}) over the internet (seen on {feed})",
    "microsoft-leaked": "Feed {feed} shows Microsoft's routes advertised to the internet",
    "internet-undeclared": "Feed {feed} shows a prefix advertised to the internet that is not ours",
    "mirror-disagrees": "Feed {feed} shows a prefix of ours that no watched uplink advertises",
    "segment-leak": "Segment {segment} has Microsoft routes and must have none",
    "segment-missing": "Segment {segment} has no Microsoft route and needs them",
}

GUIDES: Mapping[str, Guide] = {
    "pool-leak": Guide(
        title="NAT pool is advertised to the internet",
        meaning=(
            "The internet has a route to the pool that is as long as the pool, or longer. Microsoft has two "
            "ways back to it, and answers may come through the internet firewall, which has never seen the "
            "connection: they are dropped. Microsoft forbids it; a pool that says 'internet: failover' may "
            "be there only while its links are down."
        ),
        needs=(
            "A to-internet feed of each uplink, or an internet feed. It is judged at once when the route "
            "appears; ok only when the feed is in sync. Routes with the BLACKHOLE community do not count."
        ),
        action=steps(
            "On the uplink's router: `show bgp FAMILY unicast neighbors ISP advertised-routes | include "
            "NETWORK`. Seen on an outside view only: the ASN before ours in the path is the provider that "
            "hears it.",
            "Stop it: `ip prefix-list nat-pools permit POOL le 32`, `route-map TO-ISP deny 1` with `match "
            "ip address prefix-list nat-pools`, then `clear bgp FAMILY unicast ISP soft out` (IPv6: ipv6 "
            "prefix-list, le 128, match ipv6 address). Nothing that works depends on this route.",
            "Junos: `show route advertising-protocol bgp ISP PREFIX`, then a term that rejects it, before "
            "all others.",
            "The finding clears a minute after the route is gone. Then look for what let it out: a new "
            "'network', a redistribution, a policy that fell off the neighbor, a host route for a black "
            "hole without 65535:666.",
        ),
        source=f"{pages.NAT}; {pages.ROUTING}; BLACKHOLE is RFC 7999",
    ),
    "pool-covered": Guide(
        title="A larger route on the internet covers the NAT pool",
        meaning=(
            "A shorter route that contains the pool is on the internet. While ExpressRoute advertises the "
            "pool longer, Microsoft uses ExpressRoute and nothing is wrong; the moment it does not, answers "
            "come over the internet."
        ),
        needs=(
            "A to-internet or internet feed, and a pool that says 'internet: forbidden', the default. "
            "'policy.internet_covering' sets the severity. A default route covers nothing."
        ),
        action=steps(
            "Which route covers it: `show bgp FAMILY unicast PREFIX shorter-prefixes`.",
            "It has always been there and is meant: say 'internet: aggregate' on the pool. 'pool-fallback' "
            "still watches.",
            "It is new: find its 'network' or 'aggregate-address' and ask its author. Do not withdraw it at "
            "night, everything else in the block depends on it.",
            "Better in the long run: NAT pools from a block that is not announced to the internet at all.",
        ),
        source=f"{pages.ROUTING} and {pages.M365_ROUTING} (a longer route on ExpressRoute is tolerated); {pages.NAT}"
        " (forbids it altogether)",
    ),
    "pool-fallback": Guide(
        title="Microsoft's answers to the NAT pool come over the internet",
        meaning=(
            "A route on the internet covers the pool, and no link advertises the pool longer than that "
            "route. Requests may leave over ExpressRoute, the answers come over the internet, and the "
            "internet firewall drops them: users behind this pool have lost Microsoft."
        ),
        needs=(
            "The to-microsoft feeds of the pool's links and a to-internet or internet feed. A link that is "
            "down advertises nothing, even if its mirror is not seen. Unknown while those feeds are not in "
            "sync. Not for 'internet: failover'."
        ),
        action=steps(
            "Why is it not on ExpressRoute: if 'link-down' or 'circuit-down' is raised, work on that; if "
            "'pool-not-advertised' is, on that.",
            "The prefix is missing in BGP on the edge: anchor it, `ip route NETWORK MASK Null0 254` (IPv6: "
            "`ipv6 route PREFIX Null0 254`), with its 'network' statement.",
            "It is advertised, but no longer than the covering route: compare both with `show bgp FAMILY "
            "unicast | include NETWORK`, and advertise its halves to Microsoft.",
            "The circuit stays down: at the firewall, move the NAT to a pool of a working circuit or of the "
            "internet. Withdrawing the covering route instead helps nobody.",
        ),
        source=f"{pages.ROUTING}; {pages.ASYMMETRY}",
    ),
    "microsoft-leaked": Guide(
        title="Microsoft routes are advertised to the internet",
        meaning=(
            "We tell an internet provider that Microsoft is behind us. Part of the world's traffic to "
            "Microsoft may come to our uplink and drown it; networks that peer with Microsoft must refuse "
            "such routes, and this is a route leak that others will report."
        ),
        needs=(
            "A to-internet feed of each uplink; for routes whose path an IGP erased, the edge-table feeds "
            "that tell which prefixes the links bring. It is judged at once."
        ),
        action=steps(
            "How many: `show bgp FAMILY unicast neighbors ISP advertised-routes | include 12076`.",
            "Stop them, in the address family, with a list number that is free: `ip as-path access-list 99 "
            "permit ^$`, `neighbor ISP filter-list 99 out`, then a soft clear outbound. It lets out only "
            "what this AS originates: if customers' ASNs are behind us, add them before.",
            "Routes that still leave look like our own, because an IGP erased their path: find where BGP "
            "goes into the IGP and back, `show running-config | section redistribute bgp`.",
            "It does not stop: shut the uplink while another carries the traffic, `neighbor ISP shutdown`.",
            "When it is over, tell the provider's operations centre what happened and when.",
        ),
        source=f"{pages.PEERING_POLICY}; {pages.ROUTING}; RFC 7908",
    ),
    "internet-undeclared": Guide(
        title="A prefix that is not ours is advertised to the internet",
        meaning=(
            "A to-internet feed shows a prefix outside 'own_prefixes'. We are transit for somebody, or "
            "announce space that belongs to another: traffic for it comes to us, and the owner loses it."
        ),
        needs="A to-internet feed, and 'customer.own_prefixes' complete. A default route counts.",
        action=steps(
            "Read the AS path in the evidence. Another provider's ASN: we leak one provider to the other. "
            "Empty: we originate it.",
            "Is a policy on the neighbor at all: `show bgp FAMILY unicast neighbors ISP policy`. If not, "
            "put it back: `neighbor ISP route-map TO-ISP out`.",
            "Originated here: `show bgp FAMILY unicast PREFIX | include sourced|aggregated` tells how; take "
            "that away.",
            "New space of ours: add it to 'customer.own_prefixes' and reload.",
        ),
        source=(
            "RFC 7908 (route leaks), RFC 8212 (no policy, no routes); 'own_prefixes' is the configuration's"
        ),
    ),
    "mirror-disagrees": Guide(
        title="Our prefix is on the internet through an exit that nobody watches",
        meaning=(
            "An outside view shows a prefix of ours, originated by us, that none of the uplink mirrors "
            "exports. Either there is an uplink that ermon does not know, or a mirror no longer has its "
            "neighbor's policy. A leak there would not be seen."
        ),
        needs=(
            "An internet feed, and a to-internet feed in sync for every uplink. Unknown while a declared "
            "uplink has no mirror."
        ),
        action=steps(
            "The ASN before ours in the evidence's path is the provider. Is it a declared uplink? If not, "
            "find the router: `show bgp FAMILY unicast summary | include ASN`, and declare uplink and feed.",
            "It is declared: does its mirror share the policy? `show running-config | include neighbor "
            "(ISP|ERMON)`, and the two must stand in one peer group.",
            "What the provider is really sent: `show bgp FAMILY unicast neighbors ISP advertised-routes | "
            "begin Network`.",
            "Nobody of ours sends it: another network announces our space with our ASN in the path. Treat "
            "it as a hijack and call the provider in front.",
        ),
        source="ermon's own sight: a mirror is only as good as the policy it shares with the real neighbor",
    ),
    "segment-leak": Guide(
        title="A segment has Microsoft routes and must have none",
        meaning=(
            "Servers in the segment are published to the internet. With Microsoft's routes there, their "
            "answers to Microsoft leave over ExpressRoute, although the requests came over the internet: "
            "the firewalls drop them."
        ),
        needs="A segment feed, and 'expressroute: forbidden' on the segment. It is judged at once.",
        action=steps(
            "On the segment's router, who brings it: `show ip route PREFIX | include Known|from` (IPv6: "
            "`show ipv6 route PREFIX | include Known|from`).",
            "It comes by BGP: `show bgp FAMILY unicast neighbors NEIGHBOR routes | include 12076`. At the "
            "neighbor, deny '_12076' outbound to this segment.",
            "It comes by an IGP: stop it at the border of the segment, `distribute-list prefix "
            "no-expressroute in`, where the prefix list denies what the evidence names.",
            "Test from a server in the segment: `traceroute ADDRESS` must leave by the internet edge.",
        ),
        source=f"{pages.M365_IMPLEMENTING} (route scoping); {pages.ASYMMETRY}",
    ),
    "segment-missing": Guide(
        title="A segment lacks the Microsoft routes it needs",
        meaning=(
            "Not one Microsoft route is in the segment. Its users follow the default route to the internet, "
            "with other addresses and through other firewalls, or reach nothing."
        ),
        needs=(
            "A segment feed in sync, and 'expressroute: required' on the segment. Suppressed while every "
            "circuit is down."
        ),
        action=steps(
            "On the segment's router: `show bgp FAMILY unicast regexp _12076_ | count 12076`. More than 0: "
            "only its session to ermon lacks them.",
            "None: is the session to the core up, `show bgp FAMILY unicast summary | include NEIGHBOR`?",
            "Up: on the core, `show bgp FAMILY unicast neighbors NEIGHBOR advertised-routes | include "
            "12076`. Nothing there: route scoping caught the wrong segment; undo the last change of that "
            "policy.",
            "The core has none itself: look at its iBGP sessions to the edge routers.",
        ),
        source=pages.M365_IMPLEMENTING,
    ),
}
