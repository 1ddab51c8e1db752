"""The notifications of `ermon run` to systemd, and ermon in the sandbox of its unit."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests import bgp
from tests.e2e.company import Company, configuration, own_network
from tests.e2e.daemon import Daemon, eventually
from tests.e2e.netns import namespace
from tests.e2e.sandbox import NOBODY

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "ermon.service"
SPOKEN_FOR_ERMON = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY"}


class Manager:
    """systemd's end of the socket, read by a thread."""

    def __init__(self, path: Path) -> None:
        self.heard: list[str] = []
        """The received datagrams, in order."""
        self.environment = {"NOTIFY_SOCKET": str(path)}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while message := self._socket.recv(4096):
            self.heard.append(message.decode())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def catch_up(self) -> None:
        """Return when everything that was sent before has been read."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"MARK", self.environment["NOTIFY_SOCKET"])
        eventually(lambda: "MARK" in self.heard, "the manager has read all")
        self.heard.remove("MARK")

    def count(self, message: str) -> int:
        return self.heard.count(message)

    def states(self) -> list[str]:
        """The reported states of the service."""
        wanted = ("READY", "RELOADING", "STOPPING")
        return [name for message in self.heard if (name := message.partition("=")[0]) in wanted]


@pytest.fixture
def manager(directory) -> Iterator[Manager]:
    with contextlib.closing(Manager(directory / "notify")) as manager:
        yield manager


@pytest.fixture
def settings() -> dict:
    """The company's configuration, with a single ExaBGP."""
    found = configuration(own_network())
    del found["feeds"]["outside"]
    return found


def test_readiness_is_reported_when_exabgp_listens_and_not_before(directory, settings, manager):
    port = settings["collector"]["port"]
    addresses = sorted({feed["local"] for feed in settings["feeds"].values()})
    with Daemon(directory, settings) as daemon:
        daemon.environment = manager.environment
        with contextlib.ExitStack() as taken:
            for address in addresses:
                taken.enter_context(socket.create_server((address, port)))
            daemon.launch()
            daemon.wait_for_web()
            daemon.wait_until(
                lambda: any(waits_for_a_port(told) for told in manager.heard), "it tells what it waits for"
            )
            assert manager.states() == []
        daemon.wait_until(lambda: manager.count("READY=1"), "it is ready")
        for address in addresses:
            socket.create_connection((address, port)).close()
        daemon.wait_until(
            lambda: manager.heard[-1].startswith("STATUS=0 of 5 feeds up, "), "it says how it is"
        )


def waits_for_a_port(message: str) -> bool:
    return message.startswith("STATUS=feeds.edge-1.local: cannot listen on ")


def test_reloads_are_reported_even_if_they_are_refused_and_so_is_the_end(directory, settings, manager):
    company = Company(directory, settings)
    daemon = company.daemon
    daemon.environment = manager.environment | {"CREDENTIALS_DIRECTORY": str(directory)}
    with company.running():
        daemon.wait_until(lambda: "STATUS=5 of 5 feeds up, nothing raised" in manager.heard, "all is well")
        before = time.monotonic_ns() // 1000
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_until(lambda: manager.states() == ["READY", "RELOADING", "READY"], "a reload is told")
        (reloading,) = [message for message in manager.heard if message.startswith("RELOADING")]
        sent = int(reloading.removeprefix("RELOADING=1\nMONOTONIC_USEC="))
        assert before <= sent <= time.monotonic_ns() // 1000
        daemon.configure({"no": "configuration"})
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_until(
            lambda: manager.states() == ["READY", *(["RELOADING", "READY"] * 2)],
            "one that is refused as well",
        )
        assert daemon.logged("reload refused")
        for child in (daemon.exabgp_pid(), daemon.relay_pid()):
            assert not SPOKEN_FOR_ERMON & environment_of(child).keys()
        daemon.send_signal(signal.SIGTERM)
        assert daemon.process.wait(bgp.PATIENCE) == 0
        manager.catch_up()
        assert manager.states()[-1] == "STOPPING"


def environment_of(pid: int) -> Mapping[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if entry)


