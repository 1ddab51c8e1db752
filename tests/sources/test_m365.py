import copy

import pytest

from ermon.sources.m365 import WebService, combine, latest_version, parse_m365
from ermon.sources.published import SourceError
from tests.sources.lists import CHANGES, ENDPOINTS, VERSION, encode, m365_document, texts

ALL = [
    "192.0.2.0/25",
    "198.51.100.0/26",
    "198.51.100.64/26 from 2031-05-01",
    "2001:db8:10::/48",
    "2001:db8:20::/48",
]


def change(number: int = 1, version: str = "2031050100", **kinds: object) -> dict[str, object]:
    return {"id": number, "endpointSetId": 901, "disposition": "Change", "version": version, **kinds}


def endpoints(*ips: str) -> list[dict[str, object]]:
    return [{**ENDPOINTS[0], "ips": list(ips)}]


# What goes over ExpressRoute -------------------------------------------------------------------------


def test_sets_that_do_not_go_over_expressroute_are_not_expected():
    published = parse_m365(m365_document(), ())
    assert texts(published) == ALL
    assert published.version == VERSION


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (("Exchange",), [ALL[0], ALL[2], ALL[3]]),
        (("skype",), [ALL[1], ALL[4]]),
        (("Exchange", "Skype"), ALL),
        (("Common",), []),
    ],
)
def test_service_areas_are_selected(select, expected):
    assert texts(parse_m365(m365_document(), select)) == expected


def test_a_service_area_that_does_not_exist_is_named():
    with pytest.raises(SourceError, match="there is no service area 'Exchnage'; did you mean 'Exchange'"):
        parse_m365(m365_document(), ("Exchnage",))


def test_endpoints_alone_are_a_list_without_dates():
    published = parse_m365(encode(ENDPOINTS), ())
    assert texts(published) == [text.partition(" ")[0] for text in ALL]
    assert published.version == ""


@pytest.mark.parametrize("prefix", ["192.0.2.0/25", "2001:db8:10::/48"])
def test_a_prefix_in_several_sets_is_expected_once(prefix):
    first = endpoints(prefix, prefix)
    second = [{**ENDPOINTS[2], "ips": [prefix]}]
    assert texts(parse_m365(encode(first + second), ())) == [prefix]


# Dates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "written"), [("192.0.2.0/25",) * 2, ("2001:db8:10::/48", "2001:DB8:10::/48")]
)
def test_an_addition_is_expected_from_its_effective_date(prefix, written):
    changes = [change(add={"effectiveDate": "20310601", "ips": [written]})]
    assert texts(parse_m365(m365_document(endpoints(prefix), changes), ())) == [f"{prefix} from 2031-06-01"]


def test_an_addition_to_one_set_does_not_wait_for_another():
    """A prefix that moves between sets stays where it is."""
    both = [*endpoints("192.0.2.0/25"), {**ENDPOINTS[2], "ips": ["192.0.2.0/25"]}]
    changes = [change(add={"effectiveDate": "20310601", "ips": ["192.0.2.0/25"]})]
    assert texts(parse_m365(m365_document(both, changes), ())) == [
        "192.0.2.0/25",
        "192.0.2.0/25 from 2031-06-01",
    ]


def test_the_last_change_counts():
    prefix = "192.0.2.0/25"
    changes = [
        change(3, "2031050100", add={"effectiveDate": "20310601", "ips": [prefix]}),
        change(1, "2030010100", add={"effectiveDate": "20300201", "ips": [prefix]}),
        change(2, "2030060100", remove={"ips": [prefix]}),
    ]
    assert texts(parse_m365(m365_document(endpoints(prefix), changes), ())) == [f"{prefix} from 2031-06-01"]


def test_a_removal_takes_effect_at_once_unless_it_has_a_date():
    removed = change(remove={"ips": ["192.0.2.128/26"]})
    dated = change(2, remove={"effectiveDate": "20310601", "ips": ["2001:db8:11::/48"]})
    document = m365_document(endpoints("192.0.2.0/25"), [removed, dated])
    assert texts(parse_m365(document, ())) == ["192.0.2.0/25", "2001:db8:11::/48 until 2031-06-01"]


@pytest.mark.parametrize("prefix", ["192.0.2.0/25", "2001:db8:10::/48"])
def test_a_removal_that_is_announced_ends_what_is_still_listed(prefix):
    changes = [change(remove={"effectiveDate": "20310601", "ips": [prefix]})]
    assert texts(parse_m365(m365_document(endpoints(prefix), changes), ())) == [f"{prefix} until 2031-06-01"]


def test_changes_of_sets_that_are_gone_or_not_wanted_mean_nothing():
    changes = [
        {**change(add={"effectiveDate": "20310601", "ips": ["203.0.113.0/28"]}), "endpointSetId": 999},
        {**change(2, remove={"effectiveDate": "20310601", "ips": ["203.0.113.0/24"]}), "endpointSetId": 904},
    ]
    assert texts(parse_m365(m365_document(endpoints("192.0.2.0/25"), changes), ())) == ["192.0.2.0/25"]


