"""Lists in files, and the kinds of lists: how each is read, and how its pages are combined."""

import os
from typing import get_args, get_type_hints

import pytest

from ermon.model.inventory import Source
from ermon.model.source_key import SourceKey
from ermon.model.text import printable
from ermon.sources.published import SourceError
from ermon.sources.reading import PARSERS, join_pages, load_file, next_page, parse, read_file
from tests.sources.lists import (
    COMMUNITIES_CLI,
    COMMUNITIES_REST,
    ENDPOINTS,
    SERVICE_TAGS_FILE,
    SERVICE_TAGS_REST,
    encode,
    tags_document,
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
def test_a_list_continues_at_the_next_link_of_azure(kind, page, link):
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


TAGS = tags_document("192.0.2.0/24", "2001:db8::/32")


@pytest.mark.parametrize(
    "form", ["{}", "file:{}", "{folder}/{}", "file://{folder}/{}", "file://localhost{folder}/{}"]
)
def test_a_file_is_read_from_beside_the_configuration_or_from_its_place(tmp_path, form):
    (tmp_path / "my lists").mkdir()
    (tmp_path / "my lists" / "tags.json").write_bytes(TAGS)
    location = form.format("my lists/tags.json", folder=tmp_path)
    if location.startswith("file:"):
        location = location.replace(" ", "%20")
    assert read_file(location, tmp_path) == TAGS


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("folder", "Is a directory"),
        ("fifo", "it is a pipe"),
        ("missing", "No such file or directory"),
        ("tags.json/tags.json", "Not a directory"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_a_path_that_is_not_a_file_is_an_error(tmp_path, name, why):
    (tmp_path / "folder").mkdir()
    (tmp_path / "tags.json").write_bytes(TAGS)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SourceError, match=f"{printable(name)} cannot be read: {why}"):
        read_file(name, tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    (tmp_path / "tags.json").write_bytes(TAGS)
    assert read_file("tags.json", tmp_path, len(TAGS)) == TAGS
    with pytest.raises(SourceError, match="is larger than"):
        read_file("tags.json", tmp_path, len(TAGS) - 1)


def test_a_file_is_on_this_host(tmp_path):
    with pytest.raises(SourceError, match="server is another host; write a path, or file:///path"):
        read_file("file://server/tags.json", tmp_path)


def test_a_list_is_loaded_from_a_file(tmp_path):
    (tmp_path / "tags.json").write_bytes(TAGS)
    source = SourceKey("service-tags", "tags.json", ("Storage",))
    assert texts(load_file(source, tmp_path)) == ["192.0.2.0/24", "2001:db8::/32"]
    (tmp_path / "tags.json").write_bytes(tags_document())
    with pytest.raises(SourceError, match="is empty"):
        load_file(source, tmp_path)
