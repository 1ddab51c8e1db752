import asyncio
import gzip
import socket
import threading
import zlib

import pytest

from ermon.sources.download import Answer, FetchError, Limits, download, new_session
from ermon.sources.store import Validators
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
async def test_a_list_arrives_whatever_its_server_calls_json(server: ListServer, kind: str):
    server.serve("/tags.json", LIST, kind)
    assert (await get(server.url("/tags.json"))).body == LIST


async def test_a_list_arrives_over_tls(tls_server: ListServer):
    tls_server.serve("/tags.json", LIST)
    assert (await get(tls_server.url("/tags.json"))).body == LIST


async def test_a_packed_list_is_unpacked(server: ListServer):
    server.serve("/tags.json", gzip.compress(LIST), Content_Encoding="gzip")
    assert (await get(server.url("/tags.json"))).body == LIST


async def test_what_is_known_is_not_sent_again(server: ListServer):
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
async def test_a_status_is_told(server: ListServer, status: int):
    server.serve("/tags.json", b"", status=status)
    error = await failure(server.url("/tags.json?sig=s3cret"))
    assert (str(error), error.wait) == (f"127.0.0.1/tags.json: answers {status}", 0)
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
async def test_too_many_requests_is_an_hour_s_rest_or_what_the_server_asks_for(
    server: ListServer, asked: str | None, wait: float
):
    server.serve("/tags.json", b"", status=429, **({"Retry_After": asked} if asked else {}))
    assert (await failure(server.url("/tags.json"))).wait == wait


async def test_a_page_is_no_list(server: ListServer):
    """Log-in pages and captive portals answer 200."""
    server.serve("/tags.json", b"<html>Please log in</html>", "text/html; charset=utf-8")
    assert str(await failure(server.url("/tags.json"))) == "127.0.0.1/tags.json: sends text/html, not JSON"


@pytest.mark.parametrize(("body", "length"), [(LIST, 1000), (LIST, None), (b"", None)])
async def test_an_answer_that_is_cut_off_is_none(server: ListServer, body: bytes, length: int | None):
    server.break_off("/tags.json", body, length)
    assert str(await failure(server.url("/tags.json"))) == "127.0.0.1/tags.json: the answer is cut off"


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
    reason = "127.0.0.1/tags.json: the packed answer is damaged or cut off"
    assert str(await failure(server.url("/tags.json"))) == reason


async def test_an_encoding_that_was_not_asked_for_is_refused(server: ListServer):
    server.serve("/tags.json", LIST, Content_Encoding="br")
    reason = "127.0.0.1/tags.json: sends br, which was not asked for"
    assert str(await failure(server.url("/tags.json"))) == reason


@pytest.mark.parametrize("begun", [b"", b'{"values": ['], ids=["at all", "midway"])
async def test_silence_is_given_up(server: ListServer, begun: bytes):
    server.fall_silent("/tags.json", begun)
    error = await failure(server.url("/tags.json"), Limits(idle=0.05))
    assert str(error) == "127.0.0.1/tags.json: sends nothing for 0.05 s"
    assert error.answered


async def test_nobody_there_is_told(server: ListServer):
    url = server.url("/tags.json")
    await server.stop()
    error = await failure(url)
    assert str(error).startswith("127.0.0.1/tags.json: cannot be reached: ")
    assert not error.answered


async def test_something_else_than_http_is_told():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"220 mail.example.net ESMTP\r\n")
        writer.close()

    other = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with other:
        port = other.sockets[0].getsockname()[1]
        error = await failure(f"http://127.0.0.1:{port}/tags.json?sig=s3cret")
    assert str(error).startswith("127.0.0.1/tags.json: does not speak HTTP as it should: ")
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


async def test_a_url_that_is_none_is_told():
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


async def test_a_name_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch):
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
