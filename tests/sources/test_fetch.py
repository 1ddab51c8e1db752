"""A GET request to any server, and a whole list from its address."""

import asyncio
import gzip
import socket
import threading
import uuid
import zlib

import pytest

from ermon.sources import fetch
from ermon.sources.fetch import Answer, Fetched, Fetcher, FetchError, Limits, download, new_session
from ermon.sources.published import SourceError
from ermon.sources.reading import parse
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
from tests.sources.server import ListServer, trusting_tls

LIST = b'{"values": []}'
ETAG, MODIFIED = '"63"', "Tue, 01 Apr 2031 00:00:00 GMT"


async def get(
    url: str, limits: Limits | None = None, validators: Validators | None = None, *, trust: bool = True
) -> Answer:
    limits = limits or Limits()
    async with new_session(limits, trusting_tls() if trust else None) as session:
        return await download(session, url, limits, validators)


async def failure(url: str, limits: Limits | None = None, *, trust: bool = True) -> FetchError:
    with pytest.raises(FetchError) as error:
        await get(url, limits, trust=trust)
    return error.value


# What arrives ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["application/json; charset=utf-8", "text/plain", "application/octet-stream", "application/hal+json", ""],
)
async def test_a_list_is_read_with_any_content_type(server: ListServer, kind: str):
    server.serve("/tags.json", LIST, kind)
    assert (await get(server.url("/tags.json"))).body == LIST


async def test_a_list_arrives_over_tls(tls_server: ListServer):
    tls_server.serve("/tags.json", LIST)
    assert (await get(tls_server.url("/tags.json"))).body == LIST


async def test_a_packed_list_is_unpacked(server: ListServer):
    server.serve("/tags.json", gzip.compress(LIST), Content_Encoding="gzip")
    assert (await get(server.url("/tags.json"))).body == LIST


async def test_an_unchanged_list_is_not_sent_again(server: ListServer):
    server.serve_versioned("/tags.json", LIST, ETAG, MODIFIED)
    first = await get(server.url("/tags.json"))
    assert first == Answer(LIST, Validators(ETAG, MODIFIED))
    again = await get(server.url("/tags.json"), None, first.validators)
    assert again.body is None
    assert server.requests[-1].headers["If-Modified-Since"] == MODIFIED


async def test_redirects_to_https_are_followed(server: ListServer, tls_server: ListServer):
    server.redirect("/tags.json", tls_server.url("/1"), 301)
    tls_server.redirect("/1", "/2", 307)
    tls_server.redirect("/2", tls_server.url("/3"), 308)
    tls_server.serve("/3", LIST)
    assert (await get(server.url("/tags.json"))).body == LIST


# What does not ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [204, 304, 400, 401, 403, 404, 500, 503])
async def test_the_error_has_the_status(server: ListServer, status: int):
    server.serve("/tags.json", b"", status=status)
    error = await failure(server.url("/tags.json?sig=s3cret"))
    assert (str(error), error.wait) == (f"127.0.0.1/tags.json: answered {status}", 0)
    assert error.answered


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        (None, 3600),
        ("120", 3600),
        ("7200", 7200),
        ("99999999", 86400),
        ("Fri, 31 Dec 2032 23:59:59 GMT", 3600),
    ],
)
async def test_after_too_many_requests_it_waits_for_an_hour_or_the_servers_time(
    server: ListServer, asked: str | None, wait: float
):
    server.serve("/tags.json", b"", status=429, **({"Retry_After": asked} if asked else {}))
    assert (await failure(server.url("/tags.json"))).wait == wait


async def test_a_page_is_no_list(server: ListServer):
    """Log-in pages and captive portals answer with status 200."""
    server.serve("/tags.json", b"<html>Please log in</html>", "text/html; charset=utf-8")
    assert str(await failure(server.url("/tags.json"))) == "127.0.0.1/tags.json: sent text/html, not JSON"


