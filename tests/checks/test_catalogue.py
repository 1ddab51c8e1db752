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


def test_what_suppresses_and_is_suppressed_are_checks():
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


@ALL
def test_a_summary_uses_only_the_labels_of_its_subject(check: str):
    found = CATALOGUE[check]
    assert fields(found.summary) <= {*found.labels, *found.named_evidence}
    evidence = {key: ["chi"] for key in found.named_evidence}
    text = found.summarize({label: f"the-{label}" for label in found.labels}, evidence)
    assert "{" not in text
    assert not text.endswith(".")
    assert len(text) <= 120


@ALL
def test_a_summary_names_all_that_tells_one_finding_from_another(check: str):
    fixed = {"pool-leak"}  # its words are a promise to users, and its labels name the feed
    found = CATALOGUE[check]
    assert check in fixed or fields(found.summary) == {*found.labels, *found.named_evidence}


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_a_leaked_pool_is_summed_up_in_the_promised_words():
    assert CATALOGUE["pool-leak"].summarize({"pool": "chi-outbound"}) == (
        "NAT pool chi-outbound is advertised to the internet"
    )


@pytest.mark.parametrize(
    ("pools", "named"), [(["chi", "dal"], "NAT pool chi, dal of another"), ([], "NAT pool of another")]
)
def test_a_summary_names_the_pools_of_the_evidence_where_it_has_any(pools: list[str], named: str):
    labels = {"circuit": "chicago", "link": "primary", "family": "ipv4"}
    summary = CATALOGUE["pool-wrong-circuit"].summarize(labels, {"pools": pools})
    assert summary == f"{named} circuit (ipv4) is advertised on link primary of circuit chicago"


def test_a_label_that_is_not_there_stands_in_the_summary_by_its_name():
    assert CATALOGUE["drain"].summarize({"link": "primary"}) == (
        "Microsoft is draining link primary of circuit {circuit}"
    )
