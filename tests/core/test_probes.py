"""The targets of probes: from published lists and from the configuration, one set for each service and group of circuits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from ermon.checks.sharding import only_feeds
from ermon.core.probes import probe_groups, unread
from ermon.model.inventory import Config, ListedEndpoint
from ermon.model.source_key import SourceKey
from ermon.sources.published import PublishedList, with_published
from tests.checks.company import PLANT, company
from tests.checks.test_sharding import CHICAGO, DALLAS

DAY = date(2026, 11, 18)
LISTED = """
circuits:
  chicago: {receive: {sources: [{kind: m365, from: m365.json, select: [Exchange]}]}}
  dallas: {receive: {sources: [{kind: m365, from: m365.json, select: [Exchange]}]}}
"""
SHAREPOINT_TOO = "circuits: {dallas: {receive: {services: [exchange-online, sharepoint-online]}}}"


def listed(*targets: str, starts: date | None = None, ends: date | None = None) -> tuple[ListedEndpoint, ...]:
    return tuple(ListedEndpoint("exchange-online", target, starts, ends) for target in targets)


def published(config: Config, *endpoints: ListedEndpoint) -> Config:
    """The configuration with its lists, each of which names these endpoints."""
    keys = {SourceKey.of(source) for source in config.sources}
    return with_published(config, {key: PublishedList((), endpoints=endpoints) for key in keys})


def shown(config: Config, day: date = DAY) -> dict[str, str]:
    """The targets by their labels, both as text."""
    return {
        " ".join(f"{name}={value}" for name, value in found.labels.items()): " ".join(found.targets)
        for found in probe_groups(config, day)
    }


def probes(*named: str) -> str:
    entries = (item.split() for item in named)
    return f"probes: [{', '.join(f'{{service: {s!r}, target: {t!r}}}' for s, t in entries)}]"


# From lists ------------------------------------------------------------------------------------------


def test_what_the_list_names_is_probed_once_for_all_circuits_and_links_of_a_group():
    config = published(company(LISTED).config, *listed("mail.example.net:80", "mail.example.net:443"))
    assert shown(config) == {"ms_service=exchange-online geo=us": "mail.example.net:443 mail.example.net:80"}


def test_each_group_has_its_own_set_and_a_group_without_name_no_label_of_it():
    groups = company(LISTED, "circuits: {chicago: {group: production}, dallas: {geo: europe}}").config
    assert shown(published(groups, *listed("mail.example.net:443"))) == {
        "ms_service=exchange-online geo=us group=production": "mail.example.net:443",
        "ms_service=exchange-online geo=europe": "mail.example.net:443",
    }


def test_a_host_is_probed_while_the_list_says_that_it_is_in_use():
    config = published(
        company(LISTED).config,
        *listed("new.example.net:443", starts=date(2026, 11, 19)),
        *listed("old.example.net:443", ends=date(2026, 11, 19)),
    )
    assert shown(config) == {"ms_service=exchange-online geo=us": "old.example.net:443"}
    assert shown(config, date(2026, 11, 19)) == {"ms_service=exchange-online geo=us": "new.example.net:443"}


def test_without_lists_and_probes_there_is_nothing_to_probe():
    assert shown(company().config) == {}
    assert shown(published(company(LISTED).config)) == {}


def test_a_list_that_has_not_been_read_is_named():
    config = with_published(company(LISTED).config, {})
    assert [SourceKey.of(source).name for source in unread(config)] == ["m365:m365.json[Exchange]"]
    assert unread(published(config)) == []


def test_lists_without_hosts_are_not_waited_for():
    tags = (
        "circuits: {chicago: {receive: {sources: [{kind: service-tags, from: t.json, select: [Storage]}]}}}"
    )
    config = with_published(company(tags).config, {})
    assert not config.circuits["chicago"].receive.lists_known
    assert unread(config) == []


# From the configuration ------------------------------------------------------------------------------


def test_named_probes_are_for_the_groups_that_require_the_service():
    groups = "circuits: {chicago: {group: production}, dallas: {geo: europe}}"
    named = probes("exchange-online mail.example.net:443", "sharepoint-online files.example.net:443")
    assert shown(company(groups, SHAREPOINT_TOO, named).config) == {
        "ms_service=exchange-online geo=us group=production": "mail.example.net:443",
        "ms_service=exchange-online geo=europe": "mail.example.net:443",
        "ms_service=sharepoint-online geo=europe": "files.example.net:443",
    }


def test_named_probes_of_a_service_that_no_circuit_requires_are_for_all_groups():
    groups = "circuits: {dallas: {geo: europe}}"
    assert shown(company(groups, probes("12076:5999 odd.example.net:8443")).config) == {
        "ms_service=12076:5999 geo=us": "odd.example.net:8443",
        "ms_service=12076:5999 geo=europe": "odd.example.net:8443",
    }


def test_named_and_listed_targets_are_one_set_without_repetitions():
    named = probes("exchange-online mail.example.net:443", "exchange-online [2001:db8::7]:443")
    config = published(company(LISTED, named).config, *listed("mail.example.net:443", "mail.example.net:80"))
    assert shown(config) == {
        "ms_service=exchange-online geo=us": "[2001:db8::7]:443 mail.example.net:443 mail.example.net:80"
    }


def test_private_peering_has_no_probes():
    config = company(PLANT, probes("exchange-online mail.example.net:443")).config
    assert shown(config) == {"ms_service=exchange-online geo=us": "mail.example.net:443"}
    assert shown(replace(config, circuits={"plant": config.circuits["plant"]})) == {}


# Regions ---------------------------------------------------------------------------------------------


def region(globs: Iterable[str]) -> Config:
    groups = "circuits: {dallas: {geo: europe}}"
    named = probes("exchange-online mail.example.net:443")
    return only_feeds(company(LISTED, groups, SHAREPOINT_TOO, named).config, globs)


def test_a_service_that_only_the_circuits_of_another_region_require_has_no_probes_here():
    groups = "circuits: {dallas: {geo: europe}}"
    config = company(groups, SHAREPOINT_TOO, probes("sharepoint-online files.example.net:443")).config
    assert shown(only_feeds(config, CHICAGO)) == {}
    assert shown(only_feeds(config, DALLAS)) == {
        "ms_service=sharepoint-online geo=europe": "files.example.net:443"
    }


def test_each_region_probes_for_its_own_circuits_and_waits_for_its_own_lists():
    labels = {CHICAGO: "ms_service=exchange-online geo=us", DALLAS: "ms_service=exchange-online geo=europe"}
    for globs, expected in labels.items():
        assert shown(region(globs)) == {expected: "mail.example.net:443"}
        assert len(unread(with_published(region(globs), {}))) == 1
