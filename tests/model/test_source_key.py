import pytest

from ermon.model.inventory import Source
from ermon.model.source_key import SourceKey, is_url

ENDPOINTS = "https://endpoints.office.com/endpoints/Worldwide"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (Source("m365", ENDPOINTS, 1), "m365:endpoints.office.com/endpoints/Worldwide"),
        (
            Source("m365", ENDPOINTS, 1, ("Skype", "Exchange")),
            "m365:endpoints.office.com/endpoints/Worldwide[Exchange,Skype]",
        ),
        (
            Source("service-tags", "lists/tags.json", 1, ("Storage.WestEurope",)),
            "service-tags:lists/tags.json[Storage.WestEurope]",
        ),
        (
            Source("bgp-communities", "file:///etc/ermon/communities.json", 1, ("12076:5010",)),
            "bgp-communities:/etc/ermon/communities.json[12076:5010]",
        ),
        (Source("m365", "https://[2001:db8::1]:8443/m365", 1), "m365:[2001:db8::1]:8443/m365"),
    ],
)
def test_a_source_is_named_by_its_kind_its_place_and_its_selection(source, name):
    assert SourceKey.of(source).name == name


def test_circuits_with_the_same_list_share_a_source():
    wanted = [
        Source("m365", ENDPOINTS, 3600, ("Exchange", "Skype")),
        Source("m365", ENDPOINTS, 60, ("Skype", "Exchange")),
    ]
    assert len(set(map(SourceKey.of, wanted))) == 1


def test_a_name_shows_no_secret_of_a_url():
    location = "https://user:hunter2@lists.example.net/tags.json?sig=s3cret"
    name = SourceKey("service-tags", location, ("Storage",)).name
    assert name.startswith("service-tags:lists.example.net/tags.json?")
    assert not any(secret in name for secret in ("user", "hunter2", "sig", "s3cret"))


def test_names_differ_where_sources_do():
    tags = "service-tags"
    sources = {
        SourceKey(tags, "https://lists.example.net/get?list=a"),
        SourceKey(tags, "https://lists.example.net/get?list=b"),
        SourceKey(tags, "https://lists.example.net/get"),
        SourceKey(tags, "tags.json", ("a,b",)),
        SourceKey(tags, "tags.json", ("a", "b")),
        SourceKey(tags, "tags.json", tuple(f"Tag{n}" for n in range(40))),
        SourceKey(tags, "tags.json", tuple(f"Tag{n}" for n in range(41))),
    }
    assert len({source.name for source in sources}) == len(sources)
    assert max(len(source.name) for source in sources) < 80


def test_urls_are_fetched_and_files_are_read():
    assert is_url(ENDPOINTS)
    assert is_url("http://127.0.0.1:8080/tags.json")
    assert not any(
        map(is_url, ["tags.json", "/etc/ermon/tags.json", "file:tags.json", "file:///etc/tags.json"])
    )
