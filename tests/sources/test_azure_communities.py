import pytest

from ermon.sources.azure import parse_bgp_communities
from ermon.sources.published import SourceError
from tests.sources.lists import (
    COMMUNITIES_CLI,
    COMMUNITIES_POWERSHELL,
    COMMUNITIES_REST,
    encode,
    texts,
)

ALL_FORMS = pytest.mark.parametrize(
    "form",
    [COMMUNITIES_REST, COMMUNITIES_CLI, COMMUNITIES_POWERSHELL],
    ids=["REST", "az", "PowerShell"],
)
EXCHANGE = ["192.0.2.0/25", "192.0.2.0/26", "2001:db8:10::/48"]


@ALL_FORMS
@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (("12076:5010",), EXCHANGE),
        (("exchange-online",), EXCHANGE),
        (("Exchange",), EXCHANGE),
        (("exchange", "12076:5010"), EXCHANGE),
        (("region-west-europe",), ["198.51.100.0/24"]),
        (("12076:51002", "exchange-online"), [EXCHANGE[0], EXCHANGE[1], "198.51.100.0/24", EXCHANGE[2]]),
        (("AzureSIPTrunking",), []),
    ],
)
def test_communities_are_selected_by_value_slug_or_service(form, select, expected):
    assert texts(parse_bgp_communities(encode(form), select)) == expected


@ALL_FORMS
def test_without_a_selection_every_community_of_a_route_filter_is_expected(form):
    assert texts(parse_bgp_communities(encode(form), ())) == ["198.51.100.0/24"]


@ALL_FORMS
@pytest.mark.parametrize("name", ["12076:5030", "skype-teams", "Exchnage", "65000:1", "12076:5010:1", ""])
def test_missing_names_are_reported(form, name):
    with pytest.raises(SourceError, match=f"select: there is no community or service '{name}'"):
        parse_bgp_communities(encode(form), ("12076:5010", name))


def test_powershell_prints_a_lone_service_without_a_list():
    assert texts(parse_bgp_communities(encode(COMMUNITIES_POWERSHELL[0]), ("exchange-online",))) == EXCHANGE


def one(**fields: object) -> bytes:
    community = {"communityValue": "12076:5010", "communityName": "Exchange", **fields}
    return encode([{"name": "Exchange", "bgpCommunities": [community]}])


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b'"text"', "neither a list, nor an object with one in value"),
        (encode({"value": {}}), "neither a list, nor an object with one in value"),
        (encode({"error": {"code": "AuthenticationFailed"}}), "missing required field `bgpCommunities`"),
        (encode(["Exchange"]), "Expected `object`, got `str`"),
        (one(communityValue=5010), "Expected `str`, got `int` - at `$[0].bgpCommunities[0].communityValue`"),
        (one(communityPrefixes="192.0.2.0/24 192.0.3.0/24"), "Expected `array | null`, got `str`"),
        (
            one(communityPrefixes=["192.0.2.1/24"]),
            "community 12076:5010 (Exchange): '192.0.2.1/24' is not a prefix",
        ),
        (
            one(communityPrefixes=["2001:db8::1/32"]),
            "community 12076:5010 (Exchange): '2001:db8::1/32' is not",
        ),
        (encode([COMMUNITIES_CLI[0]]).replace(b"}", b"", 1), "is not JSON"),
    ],
)
def test_faults_are_named(document, problem):
    with pytest.raises(SourceError) as error:
        parse_bgp_communities(document, ("12076:5010",))
    assert problem in str(error.value)


@pytest.mark.parametrize("prefixes", [None, []])
def test_a_community_may_be_without_prefixes(prefixes):
    assert texts(parse_bgp_communities(one(communityPrefixes=prefixes), ("12076:5010",))) == []


def test_endless_nesting_is_an_error():
    with pytest.raises(SourceError):
        parse_bgp_communities(b'{"value":' * 900 + b"1" + b"}" * 900, ("12076:5010",))


def test_texts_of_the_list_are_safe_to_print():
    name = "\x1b[31m\u202e\x9b" + "x" * 1000
    with pytest.raises(SourceError) as caught:
        parse_bgp_communities(one(communityName=name, communityPrefixes=["nonsense"]), ("12076:5010",))
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith("community 12076:5010 (\ufffd[31m\ufffd\ufffdxxx")
    assert len(str(caught.value)) <= 500
