"""The status page and its files, and the runbooks."""

from __future__ import annotations

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import runbook_url
from ermon.checks.guide import LINK, read_guide
from ermon.web import pages
from tests.web.site import Client

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "ermon" / "web" / "static"
NAMES = sorted(str(file.relative_to(STATIC)) for file in STATIC.rglob("*") if file.is_file())
_IMPORT = re.compile(r"""(?:from |import |import\()"\./([\w.-]+)\"""")


class Links(HTMLParser):
    """Collects the references of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in {"href", "src"} and value]


async def test_the_page_uses_only_its_own_files_and_host(client: Client):
    response = await client.get("/")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"<style|<script(?! type=\"module\" src=)| on\w+=| style=", await response.text())


async def test_every_link_of_the_page_works_under_any_path_prefix(client: Client):
    _, text = await client.text("/")
    for link in Links(text).found:
        assert not link.startswith(("/", "http")), "a proxy may serve ermon under a path"
        if link.startswith("#"):
            assert f'id="{link[1:]}"' in text
        else:
            assert (await client.text(f"/{link}"))[0] == 200, link


@pytest.mark.parametrize("name", NAMES)
async def test_every_file_has_its_content_type(client: Client, name: str):
    response = await client.get(f"/static/{name}", Accept_Encoding="identity")
    assert await response.read() == (STATIC / name).read_bytes()
    expected = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
    assert response.content_type == expected.get(Path(name).suffix, "text/plain")


async def test_a_file_is_compressed_for_clients_that_accept_it(client: Client):
    async with client.http.get("/static/app.js", headers={"Accept-Encoding": "br, gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Vary"] == "Accept-Encoding"
        assert await response.read() == (STATIC / "app.js").read_bytes()
    plain = await client.get("/static/app.js", Accept_Encoding="identity")
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["ETag"] == response.headers["ETag"]
    assert gzip.decompress(pages.read_files()["app.js"].zipped) == (STATIC / "app.js").read_bytes()


async def test_a_browser_that_has_a_file_gets_304(client: Client):
    first = await client.get("/static/style.css")
    assert first.headers["Cache-Control"] == "no-cache", "kept, and asked for each time"
    again = await client.get("/static/style.css", If_None_Match=first.headers["ETag"])
    assert (again.status, await again.read()) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = await client.get("/static/style.css", If_None_Match='W/"another"')
    assert other.status == 200


@pytest.mark.parametrize(
    "name", ["nothing.js", "../page.py", "..%2fpage.py", "%2e%2e/%2e%2e/model.py", "uplot", "", "/etc/passwd"]
)
async def test_nothing_but_the_files_is_served(client: Client, name: str):
    status, text = await client.text(f"/static/{name}")
    assert status == 404
    assert "import" not in text


def test_the_page_preloads_every_module():
    """Otherwise a browser learns of a module only after it has read the one that imports it."""
    index = (STATIC / "index.html").read_text()
    for name in (n for n in NAMES if n.endswith(".js") and "/" not in n):
        text = (STATIC / name).read_text()
        for imported in _IMPORT.findall(text):
            assert imported in NAMES, f"{name} imports {imported}"
    later = {
        "chart.js",
        "days.js",
        "finding.js",
        "past.js",
    }  # loaded after the page is shown, or used by another page
    modules = {n for n in NAMES if n.endswith(".js") and "/" not in n}
    assert {
        link.removeprefix("static/") for link in Links(index).found if link.endswith(".js")
    } == modules - later


def test_data_from_the_network_is_never_markup():
    for name in NAMES:
        if name.endswith(".js") and "/" not in name:
            forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b"
            assert not re.search(forbidden, (STATIC / name).read_text()), name


def test_the_modules_use_any_path_prefix():
    """A slash alone is a key to press, or separates names."""
    for name in NAMES:
        if name.endswith(".js") and "/" not in name:
            assert not re.search(
                r"[\"'`](/(?![\"'`])|https?:)(?!//www\.w3\.org/)", (STATIC / name).read_text()
            ), name


def files_of_the_wheel() -> set[str]:
    builder = WheelBuilder(str(ROOT))
    builder.config.set_build_data({"force_include": {}, "force_include_editable": {}, "artifacts": []})
    return {file.distribution_path for file in builder.recurse_included_files()}


def test_the_wheel_holds_the_files():
    assert {f"ermon/web/static/{name}" for name in NAMES} <= files_of_the_wheel()


def test_the_wheel_holds_the_guides():
    guides = {f"ermon/checks/guide/{file.name}" for file in (ROOT / "ermon/checks/guide").glob("*.md")}
    assert {f"ermon/checks/guide/{name}.md" for name in ("pool-leak", "README")} <= guides
    assert guides <= files_of_the_wheel()


def words(markup: str) -> str:
    """The visible text of a page."""
    text = re.sub(r"<style>.*?</style>|<title>.*?</title>|<[^>]*>", " ", markup, flags=re.DOTALL)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#x27;", "'"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return " ".join(text.replace("`", " ").split())


@pytest.mark.parametrize("check", CATALOGUE)
async def test_every_check_has_its_runbook(client: Client, check: str):
    response = await client.get(runbook_url("", check))
    assert (response.status, response.content_type) == (200, "text/html")
    shown, guide = words(await response.text()), read_guide(check).plain()
    told = [guide.title, guide.meaning, guide.needs, guide.source, *guide.placeholders.values()]
    told += guide.steps
    for text in told:
        assert re.sub(r"\W", "", text) in re.sub(r"\W", "", shown)


async def test_commands_are_set_as_such(client: Client):
    page = await (await client.get("/runbooks/pool-leak")).text()
    for command in read_guide("pool-leak").commands:
        assert f"<code>{pages.escape(command)}</code>" in page


async def test_all_are_listed_and_lead_there(client: Client):
    page = await (await client.get("/runbooks/")).text()
    links = Links(page).found
    assert [link for link in links if link in CATALOGUE] == list(CATALOGUE)
    for link in ("pool-leak", "../"):
        assert link in links
        response = await client.get(f"/runbooks/{link}")
        assert response.status == 200


@pytest.mark.parametrize("check", CATALOGUE)
async def test_a_runbook_leads_to_those_that_it_names_and_to_the_pages_it_is_from(client: Client, check: str):
    guide = read_guide(check)
    texts = (guide.meaning, guide.needs, *guide.steps, guide.source)
    targets = [target.removesuffix(".md") for text in texts for _, target in LINK.findall(text)]
    links = Links(await (await client.get(f"/runbooks/{check}")).text()).found
    assert links == ["data:,", *targets, "./", "../"]
    for target in targets:
        if ":" not in target:
            assert (await client.get(f"/runbooks/{target}")).status == 200


@pytest.mark.parametrize("name", ["no-such-check", "%3Cscript%3E", "..%2f..%2fetc%2fpasswd", "pool-leak%00"])
async def test_an_unknown_check_is_not_found(client: Client, name: str):
    response = await client.get(f"/runbooks/{name}")
    assert (response.status, response.content_type) == (404, "text/plain")


async def test_a_runbook_may_use_its_own_style_and_nothing_else(client: Client):
    response = await client.get("/runbooks/pool-leak")
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "<script" not in await response.text()


def test_the_pages_suit_light_and_dark():
    assert "color-scheme: light dark" in pages._STYLE


def test_nothing_gets_onto_a_page_as_markup():
    assert pages._marked("<b> & `<i>`") == "&lt;b&gt; &amp; <code>&lt;i&gt;</code>"


async def test_a_runbook_names_the_platform_of_its_commands_as_the_table_of_platforms_does(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pages, "TITLES", {pages.WRITTEN_FOR: "Another OS"})
    page = await (await client.get("/runbooks/link-down")).text()
    assert "(router commands: Another OS)" in page
