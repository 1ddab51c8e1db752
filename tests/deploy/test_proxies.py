"""The proxies of deploy/PROXY.md, as Debian packages them: they serve ermon, and give no client any right."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession, TCPConnector

from ermon.httpd.access import Hosts
from ermon.httpd.shell import WebConfig
from tests import bgp
from tests.checks.company import company
from tests.httpd.pki import Pki
from tests.httpd.test_access import USERS, basic
from tests.web.site import Site

FOLDER = Path(__file__).parents[2] / "deploy" / "proxy"
NAME = "ermon.example.net"
PATIENCE = 30.0
MODULES = ("mpm_event", "authz_core", "ssl", "socache_shmcb", "proxy", "proxy_http")


class Proxy:
    """A running proxy, with its files in its own folder."""

    def __init__(self, kind: str, folder: Path, ermon: str, text: str | None = None) -> None:
        self.kind, self.folder = kind, folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        names = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "apache2": "apache.conf"}
        shown = (FOLDER / names[kind]).read_text() if text is None else text
        (folder / "site").write_text(
            shown.replace("127.0.0.1:10179", ermon.removeprefix("http://"))
            .replace("listen 443", f"listen 127.0.0.1:{self.port}")
            .replace("bind :443", f"bind 127.0.0.1:{self.port}")
            .replace("*:443", f"127.0.0.1:{self.port}")
            .replace(f"/etc/ssl/private/{NAME}.pem", f"{folder}/server.pem")
            .replace(f"/etc/ssl/private/{NAME}.key", f"{folder}/server.key")
            .replace(f"/etc/ssl/{NAME}.crt", f"{folder}/server.crt")
        )

    def command(self, *, check: bool) -> list[str]:
        folder = self.folder
        match self.kind:
            case "nginx":
                (folder / "main").write_text(
                    f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\n"
                    f"events {{}}\nhttp {{ access_log off; client_body_temp_path {folder}/body;\n"
                    f"proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;\n"
                    f"scgi_temp_path {folder}/s; include {folder}/site; }}\n"
                )
                flags = ["-e", "stderr", "-c", f"{folder}/main", *(["-t"] if check else [])]
            case "haproxy":
                flags = ["-f", f"{folder}/site", *(["-c"] if check else ["-db"])]
            case _:
                modules = [f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so" for m in MODULES]
                (folder / "main").write_text(
                    "\n".join(
                        [
                            *modules,
                            f"ServerRoot {folder}",
                            "ServerName localhost",
                            f"PidFile {folder}/pid",
                            "ErrorLog /dev/stderr",
                            f"DefaultRuntimeDir {folder}",
                            f"Mutex file:{folder}",
                            "User nobody\nGroup nogroup",
                            f"Listen 127.0.0.1:{self.port} https",
                            f"Include {folder}/site\n",
                        ]
                    )
                )
                flags = ["-f", f"{folder}/main", *(["-t"] if check else ["-D", "FOREGROUND"])]
        program = shutil.which(self.kind, path="/usr/sbin:/usr/bin")
        bgp.require(program is not None, self.kind)
        return [str(program), *flags]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[ClientSession]:
        with (self.folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(*self.command(check=False), stderr=log)
        trusted = ssl.create_default_context(cafile=self.folder / "ca.crt")
        http = ClientSession(
            f"https://{NAME}:{self.port}", connector=TCPConnector(ssl=trusted, resolver=Here())
        )
        try:
            async with http:
                async with asyncio.timeout(PATIENCE):
                    while not await self._answers(http):
                        assert process.returncode is None, (self.folder / "log").read_text()
                yield http
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    async def _answers(self, http: ClientSession) -> bool:
        try:
            async with http.get("/-/healthy") as answer:
                return answer.status != 503
        except (ClientError, OSError):
            return False


class Here:
    """A resolver that maps every name to this machine."""

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET):
        return [
            {
                "hostname": host,
                "host": "127.0.0.1",
                "port": port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    async def close(self) -> None:
        """Close nothing, because nothing is open."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Pki(tmp_path).issue("server", NAME)
    (tmp_path / "server.pem").write_text(
        (tmp_path / "server.crt").read_text() + (tmp_path / "server.key").read_text()
    )
    return tmp_path


@pytest.fixture
def site() -> Site:
    net = company().process_up("edges").process_up("outside").converge()
    return Site(net, lifecycle=True, hosts=Hosts([NAME]), external_url=f"https://{NAME}").tell()


KINDS = pytest.mark.parametrize("kind", ["nginx", "haproxy", "apache2"])


@KINDS
def test_the_proxy_accepts_the_file(kind: str, folder: Path):
    command = Proxy(kind, folder, "http://127.0.0.1:10179").command(check=True)
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


@KINDS
async def test_it_serves_ermon_and_allows_no_changes(kind: str, folder: Path, site: Site):
    async with site.listens() as url, Proxy(kind, folder, url).running() as http:
        for path in ("/", "/metrics", "/api/v1/status"):
            assert (await http.get(path)).status == 200
        async with http.get("/api/v1/events") as events:
            assert await events.content.readuntil(b"event: snapshot")
        for method, path in (
            ("POST", "/-/reload"),
            ("PUT", "/-/reload"),
            ("DELETE", "/api/v1/maintenance/x"),
        ):
            assert (await http.request(method, path)).status == 403
    assert site.reloads == 0


OPEN = {
    "nginx": "server {{ listen 443 ssl; ssl_certificate {0}/server.crt; ssl_certificate_key {0}/server.key;\n"
    "location / {{ proxy_pass http://127.0.0.1:10179; }} }}\n",
    "haproxy": "defaults\n  timeout client 9s\n  timeout server 9s\n  timeout connect 9s\n"
    "frontend ermon\n  mode http\n  bind :443 ssl crt {0}/server.pem\n  default_backend ermon\n"
    "backend ermon\n  mode http\n  server ermon 127.0.0.1:10179\n",
    "apache2": "<VirtualHost *:443>\nSSLEngine on\nSSLCertificateFile {0}/server.crt\n"
    "SSLCertificateKeyFile {0}/server.key\nProxyPass / http://127.0.0.1:10179/\n</VirtualHost>\n",
}
"""The proxies configured as their manuals show: without buffering, and without a header that names the proxy."""


@KINDS
async def test_a_proxy_that_passes_everything_on_gives_no_client_a_right(kind: str, folder: Path, site: Site):
    site.hosts = Hosts([NAME, "localhost"])
    async with (
        site.listens() as url,
        Proxy(kind, folder, url, OPEN[kind].format(folder)).running() as http,
    ):
        assert (await http.get("/-/healthy")).status == 200
        assert (await http.post("/-/reload")).status == 403
        window = {"circuit": "chicago", "to": "2099-01-01T00:00:00Z", "reason": "x"}
        assert (await http.post("/api/v1/maintenance", json=window)).status == 403
    assert site.reloads == 0


@KINDS
async def test_a_proxy_that_passes_everything_on_passes_passwords_on(kind: str, folder: Path, site: Site):
    site.web_config = lambda: WebConfig(users=USERS)

    async with site.listens() as url:
        proxy_to = Proxy(kind, folder, url, OPEN[kind].format(folder))
        async with proxy_to.running() as http:
            assert (await http.post("/-/reload")).status == 401
            proof = {"Authorization": basic("bob", "b")}
            assert (await http.post("/-/reload", headers=proof)).status == 200
    assert site.reloads == 1
