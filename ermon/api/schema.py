"""Lists every path and event of the API with its type, and makes the JSON Schema (draft 2020-12) of ``/api/v1/schema``."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from textwrap import dedent
from typing import Any, NamedTuple

import msgspec

from ermon.api import answers, status
from ermon.api.answers import (
    AcceptedDoc,
    AcceptRequest,
    AzureRequest,
    AzureTablesDoc,
    CallerDoc,
    CheckDoc,
    CheckGuideDoc,
    CoveredDoc,
    Failure,
    FeedEvent,
    FindingDoc,
    LinkDifferenceDoc,
    LinkEvent,
    OneFindingDoc,
    PoolEvent,
    ProbeGroupDoc,
    RoutesDoc,
    SearchDoc,
    SnapshotEvent,
    SubjectDoc,
    Success,
    TimelineDoc,
    WindowDoc,
    WindowRequest,
)
from ermon.api.status import ClockStepDoc, HeadlineDoc, StatusDoc
from ermon.model.prefixes import Family

EVENTS: Mapping[str, type] = {
    "snapshot": SnapshotEvent,
    "transition": FindingDoc,
    "link": LinkEvent,
    "feed": FeedEvent,
    "pool": PoolEvent,
    "headline": HeadlineDoc,
    "clock": ClockStepDoc,
}
"""The events of ``/api/v1/events``, by kind. Events of one moment are sent in this order."""


class Endpoint(NamedTuple):
    """A path and a method."""

    method: str
    path: str
    data: Any
    """The type of the answer's ``data``."""
    body: Any = None
    """The type of the request's body."""
    bare: bool = False
    """The answer is its data alone, because its format is that of another program."""


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/api/v1/status", StatusDoc),
    Endpoint("GET", "/api/v1/findings", tuple[FindingDoc, ...]),
    Endpoint("GET", "/api/v1/findings/{id}", OneFindingDoc),
    Endpoint("GET", "/api/v1/statuses", tuple[SubjectDoc, ...]),
    Endpoint("GET", "/api/v1/routes", RoutesDoc),
    Endpoint("GET", "/api/v1/search", SearchDoc),
    Endpoint("GET", "/api/v1/timeline", TimelineDoc),
    Endpoint(
        "GET", "/api/v1/circuits/{circuit}/difference", Mapping[Family, Mapping[str, LinkDifferenceDoc]]
    ),
    Endpoint("GET", "/api/v1/checks", tuple[CheckDoc, ...]),
    Endpoint("GET", "/api/v1/checks/{check}", CheckGuideDoc),
    Endpoint("GET", "/api/v1/maintenance", tuple[WindowDoc, ...]),
    Endpoint("POST", "/api/v1/maintenance", WindowDoc, WindowRequest),
    Endpoint("POST", "/api/v1/maintenance/preview", CoveredDoc, WindowRequest),
    Endpoint("DELETE", "/api/v1/maintenance/{id}", WindowDoc),
    Endpoint("POST", "/api/v1/accept", tuple[AcceptedDoc, ...], AcceptRequest),
    Endpoint("GET", "/api/v1/azure", tuple[AzureTablesDoc, ...]),
    Endpoint("POST", "/api/v1/azure", tuple[AzureTablesDoc, ...], AzureRequest),
    Endpoint("GET", "/api/v1/probes", tuple[ProbeGroupDoc, ...], bare=True),
    Endpoint("GET", "/api/v1/caller", CallerDoc),
    Endpoint("GET", "/api/v1/schema", Mapping[str, Any]),
)
"""Every path whose answer is JSON; ``/api/v1/events`` is a stream of ``EVENTS``."""


@functools.cache
def make_schema() -> Mapping[str, Any]:
    """Return the schema of all answers: ``paths`` by path and method, ``events`` by kind, ``$defs`` for both.

    An ``answer`` describes the whole answer of a success, with its envelope if it has one; ``error`` describes every other
    answer.
    """
    bodies = [each for each in ENDPOINTS if each.body is not None]
    types = [
        *(each.data for each in ENDPOINTS),
        *EVENTS.values(),
        *(each.body for each in bodies),
        Failure,
        Success,
    ]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    found = iter(schemas)
    paths: dict[str, dict[str, dict[str, Any]]] = {}
    for each in ENDPOINTS:
        data = next(found)
        answer = data if each.bare else {"$ref": "#/$defs/Success", "properties": {"data": data}}
        paths.setdefault(each.path, {})[each.method] = {"answer": answer}
    events = {kind: next(found) for kind in EVENTS}
    for each in bodies:
        paths[each.path][each.method]["body"] = next(found)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The answers of ermon's HTTP API",
        "paths": paths,
        "events": events,
        "error": next(found),
        "$defs": {name: _described(schema, _STRUCTS[name]) for name, schema in components.items()},
    }


def _described(schema: dict[str, Any], struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Add the docstring of each field as its description, and require every key that is always written.

    A key with a default is required too if ermon always writes it, although a client can do without it.
    """
    texts = {name: text for base in reversed(struct.__mro__) for name, text in _field_texts(base)}
    keys = dict(zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True))
    for field, key in keys.items():
        if field in texts:
            schema["properties"][key] = {**schema["properties"][key], "description": texts[field]}
    if struct.__struct_config__.omit_defaults or struct in {WindowRequest, AcceptRequest, AzureRequest}:
        return schema
    for described in schema["properties"].values():
        described.pop("default", None)
    return schema | {"required": list(keys.values())}


def _field_texts(struct: type) -> Iterator[tuple[str, str]]:
    """Yield each field of a class with the docstring below it. Python does not keep those, so they come from the source."""
    if struct not in _STRUCTS.values():
        return
    [definition] = ast.parse(dedent(inspect.getsource(struct))).body
    assert isinstance(definition, ast.ClassDef)
    for field, text in pairwise(definition.body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                yield name, inspect.cleandoc(words)


_STRUCTS: Mapping[str, type[msgspec.Struct]] = {
    name: found
    for module in (status, answers, sys.modules[__name__])
    for name, found in vars(module).items()
    if isinstance(found, type) and issubclass(found, msgspec.Struct)
}
"""Every struct that the schema describes, by name."""
