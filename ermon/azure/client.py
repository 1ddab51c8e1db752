"""A client of Azure Resource Manager, with what its operations need: tokens, long-running operations, pages and limits.

Source: Microsoft, "Track asynchronous Azure operations" and "Understand how Azure Resource Manager throttles requests"
(learn.microsoft.com/azure/azure-resource-manager/management/async-operations and …/request-limits-and-throttling).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

from yarl import URL

from ermon.azure.login import IDENTITY, Login, LoginSecrets
from ermon.azure.requests import LIMITS, Answered, ArmError, Requests, code_of
from ermon.model.azure import AzureAccess, AzureFailure

API_VERSION = "2024-05-01"
"""The release of Microsoft.Network's API whose specification ermon was written from."""

OPERATION_SECONDS = 900.0
"""How long a long-running operation may take: the tables of a circuit take minutes."""
MAX_PAGES = 100

_KINDS = {403: AzureFailure.DENIED, 404: AzureFailure.MISSING, 429: AzureFailure.LIMITED}


class ArmClient:
    """Asks Azure Resource Manager. Every method raises ``ArmError``."""

    def __init__(
        self,
        access: AzureAccess,
        secrets: LoginSecrets,
        tls: ssl.SSLContext | None = None,
        *,
        identity: str = IDENTITY,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``tls`` replaces the system's certificate authorities; ``identity`` is where managed identities are."""
        requests = Requests(tls)
        self._base = URL(f"https://{access.management}")
        self._requests = requests
        self._login = Login(access, secrets, requests, identity=identity, clock=clock)
        self._clock = clock
        self._sleep = sleep
        self._in_turn: dict[str, asyncio.Lock] = {}

    def turn(self, resource_id: str) -> asyncio.Lock:
        """Return the lock of a circuit: Azure is asked about it once at a time."""
        return self._in_turn.setdefault(resource_id.lower(), asyncio.Lock())

    async def get(self, path: str) -> Any:
        """Return the document at a path such as a resource's identifier, with all its pages joined."""
        return await self._joined(await self._ask("GET", self._url(path)))

    async def run(self, path: str) -> Any:
        """Run a long-running operation, and return its result, with all its pages joined."""
        deadline = self._clock() + OPERATION_SECONDS
        answer = await self._ask("POST", self._url(path))
        following: URL | None = None
        while answer.status == 202:
            if answer.location:
                following = self._same_host(answer, answer.location, "Location")
            if following is None:  # later answers may leave it out, and the last one serves on
                raise ArmError(
                    AzureFailure.ANSWER, f"{answer.place}: accepts the operation without a Location"
                )
            answer = await self._later(following, answer.retry_after, deadline)
        return await self._joined(answer)

    async def _later(self, url: URL, wait: float, deadline: float) -> Answered:
        """Ask for the result of an operation after a while. A busy server is asked again, until the deadline."""
        while True:
            if self._clock() + wait > deadline:
                reason = f"{url.host}{url.path}: the operation takes longer than {OPERATION_SECONDS:g} s"
                raise ArmError(AzureFailure.UNREACHABLE, reason)
            await self._sleep(wait)
            try:
                return await self._ask("GET", url)
            except ArmError as error:
                if not error.wait:
                    raise
                wait = error.wait

    def _url(self, path: str) -> URL:
        return self._base.with_path(path).with_query({"api-version": API_VERSION})

    async def _ask(self, method: str, url: URL) -> Answered:
        """Send a request, with another token if the first one is refused; return an answer that is no error."""
        answer = await self._send(method, url)
        if answer.status == 401:
            self._login.refused()
            answer = await self._send(method, url)
        if answer.status in {200, 201, 202}:
            return answer
        kind = AzureFailure.LOGIN if answer.status == 401 else _KINDS.get(answer.status, AzureFailure.ANSWER)
        wait = answer.retry_after if answer.status in {429, 503} else 0.0
        raise ArmError(kind, f"{answer.place}: answered {answer.status}{_code(answer.document)}", wait)

    async def _send(self, method: str, url: URL) -> Answered:
        return await self._requests.send(method, str(url), token=await self._login.token())

    async def _joined(self, answer: Answered) -> Any:
        """Return the document of an answer; if it continues at ``nextLink``, with the items of all pages."""
        document = answer.document
        if document is None:
            raise ArmError(AzureFailure.SHAPE, f"{answer.place}: the answer has no content")
        if not isinstance(document, dict) or not document.get("nextLink"):
            return document
        items = _items(answer)
        pages, size = 1, answer.size
        while isinstance(answer.document, dict) and (link := answer.document.get("nextLink")):
            if pages == MAX_PAGES:
                raise ArmError(AzureFailure.SHAPE, f"{answer.place}: has more than {MAX_PAGES} pages")
            answer = await self._ask("GET", self._same_host(answer, str(link), "nextLink"))
            size += answer.size
            if size > LIMITS.max_bytes:
                raise ArmError(
                    AzureFailure.SHAPE,
                    f"{answer.place}: its pages are larger than {LIMITS.max_bytes} bytes together",
                )
            items += _items(answer)
            pages += 1
        return {**document, "value": items, "nextLink": None}

    def _same_host(self, answer: Answered, link: str, what: str) -> URL:
        """Return the URL of a link, which must stay where ermon's token belongs."""
        try:
            url = URL(link)
            same = (url.scheme, url.host, url.port) == ("https", self._base.host, self._base.port)
        except ValueError:
            same = False
        if not same:
            raise ArmError(
                AzureFailure.ANSWER, f"{answer.place}: its {what} leads to another host, which is refused"
            )
        return url


def _items(answer: Answered) -> list[Any]:
    value = answer.document.get("value") if isinstance(answer.document, dict) else None
    if not isinstance(value, list):
        raise ArmError(AzureFailure.SHAPE, f"{answer.place}: a page has no list in value")
    return value


def _code(document: Any) -> str:
    """Return the code of an error, such as AuthorizationFailed."""
    error = document.get("error") if isinstance(document, dict) else None
    code = code_of(error.get("code")) if isinstance(error, dict) else ""
    return f" ({code})" if code else ""
