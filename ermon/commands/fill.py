"""Fills in what a guide tells to do about a finding: its questions become commands, its words values.

What comes out is text. Values are taken only where they have the form that they must have: a name from a configuration
or a peer that a shell could misread stays a word in capitals.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ermon.commands import CAPITALS, PLATFORMS, TYPED, VRF, Question, command
from ermon.commands.places import Place, Scene
from ermon.model.findings import Finding
from ermon.model.inventory import Config
from ermon.model.prefixes import Family, Prefix, format_address

_BOTH_FAMILIES = re.compile(r"(`[^`]+`) \(IPv6: (`[^`]+`)\)")
_COMMUNITY = re.compile(r"[0-9]{1,5}:[0-9]{1,5}")
_ONE_ANSWER = ("MSEE", "ISP", "ERMON")


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands for one question in one place."""

    where: str
    platform: str | None
    """What the router is, ``None`` where the configuration does not say so."""
    by_platform: Mapping[str, str]
    """The platforms for which a command is known, with it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a step, and the commands behind it."""

    text: str
    """With commands in backticks."""
    commands: tuple[Commands, ...] = ()


Step = tuple[Part, ...]


def fill(steps: Iterable[tuple[str | Question, ...]], config: Config, finding: Finding) -> list[Step]:
    """Fill in the steps of a guide, each a sequence of texts and questions."""
    scene = Scene(config, finding)
    values = _values(config, finding, scene)
    return [tuple(_parts(step, scene, values, config)) for step in steps]


def commands_of(steps: Iterable[Step]) -> Iterator[str]:
    """Yield every command in the steps, those that a guide has word by word too."""
    for step in steps:
        for part in step:
            yield from TYPED.findall(part.text)
            for commands in part.commands:
                yield from commands.by_platform.values()


def _parts(
    step: Iterable[str | Question], scene: Scene, values: Mapping[str, str], config: Config
) -> Iterable[Part]:
    text = ""
    for piece in step:
        if isinstance(piece, str):
            typed = _of_family(piece, scene.family)
            text += TYPED.sub(lambda found: f"`{_filled(found[1], values)}`", typed)
            continue
        found = scene.places(piece.neighbor, by_family=piece.kind != "session")
        commands = tuple(_commands(piece, place, values, config) for place in found)
        commands = commands or (_commands(piece, Place("", None, scene.family, None), values, config),)
        yield Part(text, commands)
        text = ""
    if text:
        yield Part(text)


def _of_family(text: str, family: Family | None) -> str:
    """Leave only the command of the family where a guide has one of each."""
    if family is None:
        return text
    return _BOTH_FAMILIES.sub(lambda found: found[1 if family == "ipv4" else 2], text)


def _commands(question: Question, place: Place, values: Mapping[str, str], config: Config) -> Commands:
    platform = config.platforms.get(place.router or "")
    own = {**values, **place.values}
    known = {name: command(name, question, own, place.family, place.vrf) for name in PLATFORMS}
    return Commands(place.name, platform, {name: text for name, text in known.items() if text is not None})


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Fill in a command that a guide has word by word."""
    told = dict(values)
    if not text.startswith("ermon "):
        told.pop("CIRCUIT", None)  # the name of the circuit in Azure is Azure's
    if "vrf" in told:
        text = text.replace("FAMILY unicast", told["vrf"])
    return CAPITALS.sub(lambda word: told.get(word[0], word[0]), text)


def _values(config: Config, finding: Finding, scene: Scene) -> dict[str, str]:
    """Return the values of all words that mean the same wherever the finding is looked into."""
    values = {"OUR-ASN": str(config.customer.asn)}
    if scene.family is not None:
        values["FAMILY"] = scene.family
    for word in _ONE_ANSWER:
        found = scene.places(word, by_family=word != "ERMON")
        if len(found) == 1:
            values |= found[0].values
            vrf = found[0].vrf
            if vrf is not None and VRF.fullmatch(vrf) and scene.family is not None:
                values["vrf"] = f"vpnv{scene.family[-1]} unicast vrf {vrf}"
    pool = scene.pool_prefix
    prefix = next(iter(scene.prefixes), pool)
    if pool is not None:
        values["POOL"] = str(pool)
    if prefix is not None:
        values |= _of_prefix(prefix)
        if finding.check == "canary-missing":
            values["CANARY"] = str(prefix)
    for word, label in (("CIRCUIT", "circuit"), ("SERVICE", "ms_service"), ("SOURCE", "source")):
        if finding.labels.get(label, ""):
            values[word] = shlex.quote(finding.labels[label])
    return values | _community(config, finding)


def _of_prefix(prefix: Prefix) -> dict[str, str]:
    values = {
        "PREFIX": str(prefix),
        "NETWORK": format_address(prefix.version, prefix.value),
        "ADDRESS": format_address(prefix.version, min(prefix.value + 1, prefix.last)),
    }
    if prefix.version == 4:
        mask = (1 << 32) - (1 << (32 - prefix.length))
        values["MASK"] = format_address(4, mask)
    return values


def _community(config: Config, finding: Finding) -> dict[str, str]:
    """Return the community of the service that the finding names."""
    name = finding.labels.get("ms_service", "")
    circuit = config.circuits.get(finding.labels.get("circuit", ""))
    for service in circuit.receive.services if circuit else ():
        if service.name == name:
            return {"COMMUNITY": f"{service.community[0]}:{service.community[1]}"}
    return {"COMMUNITY": name} if _COMMUNITY.fullmatch(name) else {}
