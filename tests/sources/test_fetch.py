import uuid

import pytest

from ermon.sources import fetch
from ermon.sources.download import FetchError, Limits
from ermon.sources.fetch import Fetched, Fetcher
from ermon.sources.formats import parse
from ermon.sources.published import SourceError
from ermon.sources.store import MemoryRecords, SourceRecord, Validators
from tests.sources.lists import (
    CHANGES,
    COMMUNITIES_REST,
    ENDPOINTS,
    SERVICE_TAGS_REST,
    VERSION,
    encode,
    tags_document,
    texts,
)
from tests.sources.server import ListServer

TAGS = tags_document("192.0.2.0/24", "2001:db8::/32")
HOUR = 3600


@pytest.fixture
def fetcher(tmp_path):
    return Fetcher(tmp_path, MemoryRecords())


def serve_m365(server: ListServer, version: str = VERSION, instance: str = "Worldwide") -> None:
    server.serve(f"/version/{instance}", encode({"instance": instance, "latest": version}))
    server.serve(f"/endpoints/{instance}", encode(ENDPOINTS))
    server.serve(f"/changes/{instance}/0000000000", encode(CHANGES))


async def test_a_file_is_read_as_it_is(fetcher, tmp_path):
    (tmp_path / "tags.json").write_bytes(TAGS)
    assert await fetcher.fetch("service-tags", "tags.json", None) == Fetched(TAGS)


# Lists at a URL --------------------------------------------------------------------------------------


async def test_a_list_is_fetched_once_and_then_only_when_it_has_changed(fetcher, server: ListServer):
    server.serve_versioned("/tags.json", TAGS, '"63"')
    first = await fetcher.fetch("service-tags", server.url("/tags.json"), None)
    assert first == Fetched(TAGS, Validators('"63"'))
    known = SourceRecord(0.0, "63", first.validators)
    assert await fetcher.fetch("service-tags", server.url("/tags.json"), known) == Fetched(
        None, first.validators
    )
    server.serve_versioned("/tags.json", TAGS + b" ", '"64"')
    changed = await fetcher.fetch("service-tags", server.url("/tags.json"), known)
    assert changed == Fetched(TAGS + b" ", Validators('"64"'))


@pytest.mark.parametrize(
    ("kind", "whole", "items", "select"),
    [
        ("service-tags", SERVICE_TAGS_REST, "values", ("Storage", "AzureActiveDirectory")),
        ("bgp-communities", COMMUNITIES_REST, "value", ("exchange-online", "region-west-europe")),
    ],
)
async def test_a_list_of_several_pages_is_fetched_whole(
    fetcher, server: ListServer, kind, whole, items, select
):
    links = [server.url("/1"), "2?skipToken=x", None]
    for number, (item, link) in enumerate(zip(whole[items], links, strict=True)):
        server.serve(f"/{number}", encode({**whole, items: [item], "nextLink": link}))
    fetched = await fetcher.fetch(kind, server.url("/0"), None)
    assert server.paths == ["/0", "/1", "/2"]
    assert fetched.document is not None
    assert texts(parse(kind, fetched.document, select)) == texts(parse(kind, encode(whole), select))


async def test_pages_without_end_are_given_up(fetcher, server: ListServer, monkeypatch):
    monkeypatch.setattr(fetch, "MAX_PAGES", 3)
    server.serve("/tags.json", encode({**SERVICE_TAGS_REST, "nextLink": "/tags.json"}))
    with pytest.raises(SourceError, match="has more than 3 pages"):
        await fetcher.fetch("service-tags", server.url("/tags.json"), None)
    assert len(server.requests) == 3


async def test_pages_have_one_limit_together(tmp_path, server: ListServer):
    page = encode({**SERVICE_TAGS_REST, "nextLink": "/tags.json"})
    server.serve("/tags.json", page)
    fetcher = Fetcher(tmp_path, MemoryRecords(), Limits(max_bytes=len(page) + 1))
    with pytest.raises(SourceError, match="its pages are larger than"):
        await fetcher.fetch("service-tags", server.url("/tags.json"), None)


@pytest.mark.parametrize(
    "link", ["ftp://127.0.0.1/", "file:///etc/passwd", "https://[2001:db8::/", "https://[::1]/"]
)
async def test_the_next_page_is_where_the_first_is_or_nowhere(fetcher, server: ListServer, link):
    server.serve("/tags.json", encode({**SERVICE_TAGS_REST, "nextLink": link}))
    with pytest.raises(SourceError, match="its nextLink is not a URL of https"):
        await fetcher.fetch("service-tags", server.url("/tags.json"), None)


