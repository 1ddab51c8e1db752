"""What we send to Microsoft: the checks on ``to-microsoft`` feeds."""

from __future__ import annotations

from collections.abc import Mapping

from ermon.checks.guide import pages
from ermon.checks.guide.entry import Guide, steps

SUMMARIES: Mapping[str, str] = {
    "pool-not-advertised": "NAT pool {pool} ({family}) is not advertised on link {link} of circuit {circuit}",
    "pool-wrong-circuit": "NAT pool {pools} of another circuit ({family}) is advertised on link {link} of circuit {circuit}",
    "advertised-undeclared": "Link {link} of circuit {circuit} advertises a prefix that nobody declared",
    "advertised-not-public": "Link {link} of circuit {circuit} advertises a non-public prefix to Microsoft",
    "advertised-default": "Link {link} of circuit {circuit} advertises a default route to Microsoft",
    "advertised-link-subnet": "Link {link} of circuit {circuit} advertises a link subnet to Microsoft",
    "advertised-internet-only": "Link {link} of circuit {circuit} advertises internet-only space to Microsoft",
    "advertised-limit-near": "Link {link} of circuit {circuit} is at 80 % of Microsoft's {family} prefix limit",
    "advertised-limit-reached": "Link {link} of circuit {circuit} is at 95 % of Microsoft's {family} prefix limit",
    "advertised-asymmetry": "The links of circuit {circuit} advertise different {family} prefixes",
    "advertised-path": "Link {link} of circuit {circuit} advertises AS paths that Microsoft refuses or strips",
    "microsoft-reflected": "Link {link} of circuit {circuit} advertises Microsoft's own routes to Microsoft",
    "inbound-not-redundant": "Inbound pool {pool} ({family}) is advertised on fewer than two circuits",
}

