from __future__ import annotations

import io
import re

import pytest

from ermon.config.load import load_config
from ermon.demo.acceptance import ProcedureStep
from ermon.demo.run import CONFIGURATION, shortened_timers
from ermon.demo.screen import Latency, Row, Screen
from ermon.demo.story import story
from tests.demo.findings import leak

LONGEST = Row("critical", "pool-leak", "outbound ipv4 edge-1-isp-a isp-a", Latency(2.031, 2), Latency(3.5, 3))


LEAK = leak(
    "raised",
    {},
    "NAT pool outbound 2001:db8:100:1::/72 is advertised to the internet, seen on outside",
    prefixes=["2001:db8:100:1::/72"],
    as_paths=["64520 64511 64500"],
    feeds=["outside"],
)


WHY = (
    "primary: session with 2001:db8:ffff::1 Idle since 2026-12-01 04:24:02 UTC; ARP incomplete: call the provider "
    "(asked 2026-12-01 04:24:04 UTC)"
)
BY_AZURE = ProcedureStep(
    5,
    "ExpressRoute has accepted them",
    "pass",
    "outbound",
    (
        "Azure's view of the circuit, read 2026-12-01 04:27:40 UTC",
        "Microsoft's tables of primary and secondary",
    ),
)
BY_ANOTHER_TOOL = ProcedureStep(8, "A host reaches Microsoft", None, "not in BGP. Run ping from a host")


class Pipe(io.StringIO):
    encoding = "utf-8"


class Terminal(Pipe):
    def isatty(self) -> bool:
        return True


class AsciiPipe(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="ascii")


def print_everything(stream: io.TextIOBase) -> None:
    screen = Screen(stream)  # type: ignore[arg-type]
    screen.opening(shortened_timers(load_config(CONFIGURATION).config))
    for number, step in enumerate(story(), 2):
        screen.step(number, step.title)
        if step.remark:
            screen.fact(step.remark)
    screen.fact("link primary is down, link secondary is unknown", 0.018)
    screen.finding(LEAK, 2.031)
    screen.learned("Microsoft's edge router says:", [WHY], 0.407)
    screen.procedure([BY_AZURE, BY_ANOTHER_TOOL])
    screen.wrong("expected, but missing")
    screen.summary([LONGEST])
    screen.closing("no other", good=True)
    screen.closing("another", good=False)
    screen.note("Everything stays up")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_everything_fits_into_a_hundred_columns(terminal: Terminal) -> None:
    print_everything(terminal)

    lines = re.sub(r"\033\[\d+m", "", terminal.getvalue()).splitlines()
    assert max(map(len, lines)) <= 100


def test_latencies_stand_in_one_column_with_and_without_colours(terminal: Terminal) -> None:
    plain = Pipe()
    print_everything(terminal)
    print_everything(plain)

    assert "\033[31m" in terminal.getvalue()
    assert re.sub(r"\033\[\d+m", "", terminal.getvalue()) == plain.getvalue()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_may_refuse_colours(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    print_everything(terminal)

    assert "\033" not in terminal.getvalue()


def test_where_only_ascii_can_be_printed_the_drawing_is_in_ascii() -> None:
    stream = AsciiPipe()

    print_everything(stream)  # would raise UnicodeEncodeError

    stream.flush()
    assert b"+------+ edge-1 +------+" in stream.buffer.getvalue()  # type: ignore[attr-defined]


def test_a_leak_names_the_prefix_the_path_and_the_feed(terminal: Terminal) -> None:
    Screen(terminal).finding(LEAK, 0.005)

    assert "2001:db8:100:1::/72, AS path 64520 64511 64500, seen on outside" in terminal.getvalue()


def test_what_another_tool_shows_has_no_tick(terminal: Terminal) -> None:
    Screen(terminal).procedure([BY_AZURE, BY_ANOTHER_TOOL])

    lines = re.sub(r"\033\[\d+m", "", terminal.getvalue()).splitlines()
    assert lines[0].startswith("    ✓ 5 ExpressRoute has accepted them ")
    assert "(seen by Azure's view" in lines[0]
    assert lines[-1].startswith("    · 8 A host reaches Microsoft ")


def test_the_time_of_raise_after_is_shown_separately(terminal: Terminal) -> None:
    Screen(terminal).summary(
        [LONGEST, Row("critical", "pool-leak", "outbound ipv6 outside", Latency(0.005, 0))]
    )

    assert "2 s + 31 ms      3 s + 500 ms" in terminal.getvalue()
    assert re.search(r" 5 ms +-\n", terminal.getvalue())


def test_every_timer_that_is_not_the_default_is_named_with_its_default() -> None:
    raising, clearing, settling = shortened_timers(load_config(CONFIGURATION).config)

    assert "link-down 2 s (10 s)" in raising
    assert "pool-leak 3 s (60 s)" in clearing
    assert settling.split() == ["settle", "0.5", "s", "(2", "s)"]
