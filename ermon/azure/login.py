"""Gets tokens for Azure Resource Manager: with the machine's managed identity, or as an application.

Sources: Microsoft, "How to use managed identities for Azure resources on an Azure VM to acquire an access token"
(learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token), and "OAuth 2.0 client credentials
flow" (learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ermon.azure.assertion import ClientCertificate
from ermon.azure.requests import Answered, ArmError, Requests, code_of
from ermon.model.azure import AzureAccess, AzureFailure
from ermon.sources.fetch import Limits

IDENTITY = "http://169.254.169.254"
"""Where an Azure machine asks for the token of its managed identity: never through a proxy, and no redirect is followed."""

_EARLY_SECONDS = 300.0
"""A token is replaced so long before it expires, or in the middle of a shorter life."""
_LONGEST_SECONDS = 86_400.0
_TOKEN_LIMITS = Limits(max_bytes=256 * 1024, connect=10.0, idle=20.0, total=40.0, redirects=0)


@dataclass(frozen=True, slots=True, repr=False)
class LoginSecrets:
    """The contents of the files that log ermon in; they are never shown."""

    client_secret: str = ""
    certificate: bytes = field(default=b"")
    """PEM, with its key."""


class Login:
    """Keeps a token, and gets another one when it is about to expire or was refused."""

    def __init__(
        self,
        access: AzureAccess,
        secrets: LoginSecrets,
        requests: Requests,
        *,
        identity: str = IDENTITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``identity`` is where managed identities are; ``clock`` is monotonic, in seconds."""
        self._access = access
        self._secrets = secrets
        self._requests = requests
        self._identity = identity
        self._clock = clock
        self._token = ""
        self._until = float("-inf")
        self._certificate: ClientCertificate | None = None

    async def token(self) -> str:
        """Return a token; ``ArmError`` if there is none."""
        if self._clock() >= self._until:
            managed = self._access.login == "managed-identity"
            answer = await (self._managed() if managed else self._as_application())
            self._keep(answer)
        return self._token

    def refused(self) -> None:
        """Forget the token: it was refused before its time."""
        self._until = float("-inf")

    async def _managed(self) -> Answered:
        query = {"api-version": "2018-02-01", "resource": f"https://{self._access.management}/"}
        if self._access.client_id is not None:
            query["client_id"] = self._access.client_id
        url = f"{self._identity}/metadata/identity/oauth2/token"
        return await self._requests.direct(url, query, {"Metadata": "true"}, _TOKEN_LIMITS)

    async def _as_application(self) -> Answered:
        access = self._access
        url = f"https://{access.authority}/{quote(access.tenant or '', safe='')}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": access.client_id or "",
            "scope": f"https://{access.management}/.default",
            **self._proof(url),
        }
        return await self._requests.send("POST", url, limits=_TOKEN_LIMITS, form=form)

    def _proof(self, url: str) -> Mapping[str, str]:
        if self._access.login == "client-secret":
            return {"client_secret": self._secrets.client_secret}
        try:
            certificate = self._certificate = self._certificate or ClientCertificate(
                self._secrets.certificate
            )
        except ValueError as error:
            raise ArmError(AzureFailure.LOGIN, f"azure.certificate_file: {error}") from None
        return {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": certificate.assertion(self._access.client_id or "", url, time.time()),
        }

    def _keep(self, answer: Answered) -> None:
        document: Any = answer.document
        if answer.status != 200:
            wait = answer.retry_after if answer.status in {429, 503} else 0.0
            reason = f"{answer.place}: no token: answered {answer.status}{_reason(document)}"
            raise ArmError(AzureFailure.LOGIN, reason, wait)
        found = document if isinstance(document, dict) else {}
        token, lifetime = found.get("access_token"), _seconds(found.get("expires_in"))
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise ArmError(AzureFailure.LOGIN, f"{answer.place}: the answer contains no token")
        self._token = token
        self._until = self._clock() + max(lifetime - _EARLY_SECONDS, lifetime / 2)


def _seconds(value: object) -> float:
    """Read a lifetime; managed identities give it as a text. Without a usable one, the token serves once."""
    text = str(value)
    return min(float(text), _LONGEST_SECONDS) if text.isascii() and text.isdigit() else 0.0


def _reason(document: Any) -> str:
    """Return the code of an error, such as AADSTS7000222, without its text, which quotes the request."""
    if not isinstance(document, dict):
        return ""
    error, codes = code_of(document.get("error")), document.get("error_codes")
    words = [error] if error else []
    if isinstance(codes, list):
        words += [f"AADSTS{code}" for code in codes[:3] if isinstance(code, int)]
    return f" ({', '.join(words)})" if words else ""
