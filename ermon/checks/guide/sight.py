"""Whether ermon can see: the checks about its own feeds, processes, lists and storage."""

from __future__ import annotations

from collections.abc import Mapping

from ermon.checks.guide import pages
from ermon.checks.guide.entry import Guide, steps

SUMMARIES: Mapping[str, str] = {
    "feed-down": "Feed {feed} is down: its router's view is not seen",
    "feed-flapping": "Feed {feed} is lost and comes back again and again",
    "feed-empty": "Feed {feed} is up without a single {family} route",
    "canary-missing": "Feed {feed} does not show its canary prefix",
    "feed-no-eor": "Feed {feed} sends no End-of-RIB",
    "feed-best-path-only": "Feed {feed} does not carry all paths",
    "feed-lost-messages": "Messages of feed {feed} were lost",
    "feed-overflow": "Feed {feed} was torn down: it sent more routes than max_routes",
    "source-rejected": "Published list {source} could not be used; the old one stays in force",
    "storage-failed": "ermon cannot write its state",
    "view-missing": "The policy needs a view {view} that no feed provides",
    "exabgp-down": "ExaBGP process {process} is not running or does not answer",
}

GUIDES: Mapping[str, Guide] = {
    "feed-down": Guide(
        title="A router's session to ermon is down",
        meaning=(
            "ermon does not see this router's view. It does not mean that any route was withdrawn: what the "
            "feed alone can judge is unknown, and findings from it are stale until it is back."
        ),
        needs="The feed in the configuration. Suppressed while 'exabgp-down' holds for its process.",
        action=steps(
            "On the router: `show bgp all neighbors ERMON | include BGP state|Last reset`. Junos: `show bgp "
            "neighbor ERMON | match State`.",
            "Idle, shut down by an administrator: ask who did it. Active: can it be reached, `ping ERMON "
            "source ROUTER`, and is the port open, `telnet ERMON 179 /source-interface Loopback0` (or the "
            "port of 'collector.port')?",
            "Reached and no session: a wrong MD5 key says nothing in ermon's log, but the router's has it: "
            "`show logging | include BADAUTH`. Then compare the ASNs and addresses with the feed.",
            "The router itself is dead: the network has a larger problem than ermon. Look at the other "
            "router's feeds.",
        ),
        source="ermon's own sight: a lost session proves nothing about routes (RFC 4271 section 8.2)",
    ),
    "feed-flapping": Guide(
        title="A router's session to ermon comes and goes",
        meaning=(
            "The session was lost more than 3 times in 10 minutes. Each time the router sends its table "
            "again, and until it has, ermon is blind for what this feed alone can judge."
        ),
        needs="The feed in the configuration. Losses are counted by session, whatever the reason.",
        action=steps(
            "How it ends: `show bgp all neighbors ERMON | include Connections established|due to`.",
            "Hold timer expired in the middle of the first dump: packets above the path's MTU are lost, "
            "`ping ERMON size 1500 df-bit`. Set 'ip tcp path-mtu-discovery' or lower the MSS.",
            "Hold timer expired at any time: ermon's host is starved. On it: `uptime`, and `journalctl -u "
            "ermon --since -15min`.",
            "Cease by the router, 'maximum prefix' or 'configuration change': the router's log has the "
            "reason.",
        ),
        source="ermon's own sight: more than 3 losses in 10 minutes is ermon's own threshold",
    ),
    "feed-empty": Guide(
        title="A feed is up and shows nothing",
        meaning=(
            "The session is up, the first dump is over, and not one route of this family came. An empty "
            "mirror looks exactly like 'nothing leaks': its silence must not be believed."
        ),
        needs="The feed up and in sync in the family; routes that ermon does not hold count as received.",
        action=steps(
            "What does the router send: `show bgp FAMILY unicast neighbors ERMON advertised-routes`.",
            "'No such neighbor' or 'not activated': in the address family, `neighbor ERMON activate`.",
            "Nothing sent: its outbound policy denies all, or, on a mirror, the session is iBGP and split "
            "horizon hides everything. `show bgp FAMILY unicast neighbors ERMON | include link|Route map`: "
            "a mirror must say 'external link'.",
            "The family does not exist on this router: take it out of the feed's 'families'.",
        ),
        source=(
            "ermon's own sight: absence on an empty feed proves nothing (iBGP split horizon: RFC 4271 "
            "section 9.2)"
        ),
    ),
    "canary-missing": Guide(
        title="A feed does not show the prefix it must always show",
        meaning=(
            "The canary is a prefix that this view has whenever it is whole. Without it either the mirror "
            "no longer follows its neighbor's policy, or the prefix is really gone. The feed counts as not "
            "in sync until it is back."
        ),
        needs="'canary' on the feed; the feed up, from End-of-RIB or 'sync_timeout' on.",
        action=steps(
            "What ermon is sent: `show bgp FAMILY unicast neighbors ERMON advertised-routes | include "
            "CANARY`.",
            "What the real neighbor is sent: `show bgp FAMILY unicast neighbors ISP advertised-routes | "
            "include CANARY`, for a to-microsoft feed with the MSEE's address.",
            "Only the neighbor has it: the mirror drifted. Put both into one peer group again: `show bgp "
            "FAMILY unicast update-group ERMON` should list them together.",
            "Neither has it: our own prefix is off the internet. This is an outage of whatever stands "
            "behind it: find out why with `show bgp FAMILY unicast CANARY`.",
        ),
        source="ermon's own sight: a mirror that shows nothing reads like 'no leak'",
    ),
    "feed-no-eor": Guide(
        title="A feed does not say when its first dump is over",
        meaning=(
            "The session is up for 'sync_timeout' and no End-of-RIB came. ermon takes the table for "
            "complete after that time. Leaks are seen at once all the same; absence is noticed late after "
            "each new session."
        ),
        needs="The feed up for 'collector.sync_timeout'.",
        action=steps(
            "Nothing is urgent. Is the capability on: `show bgp FAMILY unicast neighbors ERMON | include "
            "Graceful`.",
            "Many routers send End-of-RIB only with graceful restart: `bgp graceful-restart` under 'router "
            "bgp' (FRR the same; Junos: `set routing-options graceful-restart`).",
            "It takes effect with the next session: `clear ip bgp ERMON`, in a quiet hour.",
            "A router that cannot: leave it, and switch the check off.",
        ),
        source="RFC 4724 section 2 (End-of-RIB)",
    ),
    "feed-best-path-only": Guide(
        title="A feed that should carry all paths carries best paths",
        meaning=(
            "'add_path: true' is configured and ADD-PATH is not in force in one of the families. The router "
            "hides the losing link's routes, so that a link that is down cannot be told from one that is "
            "not preferred: 'link-down' and what hangs on it are unknown."
        ),
        needs="'add_path: true' on the feed; what the session has negotiated, else the peer's OPEN.",
        action=steps(
            "What is negotiated: `show bgp FAMILY unicast neighbors ERMON | include Additional`. The send "
            "side must be advertised.",
            "IOS-XE, in the address family: `bgp additional-paths select all`, `neighbor ERMON "
            "additional-paths send`, `neighbor ERMON advertise additional-paths all`.",
            "FRR: `neighbor ERMON addpath-tx-all-paths`. Junos, in the family of the group: `add-path send "
            "path-count 6`.",
            "The session starts anew with the change. A router without ADD-PATH: set 'add_path: false' and "
            "accept the blind spot.",
        ),
        source="RFC 7911 (ADD-PATH)",
    ),
    "feed-lost-messages": Guide(
        title="Messages of a feed were lost on the way to ermon",
        meaning=(
            "ExaBGP's counter has a gap, or an UPDATE could not be decoded. ermon's copy of the table may "
            "be wrong. ermon tears the session down itself, once in 5 minutes at most, so that the router "
            "sends everything again."
        ),
        needs="Nothing but the feed. The loss holds until the next session is in sync.",
        action=steps(
            "Once, and cleared: nothing to do.",
            "Not cleared after 5 minutes: start the session anew from the router, `clear bgp FAMILY unicast "
            "ERMON`. Junos: `clear bgp neighbor ERMON`.",
            "Again and again: ermon is slower than the router or out of memory. On its host: `journalctl -u "
            "ermon --grep lost`, and `free -m`.",
            "An UPDATE that cannot be decoded is in the log: keep the line for a bug report.",
        ),
        source="ermon's own sight: a gap in what was received makes every later verdict doubtful",
    ),
    "feed-overflow": Guide(
        title="A feed sent more routes than ermon holds for one",
        meaning=(
            "The feed went beyond 'collector.max_routes' and was torn down to save the others. It stays "
            "down for 5 minutes, each time twice as long, up to an hour; what it alone can judge is unknown "
            "meanwhile."
        ),
        needs="The feed and 'collector.max_routes'. It is never unknown.",
        action=steps(
            "How many does the router have: `show bgp FAMILY unicast summary | include network entries|path "
            "entries`.",
            "Suddenly more than ever: the router itself has received a leak, look at its other neighbors: "
            "`show bgp FAMILY unicast summary | exclude never`, last column.",
            "A full table nobody meant to send: an outbound policy towards ermon that permits Microsoft's "
            "routes and our own is enough: `neighbor ERMON route-map to-ermon out`.",
            "Meant: raise 'collector.max_routes', and the memory limit of the service with it, and reload.",
        ),
        source="ermon's own sight: a limit that protects the other feeds",
    ),
    "source-rejected": Guide(
        title="A published list could not be used",
        meaning=(
            "A list of Microsoft's prefixes could not be fetched for three refreshes, did not parse, or "
            "shrank by more than half. The old list stays in force: right today, older every day. New "
            "prefixes are not expected meanwhile."
        ),
        needs="'receive.sources' on a circuit.",
        action=steps(
            "Nothing is urgent: Microsoft publishes new addresses a week or more before it uses them.",
            "From ermon's host, is the source there:"
            ' `curl -sS "https://endpoints.office.com/version/Worldwide?clientrequestid=$(uuidgen)"`, or the URL of'
            " 'from'. A proxy or firewall is the usual cause; 429 means to wait an hour.",
            "It shrank: does Microsoft still send what the new list lacks? `show bgp FAMILY unicast PREFIX "
            "| include 12076`. If it does, the list is broken: keep the old one.",
            "If it does not, the list is right: fetch it to a file, name that in 'from', and reload.",
        ),
        source=f"{pages.M365_WEB_SERVICE}; {pages.SERVICE_TAGS}",
    ),
    "storage-failed": Guide(
        title="ermon cannot write its state",
        meaning=(
            "Findings, maintenance windows and history are not kept on disk. The watching goes on; but a "
            "restart forgets what is raised now and would raise it again."
        ),
        needs="'--storage.path' or '$STATE_DIRECTORY'.",
        action=steps(
            "Do not restart ermon. Keep what is raised: `curl -s "
            "'http://127.0.0.1:10179/api/v1/findings?state=raised' > raised.json`.",
            "Disk full or read-only: `df -h /var/lib/ermon`, `df -i /var/lib/ermon` and `findmnt -T "
            "/var/lib/ermon` (or the folder of '--storage.path').",
            "Wrong owner after a restore: `ls -ld /var/lib/ermon` must name the user of the service.",
            "For the time that is lost, only the routers remember the sessions: save `show logging | "
            "include BGP-5-ADJCHANGE` from each edge router.",
        ),
        source="ermon's own sight: what is not kept is lost with the next restart",
    ),
    "view-missing": Guide(
        title="The policy needs a view that no feed provides",
        meaning=(
            "A check needs a table that no router sends to ermon, so it answers unknown for ever. The "
            "evidence names the checks. What it would find is not found."
        ),
        needs="The configuration alone.",
        action=steps(
            "Not for the night. Decide whether you want these checks; if not, switch them off under "
            "'checks'.",
            "to-microsoft or to-internet: a second neighbor on that router, eBGP, with the policy of the "
            "one it mirrors: `neighbor ERMON peer-group PEER-GROUP`.",
            "edge-table: iBGP to ermon with `neighbor ERMON send-community`, next hop unchanged, all paths, "
            "no route-reflector client. segment: the same from the segment's router.",
            "Declare the feed. `ermon check ermon.yml` must no longer name the view.",
        ),
        source="ermon's own sight: a blind spot is never silence",
    ),
    "exabgp-down": Guide(
        title="ExaBGP is not running or does not answer",
        meaning=(
            "The process that speaks BGP is gone or stuck: all its feeds are lost together, and ermon sees "
            "nothing through them. ermon starts it again by itself, waiting longer each time. The network "
            "is not affected."
        ),
        needs="Nothing but ermon itself. 'feed-down' and 'circuit-unseen' of its feeds are suppressed by it.",
        action=steps(
            "Why does it end: `journalctl -u ermon -p warning --since -30min`. Killed by the kernel: "
            "`journalctl -k --grep 'Out of memory'`.",
            "Does somebody else hold the port: `ss -ltnp '( sport = :179 )'` (or 'collector.port').",
            "Running and stuck: `systemctl restart ermon`. What is raised survives the restart if storage "
            "works.",
            "Back: the routers reconnect within a minute or two. On one of them: `show tcp brief | include "
            "ERMON`; to hurry it, reset the session there.",
            "Until then nobody watches: look at leaks by hand, `show bgp FAMILY unicast neighbors ISP "
            "advertised-routes`.",
        ),
        source="ermon's own sight: without ExaBGP no feed can be judged",
    ),
}