def test_old_faults_in_the_history_do_not_spoil_the_list():
    changes = [
        change(1, "2018010100", add={"effectiveDate": "soon", "ips": ["192.0.2.7", "192.0.2.0/25"]}),
        change(
            2, "2031050100", add={"effectiveDate": "20310601", "ips": ["192.0.2.0/25"], "urls": ["*.net"]}
        ),
        change(3, "2031050100", previous={"required": False}, current={"required": True}),
        change(4, "2031050100", add={"urls": ["example.net"]}, changeDescription="text"),
    ]
    assert texts(parse_m365(m365_document(endpoints("192.0.2.0/25"), changes), ())) == [
        "192.0.2.0/25 from 2031-06-01"
    ]


@pytest.mark.parametrize("day", ["2031-06-01", "20310631", "203106011", "00000000", ""])
def test_a_date_that_is_none_is_named(day):
    changes = [change(add={"effectiveDate": day, "ips": ["192.0.2.0/25"]})]
    with pytest.raises(SourceError, match=rf"endpoint set 901 \(ips\): '{day}' is not an effective date"):
        parse_m365(m365_document(endpoints("192.0.2.0/25"), changes), ())


# Faults ----------------------------------------------------------------------------------------------


def broken(field: str, value: object) -> bytes:
    sets = copy.deepcopy(ENDPOINTS)
    if value is None:
        del sets[1][field]
    else:
        sets[1][field] = value
    return encode(sets)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (broken("expressRoute", "true"), "Expected `bool`, got `str` - at `$[1].expressRoute`"),
        (broken("expressRoute", None), "missing required field `expressRoute` - at `$[1]`"),
        (broken("ips", "192.0.2.0/24"), "Expected `array`, got `str` - at `$[1].ips`"),
        (broken("ips", [7]), "Expected `str`, got `int` - at `$[1].ips[0]`"),
        (b'"endpoints"', "Expected `object | array`, got `str`"),
        (encode({"error": "busy"}), "missing required field `endpoints`"),
        (encode(endpoints("192.0.2.1/24")), "endpoint set 901 (ips): '192.0.2.1/24' is not a prefix"),
        (encode(endpoints("2001:db8::1/48")), "endpoint set 901 (ips): '2001:db8::1/48' is not a prefix"),
        (m365_document(version="20310401"), "version: '20310401' is not a version"),
    ],
)
def test_faults_are_named(document, problem):
    with pytest.raises(SourceError) as error:
        parse_m365(document, ())
    assert problem in str(error.value)


# The web service -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "latest"),
    [
        ({"instance": "Worldwide", "latest": "2031040100"}, "2031040100"),
        ({"instance": "Worldwide", "latest": "2031040100", "versions": ["2031040100"]}, "2031040100"),
        (
            [
                {"instance": "China", "latest": "2031010100"},
                {"instance": "Worldwide", "latest": "2031040100"},
            ],
            "2031040100",
        ),
    ],
)
def test_the_version_is_read_from_one_instance_or_from_all(document, latest):
    assert latest_version(encode(document), "worldwide") == latest


@pytest.mark.parametrize("document", [[], [{"instance": "China", "latest": "2031010100"}]])
def test_an_instance_that_is_not_there_is_named(document):
    with pytest.raises(SourceError, match="there is no instance 'Worldwide'"):
        latest_version(encode(document), "Worldwide")


@pytest.mark.parametrize("latest", ["", "latest", "20310401000", "\u0662031040100"])
def test_a_version_has_ten_digits(latest):
    with pytest.raises(SourceError, match="is not a version"):
        latest_version(encode({"instance": "Worldwide", "latest": latest}), "Worldwide")


def test_the_answers_are_kept_together():
    document = combine(VERSION, "USGovDoD", encode(ENDPOINTS), encode(CHANGES))
    published = parse_m365(document, ())
    assert texts(published) == ALL
    assert published.version == VERSION
    with pytest.raises(SourceError, match="is not JSON"):
        combine(VERSION, "Worldwide", encode(ENDPOINTS), b"<html>")


@pytest.mark.parametrize(
    ("location", "base", "instance"),
    [
        ("https://endpoints.office.com", "https://endpoints.office.com", "Worldwide"),
        ("https://endpoints.office.com/", "https://endpoints.office.com", "Worldwide"),
        ("https://endpoints.office.com/endpoints/worldwide", "https://endpoints.office.com", "worldwide"),
        ("https://endpoints.office.com/version", "https://endpoints.office.com", "Worldwide"),
        (
            "https://endpoints.office.com/changes/USGovDoD/0000000000?clientrequestid=b10c5ed1",
            "https://endpoints.office.com",
            "USGovDoD",
        ),
        ("https://[2001:db8::1]:8443/copy/of/endpoints/China", "https://[2001:db8::1]:8443/copy/of", "China"),
    ],
)
def test_the_web_service_is_found_from_any_of_its_urls(location, base, instance):
    assert WebService.at(location) == (base, instance)
