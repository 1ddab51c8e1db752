"""The configuration to paste into a router, so that it sends its routes to ermon: ``ermon render router``.

``describe`` collects what a router needs to know, and a module for each platform writes it in the platform's language.
Each module names its sources. FRR, BIRD, GoBGP and OpenBGPD were tried; the output for the others says that they were
not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ermon.model.inventory import Config
from ermon.routers import bird, eos, fortios, frr, gobgp, iosxe, iosxr, junos, nxos, openbgpd, panos, vyos
from ermon.routers.describe import BGP_PORT, Mirrors, Router, RouterError, describe, names
from ermon.routers.platform import Platform

__all__ = ["PLATFORMS", "Mirrors", "RouterError", "names", "render"]


PLATFORMS: Mapping[str, Platform] = MappingProxyType(
    {
        "iosxe": iosxe.PLATFORM,
        "iosxr": iosxr.PLATFORM,
        "nxos": nxos.PLATFORM,
        "junos": junos.PLATFORM,
        "eos": eos.PLATFORM,
        "frr": frr.PLATFORM,
        "bird": bird.PLATFORM,
        "vyos": vyos.PLATFORM,
        "gobgp": gobgp.PLATFORM,
        "openbgpd": openbgpd.PLATFORM,
        "panos": panos.PLATFORM,
        "fortios": fortios.PLATFORM,
    }
)


def render(
    config: Config, name: str, platform: str, mirrors: Mirrors, update_source: str | None = None
) -> str:
    """Return the configuration of the router ``name``, in the language of ``platform``, a key of ``PLATFORMS``.

    ``mirrors`` names the policies that mirrors share, and ``update_source`` the interface with the router's address,
    for platforms that need it. Without them, the output has placeholders; keys are always placeholders. Raise
    ``RouterError`` for an unknown router, mirror or name.
    """
    router = describe(config, name, mirrors, update_source)
    language = PLATFORMS[platform]
    body = list(language.write(router))
    head = (f"{language.comment} {line}".rstrip() for line in _head(router, language, "\n".join(body)))
    return "\n".join([*head, *body]) + "\n"


def _head(router: Router, language: Platform, body: str) -> Iterator[str]:
    count = len(router.sessions)
    yield f"{router.name}, {language.title}: {count} session{'s' * (count > 1)} with ermon. Written by `ermon render router`."
    yield "ermon announces nothing, and this configuration denies all routes from ermon."
    if language.tried_on is None:
        yield "Based on documentation and published configurations, and not tested on a device: review it before you paste."
    if router.vrfs:
        yield f"Sessions are in VRF {', '.join(router.vrfs)}: ermon's addresses must be reachable from each."
    if not language.all_paths:
        yield from _about_best_paths(router)
    yield from language.notes(router)
    if any(session.is_mirror for session in router.sessions):
        yield "A mirror also needs all other outbound settings of its neighbor (prefix list, AS path filter, remove-private-as,"
        yield "default-originate), or it shows routes that are not sent."
    if router.port != BGP_PORT and not language.any_port:
        yield f"CAUTION: this platform connects to port {BGP_PORT} only, but collector.port is {router.port}: set it to {BGP_PORT}."
    replaced = [(what, by) for what, by in router.placeholders().items() if what in body]
    if replaced:
        yield "Replace before you paste:"
        for what, by in replaced:
            yield f"  {what}"
            yield f"    {by}"


def _about_best_paths(router: Router) -> Iterator[str]:
    yield "This configuration sends best paths only, one for each prefix: ermon sees the loss of a circuit, but never that"
    yield "of one link."
    wrong = [session.feed for session in router.sessions if session.all_paths]
    if wrong:
        yield f"CAUTION: set add_path: false on {', '.join(wrong)}, or feed-best-path-only is raised."
