"""The configuration to paste into a router, so that it sends its routes to ermon, or reports its sessions by BMP: ``ermon render
router``.

``describe`` and ``reporting`` collect what a router needs to know, and a module for each platform writes it in the platform's language.
Each module names its sources. FRR, BIRD, GoBGP and OpenBGPD were tried; the output for the others says that they were
not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from ermon.model.inventory import Config
from ermon.routers import bird, eos, fortios, frr, gobgp, iosxe, iosxr, junos, nxos, openbgpd, panos, vyos
from ermon.routers.describe import BGP_PORT, MAX_TTL, Mirrors, Router, RouterError, describe, names
from ermon.routers.platform import Bmp, Platform
from ermon.routers.reporting import Reporting, describe_reporting

__all__ = ["PLATFORMS", "Mirrors", "RouterError", "names", "render", "render_bmp"]


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
    return _with_head(language, _head(router, language, "\n".join(body)), body)


def render_bmp(config: Config, name: str, platform: str, update_source: str | None = None) -> str:
    """Return the configuration with which the router ``name`` reports its sessions to ermon by BMP, as ``render`` does.

    Raise ``RouterError`` for a router that has no ``bmp`` in the configuration, or a platform that has no BMP.
    """
    router = describe_reporting(config, name, update_source)
    language = PLATFORMS[platform]
    if language.bmp is None:
        raise RouterError(
            f"{language.title} has no BMP by its documentation: remove routers.{name}.bmp, and let the router send its table over "
            f"BGP instead, as a feed with the view edge-table (ermon render router {name} --platform={platform})"
        )
    body = list(language.bmp.write(router))
    return _with_head(language, _head_of_bmp(router, language, language.bmp, "\n".join(body)), body)


def _with_head(language: Platform, head: Iterable[str], body: Iterable[str]) -> str:
    comments = (f"{language.comment} {line}".rstrip() for line in head)
    return "\n".join([*comments, *body]) + "\n"


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
    yield from _to_replace(router.placeholders(), body)


def _to_replace(placeholders: Mapping[str, str], body: str) -> Iterator[str]:
    replaced = [(what, by) for what, by in placeholders.items() if what in body]
    if replaced:
        yield "Replace before you paste:"
        for what, by in replaced:
            yield f"  {what}"
            yield f"    {by}"


def _head_of_bmp(router: Reporting, language: Platform, bmp: Bmp, body: str) -> Iterator[str]:
    to = f"{router.station}, port {router.port}"
    yield f"{router.name}, {language.title}: its sessions, reported to ermon at {to} (BMP). Written by `ermon render router --bmp`."
    yield f"ermon only listens, and takes this connection from {router.source} alone. No route of the router changes."
    if bmp.tried_on is None:
        yield "Based on documentation and published configurations, and tried on no device: review it before you paste."
    yield from (f"{'Source:' if at == 0 else '       '} {line}" for at, line in enumerate(bmp.sources))
    yield from bmp.notes(router)
    yield from _what_it_cannot_report(router, bmp)
    yield from _to_replace(router.placeholders(), body)


def _what_it_cannot_report(router: Reporting, bmp: Bmp) -> Iterator[str]:
    of = f"routers.{router.name}.bmp"
    if not bmp.post_policy:
        yield "CAUTION: by its documentation, it reports routes before its inbound policy only. ermon believes what it reports of its"
        yield "sessions, and takes the routes from edge tables: keep those feeds."
    elif router.pre_policy and not bmp.pre_policy:
        yield "CAUTION: whether it can report routes both before and after its inbound policy could not be confirmed, so this reports"
        yield f"those after it: remove pre_policy from {of}."
    if router.adj_rib_out:
        yield "CAUTION: a command that reports what it advertises (RFC 8671) could not be confirmed: remove adj_rib_out from"
        yield f"{of}, and keep the mirrors (to-microsoft, to-internet)."
    if not bmp.statistics:
        yield "CAUTION: a command for statistics could not be confirmed. Without them ermon raises bmp-no-stats, and cannot tell that"
        yield "the router no longer reports a session, such as that of a neighbor which was removed."
    if router.has_key and not bmp.keys:
        yield "CAUTION: a command for the TCP MD5 key of this connection could not be confirmed, and ermon answers no connection"
        yield f"without it: remove md5_password_file from {of}."
    if router.hops is not None:
        yield f"CAUTION: ermon accepts packets with a TTL of {MAX_TTL + 1 - router.hops} or more only, and a command for it could not be confirmed: if the"
        yield f"router sends them with another TTL, remove ttl_security from {of}."


def _about_best_paths(router: Router) -> Iterator[str]:
    yield "This configuration sends best paths only, one for each prefix: ermon sees the loss of a circuit, but never that"
    yield "of one link."
    wrong = [session.feed for session in router.sessions if session.all_paths]
    if wrong:
        yield f"CAUTION: set add_path: false on {', '.join(wrong)}, or feed-best-path-only is raised."
