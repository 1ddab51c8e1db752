"""Takes an ExaBGP process over to another configuration, without ending sessions where that is possible."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
from enum import Enum

from ermon.exabgp.channel import ExaBGPError
from ermon.exabgp.configure import environment, minimum_ttls
from ermon.exabgp.directory import ProcessDirectory
from ermon.model.inventory import Config

RELOAD_SECONDS = 10.0
"""How long ExaBGP may take to read its configuration again."""

_LOOK_SECONDS = 0.02


class Reload(Enum):
    """What a reload did to ExaBGP."""

    UNCHANGED = "unchanged"
    RELOADED = "reloaded"
    """Feeds that did not change kept their sessions."""
    RESTARTED = "restarted"
    """An address or its TTL changed, which ExaBGP takes only at its start: every session ends."""


def needs_restart(name: str, old: Config, new: Config) -> bool:
    """Return whether the process ``name`` would have to be started for ``new`` to be in force.

    What it listens on is in its environment, and ExaBGP sets the TTLs of a socket when it opens it.
    """
    return (environment_of(name, old), minimum_ttls(old, name)) != (
        environment_of(name, new),
        minimum_ttls(new, name),
    )


def environment_of(name: str, config: Config) -> dict[str, str]:
    """Return what ExaBGP takes from its environment and not from its configuration."""
    return environment(config, name, user_name())


def user_name() -> str:
    """Return this account's name. One without a name cannot change to another, so that any existing one will do."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return pwd.getpwuid(0).pw_name


async def reload(process: asyncio.subprocess.Process, directory: ProcessDirectory) -> None:
    """Have the process read the configuration that was written; ``ExaBGPError`` when it refuses it.

    ExaBGP answers a SIGUSR1 nowhere but in its log, which is why its words are looked for there. A log that
    became shorter meanwhile was emptied (``ProcessDirectory.limit_log``), and is read from its beginning.
    """
    before = len(directory.log())
    process.send_signal(signal.SIGUSR1)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RELOAD_SECONDS):
            news = ""
            while process.returncode is None and "could not load/reload configuration" not in news:
                await asyncio.sleep(_LOOK_SECONDS)
                log = directory.log()
                news = log[before if len(log) >= before else 0 :]
                if "loaded new configuration successfully" in news:
                    return
            await asyncio.sleep(_LOOK_SECONDS)  # the reason follows in lines of its own
            raise ExaBGPError(f"ExaBGP refused its configuration: {directory.last_words()}")
    raise ExaBGPError("ExaBGP did not read its configuration again")
