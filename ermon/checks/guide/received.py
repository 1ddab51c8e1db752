"""What Microsoft sends us: the checks on ``edge-table`` feeds."""

from __future__ import annotations

from collections.abc import Mapping

from ermon.checks.guide import pages
from ermon.checks.guide.entry import Guide, steps

SUMMARIES: Mapping[str, str] = {
    "link-down": "Link {link} of circuit {circuit} brings no {family} route",
    "circuit-down": "Circuit {circuit} is down for {family}: no link brings a route",
    "circuit-unseen": "Circuit {circuit} is not watched: none of its edge-table feeds is up",
    "link-flapping": "Link {link} of circuit {circuit} is flapping ({family})",
    "geo-not-redundant": "Fewer than two {peering} peering circuits in different locations of {geo} bring routes",
    "communities-missing": "Routes of link {link} of circuit {circuit} carry no Microsoft community",
    "service-missing": "Link {link} of circuit {circuit} brings no route of {ms_service}",
    "prefix-missing": "Link {link} of circuit {circuit} does not cover all expected prefixes",
    "prefix-count-low": "Link {link} of circuit {circuit} brings too few {family} routes",
    "link-asymmetry": "The links of circuit {circuit} bring different {family} prefixes",
    "prefix-unexpected": "Microsoft sends a prefix that it must not on link {link} of circuit {circuit}",
    "origin-unexpected": "A route of link {link} of circuit {circuit} has an ASN that is not Microsoft's in its path",
    "drain": "Microsoft is draining link {link} of circuit {circuit}",
    "drain-both": "Microsoft is draining every link of circuit {circuit}",
    "internet-preferred": "Traffic to Microsoft leaves past circuit {circuit} although a link brings the route",
    "route-unattributed": "Feed {feed} shows Microsoft routes that fit no link",
    "churn-high": "Routes of link {link} of circuit {circuit} change too often",
}

