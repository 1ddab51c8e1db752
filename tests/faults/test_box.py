"""An attacker who controls ExaBGP, which parses input from the network, finds none of ermon's secrets, changes nothing
of it, and gets no further.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ermon.exabgp import relay
from ermon.exabgp.box import PARTS
from ermon.exabgp.capabilities import DAC_READ_SEARCH, NET_BIND_SERVICE
from ermon.exabgp.door import Door
from tests import bgp
from tests.e2e.company import EDGES, Company, configuration, own_network
from tests.e2e.sandbox import NOBODY
from tests.e2e.test_systemd import LIBRARIES, anybodys_python

pytestmark = pytest.mark.slow

INSIDE = Path(__file__).with_name("inside.py")
WITHOUT_LANDLOCK = Path(__file__).with_name("without_landlock.py")
ROOT = Path(__file__).parents[2]
MAY_BE_KEPT = 1 << DAC_READ_SEARCH | 1 << NET_BIND_SERVICE
REFUSED = {"EACCES", "EPERM"}
REFUSED_BY_SOME_MACHINES = {
    *("read its memory", "trace it"),  # the Yama security module
    "ask without system calls",  # io_uring is often disabled
    "listen by another protocol",
}
BECOME_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}"),
    *("--clear-groups", "--bounding-set=-all"),
)


@pytest.fixture
def attacked(tmp_path):
    """A store, keys and sockets as ermon has them, and a process to attack."""
    folder = tmp_path / "edges"
    for name in ("edges", "outside", "state", "credentials"):
        (tmp_path / name).mkdir()
    files = {
        "store": tmp_path / "state" / "ermon.sqlite",
        "key": tmp_path / "credentials" / "secrets_edge-1.key",
        "web": tmp_path / "web.yml",
        "neighbour": tmp_path / "outside" / "exabgp.conf",
    }
    for path in (*files.values(), folder / "exabgp.conf"):
        path.write_text("a secret")
    with contextlib.ExitStack() as stack:
        victim = stack.enter_context(
            subprocess.Popen([sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"])
        )
        stack.callback(victim.kill)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        tcp6 = stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
        control, notify = str(tmp_path / "control.sock"), str(tmp_path / "notify")
        abstract = f"ermon-{os.getpid()}"
        for kind, address in (
            (socket.SOCK_STREAM, control),
            (socket.SOCK_DGRAM, notify),
            (socket.SOCK_STREAM, f"\0{abstract}"),
        ):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX, kind))
            sock.bind(address)
            if kind == socket.SOCK_STREAM:
                sock.listen()
        maps = Path("/proc/self/maps").read_text().split()
        yield {name: str(path) for name, path in files.items()} | {
            "folder": str(folder),
            "home": str(ROOT.parent),
            "pid": victim.pid,
            "tcp": tcp.getsockname()[1],
            "tcp6": tcp6.getsockname()[1],
            "control": control,
            "notify": notify,
            "abstract": abstract,
            "free": bgp.free_port("127.0.0.1"),
            "loader": next(path for path in maps if Path(path).name.startswith("ld-")),
        }


def tried(attacked, boxed):
    """Return the outcome of each attempt, and what the sandbox lacks on this machine."""
    with contextlib.closing(Door()) as door:
        command = [
            sys.executable,
            "-P",
            INSIDE,
            f"{attacked['folder']}/exabgp.conf",
            str(bgp.free_port("127.0.0.1")),
            boxed,
        ]
        ended = subprocess.run(
            list(map(str, command)),
            input=json.dumps(attacked),
            env=os.environ
            | {"PYTHONPATH": str(ROOT), "exabgp_daemon_user": "root", relay.DOOR: str(door.inside)},
            pass_fds=(door.inside,),
            check=True,
            capture_output=True,
            text=True,
        )
        door.answer()
        return json.loads(ended.stdout), door.missing


def test_an_attacker_who_controls_exabgp_reaches_nothing_of_ermon(attacked):
    outcomes, missing = tried(attacked, "boxed")
    bgp.require(missing == (), f"all parts of the box (missing: {missing})")
    allowed = {name for name, outcome in outcomes.items() if outcome == "done"}
    assert allowed == {
        "read its configuration",
        "listen on its port",
        "start Python",
        "signal a child",
        "import from Python's library",
        "throw something away",
        "listen where the kernel chooses",
    }
    failed = {name: outcome for name, outcome in outcomes.items() if outcome != "done"}
    assert {name: outcome for name, outcome in failed.items() if outcome not in REFUSED} == {
        "run a program by its loader": "failed"  # the loader starts, and cannot read the program
    }


def test_without_the_box_all_of_it_would_be_possible(attacked):
    outcomes, missing = tried(attacked, "free")
    assert missing is None
    assert {name for name, outcome in outcomes.items() if outcome != "done"} <= REFUSED_BY_SOME_MACHINES


# The real ones ---------------------------------------------------------------------------------------


def as_nobody(daemon, directory):
    """Make a daemon run as a user without any right."""
    bgp.require(os.geteuid() == 0, "right to become another user: not root")
    bgp.require(shutil.which("setpriv") is not None, "setpriv")
    for path in (directory, *directory.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    daemon.interpreter = (*BECOME_NOBODY, anybodys_python())
    daemon.environment = dict(LIBRARIES)


def reads(path):
    """Return whether another process of that user can read a file of a process."""
    code = f"open({str(path)!r}, 'rb', buffering=0).read(0)"
    command = [*BECOME_NOBODY, "/usr/bin/env", "python3", "-I", "-S", "-c", code]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_no_process_of_ermon_s_user_reads_its_memory_or_its_environment(directory):
    company = Company(directory, configuration(own_network()))
    daemon = company.daemon
    as_nobody(daemon, directory)
    with company.running():
        assert daemon.metric("process_open_fds") > 5  # ermon can still read its own
        private = [Path(f"/proc/{daemon.process.pid}/{name}") for name in ("mem", "environ", "maps")]
        assert [path for path in private if reads(path)] == []
        # The same user can read the files of ExaBGP: not every unreadable file is hidden from everybody.
        assert reads(f"/proc/{daemon.exabgp_pid('edges')}/environ")


def test_exabgp_and_its_relay_are_in_the_box_and_sessions_survive_that_they_die_in_it(directory):
    company = Company(directory, configuration(own_network()))
    daemon = company.daemon
    with company.running():
        parts = {(process, part) for process in ("edges", "outside") for part in PARTS}
        confined = {
            pair for pair in parts if daemon.metric("ermon_exabgp_confined", process=pair[0], part=pair[1])
        }
        bgp.require(confined == parts, f"all parts of the box (missing: {parts - confined})")
        assert all(line["confined"] for line in daemon.logged("exabgp started"))
        assert not daemon.logged("exabgp is not confined")
        assert [process["unconfined"] for process in daemon.status()["processes"].values()] == [[], []]
        for pid in (daemon.exabgp_pid("edges"), daemon.relay_pid("edges")):
            status = Path(f"/proc/{pid}/status").read_text()
            assert "NoNewPrivs:\t1\n" in status
            assert "Seccomp:\t2\n" in status  # seccomp(2): the process has a filter
            for held in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"):
                (capabilities,) = re.findall(rf"{held}:\t(\w+)", status)
                assert int(capabilities, 16) & ~MAY_BE_KEPT == 0, held
            assert "CREDENTIALS_DIRECTORY" not in Path(f"/proc/{pid}/environ").read_text()
        sessions, relay_before = company.sessions(), daemon.relay_pid("edges")
        os.kill(relay_before, signal.SIGKILL)  # another process asks at the same door
        daemon.wait_until(lambda: daemon.logged("BGP updates lost", process="edges"), "the loss is told")
        company.wait_for_new_sessions(sessions, *EDGES)
        assert daemon.relay_pid("edges") != relay_before
        os.kill(daemon.exabgp_pid("edges"), signal.SIGKILL)
        daemon.wait_until(
            lambda: len(daemon.logged("exabgp started", process="edges")) == 2, "another ExaBGP"
        )
        daemon.wait_until_in_sync(*EDGES)
        assert all(line["confined"] for line in daemon.logged("exabgp started"))


def test_without_landlock_exabgp_runs_and_missing_confinement_is_reported(directory):
    company = Company(directory, configuration(own_network()))
    daemon = company.daemon
    daemon.interpreter = (sys.executable, str(WITHOUT_LANDLOCK), sys.executable)
    with company.running():
        confined = {
            part: daemon.metric("ermon_exabgp_confined", process="edges", part=part) for part in PARTS
        }
        assert confined == {"files": 0, "ports": 0, "signals": 0, "calls": 1}
        told = daemon.logged("exabgp is not confined", process="edges")
        assert [line["missing"] for line in told] == ["files, ports, signals"]
        assert daemon.status()["processes"]["edges"]["unconfined"] == ["files", "ports", "signals"]
        assert not any(line["confined"] for line in daemon.logged("exabgp started"))
