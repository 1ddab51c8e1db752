"""Handles ``/api/v1/probes``: the targets of probes, for the HTTP service discovery of Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from aiohttp import web

from ermon.api.answers import ProbeGroupDoc
from ermon.core.probes import probe_groups, unread
from ermon.model.source_key import SourceKey
from ermon.web.handling import CONTEXT, answer, parameters


async def probes(request: web.Request) -> web.Response:
    """Handle the targets in use today. The answer has no envelope: Prometheus takes it as it is (Prometheus, "Writing HTTP
    service discovery").

    While a list has not been read, the answer is 503: Prometheus then keeps the targets that it has. It would remove those
    that are missing from an answer, and with them their alerts.
    """
    parameters(request)
    context = request.app[CONTEXT]
    config = context.monitor().config
    if lists := unread(config):
        names = ", ".join(sorted(SourceKey.of(source).name for source in lists))
        raise web.HTTPServiceUnavailable(text=f"not read yet, so their targets are unknown: {names}")
    today = datetime.fromtimestamp(context.clock(), UTC).date()
    groups = [ProbeGroupDoc(targets=each.targets, labels=each.labels) for each in probe_groups(config, today)]
    return answer(msgspec.json.encode(groups))
