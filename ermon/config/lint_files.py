"""Lints about what a configuration names outside of itself: lists and secrets in files, and addresses of this machine.

Lists are read. Secrets are not: it is only checked that their files exist.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ermon.azure.circuit import find_circuit, read_circuits, reading_of
from ermon.config.lint_mistakes import Lint
from ermon.config.secrets import named_files, places_of
from ermon.exabgp.addresses import try_to_listen
from ermon.exabgp.reasons import cannot_listen
from ermon.model.inventory import Config, Peering
from ermon.model.prefixes import PrefixSet, parse_prefix
from ermon.model.source_key import SourceKey, is_url
from ermon.sources import ownership
from ermon.sources.published import SourceError
from ermon.sources.reading import load_file, read_file


def lint_files(config: Config, folder: Path) -> Iterator[Lint]:
    """Yield lints about files that a configuration in ``folder`` names and that cannot be used."""
    for circuit in config.circuits.values():
        for at, source in enumerate(circuit.receive.sources):
            key = SourceKey.of(source)
            if is_url(key.location):
                continue
            try:
                load_file(key, folder)
            except SourceError as error:
                place = ("circuits", circuit.name, "receive", "sources", at)
                yield Lint("source-unreadable", place, str(error))
    yield from lint_azure(config, folder)
    yield from _registries(config, folder)
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    for path, file in named_files(config):
        places = places_of(file, folder, credentials)
        if not any(place.is_file() for place in places):
            where = " or in ".join(str(place.parent) for place in places)
            yield Lint("key-file-missing", path, f"there is no file {Path(file).name} in {where}")


def lint_azure(config: Config, folder: Path) -> Iterator[Lint]:
    """Yield lints about files with Azure's view of circuits, and about pools that they cannot know yet."""
    for circuit in config.circuits.values():
        source, place = circuit.azure, ("circuits", circuit.name, "azure", "from")
        if source is None or source.by_arm:
            continue
        file = folder / source.location
        try:
            found = find_circuit(read_circuits(read_file(source.location, folder)), source.resource_id)
            reading, taken = reading_of(found, circuit.peering), file.stat().st_mtime
        except (SourceError, OSError) as error:
            yield Lint("azure-unreadable", place, str(error))
            continue
        if (
            config.written_at is None
            or taken >= config.written_at
            or circuit.peering is not Peering.MICROSOFT
        ):
            continue
        listed = PrefixSet(map(parse_prefix, reading.prefixes))
        for pool in config.pools.values():
            unknown = [p for p in pool.prefixes if p.family in circuit.families and not listed.covers(p)]
            if circuit.name in pool.circuits and unknown:
                yield Lint(
                    "azure-older",
                    place,
                    f"{file} is older than this configuration and does not list {unknown[0]} of pool {pool.name}: "
                    "azure-prefix-unlisted judges the pool once two readings are younger",
                )


def _registries(config: Config, folder: Path) -> Iterator[Lint]:
    asked = config.ownership
    for key, sources in (("vrps", asked.vrps), ("route_objects", asked.route_objects)):
        for at, source in enumerate(sources):
            if is_url(source.location):
                continue
            try:
                ownership.read_file(source, folder, config.our_space)
            except SourceError as error:
                yield Lint("source-unreadable", ("ownership", key, at), str(error))


def lint_machine(config: Config) -> Iterator[Lint]:
    """Yield lints about addresses of the configuration that this machine cannot listen on with this account."""
    asked: dict[str, str | None] = {}
    port = config.collector.port
    for feed in config.exabgp_feeds.values():
        if feed.local not in asked:
            asked[feed.local] = error = try_to_listen(feed.local, port)
            if error in _NO_RIGHT and any(asked[local] == error for local in asked if local != feed.local):
                continue  # the error is about the port: reported once
        if (error := asked[feed.local]) is not None:
            more = _AS_IT_MAY_BE.get(error, "")
            text = cannot_listen(feed.local, port, error) + more
            yield Lint("local-not-here", ("feeds", feed.name, "local"), text)


_NO_RIGHT = frozenset({"EACCES", "EPERM"})
_AS_IT_MAY_BE = {"EADDRINUSE": " (if that is a running ermon, all is well)"} | dict.fromkeys(
    _NO_RIGHT, " (tested as this user, not as the service's user)"
)
