"""Runs ExaBGP as ermon does, in a separate process that a test can stop and kill.

Arguments: runtime directory, port, hold time. Prints ExaBGP's output: events as they are, everything else after ``#``.
"""

import asyncio
import sys
from pathlib import Path

from ermon.exabgp.channel import Lines
from ermon.exabgp.process import ExaBGP
from ermon.model.inventory import EDGES, View
from tests.defaults import make_collector, make_config, make_feed


async def main() -> None:
    runtime, port, hold_time = sys.argv[1:]
    feed = make_feed("edge-1", View.EDGE_TABLE, "127.0.0.11", "127.0.0.1", peer_asn=64500, local_asn=64500)
    collector = make_collector(asn=64500, port=int(port), hold_time=float(hold_time))
    config = make_config(feed, collector=collector)
    async with ExaBGP(EDGES, config, {}, Path(runtime)) as exabgp:
        async for message in exabgp.messages():
            if isinstance(message, Lines):
                text = b"\n".join(message.lines).decode()
            else:
                text = f"# {message} {exabgp.pid} {exabgp.relay_pid}"
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
