"""Confines itself as ``launch`` does, unless told not to, tries what an attacker who controls ExaBGP would try, and
prints the outcome of each attempt: ``done``, or the name of the error.

``inside.py CONFIGURATION PORT BOXED``, with the names and places of what is attacked on standard input, as JSON.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

from ermon.exabgp import launch, relay

LIBRARY = ctypes.CDLL(None, use_errno=True)
LIBRARY.syscall.restype = ctypes.c_long
PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17
MSG_FASTOPEN = 0x20000000


def system_call(number, *arguments):
    words = [word if isinstance(word, ctypes.Array) else ctypes.c_long(word) for word in arguments]
    outcome = LIBRARY.syscall(ctypes.c_long(number), *words)
    if outcome < 0:
        raise OSError(ctypes.get_errno(), "")
    return outcome


def connect(family, kind, address):
    with socket.socket(family, kind) as sock:
        sock.settimeout(5)
        sock.connect(address)


def send_to(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"secret", address)


def send_to_path(path):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.sendto(b"READY=1", path)


def open_fast(address):
    with socket.socket() as sock:
        sock.sendto(b"secret", MSG_FASTOPEN, address)


def listen(port, protocol=0):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen()


def listen_anywhere():
    with socket.socket() as sock:
        sock.listen()


def read_memory(pid):
    with open(f"/proc/{pid}/mem", "rb", buffering=0):
        pass


def trace(pid):
    if LIBRARY.ptrace(PTRACE_SEIZE, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "")
    LIBRARY.ptrace(PTRACE_DETACH, pid, None, None)


def make(path, maker):
    maker(path)
    with contextlib.suppress(OSError):
        os.remove(path)


def attempts(of):
    """The attempts that must fail."""
    store, pid, folder = of["store"], of["pid"], of["folder"]
    yield from (
        *(
            (f"read {name}", lambda name=name: Path(of[name]).read_bytes())
            for name in ("store", "key", "web")
        ),
        ("read another process' configuration", lambda: Path(of["neighbour"]).read_bytes()),
        ("read the machine's accounts", lambda: Path("/etc/passwd").read_bytes()),
        ("look around", lambda: os.listdir(of["home"])),
        ("look at the processes", lambda: os.listdir("/proc")),
        ("read its memory", lambda: read_memory(pid)),
        ("read its environment", lambda: Path(f"/proc/{pid}/environ").read_bytes()),
        ("write into the store", lambda: os.close(os.open(store, os.O_WRONLY | os.O_APPEND))),
        ("cut the store off", lambda: os.truncate(store, 3)),
        ("rename the store", lambda: (os.rename(store, f"{store}.x"), os.rename(f"{store}.x", store))),
        ("let everybody read the store", lambda: os.chmod(store, 0o600)),
        ("give the store away", lambda: os.chown(store, os.getuid(), os.getgid())),
        ("touch the store", lambda: os.utime(store)),
        ("link to the store", lambda: make(f"{folder}/link", lambda path: os.symlink(store, path))),
        ("make a file", lambda: make(f"{folder}/new", lambda path: Path(path).touch())),
        ("make a pipe", lambda: make(f"{folder}/pipe", os.mkfifo)),
        ("connect by TCP", lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", of["tcp"]))),
        (
            "connect by TCP over IPv6",
            lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("::1", of["tcp6"])),
        ),
        ("connect by TCP with data", lambda: open_fast(("127.0.0.1", of["tcp"]))),
        ("send by UDP", lambda: send_to(("127.0.0.1", of["tcp"]))),
        ("connect to a socket of ermon", lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, of["control"])),
        (
            "connect to an abstract socket",
            lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + of["abstract"]),
        ),
        ("speak to systemd", lambda: send_to_path(of["notify"])),
        ("listen on another port", lambda: listen(of["free"])),
        ("listen by another protocol", lambda: listen(of["free"], socket.IPPROTO_MPTCP)),
        ("signal it", lambda: os.kill(pid, signal.SIGCONT)),
        ("trace it", lambda: trace(pid)),
        ("limit it", lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE)),
        ("slow it down", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19)),
        ("bind it to a processor", lambda: os.sched_setaffinity(pid, os.sched_getaffinity(pid))),
        ("run a program", lambda: subprocess.run(["/bin/true"], check=True)),
        ("run a program by its loader", lambda: subprocess.run([of["loader"], "/bin/true"], check=True)),
        ("ask without system calls", lambda: os.close(system_call(425, 4, (ctypes.c_char * 120)()))),
    )


def allowed(of):
    yield from (
        ("read its configuration", lambda: Path(of["configuration"]).read_bytes()),
        ("listen on its port", lambda: listen(of["port"])),
        ("start Python", lambda: subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)),
        ("signal a child", signal_a_child),
        ("import from Python's library", lambda: __import__("sqlite3")),
        ("throw something away", lambda: Path("/dev/null").write_bytes(b"x")),
        (
            "listen where the kernel chooses",
            listen_anywhere,
        ),  # ermon does not want it, but nothing can refuse it
    )


def signal_a_child():
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"])
    child.terminate()
    assert child.wait() == -signal.SIGTERM


def main():
    configuration, port, boxed = sys.argv[1:]
    of = json.load(sys.stdin) | {"configuration": configuration, "port": int(port)}
    door = int(os.environ[relay.DOOR])
    if boxed == "boxed":
        launch.go_into_the_box(configuration, int(port), door)
    outcomes = {}
    for name, attempt in (*attempts(of), *allowed(of)):
        try:
            attempt()
        except subprocess.CalledProcessError:
            outcomes[name] = "failed"
        except OSError as error:
            outcomes[name] = errno.errorcode.get(error.errno, str(error))
        else:
            outcomes[name] = "done"
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main()
