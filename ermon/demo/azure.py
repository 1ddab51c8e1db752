"""A stand-in for Azure: Azure Resource Manager with circuits, and a place to log in, on this machine.

It speaks https with a certificate of its own (``certificate``), and can behave badly in every way that Azure documents.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import json
import ssl
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ermon.model.inventory import Circuit, Config, Peering
from ermon.model.prefixes import Prefix

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
TOKEN = "token-of-the-stand-in"  # noqa: S105  # serves nowhere else


@functools.cache
def make_certificate(name: str = "127.0.0.1") -> tuple[bytes, bytes]:
    """Return a certificate for a host, and its key, in PEM; it is its own authority, and new in each process."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    try:
        host: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        host = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), written


class AzureStandIn:
    """The resources, and what happened to the requests.

    ``documents`` are by lower-case path, without the query. A POST at a path of ``operations`` is accepted with 202, and its
    result comes after ``polls`` more requests; without polls, it is answered at once. A result that is a function is called for
    each request. The next requests get the answers of ``next``, one each, instead.
    """

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}
        self.polls = 1
        self.retry_after = "0"
        self.next: deque[Answer] = deque()
        self.requests: list[str] = []
        """Method and path of each request for a resource."""
        self.forms: list[dict[str, str]] = []
        """What applications sent to log in."""
        self.identities: list[dict[str, str]] = []
        """The queries of managed identities."""
        self.lifetime: int | str = 3600
        self.expired = False
        """Tokens that were given out before are refused."""
        self._pending: dict[str, tuple[int, Any]] = {}
        self._tokens = 0
        self.port = 0
        self.certificate = b""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen on a free port of 127.0.0.1, with TLS."""
        self.certificate, key = make_certificate()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(self.certificate + key)
            file.flush()
            tls.load_cert_chain(file.name)
        runner = web.AppRunner(self.app(), access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
            await site.start()
            self.port = runner.addresses[0][1]
            yield
        finally:
            await runner.cleanup()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/{tenant}/oauth2/v2.0/token", self._log_in)
        app.router.add_get("/metadata/identity/oauth2/token", self._identity)
        app.router.add_route("*", "/{path:.*}", self._resource)
        return app

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        self.forms.append({key: str(value) for key, value in (await request.post()).items()})
        if self.next:
            return await self.next.popleft()(request)
        return self._new_token()

    async def _identity(self, request: web.Request) -> web.StreamResponse:
        self.identities.append(dict(request.query))
        if request.headers.get("Metadata") != "true":
            return web.json_response({"error": "invalid_request"}, status=400)
        return self._new_token()

    def _new_token(self) -> web.Response:
        self._tokens += 1
        self.expired = False
        return web.json_response(
            {"access_token": f"{TOKEN}-{self._tokens}", "expires_in": self.lifetime, "token_type": "Bearer"}
        )

    async def _resource(self, request: web.Request) -> web.StreamResponse:
        path = request.path.lower()
        self.requests.append(f"{request.method} {path}")
        if self.expired or request.headers.get("Authorization") != f"Bearer {TOKEN}-{self._tokens}":
            return error(401, "ExpiredAuthenticationToken")
        if self.next:
            return await self.next.popleft()(request)
        if path in self._pending:
            return self._poll(request, path)
        if request.method == "POST" and path in self.operations:
            if not self.polls:
                return web.json_response(_now(self.operations[path]))
            polling = f"/operations/{len(self.requests)}"
            self._pending[polling] = (self.polls, self.operations[path])
            return self._accepted(request, polling)
        if request.method == "GET" and path in self.documents:
            return web.json_response(_now(self.documents[path]))
        return error(404, "ResourceNotFound")

    def _poll(self, request: web.Request, path: str) -> web.Response:
        left, result = self._pending[path]
        if left > 1:
            self._pending[path] = (left - 1, result)
            return self._accepted(request, path)
        del self._pending[path]
        return web.json_response(_now(result))

    def _accepted(self, request: web.Request, path: str) -> web.Response:
        headers = {"Location": f"https://{request.host}{path}", "Retry-After": self.retry_after}
        return web.Response(status=202, headers=headers)


def _now(result: Any) -> Any:
    return result() if callable(result) else result


def error(status: int, code: str, **headers: str) -> web.Response:
    """Return an error as Azure Resource Manager words it."""
    body = {"error": {"code": code, "message": "the text quotes the request"}}
    return web.json_response(
        body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


# Circuits as Azure Resource Manager writes them -----------------------------------------------------------


def circuit_document(config: Config, circuit: Circuit) -> dict[str, Any]:
    """Return a circuit in the shape of the REST API that says what the configuration does."""
    source = circuit.azure
    assert source is not None  # it is asked for such circuits alone
    provider = {
        "serviceProviderName": "Example Carrier",
        "peeringLocation": circuit.location,
        "bandwidthInMbps": 1000,
    }
    return {
        "name": source.resource_id.rpartition("/")[2],
        "id": source.resource_id,
        "type": "Microsoft.Network/expressRouteCircuits",
        "location": "northcentralus",
        "sku": {"name": "Standard_MeteredData", "tier": "Standard", "family": "MeteredData"},
        "properties": {
            "provisioningState": "Succeeded",
            "circuitProvisioningState": "Enabled",
            "serviceProviderProvisioningState": "Provisioned",
            "serviceProviderProperties": provider,
            "serviceKey": "00000000-0000-0000-0000-000000000000",
            "peerings": [_peering(config, circuit)],
        },
    }


def _peering(config: Config, circuit: Circuit) -> dict[str, Any]:
    source = circuit.azure
    assert source is not None  # see circuit_document
    public = circuit.peering is Peering.MICROSOFT
    name = "MicrosoftPeering" if public else "AzurePrivatePeering"
    links = list(circuit.links.values())[:2]
    ipv6 = {
        **_ends([link.subnet6 for link in links]),
        **(_public(config, circuit, 6) if public else {}),
        "state": "Enabled",
    }
    return {
        "name": name,
        "id": f"{source.resource_id}/peerings/{name}",
        "properties": {
            "provisioningState": "Succeeded",
            "peeringType": name,
            "state": "Enabled",
            "azureASN": 12076,
            "peerASN": config.customer.asn,
            "vlanId": source.vlan or 100,
            **_ends([link.subnet for link in links]),
            **(_public(config, circuit, 4) if public else {}),
            **({"ipv6PeeringConfig": ipv6} if "ipv6" in circuit.families else {}),
        },
    }


def _ends(subnets: list[Prefix | None]) -> dict[str, str]:
    names = ("primaryPeerAddressPrefix", "secondaryPeerAddressPrefix")
    return {name: str(subnet) for name, subnet in zip(names, subnets, strict=False) if subnet is not None}


def _public(config: Config, circuit: Circuit, version: int) -> dict[str, Any]:
    assert circuit.azure is not None  # see circuit_document
    pools = [pool for pool in config.pools.values() if circuit.name in pool.circuits]
    listed = [str(prefix) for pool in pools for prefix in pool.prefixes if prefix.version == version]
    group = circuit.azure.resource_id.rpartition("/providers/")[0]
    wanted = circuit.azure.route_filter or "office"
    route_filter = {"id": f"{group}/providers/Microsoft.Network/routeFilters/{wanted}"}
    state = "Configured" if listed else "NotConfigured"
    return {
        "microsoftPeeringConfig": {
            "advertisedPublicPrefixes": listed,
            "advertisedPublicPrefixesState": state,
            "customerASN": 0,
            "legacyMode": 0,
            "routingRegistryName": "NONE",
        },
        "routeFilter": route_filter,
    }


def as_az_prints(document: dict[str, Any]) -> Any:
    """Return a document as `az` prints it: what is in ``properties`` stands beside them."""
    if isinstance(document, list):
        return [as_az_prints(each) for each in document]
    if not isinstance(document, dict):
        return document
    plain = {key: as_az_prints(value) for key, value in document.items() if key != "properties"}
    return plain | (as_az_prints(document["properties"]) if "properties" in document else {})


def write_file(file: Path, *documents: dict[str, Any]) -> None:
    """Write circuits as `az network express-route list -o json` does."""
    file.write_text(json.dumps([as_az_prints(each) for each in documents], indent=2))
