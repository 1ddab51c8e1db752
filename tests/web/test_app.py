"""Behaviour of all requests, and the paths for operators."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from yarl import URL

from ermon.httpd.app import MAX_BODY_BYTES
from ermon.httpd.protocol import MAX_HEADER_BYTES
from ermon.web import app
from tests.web.site import Client, Site

PATHS = [
    "/",
    "/metrics",
    "/-/healthy",
    "/-/ready",
    "/api/v1/status",
    "/api/v1/findings",
    "/api/v1/routes?prefix=2001:db8:40::/48",
    "/api/v1/events",
    "/nothing",
    "/api/v1/nothing",
]


# For whoever runs ermon ------------------------------------------------------------------------------


async def test_it_is_healthy_while_it_answers(client: Client):
    assert await client.text("/-/healthy") == (200, "ermon is healthy\n")


async def test_it_is_ready_once_exabgp_listens(client: Client, site: Site):
    site.not_ready = "ExaBGP is not up yet: edges"
    assert await client.text("/-/ready") == (503, "ExaBGP is not up yet: edges\n")
    site.not_ready = ""
    assert await client.text("/-/ready") == (200, "ermon is ready\n")


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_reload_over_http_must_have_been_allowed(client: Client, site: Site, method: str):
    status, text = await client.text("/-/reload", method)
    assert (status, site.reloads) == (403, 0)
    assert "--web.enable-lifecycle" in text


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_reload_reports_every_mistake_in_the_file(site: Site, method: str, tmp_path: Path):
    async with site.controlled(tmp_path) as client:
        assert await client.text("/-/reload", method) == (200, "configuration reloaded\n")
        site.problems = ["ermon.yml:3:5: feeds: one", "ermon.yml:4:5: feeds: two"]
        assert await client.text("/-/reload", method) == (400, "\n".join([*site.problems, ""]))
        assert site.reloads == 2
        assert (await client.text("/-/reload"))[0] == 405


async def test_another_site_s_page_cannot_ask_for_a_reload(site: Site, tmp_path: Path):
    async with site.controlled(tmp_path) as client:
        assert (await client.text("/-/reload", "POST", Sec_Fetch_Site="cross-site"))[0] == 403
        assert site.reloads == 0
        assert (await client.text("/-/reload", "POST", Sec_Fetch_Site="same-origin"))[0] == 200
        assert (await client.text("/-/healthy", Sec_Fetch_Site="cross-site"))[0] == 200


async def test_metrics_are_negotiated(client: Client):
    plain = await client.get("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    openmetrics = await client.get("/metrics", Accept="application/openmetrics-text;version=1.0.0")
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert (await openmetrics.text()).endswith("# EOF\n")
    zipped = await client.get("/metrics", Accept_Encoding="gzip")
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert "ermon_link_state{" in await zipped.text()


async def test_single_metrics_can_be_requested(client: Client):
    _, text = await client.text("/metrics?name[]=ermon_circuit_links_up&name[]=ermon_ingest_lines_total")
    assert {line.split("{")[0].split()[0] for line in text.splitlines() if not line.startswith("#")} == {
        "ermon_circuit_links_up",
        "ermon_ingest_lines_total",
    }


# Every request ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_security_headers(client: Client, path: str):
    headers = (await client.get(path)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Server"] == "ermon"


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/", "/api/v2/status", "/api/v1/status/"])
async def test_an_unknown_path_of_the_api_gets_an_error_in_json(client: Client, path: str):
    assert await client.error(path) == (404, f"there is no {path}")


async def test_an_unknown_path_elsewhere_gets_an_error_in_text(client: Client):
    response = await client.get("/<script>")
    assert response.status == 404
    assert response.content_type == "text/plain"
    assert "<script>" not in await response.text()


async def test_a_wrong_method_says_which_are_right(client: Client):
    assert await client.error("/api/v1/status", "POST") == (405, "POST is not possible here, only GET, HEAD")
    response = await client.get("/api/v1/events", "DELETE")
    assert (response.status, response.headers["Allow"]) == (405, "GET")


async def test_a_large_body_is_refused(client: Client):
    response = await client.http.post("/api/v1/status", data=b"x" * (MAX_BODY_BYTES + 1))
    assert response.status == 413
    assert (await response.json())["status"] == "error"


async def test_a_bug_is_one_error_and_a_line_in_the_log(client: Client, site: Site):
    class Broken:
        @property
        def monitor(self) -> None:
            raise ZeroDivisionError("a secret detail")

    site.net = Broken()
    with capture_logs() as log:
        status, text = await client.error("/api/v1/status")
        assert (await client.text("/metrics"))[0] == 500
    assert (status, text) == (500, "a bug in ermon; the log has the details")
    assert [(line["event"], line["path"]) for line in log] == [
        ("request failed", "/api/v1/status"),
        ("request failed", "/metrics"),
    ]
    assert (await client.text("/-/healthy"))[0] == 200


# The runner ------------------------------------------------------------------------------------------


async def test_a_header_that_is_too_long_is_refused(site: Site):
    async with site.listens() as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
        writer.write(
            b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nX: " + b"x" * (MAX_HEADER_BYTES + 1) + b"\r\n\r\n"
        )
        assert (await reader.readline()).startswith(b"HTTP/1.0 400")
        writer.close()
        await writer.wait_closed()


async def test_a_large_scrape_arrives_completely_in_pieces(client: Client, monkeypatch: pytest.MonkeyPatch):
    def names(text: str) -> list[str]:
        return [line.split("{")[0] for line in text.splitlines() if "{" in line]

    _, whole = await client.text("/metrics")
    monkeypatch.setattr(app, "CHUNK_BYTES", 1_000)
    status, pieces = await client.text("/metrics")
    assert status == 200
    assert names(pieces) == names(whole)
    status, nothing = await client.text("/metrics", "HEAD")
    assert (status, nothing) == (200, "")
