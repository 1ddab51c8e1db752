"""Names of Microsoft's BGP communities."""

import pytest

from ermon.model.communities import service, slug_of, slugs
from ermon.model.inventory import Service


@pytest.mark.parametrize(
    ("community", "slug"),
    [
        ((12076, 5010), "exchange-online"),
        ((12076, 5020), "sharepoint-online"),
        ((12076, 51002), "region-west-europe"),
        ((12076, 50002), "private-region-west-europe"),
        ((12076, 52012), "storage-japan-east"),
        ((12076, 5110), "usgov-exchange-online"),
        ((12076, 51305), "region-china-north-3"),
    ],
)
def test_published_communities_have_a_slug(community, slug):
    assert slug_of(community) == slug


@pytest.mark.parametrize("community", [(12076, 51060), (12076, 1), (64500, 5010)])
def test_a_community_without_a_name_is_normal(community):
    assert slug_of(community) is None


def test_a_service_is_found_by_its_slug_and_by_its_community():
    assert service("sharepoint-online") == Service("sharepoint-online", (12076, 5020))
    assert service("12076:5020") == Service("sharepoint-online", (12076, 5020))


def test_a_service_without_a_name_is_labelled_with_its_community():
    assert service("12076:51060") == Service("12076:51060", (12076, 51060))


def test_one_service_has_one_label_however_its_community_is_written():
    assert service("12076:05020") == service("12076:5020")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("exchange-onlin", "did you mean exchange-online"),
        ("exchange", "exchange-online"),
        ("japan-east", "region-japan-east"),
        ("Exchange Online", "exchange-online"),
        ("qqqq", "write a slug such as exchange-online"),
        ("", "write a slug such as exchange-online"),
        ("12076:70000", "two numbers up to 65535"),
        ("12076:", "two numbers up to 65535"),
        ("12076:5010:1", "two numbers up to 65535"),
        ("12076:\u0665\u0660", "two numbers up to 65535"),
        ("8075:5010", "they begin with 12076:"),
    ],
)
def test_an_unknown_service_is_refused_with_similar_names(name, told):
    with pytest.raises(ValueError, match=told):
        service(name)


def test_no_two_communities_share_a_slug():
    assert len(slugs()) == 282
    assert all(service(slug).name == slug for slug in slugs())
