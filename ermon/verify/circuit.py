"""One circuit of a snapshot, and the results of the daemon's checks about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from ermon.api.answers import AzureLinkDoc, FindingDoc, SubjectDoc
from ermon.api.status import AzureDoc, FeedDoc, LinkDoc, PoolDoc
from ermon.checks.advertised_pools import POOL_WRONG_CIRCUIT
from ermon.checks.catalogue import CATALOGUE
from ermon.model.prefixes import FAMILIES, Family, parse_prefix
from ermon.model.text import plural
from ermon.verify.ask import Snapshot
from ermon.verify.report import LinkReport, Outcome, Prefixes, Proof, in_words

Labels = Mapping[str, str]


_OUTCOMES = {
    "ok": Outcome.PASS,
    "violated": Outcome.FAIL,
    # Only a violation is ever suppressed. A maintenance window explains it, but does not make it a pass.
    "suppressed": Outcome.FAIL,
    "unknown": Outcome.UNKNOWN,
}
_SUPPRESSED = "a maintenance window, a drain or another finding suppresses it"
OTHER_INSTANCE = "monitored by another ermon (--feeds.match)"
_NOT_RAISED = "not raised yet: it must last for the check's raise_after"


class CircuitFacts:
    """A snapshot's data about one circuit, its pools, and the feeds that show them."""

    def __init__(self, snapshot: Snapshot, name: str) -> None:
        self.name = name
        self.circuit = snapshot.status.circuits[name]
        self.links: Mapping[str, LinkDoc] = self.circuit.links
        self.families = tuple(f for f in FAMILIES if any(f in link.state for link in self.links.values()))
        self.pools: Mapping[str, PoolDoc] = {
            pool: found for pool, found in snapshot.status.pools.items() if name in found.circuits
        }
        self.azure: AzureDoc | None = self.circuit.azure
        """Azure's own view of the circuit; ``None`` if the configuration does not ask for it."""
        self.edges: Mapping[str, AzureLinkDoc] = snapshot.azure.get(name, {})
        """By link: Microsoft's edge routers, if their tables are read."""
        self._snapshot = snapshot
        self.all_feeds = snapshot.status.feeds
        self._own_sessions = {each.feed for link in self.links.values() for each in link.sessions.values()}
        self.feeds: Mapping[str, FeedDoc] = {
            feed: found
            for feed, found in self.all_feeds.items()
            if feed in self._own_sessions or self._needs(found)
        }
        self._findings = {_key(finding): finding for finding in snapshot.findings}

    # Feeds and links ---------------------------------------------------------------------------------

    def _needs(self, feed: FeedDoc) -> bool:
        """Return whether a feed shows anything that the test of the circuit needs."""
        match feed.view:
            case "edge-table":
                return feed.router in {link.router for link in self.links.values()}
            case "to-microsoft":  # the circuit's own pools must not be seen on another circuit
                return feed.circuit == self.name or (bool(self.pools) and self.is_microsoft)
            case "to-internet":
                return True
            case "internet":
                return bool(self.pools)
            case _:
                return False

    @property
    def is_microsoft(self) -> bool:
        return self.circuit.peering == "microsoft"

    @property
    def blinded_by(self) -> str | None:
        """The reason if nothing at all can be judged: ExaBGP runs for none of the feeds and no router reports its sessions, or no
        session is up.
        """
        status = self._snapshot.status
        processes = {
            feed.process: status.processes[feed.process]
            for feed in self.feeds.values()
            if feed.process in status.processes
        }
        routers = {feed.router for feed in self.feeds.values() if feed.by_bmp and feed.router is not None}
        bmp = {router: status.bmp[router] for router in routers if router in status.bmp}
        states = [each.state for each in processes.values()] + [each.state for each in bmp.values()]
        if states and all(state == "down" for state in states):
            reasons: list[str] = []
            if processes:
                why = dict.fromkeys(processes[name].reason or "reason unknown" for name in sorted(processes))
                reasons.append(f"ExaBGP does not run ({'; '.join(why)})")
            reasons += [f"{router} is not connected by BMP" for router in sorted(bmp)]
            return f"Nothing can be judged: {', '.join(reasons)}"
        reports = any(each.state != "down" for each in bmp.values())
        if reports or not self.feeds or any(feed.state == "up" for feed in self.feeds.values()):
            return None
        down = dict.fromkeys(map(_down_because, self.feeds.values()))
        return f"Nothing can be judged: none of {plural(len(self.feeds), 'feed')} is up ({'; '.join(down)})"

    def edge_feeds(self, link: LinkDoc, family: Family) -> list[str]:
        """The feeds that show what the link receives: its router's own session with Microsoft, and the edge tables."""
        own = [link.sessions[family].feed] if family in link.sessions else []
        return own + [
            name
            for name, feed in self.feeds.items()
            if feed.view == "edge-table"
            and (feed.router, feed.vrf) == (link.router, link.vrf)
            and family in feed.in_sync
        ]

    def mirrors(self, link: str, family: Family) -> list[str]:
        return [
            name
            for name, feed in self.feeds.items()
            if (feed.view, feed.circuit, feed.link) == ("to-microsoft", self.name, link)
            and family in feed.in_sync
        ]

    def mirrored_families(self, link: str) -> tuple[Family, ...]:
        """The families in which the link should have a mirror: those of the link, and those of its mirrors."""
        return tuple(f for f in FAMILIES if f in self.links[link].state or self.mirrors(link, f))

    @property
    def has_bound_pools(self) -> bool:
        """Whether a pool of the circuit must be on some of its links only."""
        counts = (
            sum(place.circuit == self.name for place in pool.expected_on) for pool in self.pools.values()
        )
        return any(0 < count < len(self.links) for count in counts)

    @property
    def other_circuits(self) -> list[str]:
        """The circuits on which a pool of this circuit could be advertised by mistake."""
        found = {
            name
            for name, circuit in self._snapshot.status.circuits.items()
            if circuit.peering == "microsoft"
            for pool in self.pools.values()
            if name not in pool.circuits
        }
        return sorted(found)

    def is_down(self, link: str, families: Iterable[Family]) -> bool:
        """Return whether a link is proven down in all of these families that it has."""
        state = self.links[link].state
        found = [state[family] for family in families if family in state] or list(state.values())
        return bool(found) and set(found) == {"down"}

    def of_other_instances(self, view: str) -> Iterator[Proof]:
        """Yield a proof for each link of which another ermon has this view."""
        for name, link in self.links.items():
            if view in link.watched_elsewhere:
                text = f"link {name} ({link.router}) is {OTHER_INSTANCE}"
                labels = {"circuit": self.name, "link": name, "view": view}
                yield Proof(Outcome.UNKNOWN, text, labels=labels, details={"routers": [link.router]})

    @property
    def is_split(self) -> bool:
        """Return whether another ermon monitors the circuit or a part of it."""
        return any(link.watched_elsewhere for link in self.links.values())

    # Prefixes ----------------------------------------------------------------------------------------

    @cached_property
    def prefixes(self) -> Mapping[str, LinkReport]:
        """The prefixes that are received and advertised on each link."""
        return {
            name: LinkReport(
                router=link.router,
                received={family: self._received(name, link, family) for family in link.state},
                advertised={
                    family: self._advertised(name, family) for family in self.mirrored_families(name)
                },
            )
            for name, link in self.links.items()
        }

    def _received(self, name: str, link: LinkDoc, family: Family) -> Prefixes:
        deciders = link.decided_by.get(family, ())
        feeds = deciders or self.edge_feeds(link, family)
        return self._listed(feeds, family, (self.name, name), proven=bool(deciders))

    def _advertised(self, name: str, family: Family) -> Prefixes:
        feeds = self.mirrors(name, family)
        in_sync = [feed for feed in feeds if self.feeds[feed].in_sync[family]]
        return self._listed(in_sync or feeds, family, None, proven=bool(in_sync))

    def _listed(
        self, feeds: Iterable[str], family: Family, link: tuple[str, str] | None, *, proven: bool
    ) -> Prefixes:
        """List the prefixes that feeds show of a link, or all of their prefixes."""
        tables = [t for feed in feeds if (t := self._snapshot.tables.get((feed, family))) is not None]
        found = {
            route.prefix
            for table in tables
            for route in table.routes
            if link is None or (route.circuit, route.link) == link
        }
        complete = proven and bool(tables) and all(table.complete for table in tables)
        return Prefixes(complete, tuple(map(str, sorted(map(parse_prefix, found)))))

    # Checks ------------------------------------------------------------------------------------------

    @cached_property
    def _by_check(self) -> Mapping[str, list[SubjectDoc]]:
        found: dict[str, list[SubjectDoc]] = {}
        for answered in self._snapshot.statuses:
            if self._concerns(answered):
                found.setdefault(answered.check, []).append(answered)
        return found

    def _concerns(self, answered: SubjectDoc) -> bool:
        """Return whether a subject concerns this circuit."""
        labels = answered.labels
        if "view" in labels:
            return self._needs_view(labels)
        if answered.check == POOL_WRONG_CIRCUIT.name and labels.get("circuit") != self.name:
            return self._may_show_our_pools(answered)
        if "circuit" in labels:
            return labels["circuit"] == self.name
        if "pool" in labels:
            return labels["pool"] in self.pools
        if "feed" in labels:
            return labels["feed"] in self.feeds
        return labels.get("process") in {feed.process for feed in self.feeds.values()}

    def _may_show_our_pools(self, answered: SubjectDoc) -> bool:
        """Return whether the subject is about another circuit's link that advertises, or could advertise, a pool of this
        circuit.
        """
        finding = self._findings.get(_key(answered))
        found = finding.evidence.get("pools") if finding is not None else None
        return bool(self.pools) and (found is None or not self.pools.keys().isdisjoint(found))

    def _needs_view(self, labels: Labels) -> bool:
        """Return whether a view that no feed provides would show anything of the circuit."""
        if labels.get("view") == "segment":
            return False
        if "circuit" not in labels:
            return True
        if labels.get("view") != "to-microsoft":
            return labels["circuit"] == self.name
        return labels["circuit"] == self.name or (
            bool(self.pools) and self._snapshot.status.circuits[labels["circuit"]].peering == "microsoft"
        )

    def answers(self, check: str) -> bool:
        """Return whether the daemon judges this check for any subject that concerns the circuit."""
        return check in self._by_check

    def proofs(self, check: str, *, needs_link: bool = False) -> Iterator[Proof]:
        """Yield the result of a check for each subject that concerns the circuit.

        With ``needs_link``, an ``ok`` about a link that is down is no pass, because it is unknown what the link receives
        and advertises when it is up.
        """
        for answered in self._by_check.get(check, ()):
            proof = self._proof(answered)
            if needs_link and proof.status is Outcome.PASS and (down := self._down(answered.labels)):
                text = f"not tested: {' and '.join(down)} of {self.name} is down ({_subject(answered)})"
                proof = Proof(Outcome.UNKNOWN, text, check, answered.labels)
            yield proof

    def _suppressed_by(self, answered: SubjectDoc) -> str:
        """Return what suppresses a violation: a window, an exception, or links that are down."""
        because = answered.suppressed_because
        if because is not None and because not in CATALOGUE:
            return because
        down = self._down(answered.labels)
        if down:
            return f"{' and '.join(down)} is down"
        return _SUPPRESSED if because is None else f"{because} suppresses it"

    def _down(self, labels: Labels) -> list[str]:
        """Return the links that are down, of those that a subject is about or compares."""
        if labels.get("circuit") != self.name:
            return []
        families = [family for family in FAMILIES if labels.get("family", family) == family]
        links = [labels["link"]] if "link" in labels else list(self.links)
        return [link for link in links if link in self.links and self.is_down(link, families)]

    def _proof(self, answered: SubjectDoc) -> Proof:
        finding = self._findings.get(_key(answered))
        outcome = _OUTCOMES.get(answered.status, Outcome.UNKNOWN)
        text = _summary(answered, finding)
        details: dict[str, Any] = {}
        if outcome is Outcome.FAIL:
            details |= self._routers(answered.labels)
        if outcome is not Outcome.PASS and finding is not None:
            details |= finding.evidence
        if finding is not None:
            details["since"] = finding.since
            details["finding"] = finding.id
        match answered.status:
            case "suppressed":
                details["suppressed"] = self._suppressed_by(answered)
            case "violated" if finding is None:
                details["note"] = _NOT_RAISED
            case "unknown":
                before = "; it was violated when ermon could last judge it" if finding is not None else ""
                text = f"cannot be judged: {_subject(answered)}{before}"
            case "ok":
                text = f"ok: {_subject(answered)}"
        return Proof(outcome, text, answered.check, answered.labels, details)

    def _routers(self, labels: Labels) -> dict[str, Any]:
        """Return the router on which to look first."""
        circuit = self._snapshot.status.circuits.get(labels.get("circuit", ""))
        if circuit is not None and labels.get("link") in circuit.links:
            return {"routers": [circuit.links[labels["link"]].router]}
        feed = self.all_feeds.get(labels.get("feed", ""))
        return {"routers": [feed.router]} if feed is not None and feed.router is not None else {}

    def finding_details(self, check: str, labels: Labels) -> dict[str, Any]:
        """Return the evidence of a raised finding; empty if there is none."""
        finding = self._findings.get((check, frozenset(labels.items())))
        return dict(finding.evidence) | {"finding": finding.id} if finding is not None else {}


def _down_because(feed: FeedDoc) -> str:
    if feed.waiting_until is not None:
        return "ermon waits for the routers"
    return feed.down_reason or ("never up" if feed.since is None else "reason unknown")


def _key(subject: SubjectDoc | FindingDoc) -> tuple[str, frozenset[tuple[str, str]]]:
    return (subject.check, frozenset(subject.labels.items()))


def _subject(answered: SubjectDoc) -> str:
    return " ".join([answered.check, *in_words(answered.labels)])


def _summary(answered: SubjectDoc, finding: FindingDoc | None) -> str:
    if finding is not None:
        return finding.summary
    check = CATALOGUE.get(answered.check)
    if check is None or not answered.labels.keys() >= set(check.labels):  # a daemon of another version
        return _subject(answered)
    return check.summarize(answered.labels)
