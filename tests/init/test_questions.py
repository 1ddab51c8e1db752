"""Questions and answers: the text of each question, wrong answers are asked again, and nothing is left after an
interrupt.
"""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from ermon.config.load import load_config
from ermon.init.answers import DESIGNS
from ermon.init.run import InitError, init
from tests.init.drafts import AZURE, LINKS_4, flags, lints, raised_on_a_good_day

ALL_OF_IT = [
    ("Design of your edge", ""),
    ("Your AS number", "AS3320"),
    ("Name of the circuit", "ams"),
    ("Peering of ams", ""),
    ("Peering location of ams", "Amsterdam"),
    ("Geopolitical region of ams", ""),
    ("Your router at the end of the primary link of ams", ""),
    ("IPv4 subnet of the primary link of ams", "192.0.3.0/30"),
    ("IPv6 subnet of the primary link of ams", ""),
    ("Your router at the end of the secondary link of ams", "core"),
    ("IPv4 subnet of the secondary link of ams", "192.0.3.4/30"),
    ("IPv6 subnet of the secondary link of ams", ""),
    ("Services required on ams", "exchange-online, 12076:5020"),
    ("Another circuit?", ""),
    ("Routers that send best paths only", ""),
    ("NAT pool of ams", "192.0.4.0/28"),
    ("Name of that pool", ""),
    ("Do you want ermon to watch an internet uplink", ""),
    ("Name of the uplink", "isp-a"),
    ("Your router at isp-a", ""),
    ("AS number of the provider at isp-a", "174"),
    ("Another internet uplink?", "no"),
    ("Your address space", "192.0.4.0/24"),
    ("Routers that can report their sessions by BMP", ""),
    ("File with VRPs", ""),
    ("First address of this machine", "10.0.0.20"),
    ("Address from which edge-1 connects", "10.0.0.1"),
    ("Address from which core connects", "10.0.0.2"),
]


DESIGNS_TOLD = ["How are your circuits connected? One or several of:"] + [
    f"  {design:<11}  {meaning}" for design, meaning in DESIGNS.items()
]


class Person:
    """Expects questions in their order, and answers them."""

    def __init__(self, lines: Iterable[tuple[str, str]]) -> None:
        self._lines = iter(lines)
        self.told: list[str] = []

    def read(self, prompt: str) -> str:
        expected, answer = next(self._lines, ("no more questions", ""))
        assert prompt.startswith(expected), prompt
        return answer

    def say(self, text: str) -> None:
        self.told.append(text)

    @property
    def is_done(self) -> bool:
        return next(self._lines, None) is None


def ask(folder: Path, person: Person, *arguments: str, azure: tuple[str, ...] = ()) -> None:
    files = [str(AZURE / name) for name in azure]
    init(str(folder / "ermon.yml"), flags(*arguments), files, replace=False, terminal=person)


def test_everything_can_be_asked_for(tmp_path):
    person = Person(ALL_OF_IT)
    ask(tmp_path, person)
    assert person.is_done
    assert person.told == DESIGNS_TOLD
    loaded = load_config(tmp_path / "ermon.yml")
    circuit = loaded.config.circuits["ams"]
    assert (circuit.geo, [link.router for link in circuit.links.values()]) == ("europe", ["edge-1", "core"])
    assert [service.name for service in circuit.receive.services] == ["exchange-online", "sharepoint-online"]
    assert "CHANGE" not in (tmp_path / "ermon.yml").read_text()
    assert lints(loaded) == {"geo-one-location", "uplinks-not-redundant"}
    assert raised_on_a_good_day(tmp_path) == []


def test_of_azures_circuit_only_the_rest_is_asked_for(tmp_path):
    person = Person(
        [
            ("Design of your edge", ""),
            ("Geopolitical region of er-ams", "emea"),
            ("Your router at the end of the primary link", ""),
            ("Your router at the end of the secondary link", ""),
            ("Azure has IPv6 on er-ams. Do your routers use it", ""),
            ("Services required on er-ams", ""),
            ("Routers that send best paths only", ""),
            ("Do you want ermon to watch an internet uplink", "n"),
            ("Routers that can report their sessions by BMP", ""),
            ("File with VRPs", ""),
            ("First address of this machine", "10.0.0.20"),
            ("Address from which edge-1 connects", "10.0.0.1"),
            ("Address from which edge-2 connects", "10.0.0.2"),
        ]
    )
    ask(tmp_path, person, azure=("microsoft.json",))
    assert person.is_done
    assert load_config(tmp_path / "ermon.yml").config.circuits["er-ams"].geo == "emea"


