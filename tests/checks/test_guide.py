from __future__ import annotations

import re
from collections import defaultdict
from string import Formatter

import pytest

from ermon.checks.guide import GUIDE, PLACEHOLDERS, SUMMARY, summary

LINK = ("circuit", "link")
LINK_FAMILY = ("circuit", "link", "family")
CIRCUIT_FAMILY = ("circuit", "family")
POOL_LINK = ("pool", "family", "circuit", "link")
POOL_FEED = ("pool", "family", "feed")

SUBJECTS: dict[str, tuple[str, ...]] = {
    "link-down": LINK_FAMILY,
    "circuit-down": CIRCUIT_FAMILY,
    "circuit-unseen": ("circuit",),
    "link-flapping": LINK_FAMILY,
    "geo-not-redundant": ("geo", "peering"),
    "communities-missing": LINK,
    "service-missing": ("circuit", "link", "ms_service"),
    "prefix-missing": LINK,
    "prefix-count-low": LINK_FAMILY,
    "link-asymmetry": CIRCUIT_FAMILY,
    "prefix-unexpected": LINK,
    "origin-unexpected": LINK,
    "drain": LINK,
    "drain-both": ("circuit",),
    "internet-preferred": ("circuit",),
    "route-unattributed": ("feed",),
    "churn-high": LINK,
    "pool-not-advertised": POOL_LINK,
    "pool-wrong-circuit": LINK_FAMILY,
    "advertised-undeclared": LINK,
    "advertised-not-public": LINK,
    "advertised-default": LINK,
    "advertised-link-subnet": LINK,
    "advertised-internet-only": LINK,
    "advertised-limit-near": LINK_FAMILY,
    "advertised-limit-reached": LINK_FAMILY,
    "advertised-asymmetry": CIRCUIT_FAMILY,
    "advertised-path": LINK,
    "microsoft-reflected": LINK,
    "inbound-not-redundant": ("pool", "family"),
    "pool-leak": POOL_FEED,
    "pool-covered": POOL_FEED,
    "pool-fallback": POOL_FEED,
    "microsoft-leaked": ("feed",),
    "internet-undeclared": ("feed",),
    "mirror-disagrees": ("feed",),
    "segment-leak": ("segment",),
    "segment-missing": ("segment",),
    "feed-down": ("feed",),
    "feed-flapping": ("feed",),
    "feed-empty": ("feed", "family"),
    "canary-missing": ("feed",),
    "feed-no-eor": ("feed",),
    "feed-best-path-only": ("feed",),
    "feed-lost-messages": ("feed",),
    "feed-overflow": ("feed",),
    "source-rejected": ("source",),
    "storage-failed": (),
    "view-missing": ("view",),  # circuit, link, uplink and segment only where they apply
    "exabgp-down": ("process",),
}
"""The labels of each check's subject, in the order of the catalogue."""

NO_PLACEHOLDERS = {"AS-MICROSOFT", "BADAUTH", "BGP", "BGP-5-ADJCHANGE", "CRC", "NEXT_HOP"}
"""Words in capitals that are typed as they stand."""

ALL = pytest.mark.parametrize("check", SUBJECTS)


def test_every_check_has_a_guide_and_a_summary_in_the_order_of_the_catalogue():
    assert list(GUIDE) == list(SUBJECTS)
    assert list(SUMMARY) == list(SUBJECTS)


@ALL
def test_no_text_is_empty_or_broken(check: str):
    guide = GUIDE[check]
    for text in (guide.title, guide.meaning, guide.needs, guide.action, guide.source):
        assert text == text.strip()
        assert text
        assert "  " not in text
        assert text.count("`") % 2 == 0
        assert text.count("(") == text.count(")")


@ALL
def test_a_title_is_one_short_clause(check: str):
    title = GUIDE[check].title
    assert len(title) <= 75
    assert not title.endswith(".")
    assert "`" not in title


@ALL
def test_meaning_and_needs_are_a_few_sentences(check: str):
    sentence = re.compile(r"[.?](?= |$)")
    assert 2 <= len(sentence.findall(GUIDE[check].meaning)) <= 4
    assert 1 <= len(sentence.findall(GUIDE[check].needs)) <= 4


@ALL
def test_an_action_is_numbered_steps_with_a_command_to_type(check: str):
    guide = GUIDE[check]
    numbers = [line.split(". ", 1)[0] for line in guide.action.splitlines()]
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert guide.commands


def test_no_two_checks_share_their_advice_or_a_command():
    checks_of: dict[str, set[str]] = defaultdict(set)
    for check, guide in GUIDE.items():
        for command in guide.commands:
            checks_of[command].add(check)
    assert {command: checks for command, checks in checks_of.items() if len(checks) > 1} == {}
    for texts in zip(*((g.title, g.meaning, g.action) for g in GUIDE.values()), strict=True):
        assert len(set(texts)) == len(GUIDE)


@ALL
def test_every_word_to_be_replaced_in_a_command_is_explained(check: str):
    guide = GUIDE[check]
    capitals = re.compile(r"(?<![\w-])[A-Z][A-Z0-9_]+(?:-[A-Z0-9]+)*(?![\w-])")
    words = {word for command in guide.commands for word in capitals.findall(command)} - NO_PLACEHOLDERS
    assert words == set(guide.placeholders)


def test_every_placeholder_is_used():
    assert {word for guide in GUIDE.values() for word in guide.placeholders} == set(PLACEHOLDERS)


@ALL
def test_a_source_says_where_the_rule_comes_from(check: str):
    source = GUIDE[check].source
    assert re.search(r"learn\.microsoft\.com/|RFC \d{4}|ermon's own sight: ", source)
    assert not re.search(r"\bR\d{1,2}\b", source)


FROM_EVIDENCE = {"pool-wrong-circuit": ("pools",)}
"""What a summary names that no label does."""


@ALL
def test_a_summary_uses_only_the_labels_of_its_subject(check: str):
    labels = SUBJECTS[check]
    fields = {name for _, name, _, _ in Formatter().parse(SUMMARY[check]) if name is not None}
    assert fields <= {*labels, *FROM_EVIDENCE.get(check, ())}
    text = summary(check, {label: f"the-{label}" for label in labels}, {"pools": ["chi"]})
    assert "{" not in text
    assert not text.endswith(".")
    assert len(text) <= 120


@ALL
def test_a_summary_names_all_that_tells_one_finding_from_another(check: str):
    fixed = {"pool-leak"}  # its words are a promise to users, and its labels name the feed
    fields = {name for _, name, _, _ in Formatter().parse(SUMMARY[check]) if name is not None}
    assert check in fixed or fields == {*SUBJECTS[check], *FROM_EVIDENCE.get(check, ())}


def test_a_leaked_pool_is_summed_up_in_the_promised_words():
    assert SUMMARY["pool-leak"].format(pool="chi-outbound") == (
        "NAT pool chi-outbound is advertised to the internet"
    )
