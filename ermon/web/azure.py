"""The tables of Microsoft's edge routers over HTTP: what is known of them, and a question to Azure out of turn."""

from __future__ import annotations

import msgspec
from aiohttp import web

from ermon.api.answers import AzureLinkDoc, AzureRequest, AzureTablesDoc
from ermon.core.facts import NetworkFacts
from ermon.core.monitor import Monitor
from ermon.httpd.access import require_changes_allowed
from ermon.model.inventory import Circuit, Link
from ermon.web.handling import CONTEXT, answer, refuse, success


async def tables(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    monitor = context.monitor()
    found = (_circuit(monitor, c, reading=context.azure.reading(c.name)) for c in _with_tables(monitor))
    return answer(success(tuple(found)))


async def read(request: web.Request) -> web.Response:
    """Read tables out of turn. This answers at once: reading them takes minutes."""
    await require_changes_allowed(request)
    context = request.app[CONTEXT]
    monitor = context.monitor()
    try:
        wanted = msgspec.json.decode(await request.read(), type=AzureRequest)
    except msgspec.MsgspecError as error:
        refuse(f"the body is not a valid request: {error}")
    circuits = [c for c in _with_tables(monitor) if wanted.circuit in {None, c.name}]
    if not circuits:
        which = "no circuit" if wanted.circuit is None else f"no circuit {wanted.circuit!r}"
        refuse(f"there is {which} whose azure says from: arm, or tables: FOLDER")
    found = []
    for circuit in circuits:
        seconds = context.azure.out_of_turn(circuit.name)
        found.append(_circuit(monitor, circuit, reading=context.azure.reading(circuit.name), seconds=seconds))
    return answer(success(tuple(found)))


def _with_tables(monitor: Monitor) -> list[Circuit]:
    circuits = monitor.config.circuits.values()
    return [each for each in circuits if each.azure is not None and each.azure.reads_tables]


def _circuit(
    monitor: Monitor, circuit: Circuit, *, reading: bool, seconds: float | None = None
) -> AzureTablesDoc:
    links = {name: _link(monitor.network, link) for name, link in circuit.links.items()}
    return AzureTablesDoc(circuit=circuit.name, reading=reading, seconds=seconds, links=links)


def _link(facts: NetworkFacts, link: Link) -> AzureLinkDoc:
    known = facts.microsoft.links[link.key]
    traffic = known.traffic
    return AzureLinkDoc(
        read_at=None if known.read_at is None else facts.wall(known.read_at),
        problem=known.problem,
        said={family: facts.microsofts_side(link.key, family) for family in link.families},
        sessions=facts.microsoft.sessions(link.key),
        arp=facts.microsoft.arp(link.key),
        bytes_in=None if traffic is None else traffic.bytes_in,
        bytes_out=None if traffic is None else traffic.bytes_out,
    )