def test_values_of_flags_are_not_asked_for(tmp_path):
    person = Person(
        [
            ("Design of your edge", ""),
            ("Geopolitical region of ams", ""),
            ("Routers that send best paths only", ""),
            ("NAT pool of ams", ""),
            ("Do you want ermon to watch an internet uplink", "no"),
            ("Routers that can report their sessions by BMP", ""),
        ]
    )
    arguments = (
        "--asn",
        "3320",
        "--circuit",
        "ams",
        "--location",
        "Paris",
        "--peering",
        "microsoft",
        *LINKS_4,
    )
    ask(
        tmp_path,
        person,
        *arguments,
        *("--collector", "10.0.0.20", "--router", "edge-1=10.0.0.1", "--router", "edge-2=10.0.0.2"),
    )
    assert person.is_done


def wrong(*answers: tuple[str, str]) -> list[tuple[str, str]]:
    """Give wrong answers before the right ones to the same question."""
    return [
        line
        for question, right in ALL_OF_IT
        for line in [
            *((question, bad) for asked, bad in answers if question.startswith(asked)),
            (question, right),
        ]
    ]


@pytest.mark.parametrize(
    ("question", "answer", "told"),
    [
        ("Design of your edge", "mesh", "  'mesh' is not a design; the designs are two-routers, one-router,"),
        ("Design of your edge", "one-router, two-routers", "  one-router and two-routers exclude each other"),
        ("Your AS number", "", "  please answer, for example 64500"),
        ("Your AS number", "x", "  must be an AS number, 1 to 4294967295, not 'X'"),
        ("Name of the circuit", "a b", "  'a b' cannot be a name"),
        ("Peering of ams", "public", "  must be microsoft or private, not 'public'"),
        ("Peering location", "", "  please answer, for example Chicago"),
        ("IPv4 subnet of the primary", "2a00::/126", "  must be an IPv4 prefix, not 2a00::/126"),
        ("Services", "exchange", "  'exchange' is not a service or region of Microsoft's"),
        ("Another circuit?", "maybe", "  must be yes or no"),
        ("NAT pool", "192.0.4.1/28", "  '192.0.4.1/28' is not a prefix; host bits are set"),
        ("Routers that can report", "core, edge", "  edge is not one of your routers; they are edge-1, core"),
        ("Address from which edge-1", "2a00::1", "  2a00::1 and ermon's 10.0.0.20 are of different families"),
        ("Address from which core", "10.0.0.1", "  10.0.0.1 is already used"),
    ],
)
def test_a_wrong_answer_is_asked_for_again(tmp_path, question, answer, told):
    person = Person(wrong((question, answer)))
    ask(tmp_path, person)
    assert person.is_done
    (said,) = (each for each in person.told if each not in DESIGNS_TOLD)
    assert said.startswith(told)


def test_a_link_has_a_subnet(tmp_path):
    lines = [*ALL_OF_IT]
    lines[7:7] = [(ALL_OF_IT[7][0], ""), (ALL_OF_IT[8][0], "")]
    person = Person(lines)
    ask(tmp_path, person)
    assert person.is_done
    assert [each for each in person.told if each not in DESIGNS_TOLD] == [
        "  a link has an IPv4 subnet, an IPv6 subnet, or both"
    ]


def test_routers_that_do_bmp_report_their_sessions(tmp_path):
    lines = [(question, "core" if "BMP" in question else answer) for question, answer in ALL_OF_IT]
    person = Person(lines)
    ask(tmp_path, person)
    assert person.is_done
    config = load_config(tmp_path / "ermon.yml").config
    assert {name: str(router.peer) for name, router in config.bmp.items()} == {"core": "10.0.0.2"}
    assert "core/ams/secondary/ipv4" in config.feeds