def test_watchdog_is_fed_in_a_quiet_night_and_not_while_exabgp_hangs(directory, settings, manager):
    with Daemon(directory, settings, "--exabgp.answer-limit=3") as daemon:
        daemon.environment = manager.environment | {"WATCHDOG_USEC": "200000"}
        daemon.start()

        def wait_until_fed(times: int) -> None:
            enough = manager.count("WATCHDOG=1") + times
            daemon.wait_until(lambda: manager.count("WATCHDOG=1") >= enough, "the watchdog is fed")

        wait_until_fed(10)  # although no router has connected
        exabgp = daemon.exabgp_pid()
        os.kill(exabgp, signal.SIGSTOP)
        daemon.wait_until(lambda: daemon.logged("watchdog not fed"), "ermon sees that it is of no use")
        (told,) = daemon.logged("watchdog not fed")
        assert "edges" in told["reason"]
        manager.catch_up()
        fed = manager.count("WATCHDOG=1")
        time.sleep(1)  # five times as long as systemd would wait
        manager.catch_up()
        assert manager.count("WATCHDOG=1") == fed
        os.kill(exabgp, signal.SIGCONT)
        wait_until_fed(2)
        assert daemon.metric("ermon_exabgp_restarts_total") == 0


def test_an_ermon_that_the_watchdog_kills_shows_where_it_hung(directory, settings):
    with Daemon(directory, settings) as daemon:
        daemon.start()
        daemon.send_signal(signal.SIGABRT)
        assert daemon.process.wait(bgp.PATIENCE) == -signal.SIGABRT
        assert "most recent call first" in daemon.log_file.read_text()
        daemon.wait_until_nothing_is_left()


# What the unit leaves it -----------------------------------------------------------------------------


def test_keys_come_from_the_credentials_that_systemd_makes_of_their_folder(directory, settings):
    bgp.require(bgp.supports_md5(), "TCP MD5 signatures")
    company = company_with_keys(directory, settings)
    with company.running():
        assert "the key of" not in company.daemon.log_file.read_text()


def company_with_keys(directory: Path, settings: dict, *flags: str) -> Company:
    """The company with a key for each router, in the folder in which systemd puts it."""
    credentials = directory / "credentials"
    credentials.mkdir(mode=0o700)
    for feed in settings["feeds"].values():
        router = feed.get("router", "outside")
        feed["md5_password_file"] = f"secrets/{router}.key"
        (credentials / f"secrets_{router}.key").write_text(f"the key of {router}\n")
    company = Company(directory, settings, *flags)
    company.daemon.environment = {"CREDENTIALS_DIRECTORY": str(credentials)}
    for name, router in company.routers.items():
        router.speaker.password = f"the key of {settings['feeds'][name].get('router', 'outside')}"
    return company


def test_ermon_works_on_port_179_in_the_sandbox_of_its_unit(directory, manager):
    bgp.require(bgp.supports_md5(), "TCP MD5 signatures")
    bgp.require(os.geteuid() == 0, "right to make a sandbox: not root")
    for tool in ("setpriv", "systemd-analyze"):
        bgp.require(shutil.which(tool) is not None, tool)
    settings = configuration(own_network())
    settings["collector"]["port"] = 179
    settings["feeds"]["outside"]["ttl_security"] = 1
    with namespace():
        company = company_with_keys(directory, settings, f"--storage.path={directory}/state")
        company.routers["outside"].speaker.ttl = 255
        daemon = company.daemon
        for path in (directory, *directory.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        sandbox = str(Path(__file__).parent / "sandbox.py")
        python = anybodys_python()
        daemon.interpreter = (python, sandbox, str(UNIT), str(directory), python)
        daemon.environment |= manager.environment | LIBRARIES
        with company.running():
            eventually(lambda: manager.count("READY=1") == 1, "it is ready")
            status = Path(f"/proc/{daemon.exabgp_pid('edges')}/status").read_text()
            facts = dict(line.split(":\t", 1) for line in status.splitlines())
            assert facts["Uid"].split() == [str(NOBODY)] * 4
            assert int(facts["CapEff"], 16) == 1 << 10  # CAP_NET_BIND_SERVICE, capabilities(7)
            assert (facts["NoNewPrivs"], facts["Seccomp"], facts["Umask"]) == ("1", "2", "0177")


LIBRARIES = {"PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])}


def anybodys_python() -> str:
    """Return a Python like this one that any user can run, with ermon installed."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--bounding-set=-all"]
    # The first is started with all rights, the second as ermon starts ExaBGP.
    again = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', 'import ermon.daemon.service, exabgp']))"
    for python in (sys.executable, f"/usr/bin/python{version}"):
        trial = [*become, python, "-c", again]
        if not subprocess.run(trial, env=os.environ | LIBRARIES, check=False, capture_output=True).returncode:
            return python
    bgp.require(False, f"Python {version} that any user can run with ermon and its libraries")
    raise AssertionError
