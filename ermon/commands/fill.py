"""Fills in the steps of a guide for a finding: questions become commands, words in capitals become values.

The result is text. A value is used only if it has the form that it must have: if a shell could misread a name from a
configuration or a peer, the word stays in capitals.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ermon.commands import CAPITALS, OF_ANY_FAMILY, PLATFORMS, PREFIXES, TYPED, Question, command
from ermon.commands.places import Place, Scene
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.findings import Finding
from ermon.model.inventory import Config
from ermon.model.prefixes import Family, Prefix, format_address

_COMMUNITY = re.compile(r"[0-9]{1,5}:[0-9]{1,5}")
_ASN = re.compile(r"[0-9]{1,10}")
_OF_PLACES = ("ERMON", "ROUTER", "NAME")
"""Words of commands for ermon's own machine that may stand for several routers."""


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands for one question in one place."""

    where: str
    platform: str | None
    """The platform of the router, ``None`` if the configuration does not name it."""
    by_platform: Mapping[str, str]
    """The commands by platform, for those platforms that have one."""
    hint: str = ""
    """How to name the platform in the configuration; empty if it is named, or if the router is not known."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a step, and the commands after it."""

    text: str
    """With commands in backticks."""
    commands: tuple[Commands, ...] = ()


Step = tuple[Part, ...]


def fill(steps: Iterable[tuple[str | Question, ...]], config: Config, finding: Finding) -> list[Step]:
    """Fill in the steps of a guide, each a sequence of texts and questions."""
    filler = _Filler(config, finding)
    return [tuple(filler.parts(step)) for step in steps]


def commands_of(steps: Iterable[Step]) -> Iterator[str]:
    """Yield every command in the steps, including those that a guide has word for word."""
    for step in steps:
        for part in step:
            yield from TYPED.findall(part.text)
            for commands in part.commands:
                yield from commands.by_platform.values()


class _Filler:
    def __init__(self, config: Config, finding: Finding) -> None:
        self._config = config
        self._azure = _azure(config, finding)
        self._scene = Scene(config, finding)
        self._values = _values(config, finding, self._scene)

    def parts(self, step: Iterable[str | Question]) -> Iterator[Part]:
        text = ""
        for piece in step:
            if isinstance(piece, str):
                text += TYPED.sub(lambda found: self._typed(found[1]), piece)
            else:
                yield Part(text, tuple(self._commands(piece)))
                text = ""
        if text:
            yield Part(text)

    def _commands(self, question: Question) -> Iterator[Commands]:
        scene = self._scene
        places = scene.places(question.neighbor, by_family=question.kind not in OF_ANY_FAMILY)
        if not places and question.neighbor != "NEIGHBOR":  # NEIGHBOR exists only for a mirror
            places = [Place("", None, scene.family, None)]
        known = [place for place in places if self._has_prefix(question, place.family)]
        for place in known or places:
            values = self._values | self._of_family(place.family) | dict(place.values)
            asked = _of_session(question) if place.by_bmp else question
            if asked is None:
                continue
            found = {name: command(name, asked, values, place.family, place.vrf) for name in PLATFORMS}
            platform = self._config.platforms.get(place.router or "")
            known_on = {name: text for name, text in found.items() if text is not None}
            yield Commands(place.name, platform, known_on, "" if platform else _hint(place))

    def _has_prefix(self, question: Question, family: Family | None) -> bool:
        """Return whether a question about a prefix can be asked in a family: the evidence may have prefixes of one
        family only.
        """
        return question.prefix is None or question.prefix in self._of_family(family)

    def _typed(self, text: str) -> str:
        """Fill in a command that a guide has word for word; with several routers, it becomes several commands."""
        values = self._values | self._of_family(self._scene.families[0])
        if not text.startswith("ermon "):
            values.pop("CIRCUIT", None)  # Azure has its own names for circuits
            values |= self._azure
        values |= {word: values[word].split()[0] for word in PREFIXES & set(values)}
        words = set(CAPITALS.findall(text))
        neighbor = next((word for word in _OF_PLACES if word in words), None)
        places = self._scene.places(neighbor, by_family=False) if neighbor else []
        filled = [_filled(text, values | dict(place.values)) for place in places] or [_filled(text, values)]
        *first, last = (f"`{each}`" for each in dict.fromkeys(filled))
        return f"{', '.join(first)} and {last}" if first else last

    def _of_family(self, family: Family | None) -> dict[str, str]:
        """Return the values of the words that stand for prefixes of a family."""
        if family is None:
            return {}
        prefixes, pool = self._scene.prefixes_of(family), self._scene.pool_of(family)
        words = {"PREFIX": prefixes or pool, "POOL": pool, "CANARY": prefixes}
        values = {word: " ".join(map(str, found)) for word, found in words.items() if found}
        address = self._address_of(family, prefixes or pool)
        return values | ({"ADDRESS": address} if address else {}) | {"FAMILY": family}

    def _address_of(self, family: Family, prefixes: Iterable[Prefix]) -> str | None:
        """Return an address to look up: inside the first prefix, or inside one that the circuit must receive."""
        receives = [
            self._config.circuits[name].receive
            for name in dict.fromkeys(link.circuit for link in self._scene.links)
        ]
        brought = (
            prefix for each in receives for prefix in (*(e.prefix for e in each.prefixes), *each.vnets)
        )
        found = next(iter((*prefixes, *(prefix for prefix in brought if prefix.family == family))), None)
        return None if found is None else format_address(found.version, min(found.value + 1, found.last))