@pytest.mark.parametrize(
    ("design", "router", "more"),
    [
        ("firewall", "firewall-1", []),
        (
            "provider",
            "edge-1",
            [("Address of the provider's router", "")] * 2 + [("Routers that send best paths only", "")],
        ),
    ],
)
def test_nobody_is_asked_for_bmp_where_no_router_of_theirs_has_it(tmp_path, design, router, more):
    person = Person(
        [
            ("Geopolitical region of ams", ""),
            *more,
            ("NAT pool of ams", ""),
            ("Do you want ermon to watch an internet uplink", "no"),
        ]
    )
    links = [f"{name}={router},192.0.3.{at}/30" for name, at in (("primary", 0), ("secondary", 4))]
    arguments = ["--design", design, "--asn", "3320", "--circuit", "ams", "--location", "Paris"]
    arguments += ["--peering", "microsoft", "--link", links[0], "--link", links[1]]
    arguments += ["--collector", "10.0.0.20", "--router", f"{router}=10.0.0.1"]
    arguments += ["--provider", "64600"] if design == "provider" else []
    ask(tmp_path, person, *arguments)
    assert person.is_done
    assert load_config(tmp_path / "ermon.yml").config.bmp == {}


def test_answers_that_end_early_leave_nothing(tmp_path):
    class Gone(Person):
        def read(self, prompt: str) -> str:
            raise EOFError

    with pytest.raises(InitError, match="the answers ended too early"):
        ask(tmp_path, Gone([]))
    assert list(tmp_path.iterdir()) == []


# At a real terminal ----------------------------------------------------------------------------------------


class Screen:
    """``ermon init`` on its own terminal."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ermon", "init", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            start_new_session=True,
        )
        os.close(theirs)

    def answer(self, question: str, text: str) -> None:
        self.until(question)
        os.write(self._ours, f"{text}\n".encode())

    def until(self, text: str) -> str:
        seen = ""
        while text not in seen:
            seen += os.read(self._ours, 4096).decode()
        return seen

    def interrupt(self) -> int:
        """Press Ctrl-C until it ends, as a user would, because Python misses one just before it begins to read."""
        for _ in range(6):
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.process.wait(timeout=10)
        raise AssertionError("it goes on")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def screen(tmp_path):
    screen = Screen(tmp_path)
    yield screen
    screen.close()


def test_at_a_terminal_it_asks(tmp_path, screen):
    for question, answer in ALL_OF_IT:
        screen.answer(question, answer)
    screen.until("Wrote ermon.yml. Next:")
    assert screen.process.wait(timeout=60) == 0
    assert load_config(tmp_path / "ermon.yml").config.customer.asn == 3320


def test_ctrl_c_leaves_nothing_behind(tmp_path, screen):
    screen.answer("Design of your edge", "")
    screen.answer("Your AS number", "3320")
    screen.until("Name of the circuit")
    assert screen.interrupt() == 130
    assert list(tmp_path.iterdir()) == []


def test_a_list_of_vrps_is_asked_for_again_until_it_can_be_read(tmp_path):
    (tmp_path / "empty.json").write_text('{"roas": []}')
    (tmp_path / "vrps.json").write_text('{"roas": [{"asn": "AS3320", "prefix": "192.0.4.0/24"}]}')
    at = next(number for number, line in enumerate(ALL_OF_IT) if line[0] == "File with VRPs")
    tries = (
        "https://rpki.example.net/vrps.json",
        "/nowhere/vrps.json",
        *(str(tmp_path / f) for f in ("empty.json", "vrps.json")),
    )
    person = Person([*ALL_OF_IT[:at], *(("File with VRPs", each) for each in tries), *ALL_OF_IT[at + 1 :]])
    ask(tmp_path, person)
    problems = person.told[len(DESIGNS_TOLD) :]
    assert [problem.rpartition(": ")[2] for problem in problems] == [
        "ownership.vrps",
        "No such file or directory",
        "its validator has fetched nothing",
    ]
    (source,) = load_config(tmp_path / "ermon.yml").config.ownership.vrps
    assert (source.location, source.refresh) == (str(tmp_path / "vrps.json"), 3600.0)


def test_a_list_of_vrps_that_cannot_be_read_is_an_error_of_its_flag(tmp_path):
    with pytest.raises(InitError, match=r"--vrps.*No such file"):
        ask(tmp_path, Person([]), "--vrps", "/nowhere/vrps.json")
