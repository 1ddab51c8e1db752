import copy

import pytest

from ermon.sources.m365 import WebService, combine, latest_version, parse_m365
from ermon.sources.published import MAX_ENDPOINTS, SourceError
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


# Hosts -----------------------------------------------------------------------------------------------


def hosts(document, *select):
    """The endpoints of a list as text, with their periods if they have one."""
    return [
        f"{each.service} {each.target}"
        + (f" from {each.starts}" if each.starts else "")
        + (f" until {each.ends}" if each.ends else "")
        for each in parse_m365(document, select).endpoints
    ]


def named(*urls, ports="443", area="Exchange", **keys):
    return {**ENDPOINTS[0], "serviceArea": area, "urls": list(urls), "tcpPorts": ports, **keys}


def test_hosts_that_use_expressroute_are_named_with_each_of_their_ports():
    assert hosts(m365_document()) == [
        "exchange-online mail.example.net:443",
        "exchange-online mail.example.net:80",
    ]
    assert hosts(m365_document(), "Skype") == []


@pytest.mark.parametrize(
    ("area", "service", "government"),
    [
        ("Exchange", "exchange-online", "usgov-exchange-online"),
        ("SharePoint", "sharepoint-online", "usgov-sharepoint-online"),
        ("Skype", "skype-teams", "usgov-skype-teams"),
        ("Common", "office-365-other", "usgov-office-365-other"),
    ],
)
def test_each_service_area_is_a_service_with_its_own_community(area, service, government):
    listed = [named("one.example.net", area=area)]
    assert hosts(encode(listed)) == [f"{service} one.example.net:443"]
    clouds = {"USGovDoD": government, "USGovGCCHigh": government, "Worldwide": service}
    for instance, expected in clouds.items():
        document = combine(VERSION, instance, encode(listed), b"[]")
        assert hosts(document) == [f"{expected} one.example.net:443"]
    assert hosts(combine(VERSION, "China", encode(listed), b"[]")) == []


@pytest.mark.parametrize(
    "url",
    [
        *(
            "*.example.net",
            "mail.*.example.net",
            "*mail.example.net",
            "<tenant>.example.net",
            "mail",
            "192.0.2.1",
        ),
        *(
            "https://example.net",
            "example.net/path",
            "example.net:8443",
            "example.net.",
            "exa mple.net",
            "",
            "..",
            "x.-a",
        ),
        *(
            "bücher.example.net",
            "example.net\n",
            f"{'a.' * 130}net",
            f"{'a' * 64}.example.net",
            "[2001:db8::1]",
        ),
    ],
)
def test_what_is_not_the_name_of_one_host_is_left_out(url):
    assert hosts(encode([named(url, "mail.example.net")])) == ["exchange-online mail.example.net:443"]


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ("443", ["443"]),
        ("80, 443,80", ["443", "80"]),
        ("25,50000-59999,0,65536,x,-1,,65535", ["25", "65535"]),
        ("", []),
        (None, []),
    ],
)
def test_what_is_not_one_port_is_left_out(ports, expected):
    found = hosts(encode([named("mail.example.net", ports=ports)]))
    assert found == [f"exchange-online mail.example.net:{port}" for port in expected]


def test_a_host_is_named_once_however_it_is_written():
    listed = [named("Mail.Example.net", "mail.example.net"), named("mail.example.net", id=905)]
    assert hosts(encode(listed)) == ["exchange-online mail.example.net:443"]


def test_a_set_without_hosts_or_ports_names_none():
    listed = [{key: value for key, value in ENDPOINTS[0].items() if key not in {"urls", "tcpPorts"}}]
    assert hosts(encode(listed)) == hosts(encode([named("mail.example.net", urls=None)])) == []


def test_hosts_are_in_use_from_and_until_the_effective_date():
    changes = [
        change(1, add={"effectiveDate": "20310601", "urls": ["New.example.net"]}),
        change(2, remove={"effectiveDate": "20310602", "urls": ["old.example.net", "gone.example.net"]}),
        change(3, add={"effectiveDate": "20301301", "urls": ["odd.example.net"]}),
        {**change(4, add={"effectiveDate": "20310601", "urls": ["mail.example.net"]}), "endpointSetId": 999},
    ]
    listed = [named("new.example.net", "old.example.net", "odd.example.net", "mail.example.net")]
    assert hosts(m365_document(listed, changes)) == [
        "exchange-online mail.example.net:443",
        "exchange-online new.example.net:443 from 2031-06-01",
        "exchange-online odd.example.net:443",
        "exchange-online old.example.net:443 until 2031-06-02",
    ]


def test_a_list_with_too_many_hosts_is_refused_and_its_ports_cannot_multiply_without_end():
    many = [named(*(f"h{number}.example.net" for number in range(MAX_ENDPOINTS + 1)))]
    with pytest.raises(SourceError, match="names more than 1000 hosts with ports, the maximum"):
        parse_m365(encode(many), ())
    ports = ",".join(str(port) for port in range(1, 60_000))
    assert 1 <= len(hosts(encode([named("mail.example.net", ports=ports)]))) <= 16


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
