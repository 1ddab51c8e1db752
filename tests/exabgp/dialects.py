"""Real ExaBGPs whose lines are read as in the daemon, with raw UPDATEs or with ExaBGP's JSON."""

import asyncio
import contextlib

from ermon.exabgp.channel import Lines, Stopped
from ermon.exabgp.decode import Decoder
from ermon.exabgp.process import ExaBGP
from ermon.model.events import EndOfRib, MessagesLost, SessionDown, SessionUp, Update
from ermon.model.inventory import EDGES
from tests import bgp
from tests.exabgp.test_process import config, eventually, router


class Ermon:
    """Reads ExaBGP's output as the daemon does."""

    def __init__(self, exabgp, feeds):
        self.exabgp = exabgp
        self.decoder = Decoder(feeds)
        self.events = []
        self.lines = []
        self.ends = []
        """The reason of each end of ExaBGP."""
        self.answers = True
        self.unanswered = []

    async def read(self):
        async for message in self.exabgp.messages():
            if isinstance(message, Stopped):
                self.ends.append(message.reason)
            for line in message.lines if isinstance(message, Lines) else ():
                self.take(line)
            if self.answers:
                self.answer()

    def take(self, line):
        self.lines.append(line)
        decoded = self.decoder.decode(line)
        self.events += decoded.events
        if (decoded.answer or "").startswith("unreadable"):
            self.exabgp.answer(decoded.answer)
        elif decoded.answer is not None:
            self.unanswered.append(decoded.answer)

    def answer(self):
        for answer in self.unanswered:
            self.exabgp.answer(answer)
        self.unanswered.clear()

    def of(self, feed, *kinds):
        return [
            event
            for event in self.events
            if getattr(event, "feed", None) == feed.name and isinstance(event, kinds or object)
        ]

    def told(self, feed):
        """The events about routes and sessions, without times."""
        told = []
        for event in self.of(feed, Update, EndOfRib, SessionUp, SessionDown, MessagesLost):
            match event:
                case Update(announced=announced, withdrawn=withdrawn):
                    told += [f"+{route.prefix}" for route in announced] + [f"-{key[0]}" for key in withdrawn]
                case EndOfRib(family=family):
                    told.append(f"end of {family}")
                case SessionUp():
                    told.append("up")
                case SessionDown(reason=reason):
                    told.append(f"down: {reason}")
                case MessagesLost(reason=reason):
                    told.append(f"lost: {reason}")
        return told

    def is_down(self, feed):
        return self.told(feed)[-1].startswith("down")


@contextlib.asynccontextmanager
async def listening(port, runtime, *feeds, hold_time=30.0):
    used = config(port, *feeds, hold_time=hold_time)
    async with ExaBGP(EDGES, used, {}, runtime) as exabgp:
        ermon = Ermon(exabgp, used.feeds)
        reader = asyncio.create_task(ermon.read())
        await eventually(lambda: exabgp.up)
        yield ermon
    await reader


@contextlib.asynccontextmanager
async def session(ermon, feed, port, **settings):
    with router(feed, port, **settings) as speaker:
        await eventually(lambda: "up" in ermon.told(feed))
        yield speaker


def announcing(*numbers):
    return [
        bgp.announcement(f"10.{n >> 8}.{n & 255}.0/24", next_hop="192.0.2.1", as_path=(65011,))
        for n in numbers
    ]


def announced(*numbers):
    return [f"+10.{n >> 8}.{n & 255}.0/24" for n in numbers]
