"""``ermon status``: how a running daemon sees the network, once."""

from __future__ import annotations

from typing import Any, TextIO

import msgspec

from ermon.client.http import Client, Target
from ermon.terminal.console import make_console
from ermon.terminal.overview import overview
from ermon.terminal.picture import Picture


async def show_status(target: Target, out: TextIO, *, json: bool, everything: bool) -> bool:
    """Print the state of a daemon, and tell whether nothing is raised; ``UnreachableError`` when none answers.

    With ``json``: one object, ``status`` and ``findings``, each as the API answers it.
    """
    async with Client(target) as client:
        status = await client.get("status", dict[str, Any])
        findings = await client.get("findings", list[Any])
        picture = Picture(client.name)
    picture.take_all(status, findings)
    if json:
        out.write(as_json({"status": status, "findings": findings}))
    else:
        console = make_console(out)
        for part in overview(picture, console.width, everything=everything):
            console.print(part)
    return not picture.raised()


def as_json(data: object) -> str:
    return msgspec.json.format(msgspec.json.encode(data)).decode() + "\n"