GUIDES: Mapping[str, Guide] = {
    "link-down": Guide(
        title="A link to Microsoft brings no route",
        meaning=(
            "No Microsoft route of this family arrives on the link: its BGP session is down, or up and "
            "empty. The circuit's other link carries the traffic, so users notice nothing yet. One more "
            "failure takes the circuit down, and Microsoft's SLA holds only while both sessions are up."
        ),
        needs=(
            "An edge-table feed with 'add_path: true' from the link's own router, in sync. Unknown while "
            "that feed is down or still filling; a best-path feed can show a link up, never down."
        ),
        action=steps(
            "On the link's router: `show bgp FAMILY unicast neighbors MSEE | include BGP state|Last "
            "reset|Prefixes`. FRR: `show bgp neighbors MSEE json`.",
            "Established and no prefix: the Azure route filter was detached, or our inbound policy drops "
            "everything. Ask who changed either.",
            "Not Established: look at the port, `show interfaces INTERFACE | include line protocol|CRC`, "
            "then at the neighbor's MAC address, `show ip arp MSEE` (IPv6: `show ipv6 neighbors MSEE`).",
            "Port down, or no MAC address: call the connectivity provider. MAC address there and no "
            "session: open an Azure support case with the time of 'Last reset'.",
            "Leave the circuit's other link alone until this one is back.",
        ),
        source=f"{pages.PREREQUISITES}; {pages.MAINTENANCE}",
    ),
    "circuit-down": Guide(
        title="A circuit brings no route on any link",
        meaning=(
            "Every link of the circuit is proven down for this family. Traffic to Microsoft now takes "
            "another circuit, the internet, or nothing at all, and the circuit's NAT pools can no longer be "
            "reached from Microsoft."
        ),
        needs=(
            "For every link of the circuit, what 'link-down' needs. One link up is ok; one down and one "
            "unknown is unknown."
        ),
        action=steps(
            "See where the traffic goes now, on a router behind the edge: `show ip route ADDRESS` (IPv6: "
            "`show ipv6 route ADDRESS`).",
            "On each router of the circuit: `show bgp FAMILY unicast summary | include 12076`, and read "
            "since when. Junos: `show bgp summary | match 12076`.",
            "Both sessions lost in the same second: somebody reset or disabled the peering in Azure. Look: "
            "`az network express-route peering list --resource-group GROUP --circuit-name CIRCUIT --output "
            "table`.",
            "Lost at different times, or with ports down: the provider or the peering location. Call the "
            "provider with the circuit's service key.",
            "Open an Azure support case, severity A. If 'pool-fallback' is raised too, read its guide next.",
        ),
        source=f"{pages.ROUTING}; {pages.RESET}",
    ),
    "circuit-unseen": Guide(
        title="Nobody is watching the circuit",
        meaning=(
            "None of the circuit's edge-table feeds is up. It may be healthy or dead: ermon would not know. "
            "Every other finding about the circuit stays as it was, marked stale."
        ),
        needs=(
            "At least one edge-table feed of a router of the circuit in the configuration. It is never "
            "unknown."
        ),
        action=steps(
            "Look at the circuit by hand, on each of its routers: `show bgp all summary | begin Neighbor`. "
            "The session to Microsoft (12076) must show a number under State/PfxRcd.",
            "In the same output, find ermon's address. All feeds of one router lost: that router or the way "
            "to it. All feeds of all routers lost: ermon's host; log in and look at `ip -brief address`.",
            "Then work through the guide of 'feed-down'. Until it is over, look at step 1 every few minutes.",
        ),
        source="ermon's own sight: what nobody looks at is not healthy, it is unknown",
    ),
    "link-flapping": Guide(
        title="A link goes down and up again and again",
        meaning=(
            "The link changed between up and down more than 3 times in 10 minutes. Each change moves flows "
            "to the other link and back and breaks some of them: to users this is worse than a link that "
            "stays down."
        ),
        needs=(
            "What 'link-down' needs. Changes are counted between proven states only; time in which the link "
            "is unknown is no change."
        ),
        action=steps(
            "Why does it fall: `show bgp FAMILY unicast neighbors MSEE | include Connections "
            "established|due to`.",
            "BFD down is the reason: `show bfd neighbors details`; timers under 300 ms times 3 are too "
            "tight here.",
            "Hold timer expired: loss on the path. `show interfaces INTERFACE | include errors|drops`, then "
            "call the provider.",
            "Cease received, every few minutes, by the clock: too many prefixes advertised, Microsoft drops "
            "the session until they are fewer. See 'advertised-limit-reached'.",
            "If the other link is steady and users complain, take this one out, under 'router bgp': "
            "`neighbor MSEE shutdown`. Write down that you did.",
        ),
        source=f"{pages.BFD}; {pages.ROUTING}",
    ),
    "geo-not-redundant": Guide(
        title="The region hangs on one peering location",
        meaning=(
            "Fewer than two circuits of this peering in different locations of the geopolitical region "
            "bring routes. The loss of one more building, provider or circuit cuts the region off."
        ),
        needs=(
            "Two circuits of the peering in different locations declared for the geo, and what "
            "'circuit-down' needs for each. Unknown while the circuits that are known to be up do not "
            "settle it."
        ),
        action=steps(
            "Find the circuits that are missing: `curl -s http://127.0.0.1:10179/api/v1/status`, on ermon's "
            "host.",
            "On a router of a missing circuit: `show bgp all neighbors | include BGP neighbor is|BGP "
            "state`. Its own finding, 'circuit-down' or 'link-down', says what to do; do that.",
            "On the circuit that is left, see whether it can carry the whole load: `show interfaces "
            "INTERFACE | include rate`.",
            "Stop planned changes on the circuit that is left, and tell whoever has one scheduled.",
        ),
        source=f"{pages.PREREQUISITES}; {pages.M365_IMPLEMENTING}",
    ),
    "communities-missing": Guide(
        title="The router sends ermon no Microsoft communities",
        meaning=(
            "The link has routes and none of them carries a 12076 community. Almost always the router does "
            "not send communities to ermon, or strips them on receipt. While it lasts, nobody can tell "
            "which services arrive: 'service-missing' is unknown on this link."
        ),
        needs=(
            "A link of Microsoft peering that is up, on a feed that is in sync. Unknown while the link's "
            "state is; suppressed while the link is down."
        ),
        action=steps(
            "Does the router have them: `show bgp FAMILY unicast PREFIX | include Community`, with any "
            "prefix of the link.",
            "It has: send them to ermon, in the address family: `neighbor ERMON send-community both`, then "
            "a soft clear outbound. Junos and FRR send them unless an export policy takes them away.",
            "It has not: the inbound policy deletes or overwrites them. Look for 'set comm-list' and for "
            "'set community' without 'additive' in `show route-map FROM-MSEE`.",
        ),
        source=f"{pages.ROUTING}; RFC 1997",
    ),
    "service-missing": Guide(
        title="A required Microsoft service does not arrive on a link",
        meaning=(
            "No route of the link carries the community of a service that the circuit must bring. Traffic "
            "to the service takes the other link or the internet, where it comes from other source "
            "addresses and through other firewalls."
        ),
        needs=(
            "'receive.services' on the circuit, an all-paths edge-table feed of the link's router in sync, "
            "and communities sent to ermon. Unknown while 'communities-missing' holds; suppressed while the "
            "link is down."
        ),
        action=steps(
            "On the link's router: `show bgp FAMILY unicast community COMMUNITY`. Junos: `show route "
            "community COMMUNITY`.",
            "Routes shown: the router has them and does not show them to ermon; look at its policy towards "
            "ermon.",
            "None, and none on the other link: the Azure route filter changed. Look: `az network "
            "route-filter rule list --resource-group GROUP --filter-name FILTER --output table`. Put the "
            "community back; it takes effect on the running session.",
            "None here, but on the other link: our inbound policy on this router, else an Azure support "
            "case.",
        ),
        source=f"{pages.ROUTE_FILTERS}; {pages.M365_COMMUNITIES}",
    ),
    "prefix-missing": Guide(
        title="Expected Microsoft prefixes do not arrive on a link",
        meaning=(
            "Address space that the configuration or a published list expects is not covered by the link's "
            "routes, a default route aside. Traffic to it leaves on another path, often the internet."
        ),
        needs=(
            "'receive.prefixes' or 'receive.sources' on the circuit, and an all-paths edge-table feed of "
            "the link's router in sync. A prefix with 'from' or 'until' counts only between them; "
            "suppressed while the link is down."
        ),
        action=steps(
            "What is there of it: `show bgp FAMILY unicast PREFIX longer-prefixes`. Junos: `show route "
            "PREFIX`.",
            "Does Microsoft send it and our policy drop it: `show bgp FAMILY unicast neighbors MSEE "
            "received-routes | include NETWORK` (only with soft-reconfiguration inbound).",
            "Dropped by us: permit it in the inbound policy and clear the neighbor softly inbound.",
            "Not sent: compare with the other link and the route filter. If it is missing everywhere, "
            "Microsoft may have moved the service: check the published list, then correct "
            "'receive.prefixes'.",
        ),
        source=f"{pages.M365_IMPLEMENTING}; {pages.M365_WEB_SERVICE}",
    ),
    "prefix-count-low": Guide(
        title="A link brings far fewer routes than it should",
        meaning=(
            "The link has fewer routes than 'receive.minimum', or lost more than 'drop_percent' of its "
            "median of the last hour. The session is up, and part of Microsoft is not reached through it."
        ),
        needs=(
            "'receive.minimum' or 'receive.drop_percent' on the circuit, and an all-paths edge-table feed "
            "of the link's router in sync. The median learns only while the check is ok; suppressed while "
            "the link is down."
        ),
        action=steps(
            "Sent, dropped or withdrawn: `show bgp FAMILY unicast neighbors MSEE | section Prefix "
            "activity`. 'Explicit Withdraw' rising: Microsoft took them back.",
            "Denied by us: `show bgp FAMILY unicast neighbors MSEE | section Local Policy Denied`. Undo the "
            "last change of the inbound policy.",
            "The same drop on both links points to the Azure route filter or to Microsoft; on one link "
            "only, to that router.",
            "If the new level is right, lower 'receive.minimum' and reload.",
        ),
        source=f"{pages.M365_IMPLEMENTING}; the floor is the configuration's: the number depends on the route filter",
    ),
    "link-asymmetry": Guide(
        title="The links of a circuit bring different prefixes",
        meaning=(
            "Both links are up, and a prefix is on one and not on the other. It is one failure from dark: "
            "when its link goes, the other does not take over."
        ),
        needs=(
            "At least two links up, each proven by an in-sync all-paths feed of its own router. Prefixes "
            "are compared exactly. Unknown while a feed is not in sync; suppressed while a link is down or "
            "drains."
        ),
        action=steps(
            "On the router that lacks the prefix: `show bgp FAMILY unicast neighbors MSEE routes | include "
            "NETWORK`.",
            "Ask Microsoft to send all again, without a reset: `clear bgp FAMILY unicast MSEE soft in`.",
            "Still missing: compare the inbound policies of the two routers, `show running-config | section "
            "route-map`, and undo the difference.",
            "Policies equal: Azure support case, with the prefixes and both MSEE addresses.",
        ),
        source=pages.ROUTING,
    ),
    "prefix-unexpected": Guide(
        title="Microsoft sends a prefix that must not come from there",
        meaning=(
            "A default route, a non-public prefix or one of our own came in on Microsoft peering; with "
            "'only_listed', anything outside the listed services and prefixes. A default draws our internet "
            "traffic to Microsoft, our own prefix draws our own users' traffic away."
        ),
        needs=(
            "An edge-table feed with routes of the link: presence is judged at once, on every feed. Without "
            "a finding it is unknown until the feed is in sync."
        ),
        action=steps(
            "Is it in use: `show ip route PREFIX | include via|Known` (IPv6: `show ipv6 route PREFIX | "
            "include via|Known`).",
            "Our own prefix or a default: refuse it now, beside the existing policy: `ip prefix-list "
            "from-msee seq 5 deny PREFIX` and `ip prefix-list from-msee seq 10 permit 0.0.0.0/0 le 32`, in "
            "the address family `neighbor MSEE prefix-list from-msee in`, then a soft clear inbound (IPv6: "
            "ipv6 prefix-list, ::/0 le 128).",
            "Find out whether it came from Microsoft or from a colleague's change: the path in the evidence "
            "is the plain 12076 when it is Microsoft's. Then open a support case.",
            "Only unlisted, and public: the route filter was widened. Add the service to 'receive' or take "
            "it out of the filter, in daylight.",
        ),
        source=pages.ROUTING,
    ),
    "origin-unexpected": Guide(
        title="A Microsoft route has passed through a foreign AS",
        meaning=(
            "The path of a route on Microsoft peering has an ASN outside 'policy.microsoft_asns'. Either "
            "Microsoft uses an ASN that the list lacks, or a route is not what it seems: a leak, or an edit "
            "on our own routers."
        ),
        needs=(
            "An edge-table feed with routes of the link. The customer's and provider's own ASNs on the left "
            "of the path do not count."
        ),
        action=steps(
            "All routes with that ASN: `show bgp FAMILY unicast regexp _ASN_`."
            ' Junos: `show route aspath-regex ".* ASN .*"`.',
            "Is it Microsoft's: `whois -h whois.radb.net AS-MICROSOFT` lists theirs. If so, add it to "
            "'policy.microsoft_asns' and reload.",
            "Ours, private, or our provider's: find the 'set as-path' or 'local-as' that puts it there.",
            "Somebody else's: deny the path inbound from Microsoft and open a support case with the "
            "prefixes.",
        ),
        source=f"{pages.ROUTING}; {pages.PEERING_POLICY}",
    ),
    "drain": Guide(
        title="Microsoft is draining a link",
        meaning=(
            "12076 stands 4 or more times in a row at the head of most paths of the link. Microsoft "
            "prepends it before maintenance, announced or not, so that traffic moves to the other link. The "
            "circuit is without redundancy meanwhile; nothing is broken."
        ),
        needs=(
            "An edge-table feed of the link in sync. A drain ends with undrained routes on the link; a link that "
            "fell silent while it drained counts as draining for 'policy.max_drain' from the drain's start."
        ),
        action=steps(
            "See the prepends: `show bgp FAMILY unicast regexp ^12076_12076_12076_12076`.",
            "Does our traffic follow: `show bgp FAMILY unicast PREFIX bestpath` must point to the other "
            "link.",
            "It does not: a local preference or weight overrides the path length, and traffic will be lost "
            "when maintenance starts. Find it in `show route-map FROM-MSEE | include "
            "local-preference|weight` and make it equal on both links.",
            "Keep everybody's hands off the other link. Azure Service Health says how long it lasts.",
        ),
        source=f"{pages.MAINTENANCE}; {pages.FAQ}",
    ),
    "drain-both": Guide(
        title="Microsoft is draining every link of a circuit",
        meaning=(
            "All links of the circuit carry the prepends of a maintenance. Microsoft drains the two in "
            "different windows, so this is a mistake of theirs or an incident. The circuit may go dark at "
            "any moment."
        ),
        needs="What 'drain' needs, on every link of the circuit.",
        action=steps(
            "Which Microsoft routes are undrained, from other circuits: `show bgp FAMILY unicast regexp "
            "^12076$`.",
            "There are some: move the traffic before it is moved for you. On the draining circuit's routers "
            "lower the preference: `set local-preference 50` in the inbound route map, then a soft clear "
            "inbound.",
            "There are none: tell the service desk that an outage is possible, and leave the routing as it "
            "is.",
            "Open an Azure support case, severity A: both MSEEs of the circuit prepend at the same time.",
        ),
        source=pages.MAINTENANCE,
    ),
    "internet-preferred": Guide(
        title="Traffic to Microsoft takes the internet instead of ExpressRoute",
        meaning=(
            "For an expected prefix, the router's longest match is not a Microsoft route, although a link "
            "brings one. Requests leave over the internet, from other source addresses; the answers may "
            "come back another way and be dropped by a firewall."
        ),
        needs=(
            "Switched on under 'checks'; a best-path edge-table feed ('add_path: false', route-reflector "
            "client) besides an all-paths one; expected prefixes on the circuit. Suppressed while the "
            "circuit is down."
        ),
        action=steps(
            "What is chosen: `show ip cef ADDRESS` (IPv6: `show ipv6 cef ADDRESS`).",
            "Same length as Microsoft's: raise the preference of all routes from Microsoft above the "
            "default 100, `set local-preference 200` in the inbound route map.",
            "Longer than Microsoft's: no preference helps. Find who sends it, `show bgp FAMILY unicast "
            "neighbors ISP routes | include NETWORK`, and filter it there.",
            "A static or IGP route: compare its administrative distance with BGP's, and take it away.",
        ),
        source=f"{pages.OPTIMIZE}; {pages.ASYMMETRY}",
    ),
    "route-unattributed": Guide(
        title="Microsoft routes cannot be assigned to a link",
        meaning=(
            "The feed has Microsoft routes whose next hop is in no link's subnet and fits no 'match'. They "
            "prove nothing about any link: a link that seems down may be up, and a new link is not watched."
        ),
        needs="An edge-table feed with routes. Without a finding it is unknown until the feed is in sync.",
        action=steps(
            "The next hops are in the evidence. A router's own address: does it rewrite them, `show bgp "
            "FAMILY unicast neighbors ERMON | include NEXT_HOP`?",
            "It does: in the address family, `no neighbor ERMON next-hop-self`, then a soft clear outbound.",
            "Address of another of our routers: list it under 'routers.NAME.addresses'.",
            "Address of a Microsoft router that the configuration does not know: add the link's 'subnet', "
            "'subnet6' or 'match', and reload.",
        ),
        source=(
            "ermon's own sight: the next hop of the MSEE (RFC 4271 section 5.1.3) tells which link brought "
            "a route"
        ),
    ),
    "churn-high": Guide(
        title="Routes from Microsoft change too often",
        meaning=(
            "More route changes a minute came over the link than 'per_minute' (600) allows. A first dump "
            "and re-announcements without a change do not count. Paths flip, flows break, and the router's "
            "CPU suffers."
        ),
        needs=(
            "An edge-table feed of the link's router. Only changes since the session is in sync are counted."
        ),
        action=steps(
            "Which neighbor: `show bgp FAMILY unicast neighbors MSEE | include Updates|Route Refresh`, "
            "twice, a minute apart.",
            "Is the router well: `show processes cpu sorted 1min | include BGP`.",
            "The link itself falls and rises: see 'link-flapping'. Few prefixes that come and go: "
            "Microsoft's side; note them, open a support case, and wait.",
            "The router at its limit: damp nothing, but take the link out of service while the other is "
            "healthy. No 'debug bgp updates' without a prefix list.",
        ),
        source=f"{pages.METRICS}; the threshold is ermon's own",
    ),
}