@pytest.mark.parametrize("kind", ["m365", "service-tags", "bgp-communities"])
async def test_what_is_no_json_is_refused_whatever_it_is_called(fetcher, server: ListServer, kind):
    for path in ("/version/Worldwide", "/"):
        server.serve(path, b"<html>")
    with pytest.raises(SourceError, match="is not JSON"):
        await fetcher.fetch(kind, server.url("/"), None)


@pytest.mark.parametrize("kind", ["m365", "service-tags", "bgp-communities"])
async def test_a_list_that_comes_too_slowly_is_given_up(tmp_path, server: ListServer, kind):
    fetcher = Fetcher(tmp_path, MemoryRecords(), Limits(total=0.05))
    for path in ("/version/Worldwide", "/"):
        server.fall_silent(path, b"[")
    with pytest.raises(FetchError, match=r"takes longer than 0\.05 s"):
        await fetcher.fetch(kind, server.url("/"), None)


# Microsoft 365 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/endpoints/Worldwide", "/version?clientrequestid=b10c5ed1"])
async def test_the_web_service_is_asked_for_the_version_and_then_for_the_rest(
    fetcher, server: ListServer, path
):
    serve_m365(server)
    fetched = await fetcher.fetch("m365", server.url(path), None)
    assert server.paths == ["/version/Worldwide", "/endpoints/Worldwide", "/changes/Worldwide/0000000000"]
    assert fetched.document is not None
    published = parse("m365", fetched.document, ("Exchange",))
    assert texts(published) == ["192.0.2.0/25", "198.51.100.64/26 from 2031-05-01", "2001:db8:10::/48"]
    assert published.version == VERSION


async def test_another_cloud_is_asked_for_by_its_instance(fetcher, server: ListServer):
    serve_m365(server, instance="USGovDoD")
    fetched = await fetcher.fetch("m365", server.url("/endpoints/USGovDoD"), None)
    assert server.paths[0] == "/version/USGovDoD"
    assert fetched.document is not None
    assert parse("m365", fetched.document, ()).version == VERSION


@pytest.mark.parametrize(
    ("latest", "requests"), [("2031040100", 1), ("2031030100", 1), ("2031040101", 3), ("2031050100", 3)]
)
async def test_the_list_is_asked_for_only_when_the_version_has_grown(
    fetcher, server: ListServer, latest, requests
):
    serve_m365(server, latest)
    fetched = await fetcher.fetch("m365", server.url(), SourceRecord(0.0, "2031040100"))
    assert len(server.requests) == requests
    assert (fetched.document is None) == (requests == 1)


async def test_an_installation_always_names_itself_alike(fetcher, server: ListServer):
    serve_m365(server)
    await fetcher.fetch("m365", server.url("/endpoints/Worldwide?clientrequestid=somebody-else"), None)
    await fetcher.fetch("m365", server.url(), None)
    (client,) = {request.query["clientrequestid"] for request in server.requests}
    assert str(uuid.UUID(client)) == client == fetcher.records.client_request_id()


@pytest.mark.parametrize(
    "path", ["/version/Worldwide", "/endpoints/Worldwide", "/changes/Worldwide/0000000000"]
)
@pytest.mark.parametrize("status", [429, 500])
async def test_the_web_service_is_left_alone_for_an_hour_after_it_refused(
    fetcher, server: ListServer, path, status
):
    serve_m365(server)
    server.serve(path, b"", status=status)
    with pytest.raises(FetchError) as error:
        await fetcher.fetch("m365", server.url(), None)
    assert str(error.value) == f"127.0.0.1{path}: answers {status}"
    assert error.value.wait == HOUR
    assert fetcher.records.client_request_id() not in str(error.value)


async def test_a_web_service_that_was_not_reached_may_be_asked_again(fetcher, server: ListServer):
    url = server.url()
    await server.stop()
    with pytest.raises(FetchError) as error:
        await fetcher.fetch("m365", url, None)
    assert error.value.wait == 0


async def test_a_list_elsewhere_is_asked_again_as_its_schedule_says(fetcher, server: ListServer):
    server.serve("/tags.json", b"", status=500)
    with pytest.raises(FetchError) as error:
        await fetcher.fetch("service-tags", server.url("/tags.json"), None)
    assert error.value.wait == 0
