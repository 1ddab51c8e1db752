from __future__ import annotations

from pathlib import Path
from string import Formatter

import pytest

from ermon.checks.catalogue import CATALOGUE, SUPPRESSES, SUPPRESSES_TOGETHER, subjects
from ermon.config.load import load_config
from ermon.model.inventory import Config
from tests.checks.company import PLANT, company

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"
ALL = pytest.mark.parametrize("check", CATALOGUE)


@pytest.fixture(scope="module")
def reference() -> Config:
    return load_config(REFERENCE).config


def test_causes_and_effects_are_checks():
    effects = {name for names in (*SUPPRESSES.values(), *SUPPRESSES_TOGETHER.values()) for name in names}
    assert {*SUPPRESSES, *SUPPRESSES_TOGETHER, *effects} <= set(CATALOGUE)


def test_every_subject_is_of_its_check_and_there_is_only_one_of_it(reference: Config):
    keys = [(subject.check, subject.labels) for subject in subjects(reference)]
    assert len(keys) == len(set(keys))
    assert {check for check, _ in keys} <= set(CATALOGUE)


@ALL
def test_the_subjects_of_a_check_have_its_name(reference: Config, check: str):
    assert {subject.check for subject in CATALOGUE[check].subjects(reference)} <= {check}


@ALL
def test_a_check_asks_only_of_the_peering_that_it_names(check: str):
    config = company(PLANT).config
    asked = [dict(subject.labels).get("circuit") for subject in CATALOGUE[check].subjects(config)]
    peerings = {config.circuits[name].peering for name in asked if name is not None}
    assert CATALOGUE[check].peering is None or peerings <= {CATALOGUE[check].peering}


@ALL
def test_the_parameters_of_a_check_are_its_own(check: str):
    parameters = CATALOGUE[check].parameters
    assert {parameter.check for parameter in parameters} <= {check}
    assert len({parameter.name for parameter in parameters}) == len(parameters)


def test_a_check_that_is_switched_off_has_no_subject(reference: Config):
    assert "churn-high" not in {subject.check for subject in subjects(reference)}
    assert "internet-preferred" not in {subject.check for subject in subjects(reference)}


# Summaries -------------------------------------------------------------------------------------------


@pytest.mark.whole_catalogue
def test_every_summary_can_be_written_for_every_subject(reference: Config):
    for subject in subjects(reference):
        check = CATALOGUE[subject.check]
        summary = check.summarize(dict(subject.labels), {key: ["chi"] for key in check.named_evidence})
        assert summary
        assert "{" not in summary


OF_EVIDENCE = {"prefix", "routers", "feeds"}


@ALL
def test_a_summary_uses_only_the_labels_of_its_subject(check: str):
    found = CATALOGUE[check]
    can_name = {*found.labels, *found.optional_labels, *found.named_evidence, *OF_EVIDENCE}
    assert fields(found.summary) <= can_name
    evidence = {key: ["chi"] for key in found.named_evidence}
    text = found.summarize({label: f"the-{label}" for label in found.labels}, evidence)
    assert not set("{}[]|") & set(text)
    assert not text.endswith(".")
    assert len(text) <= 120


@ALL
def test_a_summary_names_everything_that_distinguishes_findings(check: str):
    found = CATALOGUE[check]
    assert fields(found.summary) >= {*found.labels, *found.optional_labels} - {"uplink"}


def test_no_two_checks_say_the_same():
    assert len({check.summary for check in CATALOGUE.values()}) == len(CATALOGUE)


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_a_leaked_pool_is_summed_up_in_the_promised_words():
    labels = {"pool": "chi-outbound", "family": "ipv4", "feed": "edge-1-isp-a", "uplink": "isp-a"}
    evidence = {
        "prefixes": ["198.51.100.0/28", "198.51.100.3/32"],
        "routers": ["edge-1"],
        "feeds": ["edge-1-isp-a"],
    }
    said = CATALOGUE["pool-leak"].summarize(labels, evidence)
    assert said == "NAT pool chi-outbound 198.51.100.0/28 is advertised to isp-a by edge-1"
    outside = {"pool": "chi-outbound", "family": "ipv4", "feed": "outside"}
    assert CATALOGUE["pool-leak"].summarize(
        outside, {"prefixes": ["198.51.100.0/28"], "feeds": ["outside"]}
    ) == ("NAT pool chi-outbound 198.51.100.0/28 is advertised to the internet, seen on outside")
    assert CATALOGUE["pool-leak"].summarize(outside) == (
        "NAT pool chi-outbound (IPv4) is advertised to the internet, seen on outside"
    )


@pytest.mark.parametrize(
    ("evidence", "added"),
    [
        ({}, ""),
        ({"routers": ["edge-1"]}, " (edge-1)"),
        ({"routers": ["edge-1", "edge-2"], "feeds": ["a"]}, " (edge-1, edge-2)"),
        ({"prefixes": ["::/1", "8000::/1"], "routers": ["edge-1"]}, ": ::/1 (edge-1)"),
        ({"feeds": ["edge-1-msee"]}, " (edge-1-msee)"),
        ({"routers": ["chicago"]}, ""),
        ({"routers": ["chi"]}, " (chi)"),
    ],
)
def test_a_summary_ends_with_the_prefix_and_the_place_that_it_does_not_name(
    evidence: dict[str, list[str]], added: str
):
    said = CATALOGUE["advertised-default"].summarize({"circuit": "chicago", "link": "primary"}, evidence)
    assert said == f"Link primary of circuit chicago advertises a default route to Microsoft{added}"


@pytest.mark.parametrize(
    ("pools", "named"), [(["chi", "dal"], "NAT pool chi, dal of another"), ([], "NAT pool of another")]
)
def test_a_summary_names_the_pools_of_the_evidence_where_it_has_any(pools: list[str], named: str):
    labels = {"circuit": "chicago", "link": "primary", "family": "ipv4"}
    summary = CATALOGUE["pool-wrong-circuit"].summarize(labels, {"pools": pools})
    assert summary == f"{named} circuit (IPv4) is advertised on link primary of circuit chicago"


def test_a_label_without_a_value_is_in_the_summary_by_its_name():
    assert CATALOGUE["drain"].summarize({"link": "primary"}) == (
        "Microsoft is draining link primary of circuit {circuit}"
    )
