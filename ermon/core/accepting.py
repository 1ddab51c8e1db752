"""Accepting the present state as right (``ermon accept``): which subjects are meant, and whether there is anything to
accept.
"""

from __future__ import annotations

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import Acceptable
from ermon.checks.sight import source_names
from ermon.model.inventory import Circuit, Config
from ermon.model.text import parse_line

ACCEPTABLE = tuple(check.name for check in CATALOGUE.values() if check.acceptable is not None)
"""The checks whose findings may be accepted."""

Labels = tuple[tuple[str, str], ...]


class AcceptError(ValueError):
    """This cannot be accepted; the text says why, and what can be."""


def check_acceptable(check: str) -> Acceptable:
    """Return what accepting a finding of this check changes. Raise ``AcceptError`` if the check has nothing to
    accept.
    """
    found = CATALOGUE.get(check)
    if found is None or found.acceptable is None:
        what = f"there is no check {check!r}" if found is None else f"{check} cannot be accepted"
        raise AcceptError(f"{what}; those that can: {', '.join(ACCEPTABLE)}")
    return found.acceptable


def wanted_labels(
    config: Config,
    check: str,
    *,
    circuit: str | None = None,
    link: str | None = None,
    service: str | None = None,
    source: str | None = None,
) -> Labels:
    """Return the labels that a subject must have to be meant. Raise ``AcceptError`` for a name that the configuration
    does not have.
    """
    if check_acceptable(check) is Acceptable.LIST:
        known = source_names(config)
        if source is None or source not in known:
            raise AcceptError(f"there is no published list {source!r}; there is {', '.join(known) or 'none'}")
        return (("source", source),)
    if circuit is None or circuit not in config.circuits:
        raise AcceptError(f"there is no circuit {circuit!r}; there is {', '.join(config.circuits)}")
    labels = [("circuit", circuit)]
    links = config.circuits[circuit].links
    if link is not None:
        if link not in links:
            raise AcceptError(f"circuit {circuit!r} has no link {link!r}; it has {', '.join(links)}")
        labels.append(("link", link))
    if service is not None:
        if "ms_service" not in CATALOGUE[check].labels:
            raise AcceptError(f"{check} is of no single service")
        labels.append(("ms_service", _service(config.circuits[circuit], service)))
    return tuple(labels)


def _service(circuit: Circuit, wanted: str) -> str:
    """Return the label of a service that was given by its name or its community."""
    for service in circuit.receive.services:
        if wanted in {service.name, f"{service.community[0]}:{service.community[1]}"}:
            return service.name
    known = ", ".join(service.name for service in circuit.receive.services) or "none"
    raise AcceptError(f"circuit {circuit.name!r} requires no service {wanted!r}; it requires {known}")


def said_by(who: str, reason: str) -> str:
    """Return the reason that the history keeps for an acceptance. Raise ``AcceptError`` if no reason is given."""
    try:
        return f"accepted by {who}: {parse_line(reason).strip()}"
    except ValueError as error:
        raise AcceptError(f"reason: {error}") from None