GUIDES: Mapping[str, Guide] = {
    "pool-not-advertised": Guide(
        title="NAT pool is not advertised to Microsoft",
        meaning=(
            "The link's mirror does not show all of the pool's address space. Packets from the pool reach "
            "Microsoft over ExpressRoute and the answers have no way back over this link: connections hang "
            "or take the internet."
        ),
        needs=(
            "The to-microsoft feed of each of the pool's links, in sync. Unknown while it is not. A dead "
            "link does not raise it: that is 'link-down'."
        ),
        action=steps(
            "What is sent: `show bgp FAMILY unicast neighbors MSEE advertised-routes | include NETWORK`. "
            "Junos: `show route advertising-protocol bgp MSEE PREFIX exact`.",
            "Not sent, is there a route to announce: `show ip route PREFIX` (IPv6: `show ipv6 route "
            "PREFIX`). A 'network' statement needs one: bring back the static or the firewall's route.",
            "There is a route and it is in BGP: the outbound policy drops it. Which one: `show bgp FAMILY "
            "unicast neighbors MSEE policy detail`. Permit the pool, clear the neighbor softly outbound.",
            "It is sent although ermon says no: the mirror does not share the neighbor's policy; see "
            "'canary-missing'.",
        ),
        source=f"{pages.M365_IMPLEMENTING}; {pages.NAT}",
    ),
    "pool-wrong-circuit": Guide(
        title="NAT pool is advertised on a circuit that is not its own",
        meaning=(
            "A route equal to, inside or covering the pool leaves on another circuit. Microsoft may answer "
            "there, and the firewall on that path has never seen the connection: it drops the packets."
        ),
        needs=(
            "The to-microsoft feeds of every circuit. It is judged at once when such a route appears; ok "
            "only when the feed is in sync."
        ),
        action=steps(
            "Is the pool still advertised on its own circuit? If not, this may be somebody's emergency "
            "detour, and taking it away cuts the pool off: repair that first.",
            "Which neighbor brings it to this router: `show bgp FAMILY unicast PREFIX | include "
            "from|Local`. Mostly it is iBGP from the other edge.",
            "Stop it here: `ip prefix-list other-pools permit PREFIX`, `route-map TO-MSEE deny 1` with "
            "`match ip address prefix-list other-pools`, then `clear bgp FAMILY unicast MSEE soft out` "
            "(IPv6: ipv6 prefix-list, match ipv6 address).",
            "If the pool belongs on both circuits, list both under its 'circuits' and reload.",
        ),
        source=f"{pages.NAT}; {pages.M365_ROUTING}",
    ),
    "advertised-undeclared": Guide(
        title="A prefix is advertised to Microsoft that nobody declared",
        meaning=(
            "The prefix is in no pool of this circuit and not in its 'advertise.prefixes'. Whatever is "
            "advertised draws traffic from all of Microsoft, past the internet firewalls; and if it is not "
            "among the circuit's advertised public prefixes in Azure, packets from it are dropped there."
        ),
        needs=(
            "The link's to-microsoft feed. 'advertise.prefixes: any', the default on private peering, "
            "switches it off."
        ),
        action=steps(
            "Where does it come from: `show bgp FAMILY unicast PREFIX`. 'Local' is this router, an address "
            "is the neighbor that sent it.",
            "Local: `show running-config | include redistribute|^ *network`. Remove what was added last.",
            "Wanted after all: declare it in 'nat_pools' or 'advertise.prefixes', and make sure that Azure "
            "has it in the peering's advertised public prefixes.",
        ),
        source=f"{pages.ROUTING}; {pages.CREATE_PEERING}",
    ),
    "advertised-not-public": Guide(
        title="Non-public address space is advertised on Microsoft peering",
        meaning=(
            "Private, shared (100.64.0.0/10), unique-local, reserved or documentation space leaves on "
            "Microsoft peering. Microsoft refuses it, but it shows that the outbound policy lets everything "
            "through: the next thing to pass is a prefix that does harm."
        ),
        needs=(
            "The link's to-microsoft feed. 'policy.public_space' exempts lab addresses. Private peering is "
            "exempt."
        ),
        action=steps(
            "Put a second filter beside the policy, at once: `ip prefix-list no-private seq 5 deny "
            "10.0.0.0/8 le 32`, `ip prefix-list no-private seq 10 deny 172.16.0.0/12 le 32`, `ip "
            "prefix-list no-private seq 15 deny 192.168.0.0/16 le 32`, `ip prefix-list no-private seq 20 "
            "deny 100.64.0.0/10 le 32`, `ip prefix-list no-private seq 99 permit 0.0.0.0/0 le 32`, and in "
            "the address family `neighbor MSEE prefix-list no-private out`; then a soft clear outbound. "
            "IPv6: deny fc00::/7 le 128 in the same way. Where the neighbor has an outbound prefix list "
            "already, put the denies first in that one.",
            "Find the hole in the policy: `show route-map TO-MSEE`. A permit without a match, or a policy "
            "that is gone from the neighbor.",
            "Packets from private sources may be leaving too: check that the NAT rule still matches.",
        ),
        source=f"{pages.ROUTING}; {pages.PREREQUISITES}",
    ),
    "advertised-default": Guide(
        title="A default route is advertised to Microsoft",
        meaning=(
            "On Microsoft peering it is refused and shows a policy that lets everything out. On private "
            "peering Microsoft takes it: all internet traffic of the virtual networks comes to us, and "
            "licence activation of virtual machines fails."
        ),
        needs="The link's to-microsoft feed. 'advertise.allow_default' permits it, on private peering only.",
        action=steps(
            "Where from: `show bgp FAMILY unicast 0.0.0.0/0` (IPv6: `show bgp ipv6 unicast ::/0`).",
            "Is it made for the neighbor: `show running-config | include "
            "default-originate|default-information`.",
            "On Microsoft peering, take it away: `no neighbor MSEE default-originate`, or deny it in the "
            "outbound policy.",
            "On private peering ask the cloud team first: forced tunnelling may be meant, and without the "
            "default the virtual networks go to the internet directly. If it is meant, set "
            "'advertise.allow_default'.",
        ),
        source=f"{pages.ROUTING}; {pages.FAQ}",
    ),
    "advertised-link-subnet": Guide(
        title="A subnet between us and Microsoft is advertised to Microsoft",
        meaning=(
            "A prefix equal to, inside or covering a link's subnet leaves to Microsoft. Microsoft then has "
            "a second way to the addresses its BGP sessions stand on, over ourselves: sessions may flap or "
            "come up on the wrong path."
        ),
        needs=(
            "The link's to-microsoft feed and the link subnets of all circuits. An entry of 'own_prefixes' "
            "that is also in 'advertise.prefixes' is meant and does not count."
        ),
        action=steps(
            "Connected networks are probably redistributed: `show running-config | include redistribute "
            "connected`.",
            "They are: put a route map on the redistribution that leaves the links out, or remove it: `no "
            "redistribute connected`. Check first what else it carries: `show bgp FAMILY unicast regexp "
            "^$`.",
            "A larger block covers the subnet: advertise the pools themselves instead of the block.",
        ),
        source=pages.NAT,
    ),
    "advertised-internet-only": Guide(
        title="Internet-only servers are advertised to Microsoft",
        meaning=(
            "Microsoft now reaches published servers (mail, federation) over ExpressRoute instead of the "
            "internet. The packets arrive behind the internet firewall, or their answers leave past it: "
            "mail and sign-in stop."
        ),
        needs="'internet_only' in the configuration and the link's to-microsoft feed.",
        action=steps(
            "Is a pool advertised only as a part of the same prefix? Then advertise the pool on its own "
            "first.",
            "Take the prefix from Microsoft and leave it on the internet: no change to 'network' "
            "statements. `ip prefix-list no-published seq 5 deny PREFIX`, `ip prefix-list no-published seq "
            "10 permit 0.0.0.0/0 le 32`, in the address family `neighbor MSEE prefix-list no-published "
            "out`, then a soft clear outbound (IPv6: ipv6 prefix-list, ::/0 le 128). Where the neighbor has "
            "an outbound prefix list already, put the deny first in that one.",
            "If a larger prefix covers the servers, who builds it: `show running-config | include "
            "aggregate-address`. Keep that block from Microsoft for good, and advertise the pools instead.",
            "See that mail flows again: the firewall must show new sessions from Microsoft on the internet "
            "side.",
        ),
        source=f"{pages.M365_ROUTING}; {pages.ASYMMETRY}",
    ),
    "advertised-limit-near": Guide(
        title="The number of advertised prefixes nears Microsoft's limit",
        meaning=(
            "80 % of the number at which Microsoft drops the BGP session: 200 per session and family on "
            "Microsoft peering; on private peering 4,000 for IPv4, 10,000 with Premium, and 100 for IPv6. "
            "Nothing is broken yet."
        ),
        needs="The link's to-microsoft feed; 'premium' on private circuits that have it.",
        action=steps(
            "The number: `show bgp FAMILY unicast neighbors MSEE advertised-routes | include Total number "
            "of prefixes`.",
            "Is it growing? Look at 'ermon_link_advertised_prefixes' over a week. If it is not, this can "
            "wait for the day.",
            "Which part grew: `show bgp FAMILY unicast neighbors MSEE advertised-routes | count /32`, "
            "likewise for other lengths.",
            "In daylight: aggregate, or order Premium for the private peering.",
        ),
        source=pages.ROUTING,
    ),
    "advertised-limit-reached": Guide(
        title="Microsoft is about to drop the session for too many prefixes",
        meaning=(
            "95 % of the limit. A few prefixes more and Microsoft drops the session; both links send the "
            "same, so both fall together. Microsoft brings them back by itself once there are fewer, and "
            "they fall again: a sawtooth."
        ),
        needs="What 'advertised-limit-near' needs, which it suppresses.",
        action=steps(
            "What is new: `show ip route summary` (IPv6: `show ipv6 route summary`). A protocol with far "
            "more routes than usual is being redistributed.",
            "Stop that redistribution, or close the policy to what must leave: only the declared prefixes.",
            "No time to find it: replace the many by one, `aggregate-address NETWORK MASK summary-only`. "
            "FRR: `aggregate-address PREFIX summary-only`.",
            "If the session has dropped already, withdraw first; it returns without a reset, nothing to "
            "clear.",
        ),
        source=f"{pages.ROUTING}; {pages.FAQ}",
    ),
    "advertised-asymmetry": Guide(
        title="The links of a circuit advertise different prefixes",
        meaning=(
            "A prefix is advertised on one link and not on the other, or at another length. Microsoft sends "
            "all its traffic to the longer one; and when that link fails, the other does not take over."
        ),
        needs=(
            "The to-microsoft feeds of both links, in sync. Prefixes are compared exactly; pools that "
            "'links' bind to one link do not count."
        ),
        action=steps(
            "Which outbound policy does each neighbor have: `show bgp FAMILY unicast update-group MSEE`, on "
            "both routers. FRR: `show bgp FAMILY unicast update-groups`.",
            "Compare the policies: `show running-config | section route-map TO-MSEE`. Undo the later change.",
            "Policies equal: the prefix is missing in one router's table. Does iBGP bring it: `show bgp "
            "FAMILY unicast neighbors NEIGHBOR routes | include NETWORK`?",
            "If one link only is meant, say so: 'links' on the pool.",
        ),
        source=f"{pages.ROUTING}; {pages.HIGH_AVAILABILITY}",
    ),
    "advertised-path": Guide(
        title="Advertised AS paths hold ASNs that Microsoft refuses or strips",
        meaning=(
            "64496 to 64511 in a path: Microsoft refuses the route. A private ASN: Microsoft strips it on "
            "Microsoft peering, so a prepend made of it has no effect, and traffic does not go where it is "
            "meant to."
        ),
        needs="The link's to-microsoft feed. 'customer.asn' itself does not count.",
        action=steps(
            "See the paths: `show bgp FAMILY unicast neighbors MSEE advertised-routes | include ASN`.",
            "A prepend: `show route-map TO-MSEE | include prepend`. Prepend our own public ASN instead: "
            "`set as-path prepend OUR-ASN OUR-ASN`.",
            "A site behind us with a private ASN: `neighbor MSEE remove-private-as all` takes it out (FRR: "
            "`neighbor MSEE remove-private-AS all`).",
            "A stripped prepend is no outage: traffic only comes in as if it were not there. A refused "
            "route is one, and no other finding shows it: the mirror shows what we send, not what Microsoft "
            "keeps.",
        ),
        source=f"{pages.ROUTING}; {pages.OPTIMIZE}; RFC 5398, RFC 6996",
    ),
    "microsoft-reflected": Guide(
        title="Microsoft's own routes are advertised back to Microsoft",
        meaning=(
            "Routes learned from Microsoft on one circuit or peering leave to Microsoft on another: we "
            "offer ourselves as transit inside Microsoft's network. On private peering the virtual "
            "networks' traffic to public services may come through our routers."
        ),
        needs=(
            "The link's to-microsoft feed; for routes whose path an IGP erased, the edge-table feeds that "
            "tell which prefixes the links bring."
        ),
        action=steps(
            "How many: `show bgp FAMILY unicast neighbors MSEE advertised-routes | count 12076`.",
            "Stop it, whatever the policy says, with a list number that is free: `ip as-path access-list 98 "
            "deny _12076_`, `ip as-path access-list 98 permit .*`, in the address family `neighbor MSEE "
            "filter-list 98 out`, then a soft clear outbound. FRR: `bgp as-path access-list no-microsoft "
            "deny _12076_`.",
            "Routes without 12076 in the path went through an IGP: find the redistribution, `show ip "
            "protocols | include Redistributing|bgp`.",
            "Then find out why the policy let it: it must permit our own prefixes, not deny a list.",
        ),
        source=f"{pages.ROUTING}; RFC 7908",
    ),
    "inbound-not-redundant": Guide(
        title="An inbound pool hangs on a single circuit",
        meaning=(
            "Endpoints that Microsoft calls are declared on several circuits and advertised on fewer than "
            "two. When the last one fails, Microsoft cannot reach them over ExpressRoute."
        ),
        needs=(
            "A pool with 'use: inbound' on several circuits, and the to-microsoft feeds of its links. "
            "Unknown while the feeds that are in sync do not settle it."
        ),
        action=steps(
            "On the routers of a circuit that lacks it: `show bgp FAMILY unicast PREFIX | include "
            "Advertised|Not advertised`.",
            "In the table and not advertised: permit it in that circuit's outbound policy.",
            "Not in the table: the originating site or the iBGP session to it. `show bgp FAMILY unicast "
            "neighbors NEIGHBOR | include BGP state`.",
            "The circuit itself is down: nothing to do here, follow 'circuit-down'.",
        ),
        source=f"{pages.M365_IMPLEMENTING} (inbound connections)",
    ),
}
