"""The description of a check under a configuration, and its names in other systems."""

from __future__ import annotations

import re

import pytest

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import SUBJECT_LABELS, alert_name, runbook_url
from ermon.checks.redundancy import FLAP_CHANGES, LINK_FLAPPING
from ermon.scenario.schema import LABELS
from tests.checks.company import company

# What a configuration changes ------------------------------------------------------------------------


def test_settings_that_the_configuration_leaves_out_are_those_of_the_check():
    config = company().config
    assert LINK_FLAPPING.enabled(config)
    assert (LINK_FLAPPING.raised_after(config), LINK_FLAPPING.cleared_after(config)) == (0, 300)
    assert FLAP_CHANGES.of(config) == 3


def test_settings_of_the_configuration_are_in_force():
    config = company("checks: {link-flapping: {enabled: false, raise_after: 5s, changes: 7}}").config
    assert not LINK_FLAPPING.enabled(config)
    assert (LINK_FLAPPING.raised_after(config), LINK_FLAPPING.cleared_after(config)) == (5, 300)
    assert FLAP_CHANGES.of(config) == 7


def test_a_check_that_is_off_by_default_can_be_switched_on():
    check = CATALOGUE["internet-preferred"]
    assert not check.enabled(company().config)
    assert check.enabled(company("checks: {internet-preferred: {enabled: true}}").config)


def test_a_scenario_can_name_every_label():
    assert set(LABELS) == set(SUBJECT_LABELS)


# What others call it: in the style that Prometheus users know ------------------------------------------


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