@pytest.mark.parametrize(("body", "length"), [(LIST, 1000), (LIST, None), (b"", None)])
async def test_an_answer_that_is_cut_off_is_none(server: ListServer, body: bytes, length: int | None):
    server.break_off("/tags.json", body, length)
    assert str(await failure(server.url("/tags.json"))) == "127.0.0.1/tags.json: the answer is truncated"


async def test_an_answer_without_end_is_given_up(server: ListServer):
    server.send_for_ever("/tags.json")
    error = await failure(server.url("/tags.json"), Limits(max_bytes=200_000))
    assert str(error) == "127.0.0.1/tags.json: is larger than 200000 bytes"


async def test_a_list_of_just_the_limit_arrives(server: ListServer):
    for path, packed in (("/plain", False), ("/packed", True)):
        server.serve(
            path, gzip.compress(LIST) if packed else LIST, **({"Content_Encoding": "gzip"} if packed else {})
        )
        assert (
            await get(server.url(path), Limits(max_bytes=max(len(LIST), len(gzip.compress(LIST)))))
        ).body == LIST


async def test_a_small_answer_that_unpacks_to_a_huge_one_is_given_up(server: ListServer):
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    server.serve("/tags.json", bomb, Content_Encoding="gzip")
    error = await failure(server.url("/tags.json"), Limits(max_bytes=100_000))
    assert str(error) == "127.0.0.1/tags.json: is larger than 100000 bytes"


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(LIST)[:-4], gzip.compress(LIST) * 2, b"not packed", zlib.compress(LIST), b""],
    ids=["cut off", "two", "plain", "deflate", "nothing"],
)
async def test_a_packed_answer_that_is_damaged_is_none(server: ListServer, packed: bytes):
    server.serve("/tags.json", packed, Content_Encoding="gzip")
    reason = "127.0.0.1/tags.json: the compressed answer is damaged or truncated"
    assert str(await failure(server.url("/tags.json"))) == reason


async def test_an_encoding_that_was_not_asked_for_is_refused(server: ListServer):
    server.serve("/tags.json", LIST, Content_Encoding="br")
    reason = "127.0.0.1/tags.json: sent br, which was not requested"
    assert str(await failure(server.url("/tags.json"))) == reason


@pytest.mark.parametrize("begun", [b"", b'{"values": ['], ids=["at all", "midway"])
async def test_silence_is_given_up(server: ListServer, begun: bytes):
    server.fall_silent("/tags.json", begun)
    error = await failure(server.url("/tags.json"), Limits(idle=0.05))
    assert str(error) == "127.0.0.1/tags.json: sent nothing for 0.05 s"
    assert error.answered


async def test_an_unreachable_server_is_an_error(server: ListServer):
    url = server.url("/tags.json")
    await server.stop()
    error = await failure(url)
    assert str(error).startswith("127.0.0.1/tags.json: cannot be reached: ")
    assert not error.answered


async def test_another_protocol_is_an_error():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"220 mail.example.net ESMTP\r\n")
        writer.close()

    other = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with other:
        port = other.sockets[0].getsockname()[1]
        error = await failure(f"http://127.0.0.1:{port}/tags.json?sig=s3cret")
    assert str(error).startswith("127.0.0.1/tags.json: violates HTTP: ")
    assert "s3cret" not in str(error)


async def test_a_certificate_must_be_trusted(tls_server: ListServer):
    tls_server.serve("/tags.json", LIST)
    error = await failure(tls_server.url("/tags.json"), trust=False)
    assert str(error).startswith("127.0.0.1/tags.json: its certificate is not trusted: ")
    assert tls_server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://lists.example.net/tags.json",
        "http://192.0.2.1/tags.json",
        "http://[2001:db8::1]/tags.json",
        "http://localhost/tags.json",
        "ftp://127.0.0.1/tags.json",
        "//127.0.0.1/tags.json",
        "https:///tags.json",
    ],
)
async def test_only_https_is_fetched_unless_from_a_loopback_address(url: str):
    assert "only https is fetched" in str(await failure(url))


