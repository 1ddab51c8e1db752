"""Lints about what is not watched, now or soon: views without a feed, best paths, windows and exceptions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.views import missing_views
from ermon.config.lint_catalogue import LINTS, Weight
from ermon.config.lint_mistakes import Lint, Rule
from ermon.config.problems import advice
from ermon.config.yaml import KeyPath
from ermon.model.inventory import Config, View
from ermon.model.settings import Severity

SOON_SECONDS = 7 * 86_400.0
"""An exception that ends within this time is reported, so that its end is no surprise."""


def _view_missing(config: Config) -> Iterator[Lint]:
    for labels, unknown in missing_views(config, CATALOGUE.values()):
        about = dict(labels)
        path: KeyPath = ("feeds",)
        if "link" in about:
            path = ("circuits", about["circuit"], "links", about["link"])
        elif "uplink" in about:
            path = ("uplinks", about["uplink"])
        elif "segment" in about:
            path = ("segments", about["segment"])
        elif about["view"] == View.INTERNET:
            path = ("nat_pools",)
        yield Lint(
            "view-missing",
            path,
            f"no feed with the view {about['view']}, so not judged: {', '.join(unknown)}",
        )


def _best_path_only(config: Config) -> Iterator[Lint]:
    for link in config.links:
        tables = config.tables_of(link)
        is_reported = all((link.key, family) in config.sessions for family in link.families)
        if tables and not is_reported and not any(feed.add_path for feed in tables):
            feeds = ", ".join(sorted(feed.name for feed in tables))
            text = f"{feeds} shows only best paths of {link.router}: ermon cannot see the loss of this link alone"
            yield Lint("best-path-only", ("circuits", link.circuit, "links", link.name), text)


def _two_tables_one_vrf(config: Config) -> Iterator[Lint]:
    for (router, vrf), unnamed in config.edge_tables.items():
        for at, feed in enumerate(unnamed if vrf is None else ()):
            # A session for each family, or one of best paths beside one of all paths, may show the same table.
            alike = (o for o in unnamed[:at] if o.add_path == feed.add_path)
            if other := next((o for o in alike if not {*o.families}.isdisjoint(feed.families)), None):
                text = f"{other.name} is also an edge table of {router}: set vrf on each"
                yield Lint("two-tables-one-vrf", ("feeds", feed.name), text)


def maintenance_over(config: Config, now: float) -> Iterator[Lint]:
    """Yield the windows that have ended by ``now``, in seconds since the epoch."""
    for index, window in enumerate(config.maintenance):
        if window.ends.timestamp() <= now:
            ended = window.ends.isoformat().replace("+00:00", "Z")
            yield Lint("maintenance-over", ("maintenance", index), f"ended at {ended}; remove it")


def exceptions_over(config: Config, now: float) -> Iterator[Lint]:
    """Yield lints about exceptions that have no effect, soon will have none, or hide something critical permanently."""
    for index, exception in enumerate(config.exceptions):
        path, check = ("exceptions", index), CATALOGUE[exception.check]
        if exception.until is None:
            if (check.settings(config).severity or check.severity) is Severity.CRITICAL:
                text = f"{check.name} is critical, and its exception has no end; add until"
                yield Lint("maintenance-over", path, text, Weight.NOTE)
        elif exception.until.timestamp() <= now + SOON_SECONDS:
            word = "ended at" if exception.until.timestamp() <= now else "ends soon, at"
            at = exception.until.isoformat().replace("+00:00", "Z")
            yield Lint("maintenance-over", path, f"{word} {at}; remove it, or give it another end")
        subjects = check.subjects(config) if check.enabled(config) else ()
        if not any(exception.labels.items() <= dict(subject.labels).items() for subject in subjects):
            text = f"no subject of {check.name} has these labels: the exception matches nothing"
            yield Lint("maintenance-over", path, text)


def _accepted(config: Config) -> Iterator[Lint]:
    for index, accepted in enumerate(config.policy.accept):
        if accepted.lint not in LINTS:
            text = f"{accepted.lint!r} is not a lint; {advice(accepted.lint, LINTS)}"
            yield Lint("no-effect", ("policy", "accept", index, "lint"), text)


WATCHING: Sequence[Rule] = (_view_missing, _best_path_only, _two_tables_one_vrf, _accepted)