_OF_SESSIONS: Mapping[str, str | None] = {
    "advertised": "learned",
    "advertised-all": "learned-all",
    "reset": None,
    "soft-out": None,
}
"""What to ask instead about a session that the router reports by BMP. ``None``: nothing, because the session is not ermon's, and
traffic depends on it.
"""


def _of_session(question: Question) -> Question | None:
    """Turn a question about the session with ermon into one about a session that the router reports by BMP."""
    if question.neighbor != "ERMON":
        return question
    kind = _OF_SESSIONS.get(question.kind, question.kind)
    return None if kind is None else question._replace(kind=kind)


def _hint(place: Place) -> str:
    """Return a text that says how to name the platform of a place, with keys in backticks."""
    then = "and only the commands of that platform are shown"
    if place.router is not None:
        return f"Set `routers.{place.router}.platform` in the configuration, {then}."
    if place.feed is not None:
        return (
            f"Name the router of this feed in the configuration (`feeds.{place.feed}.router: NAME`) and its platform "
            f"(`routers.NAME.platform`), {then}."
        )
    return ""


def _filled(text: str, values: Mapping[str, str]) -> str:
    return CAPITALS.sub(lambda word: values.get(word[0], word[0]), text)


def _values(config: Config, finding: Finding, scene: Scene) -> dict[str, str]:
    """Return the values of all words that are the same in all places of the finding."""
    values = {"OUR-ASN": str(config.customer.asn), "PORT": str(config.collector.port)}
    for word, label in (("CIRCUIT", "circuit"), ("SERVICE", "ms_service"), ("SOURCE", "source")):
        if finding.labels.get(label, ""):
            values[word] = shlex.quote(finding.labels[label])
    return values | _community(config, finding, scene) | _asn(config, finding)


def _azure(config: Config, finding: Finding) -> dict[str, str]:
    """Return Azure's names of the finding's circuit, if the configuration has its identifier there."""
    circuit = config.circuits.get(finding.labels.get("circuit", ""))
    if circuit is None or circuit.azure is None:
        return {}
    names = {"GROUP": circuit.azure.resource_group, "CIRCUIT": circuit.azure.name}
    return {word: shlex.quote(name) for word, name in names.items()}


def _community(config: Config, finding: Finding, scene: Scene) -> dict[str, str]:
    """Return the community of the service that the finding names; otherwise of one that its circuit must receive."""
    name = finding.labels.get("ms_service", "")
    services = [each for link in scene.links for each in config.circuits[link.circuit].receive.services]
    for service in services:
        if name in ("", service.name):
            return {"COMMUNITY": f"{service.community[0]}:{service.community[1]}"}
    return {"COMMUNITY": name} if _COMMUNITY.fullmatch(name) else {}


def _asn(config: Config, finding: Finding) -> dict[str, str]:
    """Return the ASN that the evidence points to: a foreign origin of your space, else the network that announces your
    space for you, else another network in the path.
    """
    known = {str(asn) for asn in (config.customer.asn, MICROSOFT_ASN, *config.policy.microsoft_asns)}
    found = [each for each in _texts(finding.evidence, "origins") if _ASN.fullmatch(each)]
    for path in _texts(finding.evidence, "as_paths"):
        asns = _ASN.findall(path)
        ours = asns.index(str(config.customer.asn)) if str(config.customer.asn) in asns else 0
        found += [asn for asn in (*asns[max(ours - 1, 0) : ours], *asns) if asn not in known]
    return {"ASN": found[0]} if found else {}


def _texts(evidence: Mapping[str, Any], name: str) -> list[str]:
    found = evidence.get(name, ())
    return [str(each) for each in found] if isinstance(found, list | tuple) else []
