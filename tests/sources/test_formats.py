from typing import get_args, get_type_hints

import pytest

from ermon.model.inventory import Source
from ermon.sources.formats import PARSERS, join_pages, next_page, parse
from ermon.sources.published import SourceError
from tests.sources.lists import (
    COMMUNITIES_CLI,
    COMMUNITIES_REST,
    ENDPOINTS,
    SERVICE_TAGS_FILE,
    SERVICE_TAGS_REST,
    encode,
    texts,
)

NEXT = "https://management.azure.com/next"


def test_every_kind_that_a_configuration_may_name_is_read():
    assert set(PARSERS) == set(get_args(get_type_hints(Source)["kind"]))


@pytest.mark.parametrize(
    ("kind", "page", "link"),
    [
        ("service-tags", {**SERVICE_TAGS_REST, "nextLink": NEXT}, NEXT),
        ("service-tags", {**SERVICE_TAGS_REST, "nextLink": ""}, None),
        ("service-tags", {**SERVICE_TAGS_REST, "nextLink": None}, None),
        ("service-tags", SERVICE_TAGS_FILE, None),
        ("bgp-communities", {**COMMUNITIES_REST, "nextLink": NEXT}, NEXT),
        ("bgp-communities", COMMUNITIES_CLI, None),
        ("m365", ENDPOINTS, None),
    ],
)
def test_a_list_goes_on_where_azure_says_so(kind, page, link):
    assert next_page(kind, encode(page)) == link


@pytest.mark.parametrize(
    ("kind", "whole", "items", "select"),
    [
        ("service-tags", SERVICE_TAGS_REST, "values", ("Storage", "AzureActiveDirectory")),
        ("bgp-communities", COMMUNITIES_REST, "value", ("exchange-online", "region-west-europe")),
    ],
)
def test_pages_make_one_list(kind, whole, items, select):
    pages = [encode({**whole, items: [item], "nextLink": NEXT}) for item in whole[items]]
    assert texts(parse(kind, join_pages(kind, pages), select)) == texts(parse(kind, encode(whole), select))
    assert next_page(kind, join_pages(kind, pages)) is None


def test_a_single_page_is_kept_as_it_came():
    page = b' {"changeNumber":1,"values":[]}'
    assert join_pages("service-tags", [page]) is page


@pytest.mark.parametrize("page", [b"[]", b"{}", b'{"values": {}}'])
def test_a_page_in_another_shape_is_refused(page):
    with pytest.raises(SourceError, match="a page has no list in values"):
        join_pages("service-tags", [encode(SERVICE_TAGS_REST), page])
    with pytest.raises(SourceError, match="nextLink"):
        next_page("service-tags", b'{"nextLink": 1}')
