"""Alerts are named after their checks, in the style that Prometheus users know."""

from __future__ import annotations

import re

import pytest

from ermon.checks.alert_names import alert_name, runbook_url
from ermon.checks.catalogue import CATALOGUE


@pytest.mark.parametrize(
    ("check", "name"),
    [
        ("pool-leak", "ErmonPoolLeak"),
        ("link-down", "ErmonLinkDown"),
        ("drain", "ErmonDrain"),
        ("feed-no-eor", "ErmonFeedNoEor"),
    ],
)
def test_an_alert_is_named_after_its_check(check, name):
    assert alert_name(check) == name


def test_every_check_has_an_alert_of_its_own_in_camel_case():
    names = [alert_name(check) for check in CATALOGUE]
    assert len(set(names)) == len(CATALOGUE)
    assert all(re.fullmatch(r"Ermon([A-Z][a-z]+)+", name) for name in names)


@pytest.mark.parametrize(
    "external_url", ["https://ermon.example.net/edge", "https://ermon.example.net/edge/"]
)
def test_the_runbook_of_an_alert_is_on_the_ermon_that_people_reach(external_url):
    assert runbook_url(external_url, "pool-leak") == "https://ermon.example.net/edge/runbooks/pool-leak"
