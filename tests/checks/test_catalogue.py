from pathlib import Path

import pytest

from ermon.checks.catalogue import CATALOGUE, OFF_BY_DEFAULT, SUPPRESSES, subjects
from ermon.checks.guide import GUIDE, SUMMARY, summary
from ermon.config.load import load_config

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"


@pytest.fixture(scope="module")
def reference():
    return load_config(REFERENCE).config


def test_every_check_has_a_guide_and_a_summary():
    assert list(GUIDE) == list(CATALOGUE)
    assert list(SUMMARY) == list(CATALOGUE)


def test_what_suppresses_and_is_suppressed_are_checks():
    named = {*SUPPRESSES, *OFF_BY_DEFAULT, *(effect for effects in SUPPRESSES.values() for effect in effects)}
    assert named <= set(CATALOGUE)


def test_every_subject_is_of_its_check_and_there_is_only_one_of_it(reference):
    keys = [(subject.check, subject.labels) for subject in subjects(reference)]
    assert len(keys) == len(set(keys))
    assert {check for check, _ in keys} <= set(CATALOGUE)


def test_every_summary_can_be_written_for_every_subject(reference):
    for subject in subjects(reference):
        text = summary(subject.check, dict(subject.labels), {"pools": ["chi"]})
        assert text
        assert "{" not in text


def test_a_check_that_is_switched_off_has_no_subject(reference):
    assert "churn-high" not in {subject.check for subject in subjects(reference)}
    assert "internet-preferred" not in {subject.check for subject in subjects(reference)}
