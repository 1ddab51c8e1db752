from dataclasses import replace
from datetime import date

import pytest

from ermon.model.inventory import ExpectedPrefix, Receive, Source
from ermon.model.prefixes import parse_prefix
from ermon.model.source_key import SourceKey
from ermon.sources.published import PublishedList, with_published
from ermon.sources.reading import load_local
from tests.networks import TWO_CIRCUITS

SOURCE = Source("bgp-communities", "communities.json", 3600.0, ("12076:5010",))
TYPED = ExpectedPrefix(parse_prefix("192.0.2.0/26"))
LATER = ExpectedPrefix(parse_prefix("2001:db8:40::/48"), starts=date(2031, 5, 1))


def config(*, only_listed=False):
    chicago = TWO_CIRCUITS.circuits["chicago"]
    receive = Receive(prefixes=(TYPED,), sources=(SOURCE,), only_listed=only_listed)
    return replace(TWO_CIRCUITS, circuits={"chicago": replace(chicago, receive=receive)})


def published(*prefixes):
    return {SourceKey.of(SOURCE): PublishedList(prefixes)}


def test_published_and_configured_prefixes_are_both_expected():
    receive = with_published(config(), published(LATER, TYPED)).circuits["chicago"].receive
    assert receive.prefixes == (TYPED, LATER)


def test_a_list_that_is_not_there_expects_nothing():
    assert with_published(config(), {}).circuits["chicago"].receive.prefixes == (TYPED,)


@pytest.mark.parametrize(("lists", "judged"), [({}, False), (published(LATER), True)])
def test_without_its_list_nothing_can_be_said_to_be_outside_of_it(lists, judged):
    assert with_published(config(only_listed=True), lists).circuits["chicago"].receive.lists_known is judged


def test_a_list_that_is_a_file_is_there_without_a_daemon(tmp_path):
    (tmp_path / "communities.json").write_text(
        '[{"serviceName": "Exchange", "bgpCommunities": [{"communityName": "Exchange", '
        '"communityValue": "12076:5010", "communityPrefixes": ["192.0.2.64/26"]}]}]'
    )
    lists, problems = load_local(config(), tmp_path)
    assert problems == []
    assert [str(p.prefix) for p in lists[SourceKey.of(SOURCE)].prefixes] == ["192.0.2.64/26"]


def test_an_unusable_file_is_reported_with_its_source(tmp_path):
    lists, [problem] = load_local(config(), tmp_path)
    assert lists == {}
    assert problem.startswith("source bgp-communities:communities.json[12076:5010]: ")
    assert "cannot be read" in problem