async def test_an_invalid_url_is_an_error():
    assert str(await failure("https://[2001:db8::1/tags.json")) == "the URL of the list cannot be read"


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1/tags.json", "http://lists.example.net/", "ftp://[::1]/", "/2"]
)
async def test_redirects_lead_to_https_only(server: ListServer, target: str):
    server.redirect("/tags.json", target)
    scheme = "ftp" if target.startswith("ftp") else "http"
    reason = f"127.0.0.1/tags.json: redirects to {scheme}, not to https"
    assert str(await failure(server.url("/tags.json"))) == reason
    assert len(server.requests) == 1


@pytest.mark.parametrize("target", ["file:///etc/passwd", "https://", "https://[2001:db8::1/", ""])
async def test_redirects_to_nowhere_are_not_followed(tls_server: ListServer, target: str):
    tls_server.redirect("/tags.json", target)
    error = await failure(tls_server.url("/tags.json"))
    assert str(error).startswith("127.0.0.1/tags.json: ")


async def test_redirects_in_a_circle_are_given_up(tls_server: ListServer):
    tls_server.redirect("/1", "/2")
    tls_server.redirect("/2", tls_server.url("/1"))
    assert "redirects more than 3 times" in str(await failure(tls_server.url("/1")))
    assert tls_server.paths == ["/1", "/2", "/1", "/2"]


async def test_an_unknown_host_name_is_an_error(monkeypatch: pytest.MonkeyPatch):
    def nowhere(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    error = await failure("https://lists.example.net/tags.json")
    assert str(error) == "lists.example.net/tags.json: cannot be reached: Name or service not known"
    assert not error.answered


def test_a_dead_name_server_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch):
    asked, may_end = threading.Event(), threading.Event()

    def wait(*_: object) -> list[object]:
        asked.set()
        may_end.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)

    async def give_up() -> None:
        task = asyncio.create_task(get("https://lists.example.net/tags.json"))
        await asyncio.to_thread(asked.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    may_end.set()


async def test_names_are_looked_up(monkeypatch: pytest.MonkeyPatch, tls_server: ListServer):
    def loopback(host: str, port: int, *_: object) -> list[object]:
        assert host == "lists.example.net"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", loopback)
    url = tls_server.url("/tags.json").replace("127.0.0.1", "lists.example.net")
    reason = str(await failure(url))
    assert reason.startswith("lists.example.net/tags.json: its certificate is not trusted: ")
    assert "is not valid for 'lists.example.net'" in reason


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "[::1]"])
async def test_http_is_for_loopback_addresses(host: str):
    error = await failure(f"http://{host}:1/tags.json")
    assert "/tags.json: cannot be reached: " in str(error)


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
async def test_data_that_is_not_json_is_refused_with_any_content_type(fetcher, server: ListServer, kind):
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
async def test_the_version_is_requested_before_the_rest(fetcher, server: ListServer, path):
    serve_m365(server)
    fetched = await fetcher.fetch("m365", server.url(path), None)
    assert server.paths == ["/version/Worldwide", "/endpoints/Worldwide", "/changes/Worldwide/0000000000"]
    assert fetched.document is not None
    published = parse("m365", fetched.document, ("Exchange",))
    assert texts(published) == ["192.0.2.0/25", "198.51.100.64/26 from 2031-05-01", "2001:db8:10::/48"]
    assert published.version == VERSION


async def test_another_cloud_is_requested_by_its_instance(fetcher, server: ListServer):
    serve_m365(server, instance="USGovDoD")
    fetched = await fetcher.fetch("m365", server.url("/endpoints/USGovDoD"), None)
    assert server.paths[0] == "/version/USGovDoD"
    assert fetched.document is not None
    assert parse("m365", fetched.document, ()).version == VERSION


@pytest.mark.parametrize(
    ("latest", "requests"), [("2031040100", 1), ("2031030100", 1), ("2031040101", 3), ("2031050100", 3)]
)
async def test_the_list_is_requested_only_when_the_version_has_grown(
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
    assert str(error.value) == f"127.0.0.1{path}: answered {status}"
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
